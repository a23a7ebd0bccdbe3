r"""Where in a JSON text a problem is: the slow, careful second look.

The parser of `strict_json` is fast and knows only that something is wrong. `find` reads the
text again, token by token, with a stack of its own instead of recursion, and keeps the path
(`channels[0].samples[1].data[0]`) as it goes. It accepts whatever the parser accepts and
more, so that no problem of the parser escapes it.
"""

import dataclasses
import json
import math
import re

TOKEN = re.compile(
    r"""
      (?P<string> " [^"\\]*+ (?: \\. [^"\\]*+ )*+ (?: " | \\?\Z ) )
    | (?P<word>   -?Infinity | NaN )
    | (?P<number> -?[0-9]++ (?: \.[0-9]++ )? (?: [eE][+-]?[0-9]++ )? )
    | (?P<mark>   [][{},:] )
    | (?P<blank>  [\ \t\r\n]{8,}+ )
    """,
    re.VERBOSE | re.DOTALL,
)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_DIGITS = 400


@dataclasses.dataclass(frozen=True)
class Place:
    """A position in the text, its path in the document and what is wrong there."""

    position: int
    path: str
    problem: str = ""
    remedy: str = ""


@dataclasses.dataclass
class _Frame:
    """An open array (`index` counts) or object (`key` is the current one, `seen` all)."""

    is_object: bool
    index: int = 0
    key: str | None = None
    seen: set[str] = dataclasses.field(default_factory=set)

    def step(self) -> str:
        if not self.is_object:
            return f"[{self.index}]"
        if self.key is None:
            return ""
        return f".{self.key}" if IDENTIFIER.fullmatch(self.key) else f"[{quoted(self.key)}]"


def quoted(text: str, width: int = 60) -> str:
    """`text` in double quotes, escaped to printable ASCII and shortened to `width`."""
    return json.dumps(text if len(text) <= width else text[: width - 3] + "...")


def path_of(frames: list[_Frame]) -> str:
    """`channels[0].samples[1]`, with the middle left out where it is very long."""
    path = "".join(frame.step() for frame in frames).removeprefix(".")
    return path if len(path) <= 120 else f"{path[:60]}...{path[-50:]}"


def find(text: str, max_depth: int, stop: int | None = None) -> Place | None:
    """The first problem before `stop`; else the place of `stop`, or None without a `stop`."""
    frames: list[_Frame] = []
    for token in TOKEN.finditer(text, 0, len(text) if stop is None else stop):
        kind, value = token.lastgroup, token.group()
        top = frames[-1] if frames else None
        if kind == "mark":
            problem = _open_or_close(frames, value, max_depth)
        elif kind == "string":
            problem = _string_problem(top, value)
        else:
            problem = None if kind == "blank" else number_problem(value)
        if problem:
            return Place(token.start(), path_of(frames), *problem)
    return None if stop is None else Place(stop, path_of(frames))


def _open_or_close(frames: list[_Frame], mark: str, max_depth: int) -> tuple[str, str] | None:
    if mark in "[{":
        if len(frames) == max_depth:
            return f"nested more than {max_depth} deep", "flatten the document"
        frames.append(_Frame(is_object=mark == "{"))
    elif frames and mark in "]}":
        frames.pop()
    elif frames and mark == ",":
        frames[-1].index += 1
        frames[-1].key = None
    return None


def _string_problem(top: _Frame | None, token: str) -> tuple[str, str] | None:
    """Take a string as the key of `top` where one is due; refuse repeats and half characters."""
    try:
        string = json.loads(token, strict=False)
        string.encode()
    except UnicodeEncodeError:
        return "half a surrogate pair in a string", "write the whole character"
    except ValueError:  # a bad escape, which the parser reports
        string = token
    if top is None or not top.is_object or top.key is not None:
        return None
    if string in top.seen:
        return f"the key {quoted(string)} is repeated", "keep one of the two"
    top.seen.add(string)
    top.key = string
    return None


def number_problem(token: str) -> tuple[str, str] | None:
    """Why a number is refused: NaN, infinite, beyond float64, or absurdly long."""
    if len(token) <= 20 and token[-1].isdigit() and "e" not in token and "E" not in token:
        return None  # nearly all
    remedy = "give a finite number"
    if token.endswith(("NaN", "Infinity")):
        return f"{token} is not a JSON number", remedy
    if len(token) > MAX_DIGITS:
        return f"a number of {len(token):,} digits", f"{remedy} of 17 digits"
    if math.isinf(float(token)):
        return f"the number {token[:30]} is beyond the range of float64", remedy
    return None
