"""Surrogates that are learned, against what they are of: anchors, choice, export, refusals."""

import dataclasses

import numpy as np
import onnxruntime
import pytest

import neyman as ny
from neyman._jax import jax, jnp
from neyman.inference.profile import Profile
from neyman.likelihoods.counting import counting
from neyman.likelihoods.surrogate.assemble import assemble
from neyman.likelihoods.surrogate.curve import CURVE, curves_of, error_on_t
from neyman.likelihoods.surrogate.gaussian import gaussian_at_maximum, gaussian_of_values
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.network import Residual, Sobolev, held_within
from neyman.likelihoods.surrogate.points import Points
from neyman.likelihoods.surrogate.train import Settings, learn, least
from neyman.model import Data
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError

QUICK = Settings(weights=(1.0,), members=2, epochs=120, batch=128, width=32, rate=1e-2)
SEARCH = counting([4.0, 6.0], [9.0, 30.0], [[0.2, 0.1], [-0.1, 0.15]], bounds=(-0.8, 6.0))


def observed(counts=(16.0, 41.0), bounds=(-0.8, 6.0)):
    like = SEARCH.observe(Data(np.array(counts), np.zeros(2)))
    return ny.compiled(like.replace("mu", bounds=bounds))


def points_of(like, n=2500, poi="mu", seed=0):
    """The maximum, conditional maxima, and Gaussian points of several widths around them."""
    profile = Profile(like, poi)
    p = like.parameters
    best = np.asarray(profile.best.theta)
    values = np.linspace(max(p[poi].bounds[0], best[0] - 1.2), best[0] + 1.5, 13)
    curve = np.stack([np.asarray(profile.at(mu).theta) for mu in values])
    rng = np.random.default_rng(seed)
    around = curve[rng.integers(0, len(curve), n)] + rng.uniform(0, 1.3, (n, 1)) * rng.normal(
        size=(n, len(p))
    ) * np.where(p.fixed, 0.0, np.array([0.4, 1.0, 1.0])[: len(p)])
    theta = np.concatenate(
        [best[None], curve, np.clip(around, -2.0, 4.0 * (np.arange(len(p)) == 0) + 2.0)]
    )
    theta = np.clip(theta, p.lower, p.upper)
    value, slope = jax.vmap(jax.value_and_grad(like.log_prob))(jnp.asarray(theta))
    origin = np.repeat([0, 1, 2], [1, len(curve), n])
    return Points(
        p.names, theta, np.asarray(value), np.asarray(slope), origin,
        ("maximum", CURVE + poi, "around"),
    )  # fmt: skip


def surrogate_of(like, points, settings=QUICK, precision="float32"):
    learned = learn(like, points, like.parameters, key=jax.random.key(0), settings=settings)
    made = assemble(
        {"log_prob": learned}, points, like.parameters, like=like, poi="mu", precision=precision
    )
    return learned, made


@pytest.fixture(scope="module")
def search():
    like = observed()
    points = points_of(like)
    return like, points, *surrogate_of(like, points)


def test_the_profile(search):
    """t_mu of fits of the surrogate, up to 9, for an asymmetric likelihood of few events."""
    like, _, _, made = search
    surrogate = jax.tree.map(jnp.asarray, made.likelihood)
    exact, ours = Profile(like, "mu"), Profile(surrogate, "mu")
    off = [abs(exact.twice_delta(mu) - ours.twice_delta(mu)) for mu in np.linspace(0.2, 2.3, 8)]
    gaussian = gaussian_at_maximum(like, search[1])
    curve = curves_of(search[1], gaussian, like.parameters)
    nothing = jax.tree.map(jnp.zeros_like, search[2].head.residuals[0])
    nothing = held_within(nothing, gaussian.y(search[1].theta))
    without = np.abs(error_on_t((nothing,), gaussian, curve))
    assert np.max(off) < 0.02
    assert np.max(without) > 0.2  # what a Gaussian alone gives


def test_the_choice_is_by_the_error_of_fits(search):
    """The Newton step by which members are compared gives what fits of the surrogate give."""
    like, points, learned, made = search
    assert [c.name for c in learned.candidates] == [
        "weight 1, member 1", "weight 1, member 2", "mean of 2",
    ]  # fmt: skip
    errors = [c.error_on_t for c in learned.candidates]
    assert learned.candidates[int(np.argmin(errors))].name == learned.chosen
    surrogate = jax.tree.map(jnp.asarray, made.likelihood)
    exact, ours = Profile(like, "mu"), Profile(surrogate, "mu")
    values = points.theta[points.origin == 1, 0]
    off = [abs(exact.twice_delta(mu) - ours.twice_delta(mu)) for mu in values]
    kept = [exact.twice_delta(mu) <= 9.0 for mu in values]
    assert np.mean(np.array(off)[kept]) == pytest.approx(min(errors), rel=0.02)


def test_beyond_the_points_it_falls(search):
    """Along 300 rays, from 1.1 to 500 times the distance of the farthest point on: a network would
    have maxima of its own there, into which fits at a far mu fell."""
    _, points, _, made = search
    gaussian = gaussian_at_maximum(search[0], points)
    rays = np.random.default_rng(0).normal(size=(300, len(gaussian.slope)))
    rays *= made.card.domain.radius / np.linalg.norm(rays, axis=1, keepdims=True)
    far = np.geomspace(1.1, 500.0, 16)
    theta = gaussian.centre + (far[:, None, None] * rays) @ gaussian.to_theta
    value = jax.vmap(jax.vmap(made.likelihood.log_prob))(jnp.asarray(theta))
    assert np.all(np.diff(value, axis=0) < 0.0)
    assert np.all(value < points.log_prob.max() - 5.0)


def test_a_conditional_fit_far_beyond_the_points(search):
    """At five times the largest mu learned t is larger than anywhere among the points."""
    _, points, _, made = search
    profile = Profile(jax.tree.map(jnp.asarray, made.likelihood), "mu")
    best = profile.best_value
    t = [profile.twice_delta(mu) for mu in points.theta[:, 0].max() * np.array([1.0, 2.0, 5.0])]
    assert t[0] < t[1] < t[2]
    assert profile.best_value == best


@pytest.mark.parametrize("start", [0.0, -3.0], ids=["anchor at an end", "anchor inside"])
def test_nothing_changes_among_the_points(start):
    """Value and slope of a network of one direction; y = 0 may be the least of the points."""
    y = np.linspace(start, 4.0, 41, dtype=np.float32)[:, None]
    one = Residual(np.ones((1, 1)), np.ones(3), width=16, depth=2, key=jax.random.key(3))
    held = held_within(one, y)
    free, bounded = (jax.vmap(jax.value_and_grad(r))(jnp.asarray(y)) for r in (one, held))
    jax.tree.map(np.testing.assert_array_equal, free, bounded)
    beyond = [float(held(jnp.float32([far]))) for far in (4.1, 9.0, 1e4)]
    assert beyond[0] == pytest.approx(beyond[2], rel=1e-4)
    assert float(one(jnp.float32([9.0]))) != pytest.approx(beyond[1], rel=0.01)


@pytest.mark.parametrize("bounds", [(-0.8, 6.0), (0.0, 6.0)], ids=["inside", "at a bound"])
def test_value_and_slope_at_the_maximum_are_exact(bounds):
    """Whatever the weights: here they are of two epochs."""
    like = observed((7.0, 27.0), bounds)  # a deficit: mu^ < 0
    points = points_of(like, n=300)
    settings = dataclasses.replace(QUICK, epochs=2, weights=(1.0,), members=1)
    _, made = surrogate_of(like, points, settings, "float64")
    best = jnp.asarray(points.theta[0])
    assert (float(best[0]) == 0.0) == (bounds[0] == 0.0)
    exact = jax.value_and_grad(like.log_prob)(best)
    ours = jax.value_and_grad(made.likelihood.log_prob)(best)
    assert float(ours[0]) == pytest.approx(float(exact[0]), abs=1e-10)
    np.testing.assert_allclose(ours[1], exact[1], atol=1e-6)
    if bounds[0] == 0.0:
        assert float(exact[1][0]) < -0.1  # the slope there is not 0


def test_a_fixed_parameter_is_left_out():
    like = observed().replace("theta[1]", fixed=True)
    points = points_of(like, n=300)
    settings = dataclasses.replace(QUICK, epochs=2, members=1)
    _, made = surrogate_of(like, points, settings)
    assert made.card.parameters == like.parameters
    domain = made.likelihood.card.domain
    assert domain.lower[2] == domain.upper[2] == 0.0


@pytest.mark.parametrize(
    "log_prob",
    [
        lambda t: -(t[0] ** 4) - 0.5 * t[1] ** 2,  # no curvature in x
        lambda t: -0.5 * (t[0] + t[1]) ** 2 - 0.1 * (t[0] - t[1]) ** 4,  # a flat direction
        lambda t: -0.5 * (t[0] ** 2 + t[1] ** 2),  # nothing to be learned
    ],
    ids=["quartic", "flat", "Gaussian"],
)
def test_hessians_that_are_not_positive(log_prob):
    parameters = Parameters((Parameter("x", 0.0, (-2.0, 2.0)), Parameter("y", 0.0, (-2.0, 2.0))))
    like = ny.likelihood(log_prob, parameters)
    rng = np.random.default_rng(1)
    theta = np.concatenate([np.zeros((1, 2)), rng.uniform(-1.5, 1.5, size=(2000, 2))])
    value, slope = map(np.asarray, jax.vmap(jax.value_and_grad(like.log_prob))(theta))
    origin = np.zeros(len(theta), dtype=int)
    points = Points(("x", "y"), theta, value, slope, origin, ("box",))
    learned, _ = surrogate_of(like, points)
    best = min(c.mean_square for c in learned.candidates)
    assert np.all(np.isfinite(learned.held_out))
    assert np.sqrt(best) < 0.03 * np.std(value)


def test_values_alone():
    """As from a table of another program: the curvature is fitted, and a network learns what is
    left; with slopes in the loss as few points tell more."""
    like = observed()
    points = points_of(like, n=300)
    values = dataclasses.replace(points, gradient=None)
    fitted, exact = gaussian_of_values(values), gaussian_at_maximum(like, points)
    curvature = [g.to_y @ g.to_y.T for g in (fitted, exact)]
    assert np.linalg.norm(curvature[0] - curvature[1]) < 0.5 * np.linalg.norm(curvature[1])
    without = learn(None, values, like.parameters, key=jax.random.key(0), settings=QUICK)
    with_slopes, _ = surrogate_of(like, points)
    errors = [min(c.mean_square for c in x.candidates) for x in (with_slopes, without)]
    assert np.sqrt(errors[1]) < 0.1 * np.std(points.log_prob)
    assert errors[0] < errors[1]  # 0.64 of it


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-6), ("float64", 1e-12)])
def test_onnxruntime_agrees(search, tmp_path, precision, most):
    """As one point and as a batch; distance too."""
    like, points, learned, _ = search
    made = assemble({"log_prob": learned}, points, like.parameters, like=like, precision=precision)
    made.write(tmp_path / "x.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"))
    kind = np.float32 if precision == "float32" else np.float64
    batch = points.theta[:300].astype(kind)
    again = ny.load(tmp_path / "x.onnx")
    assert isinstance(again, OnnxLikelihood)
    own = np.asarray(jax.vmap(again.log_prob)(jnp.asarray(batch, dtype=float)))
    value, distance = session.run(["log_prob", "distance"], {"theta": batch})
    np.testing.assert_allclose(value, own, rtol=most)
    alone = [session.run(["log_prob"], {"theta": batch[i : i + 1]})[0][0] for i in range(20)]
    np.testing.assert_allclose(alone, own[:20], rtol=most)
    y = learned.head.gaussian.y(batch.astype(float))
    np.testing.assert_allclose(distance, np.linalg.norm(y, axis=1), atol=1e-6)
    assert not again.outside(points.theta[:50]).rows.any()


def test_the_network_is_anchored():
    rng = np.random.default_rng(0)
    one = Residual(np.eye(4)[:, :2], np.ones(9), width=8, depth=2, key=jax.random.key(0))
    value, slope = jax.value_and_grad(one)(jnp.zeros(4, dtype=jnp.float32))
    assert abs(float(value)) < 1e-7 and np.max(np.abs(slope)) < 1e-6
    y = jnp.asarray(rng.normal(size=(5, 4)), dtype=jnp.float32)
    exact = [np.asarray(a) for a in jax.vmap(jax.value_and_grad(one))(y)]
    batch = (y, exact[0], np.ones(5, dtype=np.float32), exact[1])
    loss = Sobolev(jnp.asarray(1.0, dtype=jnp.float32))(one, batch, jax.random.key(0))
    assert float(loss) < 1e-10


def test_networks_that_diverged_are_not_chosen():
    """Neither NaN nor an infinite error is the smallest; where there is no other, it is said."""
    assert least([np.nan, 0.3, np.inf, 0.2, -np.inf]) == 3
    with pytest.raises(InputError, match="none of 2 networks is finite; lower"):
        least([np.nan, np.inf])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"names": ("a", "b", "c")}, "of other parameters"),
        ({"rows": 3}, "too few"),
    ],
    ids=["names", "too few"],
)
def test_refused(change, problem):
    like = observed()
    points = dataclasses.replace(points_of(like, n=20), gradient=None)
    if "names" in change:
        points = dataclasses.replace(points, names=change["names"])
    else:
        points = points.at(np.arange(change["rows"]))
    with pytest.raises(InputError, match=problem):
        learn(None, points, like.parameters, key=jax.random.key(0), settings=QUICK)
