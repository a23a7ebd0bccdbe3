"""Fits of toys against scipy's bounded minimiser, on models whose toys reach bounds and zeros."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from neyman.inference.toy_fit import FINE, UNFINISHED, Box, Ended, fit_toys
from neyman.likelihoods.counting import counting, on_off
from neyman.likelihoods.load import load
from neyman.model import compiled_model

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
MODELS = {
    "one bin": lambda: (counting([1.0], [3.0], bounds=(0.0, 50.0)), [0.5]),
    "on/off": lambda: (on_off(tau=3.0), [1.0, 2.0]),
    "few events": lambda: (
        load(EXAMPLES / "displaced-leptons.json").model,
        [0.3, 0.0, 1.0, 1.0, 1.0],
    ),
}


def toys_of(model, theta, n, seed):
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(jnp.arange(n))
    return jax.vmap(lambda key: model.sample(key, theta))(keys)


@pytest.mark.parametrize("name", MODELS)
def test_the_minimum_is_scipys(name):
    """24 toys each, from the truth, at most 1e-6 above what L-BFGS-B finds in log L."""
    numpy_model, truth = MODELS[name]()
    model, theta = compiled_model(numpy_model), jnp.asarray(truth)
    p, n = numpy_model.parameters, 24
    x = toys_of(model, theta, n, 3)
    box = Box(jnp.asarray(~p.fixed), jnp.asarray(p.lower), jnp.asarray(p.upper))
    begun = Ended(jnp.tile(theta, (n, 1)), jnp.zeros(n), jnp.full(n, UNFINISHED))
    information = model.derivatives(theta, model.expected(theta)).hessian
    ended = jax.jit(fit_toys)(model, x, begun, box, information, scoring=jnp.asarray(True))
    assert np.all(np.asarray(ended.status) == FINE)
    value_and_gradient = jax.jit(
        jax.value_and_grad(lambda t, data: -model.log_prob(t, data), argnums=0)
    )
    bounds = [(max(low, 1e-10), high) for low, high in zip(p.lower, p.upper)]
    for i in range(n):
        data = jax.tree.map(lambda a, i=i: a[i], x)
        best = scipy.optimize.minimize(
            lambda t, data=data: tuple(map(np.asarray, value_and_gradient(jnp.asarray(t), data))),
            np.clip(truth, *np.transpose(bounds)),
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-9},
        )
        assert ended.value[i] < best.fun + 1e-6
        assert np.all(np.asarray(ended.theta[i]) >= p.lower)


def test_one_toy_is_fitted_as_many_are():
    """The path of large models, without `vmap`, and a fit that is not needed."""
    model, theta = compiled_model(counting([1.0], [3.0], bounds=(0.0, 50.0))), jnp.asarray([0.5])
    x = toys_of(model, theta, 8, 1)
    box = Box(*(jnp.asarray([a]) for a in (True, 0.0, 50.0)))
    information = jnp.eye(1)
    status = jnp.asarray([UNFINISHED] * 7 + [FINE])
    begun = Ended(jnp.tile(theta, (8, 1)), jnp.zeros(8), status)
    scoring = jnp.asarray(False)
    fit = jax.jit(fit_toys)
    together = fit(model, x, begun, box, information, scoring=scoring)
    for i in (0, 3):
        one = jax.tree.map(lambda a, i=i: a[i : i + 1], (x, begun))
        alone = fit(model, *one, box, information, scoring=scoring)
        np.testing.assert_allclose(alone.theta[0], together.theta[i], atol=1e-9)
    exact = np.clip(np.asarray(x.main)[:7, 0] - 3.0, 0.0, None)
    np.testing.assert_allclose(together.theta[:7, 0], exact, atol=1e-6)
    assert together.theta[7, 0] == 0.5
