"""From detected photons to counted photoelectrons.

    pe = n + Binomial(n, p),    k ~ Binomial(pe, kept),    kept = 1 - (1 - eff)/(1 + p)

with the efficiency eff of single photoelectrons, that grows to 1 where each photomultiplier has
two. Up to `DENSE` photons, P(k|n) is a matrix. Beyond, it is two banded ones: blocks of rows,
each with the columns within `REACH` standard deviations, whatever the constants are.
"""

import math
from collections.abc import Callable

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.thinning import (
    REACH,
    log_choose,
    log_choose_at,
    log_factorials,
)
from neyman.likelihoods.xenon.yields import Constants

DENSE = 256
"""Detected photons up to which P(k|n) is one matrix."""
BLOCK = 64
"""Rows of a banded matrix that are taken at a time."""


def given_detected(given_counted: Array, most: int, c: Constants) -> Array:
    """P(S1|n detected), (N, most + 1), from P(S1|k counted), k = 1 ... 2 most, (N, 2 most)."""
    if most <= DENSE:
        return given_counted @ dense(most, c)[:, 1:].T
    return banded(given_counted, most, c)


def dense(most: int, c: Constants) -> Array:
    """P(k counted | n detected), (most + 1, 2 most + 1), with the coincidence acceptance."""
    n = np.arange(0.0, most + 1)[:, None]
    pe = np.arange(0.0, 2 * most + 1)
    second = log_choose(n, np.maximum(pe[None] - n, 0))
    second = np.where((pe[None] >= n) & (pe[None] <= 2 * n), second, -np.inf)
    p = jnp.maximum(c["double_pe"], 1e-30)
    doubled = jnp.exp(
        second + np.clip(pe - n, 0, n) * jnp.log(p) + np.clip(2 * n - pe, 0, n) * jnp.log1p(-p)
    )
    kept = _kept(pe, c)
    missed = jnp.maximum(1.0 - kept, 1e-300)
    k = np.arange(0.0, 2 * most + 1)[None, :]
    row = pe[:, None]
    counted = jnp.exp(
        log_choose(row, k)
        + k * jnp.log(kept)[:, None]
        + np.maximum(row - k, 0) * jnp.log(missed)[:, None]
    )
    acceptance = jnp.stack([c[f"coincidence_{i}"] for i in range(6)])
    every = jnp.concatenate([acceptance, jnp.ones(max(most - 5, 0))])[: most + 1]
    return every[:, None] * (doubled @ counted)


def _kept(pe: Array, c: Constants) -> Array:
    """The probability that a photoelectron among `pe` is counted."""
    seen = jnp.minimum(1.0, c["spe_eff"] + (1.0 - c["spe_eff"]) / (2.0 * c["n_pmts"]) * pe)
    return 1.0 - (1.0 - seen) / (1.0 + c["double_pe"])


def banded(given_counted: Array, most: int, c: Constants) -> Array:
    """P(S1|n detected), (N, most + 1), from that given 1, 2, ... counted photoelectrons."""
    p = jnp.maximum(c["double_pe"], 1e-30)

    def counted(pe: Array) -> tuple[Array, Array]:
        return pe, _kept(pe, c)

    def doubled(n: Array) -> tuple[Array, Array]:
        return n, p * jnp.ones(jnp.shape(n))

    given = jnp.pad(given_counted, ((0, 0), (1, 0)))
    given = _banded(given, counted, 2 * most + 1, 0.0)
    given = _banded(given, doubled, most + 1, 1.0)
    acceptance = jnp.stack([c[f"coincidence_{i}"] for i in range(6)])
    return given * jnp.concatenate([acceptance, jnp.ones(most - 5)])[None]


def _banded(
    given: Array, law: Callable[[Array], tuple[Array, Array]], rows: int, shift: float
) -> Array:
    """sum_k given[i, k] P(k|n), k = shift n + Binomial(n, p) with (n, p) = law(n), (N, rows)."""
    blocks = -(-rows // BLOCK)
    width = 2 * BLOCK + math.ceil(REACH * math.sqrt(blocks * BLOCK)) + 8
    factorial = log_factorials(blocks * BLOCK + 1)
    padded = jnp.pad(given, ((0, 0), (0, width)))

    @jax.checkpoint
    def block(first: Array) -> Array:
        n, p = law(first + np.arange(0.0, BLOCK))
        here = jax.lax.stop_gradient(p)
        low = shift * n + here * n - REACH * jnp.sqrt(here * (1.0 - here) * n)
        begin = jnp.clip(jnp.floor(jnp.min(low)) - 3.0, 0.0, float(given.shape[1]))
        k = (begin + np.arange(0.0, width))[None] - shift * n[:, None]
        inside = (k >= 0.0) & (k <= n[:, None])
        k = jnp.where(inside, k, 0.0)
        rest = n[:, None] - k
        missed = jnp.maximum(1.0 - p, 1e-300)
        log_p = log_choose_at(factorial, n[:, None], k)
        log_p += k * jnp.log(p)[:, None] + rest * jnp.log(missed)[:, None]
        kernel = jnp.where(inside, jnp.exp(log_p), 0.0)
        part = jax.lax.dynamic_slice(padded, (0, begin.astype(int)), (len(given), width))
        return part @ kernel.T

    found = jax.lax.map(block, BLOCK * np.arange(0.0, blocks))
    return jnp.moveaxis(found, 0, 1).reshape(len(given), -1)[:, :rows]
