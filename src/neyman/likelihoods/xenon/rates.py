"""Rates that depend on place and time, as sums of a few products:

    R(E, x, t) = sum_b c_b(x, t) phi_b(E)

so that each basis spectrum phi_b needs one quanta matrix, and they share all of it but its
weights over energies. c_b are relative to a uniform rate (`exposure`); an event has them as the
columns NAME[0], NAME[1], ... of the source NAME. What decays or has a map is one product. An
annual modulation is a table R(E, t_j), from which pivoted QR picks spectra at a few moments such
that all others are combinations of these (interpolative decomposition: Cheng et al., SIAM J. Sci.
Comput. 26, 1389); they stay positive, as spectra are.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import scipy.interpolate
import scipy.linalg

from neyman.likelihoods.xenon.detector import Places
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.exposure import Exposure, Where, everywhere_and_always
from neyman.likelihoods.xenon.position_maps import PositionMap
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.status import InputError

TOLERANCE = 1e-5
"""Of a decomposition, relative to the largest rate."""

Coefficients = Callable[[Where], np.ndarray]
"""c_b at N places and times, (B, N)."""


@dataclasses.dataclass(frozen=True, eq=False)
class LowRank:
    """sum over b of c_b(x, t) phi_b(E).

    Args:
        basis: the spectra phi_b, B of them, without lines where there are several.
        coefficients: c_b at places and times.

    Raises:
        InputError: no spectrum, or lines in one of several.
    """

    basis: tuple[Spectrum, ...]
    coefficients: Coefficients
    axes: tuple[str, ...] = ("x", "y", "r", "drift_time", "time")
    """What the coefficients depend on, as far as they do."""

    def __post_init__(self) -> None:
        if not self.basis:
            raise InputError("low-rank spectrum", "has no basis", "give at least one spectrum")
        if len(self.basis) > 1 and any(len(s.lines) for s in self.basis):
            remedy = "make them a source of their own"
            raise InputError("low-rank spectrum", "has lines in its basis", remedy)

    def at(self, where: Where) -> np.ndarray:
        """c_b at places and times, (B, N).

        Raises:
            InputError: another shape, numbers that are not finite, or a negative rate.
        """
        found = np.asarray(self.coefficients(where), dtype=float)
        if found.shape != (len(self.basis), len(where.x)):
            problem = f"coefficients of shape {found.shape} for {len(self.basis)} spectra"
            raise InputError("low-rank spectrum", problem, "give one row a spectrum")
        if not np.all(np.isfinite(found)):
            raise InputError("low-rank spectrum", "coefficients not finite", "correct them")
        totals = np.array([s.total for s in self.basis])
        if np.any(totals @ found < 0.0):
            raise InputError("low-rank spectrum", "negative rate somewhere", "correct it")
        return found

    def averaged(self, places: Places, exposure: Exposure) -> np.ndarray:
        """c_b averaged over the live time at K places, (B, K)."""
        moments, weights = exposure.moments()
        found = self.at(everywhere_and_always(places, moments))
        return found.reshape(len(self.basis), -1, len(moments)) @ weights


def with_map(spectrum: Spectrum, of: PositionMap, exposure: Exposure) -> LowRank:
    """The events of `spectrum`, spread over the fiducial volume in proportion to a map."""
    places = exposure.detector.cubature(axes=of.axes)
    mean = float(of.at(places.x, places.y, places.drift_time) @ places.weight)
    return LowRank((spectrum,), lambda w: of.at(w.x, w.y, w.drift_time)[None] / mean, of.axes)


def decaying(spectrum: Spectrum, half_life: float, exposure: Exposure) -> LowRank:
    """The events of `spectrum` in the whole run, with a rate that halves every `half_life` days.

    Raises:
        InputError: a half-life that is not above 0, or no live time.
    """
    if not (math.isfinite(half_life) and half_life > 0):
        raise InputError("half_life", f"{half_life:g} days", "give a number above 0")
    if not exposure.live:
        raise InputError("half_life", "there is no live time", "give live = [[begin, end]] in days")
    rate, begin = math.log(2.0) / half_life, exposure.live[0][0]
    moments, weights = exposure.moments()
    mean = float(np.exp(-rate * (moments - begin)) @ weights)
    return LowRank((spectrum,), lambda w: np.exp(-rate * (w.time - begin))[None] / mean, ("time",))


def in_time(energies: np.ndarray, times: np.ndarray, rates: np.ndarray) -> LowRank:
    """A spectrum that changes with time, from a table.

    Args:
        energies: keV, (M,).
        times: days since the start of the run, (T,), increasing; cubic splines between them.
        rates: events per keV in the whole run, had the rate always been that of a time; (T, M).

    Raises:
        InputError: shapes that do not match, or what is no spectrum.
    """
    energies, times, table = (np.asarray(a, dtype=float) for a in (energies, times, rates))
    if table.shape != (len(times), len(energies)) or len(times) < 4:
        problem = f"shape {table.shape} for {len(times)} times and {len(energies)} energies"
        raise InputError("rates in time", problem, "give one row a time, at least four")
    if not np.all(np.diff(times) > 0):
        raise InputError("rates in time", "times do not increase", "sort them")
    _, r, order = scipy.linalg.qr(table.T, mode="economic", pivoting=True)
    size = np.abs(np.diagonal(r))
    rank = max(int(np.sum(size > TOLERANCE * size[0])), 1)
    chosen = np.sort(order[:rank])
    combined, *_ = np.linalg.lstsq(table[chosen].T, table.T, rcond=None)
    spline = scipy.interpolate.CubicSpline(times, combined, axis=1)
    basis = tuple(Spectrum(energies, table[i]) for i in chosen)
    return LowRank(basis, lambda w: spline(np.clip(w.time, times[0], times[-1])), ("time",))


def columns_of(name: str, rank: int) -> list[str]:
    """The columns of an event with c_b of the source `name`."""
    return [f"{name}[{b}]" for b in range(rank)]


def with_rates(events: Events, sources: Mapping[str, Spectrum | LowRank]) -> Events:
    """Events with the columns that the rates of `sources` need.

    Raises:
        InputError: a rate that cannot be evaluated at the events.
    """
    n = len(events.weight)
    where = Where(*(np.asarray(events.columns.get(a, np.zeros(n))) for a in Where._fields))
    columns = dict(events.columns)
    for name, of in sources.items():
        if isinstance(of, LowRank):
            columns |= dict(zip(columns_of(name, len(of.basis)), of.at(where)))
    return Events(columns, events.weight)
