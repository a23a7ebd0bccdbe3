"""Whether posteriors, or confidence distributions, are what they say."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result

TESTS = ("mean", "second moment", "coverage 68 %", "coverage 90 %", "coverage 95 %")


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration(Result):
    """Ranks of N truths among the draws of their posteriors, tested for P parameters.

    The K = 5 tests of each parameter are `TESTS`; `alarm` is the total false alarm rate, which
    they share (Bonferroni). `narrow` and `bias` are what the ranks say of the posterior, if it
    is off by a width and a shift.
    """

    kind: ClassVar[str] = "calibration"
    names: tuple[str, ...]
    ranks: np.ndarray
    """Normalised ranks in (0, 1), (N, P); NaN where a posterior failed."""
    n_draws: int
    """Draws a posterior; 0 where the ranks are continuous."""
    z: np.ndarray
    """Each test's deviation in standard errors, (P, K)."""
    p: np.ndarray
    """Each test's p-value, two-sided, (P, K)."""
    coverage: np.ndarray
    """Of the central intervals at 68, 90 and 95 %, (P, 3)."""
    nominal: np.ndarray
    """What they would be if the posterior were right, given how many draws there are, (3,)."""
    narrow: np.ndarray
    """1 - (width of the posterior)/(right width), (P,)."""
    bias: np.ndarray
    """Shift of the posterior in right widths, (P,)."""
    alarm: float
    power: np.ndarray
    """Of each test, to find a posterior 10 % too narrow and one shifted by 0.2 sigma, (2, K)."""
    failed: int

    def histogram(self, bins: int = 20) -> np.ndarray:
        """How many ranks are in each of `bins` equal parts of (0, 1), (P, bins)."""
        return np.array(
            [
                np.histogram(column[np.isfinite(column)], bins, (0.0, 1.0))[0]
                for column in self.ranks.T
            ]
        )

    def fields_of_interest(self) -> dict[str, Any]:
        counts = self.histogram()
        return {
            "sets": len(self.ranks),
            "failed": self.failed,
            "ranks": {
                name: {
                    "p": dict(zip(TESTS, self.p[i].tolist())),
                    "narrow": float(self.narrow[i]),
                    "bias": float(self.bias[i]),
                    "histogram": counts[i],
                }
                for i, name in enumerate(self.names)
            },
            "coverage": [
                {"parameter": name, "level": level, "value": float(v), "nominal": float(n)}
                for name, row in zip(self.names, self.coverage)
                for level, v, n in zip((0.68, 0.9, 0.95), row, self.nominal)
            ],
            "power": {
                "narrow": dict(zip(TESTS, self.power[0].tolist())),
                "shifted": dict(zip(TESTS, self.power[1].tolist())),
            },
        }

    def summary(self) -> str:
        rows = [
            f"  {name}: " + ", ".join(f"{test} p = {p:.2g}" for test, p in zip(TESTS, self.p[i]))
            for i, name in enumerate(self.names)
        ]
        found = f"{100 * self.alarm:g} % false alarm in all"
        powers = [
            f"  power to find a posterior {what}: {best:.3f} ({TESTS[k]})"
            for what, best, k in zip(
                ("10 % too narrow", "shifted by 0.2 sigma"),
                self.power.max(axis=1),
                self.power.argmax(axis=1),
            )
        ]
        head = f"calibration, {len(self.ranks)} data sets, {found}:"
        return "\n".join([head, *rows, *powers])
