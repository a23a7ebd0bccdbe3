"""Simulated data sets: the physics of `fluctuations` and `signals`, drawn event by event.

An event of the source s is drawn at one of the model's places and times with a probability
proportional to its rate there, sum_b c_b(x, t) N_b with N_b the events of basis spectrum b; then
its energy from the spectrum there, then quanta at its own drift field.

A data set has room for a fixed number of events, so that many are simulated in one program;
absent and rejected events have weight 0. A data set with more events than room has NaN weights:
its fits fail and are counted, they are not wrong.
"""

from typing import TYPE_CHECKING

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.quanta import Recoil, recombined
from neyman.likelihoods.xenon.selection import Points
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.yields import Constants, Number

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.model import EventModel


def simulate(key: Array, model: "EventModel", c: Constants, rates: Array) -> Events:
    """One data set of up to `model.capacity` events before selection; columns (capacity,)."""
    capacity, sources = model.capacity, model.sources
    everything = (*sources, *model.accidentals)
    n_key, which_key, place_key, s1_key, s2_key, kept_key, *keys = jax.random.split(
        key, 6 + len(everything)
    )
    means = rates * jnp.stack([source.events for source in everything])
    n = jax.random.poisson(n_key, jnp.sum(means))
    which = jax.random.choice(which_key, len(means), (capacity,), p=means / jnp.sum(means))
    u = jax.random.uniform(place_key, (capacity,))
    count = len(model.positions["drift_time"])
    place = jnp.minimum((u * count).astype(int), count - 1)
    for i, source in enumerate(sources):
        if source.at_positions is not None:
            place = jnp.where(which == i, _places(source, u), place)
    columns = {name: jnp.asarray(of)[place] for name, of in model.positions.items()}
    points = Points(
        columns["drift_time"], columns["s1_map"], columns["s2_map"], columns.get("field")
    )
    field = None
    if points.field is not None:
        field = points.field * (c["drift_field"] / model.constants["drift_field"])
    electrons, photons, energy = (jnp.zeros(capacity) for _ in range(3))
    for i, source in enumerate(sources):
        energy_key, quanta_key = jax.random.split(keys[i])
        e = _energies(energy_key, source, place)
        ne, nph = _quanta(quanta_key, source.recoil, e, c, field)
        here = which == i
        electrons, photons = jnp.where(here, ne, electrons), jnp.where(here, nph, photons)
        energy = jnp.where(here, e, energy)
    s1 = _s1(s1_key, photons, points.s1_map, c)
    s2 = _s2(s2_key, electrons, points, c)
    for i, of in enumerate(model.accidentals, start=len(sources)):
        first, second = of.sample(keys[i], capacity)
        s1, s2 = jnp.where(which == i, first, s1), jnp.where(which == i, second, s2)
    kept = jax.random.uniform(kept_key, (capacity,)) < model.selection.accepted(s1, s2, points)
    kept &= jnp.arange(capacity) < n
    weight = jnp.where(n <= capacity, kept.astype(float), jnp.nan)
    return Events({"s1": s1, "s2": s2, **columns, "energy": energy}, weight)


def _places(source: Source, u: Array) -> Array:
    """The places at which events of a source happen, given uniform numbers (N,)."""
    rate = source.below[:, -1] @ jnp.asarray(source.at_positions)
    below = jnp.cumsum(rate)
    found = jnp.searchsorted(below, u * below[-1], side="right").astype(int)
    return jnp.minimum(found, len(rate) - 1)


def _energies(key: Array, source: Source, place: Array) -> Array:
    """keV, by the inverse of the distribution function at each place (N,)."""
    u = jax.random.uniform(key, place.shape)
    grid, below = jnp.asarray(source.grid), jnp.asarray(source.below)
    if source.rank == 1:
        return jnp.interp(u * (len(grid) - 1), np.arange(len(grid)) * 1.0, grid)
    share = jnp.asarray(source.at_positions)[:, place]

    def at(j: Array) -> Array:
        return jnp.sum(share * below[:, j], axis=0)

    target = u * at(jnp.full(place.shape, len(grid) - 1))
    low, high = jnp.zeros(place.shape, int), jnp.full(place.shape, len(grid) - 1)
    for _ in range(len(grid).bit_length()):
        middle = (low + high) // 2
        under = at(middle) <= target
        low, high = jnp.where(under, middle, low), jnp.where(under, high, middle)
    first, last = at(low), at(high)
    part = jnp.where(last > first, (target - first) / jnp.where(last > first, last - first, 1.0), 0)
    return grid[low] + part * (grid[high] - grid[low])


def _quanta(
    key: Array, recoil: Recoil, energy: Array, c: Constants, field: Array | None
) -> tuple[Array, Array]:
    """Electrons and photons of each deposit, (N,) each."""
    keys = jax.random.split(key, 4)
    fields = jnp.broadcast_to(c["drift_field"] if field is None else field, energy.shape)

    def means(e: Array, field: Array):
        here = {**c, "drift_field": field}
        quanta = recoil.yields(e, here)
        return quanta, recoil.fluctuations(quanta, here)

    quanta, f = jax.vmap(means)(energy, fields)
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
