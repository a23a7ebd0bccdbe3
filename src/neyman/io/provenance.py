"""What went into a result: the digests of its inputs, the seed, the versions, the date.

Digests are SHA-256: of bytes as they are, of a document by its canonical JSON (keys sorted,
UTF-8), which is pyhf's `utils.digest`, so that a digest does not depend on layout. Nothing
here names a folder, a user or a machine.
"""

import datetime
import functools
import hashlib
import importlib.metadata
import json
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

PACKAGES = ("neyman", "numpy", "jax")


def digest(data: Any, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of bytes, or of a JSON document whatever its layout."""
    if not isinstance(data, bytes):
        data = json.dumps(data, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def provenance(inputs: Mapping[str, str], seed: int | None = None) -> dict[str, Any]:
    """A record for a result; `inputs` maps file names to digests, folders are cut off."""
    return {
        "inputs": _without_folders(inputs),
        "seed": seed,
        "versions": dict(_versions()),
        "platform": _platform(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def _versions() -> tuple[tuple[str, str | None], ...]:
    python = ("python", platform.python_version())
    return (python, *((package, version(package)) for package in PACKAGES))


@functools.cache
def _platform() -> str:
    return f"{platform.system()} {platform.machine()}"


def version(package: str) -> str | None:
    """The installed version, read from its metadata: nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _without_folders(inputs: Mapping[str, str]) -> dict[str, str]:
    """File names alone; a name met again gets a number."""
    if not any("/" in path or "\\" in path for path in inputs):
        return dict(inputs)
    result: dict[str, str] = {}
    for path, value in inputs.items():
        name = pathlib.PureWindowsPath(path).name or "input"  # cuts at / and at \
        count = sum(known.split(" #")[0] == name for known in result)
        result[f"{name} #{count + 1}" if count else name] = value
    return result
