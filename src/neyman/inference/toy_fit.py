"""Fits of toys: many that are alike, begin near their end, and must be cheap.

Newton's method for f = -log L in a box. The parameters that float and are not held by a bound
solve H d = -gradient; those that the step would take out of the box stop at their bounds, and
the others are solved for again. Where f did not fall, a part of the step is tried, along the
chord. Where H is not positive definite, and in the first step from the truth, the expected
information takes its place (Fisher scoring): at the truth the Hessian of the Asimov data,
computed once for all toys. A fit ends where a step inside the box has a Newton decrement
gradient^T H^-1 gradient below `TOLERANCE`. That step is taken, and

    f_min = f - decrement / 2 + O(decrement^3/2)

needs no further evaluation. What has not ended after `MOST_STEPS` is done again, from its
start, by the damped steps of `neyman.inference.newton`, one toy at a time.
"""

from typing import NamedTuple

import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.inference.newton import going_on, initial, solve_positive, step
from neyman.model import Data, Likelihood, Model
from neyman.status import Status

TOLERANCE = 1e-6
MOST_STEPS = 20
BACK = 0.3
"""Where a step leads up, this part of it is tried."""
SMALL = 30
"""Matrices of up to this many rows are solved in vectorised loops over toys, without LAPACK."""

FINE, UNFINISHED = int(Status.FINE), int(Status.NOT_CONVERGED)


class Box(NamedTuple):
    """What floats, and between which bounds; each (P,)."""

    moves: Array
    lower: Array
    upper: Array


class State(NamedTuple):
    """A fit on its way."""

    theta: Array
    value: Scalar
    status: Scalar
    anchor: Array
    """The lowest point so far, (P,)."""
    lowest: Scalar
    """-log L there."""
    scoring: Scalar
    """Whether the next step uses the expected instead of the observed information."""
    steps: Scalar


class Ended(NamedTuple):
    """The end of a fit; under `vmap` of each of many."""

    theta: Array
    """(P,)"""
    value: Scalar
    """-log L at theta."""
    status: Scalar
    """A code of `Status`; FINE before the fit means that it is not needed."""


def fit_toys(
    model: Model, data: Data, begun: Ended, box: Box, information: Array, *, scoring: Scalar
) -> Ended:
    """The fits of L toys: `data` and `begun`, where the fits begin, have a leading axis L.

    `information` (P, P) stands in for Hessians, and is used first where `scoring`.
    """

    def quick(x, start):
        return _undamped(model.observe(x), start, box, information, scoring)

    def again(toy):
        x, start, ended = toy
        return jax.lax.cond(
            ended.status == FINE, lambda: ended, lambda: _damped(model.observe(x), start, box)
        )

    ended = _each(quick)(data, begun)
    return jax.lax.cond(
        jnp.all(ended.status == FINE),
        lambda: ended,
        lambda: jax.lax.map(again, (data, begun, ended)),
    )


def _each(function):
    """`vmap`; of one toy alone without it, so that a branch not taken costs nothing."""

    def mapped(*arguments):
        if jax.tree.leaves(arguments)[0].shape[0] > 1:
            return jax.vmap(function)(*arguments)
        one = function(*jax.tree.map(lambda a: a[0], arguments))
        return jax.tree.map(lambda a: a[None], one)

    return mapped


def _undamped(
    like: Likelihood, begun: Ended, box: Box, information: Array, scoring: Scalar
) -> Ended:
    moves, lower, upper = box

    def unfinished(state):
        return (state.status == UNFINISHED) & (state.steps < MOST_STEPS)

    def step_down(state):
        theta = state.theta
        value, gradient, hessian = like.derivatives(theta)
        down = value <= state.lowest + 1e-14 * jnp.abs(state.lowest)
        held = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
        free = moves & ~held
        matrix = jnp.where(state.scoring, information, hessian)
        newton = _solve(matrix, jnp.where(free, gradient, 0.0), free)
        decrement = -(gradient @ newton)
        solved = jnp.isfinite(decrement)

        def bent():
            """Who would leave the box stops at its bound, and the others move accordingly."""
            stopped = jnp.where(beyond, jnp.clip(theta + newton, lower, upper) - theta, 0.0)
            others = free & ~beyond
            slope = jnp.where(others, gradient + matrix @ stopped, 0.0)
            return stopped + _solve(matrix, slope, others)

        beyond = free & ((theta + newton < lower) | (theta + newton > upper))
        inside = ~jnp.any(beyond)
        direction = jax.lax.cond(inside, lambda: newton, bent)
        trial = jnp.where(free, jnp.clip(theta + direction, lower, upper), theta)
        back = state.anchor + BACK * (theta - state.anchor)
        converged = down & ~state.scoring & (decrement < TOLERANCE) & inside
        lost = down & state.scoring & ~solved
        status = jnp.where(lost, int(Status.NOT_FINITE), jnp.where(converged, FINE, UNFINISHED))
        return State(
            jnp.where(down, jnp.where(solved, trial, theta), back),
            value - 0.5 * decrement,
            status,
            jnp.where(down, theta, state.anchor),
            jnp.where(down, value, state.lowest),
            down & ~solved,
            state.steps + 1,
        )

    start = jnp.where(moves, jnp.clip(begun.theta, lower, upper), begun.theta)
    zero = jnp.asarray(0)
    first = State(
        start, begun.value, begun.status, start, jnp.asarray(jnp.inf), jnp.asarray(scoring), zero
    )
    end = jax.lax.while_loop(unfinished, step_down, first)
    return Ended(end.theta, end.value, end.status)


def _damped(like: Likelihood, begun: Ended, box: Box) -> Ended:
    found = jax.lax.while_loop(
        going_on,
        lambda state: step(like, state, *box),
        initial(like, begun.theta, *box),
    )
    return Ended(found.theta, found.derivatives.value, found.status)


def _solve(matrix: Array, slope: Array, free: Array) -> Array:
    """-matrix^-1 slope over the free parameters, 0 elsewhere; NaN where not positive definite."""
    n = len(slope)
    matrix = jnp.where(free[:, None] & free[None, :], matrix, 0.0)
    matrix = matrix + jnp.diag(jnp.where(free, 1e-12 * jnp.diagonal(matrix), 1.0))
    if n > SMALL:
        return solve_positive(matrix, -slope)

    def eliminate(i, state):
        """Gauss-Jordan: without pivoting, stable where the matrix is positive definite."""
        rows, positive = state
        pivot = rows[i, i]
        row = rows[i] / pivot
        column = jnp.where(np.arange(n) == i, pivot - 1.0, rows[:, i])
        return rows - column[:, None] * row[None, :], positive & (pivot > 0)

    rows = jnp.concatenate([matrix, -slope[:, None]], axis=1)
    rows, positive = jax.lax.fori_loop(0, n, eliminate, (rows, jnp.asarray(True)))
    return jnp.where(positive, rows[:, n], jnp.nan)
