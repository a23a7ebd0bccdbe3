"""Expected events that are kept, in all or in cells of S1 and S2: mu and templates.

Without a band mu is one contraction a place (`kept`). In cells, and with a band, it is

    sum_k w_k sum_g w_g a(S1_g)^T Q b(S2 kept at S1_g)

over places k and Gauss-Legendre nodes S1_g in each cell: what a band keeps of S2 depends on S1.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.selection import Points, cut
from neyman.likelihoods.xenon.signals import density
from neyman.likelihoods.xenon.yields import Constants

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.model import EventModel
    from neyman.likelihoods.xenon.source import Source

Quanta = tuple[tuple[Array, ...], ...]
"""Q of each lattice of each source, (B, F, electrons, photons)."""
SPACING = 0.1
"""Of the nodes in sqrt(S1), some half of the resolution of one photoelectron."""


def contracted(b: Array, quanta: Array, a: Array) -> Array:
    """sum over ne and nph of b[i, ne] Q[ne, nph] a[i, nph], (N,)."""
    electrons, photons = quanta.shape
    return jnp.sum((b[:, :electrons] @ quanta) * a[:, :photons], axis=1)


def interpolated(b: Array, quanta: Array, a: Array, shares: Array | None) -> Array:
    """`contracted` with Q at F fields (F, ne, nph), of shares (N, F); (N,)."""
    if shares is None:
        return contracted(b, quanta[0], a)
    each = [contracted(b, q, a) * shares[:, f] for f, q in enumerate(quanta)]
    return sum(each[1:], each[0])


def kept(model: "EventModel", quanta: Quanta, c: Constants) -> Array:
    """mu of each source, (S,), accidentals last; their rate multipliers left out."""
    if model.selection.band is not None:
        top = jnp.asarray([0.0, 2.0 * max(model.photons)]), jnp.asarray([0.0, np.inf])
        return jnp.sum(in_cells(model, quanta, c, *top), axis=(1, 2, 3))
    places, selection = model.places, model.selection
    s1, s2 = selection.s1_law(places), selection.s2_law(places)
    signals = {step: model.signals(s1, s2, places, c, step) for step in model.steps}
    shares = model.field_shares(places)

    def of(source: "Source", matrices: tuple[Array, ...]) -> Array:
        total = jnp.zeros(())
        for lattice, q in zip(source.lattices, matrices):
            b, a = signals[lattice.step]
            for i, basis in enumerate(q):
                weight = model.volume
                if source.at_places is not None:
                    weight = weight * source.at_places[i]
                total = total + weight @ interpolated(b, basis, a, shares)
        return total

    found = [of(source, q) for source, q in zip(model.sources, quanta)]
    found += [model.volume @ s.kept(selection, places) for s in model.accidentals]
    return jnp.stack(found)


@jax.jit
def quanta_and_mu(model: "EventModel", theta: Array) -> tuple[Quanta, Array]:
    """Q of each lattice of each source, events included, and `kept`."""
    quanta = model.quanta(theta)
    return quanta, kept(model, quanta, model.at(theta)[0])


class _Place(NamedTuple):
    """One place, and the weights of the matrices there."""

    points: Points
    """Scalars."""
    volume: Array
    fields: Array
    """(F,)"""
    rates: tuple[Array, ...]
    """Per source, (B,)."""
    s1_edges: Array
    s2_edges: Array


def in_cells(
    model: "EventModel", quanta: Quanta, c: Constants, s1_edges: Array, s2_edges: Array
) -> Array:
    """Expected events of each source in cells of S1 and S2 at each place, (S, K, n1, n2); edges
    are those of all places, (n + 1,), or of each, (K, n + 1)."""
    places = model.places
    count = len(model.volume)
    fields = model.field_shares(places)
    fields = np.ones((count, 1)) if fields is None else fields
    rates = tuple(
        np.ones((count, 1)) if s.at_places is None else jnp.transpose(jnp.asarray(s.at_places))
        for s in model.sources
    )
    divided = _in_bands if model.selection.band is not None else _in_boxes
    nodes = _most(model, s1_edges)

    def at(place: _Place) -> Array:
        weighted = tuple(
            tuple(jnp.einsum("b,f,bfij->ij", r, place.fields, q) for q in matrices)
            for r, matrices in zip(place.rates, quanta)
        )
        cells = place.s1_edges, place.s2_edges
        return place.volume * divided(model, weighted, c, place.points, *cells, nodes)

    each = (jnp.broadcast_to(e, (count, e.shape[-1])) for e in (s1_edges, s2_edges))
    every = jax.tree.map(jnp.asarray, _Place(places, model.volume, fields, rates, *each))
    return jnp.moveaxis(jax.lax.map(at, every), 0, 1)


def _most(model: "EventModel", s1_edges: Array) -> int:
    """Nodes that each cell of S1 is given, so that cells of equal width in sqrt(S1) have enough."""
    return max(
        math.ceil(math.sqrt(2.0 * max(model.photons)) / SPACING / (s1_edges.shape[-1] - 1)), 4
    )


def _repeated(points: Points, n: int) -> Points:
    return jax.tree.map(lambda value: jnp.full(n, value), points)


def _in_boxes(model, quanta, c, place, s1_edges, s2_edges, nodes) -> Array:
    """At one place, (S, n1, n2)."""
    n1, n2 = len(s1_edges) - 1, len(s2_edges) - 1
    n = max(n1, n2)

    def cells(edges: Array) -> tuple[Array, Array]:
        padded = jnp.concatenate([edges, jnp.full(n + 1 - len(edges), edges[-1])])
        return padded[:-1], padded[1:]

    points, first, second = _repeated(place, n), cells(s1_edges), cells(s2_edges)
    s1, s2 = model.selection.s1_law(points, first), model.selection.s2_law(points, second)
    here = _repeated(place, 1)
    signals = {step: model.signals(s1, s2, here, c, step) for step in model.steps}

    def of(source: "Source", matrices: tuple[Array, ...]) -> Array:
        total = jnp.zeros((n1, n2))
        for lattice, q in zip(source.lattices, matrices):
            b, a = signals[lattice.step]
            total += a[:n1, : q.shape[1]] @ (b[:n2, : q.shape[0]] @ q).T
        return total

    found = [of(source, q) for source, q in zip(model.sources, quanta)]
    for source in model.accidentals:
        rows, columns = source.shares(model.selection, points, first, second)
        found.append(rows[:n1] @ source.histogram @ columns[:n2].T)
    return jnp.stack(found)


def _in_bands(model, quanta, c, place, s1_edges, s2_edges, nodes) -> Array:
    """At one place, (S, n1, n2), where the range of S2 depends on S1."""
    selection = model.selection
    n1, n2 = len(s1_edges) - 1, len(s2_edges) - 1
    low, high = cut(selection.raw_s1(_repeated(place, n1)), (s1_edges[:-1], s1_edges[1:]))
    x, w = np.polynomial.legendre.leggauss(nodes)
    begin, half = jnp.sqrt(low)[:, None], 0.5 * (jnp.sqrt(high) - jnp.sqrt(low))[:, None]
    root = begin + half * (x + 1.0)[None]
    s1, weight = (root**2).ravel(), (2.0 * root * half * w[None]).ravel()
    points = _repeated(place, len(s1))
    pieces = selection.s1_pieces(points)
    if pieces is not None:
        weight = weight * pieces.at(s1[:, None])[:, 0]
    many = _repeated(place, len(s1) * n2)
    low, high = selection.raw_band(s1, points)
    within = jnp.repeat(low, n2), jnp.repeat(high, n2)
    both = cut(within, (jnp.tile(s2_edges[:-1], len(s1)), jnp.tile(s2_edges[1:], len(s1))))

    def in_cell(each: Array) -> Array:
        return jnp.sum((weight[:, None] * each).reshape(n1, nodes, n2), axis=1)

    signals, law = {}, selection.s2_law(many, both)
    for step in model.steps:
        b, a = model.signals(density(s1), law, _repeated(place, 1), c, step)
        signals[step] = b.reshape(len(s1), n2, -1), a

    def of(source: "Source", matrices: tuple[Array, ...]) -> Array:
        total = jnp.zeros((n1, n2))
        for lattice, q in zip(source.lattices, matrices):
            b, a = signals[lattice.step]
            given = a[:, : q.shape[1]] @ q.T
            total += in_cell(jnp.einsum("me,mje->mj", given, b[:, :, : q.shape[0]]))
        return total

    found = [of(source, q) for source, q in zip(model.sources, quanta)]
    for source in model.accidentals:
        _, columns = source.shares(selection, many, None, both)
        given = source.row_density(s1) @ source.histogram
        kept_s2 = columns.reshape(len(s1), n2, -1)
        found.append(in_cell(jnp.einsum("mj,mnj->mn", given, kept_s2)))
    return jnp.stack(found)
