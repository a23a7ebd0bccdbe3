"""The loop: keep the workers busy, store what is finished, hand it on in order."""

import collections
import dataclasses
import functools
import queue
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Any

from neyman.execute.attempt import Failed, Outcome, Refusal, Trouble, describe
from neyman.execute.backends import Backend, backend
from neyman.io.chunks import Arrays, ChunkStore, plain_arrays
from neyman.status import InputError

Progress = Callable[[int, int], Any]


def execute(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    *,
    workers: Any = 1,
    store: ChunkStore | None = None,
    numbers: Sequence[int] | None = None,
    fits: Callable[[Any, Arrays], bool] | None = None,
    progress: Progress | None = None,
    timeout: float | None = None,
    retries: int = 1,
    initializer: Callable[[], Any] | None = None,
) -> Generator[Arrays | Failed, None, None]:
    """Yield `function(job)`, a dict of NumPy arrays, for each job, in the order of the jobs.

    An iterator, so that a million toys can be accumulated in the memory of one chunk; only
    finished jobs that wait for an earlier one are held, a few per worker. Workers run while
    the caller handles a result. Leaving the loop early stops them.

    - `workers`: 1 (in this process), a number of local processes, `Processes`, an `Executor`
      (left running), a Dask scheduler's address, `Client` or cluster. The function and the
      jobs must be picklable; the results are equal bit for bit.
    - `store`: results are saved there as they come, under `numbers`, their positions by
      default; those in it are read, not computed. A damaged one is computed again and stands
      in `store.notes`.
    - `fits(job, arrays)`: whether what is in the store is of this job; else it is replaced.
    - `progress(done, total)` is called after each job.
    - `timeout`: seconds an attempt may take, counted from when it begins. A local process is
      killed (for `workers=1` one is started, for nothing else can be stopped); another
      executor's worker is told to give up, and the job goes on unheard until it ends.
    - A job that raises, takes too long, or whose worker dies is tried `retries` times more;
      then a `Failed` takes its place, and is not stored. `InputError` is not retried but raised.
    - `initializer()` is called first in each local process.

    Ctrl-C, and any other exception, stops the workers; what was stored stays.
    """
    if timeout is not None and not timeout > 0:
        raise InputError("timeout", f"{timeout:g} is not positive", "give a number of seconds")
    if retries < 0:
        raise InputError("retries", f"{retries} is negative", "give 0 or more")
    if numbers is None:
        numbers = range(len(jobs))
    run = _Run(function, jobs, store, numbers, fits or _fits, progress or _silent, retries)
    return run.results(functools.partial(backend, workers, timeout, initializer))


@dataclasses.dataclass
class _Run:
    """Positions of jobs on their way: not begun, in flight, ready, handed on."""

    function: Callable[[Any], Any]
    jobs: Sequence[Any]
    store: ChunkStore | None
    numbers: Sequence[int]
    fits: Callable[[Any, Arrays], bool]
    progress: Progress
    retries: int

    def results(self, opened: Callable[[], Backend]) -> Generator[Arrays | Failed, None, None]:
        self.next = self.head = self.done = 0
        self.flying: dict[int, Any] = {}
        self.landed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.ready: dict[int, Arrays | Failed] = {}
        self.troubles: dict[int, list[str]] = collections.defaultdict(list)
        self.backend = opened()
        try:
            self.progress(0, len(self.jobs))
            while self.head < len(self.jobs):
                self.fill()
                while self.head not in self.ready:
                    self.collect()
                    self.fill()
                yield self.ready.pop(self.head)
                self.head += 1
        finally:
            self.backend.close(list(self.flying.values()))

    def fill(self) -> None:
        """Begin jobs in order while there is room; those in the store are ready at once."""
        while (
            self.next < len(self.jobs)
            and len(self.flying) < self.backend.room()
            and self.next - self.head < self.backend.ahead * self.backend.room()
        ):
            position, self.next = self.next, self.next + 1
            stored = self.store.load(self.numbers[position]) if self.store else None
            if stored is None or not self.fits(self.jobs[position], stored):
                self.begin(position)
            else:
                self.finish(position, stored)

    def begin(self, position: int) -> None:
        future = self.backend.submit(self.function, self.jobs[position])
        self.flying[position] = future
        future.add_done_callback(lambda _: self.landed.put(position))

    def collect(self) -> None:
        """Wait for a job to end, and store it, try it again, or give it up."""
        position = self.landed.get()
        outcome = _outcome(self.flying.pop(position))
        if isinstance(outcome, Refusal):
            raise outcome.error()
        if not isinstance(outcome, Trouble):
            if self.store:
                self.store.save(self.numbers[position], outcome)
            return self.finish(position, plain_arrays(outcome))
        troubles = self.troubles[position]
        troubles.append(outcome.reason)
        if len(troubles) <= self.retries:
            return self.begin(position)
        self.finish(position, Failed(self.numbers[position], troubles[0], len(troubles)))

    def finish(self, position: int, result: Arrays | Failed) -> None:
        self.ready[position] = result
        self.done += 1
        self.progress(self.done, len(self.jobs))


def _outcome(future: Any) -> Outcome:
    """What an attempt returned; what kept it from returning is a `Trouble` too."""
    try:
        return future.result()
    except InputError:
        raise
    except BrokenExecutor as error:  # a given one: ours mend themselves
        raise InputError(
            "workers",
            f"the executor is broken ({describe(error)})",
            "start another; with a store, what is finished is kept",
        ) from error
    except (Exception, CancelledError) as error:
        return Trouble(describe(error))


def _fits(job: Any, arrays: Arrays) -> bool:
    return True


def _silent(done: int, total: int) -> None:
    pass
