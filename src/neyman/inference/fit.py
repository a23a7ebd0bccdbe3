"""Maximum likelihood: theta^ = argmax log L, its covariance, and what is doubtful about it.

The covariance is the inverse of the Hessian of -log L at theta^ over the parameters that float
and are not at a bound (the observed information). A direction along which log L does not
change has no error; it is found as a null vector of the Hessian in units of its diagonal.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri  # ty: ignore[missing-module-member]

from neyman._jax import Array, jax
from neyman.inference.domain import domain_notes
from neyman.inference.expectation import expected_counts
from neyman.inference.newton import Minimum, minimise
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.results import Fit
from neyman.status import Note, Status

RESTARTS = 3
FLAT = 1e-10
"""An eigenvalue of the scaled Hessian below this is a flat direction."""


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
    """The minimum from `start`, or from up to `RESTARTS` other points where that fails.

    `near` is a Hessian (P, P) at a minimum nearby, which helps where Hessians are dear.
    """
    found = minimise(like, start, free, near)
    for attempt in range(RESTARTS):
        if int(found.status) == Status.FINE:
            break
        again = minimise(like, _elsewhere(like, start, free, attempt), free)
        if int(again.status) == Status.FINE or again.value < found.value:
            found = again
    return found


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
    p = like.parameters
    theta = np.asarray(found.theta)
    gradient = np.asarray(found.derivatives.gradient)
    inside, block, null = _inside_covariance(p, found, free)
    at_bound = free.copy()
    at_bound[inside] = False
    covariance = np.full((len(p), len(p)), np.nan)
    covariance[inside[:, None], inside] = block
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diagonal(covariance))
    notes = model_notes(like) + convergence_notes(like, found)
    if at_bound.any():
        names = [p.names[i] for i in np.flatnonzero(at_bound)]
        notes += (Note(Status.AT_BOUND, listed(names)),)
    notes += _flat_notes(p, inside, null) + negative_yield_notes(like, theta)
    notes += domain_notes(like, theta[None])
    measured, width = _constraints(like)
    return Fit(
        names=p.names,
        values=theta,
        errors=errors,
        covariance=covariance,
        constrained=width,
        measured=measured,
        twice_nll=2.0 * found.value,
        gradient_norm=float(np.max(np.abs(gradient * errors)[inside], initial=0.0)),
        iterations=int(found.iterations),
        notes=notes,
        provenance=provenance_of(like),
    )


def flat_notes(like: Likelihood, found: Minimum, free: np.ndarray) -> tuple[Note, ...]:
    """The directions along which log L does not change at a minimum."""
    inside, _, null = _inside_covariance(like.parameters, found, free)
    return _flat_notes(like.parameters, inside, null)


def _flat_notes(p: Parameters, inside: np.ndarray, null: np.ndarray) -> tuple[Note, ...]:
    return tuple(Note(Status.FLAT_DIRECTION, combination(p, inside, v)) for v in null.T)


def _inside_covariance(
    p: Parameters, found: Minimum, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parameters (n,) that float and are not at a bound, and `covariance_of` theirs."""
    theta = np.asarray(found.theta)
    inside = np.flatnonzero(free & (theta > p.lower) & (theta < p.upper))
    hessian = np.asarray(found.derivatives.hessian)
    return inside, *covariance_of(hessian[inside[:, None], inside])


def negative_yield_notes(like: Likelihood, theta: np.ndarray) -> tuple[Note, ...]:
    """Expected counts below 0, which log L forgives where nothing is observed."""
    if like.model is None or like.data is None:
        return ()
    if all(np.all(np.asarray(leaf) > 0) for leaf in jax.tree.leaves(like.data.main)):
        return ()  # then log L would not be finite
    counts = expected_counts(like, like.model, theta)
    if counts is None or not np.any(counts < 0):
        return ()
    model, data = jax.device_get((like.model, like.data))
    return (Note(Status.NEGATIVE_YIELD, model.describe_nonfinite(theta, data)),)


def covariance_of(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of a Hessian (n, n), and its null vectors (n, k) where it has some.

    Rows and columns that take part in a flat direction are NaN.
    """
    diagonal = np.diagonal(hessian)
    if len(hessian) == 0 or not np.all(np.isfinite(hessian)):
        return np.full_like(hessian, np.nan), np.zeros((len(hessian), 0))
    factor, indefinite = dpotrf(hessian, lower=True, clean=True)
    if not indefinite and np.all(np.diagonal(factor) ** 2 > 1e3 * FLAT * diagonal):
        half, _ = dpotri(factor, lower=True)
        inverse = half + half.T
        inverse[np.diag_indices_from(inverse)] /= 2.0
        return inverse, np.zeros((len(hessian), 0))
    scale = np.sqrt(np.abs(diagonal))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    flat = values < FLAT
    inverse = (vectors[:, ~flat] / values[~flat]) @ vectors[:, ~flat].T
    involved = np.any(np.abs(vectors[:, flat]) > 1e-3, axis=1)
    inverse[involved] = np.nan
    inverse[:, involved] = np.nan
    return inverse / np.outer(scale, scale), vectors[:, flat] / scale[:, None]


def combination(p: Parameters, inside: np.ndarray, vector: np.ndarray) -> str:
    """A direction in words: "k1 - 0.5 k2", its largest part first."""
    order = np.argsort(-np.abs(vector))
    kept = [i for i in order[:5] if abs(vector[i]) > 1e-2 * abs(vector[order[0]])]
    terms = []
    for i in kept:
        ratio = vector[i] / vector[kept[0]]
        size = "" if abs(abs(ratio) - 1) < 5e-3 else f"{abs(ratio):.2g} "
        sign = "" if not terms else ("+ " if ratio > 0 else "- ")
        terms.append(f"{sign}{size}{p.names[inside[i]]}")
    return " ".join(terms)


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


def _constraints(like: Likelihood) -> tuple[np.ndarray, np.ndarray]:
    """Per parameter the value and the width of its auxiliary measurement, NaN without one."""
    a, m = like.auxiliary, np.asarray(like.measured)
    measured, width = np.full((2, len(like.parameters)), np.nan)
    index, poisson, scale = (np.asarray(v) for v in (a.parameter, a.poisson, a.scale))
    measured[index] = np.where(poisson, m / scale, m)
    width[index] = np.where(poisson, np.sqrt(np.maximum(m, 1e-300)) / scale, scale)
    return measured, width
