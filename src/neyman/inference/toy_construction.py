"""Toys of t at tested points of one or two parameters of interest: the Neyman construction.

    t(theta) = -2 log L(theta, nu^^) + 2 log L(theta^, nu^)         arXiv:1007.1727, eq. 8

with theta^ within its bounds. Main and auxiliary data are thrown at the tested point, nuisance
parameters at their conditional fit nu^^ to the observed data.
"""

from collections.abc import Sequence

import numpy as np

from neyman._jax import jax
from neyman.execute import Failed, Processes, execute, progress_bar
from neyman.inference.asymptotics import throws_toys
from neyman.inference.distribution import Distribution
from neyman.inference.provenance import fingerprint, provenance_of
from neyman.inference.toy_test import CHUNK, HERE, Workplace
from neyman.inference.toys import (
    Chunk,
    Toys,
    Truth,
    are_toys_of,
    failed_toys,
    kept_toys,
    number,
    thrown_arrays,
)
from neyman.io.chunks import Arrays, ChunkStore
from neyman.model import Likelihood
from neyman.status import Note, Status


class Construction:
    """Toys of t at tested points of one or two parameters of interest."""

    def __init__(
        self,
        like: Likelihood,
        pois: tuple[str, ...],
        seed: int,
        workplace: Workplace = HERE,
        level: Sequence[float] = (),
    ):
        self.model = jax.device_get(throws_toys(like))
        self.index = [like.parameters.index(name) for name in pois]
        self.seed = seed
        self.workplace = workplace
        self.store: ChunkStore | None = None
        if workplace.folder is not None:
            inputs = provenance_of(like)["inputs"] | {"likelihood": fingerprint(like)}
            spec = {
                "what": "t",
                "inputs": inputs,
                "pois": list(pois),
                "seed": seed,
                "chunk": CHUNK,
                "level": list(level),
            }
            self.store = ChunkStore(workplace.folder, spec)
        self._damaged = [] if self.store is None else self.store.notes
        self._pool: Processes | None = None
        self.streams = self.thrown = self.failed = 0

    def __enter__(self) -> "Construction":
        workers = self.workplace.workers
        if isinstance(workers, int) and workers > 1:
            self._pool = Processes(workers)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def new_stream(self) -> int:
        """Toys of a further tested point."""
        self.streams += 1
        return self.streams

    def throw(
        self, into: Distribution, theta: np.ndarray, stream: int, first: int, chunks: int
    ) -> None:
        """`chunks` times `CHUNK` toys of one stream more, tested where they are thrown."""
        poi, *held = self.index
        truth = Truth(theta[None], (float(theta[poi]),), poi, tuple(held))
        starts = range(first, first + chunks * CHUNK, CHUNK)
        jobs = [Chunk(self.model, truth, "t", self.seed, stream, i, CHUNK) for i in starts]
        workers = self.workplace.workers if self._pool is None else self._pool
        failed, self.thrown = into.failed, self.thrown + chunks * CHUNK
        with progress_bar("toys") as progress:
            done = execute(
                thrown_arrays,
                jobs,
                workers=workers,
                store=self.store,
                numbers=[number(job) for job in jobs],
                fits=are_toys_of,  # with more toys than before other points may be tested
                progress=progress,
                timeout=self.workplace.timeout,
            )
            for job, arrays in zip(jobs, done, strict=True):
                into.add(self._toys(job, arrays).statistic[:, 0])
        self.failed += into.failed - failed

    def _toys(self, job: Chunk, done: Arrays | Failed) -> Toys:
        """After a chunk that failed nothing more is kept: a resume that has it may test others."""
        if isinstance(done, Failed):
            self.store = None
            return failed_toys(job)
        return kept_toys(job, done, self.workplace.folder)

    def notes(self) -> tuple[Note, ...]:
        """The toys that failed, counted, and what was wrong with those kept."""
        failed = Note(Status.TOYS_FAILED, f"{self.failed} of {self.thrown} toys")
        return (*((failed,) if self.failed else ()), *self._damaged)
