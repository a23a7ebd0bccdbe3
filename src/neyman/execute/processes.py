"""Local worker processes that may die, hang or be killed, one by one.

Each is served by a thread that sends it a job and waits for the answer, so it is known which
job a death or a timeout belongs to, and the others go on. (A `ProcessPoolExecutor` breaks as
a whole, cannot stop a job, and leaves its processes behind when its owner is killed.)
"""

import pickle
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from neyman.execute.worker import Worker
from neyman.status import InputError


class Processes:
    """`number` worker processes, each started when first needed and replaced when it dies.

    `initializer()` is called first in each. Use it in a `with` block to run several loops on
    the same processes: `with Processes(2) as workers: execute(f, jobs, workers=workers)`.
    """

    def __init__(self, number: int, initializer: Callable[[], Any] | None = None):
        self.number = number
        self._initializer = None if initializer is None else packed(initializer)
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._closed = False

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def submit(self, function: bytes, job: bytes, timeout: float | None) -> Future:
        """A future of an attempt at a pickled job; a death or a timeout is its value."""
        if self._closed:
            raise InputError("workers", "the processes are closed", "start others")
        future: Future = Future()
        self._tasks.put((future, function, job, timeout))
        if len(self._workers) < self.number:
            self._workers.append(Worker(self._initializer))
            thread = threading.Thread(target=self._serve, args=(self._workers[-1],), daemon=True)
            thread.name = "neyman worker"
            self._threads.append(thread)
            thread.start()
        return future

    def stop(self) -> None:
        """Kill the processes and so the jobs that run; the next job starts others."""
        for worker in self._workers:
            worker.kill()

    def close(self) -> None:
        """Kill the processes and wait until they are gone; what has not begun is cancelled."""
        self._closed = True
        for worker in self._workers:
            worker.close()
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, worker: Worker) -> None:
        """In a thread: one job after the other."""
        while (task := self._tasks.get()) is not None:
            future, *arguments = task
            if self._closed:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.run(*arguments))
            except Exception as error:
                future.set_exception(error)
        worker.end()


def packed(value: Any) -> bytes:
    """`value` as a process can receive it: functions by name, everything else by content."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        problem = f"cannot be sent to another process ({' '.join(str(error).split())})"
        remedy = "define the function at the top of a module, or use workers=1"
        raise InputError(f"a {type(value).__name__}", problem, remedy) from None
