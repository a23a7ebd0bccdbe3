"""Nested sampling (Skilling, Bayesian Analysis 1, 833) by blackjax's `nss` (arXiv:2601.23252).

    Z = integral L(theta) pi(theta) d theta = sum_i L_i (X_i-1 - X_i)

where L_i is the i-th lowest likelihood and X_i the prior mass above it. Each time the k lowest
of n live points die, their X shrink by factors t ~ Beta(m, 1) with m = n, n-1, ..., n-k+1; at the
end the live points die one by one. Runs that know nothing of each other, with n_r live points at
some L, are one with sum_r n_r. Z is that of the mean of log t, -1/m; its error is the
spread of log Z over simulated t.

Walks go in the unconstrained z. Constraint terms are densities of data: as functions of theta
they are proper priors, Normal(m, sigma) or Gamma(m + 1, tau), from which the first live points
are drawn, and L is what is left. Their norm over the bounds goes into Z, so that Z is the
integral of L times the priors of the other parameters, over the bounds.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gammainc, gammaincinv, logsumexp, ndtr, ndtri

from neyman._jax import Array, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.inference.sampling.chunked import Piece
from neyman.inference.sampling.nuts import blackjax_module, lenient
from neyman.inference.sampling.posterior import Posterior
from neyman.inference.threads import one_thread
from neyman.io.chunks import Arrays
from neyman.parameters import LogUniform, Normal, Parameter
from neyman.status import InputError

LIVE = 500
DYING = 10
"""One live point in so many dies at a time."""
CHUNK = 20
"""Steps of one chunk."""
REST = math.log(1e-3)
"""It ends when the live points hold this part of the evidence."""
MOST_CHUNKS = 10_000
STATE = ("position", "logdensity", "loglikelihood", "loglikelihood_birth")
SIMULATED = 200


class Constraints:
    """The first measurement of each parameter: its density in theta is the parameter's prior."""

    def __init__(self, posterior: Posterior):
        like = posterior.like
        self.auxiliary: Auxiliary | None = None
        self.measured = np.zeros(0)
        if len(like.auxiliary.names):
            a = like.auxiliary
            index = np.unique(np.asarray(a.parameter), return_index=True)[1]
            index = index[~posterior.like.parameters.fixed[np.asarray(a.parameter)[index]]]
            names = tuple(a.names[i] for i in index)
            fields = (np.asarray(x)[index] for x in (a.parameter, a.poisson, a.scale))
            self.auxiliary = Auxiliary(names, *fields, np.asarray(a.select)[:, index])
            self.measured = np.asarray(like.measured)[index]

    def of(self, parameter: int) -> tuple[bool, float, float] | None:
        """Whether the measurement of a parameter is Poisson, its value and its scale."""
        if self.auxiliary is None:
            return None
        at = np.flatnonzero(np.asarray(self.auxiliary.parameter) == parameter)
        if not len(at):
            return None
        i = int(at[0])
        a = self.auxiliary
        return bool(a.poisson[i]), float(self.measured[i]), float(a.scale[i])


def prior_draws(posterior: Posterior, seed: int, n: int, run: int = 0) -> tuple[np.ndarray, float]:
    """n draws of theta (n, P) from the prior, and the log of the constraints' norm.

    Raises:
        InputError: a prior that is not proper.
    """
    rng = np.random.default_rng([seed, 1, run])
    constraints = Constraints(posterior)
    p = posterior.like.parameters
    theta = np.tile(p.init, (n, 1))
    log_norm = 0.0
    for i, parameter in enumerate(p):
        if not parameter.fixed:
            u = rng.uniform(size=n)
            theta[:, i], log_mass = _quantiles(parameter, constraints.of(i), u)
            log_norm += log_mass
    return theta, log_norm


def _quantiles(
    p: Parameter, measured: tuple[bool, float, float] | None, u: np.ndarray
) -> tuple[np.ndarray, float]:
    """The prior's quantiles at u, and the log norm of a measurement as a density in theta."""
    lower, upper = p.bounds
    if measured is not None:
        poisson, value, scale = measured
        if poisson:
            low, high = (gammainc(value + 1.0, scale * max(b, 0.0)) for b in p.bounds)
            drawn = gammaincinv(value + 1.0, low + u * (high - low)) / scale
            return drawn, math.log(high - low) - math.log(scale)
        return _normal(value, scale, p, u)
    if isinstance(p.prior, Normal):
        return _normal(p.prior.mean, p.prior.sd, p, u)[0], 0.0
    if not math.isfinite(upper - lower):
        raise InputError(
            f"parameter '{p.name}'",
            "has a flat prior without two bounds, which is improper: there is no evidence",
            "give it bounds, or prior=Normal(mean, sd)",
        )
    if isinstance(p.prior, LogUniform):
        return lower * (upper / lower) ** u, 0.0
    return lower + (upper - lower) * u, 0.0


def _normal(mean: float, sd: float, p: Parameter, u: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = (float(ndtr((b - mean) / sd)) for b in p.bounds)
    return mean + sd * ndtri(low + u * (high - low)), math.log(high - low)


class Chunk(NamedTuple):
    """Chunk `index` of one run, from the state before it: a job for any worker."""

    posterior: Posterior
    key: int
    run: int
    live: int
    index: int
    state: Arrays


@one_thread
def advance(chunk: Chunk) -> Arrays:
    """A job for `neyman.execute`: the piece as arrays; chunk 0 draws the live points."""
    posterior = jax.tree.map(jnp.asarray, chunk.posterior)
    constraints = Constraints(posterior)
    auxiliary, measured = constraints.auxiliary, constraints.measured
    with lenient():
        if chunk.index == 0:
            theta, _ = prior_draws(posterior, chunk.key, chunk.live, chunk.run)
            z = jnp.asarray(posterior.z(theta, margin=1e-12))
            after = _started(posterior, auxiliary, measured, z)
            return Piece({}, jax.device_get(after)).arrays()
        root = jax.random.fold_in(jax.random.key(chunk.key), chunk.run)
        before = {k: jnp.asarray(v) for k, v in chunk.state.items()}
        after, dead = _advanced(
            posterior, auxiliary, measured, before, jax.random.fold_in(root, chunk.index)
        )
    return Piece(jax.device_get(dead), jax.device_get(after)).arrays()


def _particle(posterior, auxiliary, measured) -> tuple[Callable, Callable]:
    """Prior and likelihood of z; their product is the posterior."""

    def constraint(z):
        if auxiliary is None:
            return 0.0
        return auxiliary.log_prob(posterior.theta(z), measured)

    def log_prior(z):
        return posterior.log_prior(z) + constraint(z)

    def log_likelihood(z):
        value = posterior.like.log_prob(posterior.theta(z)) - constraint(z)
        return jnp.where(jnp.isnan(value), -jnp.inf, value)

    return log_prior, log_likelihood


def _algorithm(posterior, auxiliary, measured, live: int):
    log_prior, log_likelihood = _particle(posterior, auxiliary, measured)
    return blackjax_module().nss(
        logprior_fn=log_prior,
        loglikelihood_fn=log_likelihood,
        num_delete=max(1, live // DYING),
        num_inner_steps=max(5, 2 * len(posterior.free)),
    )


def _arrays(state) -> dict[str, Array]:
    particles = {name: getattr(state.particles, name) for name in STATE}
    return particles | dict(state.integrator._asdict()) | state.inner_kernel_params


@jax.jit
def _started(posterior, auxiliary, measured, z):
    return _arrays(_algorithm(posterior, auxiliary, measured, len(z)).init(z))


@jax.jit
def _advanced(posterior, auxiliary, measured, before, key):
    """CHUNK steps; what died in them, in the order of death."""
    from blackjax.ns.adaptive import AdaptiveNSState
    from blackjax.ns.base import StateWithLogLikelihood
    from blackjax.ns.integrator import NSIntegrator

    algorithm = _algorithm(posterior, auxiliary, measured, len(before["position"]))
    start = AdaptiveNSState(
        StateWithLogLikelihood(**{name: before[name] for name in STATE}),
        NSIntegrator(before["logX"], before["logZ"], before["logZ_live"]),
        {"covariance_factor": before["covariance_factor"]},
    )

    def step(state, t):
        after, info = algorithm.step(jax.random.fold_in(key, t), state)
        return after, {name: getattr(info.particles, name) for name in STATE[:3]}

    last, dead = jax.lax.scan(step, start, jnp.arange(CHUNK))
    return _arrays(last), {k: v.reshape(-1, *v.shape[2:]) for k, v in dead.items()}


def going_on(index: int, piece: Piece) -> bool:
    """Whether the live points may still hold more than REST of the evidence."""
    state = piece.state
    return bool(state["logZ_live"] - state["logZ"] > REST) and index < MOST_CHUNKS


class Run(NamedTuple):
    """One run: log L of its points in the order of death, and how many lived then."""

    log_l: np.ndarray
    """(D + n,)"""
    order: np.ndarray
    """Positions among the dead, as they were stored, and after them the live points, (D + n,)."""
    living: np.ndarray
    """(D + n,)"""


def finished(dead: np.ndarray, alive: np.ndarray) -> Run:
    """A run from log L of its dead (D,), in groups that died together, and live points (n,)."""
    n = len(alive)
    k = max(1, n // DYING)
    groups = np.argsort(dead.reshape(-1, k), axis=1, kind="stable")
    first = (groups + np.arange(len(groups))[:, None] * k).ravel()
    order = np.concatenate([first, len(dead) + np.argsort(alive, kind="stable")])
    living = np.concatenate([np.tile(np.arange(n, n - k, -1), len(groups)), np.arange(n, 0, -1)])
    return Run(np.concatenate([dead, alive])[order], order, living)


def combined(runs: list[Run]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The points of all runs as of one (Higson et al., Stat. Comput. 29, 891): log L in rising
    order, positions in the runs put one after the other, and how many live points all had."""
    log_l = np.concatenate([run.log_l for run in runs])
    rising = np.argsort(log_l, kind="stable") if len(runs) > 1 else np.arange(len(log_l))
    offsets = np.cumsum([0, *(len(run.log_l) for run in runs[:-1])])
    order = np.concatenate([run.order + offset for run, offset in zip(runs, offsets)])
    living = np.zeros(len(log_l))
    for run in runs:
        at = np.searchsorted(run.log_l, log_l[rising])
        living += np.append(run.living, 0)[at]
    return log_l[rising], order[rising], living if len(runs) > 1 else runs[0].living


def weighted(log_l: np.ndarray, living: np.ndarray, seed: int) -> tuple[np.ndarray, float, float]:
    """Log weights (sum 1) of points that died in this order, log Z and its error."""

    def log_shells(log_t: np.ndarray) -> np.ndarray:
        log_x = np.cumsum(log_t, axis=-1)
        before = np.concatenate([np.zeros_like(log_x[..., :1]), log_x[..., :-1]], axis=-1)
        return before + np.log(-np.expm1(log_t))

    log_w = log_l + log_shells(-1.0 / living)
    rng = np.random.default_rng([seed, 2])
    spread = [
        logsumexp(log_l + log_shells(np.log(rng.uniform(size=len(living))) / living))
        for _ in range(SIMULATED)
    ]
    log_z = float(logsumexp(log_w))
    return log_w - log_z, log_z, float(np.std(spread))


@jax.jit
def thetas(posterior, z):
    """The free parameters of many z, (N, n)."""
    kept = np.flatnonzero(~posterior.like.parameters.fixed)
    return jax.vmap(posterior.theta)(z)[:, kept]
