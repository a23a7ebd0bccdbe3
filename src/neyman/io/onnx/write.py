"""From a graph to the bytes of an ONNX file."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from neyman.io.onnx.graph import Graph, Node
from neyman.io.provenance import version
from neyman.io.store import write_atomic

OPSET, IR_VERSION = 13, 8
"""Of 2021: the oldest that have all operators in use, so that old programs can read."""
CODES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


def write_onnx(path: str | pathlib.Path, graph: Graph) -> None:
    """Write an ONNX file, atomically."""
    write_atomic(path, to_bytes(graph))


def to_bytes(graph: Graph) -> bytes:
    """The ONNX file of a graph, checked by `onnx.checker`. The same graph gives the same bytes."""
    theta = helper.make_tensor_value_info(graph.input, CODES[graph.dtype.name], ["N", graph.width])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N"]) for name in graph.outputs
    ]
    constants = [numpy_helper.from_array(np.asarray(a), n) for n, a in graph.constants.items()]
    body = helper.make_graph(
        [_node(node) for node in graph.nodes], "neyman", [theta], outputs, constants
    )
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="neyman",
        producer_version=version("neyman") or "",
    )
    helper.set_model_props(model, dict(graph.metadata))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _node(node: Node) -> onnx.NodeProto:
    made = helper.make_node(node.operator, node.inputs, [node.output])
    made.attribute.extend(helper.make_attribute(key, value) for key, value in node.attributes)
    return made
