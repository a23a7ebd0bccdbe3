"""Energy spectra: expected events per keV, before any detection, and mono-energetic lines.

A spectrum is piecewise linear between its points and 0 outside of them, plus lines of zero
width. Its distribution function is therefore piecewise quadratic and is inverted exactly: in a
segment that starts at E0 with rate r0 and slope s, the energy below which n events lie is

    E = E0 + 2 n / (r0 + sqrt(r0^2 + 2 s n)).
"""

import dataclasses
import math

import numpy as np

from neyman.status import InputError

NO_LINES = np.zeros((0, 2))
NO_POINTS = np.zeros(0)


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """Expected events by deposited energy.

    Args:
        energies: keV, (M,), increasing; empty where there are lines alone.
        rates: events per keV at the energies, (M,).
        lines: energy in keV and number of events of each line, (L, 2).

    Raises:
        InputError: shapes that do not match, energies that do not increase or are negative,
            negative or infinite rates.
    """

    energies: np.ndarray = dataclasses.field(default_factory=lambda: NO_POINTS)
    rates: np.ndarray = dataclasses.field(default_factory=lambda: NO_POINTS)
    lines: np.ndarray = dataclasses.field(default_factory=lambda: NO_LINES)

    def __post_init__(self) -> None:
        energies, rates, lines = (
            _numbers(name, value)
            for name, value in (
                ("energies", self.energies),
                ("rates", self.rates),
                ("lines", self.lines),
            )
        )
        for name, value in (("energies", energies), ("rates", rates), ("lines", lines)):
            object.__setattr__(self, name, value)
        if energies.ndim != 1 or energies.shape != rates.shape or len(energies) == 1:
            raise InputError(
                "spectrum",
                f"energies of shape {energies.shape} and rates of shape {rates.shape}",
                "give two equally long lists of at least two numbers",
            )
        if lines.ndim != 2 or lines.shape[1] != 2:
            raise InputError("spectrum: lines", f"shape {lines.shape}", "give (energy, events)")
        for i in np.flatnonzero(np.diff(energies) <= 0):
            problem = f"{energies[i + 1]:g} keV after {energies[i]:g} keV"
            raise InputError(f"spectrum: energies[{i + 1}]", problem, "sort the energies")
        if len(energies) and energies[0] < 0:
            raise InputError("spectrum: energies[0]", f"{energies[0]:g} keV", "start at 0 or above")
        _not_negative("rates", rates)
        _not_negative("lines", lines.ravel())
        if np.any(lines[:, 0] <= 0):
            raise InputError("spectrum: lines", "a line at 0 keV", "give its energy in keV")

    @property
    def total(self) -> float:
        """Expected events."""
        return float(np.trapezoid(self.rates, self.energies) + self.lines[:, 1].sum())

    def scaled(self, factor: float) -> "Spectrum":
        """The spectrum with `factor` times the events."""
        if not (math.isfinite(factor) and factor >= 0):
            raise InputError("spectrum", f"scaled by {factor}", "give a factor of 0 or more")
        lines = self.lines * np.array([1.0, factor])
        return Spectrum(self.energies, self.rates * factor, lines)

    def at(self, energies: np.ndarray) -> np.ndarray:
        """Events per keV at `energies` in keV, lines left out; of the same shape."""
        if not len(self.energies):
            return np.zeros(np.shape(energies))
        return np.interp(energies, self.energies, self.rates, left=0.0, right=0.0)

    def quantiles(self, probabilities: np.ndarray) -> np.ndarray:
        """The energies in keV below which these shares of the events lie, lines included.

        Args:
            probabilities: between 0 and 1, of any shape.

        Raises:
            InputError: the spectrum has no events, or a probability lies outside 0 to 1.
        """
        p = np.asarray(probabilities, dtype=float)
        if not np.all((p >= 0) & (p <= 1)):
            raise InputError("spectrum: quantiles", "outside 0 to 1", "give probabilities")
        if not self.total > 0:
            raise InputError("spectrum", "has no events to draw from", "give it some")
        start, rate, slope, events = self._pieces()
        below = np.concatenate([[0.0], np.cumsum(events)])
        target = p * below[-1]
        piece = np.clip(np.searchsorted(below[1:], target), 0, len(events) - 1)
        n = np.clip(target - below[piece], 0.0, events[piece])
        first, steep = rate[piece], slope[piece]
        root = first + np.sqrt(np.maximum(first**2 + 2.0 * steep * n, 0.0))
        return start[piece] + np.divide(2.0 * n, root, out=np.zeros_like(n), where=root > 0)

    def _pieces(self) -> tuple[np.ndarray, ...]:
        """Lines and segments in the order of energy: start, rate, slope and events of each.

        A line has neither rate nor slope: all of its events lie at its start.
        """
        points = np.union1d(self.energies, self.lines[:, 0])
        of_line = np.zeros(len(points))
        np.add.at(of_line, np.searchsorted(points, self.lines[:, 0]), self.lines[:, 1])
        low, high = points[:-1], points[1:]
        inside = np.zeros(len(low), bool)
        if len(self.energies):
            inside = (low >= self.energies[0]) & (high <= self.energies[-1])
        first, last = (np.where(inside, self.at(e), 0.0) for e in (low, high))
        of_segment = 0.5 * (first + last) * (high - low)
        slope = (last - first) / (high - low)
        nothing = np.zeros(len(points))
        return (
            _alternating(points, low),
            _alternating(nothing, first),
            _alternating(nothing, slope),
            _alternating(of_line, of_segment),
        )


def _alternating(first: np.ndarray, between: np.ndarray) -> np.ndarray:
    result = np.zeros(len(first) + len(between))
    result[::2], result[1::2] = first, between
    return result


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    try:
        result = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"spectrum: {name}", "not all numbers", "give numbers") from None
    bad = np.argwhere(~np.isfinite(result))
    if len(bad):
        place = "".join(f"[{i}]" for i in bad[0])
        raise InputError(f"spectrum: {name}{place}", "not finite", "give a finite number")
    return result


def _not_negative(name: str, values: np.ndarray) -> None:
    for i in np.flatnonzero(values < 0):
        raise InputError(f"spectrum: {name}[{i}]", f"{values[i]:g}", "rates are 0 or more")
