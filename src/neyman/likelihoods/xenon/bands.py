"""Bands in S1 and S2: the quantiles of corrected S2 at each corrected S1, free of noise.

With N[i, j] the expected events of a source in cells of cS1 and log cS2 (`template`), its band of
level q at cS1 cell i is the cS2 below which q of sum_j N[i, j] lie, linear in log cS2 within a
cell.
"""

import numpy as np

from neyman._jax import Array, jax
from neyman.io.provenance import provenance
from neyman.likelihoods.xenon.parts import Part, event_part
from neyman.likelihoods.xenon.template import corrected_template, edges
from neyman.model import Likelihood
from neyman.results import Bands, Fit, Samples

LEVELS = (0.1, 0.5, 0.9)
CELLS = (60, 160)
"""In cS1 and in cS2."""
NEGLIGIBLE = 1e-3
"""A band is cut where less than this part of its source's events lies beyond."""


def bands(like: Likelihood, fit: Fit | Samples | None = None) -> Bands:
    """The bands of each source in a likelihood of xenon events, and the events.

    Args:
        like: of one set of events.
        fit: at whose best fit, or posterior means, the bands are, e.g. of `like` joined with a
            calibration; the initial parameters by default.

    Raises:
        InputError: a likelihood that is not of events, or of several sets.
    """
    part = event_part(like, fit)
    cs1_edges, cs2_edges = corrected_edges(part, *CELLS)
    cells = np.asarray(_cells(part.model, part.unit_theta, cs1_edges, cs2_edges))
    cells = np.maximum(cells, 0.0)
    centres = 0.5 * (cs1_edges[1:] + cs1_edges[:-1])
    by_cs1 = cells.sum(axis=2)
    curves = np.stack([_quantiles(of, np.log(cs2_edges)) for of in cells])
    total = by_cs1.sum(axis=1, keepdims=True)
    below = np.cumsum(by_cs1, axis=1)
    seen = (below > NEGLIGIBLE * total) & (below - by_cs1 < (1.0 - NEGLIGIBLE) * total)
    cs1, cs2 = corrected(part)
    kept = part.present if part.counted else np.zeros(len(cs1), dtype=bool)
    return Bands(
        sources=part.model.names,
        expected=part.rates * total[:, 0],
        levels=LEVELS,
        cs1=centres,
        density=part.rates[:, None] * by_cs1 / np.diff(cs1_edges),
        cs2=np.where(seen[:, None], np.exp(curves), np.nan),
        event_cs1=cs1[kept],
        event_cs2=cs2[kept],
        notes=part.model.notes,
        provenance=provenance({"model": part.model.digest} if part.model.digest else {}),
    )


@jax.jit
def _cells(model, theta: Array, cs1_edges: Array, cs2_edges: Array) -> Array:
    return corrected_template(model, theta, cs1_edges, cs2_edges)


def corrected(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """cS1 and cS2 of every row of the events, (N,) each."""
    of = {name: np.asarray(values) for name, values in part.events.columns.items()}
    survival = np.exp(-of["drift_time"] / part.model.selection.lifetime)
    return of["s1"] / of["s1_map"], of["s2"] / (of["s2_map"] * survival)


def corrected_edges(part: Part, n1: int, n2: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of cS1, equal in size, and of cS2, equal in its logarithm: n1 + 1 and n2 + 1 edges
    around what the selection keeps and the model expects."""
    selection, places = part.model.selection, part.model.places
    s1, s2 = (np.asarray(e) for e in edges(part.model, part.theta))
    gain = np.asarray(places.s2_map) * np.exp(-np.asarray(places.drift_time) / selection.lifetime)
    relative = np.asarray(places.s1_map)
    low1 = max(s1[0] / relative.max(), selection.cs1[0])
    high1 = min(s1[-1] / relative.min(), selection.cs1[1])
    low2 = max(s2[0] / gain.max(), selection.cs2[0], 1.0)
    high2 = min(s2[-1] / gain.min(), selection.cs2[1])
    return np.linspace(low1, high1, n1 + 1), np.geomspace(low2, high2, n2 + 1)


def _quantiles(cells: np.ndarray, log_edges: np.ndarray) -> np.ndarray:
    """log cS2 at each of `LEVELS` in every cell of cS1, (Q, C), from cells (C, n2)."""
    share = np.cumsum(cells, axis=1) / np.maximum(cells.sum(axis=1, keepdims=True), 1e-300)
    share = np.pad(share, ((0, 0), (1, 0)))
    return np.array([[np.interp(level, row, log_edges) for row in share] for level in LEVELS])
