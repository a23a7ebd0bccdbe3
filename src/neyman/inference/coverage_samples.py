"""What is found at each truth, by throwing data sets in chunks or by listing all there are."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from neyman._jax import jax, jnp
from neyman.execute import Failed, execute, progress_bar
from neyman.inference.coverage_function import Ends, FunctionChunk, thrown_and_asked
from neyman.inference.coverage_toys import (
    PROCEDURES,
    Chunk,
    Measured,
    Procedure,
    Setting,
    measured,
    shared_value,
    thrown_and_measured,
)
from neyman.inference.toy_test import Workplace
from neyman.io.chunks import ChunkStore
from neyman.model import Data, Model, compiled_model
from neyman.status import InputError

CHUNK, NESTED_CHUNK = 1_000, 48
"""Data sets of one job; fewer where each has toys, or a Python function, of its own."""
MOST_CHUNKS = 1_000_000
"""Of one truth in a folder, so that a chunk has the same number however many there are."""
INNER, SHARED = 999, 40_000
"""Toys behind each interval from toys: of one data set, or of all."""


class Plan(NamedTuple):
    """What is thrown."""

    model: Model
    procedure: Procedure | None
    """None for a function."""
    poi: str
    names: tuple[str, ...]
    truths: np.ndarray
    """(T, len(names))"""
    toys: int
    references: int | None
    seed: int

    @property
    def shared(self) -> bool:
        """Whether the hypotheses are the same for all data sets."""
        p = self.model.parameters
        floating = ~p.fixed
        floating[p.index(self.poi)] = False
        from_toys = self.procedure is not None and not self.procedure.asymptotic
        return from_toys and not floating.any()

    def setting(self, truth: np.ndarray, thrown_at: float | None = None) -> Setting:
        """Data sets thrown at a truth (N,), or with its poi at another value, tested there."""
        p = self.model.parameters
        theta = p.vector(dict(zip(self.names, truth.tolist())))
        elsewhere = theta.copy()
        if thrown_at is not None:
            elsewhere[p.index(self.poi)] = thrown_at
        kind = self.procedure or PROCEDURES["profile"]
        inner = 0 if kind.asymptotic or self.shared else self.references or INNER
        model = jax.device_get(self.model)  # NumPy arrays travel to workers
        return Setting(model, kind, elsewhere, theta, p.index(self.poi), inner)


class Sample(NamedTuple):
    """What was found at one truth."""

    p: np.ndarray
    """(n,); the interval at a level covers where p > 1 - level; NaN where it failed."""
    ranks: np.ndarray
    """Phi(sign(mu - mu^) sqrt(t_mu)), (n,) or (0,)."""
    weights: np.ndarray | None
    """Probabilities by enumeration, (n,)."""
    p_error: np.ndarray
    """Of p, where it rests on toys that all data sets share, (n,); 0 without."""
    reason: str


def from_toys(
    plan: Plan, interval: str | Ends, store: ChunkStore | None, workplace: Workplace
) -> Iterator[Sample]:
    """The samples of all truths, by one run over all chunks."""
    ends = None if isinstance(interval, str) else interval
    function: Callable[[Any], Any] = thrown_and_measured if ends is None else thrown_and_asked
    jobs: list[Any] = []
    numbers: list[int] = []
    pieces: list[dict[str, slice]] = []
    for i, truth in enumerate(plan.truths):
        settings = {"data": (plan.setting(truth), plan.toys)}
        if plan.shared:
            n = plan.references or SHARED
            settings["signal"] = (plan.setting(truth), n)
            if plan.procedure is not None and plan.procedure.cls:
                settings["background"] = (plan.setting(truth, 0.0), n)
        piece = {}
        for k, (what, (setting, n)) in enumerate(settings.items()):
            size = CHUNK if ends is None and not setting.inner else NESTED_CHUNK
            chunks = [
                Chunk(setting, plan.seed, 3 * i + k, first, min(size, n - first))
                for first in range(0, n, size)
            ]
            piece[what] = slice(len(jobs), len(jobs) + len(chunks))
            numbers += [(3 * i + k) * MOST_CHUNKS + j for j in range(len(chunks))]
            jobs += chunks if ends is None else [FunctionChunk(c, ends) for c in chunks]
        pieces.append(piece)
    with progress_bar("toys") as progress:
        executed = execute(
            function,
            jobs,
            workers=workplace.workers,
            store=store,
            numbers=numbers,
            fits=_are_all,
            progress=progress,
            timeout=workplace.timeout,
        )
        for truth, piece in zip(plan.truths, pieces):
            found = {
                what: _joined([(job, next(executed)) for job in jobs[piece[what]]])
                for what in piece
            }
            yield _sample(plan, truth, found)


def _are_all(job: Any, arrays: dict[str, np.ndarray]) -> bool:
    """Whether kept data sets are as many as asked for now."""
    return len(arrays["p"]) == (job.chunk if isinstance(job, FunctionChunk) else job).n


def _joined(done: list[tuple[Any, Any]]) -> dict[str, np.ndarray]:
    """The arrays of several chunks as one; a chunk that no worker could do has failed."""
    parts = []
    for job, part in done:
        if isinstance(part, Failed):
            failed = part
            n = (job.chunk if isinstance(job, FunctionChunk) else job).n
            nothing = np.full(n, np.nan)
            part = Measured(nothing, nothing, nothing, nothing)._asdict()
            part["reason"] = np.full(n, str(failed))
        parts.append(part)
    keys = set.intersection(*(set(part) for part in parts))
    joined = {k: np.concatenate([part[k] for part in parts]) for k in sorted(keys)}
    reasons = [str(r) for part in parts for r in part.get("reason", ()) if r]
    return joined | {"reason": np.array(reasons)}


def _sample(plan: Plan, truth: np.ndarray, found: dict[str, dict[str, np.ndarray]]) -> Sample:
    data = found["data"]
    p, error = data["p"], np.zeros(len(data["p"]))
    if plan.shared:
        signal = found["signal"]["statistic"]
        background = found["background"]["statistic"] if "background" in found else None
        p, error = shared_value(data["statistic"], signal, background, None)
    reason = str(data["reason"][0]) if len(data["reason"]) else ""
    return Sample(p, _ranks(plan, truth, data), None, error, reason)


def enumerated(plan: Plan, outcomes: Data) -> Iterator[Sample]:
    """The samples of all truths, from every data set that there is."""
    procedure = plan.procedure
    if procedure is None:
        raise InputError("interval", "is a function, which needs toys", "leave out outcomes")
    if not procedure.asymptotic and not plan.shared:
        problem = "from toys, of a model with nuisance parameters, needs toys"
        raise InputError("interval", problem, "leave out outcomes")
    data = jax.tree.map(jnp.asarray, outcomes)
    n = len(jax.tree.leaves(data)[0])
    keys = jax.random.split(jax.random.key(plan.seed), n)
    model = compiled_model(plan.model)
    for truth in plan.truths:
        setting = plan.setting(truth)
        weights = [
            np.exp(_log_probs(model, data, jnp.asarray(s.thrown)))
            for s in (setting, plan.setting(truth, 0.0))
        ]
        found = measured(setting, data, keys)
        p, error = found.p, np.zeros(n)
        if plan.shared:
            background = found.statistic if procedure.cls else None
            p, error = shared_value(found.statistic, found.statistic, background, np.array(weights))
        yield Sample(p, _ranks(plan, truth, found._asdict()), weights[0], error, "")


@jax.jit
def _log_probs(model, data, theta):
    return jax.vmap(lambda x: model.log_prob(theta, x))(data)


def _ranks(plan: Plan, truth: np.ndarray, data: dict[str, np.ndarray]) -> np.ndarray:
    """Phi(sign(mu - mu^) sqrt(t_mu)), (n,), of the profile interval; (0,) of others."""
    if plan.procedure != PROCEDURES["profile"]:
        return np.zeros(0)
    return ndtr(np.sign(truth[0] - data["poi_hat"]) * np.sqrt(data["statistic"]))
