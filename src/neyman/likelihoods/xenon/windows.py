"""Windows of cells around the quanta of a deposit, and the spacing that sums over them may have.

A sum over whole numbers of a smooth density may take every h-th one: by Poisson's summation
formula it is then wrong by the density's characteristic function at 2 pi/h, which is

    exp(-2 pi^2 sd^2/h^2)                       for a Gaussian or a skew-normal's steep side
    (1 - 4 a (1 - a) sin^2(pi/h))^(n/2)         for Binomial(n, a)

relative to the density at its peak. Where this is below `ALIAS`, and no density is cut at 0 or
at ne = ni within a window, sums over ions take every `stride`-th cell, and panels at high energy
may keep only each `step`-th number of electrons and of quanta.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.fluctuations import Fluctuations, Recombined, recombined
from neyman.likelihoods.xenon.yields import Constants, Number, Quanta

REACH = 5.7
"""Windows reach this many standard deviations."""
ROOM = 1.15
"""Windows are wider than at the initial theta by this factor."""
MATRIX_ROOM = 1.3
"""The matrix reaches further than at the initial theta by this factor."""
ALIAS = 1e-10
"""Largest error of a sum over every h-th cell, relative to the largest term."""
BLOCK = 512
"""Energies tabulated at a time."""
STEPS = (8, 4, 2)
"""Spacings of the lattice of electrons and quanta that are tried, the largest first."""


class Window(NamedTuple):
    """Numbers of cells, static."""

    electrons: int
    ions: int
    others: int
    """Excitons of a nuclear recoil, all quanta of an electronic one."""
    stride: int = 1
    """Every how many cells ions are summed."""


class Cells(NamedTuple):
    """The first cells of a window, in steps; whole numbers."""

    electrons: Array
    ions: Array
    others: Array


class Spans(NamedTuple):
    """Where the windows of a node begin, and how long they are, in quanta; scalars."""

    electrons: tuple[Number, Number]
    ions: tuple[Number, Number]
    others: tuple[Number, Number]


class Table(NamedTuple):
    """What lattices are chosen by, at energies (K,); NumPy arrays (K,)."""

    quanta: Quanta
    fluctuations: Fluctuations
    spans: Spans
    ions_sd: Number
    others_sd: Number
    law: Recombined
    """At the mean of ions."""


class Recoil(NamedTuple):
    """A kind of deposit: its means, its widths, and how quanta are shared."""

    yields: Callable[[Number, Constants], Quanta]
    fluctuations: Callable[[Quanta, Constants], Fluctuations]
    nuclear: bool


def means(recoil: Recoil, energies: Array, c: Constants) -> tuple[Quanta, Fluctuations]:
    """Means and widths at `energies` (K,); every field (K,)."""

    def of(energy: Array) -> tuple[Quanta, Fluctuations]:
        quanta = recoil.yields(energy, c)
        quanta = Quanta(*map(jnp.asarray, quanta))
        return quanta, recoil.fluctuations(quanta, c)

    return jax.vmap(of)(jnp.asarray(energies))


def tabulated(recoil: Recoil, energies: np.ndarray, c: Constants) -> Table:
    """The table at `energies` (K,), by one program for any number of them."""
    count = len(energies)
    padded = np.pad(energies, (0, -count % BLOCK), mode="edge")
    table = _tabulated(recoil, padded, {name: jnp.asarray(v, float) for name, v in c.items()})
    return jax.tree.map(lambda field: np.asarray(field)[:count], table)


@functools.partial(jax.jit, static_argnums=0)
def _tabulated(recoil: Recoil, energies: Array, c: Constants) -> Table:
    quanta, f = means(recoil, energies, c)
    law = recombined(quanta, f, quanta.total / (1.0 + quanta.excitons_per_ion))
    widths_of = widths(quanta, f, recoil.nuclear)
    table = Table(quanta, f, spans(quanta, f, recoil.nuclear), *widths_of, law)
    return jax.tree.map(lambda field: jnp.broadcast_to(field, energies.shape), table)


def spans(quanta: Quanta, f: Fluctuations, nuclear: bool) -> Spans:
    """The windows that a node needs."""
    share = 1.0 / (1.0 + quanta.excitons_per_ion)
    ions = share * quanta.total
    others = quanta.total - ions if nuclear else quanta.total
    ions_sd, others_sd = widths(quanta, f, nuclear)
    law = recombined(quanta, f, ions)
    up, down = law.scale, law.scale / jnp.sqrt(1.0 + f.skew**2)
    moved = law.escape * ions_sd
    low = law.location - REACH * jnp.hypot(moved, jnp.where(f.skew >= 0, down, up))
    high = law.location + REACH * jnp.hypot(moved, jnp.where(f.skew >= 0, up, down))

    def around(mean: Number, sd: Number) -> tuple[Number, Number]:
        return mean - REACH * sd, 2.0 * REACH * sd

    return Spans((low, high - low), around(ions, ions_sd), around(others, others_sd))


def widths(quanta: Quanta, f: Fluctuations, nuclear: bool) -> tuple[Number, Number]:
    """Standard deviations of ions and of the others."""
    share = 1.0 / (1.0 + quanta.excitons_per_ion)
    ions = share * quanta.total
    if nuclear:
        return jnp.sqrt(f.fano[0] * ions), jnp.sqrt(f.fano[1] * (quanta.total - ions))
    others_sd = jnp.sqrt(f.fano[0] * quanta.total)
    return jnp.sqrt(share**2 * others_sd**2 + share * (1.0 - share) * quanta.total), others_sd


def windows(recoil: Recoil, energies: np.ndarray, c: Constants, *, step: int = 1) -> Window:
    """The window that is large enough for all `energies` (K,), on a lattice of spacing `step`."""
    return enclosing(*needs(recoil, energies, c), step)


def needs(recoil: Recoil, energies: np.ndarray, c: Constants) -> tuple[np.ndarray, np.ndarray]:
    """The lengths of the windows in electrons, ions and others, (3, K); spacings of ions, (K,)."""
    table = tabulated(recoil, energies, c)
    return np.stack([length for _, length in table.spans]), _spacing(recoil, table)


def enclosing(lengths: np.ndarray, spacings: np.ndarray, step: int) -> Window:
    """The window that meets the `needs` of every node."""
    electrons, ions, others = np.ceil(ROOM * np.max(lengths, axis=1) / step).astype(int) + 4
    stride = max(int(np.min(spacings)) // step, 1)
    return Window(int(electrons), int(-(-ions // stride)) + 1, int(others), stride)


def begins(span: Spans, window: Window, step: int) -> Cells:
    """The first cells of a window that is centred on its span."""

    def of(part: tuple[Number, Number], cells: int) -> Array:
        centred = (part[0] + 0.5 * part[1]) / step - 0.5 * cells
        return jnp.maximum(jnp.floor(jax.lax.stop_gradient(centred)), 0.0).astype(int)

    electrons = of(span.electrons, window.electrons)
    ions = of(span.ions, window.ions * window.stride)
    return Cells(electrons, ions, of(span.others, window.others))


def size_of(
    recoil: Recoil, energies: np.ndarray, c: Constants, *, step: int = 1
) -> tuple[int, int]:
    """The numbers of electrons and of quanta, in steps, up to which Q must reach."""
    span = tabulated(recoil, energies, c).spans
    quanta = sum(span.others) + (sum(span.ions) if recoil.nuclear else 0.0)
    ends = np.max(sum(span.electrons)), np.max(quanta)
    electrons, quanta = (int(np.ceil(MATRIX_ROOM * end / step)) + 8 for end in ends)
    return electrons, quanta


def steps(recoil: Recoil, energies: np.ndarray, c: Constants) -> np.ndarray:
    """The largest spacing of the lattice that each of `energies` (K,) allows, (K,)."""
    table = tabulated(recoil, energies, c)
    steep = table.law.scale / np.sqrt(1.0 + table.fluctuations.skew**2)
    narrow = np.minimum(table.others_sd, steep) * np.pi * np.sqrt(-2.0 / np.log(ALIAS))
    allowed = np.minimum(_spacing(recoil, table), narrow)
    return np.select([allowed >= step for step in STEPS], STEPS, 1)


def _spacing(recoil: Recoil, table: Table) -> np.ndarray:
    """The largest spacing h that a sum over ions may have, (K,)."""
    quanta, span, ions_sd, others_sd = table.quanta, table.spans, table.ions_sd, table.others_sd
    share, total = 1.0 / (1.0 + quanta.excitons_per_ion), quanta.total
    least = np.log(ALIAS)
    if recoil.nuclear:
        sd = ions_sd * others_sd / np.hypot(ions_sd, others_sd)
        spacing = sd * np.pi * np.sqrt(-2.0 / least)
        free = np.minimum(span.ions[0], span.others[0]) > 0.0
    else:
        sine = -np.expm1(2.0 * least / total) / (4.0 * share * (1.0 - share))
        spacing = np.pi / np.arcsin(np.sqrt(np.clip(sine, 1e-12, 1.0)))
        spacing = np.where(sine > 1.0, 1.0, spacing)
        free = span.others[0] > 0.0
    free &= span.electrons[0] > 0.0
    free &= share * total - table.law.location > REACH * table.law.scale
    return np.where(free, spacing, 1.0)
