"""The model file: TOML that names a detector, sources and what floats.

    kind = "xenon"
    detector = "lz-like"                 # one that ships, or the path of a detector file
    yields = "nest_2.4"                  # NEST's constants; may be left out
    poi = "wimp_rate"
    events = "search.csv"                # beside this file; or --data, `data=`

    [constants]                          # other values than NEST's and the detector's
    nr_alpha = 10.8

    [sources.wimp]
    kind = "nr"                          # nr, er, gamma, weighted
    spectrum = "wimp"                    # flat, lines, table, tritium, lead214, boron8, wimp
    mass = 40.0                          # the arguments of `spectra`'s function of that name
    cross_section = 1e-47
    exposure = 5.0

    [parameters.wimp_rate]               # a constant, or SOURCE_rate
    init = 1.0
    bounds = [0.0, 100.0]

    [parameters.g1]
    measured = [0.114, 0.002]            # value and width of an auxiliary measurement

Nothing in it is code, and no path leads out of its folder.
"""

import dataclasses
import inspect
import pathlib
import tomllib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.io.bounded import Pathlike, read_raw
from neyman.io.provenance import digest
from neyman.likelihoods.xenon import spectra
from neyman.likelihoods.xenon.assemble import constants_at, event_model
from neyman.likelihoods.xenon.beta_decay import lead214, tritium
from neyman.likelihoods.xenon.boron8 import boron8
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import read_events
from neyman.likelihoods.xenon.model import EventModel
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.model import Data, ObservedLikelihood
from neyman.parameters import Parameter, unknown_name
from neyman.status import InputError, Note, Status

MAX_BYTES = 256 * 1024
SPECTRA: dict[str, Callable[..., Spectrum]] = {
    "flat": spectra.flat,
    "lines": spectra.lines,
    "table": spectra.table,
    "wimp": spectra.wimp,
    "tritium": tritium,
    "lead214": lead214,
    "boron8": boron8,
}


class ParameterPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    init: float | None = None
    bounds: tuple[float, float] | None = None
    measured: tuple[float, float] | None = None
    fixed: bool = False
    label: str = ""


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    detector: str
    sources: dict[str, dict[str, Any]]
    parameters: dict[str, ParameterPart] = {}
    constants: dict[str, float] = {}
    yields: str = "nest_2.4"
    poi: str | None = None
    events: str | None = None


def likelihood(path: Pathlike, *, data: Pathlike | None = None) -> ObservedLikelihood:
    """The likelihood that a model file describes.

    Args:
        path: of the TOML file.
        data: the file of events, CSV, HDF5 or ROOT, instead of the one that the model names.
            Without either the data are the Asimov data of the initial parameters, and a note
            says so.

    Raises:
        InputError: a file that cannot be read; an unknown key, name or kind; events outside the
            selection.
    """
    file = pathlib.Path(path)
    raw = read_raw(file, MAX_BYTES)
    read = parse_model(raw, file.name)
    named = read.detector if not read.detector.endswith(".toml") else _beside(file, read.detector)
    detector = load_detector(named)
    sources = {
        name: _source(dict(of), f"{file.name}: sources.{name}", file)
        for name, of in read.sources.items()
    }
    constants = constants_at(detector, read.yields, read.constants)
    measured = {name: p.measured for name, p in read.parameters.items() if p.measured is not None}
    for name, (_, sigma) in measured.items():
        if not sigma > 0:
            place = f"{file.name}: parameters.{name}.measured"
            raise InputError(place, f"a width of {sigma:g}", "give [value, width above 0]")
    if read.poi is not None and read.poi not in read.parameters:
        raise unknown_name(read.poi, read.parameters, "poi")
    model = event_model(
        detector,
        sources,
        yields=read.yields,
        fixed=read.constants,
        floating=[_parameter(n, p, constants) for n, p in read.parameters.items()],
        measured=measured,
        poi=read.poi,
        digest=digest((digest(raw) + detector.digest).encode()),
    )
    model = jax.tree.map(jnp.asarray, model)
    auxiliary = jnp.asarray([value for value, _ in measured.values()], dtype=float)
    events = data if data is not None else read.events and _beside(file, read.events)
    if events is None:
        return _of_asimov(model, auxiliary)
    given = read_events(events, detector)
    noted = _with_notes(model, given.notes)
    return noted.observe(Data(jax.tree.map(jnp.asarray, given.events), auxiliary))


def parse_model(raw: bytes, source: str) -> ModelFile:
    """The content of a model file.

    Raises:
        InputError: naming the line or the key at fault.
    """
    try:
        document = tomllib.loads(raw.decode())
        read = msgspec.convert(document, ModelFile)
    except UnicodeDecodeError:
        raise InputError(source, "is not UTF-8 text", "save it as UTF-8") from None
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        place = f"{source}: {where.rstrip('`').lstrip('.') or 'the file'}"
        remedy = "see docs/xenon.md for what stands in it"
        raise InputError(place, problem[:1].lower() + problem[1:], remedy) from None
    except (ValueError, RecursionError, OverflowError) as error:
        problem = f"is not TOML ({' '.join(str(error).split())[:200]})"
        raise InputError(source, problem, "correct the file") from None
    if read.kind != "xenon":
        raise unknown_name(read.kind, ["xenon"], f"{source}: kind")
    return read


def _source(of: dict[str, Any], place: str, file: pathlib.Path) -> tuple[str, Spectrum]:
    for key in ("kind", "spectrum"):
        if not isinstance(of.get(key), str):
            raise InputError(f"{place}.{key}", "is missing", 'give a name, e.g. "er" and "flat"')
    kind, name = of.pop("kind"), of.pop("spectrum")
    if name not in SPECTRA:
        raise unknown_name(name, SPECTRA, f"{place}.spectrum")
    make = SPECTRA[name]
    if name == "table":
        of["source"] = _beside(file, _text(of.pop("file", None), f"{place}.file"))
    elif name == "lines":
        pairs = of.get("events")
        if not isinstance(pairs, list) or not all(_is_pair(p) for p in pairs):
            remedy = "give events = [[energy in keV, events], ...]"
            raise InputError(f"{place}.events", "is no list of pairs", remedy)
        of["events"] = {float(energy): float(events) for energy, events in pairs}
    known = inspect.signature(make).parameters
    for key, value in of.items():
        if key not in known:
            raise unknown_name(key, known, f"{place}: argument of {name}")
        if name not in ("table", "lines") and not _is_number(value):
            raise InputError(f"{place}.{key}", "is not a number", "give a number")
    for key, argument in known.items():
        if argument.default is inspect.Parameter.empty and key not in of:
            raise InputError(f"{place}.{key}", "is missing", f"{name} needs it")
    return kind, make(**of)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise InputError(place, "is missing", "name a file beside the model file")
    return value


def _parameter(name: str, p: ParameterPart, constants: dict[str, float]) -> Parameter:
    """Within 10 standard deviations or, unmeasured, between 0 and 10 times the value."""
    init = p.init
    if init is None:
        init = p.measured[0] if p.measured else constants.get(name, 1.0)
    if p.bounds is not None:
        bounds = p.bounds
    elif p.measured is not None:
        value, sigma = p.measured
        low = value - 10.0 * sigma
        bounds = (low if value <= 0 else max(low, 1e-3 * value), value + 10.0 * sigma)
    elif name in constants:
        bounds = tuple(sorted((0.1 * init, 10.0 * init))) if init else (-1.0, 1.0)
    else:
        bounds = (0.0, 10.0 * max(init, 1.0))
    return Parameter(
        name, float(init), (float(bounds[0]), float(bounds[1])), p.fixed, label=p.label
    )


def _beside(file: pathlib.Path, name: str) -> pathlib.Path:
    parts = pathlib.PurePath(name).parts
    if not parts or pathlib.PurePath(name).is_absolute() or ".." in parts or "\\" in name:
        place = f"{file.name}: '{name[:80]}'"
        raise InputError(place, "leads elsewhere", "put the file beside the model file")
    return file.parent / name


def _of_asimov(model: EventModel, auxiliary: Array) -> ObservedLikelihood:
    place = "no events were given: these are the Asimov data of the initial parameters"
    noted = _with_notes(model, (Note(Status.SUSPICIOUS_INPUT, place),))
    main = jax.jit(lambda m, theta: m.main_expected(theta))(
        model, jnp.asarray(np.asarray(model.parameters.init, dtype=float))
    )
    return noted.observe(Data(main, auxiliary))


def _with_notes(model: EventModel, notes: tuple[Note, ...]) -> EventModel:
    return dataclasses.replace(model, notes=model.notes + notes)
