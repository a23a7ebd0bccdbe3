"""The profile likelihood of two parameters of interest,

    t(a, b) = -2 log L(a, b, nu^^) + 2 log L(a^, b^, nu^),

its conditional fits remembered; each starts from the nearest one known."""

import numpy as np

from neyman.inference.domain import domain_notes
from neyman.inference.fit import best, convergence_notes
from neyman.inference.newton import Minimum
from neyman.inference.profile import not_below_zero
from neyman.model import Likelihood
from neyman.status import Note, Status

Point = tuple[float, float]


class Surface:
    """The profile of -log L in two parameters of interest."""

    def __init__(self, like: Likelihood, names: tuple[str, str]):
        self.like, self.names = like, names
        p = like.parameters
        self.index = [p.index(name) for name in names]
        self.floating = ~p.fixed
        self.floating[self.index] = True
        self.free = self.floating.copy()
        self.free[self.index] = False
        self.best = best(like, p.init, self.floating)
        self.scale = self._scale()
        self._known: dict[Point, Minimum] = {}

    @property
    def best_point(self) -> Point:
        a, b = np.asarray(self.best.theta)[self.index]
        return float(a), float(b)

    def _scale(self) -> np.ndarray:
        """Lengths that make both parameters comparable, (2,)."""
        curvature = np.diagonal(np.asarray(self.best.derivatives.hessian, dtype=float))[self.index]
        usable = np.isfinite(curvature) & (curvature > 0)
        return np.where(usable, 1.0 / np.sqrt(np.where(usable, curvature, 1.0)), 1.0)

    def at(self, point: Point) -> Minimum:
        """The conditional minimum. One below the best fit starts that anew from there."""
        if point not in self._known:
            nearest = self.best
            if self._known:
                distance = (np.array(list(self._known)) - point) / self.scale
                nearest = list(self._known.values())[int(np.argmin(np.sum(distance**2, axis=1)))]
            start = np.array(nearest.theta, dtype=float)
            start[self.index] = point
            found = best(self.like, start, self.free)
            self._known[point] = found
            if found.value < self.best.value - 1e-6:
                anew = best(self.like, np.asarray(found.theta), self.floating)
                self.best = anew if anew.value < self.best.value else self.best
        return self._known[point]

    def t(self, point: Point) -> float:
        """Never below 0; NaN where log L is not finite."""
        return not_below_zero(2.0 * (self.at(point).value - self.best.value))

    def notes(self, largest: float = np.inf) -> tuple[Note, ...]:
        """The fits that failed, counted, of which the first is described; and those with t up to
        `largest` that are outside the domain of the likelihood."""
        near = [found for p, found in self._known.items() if self.t(p) <= largest]
        thetas = np.array([found.theta for found in [self.best, *near]])
        outside = domain_notes(self.like, thetas)
        fits = {f"{p[0]:g}, {p[1]:g}: ": found for p, found in self._known.items()}
        fits = {"best fit: ": self.best} | fits
        failed = {w: f for w, f in fits.items() if int(f.status) != Status.FINE}
        if not failed:
            return outside
        what, found = next(iter(failed.items()))
        (note,) = convergence_notes(self.like, found, what)
        return (Note(note.status, f"{len(failed)} of {len(fits)} fits, {note.place}"), *outside)
