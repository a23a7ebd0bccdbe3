"""`neyman simulate`: toy data sets in a file, or as workspaces that can be read again."""

import dataclasses
import pathlib
import typing
from typing import Any, ClassVar

import numpy as np

from neyman._jax import jax
from neyman.cli.inputs import Input, patched
from neyman.cli.options import Form, Source
from neyman.inference.provenance import provenance_of
from neyman.io.chunks import encode
from neyman.io.store import write_atomic, write_directory
from neyman.io.strict_json import dump_json, write_json
from neyman.likelihoods.histfactory import HistFactoryModel
from neyman.likelihoods.histfactory.observed import with_data
from neyman.model import Data
from neyman.results import Result
from neyman.status import InputError

MAX_SETS = 10_000_000
MAX_WORKSPACES = 10_000


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation(Result):
    """Where n data sets were written."""

    kind: ClassVar[str] = "simulation"
    n: int
    file: str
    at: dict[str, float]

    def fields_of_interest(self) -> dict[str, Any]:
        return {"n": self.n, "file": self.file}

    def summary(self) -> str:
        return f"{self.n} data sets in {self.file}"


def check_target(path: str, form: Form, n: int) -> None:
    """Refuse before the work what could not be written after it."""
    if not 1 <= n <= MAX_SETS:
        raise InputError(f"-n {n}", "is out of range", f"use 1 to {MAX_SETS:,}")
    if form in (Form.WORKSPACE, Form.EVENTS) and n > MAX_WORKSPACES:
        problem = f"would be {n:,} files"
        raise InputError(f"--format {form.value}", problem, f"use up to {MAX_WORKSPACES:,}")
    if not pathlib.Path(path).absolute().parent.is_dir():
        raise InputError(f"--to {path}", "its folder does not exist", "create it first")


def write(source: Source, given: Input, data: Data, path: str, form: Form) -> None:
    """Stacked data in a file, or each as a workspace in a folder."""
    model = given.like.model
    assert model is not None
    if form is Form.WORKSPACE:
        return _write_workspaces(source, given, data, path)
    if form is Form.EVENTS:
        return _write_events(data, path)
    named = _named(data)
    if form is Form.JSON:
        sets = [{k: v[i].tolist() for k, v in named.items()} for i in range(len(data.auxiliary))]
        head = {"auxiliary_names": list(model.auxiliary.names)}
        return write_json(path, head | {"data": sets})
    names = np.array([*model.auxiliary.names], dtype=str if model.auxiliary.names else "U1")
    write_atomic(path, encode(named | {"auxiliary_names": names}, b"data"))


def _named(data: Data) -> dict[str, np.ndarray]:
    """The arrays by name: main, or main_0, main_1 ... of a joint model, and auxiliary."""
    leaves = jax.tree.leaves(data.main)
    single = len(leaves) == 1
    main = {"main" if single else f"main_{i}": np.asarray(x) for i, x in enumerate(leaves)}
    return main | {"auxiliary": np.asarray(data.auxiliary)}


def _write_events(data: Data, path: str) -> None:
    """The events of one data set as CSV, or those of several in a folder."""
    from neyman.likelihoods.xenon.events import Events, write_events

    if not isinstance(data.main, Events):
        raise InputError("--format events", "is for a model of events", "use --format npz or json")
    n = len(data.auxiliary)
    sets = [jax.tree.map(lambda leaf, i=i: leaf[i], data.main) for i in range(n)]
    if n == 1:
        return write_events(path, sets[0])
    with write_directory(path) as folder:
        for i, one in enumerate(sets):
            write_events(folder / f"toy-{i:0{len(str(n - 1))}d}.csv", one)


def _write_workspaces(source: Source, given: Input, data: Data, path: str) -> None:
    model = given.like.model
    if not isinstance(model, HistFactoryModel):
        problem = "is for HistFactory workspaces"
        raise InputError("--format workspace", problem, "use --format npz or json")
    document, _ = patched(source)
    digits = len(str(len(data.auxiliary) - 1))
    with write_directory(path) as folder:
        for i in range(len(data.auxiliary)):
            one = Data(data.main[i], data.auxiliary[i])
            toy = with_data(document, model, one, source.measurement)
            name = f"toy-{i:0{digits}d}.json"
            (folder / name).write_text(dump_json(toy, indent=1), encoding="utf-8")


def described(given: Input, n: int, path: str, at: dict[str, float], seed: int) -> Simulation:
    """The result: how many data sets are where."""
    made = provenance_of(given.like, seed)
    return Simulation(n=n, file=path, at=at, notes=(), provenance=made)
