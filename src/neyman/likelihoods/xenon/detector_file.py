"""The detector file: TOML with the constants of a detector, checked one by one.

    name = "..."
    [constants]    every name in CONSTANTS, and coincidence = [six numbers]
    [geometry]     radius, r_max (cm), drift_velocity (cm/us), drift_time = [low, high] (us)
    [selection]    s1, s2, cs1, cs2 = [low, high] (PE), reference_lifetime (us)
                   band = {cs1 = [...], low = [...], high = [...]}, limits on log10(cS2/cS1)
    [[selection.acceptances]]    signal = "s1", "s2", "cs1" or "cs2"; points (PE) and values:
                   the probability to keep an event, linear between points, constant beyond
    [maps]         s1, s2, field: the names of map files beside this one; may be left out

Signals are in photoelectrons (PE), as `signals` makes them: a threshold in detected photons (phd)
is multiplied by 1 + double_pe.
"""

import itertools
import math
import tomllib
from typing import Literal, NamedTuple

import msgspec

from neyman.parameters import unknown_name
from neyman.status import InputError


class Constant(NamedTuple):
    """What a constant may be: above `low` (or equal, where `closed`), up to `high`."""

    unit: str
    low: float
    high: float
    closed: bool
    meaning: str


CONSTANTS = {
    "g1": Constant("phd/photon", 0.0, 0.999, False, "detection of an S1 photon"),
    "electron_lifetime": Constant("us", 0.0, 1e6, False, "of electrons that drift"),
    "extraction": Constant("", 0.0, 1.0, False, "of electrons from the liquid"),
    "g1_gas": Constant("phd/photon", 0.0, 1.0, False, "detection of an S2 photon"),
    "electron_gain": Constant("photons/e", 0.0, 1e6, False, "S2 photons of an electron"),
    "s2_fano": Constant("", 0.0, 1e3, True, "variance over mean of these photons"),
    "spe_res": Constant("PE", 0.0, 10.0, False, "resolution of a photoelectron"),
    "spe_eff": Constant("", 0.0, 1.0, False, "efficiency for a photoelectron"),
    "n_pmts": Constant("", 1.0, 1e6, True, "photomultipliers"),
    "double_pe": Constant("", 0.0, 0.999, False, "chance of a second photoelectron"),
    "s1_gain": Constant("", 0.0, 10.0, False, "S1 over counted photoelectrons"),
    "s1_noise": Constant("", 0.0, 1.0, True, "relative noise of S1"),
    "s2_noise": Constant("", 0.0, 1.0, True, "relative noise of S2"),
    "drift_field": Constant("V/cm", 0.0, 1e5, False, "in the liquid"),
    "density": Constant("g/cm3", 2.0, 3.5, True, "of the liquid"),
}
"""Constants of a detector; any of them can float."""
COINCIDENCE = Constant("", 0.0, 1.0, True, "chance that 0 ... 5 detected photons make an S1")
LARGEST_SIGNAL = 1e9
MOST_POINTS = 500

Pair = tuple[float, float]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class GeometryPart(_Strict, frozen=True):
    radius: float
    r_max: float
    drift_velocity: float
    drift_time: Pair


class CurvePart(_Strict, frozen=True):
    signal: Literal["s1", "s2", "cs1", "cs2"]
    points: tuple[float, ...]
    values: tuple[float, ...]


class BandPart(_Strict, frozen=True):
    cs1: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class SelectionPart(_Strict, frozen=True):
    s1: Pair
    s2: Pair
    reference_lifetime: float
    cs1: Pair = (0.0, LARGEST_SIGNAL)
    cs2: Pair = (0.0, LARGEST_SIGNAL)
    acceptances: tuple[CurvePart, ...] = ()
    band: BandPart | None = None


class MapsPart(_Strict, frozen=True):
    s1: str | None = None
    s2: str | None = None
    field: str | None = None


class DetectorFile(_Strict, frozen=True):
    name: str
    constants: dict[str, float | tuple[float, ...]]
    geometry: GeometryPart
    selection: SelectionPart
    maps: MapsPart = MapsPart()


def parse_detector(data: bytes, source: str) -> DetectorFile:
    """The content of a detector file.

    Raises:
        InputError: naming the line or the key at fault.
    """
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InputError(source, "is not UTF-8 text", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        problem = f"is not TOML ({' '.join(str(error).split())[:200]})"
        raise InputError(source, problem, "correct the file") from None
    try:
        read = msgspec.convert(document, DetectorFile)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        place = f"{source}: {path.rstrip('`').lstrip('.') or 'the file'}"
        remedy = "see detector_file for what stands in it"
        raise InputError(place, problem[:1].lower() + problem[1:], remedy) from None
    except OverflowError:
        raise InputError(source, "has a number beyond float64", "correct it") from None
    _check_constants(read.constants, source)
    _check_geometry(read.geometry, source)
    _check_selection(read.selection, source)
    return read


def flat_constants(read: DetectorFile) -> dict[str, float]:
    """The constants by the names that `signals` uses."""
    values = {name: float(read.constants[name]) for name in CONSTANTS}  # ty: ignore
    table = read.constants["coincidence"]
    return values | {f"coincidence_{i}": float(v) for i, v in enumerate(table)}  # ty: ignore


def _check_constants(constants: dict[str, float | tuple[float, ...]], source: str) -> None:
    place = f"{source}: constants"
    known = [*CONSTANTS, "coincidence"]
    for name in constants:
        if name not in known:
            error = unknown_name(name, known, "constant")
            raise InputError(f"{place}.{name[:40]}", error.problem, error.remedy)
    for name in known:
        if name not in constants:
            what = CONSTANTS.get(name, COINCIDENCE)
            remedy = f"add it: {what.meaning}" + (f", in {what.unit}" if what.unit else "")
            raise InputError(f"{place}.{name}", "is missing", remedy)
    for name, of in CONSTANTS.items():
        value = constants[name]
        if isinstance(value, tuple):
            raise InputError(f"{place}.{name}", "is a list", "give one number")
        _check(f"{place}.{name}", value, of)
    table = constants["coincidence"]
    if not isinstance(table, tuple) or len(table) != 6:
        raise InputError(f"{place}.coincidence", "is not a list of 6", "give 0 to 5 photons")
    for i, value in enumerate(table):
        _check(f"{place}.coincidence[{i}]", value, COINCIDENCE)


def _check(place: str, value: float, of: Constant) -> None:
    if not math.isfinite(value):
        raise InputError(place, f"is {value}", "give a finite number")
    if not (of.low <= value if of.closed else of.low < value) or value > of.high:
        unit = f" {of.unit}" if of.unit else ""
        span = f"{'from' if of.closed else 'above'} {of.low:g} up to {of.high:g}{unit}"
        raise InputError(place, f"{value:g} is impossible", f"{of.meaning}: {span}")


def _check_geometry(geometry: GeometryPart, source: str) -> None:
    place = f"{source}: geometry"
    for name in ("radius", "r_max", "drift_velocity"):
        value = getattr(geometry, name)
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{place}.{name}", f"is {value:g}", "give a number above 0")
    if geometry.r_max < geometry.radius:
        problem = f"{geometry.r_max:g} cm is within the fiducial radius of {geometry.radius:g} cm"
        raise InputError(f"{place}.r_max", problem, "it is where the liquid ends")
    _check_range(f"{place}.drift_time", geometry.drift_time)


def _check_selection(selection: SelectionPart, source: str) -> None:
    place = f"{source}: selection"
    for name in ("s1", "s2", "cs1", "cs2"):
        _check_range(f"{place}.{name}", getattr(selection, name))
    _check(
        f"{place}.reference_lifetime",
        selection.reference_lifetime,
        CONSTANTS["electron_lifetime"],
    )
    seen: set[str] = set()
    for i, curve in enumerate(selection.acceptances):
        at = f"{place}.acceptances[{i}]"
        if curve.signal in seen:
            remedy = "multiply it into the other"
            raise InputError(f"{at}.signal", f"a second curve of {curve.signal}", remedy)
        seen.add(curve.signal)
        _check_points(f"{at}.points", curve.points)
        _check_values(f"{at}.values", curve.values, len(curve.points), 0.0, 1.0)
    if selection.band is not None:
        band = selection.band
        _check_points(f"{place}.band.cs1", band.cs1)
        for name in ("low", "high"):
            _check_values(f"{place}.band.{name}", getattr(band, name), len(band.cs1), -9.0, 9.0)
        if any(low >= high for low, high in zip(band.low, band.high)):
            raise InputError(f"{place}.band", "low is not below high", "exchange them")


def _check_points(place: str, points: tuple[float, ...]) -> None:
    if not 2 <= len(points) <= MOST_POINTS:
        raise InputError(place, f"has {len(points)} points", f"give 2 to {MOST_POINTS}")
    if not all(math.isfinite(p) and p >= 0 for p in points):
        raise InputError(place, "not all finite and 0 or above", "give signals in PE")
    if any(after <= before for before, after in itertools.pairwise(points)):
        raise InputError(place, "does not increase", "sort the points")


def _check_values(place: str, values: tuple[float, ...], n: int, low: float, high: float) -> None:
    if len(values) != n:
        raise InputError(place, f"has {len(values)} numbers for {n} points", "give one a point")
    for i, value in enumerate(values):
        if not low <= value <= high:
            problem = f"{value:g} is not between {low:g} and {high:g}"
            raise InputError(f"{place}[{i}]", problem, "correct it")


def _check_range(place: str, of: Pair) -> None:
    low, high = of
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(place, f"is [{low:g}, {high:g}]", f"up to {LARGEST_SIGNAL:g} for no limit")
    if not 0 <= low < high <= LARGEST_SIGNAL:
        problem = f"[{low:g}, {high:g}] is not increasing from 0 or above"
        raise InputError(place, problem, "give the lower end first")
