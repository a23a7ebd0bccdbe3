"""Principal components of a calibration: few combined parameters instead of many.

A calibration has fitted parameters eta, (n,), with the covariance V; a search shares them. With
u the widths of their constraints (the error in the calibration where there is none, so that the
choice of units decides nothing),

    V = D C D,   D = diag(u),   C = U diag(lambda) U^T,   eta = eta^ + D U diag(sqrt(lambda)) z

and z ~ N(0, 1) is what the calibration knows, without correlation. In the search likelihood, eta
is replaced by z: its own auxiliary measurements of eta, which the calibration used already, give
way to the measurements 0 +- 1 of each z_j. Components that do not float are held at z_j = 0, the
calibration's best fit.

With H the Hessian of -log L of the search at its best fit, all z floating, and psi its other
parameters, of which mu is the one of interest,

    impact_j = d mu^/d z_j = -(H_psi,psi^-1 H_psi,z)_mu,j
    error(mu; K)^2 = [(H over psi and the z_j of K)^-1]_mu,mu

so that error(mu; all)^2 = error(mu; none)^2 + sum_j impact_j^2 where the search itself learns
nothing on z: dropping the components of least impact then loses least. What is lost by
approximating the calibration's likelihood as Gaussian is not in these numbers: a fit of
`calibration + search` tells.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from neyman._jax import jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.inference.asymptotics import parameter_of_interest, throws_toys
from neyman.inference.covariance import covariance_of
from neyman.inference.fit import best, constraints, convergence_notes, listed, model_notes
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.model import Data, Likelihood, ObservedLikelihood
from neyman.parameters import Parameter, Parameters, unknown_name
from neyman.reparametrised import Reparametrised
from neyman.results import Fit, Reduction
from neyman.status import InputError, Note, Status

RANKINGS = ("impact", "variance")
REACH = 8.0
"""Bounds of a component, in its standard deviations."""
SAME = 1e-6
"""Relative difference up to which two measurements are one."""


class Reduced(NamedTuple):
    """A likelihood of fewer parameters, and what it loses."""

    likelihood: ObservedLikelihood
    """Of the parameters that were not combined and of pc1 ... pck."""
    reduction: Reduction


@one_thread
def reduce(
    like: Likelihood, fit: Fit, k: int, *, poi: str | None = None, by: str = "impact"
) -> Reduced:
    """`like` with the parameters that `fit` has calibrated combined into k components.

    Combined are the parameters that both have, that float in `like`, are not `poi` and have an
    error in `fit`. All others stay as they are. The components are ranked by their impact on the
    parameter of interest in `like` at its data, for which it is fitted once with all of them.

    Args:
        like: the search; any likelihood that has a model.
        fit: of the calibration, whose data are not in `like`.
        k: how many components float, 0 to n.
        poi: the parameter of interest; the model's own by default.
        by: "impact", or "variance" in the calibration.

    Returns:
        the likelihood of the k components, which is fitted, thrown and sampled as any other, and
        a `Reduction`: the components, and the errors of the poi with 0 to n of them.
        `reparametrise(other, reduction)` does the same to other data.

    Raises:
        InputError: nothing is shared; a k out of range; a parameter that `like` measures in
            another way than `fit` does, or that only `like` measures; a fit of `like` itself.
    """
    if by not in RANKINGS:
        raise unknown_name(by, RANKINGS, "by")
    name = poi or like.poi
    if name is not None or by == "impact":
        name = parameter_of_interest(like, poi)
    names, notes = _combined(like, fit, name)
    notes = model_notes(like) + notes
    if not 0 <= k <= len(names):
        problem = f"is {k} of {len(names)} components"
        raise InputError("k", problem, f"give 0 to {len(names)}")
    found = dataclasses.replace(_principal(like, fit, names, name, by), notes=notes)
    if name is not None:
        found = _ranked(like, found, notes)
    found = dataclasses.replace(found, k=k)
    return Reduced(reparametrise(like, found), found)


def reparametrise(like: Likelihood, reduction: Reduction) -> ObservedLikelihood:
    """`like` with the first k components of `reduction` in place of the parameters combined.

    Raises:
        InputError: a parameter that `like` lacks, holds fixed, measures otherwise than the
            calibration did or has the name of a component; a likelihood without a model.
    """
    model = throws_toys(like)
    data = like.data
    assert data is not None
    _check_measurements(like, reduction)
    old, n = model.parameters, reduction.k
    rows = np.array([old.index(name) for name in reduction.names], dtype=int)
    kept = np.array([i for i in range(len(old)) if i not in set(rows.tolist())], dtype=int)
    labels = [f"pc{j + 1}" for j in range(n)]
    parameters = Parameters(
        (
            *(old.items[i] for i in kept),
            *(Parameter(label, 0.0, (-REACH, REACH)) for label in labels),
        )
    )
    matrix = np.zeros((len(old), len(parameters)))
    matrix[kept, np.arange(len(kept))] = 1.0
    matrix[rows, len(kept) :] = reduction.matrix()
    offset = np.zeros(len(old))
    lower, upper = np.full(len(old), -np.inf), np.full(len(old), np.inf)
    offset[rows], lower[rows], upper[rows] = reduction.best, old.lower[rows], old.upper[rows]
    auxiliary, left = _measurements(model.auxiliary, kept, parameters, labels)
    measured = np.append(np.asarray(data.auxiliary)[left], np.zeros(n))
    made = Reparametrised(
        inner=model,
        matrix=matrix,
        offset=offset,
        lower=lower,
        upper=upper,
        auxiliary=auxiliary,
        parameters=parameters,
        poi=model.poi if model.poi in parameters else None,
        notes=model.notes,
        digest=model.digest,
    )
    reduced = made.observe(Data(data.main, measured))
    eager = isinstance(data.auxiliary, np.ndarray)
    return reduced if eager else jax.tree.map(jnp.asarray, reduced)


def _measurements(
    inner: Auxiliary, kept: np.ndarray, parameters: Parameters, labels: list[str]
) -> tuple[Auxiliary, np.ndarray]:
    """The measurements of what is kept, and 0 +- 1 of each component; which ones were left."""
    of = np.asarray(inner.parameter)
    left = np.flatnonzero(np.isin(of, kept))
    place = {int(old): new for new, old in enumerate(kept)}
    ones = [1.0] * len(labels)
    made = Auxiliary.of(
        parameters,
        [parameters.names[place[int(i)]] for i in of[left]] + labels,
        [*np.asarray(inner.poisson)[left].tolist(), *[False] * len(labels)],
        [*np.asarray(inner.scale)[left].tolist(), *ones],
        [*(inner.names[i] for i in left), *labels],
    )
    return made, left


def _combined(
    like: Likelihood, fit: Fit, poi: str | None
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """The names of the parameters to combine, and a note on those that cannot be."""
    p = like.parameters
    if p.names == fit.names and _inputs(fit.provenance) == _inputs(provenance_of(like)):
        problem = "is of this very likelihood, whose data would count twice"
        raise InputError("fit", problem, "give the fit of a calibration, and the search without it")
    shared = [n for n in p.names if n in fit.names and n != poi and not p[n].fixed]
    names = tuple(n for n in shared if np.isfinite(fit[n].error))
    if not names:
        problem = "shares no parameter that has an error in it with the likelihood"
        raise InputError("fit", problem, f"it has {listed(list(fit.names))}")
    others = [n for n in shared if n not in names]
    place = f"not combined, without an error in the calibration: {listed(others)}"
    return names, (Note(Status.SUSPICIOUS_INPUT, place),) if others else ()


def _inputs(provenance: dict[str, Any]) -> dict[str, str]:
    """The digests of model and data."""
    inputs = provenance.get("inputs", {})
    return {key: inputs.get(key, "") for key in ("model", "data")}


def _check_measurements(like: Likelihood, reduction: Reduction) -> None:
    """What `like` measures of the parameters combined, the calibration must have measured."""
    value, width = constraints(like)
    for i, name in enumerate(reduction.names):
        j = like.parameters.index(name)
        if like.parameters[name].fixed:
            raise InputError(f"parameter '{name}'", "is fixed", "free it, or reduce without it")
        here = np.array([value[j], width[j]])
        there = np.array([reduction.measured[i], reduction.constrained[i]])
        same = np.allclose(here, there, rtol=SAME, atol=SAME * np.nan_to_num(width[j]))
        if np.isfinite(width[j]) and not same:
            had = f"as {there[0]:g} +- {there[1]:g}" if np.isfinite(there[1]) else "not at all"
            problem = f"measured as {here[0]:g} +- {here[1]:g}, in the calibration {had}"
            remedy = "measure it alike in both, so that it counts once"
            raise InputError(f"parameter '{name}'", problem, remedy)


def _principal(
    like: Likelihood, fit: Fit, names: tuple[str, ...], poi: str | None, by: str
) -> Reduction:
    """All components, by variance."""
    i = np.array([fit.names.index(name) for name in names], dtype=int)
    units = np.where(np.isfinite(fit.constrained[i]), fit.constrained[i], fit.errors[i])
    variances, vectors = np.linalg.eigh(fit.covariance[np.ix_(i, i)] / np.outer(units, units))
    vectors = vectors[:, ::-1].T
    largest = np.argmax(np.abs(vectors), axis=1)
    vectors = vectors * np.sign(vectors[np.arange(len(i)), largest])[:, None]
    made = provenance_of(like)
    calibration = fit.provenance.get("inputs", {})
    made["inputs"] |= {f"calibration {name}": value for name, value in calibration.items()}
    return Reduction(
        poi=poi,
        by=by,
        k=len(i),
        names=names,
        best=fit.values[i],
        units=units,
        measured=fit.measured[i],
        constrained=fit.constrained[i],
        components=vectors,
        variances=np.maximum(variances[::-1], 0.0),
        impacts=np.full(len(i), np.nan),
        poi_errors=np.full(len(i) + 1, np.nan),
        provenance=made,
    )


def _ranked(like: Likelihood, every: Reduction, notes: tuple[Note, ...]) -> Reduction:
    """Impacts and errors of the poi, from the Hessian with all components floating."""
    full = reparametrise(like, every)
    p = full.parameters
    found = best(full, p.init, ~p.fixed)
    notes += convergence_notes(full, found, "the search with all components, ")
    theta, hessian = np.asarray(found.theta), np.asarray(found.derivatives.hessian)
    mu, n = p.index(str(every.poi)), len(every.names)
    others = ~p.fixed & (theta > p.lower) & (theta < p.upper)
    others[mu] = True
    others[-n:] = False
    inverse, _ = covariance_of(hessian, others)
    if np.isfinite(inverse[mu, mu]):
        impacts = -np.nan_to_num(inverse[mu]) @ hessian[:, -n:]
    else:
        impacts = np.full(n, np.nan)
        notes += (Note(Status.FLAT_DIRECTION, f"{every.poi}, so components are by variance"),)
    size = np.nan_to_num(np.abs(impacts)) if every.by == "impact" else every.variances
    order = np.argsort(-size, kind="stable")
    variance = []
    for k in range(n + 1):
        floats = others.copy()
        floats[len(p) - n + order[:k]] = True
        variance.append(covariance_of(hessian, floats)[0][mu, mu])
    return dataclasses.replace(
        every,
        components=every.components[order],
        variances=every.variances[order],
        impacts=impacts[order],
        poi_errors=np.sqrt(variance),
        notes=notes,
    )
