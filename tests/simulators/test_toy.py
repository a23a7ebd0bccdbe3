"""The toy LHC search: a small one under every contract of models, the real one against golden
numbers."""

import json

import numpy as np
import pytest

import neyman as ny
from neyman._jax import jax, jnp
from neyman.inference.profile import Profile
from neyman.simulators.toy import toy_search
from neyman.status import InputError
from tests.contracts import test_models as contracts

LOG_PRIOR = -np.log(5.0)
"""Of mu in the golden log densities."""


def small():
    """6 bins in 2 categories."""
    rng = np.random.default_rng(3)
    arrays = {
        "observed": [40.0, 22.0, 9.0, 31.0, 12.0, 4.0],
        "signal": [1.0, 2.0, 3.0, 2.0, 5.0, 6.0],
        "background": [38.0, 21.0, 8.0, 30.0, 13.0, 5.0],
        "eps_mcstat": rng.uniform(0.02, 0.2, 6).tolist(),
    }
    for k in ("isr", "jes"):
        up = rng.uniform(0.95, 1.05, 6)
        arrays |= {f"kp_{k}": up.tolist(), f"km_{k}": (1.99 - up).tolist()}
    for k in ("isr", "jes", "lv", "cr"):
        arrays |= {f"Kp_{k}": rng.uniform(-0.1, 0.1, 2).tolist()}
        arrays |= {f"Km_{k}": rng.uniform(-0.1, 0.1, 2).tolist()}
    return {"n_categories": 2, "arrays": arrays}


def written(tmp_path, document):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def like(tmp_path):
    return toy_search(written(tmp_path, small()))


def test_value_and_derivatives_agree_with_differences(like):
    contracts.test_value_and_derivatives_agree_with_differences(like)


def test_same_key_same_sample(like):
    contracts.test_same_key_same_sample(like)


def test_mean_of_samples_is_the_asimov_data(like):
    """As in the contracts: a false alarm in 2e5 runs."""
    contracts.test_mean_of_samples_is_the_asimov_data(like)


def test_a_negative_yield_has_no_density_and_is_named(like):
    theta = like.parameters.vector({"mu": -1.0})
    theta[0] = -5.0
    assert like.log_prob(theta) == -np.inf
    assert "bin 2" in like.model.describe_nonfinite(theta, like.data)


def breaks(edit):
    document = small()
    edit(document)
    return document


DAMAGE = {
    "no arrays": (lambda d: d.pop("arrays"), "has no 'arrays'"),
    "a short array": (lambda d: d["arrays"]["signal"].pop(), "arrays.signal: is no list of 6"),
    "a missing array": (lambda d: d["arrays"].pop("Kp_lv"), "arrays.Kp_lv: is no list of 2"),
    "a string": (lambda d: d["arrays"].update(kp_isr=["1"] * 6), "arrays.kp_isr"),
    "categories": (lambda d: d.update(n_categories=4), "n_categories: does not divide"),
    "no yield left": (lambda d: d["arrays"].update(Km_cr=[-1.0, 0.0]), "arrays.Km_cr.*-1"),
    "negative counts": (lambda d: d["arrays"]["observed"].append(-1.0), "divide"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_documents_are_refused(tmp_path, case):
    edit, message = DAMAGE[case]
    with pytest.raises(InputError, match=message):
        toy_search(written(tmp_path, breaks(edit)))


@pytest.fixture(scope="module")
def golden(shared_data):
    return json.loads((shared_data / "surrogate" / "toy_lhc_golden.json").read_text())


@pytest.fixture(scope="module")
def search(shared_data):
    return toy_search(shared_data / "surrogate" / "toy_lhc.json")


def test_log_density(golden, search):
    like = ny.compiled(search)
    compiled = jax.jit(lambda t: like.log_prob(t))
    for point in golden["golden"]:
        x = np.array(point["x"])
        for value in (search.log_prob(x), compiled(jnp.asarray(x))):
            assert float(value) + LOG_PRIOR == pytest.approx(point["logprob"], rel=1e-13)
        total = search.model.expected_counts(x).sum()
        assert total == pytest.approx(point["sum_expected"], rel=1e-13)


def test_maximum_and_profile(golden, search):
    like = ny.compiled(search)
    best = ny.fit(like)
    assert -0.5 * best.twice_nll + LOG_PRIOR == pytest.approx(golden["logprob_max"], abs=1e-10)
    assert best["mu"].value == pytest.approx(golden["mu_hat"], abs=1e-7)
    assert best["mu"].error == pytest.approx(golden["hessian_sigma_mu"], rel=1e-7)
    profile = Profile(like, "mu")
    for mu in ("-0.9", "0.5", "1.0", "2.0"):
        assert profile.twice_delta(float(mu)) == pytest.approx(golden["tmu"][mu]["tmu"], abs=1e-6)


@pytest.mark.slow
def test_whole_profile(golden, search):
    profile = Profile(ny.compiled(search), "mu")
    for mu, found in golden["tmu"].items():
        assert profile.twice_delta(float(mu)) == pytest.approx(found["tmu"], abs=2e-5)


@pytest.mark.slow
def test_intervals(search):
    """160,000 draws: the ends within the figures of the issue, 3.5 errors or more."""
    found = ny.sample(ny.compiled(search), key=1, draws=10_000, chains=16)
    golden = [[-0.112, 0.584], [-0.470, 0.925], [-0.821, 1.246]]
    assert np.all(np.abs(found.hdi[0] - golden) < [[0.02], [0.02], [0.03]])
    assert np.nanmax(found.rhat) < 1.01
