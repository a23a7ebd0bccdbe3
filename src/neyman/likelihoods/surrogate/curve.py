"""The error of a surrogate on t_mu, without a fit of the surrogate.

t_mu = 2 (max log L - max over nuisances of log L at mu). At the exact conditional maximum the
surrogate has the value f and, over the parameters that float there, the gradient g and the Hessian
-H; its own conditional maximum lies higher by g^T H^-1 g/2 (one Newton step), so

    t_mu(surrogate) = 2 (f_0 - f) - g^T H^-1 g

to third order in its errors, its value f_0 at theta^ being exact. Members of an ensemble are
compared by this, not by their loss.
"""

import dataclasses

import equinox as eqx
import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.surrogate.gaussian import Gaussian
from neyman.likelihoods.surrogate.network import Residual, mean_residual
from neyman.likelihoods.surrogate.points import Points
from neyman.parameters import Parameters

CURVE = "curve "
"""Origin of the exact conditional maxima of a parameter: "curve mu"."""
DEEPEST = 9.0
"""Points of the curves above this t_mu do not count."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Exact conditional maxima, of any parameters of interest."""

    y: np.ndarray
    """(C, F)"""
    t: np.ndarray
    """(C,)"""
    free: np.ndarray
    """The parameters that are fitted there and not at a bound, (C, P)."""


def curves_of(points: Points, gaussian: Gaussian, parameters: Parameters) -> Curve:
    """Those among the points."""
    rows, frees = [], []
    for code, origin in enumerate(points.origins):
        if not origin.startswith(CURVE):
            continue
        poi = parameters.index(origin.removeprefix(CURVE))
        t = 2.0 * (gaussian.value - points.log_prob)
        found = np.flatnonzero((points.origin == code) & (t <= DEEPEST))
        theta = points.theta[found]
        free = ~parameters.fixed & (theta > parameters.lower) & (theta < parameters.upper)
        free[:, poi] = False
        rows.append(found)
        frees.append(free)
    if not rows:
        f, p = gaussian.to_theta.shape
        return Curve(np.zeros((0, f)), np.zeros(0), np.zeros((0, p), dtype=bool))
    chosen = points.at(np.concatenate(rows))
    t = 2.0 * (gaussian.value - chosen.log_prob)
    return Curve(gaussian.y(chosen.theta), t, np.concatenate(frees))


def error_on_t(residuals: tuple[Residual, ...], gaussian: Gaussian, curve: Curve) -> np.ndarray:
    """t_mu(surrogate) - t_mu at each point of the curves, (C,), for the mean of the residuals."""
    if not len(curve.t):
        return np.zeros(0)
    given = (gaussian.slope, gaussian.to_y, curve.y, curve.t, curve.free)
    return np.asarray(_errors(residuals, *map(jnp.asarray, given)))


@eqx.filter_jit
def _errors(
    residuals: tuple[Residual, ...], slope: Array, to_y: Array, y: Array, t: Array, free: Array
) -> Array:
    def minus(y):
        return 0.5 * y @ y - slope @ y - mean_residual(residuals, y)

    def one(row):
        y, t, free = row
        value, gradient = jax.value_and_grad(minus)(y)
        g = jnp.where(free, to_y @ gradient, 0.0)
        hessian = to_y @ jax.hessian(minus)(y) @ to_y.T
        pairs = free[:, None] & free[None, :]
        h = jnp.where(pairs, hessian, 0.0) + jnp.diag(jnp.where(free, 0.0, 1.0))
        return 2.0 * value - g @ jnp.linalg.solve(h, g) - t

    return jax.lax.map(one, (y, t, free), batch_size=16)
