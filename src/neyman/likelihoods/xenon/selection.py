"""Which events are kept, by raw and corrected signals.

A corrected signal is what the raw one would be at the place where the maps are 1 and nothing is
lost while drifting, by the reference lifetime of the detector file (not the floating one, so
that the selection stays where the experiment put it):

    cS1 = S1 / m1,    cS2 = S2 exp(t / reference lifetime) / m2
"""

from typing import NamedTuple

from neyman._jax import Array, jnp

Range = tuple[float, float]
"""Lowest and highest, in PE."""


class Points(NamedTuple):
    """Places in the fiducial volume, (K,) each."""

    drift_time: Array
    """us"""
    s1_map: Array
    """Relative light yield."""
    s2_map: Array
    """Relative gain."""


class Selection(NamedTuple):
    """The signals of the events that are kept."""

    s1: Range
    s2: Range
    cs1: Range
    cs2: Range
    lifetime: float
    """us; the reference of the correction."""

    def raw_s1(self, points: Points) -> tuple[Array, Array]:
        """The range of raw S1 that is kept at each place, (K,) each."""
        return _both(self.s1, self.cs1, points.s1_map)

    def raw_s2(self, points: Points) -> tuple[Array, Array]:
        """The range of raw S2 that is kept at each place, (K,) each."""
        survival = jnp.exp(-points.drift_time / self.lifetime)
        return _both(self.s2, self.cs2, points.s2_map * survival)


def _both(raw: Range, corrected: Range, factor: Array) -> tuple[Array, Array]:
    low = jnp.maximum(raw[0], corrected[0] * factor)
    return low, jnp.maximum(low, jnp.minimum(raw[1], corrected[1] * factor))
