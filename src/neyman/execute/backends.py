"""Where jobs run. A backend takes jobs and gives futures; the loop does the rest.

To add one: subclass `Backend`, and choose it in `backend`. A future needs
`add_done_callback`, which may call from any thread, and `result`.
"""

import abc
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from neyman.execute.attempt import attempt, attempt_packed, attempt_within
from neyman.execute.processes import Processes, packed
from neyman.status import InputError

REMEDY = "give a number, an Executor, a Dask address, Client or cluster"
PATIENCE = 5  # seconds for a Dask scheduler to answer
REFRESH = 2.0  # seconds after which the threads of a Dask cluster are counted again


class Backend(abc.ABC):
    """`submit` begins a job, `room` says how many at once, `close` ends what was begun."""

    ahead = 4  # finished jobs that may wait for an earlier one, per job in flight

    @abc.abstractmethod
    def submit(self, function: Callable[[Any], Any], job: Any) -> Any: ...

    @abc.abstractmethod
    def room(self) -> int: ...

    @abc.abstractmethod
    def close(self, unfinished: Sequence[Any]) -> None: ...


class Here(Backend):
    """In this process: a job is done when `submit` returns."""

    ahead = 1

    def submit(self, function: Callable[[Any], Any], job: Any) -> Future:
        future: Future = Future()
        future.set_result(attempt(function, job))
        return future

    def room(self) -> int:
        return 1

    def close(self, unfinished: Sequence[Any]) -> None:
        pass


class Local(Backend):
    """Processes on this machine; `owned` ones end with the loop."""

    def __init__(self, processes: Processes, timeout: float | None, owned: bool):
        self.processes, self.timeout, self.owned = processes, timeout, owned
        self.function: tuple[Any, bytes] | None = None

    def submit(self, function: Callable[[Any], Any], job: Any) -> Future:
        if self.function is None or self.function[0] is not function:
            self.function = function, packed(function)
        return self.processes.submit(self.function[1], packed(job), self.timeout)

    def room(self) -> int:
        return 2 * self.processes.number

    def close(self, unfinished: Sequence[Any]) -> None:
        for future in unfinished:
            future.cancel()
        if self.owned:
            self.processes.close()
        elif any(not future.done() for future in unfinished):
            self.processes.stop()


class Given(Backend):
    """Any executor; it is not shut down, and what runs in it when the loop ends runs on."""

    def __init__(self, executor: Any, timeout: float | None):
        self.executor, self.timeout = executor, timeout
        self.number = getattr(executor, "_max_workers", None) or os.cpu_count() or 1

    def submit(self, function: Callable[[Any], Any], job: Any) -> Any:
        try:
            return self.executor.submit(attempt_within, function, job, self.timeout)
        except RuntimeError as error:  # shut down, or broken
            raise InputError(
                "workers", f"the executor refuses ({error})", "start another"
            ) from error

    def room(self) -> int:
        return 2 * self.number

    def close(self, unfinished: Sequence[Any]) -> None:
        for future in unfinished:
            future.cancel()


class Dask(Backend):
    """The workers of a Dask cluster, however many there are at the time.

    Functions and jobs go as bytes: Dask looks into what it is given for its own objects.
    """

    def __init__(self, client: Any, timeout: float | None, owned: bool):
        self.client, self.timeout, self.owned = client, timeout, owned
        self.function: tuple[Any, bytes] | None = None
        self.counted, self.threads = -REFRESH, 1

    def submit(self, function: Callable[[Any], Any], job: Any) -> Any:
        import cloudpickle  # as Dask itself does: a function of a notebook goes by value

        if self.function is None or self.function[0] is not function:
            self.function = function, cloudpickle.dumps(function)
        arguments = self.function[1], cloudpickle.dumps(job), self.timeout
        return self.client.submit(attempt_packed, *arguments, pure=False)

    def room(self) -> int:
        if time.monotonic() - self.counted > REFRESH:
            self.threads = sum(self.client.nthreads().values())
            self.counted = time.monotonic()
        return 2 * max(self.threads, 1)

    def close(self, unfinished: Sequence[Any]) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            if unfinished:
                self.client.cancel(list(unfinished))
        if self.owned:
            self.client.close()


def backend(
    workers: Any, timeout: float | None, initializer: Callable[[], Any] | None = None
) -> Backend:
    """The backend that `workers` means; nothing is started before the first job but Dask."""
    if isinstance(workers, int) and not isinstance(workers, bool):
        if workers < 1:
            raise InputError("workers", f"{workers} is less than 1", REMEDY)
        if workers == 1 and timeout is None and initializer is None:
            return Here()
        return Local(Processes(workers, initializer), timeout, owned=True)
    if initializer is not None:
        raise InputError("initializer", "is for local processes", "initialise the workers yourself")
    if isinstance(workers, Processes):
        return Local(workers, timeout, owned=False)
    if isinstance(workers, str) or hasattr(workers, "scheduler_address"):
        return Dask(_client(workers), timeout, owned=True)
    if hasattr(workers, "scheduler") and hasattr(workers, "nthreads"):
        return Dask(workers, timeout, owned=False)
    if isinstance(workers, Executor) or callable(getattr(workers, "submit", None)):
        return Given(workers, timeout)
    raise InputError("workers", f"a {type(workers).__name__} runs no jobs", REMEDY)


def _client(address: Any) -> Any:
    """A Dask client of our own for an address or a cluster."""
    try:
        from distributed import Client
    except ImportError:
        remedy = "install it with pip install 'neyman[dask]'"
        raise InputError("workers", "Dask is not installed", remedy) from None
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        name = address if isinstance(address, str) else "the Dask cluster"
        problem = f"no Dask scheduler answers ({' '.join(str(error).split())[:200]})"
        remedy = "start one with dask scheduler and give its address, e.g. tcp://127.0.0.1:8786"
        raise InputError(name, problem, remedy) from None
