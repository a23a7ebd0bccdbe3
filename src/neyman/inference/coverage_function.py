"""Whether the intervals of a user's own function cover the truth, data set by data set."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from neyman._jax import jax
from neyman.execute.attempt import describe
from neyman.inference.coverage_toys import Chunk, thrown
from neyman.inference.threads import one_thread
from neyman.model import ObservedLikelihood
from neyman.status import InputError

Ends = Callable[[ObservedLikelihood], tuple[float, float]]


class FunctionChunk(NamedTuple):
    """The data sets of a chunk, and the function to apply to the likelihood of each."""

    chunk: Chunk
    ends: Ends


@one_thread
def thrown_and_asked(job: FunctionChunk) -> dict[str, np.ndarray]:
    """A job for `neyman.execute`: `p` is 1 where the interval covers and 0 where not, NaN where
    the function raised or an end is NaN, and `reason` says why."""
    setting = job.chunk.setting
    model, mu = jax.device_get(setting.model), float(setting.thrown[setting.poi])
    stacked = jax.device_get(thrown(job.chunk))
    asked = [
        _covers(job.ends, model.observe(jax.tree.map(lambda leaf, i=i: leaf[i], stacked)), mu)
        for i in range(job.chunk.n)
    ]
    p, reason = zip(*asked)
    return {"p": np.array(p), "reason": np.array(reason)}


def _covers(ends: Ends, like: ObservedLikelihood, mu: float) -> tuple[float, str]:
    try:
        low, high = (float(end) for end in _pair(ends(like)))
    except InputError:
        raise
    except Exception as error:
        return float("nan"), describe(error)[:200]
    if np.isnan(low) or np.isnan(high):
        return float("nan"), f"[{low:g}, {high:g}]"
    return float(low <= mu <= high), ""


def _pair(ends: Any) -> Any:
    if np.shape(ends) != (2,):
        problem = f"returned {type(ends).__name__} of shape {np.shape(ends)}"
        raise InputError("interval", problem, "return (low, high)")
    return ends
