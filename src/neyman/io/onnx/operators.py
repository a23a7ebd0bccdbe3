"""The operators that are read, as functions of jax arrays (onnx.ai/onnx/operators).

An operator's inputs are the positional arguments of its function, its attributes the keyword
ones, with ONNX's names and defaults. Adding one: a function, and a line in `OPERATORS`; nothing
may loop, draw random numbers, or make an array that is larger than its inputs, broadcasting
aside. All numbers are float64.
"""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.io.onnx.graph import Attribute, Graph, Node
from neyman.status import InputError

Function = Callable[..., Array]


def _aligned(*arrays: Array) -> list[Array]:
    """The arrays with leading axes of 1, so that all have as many (multidirectional broadcast)."""
    most = max(a.ndim for a in arrays)
    return [a.reshape((1,) * (most - a.ndim) + a.shape) for a in arrays]


def _of_all(function: Callable[[Array, Array], Array]) -> Function:
    """A function of two, of one or more."""

    def operator(*arrays):
        return functools.reduce(function, _aligned(*arrays))

    return operator


def _of_two(function: Callable[[Array, Array], Array]) -> Function:
    def operator(a, b):
        return function(*_aligned(a, b))

    return operator


def _matmul(a, b):
    if a.ndim > 2 and b.ndim > 2:
        a, b = _aligned(a, b)
    return jnp.matmul(a, b)


def _gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError("matrices are wanted")
    product = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    if c is None:
        return product
    product, c = _aligned(product, c)
    return product + beta * jnp.broadcast_to(c, product.shape)


def _batch_normalization(
    x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, training_mode=0
):
    if training_mode or x.ndim != 2:
        raise ValueError("it is for inference, of a matrix")
    x, scale, bias, mean, variance = _aligned(x, scale, bias, mean, variance)
    return (x - mean) / jnp.sqrt(variance + epsilon) * scale + bias


def _gelu(x, *, approximate="none"):
    return jax.nn.gelu(x, approximate={"none": False, "tanh": True}[approximate])


def _clip(x, low=None, high=None, *, min=-math.inf, max=math.inf):
    low = min if low is None else low.reshape(())
    return jnp.clip(x, low, max if high is None else high.reshape(()))


def _selu(x, *, alpha=1.6732632423543772, gamma=1.0507009873554805):
    return gamma * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0)))


def _elu(x, *, alpha=1.0):
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0)))


def _celu(x, *, alpha=1.0):
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0) / alpha))


def _leaky_relu(x, *, alpha=0.01):
    return jnp.where(x > 0, x, alpha * x)


def _prelu(x, slope):
    x, slope = _aligned(x, slope)
    return jnp.where(x > 0, x, slope * x)


def _reshape(x, *, shape, allowzero=0):
    if allowzero:
        raise ValueError("allowzero is not read")
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def _flatten(x, *, axis=1):
    first = math.prod(x.shape[: axis if axis >= 0 else x.ndim + axis])
    return x.reshape(first, -1)


def _squeeze(x, *, axes=None):
    return jnp.squeeze(x, axes)


def _unsqueeze(x, *, axes):
    return jnp.expand_dims(x, axes)


def _transpose(x, *, perm=None):
    return jnp.transpose(x, perm)


def _concat(*arrays, axis):
    return jnp.concatenate(arrays, axis)


def _reduce(function: Callable[..., Array]) -> Function:
    def operator(x, *, axes=None, keepdims=1, noop_with_empty_axes=0):
        if noop_with_empty_axes and not axes:
            return x
        return function(x, axes or None, bool(keepdims))

    return operator


def _cast(x, *, to, saturate=1):
    if to not in (1, 11):
        raise ValueError("only to float and double")
    return x


def _constant_dropped(x, *, ratio=0.5, training_mode=0, seed=0):
    if training_mode:
        raise ValueError("it is in training mode")
    return x


def _sum(x, axes, keepdims):
    return jnp.sum(x, axes, keepdims=keepdims)


def _mean(x, axes, keepdims):
    return jnp.mean(x, axes, keepdims=keepdims)


def _norm(x, axes, keepdims):
    return jnp.sqrt(jnp.sum(x * x, axes, keepdims=keepdims))


def _element(function: Callable[[Array], Array]) -> Function:
    def operator(x):
        return function(x)

    return operator


OPERATORS: dict[str, Function] = {
    "Abs": _element(jnp.abs),
    "Add": _of_two(jnp.add),
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Celu": _celu,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _of_two(jnp.divide),
    "Dropout": _constant_dropped,
    "Elu": _elu,
    "Erf": _element(jax.scipy.special.erf),
    "Exp": _element(jnp.exp),
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "Identity": _element(lambda x: x),
    "LeakyRelu": _leaky_relu,
    "Log": _element(jnp.log),
    "MatMul": _matmul,
    "Max": _of_all(jnp.maximum),
    "Min": _of_all(jnp.minimum),
    "Mul": _of_two(jnp.multiply),
    "Neg": _element(jnp.negative),
    "PRelu": _prelu,
    "Pow": _of_two(jnp.power),
    "Reciprocal": _element(lambda x: 1.0 / x),
    "ReduceL2": _reduce(_norm),
    "ReduceMean": _reduce(_mean),
    "ReduceSum": _reduce(_sum),
    "ReduceSumSquare": _reduce(lambda x, axes, keepdims: _sum(x * x, axes, keepdims)),
    "Relu": _element(jax.nn.relu),
    "Reshape": _reshape,
    "Selu": _selu,
    "Sigmoid": _element(jax.nn.sigmoid),
    "Softplus": _element(jax.nn.softplus),
    "Softsign": _element(jax.nn.soft_sign),
    "Sqrt": _element(jnp.sqrt),
    "Squeeze": _squeeze,
    "Sub": _of_two(jnp.subtract),
    "Sum": _of_all(jnp.add),
    "Tanh": _element(jnp.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}

STATIC = {
    "Reshape": ("shape",),
    "Squeeze": ("axes",),
    "Unsqueeze": ("axes",),
    **dict.fromkeys(("ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare"), ("axes",)),
    "Dropout": ("ratio", "training_mode"),
}
"""Attributes that newer versions take as inputs after the first: here they must be constants."""


def checked(graph: Graph, name: str) -> Graph:
    """The graph with `STATIC` inputs made attributes; attributes and numbers of inputs are ones
    that the operator has.

    Raises:
        InputError: one line that names the node.
    """
    nodes = []
    for number, node in enumerate(graph.nodes):
        place = f"{name}, node {number} ({node.operator})"
        nodes.append(_checked_node(_with_static(node, graph, place), place))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _with_static(node: Node, graph: Graph, place: str) -> Node:
    names = STATIC.get(node.operator)
    if names is None or len(node.inputs) < 2:
        return node
    attributes: dict[str, Attribute] = dict(node.attributes)
    for attribute, source in zip(names, node.inputs[1:]):
        if not source:
            continue
        if source not in graph.constants:
            raise InputError(place, f"its {attribute} are computed", "export them as constants")
        value = graph.constants[source]
        whole = attribute in ("shape", "axes")
        if value.size > 8 or (whole and value.dtype.kind != "i"):
            raise InputError(place, f"its {attribute} are no short row", "export it anew")
        attributes[attribute] = tuple(value.ravel().tolist()) if whole else float(value.sum())
    return Node(node.operator, node.inputs[:1], node.output, tuple(sorted(attributes.items())))


def _checked_node(node: Node, place: str) -> Node:
    parameters = inspect.signature(OPERATORS[node.operator]).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    most = math.inf if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
    least = max(1, sum(p.default is p.empty for p in positional))
    inputs = node.inputs
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    if not least <= len(inputs) <= most or not all(inputs[:least]):
        raise InputError(place, f"has {len(inputs)} inputs", "write it anew")
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for key, value in node.attributes:
        if key not in known:
            raise InputError(place, f"attribute '{key}' is not read", "export it without")
        if isinstance(known[key], float) and not isinstance(value, int | float):
            raise InputError(place, f"attribute '{key}' is no number", "write it anew")
        if isinstance(value, float) and not np.isfinite(value):
            raise InputError(place, f"attribute '{key}' is {value}", "write it anew")
    missing = [key for key, default in known.items() if default is inspect.Parameter.empty]
    missing = [key for key in missing if key not in dict(node.attributes)]
    if missing:
        raise InputError(place, f"attribute '{missing[0]}' is missing", "write it anew")
    return Node(node.operator, inputs, node.output, node.attributes)
