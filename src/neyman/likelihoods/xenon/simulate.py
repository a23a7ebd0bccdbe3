"""Simulated data sets: the physics of `fluctuations` and `signals`, drawn event by event.

A data set has room for a fixed number of events, so that many are simulated in one program;
absent and rejected events have weight 0. A data set with more events than room has NaN weights:
its fits fail and are counted, they are not wrong.
"""

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.quanta import Recoil, recombined
from neyman.likelihoods.xenon.selection import Points, Selection
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.yields import Constants, Number


def simulate(
    key: Array,
    sources: tuple[Source, ...],
    rates: Array,
    c: Constants,
    positions: Points,
    selection: Selection,
    capacity: int,
) -> Events:
    """One data set of up to `capacity` events before selection; columns (capacity,)."""
    n_key, which_key, place_key, *keys = jax.random.split(key, 3 + 3 * len(sources))
    means = rates * jnp.stack([source.events for source in sources])
    n = jax.random.poisson(n_key, jnp.sum(means))
    which = jax.random.choice(which_key, len(sources), (capacity,), p=means / jnp.sum(means))
    electrons, photons, energy = (jnp.zeros(capacity) for _ in range(3))
    for i, source in enumerate(sources):
        e = _energies(keys[3 * i], source, capacity)
        ne, nph = _quanta(keys[3 * i + 1], source.recoil, e, c)
        here = which == i
        electrons, photons = jnp.where(here, ne, electrons), jnp.where(here, nph, photons)
        energy = jnp.where(here, e, energy)

    position_key, s1_key, s2_key = jax.random.split(place_key, 3)
    place = jax.random.randint(position_key, (capacity,), 0, len(positions.drift_time))
    points = Points(*(of[place] for of in positions))
    s1 = _s1(s1_key, photons, points.s1_map, c)
    s2 = _s2(s2_key, electrons, points, c)
    (s1_low, s1_high), (s2_low, s2_high) = selection.raw_s1(points), selection.raw_s2(points)
    kept = (s1 >= s1_low) & (s1 <= s1_high) & (s2 >= s2_low) & (s2 <= s2_high)
    kept &= jnp.arange(capacity) < n
    weight = jnp.where(n <= capacity, kept.astype(float), jnp.nan)
    return Events({"s1": s1, "s2": s2, **points._asdict(), "energy": energy}, weight)


def _energies(key: Array, source: Source, n: int) -> Array:
    """keV, by the inverse of the distribution function."""
    u = jax.random.uniform(key, (n,)) * (len(source.quantiles) - 1)
    return jnp.interp(u, np.arange(len(source.quantiles)) * 1.0, source.quantiles)


def _quanta(key: Array, recoil: Recoil, energy: Array, c: Constants) -> tuple[Array, Array]:
    """Electrons and photons of each deposit, (N,) each."""
    keys = jax.random.split(key, 4)
    quanta = jax.vmap(lambda e: recoil.yields(e, c))(energy)
    f = jax.vmap(lambda q: recoil.fluctuations(q, c))(quanta)
    share = 1.0 / (1.0 + quanta.excitons_per_ion)
    mean = share * quanta.total
    if recoil.nuclear:
        ions = _rounded(keys[0], mean, jnp.sqrt(f.fano[0] * mean))
        rest = quanta.total - mean
        total = ions + _rounded(keys[1], rest, jnp.sqrt(f.fano[1] * rest))
    else:
        total = _rounded(keys[0], quanta.total, jnp.sqrt(f.fano[0] * quanta.total))
        ions = jax.random.binomial(keys[1], total, share)
    law = recombined(quanta, f, ions)
    delta = f.skew / jnp.sqrt(1.0 + f.skew**2)
    z = delta * jnp.abs(jax.random.normal(keys[2], energy.shape))
    z += jnp.sqrt(1.0 - delta**2) * jax.random.normal(keys[3], energy.shape)
    electrons = jnp.clip(jnp.round(law.location + law.scale * z), 0.0, ions)
    return electrons, total - electrons


def _rounded(key: Array, mean: Array | Number, sd: Array | Number) -> Array:
    """A whole number near a Gaussian draw, 0 or more."""
    draw = mean + sd * jax.random.normal(key, jnp.shape(mean))
    return jnp.maximum(jnp.round(draw), 0.0)


def _s1(key: Array, photons: Array, relative: Array, c: Constants) -> Array:
    keys = jax.random.split(key, 5)
    detected = jax.random.binomial(keys[0], photons, c["g1"] * relative)
    acceptance = jnp.stack([c[f"coincidence_{i}"] for i in range(6)])
    likely = jnp.where(detected > 5, 1.0, acceptance[jnp.minimum(detected, 5).astype(int)])
    seen = jax.random.uniform(keys[1], photons.shape) < likely
    pe = detected + jax.random.binomial(keys[2], detected, c["double_pe"])
    efficiency = c["spe_eff"] + (1.0 - c["spe_eff"]) / (2.0 * c["n_pmts"]) * pe
    counted = 1.0 - (1.0 - jnp.minimum(1.0, efficiency)) / (1.0 + c["double_pe"])
    k = jax.random.binomial(keys[3], pe, counted)
    sd = jnp.sqrt(c["spe_res"] ** 2 * k + (c["s1_noise"] * k) ** 2)
    s1 = c["s1_gain"] * k + sd * jax.random.normal(keys[4], photons.shape)
    return jnp.where(seen & (k > 0), s1, -jnp.inf)


def _s2(key: Array, electrons: Array, points: Points, c: Constants) -> Array:
    keys = jax.random.split(key, 5)
    survival = c["extraction"] * jnp.exp(-points.drift_time / c["electron_lifetime"])
    k = jax.random.binomial(keys[0], electrons, survival)
    mean = k * c["electron_gain"]
    photons = _rounded(keys[1], mean, jnp.sqrt(c["s2_fano"] * mean))
    detected = jax.random.binomial(keys[2], photons, c["g1_gas"] * points.s2_map)
    pe = detected + jax.random.binomial(keys[3], detected, c["double_pe"])
    sd = jnp.sqrt(c["spe_res"] ** 2 * pe + (c["s2_noise"] * pe) ** 2)
    s2 = pe + sd * jax.random.normal(keys[4], electrons.shape)
    return jnp.where(k > 0, s2, -jnp.inf)
