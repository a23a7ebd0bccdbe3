"""A learned surrogate as an ONNX graph: whitening, quadratic form and networks in one.

    y        = (theta - theta^) A,    x = y min(1, R/|y|)
    log_prob = f_0 + b.y - |y|^2/2
               + mean_m (c_m0(u) - s_m(0) + (c_m1(u) - grad s_m(0)).x + c_m2(u).x^2),  u = x D_m
    distance = |y|

A second head, `log_prob_asimov`, has its own theta^, A and networks. The linear terms of anchor and
slope are folded into the networks' last biases and f_0.
"""

import dataclasses
from collections.abc import Mapping

import equinox as eqx
import numpy as np

from neyman.io.onnx.build import Builder
from neyman.io.onnx.graph import Graph
from neyman.learn.networks import ResidualMLP
from neyman.likelihoods.surrogate.gaussian import Gaussian
from neyman.likelihoods.surrogate.network import Residual, as_float64

SMALLEST = 1e-30


@dataclasses.dataclass(frozen=True)
class Head:
    """One log L: its Gaussian, and the residuals whose mean it takes."""

    gaussian: Gaussian
    residuals: tuple[Residual, ...]


def graph_of(
    heads: Mapping[str, Head], metadata: Mapping[str, str], precision: str = "float32"
) -> Graph:
    """The graph with an output for each head, and `distance` of the first."""
    first = next(iter(heads.values()))
    b = Builder(len(first.gaussian.centre), precision)
    for i, (name, head) in enumerate(heads.items()):
        y = b.matmul(b.subtract(b.theta, head.gaussian.centre), head.gaussian.to_y)
        square = b.norm_squared(y)
        b.output(name, _log_prob(b, head, y, square))
        if i == 0:
            b.output("distance", b.apply("Sqrt", b.maximum(square, SMALLEST)))
    return b.graph(metadata)


def _log_prob(b: Builder, head: Head, y: str, square: str) -> str:
    parts = len(head.residuals)
    reach = float(head.residuals[0].square)
    part = b.divide(b.matmul(b.multiply(y, y), np.ones((len(head.gaussian.slope), 1))), reach)
    narrow = b.narrow(b.divide(y, b.apply("Sqrt", b.maximum(part, 1.0))))
    terms = [_residual(b, residual, narrow, 1.0 / parts) for residual in head.residuals]
    offset = head.gaussian.value - sum(value for _, value in terms)
    total = b.add(b.multiply(square, -0.5), offset)
    if np.any(head.gaussian.slope):
        total = b.add(total, b.sum(b.multiply(y, head.gaussian.slope)))
    for name, _ in terms:
        total = b.add(total, b.widen(name))
    return total


def _residual(b: Builder, residual: Residual, y: str, share: float) -> tuple[str, float]:
    """`share` times the residual without -s(0), which is the second thing returned."""
    value, slope = (np.asarray(a, dtype=float) for a in as_float64(residual).anchor())
    f = len(slope)
    net: ResidualMLP = residual.coefficients
    scale = share * np.asarray(residual.scale, dtype=float)
    u = b.matmul(y, np.asarray(residual.directions))
    h = b.activation(net.activation, _linear(b, net.first, u))
    for block in net.blocks:
        h = b.add(h, b.activation(net.activation, _linear(b, block, h)))
    weights = np.asarray(net.last.weight, dtype=float) * scale[:, None]
    bias = np.asarray(net.last.bias, dtype=float) * scale
    bias[1 : 1 + f] -= share * slope
    # c_0 + sum_i y_i (c_1i + c_2i y_i)
    rows = (slice(0, 1), slice(1, 1 + f), slice(1 + f, 1 + 2 * f))
    constant, first, second = (b.dense(h, weights[r].T, bias[r]) for r in rows)
    bent = b.multiply(y, b.add(first, b.multiply(second, y)))
    return b.add(b.sum(bent), b.sum(constant)), share * float(value)


def _linear(b: Builder, layer: eqx.nn.Linear, x: str) -> str:
    weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
    return b.dense(x, weight.T, bias)
