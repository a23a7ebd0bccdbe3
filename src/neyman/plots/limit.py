"""CLs versus mu, limits versus a grid: bands of the expected values ("Brazil bands").

`expected` runs from -2 to +2 sigma: columns 0 and 4 bound the outer band, 1 and 3 the inner
one, 2 is the median (arXiv:1007.1727, section 4.3).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.interpolate
import scipy.optimize
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neyman.plots.style import (
    AXIS,
    BLACK,
    ONE_SIGMA,
    TWO_SIGMA,
    VERMILION,
    finite,
    new_figure,
    number,
    remarks,
    span,
    text,
    width_of,
)
from neyman.results import Limit, Test

LEAST = 1e-4
"""CLs is drawn no lower."""
BANDS = ((0, 4, TWO_SIGMA, r"Expected $\pm2\sigma$"), (1, 3, ONE_SIGMA, r"Expected $\pm1\sigma$"))


def draw_limit(result: Limit, labels: Mapping[str, str] | None = None) -> Figure:
    """CLs at the mu that the search visited, observed and expected, and where 1 - level is."""
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    mu, alpha = result.scanned, 1.0 - result.level
    expected, seen = result.cls_expected.reshape(len(mu), 5), result.cls_observed
    if result.method == "toys":
        expected = np.column_stack([_falling(mu, expected[:, k]) for k in range(5)])
        seen = _falling(mu, seen)
    grid = _grid(mu)
    profile = result.method == "profile"  # then there is nothing expected, and CLs+b for CLs
    name = "CLs+b" if profile else "CLs"
    for low, high, colour, label in () if profile else BANDS:
        bottom, top = (_curve(grid, mu, expected[:, k]) for k in (low, high))
        axes.fill_between(grid, bottom, top, color=colour, lw=0, label=label)
    style: dict[str, Any] = {"color": BLACK, "lw": 1.3}
    median = f"Expected, median (limit {number(result.expected[2])})"
    observed = f"Observed (limit {number(result.observed)})"
    if not profile:
        axes.plot(grid, _curve(grid, mu, expected[:, 2]), ls="--", **style, label=median)
    axes.plot(grid, _curve(grid, mu, seen), **style, label=observed)
    axes.plot(*_seen(mu, result.cls_observed), "o", color=BLACK, ms=2.5)
    axes.axhline(alpha, color=VERMILION, lw=1.0, ls="-.")
    note = f"{name} = {alpha:.3g}"
    at = (0.99, alpha)
    axes.annotate(
        note, at, (0, -3), ("axes fraction", "data"), "offset points",
        color=VERMILION, ha="right", va="top", fontsize=8,
    )  # fmt: skip
    _mark(axes, result, alpha)

    limits = np.append(result.expected, result.observed)
    seen = limits[np.isfinite(limits)]
    high = 1.35 * seen.max() if len(seen) and seen.max() > 0 else span([mu])[1]
    axes.set(xlim=(0.0, high), yscale="log", ylim=(alpha / 8, 1.6))
    axes.set(xlabel=text(result.poi, labels, AXIS), ylabel=name)
    axes.legend(loc="upper right", reverse=True)
    remarks(figure, result, [] if profile else _missing(limits))
    return figure


def _grid(mu: np.ndarray) -> np.ndarray:
    """Where curves are drawn: the mu visited and points between them."""
    seen = np.unique(mu[np.isfinite(mu)])
    return np.unique(np.append(seen, np.linspace(*span([seen], pad=0.0), 200)))


def _curve(grid: np.ndarray, mu: np.ndarray, cls: np.ndarray) -> np.ndarray:
    """CLs on `grid` from its values at `mu`, by monotone cubics in log CLs; NaN outside them.

    The search visits few mu, between which log CLs is nearly quadratic.
    """
    seen = finite(mu, cls) & (cls > 0)
    x, first = np.unique(mu[seen], return_index=True)
    if len(x) < 2:
        return np.full_like(grid, np.nan)
    logs = np.log(cls[seen][first])
    return np.exp(scipy.interpolate.PchipInterpolator(x, logs, extrapolate=False)(grid))


def _falling(mu: np.ndarray, cls: np.ndarray) -> np.ndarray:
    """CLs from toys without its fluctuations: the closest values that never rise with mu, at
    least `LEAST` so that a logarithm exists; NaN stays NaN."""
    smooth = np.full(cls.shape, np.nan)
    seen = np.flatnonzero(finite(mu, cls))
    seen = seen[np.argsort(mu[seen], kind="stable")]
    if len(seen):
        smooth[seen] = scipy.optimize.isotonic_regression(cls[seen], increasing=False).x
    return np.maximum(smooth, LEAST)


def _mark(axes: Axes, result: Limit, alpha: float) -> None:
    """The six limits on the line CLs = alpha."""
    style: dict[str, Any] = {"ls": "none", "zorder": 5, "mec": BLACK}
    for k, marker in enumerate(("|", "|", "o", "|", "|")):
        if np.isfinite(result.expected[k]):
            axes.plot(result.expected[k], alpha, marker=marker, ms=6, mfc="white", **style)
    if np.isfinite(result.observed):
        axes.plot(result.observed, alpha, marker="o", ms=6, mfc=BLACK, **style)


def _missing(limits: np.ndarray) -> list[str]:
    """`limits` (6,): five expected and the observed one."""
    names = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma", "observed")
    absent = [name for name, value in zip(names, limits) if not np.isfinite(value)]
    return [f"not drawn, no value: {', '.join(absent)} limit"] if absent else []


def _seen(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seen = finite(x, y)
    return x[seen], y[seen]


def draw_limits(
    results: Sequence[tuple[object, Limit]],
    labels: Mapping[str, str] | None = None,
    xlabel: str = "",
    reference: float | None = 1.0,
) -> Figure:
    """Limits versus the grid points that they belong to, with `reference` as a line.

    Numbers as labels are positions on the axis, joined by lines; anything else is a category.
    """
    numeric = all(isinstance(label, int | float | np.number) for label, _ in results)
    numeric = numeric and all(np.isfinite(float(str(label))) for label, _ in results)
    if numeric:
        results = sorted(results, key=lambda row: float(str(row[0])))
    x = np.array([float(str(label)) if numeric else k for k, (label, _) in enumerate(results)])
    expected = np.array([limit.expected for _, limit in results]).reshape(-1, 5)
    observed = np.array([limit.observed for _, limit in results])
    names = [text(str(label), labels) for label, _ in results]
    figure = new_figure(*_size(names, numeric))
    axes = figure.subplots()
    draw = _joined if numeric else _apart
    draw(axes, x, expected, observed)

    shown = [observed, expected] + ([] if reference is None else [np.array([reference])])
    low, high = span(shown, pad=0.0)
    if low > 0 and high / low > 20:
        axes.set(yscale="log", ylim=(low / 2, high * 4))
    else:
        axes.set_ylim(min(0.0, low), 1.3 * high)
    if reference is not None:
        axes.axhline(reference, color=VERMILION, lw=1.0, ls="-.")
    if not numeric:
        _name(axes, names)
    level, poi = (results[0][1].level, results[0][1].poi) if results else (0.95, "mu")
    name = text(poi, labels, AXIS)
    where = "\n" if len(name) > 20 else " "
    axes.set_ylabel(f"{100 * level:g} % CLs upper limit{where}on {name}")
    axes.set_xlabel(xlabel)
    axes.legend(loc="upper left", ncols=2, reverse=True)
    remarks(figure, None, _absent(names, observed, expected))
    return figure


def _absent(names: list[str], observed: np.ndarray, expected: np.ndarray) -> list[str]:
    if not names:
        return ["there are no limits to draw"]
    absent = [n for n, o, e in zip(names, observed, expected) if not finite(np.append(e, o)).all()]
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    lost = f"limits without a value are not drawn: {', '.join(absent[:5])}{more}"
    return [lost] if absent else []


def _joined(axes: Axes, x: np.ndarray, expected: np.ndarray, observed: np.ndarray) -> None:
    for low, high, colour, label in BANDS:
        seen = finite(expected[:, low], expected[:, high])
        axes.fill_between(
            x[seen], expected[seen, low], expected[seen, high], color=colour, lw=0, label=label
        )
    style: dict[str, Any] = {"color": BLACK, "lw": 1.3, "ms": 3.0}
    axes.plot(*_seen(x, expected[:, 2]), ls="--", **style, label="Expected, median")
    axes.plot(*_seen(x, observed), "o-", **style, label="Observed")
    if len(x) > 1:
        axes.set_xlim(x[0], x[-1])


def _apart(axes: Axes, x: np.ndarray, expected: np.ndarray, observed: np.ndarray) -> None:
    for low, high, colour, label in BANDS:
        seen = finite(expected[:, low], expected[:, high])
        bottom, height = expected[seen, low], expected[seen, high] - expected[seen, low]
        axes.bar(x[seen], height, 0.8, bottom, color=colour, label=label)
    median = _seen(x, expected[:, 2])
    style: dict[str, Any] = {"ls": (0, (2, 1)), "lw": 1.3, "label": "Expected, median"}
    axes.hlines(median[1], median[0] - 0.4, median[0] + 0.4, colors=BLACK, **style)
    size = 4.0 if len(x) < 80 else 2.5
    axes.plot(*_seen(x, observed), "o", color=BLACK, ms=size, label="Observed")
    axes.set_xlim(-0.7, len(x) - 0.3)


MANY = 120
"""Categories of which each can be named."""


def _size(names: list[str], numeric: bool) -> tuple[float, float]:
    if numeric:
        return 5.6, 4.2
    shown = min(len(names), MANY)
    rotated = shown * (0.12 + width_of(names, 8.0)) > 9
    width = max(5.6, 1.2 + shown * 0.17) if rotated else max(5.6, shown * width_of(names, 8.0))
    return width, 4.2 + (width_of(names, 7.5) if rotated else 0.0)


def _name(axes: Axes, names: list[str]) -> None:
    every = max(1, -(-len(names) // MANY))
    rotated = min(len(names), MANY) * (0.12 + width_of(names, 8.0)) > 9
    axes.set_xticks(range(0, len(names), every), names[::every], fontsize=7.5 if rotated else 8)
    axes.tick_params("x", rotation=90 if rotated else 0, length=0, which="both")


def draw_test(result: Test, labels: Mapping[str, str] | None = None) -> Figure:
    """The observed CLs on the band of the expected ones."""
    figure = new_figure(5.6, 2.2)
    axes = figure.subplots()
    e = np.asarray(result.expected, dtype=float)
    for low, high, colour, label in BANDS:
        if np.isfinite(e[[low, high]]).all():
            axes.add_patch(
                Rectangle((e[low], -0.5), e[high] - e[low], 1.0, fc=colour, lw=0, label=label)
            )
    if np.isfinite(e[2]):
        label = f"Expected, median ({number(e[2])})"
        axes.plot([e[2], e[2]], [-0.5, 0.5], color=BLACK, ls="--", lw=1.3, label=label)
    if np.isfinite(result.observed):
        label = f"Observed ({number(result.observed)})"
        axes.plot(result.observed, 0.0, "o", color=BLACK, ms=6, label=label)
    axes.axvline(0.05, color=VERMILION, lw=1.0, ls="-.", label="CLs = 0.05")
    shown = np.append(e, [result.observed, 0.05])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    axes.set(xscale="log", xlim=(shown.min() / 2, 2.0), ylim=(-0.8, 0.8), yticks=[])
    axes.set_xlabel(f"CLs of {text(result.poi, labels, AXIS)} = {result.value:g}")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, reverse=True)
    missing = _missing(np.append(e, result.observed))
    remarks(figure, result, [line.replace("limit", "CLs") for line in missing])
    return figure
