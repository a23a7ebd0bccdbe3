"""Simulation-based calibration: truths from the prior, data from the truths, ranks of the truths.

Data set i has the key fold_in(seed, i). `calibration` has the tests, `prior_predictive` the
truths and the data of a model. Draws must be independent: thin a chain by its autocorrelation
time first.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from neyman._jax import jax
from neyman.execute import Failed, execute, progress_bar
from neyman.execute.attempt import describe
from neyman.inference.asymptotics import throws_toys
from neyman.inference.fit import model_notes
from neyman.inference.prior_predictive import check_priors, prior_predictive
from neyman.inference.provenance import fingerprint, provenance_of
from neyman.inference.ranks import names_of, normalised_ranks, of_ranks
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import HERE, Workplace
from neyman.io.chunks import ChunkStore
from neyman.io.function_digest import function_digest
from neyman.io.provenance import provenance
from neyman.model import Likelihood, ObservedLikelihood
from neyman.results.calibration import Calibration
from neyman.status import InputError

CHUNK = 50
"""Data sets of one job."""


@one_thread
def calibrate(
    source: Callable[[Any], tuple[Any, Any]] | ObservedLikelihood,
    *,
    posterior: Callable[[Any, ObservedLikelihood], Any] | None = None,
    names: Sequence[str] | None = None,
    sets: int = 4_000,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Calibration:
    """Whether posteriors hold the truth as often as they say.

    Args:
        source: a function of a jax key that draws a truth from the prior, (P,), makes data and
            returns (truth, draws), draws being L independent draws from the posterior, (L, P),
            the same L each time; or a likelihood, whose model then makes truths and data.
        posterior: for a likelihood: a function (key, likelihood of one data set) -> draws
            (L, P), in the order of its parameters.
        names: of the parameters; of a likelihood, which ones to test, by default those that
            float.
        sets: data sets; 4,000 find a posterior that is 10 % too narrow.
        key: the seed.
        workplace: the workers, and the folder in which ranks are kept, so that an interrupted
            call goes on.

    Raises:
        InputError: shapes that do not match, an unknown name, a prior that cannot be drawn from,
            a likelihood without a model.
    """
    if sets < 1:
        raise InputError("sets", f"{sets} is not positive", "give 4000 or more")
    if isinstance(source, Likelihood):
        throws_toys(source)
    if isinstance(source, ObservedLikelihood):
        if posterior is None:
            raise InputError("posterior", "is missing", "give a function (key, like) -> draws")
        like: ObservedLikelihood | None = jax.device_get(source)
        draw, made = posterior, provenance_of(source, key)
        check_priors(source)
    else:
        like, draw, made = None, source, provenance({}, key)
    chosen = tuple(names or (() if like is None else _floating(like)))
    if like is not None:
        like.parameters.vector(dict.fromkeys(chosen, 0.0))  # refuses an unknown name
    first = range(0, sets, CHUNK)
    jobs = [Chunk(like, draw, key, i, min(CHUNK, sets - i)) for i in first]
    store = None if workplace.folder is None else _store(workplace, like, draw, made, sets)
    parts, reasons = [], []
    with progress_bar("data sets") as progress:
        executed = execute(
            ranked,
            jobs,
            workers=workplace.workers,
            store=store,
            progress=progress,
            timeout=workplace.timeout,
        )
        for job, done in zip(jobs, executed, strict=True):
            part = lost(job, str(done)) if isinstance(done, Failed) else done
            parts.append(part)
            reasons += [str(reason) for reason in part["reason"] if reason]
    n_draws = int(max(part["draws"].max() for part in parts))
    n = max(part["ranks"].shape[1] for part in parts)
    if any(np.any((part["draws"] != n_draws) & (part["draws"] > 0)) for part in parts):
        raise InputError("draws", "are not as many for each data set", "thin them to one number")
    ranks = np.concatenate([padded(part["ranks"], n) for part in parts])
    if n == 0:  # every posterior failed
        ranks = np.full((sets, len(chosen) or 1), np.nan)
    elif like is not None:
        ranks = ranks[:, [like.parameters.index(name) for name in chosen]]
    result = of_ranks(ranks, names_of(chosen, ranks.shape[1]), n_draws, made, reasons)
    noted = () if like is None else model_notes(like)
    return dataclasses.replace(result, notes=noted + result.notes)


# ---- data sets, where a worker is


class Chunk(NamedTuple):
    """Data sets first ... first + n - 1 of a seed."""

    like: ObservedLikelihood | None
    draw: Callable[..., Any]
    seed: int
    first: int
    n: int


def ranked(chunk: Chunk) -> dict[str, np.ndarray]:
    """The ranks (n, P) of the truths of a chunk, numbers of draws and reasons of failure (n,)."""
    key = jax.random.key(chunk.seed)
    done = [_ranked(chunk, jax.random.fold_in(key, chunk.first + i)) for i in range(chunk.n)]
    n = max(len(ranks) for ranks, _, _ in done)
    return {
        "ranks": np.concatenate([padded(ranks[None], n) for ranks, _, _ in done]),
        "draws": np.array([draws for _, draws, _ in done]),
        "reason": np.array([reason for _, _, reason in done]),
    }


def lost(chunk: Chunk, reason: str) -> dict[str, np.ndarray]:
    """In place of a chunk that no worker could do."""
    n = chunk.n
    return {"ranks": np.zeros((n, 0)), "draws": np.zeros(n, int), "reason": np.full(n, reason)}


def _ranked(chunk: Chunk, key: Any) -> tuple[np.ndarray, int, str]:
    try:
        if chunk.like is None:
            truth, draws = chunk.draw(key)
        else:
            thrown, drawn = jax.random.split(key)
            truth, like = prior_predictive(chunk.like, thrown)
            draws = chunk.draw(drawn, like)
    except InputError:
        raise
    except Exception as error:
        return np.zeros(0), 0, describe(error)[:200] or "no message"
    theta, x = np.atleast_1d(np.asarray(truth, float)), np.asarray(draws, float)
    x = x[:, None] if x.ndim == 1 else x
    if theta.ndim != 1 or x.ndim != 2 or x.shape[1] != len(theta) or not len(x):
        shapes = f"{np.shape(draws)} for {len(theta)} parameters"
        raise InputError("draws", f"have the shape {shapes}", "return (L, P)")
    return normalised_ranks(theta, x), len(x), ""


def padded(ranks: np.ndarray, n: int) -> np.ndarray:
    """ranks (N, P), or (N, 0) where nothing is known, as (N, n) with NaN."""
    return ranks if ranks.shape[1] == n else np.full((len(ranks), n), np.nan)


def _floating(like: ObservedLikelihood) -> tuple[str, ...]:
    return tuple(item.name for item in like.parameters if not item.fixed)


def _store(
    workplace: Workplace,
    like: ObservedLikelihood | None,
    draw: Callable[..., Any],
    made: dict[str, Any],
    sets: int,
) -> ChunkStore:
    assert workplace.folder is not None
    spec = {
        "what": "calibration",
        "inputs": made["inputs"],
        "likelihood": None if like is None else fingerprint(like),
        "posterior": function_digest(draw),
        "seed": made["seed"],
        "sets": sets,
        "chunk": CHUNK,
    }
    return ChunkStore(workplace.folder, spec)
