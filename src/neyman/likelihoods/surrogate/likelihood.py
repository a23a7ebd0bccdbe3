"""A likelihood that an ONNX graph computes, with the domain in which it can be believed.

    log L(theta) = the output `log_prob` of the graph, evaluated by jax in float64

The domain is not enforced: minimisers and samplers may step outside, where the function goes on
somehow; inference asks `outside` of the points that its results rest on.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.io.onnx.graph import Graph
from neyman.io.onnx.operators import checked
from neyman.io.onnx.run import Weights, value, weights_of
from neyman.likelihoods.surrogate.metadata import Metadata
from neyman.model import Asimov, DatalessLikelihood, Derivatives, Outside
from neyman.parameters import Parameters
from neyman.status import InputError

LOG_PROB, ASIMOV, DISTANCE = "log_prob", "log_prob_asimov", "distance"
ROWS = (64, 4096)
"""Points whose distances are computed at once, few or many."""
DEAR = 1e9
"""Weights times parameters from which on a Hessian is dear: it takes some 50 ms."""


class OnnxLikelihood(DatalessLikelihood):
    """theta -> log L by a graph; `OnnxLikelihood.of` makes one."""

    weights: Weights
    values: Array
    """What the constraints' measurements measured, (A,)."""
    graph: Graph = eqx.field(static=True)
    card: Metadata = eqx.field(static=True)
    output: str = eqx.field(static=True)
    sha: str = eqx.field(static=True)

    @classmethod
    def of(cls, graph: Graph, card: Metadata, sha: str = "", output: str = LOG_PROB):
        """The likelihood of a graph, whose digest is `sha`.

        Raises:
            InputError: the graph has another number of inputs than there are parameters, or no
                such output.
        """
        if graph.width != len(card.parameters):
            problem = f"has {graph.width} inputs for {len(card.parameters)} parameters"
            raise InputError("surrogate", problem, "name every parameter once, in order")
        if output not in graph.outputs:
            problem = f"has no output '{output}' among {', '.join(graph.outputs[:8])}"
            raise InputError("surrogate", problem, "call log L log_prob")
        graph = checked(graph, "surrogate")
        return cls(  # ty: ignore[missing-argument]
            weights=weights_of(graph),
            values=card.measured,
            graph=graph,
            card=card,
            output=output,
            sha=sha,
        )

    @property
    def parameters(self) -> Parameters:
        return self.card.parameters

    @property
    def poi(self) -> str | None:
        return self.card.poi

    @property
    def digest(self) -> str:
        return self.sha

    @property
    def dear(self) -> bool:
        return sum(w.size for w in self.weights.values()) * len(self.parameters) > DEAR

    @property
    def auxiliary(self) -> Auxiliary:
        return self.card.auxiliary

    @property
    def measured(self) -> Array:
        return self.values

    @property
    def constraints_known(self) -> bool:
        return self.card.constraints is not None

    def asimov_at(self, theta: np.ndarray, poi: str) -> Asimov | None:
        """What the file stores: data of the background beside the file's own parameter of
        interest, which say nothing of another one's."""
        if ASIMOV not in self.graph.outputs or self.output == ASIMOV:
            return None
        known, background = self.parameters, self.card.background
        if self.card.poi != (poi if poi in known else None):
            return None
        if background is not None and poi in known and background[known.index(poi)] != 0.0:
            return None
        like = dataclasses.replace(self, output=ASIMOV, values=self.card.measured_asimov)
        return Asimov(like, theta if background is None else background)

    def log_prob(self, theta: Array) -> Scalar:
        return value(self.graph, self.weights, theta, self.output)

    def derivatives(self, theta: Array) -> Derivatives:
        def negative(t: Array) -> tuple[Array, tuple[Scalar, Array]]:
            f, gradient = jax.value_and_grad(lambda u: -self.log_prob(u))(t)
            return gradient, (f, gradient)

        hessian, (f, gradient) = jax.jacfwd(negative, has_aux=True)(jnp.asarray(theta))
        return Derivatives(f, gradient, hessian)

    def half_square(self, theta: Array) -> Scalar:
        """Half the squared distance from the centre of the domain."""
        distance = jnp.asarray(value(self.graph, self.weights, theta, DISTANCE))
        return 0.5 * distance * distance

    def outside(self, thetas: np.ndarray) -> Outside:
        """By the box and, where the graph has a distance, by the radius."""
        domain, names = self.card.domain, self.parameters.names
        beyond, texts = domain.leave_box(thetas, names)
        if domain.radius is None or DISTANCE not in self.graph.outputs:
            return Outside(beyond, texts)
        half, slope = _distances(self, thetas)
        far, text = domain.too_far(thetas, np.sqrt(2.0 * half), slope, names)
        return Outside(beyond | far, ", ".join(filter(None, (texts, text))))

    def rename(self, names: Mapping[str, str]) -> "OnnxLikelihood":
        return dataclasses.replace(self, card=self.card.rename(names))

    def replace(self, name: str, **changes: Any) -> "OnnxLikelihood":
        parameters = self.parameters.replace(name, **changes)
        return dataclasses.replace(self, card=dataclasses.replace(self.card, parameters=parameters))


def _distances(like: OnnxLikelihood, thetas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half squared distances (N,), and their gradients (N, P), in parts of the same size."""
    n = len(thetas)
    size = ROWS[0] if n <= ROWS[0] else ROWS[1]
    padded = np.concatenate([thetas, np.repeat(thetas[:1], -n % size, axis=0)])
    parts = [
        _half_squares(like, jnp.asarray(part)) for part in np.split(padded, len(padded) // size)
    ]
    half, slope = (np.concatenate([np.asarray(part[k]) for part in parts])[:n] for k in (0, 1))
    return half, slope


@jax.jit
def _half_squares(like, thetas) -> tuple[Array, Array]:
    return jax.vmap(jax.value_and_grad(like.half_square))(thetas)
