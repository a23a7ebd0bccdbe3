"""From a detector and sources to an `EventModel`."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from neyman._jax import Array, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.xenon.accidentals import Accidentals
from neyman.likelihoods.xenon.constants import constants_of, replaced
from neyman.likelihoods.xenon.detector import Detector, Places
from neyman.likelihoods.xenon.events import bucket
from neyman.likelihoods.xenon.exposure import Exposure, Where
from neyman.likelihoods.xenon.fields import field_nodes
from neyman.likelihoods.xenon.model import EventModel
from neyman.likelihoods.xenon.quanta import Recoil
from neyman.likelihoods.xenon.rates import LowRank, columns_of
from neyman.likelihoods.xenon.selection import Points
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.parameters import Parameter, Parameters, unknown_name
from neyman.status import InputError

PLACES = 12
POSITIONS = 1 << 13

Described = tuple[str | Recoil, Spectrum | LowRank]
"""A source: how deposits turn into quanta, and how many there are by energy (place and time)."""


def constants_at(
    detector: Detector,
    yields: str,
    fixed: Mapping[str, float] = {},
    own: Mapping[str, float] = {},
) -> dict[str, float]:
    """NEST's constants, by the name of their set, and the detector's; some of them replaced, and
    further ones that one's `own` yields need.

    Raises:
        InputError: an unknown set or constant, or one's own of a name that is taken.
    """
    known = constants_of(yields) | dict(detector.constants)
    for name in own:
        if name in known:
            remedy = "give it as `fixed`, or choose another name"
            raise InputError(f"constant '{name}'", "is NEST's or the detector's", remedy)
    return replaced(known | dict(own), fixed)


def event_model(
    detector: Detector,
    sources: Mapping[str, Described | Accidentals],
    *,
    yields: str = "nest_2.4",
    fixed: Mapping[str, float] = {},
    own: Mapping[str, float] = {},
    floating: Sequence[Parameter] = (),
    measured: Mapping[str, tuple[float, float]] = {},
    live: Sequence[tuple[float, float]] = (),
    poi: str | None = None,
    digest: str = "",
) -> EventModel:
    """The model of events of some sources in a detector.

    Args:
        detector: its constants, places and selection.
        sources: {name: (kind, spectrum)}, kinds as in `Source.of`: "nr" or one's own `Recoil`;
            or {name: accidental coincidences}.
        yields: the set of NEST's constants.
        fixed: constants with other values.
        own: further constants, that a `Recoil` of one's own uses.
        floating: what floats: constants by their names, and `NAME_rate`, the multiplier of a
            source's events. Nothing else does.
        measured: {parameter: (value, sigma)}: auxiliary measurements.
        live: stretches of live time, in days since the start of the run, that rates in time need.
        poi: the parameter of interest.
        digest: sha256 of what the model was made from.

    Raises:
        InputError: an unknown name, or no source of deposits.
    """
    constants = constants_at(detector, yields, fixed, own)
    described = {n: of for n, of in sources.items() if not isinstance(of, Accidentals)}
    if not described:
        raise InputError("sources", "there are none of deposits", "name at least one")
    known = [*constants, *(f"{name}_rate" for name in sources)]
    for parameter in floating:
        if parameter.name not in known:
            raise unknown_name(parameter.name, known, "parameter")
    parameters = Parameters(tuple(floating))
    starts = constants | {p.name: p.init for p in floating if p.name in constants}
    exposure = Exposure(detector, live)
    low_rank = {n: of for n, (_, of) in described.items() if isinstance(of, LowRank)}
    axes = {axis for of in low_rank.values() for axis in of.axes}
    nodes, spread = detector.cubature(PLACES, axes), exposure.spread(POSITIONS)
    places = detector.points(nodes.x, nodes.y, nodes.drift_time)
    fields = np.array([constants["drift_field"]])
    if detector.field_map is not None:
        every = detector.field(spread.x, spread.y, spread.drift_time)
        fields = field_nodes(np.concatenate([every, np.asarray(places.field)]))
    values = {name: jnp.asarray(float(v)) for name, v in starts.items()}
    moving = {p.name for p in floating}
    made = [
        _made(name, *of, values, fields, exposure, nodes, spread).frozen(values, fields, moving)
        for name, of in described.items()
    ]
    accidentals = tuple(
        Accidentals(of.s1_edges, of.s2_edges, of.histogram, name)
        for name, of in sources.items()
        if isinstance(of, Accidentals)
    )
    return EventModel(
        sources=tuple(made),
        accidentals=accidentals,
        constants={name: np.asarray(float(v)) for name, v in constants.items()},
        places=places,
        volume=np.asarray(nodes.weight),
        positions=_columns(exposure, spread, low_rank),
        field_nodes=fields,
        selection=detector.selection,
        drift_times=detector.drift_times,
        photons=_most_detected(made, starts, places),
        capacity=_capacity((*made, *accidentals), parameters),
        meanings=parameters.names,
        parameters=parameters,
        auxiliary=Auxiliary.of(
            parameters,
            list(measured),
            [False] * len(measured),
            [sigma for _, sigma in measured.values()],
        ),
        poi=poi,
        notes=(),
        digest=digest,
    )


def _made(
    name: str,
    kind: str | Recoil,
    spectrum: Spectrum | LowRank,
    constants: dict,
    fields: np.ndarray,
    exposure: Exposure,
    nodes: Places,
    spread: Where,
) -> Source:
    """A source, with its rates at the places where they depend on these."""
    source = Source.of(name, kind, spectrum, constants, fields)
    if not isinstance(spectrum, LowRank):
        return source
    at_places = spectrum.averaged(nodes, exposure)
    events = np.array([s.total for s in spectrum.basis]) @ at_places @ nodes.weight
    return dataclasses.replace(
        source, at_places=at_places, at_positions=spectrum.at(spread), events=np.asarray(events)
    )


def _columns(
    exposure: Exposure, spread: Where, low_rank: Mapping[str, LowRank]
) -> dict[str, Array]:
    """What simulated events take from their place and time."""
    detector = exposure.detector
    points = detector.points(spread.x, spread.y, spread.drift_time)
    columns = dict(points.columns)
    if detector.needs_position or any({"x", "y", "r"} & set(of.axes) for of in low_rank.values()):
        columns |= {"x": spread.x, "y": spread.y}
    if exposure.live:
        columns["time"] = spread.time
    for name, of in low_rank.items():
        columns |= dict(zip(columns_of(name, len(of.basis)), of.at(spread)))
    return columns


def _capacity(sources: Sequence[Source | Accidentals], parameters: Parameters) -> int:
    """Room for data sets with half as many events again, or 50 of a source that may have them."""
    events = 0.0
    for source in sources:
        name, expected = f"{source.name}_rate", float(source.events)
        largest = parameters[name].bounds[1] if name in parameters.names else 1.0
        events += expected * min(max(largest, 1.0), max(1.5, 50.0 / max(expected, 1e-9)))
    return bucket(math.ceil(events + 8.0 * math.sqrt(events)) + 32)


def _most_detected(
    sources: Sequence[Source], c: Mapping[str, float], places: Points
) -> tuple[int, ...]:
    """A number of detected photons that is hardly ever exceeded, for each step of the lattices."""
    largest: dict[int, int] = {}
    for at in (at for source in sources for at in source.lattices):
        largest[at.step] = max(largest.get(at.step, 0), at.step * at.shape[1])
    p = min(1.0, c["g1"] * float(np.max(places.s1_map)) * 1.1)
    return tuple(
        math.ceil(n * p + 6.0 * math.sqrt(n * p * (1.0 - p))) + 5
        for _, n in sorted(largest.items())
    )
