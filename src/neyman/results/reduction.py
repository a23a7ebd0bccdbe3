"""The principal components of a calibration, and what floating some of them loses."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.results.base import Result


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Reduction(Result):
    """n calibrated parameters as n components of unit variance, the first k of which float:

        theta = best + units * (z_1 sqrt(variances_1) components_1 + z_2 ...),    z_j ~ N(0, 1)

    Components are in the order in which they were ranked; arrays are of length n unless stated.
    """

    kind: ClassVar[str] = "reduction"
    poi: str | None
    by: str
    """What ranked the components: "impact" or "variance"."""
    k: int
    names: tuple[str, ...]
    """The parameters combined."""
    best: np.ndarray
    """theta^ of the calibration."""
    units: np.ndarray
    """The width of each parameter's constraint; without one, its error in the calibration."""
    measured: np.ndarray
    """The value of each parameter's auxiliary measurement in the calibration, NaN without."""
    constrained: np.ndarray
    """The width of that measurement."""
    components: np.ndarray
    """(n, n), the unit vector of a component in a row, in `units`."""
    variances: np.ndarray
    """Of each component in the calibration, in `units`^2."""
    impacts: np.ndarray
    """d poi^/d z_j, with the other components held at 0; NaN without a poi."""
    poi_errors: np.ndarray
    """(n + 1,): the error of the poi with the first 0, 1, ..., n components floating."""

    @property
    def fraction(self) -> float:
        """The share of the calibration's variance that the first k components have."""
        total = float(self.variances.sum())
        return float(self.variances[: self.k].sum()) / total if total > 0 else 1.0

    @property
    def loss(self) -> float:
        """By what part the poi's error is too small: 1 - (k components)/(all)."""
        return float(1.0 - self.poi_errors[self.k] / self.poi_errors[-1])

    def matrix(self, k: int | None = None) -> np.ndarray:
        """A of theta = best + A z for the first k components, (n, k)."""
        k = self.k if k is None else k
        return (self.units[:, None] * self.components.T * np.sqrt(self.variances))[:, :k]

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "poi": self.poi,
            "k": self.k,
            "by": self.by,
            "fraction": self.fraction,
            "error": {
                "all": float(self.poi_errors[-1]),
                "reduced": float(self.poi_errors[self.k]),
                "none": float(self.poi_errors[0]),
            },
            "components": [
                {
                    "name": f"pc{j + 1}",
                    "variance": float(self.variances[j]),
                    "impact": float(self.impacts[j]),
                    "error": float(self.poi_errors[j + 1]),
                    "parameters": dict(zip(self.names, row.tolist())),
                }
                for j, row in enumerate(self.components)
            ],
        }

    def summary(self) -> str:
        n, total = len(self.names), max(float(self.variances.sum()), 1e-300)
        poi = self.poi or "poi"
        head = (
            f"reduction: {self.k} of {n} components float, ranked by {self.by}:"
            f" {100 * self.fraction:.3g} % of the variance"
        )
        if np.isfinite(self.loss):
            head += (
                f"; error of {poi} {self.poi_errors[self.k]:.4g} instead of"
                f" {self.poi_errors[-1]:.4g} ({100 * self.loss:.2g} % lost)"
            )
        rows = [
            f"  {'*' if j < self.k else ' '} pc{j + 1:<3} {v / total:>8.2%} {i:>+11.4g} {e:>11.4g}"
            f"   {_composition(self.names, row)}"
            for j, (v, i, e, row) in enumerate(
                zip(self.variances, self.impacts, self.poi_errors[1:], self.components)
            )
        ]
        title = f"    component: share of variance, impact on {poi}, its error up to here, made of"
        return "\n".join([head, title, *rows])


def _composition(names: tuple[str, ...], row: np.ndarray) -> str:
    """The largest parts of a unit vector in words."""
    order = [i for i in np.argsort(-np.abs(row))[:4] if abs(row[i]) > 0.1]
    return " ".join(f"{row[i]:+.2f} {names[i]}" for i in order)
