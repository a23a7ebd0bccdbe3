"""From truths and posterior draws to the verdict: the ranks, their tests, and what they say.

The rank of a truth among L draws is how many of them lie below it; `calibration` has the tests
and the mathematics.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neyman.inference.calibration import (
    ALARM,
    NARROW,
    SHIFT,
    expected,
    power,
    rank_tests,
    width_and_shift,
)
from neyman.io.provenance import provenance
from neyman.results.calibration import TESTS, Calibration
from neyman.status import InputError, Note, Status


def calibrate_draws(
    truths: np.ndarray, draws: np.ndarray, *, names: Sequence[str] | None = None
) -> Calibration:
    """`calibrate` for draws that are there: truths (N, P) from the prior, draws (N, L, P).

    Of one parameter, (N,) and (N, L) will do. Data sets with draws that are not finite are
    failed.

    Raises:
        InputError: shapes that do not match.
    """
    theta, x = np.asarray(truths, dtype=float), np.asarray(draws, dtype=float)
    if theta.ndim == 1 and x.ndim == 2:
        theta, x = theta[:, None], x[:, :, None]
    if theta.ndim != 2 or x.ndim != 3 or theta.shape != (len(x), x.shape[2]) or not x.size:
        shapes = f"{np.shape(truths)} and {np.shape(draws)}"
        raise InputError("truths and draws", f"have shapes {shapes}", "give (N, P) and (N, L, P)")
    ranks = np.array([normalised_ranks(t, d) for t, d in zip(theta, x)])
    return of_ranks(ranks, names_of(names, theta.shape[1]), x.shape[1], provenance({}))


def normalised_ranks(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """(r + 1/2)/(L + 1) of a truth (P,) among draws (L, P), (P,); ties count half."""
    below = np.sum(draws < truth[None], axis=0) + 0.5 * np.sum(draws == truth[None], axis=0)
    finite = np.all(np.isfinite(draws), axis=0) & np.isfinite(truth)
    return np.where(finite, (below + 0.5) / (len(draws) + 1.0), np.nan)


def of_ranks(
    ranks: np.ndarray,
    names: tuple[str, ...],
    n_draws: int,
    made: dict[str, Any],
    reasons: Sequence[str] = (),
) -> Calibration:
    """The result for normalised ranks (N, P) among n_draws draws; 0 draws: continuous ranks."""
    each = ALARM / (len(TESTS) * len(names))
    bad = ~np.all(np.isfinite(ranks), axis=1)
    failed, n = int(bad.sum()), int((~bad).sum())
    nothing = np.full((len(names), len(TESTS)), np.nan)
    z, p, coverage = nothing, nothing, nothing[:, :3]
    found = np.full((len(names), 2), np.nan)
    notes: tuple[Note, ...] = ()
    if failed:
        first = f": {reasons[0]}" if reasons else ""
        status = Status.TOYS_FAILED if n else Status.EVERY_TOY_FAILED
        notes = (Note(status, f"{failed} of {len(ranks)} posteriors{first}"),)
    if n:
        kept = ranks[~bad].T
        tested = [rank_tests(u, n_draws) for u in kept]
        z, p, coverage = (np.array(part) for part in zip(*tested))
        found = np.array([width_and_shift(u, n_draws) for u in kept])
        notes += tuple(
            Note(
                Status.MISCALIBRATED,
                f"{name}: {verdict(*f)} ({TESTS[q.argmin()]}, p = {q.min():.1g})",
            )
            for name, f, q in zip(names, found, p)
            if q.min() < each
        )
    return Calibration(
        names=names,
        ranks=ranks,
        n_draws=n_draws,
        z=z,
        p=p,
        coverage=coverage,
        nominal=expected(n_draws).mean[2:],
        narrow=1.0 - found[:, 0],
        bias=found[:, 1],
        alarm=ALARM,
        power=np.array([power(n, n_draws, each, NARROW, 0.0), power(n, n_draws, each, 1.0, SHIFT)]),
        failed=failed,
        notes=notes,
        provenance=made,
    )


def verdict(width: float, shift: float) -> str:
    """What is wrong, in words, with a posterior of a width and a shift."""
    if not np.isfinite(width + shift):
        return "the ranks are not uniform"
    narrow = f"too {'narrow' if width < 1 else 'wide'} by about {100 * abs(1 - width):.2g} %"
    side = f"shifted by about {shift:+.2g} sigma"
    words = [narrow] if abs(1 - width) > 0.005 else []
    return f"posterior {' and '.join([*words, side] if abs(shift) > 0.02 else words or [side])}"


def names_of(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    found = tuple(names or (f"theta[{i}]" for i in range(n)))
    if n and len(found) != n:
        raise InputError("names", f"are {len(found)} for {n} parameters", "give one each")
    return found
