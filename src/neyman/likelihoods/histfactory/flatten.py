"""From a workspace to flat arrays: cells, and what acts on them.

A *cell* is a (bin, sample) pair. Bins run over the channels in sorted order; each bin has the
same number K of slots, one a sample, the missing ones with a yield of zero. So C = B K cells
lie in order (bin, slot), and the sum over samples is a reshape. Parameters are of two kinds:
alphas (histosys, normsys), which interpolate, and factors (all others), which multiply.
"""

from typing import NamedTuple

import equinox as eqx
import numpy as np

from neyman._jax import Array
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.histfactory.interpolation import polynomial_of
from neyman.likelihoods.histfactory.paramsets import Paramset, kind_of, paramsets, place_of
from neyman.likelihoods.histfactory.workspace import (
    AnyModifier,
    Channel,
    Histosys,
    HistosysData,
    Measurement,
    Normsys,
    NormsysData,
    Sample,
    Workspace,
)
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError


class Cells(eqx.Module):
    """The numbers of a workspace with A alphas and F factor parameters.

    The alphas stand in the order: those without histosys, those with both kinds, those with
    histosys alone; so the first N may have normsys and the last H have histosys. The normsys
    are E entries, an alpha and a cell each: most alphas scale few cells.
    """

    nominal: Array
    """Yields, (C,)."""
    alphas: Array
    """Index in theta of each alpha, (A,)."""
    factors: Array
    """Index in theta of each factor parameter, (F,)."""
    order: Array
    """Position of each parameter of theta in (alphas, factors), (P,)."""
    n_normsys: int = eqx.field(static=True)
    """N"""
    scaled_by: Array
    """The alpha of each normsys entry, (E,)."""
    scaled: Array
    """The cell of each normsys entry, (E,)."""
    scales: Array
    """The normsys entries of each cell, (C, M); E stands for none."""
    log_hi: Array
    """log of the normsys variations, (E,); `log_lo` likewise."""
    log_lo: Array
    polynomial: Array
    """Coefficients of interpolation code 4, (6, E)."""
    symmetric: Array
    """S of the histosys variations, (H, C), 0 where there is none."""
    asymmetric: Array
    """A of the histosys variations, (H, C)."""
    slots: Array
    """The factors of each cell as positions in `factors`, (C, T); F stands for none."""


class Layout(NamedTuple):
    """The names behind the numbers."""

    channels: tuple[tuple[str, int], ...]
    """(name, number of bins), sorted."""
    samples: tuple[tuple[str, ...], ...]
    """Per channel, the names of its samples in the order of the slots."""

    @property
    def n_bins(self) -> int:
        return sum(n for _, n in self.channels)

    @property
    def n_slots(self) -> int:
        return max(len(names) for names in self.samples)

    def bin_names(self) -> list[str]:
        """ "channel 'SR', bin 0", ..."""
        return [f"channel '{name}', bin {i}" for name, n in self.channels for i in range(n)]

    def slices(self) -> dict[str, slice]:
        """Per channel, its bins."""
        ends = np.cumsum([0] + [n for _, n in self.channels]).tolist()
        return {c[0]: slice(a, b) for c, a, b in zip(self.channels, ends, ends[1:])}


class Flat(NamedTuple):
    """A workspace and one of its measurements, flattened."""

    cells: Cells
    layout: Layout
    parameters: Parameters
    auxiliary: Auxiliary
    auxdata: Array


def flatten(workspace: Workspace, measurement: Measurement) -> Flat:
    """Flatten `workspace`, which `checks.check` has accepted."""
    sets = paramsets(workspace, measurement.config.parameters)
    parameters = _parameters(sets)
    constrained = [p for p in sets if p.auxdata is not None]
    auxiliary = Auxiliary.of(
        parameters,
        [name for p in constrained for name in p.element_names],
        [p.poisson for p in constrained for _ in range(len(p))],
        [w for p in constrained for w in p.widths or ()],
    )
    auxdata = np.array([m for p in constrained for m in p.auxdata or ()], dtype=float)
    channels = sorted(workspace.channels, key=lambda c: c.name)
    layout = Layout(
        tuple((c.name, len(c.samples[0].data)) for c in channels),
        tuple(tuple(sorted(s.name for s in c.samples)) for c in channels),
    )
    return Flat(_cells(channels, layout, parameters), layout, parameters, auxiliary, auxdata)


def _parameters(sets: list[Paramset]) -> Parameters:
    items = [
        Parameter(name, float(init), (float(low), float(high)), fixed)
        for p in sets
        for name, init, (low, high), fixed in zip(p.element_names, p.inits, p.bounds, p.fixed)
    ]
    return Parameters(tuple(items))


class _Placed(NamedTuple):
    """A modifier and the cells (n_bins of them) on which it acts."""

    channel: Channel
    sample: Sample
    modifier: AnyModifier
    cells: Array


def _cells(channels: list[Channel], layout: Layout, parameters: Parameters) -> Cells:
    n_cells = layout.n_bins * layout.n_slots
    nominal = np.zeros(n_cells)
    placed: list[_Placed] = []
    first = 0
    for channel, (_, n) in zip(channels, layout.channels):
        for slot, sample in enumerate(sorted(channel.samples, key=lambda s: s.name)):
            cells = (first + np.arange(n)) * layout.n_slots + slot
            nominal[cells] = sample.data
            placed += [_Placed(channel, sample, m, cells) for m in sample.modifiers]
        first += n

    entries: list[tuple[str, int, float, float]] = []
    variations: list[tuple[str, Array, Array, Array]] = []
    for p in placed:
        name, data = p.modifier.name, p.modifier.data
        if isinstance(data, NormsysData) and (data.lo, data.hi) != (1, 1):
            entries += [(name, cell, data.lo, data.hi) for cell in p.cells.tolist()]
        elif isinstance(data, HistosysData):
            up = np.subtract(data.hi_data, p.sample.data)
            down = np.subtract(p.sample.data, data.lo_data)
            if np.any(up) or np.any(down):
                variations.append((name, p.cells, (up + down) / 2, (up - down) / 2))
    scaling, adding = {name for name, *_ in entries}, {name for name, *_ in variations}
    kinds = Normsys | Histosys
    alphas = list(dict.fromkeys(p.modifier.name for p in placed if isinstance(p.modifier, kinds)))
    alphas.sort(key=lambda name: (name in adding) + (name in adding and name not in scaling))
    row = {name: i for i, name in enumerate(alphas)}
    factors = [n for n in parameters.names if n not in row]
    symmetric, asymmetric = np.zeros((2, len(adding), n_cells))
    for name, cells, s, a in variations:
        at = row[name] - len(alphas) + len(adding), cells
        symmetric[at], asymmetric[at] = s, a
    lo, hi = np.array([(lo, hi) for _, _, lo, hi in entries], dtype=float).reshape(-1, 2).T
    scaled = np.array([cell for _, cell, _, _ in entries], dtype=int)
    position = np.array([parameters.index(n) for n in alphas + factors], dtype=int)
    return Cells(
        nominal=nominal,
        alphas=position[: len(alphas)],
        factors=position[len(alphas) :],
        order=np.argsort(position),
        n_normsys=len(alphas) - len(adding - scaling),
        scaled_by=np.array([row[name] for name, *_ in entries], dtype=int),
        scaled=scaled,
        scales=_padded([np.flatnonzero(scaled == cell) for cell in range(n_cells)], len(entries)),
        log_hi=np.log(hi),
        log_lo=np.log(lo),
        polynomial=polynomial_of(lo, hi),
        symmetric=symmetric,
        asymmetric=asymmetric,
        slots=_slots(placed, n_cells, {n: i for i, n in enumerate(factors)}),
    )


def _padded(lists: list, filling: int) -> np.ndarray:
    """Lists of integers as the rows of one array, filled up at their ends."""
    padded = np.full((len(lists), max(map(len, lists), default=0)), filling)
    for row, held in zip(padded, lists):
        row[: len(held)] = held
    return padded


def _slots(placed: list[_Placed], n_cells: int, position: dict[str, int]) -> np.ndarray:
    """The factors of each cell, (C, T), padded with `len(position)`."""
    lists: list[list[int]] = [[] for _ in range(n_cells)]
    first_cells: dict[str, dict[str, int]] = {}
    for p in placed:
        kind, name = kind_of(p.modifier), p.modifier.name
        if kind in ("histosys", "normsys"):
            continue
        offset = 0
        if kind == "staterror":
            starts = first_cells.setdefault(name, {})
            offset = starts.setdefault(p.channel.name, sum(_bins(placed, name, starts)))
        for i, cell in enumerate(p.cells.tolist()):
            element = name if kind in ("normfactor", "lumi") else f"{name}[{offset + i}]"
            if position[element] in lists[cell]:
                raise InputError(
                    place_of(p.channel, p.sample, p.modifier),
                    "stands twice on the same sample",
                    "remove one of the two",
                )
            lists[cell].append(position[element])
    return _padded(lists, len(position))


def _bins(placed: list[_Placed], name: str, channels: dict[str, int]) -> list[int]:
    """The numbers of bins of those `channels` in which the staterror `name` stands."""
    sizes = {p.channel.name: len(p.cells) for p in placed if p.modifier.name == name}
    return [sizes[channel] for channel in channels]
