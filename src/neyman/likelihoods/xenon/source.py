"""A source: a spectrum of deposits of one kind, ready to be turned into quanta."""

import equinox as eqx
import numpy as np

from neyman._jax import Array
from neyman.likelihoods.xenon.fluctuations import of_electronic, of_nuclear
from neyman.likelihoods.xenon.nodes import nodes, panels
from neyman.likelihoods.xenon.quanta import Recoil, Window, quanta_matrix, size_of
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


class Source(eqx.Module):
    """Energy nodes with the events that each stands for, and the spectrum to draw from."""

    name: str = eqx.field(static=True)
    recoil: Recoil = eqx.field(static=True)
    energies: tuple[Array, ...]
    """keV, per panel (K,)."""
    weights: tuple[Array, ...]
    """Events in the fiducial volume before any selection, per panel (K,)."""
    windows: tuple[Window, ...] = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True)
    """Of the quanta matrix, in (electrons, photons)."""
    quantiles: Array
    """Energies in keV at equal steps of the spectrum's distribution function, (M,)."""
    events: Array
    """Events before any selection, a scalar."""

    @classmethod
    def of(
        cls, name: str, kind: str | Recoil, spectrum: Spectrum, constants: Constants
    ) -> "Source":
        """A source of the `kind` "nr", "er", "gamma" or "weighted", or of one's own.

        Args:
            name: unique among the sources of a model.
            kind: how deposits turn into quanta.
            spectrum: events per keV, and lines.
            constants: NEST's and the detector's, at which energy nodes and windows are chosen.

        Raises:
            InputError: an unknown kind, or a spectrum without events.
        """
        if isinstance(kind, str) and kind not in RECOILS:
            raise unknown_name(kind, RECOILS, "kind")
        recoil = RECOILS[kind] if isinstance(kind, str) else kind
        if not spectrum.total > 0:
            raise InputError(f"source '{name}'", "its spectrum has no events", "give it some")
        energies, weights = [], []
        if len(spectrum.energies):
            low, high = max(spectrum.energies[0], LOWEST), _highest(spectrum)
            e, w = nodes(low, high, recoil, constants)
            energies, weights = [e], [w * spectrum.at(e)]
        if len(spectrum.lines):
            energies.append(spectrum.lines[:, 0])
            weights.append(spectrum.lines[:, 1])
        every, events = np.concatenate(energies), np.concatenate(weights)
        order = np.argsort(every)
        grouped = panels(every[order], events[order], recoil, constants, min(2, len(every)))
        return cls(
            name=name,
            recoil=recoil,
            energies=tuple(np.asarray(p[0]) for p in grouped),
            weights=tuple(np.asarray(p[1]) for p in grouped),
            windows=tuple(p[2] for p in grouped),
            shape=size_of(recoil, every, constants),
            quantiles=spectrum.quantiles(np.linspace(0.0, 1.0, 2049)),
            events=np.asarray(spectrum.total),
        )

    def quanta(self, c: Constants) -> Array:
        """Q, (electrons, photons): expected events in each cell."""
        return quanta_matrix(
            self.recoil,
            tuple(zip(self.energies, self.weights, self.windows)),
            self.shape,
            c,
        )


def _highest(spectrum: Spectrum) -> float:
    """The energy in keV above which the continuum has less than `NEGLIGIBLE` of the events."""
    steps = 0.5 * (spectrum.rates[1:] + spectrum.rates[:-1]) * np.diff(spectrum.energies)
    above = np.cumsum(steps[::-1])[::-1]
    needed = np.flatnonzero(above > NEGLIGIBLE * spectrum.total)
    return float(spectrum.energies[needed[-1] + 1]) if len(needed) else spectrum.energies[-1]
