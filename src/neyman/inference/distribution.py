"""The distribution of a statistic over any number of toys, in memory that does not grow with it.

The first `MOST` values are kept as they are. Those that follow are counted with the next larger one
of them, but for the `TOP` largest of all. So P(q' >= q) is exact below `TOP`/n, and above it is too
large by what lies between two neighbours, 1/`MOST` = 4e-6 on average, where the Monte Carlo
error of n toys is sqrt(p/n) > 256/n: eight times as much for ten million toys.
Equal values lose nothing. A toy of importance sampling counts with its weight w; a p-value
is the mean of w over the toys beyond, and its standard error that of this mean.
"""

from typing import NamedTuple

import numpy as np

TIE = 1e-7
"""Statistics closer than this are equal: discrete data give ties up to the fits' accuracy."""
MOST, TOP = 2**18, 2**16


class PValue(NamedTuple):
    """A p-value from toys, its standard error, and how many toys it rests on."""

    value: float
    error: float
    toys: int
    failed: int


class Distribution:
    """Toys of one hypothesis at one tested value; NaN is a toy that failed, and is counted."""

    def __init__(self) -> None:
        self.toys = self.failed = 0
        self._edges = np.zeros(0)
        """Each counts what lies between the one before and itself."""
        self._counted = np.zeros((3, 0))
        """At each edge: toys, w and w^2."""
        self._values = np.zeros(0)
        """What is kept as it is."""
        self._sums = np.zeros((3, 0))
        self._new: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting = 0

    def add(self, q: np.ndarray, log_weight: np.ndarray | float = 0.0) -> None:
        """More toys: their statistics (n,) and the log of their weights."""
        fine = np.isfinite(q)
        weight = np.exp(np.broadcast_to(log_weight, q.shape)[fine])
        self._new.append((np.asarray(q[fine], dtype=float), weight))
        self.toys += len(weight)
        self.failed += len(q) - len(weight)
        self._waiting += len(weight)
        if self._waiting >= TOP:
            self._take_in()

    def p_value(self, observed: float) -> PValue:
        """P(q >= observed), ties included; NaN where no toy is left."""
        if self.toys == 0:
            return PValue(np.nan, np.nan, 0, self.failed)
        p, error = self.tail(np.array([observed]))
        return PValue(float(p[0]), float(error[0]), self.toys, self.failed)

    def tail(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(q' >= q), ties included, and its error, that of one toy at least where it is 0 or 1;
        for many q, NaN where no toy is left."""
        if self.toys == 0:
            return np.full(q.shape, np.nan), np.full(q.shape, np.nan)
        values, sums = self._ordered()
        at = np.searchsorted(values, q - TIE * (1.0 + np.abs(q)))
        above = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1]
        _, p, square = np.append(above, np.zeros((3, 1)), axis=1)[:, at] / self.toys
        error = np.sqrt(np.maximum(square - p**2, 0.0) / self.toys)
        sure = (p == 0.0) | (error == 0.0)
        return p, np.where(sure, np.maximum(error, 1.0 / self.toys), error)

    def quantiles(self, probabilities: np.ndarray) -> np.ndarray:
        """The smallest q with P(q' <= q) >= probability, (n,); NaN where no toy is left."""
        if self.toys == 0:
            return np.full(len(probabilities), np.nan)
        values, sums = self._ordered()
        reached = np.cumsum(sums[1]) / np.sum(sums[1])
        at = np.searchsorted(reached, probabilities - 1e-12)
        return values[np.clip(at, 0, len(values) - 1)]

    def _ordered(self) -> tuple[np.ndarray, np.ndarray]:
        """All values in order, with their sums."""
        self._take_in()
        values = np.concatenate([self._edges, self._values])
        order = np.argsort(values, kind="stable")
        return values[order], np.hstack([self._counted, self._sums])[:, order]

    def _take_in(self) -> None:
        """What is new; where that makes too many values, all but the largest are counted."""
        if not self._new:
            return
        q, weight = (np.concatenate(parts) for parts in zip(*self._new))
        self._new, self._waiting = [], 0
        self._values = np.concatenate([self._values, q])
        self._sums = np.hstack([self._sums, [np.ones(len(q)), weight, weight**2]])
        if len(self._values) <= (TOP if len(self._edges) else MOST):
            return
        order = np.argsort(self._values, kind="stable")
        values, sums = self._values[order], self._sums[:, order]
        if not len(self._edges):
            self._edges = np.unique(values)
            self._counted = np.zeros((3, len(self._edges)))
        self._values, self._sums = values[-TOP:], sums[:, -TOP:]
        at = np.searchsorted(self._edges, values[:-TOP])
        at = np.minimum(at, len(self._edges) - 1)  # a value above all has more than TOP above it
        size = len(self._edges)
        self._counted += [np.bincount(at, row, size) for row in sums[:, :-TOP]]
