"""Yields against the model, the closed form and Monte Carlo."""

import dataclasses

import numpy as np
import pytest

from neyman.inference.fit import fit
from neyman.inference.yields import by_sample, jacobian, yields
from neyman.likelihoods.load import load
from neyman.model import compiled
from neyman.results import Yields, load_result
from neyman.status import InputError, Status


def document(channels: dict, poi: str = "mu") -> dict:
    """channels: name -> (observed, {sample: (data, [(name, type, data), ...])})."""
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    {
                        "name": name,
                        "data": data,
                        "modifiers": [{"name": n, "type": t, "data": d} for n, t, d in modifiers],
                    }
                    for name, (data, modifiers) in samples.items()
                ],
            }
            for channel, (_, samples) in channels.items()
        ],
        "observations": [{"name": c, "data": row[0]} for c, row in channels.items()],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": []}}],
        "version": "1.0.0",
    }


K = ("k", "normfactor", None)
SCALE = ("scale", "normsys", {"hi": 1.05, "lo": 0.95})
SR = (
    [55.0, 38.0],
    {
        "signal": ([4.0, 9.0], [("mu", "normfactor", None)]),
        "background": ([50.0, 30.0], [K, ("stat", "staterror", [3.0, 2.0])]),
        "rare": ([3.0, 2.0], [SCALE]),
    },
)
CR = ([210.0, 141.0, 95.0], {"background": ([200.0, 150.0, 90.0], [K, SCALE])})


@pytest.fixture(scope="module")
def like():
    return load(document({"SR": SR, "CR": CR}))


@pytest.fixture(scope="module")
def found(like) -> Yields:
    return yields(like)


def test_totals_are_the_expected_counts(like, found):
    best = fit(like)
    np.testing.assert_allclose(found.postfit_total, like.model.expected_counts(best.values))
    np.testing.assert_allclose(found.prefit_total, like.model.expected_counts(like.parameters.init))
    np.testing.assert_allclose(found.postfit.sum(axis=1), found.postfit_total)
    np.testing.assert_allclose(found.prefit.sum(axis=1), found.prefit_total)
    np.testing.assert_array_equal(found.data, like.data.main)


def test_channels_and_samples_are_named(found):
    assert found.channels == ("CR", "SR") and found.bins == (3, 2)
    assert set(found.samples) == {"background", "rare", "signal"}
    table = dict(zip(found.samples, found.prefit.T))
    np.testing.assert_allclose(table["background"], [200, 150, 90, 50, 30])
    np.testing.assert_allclose(table["signal"], [0, 0, 0, 4, 9])
    np.testing.assert_allclose(table["rare"], [0, 0, 0, 3, 2])
    assert found.slices() == {"CR": slice(0, 3), "SR": slice(3, 5)}


def test_prefit_error_in_closed_form(found):
    """SR: stat and 5 % of rare; CR: 5 % of the background. Code 4's slope at 0 is log-odd."""
    slope = (np.log(1.05) - np.log(0.95)) / 2
    expected = [
        200 * slope,
        150 * slope,
        90 * slope,
        np.hypot(3, 3 * slope),
        np.hypot(2, 2 * slope),
    ]
    np.testing.assert_allclose(found.prefit_error, expected, rtol=2e-2)
    assert np.all(found.postfit_error > 0)


def test_postfit_error_against_monte_carlo(like):
    """A covariance so narrow that the model is linear in it; correlations matter."""
    best = fit(like)
    narrow = dataclasses.replace(best, covariance=1e-4 * best.covariance, errors=1e-2 * best.errors)
    error = yields(like, narrow).postfit_error
    draws = np.random.default_rng(0).multivariate_normal(best.values, narrow.covariance, 4000)
    counts = np.array([like.model.expected_counts(theta) for theta in draws])
    np.testing.assert_allclose(error, counts.std(axis=0), rtol=0.05)
    uncorrelated = np.sqrt(
        (jacobian(like.model, best.values, narrow.errors) ** 2) @ narrow.errors**2
    )
    assert np.any(np.abs(uncorrelated / error - 1) > 0.2)


def test_jacobian_is_the_derivative(like):
    theta = fit(like).values
    scale = np.full_like(theta, 0.1)
    J = jacobian(like.model, theta, scale)
    names = like.parameters.names
    _, table = by_sample(like.model, theta)
    assert J.shape == (5, len(names))
    k, mu = names.index("k"), names.index("mu")
    samples = by_sample(like.model, theta)[0]
    np.testing.assert_allclose(J[:, k], table[:, samples.index("background")] / theta[k])
    np.testing.assert_allclose(J[:, mu], [0, 0, 0, 4, 9], atol=1e-9)
    scale[k] = 0.0
    assert not jacobian(like.model, theta, scale)[:, k].any()


def test_compiled_likelihoods_give_the_same(like, found):
    other = yields(compiled(like), fit(like))
    np.testing.assert_allclose(other.postfit_error, found.postfit_error, rtol=1e-6)
    np.testing.assert_allclose(other.postfit, found.postfit, rtol=1e-6)


def test_parts_of_a_sum_with_the_fit_of_the_sum():
    a, b = load(document({"SR": SR})), load(document({"CR": CR}, poi=""))
    with pytest.raises(InputError, match=r"JointModel.*no yields.*fit="):
        yields(a + b)
    best = fit(a + b)
    both = yields(load(document({"SR": SR, "CR": CR})))
    np.testing.assert_allclose(yields(a, best).postfit_total, both.postfit_total[3:], rtol=1e-5)
    np.testing.assert_allclose(yields(b, best).postfit_error, both.postfit_error[:3], rtol=1e-4)
    with pytest.raises(InputError, match="has no parameter 'mu'"):
        yields(a, fit(b))


def test_parameters_at_a_bound_do_not_contribute():
    samples = {
        "signal": ([5.0], [("mu", "normfactor", None)]),
        "background": ([50.0], [SCALE]),
    }
    found = yields(load(document({"SR": ([30.0], samples)})))
    assert found.status is Status.AT_BOUND
    assert np.all(np.isfinite(found.postfit_error))


def test_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "yields.json")
    again = load_result(tmp_path / "yields.json")
    assert isinstance(again, Yields)
    assert again.bins == found.bins and again.slices() == found.slices()
    np.testing.assert_array_equal(again.postfit, found.postfit)
    assert again.to_json() == found.to_json()
    assert "CR[2]" in found.summary()
