"""Every verb on an ONNX file: keys, exit codes, nulls, and one line for what cannot be."""

import json
import pathlib

import pytest

import neyman as ny
from neyman.likelihoods.surrogate import file
from tests.likelihoods.surrogate import hostile
from tests.likelihoods.surrogate.surrogates import exact_gaussian, graph_and_card


@pytest.fixture
def onnx(tmp_path):
    """An exact surrogate of a Gaussian, with the Asimov likelihood."""
    file.write(tmp_path / "search.onnx", *graph_and_card())
    return "search.onnx"


@pytest.fixture
def without(tmp_path):
    """The same without the Asimov likelihood."""
    file.write(tmp_path / "observed.onnx", *graph_and_card(asimov=False))
    return "observed.onnx"


def test_show(run, onnx):
    ran = run(f"show {onnx} --json")
    assert ran.code == 0
    body = ran.json
    assert body["kind"] == "surrogate"
    assert [p["name"] for p in body["parameters"]] == ["mu", "theta[0]"]
    constraint = {"type": "normal", "measured": 0.0, "width": 1.0}
    assert body["parameters"][1]["constraint"] == constraint
    assert body["domain"]["radius"] == 8.0
    assert body["about"]["licence"] == "CC0"
    assert len(body["digest"]) == 64
    text = run(f"show {onnx}").out
    assert "surrogate: 2 parameters" in text
    assert "domain.radius: 8" in text
    assert "about.title: a Gaussian" in text


def test_fit(run, onnx):
    ran = run(f"fit {onnx} --json --covariance")
    exact = ny.fit(exact_gaussian())
    assert ran.code == 0
    assert ran.json["status"] == "fine"
    assert ran.json["parameters"]["mu"]["value"] == pytest.approx(exact["mu"].value)
    assert ran.json["provenance"]["inputs"]["search.onnx"]


def test_fit_that_ends_outside(run, onnx):
    ran = run(f"fit {onnx} --fix mu=9.5 --json")
    assert ran.code == 1
    assert ran.json["status"] == "outside_domain"
    assert "mu above 9" in ran.json["message"]


def test_limit(run, onnx, without):
    ran = run(f"limit {onnx} --json")
    exact = ny.upper_limit(exact_gaussian())
    assert ran.code == 0
    assert ran.json["observed"] == pytest.approx(exact.observed, rel=1e-6)
    assert ran.json["expected"] == pytest.approx(exact.expected.tolist(), rel=1e-6)
    ran = run(f"limit {without} --json --out results --plot limit.pdf")
    assert ran.code == 0
    assert ran.json["status"] == "profile_limit"
    assert ran.json["method"] == "profile"
    assert ran.json["expected"] is None
    assert pathlib.Path("limit.pdf").exists()
    assert ny.load_result("results/result.json").observed == ran.json["observed"]
    assert "CLs+b" in run(f"limit {without}").out


def test_scan(run, onnx):
    ran = run(f"scan {onnx} --from 0 --to 2 --points 3 --json")
    exact = ny.scan(exact_gaussian(), "mu", values=[0.0, 1.0, 2.0])
    assert ran.code == 0
    assert ran.json["delta_twice_nll"] == pytest.approx(exact.delta_twice_nll.tolist(), abs=1e-9)
    assert run(f"scan {onnx} --from 0 --to 9.9 --points 3").code == 1


def test_sample(run, onnx):
    ran = run(f"sample {onnx} --sampler ensemble --draws 200 --seed 1 --json")
    assert ran.code == 0
    assert set(ran.json["parameters"]) == {"mu", "theta[0]"}


def test_evaluate(run, onnx):
    ran = run(f"evaluate {onnx} --at mu=0,1 --json")
    assert ran.code == 0
    like = exact_gaussian()
    expected = [float(like.log_prob(like.parameters.vector({"mu": m}))) for m in (0.0, 1.0)]
    assert ran.json["log_prob"] == pytest.approx(expected)
    ran = run(f"evaluate {onnx} --at mu=0,20 --json")
    assert ran.code == 1
    assert ran.json["status"] == "outside_domain"
    assert ran.json["message"].startswith("1 of 2 points, mu above 9")
    assert len(ran.json["log_prob"]) == 2


def test_significance(run, onnx):
    ran = run(f"significance {onnx} --json")
    assert ran.code == 0
    assert ran.json["expected_z"] is None


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("limit FILE --null toys", "no model"),
        ("hypotest FILE --value 1 --null toys", "no model"),
        ("interval FILE --method feldman-cousins", "no model"),
        ("simulate FILE -n 3 --to toys.npz", "no model"),
        ("check FILE --toys 100", "no model"),
        ("fit FILE --yields", "no"),
        ("fit FILE --measurement x", "--measurement"),
        ("fit FILE --data x.csv", "--data"),
        ("fit FILE --patch x.json", "cannot be patched"),
        ("fit absent.onnx", "no such file"),
    ],
)
def test_one_line_for_what_cannot_be(run, onnx, verb, said):
    ran = run(verb.replace("FILE", onnx))
    assert ran.code == 2
    assert said in ran.line


def test_hostile(run, tmp_path):
    for path in hostile.eight(tmp_path).values():
        ran = run(f"fit models/{path.name}")
        assert ran.code == 2
        assert path.name in ran.line


def test_side_file(run, tmp_path):
    from tests.likelihoods.surrogate.test_side_file import NAMES, keras_like, write

    write(tmp_path, keras_like)
    assert "write net.json" in run("show net.onnx").line
    (tmp_path / "net.json").write_text(json.dumps(NAMES))
    assert run("show net.onnx --json").json["kind"] == "surrogate"
    assert run("evaluate net.onnx --at a=1").code == 0
