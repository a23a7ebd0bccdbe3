"""What a surrogate's errors mean: the same questions asked of it and of its source.

    profile       t_mu along each parameter of interest, up to t = 9
    limits        the upper limits; where the surrogate knows no Asimov data, those of the profile;
                  `missing` counts those that cannot be compared, one of the two being none or 0
    hpdi          the intervals of highest posterior density, ends in units of the posterior's sd
    within_sigma  the largest |difference of 2 log L| among points that lie within n = 1 ... 5
                  standard deviations, i.e. 2 (max log L - log L) below the quantile of chi2 with F
                  degrees of freedom that has the probability of n sigma
    residuals     that difference, and the depth in sigma, of each of those points
    weights       draws of the surrogate weighted by exp(log L exact - log L surrogate): the part of
                  them that is effective, (sum w)^2/(n sum w^2), 1 for an exact surrogate
    marginals     two-sample Kolmogorov-Smirnov tests of each parameter, of thinned draws of both

The source is asked at points that the training has not seen: draws from the surrogate, and the
neighbourhood of its profile curves.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from neyman._jax import jax, jnp
from neyman.inference.limit import upper_limit
from neyman.inference.profile import Profile
from neyman.inference.profile_limit import METHOD, profile_limit
from neyman.inference.sampling.sample import sample
from neyman.inference.toy_test import Workplace
from neyman.jobs.ask import Folder, ask
from neyman.jobs.compare import halves, hpdi_errors, marginals, marginals_weighted, within_sigma
from neyman.jobs.neighbourhood import around_curve, conditional_maxima
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.results import Limit, Samples
from neyman.results.base import finite
from neyman.status import Note, Severity, Status

DEEPEST = 9.0
VALUES = 21


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many draws and points a validation takes."""

    draws: int = 8_000
    """Of the surrogate; and of the source, where it is not dear."""
    points: int = 2_000
    """At which the source is asked."""


class Validated(NamedTuple):
    """A JSON document of the numbers above, and what makes them doubtful."""

    numbers: dict[str, Any]
    notes: tuple[Note, ...]


def validate(
    exact: Likelihood,
    surrogate: OnnxLikelihood,
    pois: Sequence[str],
    *,
    key: int,
    level: float = 0.95,
    budget: Budget = Budget(),
    folder: Folder = None,
) -> Validated:
    """The numbers above, and the notes of the limits and draws; `key` is the seed of chains.

    A source that is dear is not sampled: the draws of the surrogate, weighted, stand for it.
    """
    surrogate = jax.tree.map(jnp.asarray, surrogate)
    where = None if folder is None else pathlib.Path(folder)
    own = sample(
        surrogate, key=key, sampler="nuts", draws=max(4, budget.draws // 8),
        workplace=Workplace(folder=None if where is None else where / "surrogate"),
    )  # fmt: skip
    limits = {poi: both_limits(exact, surrogate, poi, level) for poi in pois}
    found: dict[str, Any] = {
        "profile": {poi: profile_errors(exact, surrogate, poi) for poi in pois},
        "limits": {poi: limit_errors(*both) for poi, both in limits.items()},
    }
    notes = [note for both in limits.values() for note in limit_notes(*both)]
    notes += told_of("draws of the surrogate", own.notes)
    thetas, draws = _fresh(surrogate, own, pois, budget.points, key)
    asked = ask(exact, thetas, None if where is None else where / "asked", slopes=False)[0]
    off = ask(surrogate, thetas, slopes=False)[0] - asked
    top = Profile(exact, pois[0]).best.value if pois else -float(np.max(asked))
    depth, f = 2.0 * (-top - asked), own.draws.shape[-1]
    found["within_sigma"] = within_sigma(depth, 2.0 * off, f)
    found["residuals"] = {
        "sigma": scipy.stats.norm.isf(0.5 * scipy.stats.chi2.sf(depth, f)).tolist(),
        "error": (2.0 * off).tolist(),
    }
    weight = _weights(-off[draws])
    found["weights"] = {
        "effective_fraction": float(np.sum(weight) ** 2 / np.sum(weight**2) / len(weight)),
        "draws": len(weight),
    }
    if exact.dear:
        reference = thetas[draws][:, ~exact.parameters.fixed]
        found["marginals"] = marginals_weighted(own, reference, weight)
        found["hpdi"] = hpdi_errors(own, reference, weight, pois)
        return Validated(found, tuple(notes))
    theirs = sample(
        exact, key=key + 1, draws=max(4, budget.draws // 8),
        workplace=Workplace(folder=None if where is None else where / "exact"),
    )  # fmt: skip
    found["marginals"] = marginals(own, theirs)
    found["hpdi"] = hpdi_errors(own, theirs.draws.reshape(-1, len(theirs.names)), None, pois)
    notes += told_of("draws of the source", theirs.notes)
    return Validated(found, tuple(notes))


def summarised(validation: dict[str, Any]) -> dict[str, Any]:
    """The numbers without the points and values that they are of, for a file's metadata."""
    short = {key: value for key, value in validation.items() if key != "residuals"}
    lists = ("values", "exact", "surrogate")
    short["profile"] = {
        poi: {key: value for key, value in found.items() if key not in lists}
        for poi, found in validation["profile"].items()
    }
    short["marginals"] = {k: v for k, v in validation["marginals"].items() if k != "p"}
    return finite(short)


def profile_errors(exact: Likelihood, surrogate: Likelihood, poi: str) -> dict[str, Any]:
    """t_mu of both at `VALUES` values within the bounds and up to t = 9."""
    theirs = Profile(exact, poi)
    lower, upper = _ends(theirs)
    ours = Profile(surrogate, poi, np.asarray(theirs.best.theta))
    values = np.linspace(lower, upper, VALUES)
    t = np.array([[p.twice_delta(mu) for mu in values] for p in (theirs, ours)])
    error = t[1] - t[0]
    return {
        "values": values.tolist(),
        "exact": t[0].tolist(),
        "surrogate": t[1].tolist(),
        "mean_error": float(np.mean(np.abs(error))),
        "max_error": float(np.max(np.abs(error))),
        "best": [theirs.best_value, ours.best_value],
    }


def _ends(profile: Profile) -> tuple[float, float]:
    """Where t_mu reaches 9, or a bound."""
    bounds = profile.like.parameters[profile.poi].bounds
    ends = []
    for bound, sign in zip(bounds, (-1.0, 1.0)):
        reach = 3.0 * profile.sigma
        for _ in range(60):
            mu = float(np.clip(profile.best_value + sign * reach, *bounds))
            t = profile.twice_delta(mu)
            if mu == bound and t <= DEEPEST:
                break
            if 0.9 * DEEPEST <= t <= DEEPEST:
                break
            reach *= float(np.clip(np.sqrt(0.95 * DEEPEST / max(t, 0.1)), 0.5, 2.0))
        ends.append(mu)
    return ends[0], ends[1]


def both_limits(
    exact: Likelihood, surrogate: Likelihood, poi: str, level: float
) -> tuple[Limit, Limit]:
    """The upper limits of both, CLs by asymptotic formulas where both know the Asimov data in which
    `poi` is 0."""
    if surrogate.asimov_at(surrogate.parameters.init, poi) is not None:
        cls = functools.partial(upper_limit, poi=poi, level=level, null="asymptotic")
        return cls(exact), cls(surrogate)
    return profile_limit(exact, poi, level), profile_limit(surrogate, poi, level)


def limit_errors(exact: Limit, surrogate: Limit) -> dict[str, Any]:
    """Relative errors of the limits that both have, and how many cannot be compared."""
    a, b = _limit(exact), _limit(surrogate)
    pairs = list(zip(a["values"], b["values"]))
    errors = [None if not x or y is None else abs(y / x - 1.0) for x, y in pairs]
    asked = [True, *(pair != (None, None) or exact.method != METHOD for pair in pairs[1:])]
    return {
        "level": exact.level,
        "method": exact.method,
        "exact": a,
        "surrogate": b,
        "observed_error": errors[0],
        "largest_error": max((e for e in errors if e is not None), default=None),
        "missing": sum(e is None for e, wanted in zip(errors, asked) if wanted),
    }


def limit_notes(exact: Limit, surrogate: Limit) -> tuple[Note, ...]:
    """Those of both, and one on the limits that cannot be compared."""
    missing = limit_errors(exact, surrogate)["missing"]
    place = f"{missing} of the limits on {exact.poi}"
    own = told_of("limit of the source", exact.notes)
    own += told_of("limit of the surrogate", surrogate.notes)
    return (*own, Note(Status.NOT_COMPARED, place)) if missing else own


def told_of(what: str, notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes with what they are of before their place."""
    return tuple(Note(n.status, f"{what}, {n.place}" if n.place else what) for n in notes)


def _limit(limit: Limit) -> dict[str, Any]:
    values = [limit.observed, *np.asarray(limit.expected, dtype=float)]
    return {
        "values": [float(v) if np.isfinite(v) else None for v in values],
        "failed": any(note.status.severity is Severity.FAILED for note in limit.notes),
    }


def _fresh(
    surrogate: OnnxLikelihood, own: Samples, pois: Sequence[str], n: int, key: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points to ask the source at, and which of them are draws of the posterior, of the first of
    the `halves` of the chains."""
    p: Parameters = surrogate.parameters
    flat, _ = halves(own.draws)
    rows = np.linspace(0, len(flat) - 1, min(n, len(flat))).astype(int)
    theta = np.tile(p.init, (len(rows), 1))
    theta[:, ~p.fixed] = flat[rows]
    rng = np.random.default_rng([key, 1])
    parts = [theta]
    for poi in pois:
        curve, _ = conditional_maxima(surrogate, poi, p.init)
        parts.append(around_curve(rng, p, p.index(poi), curve, n // (2 * len(pois))))
    together = np.concatenate(parts)
    return together, np.arange(len(together)) < len(theta)


def _weights(log_weight: np.ndarray) -> np.ndarray:
    return np.exp(log_weight - np.max(log_weight))
