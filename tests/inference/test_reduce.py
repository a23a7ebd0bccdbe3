"""Closed forms: a linear Gaussian search whose nuisances a linear Gaussian calibration measured.

The search is x ~ N(mu a + eta d, Sigma) with eta ~ N(eta^, V) from the calibration. Then

    error(mu; K)^2 = 1/(a^T W a),   W = (Sigma + d^T A_K A_K^T d)^-1,   V = A A^T

where A_K has the components that float: the textbook's generalised least squares.
"""

import numpy as np
import pytest

import neyman as ny
from neyman.inference.fit import fit
from neyman.inference.reduce import reduce, reparametrise
from neyman.inference.sampling.posterior import posterior_of
from neyman.likelihoods.counting import counting, gaussian
from neyman.likelihoods.load import load
from neyman.model import Data
from neyman.results import Reduction, load_result
from neyman.status import InputError, Status

A = np.array([1.0, 0.7, 0.2, 0.4])
SIGMA = np.diag([0.5, 0.8, 0.6, 0.9])
D = np.array([[0.5, 0.1, -0.3, 0.2], [0.9, 0.4, 0.1, -0.6], [-0.2, 0.3, 0.7, 0.1]])
CALIBRATED = np.array([[1.0, 0.8, 0.1], [0.3, -0.2, 0.9], [0.2, 0.1, -0.4]])
NAMES = ("theta[0]", "theta[1]", "theta[2]")


@pytest.fixture(scope="module")
def calibration():
    """Its fit; mu is no parameter of it but held."""
    model = gaussian([0.0, 0.0, 0.0], 0.05 * np.eye(3), CALIBRATED.tolist())
    like = model.observe(Data(np.array([0.3, -0.2, 0.4]), np.array([0.1, 0.0, -0.2])))
    return fit(like, fix={"mu": 0.0})


@pytest.fixture(scope="module")
def search():
    model = gaussian(A.tolist(), SIGMA, D.tolist())
    return model.observe(Data(np.array([1.4, 0.6, 0.5, 0.9]), np.array([0.1, 0.0, -0.2])))


def covariance(calibration):
    return calibration.covariance[1:, 1:]


def closed(matrix):
    """The error of mu by generalised least squares, eta = eta^ + matrix z."""
    shift = D.T @ matrix
    weight = np.linalg.inv(SIGMA + shift @ shift.T)
    return 1.0 / np.sqrt(A @ weight @ A)


def test_components_are_those_of_the_covariance(calibration, search):
    found = reduce(search, calibration, 3, by="variance").reduction
    full = found.matrix(3)
    np.testing.assert_allclose(full @ full.T, covariance(calibration), rtol=1e-10)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(3), atol=1e-12)
    values = np.linalg.eigvalsh(covariance(calibration))[::-1]  # the widths are 1
    np.testing.assert_allclose(found.variances, values, rtol=1e-10)
    assert found.fraction == pytest.approx(1.0)


@pytest.mark.parametrize("by", ["impact", "variance"])
def test_errors_are_those_of_least_squares(calibration, search, by):
    found = reduce(search, calibration, 2, by=by).reduction
    expected = [closed(found.matrix(3)[:, :n]) for n in range(4)]
    np.testing.assert_allclose(found.poi_errors, expected, rtol=1e-8)
    assert found.loss == pytest.approx(1 - expected[2] / expected[3], abs=1e-9)


@pytest.mark.parametrize("k", range(4))
def test_a_fit_of_k_components_has_the_error_that_was_told(calibration, search, k):
    like, found = reduce(search, calibration, k)
    best = fit(like)
    assert best["mu"].error == pytest.approx(found.poi_errors[k], rel=1e-7)
    assert like.parameters.names == ("mu", "pc1", "pc2", "pc3")[: k + 1]
    shift = D.T @ found.matrix()
    weight = np.linalg.inv(SIGMA + shift @ shift.T)
    residual = search.data.main - found.best @ D
    assert best["mu"].value == pytest.approx(A @ weight @ residual / (A @ weight @ A), rel=1e-7)


def test_all_components_are_the_joint_fit(calibration, search):
    """With Gaussian likelihoods nothing is lost: mu as in calibration + search."""
    model = gaussian([0.0, 0.0, 0.0], 0.05 * np.eye(3), CALIBRATED.tolist())
    seen = model.observe(Data(np.array([0.3, -0.2, 0.4]), np.array([0.1, 0.0, -0.2])))
    together = fit(search + seen)
    reduced = fit(reduce(search, calibration, 3).likelihood)
    assert reduced["mu"].value == pytest.approx(together["mu"].value, rel=1e-7)
    assert reduced["mu"].error == pytest.approx(together["mu"].error, rel=1e-7)


def test_impacts_are_what_refits_say(calibration, search):
    like, found = reduce(search, calibration, 3)
    base = fit(like, fix={"pc1": 0.0, "pc2": 0.0, "pc3": 0.0})["mu"].value
    for j in range(3):
        held = {f"pc{i + 1}": float(i == j) for i in range(3)}
        assert fit(like, fix=held)["mu"].value - base == pytest.approx(found.impacts[j], rel=1e-6)
    assert np.all(np.diff(np.abs(found.impacts)) <= 0)


def test_impact_and_variance_can_disagree():
    """What the search does not see is the widest: by impact it comes last."""
    names = {"theta[0]": "wide", "theta[1]": "seen"}
    calibration = gaussian([0.0, 0.0], np.diag([9.0, 0.2]), np.eye(2).tolist()).rename(names)
    found = fit(calibration.observe(Data(np.zeros(2), np.zeros(2))), fix={"mu": 0.0})
    model = gaussian([1.0, 0.5], np.eye(2), [[0.0, 0.0], [1.0, 0.0]]).rename(names)
    search = model.observe(Data(np.array([1.0, 1.0]), np.zeros(2)))
    for by, first in (("variance", "wide"), ("impact", "seen")):
        row = reduce(search, found, 1, by=by).reduction.components[0]
        assert abs(row[("wide", "seen").index(first)]) == pytest.approx(1.0)
    by_impact, by_variance = (
        reduce(search, found, 1, by=b).reduction for b in ("impact", "variance")
    )
    assert by_impact.loss == pytest.approx(0.0, abs=1e-12)
    assert by_variance.loss > 0.05


def test_units_decide_nothing():
    """A parameter in other units gives the same components, in its constraint's width."""
    lists = []
    for scale in (1.0, 1000.0):
        model = load(workspace(scale))
        calibration = fit(
            load(workspace(scale, signal=0.0, observed=[820.0, 540.0])), fix={"mu": 0.0}
        )
        found = reduce(model, calibration, 1).reduction
        lists.append((np.abs(found.components), found.variances, found.poi_errors))
    for one, other in zip(*lists):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def workspace(scale=1.0, signal=5.0, observed=(60.0, 45.0)):
    """One channel, lumi measured as scale +- 0.02 scale, one shape and a free normalisation."""
    size = 1.0 if signal else 10.0
    yields = np.array([50.0, 40.0]) * size
    shape = {"lo_data": (yields * [0.9, 1.05]).tolist(), "hi_data": (yields * [1.1, 0.95]).tolist()}
    samples = [
        ("signal", [signal, 2 * signal], [("mu", "normfactor", None)]),
        (
            "background",
            (yields / scale).tolist(),
            [("lumi", "lumi", None), ("shape", "histosys", scaled(shape, 1 / scale))],
        ),
    ]
    config = {"name": "lumi", "auxdata": [scale], "sigmas": [0.02 * scale], "inits": [scale]}
    config["bounds"] = [[0.5 * scale, 1.5 * scale]]
    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": name,
                        "data": data,
                        "modifiers": [{"name": n, "type": t, "data": d} for n, t, d in modifiers],
                    }
                    for name, data, modifiers in samples
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [*observed]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [config]}}],
        "version": "1.0.0",
    }


def scaled(shape, factor):
    return {key: [value * factor for value in values] for key, values in shape.items()}


def test_a_binned_search_with_its_calibration():
    """All components against the joint fit, which is not Gaussian: 1 % of the error."""
    search = load(workspace())
    control = load(workspace(signal=0.0, observed=[820.0, 540.0]))
    calibration = fit(control, fix={"mu": 0.0})
    like, found = reduce(search, calibration, 2)
    assert like.parameters.names == ("mu", "pc1", "pc2")
    assert like.model.eager
    joint, reduced = fit(search + control), fit(like)
    assert reduced["mu"].error == pytest.approx(joint["mu"].error, rel=0.01)
    assert reduced["mu"].value == pytest.approx(joint["mu"].value, abs=0.05 * joint["mu"].error)
    limit = ny.upper_limit(like, null="asymptotic")
    assert not limit.status.failed
    fewer, one = reduce(search, calibration, 1)
    assert fit(fewer)["mu"].error == pytest.approx(one.poi_errors[1], rel=0.01)
    assert one.poi_errors[1] < found.poi_errors[2]


def test_toys_and_posteriors_read_components_as_measured(calibration, search):
    like, _ = reduce(search, calibration, 2)
    assert like.model.auxiliary.names == ("pc1", "pc2")
    assert posterior_of(like).constrained == (False, True, True)
    toys = ny.coverage(like.model, "mu", at={"mu": [1.0]}, toys=2_000, key=1, level=0.6827)
    assert toys.values[0, 0] == pytest.approx(0.6827, abs=4 * np.sqrt(0.6827 * 0.3173 / 2_000))


def test_a_reduction_is_saved_and_applied_to_other_data(calibration, search, tmp_path):
    like, found = reduce(search, calibration, 2)
    found.save(tmp_path / "reduction.json")
    again = load_result(tmp_path / "reduction.json")
    assert isinstance(again, Reduction)
    assert again.summary() == found.summary()
    assert "loss" not in found.to_json() and '"fraction"' in found.to_json()
    theta = np.array([1.1, 0.3, -0.4])
    assert float(reparametrise(search, again).log_prob(theta)) == float(like.log_prob(theta))


def test_parameters_stop_at_their_bounds(calibration, search):
    like, _ = reduce(search, calibration, 1)
    far = np.array([1.0, 1e4])
    inside = like.model.inside(far)
    p = search.parameters
    assert np.all((inside >= p.lower) & (inside <= p.upper))
    assert np.isfinite(like.log_prob(far))
    assert like.derivatives(far).gradient[1] == pytest.approx(far[1])  # the measurement's alone


def test_what_has_no_error_in_the_calibration_is_kept(search):
    model = gaussian([0.0, 0.0, 0.0], 0.05 * np.eye(3), CALIBRATED.tolist())
    seen = model.observe(Data(np.array([0.3, -0.2, 0.4]), np.array([0.1, 0.0, -0.2])))
    calibration = fit(seen, fix={"mu": 0.0, "theta[2]": 0.1})
    like, found = reduce(search, calibration, 2)
    assert like.parameters.names == ("mu", "theta[2]", "pc1", "pc2")
    assert like.model.auxiliary.names == ("theta[2]", "pc1", "pc2")
    assert found.status is Status.SUSPICIOUS_INPUT
    assert "theta[2]" in found.message


def test_a_flat_poi_is_said(calibration):
    model = gaussian([0.0] * 4, SIGMA, D.tolist())
    search = model.observe(Data(np.array([1.4, 0.6, 0.5, 0.9]), np.array([0.1, 0.0, -0.2])))
    found = reduce(search, calibration, 2).reduction
    assert found.status is Status.FLAT_DIRECTION
    assert np.all(np.isnan(found.impacts)) and np.isnan(found.loss)
    assert np.all(np.diff(found.variances) <= 0)


def without_model(search):
    return posterior_of(search)


def moved(search):
    return search.model.observe(search.data._replace(auxiliary=search.data.auxiliary + 0.5))


HOSTILE = {
    "another likelihood's names": (lambda s: s.prefix("B_"), {}, "shares no parameter"),
    "k below 0": (lambda s: s, {"k": -1}, "give 0 to 3"),
    "k above n": (lambda s: s, {"k": 4}, "give 0 to 3"),
    "an unknown ranking": (lambda s: s, {"by": "size"}, "known are"),
    "an unknown poi": (lambda s: s, {"poi": "nu"}, "known are"),
    "no model": (without_model, {"poi": "mu"}, "has no model"),
    "measured otherwise": (moved, {}, "measured as 0.6 +- 1, in the calibration as 0.1 +- 1"),
    "a name that is taken": (lambda s: s.rename({"mu": "pc1"}), {}, "declared twice"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input(calibration, search, name):
    change, options, message = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        reduce(change(search), calibration, **{"k": 2, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_do_not_count_twice(search):
    with pytest.raises(InputError, match="count twice"):
        reduce(search, fit(search), 2)


def test_what_only_the_search_measures_is_refused():
    calibration = gaussian([0.0], [[0.1]], [[1.0]])
    found = fit(calibration.observe(Data(np.zeros(1), np.zeros(1))), fix={"mu": 0.0})
    unmeasured = found.__class__(
        **{**vars(found), "constrained": np.full(2, np.nan), "measured": np.full(2, np.nan)}
    )
    search = counting([1.0], [5.0], [[0.1]]).observe(Data(np.array([6.0]), np.zeros(1)))
    with pytest.raises(InputError, match="in the calibration not at all"):
        reduce(search, unmeasured, 1)
