"""Which events are kept, by raw and corrected signals.

A corrected signal is what the raw one would be at the place where the maps are 1 and nothing is
lost while drifting, by the reference lifetime of the detector file (not the floating one, so
that the selection stays where the experiment put it):

    cS1 = S1 / m1,    cS2 = S2 exp(t / reference lifetime) / m2

Ranges and acceptances (`curves`) of one signal are exact integrals at each place. A band in S2
for given S1 couples the two: its integral over S1 is a sum over nodes (`expected`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from neyman._jax import Array, jnp
from neyman.likelihoods.xenon.curves import Curve, Pieces, at_curve, pieces
from neyman.likelihoods.xenon.signals import Law, within

Range = tuple[float, float]
"""Lowest and highest, in PE."""
Cell = tuple[Array, Array]
"""Lowest and highest of each of K, (K,) each."""


class Points(NamedTuple):
    """Places in the fiducial volume, (K,) each."""

    drift_time: Array
    """us"""
    s1_map: Array
    """Relative light yield."""
    s2_map: Array
    """Relative gain."""
    field: Array | None = None
    """Drift field in V/cm; None where it is the same everywhere."""

    @property
    def columns(self) -> dict[str, Array]:
        """What an event at such a place has as columns."""
        return {name: of for name, of in self._asdict().items() if of is not None}


def points_of(columns: Mapping[str, Array]) -> Points:
    """The places of events."""
    here = (columns[name] for name in ("drift_time", "s1_map", "s2_map"))
    return Points(*here, columns.get("field"))


class Band(NamedTuple):
    """Limits on log10(cS2/cS1), linear in cS1 between points and constant beyond."""

    cs1: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Selection(NamedTuple):
    """The signals of the events that are kept."""

    s1: Range
    s2: Range
    cs1: Range
    cs2: Range
    lifetime: float
    """us; the reference of the correction."""
    acceptances: tuple[Curve, ...] = ()
    """Probabilities to keep an event."""
    band: Band | None = None

    def raw_s1(self, points: Points) -> tuple[Array, Array]:
        """The range of raw S1 that is kept at each place, (K,) each."""
        return _both(self.s1, self.cs1, points.s1_map)

    def raw_s2(self, points: Points) -> tuple[Array, Array]:
        """The range of raw S2 that is kept at each place, (K,) each, the band left out."""
        return _both(self.s2, self.cs2, self._survival(points))

    def s1_law(self, points: Points, cell: Cell | None = None) -> Law:
        """The probability that an S1 is kept (and lies in a cell), given its mean and width."""
        found = self.s1_pieces(points, cell)
        return found.law() if found else within(*cut(self.raw_s1(points), cell))

    def s2_law(self, points: Points, cell: Cell | None = None) -> Law:
        """The probability that an S2 is kept (and lies in a cell), given its mean and width; the
        band is left out."""
        found = self.s2_pieces(points, cell)
        return found.law() if found else within(*cut(self.raw_s2(points), cell))

    def s1_pieces(self, points: Points, cell: Cell | None = None) -> Pieces | None:
        """The acceptance of raw S1 at each place; None where it is 1 within its range."""
        return self._pieces("s1", points.s1_map, cut(self.raw_s1(points), cell))

    def s2_pieces(self, points: Points, cell: Cell | None = None) -> Pieces | None:
        """The acceptance of raw S2 at each place; None where it is 1 within its range."""
        return self._pieces("s2", self._survival(points), cut(self.raw_s2(points), cell))

    def accepted(self, s1: Array, s2: Array, points: Points) -> Array:
        """The probability to keep events with these signals (N,), (N,); 0 outside."""
        (s1_low, s1_high), (s2_low, s2_high) = self.raw_s1(points), self.raw_s2(points)
        kept = (s1 >= s1_low) & (s1 <= s1_high) & (s2 >= s2_low) & (s2 <= s2_high)
        if self.band is not None:
            low, high = self.raw_band(s1, points)
            kept &= (s2 >= low) & (s2 <= high)
        return jnp.where(kept, self.efficiency(s1, s2, points), 0.0)

    def efficiency(self, s1: Array, s2: Array, points: Points) -> Array:
        """The product of the acceptances, (N,)."""
        survival = self._survival(points)
        signal = {"s1": s1, "cs1": s1 / points.s1_map, "s2": s2, "cs2": s2 / survival}
        product = jnp.ones(jnp.shape(s1))
        for curve in self.acceptances:
            product = product * at_curve(curve, signal[curve.signal])
        return product

    def raw_band(self, s1: Array, points: Points) -> tuple[Array, Array]:
        """The range of raw S2 within the band at raw S1 (N,), (N,) each."""
        assert self.band is not None
        cs1 = s1 / points.s1_map
        at = jnp.maximum(cs1, 0.0)
        low, high = (
            jnp.interp(cs1, jnp.asarray(self.band.cs1), jnp.asarray(edge))
            for edge in (self.band.low, self.band.high)
        )
        return at * 10.0**low * self._survival(points), at * 10.0**high * self._survival(points)

    def _pieces(self, signal: str, factor: Array, kept: Cell) -> Pieces | None:
        mine = [c for c in self.acceptances if c.signal in (signal, f"c{signal}")]
        factors = [jnp.ones(len(factor)) if c.signal == signal else factor for c in mine]
        return pieces(mine, factors, *kept) if mine else None

    def _survival(self, points: Points) -> Array:
        """Raw over corrected S2."""
        return points.s2_map * jnp.exp(-points.drift_time / self.lifetime)


def cut(kept: Cell, cell: Cell | None) -> Cell:
    """The part of what is kept that lies in a cell."""
    if cell is None:
        return kept
    low = jnp.clip(kept[0], *cell)
    return low, jnp.maximum(low, jnp.clip(kept[1], *cell))


def _both(raw: Range, corrected: Range, factor: Array) -> tuple[Array, Array]:
    low = jnp.maximum(raw[0], corrected[0] * factor)
    return low, jnp.maximum(low, jnp.minimum(raw[1], corrected[1] * factor))
