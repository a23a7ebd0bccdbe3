"""Two-sided confidence intervals from the profile: t_mu <= the quantile of chi2 with one degree
of freedom (Wilks' theorem; arXiv:1007.1727, eq. 8)."""

import numpy as np
import scipy.optimize
from scipy.special import chdtri

from neyman.inference.asymptotics import few_events_notes, parameter_of_interest
from neyman.inference.fit import model_notes
from neyman.inference.limit import check_level
from neyman.inference.profile import Profile
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.model import Likelihood
from neyman.results import Interval
from neyman.status import InputError, Note, Status

MAX_DOUBLINGS = 40


@one_thread
def interval(
    like: Likelihood, poi: str | None = None, *, level: float = 0.6827, method: str = "profile"
) -> Interval:
    """The interval of `poi` at confidence `level`.

    An end that lies beyond a bound of the parameter is that bound, and the status says so.

    Raises:
        InputError: an unknown parameter or method, a level outside (0, 1).
    """
    if method != "profile":
        raise InputError(f"method='{method}'", "is not known", "use 'profile'")
    check_level(level)
    name = parameter_of_interest(like, poi)
    profile = Profile(like, name)
    threshold = float(chdtri(1, 1.0 - level))
    lower, low_note = _end(profile, threshold, -1.0)
    upper, high_note = _end(profile, threshold, +1.0)
    return Interval(
        poi=name,
        level=level,
        lower=lower,
        upper=upper,
        best=profile.best_value,
        method=method,
        notes=model_notes(like)
        + profile.notes()
        + few_events_notes(like, name, np.asarray(profile.best.theta))
        + low_note
        + high_note,
        provenance=provenance_of(like),
    )


def _end(profile: Profile, threshold: float, side: float) -> tuple[float, tuple[Note, ...]]:
    """Where t_mu crosses the threshold below (-1) or above (+1) the best fit."""
    lower, upper = profile.like.parameters[profile.poi].bounds
    bound = lower if side < 0 else upper
    best = profile.best_value
    inner, distance = best, np.sqrt(threshold) * profile.sigma
    for _ in range(MAX_DOUBLINGS):
        outer = best + side * distance
        beyond = (outer - bound) * side >= 0
        outer = bound if beyond else outer
        if profile.twice_delta(outer) > threshold:
            root = scipy.optimize.brentq(
                lambda mu: profile.twice_delta(mu) - threshold, inner, outer, rtol=1e-9
            )
            return float(root), ()
        if beyond:
            return float(bound), (Note(Status.AT_BOUND, f"{profile.poi} = {bound:g}"),)
        inner, distance = outer, 2.0 * distance
    return side * np.inf, (Note(Status.NO_ROOT, f"{profile.poi}, up to {outer:.3g}"),)
