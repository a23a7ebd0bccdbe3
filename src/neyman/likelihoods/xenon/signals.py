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

What depends on the place is binomial thinning alone (`thinning`); photoelectrons do not
(`photoelectrons`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neyman._jax import Array, jnp
from neyman.likelihoods.xenon.photoelectrons import given_detected
from neyman.likelihoods.xenon.skew_normal import normal_cdf
from neyman.likelihoods.xenon.thinning import thinned
from neyman.likelihoods.xenon.yields import Constants


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
    sd = jnp.sqrt(c["spe_res"] ** 2 * counted + (c["s1_noise"] * counted) ** 2)
    given_counted = law.of((c["s1_gain"] * counted)[None], sd[None])
    detected = given_detected(given_counted, most, c)
    return thinned(detected, c["g1"] * relative, n_photons, local=law.local, step=step)


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
