"""Closed-form models: the truths that tests compare with, and the smallest real searches.

    on/off     n_on ~ Poisson(mu s + b),  n_off ~ Poisson(tau b)
    counting   n_i ~ Poisson(mu s_i + b_i (1 + sum_k theta_k delta_ki)),  m_k ~ Normal(theta_k, 1)
    Gaussian   x ~ Normal(mu a + sum_k theta_k d_k, Sigma),  m_k ~ Normal(theta_k, 1)

The on/off problem is that of Li and Ma (ApJ 272, 317) and of Cousins, Linnemann and Tucker
(physics/0702156). A likelihood of any of them is `model.observe(Data(main, auxiliary))`.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import numpy as np
import scipy.special

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.model import Data, Model
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError, Note


class CountingModel(Model):
    """n_i ~ Poisson(lambda_i), lambda = mu s + b (1 + theta delta): B bins, K nuisances.

    Build one with `on_off` or `counting`. `main` is the vector of counts, (B,).
    """

    signal: Array
    """Events per unit of mu, (B,)."""
    background: Array
    """Events at theta = 0, (B,)."""
    variations: Array
    """Change of the background per unit of each nuisance parameter, in events, (K, B)."""
    auxiliary: Auxiliary
    parameters: Parameters = eqx.field(static=True)
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    def expected_counts(self, theta: Array) -> Array:
        """lambda, (B,)."""
        return theta[0] * self.signal + self.background + theta[1:] @ self.variations

    def main_log_prob(self, theta: Array, main: Array) -> Scalar:
        xp = theta.__array_namespace__()
        special = scipy.special if xp is np else jax.scipy.special
        lam = self.expected_counts(theta)
        seen = xp.where(main > 0, lam, 1.0)  # so that the gradient is finite at lam = 0
        return xp.sum(special.xlogy(main, seen) - lam - special.gammaln(main + 1.0))

    def main_expected(self, theta: Array) -> Array:
        return self.expected_counts(theta)

    def main_sample(self, key: Array, theta: Array) -> Array:
        return jax.random.poisson(key, self.expected_counts(theta)).astype(float)

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        lam, n = np.asarray(self.expected_counts(theta)), np.asarray(data.main)
        bad = np.flatnonzero(~np.isfinite(lam) | (lam < 0) | ((lam == 0) & (n > 0)))
        if not len(bad):
            return "an auxiliary measurement"
        return f"bin {bad[0]}: expected yield is {lam[bad[0]]:g} with {n[bad[0]]:g} observed"


class GaussianModel(Model):
    """x ~ Normal(mu a + theta d, Sigma) with known Sigma; `main` is the vector x, (B,)."""

    signal: Array
    """Shift of x per unit of mu, (B,)."""
    variations: Array
    """Shift of x per unit of each nuisance parameter, (K, B)."""
    whitening: Array
    """W with W^T W = Sigma^-1, (B, B)."""
    auxiliary: Auxiliary
    parameters: Parameters = eqx.field(static=True)
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    def main_expected(self, theta: Array) -> Array:
        return theta[0] * self.signal + theta[1:] @ self.variations

    def main_log_prob(self, theta: Array, main: Array) -> Scalar:
        xp = theta.__array_namespace__()
        pull = self.whitening @ (main - self.main_expected(theta))
        norm = xp.sum(xp.log(xp.diagonal(self.whitening))) - 0.5 * len(pull) * math.log(2 * math.pi)
        return norm - 0.5 * xp.sum(pull**2)

    def main_sample(self, key: Array, theta: Array) -> Array:
        noise = jax.random.normal(key, (len(self.signal),))
        mean = self.main_expected(theta)
        return mean + jax.scipy.linalg.solve_triangular(jnp.asarray(self.whitening), noise)


def on_off(
    *, signal: float = 1.0, tau: float, bounds: tuple[float, float] = (0.0, math.inf)
) -> CountingModel:
    """The on/off problem: parameters mu and b; main = (n_on, n_off), no auxiliary data.

    Args:
        signal: events in the on region per unit of mu.
        tau: exposure of the off region over that of the on region, above 0.
        bounds: of mu; the background is 0 or more.

    Raises:
        InputError: tau is not above 0.
    """
    if not tau > 0:
        raise InputError("tau", f"is {tau:g}", "give the ratio of exposures, above 0")
    parameters = Parameters(
        (Parameter("mu", 1.0, bounds), Parameter("b", 1.0, (0.0, math.inf), unit="events"))
    )
    return CountingModel(
        signal=np.array([signal, 0.0]),
        background=np.zeros(2),
        variations=np.array([[1.0, tau]]),
        auxiliary=Auxiliary.of(parameters, [], [], []),
        parameters=parameters,
        poi="mu",
        notes=(),
        digest="",
    )


def counting(
    signal: Sequence[float],
    background: Sequence[float],
    variations: Sequence[Sequence[float]] = (),
    *,
    bounds: tuple[float, float] = (0.0, math.inf),
) -> CountingModel:
    """Poisson bins with Gaussian-constrained background variations.

    Args:
        signal: s, (B,), events per unit of mu.
        background: b, (B,), events.
        variations: delta, (K, B): relative change of b per standard deviation of theta_k.
        bounds: of mu.

    Raises:
        InputError: the lengths differ, or a background is negative.
    """
    b, delta = np.asarray(background, float), np.asarray(variations, float)
    delta = delta.reshape(len(variations), len(b))
    if len(signal) != len(b):
        raise InputError("signal", f"has {len(signal)} bins for {len(b)}", "give one a bin")
    if np.any(b < 0):
        raise InputError(f"background, bin {np.argmin(b)}", "is negative", "give 0 or more")
    parameters = _mu_and_thetas(len(delta), bounds)
    return CountingModel(
        signal=np.asarray(signal, float),
        background=b,
        variations=delta * b,
        auxiliary=_unit_constraints(parameters),
        parameters=parameters,
        poi="mu",
        notes=(),
        digest="",
    )


def gaussian(
    signal: Sequence[float],
    covariance: Sequence[Sequence[float]] | np.ndarray,
    variations: Sequence[Sequence[float]] = (),
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> GaussianModel:
    """A linear Gaussian measurement: a (B,), Sigma (B, B), d (K, B).

    Raises:
        InputError: Sigma is not positive definite.
    """
    a, sigma = np.asarray(signal, float), np.asarray(covariance, float)
    try:
        lower = np.linalg.cholesky(np.linalg.inv(sigma))
    except np.linalg.LinAlgError:
        raise InputError("covariance", "is not positive definite", "check its values") from None
    parameters = _mu_and_thetas(len(variations), bounds)
    return GaussianModel(
        signal=a,
        variations=np.asarray(variations, float).reshape(len(variations), len(a)),
        whitening=lower.T,
        auxiliary=_unit_constraints(parameters),
        parameters=parameters,
        poi="mu",
        notes=(),
        digest="",
    )


def _mu_and_thetas(n: int, bounds: tuple[float, float]) -> Parameters:
    thetas = (Parameter(f"theta[{k}]", 0.0, (-8.0, 8.0)) for k in range(n))
    return Parameters((Parameter("mu", 1.0, bounds), *thetas))


def _unit_constraints(parameters: Parameters) -> Auxiliary:
    """Every parameter but mu is measured with a width of 1."""
    names = parameters.names[1:]
    return Auxiliary.of(parameters, names, [False] * len(names), [1.0] * len(names))
