"""Points that are left out and curves that end early are told."""

import numpy as np

import neyman as ny
from neyman._jax import jnp
from neyman.jobs.neighbourhood import conditional_maxima
from neyman.jobs.training_points import Layout, evaluated
from neyman.status import Note, Status


def half_known():
    """log L = -(mu^2 + nu^2)/2, NaN where mu > 1."""

    def log_prob(theta):
        value = -0.5 * jnp.sum(theta**2)
        return jnp.where(theta[0] > 1.0, jnp.nan, value)

    return ny.likelihood(log_prob, [ny.Parameter("mu", bounds=(-3.0, 3.0)), ny.Parameter("nu")])


def test_points_left_out_are_counted():
    mu = np.array([0.0, 2.0, 0.5, 2.0, 1.5, -1.0])
    theta = np.stack([mu, np.zeros(6)], axis=1)
    layout = Layout.of({"maximum": theta[:1], "tail": theta[1:4], "gaussian": theta[4:]})
    points = evaluated(half_known(), layout, None)
    assert len(points) == 3
    place = "3 of 6 points (2 of tail, 1 of gaussian)"
    assert points.notes == (Note(Status.POINTS_LEFT_OUT, place),)
    assert (points + points).notes == points.notes
    assert evaluated(half_known(), Layout.of({"maximum": theta[:1]}), None).notes == ()


def test_a_curve_that_ends_at_a_failed_fit():
    curve, notes = conditional_maxima(half_known(), "mu", np.zeros(2))
    mus = [float(found.theta[0]) for found in curve]
    assert mus[0] == -3.0 and 0.7 < mus[-1] <= 1.0
    (note,) = notes
    assert note.status is Status.CURVE_ENDS
    assert note.place == "mu = 1.25 (not_finite)"
