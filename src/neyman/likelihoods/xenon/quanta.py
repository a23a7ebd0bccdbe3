"""The quanta matrix Q[ne, nph](theta): what a spectrum of deposits leaves as electrons and photons.

    Q[ne, nq] = sum_E w_E sum_ni G_E[ne, ni] H_E[ni, nq],    nph = nq - ne

over energy nodes E of weight w_E (events), with H the probability of ni ions among nq quanta and
G that of ne electrons given ni ions (`fluctuations`). It depends on theta and on the field, not
on the event, so that all events and the total rate share one. Each node is a matrix product on a
window around its means, which moves with theta; the mass beyond the window, some 1e-8, is put on
its edge, so that probabilities sum to 1. Nodes are grouped in panels of equal window size, and a
panel is one `lax.scan`, whose derivative recomputes each node instead of keeping it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.special

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.fluctuations import Fluctuations
from neyman.likelihoods.xenon.skew_normal import cdf
from neyman.likelihoods.xenon.yields import Constants, Number, Quanta

REACH = 5.7
"""Windows reach this many standard deviations."""
ROOM = 1.15
"""Windows are wider than at the initial theta by this factor."""


class Window(NamedTuple):
    """Numbers of cells, static."""

    electrons: int
    ions: int
    others: int
    """Excitons of a nuclear recoil, all quanta of an electronic one."""


class Spans(NamedTuple):
    """Where the windows of a node begin, and how many cells they need; scalars."""

    electrons: tuple[Number, Number]
    ions: tuple[Number, Number]
    others: tuple[Number, Number]


class Recoil(NamedTuple):
    """A kind of deposit: its means, its widths, and how quanta are shared."""

    yields: Callable[[Number, Constants], Quanta]
    fluctuations: Callable[[Quanta, Constants], Fluctuations]
    nuclear: bool


def spans(quanta: Quanta, f: Fluctuations, nuclear: bool) -> Spans:
    """The windows that a node needs."""
    share = 1.0 / (1.0 + quanta.excitons_per_ion)
    ions = share * quanta.total
    if nuclear:
        ions_sd = jnp.sqrt(f.fano[0] * ions)
        others = quanta.total - ions
        others_sd = jnp.sqrt(f.fano[1] * others)
    else:
        others, others_sd = quanta.total, jnp.sqrt(f.fano[0] * quanta.total)
        ions_sd = jnp.sqrt(share**2 * others_sd**2 + share * (1.0 - share) * others)
    law = _recombined(quanta, f, ions)
    up, down = law.scale, law.scale / jnp.sqrt(1.0 + f.skew**2)
    moved = law.escape * ions_sd
    low = law.location - REACH * jnp.hypot(moved, jnp.where(f.skew >= 0, down, up))
    high = law.location + REACH * jnp.hypot(moved, jnp.where(f.skew >= 0, up, down))

    def around(mean: Number, sd: Number) -> tuple[Number, Number]:
        return mean - REACH * sd, 2.0 * REACH * sd

    return Spans((low, high - low), around(ions, ions_sd), around(others, others_sd))


class _Recombined(NamedTuple):
    """The skew-normal law of electrons given ions."""

    escape: Number
    """1 - r"""
    location: Array | Number
    scale: Array | Number


def _recombined(quanta: Quanta, f: Fluctuations, ions: Array | Number) -> _Recombined:
    escape = (1.0 + quanta.excitons_per_ion) * quanta.electrons / quanta.total
    escape = jnp.minimum(escape, 1.0)
    variance = escape * (1.0 - escape) * ions + (f.omega * ions) ** 2
    delta = f.skew / jnp.sqrt(1.0 + f.skew**2)
    scale = jnp.sqrt(jnp.maximum(variance, 1e-12) / (1.0 - 2.0 / np.pi * delta**2))
    return _Recombined(escape, escape * ions - np.sqrt(2.0 / np.pi) * delta * scale, scale)


def windows(recoil: Recoil, energies: np.ndarray, c: Constants) -> Window:
    """The window that is large enough for all `energies` (K,)."""

    def sizes(energy):
        quanta = recoil.yields(energy, c)
        s = spans(quanta, recoil.fluctuations(quanta, c), recoil.nuclear)
        return jnp.stack([s.electrons[1], s.ions[1], s.others[1]])

    largest = np.max(jax.vmap(sizes)(jnp.asarray(energies)), axis=0)
    return Window(*(int(np.ceil(ROOM * size)) + 4 for size in largest))


def size_of(recoil: Recoil, energies: np.ndarray, c: Constants) -> tuple[int, int]:
    """The numbers of electrons and of quanta up to which Q must reach."""

    def ends(energy):
        quanta = recoil.yields(energy, c)
        s = spans(quanta, recoil.fluctuations(quanta, c), recoil.nuclear)
        ions = s.ions[0] + s.ions[1] if recoil.nuclear else 0.0
        return jnp.stack([sum(s.electrons), ions + sum(s.others)])

    largest = np.max(jax.vmap(ends)(jnp.asarray(energies)), axis=0)
    electrons, quanta = (int(np.ceil(ROOM * end)) + 8 for end in largest)
    return electrons, quanta


def quanta_matrix(
    recoil: Recoil,
    panels: tuple[tuple[Array, Array, Window], ...],
    shape: tuple[int, int],
    c: Constants,
) -> Array:
    """Q, (electrons, photons): expected events in each cell.

    Args:
        recoil: yields, widths and kind.
        panels: (energies in keV, weights in events, window) of each, energies (K,).
        shape: of the matrix in (electrons, quanta), from `size_of`.
        c: the constants, scalars by name.
    """
    rows = shape[0] + max(window.electrons for *_, window in panels)
    columns = shape[1] + max(w.ions + w.others if recoil.nuclear else w.others for *_, w in panels)
    total = jnp.zeros((rows, columns))
    for energies, weights, window in panels:
        node = _nuclear_node if recoil.nuclear else _electronic_node

        @jax.checkpoint
        def tile(energy, c=c, window=window, node=node):
            quanta = recoil.yields(energy, c)
            return node(quanta, recoil.fluctuations(quanta, c), window, c)

        def add(total, one, tile=tile):
            energy, weight = one
            part, start = tile(energy)
            start = [jnp.clip(s, 0, limit) for s, limit in zip(start, shape)]
            here = jax.lax.dynamic_slice(total, start, part.shape)
            return jax.lax.dynamic_update_slice(total, here + weight * part, start), None

        total, _ = jax.lax.scan(add, total, (energies, weights))
    return _sheared(total[: shape[0], : shape[1]])


def _sheared(by_quanta: Array) -> Array:
    """[ne, nq] -> [ne, nph = nq - ne], of the same shape."""
    rows, columns = by_quanta.shape
    index = np.arange(columns)[None, :] + np.arange(rows)[:, None]
    taken = jnp.take_along_axis(by_quanta, np.minimum(index, columns - 1), axis=1)
    return jnp.where(index < columns, taken, 0.0)


def _begin(span: tuple[Number, Number], size: int) -> Array:
    """The first cell of a window of `size` cells around a span."""
    centred = span[0] + 0.5 * (span[1] - size)
    return jnp.maximum(jnp.floor(jax.lax.stop_gradient(centred)), 0.0).astype(int)


def _cells(mean: Number, sd: Number, first: Array, size: int, clamped: Number) -> Array:
    """The probability of each whole number from `first` on, (size,), of a rounded Gaussian.

    What is below 0 counts as 0 where `clamped` is 1, and is lost where it is 0.
    """
    below = jax.scipy.special.ndtr((first - 0.5 + np.arange(size + 1) - mean) / sd)
    lost = jnp.where((first == 0) & (clamped == 0), below[0], 0.0)
    return jnp.diff(below.at[0].set(lost).at[-1].set(1.0))


def _electrons_given_ions(
    quanta: Quanta, f: Fluctuations, first: Array, ions: Array, size: int
) -> Array:
    """G, (size, ions)"""
    ions = ions[None]
    law = _recombined(quanta, f, ions)
    edges = (first - 0.5 + np.arange(size + 1))[:, None]
    below = cdf((edges - law.location) / law.scale, f.skew)
    below = jnp.where(edges > ions, 1.0, jnp.where(edges < 0.0, 0.0, below))
    below = below.at[0].set(0.0).at[-1].set(1.0)
    return jnp.diff(below, axis=0)


def _nuclear_node(
    quanta: Quanta, f: Fluctuations, window: Window, c: Constants
) -> tuple[Array, tuple[Array, Array]]:
    span = spans(quanta, f, True)
    e, i, x = (_begin(s, size) for s, size in zip(span, window))
    mean = quanta.total / (1.0 + quanta.excitons_per_ion)
    ions = _cells(mean, jnp.sqrt(f.fano[0] * mean), i, window.ions, c["clamped"])
    rest = quanta.total - mean
    excitons = _cells(rest, jnp.sqrt(f.fano[1] * rest), x, window.others, c["clamped"])
    width = window.ions + window.others - 1
    shift = np.arange(width)[None, :] - np.arange(window.ions)[:, None]
    inside = (shift >= 0) & (shift < window.others)
    H = jnp.where(inside, excitons[np.where(inside, shift, 0)], 0.0) * ions[:, None]
    G = _electrons_given_ions(quanta, f, e, i + 1.0 * np.arange(window.ions), window.electrons)
    return G @ H, (e, i + x)


def _electronic_node(
    quanta: Quanta, f: Fluctuations, window: Window, c: Constants
) -> tuple[Array, tuple[Array, Array]]:
    span = spans(quanta, f, False)
    e, i, q = (_begin(s, size) for s, size in zip(span, window))
    sd = jnp.sqrt(f.fano[0] * quanta.total)
    quanta_cells = _cells(quanta.total, sd, q, window.others, c["clamped"])
    nq = q + np.arange(window.others)[None, :]
    ni = i + np.arange(window.ions)[:, None]
    x = quanta.excitons_per_ion
    log_binomial = _log_factorial(nq) - _log_factorial(ni) - _log_factorial(nq - ni)
    log_p = log_binomial + (nq - ni) * jnp.log(x) - nq * jnp.log1p(x)
    H = jnp.where(ni <= nq, jnp.exp(jnp.where(ni <= nq, log_p, 0.0)), 0.0)
    seen = jnp.sum(H, axis=0)
    H = H * jnp.where(seen > 0, quanta_cells / jnp.where(seen > 0, seen, 1.0), 0.0)[None]
    G = _electrons_given_ions(quanta, f, e, 1.0 * ni[:, 0], window.electrons)
    return G @ H, (e, q)


LARGEST = 1 << 14
_LOG_FACTORIALS = scipy.special.gammaln(1.0 + np.arange(LARGEST))


def _log_factorial(n: Array) -> Array:
    """log n! of whole numbers up to `LARGEST`; those below 0 count as 0."""
    return jnp.asarray(_LOG_FACTORIALS)[jnp.maximum(n, 0)]
