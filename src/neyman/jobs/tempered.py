"""A likelihood at a temperature: log L/T, whose posterior reaches further into the tails."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from neyman._jax import Array, Scalar
from neyman.auxiliary import Auxiliary
from neyman.model import DatalessLikelihood, Derivatives, Likelihood
from neyman.parameters import Parameters


class Tempered(DatalessLikelihood):
    """log L(theta)/T of a likelihood."""

    like: Likelihood
    temperature: float

    @property
    def parameters(self) -> Parameters:
        return self.like.parameters

    @property
    def auxiliary(self) -> Auxiliary:
        return self.like.auxiliary

    @property
    def measured(self) -> Array:
        return self.like.measured

    @property
    def dear(self) -> bool:
        return self.like.dear

    def log_prob(self, theta: Array) -> Scalar:
        return self.like.log_prob(theta) / self.temperature

    def derivatives(self, theta: Array) -> Derivatives:
        found, t = self.like.derivatives(theta), self.temperature
        return Derivatives(found.value / t, found.gradient / t, found.hessian / t)

    def rename(self, names: Mapping[str, str]) -> "Tempered":
        return dataclasses.replace(self, like=self.like.rename(names))

    def replace(self, name: str, **changes: Any) -> "Tempered":
        return dataclasses.replace(self, like=self.like.replace(name, **changes))


def tempered(like: Likelihood, temperature: float) -> Tempered:
    """log L/T of `like`."""
    return Tempered(like=like, temperature=temperature)  # ty: ignore[missing-argument]
