"""What all figures share: colours, fonts, text from strangers, and files.

The colours are Okabe and Ito's (jfly.uni-koeln.de/color), which people with any of the common
colour vision deficiencies tell apart; where two mean opposite things they also differ in
luminance, and lines differ in dashes, so that a grey print can be read.
"""

import contextlib
import functools
import io
import math
import pathlib
import re
import textwrap
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.mathtext import MathTextParser

from neyman.io.store import write_atomic
from neyman.results import Result
from neyman.status import InputError, Severity, Status

BLACK, GREY, LIGHT = "#000000", "#707070", "#E4E4E4"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
FILLS = (SKY, BLUE, YELLOW, VERMILION, ORANGE, GREEN, "#BBBBBB", PURPLE)
"""Of the samples in a stack; neighbours differ in luminance."""
ONE_SIGMA, TWO_SIGMA = "#6DB5E3", "#F7E8A4"
"""The Brazil band: blue within pale yellow, 0.67 and 0.91 in luminance."""

STYLE = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "axes.titlesize": 10.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "hatch.linewidth": 0.5,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "neyman",
}
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}
"""Per suffix, the metadata that would make two runs differ, taken out."""
LONGEST = 90
"""Characters of a name that are shown; a longer one loses its middle."""

AXIS = 42
"""Characters of a name along an axis of fixed length."""


@contextlib.contextmanager
def style() -> Generator[None, None, None]:
    """Our settings on matplotlib's defaults, whatever the user's are; put back at the end."""
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context(cast(Any, defaults | STYLE)):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no global state of pyplot knows of."""
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.07)
    figure = Figure(figsize=(width, height), layout=engine)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | pathlib.Path) -> None:
    """Write the figure, whole or not at all; equal figures give equal bytes."""
    check_suffix(path)
    write_atomic(path, to_bytes(figure, pathlib.Path(path).suffix.lower()))


def to_bytes(figure: Figure, suffix: str = ".png") -> bytes:
    """The figure as a file of that suffix; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix[1:], metadata=FORMATS[suffix])
    return buffer.getvalue()


def check_suffix(path: str | pathlib.Path | None) -> None:
    """Refuse a path that `save` would refuse, before the work."""
    if path is not None and pathlib.Path(path).suffix.lower() not in FORMATS:
        raise InputError(str(path), "is no PNG, PDF or SVG file", "end it in .png, .pdf or .svg")


def text(name: str, labels: Mapping[str, str] | None = None, longest: int = LONGEST) -> str:
    """`name` as it can be drawn, or its LaTeX label where `labels` has one that parses."""
    label = (labels or {}).get(name, "")
    if label and _parses(label):
        return label
    if len(name) > longest:
        name = f"{name[: longest // 2]}…{name[-longest // 2 :]}"
    return "".join(c if _in_font(c) else "\ufffd" for c in name).replace("$", r"\$")


@functools.lru_cache(1024)
def _in_font(character: str) -> bool:
    font = get_font(findfont("DejaVu Sans"))
    return character.isprintable() and font.get_char_index(ord(character)) != 0


def _parses(label: str) -> bool:
    try:
        MathTextParser("path").parse(label)
    except ValueError:
        return False
    return all(map(_in_font, label))


def width_of(names: Iterable[str], size: float) -> float:
    """Inches that the longest of `names` takes at a font size in points, about."""
    return max((len(re.sub(r"\\[a-zA-Z]+", "x", n)) for n in names), default=0) * size * 0.62 / 72


def finite(*arrays: np.ndarray) -> np.ndarray:
    """Where all arrays are finite."""
    return np.logical_and.reduce([np.isfinite(a) for a in arrays])


def span(values: Iterable[Any], *, pad: float = 0.05) -> tuple[float, float]:
    """The range of the finite numbers among `values`, with a margin; never empty."""
    flat = np.concatenate([np.ravel(np.asarray(v, dtype=float)) for v in values] or [np.zeros(0)])
    flat = flat[np.isfinite(flat)]
    if len(flat) == 0:
        return 0.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    margin = pad * (high - low) if high > low else 0.5 * abs(high) or 0.5
    return low - margin, high + margin


def remarks(figure: Figure, result: Result | None, missing: Sequence[str]) -> None:
    """Below the axes: what is not drawn and why, and what the result's status says."""
    lines = list(missing)
    places: dict[Status, list[str]] = {}
    for note in () if result is None else result.notes:
        if note.status.severity is not Severity.FINE:
            places.setdefault(note.status, []).append(note.place)
    for status in sorted(places, reverse=True):
        what = "failed" if status.failed else "warning"
        first, *others = places[status]
        more = f" (and {len(others)} more)" if others else ""
        lines.append(f"{what}: {status.message}: {text(first, longest=240)}{more}")
    if lines:
        columns = max(20, int(figure.get_figwidth() * 72 / (7.5 * 0.56)))
        wrapped = [part for line in lines for part in textwrap.wrap(line, columns)]
        figure.supxlabel("\n".join(wrapped), x=0.01, ha="left", fontsize=7.5, color=GREY)


def number(value: float) -> str:
    """Four digits, for a legend."""
    return f"{value:.4g}" if math.isfinite(value) else "none"
