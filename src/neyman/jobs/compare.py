"""Two posteriors compared: differences within n sigma, two-sample tests of marginals, intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats

from neyman.inference.diagnostics import LEVELS, hpdi
from neyman.results import Samples

SIGMAS = (1, 2, 3, 4, 5)


def within_sigma(depth: np.ndarray, off: np.ndarray, f: int) -> dict[str, Any]:
    """Largest and mean |off| among the points with a `depth` below each quantile."""
    found = {}
    for n in SIGMAS:
        inside = depth <= scipy.stats.chi2.isf(2.0 * scipy.stats.norm.sf(n), f)
        size = np.abs(off[inside])
        found[str(n)] = {
            "points": int(inside.sum()),
            "max": float(size.max()) if len(size) else None,
            "mean": float(size.mean()) if len(size) else None,
        }
    return found


def marginals(ours: Samples, theirs: Samples) -> dict[str, Any]:
    """Two-sample tests of thinned draws, so that they count as independent."""
    values = {}
    for i, name in enumerate(ours.names):
        a, b = (_thinned(s, i) for s in (ours, theirs))
        values[name] = float(scipy.stats.ks_2samp(a, b).pvalue)
    least = min(float(np.min(s.ess)) for s in (ours, theirs))
    return _summary(values, least)


def marginals_weighted(ours: Samples, theta: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    """The same with weighted draws of the surrogate in place of the source's: theta (N, F) of the
    first of the `halves`, against the second. The statistic is that of weighted distribution
    functions; draws count as many as the effective ones of their half, the weighted ones by Kish's
    part of them."""
    values, numbers = {}, []
    part_kept = float(np.sum(weight) ** 2 / np.sum(weight**2)) / len(weight)
    _, rest = halves(ours.draws)
    for i, name in enumerate(ours.names):
        alone = min(0.5 * float(ours.ess[i]), float(len(rest)))
        effective = part_kept * min(float(len(theta)), alone)
        numbers.append(effective)
        order = np.argsort(theta[:, i])
        x, part = theta[order, i], np.cumsum(weight[order]) / np.sum(weight)
        other = np.searchsorted(np.sort(rest[:, i]), x, side="right") / len(rest)
        distance = float(np.max(np.abs(part - other)))
        n = effective * alone / (effective + alone)
        values[name] = float(scipy.stats.kstwobign.sf(distance * np.sqrt(n)))
    return _summary(values, min(numbers))


def halves(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws (C, D, F) in two sets (N, F) that share no chain; of a single one, no stretch. Draws
    that were made together stand together, so that evenly spaced rows are evenly spaced in time."""
    first, second = np.array_split(draws, 2, axis=0 if len(draws) > 1 else 1)
    f = draws.shape[-1]
    return np.swapaxes(first, 0, 1).reshape(-1, f), np.swapaxes(second, 0, 1).reshape(-1, f)


def _summary(values: dict[str, float], least: float) -> dict[str, Any]:
    smallest = min(values, key=values.__getitem__)
    together = 1.0 - (1.0 - values[smallest]) ** len(values)
    return {
        "p": values,
        "smallest": {"parameter": smallest, "p": values[smallest], "of_all": together},
        "effective_draws": least,
    }


def hpdi_errors(
    ours: Samples, reference: np.ndarray, weight: np.ndarray | None, pois: Sequence[str]
) -> dict[str, Any]:
    """Intervals of both for the parameters of interest, and by how much their ends differ."""
    flat = ours.draws.reshape(-1, len(ours.names))
    found = {}
    for poi in pois:
        i = ours.names.index(poi)
        sd = float(np.std(flat[:, i]))
        own = [hpdi(flat[:, i], level) for level in LEVELS]
        theirs = [hpdi(reference[:, i], level, weight) for level in LEVELS]
        off = np.abs(np.array(own) - np.array(theirs))
        found[poi] = {
            "levels": list(LEVELS),
            "exact": np.array(theirs).tolist(),
            "surrogate": np.array(own).tolist(),
            "largest_error": off.max(axis=1).tolist(),
            "in_sd": (off.max(axis=1) / sd).tolist(),
        }
    return found


def _thinned(samples: Samples, i: int) -> np.ndarray:
    x = samples.draws[..., i]
    step = max(1, int(np.ceil(x.size / max(samples.ess[i], 1.0))))
    return x[:, ::step].ravel()
