"""What comes for nothing from the same matrices: templates, hidden energies, acceptances.

A template is mu with the selection replaced by cells: with B[j, ne] the probability that S2 falls
into cell j, and A[i, nph] that S1 falls into cell i,

    expected[i, j] = sum_k w_k (A_k Q^T B_k^T)[i, j]

and the hidden energy of an event has the posterior p(E|s) proportional to w_E a^T Q_E b, with Q_E
the quanta matrix of one energy node alone. Nothing is simulated, so nothing fluctuates.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

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


def corrected_template(
    model: "EventModel", theta: Array, cs1_edges: Array, cs2_edges: Array
) -> Array:
    """`template` in cells of corrected S1 and S2 (`selection`), (S, n1, n2)."""
    gain = model.places.s2_map * jnp.exp(-model.places.drift_time / model.selection.lifetime)
    s1_edges = model.places.s1_map[:, None] * cs1_edges[None]
    s2_edges = gain[:, None] * cs2_edges[None]
    return jnp.sum(_by_place(model, theta, s1_edges, s2_edges), axis=1)


def _by_place(model: "EventModel", theta: Array, s1_edges: Array, s2_edges: Array) -> Array:
    """Expected events in cells of S1 and S2 at each place, (S, K, n1, n2).

    Edges (n + 1,) are those of all places, edges (K, n + 1) those of each.
    """
    quanta, (c, _) = model.quanta(theta), model.at(theta)
    n_places = len(model.volume)
    s1_edges = jnp.broadcast_to(s1_edges, (n_places, s1_edges.shape[-1]))
    s2_edges = jnp.broadcast_to(s2_edges, (n_places, s2_edges.shape[-1]))

    def at_place(args: tuple) -> Array:
        (place, share, s1_edges, s2_edges, s1_range, s2_range) = args
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
    each = (places, model.volume, s1_edges, s2_edges, *ranges)
    return jnp.moveaxis(jax.lax.map(at_place, each), 0, 1)


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


def energies_of(source: "Source") -> Array:
    """The energy nodes of a source, keV, (K,)."""
    return jnp.concatenate([jnp.asarray(e) for e in source.energies])


def weights_of(source: "Source") -> Array:
    """The events before any selection that each energy node stands for, (K,)."""
    return jnp.concatenate([jnp.asarray(w) for w in source.weights])


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

    return energies_of(source), _each_energy(source, c, kept)


def hidden_energy(
    model: "EventModel", theta: Array, events: Events, name: str
) -> tuple[Array, Array]:
    """Of the source `name`: its energy nodes in keV, (K,), and for each event the probability
    of each, (N, K), had the event come from that source; zeros where it cannot have."""
    energies, joint = energy_rates(model, theta, events, name)
    total = jnp.sum(joint, axis=1, keepdims=True)
    return energies, jnp.where(total > 0, joint / jnp.where(total > 0, total, 1.0), 0.0)


def energy_rates(
    model: "EventModel", theta: Array, events: Events, name: str
) -> tuple[Array, Array]:
    """Of the source `name`: its energy nodes in keV, (K,), and the part of each event's
    differential rate that each gives, (N, K)."""
    source, (c, rates) = _named(model, name), model.at(theta)
    of = events.columns
    points = Points(of["drift_time"], of["s1_map"], of["s2_map"])
    b, a = model.signals(density(of["s1"]), density(of["s2"]), points, c)

    def rate(q: Array) -> Array:
        rows, columns = q.shape
        return jnp.sum((b[:, :rows] @ q) * a[:, :columns], axis=1)

    low, high = model.drift_times
    multiplier = rates[[s.name for s in model.sources].index(name)] / (high - low)
    per_deposit = _each_energy(source, c, rate).T
    return energies_of(source), multiplier * per_deposit * weights_of(source)[None]


def _named(model: "EventModel", name: str) -> "Source":
    known = {source.name: source for source in model.sources}
    if name not in known:
        raise unknown_name(name, known, "source")
    return known[name]
