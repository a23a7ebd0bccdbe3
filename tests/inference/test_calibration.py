"""Ranks whose distribution is known: right posteriors pass, planted faults are found, and the
power stated is the power there is."""

import contextlib

import numpy as np
import pytest
from scipy.stats import binomtest, gamma, kstest, norm

from neyman._jax import jax
from neyman.inference.calibrate import calibrate
from neyman.inference.calibration import ALARM, expected, power, quantities, rank_tests
from neyman.inference.calibration import width_and_shift as off_by
from neyman.inference.prior_predictive import prior_draw
from neyman.inference.ranks import calibrate_draws
from neyman.inference.toy_test import Workplace
from neyman.likelihoods.counting import counting, gaussian, on_off
from neyman.likelihoods.load import load
from neyman.model import Data
from neyman.results import load_result
from neyman.results.calibration import TESTS
from neyman.status import InputError, Status
from tests.contracts.models import WORKSPACE

N, L = 4_000, 99
EACH = ALARM / len(TESTS)


def ranks(rng, width=1.0, shift=0.0, n=N, n_draws=L):
    """Ranks of a posterior of a width and a shift, drawn without the posterior."""
    u = norm.cdf((rng.normal(size=n) - shift) / width)
    return (rng.binomial(n_draws, u) + 0.5) / (n_draws + 1) if n_draws else u


def found(u, n_draws=L):
    return bool(np.any(rank_tests(u, n_draws).p < EACH))


@pytest.mark.parametrize("n_draws", [1, 9, 99, 400])
def test_moments_of_whole_ranks(n_draws):
    """Closed forms against the sum over all ranks."""
    f = quantities((np.arange(n_draws + 1) + 0.5) / (n_draws + 1))
    right = expected(n_draws)
    np.testing.assert_allclose(right.mean, f.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(right.sd, f.std(axis=0), atol=1e-12)
    nearly = expected(n_draws, 1.0 + 1e-9, 0.0)  # by integrals over z
    np.testing.assert_allclose(nearly.mean, right.mean, atol=1e-7)


@pytest.mark.parametrize(("width", "shift"), [(0.9, 0.0), (1.0, 0.2)])
@pytest.mark.parametrize("n_draws", [0, L])
def test_planted_faults_are_found(width, shift, n_draws):
    """In 95 of 100 repeats at least; the power stated is 1.000."""
    rng = np.random.default_rng(1)
    hits = sum(found(ranks(rng, width, shift, n_draws=n_draws), n_draws) for _ in range(100))
    assert hits >= 95


def test_false_alarms():
    """At most 1 %: 1,000 repeats, and 10 + 4 standard errors = 22 at most."""
    rng = np.random.default_rng(2)
    alarms = sum(found(ranks(rng)) for _ in range(1_000))
    assert alarms <= 22


@pytest.mark.parametrize("n_draws", [0, L])
def test_power_is_what_simulation_finds(n_draws):
    """Each test of 500 data sets, 1,000 repeats: within 0.06."""
    rng = np.random.default_rng(3)
    for width, shift in ((0.9, 0.0), (1.0, 0.1)):
        repeats = [rank_tests(ranks(rng, width, shift, 500, n_draws), n_draws) for _ in range(1000)]
        z = np.array([np.abs(r.z) for r in repeats])
        stated = power(500, n_draws, 0.01, width, shift)
        np.testing.assert_allclose((z > norm.ppf(0.995)).mean(axis=0), stated, atol=0.06)


def test_power_of_the_literature():
    """A posterior 10 % too narrow at N = 200, 1,000 and 4,000 (measured, in
    shared/physics/reliability.md): by the second moment 0.26, 0.93, 1; by the coverage 0.29,
    0.89, 1."""
    stated = np.array([power(n, 0, 0.01, 0.9, 0.0) for n in (200, 1_000, 4_000)])
    np.testing.assert_allclose(stated[:, 1], [0.26, 0.93, 1.0], atol=0.02)
    np.testing.assert_allclose(stated[:, 4], [0.29, 0.89, 1.0], atol=0.03)


def test_coverage_p_values_are_binomial():
    u = np.array([0.01] * 8 + [0.5] * 92)
    tested = rank_tests(u, 0)
    assert tested.coverage[2] == 0.92
    one_sided = binomtest(92, 100, 0.95, alternative="less").pvalue
    np.testing.assert_allclose(tested.p[4], 2 * one_sided, rtol=1e-9)


def test_verdict():
    """The width and the shift are estimated, within 4 standard errors (0.013 and 0.018)."""
    rng = np.random.default_rng(4)
    width, shift = off_by(ranks(rng, 0.9, 0.2), L)
    assert abs(width - 0.9) < 0.05 and abs(shift - 0.2) < 0.07
    z = rng.normal(size=(N, 2))
    draws = z[:, None] + rng.normal(size=(N, L, 2)) * np.array([1.0, 0.8])
    result = calibrate_draws(np.zeros((N, 2)), draws, names=["right", "narrow"])
    assert result.status is Status.MISCALIBRATED and result.status.failed
    assert len(result.notes) == 1
    assert "narrow: posterior too narrow by about 2" in result.message
    assert "thin them" in result.message
    assert result.narrow[1] == pytest.approx(0.2, abs=0.05)
    assert result.power[0].max() > 0.999 and "1.000" in result.summary()


def conjugate(key, factor=1.0):
    """theta ~ N(0, 1), x ~ N(theta, 1): the posterior is N(x/2, 1/2)."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    theta = rng.normal()
    x = theta + rng.normal()
    return theta, x / 2 + factor * np.sqrt(0.5) * rng.normal(size=L)


def narrow(key):
    return conjugate(key, 0.7)


def broken(key):
    theta, draws = conjugate(key)
    if theta > 1.0:
        raise RuntimeError("the chain was lost")
    return theta, draws


def test_a_function_that_draws():
    """400 data sets, p > 1e-3 in each of five tests: a false alarm in 200 runs at most, on a seed
    that is fixed; a posterior 30 % too narrow is found."""
    right = calibrate(conjugate, sets=400, key=1, names=["theta"])
    assert right.p.min() > 1e-3 and right.status is Status.FINE
    assert right.n_draws == L and right.ranks.shape == (400, 1)
    wrong = calibrate(narrow, sets=400, key=1)
    assert wrong.status is Status.MISCALIBRATED
    assert "theta[0]: posterior too narrow by about" in wrong.message


def gaussian_posterior(key, like):
    """Of mu and theta: x ~ N(mu a + theta d, Sigma), m ~ N(theta, 1), flat priors."""
    design = np.array([[1.0, 0.5], [2.0, 0.1]])
    weights = design.T @ np.linalg.inv(np.array([[1.0, 0.3], [0.3, 2.0]]))
    covariance = np.linalg.inv(weights @ design + np.diag([0.0, 1.0]))
    measured = weights @ np.asarray(like.data.main) + [0.0, np.asarray(like.data.auxiliary)[0]]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return rng.multivariate_normal(covariance @ measured, covariance, size=L)


def test_a_model_with_a_constrained_parameter():
    """Truths from the priors, theta from its auxiliary measurement: exact posteriors pass."""
    model = gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]], bounds=(-200.0, 200.0))
    like = model.observe(Data(np.zeros(2), np.array([0.7])))
    result = calibrate(like, posterior=gaussian_posterior, sets=400, key=2)
    assert result.names == ("mu", "theta[0]")
    assert result.p.min() > 1e-3
    only = calibrate(like, posterior=gaussian_posterior, sets=50, key=2, names=["theta[0]"])
    np.testing.assert_array_equal(only.ranks[:, 0], result.ranks[:50, 1])


def gamma_posterior(key, like):
    """Of the mean of one Poisson count under a flat prior on (0, 1000)."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return rng.gamma(np.asarray(like.data.main)[0] + 1.0, size=(L, 1))


def test_a_counting_model():
    model = counting([1.0], [0.0], bounds=(0.0, 1000.0))
    like = model.observe(Data(np.array([3.0]), np.zeros(0)))
    assert calibrate(like, posterior=gamma_posterior, sets=400, key=3).p.min() > 1e-3


def test_prior_of_constrained_parameters():
    """Kolmogorov and Smirnov, 2,000 draws, p > 1e-3, against SciPy's densities."""
    like = load(WORKSPACE)
    rng = np.random.default_rng(5)
    draws = np.array([prior_draw(like, rng.random(8)) for _ in range(2_000)])
    p = like.parameters
    tau = 20.0**2 / 2.0**2
    for name, cdf in (
        ("theory", norm.cdf),
        ("lumi", lambda x: norm.cdf(x, 1.0, 0.02)),
        ("staterror_CR[0]", lambda x: norm.cdf(x, 1.0, 0.04)),
        ("gamma[0]", lambda x: gamma.cdf(x, tau + 1.0, scale=1.0 / tau)),
        ("mu", lambda x: x / 10.0),
    ):
        assert kstest(draws[:, p.index(name)], cdf).pvalue > 1e-3, name
    assert np.all((draws >= p.lower) & (draws <= p.upper))


def test_failures_are_counted_never_averaged_in():
    result = calibrate(broken, sets=200)
    assert 0 < result.failed < 100
    assert np.isnan(result.ranks).any(axis=1).sum() == result.failed
    assert f"{result.failed} of 200 posteriors: RuntimeError: the chain was lost" in result.message
    nothing = calibrate(lambda key: 1 / 0, sets=10)
    assert nothing.status is Status.EVERY_TOY_FAILED
    assert "ZeroDivisionError" in nothing.message


def test_resume_save_and_load(tmp_path):
    alone = calibrate(conjugate, sets=120, key=6)
    kept = tmp_path / "ranks"
    calibrate(conjugate, sets=120, key=6, workplace=Workplace(folder=kept))
    (kept / "00000001.npz").unlink()
    resumed = calibrate(conjugate, sets=120, key=6, workplace=Workplace(folder=kept))
    np.testing.assert_array_equal(resumed.ranks, alone.ranks)
    with pytest.raises(InputError, match="seed"):
        calibrate(conjugate, sets=120, key=7, workplace=Workplace(folder=kept))
    for b, match in ((0.0, None), (1.0, "another computation: likelihood")):
        like = counting([1.0], [b], bounds=(0.0, 9.0)).observe(Data(np.zeros(1), np.zeros(0)))
        place = Workplace(folder=tmp_path / "counts")
        with pytest.raises(InputError, match=match) if match else contextlib.nullcontext():
            calibrate(like, posterior=gamma_posterior, sets=5, workplace=place)
    alone.save(tmp_path / "calibration.json")
    again = load_result(tmp_path / "calibration.json")
    assert again.to_json() == alone.to_json()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: calibrate_draws(np.zeros(3), np.zeros((4, 9))), "shapes"),
        (lambda: calibrate_draws(np.zeros((3, 2)), np.zeros((3, 9, 1))), "shapes"),
        (lambda: calibrate_draws(np.zeros(3), np.zeros((3, 9)), names=["a", "b"]), "names"),
        (lambda: calibrate(conjugate, sets=0), "sets"),
        (lambda: calibrate(lambda key: (0.0, np.zeros((9, 2))), sets=5), "draws"),
        (lambda: calibrate(load(WORKSPACE), sets=5), "posterior"),
        (
            lambda: calibrate(
                on_off(tau=1.0).observe(Data(np.ones(2), np.zeros(0))), posterior=gamma_posterior
            ),
            "no proper prior",
        ),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()
