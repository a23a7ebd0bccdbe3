"""The residual: what log L has beyond the Gaussian at its maximum.

    r(y) = s(y) - s(0) - y.grad s(0),    s(y) = c_0(u) + c_1(u).y + c_2(u).y^2,    u = D^T y

with D (F, k) a few directions and c = (c_0, c_1, c_2), 1 + 2F coefficients, the outputs of a small
network of u. At a given u it is the exponent of a Gaussian in y whose mean and width bend with u,
which is what the likelihood of a search is: a few systematic uncertainties and the signal make it
bend, a hundred others are nearly Gaussian given those. Subtracting value and slope at y = 0 makes
the surrogate exact there to first order whatever the weights. Once trained, a y that is farther
than every training point is pulled back to their radius R, r(y min(1, R/|y|)): beyond it the
surrogate falls as the Gaussian does, without maxima that the network makes up far away.

D begins as the active subspace, the leading eigenvectors of the mean of grad r grad r^T
(Constantine, Dow, Wang, arXiv:1304.2070), and is trained with the rest.
"""

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.learn.networks import ResidualMLP

MARGIN = 1.001
"""On the radius of the training points."""


class Residual(eqx.Module):
    """r: y (F,) -> a scalar, float32."""

    directions: Array
    """D, (F, k)"""
    coefficients: ResidualMLP
    """u (k,) -> (1 + 2F,)"""
    scale: Array
    """Of the coefficients, (1 + 2F,); not trained."""
    square: Array
    """R^2; not trained."""
    level: bool = eqx.field(static=True)
    """Whether the slope at y = 0 is known to be 0, as it is where the source has gradients."""

    def __init__(
        self,
        start: np.ndarray,
        scale: np.ndarray,
        *,
        width: int,
        depth: int,
        key: Array,
        level: bool = True,
    ):
        f, k = start.shape
        self.directions = jnp.asarray(start, dtype=jnp.float32)
        self.coefficients = ResidualMLP(k, 1 + 2 * f, width=width, depth=depth, key=key)
        self.scale = jnp.asarray(scale, dtype=jnp.float32)
        self.square = jnp.float32(jnp.inf)
        self.level = level

    def free(self, y: Array) -> Scalar:
        """s(y), not anchored."""
        c = jax.lax.stop_gradient(self.scale) * self.coefficients(y @ self.directions)
        f = len(y)
        return c[0] + c[1 : 1 + f] @ y + c[1 + f :] @ (y * y)

    def anchor(self) -> tuple[Scalar, Array]:
        """s(0) and grad s(0), (F,), or 0 for the latter if it is not to be subtracted."""
        origin = jnp.zeros_like(self.directions[:, 0])
        return jax.value_and_grad(self.free)(origin) if self.level else (self.free(origin), origin)

    def __call__(self, y: Array) -> Scalar:
        value, slope = self.anchor()
        y = y / jnp.sqrt(jnp.maximum(y @ y / jax.lax.stop_gradient(self.square), 1.0))
        return self.free(y) - value - slope @ y


def held_within(residual: Residual, y: np.ndarray) -> Residual:
    """The same function as far out as the points y (N, F) are; beyond, constant along rays."""
    square = MARGIN**2 * np.max(np.sum(y**2, axis=1))
    return eqx.tree_at(lambda r: r.square, residual, jnp.float32(square))


class Sobolev(eqx.Module):
    """Mean squared errors of values and, times `weight`, of gradients (arXiv:1706.04859):

        mean_n w_n ((r(y_n) - r_n)^2 + weight |grad r(y_n) - g_n|^2)

    in the coordinates y, where 2 |error of r| + |error of grad r|^2 is about the error on the
    profile -2 log L: the second term is what a fit gains along a wrong slope. A batch is (y, r, w)
    for values alone, with slopes (y, r, w, g).
    """

    weight: Array

    def __call__(self, network: Residual, batch: tuple[Array, ...], key: Array) -> Scalar:
        y, r, w = batch[:3]
        value, slope = network.anchor()
        if len(batch) == 3:
            found = jax.vmap(network.free)(y) - value - y @ slope
            return jnp.mean(w * (found - r) ** 2)
        found, grad = jax.vmap(jax.value_and_grad(network.free))(y)
        off = found - value - y @ slope - r
        bent = jnp.sum((grad - slope[None] - batch[3]) ** 2, axis=1)
        return jnp.mean(w * (off**2 + self.weight * bent))


def active_directions(y: np.ndarray, slope: np.ndarray | None, k: int) -> np.ndarray:
    """The k directions (F, k) along which r changes most; without slopes the last k coordinates."""
    f = y.shape[1]
    if slope is None:
        return np.eye(f)[:, f - min(k, f) :]
    _, vectors = np.linalg.eigh(slope.T @ slope / len(slope))
    return np.ascontiguousarray(vectors[:, ::-1][:, : min(k, f)])


def coefficient_scale(r: np.ndarray, slope: np.ndarray | None, f: int) -> np.ndarray:
    """Sizes that the coefficients will have, (1 + 2F,)."""
    size = float(np.std(r)) + 1e-6
    each = np.full(f, size / f) if slope is None else np.sqrt(np.mean(slope**2, axis=0)) + 1e-3
    return np.concatenate([[size], each, 0.25 * each])


def as_float64(residual: Residual) -> Residual:
    """The same function without the rounding of float32."""
    return jax.tree.map(lambda a: jnp.asarray(a, dtype=float), residual)


def mean_residual(residuals: tuple[Residual, ...], y: Array) -> Scalar:
    """The mean of several at y (F,), in float64."""
    values = [as_float64(residual)(y) for residual in residuals]
    return sum(values[1:], values[0]) / len(values)


@eqx.filter_jit
def mean_square_error(residuals: tuple[Residual, ...], y: Array, r: Array) -> Scalar:
    """Of their mean, over y (N, F) where it should be r (N,)."""
    return jnp.mean((jax.vmap(lambda one: mean_residual(residuals, one))(y) - r) ** 2)
