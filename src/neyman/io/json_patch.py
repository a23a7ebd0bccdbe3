"""JSON patches (RFC 6902) on JSON pointers (RFC 6901).

A patch is a list of operations, e.g. `{"op": "add", "path": "/channels/0/samples/-", "value":
...}`. HistFactory analyses are published as one background workspace and hundreds of signal
patches, so applying is copy-on-write: of the document only the containers along the paths
touched are copied, and the result shares the rest with it. Treat both as read-only.
"""

import difflib
import re
from typing import Any

from neyman.io.json_place import quoted
from neyman.status import InputError

MAX_OPERATIONS = 100_000
MAX_DEPTH = 64
MAX_MOVED = 10_000_000  # values put in place by one patch; `copy` alone could double forever

_INDEX = re.compile(r"0|[1-9][0-9]{0,14}")
_BAD_ESCAPE = re.compile(r"~(?![01])")

Pointer = list[str]


def apply_patch(document: Any, patch: Any, name: str = "patch") -> Any:
    """The document after `patch`; neither is changed. `name` is what errors call the patch."""
    if not isinstance(patch, list):
        raise InputError(name, "a JSON patch is a list of operations", "check the file")
    if len(patch) > MAX_OPERATIONS:
        raise InputError(name, f"more than {MAX_OPERATIONS:,} operations", "split the patch")
    draft = _Draft(document)
    for index, operation in enumerate(patch):
        try:
            _apply(draft, operation)
        except _RefusedError as refused:
            raise InputError(_place(name, index, operation), *refused.args) from None
    return draft.root


def parse_pointer(text: Any) -> Pointer:
    """`/channels/0/a~1b` as `["channels", "0", "a/b"]`; the empty string is the document."""
    if not isinstance(text, str):
        raise _RefusedError("has no path", "give a JSON pointer such as /channels/0")
    if text and not text.startswith("/"):
        raise _RefusedError("the pointer does not start with /", "write it as /channels/0")
    if _BAD_ESCAPE.search(text):
        raise _RefusedError("~ in a pointer is followed by neither 0 nor 1", "write ~0 for ~")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


class _RefusedError(Exception):
    """Why an operation cannot be done: a problem and a remedy, not yet a place."""


def _place(name: str, index: int, operation: Any) -> str:
    if not isinstance(operation, dict):
        return f"{name}: operation {index}"
    kind, path = operation.get("op"), operation.get("path")
    return f"{name}: operation {index} ({_short(kind)} {_short(path)})"


def _short(value: Any) -> str:
    return quoted(value, 120)[1:-1] if isinstance(value, str) else "?"


def _apply(draft: "_Draft", operation: Any) -> None:
    """One operation of RFC 6902, section 4."""
    if not isinstance(operation, dict):
        raise _RefusedError("is not an object", 'write {"op": ..., "path": ...}')
    path = parse_pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            draft.add(path, _member(operation, "value"))
        case "remove":
            draft.remove(path)
        case "replace":
            draft.add(path, _member(operation, "value"), replacing=True)
        case "move":
            source = parse_pointer(operation.get("from"))
            if source == path[: len(source)] and source != path:
                raise _RefusedError("moves a value into itself", "use copy")
            value = draft.get(source)
            if source != path:
                draft.remove(source)
                draft.add(path, value)
        case "copy":
            draft.add(path, draft.copied(parse_pointer(operation.get("from"))))
        case "test":
            if not same(draft.get(path), _member(operation, "value")):
                raise _RefusedError("the value differs", "check that the patch is for this file")
        case _:
            known = "add, remove, replace, move, copy or test"
            raise _RefusedError("is of no known kind", f"'op' is one of {known}")


def _member(operation: dict[str, Any], key: str) -> Any:
    if key not in operation:
        raise _RefusedError(f"has no {key!r}", "add it")
    return operation[key]


class _Draft:
    """A document being edited. `owned` holds the containers copied so far, by identity."""

    def __init__(self, root: Any):
        self.root = root
        self.owned: dict[int, Any] = {}
        self.moved = 0

    def get(self, pointer: Pointer) -> Any:
        value = self.root
        for token in pointer:
            value = value[_key(value, token)]
        return value

    def copied(self, pointer: Pointer) -> Any:
        """A deep copy, for a container in two places would be edited in both."""
        value = self.get(pointer)
        self.admit(value, 0)
        return _clone(value)

    def add(self, pointer: Pointer, value: Any, replacing: bool = False) -> None:
        self.admit(value, len(pointer))
        if not pointer:
            self.root = value
            return
        parent = self.parent(pointer)
        key = _key(parent, pointer[-1], adding=not replacing)
        if isinstance(parent, list) and not replacing:
            parent.insert(key, value)
        else:
            parent[key] = value

    def remove(self, pointer: Pointer) -> None:
        if not pointer:
            raise _RefusedError("removes the whole document", "remove a part of it")
        parent = self.parent(pointer)
        del parent[_key(parent, pointer[-1])]

    def parent(self, pointer: Pointer) -> Any:
        """The container of the pointer's last token, it and all above it copied once."""
        container = self.root = self.own(self.root)
        for token in pointer[:-1]:
            key = _key(container, token)
            container[key] = self.own(container[key])
            container = container[key]
        return container

    def own(self, value: Any) -> Any:
        if not isinstance(value, dict | list) or id(value) in self.owned:
            return value
        value = value.copy()
        self.owned[id(value)] = value
        return value

    def admit(self, value: Any, depth: int) -> None:
        """Count what is put in place, level by level; refuse what grows without end."""
        level = [value]
        while level:
            self.moved += len(level)
            if self.moved > MAX_MOVED:
                raise _RefusedError(f"the patch places over {MAX_MOVED:,} values", "shorten it")
            if depth > MAX_DEPTH:
                raise _RefusedError(f"nests more than {MAX_DEPTH} deep", "flatten the value")
            inner = [item for item in level if isinstance(item, dict | list) and item]
            parts = (item.values() if isinstance(item, dict) else item for item in inner)
            level = [item for part in parts for item in part]
            depth += 1


def _key(container: Any, token: str, adding: bool = False) -> Any:
    """The dict key or list index that `token` means in `container`, which must exist."""
    if isinstance(container, dict):
        if not adding and token not in container:
            near = difflib.get_close_matches(token, container, 1)
            hint = f"did you mean {quoted(near[0])}?" if near else "check the path"
            raise _RefusedError(f"there is no key {quoted(token)}", hint)
        return token
    if not isinstance(container, list):
        problem = f"{quoted(token)} is sought in a {type(container).__name__}"
        raise _RefusedError(problem, "end the path at an object or a list")
    if token == "-" and adding:
        return len(container)
    if not _INDEX.fullmatch(token) or int(token) >= len(container) + adding:
        problem = f"{quoted(token)} is no index into a list of {len(container)}"
        raise _RefusedError(problem, "give a number within it, or - to append with add")
    return int(token)


def same(a: Any, b: Any) -> bool:
    """Equality of RFC 6902, section 4.6: 1 equals 1.0, but true does not equal 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    return [_clone(item) for item in value] if isinstance(value, list) else value
