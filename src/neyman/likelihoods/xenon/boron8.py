"""Nuclear recoils from solar 8B neutrinos, by coherent scattering (CEvNS).

For a nucleus of N neutrons, Z protons and mass M (Freedman, Phys. Rev. D 9, 1389; arXiv:1604.01025)

    dsigma/dE = G_F^2/(4 pi) Q_W^2 M (1 - M E/(2 Ev^2)) F(E)^2,    E <= 2 Ev^2/M,
    Q_W = N - (1 - 4 sin^2 theta_W) Z,    F(E) = 3 j1(q r)/(q r) exp(-(q s)^2/2),  q^2 = 2 M E,

with Helm's form factor in the parametrisation of Lewin and Smith (Astropart. Phys. 6, 87, eqs.
4.7 and 4.11). The spectrum of 8B neutrinos is

    lambda(Ev) ~ Ev^2 b^2.576 exp(0.325 (Ev/10)^2 - 0.395 Ev/10),    Ev in MeV,
    b = 0.524 log(1 + exp((14.67 - Ev)/0.524)),

where b is the energy left, smeared by the width of 8Be. It is fitted here to the standard
spectrum of Bahcall et al. (nucl-th/9601044), which it follows within 2 % from 1 to 14 MeV.
All flavours scatter alike, so oscillations do not matter.
"""

import numpy as np

from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.status import InputError

FLUX = 5.25e6
"""cm^-2 s^-1 (SNO, arXiv:1109.0763)."""
FERMI = 1.1663788e-11
"""G_F in MeV^-2."""
WEAK_MIXING = 0.23863
"""sin^2 theta_W at low momentum transfer (Particle Data Group)."""
HBAR_C = 197.3269804
"""MeV fm"""
NUCLEON = 931.49410242
"""Atomic mass unit in MeV."""
AVOGADRO = 6.02214076e23
YEAR = 365.25 * 86400.0
ISOTOPES = {
    124: 0.000952,
    126: 0.000890,
    128: 0.019102,
    129: 0.264006,
    130: 0.040710,
    131: 0.212324,
    132: 0.269086,
    134: 0.104357,
    136: 0.088573,
}
"""Natural abundances of xenon, by number (IUPAC)."""
CHARGE = 54
MOLAR_MASS = 131.293
HIGHEST = 16.5
"""MeV; above, less than 1e-9 of the neutrinos."""
POINTS = 300


def neutrino_spectrum(energies: np.ndarray) -> np.ndarray:
    """lambda(Ev) per MeV at neutrino energies in MeV, integrating to 1."""
    nodes, weights = _neutrinos()
    return _shape(energies) / (weights @ _shape(nodes))


def helm_squared(recoil: np.ndarray, mass_number: float | int) -> np.ndarray:
    """F(E)^2 at recoil energies in keV above 0."""
    q = np.sqrt(2.0 * NUCLEON * mass_number * recoil * 1e-3) / HBAR_C
    c, a, s = 1.23 * mass_number ** (1.0 / 3.0) - 0.60, 0.52, 0.9
    x = q * np.sqrt(c**2 + 7.0 / 3.0 * np.pi**2 * a**2 - 5.0 * s**2)
    j1 = np.sin(x) / x**2 - np.cos(x) / x
    return (3.0 * j1 / x * np.exp(-0.5 * (q * s) ** 2)) ** 2


def cross_section(recoil: np.ndarray, neutrino: np.ndarray, mass_number: int) -> np.ndarray:
    """dsigma/dE in cm^2 per keV for recoils in keV and neutrinos in MeV, broadcast together."""
    mass = NUCLEON * mass_number
    weak_charge = mass_number - CHARGE - (1.0 - 4.0 * WEAK_MIXING) * CHARGE
    kinematic = 1.0 - mass * recoil * 1e-3 / (2.0 * neutrino**2)
    per_mev = FERMI**2 / (4.0 * np.pi) * weak_charge**2 * mass * np.maximum(kinematic, 0.0)
    return per_mev * helm_squared(recoil, mass_number) * 1e-3 * HBAR_C**2 * 1e-26


def boron8(exposure: float, *, flux: float = FLUX, low: float = 0.01) -> Spectrum:
    """Recoils of natural xenon above `low`, up to 4.7 keV.

    Args:
        exposure: tonne years.
        flux: cm^-2 s^-1.
        low: keV, above 0.

    Raises:
        InputError: an exposure or a flux that is negative or not finite, or `low` out of range.
    """
    for name, value in (("exposure", exposure), ("flux", flux)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"boron8: {name}", f"{value:g}", "give a number of 0 or more")
    highest = 2e3 * HIGHEST**2 / (NUCLEON * min(ISOTOPES))
    if not 0.0 < low < highest:
        raise InputError("boron8: low", f"{low:g} keV", f"choose between 0 and {highest:.2g} keV")
    recoils = np.linspace(low, highest, POINTS)
    neutrinos, weights = _neutrinos()
    of_flux = flux * weights * neutrino_spectrum(neutrinos)
    mean = sum(
        share * (cross_section(recoils[:, None], neutrinos[None], a) @ of_flux)
        for a, share in ISOTOPES.items()
    )
    nuclei = exposure * 1e6 / MOLAR_MASS * AVOGADRO
    return Spectrum(recoils, nuclei * YEAR * np.asarray(mean))


def _shape(energies: np.ndarray) -> np.ndarray:
    x = energies / 10.0
    left = 0.524 * np.logaddexp(0.0, (14.67 - energies) / 0.524)
    return energies**2 * left**2.576 * np.exp(0.325 * x**2 - 0.395 * x)


def _neutrinos() -> tuple[np.ndarray, np.ndarray]:
    """Nodes in MeV and weights of an integral over neutrino energies."""
    x, w = np.polynomial.legendre.leggauss(400)
    return 0.5 * HIGHEST * (x + 1.0), 0.5 * HIGHEST * w
