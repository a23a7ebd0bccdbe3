"""What was looked at, and when: the fiducial volume of a detector and the live time of a run.

Rates that depend on place and time (`rates`) are relative to events that are equally likely
everywhere in the fiducial volume and at every moment of the live time.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from neyman.likelihoods.xenon.detector import Detector, Places
from neyman.status import InputError

MOMENTS = 16
"""Nodes of an integral over each stretch of live time."""


class Where(NamedTuple):
    """Places and times, (N,) each."""

    x: np.ndarray
    """cm; so is y."""
    y: np.ndarray
    drift_time: np.ndarray
    """us"""
    time: np.ndarray
    """Days since the start of the run."""


@dataclasses.dataclass(frozen=True, eq=False)
class Exposure:
    """Made from a detector and stretches of live time in days since the start of the run.

    Raises:
        InputError: stretches that are empty, overlap or are not in order.
    """

    detector: Detector
    live: Sequence[tuple[float, float]] = ()
    """Without any, time plays no role."""

    def __post_init__(self) -> None:
        for i, (begin, end) in enumerate(self.live):
            place = f"live[{i}]"
            if not (math.isfinite(begin) and math.isfinite(end) and begin < end):
                raise InputError(place, f"[{begin:g}, {end:g}]", "give begin and end in days")
            if i and begin < self.live[i - 1][1]:
                problem = f"begins at {begin:g}, before the one before it ends"
                raise InputError(place, problem, "sort the stretches, without overlap")

    @property
    def days(self) -> float:
        """Live time; 0 where time plays no role."""
        return sum(end - begin for begin, end in self.live)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes of an integral over the live time, in days, and weights that sum to 1."""
        if not self.live:
            return np.zeros(1), np.ones(1)
        x, w = np.polynomial.legendre.leggauss(MOMENTS)
        times = [b + 0.5 * (e - b) * (x + 1.0) for b, e in self.live]
        weights = [0.5 * (e - b) * w for b, e in self.live]
        return np.concatenate(times), np.concatenate(weights) / self.days

    def spread(self, n: int) -> Where:
        """`n` places and times, uniform in the fiducial volume and the live time (Sobol)."""
        power = max(int(n - 1).bit_length(), 0)
        u = scipy.stats.qmc.Sobol(4, scramble=False).random_base2(power)[:n] + 0.5 / 2**power
        places = self.detector.placed(u[:, :3])
        return Where(places.x, places.y, places.drift_time, self._time(u[:, 3]))

    def _time(self, share: np.ndarray) -> np.ndarray:
        """The time at which this share of the live time has passed."""
        if not self.live:
            return np.zeros(len(share))
        begins, ends = np.array(self.live).T
        passed = np.concatenate([[0.0], np.cumsum(ends - begins)])
        target = share * passed[-1]
        i = np.clip(np.searchsorted(passed, target, side="right") - 1, 0, len(begins) - 1)
        return begins[i] + (target - passed[i])

    def is_live(self, time: np.ndarray) -> np.ndarray:
        """Whether each time in days lies in the live time, (N,)."""
        inside = [(time >= begin) & (time <= end) for begin, end in self.live]
        return np.any(inside, axis=0) if inside else np.ones(len(time), bool)


def everywhere_and_always(places: Places, moments: np.ndarray) -> Where:
    """Every place at every moment, (K T,): the moments of the first place first."""
    count = len(moments)
    x, y, t = (np.repeat(of, count) for of in (places.x, places.y, places.drift_time))
    return Where(x, y, t, np.tile(moments, len(places.x)))
