"""Putting a graph together: each method adds a node and returns the name of its output.

    b = Builder(width=3, precision="float32")
    z = b.matmul(b.subtract(b.theta, centre), whitening)            # float64
    h = b.activation("selu", b.dense(b.narrow(z), weights, bias))   # float32
    b.output("log_prob", b.add(b.widen(b.sum(h)), offset))          # float64

Precision "float64" is float64 throughout. In "float32" the input and the network, which is what
lies between `narrow` and `widen`, are float32; whitening, quadratic form, offset and output stay
float64: log L = -289 in float32 comes in steps of 3e-5, which a derivative by differences would
take for slopes. A graph of 4-byte weights costs its speed and size, not its resolution.

onnxruntime has no float64 kernels of Selu, Elu, Softplus, Erf or Gelu, so activations are built
from what it has in both precisions. Adding one: a function here and its name in `ACTIVATIONS`;
the tests then compare it in onnxruntime with jax.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from neyman.io.onnx.graph import Attribute, Graph, Node
from neyman.parameters import unknown_name
from neyman.status import InputError

PRECISIONS = ("float32", "float64")
ONNX_CODES = {"float32": 1, "float64": 11}
Value = str | float | np.ndarray
"""The name of a value in the graph, or a constant."""


class Builder:
    """A graph under construction, whose input `theta` has shape (N, width)."""

    def __init__(self, width: int, precision: str = "float64"):
        if precision not in PRECISIONS:
            raise unknown_name(precision, PRECISIONS, "precision")
        self.width, self.precision = width, precision
        self._types: dict[str, str] = {"theta": precision}
        self._constants: dict[str, np.ndarray] = {}
        self._nodes: list[Node] = []
        self._outputs: list[str] = []
        self.theta = self.widen("theta")
        """The input, in float64."""

    # ---- arithmetic: a constant takes the type of what it meets

    def add(self, a: Value, b: Value) -> str:
        return self._binary("Add", a, b)

    def subtract(self, a: Value, b: Value) -> str:
        return self._binary("Sub", a, b)

    def multiply(self, a: Value, b: Value) -> str:
        return self._binary("Mul", a, b)

    def divide(self, a: Value, b: Value) -> str:
        return self._binary("Div", a, b)

    def maximum(self, a: Value, b: Value) -> str:
        return self._binary("Max", a, b)

    def minimum(self, a: Value, b: Value) -> str:
        return self._binary("Min", a, b)

    def matmul(self, x: Value, matrix: Value) -> str:
        """x (N, n) times matrix (n, m)."""
        return self._binary("MatMul", x, matrix)

    def dense(self, x: str, weights: np.ndarray, bias: np.ndarray) -> str:
        """x (N, n) times weights (n, m), plus bias (m,)."""
        kind = self._types[x]
        inputs = (x, self.constant(weights, kind), self.constant(bias, kind))
        return self._node("Gemm", inputs, kind)

    def apply(self, operator: str, x: str) -> str:
        """A function of each element: Tanh, Sigmoid, Exp, Log, Sqrt, Abs, Neg, Relu."""
        return self._node(operator, (x,), self._types[x])

    def activation(self, name: str, x: str) -> str:
        if name not in ACTIVATIONS:
            raise unknown_name(name, ACTIVATIONS, "activation")
        return ACTIVATIONS[name](self, x)

    def sum(self, x: str) -> str:
        """x (N, n) summed to (N,)."""
        axes = self._named_constant(np.array([1]))
        return self._node("ReduceSum", (x, axes), self._types[x], keepdims=0)

    def norm_squared(self, x: str) -> str:
        """The sum of squares of x (N, n), (N,)."""
        return self.sum(self.multiply(x, x))

    # ---- precision

    def narrow(self, x: str) -> str:
        """x in the precision of the network."""
        return self._cast(x, self.precision)

    def widen(self, x: str) -> str:
        """x in float64."""
        return self._cast(x, "float64")

    # ---- ends

    def constant(self, value: np.ndarray | float, kind: str = "float64") -> str:
        """A constant by name; equal ones are kept once."""
        return self._named_constant(np.asarray(value, dtype=kind))

    def output(self, name: str, x: str) -> None:
        """Call the value `x`, of shape (N,), the output `name`."""
        self._nodes.append(Node("Identity", (x,), name))
        self._types[name] = self._types[x]
        self._outputs.append(name)

    def graph(self, metadata: Mapping[str, str]) -> Graph:
        """The graph of what was added."""
        if not self._outputs:
            raise InputError("graph", "has no output", "call output('log_prob', ..)")
        return Graph(
            input="theta",
            width=self.width,
            dtype=np.dtype(self.precision),
            constants=dict(self._constants),
            nodes=tuple(self._nodes),
            outputs=tuple(self._outputs),
            metadata=dict(metadata),
        )

    def _binary(self, operator: str, a: Value, b: Value) -> str:
        kind = next(self._types[v] for v in (a, b) if isinstance(v, str))
        names = tuple(v if isinstance(v, str) else self.constant(v, kind) for v in (a, b))
        return self._node(operator, names, kind)

    def _node(self, operator: str, inputs: tuple[str, ...], kind: str, **attributes: Attribute):
        name = f"v{len(self._nodes)}"
        self._nodes.append(Node(operator, inputs, name, tuple(sorted(attributes.items()))))
        self._types[name] = kind
        return name

    def _cast(self, x: str, kind: str) -> str:
        if self._types[x] == kind:
            return x
        return self._node("Cast", (x,), kind, to=ONNX_CODES[kind])

    def _named_constant(self, array: np.ndarray) -> str:
        for name, known in self._constants.items():
            if known.dtype == array.dtype and np.array_equal(known, array):
                return name
        name = f"c{len(self._constants)}"
        self._constants[name] = array
        self._types[name] = array.dtype.name
        return name


def _selu(b: Builder, x: str) -> str:
    """arXiv:1706.02515, eq. 2: lambda max(x, 0) + lambda alpha (exp(min(x, 0)) - 1)."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    low = b.subtract(b.apply("Exp", b.minimum(x, 0.0)), 1.0)
    high = b.multiply(b.apply("Relu", x), scale)
    return b.add(high, b.multiply(low, scale * alpha))


def _elu(b: Builder, x: str) -> str:
    """arXiv:1511.07289: max(x, 0) + exp(min(x, 0)) - 1."""
    low = b.subtract(b.apply("Exp", b.minimum(x, 0.0)), 1.0)
    return b.add(b.apply("Relu", x), low)


def _silu(b: Builder, x: str) -> str:
    """arXiv:1702.03118: x sigmoid(x)."""
    return b.multiply(x, b.apply("Sigmoid", x))


def _softplus(b: Builder, x: str) -> str:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    tail = b.apply("Exp", b.apply("Neg", b.apply("Abs", x)))
    return b.add(b.apply("Relu", x), b.apply("Log", b.add(tail, 1.0)))


def _gelu(b: Builder, x: str) -> str:
    """arXiv:1606.08415, with the hyperbolic tangent, as `jax.nn.gelu` has it."""
    cubed = b.multiply(b.multiply(b.multiply(x, x), x), 0.044715)
    bent = b.apply("Tanh", b.multiply(b.add(x, cubed), math.sqrt(2.0 / math.pi)))
    return b.multiply(b.multiply(x, 0.5), b.add(bent, 1.0))


ACTIVATIONS: dict[str, Callable[[Builder, str], str]] = {
    "tanh": lambda b, x: b.apply("Tanh", x),
    "sigmoid": lambda b, x: b.apply("Sigmoid", x),
    "relu": lambda b, x: b.apply("Relu", x),
    "selu": _selu,
    "elu": _elu,
    "silu": _silu,
    "softplus": _softplus,
    "gelu": _gelu,
}
"""By the names that `jax.nn` gives them; theirs is what they compute."""
