"""Draws from the posterior p(theta|x), proportional to L(theta) pi(theta)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from neyman._jax import jax
from neyman.inference import diagnostics
from neyman.inference.domain import draws_notes
from neyman.inference.fit import listed, model_notes
from neyman.inference.provenance import fingerprint, provenance_of
from neyman.inference.sampling import ensemble, importance, nested, nuts, pareto
from neyman.inference.sampling.chunked import Piece, damaged, joined, opened, pieces, shares
from neyman.inference.sampling.posterior import Posterior, posterior_of
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import HERE, Workplace
from neyman.io.chunks import Arrays, ChunkStore
from neyman.io.provenance import digest, version
from neyman.model import Likelihood
from neyman.parameters import unknown_name
from neyman.results import Samples
from neyman.status import InputError, Note, Status

SAMPLERS = ("auto", "nuts", "nested", "ensemble", "importance")
WORST_RHAT, LEAST_ESS = 1.01, 400.0
"""arXiv:1903.08008, section 4.2 and 4.3."""
MOST_NUMBERS = 250_000_000
"""2 GB of draws."""


@one_thread
def sample(
    like: Likelihood,
    *,
    key: int,
    sampler: str = "auto",
    draws: int | None = None,
    chains: int | None = None,
    warmup: int | None = None,
    workplace: Workplace = HERE,
) -> Samples:
    """Draw from the posterior of all parameters that are not fixed.

    Constraint terms are read as priors; the other parameters have their `prior`, flat between
    the bounds by default. The same arguments give the same draws bit for bit.

    Args:
        like: any likelihood; theta has shape (P,).
        key: the seed of all random numbers, 0 or more.
        sampler: "nuts" (gradients), "nested" (with the evidence; priors must be proper),
            "ensemble" (no gradients) or "importance" (few parameters, a log L that is dear; with
            the evidence where priors are proper). "auto" is "importance" for up to 25 parameters
            of a likelihood whose Hessian is dear, "nuts" where else there are gradients, and
            "ensemble" where there are none.
        draws: of each chain after the warm-up, by default 1,000; for nested sampling the number
            of live points, by default 500; of importance sampling all, by default 1,000.
        chains: by default 8. For an ensemble its walkers, 2 P + 2 or 32; from twice as many on,
            by default so many, they are ensembles of their own. For nested sampling runs with
            `draws` live points each, by default 1, which are joined.
        warmup: steps of each chain that are not kept, by default 300, for an ensemble 1,000.
        workplace: the workers, which share groups of chains (of 4 up to 16 chains, of 16 from 64
            on), ensembles, or nested runs; and the folder in which finished chunks are kept: a
            run that was killed goes on from there, and asking for more draws adds to those that
            are there. The numbers do not depend on the workers.

    Returns:
        `Samples`, whose notes name the parameters with an R-hat above 1.01 or an ESS below 400,
        count divergences, and say where importance weights cannot be trusted.

    Raises:
        InputError: an unknown sampler, a number out of range, a prior that cannot be used, a
            package that is not installed, a folder that holds something else, a chunk that failed.
    """
    if sampler not in SAMPLERS:
        raise unknown_name(sampler, SAMPLERS, "sampler")
    _check("key", key, 0)
    if sampler == "auto":
        sampler = _automatic(like)
    for name, given, without in (
        ("warmup", warmup, ("nested", "importance")),
        ("chains", chains, ("importance",)),
    ):
        if given is not None and sampler in without:
            problem = f"has no {'warm-up' if name == 'warmup' else name}"
            raise InputError(f"sampler='{sampler}'", problem, f"leave {name} out")
    if sampler == "nuts" and not like.differentiable:
        problem = "needs gradients, which this function does not have"
        raise InputError("sampler='nuts'", problem, "use sampler='ensemble', or give a gradient")
    posterior = posterior_of(jax.tree.map(np.asarray, like))
    if sampler == "nested":
        live = _check("draws", nested.LIVE if draws is None else draws, 20)
        runs = _check("chains", 1 if chains is None else chains, 1)
        return _nested(posterior, key, live, runs, workplace)
    if sampler == "importance":
        n = _check("draws", importance.DRAWS if draws is None else draws, 100)
        return _importance(posterior, key, n, workplace)
    n = _check("draws", 1000 if draws is None else draws, 4)
    if sampler == "nuts":
        module, some, steps, least = nuts, nuts.CHAINS, nuts.WARMUP, 1
    else:
        module, some, steps = ensemble, 2 * ensemble.walkers(posterior), 1000
        least = 2 * len(posterior.free)
    c = _check("chains", some if chains is None else chains, least)
    w = _check("warmup", steps if warmup is None else warmup, 20)
    if sampler == "ensemble" and c % 2:
        raise InputError("chains", f"{c} walkers cannot be halved", "give an even number")
    if c * n * len(posterior.free) > MOST_NUMBERS:
        problem = f"{c} chains of {n:,} draws of {len(posterior.free)} parameters are too many"
        raise InputError("draws", problem, f"keep their product below {MOST_NUMBERS:,}")
    spec = _spec(posterior, key, sampler) | {"chains": c, "warmup": w, "chunk": module.CHUNK}
    store = opened(workplace.folder, spec)
    groups, job = (_nuts_jobs if sampler == "nuts" else _ensemble_jobs)(posterior, key, c, w, store)
    last = math.ceil(n / module.CHUNK)
    parts = pieces(
        module.advance,
        job,
        groups,
        workplace=workplace,
        store=store,
        going_on=lambda index, _: index < last,
        expected=last + 1,
        label="sample",
    )
    collected = {
        k: np.concatenate([joined(group[1:], k, 1)[:, :n] for group in parts])
        for k in parts[0][1].output
    }
    divergences = int(np.sum(collected["divergent"])) if "divergent" in collected else 0
    begun = [group[0].state for group in parts]
    step = float(np.mean([b["step"] for b in begun])) if "step" in begun[0] else math.nan
    return _samples(
        posterior, key, sampler, collected["draws"], collected["log_prob"], store,
        divergences=divergences, acceptance=float(np.mean(collected["acceptance"])), step=step,
    )  # fmt: skip


Job = Callable[[int, int, Arrays], Any]


def _nuts_jobs(
    posterior: Posterior, key: int, chains: int, warmup: int, store: ChunkStore | None
) -> tuple[int, Job]:
    groups = nuts.groups(chains)
    share = list(shares(chains, groups))
    warmed = store is not None and set(range(groups)) <= set(store.indices())
    begun = {} if warmed else nuts.begun(posterior)

    def job(group: int, index: int, state: Arrays) -> nuts.Chunk:
        return nuts.Chunk(posterior, key, share[group], warmup, index, state if index else begun)

    return groups, job


def _ensemble_jobs(
    posterior: Posterior, key: int, chains: int, warmup: int, store: ChunkStore | None
) -> tuple[int, Job]:
    ensemble.emcee_module()
    groups = ensemble.groups(posterior, chains)
    walkers = [2 * len(pairs) for pairs in shares(chains // 2, groups)]

    def job(group: int, index: int, state: Arrays) -> ensemble.Chunk:
        return ensemble.Chunk(posterior, key, group, walkers[group], warmup, index, state)

    return groups, job


def _nested(posterior: Posterior, key: int, live: int, runs: int, workplace: Workplace) -> Samples:
    log_norm = nested.prior_draws(posterior, key, live)[1]
    spec = _spec(posterior, key, "nested") | {"live": live, "runs": runs, "chunk": nested.CHUNK}
    store = opened(workplace.folder, spec)
    parts = pieces(
        nested.advance,
        lambda run, index, state: nested.Chunk(posterior, key, run, live, index, state),
        runs,
        workplace=workplace,
        store=store,
        going_on=nested.going_on,
        expected=0,
        label="nested sampling",
    )

    def points(run: list[Piece], name: str) -> np.ndarray:
        return np.concatenate([joined(run[1:], name, 0), run[-1].state[name]])

    log_l, order, living = nested.combined(
        [
            nested.finished(joined(run[1:], "loglikelihood", 0), run[-1].state["loglikelihood"])
            for run in parts
        ]
    )
    log_weight, log_z, error = nested.weighted(log_l, living, key)
    z, log_prior = (
        np.concatenate([points(run, k) for run in parts])[order] for k in ("position", "logdensity")
    )
    failed = any(len(run) > nested.MOST_CHUNKS for run in parts)
    return _samples(
        posterior, key, "nested", np.asarray(nested.thetas(posterior, z))[None],
        (log_l + log_prior)[None], store, log_weight=log_weight,
        log_evidence=log_z + log_norm, log_evidence_error=error,
        more=(Note(Status.NOT_CONVERGED, "nested sampling"),) if failed else (),
    )  # fmt: skip


def _importance(posterior: Posterior, key: int, n: int, workplace: Workplace) -> Samples:
    if n * len(posterior.free) > MOST_NUMBERS:
        raise InputError("draws", f"{n:,} are too many", f"keep below {MOST_NUMBERS:,} numbers")
    spec = _spec(posterior, key, "importance") | {"chunk": importance.CHUNK}
    store = opened(workplace.folder, spec)
    found = importance.drawn(posterior, key, n, workplace, store)
    possible = bool(np.isfinite(np.max(found["log_weight"])))
    log_w, k = pareto.smoothed(found["log_weight"]) if possible else (np.zeros(n), math.inf)
    log_z, error = importance.evidence(posterior, log_w)
    more = (Note(Status.HEAVY_WEIGHTS, f"k = {k:.2f}"),) if not pareto.trusted(k, n) else ()
    return _samples(
        posterior, key, "importance", found["draws"][None], found["log_prob"][None], store,
        log_weight=log_w - logsumexp(log_w), log_evidence=log_z, log_evidence_error=error,
        pareto_k=k, more=more if possible else (Note(Status.NOT_FINITE, "every draw"),),
    )  # fmt: skip


def _automatic(like: Likelihood) -> str:
    if not like.differentiable:
        return "ensemble"
    few = int(np.sum(~like.parameters.fixed)) <= importance.MOST_PARAMETERS
    return "importance" if like.dear and few else "nuts"


def _check(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(name, f"is {value}", f"give a whole number from {least} on")
    return value


def _spec(posterior: Posterior, key: int, sampler: str) -> dict[str, Any]:
    """What a folder of chunks is of."""
    library = {"ensemble": "emcee", "importance": "numpy"}.get(sampler, "blackjax")
    return {
        "what": "samples",
        "sampler": sampler,
        "parameters": digest(repr(posterior.like.parameters.items).encode()),
        "likelihood": fingerprint(posterior.like),
        "key": key,
        library: version(library),
    }


def _samples(
    posterior: Posterior,
    key: int,
    sampler: str,
    draws: np.ndarray,
    log_prob: np.ndarray,
    store: ChunkStore | None,
    *,
    log_weight: np.ndarray | None = None,
    divergences: int = 0,
    more: tuple[Note, ...] = (),
    **told: Any,
) -> Samples:
    """The result: moments, intervals, diagnostics and what they find doubtful."""
    names = tuple(p.name for p in posterior.free)
    flat = draws.reshape(-1, draws.shape[-1])
    weight = None if log_weight is None else np.exp(log_weight)
    mean = np.average(flat, axis=0, weights=weight)
    hdi = [[diagnostics.hpdi(x, q, weight) for q in diagnostics.LEVELS] for x in flat.T]
    if weight is None:
        columns = [draws[..., i] for i in range(len(names))]
        measures = (diagnostics.ess_bulk, diagnostics.ess_tail, diagnostics.rhat)
        ess, tail, rhat = (np.array([f(x) for x in columns]) for f in measures)
    else:
        ess = tail = np.full(len(names), np.sum(weight) ** 2 / np.sum(weight**2))
        rhat = np.full(len(names), np.nan)
    thetas = np.tile(posterior.like.parameters.init, (len(flat), 1))
    thetas[:, ~posterior.like.parameters.fixed] = flat
    share = np.full(len(flat), 1.0 / len(flat)) if weight is None else weight / np.sum(weight)
    outside = draws_notes(posterior.like, thetas, share)
    notes = model_notes(posterior.like) + more + damaged(store) + outside
    return Samples(
        sampler=sampler,
        names=names,
        draws=draws,
        log_prob=log_prob,
        log_weight=np.zeros(log_prob.shape) if log_weight is None else log_weight[None],
        mean=mean,
        sd=np.sqrt(np.average((flat - mean) ** 2, axis=0, weights=weight)),
        hdi=np.array(hdi),
        ess=ess,
        ess_tail=tail,
        rhat=rhat,
        divergences=divergences,
        notes=notes + _doubts(names, np.minimum(ess, tail), rhat, divergences, log_prob.size),
        provenance=provenance_of(posterior.like, key),
        **told,
    )


def _doubts(
    names: tuple[str, ...], ess: np.ndarray, rhat: np.ndarray, divergences: int, n: int
) -> tuple[Note, ...]:
    notes = []
    apart = np.flatnonzero(rhat > WORST_RHAT)
    if len(apart):
        where = listed([names[i] for i in apart])
        notes.append(
            Note(Status.CHAINS_DISAGREE, f"{where}: R-hat up to {np.max(rhat[apart]):.3f}")
        )
    few = np.flatnonzero(~(ess >= LEAST_ESS))
    if len(few):
        where = listed([names[i] for i in few])
        notes.append(Note(Status.FEW_DRAWS, f"{where}: down to {np.min(ess[few]):.0f}"))
    if divergences:
        notes.append(Note(Status.DIVERGENCES, f"{divergences} of {n} draws"))
    return tuple(notes)
