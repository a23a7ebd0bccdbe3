"""Where the events of each source lie in S1 and S2, with the events seen."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Bands(Result):
    """Quantiles of corrected S2 at corrected S1, for S sources, and N events; signals in PE.

    Nothing in the curves is simulated: they are those of the expected events in cells.
    """

    kind: ClassVar[str] = "bands"
    sources: tuple[str, ...]
    expected: np.ndarray
    """Events of each source after selection, (S,)."""
    levels: tuple[float, ...]
    """Of the quantiles, (Q,)."""
    cs1: np.ndarray
    """(C,)"""
    density: np.ndarray
    """Expected events per PE of cS1, (S, C)."""
    cs2: np.ndarray
    """The quantiles, (S, Q, C); NaN where a source has no events to speak of."""
    event_cs1: np.ndarray
    """(N,)"""
    event_cs2: np.ndarray

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "cs1": self.cs1,
            "levels": self.levels,
            "sources": [
                {"name": name, "expected": float(n), "density": density, "cs2": cs2}
                for name, n, density, cs2 in zip(
                    self.sources, self.expected, self.density, self.cs2
                )
            ],
            "events": {"cs1": self.event_cs1, "cs2": self.event_cs2},
        }

    def summary(self) -> str:
        rows = [f"  {name:<20} {n:>10.4g} expected" for name, n in zip(self.sources, self.expected)]
        return "\n".join([f"bands: {len(self.event_cs1)} events", *rows])
