"""Results drawn: `plot(result, "limit.pdf")`.

    Limit                       CLs versus mu, with the bands of the expected values
    [(label, Limit), ...]       limits versus label
    Test                        CLs on the band of the expected values
    Scan                        the profile curve
    Contour                     confidence regions of two parameters
    Fit                         pulls; `plot_correlation(fit)` its correlation matrix
    Impacts                     ranked pulls and impacts
    Samples                     the corner of a posterior
    Yields                      yields with data and ratio, after or before the fit
    Coverage                    coverage versus the truth
    Calibration                 ranks, their distribution function, coverage at levels
    Bands                       bands of sources in S1 and S2, with events
    Energies                    spectra and events; `plot_acceptance(energies)`

Results know nothing of it. How to draw another one: a function result -> Figure in a file of
its own, and a line in `DRAWN`. No pyplot: figures belong to who asked for them, and the
settings of matplotlib stay as they were.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.bands import draw_bands
from neyman.plots.calibration import draw_calibration
from neyman.plots.contour import draw_contour
from neyman.plots.corner import draw_corner
from neyman.plots.correlation import draw_correlation
from neyman.plots.coverage import draw_coverage
from neyman.plots.energies import draw_acceptance, draw_energies
from neyman.plots.limit import draw_limit, draw_limits, draw_test
from neyman.plots.nuisances import draw_impacts, draw_pulls
from neyman.plots.scan import draw_scan
from neyman.plots.style import check_suffix, save, style
from neyman.plots.yields import draw_yields
from neyman.results import (
    Bands,
    Calibration,
    Contour,
    Coverage,
    Energies,
    Fit,
    Impacts,
    Limit,
    Result,
    Samples,
    Scan,
    Test,
    Yields,
)
from neyman.status import InputError

__all__ = ["plot", "plot_acceptance", "plot_correlation"]

DRAWN: dict[type, Callable[..., Figure]] = {
    Limit: draw_limit,
    Test: draw_test,
    Scan: draw_scan,
    Contour: draw_contour,
    Fit: draw_pulls,
    Impacts: draw_impacts,
    Samples: draw_corner,
    Yields: draw_yields,
    Coverage: draw_coverage,
    Calibration: draw_calibration,
    Bands: draw_bands,
    Energies: draw_energies,
}


def plot(
    result: Result | Sequence[Any],
    path: str | pathlib.Path | None = None,
    *,
    title: str = "",
    **options: Any,
) -> Figure:
    """Draw a result.

    Values that are not finite are left out, and a line below the axes says so.

    Args:
        result: what a verb returned, or pairs (label, limit) of a grid.
        path: where to write it, as PNG, PDF or SVG by its suffix; equal results give equal bytes.
        title: above the figure.
        options: `labels`, the LaTeX of parameters or samples by name; Impacts and Fit: `top`,
            how many parameters; Samples: `parameters`, those to draw; Yields: `stage`, "postfit"
            or "prefit", and `channels`; limits on a grid: `xlabel` and `reference`, a value of
            the parameter drawn as a line.

    Raises:
        InputError: a result that has no picture, a suffix that is not known, or a path that
            cannot be written.
    """
    check_suffix(path)
    draw = DRAWN.get(type(result))
    if draw is None and isinstance(result, Sequence) and not isinstance(result, str):
        draw = draw_limits
        for k, row in enumerate(result):
            if not (isinstance(row, tuple) and len(row) == 2 and isinstance(row[1], Limit)):
                raise InputError(f"result[{k}]", "is no pair (label, limit)", "give such pairs")
    if draw is None:
        kinds = ", ".join(kind.__name__ for kind in DRAWN)
        what = f"a result of type {type(result).__name__}"
        raise InputError(what, "has no picture", f"draw one of {kinds}, or pairs (label, Limit)")
    return _finished(draw, result, path, title, options)


def plot_correlation(
    fit: Fit, path: str | pathlib.Path | None = None, *, title: str = "", **options: Any
) -> Figure:
    """The correlation matrix of a fit, of the `top` (20) parameters that correlate most."""
    check_suffix(path)
    return _finished(draw_correlation, fit, path, title, options)


def plot_acceptance(
    result: Energies, path: str | pathlib.Path | None = None, *, title: str = "", **options: Any
) -> Figure:
    """The share of deposits of each source that is kept, versus energy."""
    check_suffix(path)
    return _finished(draw_acceptance, result, path, title, options)


def _finished(
    draw: Callable[..., Figure],
    result: Any,
    path: str | pathlib.Path | None,
    title: str,
    options: dict[str, Any],
) -> Figure:
    with style(), np.errstate(all="ignore"):  # what is not finite is left out, one by one
        figure = draw(result, **options)
        if title:
            figure.suptitle(title)
        if path is not None:
            save(figure, path)
    return figure
