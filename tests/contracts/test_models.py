"""Every model x every contract of `neyman.model.Model` and `Likelihood`."""

import numpy as np
import pytest

from neyman._jax import jax, jnp
from neyman.inference.fit import fit
from neyman.model import Data, compiled
from neyman.status import InputError
from tests.contracts import models


@pytest.fixture(params=models.LIKELIHOODS)
def like(request):
    return models.LIKELIHOODS[request.param]()


def point(like, seed=0):
    """A theta inside the bounds, away from kinks and bounds."""
    p = like.parameters
    spread = 0.1 * np.minimum(1.0, np.where(np.isfinite(p.upper - p.lower), p.upper - p.lower, 1))
    theta = p.init + spread * np.random.default_rng(seed).uniform(0.2, 1.0, len(p))
    return np.clip(theta, 0.99 * p.lower + 0.01 * p.init, 0.99 * p.upper + 0.01 * p.init)


def differences(f, theta, h=1e-5):
    return np.array([(f(theta + h * e) - f(theta - h * e)) / (2 * h) for e in np.eye(len(theta))])


def test_finite(like):
    theta = point(like)
    d = compiled(like).derivatives(jnp.asarray(theta))
    assert np.isfinite(like.log_prob(jnp.asarray(theta)))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(d))


def test_value_and_derivatives_agree_with_differences(like):
    theta = point(like)
    log_prob = jax.jit(lambda t: like.log_prob(t))
    derivatives = jax.jit(lambda t: like.derivatives(t))
    d = derivatives(jnp.asarray(theta))
    gradient = differences(lambda t: -log_prob(jnp.asarray(t)), theta)
    hessian = differences(lambda t: derivatives(jnp.asarray(t)).gradient, theta)
    assert float(d.value) == pytest.approx(-float(log_prob(jnp.asarray(theta))), rel=1e-12)
    np.testing.assert_allclose(d.gradient, gradient, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(d.hessian, hessian, rtol=1e-6, atol=1e-5)


def test_automatic_differentiation_agrees_with_the_closed_form(like):
    theta = jnp.asarray(point(like))
    d = like.derivatives(theta)
    np.testing.assert_allclose(d.gradient, -jax.grad(like.log_prob)(theta), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(d.hessian, -jax.hessian(like.log_prob)(theta), rtol=1e-8, atol=1e-8)


def test_information_is_positive_semidefinite(like):
    information = like.information(jnp.asarray(point(like)))
    if information is None:
        pytest.skip("the model has no closed form for its Fisher information")
    assert np.linalg.eigvalsh(information).min() > -1e-9


def test_information_is_the_hessian_of_the_asimov_data(like):
    theta = jnp.asarray(point(like))
    information = like.information(theta)
    if information is None:
        pytest.skip("the model has no closed form for its Fisher information")
    x = like.model.expected(theta)._replace(auxiliary=like.data.auxiliary)
    hessian = like.model.derivatives(theta, x).hessian
    np.testing.assert_allclose(information, hessian, rtol=1e-9, atol=1e-9)


def test_eager_equals_compiled(like):
    if not like.model.eager:
        pytest.skip("the model runs compiled only")
    theta = point(like)
    eager, jitted = like.derivatives(theta), compiled(like).derivatives(jnp.asarray(theta))
    for a, b in zip(jax.tree.leaves(eager), jax.tree.leaves(jitted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_vmap_equals_loop(like):
    thetas = jnp.stack([jnp.asarray(point(like, seed)) for seed in range(3)])
    together = jax.vmap(like.log_prob)(thetas)
    one_by_one = [like.log_prob(theta) for theta in thetas]
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)


def test_vmap_over_data(like):
    model = compiled(like).model
    theta = jnp.asarray(point(like))
    toys = jax.vmap(model.sample, (0, None))(jax.random.split(jax.random.key(1), 3), theta)
    together = jax.vmap(lambda x: model.observe(x).log_prob(theta))(toys)
    for i in range(3):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], toys)
        np.testing.assert_allclose(together[i], model.log_prob(theta, one), rtol=1e-12)


def test_same_key_same_sample(like):
    theta = jnp.asarray(point(like))
    first, again, other = (like.model.sample(jax.random.key(k), theta) for k in (3, 3, 4))
    same = jax.tree.map(lambda a, b: bool(jnp.all(a == b)), first, again)
    differs = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), first, other)
    assert all(jax.tree.leaves(same))
    assert any(jax.tree.leaves(differs))


def test_mean_of_samples_is_the_asimov_data(like):
    """20,000 toys, 5 standard errors on up to 9 numbers: a false alarm in 2e5 runs; a bias of
    0.05 standard deviations of a measurement is caught."""
    if like.model.dear:
        pytest.skip("the Asimov data of events are weighted nodes, no mean event")
    model, theta = compiled(like).model, jnp.asarray(point(like))
    keys = jax.random.split(jax.random.key(5), 20_000)
    toys = jax.jit(jax.vmap(model.sample, (0, None)))(keys, theta)
    expected = model.expected(theta)
    for sampled, mean in zip(jax.tree.leaves(toys), jax.tree.leaves(expected), strict=True):
        error = np.std(sampled, axis=0) / np.sqrt(len(keys))
        assert np.all(np.abs(np.mean(sampled, axis=0) - mean) <= 5 * error)


def test_fit_of_asimov_data_gives_the_truth(like):
    theta = point(like)
    found = fit(like.model.observe(like.model.expected(jnp.asarray(theta))))
    assert not found.status.failed
    if like.model.dear:  # weighted nodes, whose weights have the right derivatives
        assert np.all(np.abs(found.values - theta) < 0.01 * found.errors)
        return
    np.testing.assert_allclose(found.values, theta, rtol=1e-5, atol=1e-6)


def test_rename_and_prefix(like):
    theta = jnp.asarray(point(like))
    poi = like.parameters.names[0]
    renamed = like.prefix("A_", keep=[poi])
    assert renamed.parameters.names == (poi, *(f"A_{n}" for n in like.parameters.names[1:]))
    assert float(renamed.log_prob(theta)) == float(like.log_prob(theta))
    assert like.prefix("A_").model.poi == f"A_{like.model.poi}"
    with pytest.raises(InputError, match="known are"):
        like.rename({"nonsense": "x"})


def test_sum_of_a_likelihood_with_itself_counts_constraints_once(like):
    theta = jnp.asarray(point(like))
    both = like + like
    assert both.parameters == like.parameters
    constraints = like.model.auxiliary.log_prob(theta, jnp.asarray(like.data.auxiliary))
    expected = 2 * like.log_prob(theta) - constraints
    assert float(both.log_prob(theta)) == pytest.approx(float(expected), rel=1e-12)


def test_sum_of_independent_likelihoods(like):
    other = like.prefix("B_")
    theta = point(like)
    both = like + other
    twice = both.log_prob(
        jnp.asarray(both.parameters.vector(both.parameters.named([*theta, *theta])))
    )
    assert float(twice) == pytest.approx(2 * float(like.log_prob(jnp.asarray(theta))), rel=1e-12)


def test_joining_what_differs_is_an_error():
    like = models.LIKELIHOODS["counting"]()
    moved = like.model.observe(Data(like.data.main, like.data.auxiliary + 0.5))
    with pytest.raises(InputError, match="measured as"):
        like + moved
    histfactory = models.LIKELIHOODS["histfactory"]()
    with pytest.raises(InputError, match="declared differently"):
        like + histfactory.rename({"theory": "theta[0]"})
