"""One hypothesis mu = value: CLs = CLs+b / CLb, observed and expected."""

import numpy as np

from neyman.inference.asymptotics import AsymptoticTest, parameter_of_interest, widened
from neyman.inference.null import chosen, without_few_events
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import HERE, ToyTest, Workplace
from neyman.model import Likelihood
from neyman.results import Test
from neyman.status import InputError, Note, Status

RARE = 0.01
"""Below this asymptotic CLs+b or CLs the toys of the hypothesis are importance-sampled."""
MEDIAN = 3
"""The median expected CLs, of the observed and the five expected."""


@one_thread
def hypotest(
    like: Likelihood,
    poi: str | None = None,
    *,
    value: float,
    statistic: str = "qtilde",
    null: str = "auto",
    toys: int = 10_000,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Test:
    """Test poi = value with CLs.

    Args:
        like: a likelihood with a model.
        poi: the parameter of interest; the model's own by default.
        value: the hypothesis, 0 or more.
        statistic: "qtilde" or "q" (arXiv:1007.1727, eq. 16 and 14).
        null: how the distribution of the statistic is found: "asymptotic", "toys", or "auto":
            toys where fewer than 5 background events are expected where the signal is sought and
            toys are cheap (not those of `Model.dear`).
        toys: how many toys of each hypothesis, rounded up to whole chunks of 1,000. Where CLs,
            observed or median expected, is small by asymptotic formulas, two thirds of those
            of the hypothesis are thrown nearer to the background and weighted.
        key: the seed of the toys.
        workplace: the workers that throw toys, and the folder in which toys are kept, so that
            an interrupted call goes on.

    Raises:
        InputError: an unknown parameter or statistic, a negative value, or a likelihood
            without a model.
    """
    name = parameter_of_interest(like, poi)
    if not 0 <= value < np.inf:
        raise InputError(f"value {value:g}", "cannot be excluded from above", "give 0 or more")
    beyond: tuple[Note, ...] = ()
    upper = like.parameters[name].bounds[1]
    raised = like
    if value > upper:
        beyond = (Note(Status.BEYOND_BOUND, f"{name} <= {upper:g}"),)
        raised = widened(like, name, value)
    test = AsymptoticTest(raised, name, statistic)
    method, reason = chosen(null, test)
    p, cls = test.p_values(value), np.exp(test.log_cls(value))
    errors, thrown = np.full(6, np.nan), 0
    clsb, clb = float(np.exp(p.log_clsb)), float(np.exp(p.log_clb))
    if value > 0 and test.insensitive(value):
        beyond += (Note(Status.INSENSITIVE, f"{name} = {value:g}"),)
    notes = test.notes() + beyond
    if method == "toys":
        purpose = {"value": float(value)}
        rare = bool(min(clsb, cls[0], cls[MEDIAN]) < RARE)
        with ToyTest(test, key, workplace, purpose) as tried:
            (point,) = tried.points([value], toys, importance=rare)
        cls, errors, thrown = point.cls, point.error, point.clsb.toys
        clsb, clb = point.clsb.value, point.clb.value
        notes = without_few_events(notes) + tried.notes(float(cls[0]))
        if np.isnan(cls[0]) and not tried.empty:
            notes += (Note(Status.TOO_FEW_TOYS, f"CLb < {1.0 / point.clb.toys:.2g}"),)
    return Test(
        poi=name,
        value=float(value),
        observed=float(cls[0]),
        expected=cls[1:],
        clsb=clsb,
        clb=clb,
        statistic=test.q(value),
        method=method,
        reason=reason,
        error=float(errors[0]),
        expected_error=errors[1:],
        toys=thrown,
        notes=notes,
        provenance=provenance_of(like, key if method == "toys" else None),
    )
