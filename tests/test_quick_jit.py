"""Compiler options that a version of XLA may not know."""

import numpy as np

from neyman._jax import OLDER_EMITTERS, jnp, known_options, quick_jit


def test_unknown_options_are_left_out():
    assert known_options({"xla_has_no_such_option": True}) == {}
    assert known_options(OLDER_EMITTERS) in ({}, OLDER_EMITTERS)


def test_it_computes_what_it_is_given():
    """Nested data and positional arguments, as `jax.jit`."""
    x = np.linspace(0.0, 1.0, 5)
    doubled = quick_jit(lambda tree, y: {"sum": tree["x"] + y, "sin": jnp.sin(tree["x"])})
    found = doubled({"x": jnp.asarray(x)}, jnp.asarray(x))
    np.testing.assert_allclose(found["sum"], 2.0 * x)
    np.testing.assert_allclose(found["sin"], np.sin(x), rtol=1e-15)
