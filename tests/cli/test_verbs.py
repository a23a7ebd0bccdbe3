"""Every verb, for people, as JSON and in a folder: keys, purity of stdout, values."""

import json
import pathlib

import numpy as np
import pytest

import neyman as ny
from neyman.cli.evaluate import Evaluation
from neyman.cli.show import Description

ALWAYS = {"status", "message", "provenance"}

VERBS = {
    "show": ("", {"kind", "parameters", "channels", "digest"}, set()),
    "fit": ("--fix norm=0", {"twice_nll", "parameters", "iterations"}, {"pulls", "correlation"}),
    "fit --covariance": (
        "",
        {"twice_nll", "parameters", "iterations", "covariance"},
        {"pulls", "correlation"},
    ),
    "hypotest": (
        "--poi mu --value 1",
        {"poi", "value", "cls", "clsb", "clb", "statistic", "method", "reason"},
        {"cls"},
    ),
    "limit": (
        "--level 0.9 --null auto",
        {"poi", "level", "observed", "expected", "method", "reason"},
        {"limit"},
    ),
    "scan": (
        "--from 0 --to 1 --points 3",
        {"poi", "values", "delta_twice_nll", "best"},
        {"scan"},
    ),
    "significance": ("--poi mu", {"poi", "p0", "z", "expected_z", "method", "reason"}, set()),
    "interval": ("--level 0.5", {"poi", "level", "lower", "upper", "best", "method"}, set()),
    "interval --method feldman-cousins": (
        "--toys 1000 --level 0.5",
        {"poi", "level", "lower", "upper", "best", "method"}
        | {"lower_error", "upper_error", "toys", "failed"},
        set(),
    ),
    "contour": (
        "--poi mu --poi norm --level 0.5",
        {"pois", "best", "levels", "contours", "method"},
        {"contour"},
    ),
    "evaluate": ("--at mu=0,1 --at norm=0.5", {"log_prob"}, set()),
}
"""verb: (options, keys of the JSON, plots in --out)"""


@pytest.mark.parametrize("verb", VERBS)
class TestEveryVerb:
    def test_for_people(self, run, ws, verb):
        ran = run(f"{verb} {ws} {VERBS[verb][0]}")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.strip()

    def test_json_is_all_of_stdout(self, run, ws, verb):
        ran = run(f"{verb} {ws} {VERBS[verb][0]} --json --seed 7")
        assert (ran.code, ran.err) == (0, "")
        assert set(ran.json) == VERBS[verb][1] | ALWAYS
        assert ran.json["status"] == "fine"
        assert ran.json["provenance"]["seed"] == 7
        assert ran.json["provenance"]["inputs"]["ws.json"] == ny.load(ws).model.digest
        assert ran.out.count("\n") == 1

    def test_out_is_a_whole_folder(self, run, ws, verb):
        ran = run(f"{verb} {ws} {VERBS[verb][0]} --out results")
        assert (ran.code, ran.err) == (0, "")
        plots = {f"{name}.png" for name in VERBS[verb][2]}
        files = {path.name for path in pathlib.Path("results").iterdir()}
        assert files == {"result.json", "summary.txt", "provenance.json"} | plots
        assert pathlib.Path("results/summary.txt").read_text() == ran.out
        record = json.loads(pathlib.Path("results/provenance.json").read_text())
        assert set(record) == {"inputs", "seed", "versions", "platform", "date"}

    def test_help_has_an_example(self, run, verb):
        ran = run(f"{verb.split()[0]} --help")
        assert (ran.code, ran.err) == (0, "")
        assert f"Example: neyman {verb.split()[0]} " in ran.out


def test_values_are_those_of_the_library(run, ws):
    like = ny.load(ws)
    limit = ny.upper_limit(like)
    ran = run(f"limit {ws} --json").json
    assert ran["observed"] == limit.observed
    assert ran["expected"] == limit.expected.tolist()
    assert run(f"significance {ws} --json").json["z"] == ny.significance(like).z
    fit = ny.fit(like, fix={"mu": 0.5})
    ran = run(f"fit {ws} --fix mu=0.5 --covariance --json").json
    assert ran["parameters"]["mu"] == {"value": 0.5, "error": None}
    assert ran["parameters"]["norm"] == {"value": fit["norm"].value, "error": fit["norm"].error}
    assert ran["covariance"][1][1] == pytest.approx(fit.covariance[1, 1])


def test_what_is_saved_can_be_loaded(run, ws):
    run(f"hypotest {ws} --out results")
    assert ny.load_result("results/result.json").kind == "test"
    run(f"evaluate {ws} --at mu=0,1 --out results")
    assert len(Evaluation.load("results/result.json").log_prob) == 2
    run(f"show {ws} --out results")
    assert Description.load("results/result.json").poi == "mu"


def test_show(run, variant):
    def edit(document):
        config = document["measurements"][0]["config"]
        config["parameters"] = [{"name": "norm", "fixed": True}]

    ran = run(f"show {variant(edit)} --json").json
    assert ran["kind"] == "histfactory"
    parameters = {p["name"]: p for p in ran["parameters"]}
    assert all(set(p) == {"name", "init", "bounds", "constraint"} for p in parameters.values())
    assert parameters["mu"] == {"name": "mu", "init": 1, "bounds": [0, 10], "constraint": None}
    assert parameters["norm"]["constraint"] == {"type": "fixed"}
    assert parameters["stat_SR[0]"]["constraint"] == {
        "type": "poisson",
        "measured": pytest.approx(100.0),
        "rate": pytest.approx(100.0),
    }
    assert ran["channels"] == [
        {"name": "CR", "bins": 1, "observed": [104], "samples": ["background", "signal"]},
        {"name": "SR", "bins": 2, "observed": [60, 72], "samples": ["background", "signal"]},
    ]


def test_show_writes_infinite_bounds_as_null(run, tmp_path):
    (tmp_path / "free.py").write_text(
        "import dataclasses, neyman as ny\n"
        "like = ny.load('ws.json')\n"
        "free = like.parameters.replace('mu', bounds=(-float('inf'), float('inf')))\n"
        "like = dataclasses.replace(like.model, parameters=free).observe(like.data)\n"
    )
    from tests.cli.conftest import workspace, write

    write(tmp_path / "ws.json", workspace())
    ran = run("show free.py:like --allow-code --json").json
    assert ran["parameters"][0]["bounds"] == [None, None]
    assert "[-inf, inf]" in run("show free.py:like --allow-code").out


def test_show_abbreviates_unless_all(run, variant):
    def edit(document):
        for i in range(200):
            data = {"name": f"alpha_{i}", "type": "normsys", "data": {"lo": 0.99, "hi": 1.01}}
            document["channels"][0]["samples"][0]["modifiers"].append(data)

    path = variant(edit)
    short, full = run(f"show {path}").out, run(f"show {path} --all").out
    assert "205 parameters" in short
    assert "more rows (--all)" in short
    assert len(short.splitlines()) < 60
    assert "stat_SR[0..1]" in short or "mu" in short
    assert all(f"alpha_{i} " in full for i in range(200))


def test_evaluate_broadcasts_single_values(run, ws):
    like = ny.load(ws)
    points = [{"mu": mu, "norm": 0.5} for mu in (0.0, 1.0, 2.0)]
    expected = [float(like.log_prob(like.parameters.vector(p))) for p in points]
    assert run(f"evaluate {ws} --at mu=0,1,2 --at norm=0.5 --json").json["log_prob"] == expected
    one = run(f"evaluate {ws} --json").json["log_prob"]
    assert one == [float(like.log_prob(like.parameters.init))]


def test_scan_range(run, ws):
    ran = run(f"scan {ws} --from 0 --to 2 --points 5 --json").json
    np.testing.assert_allclose(ran["values"], [0, 0.5, 1, 1.5, 2])
    assert len(run(f"scan {ws} --json").json["values"]) == 41


def test_impacts_and_yields(run, ws):
    ran = run(f"fit {ws} --impacts --yields --json --plot yields=y.svg --out results")
    assert ran.code == 0
    assert {row["name"] for row in ran.json["impacts"]} >= {"norm"}
    assert [c["name"] for c in ran.json["channels"]] == ["CR", "SR"]
    assert pathlib.Path("y.svg").stat().st_size > 1000
    assert pathlib.Path("results/impacts.png").exists()
    assert ny.load_result("results/yields.json").channels == ("CR", "SR")


def test_plot(run, ws):
    assert run(f"limit {ws} --plot band.pdf --plot limit=band.png").code == 0
    assert pathlib.Path("band.pdf").read_bytes().startswith(b"%PDF")
    assert pathlib.Path("band.png").read_bytes().startswith(b"\x89PNG")


def test_the_seed_taken_by_default_is_in_the_provenance(run, ws):
    for verb, seed in {
        "significance {ws} --null toys --toys 1000": 0,
        "significance {ws} --null toys --toys 1000 --seed 3": 3,
        "significance {ws}": None,
    }.items():
        assert run(f"{verb.format(ws=ws)} --json").json["provenance"]["seed"] == seed


def test_resume_keeps_toys_and_refuses_others(run, ws):
    """The same command again gives the same; another seed in the same folder is refused."""
    asked = f"limit {ws} --null toys --toys 1000 --json --resume toys"
    first, again = run(asked).json, run(asked).json
    assert first["observed"] == again["observed"] and first["error"] == again["error"]
    assert first["toys"] == 1000
    other = run(f"{asked} --seed 3")
    assert other.code == 2 and "toys: holds another computation: seed is 0 there" in other.line
