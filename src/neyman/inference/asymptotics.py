"""CLs by asymptotic formulas: the profiles of the observed and of the Asimov data.

The Asimov data are those of mu = 0 with the nuisance parameters fitted to the observed data
(arXiv:1007.1727, section 3.2), as in pyhf. All hypotheses share the two profiles, so each
further mu costs two conditional fits from a near start.
"""

import numpy as np

from neyman.inference.expectation import expected_counts, expected_data
from neyman.inference.fit import flat_notes, model_notes
from neyman.inference.profile import Profile
from neyman.inference.statistics import (
    PValues,
    asymptotic,
    asymptotic_expected,
    limit_statistic,
    q0,
)
from neyman.model import Likelihood, Model
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status

ENOUGH_EVENTS = 5.0


class AsymptoticTest:
    """The hypotheses mu = value of one parameter of interest, tested with one statistic."""

    def __init__(self, like: Likelihood, poi: str, statistic: str = "qtilde"):
        self.statistic = statistic
        self._evaluate = limit_statistic(statistic)
        self.like = like
        self.poi = poi
        self.observed = Profile(like, poi)
        if like.model is not None and like.model.dear:
            self.observed.best  # noqa: B018 -- other fits begin with its Hessian
        self.background = self.observed.at(0.0).theta
        self.asimov = self._asimov_profile(0.0)
        self.injected: Profile | None = None

    def _asimov_profile(self, mu: float) -> Profile:
        theta = np.asarray(self.observed.at(mu).theta)
        near = np.asarray(self.observed.best.derivatives.hessian)
        if self.like.model is not None:
            data = expected_data(self.like, self.model, theta)
            return Profile(self.model.observe(data), self.poi, theta, near)
        asimov = self.like.asimov_at(theta, self.poi)
        if asimov is None:
            raise no_model()
        return Profile(asimov.like, self.poi, theta, near)

    @property
    def model(self) -> Model:
        """The model behind the likelihood, which toys need."""
        return throws_toys(self.like)

    def q(self, mu: float) -> float:
        """The statistic of the observed data."""
        return self._evaluate(self.observed, mu)

    def q_asimov(self, mu: float) -> float:
        """The statistic of the background-only Asimov data."""
        return self._evaluate(self.asimov, mu)

    def p_values(self, mu: float) -> PValues:
        return asymptotic(self.statistic, self.q(mu), self.q_asimov(mu))

    def log_cls(self, mu: float) -> np.ndarray:
        """log CLs of the observed and the five expected data, (6,)."""
        observed = self.p_values(mu).log_cls
        return np.array([observed, *asymptotic_expected(self.q_asimov(mu))])

    def discovery(self) -> tuple[float, float]:
        """q0 of the observed data, and of the Asimov data of mu = 1, NaN where these need a model
        that there is not."""
        if self.like.model is None:
            return q0(self.observed), np.nan
        self.injected = self._asimov_profile(1.0)
        return q0(self.observed), q0(self.injected)

    def sensitive_events(self) -> float:
        """`sensitive_events` with the background fitted to the data."""
        return sensitive_events(self.like, self.observed.index, np.asarray(self.background))

    def notes(self, largest: float = np.inf) -> tuple[Note, ...]:
        """What makes the result doubtful: a suspicious model, failed fits (up to mu = `largest`),
        flat directions, few events. To be asked after the last fit."""
        profiles = [self.asimov] if self.injected is None else [self.asimov, self.injected]
        failed = [note for profile in profiles for note in profile.notes(largest)]
        asimov = tuple(Note(n.status, f"Asimov data, {n.place}") for n in failed)
        return (
            model_notes(self.like)
            + self.observed.notes(largest)
            + asimov
            + flat_notes(self.like, self.observed.best, self.observed.floating)
            + few_events_notes(self.like, self.poi, np.asarray(self.background))
        )

    def insensitive(self, mu: float) -> bool:
        """Whether neither data set knows the parameter of interest, tried as far as `mu`."""
        return self.q_asimov(mu) < 1e-9 and self.q(mu) < 1e-9  # False where one is NaN


def sensitive_events(like: Likelihood, poi: int, background: np.ndarray) -> float:
    """The background events among which the signal is sought: (sum s)^2 / sum(s^2/b).

    For one bin this is b; bins weigh by what they contribute to q on the Asimov data. Infinite
    where the model counts no events. `background` is the theta, (P,), around which poi moves.
    """
    b = None if like.model is None else expected_counts(like, like.model, background)
    if b is None or like.model is None:
        return np.inf
    theta = background.copy()
    theta[poi] += 1.0
    more = expected_counts(like, like.model, theta)
    assert more is not None
    s = np.abs(more - b)
    seen = s > 1e-12 * max(s.max(initial=0.0), 1e-300)
    weight = np.sum(s[seen] ** 2 / np.maximum(b[seen], 1e-12))
    return float(np.sum(s[seen]) ** 2 / weight) if weight > 0 else np.inf


def few_events_notes(like: Likelihood, poi: str, background: np.ndarray) -> tuple[Note, ...]:
    """A note where asymptotic formulas are not valid."""
    events = sensitive_events(like, like.parameters.index(poi), background)
    place = f"{events:.2g} background events where {poi} is sought"
    return (Note(Status.FEW_EVENTS, place),) if events < ENOUGH_EVENTS else ()


def widened(like: Likelihood, poi: str, value: float) -> Likelihood:
    """`like` with the upper bound of `poi` raised so that `value` lies inside."""
    lower, _ = like.parameters[poi].bounds
    return like.replace(poi, bounds=(lower, 10.0 * value))


def throws_toys(like: Likelihood) -> Model:
    """The model behind a likelihood, which Asimov data and toys need."""
    if like.model is None:
        raise no_model()
    return like.model


def no_model() -> InputError:
    return InputError(
        "likelihood",
        "has no model, so it has no Asimov data or toys",
        "use limit, scan or interval, or the source of the likelihood",
    )


def parameter_of_interest(like: Likelihood, poi: str | None) -> str:
    """`poi`, or what the model names as its parameter of interest, which must float."""
    name = poi or like.poi
    known: Parameters = like.parameters
    if name is None:
        raise InputError("poi", "the likelihood names no parameter of interest", "name one")
    if known[name].fixed:
        raise InputError(f"parameter '{name}'", "is fixed", "free it in the measurement")
    return name
