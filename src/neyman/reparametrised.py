"""A model of fewer parameters: another one at theta = A z + b.

    log p(x|z) = log p_inner(main|theta(z)) + sum_a log p_a(auxiliary_a|z)
    theta(z) = A z + b, held at the lower or upper bound of each theta_i that would leave it

The main measurement is the inner model's. The auxiliary measurements are of z: so toys throw
them and posteriors read them as priors, as they do in any model.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar
from neyman.auxiliary import Auxiliary
from neyman.model import Data, Derivatives, Model
from neyman.parameters import Parameters
from neyman.status import Note


class Reparametrised(Model):
    """`inner` at theta(z); `neyman.inference.reduce` makes them."""

    inner: Model
    matrix: Array
    """A, (P, Z)"""
    offset: Array
    """b, (P,)"""
    lower: Array
    """Of theta, (P,); so is `upper`."""
    upper: Array
    auxiliary: Auxiliary
    parameters: Parameters = eqx.field(static=True)
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    @property
    def eager(self) -> bool:
        return self.inner.eager

    @property
    def dear(self) -> bool:
        return self.inner.dear

    def inside(self, theta: Array) -> Array:
        """The parameters of the inner model, (P,), at z = `theta`, (Z,)."""
        xp = theta.__array_namespace__()
        return xp.clip(self.matrix @ theta + self.offset, self.lower, self.upper)

    def main_log_prob(self, theta: Array, main: Any) -> Scalar:
        return self.inner.main_log_prob(self.inside(theta), main)

    def _slope(self, theta: Array) -> Array:
        """d theta_inner/d z, (P, Z)."""
        free = self.matrix @ theta + self.offset
        moves = (free >= self.lower) & (free <= self.upper)
        return theta.__array_namespace__().where(moves[:, None], self.matrix, 0.0)

    def main_derivatives(self, theta: Array, main: Any) -> Derivatives:
        a = self._slope(theta)
        d = self.inner.main_derivatives(self.inside(theta), main)
        return Derivatives(d.value, a.T @ d.gradient, a.T @ d.hessian @ a)

    def main_information(self, theta: Array) -> Array | None:
        a, found = self._slope(theta), self.inner.main_information(self.inside(theta))
        return None if found is None else a.T @ found @ a

    def main_sample(self, key: Array, theta: Array) -> Any:
        return self.inner.main_sample(key, self.inside(theta))

    def main_expected(self, theta: Array) -> Any:
        return self.inner.main_expected(self.inside(theta))

    def expected_counts(self, theta: Array) -> Array | None:
        return self.inner.expected_counts(self.inside(theta))

    def near(self, theta: np.ndarray, tested: Collection[str]) -> Model | None:
        moves = np.asarray(self.matrix)[:, [self.parameters.index(name) for name in tested]]
        names = np.array(self.inner.parameters.names)[np.any(moves != 0.0, axis=1)]
        found = self.inner.near(np.asarray(self.inside(theta)), names.tolist())
        return None if found is None else dataclasses.replace(self, inner=found)

    def compacted(self, main: Any) -> Any:
        return self.inner.compacted(main)

    def doubts(self, theta: np.ndarray, data: Data) -> tuple[Note, ...]:
        return self.inner.doubts(np.asarray(self.inside(theta)), data)

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        return self.inner.describe_nonfinite(np.asarray(self.inside(theta)), data)
