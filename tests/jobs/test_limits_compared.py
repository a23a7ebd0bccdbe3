"""Limits of a surrogate and of its source that are missing or 0 are counted, and not replaced."""

import numpy as np
import pytest

from neyman.jobs.claims import claim_notes
from neyman.jobs.validate import limit_errors, limit_notes
from neyman.results import Limit
from neyman.status import Note, Status

NAN = np.nan


def limit(values, method="asymptotic", notes=()):
    none = np.zeros((0, 5))
    return Limit(
        poi="mu", level=0.95, observed=values[0], expected=np.array(values[1:]), method=method,
        reason="", scanned=np.zeros(0), cls_observed=np.zeros(0), cls_expected=none, notes=notes,
    )  # fmt: skip


FULL = [2.0, 1.0, 1.5, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("exact", "surrogate", "method", "observed", "largest", "missing"),
    [
        (FULL, [2.1, *FULL[1:]], "asymptotic", 0.05, 0.05, 0),
        ([NAN, *FULL[1:]], FULL, "asymptotic", None, 0.0, 1),
        (FULL, [NAN, 1.1, *FULL[2:]], "asymptotic", None, 0.1, 1),
        ([0.0, *FULL[1:]], FULL, "asymptotic", None, 0.0, 1),
        (FULL, [0.0, *FULL[1:]], "asymptotic", 1.0, 1.0, 0),
        ([NAN] * 6, [NAN] * 6, "asymptotic", None, None, 6),
        ([2.0] + [NAN] * 5, [2.2] + [NAN] * 5, "profile", 0.1, 0.1, 0),
        ([NAN] * 6, [NAN] * 6, "profile", None, None, 1),
    ],
)
def test_limits(exact, surrogate, method, observed, largest, missing):
    both = limit(exact, method), limit(surrogate, method)
    found = limit_errors(*both)
    assert found["observed_error"] == (observed if observed is None else pytest.approx(observed))
    assert found["largest_error"] == (largest if largest is None else pytest.approx(largest))
    assert found["missing"] == missing
    told = [n.place for n in limit_notes(*both) if n.status is Status.NOT_COMPARED]
    assert told == ([f"{missing} of the limits on mu"] if missing else [])


def test_notes_say_whose_they_are():
    notes = limit_notes(limit(FULL), limit(FULL, notes=(Note(Status.OUTSIDE_DOMAIN, "mu"),)))
    assert notes == (Note(Status.OUTSIDE_DOMAIN, "limit of the surrogate, mu"),)


CLAIMED = {
    "profile": {"mu": {"max_error": 0.02}},
    "limits": {"mu": {"level": 0.95, "method": "profile", "observed_error": 0.01}},
    "weights": {"effective_fraction": 0.98},
}


def found(t=0.02, off=0.01, part=0.98, **limits):
    asked = {"level": 0.95, "method": "profile", "observed_error": off} | limits
    return {
        "profile": {"mu": {"max_error": t}},
        "limits": {"mu": asked},
        "weights": {"effective_fraction": part},
    }


@pytest.mark.parametrize(
    ("measured", "exceeded"),
    [
        (found(), []),
        (found(t=0.0229, off=0.011, part=0.93), []),
        (found(t=0.024), ["t_mu"]),
        (found(off=0.012), ["limit on mu"]),
        (found(off=0.012, level=0.9), []),
        (found(off=None), []),
        (found(part=0.9), ["draws"]),
        (found(t=1.0, off=1.0, part=0.1), ["t_mu", "limit on mu", "draws"]),
    ],
)
def test_claims(measured, exceeded):
    notes = claim_notes(CLAIMED, measured)
    assert len(notes) == len(exceeded)
    for note, what in zip(notes, exceeded):
        assert note.status is Status.EXCEEDS_CLAIM and what in note.place


@pytest.mark.parametrize("errors", [{}, {"profile": 3, "limits": [], "weights": {"mu": "x"}}])
def test_a_file_that_claims_nothing(errors):
    assert claim_notes(errors, found(t=9.0)) == ()
