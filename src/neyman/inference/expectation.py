"""What a model expects, evaluated as its likelihood is: eagerly or by a compiled program."""

import numpy as np

from neyman._jax import Array, jax
from neyman.inference.newton import runs_eagerly
from neyman.model import Data, Likelihood, Model


def expected_data(like: Likelihood, model: Model, theta: Array) -> Data:
    """The Asimov data of theta, of the kind of array that `like` is made of."""
    return model.expected(theta) if runs_eagerly(like) else _expected(model, theta)


def expected_counts(like: Likelihood, model: Model, theta: Array) -> np.ndarray | None:
    """Expected numbers of events, (bins,); None where the model counts none."""
    if runs_eagerly(like):
        counts = model.expected_counts(theta)
    else:
        counts = _expected_counts(model, theta)
    return None if counts is None else np.asarray(counts)


@jax.jit
def _expected(model, theta):
    return model.expected(theta)


@jax.jit
def _expected_counts(model, theta):
    return model.expected_counts(theta)
