"""A likelihood at a temperature: log L/T, whose posterior reaches further into the tails."""

import equinox as eqx

from neyman._jax import Array, Scalar
from neyman.model import Data, Derivatives, Likelihood, Model
from neyman.parameters import Parameters


class Tempered(Likelihood):
    """log L(theta)/T of a likelihood; not a density of data any more, so it throws no toys."""

    like: Likelihood
    temperature: float
    model: Model | None = eqx.field(static=True, default=None)
    data: Data | None = eqx.field(static=True, default=None)

    @property
    def parameters(self) -> Parameters:
        return self.like.parameters

    def log_prob(self, theta: Array) -> Scalar:
        return self.like.log_prob(theta) / self.temperature

    def derivatives(self, theta: Array) -> Derivatives:
        found = self.like.derivatives(theta)
        t = self.temperature
        information = None if found.information is None else found.information / t
        return Derivatives(found.value / t, found.gradient / t, found.hessian / t, information)

    def rename(self, names) -> "Tempered":
        return Tempered(self.like.rename(names), self.temperature)
