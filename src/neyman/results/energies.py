"""Energies of xenon events: what is expected and accepted, and what the events' were."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Energies(Result):
    """S sources, B bins of deposited energy, N events; energies in keV.

    p(E|event, source) is exact; low, median and high are its quantiles of 15.87, 50 and 84.13 %.
    """

    kind: ClassVar[str] = "energies"
    sources: tuple[str, ...]
    edges: np.ndarray
    """(B + 1,)"""
    before: np.ndarray
    """Expected events before any selection, (S, B)."""
    expected: np.ndarray
    """Expected events after it, (S, B)."""
    acceptance: np.ndarray
    """At the middle of each bin, (S, B), a band of the selection left out; NaN where a source has
    no energy node around it."""
    seen: np.ndarray
    """The sum over events of P(source|event) P(bin|event, source), (S, B)."""
    probability: np.ndarray
    """P(source|event), (N, S); what is missing from 1 is that of accidental coincidences."""
    low: np.ndarray
    """keV, (N, S); NaN where an event cannot be of the source. So are `median` and `high`."""
    median: np.ndarray
    high: np.ndarray

    def fields_of_interest(self) -> dict[str, Any]:
        columns = ("before", "expected", "acceptance", "seen")
        return {
            "edges": self.edges,
            "sources": [
                {"name": name} | {c: getattr(self, c)[k] for c in columns}
                for k, name in enumerate(self.sources)
            ],
            "events": [
                {
                    name: {"probability": p, "energy": [a, b, c]}
                    for name, p, a, b, c in zip(self.sources, *row)
                }
                for row in zip(
                    *(v.tolist() for v in (self.probability, self.low, self.median, self.high))
                )
            ],
        }

    def summary(self) -> str:
        rows = [
            f"  {name:<20} {before:>10.4g} {expected:>10.4g} {seen:>10.4g}"
            for name, before, expected, seen in zip(
                self.sources, *(v.sum(axis=1) for v in (self.before, self.expected, self.seen))
            )
        ]
        head = (
            f"energies: {len(self.probability)} events; expected before and after selection, seen"
        )
        return "\n".join([head, *rows])
