"""Coverage: the part of data sets, thrown at a truth, whose interval holds that truth.

A procedure with confidence level C covers if that part is C at least, whatever the truth
(Neyman, Phil. Trans. R. Soc. A 236, 333). Data that are counted, and parameters with bounds,
make it differ from C by construction. With n toys of which k cover, its error is binomial and
its interval that of Clopper and Pearson (Biometrika 26, 404); where all data sets can be
listed, it is the sum of the probabilities of those that cover. `coverage_toys` says how that
is decided without looking for the ends of the interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from neyman.inference.calibration import ALARM, NARROW, SHIFT
from neyman.inference.coverage_function import Ends
from neyman.inference.coverage_samples import (
    CHUNK,
    NESTED_CHUNK,
    Plan,
    Sample,
    enumerated,
    from_toys,
)
from neyman.inference.coverage_toys import PROCEDURES, Procedure
from neyman.inference.limit import check_level
from neyman.inference.provenance import fingerprint
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import HERE, Workplace
from neyman.io.chunks import ChunkStore
from neyman.io.function_digest import function_digest
from neyman.io.provenance import provenance
from neyman.model import Data, Model
from neyman.parameters import Parameters, unknown_name
from neyman.results.coverage import Coverage
from neyman.status import InputError, Note, Status

SIGNIFICANT = 4.0
"""Standard errors below its level at which an interval is said to undercover."""
BINS = 20
ONE_SIGMA = 0.6826894921370859


@one_thread
def coverage(
    model: Model,
    poi: str | None = None,
    *,
    at: Mapping[str, float | Sequence[float] | np.ndarray],
    level: float | Sequence[float] = (0.6827, 0.9, 0.95),
    interval: str | Ends = "profile",
    toys: int = 4_000,
    references: int | None = None,
    outcomes: Data | None = None,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Coverage:
    """How often an interval or limit of `poi` covers the truth.

    Args:
        model: what throws the data.
        poi: the parameter of interest; the model's own by default.
        at: the truths by name: numbers, or T values each; parameters that are not named have
            their initial values.
        level: one or more confidence levels, which share the toys.
        interval: "profile" (`interval`), "limit" (the asymptotic CLs limit of `upper_limit`),
            "limit-toys" (its limit from toys), "feldman-cousins" (t_mu from toys), or a function
            likelihood -> (low, high) with `level` its one level.
        toys: data sets at each truth.
        references: toys of each hypothesis behind an interval from toys; by default 999 for each
            data set, or 40,000 for all of them where the model has no nuisance parameters.
        outcomes: instead of toys, every data set there is, stacked: leaves (n, ...). What they
            lack in probability is the error.
        key: the seed of the toys.
        workplace: the workers, and the folder in which toys are kept, so that an interrupted
            call goes on.

    Returns:
        A `Coverage`; its status says where an interval covers less often than its level, by
        more than 4 standard errors (a false alarm in 30,000).

    Raises:
        InputError: an unknown name, a truth outside the bounds, a level outside (0, 1).
    """
    name = _poi(model, poi)
    levels = np.atleast_1d(np.asarray(level, dtype=float))
    for one in levels.tolist():
        check_level(one)
    procedure = _procedure(interval, levels)
    if toys < 1 or (references is not None and references < 1):
        raise InputError("toys", "are fewer than 1", "throw some")
    names, truths = truths_of(model.parameters, name, at)
    plan = Plan(model, procedure, name, names, truths, toys, references, key)
    label = interval if isinstance(interval, str) else getattr(interval, "__name__", "function")
    made = provenance({"model": model.digest} if model.digest else {}, key)
    if outcomes is None:
        rule = interval if isinstance(interval, str) else function_digest(interval)
        store = _store(workplace, plan, rule, made)
        samples = list(from_toys(plan, interval, store, workplace))
    else:
        samples = list(enumerated(plan, outcomes))
    return _counted(plan, label, levels, samples, made)


def _counted(
    plan: Plan, label: str, levels: np.ndarray, samples: list[Sample], made: dict[str, Any]
) -> Coverage:
    """The result: how many of the data sets at each truth cover."""
    found = np.array([counted(sample, levels) for sample in samples])  # (T, 4, L)
    failed = np.array([np.sum(np.isnan(sample.p)) for sample in samples], dtype=float)
    by_toys = samples[0].weights is None
    n = len(samples[0].p)
    edges = np.linspace(0.0, 1.0, BINS + 1 if len(samples[0].ranks) else 1)
    histograms = [histogram(sample, edges) for sample in samples]
    one_sided = plan.procedure is not None and plan.procedure.cls
    return Coverage(
        poi=plan.poi,
        interval=label,
        method="toys" if by_toys else "enumeration",
        names=plan.names,
        truths=plan.truths,
        levels=levels,
        values=found[:, 0],
        errors=found[:, 1],
        lower=found[:, 2],
        upper=found[:, 3],
        toys=n,
        failed=failed,
        ranks=np.array(histograms),
        power=power(levels, n, one_sided) if by_toys else np.full((2, len(levels)), np.nan),
        notes=plan.model.notes + _notes(plan, levels, samples, found),
        provenance=made,
    )


def counted(sample: Sample, levels: np.ndarray) -> np.ndarray:
    """Coverage, its error, and the ends of its interval at each level, (4, L)."""
    fine = np.isfinite(sample.p)
    covers = sample.p[fine, None] > 1.0 - levels[None]
    if sample.weights is not None:
        value = sample.weights[fine] @ covers
        missing = max(0.0, 1.0 - float(np.sum(sample.weights[fine])))
        return np.array([value, np.full(len(levels), missing), value, value + missing])
    n = int(fine.sum())
    if n == 0:
        return np.full((4, len(levels)), np.nan)
    k = covers.sum(axis=0)
    rounded = np.clip(k / n, 0.5 / n, 1.0 - 0.5 / n)
    error = np.hypot(np.sqrt(rounded * (1.0 - rounded) / n), shared_error(sample, levels))
    return np.array([k / n, error, *clopper_pearson(k, n)])


def shared_error(sample: Sample, levels: np.ndarray) -> np.ndarray:
    """What the errors of p that all data sets share do to the coverage, (L,): a quarter of the
    difference that 2 standard errors up and down make. Counted data jump."""
    fine = np.isfinite(sample.p)
    p, shift = sample.p[fine, None], 2.0 * sample.p_error[fine, None]
    alpha = 1.0 - levels[None]
    return 0.25 * (np.mean(p + shift > alpha, axis=0) - np.mean(p - shift > alpha, axis=0))


def histogram(sample: Sample, edges: np.ndarray) -> np.ndarray:
    """How many ranks, or how much of their probability, lie between edges (B,), (B - 1,)."""
    weights = np.ones_like(sample.p) if sample.weights is None else sample.weights
    fine = np.isfinite(sample.ranks)
    if len(edges) == 1:
        return np.zeros(0)
    return np.histogram(sample.ranks[fine], edges, weights=weights[fine])[0]


def clopper_pearson(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The central interval of a binomial probability at 68.27 %, k of n seen."""
    tail = (1.0 - ONE_SIGMA) / 2.0
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1.0, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1.0, np.maximum(n - k, 1), 1.0 - tail), 1.0)
    return low, high


def power(levels: np.ndarray, n: int, one_sided: bool) -> np.ndarray:
    """The probability, at a false alarm of 1 %, that n data sets show intervals 10 % too narrow,
    and intervals shifted by 0.2 sigma (down, where one-sided), at each level, (2, L)."""
    z = ndtri(levels if one_sided else 0.5 + levels / 2.0)

    def covered(width: float, shift: float) -> np.ndarray:
        below = 0.0 if one_sided else ndtr(-width * z - shift)
        return ndtr(width * z - shift) - below

    p = np.array([covered(NARROW, 0.0), covered(1.0, SHIFT)])
    reach = ndtri(1.0 - ALARM / 2.0) * np.sqrt(levels * (1.0 - levels))[None]
    distance, spread = (p - levels[None]) * np.sqrt(n), np.sqrt(p * (1.0 - p))
    return ndtr((distance - reach) / spread) + ndtr((-distance - reach) / spread)


def _notes(
    plan: Plan, levels: np.ndarray, samples: list[Sample], found: np.ndarray
) -> tuple[Note, ...]:
    """Toys that failed, and levels that are not reached."""
    notes = []
    for truth, sample, (value, error, _, upper) in zip(plan.truths, samples, found):
        place = ", ".join(f"{name} = {x:g}" for name, x in zip(plan.names, truth))
        failed = int(np.sum(np.isnan(sample.p)))
        if failed:
            lost = Status.TOYS_FAILED if failed < len(sample.p) else Status.EVERY_TOY_FAILED
            first = f", the first: {sample.reason}" if sample.reason else ""
            notes.append(Note(lost, f"{place}: {failed} of {len(sample.p)} data sets{first}"))
        if sample.weights is None:
            n = len(sample.p) - failed
            if n == 0:
                continue
            spread = np.hypot(np.sqrt(levels * (1.0 - levels) / n), shared_error(sample, levels))
            below = value < levels - SIGNIFICANT * spread
        else:
            below = upper < levels - 1e-9
        notes += [
            Note(
                Status.UNDERCOVERS,
                f"{place}: {100 * value[j]:.2f} +- {100 * error[j]:.2f} % at {100 * levels[j]:g} %",
            )
            for j in np.flatnonzero(below)
        ]
    return tuple(notes)


def truths_of(
    p: Parameters, poi: str, at: Mapping[str, float | Sequence[float] | np.ndarray]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The names, poi first, and the truths, (T, names)."""
    columns = {poi: np.atleast_1d(p.vector()[p.index(poi)])}
    for name, values in at.items():
        p.index(name)
        columns[name] = np.atleast_1d(np.asarray(values, dtype=float))
    rows = max(len(column) for column in columns.values())
    for name, column in columns.items():
        low, high = p[name].bounds
        if column.ndim > 1 or len(column) not in (1, rows):
            problem = f"has {column.size} values where another has {rows}"
            raise InputError(f"at['{name}']", problem, "give one, or as many")
        if not np.all((column >= low) & (column <= high) & np.isfinite(column)):
            problem = f"is outside the bounds [{low:g}, {high:g}]"
            raise InputError(f"at['{name}']", problem, "choose truths that can be")
    return tuple(columns), np.column_stack([np.broadcast_to(c, rows) for c in columns.values()])


def _procedure(interval: str | Ends, levels: np.ndarray) -> Procedure | None:
    if not isinstance(interval, str):
        if len(levels) != 1:
            problem = "of a function, whose intervals have one level, must be one number"
            raise InputError("level", problem, "give level=0.95")
        return None
    if interval not in PROCEDURES:
        raise unknown_name(interval, PROCEDURES, "interval")
    return PROCEDURES[interval]


def _poi(model: Model, poi: str | None) -> str:
    name = poi or model.poi
    if name is None:
        raise InputError("poi", "the model names no parameter of interest", "name one")
    if model.parameters[name].fixed:
        raise InputError(f"parameter '{name}'", "is fixed", "free it in the measurement")
    return name


def _store(workplace: Workplace, plan: Plan, rule: str, made: dict[str, Any]) -> ChunkStore | None:
    if workplace.folder is None:
        return None
    spec = {
        "what": "coverage",
        "inputs": made["inputs"],
        "model": fingerprint(plan.model),
        "interval": rule,
        "names": list(plan.names),
        "truths": plan.truths.tolist(),
        "references": None if plan.shared else plan.references,
        "seed": plan.seed,
        "chunks": [CHUNK, NESTED_CHUNK],
    }
    return ChunkStore(workplace.folder, spec)
