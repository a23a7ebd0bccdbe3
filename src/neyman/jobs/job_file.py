"""The job file of a surrogate: TOML that names a source and what is to be learned of it.

    source = "workspace.json"            # or "search.toml", "x.onnx", "module.py:name", beside this
    measurement = "meas"                 # of a workspace; patches = ["signal.json"] likewise
    data = "events.csv"                  # of a .toml model
    pois = ["mu"]                        # by default what the source names
    points = 100000
    seed = 0
    level = 0.95                         # of the limits that are compared
    asimov = true                        # learn log L of the background-only Asimov data, for CLs
    chains = true                        # points from chains; by default unless log L is dear
    precision = "float32"                # of the networks in the file, or "float64"
    rounds = 0                           # draw from the surrogate, ask the source, learn again

    [network]                            # all of it may be left out: see `surrogate.train.Settings`
    width = 64
    weights = [0.3, 1.0]

    [validation]                         # see `jobs.validate.Budget`
    draws = 8000

    [about]                              # text for the file and its card: see `report.about`
    title = "..."
    authors = "..."
    licence = "CC-BY-4.0"

A table of another program takes the place of a source, with its parameters in full:

    table = "points.csv"                 # columns: the parameters, and log_prob
    [parameters.mu]
    init = 1.0
    bounds = [0.0, 10.0]

Nothing in it is code, but a source may name some, which runs only where that is allowed.
"""

import dataclasses
import math
import pathlib
import tomllib
from typing import Any

import msgspec

from neyman.io.bounded import Pathlike, read_raw
from neyman.jobs.validate import Budget
from neyman.likelihoods.surrogate.train import Settings
from neyman.parameters import Parameter, Parameters
from neyman.report.about import check_about
from neyman.status import InputError

MAX_BYTES = 256 * 1024
MOST_POINTS = 10_000_000


class ParameterPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    init: float = 0.0
    bounds: tuple[float, float] | None = None
    label: str = ""
    unit: str = ""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the module."""

    source: str | None = None
    table: str | None = None
    measurement: str | None = None
    patches: list[str] = []
    data: str | None = None
    pois: list[str] | None = None
    points: int = 100_000
    seed: int = 0
    level: float = 0.95
    asimov: bool = True
    chains: bool | None = None
    precision: str = "float32"
    rounds: int = 0
    network: dict[str, Any] = {}
    validation: dict[str, Any] = {}
    about: dict[str, str] = {}
    parameters: dict[str, ParameterPart] = {}

    @property
    def settings(self) -> Settings:
        return _converted(self.network, Settings, "network")

    @property
    def budget(self) -> Budget:
        return _converted(self.validation, Budget, "validation")

    def declared(self) -> Parameters:
        """The parameters that the file declares, for a table."""
        infinite = (-math.inf, math.inf)
        return Parameters(
            tuple(
                Parameter(name, p.init, p.bounds or infinite, label=p.label, unit=p.unit)
                for name, p in self.parameters.items()
            )
        )


def read_job(path: Pathlike) -> Job:
    """The job of a TOML file; the files that it names become paths from here.

    Raises:
        InputError: it cannot be read; an unknown key, a wrong type, a number out of range.
    """
    file = pathlib.Path(path)
    try:
        document = tomllib.loads(read_raw(file, MAX_BYTES).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(file.name, f"is not TOML ({error})", "correct it") from None
    try:
        job = msgspec.convert(document, Job)
    except msgspec.ValidationError as error:
        raise InputError(file.name, str(error), "see docs/surrogate-training.md") from None
    _check(job, file.name)
    folder = file.parent
    return msgspec.structs.replace(
        job,
        source=None if job.source is None else str(folder / job.source),
        table=None if job.table is None else str(folder / job.table),
        data=None if job.data is None else str(folder / job.data),
        patches=[str(folder / patch) for patch in job.patches],
    )


def _check(job: Job, name: str) -> None:
    if (job.source is None) == (job.table is None):
        raise InputError(name, "names no source, or two", "give `source`, or `table`")
    if job.table is not None and not job.parameters:
        raise InputError(name, "declares no parameters", "add a [parameters.NAME] for each column")
    if job.table is None and job.parameters:
        raise InputError(name, "declares parameters, as does its source", "leave them out")
    ranges = {
        "points": (job.points, 100, MOST_POINTS),
        "seed": (job.seed, 0, 2**31 - 1),
        "rounds": (job.rounds, 0, 20),
    }
    for key, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise InputError(f"{name}: {key}", f"is {value}", f"give {low} to {high:,}")
    if not 0 < job.level < 1:
        raise InputError(f"{name}: level", f"is {job.level:g}", "give a number between 0 and 1")
    check_about(job.about, f"{name}: about")
    _ = job.settings, job.budget


def _converted(values: dict[str, Any], kind: Any, place: str) -> Any:
    known = {field.name for field in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise InputError(f"{place}.{key}", "unknown", f"known are {', '.join(sorted(known))}")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(place, str(error), "see docs/surrogate-training.md") from None
