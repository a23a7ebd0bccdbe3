"""A posterior: each parameter alone and each pair, with regions of 68.27 and 95.45 %.

The region of a pair holds that part of the draws in the bins of highest density.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neyman.parameters import unknown_name
from neyman.plots.style import BLUE, ONE_SIGMA, SKY, TWO_SIGMA, new_figure, remarks, text
from neyman.results import Samples
from neyman.status import InputError

MOST = 8
"""Parameters drawn unless others are chosen."""
LEVELS = (0.9545, 0.6827)
BINS, FINE = 40, 30


def draw_corner(
    result: Samples,
    labels: Mapping[str, str] | None = None,
    parameters: Sequence[str] | None = None,
) -> Figure:
    """The corner of `parameters`, by default of the first eight."""
    chosen = result.names[:MOST] if parameters is None else tuple(parameters)
    for name in chosen:
        if name not in result.names:
            raise unknown_name(name, result.names)
    if not chosen:
        raise InputError("parameters", "none is chosen", "name one or more")
    n = len(chosen)
    weight = np.exp(result.log_weight).ravel()
    draws = [result.of(name).ravel() for name in chosen]
    ranges = [_range(result, name) for name in chosen]
    side = max(1.5 * n, 3.2)
    figure = new_figure(side + 0.6, side + 0.6)
    grid = figure.subplots(n, n, squeeze=False)
    for row in range(n):
        for column in range(n):
            axes = grid[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            if row == column:
                _alone(axes, result, chosen[row], draws[row], weight, ranges[row], labels, n)
            else:
                pair = (draws[column], draws[row])
                _pair(axes, pair, weight, (ranges[column], ranges[row]))
            axes.set_xlim(*ranges[column])
            axes.tick_params(labelsize=7, labelrotation=45)
            axes.locator_params(nbins=4)
            axes.tick_params(labelbottom=row == n - 1, labelleft=row > 0 and column == 0)
            if row == n - 1:
                axes.set_xlabel(text(chosen[column], labels, 24), fontsize=8)
            if column == 0 and row > 0:
                axes.set_ylabel(text(chosen[row], labels, 24), fontsize=8)
    hidden = len(result.names) - n
    missing = [f"{n} of {len(result.names)} parameters are drawn"] if hidden else []
    remarks(figure, result, missing)
    return figure


def _range(result: Samples, name: str) -> tuple[float, float]:
    """The interval of 99.73 %, with a margin."""
    low, high = result[name].hdi99
    margin = 0.1 * (high - low) or 0.5
    return low - margin, high + margin


def _alone(
    axes: Axes,
    result: Samples,
    name: str,
    x: np.ndarray,
    weight: np.ndarray,
    limits: tuple[float, float],
    labels: Mapping[str, str] | None,
    n: int,
) -> None:
    marginal = result[name]
    counts, edges = np.histogram(x, BINS, limits, weights=weight)
    for (low, high), colour in ((marginal.hdi95, TWO_SIGMA), (marginal.hdi68, ONE_SIGMA)):
        axes.axvspan(low, high, color=colour, lw=0)
    axes.stairs(counts, edges, color=BLUE)
    axes.set_ylim(0.0, 1.1 * float(counts.max(initial=0.0)) or 1.0)
    axes.set_yticks([])
    low, high = marginal.hdi68
    title = f"{text(name, labels, 24)}\n68 % [{low:.3g}, {high:.3g}]"
    axes.set_title(title, fontsize=7 if n > 1 else 9)


def _pair(
    axes: Axes,
    pair: tuple[np.ndarray, np.ndarray],
    weight: np.ndarray,
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    counts, x, y = np.histogram2d(*pair, bins=FINE, range=limits, weights=weight)
    density = np.sort(counts.ravel())[::-1]
    inside = np.cumsum(density) / max(float(weight.sum()), 1e-300)
    heights = [float(density[np.searchsorted(inside, q).clip(0, len(density) - 1)]) for q in LEVELS]
    levels = [h for i, h in enumerate(heights) if h > 0 and h not in heights[:i]]
    if counts.max(initial=0.0) > 0 and levels:
        centres = (0.5 * (x[1:] + x[:-1]), 0.5 * (y[1:] + y[:-1]))
        edges = [*levels, 1.01 * float(counts.max())]
        colours = (TWO_SIGMA, ONE_SIGMA)[-len(levels) :]
        axes.contourf(*centres, counts.T, levels=edges, colors=colours)
        axes.contour(*centres, counts.T, levels=levels, colors=SKY, linewidths=0.6)
    axes.set_ylim(*limits[1])
