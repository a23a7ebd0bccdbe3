"""Variations of a template as HistFactory's modifiers, such that no yield falls below 0.

A histosys adds, so that a cell whose yield halves at one standard deviation is negative at two.
Cells are therefore divided into groups of similar variations, each a sample of its own. With
n_c(+-) the yields of the cells of a group at alpha = +-1, and n_c between them,

    normsys     kappa(+-) = sum_c n_c(+-) / sum_c (n_c + d_c(+-))        a factor: never negative
    histosys    d_c(+-) = n_c(+-)/kappa(+-) - n_c                        what is left

where the d_c of all parameters together are held below `LEFT` of n_c: the sum of a group is exact
at alpha = +-1, and so is each cell that is not held.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

SPREAD = 0.05
"""Of the logarithms of the variations in a group."""
MOST = 4
"""Groups of a source."""
LEFT = 0.5
TINY = 1e-9
"""Of a source's events: a cell with less is left as it is."""
MOVED = 1e-9
"""A parameter that moves no group by this part of the source's events does not vary it."""

Sides = tuple[np.ndarray, np.ndarray]
"""The yields of the cells at alpha = -1 and 1, (C,) each."""


class Group(NamedTuple):
    """Some cells of a source, and how they vary."""

    nominal: list[float]
    """(C,), 0 in cells of other groups."""
    modifiers: list[dict[str, Any]]


def varied(nominal: np.ndarray, sides: Mapping[str, Sides]) -> list[Group]:
    """The groups of a source with the yields `nominal` (C,), given its variations by parameter."""
    least = TINY * np.sum(nominal)
    seen = nominal > least
    if not sides or not seen.any():
        return [Group(nominal.tolist(), [])]
    logs = [
        np.log(np.maximum(side[seen], least) / nominal[seen]) for s in sides.values() for side in s
    ]
    of = np.zeros(len(nominal), dtype=int)
    of[seen] = _divided(np.reshape(logs, (len(logs), int(seen.sum()))).T, np.sqrt(nominal[seen]))
    groups = [np.flatnonzero(of == g) for g in range(of.max(initial=0) + 1)]
    return [_group(nominal, sides, cells, seen) for cells in groups]


def _divided(logs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A group for each row of `logs` (C, D): the one with the largest spread is cut at the mean of
    what varies most in it, until none is above `SPREAD`."""
    group = np.zeros(len(logs), dtype=int)
    for new in range(1, MOST):
        spread, means = _spreads(logs, weight, group, new)
        g, d = np.unravel_index(np.argmax(spread), spread.shape)
        if spread[g, d] <= SPREAD:
            break
        group[(group == g) & (logs[:, d] > means[g, d])] = new
    return group


def _spreads(
    logs: np.ndarray, weight: np.ndarray, group: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted standard deviations and means in each group, (G, D)."""
    member = np.eye(count)[group].T * weight
    share = member / np.sum(member, axis=1, keepdims=True)
    means = share @ logs
    return np.sqrt(np.maximum(share @ logs**2 - means**2, 0.0)), means


def _group(
    nominal: np.ndarray, sides: Mapping[str, Sides], cells: np.ndarray, seen: np.ndarray
) -> Group:
    n = nominal[cells]
    ends = np.array([[side[cells] for side in pair] for pair in sides.values()])
    ends = np.where(seen[cells], np.reshape(ends, (-1, 2, len(cells))), n)  # (K, 2, cells)
    factor = np.sum(ends, axis=2, keepdims=True) / np.sum(n)
    left = ends / factor - n
    all_left = np.sum(np.max(np.abs(left), axis=1), axis=0)
    left *= np.minimum(1.0, LEFT * n / np.maximum(all_left, 1e-300))
    factor = np.sum(ends, axis=2) / np.sum(n + left, axis=2)
    modifiers: list[dict[str, Any]] = []
    for name, moved, kappa, d in zip(sides, ends, factor, left):
        if np.max(np.abs(moved - n)) <= MOVED * np.sum(nominal):
            continue
        low, high = kappa.tolist()
        modifiers.append({"name": name, "type": "normsys", "data": {"lo": low, "hi": high}})
        if np.max(np.abs(d)) > MOVED * np.sum(nominal):
            data = {
                "lo_data": _placed(n + d[0], cells, nominal),
                "hi_data": _placed(n + d[1], cells, nominal),
            }
            modifiers.append({"name": name, "type": "histosys", "data": data})
    return Group(_placed(n, cells, nominal), modifiers)


def _placed(of: np.ndarray, cells: np.ndarray, like: np.ndarray) -> list[float]:
    placed = np.zeros_like(like)
    placed[cells] = of
    return placed.tolist()
