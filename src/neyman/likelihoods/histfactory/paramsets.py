"""The parameters that a workspace's modifiers ask for, in pyhf's order and with its defaults.

Each modifier name stands for one parameter set. pyhf 0.7.6 orders the sets by the kind of
modifier (`KINDS`) and then by first appearance, walking channels, samples and modifiers in
sorted order (pyhf/pdf.py, `_nominal_and_modifiers_from_spec`); the staterrors, which it
requires after the walk, by name (pyhf/modifiers/staterror.py, `finalize`).

How to add a modifier: its struct in `workspace.py`, its requirement here, its arrays in
`flatten.py`, and one line in the strategy of `tests/strategies.py`, which compares with pyhf.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from neyman.likelihoods.histfactory.workspace import (
    AnyModifier,
    Channel,
    ParameterConfig,
    Sample,
    Shapesys,
    Staterror,
    Workspace,
)
from neyman.status import InputError

KINDS = (
    "histosys",
    "lumi",
    "normfactor",
    "normsys",
    "shapefactor",
    "shapesys",
    "staterror",
)


@dataclasses.dataclass(frozen=True)
class Paramset:
    """One named set of parameters; `auxdata` is None where nothing measures it.

    `widths` are the sigmas of Normal measurements, or the taus where `poisson`.
    """

    name: str
    scalar: bool
    inits: list[float]
    bounds: list[tuple[float, float]]
    fixed: list[bool]
    auxdata: list[float] | None = None
    widths: list[float] | None = None
    poisson: bool = False
    widths_configurable: bool = False

    def __len__(self) -> int:
        return len(self.inits)

    @property
    def element_names(self) -> list[str]:
        return [self.name] if self.scalar else [f"{self.name}[{i}]" for i in range(len(self))]


def kind_of(modifier: AnyModifier) -> str:
    """The modifier's type as the schema spells it."""
    return str(type(modifier).__struct_config__.tag)


def walk(workspace: Workspace) -> Iterator[tuple[Channel, Sample, AnyModifier]]:
    """Every modifier, with channels, samples and modifiers in pyhf's sorted order."""
    for channel in sorted(workspace.channels, key=lambda c: c.name):
        for sample in sorted(channel.samples, key=lambda s: s.name):
            for modifier in sorted(sample.modifiers, key=lambda m: (m.name, kind_of(m))):
                yield channel, sample, modifier


def place_of(channel: Channel, sample: Sample | None = None, modifier=None) -> str:
    """ "channel 'SR', sample 'ttbar', normsys 'xsec'" """
    parts = [f"channel '{channel.name}'"]
    if sample is not None:
        parts.append(f"sample '{sample.name}'")
    if modifier is not None:
        parts.append(f"{kind_of(modifier)} '{modifier.name}'")
    return ", ".join(parts)


def paramsets(workspace: Workspace, configs: list[ParameterConfig]) -> list[Paramset]:
    """All parameter sets, as the measurement configures them.

    Raises:
        InputError: a name stands for incompatible kinds, or a configuration does not fit.
    """
    kind_by_name: dict[str, str] = {}
    found: dict[str, Paramset] = {}
    for kind in KINDS:
        of_kind = [place for place in walk(workspace) if kind_of(place[2]) == kind]
        if kind == "staterror":
            of_kind.sort(key=lambda place: place[2].name)
        for channel, sample, modifier in of_kind:
            name = modifier.name
            first = kind_by_name.setdefault(name, kind)
            if first != kind and {first, kind} != {"histosys", "normsys"}:
                raise InputError(
                    place_of(channel, sample, modifier),
                    f"the name is that of a {first} elsewhere, another kind of parameter",
                    "rename one of them (only histosys and normsys may share a name)",
                )
            if name not in found:
                found[name] = _required(workspace, channel, sample, modifier)
    known = {config.name: config for config in configs}
    if len(known) != len(configs):
        names = [c.name for c in configs]
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"parameter '{twice}'", "is configured twice", "remove one of the two")
    return [configured(p, known.get(p.name)) for p in found.values()]


def _required(
    workspace: Workspace, channel: Channel, sample: Sample, modifier: AnyModifier
) -> Paramset:
    name, kind = modifier.name, kind_of(modifier)
    if kind in ("histosys", "normsys"):
        return Paramset(name, True, [0.0], [(-5.0, 5.0)], [False], [0.0], [1.0])
    if kind == "normfactor":
        return Paramset(name, True, [1.0], [(0.0, 10.0)], [False])
    if kind == "lumi":
        return Paramset(name, True, [], [], [False], [], [], widths_configurable=True)
    if isinstance(modifier, Shapesys):
        return _shapesys(name, sample, modifier)
    if isinstance(modifier, Staterror):
        return _staterror(workspace, name)
    n = max(
        len(s.data) for _, s, m in walk(workspace) if m.name == name and kind_of(m) == "shapefactor"
    )
    return Paramset(name, False, [1.0] * n, [(0.0, 10.0)] * n, [False] * n)


def _gammas(name: str, fixed: list[bool], **measurement) -> Paramset:
    n = len(fixed)
    return Paramset(
        name, False, [1.0] * n, [(1e-10, 10.0)] * n, fixed, widths_configurable=True, **measurement
    )


def _shapesys(name: str, sample: Sample, modifier: Shapesys) -> Paramset:
    valid = [y > 0 and u > 0 for y, u in zip(sample.data, modifier.data)]
    tau = [y**2 / u**2 if ok else 1.0 for ok, y, u in zip(valid, sample.data, modifier.data)]
    fixed = [not ok for ok in valid]
    return _gammas(name, fixed, auxdata=tau, widths=tau, poisson=True)


def _staterror(workspace: Workspace, name: str) -> Paramset:
    """sigma_b = sqrt(sum_s u_sb^2) / sum_s y_sb over the samples that carry the modifier."""
    sigma: list[float] = []
    for channel in sorted(workspace.channels, key=lambda c: c.name):
        carriers = [
            (sample.data, modifier.data)
            for sample in channel.samples
            for modifier in sample.modifiers
            if isinstance(modifier, Staterror) and modifier.name == name
        ]
        if carriers:
            total = np.sum([y for y, _ in carriers], axis=0)
            error = np.sqrt(np.sum([np.square(u) for _, u in carriers], axis=0))
            sigma += np.divide(error, total, out=np.zeros_like(total), where=total > 0).tolist()
    fixed = [s == 0 for s in sigma]
    widths = [s or 1.0 for s in sigma]
    return _gammas(name, fixed, auxdata=[1.0] * len(sigma), widths=widths)


def configured(default: Paramset, config: ParameterConfig | None) -> Paramset:
    """`default` as the measurement configures it."""
    place = f"parameter '{default.name}'"
    if config is None:
        if not default.inits:
            raise InputError(
                place,
                "has no configuration in the measurement",
                "give its auxdata, sigmas, inits and bounds under measurements[].config",
            )
        return default
    if (config.sigmas or config.factors) and not default.widths_configurable:
        raise InputError(place, "has no sigmas or factors to configure", "remove them")
    if (config.sigmas and default.poisson) or (config.factors and not default.poisson):
        raise InputError(
            place, "sigmas go with Gaussian, factors with Poisson constraints", "use the other"
        )
    if config.auxdata and default.auxdata is None:
        raise InputError(place, "is not constrained, so it has no auxdata", "remove its auxdata")
    changes: dict[str, list] = {}
    for field, value in (
        ("inits", config.inits),
        ("bounds", config.bounds),
        ("auxdata", config.auxdata),
        ("widths", config.sigmas or config.factors),
    ):
        n = len(default) or 1
        if value is None:
            if not getattr(default, field) and not (field == "auxdata" or default.inits):
                raise InputError(place, f"has no {field} in the measurement", "give them")
            continue
        if len(value) != n:
            raise InputError(
                f"{place}: {field}", f"has {len(value)} values, expected {n}", "give one a bin"
            )
        changes[field] = value
    if config.fixed is not None:
        changes["fixed"] = [config.fixed] * (len(default) or 1)
    return dataclasses.replace(default, **changes)
