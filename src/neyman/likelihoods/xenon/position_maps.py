"""Maps of a quantity over the detector: relative light yield, relative gain, drift field.

A map is given on a grid of one to three of the axes `x`, `y`, `r` (cm) and `drift_time` (us) and
is linear between its points along each axis. In JSON

    {"axes": [{"name": "r", "points": [0, 20, 40]}, {"name": "drift_time", "points": [0, 900]}],
     "values": [[1.0, 1.1], [1.0, 1.1], [0.9, 1.0]]}

and in HDF5 a data set `values` whose attribute `axes` (text of fixed length, `numpy.bytes_`) names
the data sets of its axes, "r drift_time". A map must cover the fiducial volume: it is never
extrapolated there.
"""

import dataclasses
import io
import math
from typing import Any

import msgspec
import numpy as np
import scipy.interpolate

from neyman.io.bounded import MB, Pathlike, read_bytes
from neyman.io.strict_json import parse_json
from neyman.likelihoods.xenon.binary_tables import fixed_text
from neyman.likelihoods.xenon.table_files import damaged
from neyman.status import InputError

AXES = ("x", "y", "r", "drift_time")
MAX_BYTES = 64 * MB
MAX_POINTS = 5_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class PositionMap:
    """Values on a grid; made by `read_map` or from arrays.

    Raises:
        InputError: unknown or repeated axes, points that do not increase, other shapes, values
            that are not finite and above 0.
    """

    axes: tuple[str, ...]
    points: tuple[np.ndarray, ...]
    """Per axis, increasing."""
    values: np.ndarray
    """Of as many dimensions as there are axes."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= 3 or len(set(self.axes)) < len(self.axes):
            raise InputError("axes", f"are {', '.join(self.axes)}", "name one to three, each once")
        for axis, points in zip(self.axes, self.points):
            if axis not in AXES:
                raise InputError(f"axis '{axis[:40]}'", "is unknown", f"known: {', '.join(AXES)}")
            if len(points) < 2 or not np.all(np.isfinite(points)):
                raise InputError(f"axis '{axis}'", "not two finite points", "give at least two")
            if not np.all(np.diff(points) > 0):
                raise InputError(f"axis '{axis}'", "points do not increase", "sort the grid")
        shape = tuple(len(points) for points in self.points)
        if self.values.shape != shape:
            problem = f"shape {self.values.shape} on a grid of {shape}"
            raise InputError("values", problem, "give one value a point, in the order of the axes")
        if not np.all(np.isfinite(self.values)):
            raise InputError("values", "not all finite", "fill the grid")
        if not np.all(self.values > 0):
            lowest = np.min(self.values)
            raise InputError("values", f"as low as {lowest:g}", "a map is above 0 everywhere")

    def at(self, x: np.ndarray, y: np.ndarray, drift_time: np.ndarray) -> np.ndarray:
        """The map at places in cm and us, (N,) each; (N,). Beyond the grid, as at its edge."""
        here = {"x": x, "y": y, "r": np.hypot(x, y), "drift_time": drift_time}
        inside = [np.clip(here[a], p[0], p[-1]) for a, p in zip(self.axes, self.points)]
        of = scipy.interpolate.RegularGridInterpolator(self.points, self.values)
        return of(np.stack(np.broadcast_arrays(*inside), axis=-1))

    def check_covers(self, radius: float, drift_times: tuple[float, float]) -> None:
        """Refuse a grid that is smaller than the fiducial volume."""
        low, high = drift_times
        needed = {"x": (-radius, radius), "y": (-radius, radius), "r": (0.0, radius)}
        for axis, points in zip(self.axes, self.points):
            first, last = {**needed, "drift_time": (low, high)}[axis]
            if points[0] > first or points[-1] < last:
                raise InputError(
                    f"axis '{axis}'",
                    f"reaches from {points[0]:g} to {points[-1]:g}, the fiducial volume from"
                    f" {first:g} to {last:g}",
                    "extend the map or shrink the volume",
                )


class _Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    points: list[float]


class _Map(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    axes: list[_Axis]
    values: list[Any]


def read_map(path: Pathlike) -> PositionMap:
    """The map in a JSON or HDF5 file.

    Raises:
        InputError: naming the file and the axis or the values at fault.
    """
    data, name = read_bytes(path, MAX_BYTES), str(path)
    try:
        return _read_hdf5(data, name) if data.startswith(b"\x89HDF") else _read_json(data, name)
    except InputError as error:
        if error.place.startswith(name):
            raise
        raise InputError(f"{name}: {error.place}", error.problem, error.remedy) from None


def _read_json(data: bytes, name: str) -> PositionMap:
    try:
        read = msgspec.convert(parse_json(data, name), _Map)
    except msgspec.ValidationError as error:
        raise InputError(name, str(error), "see position_maps for the form of a map") from None
    try:
        values = np.array(read.values, dtype=float)
        points = tuple(np.array(axis.points, dtype=float) for axis in read.axes)
    except (ValueError, TypeError, OverflowError):
        raise InputError("values", "not a full grid of numbers", "give nested lists") from None
    return PositionMap(tuple(axis.name for axis in read.axes), points, values)


def _read_hdf5(data: bytes, name: str) -> PositionMap:
    try:
        import h5py
    except ImportError:
        raise InputError(name, "needs the package h5py", "pip install neyman[hep]") from None

    def numbers(file: Any, key: str) -> np.ndarray:
        if not isinstance(file.get(key, getlink=True), h5py.HardLink):
            raise InputError(key, "is not in the file", "see position_maps for the form of a map")
        item = file[key]
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iuf":
            raise InputError(key, "is not a data set of numbers", "give an array")
        if item.external or item.is_virtual:
            raise InputError(key, "refers to another file", "copy the data into the file")
        if max(math.prod(item.shape), math.prod(item.chunks or (0,))) > MAX_POINTS:
            raise InputError(key, "too large", f"give at most {MAX_POINTS:,} points")
        return np.asarray(item[()], dtype=float)

    def read() -> PositionMap:
        with h5py.File(io.BytesIO(data), "r") as file:
            values = numbers(file, "values")
            axes = tuple(fixed_text(file["values"], "axes", "values").split())[:4]
            return PositionMap(axes, tuple(numbers(file, axis) for axis in axes), values)

    return damaged(name, read)
