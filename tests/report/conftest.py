"""A small surrogate that was trained, what was measured of it, and its folder."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from neyman._jax import jax
from neyman.io.onnx.read import parse
from neyman.io.onnx.write import to_bytes
from neyman.jobs.training_points import training_points
from neyman.jobs.validate import limit_errors, profile_errors, within_sigma
from neyman.likelihoods.counting import counting
from neyman.likelihoods.surrogate import file
from neyman.likelihoods.surrogate.domain import Domain
from neyman.likelihoods.surrogate.export import graph_of
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import Constraint, Metadata
from neyman.likelihoods.surrogate.train import Settings, history, learn
from neyman.model import Data
from neyman.report import surrogate_card

ABOUT = {
    "title": "A counting search",
    "authors": "Neyman, Jerzy; Pearson, Egon (0000-0002-1825-0097)",
    "licence": "CC-BY-4.0",
    "keywords": "likelihood; counting",
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """A surrogate of a counting search, in a file."""

    path: Any
    exact: Any
    like: OnnxLikelihood
    validation: dict[str, Any]
    history: dict[str, Any]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    model = counting([8.0, 3.0], [12.0, 20.0], [[2.0, 1.0], [0.5, 3.0]], bounds=(-1.0, 5.0))
    exact = model.observe(Data(np.array([18.0, 22.0]), np.zeros(2)))
    points = training_points(exact, ["mu"], n=1_000, key=0, chains=False)
    settings = Settings(weights=(0.3,), members=2, width=16, depth=1, epochs=8, batch=64)
    learned = learn(exact, points, exact.parameters, key=jax.random.key(0), settings=settings)
    gaussian = learned.head.gaussian
    radius = float(np.max(np.linalg.norm(gaussian.y(points.theta), axis=1)))
    box = points.theta.min(axis=0), points.theta.max(axis=0)
    p, a = exact.parameters, model.auxiliary
    constraints = tuple(
        Constraint(name, p.names[i], False, float(scale), 0.0)
        for name, i, scale in zip(a.names, a.parameter.tolist(), a.scale)
    )
    domain = Domain(*box, np.asarray(gaussian.centre), radius)
    digests = {"source": "1" * 64, "points": "2" * 64}
    card = Metadata(p, "mu", constraints, domain, {"t_mu": 0.01}, digests, ABOUT)
    graph = graph_of({"log_prob": learned.head}, {})
    path = tmp_path_factory.mktemp("trained") / "search.onnx"
    file.write(path, graph, card)
    like = OnnxLikelihood.of(parse(to_bytes(graph), path.name), card)
    return Trained(
        path, exact, like, measured(exact, like, points), history({"log_prob": learned})
    )


def measured(exact, like, points) -> dict[str, Any]:
    """The parts of a validation that need no chains; the others as they look."""
    theirs, ours = (np.asarray(jax.vmap(x.log_prob)(points.theta)) for x in (exact, like))
    depth, off = 2.0 * (theirs.max() - theirs), 2.0 * (ours - theirs)
    return {
        "profile": {"mu": profile_errors(exact, like, "mu")},
        "limits": {"mu": limit_errors(exact, like, "mu", 0.95)},
        "within_sigma": within_sigma(depth, off, 3),
        "weights": {"effective_fraction": 0.97, "draws": 1000},
        "marginals": {
            "p": {"mu": 0.3, "theta[0]": 0.5},
            "smallest": {"parameter": "mu", "p": 0.3, "of_all": 0.51},
            "effective_draws": 1234.5,
        },
        "hpdi": {
            "mu": {
                "levels": [0.6827, 0.9545, 0.9973],
                "exact": [[0.1, 1.2], [-0.3, 2.1], [-0.9, 3.0]],
                "surrogate": [[0.1, 1.21], [-0.3, 2.12], [-0.9, 3.1]],
                "largest_error": [0.01, 0.02, 0.1],
                "in_sd": [0.02, 0.04, 0.2],
            }
        },
    }


@pytest.fixture(scope="session")
def folder(trained, tmp_path_factory):
    """What `surrogate_card.write` makes of it."""
    path = tmp_path_factory.mktemp("published") / "search"
    surrogate_card.write(path, trained.path, trained.validation, trained.history)
    return path
