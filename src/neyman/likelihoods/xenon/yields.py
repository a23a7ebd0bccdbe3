"""Mean numbers of quanta of an energy deposit in liquid xenon, by NEST.

E in keV, F the drift field in V/cm, rho the density in g/cm3; lower-case names are constants
(`constants`). Nuclear recoils (NEST 2.3, GetYieldNR):

    TIB = gamma F^delta (rho/2.9)^0.3
    Ne  = E / (TIB (E + epsilon)^p) (1 - (1 + (E/zeta)^eta)^-k)
    Nph = (alpha E^beta - Ne) (1 - (1 + (E/theta)^iota)^-l)
    Ni  = 4/TIB (exp(Ne TIB/4) - 1),    x = (Ne + Nph)/Ni - 1

Electronic recoils ("beta" model, arXiv:1910.04211), with Nq = E/Wq:

    Qy  = m1 + (m2 - m1)/(1 + (E/m3)^m4)^m9 + m5 - m5/(1 + (E/m7)^m8)^m10,    Ne = Qy E
    x   = alpha_x erf(0.05 E),    m5 = Nq/E/(1 + x) - m1

times a correction for density; photo-absorption ("gamma") has the same form with constants of
its own, and the weighted model mixes the two as a function of E and F. A model of one's own is
any function of the same signature.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from neyman._jax import Scalar, jax, jnp

Number = Scalar | float
"""A scalar; constants of the formulas may be Python's."""

AVOGADRO = 6.0221409e23
MOLAR_MASS = 131.293
LEAST_RATIO = 1e-6
"""NEST's formula for nuclear recoils gives fewer than no excitons below some 0.2 keV."""


class Quanta(NamedTuple):
    """Means of one deposit; scalars."""

    total: Number
    """Nq, electrons and photons together."""
    electrons: Number
    """Ne, after recombination."""
    excitons_per_ion: Number
    """x"""


Constants = Mapping[str, Number]
Yields = Callable[[Number, Constants], Quanta]
"""Means for an energy in keV, given constants among which are `drift_field` and `density`."""


def work_function(density: Number) -> Number:
    """Wq in keV a quantum."""
    electrons = density * AVOGADRO * 54.0 / MOLAR_MASS
    return 1e-3 * (18.7263 - 1.01e-23 * electrons) * 1.1716263232


def exciton_ratio(density: Number) -> Number:
    """alpha_x, that of electronic recoils at high energy."""
    return 0.067366 + 0.039693 * density


def nuclear(energy: Number, c: Constants) -> Quanta:
    """Nuclear recoils."""
    tib = c["nr_gamma"] * c["drift_field"] ** c["nr_delta"] * (c["density"] / 2.9) ** 0.3
    charge = 1.0 / (tib * (energy + c["nr_epsilon"]) ** c["nr_p"])
    charge *= 1.0 - (1.0 + (energy / c["nr_zeta"]) ** c["nr_eta"]) ** -c["nr_k"]
    electrons = jnp.maximum(charge * energy, 0.0)
    light = 1.0 - (1.0 + (energy / c["nr_theta"]) ** c["nr_iota"]) ** -c["nr_l"]
    photons = jnp.maximum((c["nr_alpha"] * energy ** c["nr_beta"] - electrons) * light, 0.0)
    electrons, photons = c["nr_scale"] * electrons, c["nr_scale"] * photons
    total = electrons + photons
    ions = 4.0 / tib * jnp.expm1(electrons * tib / 4.0)
    x = jnp.maximum(total / ions - 1.0, LEAST_RATIO)
    bound = exciton_ratio(c["density"])
    x = jnp.where((energy > 100.0) & (x < bound), bound, x)
    x = jnp.where((energy < 1.0) & (x > 1.0), 1.0, x)
    return Quanta(total, electrons, x)


def beta(energy: Number, c: Constants) -> Quanta:
    """Electronic recoils from beta decay and Compton scattering."""
    field = c["drift_field"]
    x = exciton_ratio(c["density"]) * jax.scipy.special.erf(0.05 * energy)
    total = energy / work_function(c["density"])
    a, b, f, power, outer = (c[f"er_m1_{i}"] for i in range(5))
    m1 = a + (b - a) / (1.0 + (field / f) ** power) ** outer
    m3 = jnp.log10(field) * c["er_m3_0"] + c["er_m3_1"]
    m4 = _between(field, *(c[f"er_m4_{i}"] for i in range(4)))
    m5 = total / energy / (1.0 + x) - m1
    m7 = _between(field, *(c[f"er_m7_{i}"] for i in range(4)))
    m10 = _between(field, *(c[f"er_m10_{i}"] for i in range(4)))
    charge = m1 + (c["er_m2"] - m1) / (1.0 + (energy / m3) ** m4) ** c["er_m9"]
    charge += m5 - m5 / (1.0 + (energy / m7) ** c["er_m8"]) ** m10
    return _electronic(energy, charge * _density_factor(c["density"]), total, x)


def gamma(energy: Number, c: Constants) -> Quanta:
    """Electronic recoils from photo-absorption."""
    field, density = c["drift_field"], c["density"]
    x = exciton_ratio(density) * jax.scipy.special.erf(0.05 * energy)
    wq = work_function(density)
    m1 = _between(field, *(c[f"gamma_m1_{i}"] for i in range(4)))
    m5 = _between(field, *(c[f"gamma_m5_{i}"] for i in range(4)))
    a, b, scale, power, outer = (c[f"gamma_m7_{i}"] for i in range(5))
    m7 = _between(field, a, b, scale / density**power, outer)
    charge = m1 + (1.0 / wq - m1) / (1.0 + (energy / c["gamma_m3"]) ** c["gamma_m4"])
    charge += m5 + (c["gamma_m6"] - m5) / (1.0 + (energy / m7) ** c["gamma_m8"])
    return _electronic(energy, charge, energy / wq, x)


def weighted(energy: Number, c: Constants) -> Quanta:
    """Between `beta` and `gamma`, as measured with sources of both kinds."""
    low, span, steep, centre, field, power = (c[f"weight_{i}"] for i in range(6))
    erf = jax.scipy.special.erf(steep * (jnp.log(energy) - centre))
    share = low + span * erf * (1.0 - 1.0 / (1.0 + (c["drift_field"] / field) ** power))
    g, b = gamma(energy, c), beta(energy, c)
    return Quanta(*(share * of_g + (1.0 - share) * of_b for of_g, of_b in zip(g, b)))


def _between(field: Number, low: Number, high: Number, scale: Number, power: Number) -> Number:
    """low + (high - low) / (1 + (field/scale)^power)"""
    return low + (high - low) * jax.scipy.special.expit(-power * jnp.log(field / scale))


def _electronic(energy: Number, charge: Number, total: Number, x: Number) -> Quanta:
    electrons = jnp.maximum(charge * energy, 0.0)
    return Quanta(electrons + jnp.maximum(total - electrons, 0.0), electrons, x)


def _density_factor(density: Number) -> Number:
    """1 at 2.9 g/cm3"""
    dielectronic = (1.0 / 2.9) ** 0.3 * (1.0 / 2.9) ** 1.4
    normal = (1.0 / 2.9) ** -1.7 / jnp.log10(1.0 + dielectronic * 2.9**1.7)
    return normal * jnp.log10(1.0 + dielectronic * density**1.7) * density**-1.7
