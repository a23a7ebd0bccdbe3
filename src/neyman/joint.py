"""Sums of likelihoods, joined by parameter name.

Where all have models, the sum has the joint model, which can throw toys (`JointModel`). Where one
has none, a surrogate or a function, it is that of the functions (`JointLikelihood`):

    log L(theta) = sum_i [log L_i(theta_i) - sum_a log p_a(m_a|theta_i)] + sum_a log p_a(m_a|theta)

where a in the bracket runs over the auxiliary measurements that likelihood i names, which are
thereby given up, and in the last term over all, each name once. theta_i are the parameters of i
in theta.
"""

import collections
import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.model import (
    Asimov,
    Data,
    DatalessLikelihood,
    Derivatives,
    Likelihood,
    Model,
    ObservedLikelihood,
    Outside,
)
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status


def joined(first: Likelihood, second: Likelihood) -> Likelihood:
    """See `Likelihood.__add__`."""
    both = first, second
    if not (isinstance(first, ObservedLikelihood) and isinstance(second, ObservedLikelihood)):
        return JointLikelihood.of(both)
    model = JointModel.of((first.model, second.model))
    measured = joined_measurements(both, model.auxiliary)
    return model.observe(Data((first.data.main, second.data.main), measured))


def joined_measurements(likelihoods: tuple[Likelihood, ...], joint: Auxiliary) -> np.ndarray:
    """The auxiliary data of a sum; one name measured with two values is an error."""
    measured: dict[str, float] = {}
    for like in likelihoods:
        for name, value in zip(like.auxiliary.names, np.asarray(like.measured)):
            if measured.setdefault(name, float(value)) != value:
                raise InputError(
                    f"auxiliary measurement '{name}'",
                    f"measured as {measured[name]:g} and as {value:g} in what is joined",
                    "rename one of the parameters, or use prefix()",
                )
    return np.array([measured[name] for name in joint.names], dtype=float)


class JointModel(Model):
    """Models measured together: independent main parts, shared parameters and constraints."""

    parts: tuple[Model, ...]
    parameters: Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    place: tuple[Array, ...]
    """Per part, the position in theta of each of its parameters."""
    inverse: tuple[Array, ...]
    """Per part, the position in the part of each parameter of theta; absent ones past its end."""
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    @classmethod
    def of(cls, parts: tuple[Model, ...]) -> "JointModel":
        parameters = parts[0].parameters
        for part in parts[1:]:
            parameters = parameters.join(part.parameters)
        place = tuple(
            np.array([parameters.index(n) for n in p.parameters.names], dtype=int) for p in parts
        )
        inverse = tuple(
            np.array([p.parameters.index_of.get(n, len(p.parameters)) for n in parameters.names])
            for p in parts
        )
        auxiliary = Auxiliary.union([p.auxiliary for p in parts], place)
        return cls(
            parts=parts,
            parameters=parameters,
            auxiliary=auxiliary,
            place=place,
            inverse=inverse,
            poi=next((part.poi for part in parts if part.poi is not None), None),
            notes=tuple(note for part in parts for note in part.notes),
            digest=" + ".join(filter(None, (part.digest for part in parts))),
        )

    @property
    def eager(self) -> bool:
        return all(part.eager for part in self.parts)

    @property
    def dear(self) -> bool:
        return any(part.dear for part in self.parts)

    def _each(self, theta: Array, main: tuple):
        return [(part, theta[i], x) for part, i, x in zip(self.parts, self.place, main)]

    def main_log_prob(self, theta: Array, main: tuple) -> Scalar:
        return sum(part.main_log_prob(t, x) for part, t, x in self._each(theta, main))

    def main_derivatives(self, theta: Array, main: tuple) -> Derivatives:
        xp = theta.__array_namespace__()
        parts = [part.main_derivatives(t, x) for part, t, x in self._each(theta, main)]
        gradients = [xp.pad(d.gradient, (0, 1))[i] for d, i in zip(parts, self.inverse)]
        return Derivatives(
            sum(d.value for d in parts),
            sum(gradients[1:], gradients[0]),
            self._embedded([d.hessian for d in parts]),
        )

    def main_information(self, theta: Array) -> Array | None:
        parts = [part.main_information(theta[i]) for part, i in zip(self.parts, self.place)]
        known = [information for information in parts if information is not None]
        return self._embedded(known) if len(known) == len(parts) else None

    def _embedded(self, matrices: list[Array]) -> Array:
        """The sum of one matrix a part, each in its place in theta, (P, P)."""
        xp = matrices[0].__array_namespace__()
        padded = [xp.pad(m, (0, 1))[i][:, i] for m, i in zip(matrices, self.inverse)]
        return sum(padded[1:], padded[0])

    def main_sample(self, key: Array, theta: Array) -> tuple:
        keys = jax.random.split(key, len(self.parts))
        return tuple(
            part.main_sample(k, theta[i]) for k, part, i in zip(keys, self.parts, self.place)
        )

    def main_expected(self, theta: Array) -> tuple:
        return tuple(part.main_expected(theta[i]) for part, i in zip(self.parts, self.place))

    def expected_counts(self, theta: Array) -> Array | None:
        xp = theta.__array_namespace__()
        counts = [part.expected_counts(theta[i]) for part, i in zip(self.parts, self.place)]
        known = [c for c in counts if c is not None]
        return xp.concatenate(known) if known else None

    def near(self, theta: np.ndarray, tested: Collection[str]) -> "Model | None":
        parts = []
        for part, i in zip(self.parts, self.place):
            mine = [name for name in tested if name in part.parameters.names]
            parts.append(part.near(theta[i], mine) if part.dear else part)
        if any(part is None for part in parts):
            return None
        return dataclasses.replace(self, parts=tuple(parts))

    def compacted(self, main: tuple) -> tuple:
        return tuple(part.compacted(of) for part, of in zip(self.parts, main))

    def doubts(self, theta: np.ndarray, data: Data) -> tuple[Note, ...]:
        each = self._each(theta, data.main)
        return tuple(n for part, t, x in each for n in part.doubts(t, Data(x, data.auxiliary)))

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        for part, t, x in self._each(theta, data.main):
            if not np.isfinite(part.main_log_prob(jnp.asarray(t), x)):
                return part.describe_nonfinite(t, Data(x, data.auxiliary))
        return "an auxiliary measurement"


class Moved(DatalessLikelihood):
    """theta -> log L(theta + shift) of another likelihood, without its auxiliary terms."""

    inner: Likelihood
    shift: Array
    """(P,)"""

    @property
    def parameters(self) -> Parameters:
        return self.inner.parameters

    @property
    def dear(self) -> bool:
        return self.inner.dear

    @property
    def differentiable(self) -> bool:
        return self.inner.differentiable

    def outside(self, thetas: np.ndarray) -> Outside:
        return self.inner.outside(thetas + np.asarray(self.shift))

    def log_prob(self, theta: Array) -> Scalar:
        return self.inner.main_log_prob(theta + self.shift)

    def derivatives(self, theta: Array) -> Derivatives:
        return self.inner.main_derivatives(theta + self.shift)

    def rename(self, names: Mapping[str, str]) -> "Moved":
        return dataclasses.replace(self, inner=self.inner.rename(names))

    def replace(self, name: str, **changes: Any) -> "Moved":
        return dataclasses.replace(self, inner=self.inner.replace(name, **changes))


class JointLikelihood(DatalessLikelihood):
    """Independent likelihoods with shared parameters and constraints."""

    parts: tuple[Likelihood, ...]
    place: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """Per part, the position in theta of each of its parameters."""
    shared: Parameters = eqx.field(static=True)
    terms: Auxiliary
    """The auxiliary measurements of all, each once; `values` are what they measured."""
    values: Array

    @classmethod
    def of(cls, parts: tuple[Likelihood, ...]) -> "JointLikelihood":
        """The sum; see `Likelihood.__add__`."""
        shared = parts[0].parameters
        for part in parts[1:]:
            shared = shared.join(part.parameters)
        place = tuple(tuple(shared.index(n) for n in part.parameters.names) for part in parts)
        terms = Auxiliary.union([p.auxiliary for p in parts], [np.array(i) for i in place])
        values = joined_measurements(parts, terms)
        return cls(parts=parts, place=place, shared=shared, terms=terms, values=values)  # ty: ignore[missing-argument]

    @property
    def parameters(self) -> Parameters:
        return self.shared

    @property
    def auxiliary(self) -> Auxiliary:
        return self.terms

    @property
    def measured(self) -> Array:
        return self.values

    @property
    def poi(self) -> str | None:
        return next((part.poi for part in self.parts if part.poi is not None), None)

    @property
    def digest(self) -> str:
        return " + ".join(filter(None, (part.digest for part in self.parts)))

    @property
    def dear(self) -> bool:
        return any(part.dear for part in self.parts)

    @property
    def differentiable(self) -> bool:
        return all(part.differentiable for part in self.parts)

    @property
    def constraints_known(self) -> bool:
        return all(part.constraints_known for part in self.parts)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Those of the parts, and parameters that may be constrained twice: within a function that
        does not tell its constraints, and by a measurement or within another such function (where
        they are no parameter of interest)."""
        constrained = {self.shared.names[i] for i in np.asarray(self.terms.parameter).tolist()}
        silent = [p.parameters.names for p in self.parts if not p.constraints_known]
        often = collections.Counter(name for names in silent for name in names)
        sought = {part.poi for part in self.parts}
        doubtful = [
            name
            for names in silent
            for name in names
            if name in constrained or (often[name] > 1 and name not in sought)
        ]
        own = tuple(note for part in self.parts for note in part.notes)
        places = (f"{name} may be constrained twice in what is joined" for name in doubtful)
        return own + tuple(Note(Status.SUSPICIOUS_INPUT, place) for place in dict.fromkeys(places))

    def outside(self, thetas: np.ndarray) -> Outside:
        found = [part.outside(thetas[:, list(i)]) for part, i in zip(self.parts, self.place)]
        rows = np.any([one.rows for one in found], axis=0)
        return Outside(rows, ", ".join(filter(None, (one.where for one in found))))

    def asimov_at(self, theta: np.ndarray, poi: str) -> Asimov | None:
        """Of the Asimov data of the parts, with all auxiliary measurements those of `theta`.

        A surrogate's are of another theta_i than the joint one; its main part is moved by the
        difference, which is exact where the model is linear and Gaussian, and where all agree.
        """
        parts = []
        for part, place in zip(self.parts, self.place):
            own = theta[list(place)]
            found = part.asimov_at(own, poi)
            if found is None:
                return None
            moved = Moved(inner=found.like, shift=found.theta - own)  # ty: ignore[missing-argument]
            parts.append(moved)
        values = np.asarray(self.terms.expected(theta))
        return Asimov(dataclasses.replace(self, parts=tuple(parts), values=values), theta)

    def log_prob(self, theta: Array) -> Scalar:
        parts = [p.main_log_prob(theta[np.array(i)]) for p, i in zip(self.parts, self.place)]
        return sum(parts[1:], parts[0]) + self.terms.log_prob(theta, self.values)

    def derivatives(self, theta: Array) -> Derivatives:
        terms = self.terms.derivatives(theta, self.values)
        value, gradient = terms.value, jnp.asarray(terms.gradient)
        hessian = jnp.diag(jnp.asarray(terms.curvature))
        for part, place in zip(self.parts, self.place):
            index = np.array(place)
            d = part.main_derivatives(theta[index])
            value = value + d.value
            gradient = gradient.at[index].add(d.gradient)
            hessian = hessian.at[np.ix_(index, index)].add(d.hessian)
        return Derivatives(value, gradient, hessian)

    def rename(self, names: Mapping[str, str]) -> "JointLikelihood":
        self.shared.rename(names)  # refuses an unknown name, and one that is there already

        def renamed(part: Likelihood) -> Likelihood:
            return part.rename({o: n for o, n in names.items() if o in part.parameters})

        return JointLikelihood.of(tuple(renamed(part) for part in self.parts))

    def replace(self, name: str, **changes: Any) -> "JointLikelihood":
        self.shared.index(name)
        return JointLikelihood.of(
            tuple(p.replace(name, **changes) if name in p.parameters else p for p in self.parts)
        )
