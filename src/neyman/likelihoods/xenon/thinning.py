"""Binomial thinning: sum_k given[i, k] Binom(k; n, p_i), where p depends on the place.

One matrix at p0 serves all places by

    Binom(k; n, p) = Binom(k; n, p0) rho^k kappa^n,  kappa = (1 - p)/(1 - p0),  rho kappa = p/p0,

whose terms are all positive. Powers are taken relative to the k that a signal makes likely, so
that they stay in the range of floats; acceptances, which every large k has, share `ANCHORS`
values of p0 instead. Beyond `MANY` quanta neither is enough: events are divided into `GROUPS` of
similar p, and each place of an acceptance has a sum of its own, over the k within `REACH`
standard deviations.
"""

import math

import numpy as np
import scipy.special

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.yields import Number

ANCHORS = 4
"""How many p0 the places share when acceptances are thinned."""
MANY = 1000
"""Quanta up to which one p0 serves all events, and `ANCHORS` all places."""
GROUPS = 4
"""Of events that share a p0, where there are more quanta."""
REACH = 8.0
"""Standard deviations of a binomial; 1e-15 is beyond."""
LARGEST = 700.0
"""The largest exponent of a float."""


def thinned(given: Array, p: Array, size: int, *, local: bool, step: int = 1) -> Array:
    """sum_k given[i, k] Binom(k; step j, p_i), (N, size) in (i, j), from `given` (N, K).

    Rows of `given` that are `local` have their mass around some k each. One p may be given for
    all rows.
    """
    if len(p) == 1:
        return given @ binomial(given.shape[1], size, p[0], step=step)
    many = step * size > MANY
    if local:
        return (_in_groups if many else _by_centres)(given, p, size, step)
    return (_in_windows if many else _by_anchors)(given, p, size, step)


def _by_centres(given: Array, p: Array, size: int, step: int) -> Array:
    low, high = _odds(p)
    centre = jnp.argmax(given, axis=1)[:, None].astype(float)
    return _tilted(given, p, jax.scipy.special.expit(0.5 * (low + high)), size, step, centre)


def _odds(p: Array) -> tuple[Array, Array]:
    """The lowest and the highest log odds; they have no derivatives."""
    odds = jax.lax.stop_gradient(jnp.log(p) - jnp.log1p(-p))
    return jnp.min(odds), jnp.max(odds)


def _in_groups(given: Array, p: Array, size: int, step: int) -> Array:
    """`_by_centres` for groups of similar p."""
    n = len(p)
    order = jnp.argsort(jax.lax.stop_gradient(p))
    members = jnp.pad(order, (0, -n % GROUPS), mode="edge").reshape(GROUPS, -1)

    @jax.checkpoint
    def group(mine: Array) -> Array:
        return _by_centres(given[mine], p[mine], size, step)

    found = jax.lax.map(group, members).reshape(-1, size)
    return found[jnp.argsort(order)]


def _by_anchors(given: Array, p: Array, size: int, step: int) -> Array:
    expit = jax.scipy.special.expit
    odds = jax.lax.stop_gradient(jnp.log(p) - jnp.log1p(-p))
    low, high = _odds(p)
    width = high - low
    nearest = jnp.floor((odds - low) / jnp.maximum(width, 1e-9) * ANCHORS)
    nearest = jnp.minimum(nearest, ANCHORS - 1.0)

    @jax.checkpoint
    def share(anchor: Array) -> Array:
        p0 = expit(low + (anchor + 0.5) / ANCHORS * width)
        mine = nearest == anchor
        part = _tilted(given, jnp.where(mine, p, p0), p0, size, step, None)
        return jnp.where(mine[:, None], part, 0.0)

    zero = jnp.zeros((len(given), size))
    return jax.lax.scan(lambda t, a: (t + share(a), None), zero, np.arange(0.0, ANCHORS))[0]


def _in_windows(given: Array, p: Array, size: int, step: int) -> Array:
    """Row by row, over the k that Binomial(step j, p_i) makes likely."""
    n = step * np.arange(0.0, size)
    length = math.ceil(REACH * math.sqrt(n[-1])) + 8
    factorial = log_factorials(step * size)

    @jax.checkpoint
    def row(one: tuple[Array, Array]) -> Array:
        of, p = one
        here = jax.lax.stop_gradient(p)
        begin = jnp.floor(here * n - REACH * jnp.sqrt(here * (1.0 - here) * n)) - 3.0
        k = jnp.maximum(begin, 0.0)[:, None] + np.arange(0.0, length)[None]
        inside = (k <= n[:, None]) & (k < len(of))
        k = jnp.where(inside, k, 0.0)
        rest = n[:, None] - k
        log_p = log_choose_at(factorial, n[:, None], k)
        log_p += k * jnp.log(p) + rest * jnp.log1p(-p)
        return jnp.sum(jnp.where(inside, of[k.astype(int)] * jnp.exp(log_p), 0.0), axis=1)

    return jax.lax.map(row, (given, p))


def binomial(rows: int, columns: int, p: Number, *, step: int = 1) -> Array:
    """Binom(k; step j, p), (rows, columns) in (k, j)."""
    k, n = np.arange(0.0, rows)[:, None], step * np.arange(0.0, columns)[None, :]
    return jnp.exp(log_choose(n, k) + k * jnp.log(p) + np.maximum(n - k, 0) * jnp.log1p(-p))


def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """log of n over k, -inf where k > n."""
    factorial = scipy.special.gammaln
    rest = np.maximum(n - k, 0)
    inside = factorial(n + 1.0) - factorial(k + 1.0) - factorial(rest + 1.0)
    return np.where(k <= n, inside, -np.inf)


def log_factorials(count: int) -> Array:
    """log n! for n < count."""
    return jnp.asarray(scipy.special.gammaln(np.arange(count) + 1.0))


def _tilted(given: Array, p: Array, p0: Array, size: int, step: int, centre: Array | None) -> Array:
    """`thinned` by way of p0; exponents beyond `LARGEST` belong to values that are 0."""
    k, n = np.arange(0.0, given.shape[1])[None], step * np.arange(0.0, size)[None]
    log_kappa = (jnp.log1p(-p) - jnp.log1p(-p0))[:, None]
    log_rho = (jnp.log(p) - jnp.log(p0))[:, None] - log_kappa
    left, right = log_rho * k, log_kappa * n
    if centre is not None:
        left = jnp.minimum(left - log_rho * centre, LARGEST)
        right = jnp.minimum(right + log_rho * centre, LARGEST)
    return ((given * jnp.exp(left)) @ binomial(given.shape[1], size, p0, step=step)) * jnp.exp(
        right
    )


def log_choose_at(factorial: Array, n: Array, k: Array) -> Array:
    """log of n over k for 0 <= k <= n, from `log_factorials`."""
    top, some, rest = (factorial[m.astype(int)] for m in (n, k, n - k))
    return top - some - rest
