"""What comes for nothing from the same matrices: templates, hidden energies, acceptances.

A template is mu with the selection cut to cells: with B[j, ne] the probability that S2 is kept
and falls into cell j, and A[i, nph] the same for S1 in cell i,

    expected[i, j] = sum_k w_k (A_k Q^T B_k^T)[i, j]

and the hidden energy of an event has the posterior p(E|s) proportional to w_E a^T Q_E b, with Q_E
the quanta matrix of one energy node alone. Nothing is simulated, so nothing fluctuates.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.asimov import ranges
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.expected import in_cells, interpolated
from neyman.likelihoods.xenon.quanta import quanta_matrix
from neyman.likelihoods.xenon.selection import points_of
from neyman.likelihoods.xenon.signals import density
from neyman.likelihoods.xenon.yields import Constants
from neyman.parameters import unknown_name

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.lattices import Lattice
    from neyman.likelihoods.xenon.model import EventModel
    from neyman.likelihoods.xenon.source import Source

CELLS = 24
"""In S1, and in S2, that tell a signal from what it is sought among."""


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
    places = model.places
    gain = places.s2_map * jnp.exp(-places.drift_time / model.selection.lifetime)
    s1_edges = jnp.asarray(places.s1_map)[:, None] * jnp.asarray(cs1_edges)[None]
    s2_edges = gain[:, None] * jnp.asarray(cs2_edges)[None]
    return jnp.sum(_by_place(model, theta, s1_edges, s2_edges), axis=1)


def _by_place(model: "EventModel", theta: Array, s1_edges: Array, s2_edges: Array) -> Array:
    """Expected events in cells of S1 and S2 at each place, (S, K, n1, n2); edges are those of
    all places, (n + 1,), or of each, (K, n + 1)."""
    c, rates = model.at(theta)
    edges = jnp.asarray(s1_edges, float), jnp.asarray(s2_edges, float)
    found = in_cells(model, model.quanta(theta), c, *edges)
    first = len(model.sources)
    factors = jnp.concatenate([jnp.ones(first), rates[first:]])
    return factors[:, None, None, None] * found


def edges(model: "EventModel", theta: Array) -> tuple[Array, Array]:
    """Cells of S1 and S2, equal in their square roots, that hold what the model expects."""
    first, second = (
        jnp.linspace(jnp.sqrt(low), jnp.sqrt(high), CELLS + 1) ** 2
        for low, high in ranges(model, theta)
    )
    return first, second


def energies_of(source: "Source") -> Array:
    """The energy nodes of a source, keV, (K,)."""
    return jnp.concatenate([jnp.asarray(e) for at in source.lattices for e in at.energies])


def weights_of(source: "Source") -> Array:
    """The events that each energy node stands for, of each basis spectrum, (B, K)."""
    every = [jnp.asarray(w) for at in source.lattices for w in at.weights]
    return jnp.concatenate(every, axis=1)


def deposits_of(model: "EventModel", theta: Array, name: str) -> Array:
    """The events before any selection that each energy node of a source stands for, (K,)."""
    source, (_, rates) = _named(model, name), model.at(theta)
    weights = weights_of(source)
    shares = jnp.ones(1)
    if source.at_places is not None:
        shares = jnp.asarray(source.at_places) @ jnp.asarray(model.volume)
    return rates[model.names.index(name)] * (shares @ weights)


def _each_energy(
    model: "EventModel", source: "Source", c: Constants, of: Callable[[Array, "Lattice"], Array]
) -> Array:
    """`of(Q_E, lattice)` for every energy node E, weights left out, stacked; Q_E (F, ne, nph)."""
    found = []
    for lattice in source.lattices:
        for energies, window in zip(lattice.energies, lattice.windows):

            def at(energy, window=window, lattice=lattice):
                panel = ((energy[None], jnp.ones(1), window),)

                def one(field):
                    here = {**c, "drift_field": field}
                    return quanta_matrix(
                        source.recoil, panel, lattice.shape, here, step=lattice.step
                    )

                return of(jax.lax.map(one, model.fields(c)), lattice)

            found.append(jax.lax.map(at, jnp.asarray(energies)))
    return jnp.concatenate(found)


def acceptance(model: "EventModel", theta: Array, name: str) -> tuple[Array, Array]:
    """Of the source `name`: its energy nodes in keV and the share of deposits that is kept, the
    band of the selection left out."""
    source, (c, _) = _named(model, name), model.at(theta)
    places, selection = model.places, model.selection
    s1, s2 = selection.s1_law(places), selection.s2_law(places)
    signals = {at.step: model.signals(s1, s2, places, c, at.step) for at in source.lattices}
    shares = model.field_shares(places)
    volume = jnp.asarray(model.volume)
    if source.at_places is not None:
        here = source.below[:, -1] @ jnp.asarray(source.at_places)
        volume = volume * here / (volume @ here)

    def kept(q: Array, lattice: "Lattice") -> Array:
        b, a = signals[lattice.step]
        return volume @ interpolated(b, q, a, shares)

    return energies_of(source), _each_energy(model, source, c, kept)


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
    differential rate that each gives, (N, K), in events per PE^2, before the acceptance."""
    source, (c, rates) = _named(model, name), model.at(theta)
    of, points = events.columns, points_of(events.columns)
    s1, s2 = density(of["s1"]), density(of["s2"])
    signals = {at.step: model.signals(s1, s2, points, c, at.step) for at in source.lattices}
    shares = model.field_shares(points)

    def rate(q: Array, lattice: "Lattice") -> Array:
        b, a = signals[lattice.step]
        return interpolated(b, q, a, shares)

    weights = weights_of(source)
    if source.at_places is None:
        mine = jnp.broadcast_to(weights[0], (len(of["s1"]), weights.shape[1]))
    else:
        mine = jnp.stack([of[column] for column in source.columns], axis=1) @ weights
    per_deposit = _each_energy(model, source, c, rate).T
    return energies_of(source), rates[model.names.index(name)] * per_deposit * mine


def _named(model: "EventModel", name: str) -> "Source":
    known = {source.name: source for source in model.sources}
    if name not in known:
        raise unknown_name(name, known, "source")
    return known[name]
