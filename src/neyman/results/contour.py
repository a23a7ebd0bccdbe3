"""Confidence regions of two parameters."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Contour(Result):
    """The borders {t(a, b) = c} of confidence regions of two parameters: C curves of N points.

    Iterate over `curves()`. A closed curve ends where it begins; an open one ends at a bound of
    a parameter, and `notes` name it.
    """

    kind: ClassVar[str] = "contour"
    pois: tuple[str, str]
    levels: np.ndarray
    best: np.ndarray
    """(a^, b^)"""
    points: np.ndarray
    """All curves one after the other, (N, 2)."""
    lengths: np.ndarray
    """How many points each curve has, (C,)."""
    level_of: np.ndarray
    """The level of each curve, (C,)."""
    method: str
    """"profile" or "feldman-cousins"."""
    toys: int = 0
    failed: int = 0
    """Toys whose fit failed, left out."""

    def curves(self) -> list[tuple[float, np.ndarray]]:
        """Each curve as its level and its points, (n, 2)."""
        ends = np.cumsum(self.lengths[:-1]).astype(int)
        parts = np.split(self.points.reshape(-1, 2), ends) if len(self.lengths) else []
        return list(zip(self.level_of.tolist(), parts, strict=True))

    def fields_of_interest(self) -> dict[str, Any]:
        found = {
            "pois": list(self.pois),
            "best": dict(zip(self.pois, self.best.tolist())),
            "levels": self.levels,
            "contours": [
                {"level": level, "closed": closed(curve), "points": curve}
                for level, curve in self.curves()
            ],
            "method": self.method,
        }
        return found | ({"toys": self.toys, "failed": self.failed} if self.toys else {})

    def summary(self) -> str:
        a, b = self.pois
        toys = f", {self.toys:,} toys" if self.toys else ""
        rows = [
            f"  {100 * level:g} %: {a} from {low[0]:.5g} to {high[0]:.5g},"
            f" {b} from {low[1]:.5g} to {high[1]:.5g}{'' if closed(curve) else ', open'}"
            for level, curve in self.curves()
            for low, high in [(curve.min(axis=0), curve.max(axis=0))]
        ]
        best = f"best {self.best[0]:.5g}, {self.best[1]:.5g}"
        return "\n".join([f"contours of {a} and {b}: {best} ({self.method}{toys})", *rows])


def closed(curve: np.ndarray) -> bool:
    """Whether a curve (n, 2) ends where it begins."""
    return bool(np.all(curve[0] == curve[-1]))
