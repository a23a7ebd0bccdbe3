"""Finished pieces of a long computation: a folder that can be resumed and merged.

    toys/spec.json          what is computed, and its digest
    toys/00000000.npz ...   the arrays of piece 0, 1, ...: an uncompressed zip of .npy files

Each file appears whole (`store.write_atomic`) and carries the digest of the spec, its own
index and a checksum of all its bytes, so that no other piece and no damaged one is taken for
it. The same arrays make the same bytes. Reading trusts nothing: members must be stored
uncompressed, so that no size exceeds the file's, and headers are matched, not evaluated.
What does not pass is named in `notes` and computed again.
"""

import contextlib
import io
import math
import os
import pathlib
import re
import struct
import time
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from neyman.io.bounded import MB, Pathlike, read_raw
from neyman.io.provenance import digest
from neyman.io.store import made_folder, write_atomic
from neyman.io.strict_json import dump_json, plain, read_json, write_json
from neyman.status import InputError, Note, Status

Arrays = dict[str, np.ndarray]

MAX_CHUNK = 256 * MB
MAX_DIRECTORY = MB  # of the zip: some ten thousand arrays
LEFTOVER_AGE = 600.0  # seconds; younger temporary files may be another process's
SPEC = "spec.json"


class ChunkStore:
    """Arrays by index in a folder, for one `spec`: any JSON document that says what they are.

    The folder is created where it is absent. Raises `InputError` if it holds another spec
    (the message says what differs) or something else. After a kill at any moment, or a full
    disk, every chunk saved before is intact. `notes` lists the chunks found damaged.
    """

    def __init__(self, folder: Pathlike, spec: Any):
        self.folder = pathlib.Path(folder)
        self.spec = plain(spec)
        self.digest = digest(self.spec)
        self.notes: list[Note] = []
        if os.path.lexists(self.folder / SPEC):
            self._compare(_read_spec(self.folder))
            self._remove_leftovers()
        else:
            _create(self.folder)
            write_json(self.folder / SPEC, {"digest": self.digest, "spec": self.spec})

    @classmethod
    def open(cls, folder: Pathlike) -> "ChunkStore":
        """The store in an existing folder, with the spec that is found there."""
        return cls(folder, _read_spec(pathlib.Path(folder)))

    def indices(self) -> tuple[int, ...]:
        """The indices that have a file, in order; `load` tells whether a file is intact."""
        names = (re.fullmatch(r"(\d{8,18})\.npz", name) for name in os.listdir(self.folder))
        found = sorted(int(name[1]) for name in names if name)
        return tuple(index for index in found if os.path.lexists(self.path(index)))

    def path(self, index: int) -> pathlib.Path:
        return self.folder / f"{index:08d}.npz"

    def load(self, index: int) -> Arrays | None:
        """The arrays of a chunk; None where there is none, or a damaged one (see `notes`)."""
        path = self.path(index)
        if not os.path.lexists(path):
            return None
        try:
            return decode(read_raw(path, MAX_CHUNK), self._label(index), str(path))
        except InputError as error:
            place = f"{error.place} ({error.problem}), which is computed again"
            self.notes.append(Note(Status.DAMAGED_CHUNK, place))
            return None

    def save(self, index: int, arrays: Arrays) -> None:
        """Write a chunk; `InputError` with the bytes needed if the disk is full."""
        if index < 0:
            raise InputError(str(self.folder), f"the index {index} is negative", "count from 0")
        path = self.path(index)
        if path.is_symlink():  # a link would lead the write out of the folder
            path.unlink()
        write_atomic(path, encode(arrays, self._label(index)))

    def merge(self, other: "ChunkStore") -> int:
        """Take the chunks of a store of the same spec; the number of those that were new.

        Raises `InputError` if a chunk that both have differs, and then takes nothing.
        Damaged chunks of `other` are left out and stand in `notes`.
        """
        self._compare(other.spec, other.folder)
        ours, theirs = set(self.indices()), other.indices()
        new = [index for index in theirs if index not in ours]
        for index in theirs:
            if index in ours and not self._agrees(other, index):
                new.append(index)
        added = 0
        for index in new:
            if (arrays := other.load(index)) is not None:
                self.save(index, arrays)
                added += 1
        self.notes += [note for note in other.notes if note not in self.notes]
        return added

    def _agrees(self, other: "ChunkStore", index: int) -> bool:
        """Whether ours is as theirs; False if ours is damaged."""
        ours = self.load(index)
        theirs = other.load(index) if ours is not None else None
        if ours is not None and theirs is not None and not same(ours, theirs):
            problem = f"differs from {other.path(index)}, though the spec is the same"
            remedy = "compute both with the same versions and number of threads, or remove one"
            raise InputError(str(self.path(index)), problem, remedy)
        return ours is not None

    def _label(self, index: int) -> bytes:
        return f"{self.digest}:{index}".encode()

    def _compare(self, spec: Any, where: pathlib.Path | None = None) -> None:
        if digest(spec) != self.digest:
            problem = f"holds another computation: {_difference(spec, self.spec)}"
            raise InputError(str(where or self.folder), problem, "name another folder")

    def _remove_leftovers(self) -> None:
        """Temporary files that a kill left, if old enough to be nobody's."""
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > LEFTOVER_AGE:
                    path.unlink()


def merge(folders: Iterable[Pathlike], into: Pathlike) -> ChunkStore:
    """One store of all chunks of `folders`, which must hold the same spec."""
    stores = [ChunkStore.open(folder) for folder in folders]
    if not stores:
        raise InputError(str(into), "nothing to merge", "name at least one folder")
    result = ChunkStore(into, stores[0].spec)
    for store in stores:
        result.merge(store)
    return result


# ---- arrays


def plain_arrays(result: Any, place: str = "the result") -> Arrays:
    """`result` as it comes back from a file: named, C-ordered, writable NumPy arrays.

    Arrays in another layout give sums with other last bits; so what was just computed is
    brought to the same form as what was stored.
    """
    if not isinstance(result, dict):
        problem = f"is a {type(result).__name__}, not a dict of arrays"
        raise InputError(place, problem, "return {name: array}")
    return {_checked_name(name, place): _plain(result[name], name, place) for name in result}


def same(a: Arrays, b: Arrays) -> bool:
    """Whether names, types, shapes and every bit agree."""
    return list(a) == list(b) and all(
        a[name].dtype == b[name].dtype
        and a[name].shape == b[name].shape
        and a[name].tobytes() == b[name].tobytes()
        for name in a
    )


def _checked_name(name: Any, place: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[\w.\[\]()+ -]{1,200}", name, re.ASCII):
        raise InputError(place, f"{name!r} cannot name an array", "use letters, digits and _")
    return name


def _plain(value: Any, name: str, place: str) -> np.ndarray:
    array = np.asarray(value, order="C")
    if array.dtype.kind not in "biufcSU" or not array.dtype.itemsize:
        problem = f"the array {name!r} has the type {array.dtype}"
        raise InputError(place, problem, "return numbers, truth values or strings")
    return array if array.flags.writeable else array.copy()


# ---- files


def encode(arrays: Arrays, label: bytes) -> bytes:
    """An .npz file as `np.savez` makes it, with `label` and a checksum as its comment."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in plain_arrays(arrays).items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getbuffer())
    data = seal(file.getvalue(), label)
    if len(data) > MAX_CHUNK:
        problem = f"has {len(data):,} bytes, more than the {MAX_CHUNK:,} of a chunk"
        raise InputError("the result", problem, "make the chunks smaller")
    return data


_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][biufcSU]\d{1,9})', 'fortran_order': False, "
    rb"'shape': \(([\d, ]*)\), \} *\n",
    re.DOTALL,
)
_DAMAGE = (
    *(zipfile.BadZipFile, struct.error, ValueError, TypeError, ArithmeticError),
    *(LookupError, OSError, EOFError, RuntimeError, MemoryError),
)


def decode(data: bytes, label: bytes, name: str) -> Arrays:
    """The arrays in the bytes of `encode`; anything else is an `InputError`."""
    try:
        _check_end(data, label)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("compressed")
            if sum(max(m.file_size, m.compress_size) for m in members) > len(data):
                raise ValueError("sizes beyond the file's")
            return {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(name, f"a damaged chunk: {reason}", "remove it") from None


def seal(data: bytes, label: bytes) -> bytes:
    """A zip without comment, given the comment LABEL:SHA-256."""
    comment = label + b":" + digest(data).encode()
    return data[:-2] + len(comment).to_bytes(2, "little") + comment


def _check_end(data: bytes, label: bytes) -> None:
    """Where it belongs, the checksum of all of it, and that the zip's directory is small."""
    size = len(label) + 65
    end = data[-22 - size :]
    if len(end) < 22 + size or not end.startswith(b"PK\5\6"):
        raise ValueError("cut or not a chunk")
    if not end[22:].startswith(label + b":"):
        raise ValueError("of another computation or index")
    if seal(data[: -2 - size] + b"\0\0", label) != data:
        raise ValueError("the checksum is wrong")
    if int.from_bytes(end[12:16], "little") > MAX_DIRECTORY or b"PK\6\7" in data[-42 - size :]:
        raise ValueError("too many members")


def _array(data: bytes) -> np.ndarray:
    header = _HEADER.match(data)
    if not header:
        raise ValueError("not an array of numbers or strings")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(size) for size in header[2].split(b",") if size.strip())
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(data) - header.end():
        raise ValueError("an array whose size is not the one announced")
    return np.ndarray(shape, dtype, data, header.end()).copy()


# ---- the folder


def _create(folder: pathlib.Path) -> None:
    try:
        visible = [name for name in os.listdir(made_folder(folder)) if not name.startswith(".")]
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(str(folder), f"cannot be read ({reason})", "name another") from None
    if visible:
        problem = f"is a folder that holds something else ({sorted(visible)[0][:100]})"
        raise InputError(str(folder), problem, "name a new folder, or empty this one")


def _read_spec(folder: pathlib.Path) -> Any:
    content = read_json(folder / SPEC)
    if not isinstance(content, dict) or content.get("digest") != digest(content.get("spec")):
        problem = "is not what was written (its digest does not match)"
        raise InputError(str(folder / SPEC), problem, "start in a new folder")
    return content["spec"]


def _difference(there: Any, here: Any, path: str = "") -> str:
    """The first difference of two documents, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*here, *there]:
            if key not in there or key not in here:
                return f"{path}{key} is given only {'here' if key in here else 'there'}"
            if digest(there[key]) != digest(here[key]):
                return _difference(there[key], here[key], f"{path}{key}.")
    old, new = (text[:80] + "..." * (len(text) > 80) for text in map(dump_json, (there, here)))
    return f"{path.removesuffix('.') or 'the spec'} is {old} there and {new} here"
