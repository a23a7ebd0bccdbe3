"""Stacked yields with data and their ratio: channels side by side, in rows that fill a page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neyman.parameters import unknown_name
from neyman.plots.style import (
    BLACK,
    FILLS,
    GREY,
    finite,
    new_figure,
    remarks,
    span,
    text,
    width_of,
)
from neyman.results import Yields
from neyman.status import InputError

PER_ROW = 40
"""Bins in a row of panels, unless a channel has more."""
MOST_ROWS = 8
WORDS = {"prefit": "pre-fit", "postfit": "post-fit"}
HATCH: dict[str, Any] = {"fc": "none", "ec": "#333333", "hatch": "//////", "lw": 0}
POINT: dict[str, Any] = {"fmt": "o", "color": BLACK, "ms": 3.0, "lw": 1.0}
DASHED: dict[str, Any] = {"baseline": None, "color": BLACK, "ls": "--", "lw": 1.0}


def draw_yields(
    result: Yields,
    labels: Mapping[str, str] | None = None,
    stage: str = "postfit",
    channels: Sequence[str] | None = None,
) -> Figure:
    """Samples stacked at `stage`, the total's error hatched, data as points, ratio below.

    After the fit, the total before it is a dashed line.
    """
    if stage not in WORDS:
        raise InputError(f"stage='{stage}'", "is not known", "use 'prefit' or 'postfit'")
    for name in channels or ():
        if name not in result.channels:
            raise unknown_name(name, result.channels, "channel")
    chosen = list(result.channels if channels is None else channels)
    rows = _packed([(name, result.bins[result.channels.index(name)]) for name in chosen])
    widest = max((sum(n for _, n in row) for row in rows), default=1)
    turned = [any(_narrow(name, n, widest) for name, n in row) for row in rows]
    foot = [0.25 + width_of((text(n) for n, _ in r), 7.5) * t for r, t in zip(rows, turned)]
    figure = new_figure(8.0, max(3.4, sum(3.4 + f for f in foot)) + 0.7)
    grid = figure.subplots(max(2 * len(rows), 2), 1, height_ratios=[2.2, 1] * max(len(rows), 1))
    stack = _stack(result, stage, chosen)
    for k, row in enumerate(rows):
        main, ratio = grid[2 * k], grid[2 * k + 1]
        bins = np.concatenate([_bins(result, name) for name, _ in row])
        numbers = _Row.of(result, stage, bins)
        _draw_main(main, numbers, stage, stack, bins)
        _draw_ratio(ratio, numbers, stage)
        _name_channels(main, ratio, row, widest, turned[k])
    handles, names = grid[0].get_legend_handles_labels()
    names = [text(name, labels) for name in names]
    if handles:
        columns = max(1, min(5, int(7.5 / (width_of(names, 8.5) + 0.6))))
        figure.legend(handles, names, loc="outside upper center", ncols=columns)
    remarks(figure, result, _lost(result, stage, chosen))
    return figure


def _packed(channels: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Rows of channels, each with up to `PER_ROW` bins, or as many as `MOST_ROWS` rows need."""
    most = max(PER_ROW, math.ceil(1.2 * sum(n for _, n in channels) / MOST_ROWS))
    rows: list[list[tuple[str, int]]] = []
    for channel in channels:
        if not rows or sum(n for _, n in rows[-1]) + channel[1] > most:
            rows.append([])
        rows[-1].append(channel)
    return rows


def _stack(result: Yields, stage: str, chosen: list[str]) -> dict[str, np.ndarray]:
    """Yields (B,) by sample, the smallest first; those without a colour of their own summed."""
    table = np.nan_to_num(getattr(result, stage), nan=0.0, posinf=0.0, neginf=0.0)
    bins = np.concatenate([np.zeros(0, dtype=int), *(_bins(result, name) for name in chosen)])
    size = np.abs(table[bins]).sum(axis=0)
    order = [k for k in np.argsort(size, kind="stable") if size[k] > 0]
    extra = order[: len(order) - len(FILLS) + 1] if len(order) > len(FILLS) else []
    stack = {f"{len(extra)} other samples": table[:, extra].sum(axis=1)} if extra else {}
    return stack | {result.samples[k]: table[:, k] for k in order[len(extra) :]}


def _bins(result: Yields, channel: str) -> np.ndarray:
    found = result.slices()[channel]
    return np.arange(found.start, found.stop)


class _Row(NamedTuple):
    """What is drawn of a row of channels, one number a bin; NaN where there is none."""

    total: np.ndarray
    error: np.ndarray
    before: np.ndarray
    data: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, result: Yields, stage: str, bins: np.ndarray) -> "_Row":
        names = (f"{stage}_total", f"{stage}_error", "prefit_total", "data")
        columns = [getattr(result, name)[bins] for name in names]
        total, error, before, data = (np.where(np.isfinite(v), v, np.nan) for v in columns)
        return cls(total, error, before, data, *_poisson_interval(data))


def _draw_main(
    axes: Axes, row: _Row, stage: str, stack: dict[str, np.ndarray], bins: np.ndarray
) -> None:
    """The stack, the uncertainty of its total and the data."""
    x = np.arange(len(bins))
    base = np.zeros(len(bins))
    for k, (name, values) in enumerate(stack.items()):
        colour = FILLS[len(stack) - 1 - k]
        axes.bar(x, values[bins], 1.0, base, color=colour, ec=BLACK, lw=0.3, label=name)
        base = base + values[bins]
    seen = finite(row.total, row.error)
    bottom, label = (row.total - row.error)[seen], f"{WORDS[stage]} uncertainty"
    axes.bar(x[seen], 2 * row.error[seen], 1.0, bottom, label=label, **HATCH)
    if stage == "postfit":
        axes.stairs(row.before, np.arange(len(x) + 1) - 0.5, label="total, pre-fit", **DASHED)
    shown = finite(row.data)
    whiskers = np.array([row.data - row.low, row.high - row.data])
    axes.errorbar(x[shown], row.data[shown], whiskers[:, shown], label="data", **POINT)
    _scale(axes, [row.total + row.error, row.high, row.before], [row.total, row.data])
    axes.set_ylabel("events")


def _draw_ratio(axes: Axes, row: _Row, stage: str) -> None:
    """The same in units of the total; points beyond the axis are triangles at its edge."""
    x = np.arange(len(row.total))
    data, low, high = row.data / row.total, row.low / row.total, row.high / row.total
    error, before = row.error / row.total, row.before / row.total
    whiskers = np.array([data - low, high - data])
    seen = finite(error)
    axes.bar(x[seen], 2 * error[seen], 1.0, 1 - error[seen], **HATCH)
    shown = finite(data, low, high)
    axes.errorbar(x[shown], data[shown], whiskers[:, shown], **POINT)
    if stage == "postfit":
        axes.stairs(before, np.arange(len(x) + 1) - 0.5, **DASHED)
    axes.axhline(1.0, color=BLACK, lw=0.8)
    reach = min(1.0, span([[0.2], np.abs(data - 1), error, high - 1, 1 - low], pad=0.1)[1])
    axes.set_ylim(1 - reach, 1 + reach)
    axes.set_ylabel(f"data / {WORDS[stage]}", fontsize=8.5)
    edge = axes.get_xaxis_transform()
    for beyond, y, marker in ((data > 1 + reach, 0.93, "^"), (data < 1 - reach, 0.07, "v")):
        at = x[beyond]
        axes.plot(at, np.full(len(at), y), marker, color=BLACK, ms=4, transform=edge)


def _poisson_interval(n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The central 68.27 % interval of the mean of a Poisson count (Garwood, 1936)."""
    tail = scipy.special.ndtr(-1.0)
    low = np.where(n > 0, scipy.special.gammaincinv(np.maximum(n, 1e-300), tail), 0.0 * n)
    return low, scipy.special.gammainccinv(n + 1.0, tail)


def _scale(axes: Axes, tops: list[np.ndarray], sizes: list[np.ndarray]) -> None:
    """Logarithmic where the bins differ much."""
    positive = np.concatenate(sizes)
    positive = positive[np.isfinite(positive) & (positive > 0)]
    top = span(tops, pad=0.0)[1]
    if len(positive) and positive.max() > 50 * positive.min() and top > 0:
        low = max(positive.min() / 5, 1e-6 * top)
        axes.set(yscale="log", ylim=(low, top * (top / low) ** 0.15))
    else:
        axes.set_ylim(0.0, max(1.25 * top, 1e-300) if top > 0 else 1.0)


def _narrow(name: str, bins: int, widest: int) -> bool:
    """Whether the name is longer than the channel is wide."""
    return width_of([name], 7.5) > 0.95 * bins * 6.8 / widest


def _name_channels(
    main: Axes, ratio: Axes, row: list[tuple[str, int]], widest: int, turned: bool
) -> None:
    """Names and separators of channels; turned names take the place of the bins' numbers."""
    ends = np.cumsum([0] + [n for _, n in row])
    for axes in (main, ratio):
        axes.set_xlim(-0.5, widest - 0.5)
        for end in ends[1:-1]:
            axes.axvline(end - 0.5, color=GREY, lw=0.6, ls="-")
        axes.minorticks_off() if axes.get_yscale() == "linear" else None
        axes.tick_params("x", which="both", length=0)
    main.set_xticks([])
    centres = ends[:-1] + [(n - 1) / 2 for _, n in row]
    if turned:
        ratio.set_xticks(centres, [text(name) for name, _ in row], fontsize=7.5, rotation=90)
        return
    for (name, _), at in zip(row, centres):
        main.annotate(text(name), (at, 0.98), xycoords=("data", "axes fraction"), fontsize=8,
                      ha="center", va="top")  # fmt: skip
    inside = [i for _, n in row for i in range(n)]
    every = max(1, math.ceil(widest / PER_ROW))
    ticks = [k for k, i in enumerate(inside) if i % every == 0]
    ratio.set_xticks(ticks, [str(inside[k]) for k in ticks], fontsize=7.5)
    ratio.set_xlabel("bin of the channel", fontsize=8.5)


def _lost(result: Yields, stage: str, chosen: list[str]) -> list[str]:
    if not chosen:
        return ["there are no channels to draw"]
    bins = np.concatenate([_bins(result, name) for name in chosen])
    total, error = getattr(result, f"{stage}_total")[bins], getattr(result, f"{stage}_error")[bins]
    bad = int(np.sum(~finite(total, error, result.data[bins])))
    bad += int(np.sum(~np.all(np.isfinite(getattr(result, stage)[bins]), axis=1) & finite(total)))
    return [f"{bad} bins have a total, an error or data without a value: not drawn"] if bad else []
