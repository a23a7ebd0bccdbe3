"""The two nouns in which every road ends: `Model`, p(x|theta), and `Likelihood`, theta -> log L.

A model's data are x = (main, auxiliary):

    log p(x|theta) = log p_main(main|theta) + sum_a log p_a(auxiliary_a|theta)

The auxiliary measurements a are what constrains nuisance parameters, and they are data: toys
throw them, posteriors read them as priors. Each is Normal(theta_a, sigma_a) or
Poisson(tau_a theta_a); see `Auxiliary`. The main part is each road's own.
"""

import abc
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.parameters import Parameters
from neyman.status import Note


class Data(NamedTuple):
    """One data set: the main measurement (an array or a pytree) and the auxiliary ones, (A,)."""

    main: Any
    auxiliary: Array


class Derivatives(NamedTuple):
    """-log p, its gradient (P,) and its Hessian (P, P) with respect to theta."""

    value: Scalar
    gradient: Array
    hessian: Array


class Outside(NamedTuple):
    """Points outside the domain of a likelihood."""

    rows: np.ndarray
    """(N,), True where outside."""
    where: str
    """The parameters that leave the domain, in words."""


class Asimov(NamedTuple):
    """A likelihood of Asimov data, and the theta, (P,), of which they are."""

    like: "Likelihood"
    theta: np.ndarray


class Model(eqx.Module):
    """p(x|theta): implement `main_log_prob`, and `main_sample` and `main_expected` where they
    exist, for ONE theta of shape (P,) and ONE data set, in pure JAX.

    How to add one: a subclass with the three methods, and one line in the table of
    `tests/contracts/models.py`, which then checks gradient, jit, vmap and sampling.
    Overriding `main_derivatives` with a closed form makes fits faster; one that also runs on
    NumPy arrays says so with `eager`, and single fits then pay no compilation.
    """

    parameters: eqx.AbstractVar[Parameters]
    auxiliary: eqx.AbstractVar[Auxiliary]
    poi: eqx.AbstractVar[str | None]
    """The parameter that an analysis of this model is about, where it names one."""
    notes: eqx.AbstractVar[tuple[Note, ...]]
    """What is legal but suspicious in the input that the model was made from."""
    digest: eqx.AbstractVar[str]
    """sha256 of the input that the model was made from; empty where there was none."""

    @property
    def eager(self) -> bool:
        """Whether `derivatives` also runs on NumPy arrays, without compilation."""
        return False

    @property
    def dear(self) -> bool:
        """Whether a Hessian costs so much that fits should do with gradients, and toys are thrown
        only where they are asked for."""
        return False

    @abc.abstractmethod
    def main_log_prob(self, theta: Array, main: Any) -> Scalar:
        """log p_main(main|theta), with every constant of the density of the data."""

    @abc.abstractmethod
    def main_sample(self, key: Array, theta: Array) -> Any:
        """One draw of the main measurement."""

    @abc.abstractmethod
    def main_expected(self, theta: Array) -> Any:
        """The main measurement of the Asimov data (arXiv:1007.1727, section 3.2)."""

    def expected_counts(self, theta: Array) -> Array | None:
        """Expected numbers of events, shape (bins,); None where the model counts no events."""
        return None

    def near(self, theta: np.ndarray, tested: Collection[str]) -> "Model | None":
        """Where a likelihood is dear: a cheap model that toys thrown at theta may be fitted with,
        whatever the values of the parameters `tested`; None where there is none."""
        return None

    def compacted(self, main: Any) -> Any:
        """Stacked main measurements (n, ...) as NumPy arrays, with less padding where there is."""
        return main

    def doubts(self, theta: np.ndarray, data: Data) -> tuple[Note, ...]:
        """What of the data the model cannot explain at theta."""
        return ()

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        """The place (channel, bin, event) that makes log p(x|theta) not finite."""
        return "the main measurement"

    def main_derivatives(self, theta: Array, main: Any) -> Derivatives:
        """Of -log p_main; by automatic differentiation unless a model knows better."""

        def negative(t):
            return -self.main_log_prob(t, main)

        value, gradient = jax.value_and_grad(negative)(theta)
        return Derivatives(value, gradient, jax.hessian(negative)(theta))

    def main_information(self, theta: Array) -> Array | None:
        """The Fisher information (P, P) of the main measurement, where a model knows it."""
        return None

    def log_prob(self, theta: Array, x: Data) -> Scalar:
        """log p(x|theta), a scalar."""
        return self.main_log_prob(theta, x.main) + self.auxiliary.log_prob(theta, x.auxiliary)

    def derivatives(self, theta: Array, x: Data) -> Derivatives:
        """-log p(x|theta) with gradient and Hessian."""
        value, gradient, hessian = self.main_derivatives(theta, x.main)
        terms = self.auxiliary.derivatives(theta, x.auxiliary)
        constraints = theta.__array_namespace__().diag(terms.curvature)
        return Derivatives(value + terms.value, gradient + terms.gradient, hessian + constraints)

    def information(self, theta: Array, x: Data) -> Array | None:
        """The Fisher information (P, P) of the main measurement and the curvature of the
        auxiliary ones: positive semi-definite, so that it stands in for a Hessian that is not.
        """
        main = self.main_information(theta)
        terms = self.auxiliary.derivatives(theta, x.auxiliary)
        return None if main is None else main + theta.__array_namespace__().diag(terms.curvature)

    def sample(self, key: Array, theta: Array) -> Data:
        """One draw of everything that is measured, auxiliary measurements included."""
        main_key, auxiliary_key = jax.random.split(key)
        return Data(self.main_sample(main_key, theta), self.auxiliary.sample(auxiliary_key, theta))

    def expected(self, theta: Array) -> Data:
        """The Asimov data of theta: what would be measured without fluctuations."""
        return Data(self.main_expected(theta), self.auxiliary.expected(theta))

    def observe(self, x: Data) -> "ObservedLikelihood":
        """The likelihood of theta given x."""
        return ObservedLikelihood(self, x)

    def rename(self, names: Mapping[str, str]) -> "Model":
        """The same model with other parameter names, `{old: new}`."""
        return dataclasses.replace(
            self,
            parameters=self.parameters.rename(names),
            auxiliary=self.auxiliary.rename(names),
            poi=None if self.poi is None else names.get(self.poi, self.poi),
        )


class Likelihood(eqx.Module):
    """theta -> log L at the observed data.

    `model` and `data` are None where only the function is known (a surrogate): such a
    likelihood cannot throw toys, and its type says so. What else a model would tell has a
    default here, for a function of which no more is known.
    """

    model: eqx.AbstractVar[Model | None]
    data: eqx.AbstractVar[Data | None]

    @property
    @abc.abstractmethod
    def parameters(self) -> Parameters:
        """What theta means."""

    @abc.abstractmethod
    def log_prob(self, theta: Array) -> Scalar:
        """log L(theta), a scalar, for one theta of shape (P,)."""

    @abc.abstractmethod
    def derivatives(self, theta: Array) -> Derivatives:
        """-log L(theta) with gradient and Hessian."""

    def information(self, theta: Array) -> Array | None:
        """A matrix (P, P), positive semi-definite, that stands in for a Hessian that is not, far
        from the maximum: the Fisher information where a model knows it."""
        return None

    @abc.abstractmethod
    def rename(self, names: Mapping[str, str]) -> "Likelihood":
        """The same likelihood with other parameter names, `{old: new}`."""

    def prefix(self, prefix: str, keep: Iterable[str] = ()) -> "Likelihood":
        """Every parameter but those of `keep` renamed to prefix + name."""
        kept = set(keep)
        for name in kept:
            self.parameters.index(name)
        return self.rename({n: prefix + n for n in self.parameters.names if n not in kept})

    @abc.abstractmethod
    def replace(self, name: str, **changes: Any) -> "Likelihood":
        """The same likelihood with the parameter `name` declared anew, e.g. its `prior`,
        `bounds`, `init` or `fixed`."""

    @property
    def poi(self) -> str | None:
        """The parameter that the analysis is about, where it is known."""
        return None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is legal but suspicious in the input that the likelihood was made from."""
        return ()

    @property
    def digest(self) -> str:
        """sha256 of that input; empty where there was none."""
        return ""

    @property
    def dear(self) -> bool:
        """Whether a Hessian costs so much that fits should do with gradients."""
        return False

    @property
    def differentiable(self) -> bool:
        """Whether log L has a gradient; where not, fits take differences."""
        return True

    @property
    def auxiliary(self) -> Auxiliary:
        """The auxiliary measurements whose terms log L contains, as far as they are known."""
        return Auxiliary.of(self.parameters, (), (), ())

    @property
    def measured(self) -> Array:
        """The values of the auxiliary measurements, (A,)."""
        return np.zeros(0)

    @property
    def constraints_known(self) -> bool:
        """Whether `auxiliary` lists all constraint terms that log L contains."""
        return True

    def asimov_at(self, theta: np.ndarray, poi: str) -> "Asimov | None":
        """The likelihood of the Asimov data of `theta`, (P,), which is of the background alone,
        `poi` being 0; None where nobody can make them. A surrogate has one such set, whatever
        `theta` is, and for one `poi`."""
        return None

    def outside(self, thetas: np.ndarray) -> "Outside":
        """Which of thetas, (N, P), lie outside the domain in which log L is known. Inference
        asks for every point that a result rests on."""
        return Outside(np.zeros(len(thetas), dtype=bool), "")

    def main_log_prob(self, theta: Array) -> Scalar:
        """log L(theta) without the terms of `auxiliary`."""
        return self.log_prob(theta) - self.auxiliary.log_prob(theta, self.measured)

    def main_derivatives(self, theta: Array) -> Derivatives:
        """-log L(theta) without the terms of `auxiliary`, with gradient and Hessian."""
        d, terms = self.derivatives(theta), self.auxiliary.derivatives(theta, self.measured)
        curvature = theta.__array_namespace__().diag(terms.curvature)
        return Derivatives(
            d.value - terms.value, d.gradient - terms.gradient, d.hessian - curvature
        )

    def __add__(self, other: "Likelihood") -> "Likelihood":
        """The likelihood of both measurements, joined by parameter name.

        Auxiliary measurements of the same name count once where they are identical. The sum of
        two likelihoods with models has the joint model.

        Raises:
            InputError: a parameter, or an auxiliary measurement, has the same name in both
                but is not the same; `rename` or `prefix` keep such apart.
        """
        from neyman.joint import joined

        return joined(self, other)


class DatalessLikelihood(Likelihood):
    """A likelihood of which only the function of theta is known: it throws no toys."""

    @property
    def model(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""

    @property
    def data(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""


class ObservedLikelihood(Likelihood):
    """The likelihood of a model at observed data; a pytree, so toys are a `vmap` over `data`."""

    model: Model  # ty: ignore[incompatible-mutable-override]
    data: Data  # ty: ignore[incompatible-mutable-override]

    @property
    def parameters(self) -> Parameters:
        return self.model.parameters

    def log_prob(self, theta: Array) -> Scalar:
        return self.model.log_prob(theta, self.data)

    def derivatives(self, theta: Array) -> Derivatives:
        return self.model.derivatives(theta, self.data)

    def information(self, theta: Array) -> Array | None:
        return self.model.information(theta, self.data)

    def rename(self, names: Mapping[str, str]) -> "ObservedLikelihood":
        return ObservedLikelihood(self.model.rename(names), self.data)

    def replace(self, name: str, **changes: Any) -> "ObservedLikelihood":
        parameters = self.parameters.replace(name, **changes)
        model = dataclasses.replace(self.model, parameters=parameters)
        return ObservedLikelihood(model, self.data)

    @property
    def poi(self) -> str | None:
        return self.model.poi

    @property
    def notes(self) -> tuple[Note, ...]:
        return self.model.notes

    @property
    def digest(self) -> str:
        return self.model.digest

    @property
    def dear(self) -> bool:
        return self.model.dear

    @property
    def auxiliary(self) -> Auxiliary:
        return self.model.auxiliary

    @property
    def measured(self) -> Array:
        return self.data.auxiliary

    def asimov_at(self, theta: np.ndarray, poi: str) -> Asimov:
        return Asimov(self.model.observe(self.model.expected(theta)), theta)

    def main_log_prob(self, theta: Array) -> Scalar:
        return self.model.main_log_prob(theta, self.data.main)

    def main_derivatives(self, theta: Array) -> Derivatives:
        return self.model.main_derivatives(theta, self.data.main)


def compiled(like: ObservedLikelihood) -> ObservedLikelihood:
    """The same likelihood with jax arrays, so that fits are compiled: once per shape.

    A likelihood of NumPy arrays (what `load` gives) runs without compilation, which is quicker
    for one limit; the compiled one is a few times faster from the second fit on.
    """
    return jax.tree.map(jnp.asarray, like)


def compiled_model(model: Model) -> Model:
    """The same model with jax arrays."""
    return jax.tree.map(jnp.asarray, model)
