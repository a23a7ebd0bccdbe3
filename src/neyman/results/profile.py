"""What the profile likelihood says of one parameter."""

import dataclasses
import math
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result
from neyman.results.hypothesis import plus_minus


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scan(Result):
    """The profile likelihood: t_mu = -2 log L(mu, theta^^(mu)) + 2 log L(best) at `values`."""

    kind: ClassVar[str] = "scan"
    poi: str
    values: np.ndarray
    delta_twice_nll: np.ndarray
    best: float

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "values": self.values,
            "delta_twice_nll": self.delta_twice_nll,
            "best": self.best,
        }

    def summary(self) -> str:
        rows = [f"  {v:>12.5g} {t:>12.5g}" for v, t in zip(self.values, self.delta_twice_nll)]
        return "\n".join([f"scan of {self.poi}: best {self.best:.5g}; value, t", *rows])


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval(Result):
    """A confidence interval of `poi`; infinite where an end lies beyond the bounds."""

    kind: ClassVar[str] = "interval"
    poi: str
    level: float
    lower: float
    upper: float
    best: float
    method: str
    """"profile" or "feldman-cousins"."""
    lower_error: float = math.nan
    """Monte Carlo error of `lower`; NaN where it is not from toys, or a bound."""
    upper_error: float = math.nan
    toys: int = 0
    """Toys thrown, at all tested values together."""
    failed: int = 0
    """Toys whose fit failed, left out."""

    def fields_of_interest(self) -> dict[str, Any]:
        found = {
            "poi": self.poi,
            "level": self.level,
            "lower": self.lower,
            "upper": self.upper,
            "best": self.best,
            "method": self.method,
        }
        if not self.toys:
            return found
        errors = {"lower_error": self.lower_error, "upper_error": self.upper_error}
        return found | errors | {"toys": self.toys, "failed": self.failed}

    def summary(self) -> str:
        lower = plus_minus(self.lower, self.lower_error)
        upper = plus_minus(self.upper, self.upper_error)
        toys = f", {self.toys:,} toys" if self.toys else ""
        return (
            f"{100 * self.level:g} % interval of {self.poi}: [{lower}, {upper}],"
            f" best {self.best:.5g} ({self.method}{toys})"
        )
