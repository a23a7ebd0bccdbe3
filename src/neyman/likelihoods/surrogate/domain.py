"""Where a surrogate holds: a box, and a distance from the centre of its training points.

theta is inside where lower <= theta <= upper and d(theta) <= radius. The distance d is an output
of the graph, `distance`: for a Mahalanobis distance sqrt((theta - c)^T M (theta - c)). So the
file alone says whether it can be believed. Of a distance that is too large the parameters are
blamed by their parts in it, (theta - c)_i (d d^2/d theta_i)/2, which sum to d^2 for Mahalanobis'.
"""

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """A box (P,) and a radius; `centre` (P,) is where the distance is 0."""

    lower: np.ndarray
    upper: np.ndarray
    centre: np.ndarray | None = None
    radius: float | None = None

    @classmethod
    def everywhere(cls, width: int) -> "Domain":
        """The domain of a function that is known to hold wherever it is asked."""
        return cls(np.full(width, -np.inf), np.full(width, np.inf))

    def leave_box(self, thetas: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, str]:
        """Which of thetas (N, P) are outside the box, (N,), and by which parameters, in words."""
        below, above = ~(thetas >= self.lower), thetas > self.upper  # NaN is outside
        sides = (("below", below, self.lower), ("above", above, self.upper))
        found = [
            (int(rows[:, i].sum()), f"{names[i]} {side} {bound[i]:.4g}")
            for side, rows, bound in sides
            for i in np.flatnonzero(rows.any(axis=0)).tolist()
        ]
        return np.any(below | above, axis=1), listed(found)

    def too_far(
        self, thetas: np.ndarray, distance: np.ndarray, slope: np.ndarray, names: tuple[str, ...]
    ) -> tuple[np.ndarray, str]:
        """Which of thetas have a distance (N,) above the radius, and the parameters with the
        largest parts in it; `slope` (N, P) is the gradient of distance^2/2."""
        if self.radius is None:
            return np.zeros(len(thetas), dtype=bool), ""
        far = ~(distance <= self.radius)
        if not far.any():
            return far, ""
        text = f"distance {np.max(distance[far]):.4g} of {self.radius:.4g} allowed"
        if self.centre is None:
            return far, text
        parts = slope[far] * (thetas[far] - self.centre)
        blamed = [names[i] for i in np.argmax(np.nan_to_num(parts), axis=1).tolist()]
        count = [(blamed.count(name), name) for name in dict.fromkeys(blamed)]
        return far, f"{text}, mostly by {listed(count)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "lower": [b if math.isfinite(b) else None for b in self.lower.tolist()],
            "upper": [b if math.isfinite(b) else None for b in self.upper.tolist()],
            "centre": None if self.centre is None else self.centre.tolist(),
            "radius": self.radius,
        }


MOST_NAMED = 4


def listed(found: list[tuple[int, str]]) -> str:
    """The texts with the largest counts first."""
    texts = [text for _, text in sorted(found, key=lambda pair: -pair[0])]
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more
