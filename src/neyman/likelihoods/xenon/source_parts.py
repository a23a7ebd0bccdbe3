"""The tables `[run]` and `[sources.NAME]` of a model file, turned into sources."""

import datetime
import inspect
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from neyman.likelihoods.xenon import spectra
from neyman.likelihoods.xenon.accidentals import Accidentals, read_accidentals
from neyman.likelihoods.xenon.assemble import Described
from neyman.likelihoods.xenon.beta_decay import lead214, tritium
from neyman.likelihoods.xenon.boron8 import boron8
from neyman.likelihoods.xenon.detector import Detector
from neyman.likelihoods.xenon.exposure import Exposure
from neyman.likelihoods.xenon.position_maps import read_map
from neyman.likelihoods.xenon.rates import LowRank, decaying, with_map
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.parameters import unknown_name
from neyman.status import InputError

SPECTRA: dict[str, Callable[..., Spectrum]] = {
    "flat": spectra.flat,
    "lines": spectra.lines,
    "table": spectra.table,
    "wimp": spectra.wimp,
    "tritium": tritium,
    "lead214": lead214,
    "boron8": boron8,
}
VARYING = ("rate_map", "half_life", "modulated")
"""What makes a rate depend on place or time; one of them at most."""
MOST_STRETCHES = 1000


class RunPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[run]`"""

    start: Any = None
    """A date, or a date and time."""
    live: tuple[tuple[float, float], ...] = ()


class Run:
    """What the sources of a model file refer to: the detector, the live time and the folder."""

    def __init__(self, part: RunPart, detector: Detector, file: pathlib.Path):
        if len(part.live) > MOST_STRETCHES:
            problem = f"has {len(part.live)} stretches"
            raise InputError(f"{file.name}: run.live", problem, f"give up to {MOST_STRETCHES}")
        try:
            self.exposure = Exposure(detector, part.live)
        except InputError as error:
            place = f"{file.name}: run.{error.place}"
            raise InputError(place, error.problem, error.remedy) from None
        self.part, self.file = part, file

    @property
    def start(self) -> datetime.datetime:
        """UTC unless it says otherwise."""
        start = self.part.start
        if not isinstance(start, datetime.date):
            problem = "is missing" if start is None else "is no date"
            remedy = "a modulated rate needs it, e.g. start = 2022-01-01"
            raise InputError(f"{self.file.name}: run.start", problem, remedy)
        if not isinstance(start, datetime.datetime):
            start = datetime.datetime.combine(start, datetime.time())
        return start if start.tzinfo else start.replace(tzinfo=datetime.UTC)


def read_source(name: str, of: Mapping[str, Any], run: Run) -> Described | Accidentals:
    """The source that a table describes.

    Raises:
        InputError: naming the key at fault.
    """
    place, part = f"{run.file.name}: sources.{name}", dict(of)
    kind = part.pop("kind", None)
    if not isinstance(kind, str):
        raise InputError(f"{place}.kind", "is missing", 'give a name, e.g. "er"')
    if kind == "accidentals":
        return _accidentals(name, part, place, run.file)
    if not isinstance(part.get("spectrum"), str):
        raise InputError(f"{place}.spectrum", "is missing", 'give a name, e.g. "flat"')
    varying = [key for key in VARYING if key in part]
    if len(varying) > 1:
        problem = f"has {' and '.join(varying)}"
        raise InputError(place, problem, "give one of them, or two sources")
    how = {key: part.pop(key) for key in varying}
    spectrum = part.pop("spectrum")
    arguments = _arguments(spectrum, part, place, run.file)
    return kind, _varying(spectrum, arguments, how, place, run)


def _accidentals(name: str, part: dict[str, Any], place: str, file: pathlib.Path) -> Accidentals:
    for key in part:
        if key not in ("file", "events"):
            raise unknown_name(key, ("file", "events"), f"{place}: key of accidentals")
    if not _is_number(part.get("events")):
        raise InputError(f"{place}.events", "is not a number", "give the expected events")
    path = beside(file, _text(part.get("file"), f"{place}.file"))
    return read_accidentals(path, events=float(part["events"]), name=name)


def _arguments(name: str, part: dict[str, Any], place: str, file: pathlib.Path) -> dict[str, Any]:
    """The arguments of the function of `SPECTRA`."""
    if name not in SPECTRA:
        raise unknown_name(name, SPECTRA, f"{place}.spectrum")
    if name == "table":
        part["source"] = beside(file, _text(part.pop("file", None), f"{place}.file"))
    elif name == "lines":
        pairs = part.get("events")
        if not isinstance(pairs, list) or not all(_is_pair(p) for p in pairs):
            remedy = "give events = [[energy in keV, events], ...]"
            raise InputError(f"{place}.events", "is no list of pairs", remedy)
        part["events"] = {float(energy): float(events) for energy, events in pairs}
    known = inspect.signature(SPECTRA[name]).parameters
    for key, value in part.items():
        if key not in known:
            raise unknown_name(key, known, f"{place}: argument of {name}")
        if name not in ("table", "lines") and not _is_number(value):
            raise InputError(f"{place}.{key}", "is not a number", "give a number")
    for key, argument in known.items():
        if argument.default is inspect.Parameter.empty and key not in part:
            raise InputError(f"{place}.{key}", "is missing", f"{name} needs it")
    return part


def _varying(
    name: str, arguments: dict[str, Any], how: dict[str, Any], place: str, run: Run
) -> Spectrum | LowRank:
    """The spectrum, with its dependence on place or time."""
    if how.get("modulated", False) is not False:
        if how["modulated"] is not True or name != "wimp" or "day" in arguments:
            raise InputError(f"{place}.modulated", "is for a wimp", "write modulated = true there")
        return _told(place, spectra.wimp_in_time, **arguments, start=run.start, live=run.part.live)
    spectrum = SPECTRA[name](**arguments)
    if "rate_map" in how:
        path = beside(run.file, _text(how["rate_map"], f"{place}.rate_map"))
        of, geometry = read_map(path), run.exposure.detector.geometry
        _told(f"{place}.rate_map", of.check_covers, geometry.radius, geometry.drift_time)
        return with_map(spectrum, of, run.exposure)
    if "half_life" in how:
        if not _is_number(how["half_life"]):
            raise InputError(f"{place}.half_life", "is not a number", "give it in days")
        return _told(place, decaying, spectrum, float(how["half_life"]), run.exposure)
    return spectrum


def _told(place: str, make: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What `make` returns; its errors begin with the place in the file."""
    try:
        return make(*arguments, **named)
    except InputError as error:
        raise InputError(f"{place}: {error.place}", error.problem, error.remedy) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise InputError(place, "is missing", "name a file beside the model file")
    return value


def beside(file: pathlib.Path, name: str) -> pathlib.Path:
    """A file in the folder of the model file, or below it.

    Raises:
        InputError: a name that leads elsewhere.
    """
    parts = pathlib.PurePath(name).parts
    if not parts or pathlib.PurePath(name).is_absolute() or ".." in parts or "\\" in name:
        place = f"{file.name}: '{name[:80]}'"
        raise InputError(place, "leads elsewhere", "put the file beside the model file")
    return file.parent / name
