"""Damped projected Newton in a box, for one likelihood or, under `vmap`, for many.

Minimises f = -log L over lower <= theta <= upper. At each step the parameters that float and
are not held by a bound (theta_i at its bound with the gradient pointing outward) solve

    (H + damping diag|H|) d = -gradient,        trial = clip(theta + d)

with the exact Hessian H. The step is taken if f falls by a part of what the quadratic model
predicts (Nocedal and Wright, Numerical Optimization, 2nd ed., chapters 4 and 16.7); otherwise
the damping grows, by as much as a parabola through the step asks for. Parameters that a step
would take out of the box stop at their bounds, and the others are solved for again with those
held. Far from the minimum, where H is not positive definite, the Fisher information takes its
place. Where the Newton decrement gradient^T H^-1 gradient, twice the distance to the minimum in
log L, is below `TOLERANCE`, a step squares it whatever f says: its gain is below the rounding of
f. The fit has converged after that step, or where the decrement is below `NEGLIGIBLE`; a last
step is then taken by the quadratic model alone, without evaluating f.

`step` is written once, for either array library: NumPy runs it in a Python loop without
compilation, jax in a `while_loop`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg.lapack

from neyman._jax import Array, Scalar, jax, jnp
from neyman.inference import quasi_newton
from neyman.model import Derivatives, Likelihood, ObservedLikelihood
from neyman.parameters import Parameters
from neyman.status import Status

TOLERANCE = 1e-9
NEGLIGIBLE = 1e-13
MAX_STEPS = 200
MAX_DAMPING = 1e10
SHORTEN = 0.3
"""Of the damping that a diagonal Hessian would need to shorten a rejected step as asked."""


class Minimum(NamedTuple):
    """Where a minimisation of -log L ended; scalars unless stated."""

    theta: Array
    """(P,)"""
    derivatives: Derivatives
    """Of -log L at theta; after convergence the Hessian is that of the last evaluation, at
    most sqrt(`NEGLIGIBLE`) standard deviations away."""
    decrement: Scalar
    """Newton decrement: about twice the distance to the minimum in log L."""
    iterations: Scalar
    status: Scalar
    """A code of `Status`: FINE, NOT_CONVERGED or NOT_FINITE."""
    definite: Scalar | np.bool | bool = True
    """Whether the Hessian is positive definite over the parameters that float and are not held
    by a bound; if not, this may be a saddle point, or log L may be flat in a direction."""

    @property
    def value(self) -> float:
        """-log L"""
        return float(self.derivatives.value)


class Proposal(NamedTuple):
    """The step that the quadratic model asks for."""

    move: Array
    """(P,)"""
    gain: Scalar
    """By how much the quadratic model falls along `move`."""
    slope: Scalar
    """gradient . move"""
    decrement: Scalar
    definite: Scalar | np.bool
    """Whether its matrix is the Hessian."""


class State(NamedTuple):
    """A minimisation under way."""

    theta: Array
    derivatives: Derivatives
    damping: Scalar
    iterations: Scalar
    status: Scalar
    proposal: Proposal


def minimise(
    like: Likelihood, start: Array, free: np.ndarray, near: Array | None = None
) -> Minimum:
    """The minimum of -log L from `start` (P,) over the parameters where `free` (P,) is True, as
    NumPy arrays.

    The others stay at `start`. A likelihood of NumPy arrays runs eagerly where its model can;
    any other is compiled once per shape. One whose Hessian is dear is minimised by
    `quasi_newton`, which begins with the Hessian `near` (P, P) where one is known.
    """
    p = like.parameters
    if like.dear:
        found = quasi_newton.descend(like, np.asarray(start, dtype=float), free, near)
        return Minimum(*quasi_newton.minimum(found), *map(np.asarray, found[2:]))
    if runs_eagerly(like):
        with np.errstate(all="ignore"):
            state = initial(like, np.asarray(start, dtype=float), free, p.lower, p.upper)
            while going_on(state):
                state = step(like, state, free, p.lower, p.upper)
            return finished(state)
    found = np.asarray(_compiled(like, np.asarray(start, dtype=float), free, *_bounds(p)))
    n, scalars = len(p), found[-5:]
    hessian = found[2 * n : -5].reshape(n, n)
    derivatives = Derivatives(scalars[0], found[n : 2 * n], hessian)
    return Minimum(found[:n], derivatives, *scalars[1:])


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
def _compiled(like, start, free, lower, upper) -> Array:
    """The minimum as one vector: each array that leaves the device costs 10 us."""
    found = descend(like, start, free, lower, upper)
    d = found.derivatives
    scalars = [d.value, found.decrement, found.iterations, found.status, found.definite]
    last = jnp.stack([jnp.asarray(s, float) for s in scalars])
    return jnp.concatenate([found.theta, d.gradient, d.hessian.ravel(), last])


def descend(like: Likelihood, start: Array, free: Array, lower: Array, upper: Array) -> Minimum:
    """The minimum from `start`, inside a compiled program."""
    found = jax.lax.while_loop(
        going_on,
        lambda state: step(like, state, free, lower, upper),
        initial(like, start, free, lower, upper),
    )
    return finished(found)


def initial(like: Likelihood, start: Array, free: Array, lower: Array, upper: Array) -> State:
    """Before the first trial, which is the start itself."""
    xp = start.__array_namespace__()
    theta = xp.where(free, xp.clip(start, lower, upper), start)
    nothing = xp.zeros_like(theta)
    zero, unknown = xp.sum(nothing[:0]), xp.sum(nothing[:0]) + np.inf
    derivatives = Derivatives(unknown, nothing, nothing[:, None] * nothing[None, :])
    count = xp.sum(xp.zeros_like(free[:0], dtype=int))
    status = count + int(Status.NOT_CONVERGED)
    proposal = Proposal(nothing, zero, zero, unknown, zero == 0)
    return State(theta, derivatives, zero, count - 1, status, proposal)


def going_on(state: State) -> Scalar | np.bool:
    """Neither converged nor given up."""
    return (
        (state.status == int(Status.NOT_CONVERGED))
        & (state.iterations < MAX_STEPS)
        & (state.damping < MAX_DAMPING)
    )


def step(like: Likelihood, state: State, free: Array, lower: Array, upper: Array) -> State:
    """One trial step, taken or not."""
    f, proposal = state.derivatives.value, state.proposal
    xp = state.theta.__array_namespace__()
    trial = state.theta + proposal.move
    new = like.derivatives(trial)
    gain = f - new.value
    noise = 1e-14 * (1.0 + xp.abs(f))
    finite = xp.isfinite(new.value) & xp.all(xp.isfinite(new.gradient))
    first = state.iterations < 0
    last = (proposal.decrement < TOLERANCE) & (state.damping == 0)
    taken = first | (finite & (last | (gain >= 1e-4 * proposal.gain - noise)))

    good = taken & (gain > 0.25 * proposal.gain - noise)
    shrunk = xp.where(state.damping < 1e-2, 0.0, state.damping / 10.0)
    damping = xp.where(good, shrunk, state.damping)
    part = proposal.slope / (2.0 * (gain + proposal.slope))  # where a parabola is lowest
    shorter = xp.where((part > 0) & (part < 1), SHORTEN * (1.0 / part - 1.0), 0.0)
    more = xp.maximum(xp.maximum(10.0 * state.damping, 1e-3), xp.minimum(shorter, 1e3))
    damping = xp.where(taken, damping, more)

    theta = xp.where(taken, trial, state.theta)
    derivatives = jax.tree.map(lambda a, b: xp.where(taken, a, b), new, state.derivatives)
    proposal = _propose(like, theta, derivatives, damping, free, lower, upper)
    end = xp.where(last & taken, TOLERANCE, NEGLIGIBLE)
    converged = (proposal.decrement < end) & (damping == 0)
    status = xp.where(converged, int(Status.FINE), int(Status.NOT_CONVERGED))
    status = xp.where(first & ~finite, int(Status.NOT_FINITE), status)
    return State(theta, derivatives, damping, state.iterations + 1, status, proposal)


def finished(state: State) -> Minimum:
    """The end of a minimisation, with the last step where it has converged."""
    xp = state.theta.__array_namespace__()
    d, proposal = state.derivatives, state.proposal
    converged = state.status == int(Status.FINE)
    theta = state.theta + xp.where(converged, proposal.move, 0.0)
    value = d.value - xp.where(converged, proposal.gain, 0.0)
    gradient = d.gradient + xp.where(converged, d.hessian @ proposal.move, 0.0)
    derivatives = Derivatives(value, gradient, d.hessian)
    return Minimum(
        theta, derivatives, proposal.decrement, state.iterations, state.status, proposal.definite
    )


def _propose(
    like: Likelihood,
    theta: Array,
    derivatives: Derivatives,
    damping: Scalar,
    free: Array,
    lower: Array,
    upper: Array,
) -> Proposal:
    """The damped Newton step within the box.

    Its matrix is the Hessian where that is positive definite, else the information of the
    likelihood, else |Hessian|: the absolute values of its eigenvalues.
    """
    xp = theta.__array_namespace__()
    _, gradient, hessian = derivatives
    held = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    moves = free & ~held
    slope = xp.where(moves, gradient, 0.0)
    newton = solve_positive(_damped(hessian, moves, damping), -slope)
    end = theta + newton

    def substitute():
        """The matrix that stands in for the Hessian, and its step."""
        matrix = like.information(theta)
        if matrix is None:
            matrix = absolute(xp.where(moves[:, None] & moves[None, :], hessian, 0.0))
        raised = matrix + xp.diag(1e-12 * (1.0 + xp.diagonal(matrix)))
        direction = solve_positive(_damped(raised, moves, damping), -slope)
        return matrix, xp.where(xp.isfinite(direction), direction, -slope)

    def bent():
        """With the parameters that leave the box stopped at their bounds, the others' step."""
        usable = xp.all(xp.isfinite(newton))
        matrix, direction = _either(usable, lambda: (hessian, newton), substitute)
        beyond = moves & ((theta + direction < lower) | (theta + direction > upper))
        stopped = xp.where(beyond, xp.clip(theta + direction, lower, upper) - theta, 0.0)
        others = moves & ~beyond
        pulled = xp.where(others, gradient + matrix @ stopped, 0.0)
        again = solve_positive(_damped(matrix, others, damping), -pulled)
        again = stopped + xp.where(others & xp.isfinite(again), again, 0.0)
        wanted = xp.where(xp.any(beyond), again, direction)
        move = xp.where(moves, xp.clip(theta + wanted, lower, upper) - theta, 0.0)
        return direction, move, matrix @ move, usable

    inside = xp.all(~moves | ((end >= lower) & (end <= upper)))  # False without a Newton step
    direction, move, bending, definite = _either(
        inside, lambda: (newton, newton, hessian @ newton, inside), bent
    )
    along = slope @ move
    gain = -(along + 0.5 * move @ bending)
    return Proposal(move, gain, along, -(slope @ direction), definite)


def _either(
    condition: Scalar | np.bool,
    yes: Callable[[], tuple[Scalar | np.bool, ...]],
    no: Callable[[], tuple[Scalar | np.bool, ...]],
) -> tuple[Any, ...]:
    """`yes()` where `condition` holds, else `no()`; only that one is computed."""
    if isinstance(condition, np.bool):
        return yes() if condition else no()
    return jax.lax.cond(condition, yes, no)


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
