"""A graph as a function of theta in jax, whatever its precision evaluated in float64.

A float32 network in float64 arithmetic is the same function without its rounding, so that
second derivatives are smooth and a fit can converge as far as any other.
"""

import math

import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.io.onnx.graph import Graph, Node
from neyman.io.onnx.operators import OPERATORS
from neyman.status import InputError

MAX_ELEMENTS = 20_000_000
"""Of all intermediate values of one point together."""
MAX_PRODUCTS = 1_000_000_000
"""Multiplications in matrix products for one point."""

Weights = dict[str, Array]


def weights_of(graph: Graph) -> Weights:
    """The constants that nodes compute with, in float64."""
    used = {name for node in graph.nodes for name in node.inputs}
    return {
        name: np.asarray(array, dtype=np.float64)
        for name, array in graph.constants.items()
        if name in used or name in graph.outputs
    }


def value(graph: Graph, weights: Weights, theta: Array, output: str) -> Scalar:
    """The output of the graph for one theta, (P,), a scalar."""
    values: dict[str, Array] = {**weights, graph.input: theta[None, :]}
    for _, node in needed(graph, output):
        values[node.output] = apply(node, values)
    return values[output].reshape(())


def apply(node: Node, values: dict[str, Array]) -> Array:
    """One node."""
    inputs = [values[name] if name else None for name in node.inputs]
    return OPERATORS[node.operator](*inputs, **dict(node.attributes))


def needed(graph: Graph, output: str) -> list[tuple[int, Node]]:
    """The nodes that `output` depends on, with their numbers."""
    wanted, found = {output}, []
    for number, node in reversed(list(enumerate(graph.nodes))):
        if node.output in wanted:
            wanted.update(node.inputs)
            found.append((number, node))
    return found[::-1]


def check_shapes(graph: Graph, name: str) -> None:
    """Follow shapes through the graph without computing anything.

    Raises:
        InputError: shapes that do not go together, an output that is not one number a point,
            or more elements or products than the caps allow.
    """
    elements, products = 0, 0

    def follow(weights: Weights, theta: Array) -> None:
        nonlocal elements, products
        values: dict[str, Array] = {**weights, graph.input: theta}
        for number, node in enumerate(graph.nodes):
            place = f"{name}, node {number} ({node.operator})"
            try:
                result = values[node.output] = apply(node, values)
            # what jax raises where shapes or attributes do not fit
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
                given = ", ".join(str(values[i].shape) for i in node.inputs if i)
                reason = " ".join(str(error).split())[:120]
                problem = f"does not go with inputs of the shapes {given}: {reason}"
                raise InputError(place, problem, "check the model") from None
            elements += result.size
            if node.operator in ("MatMul", "Gemm"):
                turned = dict(node.attributes).get("transA", 0)
                products += result.size * values[node.inputs[0]].shape[0 if turned else -1]
            if elements > MAX_ELEMENTS or products > MAX_PRODUCTS:
                problem = f"one point takes more than {MAX_ELEMENTS:,} values"
                problem += f" or {MAX_PRODUCTS:,} products"
                raise InputError(place, problem, "use a smaller model")
        for output in graph.outputs:
            if math.prod(values[output].shape) != 1:
                problem = f"output '{output}' has the shape {values[output].shape} for one point"
                raise InputError(name, problem, "export one number a point, (N,)")

    shapes = {k: jax.ShapeDtypeStruct(a.shape, np.float64) for k, a in graph.constants.items()}
    with jax.numpy_dtype_promotion("standard"):
        jax.eval_shape(follow, shapes, jax.ShapeDtypeStruct((1, graph.width), jnp.float64))
