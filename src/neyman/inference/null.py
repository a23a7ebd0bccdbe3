"""How the distribution of a test statistic is found: asymptotic formulas or toys."""

from neyman.inference.asymptotics import ENOUGH_EVENTS, AsymptoticTest, throws_toys
from neyman.model import Likelihood
from neyman.parameters import unknown_name
from neyman.status import Note, Status

NULLS = ("auto", "asymptotic", "toys")


def chosen(null: str, test: AsymptoticTest) -> tuple[str, str]:
    """The method, "asymptotic" or "toys", and why it was chosen where `null` is "auto".

    Raises:
        InputError: an unknown `null`, or toys of a likelihood without a model.
    """
    check_null(test.like, null)
    if null != "auto":
        return null, ""
    if test.like.model is None:
        return "asymptotic", "toys need a model"
    events = test.sensitive_events()
    where = f"{events:.2g} background events where {test.poi} is sought"
    if events < ENOUGH_EVENTS and test.like.model.dear:
        return "asymptotic", f"{where}, but toys of this model are dear"
    if events < ENOUGH_EVENTS:
        return "toys", f"{where}, fewer than {ENOUGH_EVENTS:g}"
    return "asymptotic", f"{where}, enough for asymptotic formulas"


def check_null(like: Likelihood, null: str) -> None:
    """Refuse an unknown `null`, and toys of a likelihood without a model."""
    if null not in NULLS:
        raise unknown_name(null, NULLS, "null")
    if null == "toys":
        throws_toys(like)


def without_few_events(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """The notes that matter to a result from toys."""
    return tuple(note for note in notes if note.status is not Status.FEW_EVENTS)
