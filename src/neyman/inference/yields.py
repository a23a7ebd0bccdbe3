"""Yields before and after the fit, with the uncertainty of their total.

With nu(theta) the total of each bin, J = d nu/d theta, sigma the widths of the auxiliary
measurements and C the covariance of the fit,

    prefit error^2 = sum_j J_bj(theta_0)^2 sigma_j^2,      postfit error^2 = (J C J^T)_bb at theta^

A model has yields if it offers, besides `expected_counts`,

    yields(theta) -> (B, K)    per bin, the samples in the order of the slots
    layout                     `channels`: (name, bins) pairs; `samples`: names per channel

which is optional: a model that counts events without naming samples leaves them out.
"""

from typing import Any

import numpy as np

from neyman._jax import jax
from neyman.inference.fit import fit as maximise
from neyman.inference.provenance import provenance_of
from neyman.model import Likelihood, Model
from neyman.results import Fit, Yields
from neyman.status import InputError, Note, Status

STEP = 1e-3
"""Of the central differences, in units of each parameter's error."""


def yields(like: Likelihood, fit: Fit | None = None) -> Yields:
    """Expected events per channel, bin and sample, before and after the fit, and the data.

    Args:
        like: a likelihood whose model has yields (see above).
        fit: a fit of this likelihood, or of a sum with it; made here by default.

    Returns:
        A `Yields`. Parameters without an error in the fit do not contribute to `postfit_error`;
        the notes of the fit tell which they are.

    Raises:
        InputError: the model has no yields, or `fit` lacks one of its parameters.
    """
    model, data = _with_yields(like)
    fit = maximise(like) if fit is None else fit
    p = like.parameters
    missing = [name for name in p.names if name not in fit.names]
    if missing:
        raise InputError("fit", f"has no parameter '{missing[0]}'", "fit this likelihood, or a sum")
    place = np.array([fit.names.index(name) for name in p.names], dtype=int)
    width = np.where(p.fixed, 0.0, np.nan_to_num(fit.constrained[place], nan=0.0))
    covariance = np.nan_to_num(fit.covariance[np.ix_(place, place)], nan=0.0)
    before, after = p.init, fit.values[place]

    samples, prefit = by_sample(model, before)
    postfit = by_sample(model, after)[1]
    J0, J = jacobian(model, before, width), jacobian(model, after, np.sqrt(np.diag(covariance)))
    notes = fit.notes
    if min(prefit.min(initial=0.0), postfit.min(initial=0.0)) < 0:
        negative = np.any((prefit < 0) | (postfit < 0), axis=0)
        names = [s for s, flag in zip(samples, negative) if flag]
        notes += (Note(Status.NEGATIVE_YIELD, f"samples {', '.join(names[:8])}, not clipped"),)
    return Yields(
        channels=tuple(name for name, _ in model.layout.channels),
        bins=tuple(int(n) for _, n in model.layout.channels),
        samples=samples,
        data=data,
        prefit=prefit,
        prefit_total=np.asarray(model.expected_counts(before)),
        prefit_error=np.sqrt(np.sum((J0 * width) ** 2, axis=1)),
        postfit=postfit,
        postfit_total=np.asarray(model.expected_counts(after)),
        postfit_error=np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", J, covariance, J), 0.0)),
        notes=notes,
        provenance=provenance_of(like),
    )


def by_sample(model: Any, theta: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The samples of all channels, in the order met, and their yields (B, S)."""
    layout = model.layout
    samples = tuple(dict.fromkeys(name for names in layout.samples for name in names))
    slots = np.asarray(model.yields(theta))
    table = np.zeros((len(slots), len(samples)))
    first = 0
    for (_, bins), names in zip(layout.channels, layout.samples):
        rows = slice(first, first + bins)
        table[rows, [samples.index(name) for name in names]] = slots[rows, : len(names)]
        first += bins
    return samples, table


def jacobian(model: Model, theta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """d nu/d theta (B, P) by central differences; 0 where `scale` (P,) is 0."""
    columns = np.zeros((len(theta), len(np.asarray(model.expected_counts(theta)))))
    for j in np.flatnonzero(scale > 0):
        ends = []
        for side in (1.0, -1.0):
            moved = theta.copy()
            moved[j] += side * STEP * scale[j]
            ends.append(np.asarray(model.expected_counts(moved)))
        columns[j] = (ends[0] - ends[1]) / (2.0 * STEP * scale[j])
    return columns.T


def _with_yields(like: Likelihood) -> tuple[Any, np.ndarray]:
    """The model, in NumPy arrays, and the counts."""
    if like.model is None or like.data is None:
        raise InputError("likelihood", "has no model, so it has no yields", "use its model's")
    if not (hasattr(like.model, "yields") and hasattr(like.model, "layout")):
        raise InputError(
            f"model {type(like.model).__name__}",
            "has no yields by channel and sample",
            "of a sum, take the yields of each part with fit= the fit of the sum",
        )
    return jax.tree.map(np.asarray, like.model), np.asarray(like.data.main, dtype=float)
