"""A detector: its constants, its fiducial volume, what it keeps, and how it varies over places.

`load_detector("lz-like")` reads one that ships (`detectors/`), a path one's own; the form of the
file stands in `detector_file`. Corrected signals, on which the selection cuts, are

    cS1 = S1/m1(place),    cS2 = S2 exp(t/reference lifetime)/m2(place)

with the maps m1 and m2 and the file's own reference lifetime (`selection`), so that the cut does
not move when the lifetime floats. The cubature of the fiducial volume is uniform in volume:
Gauss-Legendre in drift time, times Gauss-Legendre in r^2 and equally spaced angles where a map
varies in these.
"""

import dataclasses
import pathlib
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from neyman.io.bounded import Pathlike, read_raw
from neyman.io.provenance import digest
from neyman.likelihoods.xenon.curves import Curve
from neyman.likelihoods.xenon.detector_file import (
    DetectorFile,
    GeometryPart,
    flat_constants,
    parse_detector,
)
from neyman.likelihoods.xenon.position_maps import PositionMap, read_map
from neyman.likelihoods.xenon.selection import Band, Points, Selection
from neyman.status import InputError

MAX_BYTES = 256 * 1024
RINGS, ANGLES = 6, 12
"""Nodes in r^2 and in angle where a map varies in them."""


class Geometry(NamedTuple):
    """The fiducial volume, a cylinder."""

    radius: float
    """cm"""
    r_max: float
    """cm; where the liquid ends."""
    drift_velocity: float
    """cm/us"""
    drift_time: tuple[float, float]
    """us"""


class Places(NamedTuple):
    """Places in the fiducial volume, (K,) each."""

    x: np.ndarray
    """cm; so is y."""
    y: np.ndarray
    drift_time: np.ndarray
    """us"""
    weight: np.ndarray
    """The share of the volume that each stands for; they sum to 1."""


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """Made by `load_detector`."""

    name: str
    constants: dict[str, float]
    """By the names of `signals`; units in `detector_file.CONSTANTS`."""
    geometry: Geometry
    selection: Selection
    s1_map: PositionMap | None = None
    """Relative light yield; None where it is the same everywhere. So is `s2_map`, the gain."""
    s2_map: PositionMap | None = None
    field_map: PositionMap | None = None
    """V/cm; None for `drift_field` everywhere."""
    digest: str = ""
    """sha256 of the detector file and its maps."""

    @property
    def drift_times(self) -> tuple[float, float]:
        """The range of the fiducial volume, us."""
        return self.geometry.drift_time

    @property
    def maps(self) -> tuple[PositionMap, ...]:
        """Those that there are."""
        return tuple(m for m in (self.s1_map, self.s2_map, self.field_map) if m is not None)

    @property
    def needs_position(self) -> bool:
        """Whether a map depends on more than the drift time."""
        return any(axis != "drift_time" for m in self.maps for axis in m.axes)

    def relative(
        self, x: np.ndarray, y: np.ndarray, drift_time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Relative light yield m1 and gain m2 at places in cm and us, (N,) each."""
        uniform = np.ones(len(drift_time))
        m1, m2 = (m.at(x, y, drift_time) if m else uniform for m in (self.s1_map, self.s2_map))
        return m1, m2

    def field(self, x: np.ndarray, y: np.ndarray, drift_time: np.ndarray) -> np.ndarray:
        """Drift field in V/cm at places in cm and us, (N,)."""
        if self.field_map:
            return self.field_map.at(x, y, drift_time)
        return np.full(len(drift_time), self.constants["drift_field"])

    def points(self, x: np.ndarray, y: np.ndarray, drift_time: np.ndarray) -> Points:
        """The places with the maps at them, (N,) each."""
        field = self.field(x, y, drift_time) if self.field_map else None
        return Points(np.asarray(drift_time, dtype=float), *self.relative(x, y, drift_time), field)

    def cubature(self, n: int = 12, axes: Collection[str] = ()) -> Places:
        """Nodes of an integral over the fiducial volume, `n` of them in drift time.

        `axes` are those that the integrand depends on, besides those of the maps.
        """
        low, high = self.drift_times
        axes = {axis for m in self.maps for axis in m.axes} | set(axes)
        t, w_t = _gauss(n, low, high)
        r2, w_r = _gauss(RINGS if axes & {"x", "y", "r"} else 1, 0.0, self.geometry.radius**2)
        angles = ANGLES if axes & {"x", "y"} else 1
        phi = 2.0 * np.pi * (np.arange(angles) + 0.5) / angles
        t, r2, phi = (a.ravel() for a in np.meshgrid(t, r2, phi, indexing="ij"))
        weight = np.multiply.outer(np.multiply.outer(w_t, w_r), np.ones(angles)).ravel()
        r = np.sqrt(r2)
        return Places(r * np.cos(phi), r * np.sin(phi), t, weight / weight.sum())

    def places(self, n: int = 12) -> tuple[Points, np.ndarray]:
        """The nodes of `cubature` with the maps at them, and their weights (K,)."""
        nodes = self.cubature(n)
        return self.points(nodes.x, nodes.y, nodes.drift_time), nodes.weight

    def placed(self, u: np.ndarray) -> Places:
        """Places of equal weight for `u` (N, 3), uniform in the unit cube: in the volume."""
        low, high = self.drift_times
        r, phi = self.geometry.radius * np.sqrt(u[:, 1]), 2.0 * np.pi * u[:, 2]
        t = low + (high - low) * u[:, 0]
        return Places(r * np.cos(phi), r * np.sin(phi), t, np.full(len(u), 1.0 / len(u)))


def load_detector(name_or_path: Pathlike) -> Detector:
    """A detector that ships, by its name, or the one in a TOML file.

    Raises:
        InputError: an unknown name, a file or a map that cannot be read, an impossible constant.
    """
    folder = pathlib.Path(__file__).parent / "detectors"
    shipped = sorted(path.stem for path in folder.glob("*.toml"))
    text = str(name_or_path)
    if text in shipped:
        path = folder / f"{text}.toml"
    elif not text.endswith(".toml"):
        remedy = f"name a .toml file or one of {', '.join(shipped)}"
        raise InputError(f"detector '{text}'", "is unknown", remedy)
    else:
        path = pathlib.Path(name_or_path)
    data = read_raw(path, MAX_BYTES)
    return _assembled(parse_detector(data, text), data, path, text)


def _assembled(read: DetectorFile, data: bytes, path: pathlib.Path, source: str) -> Detector:
    maps, parts = {}, [digest(data)]
    for key in ("s1", "s2", "field"):
        name = getattr(read.maps, key)
        if name is not None:
            maps[f"{key}_map"], of = _map(path, name, f"{source}: maps.{key}", read.geometry)
            parts.append(of)
    constants, selection = flat_constants(read), read.selection
    band = selection.band
    _check_probability(constants["g1"], maps.get("s1_map"), f"{source}: maps.s1")
    _check_probability(constants["g1_gas"], maps.get("s2_map"), f"{source}: maps.s2")
    return Detector(
        name=read.name,
        constants=constants,
        geometry=Geometry(
            read.geometry.radius,
            read.geometry.r_max,
            read.geometry.drift_velocity,
            read.geometry.drift_time,
        ),
        selection=Selection(
            selection.s1,
            selection.s2,
            selection.cs1,
            selection.cs2,
            selection.reference_lifetime,
            tuple(Curve(c.signal, c.points, c.values) for c in selection.acceptances),
            None if band is None else Band(band.cs1, band.low, band.high),
        ),
        **maps,
        digest=digest("".join(parts).encode()) if len(parts) > 1 else parts[0],
    )


def _map(
    path: pathlib.Path, name: str, place: str, geometry: GeometryPart
) -> tuple[PositionMap, str]:
    """A map in the folder of the detector file, or below it, and its digest."""
    parts = pathlib.PurePath(name).parts
    if not parts or pathlib.PurePath(name).is_absolute() or ".." in parts or "\\" in name:
        raise InputError(place, f"'{name[:80]}' leads elsewhere", "put the map beside the file")
    beside = path.parent / name
    found = read_map(beside)
    try:
        found.check_covers(geometry.radius, geometry.drift_time)
    except InputError as error:
        raise InputError(f"{place}: {error.place}", error.problem, error.remedy) from None
    return found, digest(beside.read_bytes())


def _check_probability(p: float, of: PositionMap | None, place: str) -> None:
    if of is not None and p * float(np.max(of.values)) >= 1.0:
        problem = f"reaches {np.max(of.values):g}, so photons are detected more often than made"
        raise InputError(place, problem, "maps are relative to g1 and g1_gas")


def _gauss(n: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes between low and high, and weights that sum to 1."""
    x, w = np.polynomial.legendre.leggauss(n)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * w
