"""From the bytes of an ONNX file to a graph, trusting nothing.

Read are models of the standard operators listed in `operators`, on floating-point tensors that
lie in the file. Refused, with one line that names the node: data in other files (whatever the
path: the file's own bytes are all that is read), subgraphs and so loops and branches, functions,
sparse and quantised tensors, operators or domains that are not listed, and what is larger than
the caps. Field numbers are those of onnx.proto3 (github.com/onnx/onnx, IR version 13).
"""

import math
from typing import NamedTuple

import numpy as np

from neyman.io.bounded import MAX_BYTES, Pathlike, read_raw
from neyman.io.onnx.graph import Attribute, Graph, Node
from neyman.io.onnx.operators import OPERATORS, checked
from neyman.io.onnx.protobuf import Message, Value
from neyman.io.onnx.run import check_shapes
from neyman.status import InputError

OPSETS = range(7, 26)
"""Versions of the operators whose meaning is known here."""
MAX_NODES = 5_000
MAX_DIMENSIONS = 8
MAX_METADATA = 4_000_000
DOMAINS = ("", "ai.onnx")

FLOATS = {1: "float32", 10: "float16", 11: "float64"}
INTEGERS = {6: "int32", 7: "int64", 9: "bool"}
KINDS = {1: "number", 2: "number", 3: "text", 4: "tensor", 6: "numbers", 7: "numbers"}
"""What the attribute types FLOAT, INT, STRING, TENSOR, FLOATS and INTS hold."""


class Tensor(NamedTuple):
    name: str
    array: np.ndarray


class Port(NamedTuple):
    """An input or an output: its element type and its dimensions, None where they are free."""

    name: str
    kind: int
    shape: tuple[int | None, ...]


def read_onnx(path: Pathlike, max_bytes: int = MAX_BYTES) -> Graph:
    """The graph in an ONNX file.

    Raises:
        InputError: the file cannot be used; one line that names the place and the remedy.
    """
    return parse(read_raw(path, max_bytes), str(path))


def parse(data: bytes, name: str) -> Graph:
    """The graph in the bytes of an ONNX file, which errors call `name`."""
    model = Message(name, memoryview(data))
    body, opset, metadata, size = None, None, {}, 0
    for field, value in model:
        if field == 7:
            if body is not None:
                raise InputError(name, "has two graphs", "write it anew")
            body = model.message(value)
        elif field == 8:
            domain, number = _opset(model.message(value))
            opset = number if domain in DOMAINS else opset
        elif field == 14:
            key, text = _entry(model.message(value))
            size += len(key) + len(text)
            if size > MAX_METADATA or key in metadata:
                problem = f"has more than {MAX_METADATA:,} characters of metadata, or a key twice"
                raise InputError(name, problem, "keep the metadata short")
            metadata[key] = text
        elif field in (20, 25):
            what = "training information" if field == 20 else "functions of its own"
            raise InputError(name, f"has {what}", "export the model for inference, inlined")
    if body is None:
        raise InputError(name, "holds no graph", "check that it is an ONNX file, and whole")
    if opset is None or opset not in OPSETS:
        problem = f"uses opset {opset}; known are {OPSETS[0]} to {OPSETS[-1]}"
        raise InputError(name, problem, "export it with another opset")
    return _graph(body, metadata)


def _graph(body: Message, metadata: dict[str, str]) -> Graph:
    name = body.name
    constants: dict[str, np.ndarray] = {}
    inputs: list[Port] = []
    outputs: list[Port] = []
    nodes: list[Node] = []
    for field, value in body:
        if field == 1:
            if len(nodes) == MAX_NODES:
                raise InputError(name, f"has more than {MAX_NODES:,} nodes", "simplify the model")
            nodes.append(_node(body.message(value), len(nodes), constants))
        elif field == 5:
            tensor = _tensor(body.message(value), "a constant")
            _define(constants, tensor, name)
        elif field == 11:
            inputs.append(_port(body.message(value)))
        elif field == 12:
            outputs.append(_port(body.message(value)))
        elif field in (14, 15):
            what = "quantised" if field == 14 else "sparse"
            raise InputError(name, f"has {what} tensors", "export plain ones")
    kept = tuple(node for node in nodes if node.operator != "Constant")
    theta = _single_input([port for port in inputs if port.name not in constants], name)
    graph = Graph(
        input=theta.name,
        width=theta.shape[1] or 0,
        dtype=np.dtype(FLOATS[theta.kind]),
        constants=constants,
        nodes=kept,
        outputs=tuple(port.name for port in outputs),
        metadata=metadata,
    )
    _check_order(graph, name)
    graph = checked(graph, name)
    check_shapes(graph, name)
    return graph


def _single_input(inputs: list[Port], name: str) -> Port:
    if len(inputs) != 1:
        listed = ", ".join(port.name for port in inputs[:8]) or "none"
        problem = f"has {len(inputs)} inputs ({listed})"
        raise InputError(name, problem, "export it with one input, theta (N, P)")
    (theta,) = inputs
    if theta.kind not in FLOATS or len(theta.shape) != 2 or not theta.shape[1]:
        problem = f"input '{theta.name}' is not a matrix of floats with a fixed number of columns"
        raise InputError(name, problem, "export it with one input, theta (N, P)")
    return theta


def _check_order(graph: Graph, name: str) -> None:
    """Every input of a node is there before it, and every name is given once."""
    known = {graph.input, *graph.constants}
    for number, node in enumerate(graph.nodes):
        place = f"{name}, node {number} ({node.operator})"
        missing = [i for i in node.inputs if i and i not in known]
        if missing:
            raise InputError(place, f"input '{missing[0]}' is not computed before it", "sort it")
        if not node.output or node.output in known:
            raise InputError(place, f"output '{node.output}' is named twice, or not", "rename it")
        known.add(node.output)
    missing = [output for output in graph.outputs if output not in known]
    if missing or not graph.outputs:
        raise InputError(name, f"output '{(*missing, '')[0]}' is not computed", "write it anew")


# ---- messages


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for field, value in message:
        if field == 1:
            domain = message.text(value)
        elif field == 2:
            version = message.integer(value)
    return domain, version


def _entry(message: Message) -> tuple[str, str]:
    key, text = "", ""
    for field, value in message:
        if field == 1:
            key = message.text(value)
        elif field == 2:
            text = message.text(value, MAX_METADATA)
    return key, text


def _node(message: Message, number: int, constants: dict[str, np.ndarray]) -> Node:
    """A node; the value of a Constant is put among the constants."""
    name, operator, domain = "", "", ""
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: list[Message] = []
    for field, value in message:
        if field == 1:
            inputs.append(message.text(value))
        elif field == 2:
            outputs.append(message.text(value))
        elif field == 3:
            name = message.text(value)
        elif field == 4:
            operator = message.text(value)
        elif field == 5:
            attributes.append(message.message(value))
        elif field == 7:
            domain = message.text(value)
    called = f"node {number} ({operator or 'no operator'}{f' {name!r}' if name else ''})"
    place = f"{message.name}, {called}"
    if domain not in DOMAINS or operator not in (*OPERATORS, "Constant"):
        where = "" if domain in DOMAINS else f" of the domain '{domain}'"
        listed = ", ".join(sorted(OPERATORS))
        raise InputError(place, f"operator{where} is not read", f"export with {listed}")
    found = dict(_attribute(attribute, place) for attribute in attributes)
    while len(outputs) > 1 and not outputs[-1]:
        outputs.pop()
    if operator == "Constant":
        _define(constants, Tensor(outputs[0] if outputs else "", _constant(found, place)), place)
    elif bad := [k for k, v in found.items() if isinstance(v, np.ndarray)]:
        raise InputError(place, f"attribute '{bad[0]}' is a tensor", "export a standard operator")
    if len(outputs) != 1 and operator not in ("Dropout", "BatchNormalization"):
        raise InputError(place, f"has {len(outputs)} outputs", "export it with one")
    plain = {key: value for key, value in found.items() if not isinstance(value, np.ndarray)}
    return Node(operator, tuple(inputs), (*outputs, "")[0], tuple(sorted(plain.items())))


def _constant(found: dict[str, Attribute | np.ndarray], place: str) -> np.ndarray:
    if len(found) != 1:
        raise InputError(place, "has no value, or several", "export it with one")
    ((key, value),) = found.items()
    if key not in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        raise InputError(place, f"attribute '{key}' is not read", "export a tensor of numbers")
    array = np.asarray(value)
    return array.astype(np.float32) if key in ("value_float", "value_floats") else array


def _attribute(message: Message, place: str) -> tuple[str, Attribute | np.ndarray]:
    name, kind = "", 0
    integers: list[int] = []
    floats: list[float] = []
    number, text, tensor = 0.0, "", None
    for field, value in message:
        if field == 1:
            name = message.text(value)
        elif field == 2:
            number = message.float32(value)
        elif field == 3:
            integers.append(message.integer(value))
        elif field == 4:
            text = message.text(value)
        elif field == 5:
            tensor = _tensor(message.message(value), place)
        elif field == 7:
            floats += message.numbers(value, "<f4").tolist()
        elif field == 8:
            integers += message.integers(value)
        elif field == 20:
            kind = message.integer(value)
        elif field in (6, 9, 10, 11, 14, 15, 21, 22, 23):
            what = "a subgraph" if field in (6, 11) else "an unusual attribute"
            raise InputError(place, f"has {what}", "export it without loops and branches")
    if kind not in KINDS or (kind == 4 and tensor is None) or len(integers) > 1000:
        raise InputError(place, f"attribute '{name}' is of no known kind", "write it anew")
    found: dict[int, Attribute | np.ndarray] = {
        1: number,
        2: integers[0] if integers else 0,
        3: text,
        6: tuple(floats),
        7: tuple(integers),
    }
    return name, found[kind] if kind != 4 or tensor is None else tensor.array


def _port(message: Message) -> Port:
    name, kind, shape = "", 0, ()
    for field, value in message:
        if field == 1:
            name = message.text(value)
        elif field == 2:
            outer = message.message(value)
            for sort, inner in outer:
                if sort == 1:
                    kind, shape = _tensor_type(outer.message(inner))
    return Port(name, kind, shape)


def _tensor_type(message: Message) -> tuple[int, tuple[int | None, ...]]:
    kind, shape = 0, []
    for field, value in message:
        if field == 1:
            kind = message.integer(value)
        elif field == 2:
            dimensions = message.message(value)
            for sort, inner in dimensions:
                if sort == 1:
                    dimension = dimensions.message(inner)
                    sizes = [dimension.integer(v) for f, v in dimension if f == 1]
                    shape.append(sizes[0] if sizes else None)
    return kind, tuple(shape)


def _tensor(message: Message, place: str) -> Tensor:
    """A tensor of numbers whose data lie in the file; a view of it where they are raw."""
    name, kind = "", 0
    shape: list[int] = []
    data: list[tuple[int, Value]] = []
    for field, value in message:
        if field == 1:
            shape += message.integers(value)
        elif field == 2:
            kind = message.integer(value)
        elif field == 8:
            name = message.text(value)
        elif field in (4, 5, 7, 9, 10):
            data.append((field, value))
        elif field == 13 or (field == 14 and value != 0):
            where = f"{message.name}, tensor '{name}'" if name else f"{message.name}, {place}"
            raise InputError(where, "its data lie in another file", "save it as one file")
        elif field in (3, 6, 11):
            raise InputError(message.name, f"tensor '{name}' is no plain one", "export numbers")
    where = f"{message.name}, tensor '{name}'"
    dtype = {**FLOATS, **INTEGERS}.get(kind)
    if dtype is None:
        raise InputError(where, f"holds elements of type {kind}", "export float or double")
    if len(shape) > MAX_DIMENSIONS or any(n < 0 for n in shape):
        raise InputError(where, f"has the shape {tuple(shape[:9])}", "export at most a matrix")
    flat = _elements(message, data, dtype, where)
    if flat.size != math.prod(shape):
        problem = f"has {flat.size:,} elements, its shape {tuple(shape)} {math.prod(shape):,}"
        raise InputError(where, problem, "check that the file is whole")
    if flat.dtype.kind == "f" and np.isnan(flat).any():
        raise InputError(where, "holds NaN", "train it again")
    return Tensor(name, flat.reshape(shape))


def _elements(
    message: Message, data: list[tuple[int, Value]], dtype: str, where: str
) -> np.ndarray:
    """The elements of a tensor from the one field that holds them."""
    if not data:
        return np.zeros(0, dtype)
    field, value = data[0]
    if len(data) > 1:
        raise InputError(where, "its data are in pieces", "export raw or packed data")
    own = {4: ("float32",), 10: ("float64",), 5: ("int32", "bool"), 7: ("int64",)}
    if field == 9:
        return message.numbers(value, np.dtype(dtype).newbyteorder("<").str)
    if dtype not in own[field]:
        raise InputError(where, "its data are of another type than its own", "write it anew")
    if field in (4, 10):
        return message.numbers(value, "<f4" if field == 4 else "<f8")
    found = message.integers(value)
    if dtype == "int32" and any(abs(n) > 2**31 for n in found):
        raise InputError(where, "a number is beyond 32 bits", "write it anew")
    return np.array(found, dtype)


def _define(constants: dict[str, np.ndarray], tensor: Tensor, place: str) -> None:
    if not tensor.name or tensor.name in constants:
        raise InputError(place, f"constant '{tensor.name}' is named twice, or not", "rename it")
    constants[tensor.name] = tensor.array
