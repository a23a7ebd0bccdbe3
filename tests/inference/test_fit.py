"""What a fit promises beyond its numbers: bounds kept, notes given, order without effect."""

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neyman as ny
from neyman.auxiliary import Auxiliary
from neyman.inference.fit import _elsewhere, fit
from neyman.inference.profile import Profile
from neyman.likelihoods.counting import counting
from neyman.model import Data, Model
from neyman.parameters import Parameter, Parameters
from neyman.status import Note, Status

NAMES = ("mu", "x")


class DoubleWell(Model):
    """-log p = (x^2 - 1)^2 + (mu/2 - 1/4) x + (mu - 2)^2/2: near mu = 2 there are two minima in x
    and the right one is the higher; from mu = 3.6 on there is the left one alone."""

    parameters: Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    poi: str | None = eqx.field(static=True, default="mu")
    notes: tuple[Note, ...] = eqx.field(static=True, default=())
    digest: str = eqx.field(static=True, default="")

    def main_log_prob(self, theta, main):
        mu, x = theta
        return -((x**2 - 1) ** 2) - (0.5 * mu - 0.25) * x - 0.5 * (mu - 2) ** 2 + 0.0 * main

    def main_sample(self, key, theta):
        raise NotImplementedError

    def main_expected(self, theta):
        raise NotImplementedError


def double_well():
    items = Parameter("mu", 2.0, (0.0, 10.0)), Parameter("x", 1.0, (-3.0, 3.0))
    parameters = Parameters(items)
    model = DoubleWell(parameters, Auxiliary.of(parameters, [], [], []))
    return ny.compiled(model.observe(Data(np.zeros(()), np.zeros(0))))


def test_a_lower_minimum_met_on_the_way_becomes_the_best_fit():
    profile = Profile(double_well(), "mu")
    assert profile.best.theta[1] > 0  # the start lies in the higher well
    assert profile.at(5.0).theta[1] < 0
    assert profile.twice_delta(3.6) >= 0.0
    assert profile.best.theta[1] < 0
    alone = fit(double_well(), init={"x": -1.0})
    assert 2 * profile.best.value == pytest.approx(alone.twice_nll, abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-6, 1e3), st.floats(-10, 10)), min_size=1),
    st.integers(0, 2),
)
def test_restarts_stay_within_the_bounds(drawn, attempt):
    items = [
        Parameter(f"p{i}", low + part * width, (low, low + width))
        for i, (low, width, part) in enumerate(drawn)
    ]
    parameters = Parameters(tuple(items))
    model = DoubleWell(parameters, Auxiliary.of(parameters, [], [], []))
    like = model.observe(Data(np.zeros(()), np.zeros(0)))
    free = np.ones(len(items), dtype=bool)
    moved = _elsewhere(like, parameters.init, free, attempt)
    assert np.all((moved >= parameters.lower) & (moved <= parameters.upper))


def test_a_value_held_outside_its_bounds_is_named():
    like = counting([1.0], [10.0], bounds=(0.0, 5.0)).observe(Data(np.array([12.0]), np.zeros(0)))
    notes = fit(like, fix={"mu": 7.0}).notes
    assert any(
        note.status is Status.SUSPICIOUS_INPUT and note.place.startswith("mu is held at 7")
        for note in notes
    )
    assert fit(like, fix={"mu": 5.0}).notes == ()


def test_compiled_and_eager_fits_agree():
    like = counting([1.0, 2.0], [10.0, 4.0], [[0.1, -0.3]]).observe(
        Data(np.array([14.0, 9.0]), np.array([0.2]))
    )
    eager, compiled = fit(like), fit(ny.compiled(like))
    np.testing.assert_allclose(compiled.values, eager.values, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(compiled.covariance, eager.covariance, rtol=1e-7)
