"""Spectra of beta decays, from the allowed shape.

The electron's kinetic energy T of a transition with endpoint Q has

    dN/dT ~ F(Z, W) p W (Q - T)^2,    W = 1 + T/m,  p = sqrt(W^2 - 1),

in units of the electron mass m, with the Fermi function of the daughter's charge Z (Fermi,
Z. Phys. 88, 161; Hayen et al., Rev. Mod. Phys. 90, 015008, eq. 7)

    F = 2 (1 + g) (2 p R)^(2 (g - 1)) exp(pi eta) |Gamma(g + i eta)|^2 / Gamma(1 + 2 g)^2,
    g = sqrt(1 - (alpha Z)^2),  eta = alpha Z W / p,  R the nuclear radius.

Atomic exchange and screening, which matter below a few keV, and the shape factors of forbidden
transitions are left out.
"""

import numpy as np
import scipy.special

from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.status import InputError

ELECTRON_MASS = 510.99895
"""keV"""
ALPHA = 1.0 / 137.035999
COMPTON = 386.15926764
"""hbar/(m c) of the electron, fm."""

TRITIUM_ENDPOINT = 18.59
"""keV; of molecular tritium, e.g. arXiv:1512.03133 (LUX)."""
LEAD_214 = ((1018.0, 0.098), (723.0, 0.40), (666.0, 0.46), (484.0, 0.01), (179.0, 0.03))
"""Endpoints in keV and branching fractions of 214Pb: to the ground state of 214Bi, as measured
by XENONnT (arXiv:2606.17920), then to its levels at 295, 352, 534 and 839 keV, rounded (Zhu and
McCutchan, Nucl. Data Sheets 175, 1)."""
POINTS = 400


def fermi_function(kinetic: np.ndarray, charge: int, mass_number: int) -> np.ndarray:
    """F(Z, W) at kinetic energies in keV above 0, of the same shape."""
    w = 1.0 + kinetic / ELECTRON_MASS
    p = np.sqrt(w**2 - 1.0)
    g = np.sqrt(1.0 - (ALPHA * charge) ** 2)
    eta = ALPHA * charge * w / p
    radius = 1.2 * mass_number ** (1.0 / 3.0) / COMPTON
    gammas = 2.0 * scipy.special.loggamma(g + 1j * eta).real
    gammas -= 2.0 * scipy.special.gammaln(1.0 + 2.0 * g)
    return 2.0 * (1.0 + g) * (2.0 * p * radius) ** (2.0 * (g - 1.0)) * np.exp(np.pi * eta + gammas)


def allowed_shape(
    kinetic: np.ndarray, *, endpoint: float, charge: int, mass_number: int
) -> np.ndarray:
    """dN/dT per keV at kinetic energies in keV, (M,), integrating to 1 over 0 to `endpoint`."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    half = 0.5 * endpoint

    def shape(t: np.ndarray) -> np.ndarray:
        inside = (t >= 0.0) & (t < endpoint)
        t = np.where(inside, np.maximum(t, 1e-9 * endpoint), half)
        w = 1.0 + t / ELECTRON_MASS
        phase_space = np.sqrt(w**2 - 1.0) * w * (endpoint - t) ** 2
        return np.where(inside, phase_space * fermi_function(t, charge, mass_number), 0.0)

    return shape(kinetic) / (half * weights @ shape(half * (1.0 + nodes)))


def tritium(events: float) -> Spectrum:
    """Tritium, with `events` decays over the whole spectrum, 0 to 18.59 keV."""
    energies = _grid(0.0, TRITIUM_ENDPOINT)
    rates = allowed_shape(energies, endpoint=TRITIUM_ENDPOINT, charge=2, mass_number=3)
    return _with_events(energies, rates, events)


def lead214(
    events: float, *, low: float = 0.0, high: float = 100.0, escape: float = 0.0
) -> Spectrum:
    """214Pb, the ER background of radon, with `events` between `low` and `high` keV.

    A decay to an excited state is accompanied by at least 295 keV in photons or conversion
    electrons and is seen at low energy only where these escape: the share `escape` of them.
    The transition to the ground state is first forbidden; a shell-model calculation differs
    from the allowed shape by up to 20 % between 1 and 200 keV (arXiv:2009.08303).

    Raises:
        InputError: `escape` outside 0 to 1, or a range that is empty or ends above 1018 keV.
    """
    if not 0.0 <= escape <= 1.0:
        raise InputError("lead214: escape", f"{escape:g}", "give a share between 0 and 1")
    if not 0.0 <= low < high <= LEAD_214[0][0]:
        raise InputError("lead214", f"from {low:g} to {high:g} keV", "stay within 0 to 1018 keV")
    energies = _grid(low, high)
    rates = np.zeros_like(energies)
    for i, (endpoint, fraction) in enumerate(LEAD_214):
        shape = allowed_shape(energies, endpoint=endpoint, charge=83, mass_number=214)
        rates += fraction * (escape if i else 1.0) * shape
    return _with_events(energies, rates, events)


def _grid(low: float, high: float) -> np.ndarray:
    """Denser at low energy, where the shape bends."""
    return np.linspace(np.sqrt(low), np.sqrt(high), POINTS) ** 2


def _with_events(energies: np.ndarray, rates: np.ndarray, events: float) -> Spectrum:
    shape = Spectrum(energies, rates)
    return shape.scaled(events / shape.total)
