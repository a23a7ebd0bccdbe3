"""How far a surrogate is from its source: on profile curves, on intervals, on log L itself.

The source is black, the surrogate blue; what is not finite is left out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neyman.plots.style import (
    AXIS,
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    SKY,
    finite,
    new_figure,
    number,
    remarks,
    span,
    text,
)

AIM = 0.05
"""Difference in t_mu that is drawn as a band: a surrogate within it gives the same limits to
about 1 %."""


def draw_profiles(
    poi: str,
    values: np.ndarray,
    exact: np.ndarray,
    surrogate: np.ndarray,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """t_mu of both (N,) at the values of `poi`, and below it their difference."""
    figure = new_figure(5.6, 4.8)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    seen = finite(values, exact, surrogate)
    order = np.argsort(values[seen], kind="stable")
    x, t, learned = (a[seen][order] for a in (values, exact, surrogate))
    highest = max(1.15 * float(max(t.max(initial=0.0), learned.max(initial=0.0))), 1.5)
    for sigma in (1, 2, 3):
        if sigma**2 < highest:
            top.axhline(sigma**2, color=GREY, lw=0.8, ls="--")
            at, kind = (0.985, sigma**2), ("axes fraction", "data")
            top.annotate(
                rf"${sigma}\sigma$", at, (0, 2), kind, "offset points", ha="right", color=GREY
            )
    top.plot(x, t, color=BLACK, lw=1.4, label="exact")
    top.plot(x, learned, "o", color=BLUE, ms=3.5, label="surrogate")
    top.legend(loc="upper center")
    top.set(ylim=(min(0.0, *span([t, learned], pad=0.0)), highest), ylabel=r"$t=-2\,\Delta\log L$")
    bottom.axhspan(-AIM, AIM, color="#E4E4E4", lw=0)
    bottom.axhline(0.0, color=GREY, lw=0.8, ls="--")
    bottom.plot(x, learned - t, "o-", color=BLUE, lw=1.0, ms=3.0)
    reach = 1.2 * max(float(np.abs(learned - t).max(initial=0.0)), AIM)
    bottom.set(ylim=(-reach, reach), ylabel="difference", xlabel=text(poi, labels, AXIS))
    if len(x) > 1:
        bottom.set_xlim(x[0], x[-1])
    lost = int(np.sum(~seen))
    figure.align_ylabels()
    remarks(figure, None, [f"{lost} of {len(seen)} points have no value"] if lost else [])
    return figure


def draw_intervals(
    poi: str,
    levels: Sequence[float],
    exact: np.ndarray,
    surrogate: np.ndarray,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Intervals of highest posterior density of both, (L, 2), one pair of bars a level."""
    figure = new_figure(5.6, 0.9 + 0.62 * len(levels))
    axes = figure.subplots()
    for row, (theirs, ours) in enumerate(zip(exact, surrogate)):
        _bar(axes, row - 0.16, theirs, BLACK, "exact" if row == 0 else "")
        _bar(axes, row + 0.16, ours, BLUE, "surrogate" if row == 0 else "")
        if np.all(np.isfinite([theirs, ours])):
            off = float(np.max(np.abs(np.asarray(ours) - theirs)))
            at = (max(theirs[1], ours[1]), row)
            said = f"ends within {number(off)}"
            axes.annotate(said, at, (6, 0), "data", "offset points", va="center", color=GREY)
    low, high = span([exact, surrogate])
    axes.set_xlim(low, high + 0.42 * (high - low))
    axes.set_yticks(range(len(levels)), [f"{100 * level:.4g} %" for level in levels])
    axes.tick_params(axis="y", which="both", right=False, left=False)
    axes.set(ylim=(len(levels) - 0.4, -0.6), xlabel=text(poi, labels, AXIS))
    axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.0 + 0.32 / len(levels)))
    return figure


def _bar(axes: Axes, height: float, ends: np.ndarray, colour: str, label: str) -> None:
    axes.plot(ends, (height, height), "|-", color=colour, lw=2.0, ms=8, label=label or None)


def draw_residuals(
    sigmas: Sequence[int],
    mean: np.ndarray,
    most: np.ndarray,
    points: tuple[np.ndarray, np.ndarray] | None = None,
) -> Figure:
    """|error of 2 log L| within n standard deviations of the maximum.

    Args:
        sigmas: n, (S,).
        mean: mean error of the points within n, (S,).
        most: the largest one, (S,).
        points: depth of each point in standard deviations, and the error there.
    """
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    if points is not None:
        depth, error = points[0], np.abs(points[1])
        seen = finite(depth, error) & (error > 0)
        axes.plot(depth[seen], error[seen], ".", color=SKY, ms=2.0, zorder=1, label="points")
    x = np.asarray(sigmas, dtype=float)
    for y, colour, marker, label in ((most, ORANGE, "^-", "largest"), (mean, BLUE, "o-", "mean")):
        seen = finite(x, y) & (y > 0)
        axes.plot(x[seen], y[seen], marker, color=colour, mec=BLACK, mew=0.5, ms=5, label=label)
    axes.set_yscale("log")
    axes.legend(loc="upper left")
    axes.set_xticks(x)
    axes.minorticks_on()
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set(
        xlabel=r"within $n\,\sigma$ of the maximum",
        ylabel=r"$|2\log L_{\rm surrogate}-2\log L_{\rm exact}|$",
    )
    return figure
