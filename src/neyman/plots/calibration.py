"""Ranks of the truth: histogram, difference of the distribution function, coverage at levels.

The grey bands hold 99 % of what a right posterior gives: of each bin's count (binomial), and of
the whole curve ECDF(u) - u (the limit of Kolmogorov and Smirnov, 1.628/sqrt(N); Säilynoja,
Bürkner and Vehtari, arXiv:2103.10522, draw a slightly narrower one near the ends).
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import bdtr, ndtri

from neyman.plots.style import (
    AXIS,
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    new_figure,
    remarks,
    text,
)
from neyman.results.calibration import Calibration

BAND = 0.99
KOLMOGOROV = 1.6276
"""The 99 % quantile of sqrt(N) max |ECDF(u) - u| for large N."""
MOST = 6
"""Parameters that are drawn, those that deviate most first."""


def draw_calibration(
    result: Calibration, labels: Mapping[str, str] | None = None, top: int = MOST
) -> Figure:
    """One row a parameter, the `top` that deviate most."""
    worst = np.nanmin(np.where(np.isfinite(result.p), result.p, 2.0), axis=1)
    rows = np.argsort(worst, kind="stable")[: max(top, 1)]
    figure = new_figure(9.0, 0.4 + 2.5 * len(rows))
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for (left, middle, right), i in zip(axes, rows):
        u = result.ranks[:, i]
        u = u[np.isfinite(u)]
        left.set_ylabel(text(result.names[i], labels, AXIS))
        if len(u):
            _histogram(left, u, result.n_draws)
            _difference(middle, u, result.n_draws)
            _coverage(right, result, int(i), len(u))
    axes[0, 0].set_title("ranks of the truth")
    axes[0, 1].set_title("ECDF difference")
    axes[0, 2].set_title("coverage - level")
    for column, label in enumerate(("u = (rank + 1/2)/(draws + 1)", "u", "level of the interval")):
        axes[-1, column].set_xlabel(label)
    hidden = len(result.names) - len(rows)
    remarks(figure, result, [f"{hidden} more parameters are not drawn"] if hidden else [])
    return figure


def _histogram(axes: Axes, u: np.ndarray, n_draws: int) -> None:
    """Counts in equal bins of whole ranks, so that each is as likely as the others."""
    bins = 20 if n_draws == 0 else next((b for b in range(20, 4, -1) if (n_draws + 1) % b == 0), 20)
    counts, edges = np.histogram(u, bins, (0.0, 1.0))
    low, high = binomial_band(len(u), 1.0 / bins)
    axes.axhspan(low, high, color=LIGHT, lw=0)
    axes.axhline(len(u) / bins, color=GREY, lw=0.8, ls="--")
    axes.stairs(counts, edges, color=BLUE, lw=1.2)
    top = 1.15 * max(float(counts.max()), high)
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, top))


def binomial_band(n: int, p: float) -> tuple[float, float]:
    """The central counts of n trials that hold 99 % at least."""
    tail = (1.0 - BAND) / 2.0
    spread = float(ndtri(1.0 - tail)) * np.sqrt(n * p * (1.0 - p))
    k = np.arange(max(0, int(n * p - 2 * spread - 3)), min(n, int(n * p + 2 * spread + 3)) + 1)
    cumulative = bdtr(k.astype(float), n, p)
    low = k[np.searchsorted(cumulative, tail)]
    high = k[min(np.searchsorted(cumulative, 1.0 - tail), len(k) - 1)]
    return float(low), float(high)


def _difference(axes: Axes, u: np.ndarray, n_draws: int) -> None:
    grid = np.linspace(0.0, 1.0, n_draws + 2 if n_draws else 201)  # between whole ranks
    difference = np.searchsorted(np.sort(u), grid, side="right") / len(u) - grid
    reach = KOLMOGOROV / np.sqrt(len(u))
    axes.axhspan(-reach, reach, color=LIGHT, lw=0)
    axes.axhline(0.0, color=GREY, lw=0.8, ls="--")
    axes.plot(grid, difference, color=BLUE, lw=1.2)
    most = 1.15 * max(reach, float(np.abs(difference).max()))
    axes.set(xlim=(0.0, 1.0), ylim=(-most, most))


def _coverage(axes: Axes, result: Calibration, i: int, n: int) -> None:
    """At the three levels, with standard errors; the curve is that of all central intervals."""
    u = result.ranks[:, i]
    u = u[np.isfinite(u)]
    k = result.n_draws + 1
    levels = np.arange(k % 2, k + 1, 2) / k if k > 1 else np.linspace(0.0, 1.0, 101)
    inside = np.searchsorted(np.sort(2.0 * np.abs(u - 0.5)), levels - 1e-9) / n
    axes.axhline(0.0, color=GREY, lw=0.8, ls="--")
    axes.plot(levels, inside - levels, color=BLUE, lw=1.0)
    nominal, value = result.nominal, result.coverage[i]
    error = np.sqrt(nominal * (1.0 - nominal) / n)
    axes.errorbar((0.68, 0.9, 0.95), value - nominal, error, fmt="o", color=ORANGE, mec=BLACK, ms=4)
    most = 1.15 * max(3.0 * float(error.max()), float(np.abs(inside - levels).max()))
    axes.set(xlim=(0.0, 1.0), ylim=(-most, most))
