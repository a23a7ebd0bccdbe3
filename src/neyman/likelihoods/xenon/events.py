"""Events: columns of equal length with a weight each, padded so that few programs are compiled.

The weight of an event is 1, of a row that only pads 0; Asimov data have other weights. A file
has the columns s1 and s2 (PE) and drift_time (us), x and y (cm) where a map of the detector or a
rate needs them, and time (days since the start of the run) where a rate does; `read_events` adds
the maps at each event as s1_map, s2_map and field (V/cm).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from neyman._jax import Array
from neyman.io import store
from neyman.io.bounded import Pathlike
from neyman.likelihoods.xenon.detector import Detector
from neyman.likelihoods.xenon.event_checks import check_rows, outside_selection
from neyman.likelihoods.xenon.table_files import Table, read_table
from neyman.status import InputError, Note, Status

SIGNALS = ("s1", "s2")
PLACE = ("x", "y")
DERIVED = ("s1_map", "s2_map", "field")
LENGTHS = {"cm": 1.0, "mm": 0.1, "m": 100.0}
TIMES = {"us": 1.0, "ns": 1e-3, "ms": 1e3}
DAYS = {"d": 1.0, "h": 1.0 / 24.0, "s": 1.0 / 86400.0}
UNITS = {
    "s1": "PE",
    "s2": "PE",
    "drift_time": "us",
    "x": "cm",
    "y": "cm",
    "time": "d",
    "energy": "keV",
}
SMALLEST = 16


class Events(NamedTuple):
    """A data set; every column is of the shape (N,) of the weight."""

    columns: dict[str, Array]
    weight: Array
    """1 for an event, 0 for a row that is absent."""


class EventFile(NamedTuple):
    """What a file held."""

    events: Events
    notes: tuple[Note, ...]
    """Rows and columns that were left out, counted."""
    digest: str
    """sha256 of the file."""


def bucket(n: int) -> int:
    """The least of the sizes 2^k and 1.5 2^k from 16 on that is not below n."""
    size = SMALLEST
    while size < n:
        size = size * 3 // 2 if size & (size - 1) == 0 else size // 3 * 4
    return size


def padded(columns: Mapping[str, np.ndarray], size: int | None = None) -> Events:
    """Events of columns (n,), repeated at their end up to `size`, or `bucket(n)`, with weight 0.

    Raises:
        InputError: columns of different lengths, or a size that is too small.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise InputError("events", f"columns of {len(lengths)} lengths", "give equal lengths")
    (n,) = lengths
    size = bucket(n) if size is None else size
    if size < n:
        raise InputError("events", f"{n} of them do not fit in {size}", "give a larger size")
    missing = (0, size - n)
    filled: dict[str, Array] = {
        name: np.pad(np.asarray(values, dtype=float), missing, mode="edge") if n else np.ones(size)
        for name, values in columns.items()
    }
    return Events(filled, np.pad(np.ones(n), missing))


def read_events(
    path: Pathlike,
    detector: Detector,
    *,
    columns: Mapping[str, str] = {},
    units: Mapping[str, str] = {},
    tree: str | None = None,
    outside: Literal["refuse", "drop"] = "refuse",
    axes: Collection[str] = (),
    live: Sequence[tuple[float, float]] = (),
) -> EventFile:
    """The events in a CSV, HDF5 or ROOT file.

    Args:
        path: of the file.
        detector: whose maps and selection apply.
        columns: {our name: the file's name} where these differ.
        units: {our name: the file's unit} of columns to convert: ns or ms, mm or m, phd.
        tree: of a ROOT file that has several.
        outside: what to do with events outside the selection, the fiducial volume or the live
            time.
        axes: what rates depend on: "x", "y", "r" or "time" make their columns necessary.
        live: stretches of live time in days since the start of the run.

    Returns:
        the events, and notes on what was left out: events outside, where `outside="drop"`, and
        further columns that are not numbers throughout.

    Raises:
        InputError: a missing column (those there are listed), another unit, rows with NaN,
            infinity, text or negative values (the first few by their number, counted from 1),
            or events outside.
    """
    table = read_table(path, tree=tree)
    wanted = [*SIGNALS, "drift_time"]
    there = table.columns
    by_place = detector.needs_position or bool({"x", "y", "r"} & set(axes))
    wanted += [a for a in PLACE if by_place or columns.get(a, a) in there]
    wanted += ["time"] if "time" in axes or (live and columns.get("time", "time") in there) else []
    known = [*wanted, *UNITS]
    for name in [*columns, *units]:
        if name not in known:
            problem = f"'{name}' is no column of events"
            raise InputError(str(path), problem, f"known are {', '.join(dict.fromkeys(known))}")
    if outside not in ("refuse", "drop"):
        raise InputError("read_events: outside", f"'{outside}'", "say 'refuse' or 'drop'")
    double = 1.0 + detector.constants["double_pe"]
    factors = {"drift_time": TIMES, "x": LENGTHS, "y": LENGTHS, "time": DAYS}
    read = {
        name: table.column(
            columns.get(name, name),
            units=factors.get(name, {"PE": 1.0, "phd": double}),
            unit=units.get(name, ""),
        )
        for name in wanted
    }
    names = {name: columns.get(name, name) for name in wanted}
    check_rows(table, read, names, signed=(*PLACE, "time"))
    others, notes = _others(table, set(names.values()))
    everything = {**others, **read, **_maps(detector, read)}
    inside, what = outside_selection(everything, detector, live)
    if not inside.all():
        n = int((~inside).sum())
        if outside == "refuse":
            rows = ", ".join(str(i + 1) for i in np.flatnonzero(~inside)[:5])
            problem = f"{n} of {len(inside)} events outside the selection ({what}): rows {rows}"
            remedy = "apply the selection, or ask for outside='drop'"
            raise InputError(str(path), problem + (" ..." if n > 5 else ""), remedy)
        place = f"{path}: {n} of {len(inside)} events outside the selection left out ({what})"
        notes += (Note(Status.SUSPICIOUS_INPUT, place),)
    kept = {name: values[inside] for name, values in everything.items()}
    return EventFile(padded(kept), notes, table.digest)


def write_events(path: Pathlike, events: Events) -> None:
    """Write the events of weight 1 as CSV with units, whole or not at all.

    The maps at the events are left out: they belong to the detector and are added on reading.

    Raises:
        InputError: weights other than 0 and 1, or a file that cannot be written.
    """
    weight = np.asarray(events.weight)
    if not np.all((weight == 0) | (weight == 1)):
        raise InputError(str(path), "events have weights", "write simulated, not Asimov data")
    written = [n for n in events.columns if n not in DERIVED and "[" not in n]
    header = ",".join(f"{name} [{UNITS[name]}]" if name in UNITS else name for name in written)
    rows = np.stack([np.asarray(events.columns[name])[weight > 0] for name in written], axis=1)
    body = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    store.write_atomic(path, f"{header}\n{body}\n".encode())


def _maps(detector: Detector, read: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    t = read["drift_time"]
    x, y = (read.get(axis, np.zeros(len(t))) for axis in PLACE)
    m1, m2 = detector.relative(x, y, t)
    return {"s1_map": m1, "s2_map": m2, "field": detector.field(x, y, t)}


def _others(table: Table, used: set[str]) -> tuple[dict[str, np.ndarray], tuple[Note, ...]]:
    """Further columns: kept where they are numbers throughout, else noted."""
    kept, left = {}, []
    for name, column in table.columns.items():
        if name in used or name in DERIVED:
            continue
        if np.all(np.isfinite(column.values)):
            kept[name] = column.values
        else:
            left.append(f"{table.source}: column '{name}' has entries that are no numbers")
    return kept, tuple(Note(Status.SUSPICIOUS_INPUT, place) for place in left)
