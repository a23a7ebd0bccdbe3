"""A surrogate in a file, documents as its training and its validation write them, its folder.

The surrogate is exact, a Gaussian; `tests/cli/test_report_verb.py` has one that was trained.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from neyman.likelihoods.surrogate import file
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.report import surrogate_card
from tests.likelihoods.surrogate.surrogates import graph_and_card

ABOUT = {
    "title": "A counting search",
    "authors": "Neyman, Jerzy; Pearson, Egon (0000-0002-1825-0097)",
    "licence": "CC-BY-4.0",
    "keywords": "likelihood; counting",
}


@dataclasses.dataclass(frozen=True)
class Given:
    """What `surrogate_card.write` takes."""

    path: pathlib.Path
    like: OnnxLikelihood
    validation: dict[str, Any]
    history: dict[str, Any]


@pytest.fixture(scope="session")
def given(tmp_path_factory) -> Given:
    path = tmp_path_factory.mktemp("given") / "search.onnx"
    file.write(path, *graph_and_card(about=ABOUT))
    return Given(path, file.likelihood(path), validation(), history())


def validation() -> dict[str, Any]:
    mu = np.linspace(-1.0, 4.0, 21)
    t = (mu - 1.4) ** 2 / 0.7
    off = 0.02 * np.sin(3.0 * mu)
    sigma = np.linspace(0.1, 5.0, 200)
    return {
        "profile": {
            "mu": {
                "values": mu.tolist(),
                "exact": t.tolist(),
                "surrogate": (t + off).tolist(),
                "mean_error": float(np.mean(np.abs(off))),
                "max_error": float(np.max(np.abs(off))),
                "best": [1.4, 1.41],
            }
        },
        "limits": {
            "mu": {
                "level": 0.95,
                "method": "asymptotic",
                "exact": {"values": [1.987, 0.71, 0.95, 1.33, 1.87, 2.55], "failed": False},
                "surrogate": {"values": [1.994, 0.71, 0.95, 1.34, 1.87, None], "failed": True},
                "observed_error": 0.0035,
                "largest_error": 0.0075,
            }
        },
        "within_sigma": {
            str(n): {"points": 10 * n, "max": 0.1 * n, "mean": 0.02 * n} for n in (1, 2, 3, 4, 5)
        }
        | {"6": {"points": 0, "max": None, "mean": None}},
        "residuals": {"sigma": sigma.tolist(), "error": (0.02 * sigma * np.sin(sigma)).tolist()},
        "weights": {"effective_fraction": 0.97, "draws": 1000},
        "marginals": {
            "p": {"mu": 0.3, "theta[0]": 0.5},
            "smallest": {"parameter": "mu", "p": 0.3, "of_all": 0.513},
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


def history() -> dict[str, Any]:
    loss = np.exp(-np.arange(12) / 4.0)[:, None] * [1.0, 1.3] + 0.02
    candidates = [
        {"name": f"weight 0.3, member {m + 1}", "error_on_t": 0.01, "mean_square": 0.1}
        for m in range(2)
    ]
    return {
        "log_prob": {
            "loss": loss.tolist(),
            "held_out": (1.2 * loss).tolist(),
            "candidates": candidates,
            "chosen": "weight 0.3, member 2",
        }
    }


@pytest.fixture(scope="session")
def folder(given, tmp_path_factory) -> pathlib.Path:
    """What `surrogate_card.write` makes of it."""
    path = tmp_path_factory.mktemp("published") / "search"
    surrogate_card.write(path, given.path, given.validation, given.history)
    return path
