"""Exact confidence intervals of Feldman and Cousins (physics/9711021) where data can be enumerated.

    n ~ Poisson(mu + b), b known            x ~ Normal(mu, sigma)            mu >= 0

The acceptance region of mu takes data in falling order of R = L(mu)/L(mu^), mu^ >= 0, until
its probability meets the level (sections IV A and B), so that mu belongs to the interval of
the data if and only if

    P(R > R_observed | mu) < level.

**Poisson.** With lam = mu + b, log R_k = k log lam - lam - g_k, g_k = k log max(k, b) - max(k, b).
g is convex in k, so that two counts have equal R at one lam, with log c_k = (g_k - g_n)/(k - n),
and the counts with R_k > R_n are {n+1 .. K}, K the last one with c_K < lam, above lam = n, where
the upper end of the interval lies, and {j .. n-1} below it. P({n+1 .. K} | lam) rises and falls
with lam and has at most two roots at the level, so that the ends are found for each K without a
grid. The upper end that K contributes is

    c_K+1      where P({n+1 .. K} | c_K+1) < level
    root_K     else, the first root, where c_K is below it

What is accepted may not be connected; then the interval reaches from its lowest to its highest
point (section IV A). The upper end is made non-increasing in b by lengthening (same section;
the paper takes steps of 0.001 in b): c_K+1(b) - b is convex in b, so the largest upper end at any
b' >= b is at b itself or at one of the b' where c_K+1(b') meets a root of K.

**Gaussian.** With d^2 = t = -2 log R, P(R > R_0 | mu) = Phi(d) - Phi(-(mu^2 + d^2)/(2 mu)) where
d > mu (eq. 4.3 and 4.4, in units of sigma), else Phi(d) - Phi(-d).
"""

from collections.abc import Callable

import numpy as np
import scipy.optimize
from scipy.special import gammaln, ndtr, pdtr, xlogy

from neyman.inference.limit import check_level
from neyman.status import InputError

Real = np.ndarray | np.floating | np.integer | float | int
MAX_COUNT = 10_000
BISECTIONS = 46
TINY = 1e-12


def poisson_interval(n: int, background: float, *, level: float = 0.9) -> tuple[float, float]:
    """The interval of the mean mu >= 0 of a Poisson signal on a known background.

    Args:
        n: events observed, up to 10,000.
        background: b, expected events, 0 or more.
        level: between 0 and 1.

    Returns:
        Both ends, in events; physics/9711021, tables II to IX.

    Raises:
        InputError: a count or a background that is negative or too large, a level outside (0, 1).
    """
    check_level(level)
    if not 0 <= n <= MAX_COUNT or n != int(n):
        raise InputError(f"n {n}", "is no count from 0 to 10,000", "use toys for larger ones")
    if not 0 <= background <= MAX_COUNT:
        raise InputError(f"background {background:g}", "is not from 0 to 10,000", "check it")
    return _lower(int(n), background, level), _upper(int(n), background, level)


def gaussian_interval(x: float, *, sigma: float = 1.0, level: float = 0.9) -> tuple[float, float]:
    """The interval of the mean mu >= 0 of a Gaussian of known width, measured as `x`.

    Returns:
        Both ends, in the units of x and sigma; physics/9711021, table X.

    Raises:
        InputError: a width that is not above 0, an x that is not finite, a level outside (0, 1).
    """
    check_level(level)
    if not (sigma > 0 and np.isfinite(x)):
        raise InputError(f"x = {x:g} +- {sigma:g}", "is no measurement", "check it")
    x0 = x / sigma

    def excess(mu: float) -> float:
        d = np.sqrt(mu * (mu - 2 * x0)) if x0 < 0 else abs(x0 - mu)
        left = -(mu**2 + d**2) / (2 * mu) if d > mu else -d
        return float(ndtr(d) - ndtr(left)) - level

    best, far = max(x0, 0.0), 2.0
    while excess(best + far) < 0:
        far *= 2.0
    upper = scipy.optimize.brentq(excess, best + TINY, best + far, xtol=TINY)
    inside = x0 <= 0 or excess(TINY) <= 0
    lower = 0.0 if inside else scipy.optimize.brentq(excess, TINY, x0, xtol=TINY)
    return float(sigma * lower), float(sigma * upper)


def _upper(n: int, b: float, level: float) -> float:
    largest = max(n, b)
    k = np.arange(n, int(largest + 10.0 * np.sqrt(largest) + 30.0))
    here, following = _overtaken(k, n, b), _overtaken(k + 1, n, b)
    roots = _roots(n + 1, k, level)
    open_end = _between(n + 1, k, following) < level
    ends = np.where(open_end, following, np.where(here < roots[0], roots[0], -np.inf)) - b
    longer = [_balanced_end(k, n, b, root) for root in roots]
    return float(max(0.0, ends.max(), *longer))


def _balanced_end(k: np.ndarray, n: int, b: float, root: np.ndarray) -> float:
    """The largest root - b' over b' > b at which k + 1 overtakes n at lam = root."""
    found = np.isfinite(root) & (_overtaken(k + 1, n, b) < root)
    if not found.any():
        return 0.0
    k, root = k[found], root[found]
    low = np.full(len(k), max(n, b))
    balance = _bisected(lambda b: _overtaken(k + 1, n, b) - root, low, np.maximum(k + 1.0, low))
    return float(np.max(root - balance))


def _lower(n: int, b: float, level: float) -> float:
    if n <= b:
        return 0.0
    j = np.arange(n + 1)
    following = np.append(_overtaken(j[:-1], n, b), n)
    here = np.append(b, following[:-1])
    root = _roots(j, n - 1, level)[1]
    closed = _between(j, n - 1, here) < level
    ends = np.where(closed, here, np.where(root < following, root, np.inf))
    return float(max(0.0, ends.min() - b))


def _g(k: Real, b: Real) -> Real:
    """log of the largest likelihood of k events with mu >= 0, up to log k!."""
    best = np.maximum(k, b)
    return xlogy(k, best) - best


def _overtaken(k: np.ndarray, n: int, b: Real) -> np.ndarray:
    """c_k, the lam at which R_k = R_n; max(n, b) for k = n."""
    slope = (_g(k, b) - _g(n, b)) / np.where(k == n, 1, k - n)
    return np.where(k == n, np.maximum(n, b), np.exp(slope))


def _between(first: Real, last: Real, lam: Real) -> np.ndarray:
    """P(first <= k <= last | lam); 0 where there is no such k."""
    below = np.where(np.asarray(first) > 0, pdtr(np.maximum(first, 1) - 1, lam), 0.0)
    return np.where(last >= first, pdtr(np.maximum(last, 0), lam) - below, 0.0)


def _roots(first: Real, last: Real, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The two lam at which P(first <= k <= last | lam) = level; NaN where it is never reached."""
    first, last = np.broadcast_arrays(first, last)
    terms = np.maximum(last - first + 1, 1)
    highest = np.exp((gammaln(np.maximum(last, 0) + 1.0) - gammaln(np.maximum(first, 1))) / terms)
    highest = np.where(first == 0, 0.0, highest)
    reached = _between(first, last, highest) > level

    def excess(lam: np.ndarray) -> np.ndarray:
        return _between(first, last, lam) - level

    rising = _bisected(excess, np.zeros_like(highest), highest)
    falling = _bisected(lambda lam: -excess(lam), highest, 10.0 * (last + 5.0))
    return np.where(reached, rising, np.nan), np.where(reached, falling, np.nan)


def _bisected(
    function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Roots of a rising function, each between its `low` and `high`."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = function(middle) > 0
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return 0.5 * (low + high)
