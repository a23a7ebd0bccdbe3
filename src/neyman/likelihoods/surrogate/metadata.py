"""What a surrogate's file says of itself: `metadata_props` whose values are JSON.

kind         "surrogate"
parameters   [{"name", "init", "bounds": [low|null, high|null], "fixed", "unit", "label",
               "prior"}]; prior: "uniform", "log-uniform" or {"mean", "sd"}
poi          the parameter of interest, or null
constraints  [{"name", "parameter", "type": "normal"|"poisson", "width"|"rate", "measured",
               "measured_asimov"|null}]: the auxiliary measurements whose terms log L contains,
               as in `neyman.auxiliary`; null where they are not known
background   [..]|null: the theta of the background-only Asimov data, whose log L is the output
               `log_prob_asimov`
domain       {"lower": [..], "upper": [..], "centre": [..]|null, "radius": r|null}
errors       numbers measured against the source inside the domain, as the training wrote them
digests      sha256 of the source likelihood and of the training points, by name
about        title, authors, licence, DOI, citation and what else a reader wants, as text
neyman       the version that wrote the file
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np

from neyman.auxiliary import Auxiliary
from neyman.io.provenance import version
from neyman.io.strict_json import dump_json, parse_json
from neyman.likelihoods.surrogate.domain import Domain
from neyman.parameters import LogUniform, Normal, Parameter, Parameters, Prior, Uniform
from neyman.status import InputError

KIND = "surrogate"
MAX_PARAMETERS = 10_000


@dataclasses.dataclass(frozen=True)
class Constraint:
    """One auxiliary measurement of a parameter; `scale` is the width of a Normal, the rate tau
    of a Poisson. `measured_asimov` is its value in the background-only Asimov data."""

    name: str
    parameter: str
    poisson: bool
    scale: float
    measured: float
    measured_asimov: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Metadata:
    """See the module; `constraints` is None where nobody knows them."""

    parameters: Parameters
    poi: str | None
    constraints: tuple[Constraint, ...] | None
    domain: Domain
    background: np.ndarray | None = None
    """(P,)"""
    errors: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    about: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def auxiliary(self) -> Auxiliary:
        """The measurements that `constraints` lists."""
        listed = self.constraints or ()
        return Auxiliary.of(
            self.parameters,
            [c.parameter for c in listed],
            [c.poisson for c in listed],
            [c.scale for c in listed],
            [c.name for c in listed],
        )

    @functools.cached_property
    def measured(self) -> np.ndarray:
        """(A,)"""
        return np.array([c.measured for c in self.constraints or ()], dtype=float)

    @functools.cached_property
    def measured_asimov(self) -> np.ndarray:
        """(A,), NaN where it is not known."""
        listed = [c.measured_asimov for c in self.constraints or ()]
        return np.array([math.nan if m is None else m for m in listed], dtype=float)

    def rename(self, names: Mapping[str, str]) -> "Metadata":
        """The same with other parameter names, `{old: new}`; measurements are renamed alike."""
        listed = self.constraints
        renamed = None if listed is None else tuple(
            dataclasses.replace(
                c,
                name=names.get(c.name, c.name),
                parameter=names.get(c.parameter, c.parameter),
            )
            for c in listed
        )  # fmt: skip
        return dataclasses.replace(
            self,
            parameters=self.parameters.rename(names),
            poi=None if self.poi is None else names.get(self.poi, self.poi),
            constraints=renamed,
        )

    def to_props(self) -> dict[str, str]:
        """The `metadata_props` of the file."""
        listed = self.constraints
        body = {
            "parameters": [_parameter_json(p) for p in self.parameters],
            "poi": self.poi,
            "constraints": None if listed is None else [_constraint_json(c) for c in listed],
            "background": None if self.background is None else self.background.tolist(),
            "domain": self.domain.to_json(),
            "errors": dict(self.errors),
            "digests": dict(self.digests),
            "about": dict(self.about),
            "neyman": version("neyman") or "",
        }  # fmt: skip
        return {"kind": KIND} | {key: dump_json(value) for key, value in body.items()}

    def described(self) -> dict[str, Any]:
        """What `show` prints beside the parameters."""
        return {
            "domain": self.domain.to_json(),
            "errors": dict(self.errors),
            "digests": dict(self.digests),
            "about": dict(self.about),
        }

    @classmethod
    def from_props(cls, props: Mapping[str, str], name: str) -> "Metadata":
        """What `to_props` wrote; errors call the file `name`."""
        if props.get("kind") != KIND:
            problem = f"is of the kind '{props.get('kind', 'unknown')}', not a surrogate"
            raise InputError(name, problem, "see docs/surrogate.md")
        body = {}
        for key in Body.__struct_fields__:
            if key in props:
                body[key] = parse_json(props[key], f"{name}, metadata '{key}'")
        return of_body(decoded(body, Body, name), name)


class _Parameter(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    init: float = 0.0
    bounds: tuple[float | None, float | None] = (None, None)
    fixed: bool = False
    unit: str = ""
    label: str = ""
    prior: str | dict[str, float] = "uniform"


class _Constraint(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameter: str
    type: str
    measured: float
    width: float | None = None
    rate: float | None = None
    measured_asimov: float | None = None


class _Domain(msgspec.Struct, forbid_unknown_fields=True):
    lower: list[float | None]
    upper: list[float | None]
    centre: list[float] | None = None
    radius: float | None = None


class Body(msgspec.Struct):
    """The keys of the module; a file of a later version may have more."""

    parameters: list[_Parameter]
    poi: str | None = None
    constraints: list[_Constraint] | None = None
    background: list[float] | None = None
    domain: _Domain | None = None
    errors: dict[str, Any] = {}
    digests: dict[str, str] = {}
    about: dict[str, str] = {}


B = TypeVar("B", bound=Body)


def decoded(document: Any, kind: type[B], name: str) -> B:
    """A decoded JSON object: that of a file, or of a side file beside it."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}, metadata", str(error), "see docs/surrogate.md") from None


def of_body(body: Body, name: str) -> Metadata:
    """Metadata whose names, numbers and lengths go together."""
    if not 0 < len(body.parameters) <= MAX_PARAMETERS:
        problem = f"{len(body.parameters)} parameters"
        raise InputError(f"{name}, metadata", problem, f"name 1 to {MAX_PARAMETERS:,}")
    parameters = Parameters(tuple(_parameter(p, name) for p in body.parameters))
    if body.poi is not None:
        parameters.index(body.poi)
    if body.background is not None and len(body.background) != len(parameters):
        problem = f"has {len(body.background)} numbers for {len(parameters)} parameters"
        raise InputError(f"{name}, metadata, background", problem, "give one for each")
    listed = body.constraints
    return Metadata(
        parameters=parameters,
        poi=body.poi,
        constraints=None if listed is None else _constraints(listed, parameters, name),
        background=None if body.background is None else np.array(body.background),
        domain=_domain(body.domain, len(parameters), name),
        errors=body.errors,
        digests=body.digests,
        about=body.about,
    )


def _parameter(p: _Parameter, name: str) -> Parameter:
    lower, upper = p.bounds
    bounds = (-math.inf if lower is None else lower, math.inf if upper is None else upper)
    place = f"{name}, metadata, parameter '{p.name}'"
    return Parameter(p.name, p.init, bounds, p.fixed, _prior(p.prior, place), p.unit, p.label)


def _prior(value: str | dict[str, float], place: str) -> Prior:
    if value == "uniform":
        return Uniform()
    if value == "log-uniform":
        return LogUniform()
    if isinstance(value, dict) and sorted(value) == ["mean", "sd"]:
        return Normal(value["mean"], value["sd"])
    raise InputError(place, f"prior {value!r} is not known", "use uniform, or {mean, sd}")


def _parameter_json(p: Parameter) -> dict[str, Any]:
    match p.prior:
        case Normal(mean, sd):
            prior: Any = {"mean": mean, "sd": sd}
        case LogUniform():
            prior = "log-uniform"
        case _:
            prior = "uniform"
    bounds = [b if math.isfinite(b) else None for b in p.bounds]
    return {
        "name": p.name, "init": p.init, "bounds": bounds, "fixed": p.fixed,
        "unit": p.unit, "label": p.label, "prior": prior,
    }  # fmt: skip


def _constraint_json(c: Constraint) -> dict[str, Any]:
    return {
        "name": c.name,
        "parameter": c.parameter,
        "type": "poisson" if c.poisson else "normal",
        "rate" if c.poisson else "width": c.scale,
        "measured": c.measured,
        "measured_asimov": c.measured_asimov,
    }


def _constraints(
    listed: list[_Constraint], parameters: Parameters, name: str
) -> tuple[Constraint, ...]:
    found = []
    for c in listed:
        place = f"{name}, metadata, constraint '{c.name}'"
        parameters.index(c.parameter)
        scale = {"normal": c.width, "poisson": c.rate}.get(c.type)
        if scale is None or not scale > 0:
            raise InputError(place, "is no normal or poisson one", "give a width or a rate above 0")
        poisson = c.type == "poisson"
        found.append(Constraint(c.name, c.parameter, poisson, scale, c.measured, c.measured_asimov))
    if len({c.name for c in found}) != len(found):
        raise InputError(f"{name}, metadata", "a constraint is named twice", "rename one of them")
    return tuple(found)


def _domain(domain: _Domain | None, width: int, name: str) -> Domain:
    if domain is None:
        return Domain.everywhere(width)
    rows = (domain.lower, domain.upper, domain.upper if domain.centre is None else domain.centre)
    if any(len(row) != width for row in rows):
        problem = f"has {len(domain.lower)} rows for {width} parameters"
        raise InputError(f"{name}, metadata, domain", problem, "give a number for each")
    lower = np.array([-math.inf if b is None else b for b in domain.lower])
    upper = np.array([math.inf if b is None else b for b in domain.upper])
    centre = None if domain.centre is None else np.array(domain.centre)
    if domain.radius is not None and not domain.radius > 0:
        raise InputError(f"{name}, metadata, domain", "its radius is not above 0", "correct it")
    return Domain(lower, upper, centre, domain.radius)
