"""Maximum likelihood: theta^ = argmax log L, its covariance, and what is doubtful about it.

The covariance is the inverse of the observed information, see `covariance`.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from neyman._jax import Array, jax
from neyman.inference.covariance import combination, covariance_of
from neyman.inference.domain import domain_notes
from neyman.inference.expectation import expected_counts
from neyman.inference.newton import Minimum, minimise
from neyman.inference.provenance import provenance_of
from neyman.inference.saddle import descended
from neyman.inference.threads import one_thread
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.results import Fit
from neyman.status import Note, Status

RESTARTS = 3


@one_thread
def fit(
    like: Likelihood,
    *,
    fix: Mapping[str, float] | None = None,
    init: Mapping[str, float] | None = None,
) -> Fit:
    """Maximise the likelihood.

    Args:
        like: any likelihood; theta has shape (P,).
        fix: parameters to hold, and at which values.
        init: where to start, by name; elsewhere the parameters' initial values.

    Returns:
        A `Fit`, whose status tells whether it converged, and which parameters are at a bound
        or in a flat direction.

    Raises:
        InputError: an unknown parameter name.
    """
    p = like.parameters
    held = dict(fix or {})
    start = p.vector({**(init or {}), **held})
    free = ~p.fixed
    free[[p.index(name) for name in held]] = False
    found = as_fit(like, best(like, start, free), free)
    return dataclasses.replace(found, notes=found.notes + held_outside_notes(p, held))


def held_outside_notes(p: Parameters, held: Mapping[str, float]) -> tuple[Note, ...]:
    """Parameters held at a value that their bounds exclude."""
    outside = [n for n, v in held.items() if not p[n].bounds[0] <= v <= p[n].bounds[1]]
    return tuple(
        Note(Status.SUSPICIOUS_INPUT, f"{n} is held at {held[n]:g}, outside its bounds")
        for n in outside
    )


def best(
    like: Likelihood, start: np.ndarray, free: np.ndarray, near: Array | None = None
) -> Minimum:
    """The minimum from `start`, or from up to `RESTARTS` other points where that fails; below it
    where it is a saddle point.

    `near` is a Hessian (P, P) at a minimum nearby, which helps where Hessians are dear.
    """
    found = minimise(like, start, free, near)
    for attempt in range(RESTARTS):
        if int(found.status) == Status.FINE:
            break
        again = minimise(like, _elsewhere(like, start, free, attempt), free)
        if int(again.status) == Status.FINE or again.value < found.value:
            found = again
    return found if found.definite else descended(like, found, free)


def _elsewhere(like: Likelihood, start: np.ndarray, free: np.ndarray, attempt: int) -> np.ndarray:
    """The initial values; then moved part of the way into the bounds at random (a fixed seed)."""
    p = like.parameters
    rng = np.random.default_rng(attempt)
    init = np.clip(p.init, p.lower, p.upper)
    low = np.maximum(p.lower, init - 1.0 - np.abs(init))
    high = np.minimum(p.upper, init + 1.0 + np.abs(init))
    part = 0.25 * attempt
    moved = (1 - part) * init + part * rng.uniform(low, high)
    return np.where(free, moved, start)


def as_fit(like: Likelihood, found: Minimum, free: np.ndarray) -> Fit:
    """The `Fit` of a minimum: covariance, notes and provenance."""
    p, theta = like.parameters, np.asarray(found.theta)
    inside = _inside(p, theta, free)
    covariance, null = covariance_of(np.asarray(found.derivatives.hessian), inside)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(covariance.diagonal())
    notes = model_notes(like) + convergence_notes(like, found)
    if not np.array_equal(inside, free):
        notes += (
            Note(Status.AT_BOUND, listed([p.names[i] for i in np.flatnonzero(free > inside)])),
        )
    notes += _flat_notes(p, null) + negative_yield_notes(like, theta) + _doubts(like, theta)
    notes += domain_notes(like, theta[None])
    measured, width = constraints(like)
    slopes = np.abs(np.asarray(found.derivatives.gradient) * errors)
    return Fit(
        names=p.names,
        values=theta,
        errors=errors,
        covariance=covariance,
        constrained=width,
        measured=measured,
        twice_nll=2.0 * found.value,
        gradient_norm=float(slopes.max(where=inside, initial=0.0)),
        iterations=int(found.iterations),
        notes=notes,
        provenance=provenance_of(like),
    )


def flat_notes(like: Likelihood, found: Minimum, free: np.ndarray) -> tuple[Note, ...]:
    """The directions along which log L does not change at a minimum."""
    inside = _inside(like.parameters, np.asarray(found.theta), free)
    _, null = covariance_of(np.asarray(found.derivatives.hessian), inside)
    return _flat_notes(like.parameters, null)


def _flat_notes(p: Parameters, null: np.ndarray) -> tuple[Note, ...]:
    return tuple(Note(Status.FLAT_DIRECTION, combination(p, vector)) for vector in null.T)


def _inside(p: Parameters, theta: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Which parameters float and are not at a bound, (P,)."""
    return free & (theta > p.lower) & (theta < p.upper)


def negative_yield_notes(like: Likelihood, theta: np.ndarray) -> tuple[Note, ...]:
    """Expected counts below 0, which log L forgives where nothing is observed."""
    if like.model is None or like.data is None or like.model.dear:
        return ()
    if all((np.asarray(leaf) > 0).all() for leaf in jax.tree.leaves(like.data.main)):
        return ()  # then log L would not be finite
    counts = expected_counts(like, like.model, theta)
    if counts is None or not np.any(counts < 0):
        return ()
    model, data = jax.device_get((like.model, like.data))
    return (Note(Status.NEGATIVE_YIELD, model.describe_nonfinite(theta, data)),)


def _doubts(like: Likelihood, theta: np.ndarray) -> tuple[Note, ...]:
    """What of the data the model cannot explain."""
    model, data = like.model, like.data
    if model is None or data is None:
        return ()
    return type(model).doubts(model, theta, data)  # equinox takes 80 us to bind a method


def convergence_notes(like: Likelihood, found: Minimum, what: str = "") -> tuple[Note, ...]:
    """Whether the minimisation failed, and where."""
    status = Status(int(found.status))
    if status is Status.FINE:
        return ()
    place = f"{what}{like.parameters.names[int(np.argmax(np.abs(found.derivatives.gradient)))]}"
    if status is Status.NOT_FINITE and like.model is not None and like.data is not None:
        place = what + like.model.describe_nonfinite(np.asarray(found.theta), like.data)
    else:
        place = (
            f"after {int(found.iterations)} steps, {float(found.decrement) / 2:.2g} above the"
            f" minimum, steepest in {place}"
        )
    return (Note(status, place),)


def model_notes(like: Likelihood) -> tuple[Note, ...]:
    """What the reader of the model found suspicious."""
    return like.notes


def listed(names: list[str]) -> str:
    """The first few of `names`, and how many more there are."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def constraints(like: Likelihood) -> tuple[np.ndarray, np.ndarray]:
    """Per parameter the value and the width of its auxiliary measurement, NaN without one."""
    a, m = like.auxiliary, np.asarray(like.measured)
    measured, width = np.full((2, len(like.parameters)), np.nan)
    index, poisson, scale = (np.asarray(v) for v in (a.parameter, a.poisson, a.scale))
    measured[index] = np.where(poisson, m / scale, m)
    width[index] = np.where(poisson, np.sqrt(np.maximum(m, 1e-300)) / scale, scale)
    return measured, width
