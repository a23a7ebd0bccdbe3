"""The quanta matrix against nestpy's draws, and rates and mu against the prototype's."""

import json

import numpy as np
import pytest
import scipy.special

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon.constants import constants_of
from neyman.likelihoods.xenon.quanta import quanta_matrix
from neyman.likelihoods.xenon.signals import charge, density, light, within
from neyman.likelihoods.xenon.skew_normal import cdf
from neyman.likelihoods.xenon.source import RECOILS
from neyman.likelihoods.xenon.windows import Window, size_of, windows

KINDS = {"NR": "nr", "beta": "er"}
MOST = 100
"""Detected photons counted."""


@pytest.mark.parametrize("shape", [-22.0, -2.25, -0.5, 0.0, 0.3, 1.0, 1.39, 2.25, 8.0])
def test_the_skew_normal_is_scipys(shape):
    t = np.linspace(-12.0, 12.0, 1001)
    exact = scipy.special.ndtr(t) - 2.0 * scipy.special.owens_t(t, shape)
    np.testing.assert_allclose(cdf(jnp.asarray(t), jnp.asarray(shape)), exact, atol=1e-13)


def as_arrays(constants):
    return {name: jnp.asarray(float(value)) for name, value in constants.items()}


@pytest.mark.parametrize("interaction", KINDS)
def test_quanta_are_nests(shared_data, interaction):
    """Every keV to 20, means to 1e-3 and widths to 1 %, and 4 standard errors of 1e5 draws more.

    Each of 240 comparisons is a false alarm at most once in 16,000.
    """
    nest = json.loads((shared_data / "xenon" / "nest_mc.json").read_text())
    recoil, head = RECOILS[KINDS[interaction]], constants_of("nest_head")
    rows, constants = [], []
    for row in nest["rows"]:
        if row["interaction"] == interaction:
            c = head if row["widths"] == "default" else constants_of("flamedisx")
            c = c | {"clamped": 1.0, "nr_scale": head["nr_scale"]}
            constants.append(
                as_arrays(c | {"drift_field": row["field"], "density": nest["density"]})
            )
            rows.append(row)
    energies = [np.array([float(row["E"])]) for row in rows]
    needs = [windows(recoil, e, c) for e, c in zip(energies, constants)]
    cells = [(n.electrons, n.ions * n.stride, n.others) for n in needs]
    window = Window(*np.max(cells, axis=0).tolist())
    sizes = [size_of(recoil, e, c) for e, c in zip(energies, constants)]
    shape = tuple(np.max(sizes, axis=0).tolist())
    matrix = jax.jit(lambda e, c: quanta_matrix(recoil, ((e, jnp.ones(1), window),), shape, c))
    for row, energy, c in zip(rows, energies, constants, strict=True):
        q = np.asarray(matrix(energy, c))
        assert q.sum() == pytest.approx(1.0, abs=1e-10)
        assert q.min() > -1e-20
        for axis, name in ((1, "e"), (0, "ph")):
            p, n = q.sum(axis=axis), np.arange(q.shape[1 - axis])
            mean = p @ n
            sd = np.sqrt(p @ n**2 - mean**2)
            error = row[f"std_{name}"] / np.sqrt(nest["N"])
            assert abs(mean - row[f"mean_{name}"]) < 1e-3 * mean + 4 * error
            assert sd == pytest.approx(row[f"std_{name}"], rel=0.01 + 4 / np.sqrt(2 * nest["N"]))
    assert len(rows) == 60


def test_rates_and_mu_are_the_prototypes(shared_data):
    golden = np.load(shared_data / "xenon" / "golden_nr.npz", allow_pickle=False)
    detector = json.loads(str(golden["detector"]))
    names = {
        "drift_field": "drift_field",
        "density": "density",
        "g1": "g1",
        "extraction": "extraction_eff",
        "spe_res": "spe_res",
        "spe_eff": "spe_eff",
        "n_pmts": "num_pmts",
        "double_pe": "double_pe_fraction",
        "s1_gain": "s1_mean_mult",
        "s1_noise": "S1_noise",
        "s2_noise": "S2_noise",
        "electron_gain": "electron_gain_mean",
        "s2_fano": "s2Fano",
        "g1_gas": "g1_gas",
    }
    c = constants_of("flamedisx") | {ours: detector[theirs] for ours, theirs in names.items()}
    c["electron_lifetime"] = detector["elife"] / 1000.0
    c = as_arrays(c | {f"coincidence_{i}": v for i, v in enumerate(detector["coin_table"])})
    nr, energies = RECOILS["nr"], golden["energies"]
    shape = size_of(nr, energies, c)
    panel = jnp.asarray(energies), jnp.asarray(golden["rates"]), windows(nr, energies, c)
    quanta = quanta_matrix(nr, (panel,), shape, c)

    def contracted(s1, s2, time):
        one = jnp.ones(len(time))
        a = light(s1, one, shape[1], MOST, c)
        return jnp.sum((charge(s2, one, jnp.asarray(time), shape[0], c) @ quanta) * a, axis=1)

    s1, s2 = (density(jnp.asarray(golden[f"default_{k}"])) for k in ("s1", "s2"))
    rates = contracted(s1, s2, golden["default_drift_time"] / 1000.0)
    np.testing.assert_allclose(rates, golden["default_dR_ds1_ds2_given_dt"], rtol=1e-6)

    x, w = np.polynomial.legendre.leggauss(12)
    ends = (detector["z_top"], detector["z_bottom"])
    low, high = ((detector["z_topDrift"] - z) / detector["drift_velocity"] / 1000 for z in ends)
    s1, s2 = (
        within(jnp.full(12, detector[f"{s}_min"]), jnp.full(12, detector[f"{s}_max"]))
        for s in ("S1", "S2")
    )
    mu = 0.5 * w @ np.asarray(contracted(s1, s2, low + (high - low) * (x + 1.0) / 2.0))
    assert mu == pytest.approx(float(golden["default_mu"]), rel=1e-7)
