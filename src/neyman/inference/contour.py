"""Confidence regions of two parameters: {(a, b): t(a, b) <= c}, their borders as curves.

    t(a, b) = -2 log L(a, b, nu^^) + 2 log L(a^, b^, nu^)          arXiv:1007.1727, eq. 8

    profile            c is the quantile of chi2 with two degrees of freedom (Wilks' theorem)
    feldman-cousins    c(a, b) is the quantile of t in toys thrown at (a, b), nuisance parameters
                       at their conditional fit (physics/9711021, section V B)

The curves are traced on a lattice (`neyman.inference.lattice`) that is laid where the profile of
each parameter alone falls below the largest c, which is how far the region of `profile` reaches.
With toys, c is found at the nodes that the curves need, and is linear between them.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import chdtri

from neyman.inference.asymptotics import few_events_notes, parameter_of_interest
from neyman.inference.distribution import Distribution
from neyman.inference.fit import model_notes
from neyman.inference.interval import check_method, profile_end
from neyman.inference.lattice import Axis, Lattice
from neyman.inference.limit import check_level
from neyman.inference.profile import Profile
from neyman.inference.provenance import provenance_of
from neyman.inference.surface import Surface
from neyman.inference.threads import one_thread
from neyman.inference.toy_construction import Construction
from neyman.inference.toy_test import CHUNK, HERE, Workplace
from neyman.model import Likelihood
from neyman.results import Contour
from neyman.status import InputError, Note, Status

CELLS = {"profile": (8, 2), "feldman-cousins": (6, 1)}
"""Coarse cells along each axis, and how often they are cut in half."""
MARGIN = 0.05

Ends = list[tuple[float, float]]
Curves = list[list[np.ndarray]]
Critical = Callable[[float, float], np.ndarray]


@one_thread
def contour(
    like: Likelihood,
    pois: tuple[str, str],
    *,
    level: float | Sequence[float] = (0.6827, 0.95),
    method: str = "profile",
    toys: int = 2_000,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Contour:
    """The borders of the confidence regions of two parameters.

    Args:
        like: any likelihood; toys need one with a model.
        pois: the names of two parameters.
        level: one or more, between 0 and 1.
        method: "profile" or "feldman-cousins".
        toys: how many toys at each node, in whole chunks of 1,000.
        key: the seed of the toys.
        workplace: the workers that throw toys, and the folder in which toys are kept, so that
            an interrupted call goes on.

    Returns:
        A `Contour`; a curve that ends at a bound of a parameter is open, and the status says so.

    Raises:
        InputError: an unknown parameter or method, the same parameter twice, a level outside
            (0, 1), no toys, or toys of a likelihood without a model.
    """
    check_method(method, toys)
    levels = np.sort(np.atleast_1d(np.asarray(level, dtype=float)))
    for one in levels:
        check_level(float(one))
    if len(pois) != 2 or pois[0] == pois[1] or not len(levels):
        raise InputError("contour", "needs two parameters and a level", "name two different ones")
    names = parameter_of_interest(like, pois[0]), parameter_of_interest(like, pois[1])
    surface = Surface(like, names)
    chi2 = np.array([float(chdtri(2, 1.0 - one)) for one in levels])
    few = tuple(
        note for n in names for note in few_events_notes(like, n, np.asarray(surface.best.theta))
    )
    ends, missing = _extent(like, names, float(chi2[-1]))
    curves: Curves = []
    opened: tuple[Note, ...] = ()
    thrown, failed, seed = 0, 0, None
    if missing:
        pass  # a region without an end has no border
    elif method == "profile":
        curves, opened = _traced(surface, ends, lambda _a, _b: chi2, len(levels), method)
    else:
        with Construction(like, names, key, workplace, levels.tolist()) as test:
            critical = _toy_quantiles(test, surface, levels, toys)
            curves, opened = _traced(surface, ends, critical, len(levels), method)
        few, thrown, failed, seed = test.notes(), test.thrown, test.failed, key
    return Contour(
        pois=names,
        levels=levels,
        best=np.array(surface.best_point),
        points=np.concatenate([np.zeros((0, 2)), *(c for of in curves for c in of)]),
        lengths=np.array([len(c) for of in curves for c in of], dtype=float),
        level_of=np.array([levels[k] for k, of in enumerate(curves) for _ in of], dtype=float),
        method=method,
        toys=thrown,
        failed=failed,
        notes=model_notes(like) + surface.notes(float(chi2[-1])) + few + missing + opened,
        provenance=provenance_of(like, seed),
    )


def _extent(
    like: Likelihood, names: tuple[str, str], threshold: float
) -> tuple[Ends, tuple[Note, ...]]:
    """Per parameter, the ends between which its own profile is below the threshold."""
    ends, notes = [], ()
    for name in names:
        profile = Profile(like, name)
        found = [profile_end(profile, threshold, side) for side in (-1.0, 1.0)]
        low, high = (value for value, _ in found)
        bounds = like.parameters[name].bounds
        margin = MARGIN * (high - low)
        ends.append((max(low - margin, bounds[0]), min(high + margin, bounds[1])))
        notes += tuple(n for _, end in found for n in end if n.status is not Status.AT_BOUND)
    return ends, notes


def _traced(
    surface: Surface, ends: Ends, critical: Critical, levels: int, method: str
) -> tuple[Curves, tuple[Note, ...]]:
    """The curves of each level, and notes on those that are open."""
    cells, depth = CELLS[method]
    best = surface.best_point
    finest = cells * 2**depth
    bounds = [surface.like.parameters[name].bounds for name in surface.names]
    x, y = (Axis.of(low, high, b, finest) for (low, high), b in zip(ends, bounds))
    lattice = Lattice((x, y), lambda a, b: surface.t((a, b)), critical)
    crossed = lattice.refined(cells, depth, best)
    curves = [lattice.curves(crossed, k) for k in range(levels)]
    opened = [c[e] for of in curves for c in of if not np.all(c[0] == c[-1]) for e in (0, -1)]
    named = dict.fromkeys(_side(point, surface.names, (x, y)) for point in opened)
    return curves, tuple(Note(Status.OPEN_CONTOUR, place) for place in named)


def _side(point: np.ndarray, names: tuple[str, str], axes: tuple[Axis, Axis]) -> str:
    """The edge of the lattice on which a curve ends, in words."""
    sides = [
        (abs(value - edge) / axis.step, f"{name} = {edge:.4g}")
        for value, name, axis in zip(point, names, axes)
        for edge in (axis(axis.first), axis(axis.last))
    ]
    return min(sides)[1]


def _toy_quantiles(test: Construction, surface: Surface, levels: np.ndarray, toys: int) -> Critical:
    """The critical values of t at a point, from toys thrown there."""

    def critical(a: float, b: float) -> np.ndarray:
        theta = np.asarray(surface.at((a, b)).theta)
        found = Distribution()
        test.throw(found, theta, test.new_stream(), 0, -(-toys // CHUNK))
        return found.quantiles(levels)

    return critical
