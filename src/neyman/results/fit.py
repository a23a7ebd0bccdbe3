"""Maxima of the likelihood, and what they are made of."""

import dataclasses
import math
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.parameters import unknown_name
from neyman.results.base import Result


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A fitted parameter: value and symmetric error (NaN where fixed or flat)."""

    value: float
    error: float


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit(Result):
    """A maximum of the likelihood; arrays are in the order of `names`, length P.

    `errors` are the square roots of the diagonal of `covariance` (P, P), the inverse of the
    Hessian of -log L in the parameters that float and are not at a bound; NaN elsewhere.
    """

    kind: ClassVar[str] = "fit"
    names: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    constrained: np.ndarray
    """Per parameter, the width of its auxiliary measurement; NaN where it has none."""
    measured: np.ndarray
    """Per parameter, the value of its auxiliary measurement; NaN where it has none."""
    twice_nll: float
    gradient_norm: float
    """Largest element of the gradient of -log L in units of the parameters' errors."""
    iterations: int

    def __getitem__(self, name: str) -> Estimate:
        if name not in self.names:
            raise unknown_name(name, self.names)
        i = self.names.index(name)
        return Estimate(float(self.values[i]), float(self.errors[i]))

    def correlation(self) -> np.ndarray:
        """The correlation matrix (P, P); NaN in rows of parameters without an error."""
        return self.covariance / np.outer(self.errors, self.errors)

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "twice_nll": self.twice_nll,
            "parameters": {
                name: {"value": float(v), "error": float(e)}
                for name, v, e in zip(self.names, self.values, self.errors)
            },
            "iterations": self.iterations,
        }

    def summary(self) -> str:
        width = max(map(len, self.names), default=0)
        rows = [
            f"  {n:<{width}} {0.0 if abs(v) < 1e-9 * e else v:>12.5g}"
            + (f" +- {e:.4g}" if math.isfinite(e) else "")
            for n, v, e in zip(self.names, self.values, self.errors)
        ]
        head = f"fit: -2 log L = {self.twice_nll:.6f} after {self.iterations} iterations"
        return "\n".join([head, *rows])


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Impacts(Result):
    """What each nuisance parameter does to `poi`; arrays (N,), the largest impact first.

    The impact of theta is mu^ with theta held at theta^ +- delta less the best mu^, where delta
    is theta's error in the fit ("postfit") or the width of its auxiliary measurement
    ("prefit"). `up` is +delta. NaN: a refit that failed, or a parameter without a constraint.
    """

    kind: ClassVar[str] = "impacts"
    poi: str
    best: float
    """mu^"""
    error: float
    names: tuple[str, ...]
    values: np.ndarray
    """theta^"""
    errors: np.ndarray
    pulls: np.ndarray
    """(theta^ - measured)/width"""
    constraints: np.ndarray
    """error/width"""
    postfit_up: np.ndarray
    postfit_down: np.ndarray
    prefit_up: np.ndarray
    prefit_down: np.ndarray

    def fields_of_interest(self) -> dict[str, Any]:
        columns = ("pulls", "constraints", "postfit_up", "postfit_down", "prefit_up", "prefit_down")
        keys = ("pull", "constraint", *columns[2:])
        return {
            "poi": self.poi,
            "best": self.best,
            "error": self.error,
            "impacts": [
                {"name": name} | {k: float(getattr(self, c)[i]) for k, c in zip(keys, columns)}
                for i, name in enumerate(self.names)
            ],
        }

    def summary(self) -> str:
        rows = [
            f"  {n:<40} {p:>7.3f} +- {c:<6.3f} {u:>+11.4g} {d:>+11.4g}"
            for n, p, c, u, d in zip(
                self.names, self.pulls, self.constraints, self.postfit_up, self.postfit_down
            )
        ]
        head = f"impacts on {self.poi} = {self.best:.5g} +- {self.error:.4g}: pull, up, down"
        return "\n".join([head, *rows])


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Yields(Result):
    """Expected events per bin (B) and sample (S), before and after the fit, and the data.

    The bins of all channels follow one another; a sample that a channel lacks is 0 there. The
    errors are those of the totals, propagated linearly: before the fit from the widths of the
    auxiliary measurements, uncorrelated; after it from the covariance of the fit.
    """

    kind: ClassVar[str] = "yields"
    channels: tuple[str, ...]
    bins: tuple[int, ...]
    """How many each channel has."""
    samples: tuple[str, ...]
    data: np.ndarray
    """(B,)"""
    prefit: np.ndarray
    """(B, S)"""
    prefit_total: np.ndarray
    prefit_error: np.ndarray
    postfit: np.ndarray
    postfit_total: np.ndarray
    postfit_error: np.ndarray

    def slices(self) -> dict[str, slice]:
        """Per channel, its bins."""
        ends = np.cumsum([0, *self.bins]).tolist()
        return {name: slice(a, b) for name, a, b in zip(self.channels, ends, ends[1:])}

    def fields_of_interest(self) -> dict[str, Any]:
        def stage(name: str, bins: slice) -> dict[str, Any]:
            yields = getattr(self, name)[bins]
            return {
                "samples": {s: yields[:, k] for k, s in enumerate(self.samples)},
                "total": getattr(self, f"{name}_total")[bins],
                "error": getattr(self, f"{name}_error")[bins],
            }

        return {
            "channels": [
                {"name": name, "data": self.data[bins]}
                | {which: stage(which, bins) for which in ("prefit", "postfit")}
                for name, bins in self.slices().items()
            ]
        }

    def summary(self) -> str:
        rows = [
            f"  {f'{name}[{i}]':<40} {self.data[b]:>8g}"
            f" {self.prefit_total[b]:>10.5g} +- {self.prefit_error[b]:<8.3g}"
            f" {self.postfit_total[b]:>10.5g} +- {self.postfit_error[b]:<8.3g}"
            for name, bins in self.slices().items()
            for i, b in enumerate(range(bins.start, bins.stop))
        ]
        return "\n".join(["yields: bin, data, before the fit, after it", *rows])
