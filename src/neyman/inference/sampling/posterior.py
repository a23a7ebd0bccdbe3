"""The posterior density of a likelihood, over unconstrained coordinates z in R^n.

    log p(z) = log L(theta(z)) + sum_i log pi_i(theta_i) + sum_i log |d theta_i/d z_i|

i runs over the n parameters that are not fixed. With bounds l and u

    theta = z                         no bounds          log |d theta/dz| = 0
    theta = l + log(1 + e^z)          from below         log sigmoid(z)
    theta = u - log(1 + e^z)          from above         log sigmoid(z)
    theta = l + (u - l) sigmoid(z)    both               log((u - l) sigmoid(z) sigmoid(-z))

log L holds the constraint terms, which are data and read here as priors; pi is the `prior` of
those parameters that no measurement constrains. A flat prior without two bounds is improper, and
counts as 1.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from scipy.special import ndtr

from neyman._jax import Array, Scalar, jax, jnp
from neyman.model import DatalessLikelihood, Derivatives, Likelihood
from neyman.parameters import LogUniform, Normal, Parameter, Parameters, Uniform
from neyman.status import InputError


class Posterior(DatalessLikelihood):
    """log p(z) as a likelihood of z, (n,): what finds its maximum is what fits likelihoods."""

    like: Likelihood
    constrained: tuple[bool, ...] = eqx.field(static=True)
    """Per parameter of `like`, whether a measurement constrains it."""

    @property
    def dear(self) -> bool:
        return self.like.dear

    @property
    def differentiable(self) -> bool:
        return self.like.differentiable

    @property
    def free(self) -> tuple[Parameter, ...]:
        """The parameters that are not fixed, in the order of z."""
        return tuple(p for p in self.like.parameters if not p.fixed)

    @property
    def priors(self) -> tuple[Parameter, ...]:
        """Those of `free`, with a flat prior of density 1 in place of a measured one's."""
        pairs = zip(self.like.parameters, self.constrained)
        return tuple(_unbounded(p) if known else p for p, known in pairs if not p.fixed)

    @property
    def parameters(self) -> Parameters:
        return Parameters(tuple(Parameter(p.name) for p in self.free))

    def theta(self, z: Array) -> Array:
        """The parameters (P,) at z, fixed ones at their values."""
        value = _bounded(self.free, z)
        fixed = self.like.parameters.fixed
        if not fixed.any():
            return value
        return jnp.asarray(self.like.parameters.init).at[np.flatnonzero(~fixed)].set(value)

    def z(self, theta: np.ndarray, margin: float = 1e-3) -> np.ndarray:
        """The inverse of `theta`; what is at a bound or outside is moved inside by `margin`."""
        kept = np.asarray(theta)[..., ~self.like.parameters.fixed]
        columns = [_unconstrained(p, kept[..., i], margin) for i, p in enumerate(self.free)]
        return np.stack(columns, axis=-1)

    def log_prior(self, z: Array) -> Scalar:
        """log pi of the unconstrained parameters and the Jacobian."""
        return jnp.sum(self._log_prior(z))

    def _log_prior(self, z: Array) -> Array:
        return _log_prior(self.priors, _bounded(self.free, z)) + _log_jacobian(self.free, z)

    def log_prob(self, theta: Array) -> Scalar:
        """log p(z) at z = `theta`."""
        return self.like.log_prob(self.theta(theta)) + self.log_prior(theta)

    def derivatives(self, theta: Array) -> Derivatives:
        """At z = `theta`, by the chain rule from those of log L, since a z moves one parameter."""
        z = theta
        kept = np.flatnonzero(~self.like.parameters.fixed)
        value, gradient, hessian = self.like.derivatives(self.theta(z))
        slope, bend = _diagonal(lambda t: _bounded(self.free, t), z)
        prior_slope, prior_bend = _diagonal(self._log_prior, z)
        g, turned = gradient[kept], slope[:, None] * slope[None, :]
        extra = jnp.diag(g * bend - prior_bend)
        return Derivatives(
            value - self.log_prior(z),
            g * slope - prior_slope,
            hessian[kept][:, kept] * turned + extra,
        )

    def rename(self, names: Mapping[str, str]) -> "Posterior":
        like = self.like.rename(names)
        return Posterior(like=like, constrained=self.constrained)  # ty: ignore[missing-argument]

    def replace(self, name: str, **changes: Any) -> "Posterior":
        """The posterior with `name` declared anew, e.g. with another prior."""
        like = self.like.replace(name, **changes)
        return Posterior(like=like, constrained=self.constrained)  # ty: ignore[missing-argument]


def posterior_of(like: Likelihood) -> Posterior:
    """The posterior of a likelihood.

    Raises:
        InputError: nothing floats; a prior that its bounds do not allow; a prior beside a
            measurement, which would count the same knowledge twice.
    """
    constrained = np.zeros(len(like.parameters), dtype=bool)
    constrained[np.asarray(like.auxiliary.parameter)] = True
    if like.parameters.fixed.all():
        raise InputError("parameters", "all are fixed", "leave one of them to be sampled")
    flags = tuple(constrained.tolist())
    for parameter, flag in zip(like.parameters, flags):
        _check(parameter, flag)
    return Posterior(like=like, constrained=flags)  # ty: ignore[missing-argument]


def _check(p: Parameter, constrained: bool) -> None:
    place = f"parameter '{p.name}'"
    if constrained and p.prior != Uniform():
        problem = "has a prior and a measurement that constrains it"
        raise InputError(place, problem, "leave one of them out: a measurement acts as a prior")
    if isinstance(p.prior, LogUniform) and not (p.bounds[0] > 0 and p.bounds[1] < math.inf):
        raise InputError(place, "is log-uniform to 0 or infinity", "give bounds above 0 and finite")
    if isinstance(p.prior, Normal) and not (p.prior.sd > 0 and math.isfinite(p.prior.mean)):
        raise InputError(place, f"has the prior {p.prior}", "give a mean, and an sd above 0")


def _unbounded(p: Parameter) -> Parameter:
    return dataclasses.replace(p, bounds=(-math.inf, math.inf), prior=Uniform())


# ---- all parameters at once; which formula holds for which parameter is known when compiling


def _bounds(free: tuple[Parameter, ...]) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = np.array([p.bounds for p in free]).T
    return lower, upper


def _choose(cases: list[tuple[np.ndarray, Array]]) -> Array:
    """The array whose mask is True, element by element; masks that are False everywhere, and a
    last choice, cost nothing."""
    used = [(mask, value) for mask, value in cases if mask.any()]
    chosen = used[-1][1]
    for mask, value in reversed(used[:-1]):
        chosen = jnp.where(mask, value, chosen)
    return chosen


def _masks(free: tuple[Parameter, ...]) -> list[np.ndarray]:
    """No bounds, from below, from above, both."""
    lower, upper = (np.isfinite(b) for b in _bounds(free))
    return [~lower & ~upper, lower & ~upper, ~lower & upper, lower & upper]


def _bounded(free: tuple[Parameter, ...], z: Array) -> Array:
    neither, below, above, both = _masks(free)
    lower, upper = _bounds(free)
    low, high = np.where(np.isfinite(lower), lower, 0.0), np.where(np.isfinite(upper), upper, 0.0)
    cases = [(neither, z)]
    if below.any() or above.any():
        positive = jax.nn.softplus(z)
        cases += [(below, low + positive), (above, high - positive)]
    if both.any():
        cases.append((both, low + np.where(both, high - low, 1.0) * jax.nn.sigmoid(z)))
    return _choose(cases)


def _log_jacobian(free: tuple[Parameter, ...], z: Array) -> Array:
    neither, below, above, both = _masks(free)
    if neither.all():
        return jnp.zeros_like(z)
    lower, upper = _bounds(free)
    width = np.log(np.where(both, upper, 1.0) - np.where(both, lower, 0.0))
    up = jax.nn.log_sigmoid(z)  # and log sigmoid(-z) is log sigmoid(z) - z
    return _choose([(neither, 0.0 * z), (below | above, up), (both, width + 2.0 * up - z)])


def _log_prior(free: tuple[Parameter, ...], theta: Array) -> Array:
    lower, upper = _bounds(free)
    flat, log_flat, normal = (
        np.array([isinstance(p.prior, kind) for p in free])
        for kind in (Uniform, LogUniform, Normal)
    )
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(upper - lower), upper - lower, 1.0)
    cases: list[tuple[np.ndarray, Array]] = [(flat, jnp.asarray(-np.log(width)))]
    if log_flat.any():
        low, high = np.where(log_flat, lower, 1.0), np.where(log_flat, upper, 2.0)
        safe = jnp.where(log_flat, theta, 1.0)
        cases.append((log_flat, -jnp.log(safe) - np.log(np.log(high / low))))
    if normal.any():
        given = [p.prior if isinstance(p.prior, Normal) else Normal(0.0, 1.0) for p in free]
        mean, sd = np.array([(g.mean, g.sd) for g in given]).T
        mass = np.where(normal, ndtr((upper - mean) / sd) - ndtr((lower - mean) / sd), 1.0)
        constant = -np.log(sd * math.sqrt(2 * math.pi)) - np.log(mass)
        cases.append((normal, -0.5 * ((theta - mean) / sd) ** 2 + constant))
    return _choose(cases)


def _diagonal(function, z: Array) -> tuple[Array, Array]:
    """First and second derivatives of a function of each element alone."""

    def slope(t):
        return jax.jvp(function, (t,), (jnp.ones_like(t),))[1]

    return jax.jvp(slope, (z,), (jnp.ones_like(z),))


def _unconstrained(
    p: Parameter, theta: np.ndarray | np.float64, margin: float
) -> np.ndarray | np.float64:
    lower, upper = p.bounds
    if math.isfinite(lower) and math.isfinite(upper):
        part = np.clip((theta - lower) / (upper - lower), margin, 1.0 - margin)
        return np.log(part / (1.0 - part))
    if not math.isfinite(lower) and not math.isfinite(upper):
        return theta
    distance = np.maximum(theta - lower if math.isfinite(lower) else upper - theta, margin)
    return distance + np.log(-np.expm1(-distance))
