"""A small workspace on disk, and the command line run in this process with streams captured."""

import copy
import json
import os
import pathlib
from typing import Any, NamedTuple

import pytest

from neyman.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The whole of stdout, which must be one strict JSON object."""

        def refuse(name):
            raise AssertionError(f"{name} is not strict JSON")

        return json.loads(self.out, parse_constant=refuse)

    @property
    def line(self) -> str:
        """The one line of an error."""
        assert self.err.endswith("\n") and self.err.count("\n") == 1, self.err
        assert self.out == ""
        return self.err.strip()


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """The command line in a folder of its own; arguments are split at blanks."""
    monkeypatch.chdir(tmp_path)

    def run(arguments: str | list[str]) -> Ran:
        code = main(arguments.split() if isinstance(arguments, str) else arguments)
        return Ran(code, *capsys.readouterr())

    return run


def channel(name, background, signal, uncertainty):
    mu = {"name": "mu", "type": "normfactor", "data": None}
    return {
        "name": name,
        "samples": [
            {
                "name": "background",
                "data": background,
                "modifiers": [
                    {"name": f"stat_{name}", "type": "shapesys", "data": uncertainty},
                    {"name": "norm", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}},
                ],
            },
            {"name": "signal", "data": signal, "modifiers": [mu]},
        ],
    }


def workspace() -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "channels": [
            channel("SR", [50.0, 60.0], [12.0, 11.0], [5.0, 6.0]),
            channel("CR", [100.0], [1.0], [9.0]),
        ],
        "observations": [{"name": "SR", "data": [60, 72]}, {"name": "CR", "data": [104]}],
        "measurements": [
            {"name": "first", "config": {"poi": "mu", "parameters": []}},
            {
                "name": "second",
                "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[0.0, 3.0]]}]},
            },
        ],
    }


def write(path: str | pathlib.Path, document: Any) -> str:
    pathlib.Path(path).write_text(json.dumps(document))
    return os.fspath(path)


@pytest.fixture
def ws(tmp_path) -> str:
    """The name of a workspace file in the folder that `run` works in."""
    return pathlib.Path(write(tmp_path / "ws.json", workspace())).name


@pytest.fixture
def variant(tmp_path):
    """Write the workspace after an edit."""

    def variant(edit, name="variant.json") -> str:
        document = copy.deepcopy(workspace())
        edit(document)
        return pathlib.Path(write(tmp_path / name, document)).name

    return variant


def signal_patch(scale: float) -> list[dict[str, Any]]:
    """Operations that put another signal into the signal region."""
    return [
        {
            "op": "replace",
            "path": "/channels/0/samples/1/data",
            "value": [12.0 * scale, 11.0 * scale],
        }
    ]
