"""Hostile ONNX files, made here: the eight of the issue and more of their kind."""

import os
import pathlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from neyman.io.onnx.write import to_bytes
from tests.likelihoods.surrogate.surrogates import graph_and_card, random_network


def model(nodes, initializers=(), inputs=None, opset=13, domains=(), outputs=("y",), **fields):
    """The bytes of a model of the given nodes, with the input theta (N, 2)."""
    theta = helper.make_tensor_value_info("theta", TensorProto.DOUBLE, ["N", 2])
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N"]) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", inputs or [theta], ends, list(initializers))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=8, **fields)
    return made.SerializeToString()


def outside(location):
    """A weight whose data lie in the file `location`."""
    tensor = TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=[2, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return model([helper.make_node("MatMul", ["theta", "w"], ["y"])], [tensor])


def array(name, *values):
    return numpy_helper.from_array(np.array(values), name)


def terabyte_constant():
    shape = numpy_helper.from_array(np.array([1 << 37], dtype=np.int64), "shape")
    return model([helper.make_node("ConstantOfShape", ["shape"], ["y"])], [shape])


def terabyte_tensor():
    tensor = TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=[2, 1 << 36])
    tensor.raw_data = b"\0" * 16
    return model([helper.make_node("MatMul", ["theta", "w"], ["y"])], [tensor])


def terabyte_expanded():
    shape = numpy_helper.from_array(np.array([1 << 37, 2], dtype=np.int64), "shape")
    return model([helper.make_node("Expand", ["theta", "shape"], ["y"])], [shape])


def outer_products():
    """Broadcasting alone: 2, 4, 16, 256, 65,536, 4 billion elements."""
    nodes = []
    for k, name in enumerate(["theta", *(f"p{i}" for i in range(5))]):
        nodes += [
            helper.make_node("Reshape", [name, "column"], [f"c{k}"]),
            helper.make_node("Reshape", [name, "row"], [f"r{k}"]),
            helper.make_node("MatMul", [f"c{k}", f"r{k}"], [f"p{k}"]),
        ]
    shapes = [
        numpy_helper.from_array(np.array(s, dtype=np.int64), n)
        for n, s in (("column", [-1, 1]), ("row", [1, -1]))
    ]
    return model([*nodes, helper.make_node("ReduceSum", ["p5"], ["y"], keepdims=0)], shapes)


def loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.DOUBLE, None),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.DOUBLE, None),
        ],
    )
    turns = numpy_helper.from_array(np.array(1 << 62, dtype=np.int64), "turns")
    true = numpy_helper.from_array(np.array(True), "true")
    node = helper.make_node("Loop", ["turns", "true", "theta"], ["y"], body=body)
    return model([node], [turns, true])


def function():
    inner = helper.make_function(
        "own", "f", ["a"], ["b"], [helper.make_node("Tanh", ["a"], ["b"])],
        [helper.make_opsetid("", 13)],
    )  # fmt: skip
    node = helper.make_node("f", ["theta"], ["y"], domain="own")
    return model([node], domains=["own"], functions=[inner])


def whole():
    return to_bytes(graph_and_card()[0])


def eight(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The eight of the issue as files; the links and what they lead to lie beside them."""
    secret = folder / "secret.bin"
    secret.write_bytes(np.array([1.0, 2.0]).tobytes())
    inside = folder / "models"
    inside.mkdir()
    (inside / "link.bin").symlink_to(secret)
    os.link(secret, inside / "hard.bin")
    contents = {
        "outside by path": outside("../secret.bin"),
        "outside by absolute path": outside(str(secret)),
        "outside by symlink": outside("link.bin"),
        "outside by hard link": outside("hard.bin"),
        "unknown operator": model([helper.make_node("Evil", ["theta"], ["y"])]),
        "terabyte constant": terabyte_constant(),
        "unbounded loop": loop(),
        "truncated": whole()[:-100],
    }
    return {name: _written(inside / f"{i}.onnx", d) for i, (name, d) in enumerate(contents.items())}


def _written(path: pathlib.Path, data: bytes) -> pathlib.Path:
    path.write_bytes(data)
    return path


def more() -> dict[str, tuple[bytes, str]]:
    """Further files, with what the message says."""
    node = helper.make_node
    tanh = node("Tanh", ["theta"], ["y"])
    wide = helper.make_tensor_value_info("theta", TensorProto.DOUBLE, ["N", "P"])
    whole_numbers = helper.make_tensor_value_info("theta", TensorProto.INT64, ["N", 2])
    theta = helper.make_tensor_value_info("theta", TensorProto.DOUBLE, ["N", 2])
    second = helper.make_tensor_value_info("other", TensorProto.DOUBLE, ["N", 2])
    total = node("ReduceSum", ["a"], ["y"], keepdims=0)
    nan, stranger = array("c", np.nan), TensorProto(name="c", data_type=8, dims=[1])
    stranger.string_data.append(b"text")
    pieces = TensorProto(
        name="c", data_type=1, dims=[2], float_data=[1.0, 2.0], raw_data=b"12345678"
    )
    return {
        "empty": (b"", "no graph"),
        "text": (b"{'not': 'onnx'}" * 100, "damaged|no graph|unknown"),
        "zeros": (bytes(10_000), "no graph"),
        "other domain": (
            model([node("Tanh", ["theta"], ["y"], domain="com.evil")], domains=["com.evil"]),
            "domain 'com.evil'",
        ),
        "a function of its own": (function(), "functions of its own|domain 'own'"),
        "terabyte tensor": (terabyte_tensor(), "2 elements, its shape"),
        "terabyte expanded": (terabyte_expanded(), "Expand"),
        "outer products": (outer_products(), "one point takes more than"),
        "text tensor": (model([tanh], [stranger]), "elements of type 8|no plain one"),
        "a tensor in pieces": (model([tanh], [pieces]), "in pieces"),
        "NaN": (model([node("Add", ["theta", "c"], ["y"])], [nan]), "holds NaN"),
        "no input is computed": (model([node("Tanh", ["x"], ["y"])]), "'x' is not computed"),
        "a cycle": (
            model([node("Tanh", ["b"], ["a"]), node("Tanh", ["a"], ["b"])], outputs=["b"]),
            "'b' is not computed",
        ),
        "named twice": (model([tanh, tanh]), "named twice"),
        "output missing": (model([tanh], outputs=["z"]), "'z' is not computed"),
        "output is a matrix": (model([tanh]), "the shape .1, 2. for one point"),
        "two inputs": (model([tanh], inputs=[theta, second]), "has 2 inputs"),
        "free width": (model([tanh], inputs=[wide]), "fixed number of columns"),
        "whole numbers": (model([tanh], inputs=[whole_numbers]), "not a matrix of floats"),
        "old opset": (model([tanh], opset=6), "opset 6"),
        "new opset": (model([tanh], opset=99), "opset 99"),
        "shapes": (
            model([node("Add", ["theta", "c"], ["y"])], [array("c", 1.0, 2.0, 3.0)]),
            "shapes .1, 2., .3,.",
        ),
        "computed axes": (model([node("ReduceSum", ["theta", "theta"], ["y"])]), "are computed"),
        "an attribute": (model([node("Tanh", ["theta"], ["y"], evil=1)]), "attribute 'evil'"),
        "training": (
            model([node("Dropout", ["theta", "", "t"], ["a"]), total], [array("t", True)]),
            "training mode",
        ),
        "to integers": (model([node("Cast", ["theta"], ["a"], to=7), total]), "float and double"),
        "many nodes": (
            model([tanh] * 5_001),
            "5,000 nodes",
        ),
        "many fields": (whole() + b"\x08\x08" * 100_001, "100,000 fields"),
        "many numbers": (
            model([tanh], [helper.make_tensor("c", TensorProto.INT64, [20_000], [1] * 20_000)]),
            "10,000 integers",
        ),
        "long name": (model([node("Tanh", ["theta"], ["y" * 2_000])]), "text of 2,000"),
        "no surrogate": (to_bytes(random_network("tanh", "float64")[0]), "no side file"),
    }  # fmt: skip
