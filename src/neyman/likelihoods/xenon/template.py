"""What comes for nothing from the same matrices: templates, hidden energies, acceptances.

A template is mu with the selection replaced by cells: with B[j, ne] the probability that S2 falls
into cell j, and A[i, nph] that S1 falls into cell i,

    expected[i, j] = sum_k w_k (A_k Q^T B_k^T)[i, j]

and the hidden energy of an event has the posterior p(E|s) proportional to w_E a^T Q_E b, with Q_E
the quanta matrix of one energy node alone. Nothing is simulated, so nothing fluctuates.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.quanta import quanta_matrix
from neyman.likelihoods.xenon.selection import Points
from neyman.likelihoods.xenon.signals import density, within
from neyman.likelihoods.xenon.yields import Constants
from neyman.parameters import unknown_name

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.model import EventModel
    from neyman.likelihoods.xenon.source import Source

ASIMOV_CELLS = (24, 24)
"""Cells in S1 and in S2 of the Asimov data."""
ASIMOV_EVENTS = 1024
"""The fullest cells are kept, with the weight of all."""


def template(model: "EventModel", theta: Array, s1_edges: Array, s2_edges: Array) -> Array:
    """Expected events of each source in cells of raw S1 and S2, (S, n1, n2).

    Args:
        model: of events.
        theta: where, (P,).
        s1_edges: increasing, in PE, (n1 + 1,); `s2_edges` likewise, (n2 + 1,).
    """
    return jnp.sum(_by_place(model, theta, s1_edges, s2_edges), axis=1)


def _by_place(model: "EventModel", theta: Array, s1_edges: Array, s2_edges: Array) -> Array:
    """Expected events in cells of S1 and S2 at each place, (S, K, n1, n2)."""
    quanta, (c, _) = model.quanta(theta), model.at(theta)

    def at_place(args: tuple) -> Array:
        (place, share, s1_range, s2_range) = args
        n1, n2 = len(s1_edges) - 1, len(s2_edges) - 1
        n = max(n1, n2)
        points = Points(*(jnp.full(n, value) for value in place))

        def cells(edges: Array, low_high: tuple[Array, Array]):
            inside = jnp.clip(edges, *low_high)
            padded = jnp.concatenate([inside, jnp.full(n + 1 - len(edges), inside[-1])])
            return within(padded[:-1], padded[1:])

        b, a = model.signals(cells(s1_edges, s1_range), cells(s2_edges, s2_range), points, c)
        b, a = b[:n2], a[:n1]
        found = [a[:, : q.shape[1]] @ (b[:, : q.shape[0]] @ q).T for q in quanta]
        return share * jnp.stack(found)

    places = model.places
    ranges = model.selection.raw_s1(places), model.selection.raw_s2(places)
    return jnp.moveaxis(jax.lax.map(at_place, (places, model.volume, *ranges)), 0, 1)


def asimov(model: "EventModel", theta: Array) -> Events:
    """The Asimov data: the middle of each cell of S1, S2 and place, weighted by its events."""
    s1_edges, s2_edges = edges(model, theta)
    expected = jnp.sum(_by_place(model, theta, s1_edges, s2_edges), axis=0)
    s1 = 0.5 * (s1_edges[1:] + s1_edges[:-1])
    s2 = 0.5 * (s2_edges[1:] + s2_edges[:-1])
    shape = expected.shape

    def spread(values: Array, axis: int) -> Array:
        broad = [None, None, None]
        broad[axis] = slice(None)
        return jnp.broadcast_to(values[tuple(broad)], shape).reshape(-1)

    columns = {name: spread(of, 0) for name, of in model.places._asdict().items()}
    columns |= {"s1": spread(s1, 1), "s2": spread(s2, 2)}
    columns["energy"] = jnp.full(expected.size, jnp.nan)
    weight, kept = jax.lax.top_k(expected.reshape(-1), min(ASIMOV_EVENTS, expected.size))
    weight = weight * (jnp.sum(expected) / jnp.sum(weight))
    return Events({name: of[kept] for name, of in columns.items()}, weight)


def edges(model: "EventModel", theta: Array) -> tuple[Array, Array]:
    """Cells of S1 and S2, equal in their square roots, that hold what the model expects."""
    c, _ = model.at(theta)
    electrons = max(source.shape[0] for source in model.sources)
    p = 1.0 + c["double_pe"]
    largest = p * c["g1_gas"] * c["electron_gain"] * c["extraction"] * electrons
    s1_high = jnp.minimum(model.selection.s1[1], p * model.photons)
    s2_high = jnp.minimum(model.selection.s2[1], 1.2 * largest * jnp.max(model.places.s2_map))
    ranges = (model.selection.s1[0], s1_high), (model.selection.s2[0], s2_high)
    first, second = (
        jnp.linspace(jnp.sqrt(low), jnp.sqrt(high), n + 1) ** 2
        for (low, high), n in zip(ranges, ASIMOV_CELLS)
    )
    return first, second


def energies_of(source: "Source") -> np.ndarray:
    """The energy nodes of a source, keV, (K,)."""
    return np.concatenate([np.asarray(e) for e in source.energies])


def _each_energy(source: "Source", c: Constants, of_quanta: Callable[[Array], Array]) -> Array:
    """`of_quanta(Q_E)` for every energy node E, weights left out, stacked."""
    found = []
    for energies, window in zip(source.energies, source.windows):

        def at(energy, window=window):
            panel = ((energy[None], jnp.ones(1), window),)
            return of_quanta(quanta_matrix(source.recoil, panel, source.shape, c))

        found.append(jax.lax.map(at, jnp.asarray(energies)))
    return jnp.concatenate(found)


def acceptance(model: "EventModel", theta: Array, name: str) -> tuple[Array, Array]:
    """Of the source `name`: its energy nodes in keV and the share of deposits that is kept."""
    source, (c, _) = _named(model, name), model.at(theta)
    s1, s2 = model.selection.raw_s1(model.places), model.selection.raw_s2(model.places)
    b, a = model.signals(within(*s1), within(*s2), model.places, c)

    def kept(q: Array) -> Array:
        rows, columns = q.shape
        return model.volume @ jnp.sum((b[:, :rows] @ q) * a[:, :columns], axis=1)

    return jnp.asarray(energies_of(source)), _each_energy(source, c, kept)


def hidden_energy(
    model: "EventModel", theta: Array, events: Events, name: str
) -> tuple[Array, Array]:
    """Of the source `name`: its energy nodes in keV, (K,), and for each event the probability
    of each, (N, K), had the event come from that source."""
    source, (c, _) = _named(model, name), model.at(theta)
    of = events.columns
    points = Points(of["drift_time"], of["s1_map"], of["s2_map"])
    b, a = model.signals(density(of["s1"]), density(of["s2"]), points, c)

    def rate(q: Array) -> Array:
        rows, columns = q.shape
        return jnp.sum((b[:, :rows] @ q) * a[:, :columns], axis=1)

    weights = jnp.concatenate([jnp.asarray(w) for w in source.weights])
    joint = _each_energy(source, c, rate).T * weights[None]
    return jnp.asarray(energies_of(source)), joint / jnp.sum(joint, axis=1, keepdims=True)


def _named(model: "EventModel", name: str) -> "Source":
    known = {source.name: source for source in model.sources}
    if name not in known:
        raise unknown_name(name, known, "source")
    return known[name]
