"""JSON as RFC 8259 has it, under caps, with errors that point into the file.

    ws.json:12:31 at channels[0].samples[1].data[0]: NaN is not a JSON number; give a ...

Python's parser is fast but lenient (NaN, 1e999, repeated keys) and recursive, so depth is
measured before it runs: delete all but quotes and brackets, drop what stands between
quotes, and sum +1 and -1. Its hooks then refuse the rest. Only when something is wrong does
`json_place.find` read the text again to say where.
"""

import codecs
import dataclasses
import json
import math
import re
from typing import Any, NoReturn

import numpy as np

from neyman.io import store
from neyman.io.bounded import MAX_BYTES, Pathlike, read_bytes
from neyman.io.json_place import MAX_DIGITS, Place, find, quoted
from neyman.status import InputError


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a document may be at most. A value takes about 100 bytes of memory."""

    max_bytes: int = MAX_BYTES
    max_depth: int = 64
    max_values: int = 10_000_000


LIMITS = Limits()


def read_json(path: Pathlike, limits: Limits = LIMITS) -> Any:
    """The document in a `.json` or gzipped file, as dict, list, str, int, float, bool, None."""
    return parse_json(read_bytes(path, limits.max_bytes), str(path), limits)


def parse_json(data: bytes | str, name: str = "JSON", limits: Limits = LIMITS) -> Any:
    """The document in `data`; `name` is what errors call it."""
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    _check_bytes(data, name, limits)
    text = _decode(data, name)
    if deepest(data) > limits.max_depth or _HALF_CHARACTER.search(data):
        _refuse_first_problem(text, name, limits)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse_syntax(error, text, name, limits)
    except (_RefusedError, RecursionError) as error:
        _refuse_first_problem(text, name, limits)
        raise InputError(name, f"not strict JSON ({error})", "write the file again") from None


def write_json(path: Pathlike, obj: Any) -> None:
    """Write `obj` as strict JSON, atomically: readers see the old file or the new one."""
    store.write_atomic(path, (dump_json(obj, indent=1) + "\n").encode())


def dump_json(obj: Any, indent: int | None = None) -> str:
    """`obj` as strict JSON in insertion order; arrays become lists, NaN is an error."""
    return json.dumps(plain(obj), allow_nan=False, indent=indent)


def plain(value: Any, path: str = "") -> Any:
    """`value` in JSON's own types: arrays and NumPy scalars become lists and numbers."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                _refuse_value(path, f"the key {key!r} is not a string")
        return {key: plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), path)
    if isinstance(value, float):
        _refuse_value(path, f"{value} is not a JSON number")
    _refuse_value(path, f"a {type(value).__name__} has no form in JSON")


def _refuse_value(path: str, problem: str) -> NoReturn:
    raise InputError(path.removeprefix(".") or "JSON", problem, "convert it before writing")


# ---- before the parser: bytes


_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # perhaps: `find` looks closer


def deepest(data: bytes) -> int:
    r"""The largest nesting depth, right up to the first syntax error.

    Brackets in strings don't count. `\\` and `\"` are removed first, so that each quote left
    opens or closes a string; outside strings a backslash is an error, where parsing ends.
    """
    if b"\\" in data:
        data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = np.frombuffer(data.translate(None, _NOT_STRUCTURE), np.uint8)
    result = depth = quotes = 0
    for start in range(0, len(marks), 2**20):
        block = marks[start : start + 2**20]
        quoting = quotes + np.cumsum(block == ord('"'))
        depths = depth + np.cumsum(_STEP[block] * (quoting % 2 == 0), dtype=np.int64)
        result = max(result, int(depths.max()))
        depth, quotes = int(depths[-1]), int(quoting[-1])
    return result


def _check_bytes(data: bytes, name: str, limits: Limits) -> None:
    if len(data) > limits.max_bytes:
        raise InputError(name, f"more than {limits.max_bytes:,} bytes", "check the file")
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(name, "starts with a byte order mark", "save it as UTF-8 without BOM")
    if not data or data.isspace():
        raise InputError(name, "is empty" if not data else "is blank", "write a JSON document")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > limits.max_values:
        raise InputError(name, f"more than {limits.max_values:,} values", "split the document")


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        problem = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise InputError(_at(name, before, len(before)), problem, "save it as UTF-8") from None


# ---- in the parser: hooks


class _RefusedError(Exception):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _RefusedError("a repeated key")
    return result


def _float(token: str) -> float:
    result = float(token) if len(token) <= MAX_DIGITS else math.inf
    if math.isinf(result):
        raise _RefusedError("a number beyond float64")
    return result


def _int(token: str) -> int:
    if len(token) > 300:
        _float(token)
    return int(token)


def _constant(token: str) -> NoReturn:
    raise _RefusedError(token)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant
)


# ---- after the parser: one line that says where


def _at(name: str, text: str, position: int, path: str = "") -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"{name}:{line}:{column}" + (f" at {path}" if path else "")


def _refuse(name: str, text: str, place: Place) -> NoReturn:
    where = _at(name, text, place.position, place.path)
    raise InputError(where, place.problem, place.remedy) from None


def _refuse_first_problem(text: str, name: str, limits: Limits) -> None:
    place = find(text, limits.max_depth)
    if place:
        _refuse(name, text, place)


def _refuse_syntax(error: json.JSONDecodeError, text: str, name: str, limits: Limits) -> NoReturn:
    place = find(text, limits.max_depth, error.pos)
    assert place is not None
    if not place.problem:
        rest = text[error.pos : error.pos + 20].strip()
        if not rest or error.msg.startswith("Unterminated string"):
            problem, remedy = "the document ends too early", "fetch or write the file again"
        else:
            problem = f"not JSON here, {quoted(rest)} ({error.msg.lower().removesuffix(' at')})"
            remedy = "correct the file"
        place = dataclasses.replace(place, problem=problem, remedy=remedy)
    _refuse(name, text, place)
