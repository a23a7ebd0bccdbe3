"""Templates as a HistFactory workspace, so that the binned road and pyhf can take them.

A channel per set of events, with bins that are cells of corrected S1 and S2, row by row (cS1
first); one or more samples per source, of the exact expected events (`template`). Of the parameters

    NAME_rate, without a measurement     normfactor of the samples of NAME
    any other, measured as m +- sigma    normsys and histosys of every sample that it moves
                                         (`variations`), from the templates at m - sigma and
                                         m + sigma; alpha = (theta - m)/sigma

so that the sums of expected events are exact where all alpha but one are 0 and that one is -1, 0
or 1, and so are most cells; between and beyond it is HistFactory's interpolation: where a width
moves a peak by much of its own width, alphas are not those of the events' fit, though rates agree.
What floats without a measurement and is no rate has no place in HistFactory and is refused.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neyman._jax import Array, jax
from neyman.likelihoods.xenon.bands import corrected, corrected_edges
from neyman.likelihoods.xenon.parts import Part, event_parts, parts_at
from neyman.likelihoods.xenon.template import corrected_template
from neyman.likelihoods.xenon.variations import varied
from neyman.model import Likelihood
from neyman.status import InputError

Grid = tuple[np.ndarray, np.ndarray]
"""Edges in cS1 and in cS2, PE."""
CELLS = (20, 20)


def workspace(
    like: Likelihood,
    *,
    cells: tuple[int, int] = CELLS,
    edges: tuple[Sequence[float], Sequence[float]] | None = None,
) -> dict[str, Any]:
    """A HistFactory workspace (pyhf's JSON schema 1.0.0) of a likelihood of xenon events.

    Args:
        like: of events; of several sets, each becomes a channel, and parameters are shared.
            Asimov data of the initial parameters become those of the workspace.
        cells: how many in cS1, equal in size, and in cS2, equal in its logarithm.
        edges: of the cells in PE instead, of cS1 and cS2, increasing; every event and all that
            is expected must lie between their ends to be counted.

    Raises:
        InputError: a likelihood that is not of events; a parameter that HistFactory cannot vary;
            an event outside the edges, or in a cell where nothing is expected.
    """
    p, model = like.parameters, like.model
    parts = event_parts(like)
    assert model is not None
    measured = _measured(like)
    sources = {name for part in parts for name in part.model.names}
    rates = [n for n in p.names if n not in measured and n.removesuffix("_rate") in sources]
    for item in p:
        if not (item.fixed or item.name in measured or item.name in rates):
            problem = "floats without a measurement, for which HistFactory has no shape"
            raise InputError(f"parameter '{item.name}'", problem, "measure it, or fix it")
    nominal = p.vector({n: m for n, (m, _) in measured.items()} | dict.fromkeys(rates, 1.0))
    grids = [corrected_edges(part, *cells) if edges is None else _checked(edges) for part in parts]
    names = ["events"] if len(parts) == 1 else [f"events_{i + 1}" for i in range(len(parts))]
    counts = [_counted(*of) if of[0].counted else None for of in zip(parts, grids, names)]

    def templates(theta: np.ndarray) -> list[np.ndarray]:
        found = zip(parts_at(like, theta), grids)
        return [np.maximum(_cells(part.model, part.theta, *grid), 0.0) for part, grid in found]

    expected = templates(nominal)
    initial = templates(p.init)
    moved = {
        name: [templates(_moved(nominal, p.index(name), s * sigma)) for s in (-1.0, 1.0)]
        for name, (_, sigma) in measured.items()
        if not p[name].fixed
    }
    channels, observations = [], []
    for i, (name, part) in enumerate(zip(names, parts)):
        shapes = {parameter: [side[i] for side in sides] for parameter, sides in moved.items()}
        samples = [
            sample
            for k, of in enumerate(part.model.names)
            for sample in _samples(of, k, expected[i], shapes, rates)
        ]
        channels.append({"name": name, "samples": samples})
        data = counts[i]
        if data is None:
            data = _asimov(part, initial[i].sum(axis=0), name)
        _check_expected(data, expected[i].sum(axis=0), name)
        observations.append({"name": name, "data": data.ravel().tolist()})
    known = [
        {"name": n, "inits": [p[n].init], "bounds": [list(p[n].bounds)], "fixed": p[n].fixed}
        for n in rates
    ]
    config = {"poi": model.poi or "", "parameters": known}
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "xenon", "config": config}],
        "version": "1.0.0",
    }


def _measured(like: Likelihood) -> dict[str, tuple[float, float]]:
    """The value and the width of each measured parameter."""
    assert like.model is not None and like.data is not None
    a = like.model.auxiliary
    index, width = np.asarray(a.parameter), np.asarray(a.scale)
    rows = zip(index.tolist(), np.asarray(like.data.auxiliary).tolist(), width.tolist())
    return {like.parameters.names[i]: (m, sigma) for i, m, sigma in rows}


def _moved(theta: np.ndarray, i: int, by: float) -> np.ndarray:
    moved = theta.copy()
    moved[i] += by
    return moved


@jax.jit
def _cells(model, theta: Array, cs1_edges: Array, cs2_edges: Array) -> Array:
    return corrected_template(model, theta, cs1_edges, cs2_edges)


def _samples(
    name: str,
    k: int,
    expected: np.ndarray,
    shapes: dict[str, list[np.ndarray]],
    rates: list[str],
) -> list[dict[str, Any]]:
    """The samples of source k, whose templates are row k of each (S, n1, n2)."""
    rate = [{"name": f"{name}_rate", "type": "normfactor", "data": None}]
    for parameter, sides in shapes.items():
        if not all(np.isfinite(side[k]).all() for side in sides):
            problem = "has no template one standard deviation from its measured value"
            raise InputError(f"parameter '{parameter}'", problem, "measure it more narrowly")
    flat = {n: (low[k].ravel(), high[k].ravel()) for n, (low, high) in shapes.items()}
    groups = varied(expected[k].ravel(), flat)
    return [
        {
            "name": name if len(groups) == 1 else f"{name}.{i + 1}",
            "data": group.nominal,
            "modifiers": (rate if f"{name}_rate" in rates else []) + group.modifiers,
        }
        for i, group in enumerate(groups)
    ]


def _counted(part: Part, grid: Grid, name: str) -> np.ndarray:
    """The events in the cells, (n1, n2)."""
    cs1, cs2 = (of[part.present] for of in corrected(part))
    inside = [(of >= e[0]) & (of <= e[-1]) for of, e in zip((cs1, cs2), grid)]
    outside = np.flatnonzero(~(inside[0] & inside[1]))
    if len(outside):
        first = f"the first at cS1 = {cs1[outside[0]]:.4g}, cS2 = {cs2[outside[0]]:.4g} PE"
        problem = f"{len(outside)} events lie outside the cells, {first}"
        raise InputError(f"channel '{name}'", problem, "give edges around them")
    return np.histogram2d(cs1, cs2, grid)[0]


def _check_expected(seen: np.ndarray, expected: np.ndarray, name: str) -> None:
    if np.any((seen > 0) & (expected <= 0)):
        i, j = np.argwhere((seen > 0) & (expected <= 0))[0]
        problem = f"an event in cell ({i}, {j}), where nothing is expected"
        raise InputError(f"channel '{name}'", problem, "give fewer cells")


def _asimov(part: Part, expected: np.ndarray, name: str) -> np.ndarray:
    """What is expected at the initial parameters, if the data are the Asimov data of those."""
    weight = float(np.sum(np.asarray(part.events.weight)))
    mu = float(np.sum(np.asarray(part.model.expected_events(part.theta))))
    if abs(weight - mu) > 1e-6 * mu:
        problem = f"has Asimov data of {weight:.6g} events, and {mu:.6g} are expected initially"
        raise InputError(f"channel '{name}'", problem, "observe counted events")
    return expected


def _checked(edges: tuple[Sequence[float], Sequence[float]]) -> Grid:
    first, second = (np.asarray(e, dtype=float) for e in edges)
    for name, of in (("cS1", first), ("cS2", second)):
        if of.ndim != 1 or len(of) < 2 or not np.all(np.diff(of) > 0) or not np.isfinite(of).all():
            raise InputError(f"edges of {name}", "do not increase", "give two numbers or more")
    return first, second
