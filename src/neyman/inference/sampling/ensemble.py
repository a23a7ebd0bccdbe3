"""An ensemble of walkers, which needs no gradients: emcee (arXiv:1202.3665).

The moves are differential evolution (ter Braak, Stat. Comput. 16, 239) in 80 % of the steps and
stretches (Goodman and Weare) in the others, in the unconstrained z. The snooker move is left
out: that of emcee 3.1.6 weighs by the square root of the Jacobian |x' - z|^(n-1)/|x - z|^(n-1),
which makes a Gaussian in two dimensions 5 to 7 % too narrow (measured). Walkers start in a
small ball around the initial values. The random numbers of chunk i of ensemble e are those of the
seed (key, i, e). Ensembles know nothing of each other, and so tell whether they agree.
"""

from typing import Any, NamedTuple

import numpy as np

from neyman._jax import jax, jnp
from neyman.inference.sampling.chunked import Piece
from neyman.inference.sampling.posterior import Posterior
from neyman.inference.threads import one_thread
from neyman.io.chunks import Arrays
from neyman.status import InputError

CHUNK = 250
BALL = 0.1


class Chunk(NamedTuple):
    """Chunk `index` of one ensemble, from the state before it: a job for any worker."""

    posterior: Posterior
    key: int
    ensemble: int
    walkers: int
    warmup: int
    index: int
    state: Arrays


def walkers(posterior: Posterior) -> int:
    """How many an ensemble has at least: even, and more than twice the dimensions."""
    return max(32, 2 * len(posterior.free) + 2)


def groups(posterior: Posterior, chains: int) -> int:
    """How many ensembles `chains` walkers make."""
    return max(1, chains // walkers(posterior))


def emcee_module() -> Any:
    try:
        import emcee
    except ImportError as error:
        remedy = "pip install neyman[posterior]"
        raise InputError("sampler='ensemble'", "emcee is not installed", remedy) from error
    return emcee


@jax.jit
def _log_prob(posterior, z):
    return jax.vmap(posterior.log_prob)(z)


@jax.jit
def _theta(posterior, z):
    return jax.vmap(jax.vmap(posterior.theta))(z)


@one_thread
def advance(chunk: Chunk) -> Arrays:
    """A job for `neyman.execute`: the piece as arrays."""
    emcee = emcee_module()
    posterior, chains, state = chunk.posterior, chunk.walkers, chunk.state
    size = chains // 2  # half of the walkers move at a time: one shape, compiled once

    def density(z: np.ndarray) -> np.ndarray:
        parts = [np.asarray(_log_prob(posterior, jnp.asarray(part))) for part in _of_size(z, size)]
        values = np.concatenate(parts)[: len(z)]
        return np.where(np.isnan(values), -np.inf, values)

    random = np.random.RandomState([chunk.key % 2**32, chunk.index, chunk.ensemble])
    if chunk.index == 0:
        centre = posterior.z(posterior.like.parameters.init)
        start = centre + BALL * random.standard_normal((chains, len(centre)))
        state = {"z": start, "log_prob": density(start)}
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.StretchMove(), 0.2)]
    sampler = emcee.EnsembleSampler(
        chains, state["z"].shape[1], density, moves=moves, vectorize=True
    )
    begin = emcee.State(state["z"], log_prob=state["log_prob"], random_state=random.get_state())
    with np.errstate(invalid="ignore"):
        steps = CHUNK if chunk.index else chunk.warmup
        last = sampler.run_mcmc(begin, steps, skip_initial_state_check=True)
    after = {"z": last.coords, "log_prob": last.log_prob}
    if chunk.index == 0:
        return Piece({}, after).arrays()
    kept = np.flatnonzero(~posterior.like.parameters.fixed)
    draws = np.asarray(_theta(posterior, jnp.asarray(sampler.get_chain())))[..., kept]
    output = {
        "draws": draws.swapaxes(0, 1),
        "log_prob": sampler.get_log_prob().T,
        "acceptance": np.tile(sampler.acceptance_fraction[:, None], CHUNK),
    }
    return Piece(output, after).arrays()


def _of_size(z: np.ndarray, size: int) -> list[np.ndarray]:
    """z in parts of `size` rows, the last one filled up with its first row."""
    rest = -len(z) % size
    filled = np.concatenate([z, np.repeat(z[:1], rest, axis=0)])
    return np.split(filled, len(filled) // size)
