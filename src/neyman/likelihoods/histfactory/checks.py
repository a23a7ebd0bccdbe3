"""What the numbers of a workspace say before it is flattened: errors, and what is suspicious.

Errors make the likelihood undefined (NaN, a variation of zero, events where none can be
expected); suspicions are legal but rarely meant (negative yields, lo = hi) and become notes.
"""

import difflib
import math
from collections.abc import Iterator

import numpy as np

from neyman.likelihoods.histfactory.paramsets import kind_of, place_of, walk
from neyman.likelihoods.histfactory.workspace import (
    Channel,
    Histosys,
    Measurement,
    Modifier,
    Normsys,
    Sample,
    Shapesys,
    Staterror,
    Workspace,
)
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status

LARGEST = 2.0**53
"""Counts above this are not exact in double precision."""
LARGEST_FACTOR = 1e3
"""A normsys that scales a yield by more, or by less than its inverse, is rarely meant."""


def check(workspace: Workspace, measurement: Measurement) -> tuple[Note, ...]:
    """Refuse what cannot be used; return notes on what is suspicious.

    Raises:
        InputError: naming channel, sample, modifier and bin, with the remedy.
    """
    _names_are_unique(workspace)
    _shapesys_are_unshared(workspace)
    observed = _observations(workspace)
    for channel in workspace.channels:
        for sample in channel.samples:
            _sample(channel, sample)
        _totals(channel, observed[channel.name])
    notes = _configuration(workspace, measurement)
    notes += [
        note
        for channel in workspace.channels
        for note in [*_suspicious(channel), *_empty_bins(channel, observed[channel.name])]
    ]
    return tuple(notes)


def _names_are_unique(workspace: Workspace) -> None:
    for what, names in (
        ("channel", [c.name for c in workspace.channels]),
        ("observation", [o.name for o in workspace.observations]),
        ("measurement", [m.name for m in workspace.measurements]),
        *((f"{place_of(c)}, sample", [s.name for s in c.samples]) for c in workspace.channels),
    ):
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{what} '{name}'", "stands twice", "rename one of them")


def _shapesys_are_unshared(workspace: Workspace) -> None:
    """The Poisson constraint of a shapesys comes from the yields of one sample."""
    owner: dict[str, tuple[str, str]] = {}
    for channel, sample, modifier in walk(workspace):
        here = (channel.name, sample.name)
        if isinstance(modifier, Shapesys) and owner.setdefault(modifier.name, here) != here:
            raise InputError(
                place_of(channel, sample, modifier),
                "stands on another sample too",
                "rename one of the two, or use a staterror",
            )


def _observations(workspace: Workspace) -> dict[str, list[float]]:
    observed = {o.name: o.data for o in workspace.observations}
    for channel in workspace.channels:
        place = place_of(channel)
        if not channel.samples:
            raise InputError(place, "has no samples", "add one or remove the channel")
        if channel.name not in observed:
            raise InputError(place, "has no observation", "add one with the channel's name")
        data = observed[channel.name]
        _same_length(f"observation '{channel.name}'", data, len(channel.samples[0].data))
        for i, n in enumerate(data):
            where = f"observation '{channel.name}', bin {i}"
            _in_range(where, n, "observed events")
            if n < 0:
                raise InputError(where, f"{n:g} observed events", "counts are 0 or more")
    return observed


def _sample(channel: Channel, sample: Sample) -> None:
    place = place_of(channel, sample)
    _same_length(place, sample.data, len(channel.samples[0].data))
    if not sample.data:
        raise InputError(place, "has no bins", "give its yields")
    for i, y in enumerate(sample.data):
        _in_range(f"{place}, bin {i}", y, "yield")
    seen = set()
    for modifier in sample.modifiers:
        where = place_of(channel, sample, modifier)
        if (kind_of(modifier), modifier.name) in seen:
            raise InputError(where, "stands twice on the same sample", "remove one of the two")
        seen.add((kind_of(modifier), modifier.name))
        if isinstance(modifier, Normsys):
            _normsys(where, modifier)
        for key, values in _arrays(modifier):
            _same_length(f"{where}, {key}", values, len(sample.data))
            for i, value in enumerate(values):
                _in_range(f"{where}, {key}, bin {i}", value, "value")


def _normsys(where: str, modifier: Normsys) -> None:
    for key, value in (("lo", modifier.data.lo), ("hi", modifier.data.hi)):
        _in_range(where, value, key)
        if value <= 0:
            raise InputError(
                where,
                f"{key} = {value:g}, but a factor must be above 0 to be interpolated",
                "write it as a histosys, or as a shapesys with an absolute uncertainty",
            )


def _arrays(modifier: Modifier) -> list[tuple[str, list[float]]]:
    if isinstance(modifier, Histosys):
        return [("lo_data", modifier.data.lo_data), ("hi_data", modifier.data.hi_data)]
    if isinstance(modifier, Shapesys | Staterror):
        return [("data", modifier.data)]
    return []


def _totals(channel: Channel, observed: list[float]) -> None:
    """The nominal total of each bin must be one in which the events observed can be."""
    total = np.sum([s.data for s in channel.samples], axis=0)
    reachable = np.any(
        [_reach(s) > 0 for s in channel.samples],
        axis=0,
    )
    for i, (expected, n) in enumerate(zip(total, observed, strict=True)):
        where = f"{place_of(channel)}, bin {i}"
        if expected < 0:
            raise InputError(
                where,
                f"the yields of its samples add up to {expected:g}",
                "check the sign of its samples: " + ", ".join(s.name for s in channel.samples),
            )
        if n > 0 and not reachable[i]:
            raise InputError(
                where,
                f"{n:g} observed events where every sample expects 0",
                "add the missing background or merge the bin with its neighbour",
            )


def _reach(sample: Sample) -> np.ndarray:
    """Largest yield of each bin among the nominal and the varied ones."""
    varied = [m for m in sample.modifiers if isinstance(m, Histosys)]
    return np.max(
        [sample.data, *(m.data.hi_data for m in varied), *(m.data.lo_data for m in varied)], axis=0
    )


def _configuration(workspace: Workspace, measurement: Measurement) -> list[Note]:
    place = f"measurement '{measurement.name}'"
    known = {m.name for c in workspace.channels for s in c.samples for m in s.modifiers}
    poi = measurement.config.poi
    if poi and poi not in known:
        norms = sorted(
            m.name
            for c in workspace.channels
            for s in c.samples
            for m in s.modifiers
            if kind_of(m) == "normfactor"
        )
        listed = ", ".join(dict.fromkeys(norms)) or "none"
        raise InputError(
            place, f"parameter of interest '{poi}' is on no sample", f"normfactors are {listed}"
        )
    for config in measurement.config.parameters:
        for key in ("inits", "auxdata", "factors", "sigmas"):
            for value in getattr(config, key) or ():
                _in_range(f"{place}, parameter '{config.name}', {key}", value, "value")
        for key in ("factors", "sigmas"):
            for value in getattr(config, key) or ():
                if value <= 0:
                    raise InputError(
                        f"{place}, parameter '{config.name}'",
                        f"{key} = {value:g}",
                        "a width must be above 0; to hold the parameter, set fixed",
                    )
    return [
        Note(
            Status.SUSPICIOUS_INPUT, f"{place}, parameter '{name}': on no sample, unlike '{meant}'"
        )
        for name in [config.name for config in measurement.config.parameters]
        if name not in known
        for meant in difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    ]


def _suspicious(channel: Channel) -> Iterator[Note]:
    for sample in channel.samples:
        negative = [str(i) for i, y in enumerate(sample.data) if y < 0]
        if negative:
            place = f"{place_of(channel, sample)}, bin {', '.join(negative)}"
            yield Note(Status.SUSPICIOUS_INPUT, f"{place}: negative yield")
        for modifier in sample.modifiers:
            where = place_of(channel, sample, modifier)
            if isinstance(modifier, Normsys) and modifier.data.lo == modifier.data.hi != 1:
                problem = f"{where}: lo = hi = {modifier.data.lo:g}"
                yield Note(Status.SUSPICIOUS_INPUT, problem)
            if isinstance(modifier, Normsys):
                for key, value in (("lo", modifier.data.lo), ("hi", modifier.data.hi)):
                    if not 1 / LARGEST_FACTOR <= value <= LARGEST_FACTOR:
                        yield Note(Status.SUSPICIOUS_INPUT, f"{where}: {key} = {value:g}")
            if isinstance(modifier, Shapesys | Staterror) and min(modifier.data) < 0:
                yield Note(Status.SUSPICIOUS_INPUT, f"{where}: negative uncertainty")
            if isinstance(modifier, Shapesys) and any(sample.data) and not any(modifier.data):
                yield Note(Status.SUSPICIOUS_INPUT, f"{where}: no uncertainty in any bin")


def _empty_bins(channel: Channel, observed: list[float]) -> Iterator[Note]:
    total = np.sum([s.data for s in channel.samples], axis=0)
    for i, (expected, n) in enumerate(zip(total, observed, strict=True)):
        if expected == 0 and n == 0:
            place = f"{place_of(channel)}, bin {i}"
            yield Note(Status.SUSPICIOUS_INPUT, f"{place}: 0 expected, 0 observed")


def starts_outside(parameters: Parameters) -> tuple[Note, ...]:
    """Parameters whose fit would not start where the workspace says."""
    return tuple(
        Note(Status.SUSPICIOUS_INPUT, f"parameter '{p.name}': init {p.init:g} outside its bounds")
        for p in parameters
        if not p.fixed and not p.bounds[0] <= p.init <= p.bounds[1]
    )


def _same_length(place: str, values: list[float], n: int) -> None:
    if len(values) != n:
        raise InputError(place, f"has {len(values)} values for {n} bins", "give one a bin")


def _in_range(place: str, value: float, what: str) -> None:
    if not math.isfinite(value):
        raise InputError(place, f"{what} is {value}", "give a finite number")
    if abs(value) > LARGEST:
        raise InputError(
            place, f"{what} is {value:g}, above 2^53 where counts are not exact", "check the units"
        )
