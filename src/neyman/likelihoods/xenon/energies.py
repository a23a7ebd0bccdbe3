"""Energies: expected spectra, acceptance, and the posterior of each event's hidden energy.

A distribution over energy nodes E_k with masses p_k has the distribution function

    F(E_k) = sum_{j < k} p_j + p_k/2,    linear between nodes,

from which bins and quantiles are taken. The probability that event i is of source s is its part
of the event's differential rate, dR_s,i / sum_s dR_s,i.
"""

import numpy as np

from neyman._jax import jax
from neyman.io.provenance import provenance
from neyman.likelihoods.xenon.parts import Part, event_part
from neyman.likelihoods.xenon.template import acceptance, energy_rates, weights_of
from neyman.model import Likelihood
from neyman.results import Energies, Fit
from neyman.status import Note, Status

BINS = 100
QUANTILES = (0.1587, 0.5, 0.8413)
BEYOND = 1e-3
"""The bins end where this part of each source's accepted events lies beyond."""


def energies(like: Likelihood, fit: Fit | None = None) -> Energies:
    """Spectra, acceptance and the energies of the events of a likelihood of xenon events.

    Args:
        like: of one set of events.
        fit: at whose best fit; the initial parameters by default.

    Raises:
        InputError: a likelihood that is not of events, or of several sets.
    """
    part = event_part(like, fit)
    spectra = [_Spectrum(part, source.name) for source in part.model.sources]
    edges = np.linspace(0.0, max(s.highest for s in spectra), BINS + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    rates = np.stack([s.rates.sum(axis=1) for s in spectra], axis=1)
    total = rates.sum(axis=1, keepdims=True)
    probability = np.where(total > 0, rates / np.where(total > 0, total, 1.0), 0.0)
    quantiles = np.stack([s.quantiles() for s in spectra], axis=2)
    lost = int(np.sum(total[:, 0] <= 0))
    place = f"{lost} events lie so far outside the model that they have no energy"
    notes = (Note(Status.SUSPICIOUS_INPUT, place),) if lost else ()
    return Energies(
        sources=tuple(source.name for source in part.model.sources),
        edges=edges,
        before=np.stack([binned(s.nodes, s.before, edges) for s in spectra]),
        expected=np.stack([binned(s.nodes, s.before * s.kept, edges) for s in spectra]),
        acceptance=np.stack([s.acceptance(centres) for s in spectra]),
        seen=np.stack([s.seen(edges, probability[:, k]) for k, s in enumerate(spectra)]),
        probability=probability,
        low=quantiles[0],
        median=quantiles[1],
        high=quantiles[2],
        notes=part.model.notes + notes,
        provenance=provenance({"model": part.model.digest} if part.model.digest else {}),
    )


class _Spectrum:
    """What the nodes of one source say of the spectrum and of the events."""

    def __init__(self, part: Part, name: str):
        source = next(s for s in part.model.sources if s.name == name)
        _, rates = part.model.at(part.theta)
        multiplier = float(rates[part.model.sources.index(source)])
        nodes, kept = (np.asarray(v) for v in _acceptance(part.model, part.theta, name))
        order = np.argsort(nodes)
        self.nodes, self.kept = nodes[order], kept[order]
        self.before = multiplier * np.asarray(weights_of(source))[order]
        self.rates = np.zeros((0, len(nodes)))
        if part.counted and part.present.any():
            _, found = _energy_rates(part.model, part.theta, part.events, name)
            self.rates = np.asarray(found)[part.present][:, order]
        accepted = np.cumsum(self.before * self.kept)
        self.highest = float(np.interp((1.0 - BEYOND) * accepted[-1], accepted, self.nodes))

    def acceptance(self, at: np.ndarray) -> np.ndarray:
        return np.interp(at, self.nodes, self.kept, left=np.nan, right=np.nan)

    def quantiles(self) -> np.ndarray:
        """(3, N)"""
        rows = [
            np.interp(QUANTILES, distribution(row), self.nodes) if row.sum() > 0 else [np.nan] * 3
            for row in self.rates
        ]
        return np.array(rows, dtype=float).reshape(-1, 3).T

    def seen(self, edges: np.ndarray, probability: np.ndarray) -> np.ndarray:
        total = self.rates.sum(axis=1)
        share = np.where(total > 0, probability / np.where(total > 0, total, 1.0), 0.0)
        return binned(self.nodes, share @ self.rates, edges)


def distribution(masses: np.ndarray) -> np.ndarray:
    """F at the nodes, (K,), of masses (K,) of any sum."""
    return (np.cumsum(masses) - 0.5 * masses) / masses.sum()


def binned(nodes: np.ndarray, masses: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The masses (K,) at sorted nodes, in the bins between edges (B + 1,)."""
    if not masses.sum() > 0:
        return np.zeros(len(edges) - 1)
    below = np.interp(edges, nodes, distribution(masses), left=0.0, right=1.0)
    return masses.sum() * np.diff(below)


@jax.jit(static_argnums=2)
def _acceptance(model, theta, name):
    return acceptance(model, theta, name)


@jax.jit(static_argnums=3)
def _energy_rates(model, theta, events, name):
    return energy_rates(model, theta, events, name)
