"""Coverage versus the truth, with the errors of the toys and a line at each level."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import (
    AXIS,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    new_figure,
    remarks,
    span,
    text,
)
from neyman.results.coverage import Coverage

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
MARKERS = ("o", "s", "^", "D", "v")


def draw_coverage(result: Coverage, labels: Mapping[str, str] | None = None) -> Figure:
    """The coverage at each level, versus the first named parameter that varies."""
    figure = new_figure(5.6, 4.0)
    axes = figure.subplots()
    varies = np.ptp(result.truths, axis=0) > 0 if len(result.truths) else np.zeros(0, bool)
    column = int(np.argmax(varies)) if varies.any() else 0
    x, lost = result.truths[:, column], 0
    for j, level in enumerate(result.levels):
        colour, marker = COLOURS[j % len(COLOURS)], MARKERS[j % len(MARKERS)]
        y = result.values[:, j]
        seen = np.isfinite(y)
        lost += int(np.sum(~seen))
        bars = np.abs(np.array([y - result.lower[:, j], result.upper[:, j] - y]))[:, seen]
        axes.axhline(level, color=colour, lw=0.8, ls="--")
        axes.errorbar(
            x[seen], y[seen], bars, fmt=marker, color=colour, ms=4, capsize=2,
            label=f"{100 * level:g} %",
        )  # fmt: skip
    shown = [result.lower, result.upper, result.levels]
    low, high = span(shown, pad=0.08)
    axes.set(xlim=span([x], pad=0.06), ylim=(max(low, -0.02), min(high, 1.02)))
    axes.set(xlabel=f"true {text(result.names[column], labels, AXIS)}", ylabel="coverage")
    how = f"{result.toys} toys" if result.method == "toys" else result.method
    axes.set_title(f"{text(result.interval, longest=AXIS)}, {how}", color=GREY)
    axes.legend(loc="best", title="level")
    missing = [f"{lost} values are missing and not drawn"] if lost else []
    remarks(figure, result, missing)
    return figure
