"""Where a surrogate is trained: points of the parameter space, with values and gradients.

    curve NAME     conditional maxima along a parameter of interest, where t_mu rises to `DEEPEST`
    profile NAME   their neighbourhood: theta^^(mu) + s L(mu) x, with mu uniform, x normal, s
                   uniform in (0, 1) and L L^T the covariance of the others given mu
    posterior      draws of chains
    tail           draws of chains of log L/T, T = 1 + 3 sqrt(2/F): three standard deviations
                   further in -2 log L
    gaussian       theta^ + s L x, s uniform in (0, `WIDE`), in place of the last two where log L
                   is too dear for chains

A limit lives on the profile curves, a posterior in the bulk, which in many dimensions is somewhere
else: of 95 normal parameters a draw lies 9.7 standard deviations from the maximum, a profiled
point at a few. Gaussian points in place of chains leave the curvature of the bulk to be found by
rounds of drawing from the surrogate. What would leave the bounds is reflected.

All points are laid out first and then evaluated in chunks that are stored, so that a run that was
killed goes on from there; the same arguments give the same bits.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.interpolate import make_interp_spline

from neyman.inference.fit import best
from neyman.inference.newton import Minimum
from neyman.inference.profile import Profile
from neyman.inference.sampling.sample import sample
from neyman.inference.toy_test import Workplace
from neyman.jobs.ask import Folder, ask, inside
from neyman.jobs.tempered import tempered
from neyman.likelihoods.surrogate.curve import CURVE
from neyman.likelihoods.surrogate.gaussian import raised
from neyman.likelihoods.surrogate.points import Points
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.status import InputError, Status

DEEPEST = 25.0
"""Of the curves, in t_mu."""
PACE = 0.25
"""Between points of a curve, in standard deviations of the parameter of interest."""
LONGEST = 80
"""Points of a curve on each side."""
SHARES = {"profile": 0.55, "posterior": 0.3, "tail": 0.15}
WIDE = 2.0


@dataclasses.dataclass(frozen=True)
class Layout:
    """Points before log L is known: theta (N, P) and what each comes from."""

    theta: np.ndarray
    origin: np.ndarray
    origins: tuple[str, ...]

    @classmethod
    def of(cls, parts: dict[str, np.ndarray]) -> "Layout":
        theta = np.concatenate(list(parts.values()))
        origin = np.repeat(np.arange(len(parts)), [len(part) for part in parts.values()])
        return cls(theta, origin, tuple(parts))


def training_points(
    like: Likelihood,
    pois: Sequence[str],
    *,
    n: int,
    key: int,
    chains: bool = True,
    folder: Folder = None,
) -> Points:
    """About n points of a likelihood.

    Args:
        like: with parameters of interest `pois`; theta has shape (P,).
        n: all of them, 100 or more.
        key: the seed.
        chains: whether log L is cheap enough for chains, some ten evaluations a draw.
        folder: where chains and evaluated points are kept.

    Raises:
        InputError: an unknown parameter; the fit failed; too few points.
    """
    if n < 100:
        raise InputError("points", f"{n} are too few", "ask for 100 or more")
    return evaluated(like, laid_out(like, pois, n, key, chains, folder), folder)


def laid_out(
    like: Likelihood,
    pois: Sequence[str],
    n: int,
    key: int,
    chains: bool,
    folder: Folder,
) -> Layout:
    """The points to evaluate; the first is the maximum."""
    p = like.parameters
    free = ~p.fixed
    found = best(like, p.init, free)
    if int(found.status) == Status.NOT_FINITE:
        raise InputError("likelihood", "has no finite maximum", "check it with `neyman fit`")
    parts = {"maximum": np.asarray(found.theta)[None]}
    rng = np.random.default_rng(key)
    shares = {name: int(share * n) for name, share in SHARES.items()}
    for poi in pois:
        curve = conditional_maxima(like, poi, np.asarray(found.theta))
        parts[CURVE + poi] = np.stack([np.asarray(m.theta) for m in curve])
        count = shares["profile"] // len(pois)
        parts[f"profile {poi}"] = around_curve(rng, p, p.index(poi), curve, count)
    if not pois:
        shares["posterior"] += shares["profile"]
    if not chains:
        count = shares["posterior"] + shares["tail"]
        parts["gaussian"] = around_maximum(rng, p, found, count)
        return Layout.of(parts)
    floating = int(free.sum())
    hotter = tempered(like, 1.0 + 3.0 * math.sqrt(2.0 / floating))
    parts["posterior"] = drawn(like, key, shares["posterior"], inside(folder, "posterior"))
    parts["tail"] = drawn(hotter, key, shares["tail"], inside(folder, "tail"))
    return Layout.of(parts)


def evaluated(like: Likelihood, layout: Layout, folder: Folder) -> Points:
    """log L and its gradient at the points of a layout; what is not finite is left out."""
    log_prob, slope = ask(like, layout.theta, folder, slopes=like.differentiable)
    kept = np.isfinite(log_prob) & np.all(np.isfinite(slope), axis=1)
    return Points(
        names=like.parameters.names,
        theta=layout.theta[kept],
        log_prob=log_prob[kept],
        gradient=slope[kept] if like.differentiable else None,
        origin=layout.origin[kept],
        origins=layout.origins,
    )


def drawn(like: Likelihood, key: int, n: int, folder: Folder) -> np.ndarray:
    """n draws of the posterior with every parameter, fixed ones at their values, (n, P)."""
    chains = 8
    result = sample(
        like,
        key=key,
        chains=chains,
        draws=max(4, -(-n // chains)),
        workplace=Workplace(folder=folder),
    )
    draws = np.swapaxes(result.draws, 0, 1).reshape(-1, result.draws.shape[-1])[:n]
    theta = np.tile(like.parameters.init, (len(draws), 1))
    theta[:, ~like.parameters.fixed] = draws
    return theta


# ---- the profile curve and what lies around it


def conditional_maxima(like: Likelihood, poi: str, start: np.ndarray) -> list[Minimum]:
    """Along `poi` from the lower to the upper end, which is a bound or where t_mu is `DEEPEST`."""
    profile = Profile(like, poi, start)
    p = like.parameters
    lower, upper = p[poi].bounds
    middle, step = profile.best_value, PACE * profile.sigma
    sides = []
    for sign in (-1.0, 1.0):
        found: list[Minimum] = []
        for k in range(1, LONGEST + 1):
            mu = float(np.clip(middle + sign * k * step, lower, upper))
            if mu == middle:
                break
            one = profile.at(mu)
            if int(one.status) != Status.FINE:
                break
            found.append(one)
            if mu in (lower, upper) or profile.twice_delta(mu) > DEEPEST:
                break
        sides.append(found)
    if not any(sides):
        problem = "its conditional fits beside the maximum fail"
        raise InputError(f"parameter '{poi}'", problem, "check it with `neyman scan`")
    return [*sides[0][::-1], profile.best, *sides[1]]


def around_curve(
    rng: np.random.Generator, p: Parameters, poi: int, curve: Sequence[Minimum], n: int
) -> np.ndarray:
    """n points around conditional maxima, (n, P)."""
    thetas = np.stack([np.asarray(m.theta) for m in curve])
    mus = thetas[:, poi]
    spline = make_interp_spline(mus, thetas, k=min(3, len(mus) - 1))
    mu = rng.uniform(mus[0], mus[-1], n)
    nearest = np.argmin(np.abs(mu[:, None] - mus[None, :]), axis=1)
    free = ~p.fixed
    free[poi] = False
    spread = np.stack([spread_of(p, m, free) for m in curve])
    noise = rng.uniform(size=(n, 1)) * rng.normal(size=(n, len(p)))
    moved = np.clip(spline(mu), p.lower, p.upper)
    for i in range(len(curve)):
        rows = nearest == i
        moved[rows] += noise[rows] @ spread[i].T
    moved[:, p.fixed] = p.init[p.fixed]
    moved[:, poi] = mu
    return reflected(p, moved)


def around_maximum(rng: np.random.Generator, p: Parameters, found: Minimum, n: int) -> np.ndarray:
    """n points of Gaussians of several widths, (n, P)."""
    scale = WIDE * rng.uniform(size=(n, 1))
    noise = scale * rng.normal(size=(n, len(p)))
    moved = np.asarray(found.theta) + noise @ spread_of(p, found, ~p.fixed).T
    return reflected(p, moved)


def spread_of(p: Parameters, found: Minimum, free: np.ndarray) -> np.ndarray:
    """L (P, P) with L L^T the covariance of the free parameters at a minimum; one that is at a
    bound, with log L falling away from it, has the length over which that falls by 1."""
    theta, gradient = np.asarray(found.theta), np.abs(np.asarray(found.derivatives.gradient))
    held = free & ((theta <= p.lower) | (theta >= p.upper))
    inside = np.flatnonzero(free & ~held)
    hessian = np.asarray(found.derivatives.hessian)
    result = np.zeros((len(p), len(p)))
    block = raised(hessian[np.ix_(inside, inside)])
    result[np.ix_(inside, inside)] = np.linalg.inv(np.linalg.cholesky(block)).T
    curvature = np.abs(np.diagonal(hessian))
    length = 1.0 / np.maximum(gradient + np.sqrt(curvature), 1e-300)
    index = np.flatnonzero(held)
    result[index, index] = length[index]
    return result


def reflected(p: Parameters, theta: np.ndarray) -> np.ndarray:
    """theta (N, P) folded back into the bounds, once, and then cut."""
    with np.errstate(invalid="ignore"):
        theta = np.where(theta < p.lower, 2.0 * p.lower - theta, theta)
        theta = np.where(theta > p.upper, 2.0 * p.upper - theta, theta)
    return np.clip(theta, p.lower, p.upper)
