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
from scipy.special import ndtr, ndtri

from neyman._jax import jax
from neyman.execute import Failed, Processes, execute, progress_bar
from neyman.inference.asymptotics import AsymptoticTest
from neyman.inference.distribution import Distribution, PValue
from neyman.inference.provenance import fingerprint, provenance_of
from neyman.inference.statistics import SIGMAS
from neyman.inference.toys import (
    MOST_VALUES,
    Chunk,
    Toys,
    Truth,
    failed_toys,
    kept_toys,
    number,
    thrown_arrays,
)
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

FLUCTUATIONS = ndtri((np.arange(16) + 0.5) / 16)
FLUCTUATIONS /= FLUCTUATIONS.std()
"""z, by which n background toys fluctuate: their distribution of q is F + z sqrt(F (1 - F)/n).

With it fluctuate CLb of the observed data and the quantile q_p that expected data are at:
F(q_p) + z sqrt(p (1 - p)/n) = p, and so CLs+b(q_p), while CLb = 1 - p there; in an atom of a
discrete distribution CLb fluctuates until q_p falls into the next atom. CLs is taken at each z.
"""


class CLsPoint(NamedTuple):
    """CLs of the observed and the five expected data at one mu, with Monte Carlo errors."""

    mu: float
    clsb: PValue
    clb: PValue
    cls: np.ndarray
    """(6,)"""
    error: np.ndarray
    """(6,)"""
    one: np.ndarray
    """What one toy of mu more would add to CLs, (6,)."""
    shared: np.ndarray
    """CLs as the background toys fluctuate, less its mean, (6, Z): see `FLUCTUATIONS`."""
    background: int
    """The first of the background toys, which all points of one call of `points` share."""


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
        self.streams = 0
        self.thrown = 0
        self.failed = 0
        self.empty = False

    def __enter__(self) -> "ToyTest":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def points(
        self, mus: Sequence[float], n: int, skip: int = 0, *, importance: bool = False
    ) -> list[CLsPoint]:
        """CLs at each of `mus` from n toys of each hypothesis; the first `skip` toys of the
        background, which served other points, are left out. With `importance` a third of the
        toys of mu come from the conditional fit at mu/2 and a third from that at 0, where data
        are whose p-value is small."""
        background = self._throw(0.0, mus, n, stream=0, skip=skip)
        points = []
        for mu, under in zip(mus, background, strict=True):
            self.streams += 1
            others = [self._truth(0.5 * mu), self._truth(0.0)] if importance else []
            (signal,) = self._throw(mu, [mu], n, self.streams, others=others)
            points.append(self._point(mu, signal, under, skip))
        return points

    def discovery(self, n: int, *, importance: bool) -> PValue:
        """P(q0 >= observed | mu = 0); half of the toys come from the best fit if `importance`."""
        q_observed = self.test.discovery()[0]
        others = [np.asarray(self.test.observed.best.theta)] if importance else []
        self.streams += 1
        (toys,) = self._throw(0.0, [0.0], n, self.streams, statistic="q0", others=others)
        return toys.p_value(q_observed)

    def notes(self, found: float) -> tuple[Note, ...]:
        """The toys that failed, counted; no warning but a failure where a hypothesis had no other
        and what was to be found is NaN."""
        every = self.empty and not np.isfinite(found)
        status = Status.EVERY_TOY_FAILED if every else Status.TOYS_FAILED
        failed = Note(status, f"{self.failed} of {self.thrown} toys")
        return (*((failed,) if self.failed else ()), *self._damaged)

    def _truth(self, mu: float) -> np.ndarray:
        """The conditional fit to the observed data, (P,)."""
        return np.asarray(self.test.observed.at(mu).theta)

    def _throw(
        self,
        mu: float,
        mus: Sequence[float],
        n: int,
        stream: int,
        *,
        skip: int = 0,
        statistic: str | None = None,
        others: Sequence[np.ndarray] = (),
    ) -> list[Distribution]:
        """The distributions of the statistic at each of `mus`, from n toys of `mu`."""
        thrown = np.array([self._truth(mu), *others])
        index, kind = self.test.observed.index, statistic or self.test.statistic
        found = [Distribution() for _ in mus]
        for first_value in range(0, len(mus), MOST_VALUES):
            values = tuple(float(m) for m in mus[first_value : first_value + MOST_VALUES])
            truth = Truth(thrown, values, index)
            chunks = [
                Chunk(self.model, truth, kind, self.seed, stream, first, CHUNK)
                for first in range(skip, skip + n, CHUNK)
            ]
            for toys in self._run(chunks, first_value // MOST_VALUES):
                for distribution, q in zip(found[first_value:], toys.statistic.T):
                    distribution.add(q, toys.log_weight)
        self.thrown += found[0].toys + found[0].failed
        self.failed += found[0].failed
        self.empty |= found[0].toys == 0
        return found

    def _run(self, chunks: list[Chunk], block: int) -> Iterator[Toys]:
        """The toys of each chunk; those of a chunk that no worker could do count as failed."""
        with progress_bar("toys") as progress:
            for some in self._shared_out(chunks):
                begun = time.perf_counter()
                for chunk, done in zip(
                    some,
                    execute(
                        thrown_arrays,
                        some,
                        workers=self._workers(len(some)),
                        store=self.store,
                        numbers=[number(chunk, block) for chunk in some],
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

    def _point(
        self, mu: float, signal: Distribution, background: Distribution, first: int
    ) -> CLsPoint:
        """Both are tested at mu."""
        observed = self.test.q(mu)
        clsb, clb = signal.p_value(observed), background.p_value(observed)
        levels = 1.0 - ndtr(SIGMAS)
        spread = np.sqrt(levels * (1.0 - levels) / max(clb.toys, 1))
        shift = np.array([clb.error, *spread])[:, None] * np.array([0.0, *FLUCTUATIONS])
        expected = background.quantiles((levels[:, None] - shift[1:]).ravel())
        q = np.vstack([np.full(shift.shape[1], observed), expected.reshape(len(levels), -1)])
        below, error = signal.tail(q)
        above, _ = background.tail(q)
        above = np.where(above > 0, np.maximum(above - shift, 0.5 / max(clb.toys, 1)), np.nan)
        curves = below / above
        one = 1.0 / (max(clsb.toys, 1) * above[:, 0])
        shared = curves[:, 1:] - curves[:, 1:].mean(axis=1, keepdims=True)
        own = error[:, 0] / above[:, 0]
        return CLsPoint(
            *(mu, clsb, clb, curves[:, 0], np.hypot(own, shared.std(axis=1)), one, shared),
            background=first,
        )
