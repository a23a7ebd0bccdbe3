"""Workspaces as documents: combine, rename, prune, sort, digest.

Each takes decoded JSON and returns a new document; none changes its input. They do what
pyhf.Workspace's methods of the same names do (pyhf/workspace.py, 0.7.6).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from neyman.io.provenance import digest
from neyman.parameters import unknown_name
from neyman.status import InputError

Document = dict[str, Any]

__all__ = ["combine", "digest", "prune", "rename", "sort"]

NO_NAMES: Mapping[str, str] = {}
JOINS = ("none", "outer", "left outer", "right outer")


def rename(
    document: Document,
    *,
    channels: Mapping[str, str] = NO_NAMES,
    samples: Mapping[str, str] = NO_NAMES,
    modifiers: Mapping[str, str] = NO_NAMES,
    measurements: Mapping[str, str] = NO_NAMES,
) -> Document:
    """The same workspace with other names, `{old: new}` for each kind of thing.

    Raises:
        InputError: an old name is not in the workspace.
    """
    for kind, names in _kinds(channels, samples, modifiers, measurements).items():
        _must_be_known(document, kind, names)

    def parameter(config: Document) -> Document:
        return config | {"name": modifiers.get(config["name"], config["name"])}

    def sample(item: Document) -> Document:
        changed = [m | {"name": modifiers.get(m["name"], m["name"])} for m in item["modifiers"]]
        return item | {"name": samples.get(item["name"], item["name"]), "modifiers": changed}

    def config(item: Document) -> Document:
        poi = modifiers.get(item["poi"], item["poi"])
        return item | {"poi": poi, "parameters": [parameter(p) for p in item["parameters"]]}

    return document | {
        "channels": [
            c
            | {
                "name": channels.get(c["name"], c["name"]),
                "samples": [sample(s) for s in c["samples"]],
            }
            for c in document["channels"]
        ],
        "observations": [
            o | {"name": channels.get(o["name"], o["name"])} for o in document["observations"]
        ],
        "measurements": [
            m | {"name": measurements.get(m["name"], m["name"]), "config": config(m["config"])}
            for m in document["measurements"]
        ],
    }


def prune(
    document: Document,
    *,
    channels: Collection[str] = (),
    samples: Collection[str] = (),
    modifiers: Collection[str] = (),
    modifier_types: Collection[str] = (),
    measurements: Collection[str] = (),
) -> Document:
    """The workspace without the channels, samples, modifiers or measurements named.

    Raises:
        InputError: a name is not in the workspace, or nothing would be left.
    """
    for kind, names in _kinds(channels, samples, modifiers, measurements).items():
        _must_be_known(document, kind, names)
    known_types = {m["type"] for _, s in _samples(document) for m in s["modifiers"]}
    for name in modifier_types:
        if name not in known_types:
            raise unknown_name(name, sorted(known_types), "modifier type")

    def sample(item: Document) -> Document:
        kept = [
            m
            for m in item["modifiers"]
            if m["name"] not in modifiers and m["type"] not in modifier_types
        ]
        return item | {"modifiers": kept}

    def config(item: Document) -> Document:
        poi = "" if item["poi"] in modifiers else item["poi"]
        kept = [p for p in item["parameters"] if p["name"] not in modifiers]
        return item | {"poi": poi, "parameters": kept}

    pruned = document | {
        "channels": [
            c | {"samples": [sample(s) for s in c["samples"] if s["name"] not in samples]}
            for c in document["channels"]
            if c["name"] not in channels
        ],
        "observations": [o for o in document["observations"] if o["name"] not in channels],
        "measurements": [
            m | {"config": config(m["config"])}
            for m in document["measurements"]
            if m["name"] not in measurements
        ],
    }
    for what in ("channels", "measurements"):
        if not pruned[what]:
            raise InputError(what, "would all be pruned", "keep at least one")
    return pruned


def combine(
    left: Document, right: Document, *, join: str = "none", merge_channels: bool = False
) -> Document:
    """Both workspaces in one.

    Args:
        left: a workspace.
        right: a workspace of the same schema version.
        join: what to do with channels, observations and measurements of the same name: "none"
            refuses them; "outer" takes them where they are equal, and joins measurements with
            the same parameter of interest; "left outer" and "right outer" take that side's.
        merge_channels: join the samples of channels of the same name (not with "none").

    Raises:
        InputError: the two cannot be joined that way.
    """
    if join not in JOINS:
        raise unknown_name(join, JOINS, "join")
    if merge_channels and join == "none":
        raise InputError("merge_channels", "needs a join", "use join='outer' or a one-sided one")
    if left["version"] != right["version"]:
        raise InputError("version", "differs between the workspaces", "convert one of them")
    merge = {
        "channel": _merged_samples if merge_channels else None,
        "measurement": _merged_configs if join == "outer" else None,
    }
    return {
        what + "s": _joined(what, left[what + "s"], right[what + "s"], join, merge.get(what))
        for what in ("channel", "measurement", "observation")
    } | {"version": left["version"]}


def _joined(
    what: str,
    left: list[Document],
    right: list[Document],
    join: str,
    merge: Callable[[Document, Document], Document] | None = None,
) -> list[Document]:
    """Items of both sides by name, the primary side's first."""
    primary, secondary = (right, left) if join == "right outer" else (left, right)
    joined = {item["name"]: item for item in primary}
    for item in secondary:
        name = item["name"]
        if name not in joined:
            joined[name] = item
        elif merge is not None:
            joined[name] = merge(joined[name], item)
        elif join == "none" or (join == "outer" and joined[name] != item):
            raise InputError(
                f"{what} '{name}'",
                "is in both workspaces" + (" but differs" if join == "outer" else ""),
                "rename it in one of them, or join='left outer' or 'right outer'",
            )
    return list(joined.values())


def _merged_samples(primary: Document, secondary: Document) -> Document:
    samples = _joined("sample", primary["samples"], secondary["samples"], "left outer")
    return primary | {"samples": samples}


def _merged_configs(left: Document, right: Document) -> Document:
    a, b = left["config"], right["config"]
    if a["poi"] != b["poi"]:
        raise InputError(
            f"measurement '{left['name']}'",
            f"has the parameter of interest '{a['poi']}' and '{b['poi']}'",
            "rename one of the measurements",
        )
    parameters = _joined("parameter", a["parameters"], b["parameters"], "outer")
    return left | {"config": {"poi": a["poi"], "parameters": parameters}}


def sort(document: Document) -> Document:
    """The same workspace with everything in the order of its names."""

    def by_name(items: list[Document]) -> list[Document]:
        return sorted(items, key=lambda item: (item["name"], item.get("type", "")))

    def sample(item: Document) -> Document:
        return item | {"modifiers": by_name(item["modifiers"])}

    return document | {
        "channels": by_name(
            [
                c | {"samples": by_name([sample(s) for s in c["samples"]])}
                for c in document["channels"]
            ]
        ),
        "observations": by_name(document["observations"]),
        "measurements": by_name(
            [
                m | {"config": m["config"] | {"parameters": by_name(m["config"]["parameters"])}}
                for m in document["measurements"]
            ]
        ),
    }


def _kinds(channels, samples, modifiers, measurements) -> dict[str, Collection[str]]:
    return {
        "channel": channels,
        "sample": samples,
        "modifier": modifiers,
        "measurement": measurements,
    }


def _samples(document: Document) -> list[tuple[Document, Document]]:
    return [(c, s) for c in document["channels"] for s in c["samples"]]


def _must_be_known(document: Document, kind: str, names: Collection[str]) -> None:
    known = {
        "channel": [c["name"] for c in document["channels"]],
        "sample": [s["name"] for _, s in _samples(document)],
        "modifier": [m["name"] for _, s in _samples(document) for m in s["modifiers"]],
        "measurement": [m["name"] for m in document["measurements"]],
    }[kind]
    for name in names:
        if name not in known:
            raise unknown_name(name, dict.fromkeys(known), kind)
