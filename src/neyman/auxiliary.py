"""Auxiliary measurements: the named data that constrain nuisance parameters.

Measurement a with value m_a of the parameter theta_a is one of

    Normal(theta_a, sigma_a)     log p = -(m - theta)^2/(2 sigma^2) - log(sigma sqrt(2 pi))
    Poisson(tau_a theta_a)       log p = m log(tau theta) - tau theta - log Gamma(m + 1)

as in HistFactory (CERN-OPEN-2012-016, eq. 8 to 10), the Poisson continued to real m.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import equinox as eqx
import numpy as np
import scipy.special

from neyman._jax import Array, Scalar, jax, jnp
from neyman.parameters import Parameters
from neyman.status import InputError


class DiagonalDerivatives(NamedTuple):
    """-log p, its gradient (P,) and the diagonal (P,) of its Hessian, which has no more."""

    value: Scalar
    gradient: Array
    curvature: Array


class Auxiliary(eqx.Module):
    """A auxiliary measurements of P parameters; shapes (A,) unless stated."""

    names: tuple[str, ...] = eqx.field(static=True)
    parameter: Array
    """The index in theta of the parameter measured."""
    poisson: Array
    """True where Poisson, False where Normal."""
    scale: Array
    """sigma of a Normal, tau of a Poisson."""
    select: Array
    """(P, A), 1 where the measurement is of the parameter."""

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        measured: Sequence[str],
        poisson: Sequence[bool],
        scale: Sequence[float],
        names: Sequence[str] | None = None,
    ) -> "Auxiliary":
        """Measurements of the parameters named in `measured`; their own names by default."""
        index = np.array([parameters.index(name) for name in measured], dtype=int)
        select = np.zeros((len(parameters), len(index)))
        select[index, np.arange(len(index))] = 1.0
        return cls(
            tuple(measured if names is None else names),
            index,
            np.array(poisson, dtype=bool),
            np.array(scale, dtype=float),
            select,
        )

    @classmethod
    def union(cls, parts: Sequence["Auxiliary"], place: Sequence[np.ndarray]) -> "Auxiliary":
        """All measurements of `parts`, identical ones of the same name once.

        `place[i]` maps the parameters of part i to the joint theta.
        """
        found: dict[str, tuple[int, bool, float]] = {}
        n_parameters = 1 + max((int(i.max(initial=-1)) for i in place), default=-1)
        for part, index in zip(parts, place):
            rows = zip(index[part.parameter].tolist(), part.poisson.tolist(), part.scale.tolist())
            for name, row in zip(part.names, rows):
                if found.setdefault(name, row) != row:
                    raise InputError(
                        f"auxiliary measurement '{name}'",
                        "measured differently in what is joined",
                        "rename one of the parameters, or use prefix()",
                    )
        parameter = np.array([row[0] for row in found.values()], dtype=int)
        select = np.zeros((n_parameters, len(found)))
        select[parameter, np.arange(len(found))] = 1.0
        return cls(
            tuple(found),
            parameter,
            np.array([row[1] for row in found.values()], dtype=bool),
            np.array([row[2] for row in found.values()], dtype=float),
            select,
        )

    def rename(self, names: Mapping[str, str]) -> "Auxiliary":
        renamed = tuple(names.get(name, name) for name in self.names)
        return Auxiliary(renamed, self.parameter, self.poisson, self.scale, self.select)

    def log_prob(self, theta: Array, measured: Array) -> Scalar:
        """sum_a log p_a(measured_a|theta)."""
        return -self._negative(theta, measured)[0]

    def derivatives(self, theta: Array, measured: Array) -> DiagonalDerivatives:
        """-log p with its gradient and the diagonal of its Hessian."""
        value, slope, curvature = self._negative(theta, measured)
        return DiagonalDerivatives(value, self.select @ slope, self.select @ curvature)

    def _negative(self, theta: Array, measured: Array) -> tuple[Scalar, Array, Array]:
        xp = theta.__array_namespace__()
        special = scipy.special if xp is np else jax.scipy.special
        centre = theta[self.parameter]
        sigma = xp.where(self.poisson, 1.0, self.scale)
        pull = xp.where(self.poisson, 0.0, (centre - measured) / sigma)
        rate = xp.where(self.poisson, self.scale * centre, 1.0)
        count = xp.where(self.poisson, measured, 1.0)
        value = xp.where(
            self.poisson,
            rate - special.xlogy(count, rate) + special.gammaln(count + 1.0),
            0.5 * pull**2 + xp.log(sigma) + 0.5 * math.log(2 * math.pi),
        )
        ratio = count / rate
        slope = xp.where(self.poisson, self.scale * (1.0 - ratio), pull / sigma)
        curvature = xp.where(self.poisson, self.scale**2 * ratio / rate, 1.0 / sigma**2)
        return xp.sum(value), slope, curvature

    def sample(self, key: Array, theta: Array) -> Array:
        """One draw of every measurement, (A,)."""
        normal_key, poisson_key = jax.random.split(key)
        centre = theta[self.parameter]
        normal = centre + self.scale * jax.random.normal(normal_key, centre.shape)
        rate = jnp.where(self.poisson, self.scale * centre, 1.0)
        count = jax.random.poisson(poisson_key, rate).astype(float)
        return jnp.where(self.poisson, count, normal)

    def expected(self, theta: Array) -> Array:
        """The means of the measurements, (A,)."""
        xp = theta.__array_namespace__()
        centre = theta[self.parameter]
        return xp.where(self.poisson, self.scale * centre, centre)
