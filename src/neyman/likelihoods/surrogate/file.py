"""From an ONNX file to a likelihood, and back.

A file that neyman wrote says everything of itself. Any other one, e.g. a DNNLikelihood
(arXiv:1911.03305) exported from Keras or PyTorch, goes with a side file, `x.json` beside
`x.onnx`: the object of `neyman.likelihoods.surrogate.metadata` of which only `parameters` must be
there, and optionally

    output     which output is log L, by name; the first by default
    scaling    {"input_mean": [..], "input_scale": [..], "output_mean": m, "output_scale": s}:
               log L = s g((theta - mean)/scale) + m, for networks whose scalers were kept outside
"""

import dataclasses
import pathlib

import msgspec
import numpy as np

from neyman.io.bounded import read_raw
from neyman.io.onnx.graph import Graph, Node
from neyman.io.onnx.read import parse
from neyman.io.provenance import digest
from neyman.io.strict_json import read_json
from neyman.likelihoods.surrogate.likelihood import LOG_PROB, OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import KIND, Body, Metadata, decoded, of_body
from neyman.status import InputError

Pathlike = str | pathlib.Path


def likelihood(path: Pathlike, side: Pathlike | None = None) -> OnnxLikelihood:
    """The likelihood in an ONNX file.

    Args:
        path: the `.onnx` file.
        side: what names the parameters of a file that does not; by default the `.json` file of
            the same name beside it.

    Raises:
        InputError: a file cannot be used; one line that names the place and the remedy.
    """
    path = pathlib.Path(path)
    data = read_raw(path)
    graph = parse(data, path.name)
    if graph.metadata.get("kind") == KIND:
        if side is not None:
            raise InputError(str(side), f"{path.name} names its parameters itself", "leave it out")
        return OnnxLikelihood.of(
            graph, Metadata.from_props(graph.metadata, path.name), digest(data)
        )
    beside = path.with_suffix(".json") if side is None else pathlib.Path(side)
    if not beside.exists():
        problem = "does not name its parameters, and there is no side file"
        raise InputError(path.name, problem, f"write {beside.name} (docs/surrogate.md)")
    known = decoded(read_json(beside), _Side, beside.name)
    card = of_body(known, beside.name)
    scaled = _scaled(graph, known, beside.name)
    return OnnxLikelihood.of(scaled, card, digest(data))


def write(path: Pathlike, graph: Graph, card: Metadata) -> None:
    """Write a graph with its metadata, atomically."""
    from neyman.io.onnx.write import write_onnx  # onnx takes a tenth of a second, and only writes

    write_onnx(path, dataclasses.replace(graph, metadata=card.to_props()))


class _Scaling(msgspec.Struct, forbid_unknown_fields=True):
    input_mean: list[float]
    input_scale: list[float]
    output_mean: float = 0.0
    output_scale: float = 1.0


class _Side(Body, forbid_unknown_fields=True):
    """A side file, written by hand: a key that is not known is a mistake."""

    kind: str = KIND
    neyman: str = ""
    output: str | None = None
    scaling: _Scaling | None = None


def _scaled(graph: Graph, side: _Side, name: str) -> Graph:
    """The graph from theta in its own units to the output `log_prob`."""
    output = graph.outputs[0] if side.output is None else side.output
    if output not in graph.outputs:
        problem = f"output '{output}' is not among {', '.join(graph.outputs[:8])}"
        raise InputError(name, problem, "name one of them")
    scaling = side.scaling or _Scaling([0.0] * graph.width, [1.0] * graph.width)
    sizes = {len(scaling.input_mean), len(scaling.input_scale)}
    if sizes != {graph.width} or 0.0 in (*scaling.input_scale, scaling.output_scale):
        problem = f"scaling does not fit {graph.width} inputs, or a scale is 0"
        raise InputError(name, problem, "give a mean and a scale for each parameter")
    constants = {
        "mean": np.array(scaling.input_mean),
        "scale": np.array(scaling.input_scale),
        "offset": np.array(scaling.output_mean),
        "factor": np.array(scaling.output_scale),
    }
    # names of the file are kept apart from the new ones by a prefix
    inner = [
        Node(
            n.operator, tuple(i and f"file {i}" for i in n.inputs), f"file {n.output}", n.attributes
        )
        for n in graph.nodes
    ]
    nodes = (
        Node("Sub", ("theta", "mean"), "shifted"),
        Node("Div", ("shifted", "scale"), f"file {graph.input}"),
        *inner,
        Node("Mul", (f"file {output}", "factor"), "scaled"),
        Node("Add", ("scaled", "offset"), LOG_PROB),
    )
    kept = {f"file {key}": array for key, array in graph.constants.items()}
    return Graph(
        "theta", graph.width, graph.dtype, constants | kept, nodes, (LOG_PROB,), graph.metadata
    )
