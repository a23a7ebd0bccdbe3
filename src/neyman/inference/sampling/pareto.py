"""Pareto smoothing of importance weights (arXiv:1507.02646), which tells how far to trust them.

The M = min(S/5, 3 sqrt(S)) largest of S weights have, above the largest of the others, a
generalised Pareto distribution

    F(x) = 1 - (1 + k x/sigma)^(-1/k)

in the limit. They are replaced by its quantiles at (i - 1/2)/M, no larger than the largest one.
Moments of the weights exist up to order 1/k: above k = 1/2 their variance does not, and above
min(1 - 1/log10 S, 0.7) no practical number of draws makes up for it.
"""

import math

import numpy as np
from scipy.special import logsumexp

TRUSTED = 0.7
FEWEST = 5
"""Weights of a tail, to which a distribution is fitted."""
PRIOR_K, PRIOR_DRAWS = 0.5, 10
"""The prior of k: as many draws as these have it."""


def smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Log weights (S,) after smoothing, and k; k is infinite where fewer than `FEWEST` weights
    make the tail, which is then left alone."""
    top = np.max(log_weight)
    x = np.exp(log_weight - top)
    order = np.argsort(x, kind="stable")
    size = int(np.ceil(min(0.2 * len(x), 3.0 * np.sqrt(len(x)))))
    start = x[order[-size - 1]] if size < len(x) else 0.0
    tail = order[-size:][x[order[-size:]] > start]
    if len(tail) < FEWEST:
        return log_weight, np.inf
    k, sigma = generalised_pareto(x[tail] - start)
    p = (np.arange(len(tail)) + 0.5) / len(tail)
    above = -sigma * np.log1p(-p) if abs(k) < 1e-12 else sigma * np.expm1(-k * np.log1p(-p)) / k
    new = log_weight.copy()
    new[tail] = top + np.minimum(np.log(start + above), 0.0)
    return new, k


def generalised_pareto(x: np.ndarray) -> tuple[float, float]:
    """k and sigma of x (M,), rising and above 0, by the estimator of Zhang and Stephens.

    It is the mean of b = -k/sigma over its profile likelihood, where k(b) = mean log(1 - b x), on
    a grid that is the quantiles of a prior (Technometrics 51, 316); k is then drawn towards
    `PRIOR_K` (arXiv:1507.02646, appendix C).
    """
    n = len(x)
    m = 30 + int(np.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    b = 1.0 / x[-1] + (1.0 - np.sqrt(m / (np.arange(m) + 0.5))) / (3.0 * quartile)
    k = np.mean(np.log1p(-b[:, None] * x), axis=1)
    log_l = n * (np.log(-b / k) - k - 1.0)
    chosen = np.exp(log_l - logsumexp(log_l)) @ b
    k_hat = float(np.mean(np.log1p(-chosen * x)))
    sigma = -k_hat / float(chosen)
    return (n * k_hat + PRIOR_DRAWS * PRIOR_K) / (n + PRIOR_DRAWS), sigma


def trusted(k: float, draws: int) -> bool:
    """Whether weights with this k give errors that fall with the number of draws."""
    return k <= min(1.0 - 1.0 / math.log10(draws), TRUSTED)
