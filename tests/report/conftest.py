"""A small surrogate that was trained, what was measured of it, and its folder."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from neyman._jax import jax
from neyman.jobs.validate import within_sigma
from neyman.likelihoods.counting import counting
from neyman.likelihoods.surrogate import file
from neyman.likelihoods.surrogate.assemble import assemble
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.points import Points
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
    model = counting([8.0, 3.0], [12.0, 20.0], [[2.0, 5.0]], bounds=(-1.0, 5.0))
    exact = model.observe(Data(np.array([18.0, 22.0]), np.zeros(1)))
    points = spread(exact)
    settings = Settings(weights=(0.3,), members=2, width=16, depth=1, epochs=8, batch=64)
    learned = learn(exact, points, exact.parameters, key=jax.random.key(0), settings=settings)
    heads = {"log_prob": learned}
    made = assemble(heads, points, exact.parameters, like=exact, poi="mu", about=ABOUT)
    path = tmp_path_factory.mktemp("trained") / "search.onnx"
    made.with_errors({"t_mu": 0.01}).write(path)
    like = file.likelihood(path)
    return Trained(path, exact, like, measured(exact, like, points), history(heads))


def spread(exact) -> Points:
    """Normal draws about the maximum, with log L and its gradient."""
    centre, sd = np.array([0.7, 0.0]), np.array([0.55, 0.8])
    theta = centre + sd * np.random.default_rng(0).normal(size=(1_000, 2))
    log_prob, slope = map(np.asarray, jax.vmap(jax.value_and_grad(exact.log_prob))(theta))
    kept = np.isfinite(log_prob) & (theta[:, 0] > -1.0)
    origin = np.zeros(int(kept.sum()), dtype=np.int64)
    names = exact.parameters.names
    return Points(names, theta[kept], log_prob[kept], slope[kept], origin, ("normal",))


def measured(exact, like, points) -> dict[str, Any]:
    """What takes no chains is measured, t_mu on a lattice of theta; the rest as it looks."""
    mu, theta = np.linspace(-0.5, 2.0, 21), np.linspace(-2.0, 2.0, 161)
    lattice = np.stack(np.meshgrid(mu, theta, indexing="ij"), axis=-1)
    values = [np.asarray(jax.vmap(jax.vmap(x.log_prob))(lattice)) for x in (exact, like)]
    t = [2.0 * (v.max() - v.max(axis=1)) for v in values]
    theirs, ours = (np.asarray(jax.vmap(x.log_prob)(points.theta)) for x in (exact, like))
    depth, off = 2.0 * (theirs.max() - theirs), 2.0 * (ours - theirs)
    return {
        "profile": {
            "mu": {
                "values": mu.tolist(),
                "exact": t[0].tolist(),
                "surrogate": t[1].tolist(),
                "mean_error": float(np.mean(np.abs(t[1] - t[0]))),
                "max_error": float(np.max(np.abs(t[1] - t[0]))),
                "best": [0.7, 0.7],
            }
        },
        "limits": {
            "mu": {
                "level": 0.95,
                "method": "asymptotic",
                "exact": {"values": [1.9, 0.71, 0.95, 1.33, 1.87, 2.55], "failed": False},
                "surrogate": {"values": [1.91, 0.71, 0.95, 1.34, 1.87, None], "failed": False},
                "observed_error": 0.005,
                "largest_error": 0.008,
            }
        },
        "within_sigma": within_sigma(depth, off, 2),
        "residuals": {"sigma": np.sqrt(depth).tolist(), "error": off.tolist()},
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
