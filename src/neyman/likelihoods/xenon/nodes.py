"""Energy nodes, as dense as the quanta resolve energy, and the panels that they are grouped in.

What a detector sees of an energy is smooth on the scale of the resolution of quanta,
sd(E)^2 = var(nq) + 2 nph, the second term for the light that is not collected. Gauss-Legendre in
u = E^(1/m) then converges exponentially in the number of nodes

    K = (u_high - u_low) max(dNq/du / sd) + 8

where m in `ROOTS` is that which asks for fewest: 2 for nuclear recoils, whose resolution is
nearly constant in sqrt(E), more for electronic ones, which is best at low energy. Measured for
flat spectra in the generic detector: NR 0.5 to 20 keV, rates to 1e-9, mu to 1e-12; ER 0.1 to
10 keV, rates to 1e-10 and mu to 1e-7. NEST's electronic recoils have a kink at 0.3 keV, below
which nothing recombines: rates of events from there, 1e-4 of the peak, are good to 1 %.

A spectrum may have kinks and steps, which such a rule does not see. Where moments of the spectrum,
up to the K-th, are not those of its nodes to `TOLERANCE` of its events, its range is halved; on
panels of a few standard deviations the rule is Gauss's of the spectrum itself (`gauss`), whose
moments are exact.
"""

import itertools
from typing import NamedTuple

import numpy as np

from neyman.likelihoods.xenon.gauss import fine, gauss
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.likelihoods.xenon.windows import Recoil, Window, enclosing, needs, tabulated
from neyman.likelihoods.xenon.yields import Constants

DENSITY = 1.0
"""Nodes per standard deviation of the quanta."""
SPARE = 8
TOLERANCE = 3e-5
"""Of the events, that a moment may be wrong by; shipped spectra are tabulated no better."""
ROUGH = 4.0
"""Standard deviations of the quanta, below which a panel is not halved."""
ROOTS = (2, 3, 4, 6)
CUTS = 16
"""How many places are tried for the border between two panels."""


class Scale(NamedTuple):
    """How far apart energies are for a detector."""

    root: int
    """Of u = E^(1/root), in which nodes are spaced."""
    u: np.ndarray
    """(N,)"""
    density: np.ndarray
    """Standard deviations of the quanta per unit of u, (N - 1,)."""

    def between(self, begin: float, end: float) -> float:
        """Standard deviations between two u, were they as narrow as the narrowest."""
        inside = (self.u[1:] > begin) & (self.u[:-1] < end)
        return float((end - begin) * np.max(self.density[inside]))


def scale(low: float, high: float, recoil: Recoil, constants: Constants) -> Scale:
    """That root which asks for fewest nodes between `low` and `high` in keV."""
    energies = np.geomspace(low, high, 512)
    table = tabulated(recoil, energies, constants)
    quanta, f = table.quanta, table.fluctuations
    total, electrons = quanta.total, quanta.electrons
    ions = total / (1.0 + quanta.excitons_per_ion)
    parts = (ions, total - ions) if recoil.nuclear else (total,)
    variance = sum(fano * part for fano, part in zip(f.fano, parts))
    sd = np.sqrt(variance + 2.0 * np.maximum(total - electrons, 0.0))
    distances = np.abs(np.diff(total)) / (0.5 * (sd[1:] + sd[:-1]))

    def of(root: int) -> Scale:
        u = energies ** (1.0 / root)
        return Scale(root, u, distances / np.diff(u))

    return min(map(of, ROOTS), key=lambda s: s.between(s.u[0], s.u[-1]))


def nodes(
    low: float, high: float, recoil: Recoil, constants: Constants
) -> tuple[np.ndarray, np.ndarray]:
    """Energies between `low` and `high` and weights in keV, (K,) each, for smooth spectra."""
    at = scale(low, high, recoil, constants)
    u, w = _legendre(at, low ** (1.0 / at.root), high ** (1.0 / at.root))
    return u**at.root, w


def spectral_nodes(
    basis: tuple[Spectrum, ...], low: float, high: float, recoil: Recoil, constants: Constants
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted energies between `low` and `high`, (K,), and the events of each continuum, (B, K)."""
    at = scale(low, high, recoil, constants)
    found = _panel(basis, at, low ** (1.0 / at.root), high ** (1.0 / at.root))
    u, events = (np.concatenate(of, axis=-1) for of in zip(*found))
    order = np.argsort(u)
    return u[order] ** at.root, events[:, order]


def _panel(
    basis: tuple[Spectrum, ...], at: Scale, begin: float, end: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """u (K,) and events (B, K): one Legendre rule, two panels, or rules of the spectra."""
    u, w = _legendre(at, begin, end)
    n = len(u)
    exact = [fine(s, begin, end, at.root, n) for s in basis]
    events = np.stack([w * s.at(u**at.root) for s in basis])

    def moments(u: np.ndarray, events: np.ndarray) -> np.ndarray:
        x = (2.0 * u - begin - end) / (end - begin)
        return events @ np.polynomial.legendre.legvander(x, n)

    wrong = [np.max(np.abs(moments(u, e) - moments(*f))) for e, f in zip(events, exact)]
    if all(error <= TOLERANCE * np.sum(f[1]) for error, f in zip(wrong, exact)):
        return [(u, events)]
    if at.between(begin, end) > ROUGH:
        middle = 0.5 * (begin + end)
        return _panel(basis, at, begin, middle) + _panel(basis, at, middle, end)
    rules = []
    for b, (points, weights) in enumerate(exact):
        if np.sum(weights) > 0:
            u, w = gauss(points, weights, n)
            rules.append((u, np.zeros((len(basis), n))))
            rules[-1][1][b] = w
    return rules


def _legendre(at: Scale, begin: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """u and weights in keV of one rule, as long as quanta are resolved."""
    n = int(np.ceil(DENSITY * at.between(begin, end))) + SPARE
    x, w = np.polynomial.legendre.leggauss(n)
    half = 0.5 * (end - begin)
    u = begin + half * (x + 1.0)
    return u, half * w * at.root * u ** (at.root - 1)


def panels(
    energies: np.ndarray,
    weights: np.ndarray,
    recoil: Recoil,
    constants: Constants,
    n: int,
    *,
    step: int = 1,
) -> tuple[tuple[np.ndarray, np.ndarray, Window], ...]:
    """At most `n` panels (energies, weights, window) of sorted nodes, at least cost.

    Few panels compile fast, many waste fewer cells on nodes whose quanta spread little.
    """
    count = len(energies)
    lengths, spacings = needs(recoil, energies, constants)
    places = np.unique(np.linspace(0, count, CUTS + 1).round().astype(int)).tolist()

    def window(begin: int, end: int) -> Window:
        return enclosing(lengths[:, begin:end], spacings[begin:end], step)

    costs = {(a, b): (b - a) * _cost(window(a, b)) for a, b in itertools.combinations(places, 2)}

    def borders(cuts: tuple[int, ...]) -> list[tuple[int, int]]:
        return list(itertools.pairwise((0, *cuts, count)))

    chosen = min(
        itertools.combinations(places[1:-1], min(n, len(places) - 1) - 1),
        key=lambda cuts: sum(costs[border] for border in borders(cuts)),
    )
    return tuple((energies[a:b], weights[a:b], window(a, b)) for a, b in borders(chosen))


def _cost(window: Window) -> float:
    """In cells of G: with the measured cost of cells of H and of their product."""
    electrons, ions, others, _ = window
    return electrons * ions * (1.0 + others / 1000.0) + (electrons + ions) * others / 30.0
