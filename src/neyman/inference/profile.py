"""The profile likelihood mu -> max over nuisances of log L(mu, nuisances), remembered.

Each conditional fit starts from the nearest one known, moved along the tangent of the profile,

    d theta/d mu = -H_nn^-1 H_n,mu

so that it takes two or three Newton steps. The slope of the profile costs nothing: by the
envelope theorem d(-log L)/d mu is the mu-component of the gradient at the conditional fit.
"""

import numpy as np
import scipy.optimize

from neyman.inference.domain import domain_notes
from neyman.inference.fit import best, convergence_notes
from neyman.inference.newton import Minimum, solve_positive
from neyman.model import Likelihood
from neyman.status import Note, Status

MAX_DOUBLINGS = 40


def not_below_zero(difference: float) -> float:
    """`difference` without the rounding below 0; NaN stays NaN."""
    return 0.0 if difference < 0 else difference


class Profile:
    """The profile of -log L in one parameter of interest.

    Fits begin at `start` (P,) with the Hessian `near` (P, P), where one of a minimum nearby is
    known, which helps where Hessians are dear.
    """

    def __init__(
        self,
        like: Likelihood,
        poi: str,
        start: np.ndarray | None = None,
        near: np.ndarray | None = None,
    ):
        self.like = like
        self.poi = poi
        self.index = like.parameters.index(poi)
        self.start = like.parameters.init if start is None else start
        self.near = near
        self.free = ~like.parameters.fixed
        self.free[self.index] = False
        self._known: dict[float, Minimum] = {}
        self._best: Minimum | None = None

    @property
    def best(self) -> Minimum:
        """The unconditional minimum, the parameter of interest within its bounds."""
        if self._best is None:
            self._best = best(self.like, self.start, self.floating, self.near)
        return self._best

    @property
    def floating(self) -> np.ndarray:
        """The parameters that `best` fits, (P,): the free ones and the parameter of interest."""
        floating = self.free.copy()
        floating[self.index] = True
        return floating

    @property
    def best_value(self) -> float:
        """mu^"""
        return float(self.best.theta[self.index])

    @property
    def sigma(self) -> float:
        """A scale for mu: its error at the best fit, from the curvature of the profile."""
        found, i = self.best, self.index
        hessian = np.asarray(found.derivatives.hessian)
        tangent = self._tangent(found)
        curvature = hessian[i, i] + hessian[i] @ tangent
        if np.isfinite(curvature) and curvature > 0:
            return float(1.0 / np.sqrt(curvature))
        return max(1.0, abs(self.best_value))

    def at(self, mu: float) -> Minimum:
        """The conditional minimum at mu. One below the best fit shows that there are two minima:
        the best fit then starts anew from there."""
        if mu not in self._known:
            start = self._start(mu)
            start[self.index] = mu
            near = self.near if self._best is None else self._best.derivatives.hessian
            found = best(self.like, start, self.free, near)
            self._known[mu] = found
            if self._best is not None and found.value < self._best.value - 1e-6:
                anew = best(self.like, np.asarray(found.theta), self.floating)
                self._best = anew if anew.value < self._best.value else self._best
        return self._known[mu]

    def twice_delta(self, mu: float) -> float:
        """t_mu = -2 log L(mu, theta^^) + 2 log L(mu^, theta^), never below 0; NaN where log L is
        not finite."""
        return not_below_zero(2.0 * (self.at(mu).value - self.best.value))

    @property
    def known(self) -> tuple[float, ...]:
        """The mu of the conditional fits so far, in increasing order."""
        return tuple(sorted(self._known))

    def notes(self, largest: float = np.inf, smallest: float = -np.inf) -> tuple[Note, ...]:
        """The fits from mu = `smallest` to `largest` that failed, counted, of which the first is
        described; and those outside the domain of the likelihood."""
        known = {mu: found for mu, found in self._known.items() if smallest <= mu <= largest}
        fits = {f"{self.poi} = {mu:g}: ": found for mu, found in known.items()}
        if self._best is not None:
            fits = {"best fit: ": self._best} | fits
        thetas = np.reshape(
            [f.theta for f in fits.values()], (len(fits), len(self.like.parameters))
        )
        outside = domain_notes(self.like, thetas)
        failed = {w: f for w, f in fits.items() if int(f.status) != Status.FINE}
        if not failed:
            return outside
        what, found = next(iter(failed.items()))
        (note,) = convergence_notes(self.like, found, what)
        return (Note(note.status, f"{len(failed)} of {len(fits)} fits, {note.place}"), *outside)

    def _start(self, mu: float) -> np.ndarray:
        known = dict(self._known)
        if self._best is not None:
            known[self.best_value] = self._best
        if not known:
            return np.array(self.start, dtype=float)
        nearest = min(known, key=lambda m: abs(m - mu))
        p = self.like.parameters
        found = known[nearest]
        theta = np.array(found.theta)
        moved = theta + (mu - nearest) * self._tangent(found)
        return np.clip(moved, 0.9 * p.lower + 0.1 * theta, 0.9 * p.upper + 0.1 * theta)

    def _tangent(self, found: Minimum) -> np.ndarray:
        """d theta/d mu along the profile, 0 where parameters are held."""
        p, theta = self.like.parameters, np.asarray(found.theta)
        moves = self.free & (theta > p.lower) & (theta < p.upper)
        hessian = np.asarray(found.derivatives.hessian)
        block = np.where(moves[:, None] & moves[None, :], hessian, 0.0)
        block[np.diag_indices_from(block)] += ~moves
        tangent = solve_positive(block, -np.where(moves, hessian[self.index], 0.0))
        return np.where(np.isfinite(tangent), tangent, 0.0)


def profile_end(profile: Profile, threshold: float, side: float) -> tuple[float, tuple[Note, ...]]:
    """Where t_mu crosses the threshold below (-1) or above (+1) the best fit."""
    lower, upper = profile.like.parameters[profile.poi].bounds
    bound = lower if side < 0 else upper
    best = profile.best_value
    inner, distance = best, np.sqrt(threshold) * profile.sigma
    for _ in range(MAX_DOUBLINGS):
        outer = best + side * distance
        beyond = (outer - bound) * side >= 0
        outer = bound if beyond else outer
        if profile.twice_delta(outer) > threshold:
            root = scipy.optimize.brentq(
                lambda mu: profile.twice_delta(mu) - threshold, inner, outer, rtol=1e-9
            )
            return float(root), ()
        if beyond:
            return float(bound), (Note(Status.AT_BOUND, f"{profile.poi} = {bound:g}"),)
        inner, distance = outer, 2.0 * distance
    return side * np.inf, (Note(Status.NO_ROOT, f"{profile.poi}, up to {outer:.3g}"),)
