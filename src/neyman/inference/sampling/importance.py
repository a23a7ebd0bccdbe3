"""Importance sampling, for likelihoods too dear for chains: no step waits for the one before.

    z_s ~ q,   w_s = p(z_s)/q(z_s),   E[f] = sum_s w_s f(z_s)/sum_s w_s,   Z = mean_s w_s

in the unconstrained z, where log p(z) holds the priors and the Jacobian. q_0 is a multivariate
Student t with `NU` degrees of freedom at the maximum, with the Laplace approximation's matrix.
`PILOT` draws of it have a weighted mean and covariance, those of q_1. The draws are of

    q = a q_0 + (1 - a) q_1,   a = `DEFENSIVE`

so that no weight exceeds p/(a q_0) (Hesterberg, Technometrics 37, 185). The pilot's draws are not
used again: given q, draws are independent, and Z is unbiased before its weights are smoothed (see
`pareto`). A log L costs a value, not a gradient.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from neyman._jax import jax, jnp
from neyman.execute import Failed, execute, progress_bar
from neyman.inference.sampling.chunked import hired
from neyman.inference.sampling.nuts import gaussian_at_maximum
from neyman.inference.sampling.pareto import smoothed
from neyman.inference.sampling.posterior import Posterior
from neyman.inference.threads import one_thread
from neyman.inference.toy_test import Workplace
from neyman.io.chunks import Arrays, ChunkStore
from neyman.parameters import LogUniform, Normal
from neyman.status import InputError

DRAWS = 1000
CHUNK = 64
PILOT = 4
"""Chunks of the first proposal."""
NU = 5.0
DEFENSIVE = 0.1
MOST_PARAMETERS = 25
"""On a Gaussian posterior of so many, half of the draws are effective; the share then falls."""


class Proposal(NamedTuple):
    """A mixture of multivariate t."""

    share: np.ndarray
    """(C,); they sum to 1."""
    centre: np.ndarray
    """(C, n)"""
    factor: np.ndarray
    """A with A A^T the matrix of each, (C, n, n)."""

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(size, n)"""
        which = rng.choice(len(self.share), size=size, p=self.share)
        normal = rng.standard_normal((size, self.centre.shape[1]))
        t = normal * np.sqrt(NU / rng.chisquare(NU, size))[:, None]
        return self.centre[which] + np.einsum("sij,sj->si", self.factor[which], t)

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """log q of z, (size, n)."""
        n = z.shape[1]
        norm = gammaln((NU + n) / 2) - gammaln(NU / 2) - n / 2 * math.log(NU * math.pi)
        each = []
        for share, centre, factor in zip(*self):
            y = np.linalg.solve(factor, (z - centre).T)
            body = -(NU + n) / 2 * np.log1p(np.sum(y**2, axis=0) / NU)
            each.append(math.log(share) + norm + body - np.linalg.slogdet(factor)[1])
        return logsumexp(each, axis=0)


class Chunk(NamedTuple):
    """Draws of one chunk: a job for any worker."""

    posterior: Posterior
    key: int
    number: int
    proposal: Proposal


@one_thread
def advance(chunk: Chunk) -> Arrays:
    """A job for `neyman.execute`."""
    posterior = jax.tree.map(jnp.asarray, chunk.posterior)
    rng = np.random.default_rng([chunk.key, 3, chunk.number])
    z = chunk.proposal.draw(rng, CHUNK)
    log_prob, theta = jax.device_get(_evaluated(posterior, jnp.asarray(z)))
    found = {"z": z, "draws": theta, "log_prob": np.where(np.isnan(log_prob), -np.inf, log_prob)}
    found["log_q"] = chunk.proposal.log_prob(z)
    return found | {f"proposal.{k}": v for k, v in chunk.proposal._asdict().items()}


@jax.jit
def _evaluated(posterior, z):
    """log p and the free parameters of z, (S, n)."""
    dear = posterior.like.dear
    many = jax.lax.map(posterior.log_prob, z) if dear else jax.vmap(posterior.log_prob)(z)
    kept = np.flatnonzero(~posterior.like.parameters.fixed)
    return many, jax.vmap(posterior.theta)(z)[:, kept]


def drawn(
    posterior: Posterior, key: int, draws: int, workplace: Workplace, store: ChunkStore | None
) -> Arrays:
    """`draws`, `log_prob` and `log_weight` of so many draws, (S, n) and (S,).

    Raises:
        InputError: a chunk that failed; those that are stored are kept.
    """
    first = _first(posterior, store)
    numbers = range(PILOT, PILOT + -(-draws // CHUNK))
    done, total = 0, PILOT + len(numbers)
    with hired(workplace) as workers, progress_bar("importance sampling") as progress:

        def found(proposal: Proposal, numbers: Iterable[int]) -> Arrays:
            nonlocal done
            jobs = [Chunk(posterior, key, number, proposal) for number in numbers]
            chunks = []
            for arrays in execute(
                advance, jobs, workers=workers, store=store, numbers=[j.number for j in jobs],
                fits=_is_of, timeout=workplace.timeout,
            ):  # fmt: skip
                if isinstance(arrays, Failed):
                    remedy = "try again; fewer workers need less memory"
                    raise InputError("importance sampling", str(arrays), remedy)
                done += 1
                progress(done, total)
                chunks.append(arrays)
            names = ("z", "draws", "log_prob", "log_q")
            joined = {name: np.concatenate([c[name] for c in chunks]) for name in names}
            return joined | {"log_weight": joined["log_prob"] - joined["log_q"]}

        pilot = found(first, range(PILOT))
        main = found(adapted(first, pilot["z"], pilot["log_weight"]), numbers)
    return {name: main[name][:draws] for name in ("draws", "log_prob", "log_weight")}


def _is_of(chunk: Chunk, arrays: Arrays) -> bool:
    """Whether stored draws are of the chunk's proposal."""
    known = chunk.proposal._asdict().items()
    return all(np.array_equal(arrays[f"proposal.{name}"], value) for name, value in known)


def _first(posterior: Posterior, store: ChunkStore | None) -> Proposal:
    """q_0, which chunks in a folder know."""
    stored = store.load(0) if store is not None and 0 in store.indices() else None
    if stored is not None:
        return Proposal(*(stored[f"proposal.{name}"] for name in Proposal._fields))
    centre, factor = gaussian_at_maximum(posterior)
    return Proposal(np.ones(1), centre[None], factor[None])


def adapted(first: Proposal, z: np.ndarray, log_weight: np.ndarray) -> Proposal:
    """The mixture of q_0 and q_1, from draws z (S, n) of q_0 and their weights.

    Mean and covariance count as many draws as are effective, the Laplace approximation as 2 n.
    """
    if not np.isfinite(np.max(log_weight)):
        return first
    log_w = smoothed(log_weight)[0]
    w = np.exp(log_w - logsumexp(log_w))
    known = 1.0 / np.sum(w**2)
    part = known / (known + 2.0 * z.shape[1])
    mean = w @ z
    covariance = (w[:, None] * (z - mean)).T @ (z - mean)
    matrix = part * covariance + (1.0 - part) * first.factor[0] @ first.factor[0].T
    centres = [first.centre[0], part * mean + (1.0 - part) * first.centre[0]]
    factors = [first.factor[0], np.linalg.cholesky(matrix)]
    return Proposal(np.array([DEFENSIVE, 1.0 - DEFENSIVE]), np.stack(centres), np.stack(factors))


def evidence(posterior: Posterior, log_weight: np.ndarray) -> tuple[float, float]:
    """log Z and its error, from log weights (S,); NaN where a prior is improper."""
    pairs = zip(posterior.like.parameters, posterior.constrained)
    for p, constrained in pairs:
        proper = isinstance(p.prior, (Normal, LogUniform)) or np.all(np.isfinite(p.bounds))
        if not (p.fixed or constrained or proper):
            return math.nan, math.nan
    log_z = float(logsumexp(log_weight) - math.log(len(log_weight)))
    ratio = np.exp(log_weight - log_z)
    return log_z, float(np.std(ratio) / math.sqrt(len(ratio)))
