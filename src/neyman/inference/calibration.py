"""Tests of ranks: is the truth where the posterior says it is?

For theta drawn from the prior and x from p(x|theta), the rank r of theta among L independent
draws from the posterior p(theta|x) is uniform on 0 ... L (simulation-based calibration: Talts
et al., arXiv:1804.06788, theorem 1). With k = L + 1 and u = (r + 1/2)/k a right posterior has

    E[u] = 1/2,    E[(u - 1/2)^2] = (1 - 1/k^2)/12,    E[(u - 1/2)^4] = (3 - 10/k^2 + 7/k^4)/240

and central intervals, |u - 1/2| < level/2, that cover as often as there are such ranks. Three
kinds of test use that: z-tests of the mean and of the second moment, and of the coverage at 68,
90 and 95 %. A posterior that is too narrow has too large a second moment, one that is shifted
has another mean; Kolmogorov and Smirnov's test sees either late (a posterior 10 % too narrow,
1,000 data sets: 0.15, where the second moment has 0.93). The five share the false alarm rate
(Bonferroni), which is therefore at most what is stated.

The alternatives of which power is stated are posteriors of width w and shift b, in units of
the right width: the truth then stands at u = Phi((z - b)/w), z ~ N(0, 1), and r ~ Binomial(L, u).
The moments of each test under them are integrals over z, and N data sets make it Gaussian.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize
from scipy.special import bdtr, bdtrc, ndtr, ndtri

LEVELS = np.array([0.68, 0.90, 0.95])
"""Of the central intervals."""
ALARM = 0.01
"""Total false alarm rate of one calibration."""
NARROW, SHIFT = 0.9, 0.2
"""The alternatives: a width and a bias."""
Z = np.linspace(-9.0, 9.0, 901)
"""Nodes of the integrals over z; the trapezoidal rule is exact to rounding for smooth functions
that die away, and ranks of up to some 10,000 draws are smooth on this scale."""
DENSITY = np.exp(-0.5 * Z**2) / np.exp(-0.5 * Z**2).sum()


class Expected(NamedTuple):
    """Mean and standard deviation of the five test quantities of one data set, (5,) each: u,
    (u - 1/2)^2, and whether each central interval covers."""

    mean: np.ndarray
    sd: np.ndarray


def quantities(u: np.ndarray) -> np.ndarray:
    """The five test quantities of ranks u (N,), (N, 5)."""
    centred = u - 0.5
    inside = np.abs(centred)[:, None] < LEVELS[None] / 2.0
    return np.column_stack([u, centred**2, inside])


def expected(n_draws: int, width: float = 1.0, shift: float = 0.0) -> Expected:
    """Of posteriors of a width and a shift, with n_draws draws; 0 draws: continuous ranks."""
    if width == 1.0 and shift == 0.0:
        return _exact(n_draws)
    u = ndtr((Z - shift) / width)
    if n_draws:
        r = np.arange(n_draws + 1.0)
        cumulative = bdtr(r[None], n_draws, u[:, None])
        probability = np.diff(DENSITY @ cumulative, prepend=0.0)
        f = quantities((r + 0.5) / (n_draws + 1))
        mean, squares = probability @ f, probability @ f**2
    else:
        low, high = ((a * width + shift) for a in _ends())
        inside = ndtr(high) - ndtr(low)
        powers = np.array([u, (u - 0.5) ** 2, u**2, (u - 0.5) ** 4]) @ DENSITY
        mean, squares = np.array([*powers[:2], *inside]), np.array([*powers[2:], *inside])
    return Expected(mean, np.sqrt(np.maximum(squares - mean**2, 0.0)))


def _ends() -> tuple[np.ndarray, np.ndarray]:
    """The central intervals of a standard normal."""
    high = ndtri(0.5 + LEVELS / 2.0)
    return -high, high


def _exact(n_draws: int) -> Expected:
    """Of a right posterior."""
    inverse = 1.0 / (n_draws + 1) ** 2 if n_draws else 0.0
    second = (1.0 - inverse) / 12.0
    fourth = (3.0 - 10.0 * inverse + 7.0 * inverse**2) / 240.0
    inside = LEVELS
    if n_draws:
        inside = quantities((np.arange(n_draws + 1) + 0.5) / (n_draws + 1))[:, 2:].mean(axis=0)
    variances = np.array([second, fourth - second**2, *(inside * (1.0 - inside))])
    return Expected(np.array([0.5, second, *inside]), np.sqrt(variances))


class Tested(NamedTuple):
    """The five tests of one parameter, (5,) each, and the coverage (3,)."""

    z: np.ndarray
    """Deviations in standard errors."""
    p: np.ndarray
    """Two-sided p-values; those of the coverage are exact, binomial."""
    coverage: np.ndarray


def rank_tests(u: np.ndarray, n_draws: int) -> Tested:
    """Test normalised ranks u (N,); NaN are left out."""
    u = u[np.isfinite(u)]
    right = expected(n_draws)
    seen = quantities(u)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (seen.mean(axis=0) - right.mean) * np.sqrt(len(u)) / right.sd
    z = np.where(right.sd > 0, z, 0.0)  # so few draws that every rank is in the interval
    p = 2.0 * ndtr(-np.abs(z))
    covered = seen[:, 2:].sum(axis=0)
    fewer = bdtr(covered, len(u), right.mean[2:])
    more = np.where(covered > 0, bdtrc(covered - 1.0, len(u), right.mean[2:]), 1.0)
    p[2:] = np.minimum(1.0, 2.0 * np.minimum(fewer, more))
    return Tested(z, p, seen[:, 2:].mean(axis=0))


def power(n_sets: int, n_draws: int, alarm: float, width: float, shift: float) -> np.ndarray:
    """The probability that each of the five tests, at false alarm `alarm` each, finds posteriors
    of a width and a shift in n_sets data sets, (5,)."""
    right, wrong = expected(n_draws), expected(n_draws, width, shift)
    critical = ndtri(1.0 - alarm / 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (wrong.mean - right.mean) * np.sqrt(n_sets) / wrong.sd
        reach = critical * right.sd / wrong.sd
    return np.where(right.sd > 0, ndtr(distance - reach) + ndtr(-distance - reach), 0.0)


def width_and_shift(u: np.ndarray, n_draws: int) -> tuple[float, float]:
    """The width and the shift of the posterior whose ranks would have the mean and the second
    moment of u (N,); NaN where there is none."""
    found = quantities(u[np.isfinite(u)])[:, :2].mean(axis=0)

    def off(x: np.ndarray) -> np.ndarray:
        return _moments(n_draws, float(np.exp(x[0])), float(x[1])) - found

    solved = scipy.optimize.root(off, np.zeros(2))
    if not np.max(np.abs(off(solved.x))) < 1e-6:
        return float("nan"), float("nan")
    return float(np.exp(solved.x[0])), float(solved.x[1])


def _moments(n_draws: int, width: float, shift: float) -> np.ndarray:
    """E[u] and E[(u - 1/2)^2], (2,): those of a binomial rank given its probability v."""
    v = ndtr((Z - shift) / width)
    second = (v - 0.5) ** 2
    if n_draws:
        k = n_draws + 1
        second = (n_draws * v * (1.0 - v) + n_draws**2 * second) / k**2
        v = (n_draws * v + 0.5) / k
    return np.array([DENSITY @ v, DENSITY @ second])
