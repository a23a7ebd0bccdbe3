"""The significance of an excess: z = sqrt(q0), p0 = 1 - Phi(z) (arXiv:1007.1727, eq. 52, 53).

From toys p0 = P(q0 >= observed | 0) and z = Phi^-1(1 - p0). Without an excess q0 = 0, p0 = 1
and z = 0.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from neyman.inference.asymptotics import AsymptoticTest, parameter_of_interest
from neyman.inference.distribution import TIE, PValue
from neyman.inference.null import chosen, without_few_events
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import HERE, ToyTest, Workplace
from neyman.model import Likelihood
from neyman.results import Significance

RARE = 2.0
"""Above this many asymptotic sigma the toys are importance-sampled."""


@one_thread
def significance(
    like: Likelihood,
    poi: str | None = None,
    *,
    null: str = "auto",
    toys: int = 10_000,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Significance:
    """Test poi = 0 against an excess; `expected_z` is that of the Asimov data of poi = 1.

    Args:
        like: a likelihood with a model.
        poi: the parameter of interest; the model's own by default.
        null: "asymptotic", "toys" or "auto", as in `upper_limit`.
        toys: how many toys, rounded up to whole chunks of 1,000; where the asymptotic p0 is
            small, half of them are thrown at the best fit and weighted.
        key: the seed of the toys.
        workplace: the workers that throw toys, and the folder in which toys are kept, so that
            an interrupted call goes on.

    Raises:
        InputError: an unknown parameter, or a likelihood without a model.
    """
    name = parameter_of_interest(like, poi)
    test = AsymptoticTest(like, name)
    method, reason = chosen(null, test)
    z, expected_z = np.sqrt(test.discovery())
    if method == "toys":
        purpose = {"discovery": True}
        with ToyTest(test, key, workplace, purpose) as tried:
            p0 = tried.discovery(toys, importance=bool(z > RARE))
        return Significance(
            poi=name,
            p0=p0.value,
            z=_z(p0, float(z)),
            expected_z=float(expected_z),
            method=method,
            reason=reason,
            error=p0.error,
            toys=p0.toys,
            notes=without_few_events(test.notes()) + tried.notes(p0.value),
            provenance=provenance_of(like, key),
        )
    return Significance(
        poi=name,
        p0=float(ndtr(-z)),
        z=float(z),
        expected_z=float(expected_z),
        method=method,
        reason=reason,
        notes=test.notes(),
        provenance=provenance_of(like),
    )


def _z(p0: PValue, root: float) -> float:
    """The sigma of p0 from toys; 0 where `root`, that of q0, is, and finite: where no toy is
    beyond the data those of one toy, where all are those of all but one."""
    if root**2 <= TIE:
        return 0.0 if np.isfinite(p0.value) else np.nan
    one = 1.0 / max(p0.toys, 1)
    p = {0.0: one, 1.0: 1.0 - one}.get(p0.value, p0.value)
    return float(-ndtri(p))
