"""The No-U-Turn sampler (Hoffman and Gelman, arXiv:1111.4246), multinomial, by blackjax.

It runs in y, with z = z^ + A y and A A^T the inverse Hessian of -log p at the maximum z^, so that
a posterior near a Gaussian has unit covariance in y. Stan's windows then adapt a step size and
variances in y for every chain; the chains of a group go on with the mean of the variances and with
one step, since chains that run together (vmap) wait for the slowest.

A step has McLachlan's two stages (SIAM J. Sci. Comput. 16, 151), so that it takes two gradients and
may be more than twice as long as a leapfrog step: measured on the toy LHC search, steps of 1.17 are
accepted with 0.93, leapfrog steps of 0.5 with 0.82.

With unit covariance all directions turn back after the same time pi, and a trajectory is looked
at after 1, 3, 7, 15, ... steps only. One that ends just short of pi is doubled, and overshoots.
So the adapted step is changed to the nearest one below 7/5 of it with which 2^k - 1 steps take
the time 3.5. The 7/5 is not derived: it was chosen on the toy LHC search, the subject of
benchmarks/sampling.py, whose adapted steps of 0.90 become 1.17 with it, and 0.5 with 1. Any step
has the same posterior.

The draw t of chain c has the key fold_in(fold_in(key, c), t).
"""

import contextlib
import functools
import warnings
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.inference.fit import best
from neyman.inference.sampling.chunked import Piece
from neyman.inference.sampling.posterior import Posterior
from neyman.inference.threads import one_thread
from neyman.io.chunks import Arrays

CHUNK = 250
"""Draws of every chain in one chunk; part of what makes results reproducible bit for bit."""
CHAINS, WARMUP = 8, 300
TARGET = 0.8
TURN = 3.5
"""The time that a trajectory should take: a little over pi."""
FIRST_STEP = 1.0
SPREAD = 1.0
"""Of the starts of the chains, in units of the Gaussian at the maximum."""
SOFTEST = 1e-8
"""Curvatures below this part of the largest one are taken for as much."""


class Chunk(NamedTuple):
    """Chunk `index` of some chains, from the state before it: a job for any worker."""

    posterior: Posterior
    key: int
    chains: range
    warmup: int
    index: int
    state: Arrays


def groups(chains: int) -> int:
    """How many groups: of 4 chains each up to 16 in all, of 16 from 64 on."""
    return -(-chains // int(np.clip(chains // 4, 4, 16)))


def begun(posterior: Posterior) -> Arrays:
    """What all groups begin with: the Gaussian at the maximum."""
    centre, whitening = gaussian_at_maximum(posterior)
    return {"centre": centre, "whitening": whitening}


@one_thread
def advance(chunk: Chunk) -> Arrays:
    """A job for `neyman.execute`: the piece as arrays."""
    posterior = jax.tree.map(jnp.asarray, chunk.posterior)
    root, chains = jax.random.key(chunk.key), jnp.asarray(list(chunk.chains))
    if chunk.index == 0:
        state = chunk.state or begun(posterior)
        return Piece({}, _warmed(posterior, root, chains, chunk.warmup, state)).arrays()
    first = jnp.asarray((chunk.index - 1) * CHUNK)
    with lenient():
        state = {k: jnp.asarray(v) for k, v in chunk.state.items()}
        position, output = _draws(posterior, state, root, chains, first, CHUNK)
    return Piece(jax.device_get(output), chunk.state | {"y": np.asarray(position)}).arrays()


def _warmed(
    posterior: Posterior, key: Array, chains: Array, warmup: int, gaussian: Arrays
) -> Arrays:
    with lenient():
        y, steps, variances = _adapted(
            posterior,
            *(jnp.asarray(gaussian[k]) for k in ("centre", "whitening")),
            jax.random.fold_in(key, 2**31),
            chains,
            warmup,
        )
    step = _tuned(float(np.exp(np.mean(np.log(steps)))))
    variance = np.mean(np.asarray(variances), axis=0)
    return gaussian | {"y": np.asarray(y), "step": np.asarray(step), "variance": variance}


def _tuned(step: float) -> float:
    """The largest TURN/(2^k - 1) that is not above 7/5 of the step."""
    return next(t for k in range(1, 12) if (t := TURN / (2**k - 1)) <= 1.4 * step or k == 11)


def gaussian_at_maximum(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """The maximum z^ (n,), and A (n, n) with A A^T the inverse of the Hessian of -log p there; the
    start and the unit matrix where log p is not finite."""
    start = posterior.z(posterior.like.parameters.init)
    found = best(posterior, start, np.ones(len(start), dtype=bool))
    hessian = np.asarray(found.derivatives.hessian)
    if not np.all(np.isfinite(hessian)):
        return start, np.eye(len(start))
    values, vectors = np.linalg.eigh(hessian)
    curvature = np.maximum(np.abs(values), SOFTEST * np.max(np.abs(values), initial=1e-300))
    return np.asarray(found.theta), vectors / np.sqrt(curvature)


def _density(posterior: Posterior, centre: Array, whitening: Array):
    return lambda y: posterior.log_prob(centre + whitening @ y)


@functools.partial(jax.jit, static_argnames="warmup")
def _adapted(posterior, centre, whitening, key, chains, warmup):
    """Positions, step sizes and variances of all chains after Stan's windows."""
    blackjax = blackjax_module()
    adaptation = blackjax.window_adaptation(
        blackjax.nuts,
        _density(posterior, centre, whitening),
        is_mass_matrix_diagonal=True,
        initial_step_size=FIRST_STEP,
        target_acceptance_rate=TARGET,
        adaptation_info_fn=lambda *_: None,
        integrator=blackjax.mcmc.integrators.mclachlan,
    )

    def one(chain):
        start_key, run_key = jax.random.split(jax.random.fold_in(key, chain))
        start = SPREAD * jax.random.normal(start_key, centre.shape)
        (state, found), _ = adaptation.run(run_key, start, warmup)
        return state.position, found["step_size"], found["inverse_mass_matrix"]

    return jax.vmap(one)(chains)


@functools.partial(jax.jit, static_argnames="n")
def _draws(posterior, state, key, chains, first, n):
    """n draws of all chains; positions after them."""
    blackjax = blackjax_module()
    density = _density(posterior, state["centre"], state["whitening"])
    kernel = blackjax.nuts.build_kernel(blackjax.mcmc.integrators.mclachlan)

    def step(states, t):
        def one(chain, before):
            chain_key = jax.random.fold_in(jax.random.fold_in(key, chain), t)
            after, info = kernel(chain_key, before, density, state["step"], state["variance"])
            return after, (info.is_divergent, info.num_integration_steps, info.acceptance_rate)

        after, told = jax.vmap(one)(chains, states)
        return after, (after.position, after.logdensity, *told)

    start = jax.vmap(lambda y: blackjax.nuts.init(y, density))(state["y"])
    last, found = jax.lax.scan(step, start, first + jnp.arange(n))
    y, log_prob, divergent, steps, acceptance = found
    z = state["centre"] + y @ state["whitening"].T
    theta = jax.vmap(jax.vmap(posterior.theta))(z)
    kept = np.flatnonzero(~posterior.like.parameters.fixed)
    output = {
        "draws": jnp.swapaxes(theta[..., kept], 0, 1),
        "log_prob": log_prob.T,
        "divergent": divergent.T,
        "steps": steps.T,
        "acceptance": acceptance.T,
    }
    return last.position, output


@functools.cache
def blackjax_module() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import blackjax
    return blackjax


@contextlib.contextmanager
def lenient() -> Generator[None, None, None]:
    """blackjax relies on implicit promotion, which tests of neyman forbid elsewhere."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
