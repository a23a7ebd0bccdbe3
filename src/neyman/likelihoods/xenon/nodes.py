"""Energy nodes, as dense as the quanta resolve energy, and the panels that they are grouped in.

What a detector sees of an energy is smooth on the scale of the resolution of quanta,
sd(E)^2 = var(nq) + 2 nph, the second term for the light that is not collected. Gauss-Legendre in
sqrt(E) then converges exponentially in the number of nodes

    K = int dNq / sd + 8

(measured for flat spectra at the tests' detector: NR 0.5 to 20 keV, rates to 1e-7, mu to 1e-12;
ER 0.1 to 10 keV, rates to 1e-5, mu to 2e-7, where whole quanta below 0.2 keV set the limit).
"""

import itertools

import numpy as np

from neyman.likelihoods.xenon.windows import Recoil, Window, enclosing, means, needs
from neyman.likelihoods.xenon.yields import Constants

DENSITY = 1.0
"""Nodes per standard deviation of the quanta."""
SPARE = 8
CUTS = 16
"""How many places are tried for the border between two panels."""


def nodes(
    low: float, high: float, recoil: Recoil, constants: Constants
) -> tuple[np.ndarray, np.ndarray]:
    """Energies between `low` and `high` and weights in keV, (K,) each.

    A line is a node of its own, whose weight is its number of events.
    """
    roots = np.linspace(np.sqrt(low), np.sqrt(high), 257)
    quanta, f = means(recoil, roots**2, constants)
    total, electrons = np.asarray(quanta.total), np.asarray(quanta.electrons)
    ions = total / (1.0 + np.asarray(quanta.excitons_per_ion))
    parts = (ions, total - ions) if recoil.nuclear else (total,)
    variance = sum(np.asarray(fano) * part for fano, part in zip(f.fano, parts))
    sd = np.sqrt(variance + 2.0 * np.maximum(total - electrons, 0.0))
    distance = np.sum(np.abs(np.diff(total)) / (0.5 * (sd[1:] + sd[:-1])))
    x, w = np.polynomial.legendre.leggauss(int(np.ceil(DENSITY * distance)) + SPARE)
    half = 0.5 * (roots[-1] - roots[0])
    root = roots[0] + half * (x + 1.0)
    return root**2, 2.0 * half * w * root


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
