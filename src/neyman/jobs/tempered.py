"""A likelihood at a temperature: log L/T, whose posterior reaches further into the tails."""

from collections.abc import Mapping
from typing import Any

from neyman._jax import Array, Scalar
from neyman.auxiliary import Auxiliary
from neyman.model import Derivatives, Likelihood
from neyman.parameters import Parameters


class Tempered(Likelihood):
    """log L(theta)/T of a likelihood."""

    like: Likelihood
    temperature: float

    @property
    def model(self) -> None:  # ty: ignore[incompatible-property-override]
        """None: log L/T is no density of data."""

    @property
    def data(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""

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
        information = None if found.information is None else found.information / t
        return Derivatives(found.value / t, found.gradient / t, found.hessian / t, information)

    def rename(self, names: Mapping[str, str]) -> "Tempered":
        return Tempered(self.like.rename(names), self.temperature)

    def replace(self, name: str, **changes: Any) -> "Tempered":
        return Tempered(self.like.replace(name, **changes), self.temperature)
