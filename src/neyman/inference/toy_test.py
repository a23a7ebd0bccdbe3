"""CLs from toys: the distributions of the statistic themselves, no asymptotic formula.

    CLs+b(mu) = P(q_mu >= observed | mu),    CLb(mu) = P(q_mu >= observed | 0)

with nuisance parameters at their conditional fits to the observed data, as in pyhf. Data at
N sigma of the background-only distribution have the quantile Phi(-N) of its q_mu from above.

Toys of the background are thrown once and tested at every mu (their stream is 0); toys of
mu are a stream of their own.
"""

import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from neyman._jax import jax
from neyman.execute import Failed, Processes, execute, progress_bar
from neyman.inference.asymptotics import AsymptoticTest
from neyman.inference.provenance import fingerprint, provenance_of
from neyman.inference.statistics import SIGMAS
from neyman.inference.toys import (
    MOST_VALUES,
    Chunk,
    PValue,
    Toys,
    Truth,
    failed_toys,
    kept_toys,
    p_value,
    quantiles,
    thrown_arrays,
)
from neyman.inference.toys import joined as joined_toys
from neyman.io.chunks import Arrays, ChunkStore
from neyman.status import Note, Status

CHUNK = 1000
"""Toys of one job; part of what makes results reproducible bit for bit."""
WORTH = 10.0
"""Seconds of work from which other processes are started: each imports and compiles anew."""


class Workplace(NamedTuple):
    """Where toys are thrown, and where they are kept."""

    workers: Any = 1
    """As `neyman.execute.execute` takes it: a number of processes, an executor, Dask."""
    folder: str | pathlib.Path | None = None
    """Chunks of toys are kept here, and those that are here already are not thrown again."""
    timeout: float | None = None
    """Seconds that a chunk may take; then it is tried again, and after that counted as failed."""


HERE = Workplace()


class CLsPoint(NamedTuple):
    """CLs of the observed and the five expected data at one mu, with Monte Carlo errors."""

    mu: float
    clsb: PValue
    clb: PValue
    cls: np.ndarray
    """(6,)"""
    error: np.ndarray
    """(6,)"""


class ToyTest:
    """The hypotheses that `test` tests, with toys instead of asymptotic formulas."""

    def __init__(
        self,
        test: AsymptoticTest,
        seed: int,
        workplace: Workplace = HERE,
        purpose: dict[str, Any] | None = None,
    ):
        self.test = test
        self.seed = seed
        self.workplace = workplace
        self.store = (
            None if workplace.folder is None else self._store(workplace.folder, purpose or {})
        )
        self._damaged = [] if self.store is None else self.store.notes
        self.model = jax.device_get(test.model)  # NumPy arrays travel to workers
        self._pool: Processes | None = None
        self._pace: float | None = None
        self.chunks = 0
        self.streams = 0
        self.thrown = 0
        self.failed = 0

    def __enter__(self) -> "ToyTest":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def points(self, mus: Sequence[float], n: int, skip: int = 0) -> list[CLsPoint]:
        """CLs at each of `mus` from n toys of each hypothesis; the first `skip` toys of the
        background, which served other points, are left out."""
        background = self._throw(0.0, mus, n, stream=0, skip=skip)
        points = []
        for column, mu in enumerate(mus):
            self.streams += 1
            signal = self._throw(mu, [mu], n, self.streams)
            points.append(self._point(mu, signal, background, column))
        return points

    def discovery(self, n: int, *, importance: bool) -> PValue:
        """P(q0 >= observed | mu = 0); half of the toys come from the best fit if `importance`."""
        q_observed = self.test.discovery()[0]
        best = np.asarray(self.test.observed.best.theta)
        proposal = best if importance else np.asarray(self.test.background)
        self.streams += 1
        toys = self._throw(0.0, [0.0], n, self.streams, statistic="q0", proposal=proposal)
        return p_value(toys, 0, q_observed)

    def notes(self) -> tuple[Note, ...]:
        """The toys that failed, counted."""
        failed = Note(Status.TOYS_FAILED, f"{self.failed} of {self.thrown} toys")
        return (*((failed,) if self.failed else ()), *self._damaged)

    def _throw(
        self,
        mu: float,
        mus: Sequence[float],
        n: int,
        stream: int,
        *,
        skip: int = 0,
        statistic: str | None = None,
        proposal: np.ndarray | None = None,
    ) -> Toys:
        theta = np.asarray(self.test.observed.at(mu).theta)
        other = theta if proposal is None else proposal
        index = self.test.observed.index
        parts = []
        for first_value in range(0, len(mus), MOST_VALUES):
            values = tuple(float(m) for m in mus[first_value : first_value + MOST_VALUES])
            truth = Truth(theta, other, values, index)
            kind = statistic or self.test.statistic
            chunks = [
                Chunk(self.model, truth, kind, self.seed, stream, first, CHUNK)
                for first in range(skip, skip + n, CHUNK)
            ]
            parts.append(joined_toys([*self._run(chunks)]))
        q = np.concatenate([part.statistic for part in parts], axis=1)
        toys = parts[0]._replace(statistic=q)
        self.thrown += len(q)
        self.failed += int(np.sum(~np.isfinite(q[:, 0])))
        return toys

    def _run(self, chunks: list[Chunk]) -> Iterator[Toys]:
        """The toys of each chunk; those of a chunk that no worker could do count as failed."""
        with progress_bar("toys") as progress:
            for some in self._shared_out(chunks):
                first, self.chunks = self.chunks, self.chunks + len(some)
                begun = time.perf_counter()
                for chunk, done in zip(
                    some,
                    execute(
                        thrown_arrays,
                        some,
                        workers=self._workers(len(some)),
                        store=self.store,
                        first=first,
                        progress=progress,
                        timeout=self.workplace.timeout,
                    ),
                    strict=True,
                ):
                    yield self._toys(chunk, done)
                self._pace = (time.perf_counter() - begun) / len(some)

    def _toys(self, chunk: Chunk, done: Arrays | Failed) -> Toys:
        """After a chunk that failed nothing more is kept: a resume that has it may test others."""
        if isinstance(done, Failed):
            self.store = None
            return failed_toys(chunk)
        return kept_toys(chunk, done, self.workplace.folder)

    def _shared_out(self, chunks: list[Chunk]) -> list[list[Chunk]]:
        """Two chunks first, one that compiles and one that tells the pace, if that matters."""
        if not self._splits or self._pace is not None or len(chunks) < 4:
            return [chunks]
        return [chunks[:1], chunks[1:2], chunks[2:]]

    @property
    def _splits(self) -> bool:
        """Whether it may be worth it to start processes."""
        workers = self.workplace.workers
        return isinstance(workers, int) and workers > 1 and self._pool is None

    def _workers(self, n: int) -> Any:
        """Who does n chunks; processes are started once that takes long here."""
        if self._splits:
            if n * (self._pace or 0.0) < WORTH:
                return 1
            self._pool = Processes(self.workplace.workers)
        return self.workplace.workers if self._pool is None else self._pool

    def _store(self, folder: str | pathlib.Path, purpose: dict[str, Any]) -> ChunkStore:
        """What decides which toys stand under which index is in the spec, so that a folder
        of another computation is refused."""
        spec = {
            "what": "toys",
            "inputs": provenance_of(self.test.like)["inputs"],
            "poi": self.test.poi,
            "statistic": self.test.statistic,
            "seed": self.seed,
            "chunk": CHUNK,
            "likelihood": fingerprint(self.test.like),
        }
        return ChunkStore(folder, spec | purpose)

    def _point(self, mu: float, signal: Toys, background: Toys, column: int) -> CLsPoint:
        """`signal` is tested at mu alone, `background` at mu in its `column`."""
        observed = self.test.q(mu)
        expected = quantiles(background, column, 1.0 - ndtr(SIGMAS))
        pairs = [
            (p_value(signal, 0, q), p_value(background, column, q)) for q in (observed, *expected)
        ]
        cls = np.array([sb.value / b.value if b.value > 0 else np.nan for sb, b in pairs])
        relative = [
            np.hypot(sb.error / max(sb.value, 1.0 / max(sb.toys, 1)), b.error / b.value)
            if b.value > 0
            else np.nan
            for sb, b in pairs
        ]
        floor = np.array([1.0 / max(sb.toys, 1) for sb, _ in pairs])
        return CLsPoint(mu, *pairs[0], cls, np.maximum(cls, floor) * relative)
