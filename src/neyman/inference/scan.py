"""The profile likelihood on a grid: t_mu = -2 log L(mu, theta^^) + 2 log L(mu^, theta^)."""

from collections.abc import Sequence

import numpy as np

from neyman.inference.asymptotics import parameter_of_interest
from neyman.inference.fit import flat_notes, model_notes
from neyman.inference.profile import Profile
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.model import Likelihood
from neyman.results import Scan
from neyman.status import InputError, Note, Status


@one_thread
def scan(
    like: Likelihood,
    poi: str | None = None,
    *,
    values: Sequence[float] | np.ndarray | None = None,
    points: int = 41,
) -> Scan:
    """Profile the likelihood in `poi`.

    Args:
        like: any likelihood.
        poi: the parameter to scan; the model's own parameter of interest by default.
        values: where to scan; by default `points` values within 3 sigma and the bounds.
        points: how many values where none are given.

    Raises:
        InputError: an unknown parameter, or no values.
    """
    name = parameter_of_interest(like, poi)
    profile = Profile(like, name)
    grid = _default(profile, points) if values is None else np.asarray(values, dtype=float)
    if grid.ndim != 1 or len(grid) == 0 or not np.all(np.isfinite(grid)):
        raise InputError("scan", "needs one or more finite values", "give e.g. values=[0, 1]")
    order = np.argsort(np.abs(grid - profile.best_value))
    delta = np.empty(len(grid))
    for i in order:
        delta[i] = profile.twice_delta(float(grid[i]))
    notes = profile.notes() + flat_notes(like, profile.best, profile.floating)
    return Scan(
        poi=name,
        values=grid,
        delta_twice_nll=delta,
        best=profile.best_value,
        notes=model_notes(like) + notes + _outside(like, name, grid),
        provenance=provenance_of(like),
    )


def _outside(like: Likelihood, name: str, grid: np.ndarray) -> tuple[Note, ...]:
    """A note on values outside the bounds, where the best fit does not look."""
    lower, upper = like.parameters[name].bounds
    outside = int(np.sum((grid < lower) | (grid > upper)))
    place = f"{outside} values of {name} outside its bounds [{lower:g}, {upper:g}]"
    return (Note(Status.SUSPICIOUS_INPUT, place),) if outside else ()


def _default(profile: Profile, points: int) -> np.ndarray:
    if points < 2:
        raise InputError(f"points {points}", "is too few for a scan", "use 2 or more")
    lower, upper = profile.like.parameters[profile.poi].bounds
    low = max(lower, profile.best_value - 3.0 * profile.sigma)
    high = min(upper, profile.best_value + 3.0 * profile.sigma)
    return np.linspace(low, high, points)
