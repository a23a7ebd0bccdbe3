"""The Neyman construction with the likelihood-ratio ordering of Feldman and Cousins
(physics/9711021, section IV), from toys, nuisance parameters profiled.

    t(mu)  = -2 log L(mu, nu^^) + 2 log L(mu^, nu^),  mu^ within its bounds     1007.1727, eq. 8
    p(mu)  = P(t(mu) >= t_observed(mu) | mu, nu^^)
    mu belongs to the interval where p(mu) > 1 - level

nu^^ is the conditional fit of the observed data, at which main and auxiliary data are thrown
(the "profile construction": Cranmer, physics/0511028, section 3; Chuang and Lai, Statistica
Sinica 10, 1). mu^ itself has p = 1, so no interval is empty.

Each end is found in two rounds. The first walks outward from mu^, by half the distance to the
end that Wilks' theorem gives, until two values in a row are rejected; the outermost accepted
one counts, as in section IV A of the paper, and gaps inside are noted. The second narrows the
bracket. A tested value has as many toys as it needs to tell p from 1 - level, `toys` at most.
Where p is smooth the bracket narrows to values that all toys cannot tell, and a line through
log p there gives the end and its error; where p jumps, as with counts, it narrows to the jump.
"""

from typing import NamedTuple

import numpy as np

from neyman.inference.distribution import Distribution, PValue
from neyman.inference.profile import Profile
from neyman.inference.toy_construction import Construction
from neyman.inference.toy_test import CHUNK
from neyman.status import Note, Status

DECIDED = 3.5
"""Standard errors by which p must differ from 1 - level."""
NARROW = 1e-3
"""Of the distance from mu^ to the end: a bracket this narrow shows a jump of p."""
NEAR_BOUND = 1e-4
"""Of the distance from mu^ to a bound: there the bound is tested, at which L may be 0."""
UNDECIDED = 6
"""So many values that all toys cannot tell are enough for a line."""
MOST_STEPS = 40
MOST_STRIDES = 20


class End(NamedTuple):
    """One end of an interval, and its Monte Carlo error: NaN where there is none."""

    value: float
    error: float
    notes: tuple[Note, ...]


class EndSearch:
    """The search for the end of an interval below (side -1) or above (+1) the best fit."""

    def __init__(self, test: Construction, profile: Profile, side: float, alpha: float, toys: int):
        self.test, self.profile, self.side = test, profile, side
        self.alpha = alpha
        self.most = -(-toys // CHUNK)
        self.best = profile.best_value
        bounds = profile.like.parameters[profile.poi].bounds
        self.bound = bounds[0] if side < 0 else bounds[1]
        self.last = self.bound + NEAR_BOUND * (self.best - self.bound)
        self.known: dict[float, PValue] = {}

    def find(self, step: float) -> End:
        """The end, sought from the best fit in steps of `step`, which then grow."""
        reached = self.best if self.best == self.bound else self._walk(step)
        notes = self._gaps()
        name = self.profile.poi
        if any(np.isnan(p.value) for p in self.known.values()):
            note = Note(Status.NO_ROOT, f"{name} = {reached:.4g} has no p-value")
            return End(np.nan, np.nan, (*notes, note))
        if self._accepts(reached) and reached in (self.bound, self.last):
            note = Note(Status.AT_BOUND, f"{name} = {self.bound:g}")
            return End(float(self.bound), np.nan, (*notes, note))
        if self._accepts(reached):
            note = Note(Status.NO_ROOT, f"{name}, up to {reached:.3g}")
            return End(self.side * np.inf, np.nan, (*notes, note))
        return self._narrowed(notes)

    def _walk(self, step: float) -> float:
        """Test outward until two values in a row are rejected; the last value tested."""
        mu, rejected = self.best, 0
        for k in range(MOST_STRIDES):
            mu = mu + self.side * step
            mu = self.last if (mu - self.last) * self.side >= 0 else mu
            self._test(mu)
            rejected = 0 if self._accepts(mu) else rejected + 1
            if rejected == 2 or mu == self.last or np.isnan(self.known[mu].value):
                break
            step *= 1.0 if k < 3 else 2.0
        return mu

    def _gaps(self) -> tuple[Note, ...]:
        """What is rejected nearer to the best fit than something accepted."""
        reach = max((self._distance(mu) for mu in self.known if self._accepts(mu)), default=0.0)
        gaps = [
            mu
            for mu in self.known
            if self._distance(mu) < reach and self._decided(mu) and not self._accepts(mu)
        ]
        name = self.profile.poi
        return tuple(Note(Status.DISCONNECTED, f"{name} = {mu:.4g} is rejected") for mu in gaps)

    def _narrowed(self, notes: tuple[Note, ...]) -> End:
        for step in range(MOST_STEPS):
            inner, outer, between = self._bracket()
            width = abs(outer - inner)
            if width < NARROW * self._distance(outer) or len(between) >= UNDECIDED:
                break
            self._test(self._next(inner, outer, between, step))
        inner, outer, between = self._bracket()
        if len(between) < UNDECIDED:
            return End(0.5 * (inner + outer), abs(outer - inner) / np.sqrt(12.0), notes)
        return End(*self._line(inner, outer, between), notes)

    def _bracket(self) -> tuple[float, float, list[float]]:
        """The outermost value that is surely accepted, the next one surely rejected, and those
        between, which cannot be told. A value all of whose toys failed tells nothing."""
        fine = [mu for mu, p in self.known.items() if not np.isnan(p.value)]
        tested = sorted(fine, key=self._distance)
        inside = [mu for mu in tested if self._accepts(mu) and self._decided(mu)]
        inner = max([self.best, *inside], key=self._distance)
        beyond = [mu for mu in tested if self._distance(mu) > self._distance(inner)]
        surely = [mu for mu in beyond if self._decided(mu)]
        outer = surely[0] if surely else beyond[-1]
        between = [mu for mu in beyond if self._distance(mu) < self._distance(outer)]
        return inner, outer, between

    def _next(self, inner: float, outer: float, between: list[float], step: int) -> float:
        """Where log p crosses by interpolation; then the middle of the widest gap."""
        if between:
            edges = np.array([inner, *between, outer])
            widest = int(np.argmax(np.abs(np.diff(edges))))
            return float(0.5 * (edges[widest] + edges[widest + 1]))
        at = [1.0 if mu == self.best else self.known[mu].value for mu in (inner, outer)]
        a, r = np.log(np.maximum(at, 1e-4) / self.alpha)
        part = 0.5 if step % 3 == 2 else float(np.clip(a / (a - r), 0.1, 0.9))
        return inner + part * (outer - inner)

    def _line(self, inner: float, outer: float, between: list[float]) -> tuple[float, float]:
        """The root of a line through log p, weighted, and its error; within the bracket.

        Values far from 1 - level count less, for no line is true there; points that scatter
        more than their errors make the error larger, as do those that do not fall.
        """
        mus = np.array([mu for mu in (inner, *between, outer) if mu != self.best])
        p = [self.known[mu] for mu in mus]
        toys = np.array([q.toys for q in p])
        value = np.maximum([q.value for q in p], 0.5 / toys)
        y = np.log(value / self.alpha)
        sigma = np.hypot(np.maximum([q.error for q in p], 1.0 / toys) / value, 0.5 * np.abs(y))
        centre, scale = 0.5 * (inner + outer), abs(outer - inner)
        design = np.vander((mus - centre) / scale, 2) / sigma[:, None]
        covariance = np.linalg.pinv(design.T @ design)
        slope, level = covariance @ design.T @ (y / sigma)
        scatter = np.sum((design @ [slope, level] - y / sigma) ** 2) / (len(mus) - 2)
        widest = scale / np.sqrt(12.0)
        if slope * self.side >= 0:
            return centre, widest
        x = -level / slope
        gradient = np.array([x, 1.0])
        error = scale * np.sqrt(max(scatter, 1.0) * (gradient @ covariance @ gradient)) / abs(slope)
        return float(centre + scale * np.clip(x, -0.5, 0.5)), float(min(error, widest))

    def _test(self, mu: float) -> None:
        """Throw toys at mu until p is told from alpha, or there are enough."""
        observed, theta = self.profile.twice_delta(mu), np.asarray(self.profile.at(mu).theta)
        if not np.isfinite(observed):
            self.known[mu] = PValue(np.nan, np.nan, 0, 0)
            return
        stream, found, thrown = self.test.new_stream(), Distribution(), 0
        while thrown < self.most:
            more = min(max(1, thrown), self.most - thrown)
            self.test.throw(found, theta, stream, thrown * CHUNK, more)
            thrown += more
            self.known[mu] = found.p_value(observed)
            if self._decided(mu):
                break

    def _decided(self, mu: float) -> bool:
        p = self.known[mu]
        return not abs(p.value - self.alpha) < DECIDED * max(p.error, 1.0 / max(p.toys, 1))

    def _accepts(self, mu: float) -> bool:
        return mu == self.best or self.known[mu].value > self.alpha

    def _distance(self, mu: float) -> float:
        return abs(mu - self.best)
