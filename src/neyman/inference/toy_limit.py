"""Upper limits from toys: where the six curves CLs(mu) fall through 1 - level.

Few toys over a wide range first. Then rounds of 1,000, 2,000, 4,000, ... toys of each
hypothesis at the roots whose Monte Carlo error is still too large, until none is or the toys
are spent; each round takes new toys. A root and its error come from a parabola in log CLs,
weighted by the Monte Carlo errors of the points near the level. What is thrown next depends on
the toys so far alone: the same for any number of workers.
"""

from typing import NamedTuple

import numpy as np

from neyman.inference.toy_test import CHUNK, CLsPoint, ToyTest
from neyman.inference.toys import MOST_VALUES


class Roots(NamedTuple):
    """Where CLs = 1 - level for the observed and the expected data, (6,), with errors."""

    values: np.ndarray
    errors: np.ndarray
    points: list[CLsPoint]
    toys: int
    """Of each hypothesis for the limit that took most."""


def find_roots(
    test: ToyTest, asymptotic_roots: np.ndarray, alpha: float, most: int, precision: float
) -> Roots:
    """The six limits from toys, starting from the asymptotic ones: up to `most` toys of each
    hypothesis a limit, or fewer where its error is below `precision` times its value, and for
    the bands of 1 and 2 sigma twice that."""
    known = asymptotic_roots[np.isfinite(asymptotic_roots)]
    wide = np.geomspace(0.5 * known.min(), 2.5 * known.max(), MOST_VALUES).tolist()
    points = test.points(wide, CHUNK)
    roots = _regressed(points, alpha, 0)
    spent, n = 0, CHUNK
    while spent < most:
        targets = _apart(roots.values[_unknown(roots, spent, precision)], precision)
        if not targets:
            break
        n = min(n, -(-(most - spent) // CHUNK) * CHUNK)
        points += test.points(targets, n, skip=CHUNK + spent)
        spent, n = spent + n, 2 * n
        roots = _regressed(points, alpha, spent)
    return roots


def _apart(roots: np.ndarray, precision: float) -> list[float]:
    """The finite roots; of those closer than `precision` the lowest, for a point serves all."""
    apart: list[float] = []
    for root in np.sort(roots[np.isfinite(roots)]).tolist():
        if not apart or root > apart[-1] * (1.0 + precision) + 1e-12:
            apart.append(root)
    return apart


def _unknown(roots: Roots, spent: int, precision: float) -> np.ndarray:
    """Which of the roots are not known to `precision`, or not from points beside them, (6,)."""
    near = np.array([point.mu for point in roots.points])
    distance = np.min(np.abs(roots.values[:, None] - near[None]), axis=1)
    far = distance > np.maximum(2.0 * roots.errors, 0.02 * roots.values)
    enough = precision * np.array([1.0, 2.0, 2.0, 1.0, 2.0, 2.0]) * roots.values
    return far | ~(roots.errors <= enough) | (spent == 0)


def _regressed(points: list[CLsPoint], alpha: float, toys: int) -> Roots:
    """The root of each of the six curves, by a weighted parabola in log CLs near the level."""
    points = sorted(points, key=lambda p: p.mu)
    found = [_root(points, column, np.log(alpha)) for column in range(6)]
    values, errors = np.array(found).T
    return Roots(values, errors, points, toys)


def _root(points: list[CLsPoint], column: int, target: float) -> tuple[float, float]:
    """The mu at which one curve falls through `target`, and its error; NaN without one."""
    mu = np.array([p.mu for p in points])
    cls = np.array([p.cls[column] for p in points])
    error = np.array([p.error[column] for p in points])
    usable = np.isfinite(cls) & (cls > 0) & np.isfinite(error)
    if not np.any(usable):
        return np.nan, np.nan
    mu, y, sigma = mu[usable], np.log(cls[usable]), error[usable] / cls[usable]
    above, below = np.flatnonzero(y > target), np.flatnonzero(y <= target)
    if not len(above) or not len(below):
        return np.nan, np.nan
    bracket = np.zeros(len(y), dtype=bool)
    bracket[[above[np.argmin(y[above])], below[np.argmax(y[below])]]] = True
    near = bracket | (np.abs(y - target) < np.log(8.0))
    tried = [(near, 2)] if near.sum() >= 5 else []
    for chosen, degree in (*tried, (near, 1), (bracket, 1)):
        found = _falling(mu[chosen], y[chosen] - target, sigma[chosen], degree)
        if np.isfinite(found[0]):
            return found
    return np.nan, np.nan


def _falling(mu: np.ndarray, y: np.ndarray, sigma: np.ndarray, degree: int) -> tuple[float, float]:
    """Where a polynomial through y(mu), weighted by 1/sigma^2, falls through 0, and its error;
    NaN where it does not within the points."""
    centre = np.average(mu, weights=1.0 / sigma**2)
    scale = max(float(np.ptp(mu)), 1e-12)
    design = np.vander((mu - centre) / scale, degree + 1) / sigma[:, None]
    covariance = np.linalg.pinv(design.T @ design)
    coefficients = covariance @ design.T @ (y / sigma)
    slopes = np.polyder(coefficients)
    roots = np.roots(coefficients)
    real = roots[np.abs(roots.imag) < 1e-9].real
    falling = real[(np.polyval(slopes, real) < 0) & (np.abs(real) <= 1.0)]
    if not len(falling):
        return np.nan, np.nan
    x = falling[np.argmin(np.abs(falling))]
    gradient = np.vander([x], degree + 1)[0]
    spread = np.sqrt(gradient @ covariance @ gradient) / abs(np.polyval(slopes, x))
    return float(centre + scale * x), float(scale * spread)
