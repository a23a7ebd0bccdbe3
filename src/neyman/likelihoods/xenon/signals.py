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

whose terms are all positive.
"""

from collections.abc import Callable

import numpy as np
import scipy.special

from neyman._jax import Array, jnp
from neyman.likelihoods.xenon.skew_normal import normal_cdf
from neyman.likelihoods.xenon.yields import Constants, Number

Law = Callable[[Array, Array], Array]
"""From the mean and the standard deviation of a signal to its density, or its acceptance."""


def density(signal: Array) -> Law:
    """The Gaussian density of each `signal` (N,)."""

    def law(mean: Array, sd: Array) -> Array:
        pull = (signal[:, None] - mean) / sd
        return jnp.exp(-0.5 * pull**2) / (sd * np.sqrt(2.0 * np.pi))

    return law


def within(low: Array, high: Array) -> Law:
    """The probability that a signal is between `low` and `high`, (N,) each."""

    def law(mean: Array, sd: Array) -> Array:
        upper = normal_cdf((high[:, None] - mean) / sd)
        return upper - normal_cdf((low[:, None] - mean) / sd)

    return law


def light(law: Law, relative: Array, n_photons: int, most: int, c: Constants) -> Array:
    """P(S1 | nph), (N, n_photons), for places of relative light yield `relative` (N,).

    `most` is the largest number of detected photons counted.
    """
    counted = np.arange(1.0, 2 * most + 1)
    kernel = _counted_photoelectrons(most, c)[:, 1:]
    sd = jnp.sqrt(c["spe_res"] ** 2 * counted + (c["s1_noise"] * counted) ** 2)
    given_detected = law((c["s1_gain"] * counted)[None], sd[None]) @ kernel.T
    return thinned(given_detected, c["g1"] * relative, c["g1"], n_photons)


def charge(law: Law, relative: Array, drift_time: Array, n_electrons: int, c: Constants) -> Array:
    """P(S2 | ne), (N, n_electrons), for places of relative gain `relative` and drift times (us)."""
    k = np.arange(1.0, n_electrons)[None, :]
    p, gain = c["double_pe"], c["electron_gain"]
    g = (c["g1_gas"] * relative)[:, None]
    mean = (1.0 + p) * g * k * gain
    variance = (1.0 + p) ** 2 * g * k * gain * (g * c["s2_fano"] + 1.0 - g)
    variance += p * (1.0 - p) * g * k * gain + c["spe_res"] ** 2 * mean
    variance += (c["s2_noise"] * mean) ** 2
    given_extracted = jnp.pad(law(mean, jnp.sqrt(variance)), ((0, 0), (1, 0)))
    survival = jnp.exp(-drift_time / c["electron_lifetime"])
    reference = c["extraction"] * jnp.exp(-jnp.mean(drift_time) / c["electron_lifetime"])
    return thinned(given_extracted, c["extraction"] * survival, reference, n_electrons)


def thinned(given: Array, p: Array, reference: Number, size: int) -> Array:
    """sum_k given[i, k] Binom(k; n, p_i), (N, size), from `given` (N, K)."""
    kappa = (1.0 - p) / (1.0 - reference)
    rho = p / reference / kappa
    tilted = given * rho[:, None] ** np.arange(0.0, given.shape[1])[None]
    shared = binomial(given.shape[1], size, reference)
    return (tilted @ shared) * kappa[:, None] ** np.arange(0.0, size)[None]


def binomial(rows: int, columns: int, p: Number) -> Array:
    """Binom(k; n, p), (rows, columns) in (k, n)."""
    k, n = np.arange(0.0, rows)[:, None], np.arange(0.0, columns)[None, :]
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
    p = c["double_pe"]
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
