"""`neyman learn` and `neyman check --against`: files, keys, exit codes."""

import numpy as np
import onnx
import pytest

import neyman as ny
from neyman.cli import learn as module
from neyman.jobs.validate import Validated
from neyman.status import Note, Status

JOB = """
table = "points.csv"
points = 400
pois = ["mu"]
[parameters.mu]
init = 1.0
bounds = [-3.0, 6.0]
[parameters.nu]
[network]
weights = [1.0]
members = 1
width = 16
epochs = 40
batch = 64
[about]
title = "a table"
"""


@pytest.fixture
def table(tmp_path):
    """A table of log L = -(mu - 1)^2/2 - (nu - mu/2)^2 - 3, as another program writes it."""
    rng = np.random.default_rng(0)
    mu, nu = rng.uniform(-2, 4, 400), rng.uniform(-3, 4, 400)
    log_prob = -0.5 * (mu - 1.0) ** 2 - (nu - 0.5 * mu) ** 2 - 3.0
    rows = "\n".join(f"{a},{b},{c}" for a, b, c in zip(mu, nu, log_prob))
    (tmp_path / "points.csv").write_text(f"mu,nu,log_prob\n{rows}\n")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def test_learn_a_table(run, table):
    ran = run("learn job.toml -o table.onnx --resume work --json --seed 3")
    assert ran.code == 0
    assert {"file", "loss", "validation", "calibration", "seconds"} < ran.json.keys()
    assert ran.json["file"] == "table.onnx"
    assert ran.json["provenance"]["seed"] == 3
    like = ny.load(table / "table.onnx")
    fitted = ny.fit(like)
    assert fitted["mu"].value == pytest.approx(1.0, abs=0.02)
    assert fitted["mu"].error == pytest.approx(1.0, rel=0.03)
    assert fitted.twice_nll == pytest.approx(6.0, abs=0.02)
    assert like.poi == "mu" and like.card.about == {"title": "a table"}
    assert "held_out_rms" in like.card.errors
    before = (table / "table.onnx").read_bytes()
    assert run("learn job.toml -o table.onnx --resume work --seed 3").code == 0
    assert (table / "table.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("learn nothing.toml", "no such file"),
        ("learn ws.json", "is no job"),
        ("learn job.toml -o x.json", "ONNX"),
        ("learn job.toml -o nowhere/x.onnx", "its folder does not exist"),
        ("learn job.toml --measurement second", "names its source itself"),
        ("check ws.json --against ws.json", "is no surrogate"),
    ],
)
def test_refused(run, ws, table, arguments, problem):
    ran = run(arguments)
    assert ran.code == 2
    assert problem in ran.line


def test_code_needs_leave(run, table):
    (table / "own.py").write_text("like = 1\n")
    (table / "job.toml").write_text('source = "own.py:like"\n')
    assert "add --allow-code" in run("learn job.toml").line


def test_check_against(run, table, ws, monkeypatch):
    """What is compared is the surrogate with the file named; the numbers are `validate`'s."""
    assert run("learn job.toml -o table.onnx").code == 0
    assert "has other parameters" in run("check table.onnx --against ws.json").line
    (table / "own.py").write_text(
        "import neyman as ny\n"
        "def log_prob(t):\n"
        "    return -0.5 * (t[0] - 1.0) ** 2 - (t[1] - 0.5 * t[0]) ** 2 - 3.0\n"
        "parameters = [ny.Parameter('mu', 1.0, (-3.0, 6.0)), ny.Parameter('nu')]\n"
        "like = ny.likelihood(log_prob, parameters)\n"
    )
    asked = []

    def told(exact, surrogate, pois, **options):
        asked.append((float(exact.log_prob(np.array([1.0, 0.5]))), surrogate.poi, pois))
        part = {"mean_error": 0.01, "max_error": 0.02}
        weights = {"effective_fraction": 0.99}
        numbers = {
            "profile": {"mu": part},
            "limits": {"mu": {"observed_error": None}},
            "weights": weights,
        }
        return Validated(numbers, (Note(Status.NOT_COMPARED, "1 of the limits on mu"),))

    monkeypatch.setattr(module, "validate", told)
    ran = run("check table.onnx --against own.py:like --allow-code --json")
    assert ran.code == 0
    assert ran.json["profile"]["mu"]["max_error"] == 0.02
    assert ran.json["status"] == "not_compared" and "1 of the limits on mu" in ran.json["message"]
    assert asked == [(-3.0, "mu", ["mu"])]
    made = onnx.load(table / "table.onnx")
    (errors,) = (prop for prop in made.metadata_props if prop.key == "errors")
    errors.value = '{"profile": {"mu": {"max_error": 0.01}}}'
    onnx.save(made, table / "table.onnx")
    ran = run("check table.onnx --against own.py:like --allow-code --json")
    assert ran.code == 1 and ran.json["status"] == "exceeds_claim"
