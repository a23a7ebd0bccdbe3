"""What the profile likelihood says of one parameter."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


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

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "level": self.level,
            "lower": self.lower,
            "upper": self.upper,
            "best": self.best,
            "method": self.method,
        }

    def summary(self) -> str:
        return (
            f"{100 * self.level:g} % interval of {self.poi}:"
            f" [{self.lower:.5g}, {self.upper:.5g}], best {self.best:.5g} ({self.method})"
        )
