"""Every way in which a result can fail or be doubtful.

A `Status` is an integer with a severity, a message and a remedy. Being an integer it
survives `jit` and `vmap` (`jnp.where(converged, Status.FINE, Status.NOT_CONVERGED)`), one
per element of a batch; `Status(int(code))` brings it back. Which parameter, bin or event is
meant stands in a `Note`, made on the way out. Bad input is no status but an `InputError`.
"""

import dataclasses
import enum


class Severity(enum.IntEnum):
    FINE = 0
    WARNING = 1
    FAILED = 2


@enum.unique
class Status(enum.IntEnum):
    """An outcome. Of several, the one with the largest value is the worst."""

    severity: Severity
    message: str
    remedy: str

    def __new__(cls, code: int, severity: Severity, message: str, remedy: str):
        member = int.__new__(cls, code)
        member._value_ = code
        member.severity = severity
        member.message = message
        member.remedy = remedy
        return member

    FINE = 0, Severity.FINE, "fine", ""

    AT_BOUND = (
        10,
        Severity.WARNING,
        "a parameter is at its bound, so its error is one-sided",
        "quote an interval or a limit instead of the error, or widen the bound",
    )
    SUSPICIOUS_INPUT = (
        11,
        Severity.WARNING,
        "the input is legal but suspicious",
        "check the places named",
    )
    FEW_EVENTS = (
        12,
        Severity.WARNING,
        "fewer than 5 events are expected, where asymptotic formulas are not valid",
        "use --null toys (null='toys' in Python) where the verb has it, or read it with care",
    )
    BEYOND_BOUND = (
        13,
        Severity.WARNING,
        "a value tested lies beyond the upper bound of the parameter of interest, which was"
        " raised for it",
        "widen the bound of the parameter in the measurement, if values as large can be",
    )
    FLAT_DIRECTION = (
        14,
        Severity.WARNING,
        "log L does not change along this direction, so its parameters have no value of their own",
        "fix one of the parameters named",
    )
    NEGATIVE_YIELD = (
        15,
        Severity.WARNING,
        "an expected yield is negative",
        "check the sample named: its variations may be larger than its yield",
    )

    TOYS_FAILED = (
        16,
        Severity.WARNING,
        "toys whose fit failed are left out of the p-values",
        "if they are more than a few in a thousand, check the model's flat directions and bounds",
    )

    DAMAGED_CHUNK = (
        17,
        Severity.WARNING,
        "a stored chunk is damaged and is computed again",
        "check the disk",
    )

    UNDERCOVERS = (
        18,
        Severity.WARNING,
        "the interval covers the truth less often than its level says",
        "quote its coverage, or take an interval from toys (limit-toys, feldman-cousins)",
    )

    PROFILE_LIMIT = (
        19,
        Severity.WARNING,
        "there are no Asimov data, so the limit is that of the profile likelihood (CLs+b), without"
        " expected values",
        "use the source of the likelihood, or a surrogate with a log_prob_asimov, for CLs",
    )
    TAIL_OUTSIDE = (
        27,
        Severity.WARNING,
        "a small part of the draws lies outside the domain in which the likelihood is known",
        "quote intervals well inside it, or train on points further out",
    )
    QUANTA_LOST = (
        29,
        Severity.WARNING,
        "numbers of quanta lie beyond the room that was chosen at the initial parameters, and are"
        " lost or misplaced",
        "give initial values nearer to the fit, or narrow the bounds",
    )

    NOT_COMPARED = (
        28,
        Severity.WARNING,
        "limits of a surrogate could not be compared with its source's: one is missing, or 0",
        "look at both with `neyman limit`, which says why",
    )

    POINTS_LEFT_OUT = (
        8,
        Severity.WARNING,
        "points where log L or its gradient is not finite are left out of the training",
        "if they are many, narrow the bounds of the parameters to where log L is finite",
    )
    CURVE_ENDS = (
        9,
        Severity.WARNING,
        "the curve of conditional maxima ends early, at a fit that failed",
        "believe the profile no further; `neyman scan` of the source shows what is there",
    )

    DISCONNECTED = (
        24,
        Severity.WARNING,
        "a value inside the interval is rejected, so what is accepted is not connected",
        "quote the interval, which reaches from the lowest to the highest accepted value",
    )
    OPEN_CONTOUR = (
        25,
        Severity.WARNING,
        "the contour ends at a bound of a parameter",
        "widen the bound if values beyond it can be",
    )

    NO_BAND = (
        26,
        Severity.WARNING,
        "the expected p-value does not cross the level in the range searched",
        "quote the observed and the median limit, which were found, or throw more toys",
    )

    CHAINS_DISAGREE = (
        20,
        Severity.WARNING,
        "the chains have not mixed (R-hat above 1.01)",
        "draw more (--draws), and look for two modes or a flat direction",
    )
    FEW_DRAWS = (
        21,
        Severity.WARNING,
        "fewer than 400 effective draws",
        "draw more (--draws)",
    )
    DIVERGENCES = (
        22,
        Severity.WARNING,
        "trajectories diverged, so a part of the posterior may be missed",
        "compare with nested sampling, and check bounds at which log L ends abruptly",
    )

    HEAVY_WEIGHTS = (
        23,
        Severity.WARNING,
        "the importance weights have too heavy a tail (Pareto k above 0.7), so a part of the"
        " posterior may be missed",
        "compare with --sampler nuts or nested; more draws (--draws) help below k = 1",
    )

    NOT_CONVERGED = (
        30,
        Severity.FAILED,
        "the fit did not converge",
        "start elsewhere (init=), fix parameters, or widen bounds that are hit",
    )
    NO_ROOT = (
        31,
        Severity.FAILED,
        "the p-value does not cross the level in the range searched",
        "nuisance parameters of the signal that make its yield vanish leave no limit: look at their"
        " variations; or widen the range",
    )
    INSENSITIVE = (
        32,
        Severity.FAILED,
        "the data do not depend on the parameter of interest",
        "check that its sample has a yield above zero",
    )
    NOT_FINITE = (
        33,
        Severity.FAILED,
        "log L is not finite",
        "check the places named for yields of zero with events observed, or for NaN",
    )

    OUTSIDE_DOMAIN = (
        36,
        Severity.FAILED,
        "outside the domain in which the likelihood is known",
        "stay inside it (show tells where it ends), or train on points further out",
    )

    EXCEEDS_CLAIM = (
        37,
        Severity.FAILED,
        "the surrogate departs from its source by more than its file claims",
        "check that it was learned from this source, or learn it anew",
    )

    TOO_FEW_TOYS = (
        38,
        Severity.FAILED,
        "no toy of the background alone is as extreme as the data, so toys cannot tell CLs",
        "throw more toys (--toys), or quote the asymptotic value (--null asymptotic)",
    )

    MISCALIBRATED = (
        34,
        Severity.FAILED,
        "the ranks of the truth are not uniform, so the posterior is wrong",
        "check that the draws are independent (thin them) and that the data sets were thrown"
        " from the same prior; then the likelihood and the sampler",
    )
    EVERY_TOY_FAILED = (
        35,
        Severity.FAILED,
        "no data set is left to count",
        "see the first reason where one is named, or fit one data set that simulate throws",
    )

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def failed(self) -> bool:
        return self.severity is Severity.FAILED


@dataclasses.dataclass(frozen=True)
class Note:
    """A status and the place it speaks of, e.g. "channel 'SR1', bin 3"."""

    status: Status
    place: str

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        remedy = f"; {self.status.remedy}" if self.status.remedy else ""
        return f"{where}{self.status.message}{remedy}"


def worst(notes: tuple[Note, ...]) -> Status:
    """The most severe status of `notes`; `Status.FINE` where there are none."""
    return max((note.status for note in notes), default=Status.FINE)


class InputError(ValueError):
    """Input that cannot be used. The message is one line: the place, what is wrong, the remedy."""

    def __init__(self, place: str, problem: str, remedy: str = ""):
        self.place, self.problem, self.remedy = place, problem, remedy
        super().__init__(" ".join(f"{place}: {problem}{'; ' + remedy if remedy else ''}".split()))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.place, self.problem, self.remedy)  # so that workers can send it
