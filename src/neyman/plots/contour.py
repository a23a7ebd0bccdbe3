"""Contours of two parameters, the outermost region palest, with the best fit."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import AXIS, BLACK, BLUE, finite, new_figure, number, remarks, span, text
from neyman.results import Contour

DASHES = ("-", "--", "-.", ":")


def draw_contour(result: Contour, labels: Mapping[str, str] | None = None) -> Figure:
    """The curves of each level; an open one ends at a bound."""
    figure = new_figure(5.0, 4.4)
    axes = figure.subplots()
    curves = result.curves()
    for k, level in enumerate(result.levels.tolist()):
        mine = [curve[finite(*curve.T)] for of, curve in curves if of == level]
        for first, curve in enumerate(mine):
            label = f"{100 * level:.4g} %" if first == 0 else None
            axes.plot(*curve.T, color=BLUE, lw=1.5, ls=DASHES[k % len(DASHES)], label=label)
            if np.all(curve[0] == curve[-1]):
                axes.fill(*curve.T, color=BLUE, alpha=0.12, lw=0)
    a, b = result.best
    if np.all(np.isfinite(result.best)):
        best = f"best fit: {number(a)}, {number(b)}"
        axes.plot([a], [b], "+", color=BLACK, ms=8, mew=1.3, label=best)
    x, y = (text(name, labels, AXIS) for name in result.pois)
    every = np.concatenate([result.points.reshape(-1, 2), result.best[None]])
    axes.set(xlim=span([every[:, 0]]), ylim=span([every[:, 1]], pad=0.1), xlabel=x, ylabel=y)
    axes.legend(loc="best")
    remarks(figure, result, [] if curves else ["there is no contour to draw"])
    return figure
