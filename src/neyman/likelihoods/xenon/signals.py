"""From quanta to what a detector records: the kernels of S1 and S2.

S1 of nph photons at a place of relative light yield m1:

    detected photons   n ~ Binomial(nph, g1 m1), kept with the coincidence acceptance of n
    photoelectrons     n + Binomial(n, p), each counted with probability 1 - (1 - eff)/(1 + p)
    S1 | counted k     N(gain k, spe_res^2 k + noise^2 k^2)

S2 of ne electrons at drift time t, of relative gain m2:

    extracted          k ~ Binomial(ne, extraction exp(-t/lifetime))
    S2 | k             mean M = (1 + p) g k Y,  variance (1 + p)^2 (g^2 k F Y + g (1 - g) k Y)
                       + p (1 - p) g k Y + spe_res^2 M + noise^2 M^2,    g = g1_gas m2

where the second is the exact mean and variance of k electrons' light, taken as a Gaussian.

What depends on the place is binomial thinning alone. One matrix at p0 serves all places by

    Binom(k; n, p) = Binom(k; n, p0) rho^k kappa^n,  kappa = (1 - p)/(1 - p0),  rho kappa = p/p0,

whose terms are all positive. Powers are taken relative to the k that a signal makes likely, so
that they stay in the range of floats; acceptances, which every large k has, share `ANCHORS`
values of p0 instead.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.special

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.skew_normal import normal_cdf
from neyman.likelihoods.xenon.yields import Constants, Number

ANCHORS = 4
"""How many p0 the places share when acceptances are thinned."""
LARGEST = 700.0
"""The largest exponent of a float."""


class Law(NamedTuple):
    """What is asked of a signal."""

    of: Callable[[Array, Array], Array]
    """From the mean and the standard deviation of a signal, (1 or N, K), to (N, K)."""
    local: bool
    """Whether it vanishes far from a value of the signal."""


def density(signal: Array) -> Law:
    """The Gaussian density of each `signal` (N,)."""

    def of(mean: Array, sd: Array) -> Array:
        pull = (signal[:, None] - mean) / sd
        return jnp.exp(-0.5 * pull**2) / (sd * np.sqrt(2.0 * np.pi))

    return Law(of, True)


def within(low: Array, high: Array) -> Law:
    """The probability that a signal is between `low` and `high`, (N,) each."""

    def of(mean: Array, sd: Array) -> Array:
        upper, lower = (high[:, None] - mean) / sd, (low[:, None] - mean) / sd
        return normal_cdf(upper) - normal_cdf(lower)

    return Law(of, False)


def light(
    law: Law, relative: Array, n_photons: int, most: int, c: Constants, *, step: int = 1
) -> Array:
    """P(S1 | step j photons), (N, n_photons) in (event, j).

    Args:
        law: of the signals, for N events or places.
        relative: light yield of their places, (N,).
        n_photons: how many numbers of photons.
        most: the largest number of detected photons counted.
        c: the constants.
        step: the spacing of the lattice of photons.
    """
    counted = np.arange(1.0, 2 * most + 1)
    kernel = _counted_photoelectrons(most, c)[:, 1:]
    sd = jnp.sqrt(c["spe_res"] ** 2 * counted + (c["s1_noise"] * counted) ** 2)
    given_detected = law.of((c["s1_gain"] * counted)[None], sd[None]) @ kernel.T
    return thinned(given_detected, c["g1"] * relative, n_photons, local=law.local, step=step)


def charge(
    law: Law,
    relative: Array,
    drift_time: Array,
    n_electrons: int,
    c: Constants,
    *,
    step: int = 1,
) -> Array:
    """P(S2 | step j electrons), (N, n_electrons) in (event, j).

    Args:
        law: of the signals, for N events or places.
        relative: gain of their places, (N,).
        drift_time: us, (N,).
        n_electrons: how many numbers of electrons.
        c: the constants.
        step: the spacing of the lattice of electrons.
    """
    k = np.arange(1.0, step * (n_electrons - 1) + 1)[None, :]
    p, gain = c["double_pe"], c["electron_gain"]
    g = (c["g1_gas"] * relative)[:, None]
    mean = (1.0 + p) * g * k * gain
    variance = (1.0 + p) ** 2 * g * k * gain * (g * c["s2_fano"] + 1.0 - g)
    variance += p * (1.0 - p) * g * k * gain + c["spe_res"] ** 2 * mean
    variance += (c["s2_noise"] * mean) ** 2
    given_extracted = jnp.pad(law.of(mean, jnp.sqrt(variance)), ((0, 0), (1, 0)))
    kept = c["extraction"] * jnp.exp(-drift_time / c["electron_lifetime"])
    return thinned(given_extracted, kept, n_electrons, local=law.local, step=step)


def thinned(given: Array, p: Array, size: int, *, local: bool, step: int = 1) -> Array:
    """sum_k given[i, k] Binom(k; step j, p_i), (N, size) in (i, j), from `given` (N, K).

    Rows of `given` that are `local` have their mass around some k each.
    """
    odds = jax.lax.stop_gradient(jnp.log(p) - jnp.log1p(-p))
    low, width = jnp.min(odds), jnp.max(odds) - jnp.min(odds)
    expit = jax.scipy.special.expit
    if local:
        centre = jnp.argmax(given, axis=1)[:, None].astype(float)
        return _tilted(given, p, expit(low + 0.5 * width), size, step, centre)
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


def binomial(rows: int, columns: int, p: Number, *, step: int = 1) -> Array:
    """Binom(k; step j, p), (rows, columns) in (k, j)."""
    k, n = np.arange(0.0, rows)[:, None], step * np.arange(0.0, columns)[None, :]
    return jnp.exp(_log_choose(n, k) + k * jnp.log(p) + np.maximum(n - k, 0) * jnp.log1p(-p))


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """log of n over k, -inf where k > n."""
    factorial = scipy.special.gammaln
    rest = np.maximum(n - k, 0)
    inside = factorial(n + 1.0) - factorial(k + 1.0) - factorial(rest + 1.0)
    return np.where(k <= n, inside, -np.inf)


def _counted_photoelectrons(most: int, c: Constants) -> Array:
    """P(k counted | n detected), (most + 1, 2 most + 1), with the coincidence acceptance."""
    n = np.arange(0.0, most + 1)[:, None]
    pe = np.arange(0.0, 2 * most + 1)
    second = _log_choose(n, np.maximum(pe[None] - n, 0))
    second = np.where((pe[None] >= n) & (pe[None] <= 2 * n), second, -np.inf)
    p = jnp.maximum(c["double_pe"], 1e-30)
    doubled = jnp.exp(
        second + np.clip(pe - n, 0, n) * jnp.log(p) + np.clip(2 * n - pe, 0, n) * jnp.log1p(-p)
    )
    seen = jnp.minimum(1.0, c["spe_eff"] + (1.0 - c["spe_eff"]) / (2.0 * c["n_pmts"]) * pe)
    kept = 1.0 - (1.0 - seen) / (1.0 + p)
    missed = jnp.maximum(1.0 - kept, 1e-300)
    k = np.arange(0.0, 2 * most + 1)[None, :]
    row = pe[:, None]
    counted = jnp.exp(
        _log_choose(row, k)
        + k * jnp.log(kept)[:, None]
        + np.maximum(row - k, 0) * jnp.log(missed)[:, None]
    )
    acceptance = jnp.stack([c[f"coincidence_{i}"] for i in range(6)])
    every = jnp.concatenate([acceptance, jnp.ones(max(most - 5, 0))])[: most + 1]
    return every[:, None] * (doubled @ counted)
