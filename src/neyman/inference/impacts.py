"""Pulls and impacts: which nuisance parameters move the parameter of interest, and how far.

For a nuisance parameter theta with the auxiliary measurement m of width sigma,

    pull = (theta^ - m)/sigma,    constraint = error(theta^)/sigma,
    impact(+-delta) = mu^^(theta^ +- delta) - mu^

where mu^^ maximises the likelihood with theta held. With delta the error of theta^ the impact is
post-fit, with delta = sigma pre-fit (arXiv:1207.7214, section 9; arXiv:1908.09718, section 6).
In the Gaussian limit the post-fit impact is cov(mu, theta)/error(theta).

Each refit starts from the best fit moved along the tangent of the profile, which the covariance
gives: d theta_i/d theta_j = C_ij/C_jj. What the refit adds to this is even in delta to leading
order, so the refits after a parameter's first also start with that curvature.
"""

from collections.abc import Sequence

import numpy as np

from neyman.inference.asymptotics import parameter_of_interest
from neyman.inference.fit import as_fit, best, listed
from neyman.inference.newton import Minimum
from neyman.inference.provenance import provenance_of
from neyman.inference.threads import one_thread
from neyman.model import Likelihood
from neyman.results import Fit, Impacts
from neyman.status import InputError, Note, Status

SHIFTS = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")


@one_thread
def impacts(
    like: Likelihood, poi: str | None = None, *, parameters: Sequence[str] | None = None
) -> Impacts:
    """The pull, the constraint and the impacts on `poi` of nuisance parameters.

    Args:
        like: any likelihood; without a model nothing is known of constraints, and pulls and
            pre-fit impacts are NaN.
        poi: the parameter of interest; the model's own by default.
        parameters: which nuisance parameters; all by default.

    Returns:
        An `Impacts`, ranked by the larger post-fit impact. Parameters that are fixed, flat or at
        a bound have no error and are left out; a note counts them. A refit that failed is NaN.

    Raises:
        InputError: an unknown parameter, or the parameter of interest among `parameters`.
    """
    name = parameter_of_interest(like, poi)
    p = like.parameters
    chosen = [n for n in p.names if n != name] if parameters is None else list(parameters)
    asked = np.array([p.index(n) for n in chosen], dtype=int)
    target = p.index(name)
    if target in asked:
        raise InputError(f"parameter '{name}'", "is the one of interest", "name nuisances only")

    free = ~p.fixed
    found = best(like, p.init, free)
    fit = as_fit(like, found, free)
    moved = asked[np.isfinite(fit.errors[asked])]
    refits = Refits(like, target, found, fit, free)
    shifts = np.array([refits.around(int(j)) for j in moved]).reshape(-1, len(SHIFTS), len(p))
    impact = shifts[:, :, target] - fit.values[target]
    size = np.nanmax(np.abs(impact[:, :2]), axis=1, initial=-1.0)
    order = np.argsort(-size, kind="stable")
    rank = moved[order]
    return Impacts(
        poi=name,
        best=float(fit.values[target]),
        error=float(fit.errors[target]),
        names=tuple(p.names[j] for j in rank),
        values=fit.values[rank],
        errors=fit.errors[rank],
        pulls=(fit.values[rank] - fit.measured[rank]) / fit.constrained[rank],
        constraints=fit.errors[rank] / fit.constrained[rank],
        **{shift: impact[order, k] for k, shift in enumerate(SHIFTS)},
        notes=fit.notes + _left_out(like, fit, asked) + refits.notes(),
        provenance=provenance_of(like),
    )


class Refits:
    """Fits around a best fit with one parameter held, and how many of them failed."""

    def __init__(self, like: Likelihood, poi: int, found: Minimum, fit: Fit, free: np.ndarray):
        self.like, self.poi, self.fit, self.free = like, poi, fit, free
        self.best = np.array(found.theta)
        self.covariance = np.nan_to_num(fit.covariance, nan=0.0)
        self.made = self.bounded = 0
        self.failed: list[tuple[Status, str]] = []
        self.clipped: set[str] = set()

    def around(self, j: int) -> np.ndarray:
        """theta^^ at each of `SHIFTS` of parameter j, (4, P); NaN where there is none."""
        curvature = np.zeros_like(self.best)
        rows = []
        for delta in (self.fit.errors[j], self.fit.constrained[j]):
            for side in (1.0, -1.0):
                if not np.isfinite(delta):
                    rows.append(np.full_like(self.best, np.nan))
                    continue
                theta, linear, step = self._at(j, side * delta, curvature)
                rows.append(theta)
                if np.all(np.isfinite(theta)) and step != 0:
                    curvature = (theta - linear) / step**2
        return np.array(rows)

    def _at(self, j: int, delta: float, curvature: np.ndarray) -> tuple:
        """theta^^ with parameter j moved by delta, the tangent's guess, and the move made."""
        p = self.like.parameters
        value = float(np.clip(self.best[j] + delta, p.lower[j], p.upper[j]))
        step = value - self.best[j]
        if not np.isclose(step, delta, rtol=1e-9, atol=0.0):
            self.clipped.add(p.names[j])
        linear = self.best + step * self.covariance[:, j] / self.covariance[j, j]
        near = self.best + 0.9 * (p.lower - self.best), self.best + 0.9 * (p.upper - self.best)
        start = np.clip(linear + step**2 * curvature, *near)
        start[j] = value
        free = self.free.copy()
        free[j] = False
        refit = best(self.like, start, free)
        self.made += 1
        status = Status(int(refit.status))
        if status.failed:
            self.failed.append((status, f"{p.names[j]} = {value:.4g}"))
            return np.full_like(self.best, np.nan), linear, step
        theta = np.asarray(refit.theta)
        self.bounded += bool(not p.lower[self.poi] < theta[self.poi] < p.upper[self.poi])
        return theta, linear, step

    def notes(self) -> tuple[Note, ...]:
        notes: tuple[Note, ...] = ()
        if self.failed:
            worst = max(status for status, _ in self.failed)
            places = listed([place for _, place in self.failed])
            notes += (Note(worst, f"{len(self.failed)} of {self.made} refits, {places}"),)
        if self.bounded:
            poi = self.like.parameters.names[self.poi]
            place = f"{poi} in {self.bounded} of {self.made} refits, whose impacts end there"
            notes += (Note(Status.AT_BOUND, place),)
        if self.clipped:
            names = listed(sorted(self.clipped))
            notes += (Note(Status.AT_BOUND, f"{len(self.clipped)} moved to a bound only: {names}"),)
        return notes


def _left_out(like: Likelihood, fit: Fit, asked: np.ndarray) -> tuple[Note, ...]:
    """The parameters asked for that have no error, counted by the reason."""
    p = like.parameters
    at_bound = (fit.values <= p.lower) | (fit.values >= p.upper)
    without = ~np.isfinite(fit.errors)
    reasons = (
        (Status.FINE, "fixed", p.fixed),
        (Status.AT_BOUND, "at a bound", without & at_bound & ~p.fixed),
        (Status.FLAT_DIRECTION, "without an error", without & ~at_bound & ~p.fixed),
    )
    found = [(s, what, [p.names[j] for j in asked if flags[j]]) for s, what, flags in reasons]
    return tuple(
        Note(status, f"{len(names)} nuisance parameters {what} left out ({listed(names)})")
        for status, what, names in found
        if names
    )
