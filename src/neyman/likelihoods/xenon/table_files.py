"""Named columns of numbers from a stranger's file: CSV, HDF5 or ROOT, told apart by content.

A unit stands in square brackets behind the name, `drift_time [us]`, or in HDF5 in the attribute
`unit` (`numpy.bytes_`). Sizes are checked before they are allocated; nothing outside of the file
is followed. What is not a number becomes NaN, and its text is kept for the message that names
it.
"""

import array
import csv
import dataclasses
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neyman.io.bounded import MB, Pathlike, read_bytes
from neyman.io.provenance import digest
from neyman.status import InputError

MAX_BYTES = 256 * MB
MAX_CSV = 64 * MB
MAX_CELLS = 20_000_000
MAX_COLUMNS = 1000
NAMED = re.compile(r"\s*(.*?)\s*(?:\[\s*([^\[\]]*?)\s*\])?\s*")
FEW = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """`texts` keeps the first entries that are no numbers, by row from 0."""

    values: np.ndarray
    unit: str = ""
    texts: Mapping[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The columns of a file, of equal length."""

    source: str
    columns: Mapping[str, Column]
    digest: str

    @property
    def rows(self) -> int:
        return max((len(c.values) for c in self.columns.values()), default=0)

    def column(self, name: str, *, units: Mapping[str, float], unit: str = "") -> np.ndarray:
        """The values of a column in the first of `units`, (rows,).

        Args:
            name: of the column.
            units: {known unit: factor}; the first has the factor 1.
            unit: that of the file, where its values shall be converted.

        Raises:
            InputError: no such column; another unit than the first that the caller did not name.
        """
        if name not in self.columns:
            there = ", ".join(self.columns) or "none"
            problem = f"there is no column '{name}'"
            raise InputError(self.source, problem, f"name one of these columns: {there}")
        column, wanted = self.columns[name], next(iter(units))
        place = f"{self.source}: column '{name}'"
        if unit and unit not in units:
            raise InputError(place, f"cannot convert {unit}", f"known are {', '.join(units)}")
        if unit and column.unit and column.unit != unit:
            raise InputError(place, f"is in {column.unit}, not in {unit}", "correct the unit named")
        if column.unit and not unit and units.get(column.unit) != 1.0:
            remedy = f"convert it to {wanted}"
            if column.unit in units:
                remedy += f", or ask for it with units={{'{name}': '{column.unit}'}}"
            raise InputError(place, f"is in {column.unit}, not in {wanted}", remedy)
        return column.values * units[unit or wanted]


def read_table(path: Pathlike, *, tree: str | None = None) -> Table:
    """The columns of a file; of a ROOT file those of `tree`, or of its only tree.

    Raises:
        InputError: a file that cannot be read, is damaged, too large or refers to other files.
    """
    data = read_bytes(path, MAX_BYTES)
    name = str(path)
    if data.startswith(b"\x89HDF"):
        from neyman.likelihoods.xenon.binary_tables import read_hdf5

        columns = read_hdf5(data, name)
    elif data.startswith(b"root"):
        from neyman.likelihoods.xenon.binary_tables import read_root

        columns = read_root(data, name, tree)
    else:
        columns = _read_csv(data, name)
    for column, of in columns.items():
        if len(of.values) != len(next(iter(columns.values())).values):
            raise InputError(f"{name}: column '{column}'", "has another length", "give one a row")
    return Table(name, columns, digest(data))


def check_size(name: str, rows: int, columns: int) -> None:
    """Refuse more than a fixed number of cells, before they are allocated."""
    if rows * columns > MAX_CELLS or columns > MAX_COLUMNS:
        problem = f"{rows:,} rows and {columns:,} columns"
        raise InputError(name, problem, f"at most {MAX_CELLS:,} numbers are read; split the file")


def name_and_unit(text: str) -> tuple[str, str]:
    """`drift_time [us]` as its two parts."""
    found = NAMED.fullmatch(text)
    return (found[1], found[2] or "") if found else (text.strip(), "")


def damaged(name: str, read: Callable[[], Any]) -> Any:
    """What `read` returns; whatever a parser of binary files raises is an `InputError`."""
    try:
        return read()
    except InputError:
        raise
    except (MemoryError, Exception) as error:
        reason = " ".join(str(error).split())[:200]
        problem = f"cannot be read ({type(error).__name__}: {reason})"
        raise InputError(name, problem, "check that the file is whole") from None


def _read_csv(data: bytes, name: str) -> dict[str, Column]:
    if len(data) > MAX_CSV:
        problem = f"has {len(data):,} bytes of text, more than the {MAX_CSV:,} allowed"
        raise InputError(name, problem, "write it as HDF5")
    if data.isspace():
        raise InputError(name, "is blank", "name the columns in its first line")
    check_size(name, data.count(b"\n"), 1)
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    try:
        rows = csv.reader(text, strict=True)
        header = next((r for r in rows if r and not r[0].startswith("#")), [])
        names = [name_and_unit(part) for part in header]
        _check_header(name, [n for n, _ in names])
        numbers = [array.array("d") for _ in names]
        texts: list[dict[int, str]] = [{} for _ in names]
        for n, row in enumerate(r for r in rows if r):
            check_size(name, n + 1, len(names))
            if len(row) != len(names):
                problem = f"{len(row)} values for {len(names)} columns"
                raise InputError(f"{name}:{rows.line_num}", problem, "give one a column")
            for column, kept, entry in zip(numbers, texts, row):
                value = _number(entry)
                column.append(value)
                if value != value and len(kept) < FEW:
                    kept[n] = entry[:40]
    except (csv.Error, UnicodeDecodeError) as error:
        problem = f"is not a table of comma-separated values ({error})"
        raise InputError(name, problem, "give CSV with a header, HDF5 or ROOT") from None
    return {
        n: Column(np.array(values, dtype=float), unit, kept)
        for (n, unit), values, kept in zip(names, numbers, texts)
    }


def _check_header(name: str, names: list[str]) -> None:
    if not names or not any(names):
        raise InputError(name, "has no header", "name the columns in its first line")
    check_size(name, 0, len(names))
    for n in names:
        if not n:
            raise InputError(f"{name}: header", "a column has no name", "name it")
        if names.count(n) > 1:
            raise InputError(f"{name}: header", f"'{n[:40]}' stands twice", "rename one")
    if all(_number(n) == _number(n) for n in names):
        raise InputError(name, "has no header", "name the columns in its first line")


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")
