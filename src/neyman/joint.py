"""The sum of likelihoods of which one at least has no model: a surrogate, or a function.

    log L(theta) = sum_i [log L_i(theta_i) - sum_a log p_a(m_a|theta_i)] + sum_a log p_a(m_a|theta)

where a in the bracket runs over the auxiliary measurements that likelihood i names, which are
thereby given up, and in the last term over all, each name once. theta_i are the parameters of i
in theta. The sum of likelihoods that have models is a `JointModel`, which can throw toys.
"""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jnp
from neyman.auxiliary import Auxiliary
from neyman.model import Asimov, Derivatives, Likelihood, Outside, joined_measurements
from neyman.parameters import Parameters
from neyman.status import Note, Status


class Moved(Likelihood):
    """theta -> log L(theta + shift) of another likelihood, without its auxiliary terms."""

    inner: Likelihood
    shift: Array
    """(P,)"""

    @property
    def model(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""

    @property
    def data(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""

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


class JointLikelihood(Likelihood):
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
    def model(self) -> None:  # ty: ignore[incompatible-property-override]
        """None: not all parts have one."""

    @property
    def data(self) -> None:  # ty: ignore[incompatible-property-override]
        """None."""

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
