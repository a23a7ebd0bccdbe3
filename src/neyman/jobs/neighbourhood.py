"""Conditional maxima along a parameter of interest, and points around them.

    theta^^(mu) + s L(mu) x,    L L^T = the covariance of the other parameters given mu

A parameter at a bound has no such width: along it log L falls with a slope, and the length over
which it falls by 1 takes its place. What would leave the bounds is reflected.
"""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import make_interp_spline

from neyman.inference.newton import Minimum
from neyman.inference.profile import Profile
from neyman.likelihoods.surrogate.gaussian import raised
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status

DEEPEST = 25.0
"""Of the curves, in t_mu."""
PACE = 0.25
"""Between points of a curve, in standard deviations of the parameter of interest."""
LONGEST = 80
"""Points of a curve on each side."""
SOFTEST = 1e-4
"""The least curvature, in units of the diagonal: points go no further along a flat direction."""
WIDE = 2.0
"""The largest s of Gaussians around the maximum."""


def conditional_maxima(
    like: Likelihood, poi: str, start: np.ndarray
) -> tuple[list[Minimum], tuple[Note, ...]]:
    """Along `poi` from the lower to the upper end, which is a bound, where t_mu is `DEEPEST`, or
    before a fit that failed, which is noted."""
    profile = Profile(like, poi, start)
    p = like.parameters
    lower, upper = p[poi].bounds
    middle, step = profile.best_value, PACE * profile.sigma
    sides, notes = [], []
    for sign in (-1.0, 1.0):
        found: list[Minimum] = []
        for k in range(1, LONGEST + 1):
            mu = float(np.clip(middle + sign * k * step, lower, upper))
            if mu == middle:
                break
            one = profile.at(mu)
            if int(one.status) != Status.FINE:
                place = f"{poi} = {mu:.4g} ({Status(int(one.status))})"
                notes.append(Note(Status.CURVE_ENDS, place))
                break
            found.append(one)
            if mu in (lower, upper) or profile.twice_delta(mu) > DEEPEST:
                break
        sides.append(found)
    if not any(sides):
        problem = "its conditional fits beside the maximum fail"
        raise InputError(f"parameter '{poi}'", problem, "check it with `neyman scan`")
    return [*sides[0][::-1], profile.best, *sides[1]], tuple(notes)


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
    block = hessian[np.ix_(inside, inside)]
    width = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(block)), 1e-300))
    block = raised(block, width, SOFTEST)
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
