"""One worker process, seen from both ends of a pipe.

It is spawned, not forked (threads and jax do not survive a fork). It leads a process group,
so that the Ctrl-C of a terminal goes to the owner alone, and what it starts dies with it. It
ends when its owner does, however that ends.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from neyman.execute.attempt import Outcome, Refusal, Trouble, attempt, describe, too_long, unpacked
from neyman.status import InputError

SPAWN = multiprocessing.get_context("spawn")
STARTS = 3  # attempts to start a process before that is taken for impossible
GUARD = "see its message; a script needs if __name__ == '__main__': before its calls"
LOCK = threading.Lock()  # `multiprocessing` reaps its children from any thread


class Worker:
    """A process that does one job at a time, replaced by another when it is killed or dies."""

    def __init__(self, initializer: bytes | None):
        self._initializer = initializer
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._closed = False

    def run(self, function: bytes, job: bytes, timeout: float | None) -> Outcome:
        """An attempt; `timeout` counts from when the function has been read and imported."""
        pipe = self._begin(function, job)
        try:
            if pipe.poll(timeout):
                return pipe.recv()
        except (EOFError, OSError):
            return Trouble(f"its process died ({self.end()})")
        self.end()
        return too_long(timeout or 0.0)

    def kill(self) -> None:
        """From any thread: `run` then finds the process dead."""
        with LOCK:
            self._kill()

    def close(self) -> None:
        """From any thread: kill the process and start no other; `end` follows in `run`'s."""
        self._closed = True
        self.kill()

    def end(self) -> str:
        """Kill and forget the process; in words, how it ended."""
        with LOCK:
            if self._process is None or self._pipe is None:
                return "not started"
            self._kill()
            self._process.join()
            code = self._process.exitcode
            self._process.close()
            self._pipe.close()
            self._process = self._pipe = None
        return f"exit code {code}" if code is None or code >= 0 else f"signal {-code}"

    def _begin(self, function: bytes, job: bytes) -> Connection:
        """Have the process begin the job, or another process if that one is dead."""
        for _ in range(STARTS):
            pipe = self._started()
            try:
                pipe.send((function, job))
                refusal = pipe.recv()
            except (EOFError, OSError):
                self.end()
            else:
                if refusal is not None:
                    raise refusal.error()
                return pipe
        problem = f"a process ended {STARTS} times before its first job"
        raise InputError("workers", problem, GUARD)

    def _started(self) -> Connection:
        with LOCK:
            if self._closed:
                raise InputError("workers", "the processes are closed", "start others")
            if self._pipe is None:
                self._pipe, self._process = _start(self._initializer)
            return self._pipe

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.pid is not None and process.exitcode is None:
            with contextlib.suppress(OSError):  # not yet the leader of its group
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()


def _start(initializer: bytes | None) -> tuple[Connection, SpawnProcess]:
    """A process and our end of the pipe to it.

    Ctrl-C is blocked meanwhile, for a process inherits that, and has no group of its own yet.
    """
    near, far = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(far, initializer), daemon=True)
    resource_tracker.ensure_running()  # before, because it unblocks signals
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    except (OSError, RuntimeError, AssertionError) as error:  # one in another's import
        near.close()
        raise InputError("workers", f"no process starts ({error})", GUARD) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        far.close()
    return near, process


# ---- in the process


def serve(pipe: Connection, initializer: bytes | None) -> None:
    """Answer each job by None when it begins, or a `Refusal`, and then its outcome."""
    os.setpgrp()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_owner, daemon=True).start()
    if initializer is not None:
        pickle.loads(initializer)()
    with contextlib.suppress(EOFError, OSError):  # the owner is gone
        while True:
            task = _read(*pipe.recv())
            pipe.send(task if isinstance(task, Refusal) else None)
            if not isinstance(task, Refusal):
                pipe.send(attempt(*task))


def _read(function: bytes, job: bytes) -> tuple[Any, Any] | Refusal:
    try:
        return unpacked(function), pickle.loads(job)
    except Exception as error:
        problem = f"cannot be read by a worker process ({describe(error)})"
        return Refusal("a function or job", problem, "define it at the top of a module")


def _die_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
    os.killpg(0, signal.SIGKILL)
