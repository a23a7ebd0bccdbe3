"""Pulls of nuisance parameters, and their impacts on the parameter of interest.

Both figures have a row a parameter. A pull is (theta^ - measured)/width with the error in the
same units, so that a bar shorter than the band from -1 to 1 says: the data constrain it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neyman.plots.style import (
    AXIS,
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    finite,
    new_figure,
    number,
    remarks,
    span,
    text,
    width_of,
)
from neyman.results import Fit, Impacts
from neyman.status import InputError

ROWS = 50
"""Parameters in one column of a pulls plot."""
ROW = 0.165
"""Inches."""


def draw_pulls(
    result: Fit,
    labels: Mapping[str, str] | None = None,
    top: int | None = None,
    parameters: Sequence[str] | None = None,
) -> Figure:
    """The pulls of a fit, in its order: all, the `top` largest, or those of `parameters`."""
    pull = (result.values - result.measured) / result.constrained
    error = result.errors / result.constrained
    chosen = _chosen(result, parameters)
    drawn = chosen[finite(pull[chosen], error[chosen])]
    if top is not None and len(drawn) > top:
        largest = np.argsort(-np.abs(pull[drawn]), kind="stable")[: max(top, 0)]
        drawn = drawn[np.sort(largest)]

    columns = np.array_split(drawn, max(1, math.ceil(len(drawn) / ROWS)))
    rows = max(len(columns[0]), 3)
    names = [text(result.names[i], labels) for i in drawn]
    width = len(columns) * (width_of(names, 7.5) + 2.4)
    figure = new_figure(max(width, 5.0), rows * ROW + 1.0)
    low, high = span([pull[drawn] - error[drawn], pull[drawn] + error[drawn], [-2.2, 2.2]])
    reach = min(max(-low, high), 6.0)
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns):
        _rows(axes, [text(result.names[i], labels) for i in column], rows)
        _bands(axes, rows)
        _points(axes, pull[column], error[column])
        axes.set(xlim=(-reach, reach), xlabel=r"$(\hat{\theta} - \theta_0)\,/\,\Delta\theta$")
    remarks(figure, result, _not_pulled(result, chosen, error, labels))
    return figure


def _chosen(result: Fit, parameters: Sequence[str] | None) -> np.ndarray:
    if parameters is None:
        return np.arange(len(result.names))
    for name in parameters:
        result[name]  # an unknown name is an error
    return np.array([result.names.index(name) for name in parameters], dtype=int)


def _not_pulled(
    result: Fit, chosen: np.ndarray, error: np.ndarray, labels: Mapping[str, str] | None
) -> list[str]:
    """The parameters without a constraint, with their values; those without an error."""
    free = [i for i in chosen if np.isnan(result.constrained[i])]
    values = [
        f"{text(result.names[i], labels)} = {number(result.values[i])}"
        + (f" ± {result.errors[i]:.2g}" if np.isfinite(result.errors[i]) else "")
        for i in free[:12]
    ]
    lines = [f"without a constraint: {', '.join(values)}"] if values else []
    if len(free) > len(values):
        lines[0] += f" and {len(free) - len(values)} more"
    lost = [i for i in chosen if i not in free and not np.isfinite(error[i])]
    if lost:
        lines.append(f"{len(lost)} constrained parameters have no error (fixed, flat or at a bound)"
                     ": not drawn")  # fmt: skip
    return lines


def draw_impacts(result: Impacts, labels: Mapping[str, str] | None = None, top: int = 20) -> Figure:
    """Pulls and impacts of the `top` parameters, the largest impact first."""
    if top < 1:
        raise InputError(f"top={top}", "is no number of parameters", "use 1 or more")
    n = min(top, len(result.names))
    names = [text(name, labels) for name in result.names[:n]]
    rows = max(n, 3)
    figure = new_figure(width_of(names, 8.0) + 6.0, rows * 0.24 + 1.6)
    pulls, impact = figure.subplots(1, 2, sharey=True, width_ratios=(1.0, 1.35))
    _rows(pulls, names, rows, size=8.0)
    _bands(pulls, rows)
    _points(pulls, result.pulls[:n], result.constraints[:n], size=4.0)
    for k in range(n):
        if not np.isfinite(result.pulls[k]):
            value = f"{result.values[k]:.3g} ± {result.errors[k]:.2g}"
            pulls.text(0.0, k, value, ha="center", va="center", fontsize=7.5)
    reach = span([np.abs(result.pulls[:n]) + result.constraints[:n], [2.1]])[1]
    pulls.set(xlim=(-reach, reach), xlabel=r"Pull $(\hat{\theta} - \theta_0)\,/\,\Delta\theta$")

    shown = [getattr(result, f"{s}fit_{d}")[:n] for s in ("pre", "post") for d in ("up", "down")]
    drawn = _bars(impact, shown)
    reach = span([[0.0], np.abs(shown)], pad=0.1)[1]
    impact.set_xlim(-reach, reach)
    poi = text(result.poi, labels, AXIS)
    impact.set_xlabel(f"Impact on {poi}")
    impact.axvline(0.0, color=BLACK, lw=0.8)
    impact.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    impact.tick_params("y", length=0, which="both")
    figure.legend(*drawn, loc="outside upper right", ncols=2)
    best = f"{poi} = {number(result.best)}"
    if np.isfinite(result.error):
        best += f" ± {result.error:.2g}"
    figure.text(0.01, 0.99, best, ha="left", va="top", fontsize=10)
    remarks(figure, result, _lost(result, n))
    return figure


def _lost(result: Impacts, n: int) -> list[str]:
    if not result.names:
        return ["there are no nuisance parameters to draw"]
    lines = []
    if n < len(result.names):
        lines.append(f"the {n} largest of {len(result.names)}")
    failed = int(np.sum(~finite(result.postfit_up[:n], result.postfit_down[:n])))
    if failed:
        lines.append(f"post-fit impacts of {failed} parameters have no value: not drawn")
    if np.any(np.isnan(result.pulls[:n])):
        lines.append("parameters without a constraint: value ± error, no pull")
    return lines


def _bars(axes: Axes, shown: list[np.ndarray]) -> tuple[list, list[str]]:
    """Pre-fit impacts as outlines, post-fit ones filled; +delta dark, above -delta, light."""
    handles, names = [], []
    for k, (values, name) in enumerate(
        zip(shown, (f"{s}-fit, ${d}\\Delta\\theta$" for s in ("pre", "post") for d in "+-"))
    ):
        colour = (BLUE, ORANGE)[k % 2]
        y = np.flatnonzero(np.isfinite(values))
        outline: dict[str, Any] = {"fc": "none", "ec": colour, "lw": 1.0, "height": 0.4}
        filled: dict[str, Any] = {"fc": colour, "lw": 0, "height": 0.28}
        at = y + (-0.2, 0.2)[k % 2]
        handles.append(axes.barh(at, values[y], **(outline if k < 2 else filled)))
        names.append(name)
    return handles, names


def _rows(axes: Axes, names: list[str], rows: int, size: float = 7.5) -> None:
    """A row a name, the first at the top."""
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params("y", length=0, which="both")
    axes.tick_params("y", which="minor", left=False, right=False)
    axes.set_ylim(rows - 0.4, -0.6)


def _bands(axes: Axes, rows: int) -> None:
    axes.axvspan(-1.0, 1.0, color=LIGHT, lw=0, zorder=0)
    for at in (-2.0, 0.0, 2.0):
        axes.axvline(at, color=GREY, lw=0.6, ls=":" if at else "-", zorder=1)


def _points(axes: Axes, pull: np.ndarray, error: np.ndarray, size: float = 3.0) -> None:
    y = np.flatnonzero(finite(pull, error))
    axes.errorbar(
        pull[y], y, xerr=error[y], fmt="o", color=BLACK, ms=size, lw=1.0, capsize=0, zorder=3
    )
