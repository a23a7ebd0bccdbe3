"""Energies: expected spectra, acceptance, and the posterior of each event's hidden energy.

A density in energy is known by its masses p_k at energy nodes E_k. With h the spacing and b_k the
middle between E_k and E_{k+1}, its distribution function there is (midpoint rule, with the first
term of Euler and Maclaurin)

    F(b_k) = sum_{j <= k} p_j + (p_{k+1} - p_k)/24 + O(h^4),

and a monotone cubic between; bins and quantiles are taken from it. Sources of a few lines have
their masses at the lines. The probability that event i is of source s is its part of the event's
differential rate, dR_s,i / sum_s dR_s,i.
"""

from collections.abc import Sequence

import numpy as np
import scipy.interpolate

from neyman._jax import jax
from neyman.io.provenance import provenance
from neyman.likelihoods.xenon.parts import Part, event_part
from neyman.likelihoods.xenon.template import acceptance, deposits_of, energy_rates
from neyman.model import Likelihood
from neyman.results import Energies, Fit, Samples
from neyman.status import Note, Status

BINS = 100
LEVELS = (0.1587, 0.5, 0.8413)
FEWEST, FINE = 8, 8
"""Nodes of a continuum; points between two of them."""
CHUNK = 4096
"""Events at a time."""
BEYOND = 1e-3
"""The bins end where this part of each source's accepted events lies beyond."""


def energies(like: Likelihood, fit: Fit | Samples | None = None) -> Energies:
    """Spectra, acceptance and the energies of the events of a likelihood of xenon events.

    Args:
        like: of one set of events.
        fit: at whose best fit, or posterior means; the initial parameters by default.

    Raises:
        InputError: a likelihood that is not of events, or of several sets.
    """
    part = event_part(like, fit)
    model = part.model
    names = [source.name for source in model.sources]
    spectra = [_Spectrum(part, name) for name in names]
    edges = np.linspace(0.0, max(s.highest for s in spectra), BINS + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    accidental = [_accidental_rates(part, name) for name in model.names[len(names) :]]
    multipliers = zip(part.rates, spectra)
    rates = np.stack([*(r * s.rates.sum(axis=1) for r, s in multipliers), *accidental], axis=1)
    total = rates.sum(axis=1, keepdims=True)
    probability = np.where(total > 0, rates / np.where(total > 0, total, 1.0), 0.0)
    low, median, high = np.stack([quantiles(s.nodes, s.rates, LEVELS) for s in spectra], axis=2)
    shares = part.rates[: len(names), None]
    lost = int(np.sum(total[:, 0] <= 0))
    place = f"{lost} events lie so far outside the model that they have no energy"
    notes = (Note(Status.SUSPICIOUS_INPUT, place),) if lost else ()
    return Energies(
        sources=tuple(names),
        edges=edges,
        before=shares * np.stack([binned(s.nodes, s.before, edges) for s in spectra]),
        expected=shares * np.stack([binned(s.nodes, s.before * s.kept, edges) for s in spectra]),
        acceptance=np.stack([s.acceptance(centres) for s in spectra]),
        seen=np.stack([s.seen(edges, probability[:, k]) for k, s in enumerate(spectra)]),
        probability=probability[:, : len(names)],
        low=low,
        median=median,
        high=high,
        notes=part.model.notes + notes,
        provenance=provenance({"model": part.model.digest} if part.model.digest else {}),
    )


class _Spectrum:
    """What the nodes of one source say of the spectrum and of the events, at a rate of 1."""

    def __init__(self, part: Part, name: str):
        nodes, kept = (np.asarray(v) for v in _acceptance(part.model, part.unit_theta, name))
        order = np.argsort(nodes)
        self.nodes, self.kept = nodes[order], kept[order]
        self.before = np.asarray(deposits_of(part.model, part.unit_theta, name))[order]
        self.rates = np.zeros((0, len(nodes)))
        if part.counted and part.present.any():
            _, found = _energy_rates(part.model, part.unit_theta, part.events, name)
            self.rates = np.asarray(found)[part.present][:, order]
        self.highest = float(
            quantiles(self.nodes, (self.before * self.kept)[None], [1.0 - BEYOND])[0, 0]
        )

    def acceptance(self, at: np.ndarray) -> np.ndarray:
        return np.interp(at, self.nodes, self.kept, left=np.nan, right=np.nan)

    def seen(self, edges: np.ndarray, probability: np.ndarray) -> np.ndarray:
        total = self.rates.sum(axis=1)
        share = np.where(total > 0, probability / np.where(total > 0, total, 1.0), 0.0)
        return binned(self.nodes, share @ self.rates, edges)


def _accidental_rates(part: Part, name: str) -> np.ndarray:
    """The differential rates of accidental coincidences at each event, (N,)."""
    if not part.counted:
        return np.zeros(0)
    model, of = part.model, part.events.columns
    source = model.accidentals[model.names.index(name) - len(model.sources)]
    rate = model.at(part.theta)[1][model.names.index(name)]
    return np.asarray(rate * source.density(of["s1"], of["s2"]))[part.present]


def distribution(nodes: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (G,) and F there, (N, G), of masses (N, K) at sorted nodes (K,)."""
    total = masses.sum(axis=1, keepdims=True)
    p = masses / np.where(total > 0, total, 1.0)
    if len(nodes) < FEWEST:
        width = 1e-6 * (1.0 + nodes)
        energies = np.stack([nodes - width, nodes + width], axis=1).ravel()
        above = np.cumsum(p, axis=1)
        return energies, np.stack([above - p, above], axis=2).reshape(len(p), -1)
    middle = 0.5 * (nodes[1:] + nodes[:-1])
    ends = max(0.0, 2.0 * nodes[0] - middle[0]), 2.0 * nodes[-1] - middle[-1]
    bounds = np.array([ends[0], *middle, ends[1]])
    inner = np.cumsum(p, axis=1)[:, :-1] + np.diff(p, axis=1) / 24.0
    below = np.pad(np.clip(inner, 0.0, 1.0), ((0, 0), (1, 1)), constant_values=(0.0, 1.0))
    below = np.maximum.accumulate(below, axis=1)
    parts = np.arange(FINE) / FINE
    steps = (bounds[:-1, None] + np.diff(bounds)[:, None] * parts).ravel()
    energies = np.append(steps, bounds[-1])
    return energies, scipy.interpolate.PchipInterpolator(bounds, below, axis=1)(energies)


def quantiles(nodes: np.ndarray, masses: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The energies (L, N) below which `levels` (L,) of the masses (N, K) lie; NaN without any."""
    found = np.full((len(levels), len(masses)), np.nan)
    for first in range(0, len(masses), CHUNK):
        some = masses[first : first + CHUNK]
        energies, below = distribution(nodes, some)
        for i in np.flatnonzero(some.sum(axis=1) > 0):
            found[:, first + i] = np.interp(levels, below[i], energies)
    return found


def binned(nodes: np.ndarray, masses: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The masses (K,) at sorted nodes, in the bins between edges (B + 1,)."""
    energies, below = distribution(nodes, masses[None])
    at_edges = np.interp(edges, energies, below[0], left=0.0, right=1.0)
    return masses.sum() * np.diff(at_edges)


@jax.jit(static_argnums=2)
def _acceptance(model, theta, name):
    return acceptance(model, theta, name)


@jax.jit(static_argnums=3)
def _energy_rates(model, theta, events, name):
    return energy_rates(model, theta, events, name)
