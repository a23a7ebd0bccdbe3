"""Mean yields against nestpy's, at low and high energies and fields, and their derivatives."""

import numpy as np
import pytest

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon.constants import constants_of, replaced
from neyman.likelihoods.xenon.source import RECOILS
from neyman.status import InputError

DENSITY = 2.888633638696888
ENERGIES = (0.3, 1.0, 3.0, 10.0, 30.0, 90.0)
FIELDS = (23.0, 158.92, 500.0, 1500.0)


@pytest.fixture(scope="module")
def nest():
    """(kind, energy, field) -> nestpy's yields."""
    nestpy = pytest.importorskip("nestpy")
    calculator = nestpy.NESTcalc(nestpy.detectors.VDetector())
    kinds = nestpy.interactions
    named = {"nr": kinds.NR, "er": kinds.beta, "gamma": kinds.gammaRay}

    def yields(kind, energy, field):
        if kind == "weighted":
            return calculator.GetYieldERWeighted(energy, DENSITY, field)
        return calculator.GetYields(named[kind], energy, DENSITY, field)

    return yields


@pytest.mark.parametrize("kind", RECOILS)
def test_mean_yields_are_nests(nest, kind):
    c = constants_of("nest_head") | {"density": DENSITY}

    def ours(energy, field):
        return RECOILS[kind].yields(energy, c | {"drift_field": field})

    grid = np.meshgrid(ENERGIES, FIELDS)
    quanta = jax.vmap(ours)(*(jnp.asarray(axis.ravel()) for axis in grid))
    for i, (energy, field) in enumerate(zip(*(axis.ravel() for axis in grid))):
        theirs = nest(kind, float(energy), float(field))
        photons = quanta.total[i] - quanta.electrons[i]
        assert quanta.electrons[i] == pytest.approx(theirs.ElectronYield, rel=1e-12)
        # NEST counts yields below one quantum as none.
        assert photons == pytest.approx(theirs.PhotonYield, rel=1e-11, abs=1.0)
        assert quanta.excitons_per_ion[i] == pytest.approx(theirs.ExcitonRatio, rel=1e-11)
        if theirs.PhotonYield > 1.0:
            assert photons == pytest.approx(theirs.PhotonYield, rel=1e-11)


@pytest.mark.parametrize("kind", RECOILS)
def test_means_and_widths_have_finite_derivatives(kind):
    """At 0.05 to 200 keV and 1 to 10,000 V/cm: 251.6 is a power of the field in omega."""
    recoil = RECOILS[kind]
    c = {k: jnp.asarray(v) for k, v in constants_of("nest_head").items()}
    c["density"] = jnp.asarray(DENSITY)

    def leaves(c, energy, field):
        quanta = recoil.yields(energy, c | {"drift_field": field})
        f = recoil.fluctuations(quanta, c | {"drift_field": field})
        return jnp.stack([*quanta, *f.fano, f.omega, f.skew])

    energies, fields = np.meshgrid(np.geomspace(0.05, 200.0, 9), np.geomspace(1.0, 1e4, 9))
    points = jnp.asarray(energies.ravel()), jnp.asarray(fields.ravel())
    values = jax.vmap(leaves, in_axes=(None, 0, 0))(c, *points)
    assert np.all(np.isfinite(values)) and np.all(np.asarray(values)[:, [0, 2, 3, -2]] > 0.0)
    derivatives = jax.jit(jax.vmap(jax.jacrev(leaves, argnums=(0, 2)), in_axes=(None, 0, 0)))
    for leaf in jax.tree.leaves(derivatives(c, *points)):
        assert np.all(np.isfinite(leaf))


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="nest_hea"):
        constants_of("nest_hea")
    with pytest.raises(InputError, match="nr_alpa"):
        replaced(constants_of("nest_head"), {"nr_alpa": 1.0})
    assert replaced(constants_of("nest_head"), {"nr_alpha": 1.0})["nr_alpha"] == 1.0
