"""CLs from toys: the distributions of the statistic themselves, no asymptotic formula.

    CLs+b(mu) = P(q_mu >= observed | mu),    CLb(mu) = P(q_mu >= observed | 0)

with nuisance parameters at their conditional fits to the observed data, as in pyhf. Data at
N sigma of the background-only distribution have the quantile Phi(-N) of its q_mu from above.

Toys of the background are thrown once and tested at every mu (their stream is 0); toys of
mu are a stream of their own. A limit is found in two rounds: few toys over a wide range, then
all of them at the six estimated roots, where a parabola in log CLs, weighted by the Monte
Carlo errors of the points near the level, gives the root and its error.
"""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from neyman._jax import jax
from neyman.execute import Failed, Processes, execute, progress_bar
from neyman.inference.asymptotics import AsymptoticTest
from neyman.inference.provenance import provenance_of
from neyman.inference.statistics import SIGMAS
from neyman.inference.toys import (
    MOST_VALUES,
    Chunk,
    PValue,
    Toys,
    Truth,
    failed_toys,
    p_value,
    quantiles,
    thrown_arrays,
)
from neyman.inference.toys import joined as joined_toys
from neyman.io.chunks import ChunkStore
from neyman.status import Note, Status

CHUNK = 1000
"""Toys of one job; part of what makes results reproducible bit for bit."""
PILOT = 10
"""The first round has this many times fewer toys."""
ROUNDS = 4


class Workplace(NamedTuple):
    """Where toys are thrown, and where they are kept."""

    workers: Any = 1
    """As `neyman.execute.execute` takes it: a number of processes, an executor, Dask."""
    folder: str | pathlib.Path | None = None
    """Chunks of toys are kept here, and those that are here already are not thrown again."""


HERE = Workplace()


class CLsPoint(NamedTuple):
    """CLs of the observed and the five expected data at one mu, with Monte Carlo errors."""

    mu: float
    clsb: PValue
    clb: PValue
    cls: np.ndarray
    """(6,)"""
    error: np.ndarray
    """(6,)"""


class ToyTest:
    """The hypotheses that `test` tests, with toys instead of asymptotic formulas."""

    def __init__(self, test: AsymptoticTest, seed: int, workplace: Workplace = HERE):
        self.test = test
        self.seed = seed
        self.workplace = workplace
        self.store = None if workplace.folder is None else self._store(workplace.folder)
        self.model = jax.device_get(test.model)  # NumPy arrays travel to workers
        self._pool: Processes | None = None
        self.chunks = 0
        self.streams = 0
        self.thrown = 0
        self.failed = 0

    def __enter__(self) -> "ToyTest":
        workers = self.workplace.workers
        if isinstance(workers, int) and workers > 1:
            self._pool = Processes(workers)  # one for all rounds: its programs stay compiled
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def points(self, mus: Sequence[float], n: int) -> list[CLsPoint]:
        """CLs at each of `mus` from n toys of each hypothesis."""
        background = self._throw(0.0, mus, n, stream=0)
        points = []
        for column, mu in enumerate(mus):
            self.streams += 1
            signal = self._throw(mu, [mu], n, self.streams)
            points.append(self._point(mu, signal, background, column))
        return points

    def discovery(self, n: int, *, importance: bool) -> PValue:
        """P(q0 >= observed | mu = 0); half of the toys come from the best fit if `importance`."""
        q_observed = self.test.discovery()[0]
        best = np.asarray(self.test.observed.best.theta)
        proposal = best if importance else np.asarray(self.test.background)
        self.streams += 1
        toys = self._throw(0.0, [0.0], n, self.streams, statistic="q0", proposal=proposal)
        return p_value(toys, 0, q_observed)

    def notes(self) -> tuple[Note, ...]:
        """The toys that failed, counted."""
        failed = Note(Status.TOYS_FAILED, f"{self.failed} of {self.thrown} toys")
        damaged = () if self.store is None else tuple(self.store.notes)
        return ((failed,) if self.failed else ()) + damaged

    def _throw(
        self,
        mu: float,
        mus: Sequence[float],
        n: int,
        stream: int,
        statistic: str | None = None,
        proposal: np.ndarray | None = None,
    ) -> Toys:
        theta = np.asarray(self.test.observed.at(mu).theta)
        other = theta if proposal is None else proposal
        index = self.test.observed.index
        parts = []
        for first_value in range(0, len(mus), MOST_VALUES):
            values = tuple(float(m) for m in mus[first_value : first_value + MOST_VALUES])
            truth = Truth(theta, other, values, index)
            kind = statistic or self.test.statistic
            chunks = [
                Chunk(self.model, truth, kind, self.seed, stream, first, CHUNK)
                for first in range(0, n, CHUNK)
            ]
            parts.append(joined_toys([*self._run(chunks)]))
        q = np.concatenate([part.statistic for part in parts], axis=1)
        toys = parts[0]._replace(statistic=q)
        self.thrown += len(q)
        self.failed += int(np.sum(~np.isfinite(q[:, 0])))
        return toys

    def _run(self, chunks: list[Chunk]) -> Iterator[Toys]:
        """The toys of each chunk; those of a chunk that no worker could do count as failed."""
        first, self.chunks = self.chunks, self.chunks + len(chunks)
        with progress_bar("toys") as progress:
            for chunk, done in zip(
                chunks,
                execute(
                    thrown_arrays,
                    chunks,
                    workers=self.workplace.workers if self._pool is None else self._pool,
                    store=self.store,
                    first=first,
                    progress=progress,
                ),
                strict=True,
            ):
                yield failed_toys(chunk) if isinstance(done, Failed) else Toys(**done)

    def _store(self, folder: str | pathlib.Path) -> ChunkStore:
        made = provenance_of(self.test.like)["inputs"]
        spec = {
            "what": "toys",
            "inputs": made,
            "poi": self.test.poi,
            "statistic": self.test.statistic,
            "seed": self.seed,
            "chunk": CHUNK,
        }
        return ChunkStore(folder, spec)

    def _point(self, mu: float, signal: Toys, background: Toys, column: int) -> CLsPoint:
        """`signal` is tested at mu alone, `background` at mu in its `column`."""
        observed = self.test.q(mu)
        expected = quantiles(background, column, 1.0 - ndtr(SIGMAS))
        pairs = [
            (p_value(signal, 0, q), p_value(background, column, q)) for q in (observed, *expected)
        ]
        cls = np.array([sb.value / b.value if b.value > 0 else np.nan for sb, b in pairs])
        relative = [
            np.hypot(sb.error / max(sb.value, 1.0 / max(sb.toys, 1)), b.error / b.value)
            if b.value > 0
            else np.nan
            for sb, b in pairs
        ]
        floor = np.array([1.0 / max(sb.toys, 1) for sb, _ in pairs])
        return CLsPoint(mu, *pairs[0], cls, np.maximum(cls, floor) * relative)


class Roots(NamedTuple):
    """Where CLs = 1 - level for the observed and the expected data, (6,), with errors."""

    values: np.ndarray
    errors: np.ndarray
    points: list[CLsPoint]


def find_roots(test: ToyTest, asymptotic_roots: np.ndarray, alpha: float, n: int) -> Roots:
    """The six limits from toys, starting from the asymptotic ones."""
    known = asymptotic_roots[np.isfinite(asymptotic_roots)]
    low, high = 0.5 * known.min(), 2.5 * known.max()
    points = test.points(np.geomspace(low, high, MOST_VALUES).tolist(), max(CHUNK, n // PILOT))
    roots = _regressed(points, alpha)
    best: list[CLsPoint] = []
    for _ in range(ROUNDS):
        targets = np.unique(np.round(roots.values[np.isfinite(roots.values)], 12)).tolist()
        if not targets:
            break
        best += test.points(targets, n)
        roots = _regressed([*points, *best], alpha)
        near = np.array([p.mu for p in best])
        distance = np.min(np.abs(roots.values[:, None] - near[None]), axis=1)
        close = distance <= np.maximum(2 * roots.errors, 0.02 * roots.values)
        if np.all(close | ~np.isfinite(roots.values)):
            break
    return roots


def _regressed(points: list[CLsPoint], alpha: float) -> Roots:
    """The root of each of the six curves, by a weighted parabola in log CLs near the level."""
    points = sorted(points, key=lambda p: p.mu)
    found = [_root(points, column, np.log(alpha)) for column in range(6)]
    values, errors = np.array(found).T
    return Roots(values, errors, points)


def _root(points: list[CLsPoint], column: int, target: float) -> tuple[float, float]:
    """The mu at which one curve falls through `target`, and its error; NaN without one."""
    mu = np.array([p.mu for p in points])
    cls = np.array([p.cls[column] for p in points])
    error = np.array([p.error[column] for p in points])
    usable = np.isfinite(cls) & (cls > 0) & np.isfinite(error)
    if not np.any(usable):
        return np.nan, np.nan
    mu, y, sigma = mu[usable], np.log(cls[usable]), error[usable] / cls[usable]
    above, below = np.flatnonzero(y > target), np.flatnonzero(y <= target)
    if not len(above) or not len(below):
        return np.nan, np.nan
    near = np.abs(y - target) < np.log(4.0)
    near[above[np.argmin(y[above])]] = True
    near[below[np.argmax(y[below])]] = True
    degree = 2 if near.sum() >= 5 else 1
    centre = np.average(mu[near], weights=1.0 / sigma[near] ** 2)
    scale = max(float(np.ptp(mu[near])), 1e-12)
    design = np.vander((mu[near] - centre) / scale, degree + 1) / sigma[near][:, None]
    covariance = np.linalg.pinv(design.T @ design)
    coefficients = covariance @ design.T @ (y[near] / sigma[near])
    shifted = coefficients - np.eye(degree + 1)[-1] * target
    slopes = np.polyder(coefficients)
    roots = np.roots(shifted)
    real = roots[np.abs(roots.imag) < 1e-9].real
    falling = real[np.polyval(slopes, real) < 0]
    if not len(falling):
        return np.nan, np.nan
    x = falling[np.argmin(np.abs(falling))]
    gradient = np.vander([x], degree + 1)[0]
    spread = np.sqrt(gradient @ covariance @ gradient) / abs(np.polyval(slopes, x))
    return float(centre + scale * x), float(scale * spread)
