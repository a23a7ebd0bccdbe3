"""How quanta fluctuate around their means, by NEST.

With a = 1/(1 + x) the share of ions, f = Ne/Nq and r = max(0, 1 - (1 + x) f) the mean
recombination probability,

    nuclear:     ni ~ N(a Nq, Fi a Nq),  nex ~ N(a x Nq, Fx a x Nq), independent;  nq = ni + nex
    electronic:  nq ~ N(Nq, F Nq),  ni ~ Binomial(nq, a)
    both:        ne given ni ~ skew-normal, mean (1 - r) ni, variance r (1 - r) ni + omega^2 ni^2

all rounded to whole quanta; Gaussians below 0 count as 0, and ne is cut to 0 ... ni. (Measured:
the mean of excitons at 1 keV with Fx = 1 is 3.663 in nestpy 2.1.3; cutting gives 3.664, drawing
again 3.770.)
"""

from typing import NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.yields import Constants, Number, Quanta, work_function


class Fluctuations(NamedTuple):
    """The widths of one deposit; scalars."""

    fano: tuple[Number, ...]
    """(Fi, Fx) of a nuclear recoil, (F,) of an electronic one."""
    omega: Number
    """Fluctuation of the recombination probability."""
    skew: Number
    """Shape of the skew-normal."""


class Recombined(NamedTuple):
    """The skew-normal law of electrons given ions."""

    escape: Array | Number
    """1 - r"""
    location: Array | Number
    scale: Array | Number


def recombined(quanta: Quanta, f: Fluctuations, ions: Array | Number) -> Recombined:
    """The law for `ions` of any shape; fields of `quanta` and `f` are scalars, or of that shape."""
    escape = (1.0 + quanta.excitons_per_ion) * quanta.electrons / quanta.total
    escape = jnp.minimum(escape, 1.0)
    variance = escape * (1.0 - escape) * ions + (f.omega * ions) ** 2
    delta = f.skew / jnp.sqrt(1.0 + f.skew**2)
    scale = jnp.sqrt(jnp.maximum(variance, 1e-12) / (1.0 - 2.0 / np.pi * delta**2))
    return Recombined(escape, escape * ions - np.sqrt(2.0 / np.pi) * delta * scale, scale)


def of_nuclear(quanta: Quanta, c: Constants) -> Fluctuations:
    """Gaussian omega(f), constant Fano factors and skewness."""
    f = quanta.electrons / quanta.total
    pull = (f - c["nr_omega_centre"]) / c["nr_omega_width"]
    omega = c["nr_omega"] * jnp.exp(-0.5 * pull**2)
    skew = jnp.where(quanta.total < 1e4, c["nr_skew"], 0.0)
    return Fluctuations((c["nr_fano_ions"], c["nr_fano_excitons"]), omega, skew)


def of_electronic(quanta: Quanta, c: Constants) -> Fluctuations:
    """The Fano factor grows with the field; omega(f) is a skewed Gaussian; skewness by field."""
    return Fluctuations((_fano(quanta, c),), _omega(quanta, c), _skew(quanta, c))


def _fano(quanta: Quanta, c: Constants) -> Number:
    """`er_fano` where it is not 0, else the density's polynomial and the field's term."""
    rho = c["density"]
    free = 0.12707 - 0.029623 * rho - 0.0057042 * rho**2 + 0.0015957 * rho**3
    field = c["er_fano_field"] * jnp.sqrt(quanta.total * c["drift_field"])
    return jnp.where(c["er_fano"] > 0, c["er_fano"], free + field)


def _omega(quanta: Quanta, c: Constants) -> Number:
    size = 0.086036
    log_ratio = 251.6 * jnp.log(c["drift_field"] / 295.2)
    amplitude = size + (c["er_omega"] - size) * jnp.exp(-0.0069114 * jnp.logaddexp(0.0, log_ratio))
    centre, width, k = c["er_omega_centre"], c["er_omega_width"], c["er_omega_skew"]

    def shape(y: Number) -> Number:
        pull = (y - centre) / width
        return jnp.exp(-0.5 * pull**2) * (1.0 + jax.scipy.special.erf(k * pull / np.sqrt(2.0)))

    mode = centre + 2.0 / np.sqrt(2.0 * np.pi) * k * width / jnp.sqrt(1.0 + k**2)
    return amplitude * shape(quanta.electrons / quanta.total) / shape(mode)


def _skew(quanta: Quanta, c: Constants) -> Number:
    """`er_skew` scales NEST's skewness, which ends outside 50 to 2000 V/cm."""
    energy = work_function(c["density"]) * quanta.total
    field = c["drift_field"]
    turn = jax.scipy.special.expit((energy - 26.7) / 6.4)
    low = 1.39 + 4.0 * jnp.exp(-field / 225.0) * (1.0 - jnp.exp(-energy / 7.7))
    high = 22.1 * jnp.exp(-energy / 54.0) * jnp.exp(-jnp.sqrt(field / 71.0))
    inside = (field > 50.0) & (field < 2000.0) & (quanta.total < 1e4)
    return jnp.where(inside, c["er_skew"] * ((1.0 - turn) * low + turn * high), 0.0)
