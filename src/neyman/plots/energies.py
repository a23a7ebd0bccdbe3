"""Energy spectra with what the events' energies were, and the acceptance versus energy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neyman.plots.bands import LOOKS
from neyman.plots.style import GREY, finite, new_figure, number, remarks, text
from neyman.results import Energies

MOST = 400
"""Events with an interval of their own."""


def draw_energies(result: Energies, labels: Mapping[str, str] | None = None) -> Figure:
    """Above: expected after selection, and the sum of the events' posteriors. Below: the
    interval of 68 % of each event's energy, as of its most probable source."""
    n = len(result.probability)
    figure = new_figure(5.6, 5.6 if n else 3.6)
    panels = figure.subplots(2 if n else 1, 1, sharex=True, squeeze=False)[:, 0]
    width = np.diff(result.edges)
    for k, name in enumerate(result.sources):
        look = LOOKS[k % len(LOOKS)]
        label = f"{text(name, labels, 30)} ({number(float(result.expected[k].sum()))} expected)"
        panels[0].stairs(result.expected[k] / width, result.edges, lw=1.6, label=label, **look)
        if n:
            label = f"{text(name, labels, 30)}, from the events"
            panels[0].stairs(
                result.seen[k] / width, result.edges, fill=True, alpha=0.22, label=label,
                color=look["color"], lw=0,
            )  # fmt: skip
    panels[0].set(ylabel="events / keV", xlim=(result.edges[0], _end(result)))
    panels[0].set_ylim(bottom=0.0)
    panels[0].legend(loc="upper right", ncols=2 if n else 1)
    missing = [] if n else ["no events were counted: expected spectra alone"]
    if n:
        missing = _draw_events(panels[1], result, labels)
    panels[-1].set_xlabel("deposited energy [keV]")
    remarks(figure, result, missing)
    return figure


def _end(result: Energies) -> float:
    """keV; above it there is nothing to see: a thousandth of the highest bin."""
    events = np.sum(result.expected + result.seen, axis=0)
    last = result.edges[1:][events > 1e-3 * np.max(events)]
    return min(1.05 * float(last.max(initial=result.edges[1])), float(result.edges[-1]))


def _draw_events(axes: Axes, result: Energies, labels: Mapping[str, str] | None) -> list[str]:
    """The events in the order of their energy; what is not drawn."""
    n = len(result.probability)
    best = np.argmax(result.probability, axis=1)
    rows = np.arange(n)
    low, median, high = (v[rows, best] for v in (result.low, result.median, result.high))
    order = np.argsort(median, kind="stable")
    known = order[finite(median[order])]
    shown = known[np.linspace(0, len(known) - 1, min(MOST, len(known))).round().astype(int)]
    place = np.arange(len(shown))
    for k, name in enumerate(result.sources):
        at = best[shown] == k
        if not at.any():
            continue
        look: dict[str, Any] = {"color": LOOKS[k % len(LOOKS)]["color"]}
        these = shown[at]
        axes.hlines(place[at], low[these], high[these], lw=0.7, **look)
        label = f"most probably {text(name, labels, 30)} ({int(np.sum(best == k))})"
        marker = "osD^v"[k % 5]
        axes.plot(median[these], place[at], marker, ms=2.6, ls="none", label=label, **look)
    axes.set(ylabel="event, by energy", ylim=(-1.0, max(len(shown), 1)))
    axes.legend(loc="lower right")
    lost = n - len(known)
    left = [f"{len(shown)} of {n} events are drawn"] if len(shown) < len(known) else []
    return left + ([f"{lost} events have no energy here"] if lost else [])


def draw_acceptance(result: Energies, labels: Mapping[str, str] | None = None) -> Figure:
    """The share of deposits that is kept, versus energy."""
    figure = new_figure(5.6, 3.8)
    axes = figure.subplots()
    centres = 0.5 * (result.edges[1:] + result.edges[:-1])
    for k, name in enumerate(result.sources):
        kept, before = result.expected[k].sum(), result.before[k].sum()
        share = f"{kept / before:.3g}" if before > 0 else "none"
        label = f"{text(name, labels, 30)} (of all: {share})"
        axes.plot(centres, result.acceptance[k], lw=1.8, label=label, **LOOKS[k % len(LOOKS)])
    axes.axhline(0.5, color=GREY, lw=0.7, ls=":")
    top = float(np.nanmax(result.acceptance, initial=0.0))
    some = centres[np.nanmax(np.nan_to_num(result.acceptance), axis=0) > 1e-3]
    low = float(some.min(initial=centres[-1]))
    axes.set(xscale="log", xlim=(0.8 * low, result.edges[-1]), ylim=(0.0, max(1.1 * top, 0.1)))
    axes.set(xlabel="deposited energy [keV]", ylabel="acceptance")
    axes.legend(loc="lower right")
    missing = [
        f"{text(name, labels, 30)} has no curve: it has lines alone"
        for k, name in enumerate(result.sources)
        if np.isfinite(result.acceptance[k]).sum() < 2
    ]
    remarks(figure, result, missing)
    return figure
