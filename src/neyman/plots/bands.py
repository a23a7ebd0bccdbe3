"""The bands of sources in cS1 and log10(cS2), with the events on them.

Sources differ in colour, in dashes and in hatching, so that a grey print can be read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
    finite,
    new_figure,
    number,
    remarks,
    span,
    text,
)
from neyman.results import Bands

LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "ls": "-"},
    {"color": VERMILION, "ls": (0, (5, 1.5))},
    {"color": GREEN, "ls": (0, (1, 1))},
    {"color": PURPLE, "ls": (0, (4, 1, 1, 1))},
    {"color": ORANGE, "ls": (0, (8, 2))},
)
"""Of the sources, in their order."""
SMALL = 300
"""More events than these are small points."""


def draw_bands(result: Bands, labels: Mapping[str, str] | None = None) -> Figure:
    """Medians as lines, the outer quantiles as filled bands, events as points."""
    figure = new_figure(5.6, 4.4)
    axes = figure.subplots()
    outer = f"{100 * result.levels[0]:g} to {100 * result.levels[-1]:g} %"
    middle = len(result.levels) // 2
    for k, name in enumerate(result.sources):
        look = LOOKS[k % len(LOOKS)]
        curves = np.log10(result.cs2[k])
        label = f"{text(name, labels, 30)} ({number(float(result.expected[k]))} expected)"
        axes.fill_between(
            result.cs1, curves[0], curves[-1], color=look["color"], alpha=0.18, lw=0, zorder=1 + k
        )
        axes.plot(result.cs1, curves[middle], lw=1.8, label=label, zorder=3, **look)
        for edge in (curves[0], curves[-1]):
            axes.plot(result.cs1, edge, lw=0.8, zorder=3, **look)
    n = len(result.event_cs1)
    y = np.log10(result.event_cs2)
    seen = finite(result.event_cs1, y)
    if n:
        size = 3.2 if n <= SMALL else 1.6
        style: dict[str, Any] = {"mfc": "white", "mec": BLACK, "mew": 0.7, "zorder": 2.5}
        label = f"{n} events"
        axes.plot(result.event_cs1[seen], y[seen], "o", ms=size, label=label, **style)
    axes.set_xlim(*span([result.cs1[np.isfinite(result.cs2).any(axis=(0, 1))], result.event_cs1]))
    axes.set_ylim(*span([np.log10(result.cs2), y], pad=0.08))
    axes.set(xlabel="cS1 [PE]", ylabel=r"$\log_{10}$(cS2 / PE)")
    axes.legend(loc="lower right", title=f"median and {outer}", title_fontsize=8.5)
    lost = int(np.sum(~seen))
    missing = [f"{lost} of {n} events have no place here and are not drawn"] if lost else []
    remarks(figure, result, missing if n else ["no events were counted: bands alone"])
    return figure
