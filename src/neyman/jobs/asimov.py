"""The likelihood of the background-only Asimov data, which CLs needs beside the observed one.

Those are the data expected at poi = 0 with the nuisance parameters fitted to what was observed
(arXiv:1007.1727, section 3.2), as `limit` makes them.
"""

import numpy as np

from neyman.inference.profile import Profile
from neyman.model import Asimov, Likelihood


def background_only(like: Likelihood, poi: str) -> Asimov | None:
    """None where nobody can make such data, or where poi = 0 lies outside its bounds."""
    lower, upper = like.parameters[poi].bounds
    if not lower <= 0.0 <= upper:
        return None
    theta = np.asarray(Profile(like, poi).at(0.0).theta)
    found = like.asimov_at(theta, poi)
    return found if found is not None and np.isfinite(float(found.like.log_prob(theta))) else None
