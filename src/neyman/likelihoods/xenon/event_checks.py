"""Rows of an event file that cannot be used, and rows that the selection leaves out."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from neyman.likelihoods.xenon.detector import Detector
from neyman.likelihoods.xenon.exposure import Exposure
from neyman.likelihoods.xenon.selection import Points
from neyman.likelihoods.xenon.table_files import FEW, Table
from neyman.status import InputError


def check_rows(
    table: Table,
    read: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    *,
    signed: Collection[str],
) -> None:
    """Refuse rows with text, NaN, infinite or negative values, naming the first few.

    Args:
        table: the file.
        read: the columns needed, by our names.
        names: the file's names of them.
        signed: columns that may be negative.
    """
    bad = {
        name: ~np.isfinite(v) | ((v < 0) if name not in signed else np.zeros(len(v), bool))
        for name, v in read.items()
    }
    rows = np.flatnonzero(np.any(list(bad.values()), axis=0))
    if not len(rows):
        return
    first = []
    for i in rows[:FEW]:
        name = next(name for name, of in bad.items() if of[i])
        column = table.columns[names[name]]
        entry = column.texts.get(int(i), f"{column.values[i]:g}")
        first.append(f"row {i + 1} has {names[name]} = {entry!r}")
    more = ", ..." if len(rows) > FEW else ""
    problem = f"{len(rows)} of {table.rows} rows cannot be used: {', '.join(first)}{more}"
    raise InputError(table.source, problem, "correct or remove them (rows count from 1)")


def outside_selection(
    columns: Mapping[str, np.ndarray], detector: Detector, live: Sequence[tuple[float, float]] = ()
) -> tuple[np.ndarray, str]:
    """Which events are kept, (N,), and how many fail what: "3 in S1, 1 in drift time"."""
    points = Points(columns["drift_time"], columns["s1_map"], columns["s2_map"])
    s1_low, s1_high = (np.asarray(a) for a in detector.selection.raw_s1(points))
    s2_low, s2_high = (np.asarray(a) for a in detector.selection.raw_s2(points))
    low, high = detector.drift_times
    tests = {
        "S1": (columns["s1"] >= s1_low) & (columns["s1"] <= s1_high),
        "S2": (columns["s2"] >= s2_low) & (columns["s2"] <= s2_high),
        "drift time": (columns["drift_time"] >= low) & (columns["drift_time"] <= high),
    }
    if "x" in columns and "y" in columns:
        tests["radius"] = np.hypot(columns["x"], columns["y"]) <= detector.geometry.radius
    if detector.selection.band is not None:
        low, high = (np.asarray(a) for a in detector.selection.raw_band(columns["s1"], points))
        tests["the band"] = (columns["s2"] >= low) & (columns["s2"] <= high)
    efficiency = detector.selection.efficiency(columns["s1"], columns["s2"], points)
    tests["acceptance"] = np.asarray(efficiency) > 0.0
    if live and "time" in columns:
        tests["live time"] = Exposure(detector, live).is_live(columns["time"])
    failed = {name: int((~passed).sum()) for name, passed in tests.items()}
    inside = np.all(list(tests.values()), axis=0)
    return inside, ", ".join(f"{n} in {name}" for name, n in failed.items() if n)
