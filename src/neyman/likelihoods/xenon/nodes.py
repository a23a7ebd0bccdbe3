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
"""

import itertools

import numpy as np

from neyman.likelihoods.xenon.windows import Recoil, Window, enclosing, needs, tabulated
from neyman.likelihoods.xenon.yields import Constants

DENSITY = 1.0
"""Nodes per standard deviation of the quanta."""
SPARE = 8
ROOTS = (2, 3, 4, 6)
CUTS = 16
"""How many places are tried for the border between two panels."""


def nodes(
    low: float, high: float, recoil: Recoil, constants: Constants
) -> tuple[np.ndarray, np.ndarray]:
    """Energies between `low` and `high` and weights in keV, (K,) each.

    A line is a node of its own, whose weight is its number of events.
    """
    energies = np.geomspace(low, high, 512)
    quanta, f, _ = tabulated(recoil, energies, constants)
    total, electrons = quanta.total, quanta.electrons
    ions = total / (1.0 + quanta.excitons_per_ion)
    parts = (ions, total - ions) if recoil.nuclear else (total,)
    variance = sum(fano * part for fano, part in zip(f.fano, parts))
    sd = np.sqrt(variance + 2.0 * np.maximum(total - electrons, 0.0))
    distances = np.abs(np.diff(total)) / (0.5 * (sd[1:] + sd[:-1]))

    def needed(root: int) -> float:
        u = energies ** (1.0 / root)
        return float((u[-1] - u[0]) * np.max(distances / np.diff(u)))

    root = min(ROOTS, key=needed)
    x, w = np.polynomial.legendre.leggauss(int(np.ceil(DENSITY * needed(root))) + SPARE)
    begin, end = low ** (1.0 / root), high ** (1.0 / root)
    half = 0.5 * (end - begin)
    u = begin + half * (x + 1.0)
    return u**root, half * w * root * u ** (root - 1)


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
