"""Random small valid workspaces that use every modifier, for hypothesis and for NumPy.

`build` makes a workspace out of choices; where the choices come from is the caller's: from a
seeded generator (`random_workspace`, a tenth of a millisecond) or from hypothesis
(`workspaces`), which then shrinks what fails. Valid means that pyhf 0.7.6 takes it too.

Channels have 1 to 4 bins, some of them empty; samples appear in several channels; histosys and
normsys share names within and across samples; one staterror covers several samples of a
channel, or several channels; a shapefactor ties channels with equal numbers of bins.
"""

import math
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st

Json = dict[str, Any]


class Chooser(Protocol):
    def integer(self, low: int, high: int) -> int:
        """Uniform, both ends included."""
        ...

    def real(self, low: float, high: float) -> float: ...


class FromGenerator:
    """Choices from a seeded NumPy generator."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def real(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.rng.random())


class FromHypothesis:
    """Choices from hypothesis, reals in steps of a thousandth of their range."""

    def __init__(self, draw):
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def real(self, low: float, high: float) -> float:
        return low + (high - low) * self.draw(st.integers(0, 1000)) / 1000


def random_workspace(rng: np.random.Generator) -> Json:
    """A random valid workspace from a seeded generator."""
    return build(FromGenerator(rng))


@st.composite
def workspaces(draw) -> Json:
    """A random valid workspace from hypothesis."""
    return build(FromHypothesis(draw))


def build(c: Chooser) -> Json:
    """A workspace (pyhf's JSON, schema 1.0.0) from choices."""
    sizes = {name: c.integer(1, 4) for name in ("SR1", "CR2", "AR3")[: c.integer(1, 3)]}
    scale = {name: 10 ** c.real(-0.5, 3.0) for name in sizes}
    channels = [_channel(c, name, n, scale[name]) for name, n in sizes.items()]
    _tie_shapefactor(c, channels)
    _staterrors(c, channels)
    if c.integer(0, 2) == 0:
        for sample in _samples(channels):
            sample["modifiers"].append({"type": "lumi", "name": "lumi", "data": None})
    return {
        "channels": channels,
        "observations": [{"name": x["name"], "data": _observed(c, x)} for x in channels],
        "measurements": [
            {"name": name, "config": {"poi": "mu", "parameters": _configs(c, channels)}}
            for name in ("first", "second")[: c.integer(1, 2)]
        ],
        "version": "1.0.0",
    }


def _samples(channels: list[Json]) -> list[Json]:
    return [sample for channel in channels for sample in channel["samples"]]


def _some(c: Chooser, one_in: int) -> bool:
    return c.integer(1, one_in) == one_in


def _channel(c: Chooser, name: str, n_bins: int, scale: float) -> Json:
    names = ("signal", "background", "other")[: c.integer(1, 3)]
    samples = [_sample(c, name, sample, n_bins, scale) for sample in names]
    return {"name": name, "samples": samples}


def _sample(c: Chooser, channel: str, name: str, n_bins: int, scale: float) -> Json:
    size = scale * (0.3 if name == "signal" else 1.0)
    data = [0.0 if _some(c, 12) else size * c.real(0.1, 2.0) for _ in range(n_bins)]
    modifiers: list[Json] = []
    if name == "signal":
        modifiers.append({"type": "normfactor", "name": "mu", "data": None})
    elif _some(c, 4):
        modifiers.append({"type": "normfactor", "name": f"k_{name}", "data": None})
    for systematic in ("theory", "scale", "tune"):
        if _some(c, 3):
            variation = {"lo": 1 - c.real(-0.1, 0.5), "hi": 1 + c.real(-0.1, 0.5)}
            modifiers.append({"type": "normsys", "name": systematic, "data": variation})
    for systematic in ("tune", "shape"):
        if _some(c, 3):
            variation = {
                "lo_data": [y * (1 - c.real(-0.1, 0.4)) for y in data],
                "hi_data": [y * (1 + c.real(-0.1, 0.4)) for y in data],
            }
            modifiers.append({"type": "histosys", "name": systematic, "data": variation})
    if name != "signal" and _some(c, 4):
        modifiers.append(
            {
                "type": "shapesys",
                "name": f"uncorrelated_{channel}_{name}",
                "data": [0.0 if _some(c, 12) else y * c.real(0.01, 0.6) for y in data],
            }
        )
    return {"name": name, "data": data, "modifiers": modifiers}


def _tie_shapefactor(c: Chooser, channels: list[Json]) -> None:
    """One free factor a bin on a sample, shared by the channels with as many bins."""
    if not _some(c, 5):
        return
    n_bins = len(channels[-1]["samples"][0]["data"])
    for sample in _samples([x for x in channels if len(x["samples"][0]["data"]) == n_bins]):
        if sample["name"] == "background":
            modifier = {"type": "shapefactor", "name": "free_shape", "data": None}
            sample["modifiers"].append(modifier)


def _staterrors(c: Chooser, channels: list[Json]) -> None:
    """Per channel over some of its samples, or one over the backgrounds of all channels."""
    joint = _some(c, 6)
    for channel in channels:
        if not joint and not _some(c, 2):
            continue
        for sample in channel["samples"][0 if joint else c.integer(0, 2) :]:
            if joint and sample["name"] != channels[0]["samples"][0]["name"]:
                continue
            modifier = {
                "type": "staterror",
                "name": "stat_all" if joint else f"stat_{channel['name'][::-1]}",
                "data": [0.0 if _some(c, 12) else y * c.real(0.01, 0.3) for y in sample["data"]],
            }
            sample["modifiers"].append(modifier)


def _observed(c: Chooser, channel: Json) -> list[float]:
    """Whole counts within 3 standard deviations of the total; 0 where nothing is expected."""
    totals = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
    reach = [c.real(-3.0, 3.0) if _some(c, 8) else c.real(-1.0, 1.0) for _ in totals]
    return [float(max(0, round(y + r * math.sqrt(y)))) for y, r in zip(totals, reach)]


def _configs(c: Chooser, channels: list[Json]) -> list[Json]:
    """A measurement's configuration: the lumi, which needs one, and some of the others."""
    modifiers = {
        (m["type"], m["name"]): len(s["data"]) for s in _samples(channels) for m in s["modifiers"]
    }
    configs: list[Json] = []
    for (kind, name), n_bins in modifiers.items():
        if kind == "lumi":
            mean, width = c.real(0.5, 2.0), c.real(0.01, 0.1)
            config = {
                "auxdata": [mean],
                "sigmas": [mean * width],
                "inits": [mean],
                "bounds": [[mean * (1 - 5 * width), mean * (1 + 5 * width)]],
            }
        elif not _some(c, 4) or any(known["name"] == name for known in configs):
            continue
        else:
            config = _config(c, kind, name, n_bins)
        if config:
            configs.append({"name": name, **config})
    return configs


def _config(c: Chooser, kind: str, name: str, n_bins: int) -> Json:
    if kind == "normfactor":
        if name != "mu" and _some(c, 3):
            return {"inits": [c.real(0.5, 2.0)], "fixed": True}
        low, high = (-1.0 if _some(c, 4) else 0.0), c.real(3.0, 50.0)
        return {"inits": [c.real(0.0, 2.0)], "bounds": [[low, high]]}
    if kind in ("normsys", "histosys"):
        if _some(c, 3):
            return {"inits": [c.real(-1.0, 1.0)], "fixed": True}
        if _some(c, 2):
            return {"auxdata": [c.real(-1.0, 1.0)], "bounds": [[-3.0, 3.0]]}
        return {"inits": [c.real(-1.0, 1.0)]}
    if kind == "shapefactor":
        return {"inits": [c.real(0.5, 2.0)] * n_bins, "bounds": [[0.0, 20.0]] * n_bins}
    if kind == "shapesys":
        if _some(c, 2):
            return {"fixed": True}
        return {"inits": [c.real(0.8, 1.2)] * n_bins, "bounds": [[0.1, 5.0]] * n_bins}
    if name == "stat_all":
        return {}
    if _some(c, 3):
        return {"sigmas": [c.real(0.02, 0.3) for _ in range(n_bins)]}
    return {"auxdata": [c.real(0.9, 1.1)] * n_bins, "bounds": [[0.1, 5.0]] * n_bins}
