"""What all results have in common, and how they are written and read."""

import dataclasses
import math
import pathlib
import types
import typing
from typing import Any, ClassVar, TypeVar

import numpy as np

from neyman.io.store import write_atomic
from neyman.io.strict_json import dump_json, read_json
from neyman.status import InputError, Note, Status, worst

R = TypeVar("R", bound="Result")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What all results have in common. Abstract; a subclass is final."""

    kind: ClassVar[str]
    notes: tuple[Note, ...] = ()
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def status(self) -> Status:
        return worst(self.notes)

    @property
    def message(self) -> str:
        return " | ".join(str(note) for note in self.notes) or Status.FINE.message

    def summary(self) -> str:
        """A few lines for people."""
        raise NotImplementedError

    def fields_of_interest(self) -> dict[str, Any]:
        """The keys that the command line prints with `--json`."""
        raise NotImplementedError

    def to_json(self) -> str:
        """One strict JSON object: status, message, the result's own keys, provenance."""
        head = {"status": self.status.name.lower(), "message": self.message}
        body = head | self.fields_of_interest() | {"provenance": self.provenance}
        return dump_json(finite(body))

    def save(self, path: str | pathlib.Path) -> None:
        """Write the whole result to a JSON file, atomically."""
        body = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        body["notes"] = [[note.status.name, note.place] for note in self.notes]
        text = dump_json({"result": self.kind} | encode(body))
        write_atomic(pathlib.Path(path), text.encode())

    @classmethod
    def load(cls: type[R], path: str | pathlib.Path) -> R:
        """Read what `save` wrote; raises `InputError` where the file is something else."""
        body = read_json(path)
        kind = body.pop("result", None) if isinstance(body, dict) else None
        if kind != cls.kind:
            raise InputError(str(path), f"holds no {cls.kind} result", "check the file's name")
        try:
            hints = typing.get_type_hints(cls)
            body = {key: decode(value, hints[key]) for key, value in body.items()}
            body["notes"] = tuple(Note(Status[name], place) for name, place in body["notes"])
            return cls(**body)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"is a damaged {cls.kind} result"
            raise InputError(str(path), problem, "make it anew") from error


def finite(value: Any) -> Any:
    """`value` with numbers that JSON cannot hold (NaN, infinities) as None, arrays as lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.ndarray):
        return finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def encode(value: Any) -> Any:
    """`value` with non-finite numbers as the strings "nan", "inf", "-inf"."""
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def decode(value: Any, hint: Any) -> Any:
    """The inverse of `encode` for a field annotated `hint`."""
    if value is None:
        return None
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    wanted = next(option for option in options if option is not types.NoneType)
    if wanted is np.ndarray:
        return np.array(value, dtype=float)
    if wanted is float:
        return float(value)
    return tuple(value) if typing.get_origin(wanted) is tuple else value
