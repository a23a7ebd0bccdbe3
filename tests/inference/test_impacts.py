"""Impacts against fits from scratch, and against the closed form of a linear Gaussian model."""

import numpy as np
import pytest

from neyman.inference import impacts as module
from neyman.inference.fit import fit
from neyman.inference.impacts import impacts
from neyman.likelihoods.load import load
from neyman.model import compiled
from neyman.results import Impacts, load_result
from neyman.status import InputError, Status

SHIFTS = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")


def workspace(samples: dict, observed: list[float], config: list[dict] | None = None, **options):
    """A one-channel workspace; samples: name -> (data, [(name, type, data), ...])."""
    return load(
        {
            "channels": [
                {
                    "name": "SR",
                    "samples": [
                        {
                            "name": name,
                            "data": data,
                            "modifiers": [
                                {"name": n, "type": t, "data": d} for n, t, d in modifiers
                            ],
                        }
                        for name, (data, modifiers) in samples.items()
                    ],
                }
            ],
            "observations": [{"name": "SR", "data": observed}],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": config or []}}],
            "version": "1.0.0",
        },
        **options,
    )


@pytest.fixture(scope="module")
def like():
    return workspace(
        {
            "signal": (
                [4.0, 9.0, 6.0],
                [("mu", "normfactor", None), ("theory", "normsys", {"hi": 1.2, "lo": 0.9})],
            ),
            "background": (
                [50.0, 30.0, 20.0],
                [
                    (
                        "shape",
                        "histosys",
                        {"hi_data": [52.0, 27.0, 21.0], "lo_data": [47.0, 33.0, 19.5]},
                    ),
                    ("k", "normfactor", None),
                    ("stat", "staterror", [3.0, 2.0, 1.0]),
                ],
            ),
            "rare": ([3.0, 8.0, 1.0], [("rate", "shapesys", [1.0, 2.0, 0.4])]),
        },
        [58.0, 52.0, 28.0],
    )


@pytest.fixture(scope="module")
def found(like) -> Impacts:
    return impacts(like)


def test_equal_to_fits_from_scratch(like, found):
    best = fit(like)
    assert set(found.names) == set(like.parameters.names) - {"mu"}
    assert found.best == pytest.approx(best["mu"].value, abs=1e-7)
    for k, name in enumerate(found.names):
        i = best.names.index(name)
        moves = dict(zip(SHIFTS, np.outer([best.errors[i], best.constrained[i]], [1, -1]).ravel()))
        for shift, delta in moves.items():
            value = getattr(found, shift)[k]
            if np.isnan(delta):
                assert np.isnan(value)
                continue
            expected = fit(like, fix={name: best.values[i] + delta})["mu"].value
            assert value == pytest.approx(expected - best["mu"].value, abs=2e-6)


def test_pulls_and_constraints(like, found):
    best = fit(like)
    for k, name in enumerate(found.names):
        i = best.names.index(name)
        if name == "k":
            assert np.isnan(found.pulls[k]) and np.isnan(found.constraints[k])
            assert np.isnan(found.prefit_up[k])
        else:
            pull = (best.values[i] - best.measured[i]) / best.constrained[i]
            assert found.pulls[k] == pytest.approx(pull, abs=1e-5)
            assert found.constraints[k] == pytest.approx(best.errors[i] / best.constrained[i])
    size = np.maximum(np.abs(found.postfit_up), np.abs(found.postfit_down))
    assert np.all(np.diff(size) <= 0)


def test_closed_form_of_a_linear_gaussian_model():
    """Counts so large that Poisson is Gaussian, and variations that are linear."""
    s, b = np.array([1e6, 4e6]), np.array([9e8, 16e8])
    d, e = np.array([2e4, -1e4]), np.array([1e4, 5e4])

    def shape(shift):
        return {"hi_data": (b + shift).tolist(), "lo_data": (b - shift).tolist()}

    n = b + 0.5 * s + 0.7 * d - 0.2 * e
    like = workspace(
        {
            "signal": (s.tolist(), [("mu", "normfactor", None)]),
            "background": (
                b.tolist(),
                [("one", "histosys", shape(d)), ("two", "histosys", shape(e))],
            ),
        },
        n.tolist(),
        histosys_code="0",
    )
    J = np.array([s, d, e]).T
    precision = (J.T / n) @ J + np.diag([0.0, 1.0, 1.0])
    C = np.linalg.inv(precision)
    # theta^ = C (J^T (n - b)/n + constraints at 0)
    theta = C @ ((J.T / n) @ (n - b))
    found = impacts(like)
    assert found.best == pytest.approx(theta[0], rel=1e-3)
    assert found.error == pytest.approx(np.sqrt(C[0, 0]), rel=1e-3)
    for k, name in enumerate(found.names):
        j = {"one": 1, "two": 2}[name]
        post, pre = C[0, j] / np.sqrt(C[j, j]), C[0, j] / C[j, j]
        assert found.pulls[k] == pytest.approx(theta[j], rel=2e-3)
        assert found.constraints[k] == pytest.approx(np.sqrt(C[j, j]), rel=1e-3)
        got = [getattr(found, shift)[k] for shift in SHIFTS]
        np.testing.assert_allclose(got, [post, -post, pre, -pre], rtol=3e-3)


def test_an_impact_does_not_depend_on_the_others(like, found):
    some = impacts(like, "mu", parameters=["theory", "shape"])
    assert set(some.names) == {"theory", "shape"}
    for k, name in enumerate(some.names):
        i = found.names.index(name)
        for shift in SHIFTS:
            assert getattr(some, shift)[k] == pytest.approx(getattr(found, shift)[i], abs=1e-6)


def test_another_parameter_of_interest(like):
    found = impacts(like, "k", parameters=["mu"])
    assert found.poi == "k" and found.names == ("mu",)
    assert found.postfit_up[0] < 0 < found.postfit_down[0]
    assert np.isnan(found.pulls[0])


def test_compiled_likelihoods_give_the_same(like, found):
    other = impacts(compiled(like), parameters=["theory"])
    i = found.names.index("theory")
    assert other.postfit_up[0] == pytest.approx(found.postfit_up[i], abs=1e-6)


def test_fixed_and_flat_parameters_are_left_out_and_counted():
    both = [("k1", "normfactor", None), ("k2", "normfactor", None)]
    like = workspace(
        {
            "signal": ([5.0, 1.0], [("mu", "normfactor", None)]),
            "background": ([10.0, 20.0], both),
            "rare": ([2.0, 2.0], [("lumi", "lumi", None)]),
        },
        [16.0, 22.0],
        [
            {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "inits": [1.0], "fixed": True,
             "bounds": [[0.5, 1.5]]},
        ],
    )  # fmt: skip
    found = impacts(like)
    assert found.names == ()
    assert found.status is Status.FLAT_DIRECTION
    places = [note.place for note in found.notes]
    assert any("1 nuisance parameters fixed left out (lumi)" in place for place in places)
    assert any("2 nuisance parameters without an error left out (k1, k2)" in p for p in places)


def test_a_bound_ends_the_move_and_is_told():
    like = workspace(
        {
            "signal": ([2.0, 6.0], [("mu", "normfactor", None)]),
            "fakes": ([3.0, 1.0], [("fake", "shapesys", [2.9, 0.97])]),
        },
        [1.0, 2.0],
    )
    found = impacts(like)
    assert found.status is Status.AT_BOUND
    assert any("moved to a bound only" in note.place for note in found.notes)
    assert np.all(np.isfinite(found.postfit_down))


def test_a_refit_that_fails_is_nan_and_a_status(like, found, monkeypatch):
    best, calls = module.best, []

    def failing(*arguments):
        calls.append(arguments)
        result = best(*arguments)
        return result if len(calls) != 2 else result._replace(status=int(Status.NOT_CONVERGED))

    monkeypatch.setattr(module, "best", failing)
    broken = impacts(like, parameters=["theory"])
    assert np.isnan(broken.postfit_up[0])
    assert broken.status is Status.NOT_CONVERGED
    assert "1 of 4 refits, theory = " in broken.message
    i = found.names.index("theory")
    assert broken.postfit_down[0] == pytest.approx(found.postfit_down[i], abs=1e-6)
    assert '"postfit_up":null' in broken.to_json().replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"poi": "nu"}, "parameter 'nu'"),
        ({"parameters": ["thoery"]}, "thoery.*theory"),
        ({"parameters": ["mu"]}, "is the one of interest"),
    ],
)
def test_bad_input(like, arguments, match):
    with pytest.raises(InputError, match=match):
        impacts(like, **arguments)


def test_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "impacts.json")
    again = load_result(tmp_path / "impacts.json")
    assert isinstance(again, Impacts)
    assert again.names == found.names and again.notes == found.notes
    for name in ("values", "pulls", *SHIFTS):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert again.to_json() == found.to_json()
    assert found.names[0] in found.summary()
