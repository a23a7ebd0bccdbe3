"""The verbs on a model of xenon events: a small one, so that little is compiled."""

import json

import numpy as np
import pytest

from neyman.likelihoods.load import load

MODEL = """
kind = "xenon"
detector = "generic"
poi = "lines_rate"

[sources.lines]
kind = "nr"
spectrum = "lines"
events = [[5.0, 40.0], [8.0, 40.0]]

[parameters.lines_rate]
bounds = [0.0, 5.0]
"""
EVENTS = """s1 [PE],s2 [PE],drift_time [us]
9.1,1200.0,100.0
14.2,1700.0,200.0
6.3,900.0,50.0
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "events.csv").write_text(EVENTS)


def test_show_draws_bands_and_writes_a_workspace(run, files, tmp_path):
    ran = run(
        "show model.toml --data events.csv --plot bands.png --plot acceptance=acceptance.svg"
        " --workspace binned.json --json"
    )
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["parameters"][0]["name"] == "lines_rate"
    assert (tmp_path / "bands.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "acceptance.svg").read_text().startswith("<?xml")
    binned = load(tmp_path / "binned.json")
    assert float(np.sum(binned.data.main)) == 3.0
    assert binned.parameters.names == ("lines_rate",)


def test_fit_and_evaluate_after_the_fit(run, files, tmp_path):
    ran = run("fit model.toml --data events.csv --plot bands=after.pdf --json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["parameters"]["lines_rate"]
    mu = 3.0 / found["value"]  # 3 events: rate^ = 3/mu, error^ = sqrt(3)/mu
    assert found["error"] == pytest.approx(np.sqrt(3.0) / mu, rel=1e-4)
    assert (tmp_path / "after.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("show model.toml --workspace binned.toml", "is no .json file"),
        ("show model.toml --workspace nowhere/binned.json", "folder does not exist"),
        ("show model.toml --plot pulls=x.png", "known are bands, energies, acceptance"),
        ("show model.toml --plot x.bmp", "use .png, .pdf or .svg"),
    ],
)
def test_what_is_refused_before_the_work(run, files, arguments, message):
    ran = run(arguments)
    assert ran.code == 2
    assert message in ran.err and ran.out == ""
