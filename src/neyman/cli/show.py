"""What is in a file: channels, parameters, constraints, digest, and what is suspicious."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neyman.cli.table import table
from neyman.cli.text import abbreviated
from neyman.inference.fit import model_notes
from neyman.inference.provenance import provenance_of
from neyman.likelihoods.histfactory.model import HistFactoryModel
from neyman.likelihoods.surrogate.metadata import KIND, Metadata
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.results import Result

MOST_ROWS = 30
MOST_SAMPLES = 6
MOST_BINS = 8

Described = dict[str, Any]


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Description(Result):
    """What a file holds; `observables` are its channels where it has bins.

    The constraint of a parameter is {"type": "normal", "measured", "width"}, or "poisson" with
    its "rate" tau, or {"type": "fixed"}, or None.
    """

    kind: ClassVar[str] = "description"
    road: str
    parameters: tuple[Described, ...]
    observables: tuple[Described, ...]
    poi: str | None
    digest: str
    every: bool = False
    card: Described = dataclasses.field(default_factory=dict)
    """What a surrogate says of itself: domain, errors, digests, about."""

    def fields_of_interest(self) -> dict[str, Any]:
        return {
            "kind": self.road,
            "parameters": self.parameters,
            "channels" if self.road == "histfactory" else "observables": self.observables,
            "digest": self.digest,
            **self.card,
        }

    def summary(self) -> str:
        bins = sum(item["bins"] for item in self.observables)
        channels = f"{len(self.observables)} channels, {bins} bins, " if self.observables else ""
        head = f"{self.road}: {channels}{len(self.parameters)} parameters ({self._kinds()})"
        lines = [head + (f", parameter of interest {self.poi}" if self.poi else "")]
        lines += [f"sha256 {self.digest}"] if self.digest else []
        lines += [f"{key}: {text}" for key, text in self._card()]
        lines += [self._channels()] if self.observables else []
        return "\n".join([*lines, self._parameters()])

    def _card(self) -> list[tuple[str, str]]:
        """The entries of the card that are one number or text each."""
        return [
            (f"{key}.{name}", f"{value:.4g}" if isinstance(value, float) else str(value))
            for key, group in self.card.items()
            if isinstance(group, dict)
            for name, value in group.items()
            if isinstance(value, str | int | float)
        ]

    def _kinds(self) -> str:
        kinds = [(item["constraint"] or {"type": "free"})["type"] for item in self.parameters]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"

    def _channels(self) -> str:
        rows = []
        for item in self.observables:
            samples = abbreviated(
                item["samples"], len(item["samples"]) if self.every else MOST_SAMPLES
            )
            observed = [f"{n:g}" for n in item["observed"]]
            if len(observed) > MOST_BINS and not self.every:
                observed = [f"{sum(item['observed']):g} in all"]
            rows.append((item["name"], str(item["bins"]), " ".join(observed), samples))
        return table(("channel", "bins", "observed", "samples"), self._shortened(rows))

    def _parameters(self) -> str:
        if self.every or len(self.parameters) <= MOST_ROWS:
            groups = [[item] for item in self.parameters]
        else:
            groups = grouped(self.parameters)
            groups.sort(key=lambda group: group[0]["name"] != self.poi)  # this one first
        rows = [parameter_row(group) for group in groups]
        return table(("parameter", "init", "bounds", "constraint"), self._shortened(rows))

    def _shortened(self, rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        if self.every or len(rows) <= MOST_ROWS:
            return rows
        more = f"... and {len(rows) - MOST_ROWS} more rows (--all)"
        return [*rows[:MOST_ROWS], (more, *[""] * (len(rows[0]) - 1))]


def describe(like: Likelihood, every: bool = False) -> Description:
    """The description of a likelihood."""
    model, card = like.model, getattr(like, "card", None)
    road = "histfactory" if isinstance(model, HistFactoryModel) else type(model or like).__name__
    if isinstance(card, Metadata):
        road = KIND
    return Description(
        road=road,
        parameters=tuple(parameters_of(like)),
        observables=tuple(channels_of(like)),
        poi=like.poi,
        digest=like.digest,
        card={} if not isinstance(card, Metadata) else card.described(),
        every=every,
        notes=model_notes(like),
        provenance=provenance_of(like),
    )


def parameters_of(like: Likelihood) -> list[Described]:
    """Each parameter with its initial value, bounds (None: unbounded) and constraint."""
    constraints = constraints_of(like, like.parameters)
    return [
        {
            "name": item.name,
            "init": item.init,
            "bounds": [b if np.isfinite(b) else None for b in item.bounds],
            "constraint": {"type": "fixed"} if item.fixed else constraints.get(item.name),
        }
        for item in like.parameters
    ]


def constraints_of(like: Likelihood, parameters: Parameters) -> dict[str, Described]:
    """The auxiliary measurements by the name of the parameter measured."""
    a = like.auxiliary
    columns = (a.parameter, a.poisson, a.scale, like.measured)
    rows = zip(*(np.asarray(column).tolist() for column in columns))
    return {
        parameters.names[i]: {
            "type": "poisson" if poisson else "normal",
            "measured": measured,
            "rate" if poisson else "width": scale,
        }
        for i, poisson, scale, measured in rows
    }


def channels_of(like: Likelihood) -> list[Described]:
    """Bins, observed counts and samples of each channel, where the model has channels."""
    if not isinstance(like.model, HistFactoryModel) or like.data is None:
        return []
    layout, counts = like.model.layout, np.asarray(like.data.main)
    return [
        {
            "name": name,
            "bins": bins.stop - bins.start,
            "observed": counts[bins].tolist(),
            "samples": list(samples),
        }
        for (name, bins), samples in zip(layout.slices().items(), layout.samples)
    ]


def grouped(parameters: Sequence[Described]) -> list[list[Described]]:
    """Runs of `name[0]`, `name[1]`, ... together."""
    groups: dict[str, list[Described]] = {}
    for item in parameters:
        stem = item["name"].split("[")[0] if item["name"].endswith("]") else item["name"]
        groups.setdefault(stem, []).append(item)
    return list(groups.values())


def parameter_row(group: list[Described]) -> tuple[str, ...]:
    """The row of a parameter, or of all elements of a vector-valued one."""
    first = group[0]
    name = first["name"]
    if len(group) > 1:
        name = f"{name.split('[')[0]}[0..{len(group) - 1}]"
    low, high = ("" if bound is None else f"{bound:g}" for bound in first["bounds"])
    bounds = f"[{low or '-inf'}, {high or 'inf'}]"
    kinds = dict.fromkeys(constraint_text(item["constraint"]) for item in group)
    text = next(iter(kinds)) if len(kinds) == 1 else next(iter(kinds)).split("(")[0] + "(..)"
    return name, f"{first['init']:g}", bounds, text


def constraint_text(constraint: Described | None) -> str:
    """normal(measured, width), poisson(rate), fixed, or nothing."""
    match constraint:
        case {"type": "normal", "measured": measured, "width": width}:
            return f"normal({measured:g}, {width:.3g})"
        case {"type": "poisson", "rate": rate}:
            return f"poisson({rate:.4g})"
        case {"type": kind}:
            return kind
    return ""
