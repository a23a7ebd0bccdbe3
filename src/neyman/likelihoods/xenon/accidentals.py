"""Accidental coincidences: an S1 and an S2 that do not belong together.

They have no quanta behind them, so their source is a histogram in raw S1 and S2, as made from
isolated signals in data. The density is constant within a cell and places are uniform:

    dR/dS1 dS2 = n_ij/(width_i width_j),    events kept at a place = sum_ij n_ij f_i(S1) f_j(S2)

with f the share of a cell that lies within the range of the selection.
"""

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.io.bounded import Pathlike
from neyman.likelihoods.xenon.curves import Pieces
from neyman.likelihoods.xenon.selection import Cell, Points, Selection, cut
from neyman.likelihoods.xenon.table_files import read_table
from neyman.status import InputError

MAX_CELLS = 250_000


class Accidentals(eqx.Module):
    """A source without quanta; made by `accidentals`."""

    s1_edges: Array
    """PE, (I + 1,)."""
    s2_edges: Array
    """PE, (J + 1,)."""
    histogram: Array
    """Expected events in each cell before selection, (I, J)."""
    name: str = eqx.field(static=True, default="accidentals")

    @property
    def events(self) -> Scalar:
        """Expected events before selection."""
        return jnp.sum(self.histogram)

    def density(self, s1: Array, s2: Array) -> Array:
        """Events per PE^2 at signals (N,); 0 outside the histogram."""
        i, first = _cell(self.s1_edges, s1)
        j, second = _cell(self.s2_edges, s2)
        widths = (jnp.diff(jnp.asarray(edges)) for edges in (self.s1_edges, self.s2_edges))
        area = next(widths)[i] * next(widths)[j]
        return jnp.where(first & second, jnp.asarray(self.histogram)[i, j] / area, 0.0)

    def kept(
        self,
        selection: Selection,
        points: Points,
        s1_cell: Cell | None = None,
        s2_cell: Cell | None = None,
    ) -> Array:
        """Events kept (and in a cell) at each place, (K,); the band is left out."""
        rows, columns = self.shares(selection, points, s1_cell, s2_cell)
        return jnp.sum((rows @ jnp.asarray(self.histogram)) * columns, axis=1)

    def shares(
        self, selection: Selection, points: Points, s1_cell: Cell | None, s2_cell: Cell | None
    ) -> tuple[Array, Array]:
        """The part of each row and column of cells that is kept, (K, I) and (K, J)."""
        s1 = _kept(self.s1_edges, selection.s1_pieces(points, s1_cell))
        s2 = _kept(self.s2_edges, selection.s2_pieces(points, s2_cell))
        if s1 is None:
            s1 = _share(self.s1_edges, *cut(selection.raw_s1(points), s1_cell))
        if s2 is None:
            s2 = _share(self.s2_edges, *cut(selection.raw_s2(points), s2_cell))
        return s1, s2

    def row_density(self, s1: Array) -> Array:
        """The part of each row of cells per PE at signals (N,), (N, I)."""
        i, inside = _cell(self.s1_edges, s1)
        width = jnp.diff(jnp.asarray(self.s1_edges))
        here = (jnp.arange(len(width))[None] == i[:, None]) & inside[:, None]
        return jnp.where(here, 1.0 / width[None], 0.0)

    def sample(self, key: Array, n: int) -> tuple[Array, Array]:
        """`n` signals S1 and S2, (n,) each."""
        which, first, second = jax.random.split(key, 3)
        flat = jnp.ravel(jnp.asarray(self.histogram))
        cell = jax.random.choice(which, flat.size, (n,), p=flat / jnp.sum(flat))
        i, j = cell // self.histogram.shape[1], cell % self.histogram.shape[1]
        return _inside(first, self.s1_edges, i), _inside(second, self.s2_edges, j)


def accidentals(
    s1_edges: np.ndarray,
    s2_edges: np.ndarray,
    counts: np.ndarray,
    *,
    events: float,
    name: str = "accidentals",
) -> Accidentals:
    """A source of `events` accidental coincidences before selection.

    Args:
        s1_edges: of the cells in raw S1, PE, (I + 1,), increasing.
        s2_edges: likewise in raw S2, (J + 1,).
        counts: content of the histogram, (I, J), in any normalisation.
        events: expected events in all cells.
        name: of the source.

    Raises:
        InputError: shapes that do not match, edges that do not increase, negative content.
    """
    first, second, content = (np.asarray(a, dtype=float) for a in (s1_edges, s2_edges, counts))
    for axis, edges in (("s1_edges", first), ("s2_edges", second)):
        if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
            raise InputError(f"accidentals: {axis}", "not increasing", "give the edges in order")
        if not np.all(np.isfinite(edges)):
            raise InputError(f"accidentals: {axis}", "not finite", "give finite edges")
    if content.shape != (len(first) - 1, len(second) - 1):
        problem = f"shape {content.shape} for {len(first) - 1} by {len(second) - 1} cells"
        raise InputError("accidentals: counts", problem, "give one number a cell")
    if not (np.all(np.isfinite(content)) and np.all(content >= 0) and content.sum() > 0):
        problem = "negative, not finite or all 0"
        raise InputError("accidentals: counts", problem, "fill the histogram")
    if not (np.isfinite(events) and events >= 0):
        raise InputError("accidentals: events", f"{events:g}", "give a number of 0 or more")
    return Accidentals(first, second, content * (events / content.sum()), name)


def read_accidentals(path: Pathlike, *, events: float, name: str = "accidentals") -> Accidentals:
    """A histogram from a file, CSV, HDF5 or ROOT, with one row a cell: the columns `s1_low`,
    `s1_high`, `s2_low`, `s2_high` (PE) and `events` (in any normalisation). Cells that the file
    leaves out are empty.

    Raises:
        InputError: a missing column, cells that form no grid, or `accidentals` refuses it.
    """
    read = read_table(path)
    ends = ("s1_low", "s1_high", "s2_low", "s2_high")
    s1_low, s1_high, s2_low, s2_high = (read.column(e, units={"PE": 1.0}) for e in ends)
    content = read.column("events", units={"": 1.0})
    every = np.stack([s1_low, s1_high, s2_low, s2_high, content])
    for i in np.flatnonzero(~np.all(np.isfinite(every), axis=0)):
        raise InputError(read.source, f"row {i + 1} has no number", "correct or remove it")
    if not len(content):
        raise InputError(read.source, "has no rows", "give one row a cell")
    s1_edges, s2_edges = (
        np.unique(np.concatenate(of)) for of in ((s1_low, s1_high), (s2_low, s2_high))
    )
    if (len(s1_edges) - 1) * (len(s2_edges) - 1) > MAX_CELLS:
        raise InputError(read.source, f"more than {MAX_CELLS:,} cells", "make them larger")
    i, j = np.searchsorted(s1_edges, s1_low), np.searchsorted(s2_edges, s2_low)
    fits = (np.searchsorted(s1_edges, s1_high) == i + 1) & (
        np.searchsorted(s2_edges, s2_high) == j + 1
    )
    for row in np.flatnonzero(~fits):
        problem = f"the cell of row {row + 1} is empty or overlaps others"
        raise InputError(read.source, problem, "give the cells of one grid")
    counts = np.zeros((len(s1_edges) - 1, len(s2_edges) - 1))
    cells, repeats = np.unique(np.stack([i, j]), axis=1, return_counts=True)
    if np.any(repeats > 1):
        a, b = cells[:, np.argmax(repeats)]
        problem = f"the cell from S1 = {s1_edges[a]:g}, S2 = {s2_edges[b]:g} is there twice"
        raise InputError(read.source, problem, "give each once")
    counts[i, j] = content
    try:
        return accidentals(s1_edges, s2_edges, counts, events=events, name=name)
    except InputError as error:
        raise InputError(f"{read.source}: {error.place}", error.problem, error.remedy) from None


def _kept(edges: Array, found: Pieces | None) -> Array | None:
    return None if found is None else found.mean(jnp.asarray(edges))


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
