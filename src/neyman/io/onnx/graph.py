"""What an ONNX file holds: constants, and nodes that compute outputs from one input (N, P)."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]


class Node(NamedTuple):
    """output = operator(inputs), with the operator's name and attributes in ONNX; an input that
    is left out is the empty name."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: tuple[tuple[str, Attribute], ...] = ()
    """In the order of their names."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which each finds its inputs computed; every name is given once."""

    input: str
    width: int
    """P: the input has shape (N, P)."""
    dtype: np.dtype
    """Of the input: float32 or float64."""
    constants: Mapping[str, np.ndarray]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    """The file's `metadata_props`."""
