"""Accidental coincidences: an S1 and an S2 that do not belong together.

They have no quanta behind them, so their source is a histogram in raw S1 and S2, as made from
isolated signals in data. The density is constant within a cell and places are uniform:

    dR/dS1 dS2 = n_ij/(width_i width_j),    events kept at a place = sum_ij n_ij f_i(S1) f_j(S2)

with f the share of a cell that lies within the range of the selection.
"""

from typing import NamedTuple

import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.status import InputError


class Accidentals(NamedTuple):
    """A source without quanta; made by `accidentals`."""

    s1_edges: Array
    """PE, (I + 1,)."""
    s2_edges: Array
    """PE, (J + 1,)."""
    events: Array
    """Expected events in each cell before selection, (I, J)."""

    @property
    def total(self) -> Scalar:
        """Expected events before selection."""
        return jnp.sum(self.events)

    def density(self, s1: Array, s2: Array) -> Array:
        """Events per PE^2 at signals (N,); 0 outside the histogram."""
        i, first = _cell(self.s1_edges, s1)
        j, second = _cell(self.s2_edges, s2)
        area = jnp.diff(self.s1_edges)[i] * jnp.diff(self.s2_edges)[j]
        return jnp.where(first & second, jnp.asarray(self.events)[i, j] / area, 0.0)

    def kept(self, s1: tuple[Array, Array], s2: tuple[Array, Array]) -> Array:
        """Events within the ranges of raw S1 and S2 at each place, low and high (K,) each; (K,)."""
        rows = _share(self.s1_edges, *s1)
        columns = _share(self.s2_edges, *s2)
        return jnp.sum((rows @ jnp.asarray(self.events)) * columns, axis=1)

    def sample(self, key: Array, n: int) -> tuple[Array, Array]:
        """`n` signals S1 and S2, (n,) each."""
        which, first, second = jax.random.split(key, 3)
        flat = jnp.ravel(jnp.asarray(self.events))
        cell = jax.random.choice(which, flat.size, (n,), p=flat / jnp.sum(flat))
        i, j = cell // self.events.shape[1], cell % self.events.shape[1]
        return _inside(first, self.s1_edges, i), _inside(second, self.s2_edges, j)


def accidentals(
    s1_edges: np.ndarray, s2_edges: np.ndarray, counts: np.ndarray, *, events: float
) -> Accidentals:
    """A source of `events` accidental coincidences before selection.

    Args:
        s1_edges: of the cells in raw S1, PE, (I + 1,), increasing.
        s2_edges: likewise in raw S2, (J + 1,).
        counts: content of the histogram, (I, J), in any normalisation.
        events: expected events in all cells.

    Raises:
        InputError: shapes that do not match, edges that do not increase, negative content.
    """
    first, second, content = (np.asarray(a, dtype=float) for a in (s1_edges, s2_edges, counts))
    for name, edges in (("s1_edges", first), ("s2_edges", second)):
        if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
            raise InputError(f"accidentals: {name}", "not increasing", "give the edges in order")
        if not np.all(np.isfinite(edges)):
            raise InputError(f"accidentals: {name}", "not finite", "give finite edges")
    if content.shape != (len(first) - 1, len(second) - 1):
        problem = f"shape {content.shape} for {len(first) - 1} by {len(second) - 1} cells"
        raise InputError("accidentals: counts", problem, "give one number a cell")
    if not (np.all(np.isfinite(content)) and np.all(content >= 0) and content.sum() > 0):
        problem = "negative, not finite or all 0"
        raise InputError("accidentals: counts", problem, "fill the histogram")
    if not (np.isfinite(events) and events >= 0):
        raise InputError("accidentals: events", f"{events:g}", "give a number of 0 or more")
    return Accidentals(first, second, content * (events / content.sum()))


def _cell(edges: Array, values: Array) -> tuple[Array, Array]:
    """The cell of each value and whether there is one; the last cell includes its upper edge."""
    edges = jnp.asarray(edges)
    i = jnp.clip(jnp.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return i, (values >= edges[0]) & (values <= edges[-1])


def _share(edges: Array, low: Array, high: Array) -> Array:
    """The share of each cell within low to high, (K, cells)."""
    edges = jnp.asarray(edges)
    inside = jnp.clip(edges[None, :], low[:, None], jnp.maximum(low, high)[:, None])
    return jnp.diff(inside, axis=1) / jnp.diff(edges)[None, :]


def _inside(key: Array, edges: Array, cell: Array) -> Array:
    edges = jnp.asarray(edges)
    u = jax.random.uniform(key, cell.shape)
    return edges[cell] + u * (edges[cell + 1] - edges[cell])
