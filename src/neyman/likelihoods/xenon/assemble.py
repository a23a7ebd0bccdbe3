"""From a detector and sources to an `EventModel`."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from neyman._jax import jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.xenon.constants import constants_of, replaced
from neyman.likelihoods.xenon.detector import Detector
from neyman.likelihoods.xenon.events import bucket
from neyman.likelihoods.xenon.model import EventModel
from neyman.likelihoods.xenon.selection import Points
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.parameters import Parameter, Parameters, unknown_name
from neyman.status import InputError

PLACES = 12
POSITIONS = 1 << 13


def constants_at(detector: Detector, yields: str, fixed: Mapping[str, float] = {}) -> dict:
    """NEST's constants, by the name of their set, and the detector's; some of them replaced.

    Raises:
        InputError: an unknown set or constant.
    """
    return replaced(constants_of(yields) | dict(detector.constants), fixed)


def event_model(
    detector: Detector,
    sources: Mapping[str, tuple[str, Spectrum]],
    *,
    yields: str = "nest_2.4",
    fixed: Mapping[str, float] = {},
    floating: Sequence[Parameter] = (),
    measured: Mapping[str, tuple[float, float]] = {},
    poi: str | None = None,
    digest: str = "",
) -> EventModel:
    """The model of events of some sources in a detector.

    Args:
        detector: its constants, places and selection.
        sources: {name: (kind, spectrum)}, kinds as in `Source.of`.
        yields: the set of NEST's constants.
        fixed: constants with other values.
        floating: what floats: constants by their names, and `NAME_rate`, the multiplier of a
            source's events. Nothing else does.
        measured: {parameter: (value, sigma)}: auxiliary measurements.
        poi: the parameter of interest.
        digest: sha256 of what the model was made from.

    Raises:
        InputError: an unknown name, or no source.
    """
    if not sources:
        raise InputError("sources", "there are none", "name at least one")
    constants = constants_at(detector, yields, fixed)
    known = [*constants, *(f"{name}_rate" for name in sources)]
    for parameter in floating:
        if parameter.name not in known:
            raise unknown_name(parameter.name, known, "parameter")
    parameters = Parameters(tuple(floating))
    starts = constants | {p.name: p.init for p in floating if p.name in constants}
    values = {name: jnp.asarray(float(v)) for name, v in starts.items()}
    made = tuple(Source.of(name, *of, values) for name, of in sources.items())
    places, volume = detector.places(PLACES)
    events = sum(float(source.events) for source in made)
    return EventModel(
        sources=made,
        constants={name: np.asarray(float(v)) for name, v in constants.items()},
        places=Points(*map(np.asarray, places)),
        volume=np.asarray(volume),
        positions=Points(*map(np.asarray, detector.positions(POSITIONS))),
        selection=detector.selection,
        drift_times=detector.drift_times,
        photons=_most_detected(made, starts, places),
        capacity=bucket(math.ceil(1.5 * events + 8.0 * math.sqrt(events)) + 32),
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


def _most_detected(sources: Sequence[Source], c: Mapping[str, float], places: Points) -> int:
    """A number of detected photons that is hardly ever exceeded."""
    photons = max(source.shape[1] for source in sources)
    p = min(1.0, c["g1"] * float(np.max(places.s1_map)) * 1.1)
    return math.ceil(photons * p + 6.0 * math.sqrt(photons * p * (1.0 - p))) + 5
