"""The upper limit of the profile likelihood: the mu at which CLs+b = 1 - level.

    CLs+b(mu) = 1 - Phi(sqrt(t_mu)),    mu > mu^                   arXiv:1007.1727, eq. 14 and 59

It needs the observed data alone. CLs divides by CLb, for which the Asimov data must be known;
being larger it is the more cautious of the two.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from neyman.inference.fit import flat_notes, model_notes
from neyman.inference.profile import Profile, profile_end
from neyman.inference.provenance import provenance_of
from neyman.model import Likelihood
from neyman.results import Limit
from neyman.status import InputError, Note, Status

METHOD = "profile"


def profile_limit(like: Likelihood, poi: str, level: float) -> Limit:
    """The limit on `poi`, without expected values; its status says that it is not CLs.

    Raises:
        InputError: a level below 0.5, whose limit would lie below mu^.
    """
    if level < 0.5:
        raise InputError(f"level {level:g}", "has no limit above the best fit", "give 0.5 or more")
    profile = Profile(like, poi)
    end, notes = profile_end(profile, float(ndtri(level)) ** 2, +1.0)
    found = end if np.isfinite(end) and not notes else np.nan
    missing = () if np.isfinite(found) else (Note(Status.NO_ROOT, f"up to {poi} = {end:.3g}"),)
    scanned = np.array([mu for mu in profile.known if mu > profile.best_value])
    clsb = ndtr(-np.sqrt([profile.twice_delta(mu) for mu in scanned.tolist()]))
    return Limit(
        poi=poi,
        level=level,
        observed=found,
        expected=np.full(5, np.nan),
        method=METHOD,
        reason="no Asimov data",
        scanned=scanned,
        cls_observed=clsb,
        cls_expected=np.full((len(scanned), 5), np.nan),
        notes=model_notes(like)
        + profile.notes(end)
        + flat_notes(like, profile.best, profile.floating)
        + (Note(Status.PROFILE_LIMIT, poi), *missing),
        provenance=provenance_of(like),
    )
