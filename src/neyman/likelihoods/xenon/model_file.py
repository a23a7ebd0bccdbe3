"""The model file: TOML that names a detector, sources and what floats.

    kind = "xenon"
    detector = "lz-like"                 # one that ships, or the path of a detector file
    yields = "nest_2.4"                  # NEST's constants; may be left out
    poi = "wimp_rate"
    events = "search.csv"                # beside this file; or --data, `data=`

    [run]                                # where rates depend on time
    start = 2022-01-01
    live = [[0.0, 90.0], [100.0, 300.0]] # days since then

    [constants]                          # other values than NEST's and the detector's
    nr_alpha = 10.8

    [sources.wimp]
    kind = "nr"                          # nr, er, gamma, weighted
    spectrum = "wimp"                    # flat, lines, table, tritium, lead214, boron8, wimp
    mass = 40.0                          # the arguments of `spectra`'s function of that name
    cross_section = 1e-47
    exposure = 5.0
    modulated = true                     # with the Earth's velocity over the year

    [sources.pb]
    kind = "er"
    spectrum = "lead214"
    low = 0.2
    high = 20.0
    events = 300.0
    rate_map = "radon.json"              # events in proportion to a map; or half_life = 12.3 (days)

    [sources.pairs]
    kind = "accidentals"
    file = "pairs.csv"                   # a histogram in S1 and S2
    events = 2.0

    [parameters.wimp_rate]               # a constant, or SOURCE_rate
    init = 1.0
    bounds = [0.0, 100.0]

    [parameters.g1]
    measured = [0.114, 0.002]            # value and width of an auxiliary measurement

Nothing in it is code, and no path leads out of its folder.
"""

import dataclasses
import pathlib
import tomllib
from typing import Any

import msgspec
import numpy as np

from neyman._jax import Array, jax, jnp, quick_jit
from neyman.io.bounded import Pathlike, read_raw
from neyman.io.provenance import digest
from neyman.likelihoods.xenon.assemble import constants_at, event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import read_events
from neyman.likelihoods.xenon.model import EventModel
from neyman.likelihoods.xenon.rates import LowRank, with_rates
from neyman.likelihoods.xenon.source_parts import Run, RunPart, beside, read_source
from neyman.model import Data, ObservedLikelihood
from neyman.parameters import Parameter, unknown_name
from neyman.status import InputError, Note, Status

MAX_BYTES = 256 * 1024


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
    run: RunPart = RunPart()


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
    named = read.detector if not read.detector.endswith(".toml") else beside(file, read.detector)
    detector = load_detector(named)
    run = Run(read.run, detector, file)
    sources = {name: read_source(name, of, run) for name, of in read.sources.items()}
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
        live=run.part.live,
        poi=read.poi,
        digest=digest((digest(raw) + detector.digest).encode()),
    )
    model = jax.tree.map(jnp.asarray, model)
    auxiliary = jnp.asarray([value for value, _ in measured.values()], dtype=float)
    events = data if data is not None else read.events and beside(file, read.events)
    if events is None:
        return _of_asimov(model, auxiliary)
    varying = {n: of[1] for n, of in sources.items() if isinstance(of, tuple)}
    axes = {a for of in varying.values() if isinstance(of, LowRank) for a in of.axes}
    given = read_events(events, detector, axes=axes, live=run.part.live)
    with_columns = with_rates(given.events, varying)
    noted = _with_notes(model, given.notes)
    return noted.observe(Data(jax.tree.map(jnp.asarray, with_columns), auxiliary))


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


def _of_asimov(model: EventModel, auxiliary: Array) -> ObservedLikelihood:
    place = "no events were given: these are the Asimov data of the initial parameters"
    noted = _with_notes(model, (Note(Status.SUSPICIOUS_INPUT, place),))
    main = quick_jit(lambda m, theta: m.main_expected(theta))(
        model, jnp.asarray(np.asarray(model.parameters.init, dtype=float))
    )
    return noted.observe(Data(main, auxiliary))


def _with_notes(model: EventModel, notes: tuple[Note, ...]) -> EventModel:
    return dataclasses.replace(model, notes=model.notes + notes)
