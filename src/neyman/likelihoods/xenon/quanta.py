"""The quanta matrix Q[ne, nph](theta): what a spectrum of deposits leaves as electrons and photons.

    Q[ne, nq] = sum_E w_E sum_ni G_E[ne, ni] H_E[ni, nq],    nph = nq - ne

over energy nodes E of weight w_E (events), with H the probability of ni ions among nq quanta and
G that of ne electrons given ni ions (`fluctuations`). It depends on theta and on the field, not
on the event, so that all events and the total rate share one. Each node is a matrix product on a
window around its means, which moves with theta; the mass beyond the window, some 1e-8, is put on
its edge, so that probabilities sum to 1. Nodes are grouped in panels of equal window size, and a
panel is one `lax.scan`, whose derivative recomputes each node instead of keeping it.

On a lattice of spacing `step`, Q[i, j] stands for step*i electrons and step*j photons: densities
are sampled, not binned, so that sums converge exponentially (`windows`).
"""

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.fluctuations import Fluctuations, recombined
from neyman.likelihoods.xenon.skew_normal import cdf, normal_cdf
from neyman.likelihoods.xenon.windows import (
    Cells,
    Recoil,
    Window,
    begins,
    means,
    size_of,
    spans,
    windows,
)
from neyman.likelihoods.xenon.yields import Constants, Number, Quanta

__all__ = ["Recoil", "Window", "quanta_matrix", "recombined", "size_of", "windows"]

Panels = tuple[tuple[Array, Array, Window], ...]
"""(energies in keV, weights in events, window) of each, energies (K,)."""

PLACED = jax.lax.ScatterDimensionNumbers((0, 1), (), (0, 1))


def quanta_matrix(
    recoil: Recoil,
    panels: Panels,
    shape: tuple[int, int],
    c: Constants,
    *,
    step: int = 1,
) -> Array:
    """Q, `shape` in (electrons, photons): expected events in each cell.

    Args:
        recoil: yields, widths and kind.
        panels: energy nodes, by windows from `windows`.
        shape: of the matrix, from `size_of`.
        c: the constants, scalars by name.
        step: the spacing of the lattice.
    """
    rows = shape[0] + max(window.electrons for *_, window in panels)
    columns = shape[1] + max(_width(recoil, window) for *_, window in panels)
    total = jnp.zeros((rows, columns))
    node = _nuclear_node if recoil.nuclear else _electronic_node
    quanta, f = means(recoil, jnp.concatenate([jnp.asarray(p[0]) for p in panels]), c)
    every = quanta, f, spans(quanta, f, recoil.nuclear)
    end = 0
    for energies, weights, window in panels:
        begin, end = end, end + len(energies)
        *law, span = jax.tree.map(lambda field, a=begin, b=end: field[a:b], every)
        first = begins(span, window, step)
        across = first.others + (first.ions if recoil.nuclear else 0)
        start = jnp.clip(jnp.stack([first.electrons, across], axis=1), 0, np.array([shape]))

        @jax.checkpoint
        def tile(quanta, f, first, weight, window=window):
            return weight * node(quanta, f, first, window, c["clamped"], step)

        def add(total, one, tile=tile):
            start, *of = one
            mode = jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS
            return jax.lax.scatter_add(total, start, tile(*of), PLACED, mode=mode), None

        total, _ = jax.lax.scan(add, total, (start, *law, first, jnp.asarray(weights)))
    return _sheared(total[: shape[0], : shape[1]])


def _width(recoil: Recoil, window: Window) -> int:
    """The number of cells of nq."""
    if recoil.nuclear:
        return (window.ions - 1) * window.stride + window.others
    return window.others


def _sheared(by_quanta: Array) -> Array:
    """[ne, nq] -> [ne, nph = nq - ne], of the same shape."""
    rows, columns = by_quanta.shape
    length = columns + rows
    flat = jnp.pad(by_quanta, ((0, 1), (0, rows))).ravel()[: rows * (length + 1)]
    return flat.reshape(rows, length + 1)[:, :columns]


def _shifted(row: Array, rows: int, columns: int, shift: int) -> Array:
    """[i, j] -> row[j - shift i], (rows, columns), where `row` ends in (rows - 1) shift zeros."""
    length = len(row)
    flat = jnp.tile(row, rows)[: rows * (length - shift)]
    return flat.reshape(rows, length - shift)[:, :columns]


def _cells(mean: Number, sd: Number, whole: Array, step: int, clamped: Number) -> Array:
    """The probability of each of `whole` (N,) of a rounded Gaussian; they sum to 1.

    What is below 0 counts as 0 where `clamped` is 1, and is lost where it is 0.
    """
    if step > 1:
        far = jnp.abs(whole - mean)
        cell = normal_cdf((0.5 - far) / sd) - normal_cdf((-0.5 - far) / sd)
        return cell / jnp.sum(cell)
    edges = jnp.append(whole - 0.5, whole[-1] + 0.5)
    below = jnp.asarray(normal_cdf((edges - mean) / sd))
    lost = jnp.where((whole[0] == 0) & (clamped == 0), below[0], 0.0)
    return jnp.diff(below.at[0].set(lost).at[-1].set(1.0))


def _electrons_given_ions(
    quanta: Quanta, f: Fluctuations, electrons: Array, ions: Array, step: int
) -> Array:
    """G, (electrons, ions)"""
    ions = ions[None]
    law = recombined(quanta, f, ions)

    def below(edges: Array) -> Array:
        p = cdf((edges[:, None] - law.location) / law.scale, f.skew)
        p = jnp.where(edges[:, None] > ions, 1.0, p)
        return jnp.where(edges[:, None] < 0.0, 0.0, p)

    if step > 1:
        cell = jnp.maximum(below(electrons + 0.5) - below(electrons - 0.5), 0.0)
        return cell / jnp.sum(cell, axis=0, keepdims=True)
    edges = jnp.asarray(below(jnp.append(electrons - 0.5, electrons[-1] + 0.5)))
    edges = edges.at[0].set(0.0).at[-1].set(1.0)
    return jnp.maximum(jnp.diff(edges, axis=0), 0.0)


def places(first: Array, length: int, spacing: int) -> Array:
    """The numbers of quanta of a window."""
    return (first + spacing * np.arange(length)).astype(float)


def _nuclear_node(
    quanta: Quanta, f: Fluctuations, first: Cells, window: Window, clamped: Number, step: int
) -> Array:
    e, i, x = first
    mean = quanta.total / (1.0 + quanta.excitons_per_ion)
    rest = quanta.total - mean
    ni = places(step * i, window.ions, step * window.stride)
    ions_sd, others_sd = jnp.sqrt(f.fano[0] * mean), jnp.sqrt(f.fano[1] * rest)
    ions = _cells(mean, ions_sd, ni, step * window.stride, clamped)
    others = _cells(rest, others_sd, places(step * x, window.others, step), step, clamped)
    tail = (window.ions - 1) * window.stride
    row = jnp.pad(others, (0, tail + window.stride))
    H = ions[:, None] * _shifted(row, window.ions, window.others + tail, window.stride)
    G = _electrons_given_ions(quanta, f, places(step * e, window.electrons, step), ni, step)
    return G @ H


def _electronic_node(
    quanta: Quanta, f: Fluctuations, first: Cells, window: Window, clamped: Number, step: int
) -> Array:
    e, i, q = first
    sd = jnp.sqrt(f.fano[0] * quanta.total)
    nq = places(step * q, window.others, step)
    ni = places(step * i, window.ions, step * window.stride)
    H = _binomial(quanta, ni, nq, window.stride)
    H = H * _cells(quanta.total, sd, nq, step, clamped)[None]
    G = _electrons_given_ions(quanta, f, places(step * e, window.electrons, step), ni, step)
    return G @ H


def _binomial(quanta: Quanta, ni: Array, nq: Array, stride: int) -> Array:
    """P(ni|nq), (I, N), with sum 1 over ni.

    It is B(ni) C(nq - ni) up to a factor of nq: two rows of exponentials serve all cells.
    """
    tail = (len(ni) - 1) * stride
    spacing = nq[1] - nq[0]
    rest = nq[0] - ni[0] + spacing * np.arange(-1.0 * tail, len(nq))
    size = jax.lax.stop_gradient(quanta.total)
    log_ions = jnp.log(size) - jnp.log1p(quanta.excitons_per_ion)
    log_rest = log_ions + jnp.log(quanta.excitons_per_ion)
    log_b = ni * log_ions - jax.lax.lgamma(ni + 1.0)
    log_c = rest * log_rest - jax.lax.lgamma(jnp.maximum(rest, 0.0) + 1.0)
    b = jnp.exp(log_b - jnp.max(jax.lax.stop_gradient(log_b)))
    highest = jnp.max(jax.lax.stop_gradient(jnp.where(rest >= 0.0, log_c, -jnp.inf)))
    c = jnp.where(rest >= 0.0, jnp.exp(jnp.where(rest >= 0.0, log_c - highest, 0.0)), 0.0)
    row = jnp.roll(jnp.pad(c, (0, stride)), -tail)
    H = b[:, None] * _shifted(row, len(ni), len(nq), stride)
    seen = jnp.sum(H, axis=0, keepdims=True)
    return jnp.where(seen > 0.0, H / jnp.where(seen > 0.0, seen, 1.0), 0.0)
