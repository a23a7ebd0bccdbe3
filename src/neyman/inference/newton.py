"""Damped projected Newton in a box, for one likelihood or, under `vmap`, for many.

Minimises f = -log L over lower <= theta <= upper. At each step the parameters that float and
are not held by a bound (theta_i at its bound with the gradient pointing outward) solve

    (H + damping diag|H|) d = -gradient,        trial = clip(theta + d)

with the exact Hessian H. The step is taken if f falls by a part of what the quadratic model
predicts (Nocedal and Wright, Numerical Optimization, 2nd ed., chapters 4 and 16.7); otherwise
the damping grows, by as much as a parabola through the step asks for. Parameters that a step
would take out of the box stop at their bounds, and the others are solved for again with those
held. Far from the minimum, where H is not positive definite, the Fisher information takes its
place. The fit has converged when a step was taken whose Newton decrement gradient^T H^-1
gradient was below `TOLERANCE`: twice the distance to the minimum in log L before that step,
squared by it. That step is taken whatever f says: its gain is below the rounding of f.

`step` is written once, for either array library: NumPy runs it in a Python loop without
compilation, jax in a `while_loop`.
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.linalg.lapack

from neyman._jax import Array, Scalar, jax, jnp
from neyman.model import Derivatives, Likelihood, ObservedLikelihood
from neyman.parameters import Parameters
from neyman.status import Status

TOLERANCE = 1e-9
MAX_STEPS = 200
MAX_DAMPING = 1e10
SHORTEN = 0.3
"""Of the damping that a diagonal Hessian would need to shorten a rejected step as asked."""


class Minimum(NamedTuple):
    """Where a minimisation of -log L ended; scalars unless stated."""

    theta: Array
    """(P,)"""
    derivatives: Derivatives
    """Of -log L at theta."""
    decrement: Scalar
    """Newton decrement before the last step: about twice its gain in log L."""
    damping: Scalar
    iterations: Scalar
    status: Scalar
    """A code of `Status`: FINE, NOT_CONVERGED or NOT_FINITE."""

    @property
    def value(self) -> float:
        """-log L"""
        return float(self.derivatives.value)


def minimise(like: Likelihood, start: Array, free: np.ndarray) -> Minimum:
    """The minimum of -log L from `start` (P,) over the parameters where `free` (P,) is True, as
    NumPy arrays.

    The others stay at `start`. A likelihood of NumPy arrays runs eagerly where its model can;
    any other is compiled once per shape.
    """
    p = like.parameters
    if runs_eagerly(like):
        with np.errstate(all="ignore"):
            state = initial(like, np.asarray(start, dtype=float), free, p.lower, p.upper)
            while going_on(state):
                state = step(like, state, free, p.lower, p.upper)
        return state
    vectors, hessian = _compiled(like, np.asarray(start, dtype=float), free, *_bounds(p))
    theta, gradient, (value, decrement, damping, iterations, status) = np.split(
        np.asarray(vectors), [len(p), 2 * len(p)]
    )
    derivatives = Derivatives(value, gradient, np.asarray(hessian))
    return Minimum(theta, derivatives, decrement, damping, iterations, status)


@functools.lru_cache(maxsize=64)
def _bounds(parameters: Parameters) -> tuple[Array, Array]:
    """The bounds on the device, where they stay."""
    return jnp.asarray(parameters.lower), jnp.asarray(parameters.upper)


def runs_eagerly(like: Likelihood) -> bool:
    """Whether `like` is made of NumPy arrays and its model can be evaluated on them."""
    return (
        isinstance(like, ObservedLikelihood)
        and like.model.eager
        and isinstance(like.data.auxiliary, np.ndarray)
    )


@jax.jit
def _compiled(like, start, free, lower, upper) -> tuple[Array, Array]:
    """The Hessian, and the rest as one vector: each array that leaves the device costs 10 us."""
    found = jax.lax.while_loop(
        going_on,
        lambda state: step(like, state, free, lower, upper),
        initial(like, start, free, lower, upper),
    )
    d = found.derivatives
    scalars = [d.value, found.decrement, found.damping, found.iterations, found.status]
    vectors = jnp.concatenate([found.theta, d.gradient, jnp.stack([1.0 * s for s in scalars])])
    return vectors, d.hessian


def initial(like: Likelihood, start: Array, free: Array, lower: Array, upper: Array) -> Minimum:
    xp = start.__array_namespace__()
    theta = xp.where(free, xp.clip(start, lower, upper), start)
    derivatives = like.derivatives(theta)
    finite = xp.isfinite(derivatives.value) & xp.all(xp.isfinite(derivatives.gradient))
    status = xp.where(finite, int(Status.NOT_CONVERGED), int(Status.NOT_FINITE))
    zero = xp.sum(theta[:0])
    return Minimum(theta, derivatives, zero + np.inf, zero, xp.zeros_like(status), status)


def going_on(state: Minimum) -> Scalar | np.bool:
    """Neither converged nor given up."""
    return (
        (state.status == int(Status.NOT_CONVERGED))
        & (state.iterations < MAX_STEPS)
        & (state.damping < MAX_DAMPING)
    )


def step(like: Likelihood, state: Minimum, free: Array, lower: Array, upper: Array) -> Minimum:
    """One trial step, taken or not."""
    theta, (f, gradient, *_) = state.theta, state.derivatives
    xp = theta.__array_namespace__()
    held = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    moves = free & ~held
    slope = xp.where(moves, gradient, 0.0)
    direction, curvature = _direction(state, moves, slope)
    bent = _bent(state, moves, gradient, direction, curvature, lower, upper)
    trial = xp.where(moves, xp.clip(theta + bent, lower, upper), theta)
    move = trial - theta
    new = like.derivatives(trial)

    predicted = -(slope @ move + 0.5 * move @ (curvature @ move))
    gain = f - new.value
    noise = 1e-14 * (1.0 + xp.abs(f))
    finite = xp.isfinite(new.value) & xp.all(xp.isfinite(new.gradient))
    decrement = -(slope @ direction)
    last = (decrement < TOLERANCE) & (state.damping == 0)  # beyond what f's rounding can judge
    taken = finite & (last | (gain >= 1e-4 * predicted - noise))
    converged = last & (finite | ~xp.any(moves))

    good = taken & (gain > 0.25 * predicted - noise)
    shrunk = xp.where(state.damping < 1e-2, 0.0, state.damping / 10.0)
    damping = xp.where(good, shrunk, state.damping)
    downhill = slope @ move
    part = downhill / (2.0 * (gain + downhill))  # of the step, where a parabola is lowest
    shorter = xp.where((part > 0) & (part < 1), SHORTEN * (1.0 / part - 1.0), 0.0)
    more = xp.maximum(xp.maximum(10.0 * state.damping, 1e-3), xp.minimum(shorter, 1e3))
    damping = xp.where(taken, damping, more)
    status = xp.where(converged, int(Status.FINE), int(Status.NOT_CONVERGED))
    return Minimum(
        xp.where(taken, trial, theta),
        jax.tree.map(lambda a, b: xp.where(taken, a, b), new, state.derivatives),
        decrement,
        damping,
        state.iterations + 1,
        status,
    )


def _direction(state: Minimum, moves: Array, slope: Array) -> tuple[Array, Array]:
    """The damped Newton step and the matrix it comes from.

    The matrix is the Hessian where that is positive definite, else the Fisher information,
    else |Hessian|: the absolute values of its eigenvalues.
    """
    hessian, information = state.derivatives.hessian, state.derivatives.information
    xp = hessian.__array_namespace__()
    floating = moves[:, None] & moves[None, :]

    def solve(matrix):
        return solve_positive(_damped(matrix, moves, state.damping), -slope)

    def substitute(_):
        stand_in = (
            absolute(xp.where(floating, hessian, 0.0)) if information is None else information
        )
        direction = solve(stand_in + xp.diag(1e-12 * (1.0 + xp.diagonal(stand_in))))
        return xp.where(xp.isfinite(direction), direction, -slope), stand_in

    direction = solve(hessian)
    usable = xp.all(xp.isfinite(direction))
    if xp is np:
        return (direction, hessian) if usable else substitute(None)
    return jax.lax.cond(usable, lambda _: (direction, hessian), substitute, None)


def _bent(
    state: Minimum,
    moves: Array,
    gradient: Array,
    direction: Array,
    curvature: Array,
    lower: Array,
    upper: Array,
) -> Array:
    """The step with the parameters that it would take out of the box stopped at their bounds,
    and the others where they then want to be."""
    theta = state.theta
    xp = theta.__array_namespace__()
    beyond = moves & ((theta + direction < lower) | (theta + direction > upper))

    def solve_again(_):
        stopped = xp.where(beyond, xp.clip(theta + direction, lower, upper) - theta, 0.0)
        others = moves & ~beyond
        slope = xp.where(others, gradient + curvature @ stopped, 0.0)
        again = solve_positive(_damped(curvature, others, state.damping), -slope)
        return stopped + xp.where(others & xp.isfinite(again), again, 0.0)

    if xp is np:
        return solve_again(None) if np.any(beyond) else direction
    return jax.lax.cond(jnp.any(beyond), solve_again, lambda _: direction, None)


def _damped(matrix: Array, moves: Array, damping: Scalar) -> Array:
    """`matrix` over the parameters that move, damped in units of its diagonal; 1 elsewhere."""
    xp = matrix.__array_namespace__()
    size = xp.abs(xp.diagonal(matrix))
    size = xp.where(size > 0, size, 1.0)
    damped = xp.where(moves[:, None] & moves[None, :], matrix, 0.0)
    return damped + xp.diag(xp.where(moves, (damping + 1e-12) * size, 1.0))


def absolute(matrix: Array) -> Array:
    """|matrix|: symmetric, with the absolute values of the eigenvalues."""
    xp = matrix.__array_namespace__()
    values, vectors = xp.linalg.eigh(matrix)
    return (vectors * xp.abs(values)[None]) @ vectors.T


def solve_positive(matrix: Array, right: Array) -> Array:
    """matrix^-1 right by Cholesky; NaN where the matrix is not positive definite."""
    if matrix.__array_namespace__() is not np:
        lower = jnp.linalg.cholesky(matrix, symmetrize_input=False)
        return jax.scipy.linalg.cho_solve((lower, True), right)
    if not np.all(np.isfinite(matrix)):
        return np.full_like(right, np.nan)
    _, solution, failed = scipy.linalg.lapack.dposv(matrix, right)  # ty: ignore[missing-attribute]
    return np.full_like(right, np.nan) if failed else solution
