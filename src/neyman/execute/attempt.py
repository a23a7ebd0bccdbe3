"""One attempt at one job, where the worker is; what comes back is always a value.

An exception would have to be pickled on the way back, and one that cannot be breaks a
`ProcessPoolExecutor`. So a job that goes wrong returns a `Trouble`, input that cannot be used
a `Refusal`, and only the loop raises.
"""

import dataclasses
import functools
import pickle
import threading
from collections.abc import Callable
from typing import Any

from neyman.io.chunks import Arrays, plain_arrays
from neyman.status import InputError

CACHED_FUNCTIONS = 4


@dataclasses.dataclass(frozen=True)
class Failed:
    """In place of a result: the job at `index` failed `attempts` times, first for `reason`."""

    index: int
    reason: str
    attempts: int

    def __str__(self) -> str:
        times = f" ({self.attempts} attempts)" if self.attempts > 1 else ""
        return f"job {self.index} failed{times}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What went wrong in one attempt."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An `InputError` on its way to the process that raises it."""

    place: str
    problem: str
    remedy: str

    def error(self) -> InputError:
        return InputError(self.place, self.problem, self.remedy)


Outcome = Arrays | Trouble | Refusal


def attempt(function: Callable[[Any], Any], job: Any) -> Outcome:
    """`function(job)` in a form that equals what a store gives back, or what went wrong."""
    try:
        return plain_arrays(function(job), f"the result of {_name(function)}")
    except InputError as error:
        return Refusal(error.place, error.problem, error.remedy)
    except (Exception, SystemExit) as error:
        return Trouble(describe(error))


def attempt_within(function: Callable[[Any], Any], job: Any, timeout: float | None) -> Outcome:
    """An attempt that is given up after `timeout` seconds, counted from when it begins.

    For workers whose processes are not ours to kill: the job runs in a thread of its own,
    and one that is given up goes on there, unheard, until it ends.
    """
    if timeout is None:
        return attempt(function, job)
    outcome: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcome.append(attempt(function, job)), daemon=True)
    thread.start()
    thread.join(timeout)
    return outcome[0] if outcome else too_long(timeout)


def attempt_packed(function: bytes, job: bytes, timeout: float | None) -> Outcome:
    """An attempt at a function and a job that the process which asks for it has pickled."""
    return attempt_within(unpacked(function), pickle.loads(job), timeout)


@functools.lru_cache(CACHED_FUNCTIONS)
def unpacked(function: bytes) -> Callable[[Any], Any]:
    """The function; kept for the next job, with whatever it has compiled."""
    return pickle.loads(function)


def too_long(timeout: float) -> Trouble:
    return Trouble(f"took longer than {timeout:g} seconds")


def describe(error: BaseException) -> str:
    """The type and the message of an exception, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _name(function: Any) -> str:
    function = getattr(function, "func", function)  # of a functools.partial
    return getattr(function, "__qualname__", type(function).__name__)
