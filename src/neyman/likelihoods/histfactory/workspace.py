"""The workspace: pyhf's JSON schema 1.0.0 as types (https://scikit-hep.org/pyhf/schemas/1.0.0).

`read_workspace` turns a decoded JSON document into a `Workspace`. Everything that has the
wrong shape is an `InputError` naming the place by channel and sample; what the numbers say
is the business of `checks`.
"""

import re
from typing import Any, Literal

import msgspec

from neyman.status import InputError


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class HistosysData(Strict, frozen=True):
    lo_data: list[float]
    hi_data: list[float]


class NormsysData(Strict, frozen=True):
    lo: float
    hi: float


class Modifier(Strict, frozen=True, tag_field="type"):
    name: str


class Histosys(Modifier, frozen=True, tag="histosys"):
    data: HistosysData


class Normsys(Modifier, frozen=True, tag="normsys"):
    data: NormsysData


class Normfactor(Modifier, frozen=True, tag="normfactor"):
    data: None


class Shapefactor(Modifier, frozen=True, tag="shapefactor"):
    data: None


class Lumi(Modifier, frozen=True, tag="lumi"):
    data: None
    name: Literal["lumi"]


class Shapesys(Modifier, frozen=True, tag="shapesys"):
    data: list[float]


class Staterror(Modifier, frozen=True, tag="staterror"):
    data: list[float]


AnyModifier = Histosys | Normsys | Normfactor | Shapefactor | Lumi | Shapesys | Staterror


class Sample(Strict, frozen=True):
    name: str
    data: list[float]
    modifiers: list[AnyModifier]


class Channel(Strict, frozen=True):
    name: str
    samples: list[Sample]


class ParameterConfig(Strict, frozen=True):
    name: str
    inits: list[float] | None = None
    bounds: list[tuple[float, float]] | None = None
    auxdata: list[float] | None = None
    factors: list[float] | None = None
    sigmas: list[float] | None = None
    fixed: bool | None = None


class Config(Strict, frozen=True):
    poi: str
    parameters: list[ParameterConfig]


class Measurement(Strict, frozen=True):
    name: str
    config: Config


class Observation(Strict, frozen=True):
    name: str
    data: list[float]


class Workspace(Strict, frozen=True):
    channels: list[Channel]
    observations: list[Observation]
    measurements: list[Measurement]
    version: Literal["1.0.0"]

    def measurement(self, name: str | None = None) -> Measurement:
        """The measurement called `name`; the first one by default, as in pyhf."""
        if name is None:
            return self.measurements[0]
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        known = ", ".join(m.name for m in self.measurements)
        raise InputError(f"measurement '{name}'", "is not in the workspace", f"known are {known}")


def read_workspace(document: Any, source: str = "workspace") -> Workspace:
    """A `Workspace` from decoded JSON.

    Raises:
        InputError: a part is missing, has the wrong type or an unknown name.
    """
    if not isinstance(document, dict):
        raise InputError(source, "is not a JSON object", "give a pyhf workspace")
    try:
        workspace = msgspec.convert(document, Workspace)
    except msgspec.ValidationError as error:
        raise _placed(document, source, str(error)) from None
    for what in ("channels", "observations", "measurements"):
        if not document[what]:
            raise InputError(f"{source}: {what}", "is empty", f"a workspace has {what}")
    return workspace


def _placed(document: dict, source: str, message: str) -> InputError:
    problem, _, path = message.partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    remedy = "see the pyhf schema 1.0.0"
    if path.endswith(".type"):
        kinds = ("histosys, normsys, normfactor, shapesys, shapefactor, staterror, lumi",)
        remedy = f"known modifiers are {kinds[0]}"
    place = ": ".join(filter(None, (source, path, _names(document, path))))
    return InputError(place, problem[:1].lower() + problem[1:], remedy)


def _names(document: Any, path: str) -> str:
    """The names met on the way along `path`: "channel 'SR', sample 'ttbar'"."""
    named = []
    for step, index in re.findall(r"(\w+)(?:\[(\d+)\])?", path):
        try:
            document = document[step]
            if index:
                document = document[int(index)]
                named.append(f"{step.removesuffix('s')} '{document['name']}'")
        except (KeyError, IndexError, TypeError):
            break
    return ", ".join(named)
