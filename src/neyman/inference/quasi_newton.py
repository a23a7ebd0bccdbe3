"""BFGS in a box, for likelihoods whose Hessian is dear: each step costs one gradient or two.

Minimises f = -log L over lower <= theta <= upper. The parameters that float and are not held by
a bound take the step d = -B^-1 gradient, clipped to the box and shortened, to where a parabola
through its ends is lowest, until f falls by a part of what the gradient promises (Armijo); B is
then updated by the change of the gradient (BFGS with Powell's damping, which keeps it positive
definite; Nocedal and Wright, Numerical Optimization, 2nd ed., procedure 18.2). It begins as the
Hessian at a near minimum, where one is known: then a fit takes a few steps. Else it begins as
the Hessian at the start, by differences of P gradients, with the absolute values of its
eigenvalues (Dauphin et al., arXiv:1406.2572); such fits end with the exact one, by central
differences (2 P gradients), and with steps of Newton's method that use it. Converged is a fit
whose decrement gradient^T B^-1 gradient, twice the distance to the minimum in log L, is below
`TOLERANCE`.
"""

from typing import NamedTuple

import numpy as np

from neyman._jax import Array, Scalar, jax, quick_jit
from neyman.model import Derivatives, Likelihood
from neyman.status import Status

TOLERANCE = 1e-10
MAX_STEPS = 200
MOST_SHORTENINGS = 25
STEP = 1e-4
"""Of the differences for the Hessian, in standard deviations."""


class Point(NamedTuple):
    """f and its gradient (P,) at theta (P,)."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray


class Descent(NamedTuple):
    """Where a minimisation ended."""

    point: Point
    hessian: np.ndarray
    decrement: float
    iterations: int
    status: int
    """A code of `Status`."""


def descend(
    like: Likelihood, start: np.ndarray, free: np.ndarray, near: Array | None = None
) -> Descent:
    """The minimum of -log L from `start` (P,) over the parameters where `free` (P,) is True.

    Args:
        like: any likelihood of jax arrays; its gradient is compiled once per shape.
        start: where to begin.
        free: the parameters that float; the others stay.
        near: the Hessian (P, P) at a minimum nearby, if one is known.
    """
    p = like.parameters
    theta = np.where(free, np.clip(start, p.lower, p.upper), start)
    point = evaluate(like, theta)
    if not _finite(point):
        return Descent(point, np.eye(len(p)), np.inf, 0, int(Status.NOT_FINITE))
    if near is not None:
        begun = np.asarray(near)
    elif like.differentiable:
        begun = _one_sided(like, point, free)
    else:
        begun = np.diag(_widths(like) ** -2.0)
    if not np.all(np.isfinite(begun)):
        begun = np.diag(_widths(like) ** -2.0)
    found = _bfgs(like, point, free, _positive(begun))
    if near is not None or found.status != int(Status.FINE):
        return found
    exact = hessian(like, found.point.theta, free)
    return _bfgs(like, found.point, free, _positive(exact))._replace(
        hessian=exact, iterations=found.iterations
    )


def evaluate(like: Likelihood, theta: np.ndarray) -> Point:
    value, gradient = value_and_gradient(like, theta)
    return Point(theta, float(value), np.asarray(gradient))


@quick_jit
def value_and_gradient(like, theta) -> tuple[Scalar, Array]:
    return jax.value_and_grad(lambda t: -like.log_prob(t))(theta)


def hessian(like: Likelihood, theta: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The Hessian of -log L (P, P), by differences of the gradient; 0 for what does not float."""
    p = like.parameters
    floating = free[:, None] & free[None, :]
    if not like.differentiable:  # whose gradient is of differences itself, which it knows to take
        return np.where(floating, np.asarray(like.derivatives(theta).hessian), 0.0)
    rows = np.zeros((len(theta), len(theta)))
    for i in np.flatnonzero(free).tolist():
        h = STEP * _widths(like)[i]
        ends = np.clip([theta[i] - h, theta[i] + h], p.lower[i], p.upper[i])
        low, high = (evaluate(like, _with(theta, i, end)) for end in ends)
        rows[i] = (high.gradient - low.gradient) / (ends[1] - ends[0])
    return np.where(floating, 0.5 * (rows + rows.T), 0.0)


def _one_sided(like: Likelihood, point: Point, free: np.ndarray) -> np.ndarray:
    """`hessian`, good to `STEP`, from the gradient at `point` and P others."""
    p = like.parameters
    rows = np.zeros((len(point.theta), len(point.theta)))
    for i in np.flatnonzero(free).tolist():
        h = STEP * _widths(like)[i]
        end = point.theta[i] + (h if point.theta[i] + h <= p.upper[i] else -h)
        beside = evaluate(like, _with(point.theta, i, end)).gradient
        rows[i] = (beside - point.gradient) / (end - point.theta[i])
    floating = free[:, None] & free[None, :]
    return np.where(floating, 0.5 * (rows + rows.T), 0.0)


def minimum(found: Descent) -> tuple[np.ndarray, Derivatives]:
    """theta (P,) and the derivatives there."""
    value = np.float64(found.point.value)
    return found.point.theta, Derivatives(value, found.point.gradient, found.hessian)


def _bfgs(like: Likelihood, point: Point, free: np.ndarray, metric: np.ndarray) -> Descent:
    p = like.parameters
    decrement, iterations = np.inf, 0
    while iterations < MAX_STEPS:
        at_low = (point.theta <= p.lower) & (point.gradient > 0)
        at_high = (point.theta >= p.upper) & (point.gradient < 0)
        moves = np.flatnonzero(free & ~at_low & ~at_high)
        slope = point.gradient[moves]
        direction = np.zeros(len(p))
        direction[moves] = -np.linalg.solve(metric[np.ix_(moves, moves)], slope)
        decrement = float(-slope @ direction[moves])
        if decrement < TOLERANCE:
            return Descent(point, metric, decrement, iterations, int(Status.FINE))
        new = _shortened(like, point, direction)
        if new is None:
            break
        metric = _updated(metric, new.theta - point.theta, new.gradient - point.gradient)
        point, iterations = new, iterations + 1
    return Descent(point, metric, decrement, iterations, int(Status.NOT_CONVERGED))


def _shortened(like: Likelihood, point: Point, direction: np.ndarray) -> Point | None:
    """The step, or the first shorter one that goes down far enough; None where none does."""
    p = like.parameters
    part = 1.0
    for _ in range(MOST_SHORTENINGS):
        trial = np.clip(point.theta + part * direction, p.lower, p.upper)
        trial = np.where(direction == 0, point.theta, trial)
        new = evaluate(like, trial)
        promised = point.gradient @ (trial - point.theta)
        if _finite(new) and new.value <= point.value + 1e-4 * promised + _noise(point):
            return new
        bend = new.value - point.value - promised  # where a parabola is lowest
        part *= np.clip(-0.5 * promised / bend, 0.1, 0.5) if bend > 0 else 0.5
    return None


def _updated(metric: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    moved = metric @ step
    along = step @ moved
    if along <= 0:
        return metric
    curvature = step @ change
    if curvature < 0.2 * along:  # Powell: a convex mixture that stays positive definite
        share = 0.8 * along / (along - curvature)
        change = share * change + (1.0 - share) * moved
        curvature = step @ change
    return metric - np.outer(moved, moved) / along + np.outer(change, change) / curvature


def _positive(matrix: np.ndarray) -> np.ndarray:
    """`matrix` with eigenvalues above 0, in units of its diagonal."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(matrix)), 1e-300))
    scale = np.where(np.diagonal(matrix) != 0, scale, 1.0)
    unit = matrix / np.outer(scale, scale) + np.diag((np.diagonal(matrix) == 0) * 1.0)
    values, vectors = np.linalg.eigh(unit)
    return (vectors * np.maximum(np.abs(values), 1e-6)) @ vectors.T * np.outer(scale, scale)


def _widths(like: Likelihood) -> np.ndarray:
    """How far each parameter is expected to move, (P,): the width of its constraint, else a
    tenth of its value or of its bounds."""
    p = like.parameters
    width = np.maximum(0.1 * np.abs(p.init), 1e-3)
    a = like.auxiliary
    index, poisson = np.asarray(a.parameter), np.asarray(a.poisson)
    scale, measured = np.asarray(a.scale), np.asarray(like.measured)
    poisson_width = np.sqrt(np.maximum(measured, 1.0)) / scale
    width[index] = np.where(poisson, poisson_width, scale)
    return np.minimum(width, np.where(np.isfinite(p.upper - p.lower), p.upper - p.lower, np.inf))


def _finite(point: Point) -> bool:
    return bool(np.isfinite(point.value) and np.all(np.isfinite(point.gradient)))


def _noise(point: Point) -> float:
    return 1e-12 * (1.0 + abs(point.value))


def _with(theta: np.ndarray, i: int, value: float) -> np.ndarray:
    moved = theta.copy()
    moved[i] = value
    return moved
