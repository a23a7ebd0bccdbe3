"""How often intervals cover the truth."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage(Result):
    """The part of data sets whose interval covers the truth: T truths, L levels.

    With toys, `errors` are binomial standard errors (and those of toys that the intervals of all
    data sets share) and [`lower`, `upper`] the Clopper-Pearson intervals at 68.27 %; failed toys
    are in none of them. By enumeration, `errors` is the
    probability of the data sets that are not in the list or failed.
    """

    kind: ClassVar[str] = "coverage"
    poi: str
    interval: str
    """The procedure: "profile", "limit", "limit-toys", "feldman-cousins" or a function's name."""
    method: str
    """"toys" or "enumeration"."""
    names: tuple[str, ...]
    """The parameters that the truths name, N of them; `poi` first."""
    truths: np.ndarray
    """(T, N)"""
    levels: np.ndarray
    """(L,)"""
    values: np.ndarray
    """(T, L)"""
    errors: np.ndarray
    """(T, L)"""
    lower: np.ndarray
    """(T, L)"""
    upper: np.ndarray
    """(T, L)"""
    toys: int
    """Data sets at each truth."""
    failed: np.ndarray
    """How many of them failed, (T,)."""
    ranks: np.ndarray
    """Histogram of Phi(sign(mu - mu^) sqrt(t_mu)), flat where asymptotic formulas hold, (T, bins);
    (T, 0) for other intervals than "profile"."""
    power: np.ndarray
    """Probability, at 1 % false alarm, that the coverage at each level would have shown intervals
    10 % too narrow and intervals shifted by 0.2 sigma, (2, L)."""

    def rows(self) -> list[dict[str, Any]]:
        """One a truth and level."""
        return [
            {
                "at": {name: float(v) for name, v in zip(self.names, self.truths[i])},
                "level": float(level),
                "value": float(self.values[i, j]),
                "error": float(self.errors[i, j]),
                "lower": float(self.lower[i, j]),
                "upper": float(self.upper[i, j]),
                "failed": int(self.failed[i]),
            }
            for i in range(len(self.truths))
            for j, level in enumerate(self.levels)
        ]

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "interval": self.interval,
            "method": self.method,
            "toys": self.toys,
            "coverage": self.rows(),
            "ranks": self.ranks,
            "power": {"narrow": self.power[0], "shifted": self.power[1]},
        }

    def summary(self) -> str:
        how = f"{self.toys} toys each" if self.method == "toys" else "by enumeration"
        head = f"coverage of {self.poi}, interval '{self.interval}', {how}:"
        rows = []
        for row in self.rows():
            at = ", ".join(f"{name} = {value:g}" for name, value in row["at"].items())
            lost = f", {row['failed']} failed" if row["failed"] else ""
            rows.append(
                f"  {at}: {100 * row['value']:.2f} +- {100 * row['error']:.2f} %"
                f" at {100 * row['level']:g} %{lost}"
            )
        lines = [head, *rows]
        if self.method == "toys":
            lines += [
                f"  power to show {what}: "
                + ", ".join(f"{p:.2f} at {100 * level:g} %" for p, level in zip(line, self.levels))
                for what, line in zip(
                    ("intervals 10 % too narrow", "intervals shifted by 0.2 sigma"), self.power
                )
            ]
        return "\n".join(lines)
