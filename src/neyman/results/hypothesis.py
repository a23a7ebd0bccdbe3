"""Hypotheses tested: by asymptotic formulas, or by toys with their Monte Carlo errors."""

import dataclasses
import math
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result

BANDS = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")


def no_errors() -> np.ndarray:
    """The Monte Carlo errors of five expected values that are not Monte Carlo."""
    return np.full(5, np.nan)


def monte_carlo(result: "Test | Limit | Significance") -> dict[str, Any]:
    """What a result says beside its keys: why its method, and of toys how many and the errors."""
    why = {"reason": result.reason} if result.reason else {}
    if result.method != "toys":
        return why
    errors = {} if isinstance(result, Significance) else {"expected_error": result.expected_error}
    return why | {"toys": result.toys, "error": result.error} | errors


def plus_minus(value: float, error: float) -> str:
    """ "0.46 +- 0.01", without an error where there is none."""
    return f"{value:.5g}" + (f" +- {error:.2g}" if math.isfinite(error) else "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tested(Result):
    """What results of tests share: how the distribution of the statistic was found. Abstract."""

    method: str
    """"asymptotic", "toys", or "profile" for a limit without Asimov data."""
    reason: str = ""
    """Why the method was chosen, where it was left to choose."""
    error: float = math.nan
    """Monte Carlo error of the observed p-value or limit; NaN where there were no toys."""
    toys: int = 0
    """Toys thrown for each hypothesis, near a limit that of those for the limit that took most."""

    @property
    def how(self) -> str:
        """The method, and why."""
        return ", ".join(filter(None, (self.method, self.reason)))


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Test(Tested):
    """A hypothesis mu = value; `expected` runs from -2 to +2 sigma of the background-only data."""

    __test__: ClassVar[bool] = False  # not a pytest class
    kind: ClassVar[str] = "test"
    poi: str
    value: float
    observed: float
    """CLs = clsb / clb."""
    expected: np.ndarray
    clsb: float
    clb: float
    statistic: float
    expected_error: np.ndarray = dataclasses.field(default_factory=no_errors)

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "value": self.value,
            "cls": {"observed": self.observed, "expected": self.expected},
            "clsb": self.clsb,
            "clb": self.clb,
            "statistic": self.statistic,
            "method": self.method,
        } | monte_carlo(self)

    def summary(self) -> str:
        expected = "  ".join(f"{c:.5g}" for c in self.expected)
        return (
            f"CLs({self.poi} = {self.value:g}) = {plus_minus(self.observed, self.error)}"
            f" (CLs+b {self.clsb:.5g}, CLb {self.clb:.5g}, {self.how})\n"
            f"  expected, -2 to +2 sigma: {expected}"
        )


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit(Tested):
    """An upper limit: CLs(mu) = 1 - level; `expected` runs from -2 to +2 sigma.

    By the method "profile" it is CLs+b(mu) = 1 - level, and nothing is expected (NaN).

    The curves are the CLs values at the `scanned` mu (S,) that the root-finding visited:
    `cls_observed` (S,) and `cls_expected` (S, 5).
    """

    kind: ClassVar[str] = "limit"
    poi: str
    level: float
    observed: float
    expected: np.ndarray
    scanned: np.ndarray
    cls_observed: np.ndarray
    cls_expected: np.ndarray
    expected_error: np.ndarray = dataclasses.field(default_factory=no_errors)

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "level": self.level,
            "observed": self.observed,
            "expected": None if self.method == "profile" else self.expected,
            "method": self.method,
        } | monte_carlo(self)

    def summary(self) -> str:
        if self.method == "profile":
            return (
                f"{100 * self.level:g} % profile-likelihood upper limit (CLs+b) on {self.poi}:"
                f" {self.observed:.5g} ({self.how})"
            )
        bands = ", ".join(
            f"{band} {plus_minus(float(value), float(error))}"
            for band, value, error in zip(BANDS, self.expected, self.expected_error)
        )
        return (
            f"{100 * self.level:g} % CLs upper limit on {self.poi}:"
            f" {plus_minus(self.observed, self.error)} ({self.how})\n  expected: {bands}"
        )


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Significance(Tested):
    """The test of mu = 0 against an excess: q0, p0 = 1 - Phi(sqrt q0), z = sqrt q0."""

    kind: ClassVar[str] = "significance"
    poi: str
    p0: float
    z: float
    expected_z: float

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "p0": self.p0,
            "z": self.z,
            "expected_z": self.expected_z,
            "method": self.method,
        } | monte_carlo(self)

    def summary(self) -> str:
        return (
            f"significance of {self.poi} > 0: {self.z:.4g} sigma"
            f" (p0 = {plus_minus(self.p0, self.error)});"
            f" expected for {self.poi} = 1: {self.expected_z:.4g} sigma ({self.how})"
        )
