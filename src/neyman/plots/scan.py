"""The profile curve t_mu, with the thresholds of 1, 2 and 3 sigma (Wilks' theorem: 1, 4, 9)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import (
    AXIS,
    BLACK,
    BLUE,
    GREY,
    finite,
    new_figure,
    number,
    remarks,
    span,
    text,
)
from neyman.results import Scan


def draw_scan(result: Scan, labels: Mapping[str, str] | None = None) -> Figure:
    """t_mu at the values scanned, and the best fit."""
    figure = new_figure(5.6, 4.0)
    axes = figure.subplots()
    seen = finite(result.values, result.delta_twice_nll)
    order = np.argsort(result.values[seen], kind="stable")
    x, t = result.values[seen][order], result.delta_twice_nll[seen][order]
    name = text(result.poi, labels, AXIS)
    axes.plot(x, t, "o-", color=BLUE, lw=1.5, ms=2.5)
    top = min(max(1.15 * float(t.max(initial=0.0)), 1.5), 16.0)
    left, right = span([x], pad=0.0) if len(x) > 1 else span([x, result.best])
    for sigma in (1, 2, 3):
        if sigma**2 < top:
            axes.axhline(sigma**2, color=GREY, lw=0.8, ls="--")
            at, kind = (0.985, sigma**2), ("axes fraction", "data")
            axes.annotate(
                rf"${sigma}\sigma$", at, (0, 2), kind, "offset points", ha="right", color=GREY
            )
    if np.isfinite(result.best):
        left, right = min(left, result.best), max(right, result.best)
        label = f"best fit: {number(result.best)}"
        axes.axvline(result.best, color=BLACK, lw=1.0, ls=":", label=label)
        axes.legend(loc="upper center")
    axes.set(xlim=(left, right), ylim=(0.0, top), xlabel=name, ylabel=r"$t = -2\,\Delta\log L$")
    lost = int(np.sum(~seen))
    missing = [f"{lost} of {len(seen)} points have no value and are not drawn"] if lost else []
    remarks(figure, result, missing if len(seen) else ["there are no points to draw"])
    return figure
