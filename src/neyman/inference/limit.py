"""Upper limits: the mu at which CLs(mu) = 1 - level, observed and five expected.

The six roots are found by Brent's method on log CLs, which is nearly quadratic in mu, and
share every conditional fit: what is evaluated for one root brackets the others.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize

from neyman.inference.asymptotics import AsymptoticTest, parameter_of_interest, widened
from neyman.inference.null import check_null, chosen, without_few_events
from neyman.inference.profile_limit import profile_limit
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.inference.toy_limit import Roots, find_roots
from neyman.inference.toy_test import HERE, ToyTest, Workplace
from neyman.model import Likelihood
from neyman.results import Limit
from neyman.results.hypothesis import BANDS
from neyman.status import InputError, Note, Status

RELATIVE_TOLERANCE = 1e-7
MAX_DOUBLINGS = 40
MEDIAN = 3
"""The median expected limit, of the observed and the five expected."""


@one_thread
def upper_limit(
    like: Likelihood,
    poi: str | None = None,
    *,
    level: float = 0.95,
    statistic: str = "qtilde",
    null: str = "auto",
    toys: int = 10_000,
    precision: float = 0.02,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Limit:
    """The CLs upper limit on `poi` at confidence `level`.

    Args:
        like: any likelihood; without a model it must bring that of its Asimov data, or the limit
            is that of the profile likelihood (`neyman.inference.profile_limit`), and says so.
        poi: the parameter of interest; the model's own by default.
        level: between 0 and 1.
        statistic: "qtilde" or "q" (arXiv:1007.1727, eq. 16 and 14).
        null: how the distribution of the statistic is found: "asymptotic", "toys", or "auto":
            toys where fewer than 5 background events are expected where the signal is sought and
            toys are cheap (not those of `Model.dear`).
        toys: at most so many toys of each hypothesis near each limit, in chunks of 1,000.
        precision: no more toys are thrown for a limit whose Monte Carlo error is below this
            part of it, or of the bands of 1 and 2 sigma below twice that.
        key: the seed of the toys.
        workplace: the workers that throw toys, and the folder in which toys are kept, so that
            an interrupted call goes on.

    Returns:
        A `Limit`; where the level is not crossed its values are NaN and its status says so.

    Raises:
        InputError: an unknown parameter or statistic, a level outside (0, 1), or toys of a
            likelihood without a model.
    """
    check_level(level)
    name = parameter_of_interest(like, poi)
    if like.model is None and like.asimov_at(like.parameters.init, name) is None:
        check_null(like, null)
        return profile_limit(like, name, level)
    test, found = _asymptotic(like, name, statistic, level)
    beyond: tuple[Note, ...] = ()
    upper = like.parameters[name].bounds[1]
    if np.any(found.roots > upper):
        beyond = (Note(Status.BEYOND_BOUND, f"{name} <= {upper:g}"),)
        raised = widened(like, name, float(np.nanmax(found.roots)))
        test, found = _asymptotic(raised, name, statistic, level)
    method, reason = chosen(null, test)
    notes = test.notes(found.largest) + beyond
    if method == "toys" and np.any(np.isfinite(found.roots)):
        purpose = {"limit": level, "precision": precision}
        with ToyTest(test, key, workplace, purpose) as tried:
            thrown = find_roots(tried, found.roots, 1.0 - level, toys, precision)
        found = Found.of_toys(thrown)
        notes = without_few_events(notes) + tried.notes(float(found.roots[0]))
    return Limit(
        poi=name,
        level=level,
        observed=float(found.roots[0]),
        expected=found.roots[1:],
        method=method,
        reason=reason,
        error=float(found.errors[0]),
        expected_error=found.errors[1:],
        toys=found.toys,
        scanned=found.scanned,
        cls_observed=found.cls[:, 0],
        cls_expected=found.cls[:, 1:],
        notes=notes + found.notes(),
        provenance=provenance_of(like, key if method == "toys" else None),
    )


class Found(NamedTuple):
    """Six limits with their Monte Carlo errors, and the CLs curves behind them."""

    roots: np.ndarray
    errors: np.ndarray
    scanned: np.ndarray
    """(S,)"""
    cls: np.ndarray
    """(S, 6)"""
    toys: int = 0
    insensitive: bool = False

    @classmethod
    def of_toys(cls, roots: Roots) -> "Found":
        points = roots.points
        return cls(
            roots.values,
            roots.errors,
            np.array([p.mu for p in points]),
            np.array([p.cls for p in points]),
            roots.toys,
        )

    @property
    def largest(self) -> float:
        """The largest limit, beyond which nothing matters; infinite where one is missing."""
        return np.inf if np.isnan(self.roots).any() else float(self.roots.max())

    def notes(self) -> tuple[Note, ...]:
        """A note on the limits that were not found; bands alone are no failure."""
        missing = np.isnan(self.roots)
        reach = f"up to {self.scanned.max():.3g}"
        if self.insensitive:
            return (Note(Status.INSENSITIVE, reach),)
        if not missing.any():
            return ()
        names = np.array(["observed", *BANDS])
        status = Status.NO_ROOT if missing[[0, MEDIAN]].any() else Status.NO_BAND
        place = f"{', '.join(names[missing])} limit, {reach}"
        return (Note(status, place + self._least(int(np.argmax(missing)))),)

    def _least(self, column: int) -> str:
        """How low a curve came that missed the level, and where: a signal that nuisance parameters
        absorb is excluded no further by being larger."""
        curve = self.cls[:, column]
        if not np.isfinite(curve).any():
            return ""
        least = int(np.nanargmin(curve))
        return f", where CLs is {curve[least]:.2g} at least, at {self.scanned[least]:.3g}"


def _asymptotic(
    like: Likelihood, poi: str, statistic: str, level: float
) -> tuple[AsymptoticTest, Found]:
    """The six limits by asymptotic formulas."""
    test = AsymptoticTest(like, poi, statistic)
    curve = LogCLs(test)
    target = float(np.log1p(-level))
    curve(0.0)
    start = max(0.0, test.observed.best_value) + 2.0 * test.asimov.sigma
    reach = _reach(curve, start, target)
    insensitive = test.insensitive(reach)
    roots = np.array([np.nan if insensitive else _root(curve, c, target) for c in range(6)])
    scanned, cls = curve.curves()
    return test, Found(roots, np.full(6, np.nan), scanned, cls, insensitive=insensitive)


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level {level:g}", "is not between 0 and 1", "use e.g. 0.95")


class LogCLs:
    """log CLs of the observed and the five expected data at mu, (6,), remembered."""

    def __init__(self, test: AsymptoticTest):
        self.test = test
        self._known: dict[float, np.ndarray] = {}

    def __call__(self, mu: float) -> np.ndarray:
        if mu not in self._known:
            self._known[mu] = self.test.log_cls(mu)
        return self._known[mu]

    def bracket(self, column: int, target: float) -> tuple[float, float] | None:
        """The narrowest known interval in which `column` falls through `target`."""
        mus = sorted(self._known)
        above = [m for m in mus if self._known[m][column] > target]
        below = [m for m in mus if self._known[m][column] <= target]
        below = [m for m in below if above and m > above[0]]
        if not below:
            return None
        return max(m for m in above if m < below[0]), below[0]

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """The mu visited (S,), and CLs there (S, 6)."""
        mus = np.array(sorted(m for m in self._known if np.all(np.isfinite(self._known[m]))))
        return mus, np.exp([self._known[m] for m in mus])


def _reach(curve: LogCLs, reach: float, target: float) -> float:
    """A mu at which all curves are below `target`: `reach`, doubled as often as it takes, or
    halved into the range in which log L is finite.

    Gives up where the curves above the target have twice stopped falling: a signal that its
    own nuisance parameters can absorb is not excluded however large it is.
    """
    for _ in range(MAX_DOUBLINGS):
        if np.all(np.isfinite(curve(reach))):
            break
        reach /= 2.0
    stalled, growth = 0, 2.0
    for _ in range(MAX_DOUBLINGS):
        here = curve(reach)
        if np.all(here < target):
            break
        further = curve(growth * reach)
        if stalled == 2:
            break
        if not np.all(np.isfinite(further)):
            growth = np.sqrt(growth)
            continue
        above = here >= target
        stalled = stalled + 1 if np.all(further[above] > here[above] - 1e-3) else 0
        reach *= growth
    return reach


def _root(curve: LogCLs, column: int, target: float) -> float:
    """The mu at which one column falls through `target`; NaN without a bracket."""
    bracket = curve.bracket(column, target)
    if bracket is None:
        return np.nan

    def excess(mu: float) -> float:
        return curve(mu)[column] - target

    return float(scipy.optimize.brentq(excess, *bracket, xtol=1e-14, rtol=RELATIVE_TOLERANCE))
