"""A source: a spectrum of deposits of one kind, ready to be turned into quanta.

Its energies lie on one lattice of quanta or two: where every sum over quanta is smooth, at high
energy, numbers of quanta in steps of 2, 4 or 8 do (`windows`), at up to 512 times fewer cells.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import equinox as eqx
import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.fluctuations import of_electronic, of_nuclear
from neyman.likelihoods.xenon.lattices import Lattice, lattices
from neyman.likelihoods.xenon.nodes import spectral_nodes
from neyman.likelihoods.xenon.quanta import Recoil
from neyman.likelihoods.xenon.rates import LowRank, columns_of
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.likelihoods.xenon.yields import Constants, beta, gamma, nuclear, weighted
from neyman.parameters import unknown_name
from neyman.status import InputError

RECOILS = {
    "nr": Recoil(nuclear, of_nuclear, True),
    "er": Recoil(beta, of_electronic, False),
    "gamma": Recoil(gamma, of_electronic, False),
    "weighted": Recoil(weighted, of_electronic, False),
}
"""NEST's kinds of deposit; a kind of one's own is another `Recoil`."""
LOWEST = 0.02
"""keV; deposits below leave no quantum, and are left out."""
NEGLIGIBLE = 1e-8
"""Share of the events at the high end of a spectrum that is left out."""
DRAWN = 2049
"""Energies between which the simulator interpolates."""


class Source(eqx.Module):
    """Energy nodes with the events that each stands for, and the spectra to draw from."""

    name: str = eqx.field(static=True)
    recoil: Recoil = eqx.field(static=True)
    lattices: tuple[Lattice, ...]
    grid: Array
    """Energies in keV, (DRAWN,), and the events of each basis spectrum `below` them."""
    below: Array
    """(B, DRAWN)"""
    events: Array
    """Events before any selection, a scalar."""
    at_places: Array | None = None
    """c_b of `rates`, averaged over time, at the model's places, (B, K); None where uniform."""
    at_positions: Array | None = None
    """c_b at the model's positions, (B, M)."""

    @classmethod
    def of(
        cls,
        name: str,
        kind: str | Recoil,
        spectrum: Spectrum | LowRank,
        constants: Constants,
        fields: np.ndarray | None = None,
    ) -> "Source":
        """A source of the `kind` "nr", "er", "gamma" or "weighted", or of one's own.

        Args:
            name: unique among the sources of a model.
            kind: how deposits turn into quanta.
            spectrum: events per keV, and lines.
            constants: NEST's and the detector's, at which energy nodes and windows are chosen.
            fields: the drift fields in V/cm that are needed, (F,); that of `constants` alone.

        Raises:
            InputError: an unknown kind, or a spectrum without events.
        """
        if isinstance(kind, str) and kind not in RECOILS:
            raise unknown_name(kind, RECOILS, "kind")
        recoil = RECOILS[kind] if isinstance(kind, str) else kind
        basis = spectrum.basis if isinstance(spectrum, LowRank) else (spectrum,)
        for one in basis:
            if not one.total > 0:
                raise InputError(f"source '{name}'", "its spectrum has no events", "give it some")
        at_fields = [constants]
        if fields is not None and len(fields) > 1:
            at_fields = [{**constants, "drift_field": jnp.asarray(f)} for f in fields]
        every, weights = _nodes(basis, recoil, at_fields)
        grid = _sum_of(basis).quantiles(np.linspace(0.0, 1.0, DRAWN))
        return cls(
            name=name,
            recoil=recoil,
            lattices=lattices(recoil, every, weights, at_fields),
            grid=grid,
            below=_below(basis, grid),
            events=np.asarray(sum(s.total for s in basis)),
        )

    @property
    def rank(self) -> int:
        """The number of basis spectra."""
        return len(self.below)

    @property
    def columns(self) -> list[str]:
        """The columns that an event needs for the rate of this source."""
        return [] if self.at_places is None else columns_of(self.name, self.rank)

    @property
    def is_kept(self) -> bool:
        """Whether nothing that floats moves its quanta."""
        return all(lattice.kept is not None for lattice in self.lattices)

    def quanta(self, c: Constants, fields: Array) -> tuple[Array, ...]:
        """Q of each lattice, (B, F, electrons, photons): expected events in each cell."""
        return tuple(lattice.quanta(self.recoil, c, fields) for lattice in self.lattices)

    def frozen(self, c: Constants, fields: Array, floating: Collection[str]) -> "Source":
        """The same source; its quanta are computed once where nothing `floating` moves them."""
        if _named(self.recoil, c) & set(floating):
            return self
        quanta = _quanta(self, {k: jnp.asarray(v, float) for k, v in c.items()}, fields)
        kept = tuple(
            eqx.tree_at(lambda at: at.kept, lattice, np.asarray(q), is_leaf=lambda x: x is None)
            for lattice, q in zip(self.lattices, quanta)
        )
        return eqx.tree_at(lambda source: source.lattices, self, kept)


@jax.jit
def _quanta(source: Source, c: Constants, fields: Array) -> tuple[Array, ...]:
    return source.quanta(c, fields)


class _Recording(Mapping):
    """Constants that remember which of them were asked for."""

    def __init__(self, constants: Constants):
        self.constants, self.seen = constants, {"clamped"}

    def __getitem__(self, name: str):
        self.seen.add(name)
        return self.constants[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.constants)

    def __len__(self) -> int:
        return len(self.constants)


def _named(recoil: Recoil, c: Constants) -> set[str]:
    """The constants that quanta of this kind depend on."""
    recorded = _Recording({name: jnp.asarray(v, float) for name, v in c.items()})
    jax.eval_shape(lambda e: recoil.fluctuations(recoil.yields(e, recorded), recorded), 1.0)
    return recorded.seen


def _nodes(
    basis: tuple[Spectrum, ...], recoil: Recoil, at_fields: Sequence[Constants]
) -> tuple[np.ndarray, np.ndarray]:
    """Energies (K,), sorted, and the events that each stands for, (B, K)."""
    energies, weights = [], []
    continua = [s for s in basis if len(s.energies)]
    if continua:
        low = max(min(s.energies[0] for s in continua), LOWEST)
        e, w = spectral_nodes(basis, low, max(map(_highest, continua)), recoil, at_fields[0])
        energies, weights = [e], [w]
    if len(basis) == 1 and len(basis[0].lines):
        energies.append(basis[0].lines[:, 0])
        weights.append(basis[0].lines[:, 1][None])
    every, events = np.concatenate(energies), np.concatenate(weights, axis=1)
    order = np.argsort(every)
    return every[order], events[:, order]


def _sum_of(basis: tuple[Spectrum, ...]) -> Spectrum:
    if len(basis) == 1:
        return basis[0]
    energies = np.unique(np.concatenate([s.energies for s in basis]))
    return Spectrum(energies, np.sum([s.at(energies) for s in basis], axis=0))


def _below(basis: tuple[Spectrum, ...], grid: np.ndarray) -> np.ndarray:
    """The events of each spectrum below each energy of the grid, (B, DRAWN)."""
    if len(basis) == 1:
        return np.linspace(0.0, basis[0].total, len(grid))[None]
    fine = np.unique(np.concatenate([grid, *(s.energies for s in basis)]))
    steps = np.stack([0.5 * (s.at(fine)[1:] + s.at(fine)[:-1]) * np.diff(fine) for s in basis])
    below = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    return np.stack([np.interp(grid, fine, of) for of in below])


def _highest(spectrum: Spectrum) -> float:
    """The energy in keV above which the continuum has less than `NEGLIGIBLE` of the events."""
    steps = 0.5 * (spectrum.rates[1:] + spectrum.rates[:-1]) * np.diff(spectrum.energies)
    above = np.cumsum(steps[::-1])[::-1]
    needed = np.flatnonzero(above > NEGLIGIBLE * spectrum.total)
    return float(spectrum.energies[needed[-1] + 1]) if len(needed) else spectrum.energies[-1]
