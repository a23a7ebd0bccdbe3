"""A workspace with other data: what another experiment would have published.

The main data are its observations; the auxiliary data are the `auxdata` of its measurement's
parameters, which the schema lets a measurement override.
"""

from typing import Any

import numpy as np

from neyman.likelihoods.histfactory.model import HistFactoryModel
from neyman.model import Data

Json = dict[str, Any]


def with_data(
    document: Json, model: HistFactoryModel, data: Data, measurement: str | None = None
) -> Json:
    """`document`, from which `model` was made, with `data` in place of its observations.

    Args:
        document: a decoded workspace.
        model: its model.
        data: main (bins,), in the order of the model's channels, and auxiliary (A,).
        measurement: the one that `model` is of; the first by default.
    """
    main = np.asarray(data.main)
    measured: dict[str, list[float]] = {}
    known = {config["name"] for m in document["measurements"] for config in configs(m)}
    known |= {m["name"] for c in document["channels"] for s in c["samples"] for m in s["modifiers"]}
    for name, value in zip(model.auxiliary.names, np.asarray(data.auxiliary).tolist()):
        base = name if name in known else name.rpartition("[")[0]
        measured.setdefault(base, []).append(value)
    chosen = measurement or document["measurements"][0]["name"]
    return document | {
        "observations": [
            {"name": name, "data": main[bins].tolist()}
            for name, bins in model.layout.slices().items()
        ],
        "measurements": [
            _measured(m, measured) if m["name"] == chosen else m for m in document["measurements"]
        ],
    }


def configs(measurement: Json) -> list[Json]:
    """The parameters that a measurement configures."""
    return measurement["config"]["parameters"]


def _measured(measurement: Json, auxdata: dict[str, list[float]]) -> Json:
    old = {config["name"]: config for config in configs(measurement)}
    new = {name: old.get(name, {"name": name}) | {"auxdata": a} for name, a in auxdata.items()}
    config = measurement["config"] | {"parameters": list((old | new).values())}
    return measurement | {"config": config}
