"""Where a surrogate is trained: points of the parameter space, with values and gradients.

    curve NAME     conditional maxima along a parameter of interest, where t_mu rises to 25
    profile NAME   their neighbourhood: theta^^(mu) + s L(mu) x, with mu uniform, x normal, s
                   uniform in (0, 1) and L L^T the covariance of the others given mu
    posterior      draws of chains
    tail           draws of chains of log L/T, T = 1 + 3 sqrt(2/F): three standard deviations
                   further in -2 log L
    gaussian       theta^ + s L x, s uniform in (0, 2), in place of the last two where log L
                   is too dear for chains

A limit lives on the profile curves, a posterior in the bulk, which in many dimensions is somewhere
else: of 95 normal parameters a draw lies 9.7 standard deviations from the maximum, a profiled
point at a few. Gaussian points in place of chains leave the curvature of the bulk to be found by
rounds of drawing from the surrogate.

All points are laid out first and then evaluated in chunks that are stored, so that a run that was
killed goes on from there; the same arguments give the same bits.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from neyman.inference.fit import best
from neyman.inference.sampling.sample import sample
from neyman.inference.toy_test import Workplace
from neyman.jobs.ask import Folder, ask, inside
from neyman.jobs.neighbourhood import around_curve, around_maximum, conditional_maxima
from neyman.jobs.tempered import tempered
from neyman.likelihoods.surrogate.curve import CURVE
from neyman.likelihoods.surrogate.points import Points
from neyman.model import Likelihood
from neyman.status import InputError, Note, Status

SHARES = {"profile": 0.55, "posterior": 0.3, "tail": 0.15}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Points before log L is known: theta (N, P) and what each comes from."""

    theta: np.ndarray
    origin: np.ndarray
    origins: tuple[str, ...]
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, parts: dict[str, np.ndarray], notes: Sequence[Note] = ()) -> "Layout":
        theta = np.concatenate(list(parts.values()))
        origin = np.repeat(np.arange(len(parts)), [len(part) for part in parts.values()])
        return cls(theta, origin, tuple(parts), tuple(notes))


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
    notes: list[Note] = []
    for poi in pois:
        curve, doubts = conditional_maxima(like, poi, np.asarray(found.theta))
        notes += doubts
        parts[CURVE + poi] = np.stack([np.asarray(m.theta) for m in curve])
        count = shares["profile"] // len(pois)
        parts[f"profile {poi}"] = around_curve(rng, p, p.index(poi), curve, count)
    if not pois:
        shares["posterior"] += shares["profile"]
    if not chains:
        count = shares["posterior"] + shares["tail"]
        parts["gaussian"] = around_maximum(rng, p, found, count)
        return Layout.of(parts, notes)
    floating = int(free.sum())
    hotter = tempered(like, 1.0 + 3.0 * math.sqrt(2.0 / floating))
    parts["posterior"] = drawn(like, key, shares["posterior"], inside(folder, "posterior"))
    parts["tail"] = drawn(hotter, key, shares["tail"], inside(folder, "tail"))
    return Layout.of(parts, notes)


def evaluated(like: Likelihood, layout: Layout, folder: Folder) -> Points:
    """log L and its gradient at the points of a layout; what is not finite is left out,
    with a note that counts it."""
    log_prob, slope = ask(like, layout.theta, folder, slopes=like.differentiable)
    kept = np.isfinite(log_prob) & np.all(np.isfinite(slope), axis=1)
    lost = np.bincount(layout.origin[~kept], minlength=len(layout.origins))
    counts = [f"{n} of {name}" for name, n in zip(layout.origins, lost) if n]
    place = f"{len(kept) - int(kept.sum())} of {len(kept)} points ({', '.join(counts)})"
    return Points(
        names=like.parameters.names,
        theta=layout.theta[kept],
        log_prob=log_prob[kept],
        gradient=slope[kept] if like.differentiable else None,
        origin=layout.origin[kept],
        origins=layout.origins,
        notes=layout.notes if kept.all() else (*layout.notes, Note(Status.POINTS_LEFT_OUT, place)),
    )


def drawn(like: Likelihood, key: int, n: int, folder: Folder) -> np.ndarray:
    """n draws of the posterior with every parameter, fixed ones at their values, (n, P)."""
    chains = 8
    result = sample(
        like,
        key=key,
        sampler="nuts" if like.differentiable else "ensemble",
        chains=chains,
        draws=max(4, -(-n // chains)),
        workplace=Workplace(folder=folder),
    )
    draws = np.swapaxes(result.draws, 0, 1).reshape(-1, result.draws.shape[-1])[:n]
    theta = np.tile(like.parameters.init, (len(draws), 1))
    theta[:, ~like.parameters.fixed] = draws
    return theta
