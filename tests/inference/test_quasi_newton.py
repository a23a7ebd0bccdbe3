"""BFGS against Newton on models that both can do."""

import numpy as np
import pytest

import neyman as ny
from neyman.inference import quasi_newton
from neyman.inference.newton import minimise
from neyman.likelihoods.counting import CountingModel, counting
from neyman.model import Data
from neyman.status import Status


class Dear(CountingModel):
    """The same model, whose Hessian nobody may ask for."""

    @property
    def eager(self) -> bool:
        return False

    @property
    def dear(self) -> bool:
        return True

    def main_derivatives(self, theta, main):
        raise AssertionError("a dear Hessian was asked for")


def pair(signal, background, effects, n, **bounds):
    plain = counting(signal, background, effects, **bounds)
    fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    data = Data(np.array(n, dtype=float), np.zeros(len(effects)))
    return ny.compiled(plain.observe(data)), ny.compiled(Dear(**fields).observe(data))


CASES = {
    "interior": pair([5.0, 3.0], [20.0, 50.0], [[0.1, -0.2], [0.05, 0.3]], [30, 52]),
    "at its bound": pair([5.0, 3.0], [20.0, 50.0], [[0.1, -0.2]], [8, 35], bounds=(0.0, 10.0)),
    "large counts": pair([5e3, 3e3], [2e5, 5e5], [[0.1, -0.02]], [213_000, 513_000]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_minimum_and_covariance(name):
    plain, dear = CASES[name]
    expected, found = ny.fit(plain), ny.fit(dear)
    assert found.status.severity == expected.status.severity
    np.testing.assert_allclose(
        found.values, expected.values, atol=2e-4 * np.nanmax(expected.errors)
    )
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-5)
    assert found.twice_nll == pytest.approx(expected.twice_nll, abs=1e-6)


@pytest.mark.parametrize("name", ["interior", "large counts"])
def test_profiles_and_limits(name):
    plain, dear = CASES[name]
    assert ny.scan(dear, "mu").delta_twice_nll == pytest.approx(
        ny.scan(plain, "mu").delta_twice_nll, abs=2e-5
    )
    expected, found = (ny.upper_limit(like, "mu", null="asymptotic") for like in (plain, dear))
    assert found.observed == pytest.approx(expected.observed, rel=1e-4)


def test_a_near_hessian_saves_gradients(monkeypatch):
    _, dear = CASES["interior"]
    free = ~dear.parameters.fixed
    cold = minimise(dear, dear.parameters.init, free)
    calls = []
    evaluate = quasi_newton.evaluate
    monkeypatch.setattr(
        quasi_newton, "evaluate", lambda like, theta: calls.append(0) or evaluate(like, theta)
    )
    moved = np.asarray(cold.theta) + 0.05
    warm = minimise(dear, moved, free, np.asarray(cold.derivatives.hessian))
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-4)
    assert len(calls) <= 6


def test_a_value_that_is_not_finite_is_a_status():
    _, dear = CASES["interior"]
    found = minimise(dear, np.full(len(dear.parameters), np.nan), ~dear.parameters.fixed)
    assert int(found.status) == Status.NOT_FINITE
