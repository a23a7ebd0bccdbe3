"""The Gaussian at the maximum, and the coordinates y in which it is the standard one.

    log L(theta) = f_0 + b.y - |y|^2/2 + r(y),      y = (theta - theta^) A

over the F parameters that float. A is lower triangular after a permutation, A A^T = H the Hessian
of -log L at theta^ (Cholesky); b, the slope there, is 0 unless theta^ is at a bound. So r, which a
network learns, vanishes at y = 0 with its slope.

The order of the permutation matters to the network: the parameters along which log L departs most
from a Gaussian come last, so that their y are made of each other alone, and a y before them is its
own parameter as it stands above its mean given the later ones. Parameters that are independent
given the last ones (statistical errors of bins, given the systematics) then have y that do not mix.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from neyman._jax import Array, jnp
from neyman.likelihoods.surrogate.points import Points
from neyman.model import Derivatives, Likelihood
from neyman.status import InputError

SOFTEST = 1e-6
"""Curvatures below this part of the largest, in units of the diagonal, are taken for as much."""
MOST_NUMBERS = 500_000_000
"""In a least-squares fit."""


class Gaussian(NamedTuple):
    """theta^ and the quadratic form there; P parameters of which F float."""

    centre: np.ndarray
    """theta^, (P,)"""
    value: float
    """f_0"""
    slope: np.ndarray
    """b, (F,)"""
    to_y: np.ndarray
    """A, (P, F); rows of parameters that are fixed are 0."""
    to_theta: np.ndarray
    """The inverse: theta = theta^ + y @ to_theta, (F, P)."""

    def y(self, theta: np.ndarray) -> np.ndarray:
        """(N, P) -> (N, F)"""
        return (theta - self.centre) @ self.to_y

    def residual(self, points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """y (N, F), r (N,) and dr/dy (N, F) of points."""
        y = self.y(points.theta)
        r = points.log_prob - self.value - y @ self.slope + 0.5 * np.sum(y**2, axis=1)
        if points.gradient is None:
            return y, r, None
        return y, r, points.gradient @ self.to_theta.T - self.slope + y


def gaussian_at_maximum(like: Likelihood, points: Points) -> Gaussian:
    """The Gaussian at the highest of the points, with the derivatives of the likelihood there.

    Where the Hessian is not positive definite the likelihood's Fisher information, or the Hessian
    with its soft curvatures raised, takes its place; the difference is left to r.
    """
    best = int(np.argmax(points.log_prob))
    theta = points.theta[best]
    found = like.derivatives(jnp.asarray(theta))
    floats = np.flatnonzero(~like.parameters.fixed)
    if not len(floats):
        raise InputError("parameters", "all are fixed", "leave one of them to be learned")
    hessian = _positive(found, like.information(jnp.asarray(theta)), floats)
    gradient = -np.asarray(found.gradient)
    points_gradient = points.gradient
    if points_gradient is None:
        order = np.arange(len(floats))
    else:
        linear = gradient[floats] - (points.theta - theta)[:, floats] @ hessian
        excess = np.mean((points_gradient[:, floats] - linear) ** 2, axis=0)
        order = np.argsort(excess / np.diagonal(hessian), kind="stable")
    return _whitened(theta, -float(found.value), gradient, hessian, floats, order)


def gaussian_of_values(points: Points) -> Gaussian:
    """The Gaussian of points without gradients: centre at the highest one, slope and curvature by
    least squares, in which deep points count less."""
    best = int(np.argmax(points.log_prob))
    theta, top = points.theta[best], float(points.log_prob[best])
    floats = np.flatnonzero(np.ptp(points.theta, axis=0) > 0)
    n, f = len(points), len(floats)
    least = 2 * (f + f * (f + 1) // 2)
    if f == 0 or n < least:
        problem = f"{n} are too few for {f} parameters that vary"
        raise InputError("points", problem, f"give {max(least, 10)} or more")
    if n * least > MOST_NUMBERS:
        raise InputError("points", f"{n:,} of {f} parameters are too many", "give fewer")
    scale = np.std(points.theta[:, floats], axis=0)
    x = (points.theta[:, floats] - theta[floats]) / scale
    slope, hessian = _fitted(x, points.log_prob - top)
    gradient = np.zeros(len(theta))
    gradient[floats] = slope / scale
    hessian = raised(hessian / np.outer(scale, scale))
    return _whitened(theta, top, gradient, hessian, floats, np.arange(f))


def _fitted(x: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """b and H of value ~ b.x - x.H x/2."""
    f = x.shape[1]
    i, j = np.triu_indices(f)
    weight = 1.0 / (1.0 - value / (1.0 + 0.5 * f))
    design = np.concatenate([x, -x[:, i] * x[:, j] * np.where(i == j, 0.5, 1.0)], axis=1)
    found = np.linalg.lstsq(design * weight[:, None], value * weight, rcond=None)[0]
    hessian = np.zeros((f, f))
    hessian[i, j] = hessian[j, i] = found[f:]
    return found[:f], hessian


def _positive(found: Derivatives, information: Array | None, floats: np.ndarray) -> np.ndarray:
    """The Hessian over the floating parameters, or what stands in for it."""
    block = np.ix_(floats, floats)
    hessian = np.asarray(found.hessian)[block]
    if np.all(np.isfinite(hessian)) and np.linalg.eigvalsh(hessian)[0] > 0:
        scaled = hessian / np.sqrt(np.outer(np.diagonal(hessian), np.diagonal(hessian)))
        if np.linalg.eigvalsh(scaled)[0] > SOFTEST:
            return hessian
    if information is not None and np.all(np.isfinite(np.asarray(information))):
        return raised(np.asarray(information)[block])
    if not np.all(np.isfinite(hessian)):
        problem = "its second derivatives at the maximum are not finite"
        raise InputError("likelihood", problem, "check it near the maximum")
    return raised(hessian)


def raised(hessian: np.ndarray) -> np.ndarray:
    """A symmetric matrix with its eigenvalues, in units of its diagonal, at least `SOFTEST` of the
    largest; those below 0 by their size."""
    scale = np.sqrt(np.abs(np.diagonal(hessian)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    values = np.maximum(np.abs(values), SOFTEST * np.max(np.abs(values), initial=1e-300))
    return (vectors * values) @ vectors.T * np.outer(scale, scale)


def _whitened(
    theta: np.ndarray,
    value: float,
    gradient: np.ndarray,
    hessian: np.ndarray,
    floats: np.ndarray,
    order: np.ndarray,
) -> Gaussian:
    """The coordinates y; `gradient` (P,) is that of log L, the Hessian (F, F) that of -log L."""
    factor = np.linalg.cholesky(hessian[np.ix_(order, order)])
    inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
    to_y, to_theta = np.zeros((len(theta), len(floats))), np.zeros((len(floats), len(theta)))
    to_y[floats[order]] = factor
    to_theta[:, floats[order]] = inverse
    return Gaussian(theta, value, to_theta @ gradient, to_y, to_theta)
