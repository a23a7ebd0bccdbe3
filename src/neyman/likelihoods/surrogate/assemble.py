"""From what was learned to a likelihood that can be written to a file.

The domain is the box of the training points and, as a radius, the largest |y| among them.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from neyman.io.fingerprint import fingerprint
from neyman.io.onnx.graph import Graph
from neyman.io.onnx.read import parse
from neyman.io.onnx.write import to_bytes
from neyman.io.provenance import digest
from neyman.likelihoods.surrogate.domain import Domain
from neyman.likelihoods.surrogate.export import graph_of
from neyman.likelihoods.surrogate.file import write
from neyman.likelihoods.surrogate.gaussian import Gaussian
from neyman.likelihoods.surrogate.likelihood import LOG_PROB, OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import Constraint, Metadata
from neyman.likelihoods.surrogate.points import Points
from neyman.likelihoods.surrogate.train import Learned
from neyman.model import Asimov, Likelihood
from neyman.parameters import Parameters

MARGIN = 1.0 + 1e-9
"""On the radius, for what rounding does to the farthest point."""


class Assembled(NamedTuple):
    """What a file holds."""

    graph: Graph
    card: Metadata

    @property
    def likelihood(self) -> OnnxLikelihood:
        """As it would be read from its file."""
        data = to_bytes(dataclasses.replace(self.graph, metadata=self.card.to_props()))
        return OnnxLikelihood.of(parse(data, "surrogate"), self.card, digest(data))

    def with_errors(self, errors: Mapping[str, Any]) -> "Assembled":
        """The same with the numbers of a validation in its metadata."""
        return self._replace(card=dataclasses.replace(self.card, errors=dict(errors)))

    def write(self, path: str | pathlib.Path) -> None:
        """Write the ONNX file, atomically."""
        write(path, self.graph, self.card)


def assemble(
    learned: Mapping[str, Learned],
    points: Points,
    parameters: Parameters,
    *,
    like: Likelihood | None = None,
    asimov: Asimov | None = None,
    poi: str | None = None,
    about: Mapping[str, str] | None = None,
    precision: str = "float32",
) -> Assembled:
    """The surrogate of one or two heads.

    Args:
        learned: by output, "log_prob" first and "log_prob_asimov" where the source could make it.
        points: those of the first head; they make the domain.
        like: the source, for its constraints and its digest; None for points of another program.
        asimov: the source of the second head, and the theta of its data.
        poi: the parameter of interest.
        about: title, authors, licence, DOI, citation.
        precision: of the networks in the file, "float32" or "float64".
    """
    digests = {"points": fingerprint((points.theta, points.log_prob))}
    if like is not None and like.digest:
        digests["likelihood"] = like.digest
    card = Metadata(
        parameters=parameters,
        poi=poi,
        constraints=None
        if like is None
        else constraints_of(like, None if asimov is None else asimov.like),
        background=None if asimov is None else asimov.theta,
        domain=domain_of(points, learned[LOG_PROB].head.gaussian),
        errors={},
        digests=digests,
        about=dict(about or {}),
    )
    graph = graph_of({name: one.head for name, one in learned.items()}, {}, precision)
    return Assembled(graph, card)


def domain_of(points: Points, gaussian: Gaussian) -> Domain:
    distance = np.linalg.norm(gaussian.y(points.theta), axis=1)
    return Domain(
        lower=points.theta.min(axis=0),
        upper=points.theta.max(axis=0),
        centre=gaussian.centre,
        radius=float(np.max(distance)) * MARGIN,
    )


def constraints_of(like: Likelihood, asimov: Likelihood | None) -> tuple[Constraint, ...] | None:
    """The auxiliary measurements whose terms are in log L; None where they are not all known."""
    if not like.constraints_known:
        return None
    a, names = like.auxiliary, like.parameters.names
    measured = np.asarray(like.measured, dtype=float)
    expected = np.full(len(measured), math.nan) if asimov is None else np.asarray(asimov.measured)
    rows = zip(a.names, a.parameter, a.poisson, a.scale, measured, expected)
    return tuple(
        Constraint(
            name=name,
            parameter=names[int(i)],
            poisson=bool(poisson),
            scale=float(scale),
            measured=float(value),
            measured_asimov=None if math.isnan(e) else float(e),
        )
        for name, i, poisson, scale, value, e in rows
    )
