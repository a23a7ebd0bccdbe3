"""Two-sided confidence intervals of one parameter: {mu: t_mu <= c(mu)} (arXiv:1007.1727, eq. 8).

profile            c is the quantile of chi2 with one degree of freedom (Wilks' theorem)
feldman-cousins    c(mu) is the quantile of t_mu in toys (`neyman.inference.feldman_cousins`)
"""

import numpy as np
from scipy.special import chdtri

from neyman.inference.asymptotics import few_events_notes, parameter_of_interest
from neyman.inference.feldman_cousins import EndSearch
from neyman.inference.fit import flat_notes, model_notes
from neyman.inference.limit import check_level
from neyman.inference.profile import Profile, profile_end
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.inference.toy_construction import Construction
from neyman.inference.toy_test import HERE, Workplace
from neyman.model import Likelihood
from neyman.parameters import unknown_name
from neyman.results import Interval
from neyman.status import InputError

METHODS = ("profile", "feldman-cousins")


@one_thread
def interval(
    like: Likelihood,
    poi: str | None = None,
    *,
    level: float = 0.6827,
    method: str = "profile",
    toys: int = 10_000,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Interval:
    """The interval of `poi` at confidence `level`.

    An end that lies beyond a bound of the parameter is that bound, and the status says so.

    Args:
        like: any likelihood; toys need one with a model.
        poi: the parameter of interest; the model's own by default.
        level: between 0 and 1.
        method: "profile" or "feldman-cousins".
        toys: how many toys at most at each tested value, in whole chunks of 1,000.
        key: the seed of the toys.
        workplace: the workers that throw toys, and the folder in which toys are kept, so that
            an interrupted call goes on.

    Raises:
        InputError: an unknown parameter or method, a level outside (0, 1), no toys, or toys of
            a likelihood without a model.
    """
    check_method(method, toys)
    check_level(level)
    name = parameter_of_interest(like, poi)
    profile = Profile(like, name)
    threshold = float(chdtri(1, 1.0 - level))
    own = model_notes(like) + flat_notes(like, profile.best, profile.floating)
    if method == "profile":
        lower, low_note = profile_end(profile, threshold, -1.0)
        upper, high_note = profile_end(profile, threshold, +1.0)
        few = few_events_notes(like, name, np.asarray(profile.best.theta))
        return Interval(
            poi=name,
            level=level,
            lower=lower,
            upper=upper,
            best=profile.best_value,
            method=method,
            notes=own + profile.notes(upper, lower) + few + low_note + high_note,
            provenance=provenance_of(like),
        )
    with Construction(like, (name,), key, workplace, [level]) as test:
        step = 0.5 * np.sqrt(threshold) * profile.sigma
        low, high = (
            EndSearch(test, profile, side, 1.0 - level, toys).find(step) for side in (-1.0, 1.0)
        )
    return Interval(
        poi=name,
        level=level,
        lower=low.value,
        upper=high.value,
        best=profile.best_value,
        method=method,
        lower_error=low.error,
        upper_error=high.error,
        toys=test.thrown,
        failed=test.failed,
        notes=own + profile.notes() + test.notes() + low.notes + high.notes,
        provenance=provenance_of(like, key),
    )


def check_method(method: str, toys: int) -> None:
    """Refuse an unknown method of intervals and contours, or no toys."""
    if method not in METHODS:
        raise unknown_name(method, METHODS, "method")
    if toys < 1:
        raise InputError(f"toys {toys}", "are too few", "use 1,000 or more")
