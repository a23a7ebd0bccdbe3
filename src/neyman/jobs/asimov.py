"""The likelihood of the background-only Asimov data, which CLs needs beside the observed one.

Those are the data expected at poi = 0 with the nuisance parameters fitted to what was observed
(arXiv:1007.1727, section 3.2), as `limit` makes them.
"""

import numpy as np

from neyman.inference.asymptotics import AsymptoticTest
from neyman.model import Likelihood


def asimov_likelihood(like: Likelihood, poi: str) -> Likelihood | None:
    """None where the likelihood neither has a model nor brings that of its Asimov data, or where
    poi = 0 lies outside its bounds."""
    lower, upper = like.parameters[poi].bounds
    if (like.model is None and like.asimov is None) or not lower <= 0.0 <= upper:
        return None
    found = AsymptoticTest(like, poi).asimov.like
    return found if np.isfinite(float(found.log_prob(like.parameters.init))) else None
