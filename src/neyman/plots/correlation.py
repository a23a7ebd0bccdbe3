"""The correlation matrix of a fit, of the parameters that correlate most."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import new_figure, remarks, text, width_of
from neyman.results import Fit

NUMBERED = 26
"""Parameters up to which each cell carries its number."""


def draw_correlation(fit: Fit, labels: Mapping[str, str] | None = None, top: int = 20) -> Figure:
    """Correlations of the `top` parameters with the largest ones, in the order of the fit."""
    rho = fit.correlation()
    known = np.flatnonzero(np.isfinite(np.diagonal(rho)))
    off = np.abs(rho[np.ix_(known, known)])
    np.fill_diagonal(off, 0.0)
    largest = np.argsort(-off.max(axis=1, initial=0.0), kind="stable")[: max(top, 0)]
    shown = known[np.sort(largest)]
    matrix = rho[np.ix_(shown, shown)]
    names = [text(fit.names[i], labels) for i in shown]

    n = len(names)
    cell = 0.34 if n <= NUMBERED else 0.17
    margin, side = width_of(names, 8.0), max(n * cell, 2.0)
    figure = new_figure(side + margin + 1.1, side + margin + 0.5)
    axes = figure.subplots()
    edges = np.arange(n + 1) - 0.5
    if n:
        colours = axes.pcolormesh(
            edges, edges, matrix, cmap="RdBu_r", vmin=-1, vmax=1, edgecolors="white",
            linewidth=0.4, rasterized=n > 60,
        )  # fmt: skip
        figure.colorbar(colours, ax=axes, label="correlation", fraction=0.05, pad=0.02)
    axes.set_xticks(range(n), names, rotation=90, fontsize=8)
    axes.set_yticks(range(n), names, fontsize=8)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    axes.set(xlim=(-0.5, max(n, 1) - 0.5), ylim=(max(n, 1) - 0.5, -0.5))
    if n <= NUMBERED:
        for i, j in np.argwhere(np.isfinite(matrix)):
            colour = "white" if abs(matrix[i, j]) > 0.6 else "black"
            value = round(float(matrix[i, j]), 2) + 0.0  # no -0.00
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    missing = []
    if len(known) > n:
        missing.append(f"the {n} of {len(known)} parameters with the largest correlations")
    if len(known) < len(fit.names):
        missing.append(f"not drawn, without an error: {len(fit.names) - len(known)}")
    remarks(figure, fit, missing)
    return figure
