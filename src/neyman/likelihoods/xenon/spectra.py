"""The spectra that ship: flat, lines, tables, WIMPs; beta decays and 8B neutrinos.

All energies are in keV as deposited (nuclear recoils: the energy of the recoil), all rates in
expected events per keV before any detection. Exposures are in tonne years.
"""

import datetime
import sys
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from neyman.io.bounded import Pathlike
from neyman.likelihoods.xenon.beta_decay import lead214 as lead214
from neyman.likelihoods.xenon.beta_decay import tritium as tritium
from neyman.likelihoods.xenon.boron8 import boron8 as boron8
from neyman.likelihoods.xenon.rates import LowRank, in_time
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.likelihoods.xenon.table_files import read_table
from neyman.status import InputError

WIMP_POINTS = 200
LOWEST_RECOIL = 0.01
"""keV; below, no quanta are made."""
SPEED = 0.00277
"""Highest speed of a WIMP over that of light, rounded up: 544 km/s of escape and 270 of Earth."""
XENON_MASS = 122.298
"""GeV; of the average nucleus."""
J2000 = datetime.datetime(2000, 1, 1, 12, tzinfo=datetime.UTC)
DAYS_APART = 15.0
"""Between spectra that modulation is interpolated from."""


def flat(low: float, high: float, events: float) -> Spectrum:
    """`events` between `low` and `high` keV, equally likely at each energy.

    Raises:
        InputError: an empty range, or events that are negative or not finite.
    """
    if not 0.0 <= low < high:
        raise InputError("flat", f"from {low:g} to {high:g} keV", "give an increasing range")
    rate = events / (high - low)
    return Spectrum(np.array([low, high]), np.array([rate, rate]))


def lines(events: Mapping[float, float]) -> Spectrum:
    """Mono-energetic deposits, {energy in keV: events}."""
    return Spectrum(lines=np.array(list(events.items()), dtype=float).reshape(-1, 2))


def table(source: Pathlike | tuple[np.ndarray, np.ndarray]) -> Spectrum:
    """A spectrum from a file with the columns `energy` (keV) and `rate` (events per keV), CSV,
    HDF5 or ROOT, or from a pair of arrays of the same.

    Raises:
        InputError: a missing column, a unit other than these, numbers that are no spectrum.
    """
    if isinstance(source, tuple):
        energies, rates = source
        return Spectrum(np.asarray(energies), np.asarray(rates))
    read = read_table(source)
    energies = read.column("energy", units={"keV": 1.0})
    rates = read.column("rate", units={"1/keV": 1.0, "events/keV": 1.0})
    try:
        return Spectrum(energies, rates)
    except InputError as error:
        place = error.place.replace("spectrum", str(source), 1)
        raise InputError(place, error.problem, error.remedy) from None


def wimp(mass: float, cross_section: float, exposure: float, day: float | None = None) -> Spectrum:
    """Recoils of spin-independent elastic scattering, by wimprates (10.5281/zenodo.2604222) with
    the halo of arXiv:2105.00599.

    Args:
        mass: GeV.
        cross_section: with a nucleon, cm^2.
        exposure: tonne years.
        day: with the Earth's velocity on this day since noon of 1 January 2000 (J2000.0); by
            default its average over the year.

    Raises:
        InputError: a mass that is not above 0, other numbers below 0, or no wimprates.
    """
    for name, value in (("mass", mass), ("cross_section", cross_section), ("exposure", exposure)):
        if not (np.isfinite(value) and value >= 0.0):
            raise InputError(f"wimp: {name}", f"{value:g}", "give a number of 0 or more")
    reduced = mass * XENON_MASS / (mass + XENON_MASS)
    highest = 2e6 * reduced**2 * SPEED**2 / XENON_MASS
    if highest <= LOWEST_RECOIL:
        raise InputError("wimp: mass", f"{mass:g} GeV leaves no recoil", "choose a larger mass")
    energies = np.linspace(np.sqrt(LOWEST_RECOIL), np.sqrt(highest), WIMP_POINTS) ** 2
    per_tonne_year = _wimprates().rate_wimp_std(energies, mass, cross_section, t=day)
    return Spectrum(energies, exposure * np.maximum(per_tonne_year, 0.0))


def wimp_in_time(
    mass: float,
    cross_section: float,
    exposure: float,
    start: datetime.datetime,
    live: Sequence[tuple[float, float]],
) -> LowRank:
    """`wimp` with the modulation of the Earth's velocity over the year.

    Args:
        mass: GeV; `cross_section` in cm^2 and `exposure` in tonne years, as for `wimp`.
        start: of the run, UTC.
        live: stretches of live time, in days since then.

    Raises:
        InputError: what `wimp` refuses, or no live time.
    """
    if not live:
        raise InputError("wimp: modulated", "there is no live time", "give the run's live time")
    first, last = live[0][0], live[-1][1]
    times = np.linspace(first, last, max(int((last - first) / DAYS_APART) + 2, 4))
    begin = (start - J2000).total_seconds() / 86400.0
    found = [wimp(mass, cross_section, exposure, begin + t) for t in times]
    return in_time(found[0].energies, times, np.stack([s.rates for s in found]))


def _wimprates():
    """wimprates, in SI units: numericalunits draws its units at random when it is imported, so that
    the last bits of a spectrum, and the fingerprint of a model with it, were new in each process.
    """
    try:
        if "numericalunits" not in sys.modules:
            import numericalunits

            numericalunits.reset_units("SI")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its default halo changed
            import wimprates
    except ImportError:
        remedy = "pip install neyman[xenon], or give a table"
        raise InputError("wimp", "needs the package wimprates", remedy) from None
    return wimprates
