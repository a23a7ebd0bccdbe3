"""How much probability lies outside the windows of a quanta matrix.

Windows follow the means of theta, but their sizes and the matrix's are chosen once, with room.
What lies outside a window is counted at its edge, and what lies outside the matrix is lost: both
are some 1e-8 of a node where windows were chosen, and grow as widths do. A fit's notes name the
sources that lost more than `LOST` of their events.
"""

from typing import TYPE_CHECKING

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.fluctuations import Fluctuations, recombined
from neyman.likelihoods.xenon.quanta import Panels, places
from neyman.likelihoods.xenon.skew_normal import cdf, normal_cdf
from neyman.likelihoods.xenon.windows import Recoil, Window, begins, means, spans, widths
from neyman.likelihoods.xenon.yields import Constants, Number, Quanta

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.source import Source

LOST = 1e-4
"""Of the events of a source, before any selection."""


@jax.jit
def lost(source: "Source", c: Constants, fields: Array) -> Array:
    """The share of a source's events outside windows or the matrix, at the worst field; a scalar.

    Args:
        source: whose quanta are computed at theta, not kept.
        c: the constants there.
        fields: V/cm, (F,).
    """
    weights = [jnp.sum(jnp.asarray(w), axis=0) for at in source.lattices for w in at.weights]

    def at(field: Array) -> Array:
        here = {**c, "drift_field": field}
        each = []
        for lattice in source.lattices:
            parts = tuple(zip(lattice.energies, lattice.weights, lattice.windows))
            each.append(outside(source.recoil, parts, lattice.shape, here, step=lattice.step))
        return jnp.sum(jnp.concatenate(weights) * jnp.concatenate(each))

    return jnp.max(jax.lax.map(at, fields)) / jnp.sum(jnp.concatenate(weights))


def outside(
    recoil: Recoil, panels: Panels, shape: tuple[int, int], c: Constants, *, step: int = 1
) -> Array:
    """The probability that each energy node has outside its window or the matrix, (K,).

    Arguments are those of `quanta_matrix`.
    """
    each = []
    for energies, _, window in panels:

        def of(quanta: Quanta, f: Fluctuations, window: Window = window) -> Array:
            return _outside(recoil, quanta, f, window, shape, step)

        each.append(jax.vmap(of)(*means(recoil, energies, c)))
    return jnp.minimum(jnp.concatenate(each), 1.0)


def _outside(
    recoil: Recoil,
    quanta: Quanta,
    f: Fluctuations,
    window: Window,
    shape: tuple[int, int],
    step: int,
) -> Array:
    e, i, x = begins(spans(quanta, f, recoil.nuclear), window, step)
    mean = quanta.total / (1.0 + quanta.excitons_per_ion)
    others = quanta.total - mean if recoil.nuclear else quanta.total
    ions_sd, others_sd = widths(quanta, f, recoil.nuclear)
    ions_end = i + window.ions * window.stride
    most = shape[1] - (ions_end if recoil.nuclear else 0)
    others_end = jnp.minimum(x + window.others, most)
    electrons_end = jnp.minimum(e + window.electrons, shape[0])

    def quanta_of(cells: Array) -> Array:
        return (step * cells).astype(float)

    def beyond(first: Array, end: Array, mean: Number, sd: Number) -> Array:
        below = normal_cdf((quanta_of(first) - 0.5 - mean) / sd)
        return jnp.where(first > 0, below, 0.0) + normal_cdf((mean + 0.5 - quanta_of(end)) / sd)

    ni = places(step * i, window.ions, step * window.stride)
    share = jnp.exp(-0.5 * ((ni - mean) / ions_sd) ** 2)
    law = recombined(quanta, f, ni)
    below = cdf((quanta_of(e) - 0.5 - law.location) / law.scale, f.skew)
    last = quanta_of(electrons_end) - 0.5
    above = jnp.where(last < ni, 1.0 - cdf((last - law.location) / law.scale, f.skew), 0.0)
    electrons = jnp.where(e > 0, below, 0.0) + above
    sides = beyond(i, ions_end, mean, ions_sd) + beyond(x, others_end, others, others_sd)
    return sides + jnp.sum(share * electrons) / jnp.sum(share)
