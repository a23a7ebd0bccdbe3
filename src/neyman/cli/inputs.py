"""From the arguments to a likelihood: FILE, patches, measurement, or the user's own code."""

import dataclasses
import importlib.util
import os
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

from neyman.cli.options import Source
from neyman.io.json_patch import apply_patch
from neyman.io.patchset import PatchSet, read_patchset
from neyman.io.provenance import digest
from neyman.io.strict_json import read_json
from neyman.likelihoods import histfactory
from neyman.likelihoods.load import load
from neyman.model import Likelihood
from neyman.status import InputError

WORKSPACES = (".json", ".json.gz")
CODE = re.compile(r"(.+\.py):([A-Za-z_]\w*)")

Digests = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Input:
    """A likelihood, and the digests of the files that it was made from."""

    like: Likelihood
    digests: Digests


def read(source: Source) -> Input:
    """The likelihood that the arguments mean.

    Raises:
        InputError: a file cannot be used, or options do not go together.
    """
    code = CODE.fullmatch(source.file)
    if code:
        return _from_code(source, pathlib.Path(code[1]), code[2])
    check_file(source.file)
    if not (source.patch or source.patchset or source.patch_name):
        like = load(source.file, **_choices(source))
        return Input(like, {source.file: like.digest})
    if source.patchset is not None and source.patch_name is None:
        names = [p.metadata.name for p in read_patchset(source.patchset).patches]
        problem = f"holds {len(names)} patches"
        raise InputError(source.patchset, problem, f"choose one: --patch-name {names[0]}")
    document, digests = patched(source)
    return Input(likelihood(document, source), digests)


def likelihood(document: Any, source: Source, name: str | None = None) -> Likelihood:
    """The likelihood of a patched workspace; `name` is what errors call it."""
    name = name or pathlib.Path(source.file).name
    return histfactory.likelihood(document, source=name, **_choices(source))


def patched(source: Source) -> tuple[Any, Digests]:
    """The workspace after --patchset --patch-name, then each --patch; digests of all files."""
    document = read_workspace(source.file)
    digests = {source.file: digest(document)}
    if source.patch_name is not None:
        chosen = patch_set(source, document)
        digests[chosen.name] = digest(chosen.select(source.patch_name).patch)
        document = chosen.apply(document, source.patch_name)
    for path in source.patch or ():
        operations = read_json(path)
        digests[path] = digest(operations)
        document = apply_patch(document, operations, path)
    return document, digests


def patch_set(source: Source, document: Any) -> PatchSet:
    """The --patchset, which must be one for `document`."""
    if source.patchset is None:
        raise InputError("--patch-name", "goes with a patch set", "add --patchset FILE")
    patches = read_patchset(source.patchset)
    patches.verify(document)
    return patches


def read_workspace(path: str) -> Any:
    """The JSON document of a workspace file, to be patched."""
    check_file(path)
    if not path.endswith(WORKSPACES):
        raise InputError(path, "cannot be patched", "give a .json or .json.gz workspace")
    return read_json(path)


def check_file(path: str) -> None:
    """Refuse what is no file, before its name's ending is looked at."""
    if not os.path.exists(path):
        code = "; your own code is given as module.py:name" if path.endswith(".py") else ""
        raise InputError(path or "FILE", "no such file", f"check the path{code}")
    if os.path.isdir(path):
        raise InputError(path, "is a folder", "name a file in it")
    if path.endswith(".py"):
        raise InputError(path, "which of its names is meant", f"write e.g. {path}:likelihood")


def assignment(option: str, text: str) -> tuple[str, str]:
    """NAME=V as (NAME, V)."""
    name, equals, value = text.rpartition("=")
    if not (name and equals):
        raise InputError(f"{option} {text}", "is not NAME=VALUE", f"write e.g. {option} mu=1")
    return name.strip(), value


def number(option: str, text: str | float) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if abs(value) < float("inf"):
        return value
    raise InputError(f"{option} {text}", "is not a finite number", "write e.g. 1 or 0.5")


def _choices(source: Source) -> dict[str, Any]:
    if source.data is not None and not source.file.endswith(".toml"):
        raise InputError("--data", "is for a .toml model", "leave it out")
    if source.measurement is not None and source.file.endswith((".toml", ".onnx")):
        raise InputError("--measurement", "is for a workspace", "leave it out")
    choices = {"measurement": source.measurement, "data": source.data}
    return {name: value for name, value in choices.items() if value is not None}


def _from_code(source: Source, path: pathlib.Path, name: str) -> Input:
    """The likelihood called `name` in a Python file, or what the function `name` returns."""
    if not source.allow_code:
        problem = "is code, which runs with your rights"
        raise InputError(source.file, problem, "add --allow-code if you trust it")
    if source.patch or source.patchset or source.patch_name or source.measurement:
        problem = "is code: patches and measurements are for workspaces"
        raise InputError(source.file, problem, "leave those options out")
    if not path.is_file():
        raise InputError(str(path), "no such file", "check the path")
    module = _called(source.file, lambda: _import(path))
    if not hasattr(module, name):
        known = [key for key in vars(module) if not key.startswith("_")]
        remedy = f"it has {', '.join(known[:8]) or 'no names'}"
        raise InputError(source.file, f"has no '{name}'", remedy)
    value = getattr(module, name)
    if callable(value) and not isinstance(value, Likelihood):
        value = _called(source.file, value)
    if not isinstance(value, Likelihood):
        problem = f"'{name}' is of type {type(value).__name__}"
        raise InputError(source.file, problem, "give a Likelihood or a function that returns one")
    return Input(value, {str(path): digest(path.read_bytes())})


def _import(path: pathlib.Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickling look here
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _called(place: str, function: Callable[[], Any]) -> Any:
    """What the user's function returns; what it raises becomes one line."""
    try:
        return function()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        problem = f"raised {type(error).__name__}: {error}"
        raise InputError(place, problem, "NEYMAN_DEBUG=1 shows where") from error
