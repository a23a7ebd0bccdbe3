"""`check` and `simulate`: keys, values, files that can be read again, and refusals."""

import json
import pathlib

import numpy as np
import pytest

import neyman as ny
from neyman.inference.coverage import coverage
from neyman.inference.simulate import simulate
from neyman.likelihoods.counting import counting
from neyman.results import load_result

ALWAYS = {"status", "message", "provenance"}


@pytest.fixture
def code(run):
    """A model of the user's own, which compiles quicker than a workspace's."""
    pathlib.Path("mine.py").write_text(
        "import numpy as np\n"
        "from neyman.likelihoods.counting import counting\n"
        "from neyman.model import Data\n"
        "model = counting([1.0], [3.0], bounds=(0.0, 50.0))\n"
        "like = model.observe(Data(np.array([2.0]), np.zeros(0)))\n"
    )
    return "mine.py:like --allow-code"


def test_check_as_json(run, code):
    levels = "--level 0.9 --level 0.95"
    ran = run(f"check {code} --poi mu --at mu=0.5 {levels} --toys 200 --json --seed 3")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == ALWAYS | {
        "poi", "interval", "method", "toys", "coverage", "ranks", "power",
    }  # fmt: skip
    rows = ran.json["coverage"]
    assert [row["level"] for row in rows] == [0.9, 0.95]
    model = counting([1.0], [3.0], bounds=(0.0, 50.0))
    found = coverage(model, "mu", at={"mu": 0.5}, level=(0.9, 0.95), toys=200, key=3)
    assert [row["value"] for row in rows] == found.values[0].tolist()
    assert rows[0]["at"] == {"mu": 0.5} and rows[0]["failed"] == 0
    assert sum(ran.json["ranks"][0]) == 200
    assert ran.json["provenance"]["seed"] == 3


def test_check_in_a_folder_and_resumed(run, code):
    asked = f"check {code} --at mu=0.5 --toys 200 --seed 3 --resume kept"
    ran = run(f"{asked} --out results --plot coverage.pdf")
    assert ran.code == 0
    assert "coverage of mu, interval 'profile', 200 toys each" in ran.out
    assert "power to show intervals 10 % too narrow" in ran.out
    names = {"result.json", "summary.txt", "provenance.json", "coverage.png"}
    assert {path.name for path in pathlib.Path("results").iterdir()} == names
    assert pathlib.Path("coverage.pdf").read_bytes().startswith(b"%PDF")
    again = run(asked)
    assert again.out == ran.out
    result = load_result("results/result.json")
    assert f"{100 * result.values[0, 0]:.2f} +-" in ran.out
    assert "seed" in run(f"check {code} --at mu=0.5 --toys 200 --seed 4 --resume kept").line


def test_simulate_as_arrays(run, ws):
    ran = run(f"simulate {ws} -n 3 --at mu=1 --seed 2 --to toys.npz --json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == ALWAYS | {"n", "file"}
    assert (ran.json["n"], ran.json["file"]) == (3, "toys.npz")
    model = ny.load(ws).model
    with np.load("toys.npz", allow_pickle=False) as written:
        thrown = simulate(model, at={"mu": 1.0}, n=3, key=2)
        np.testing.assert_array_equal(written["main"], thrown.main)
        np.testing.assert_array_equal(written["auxiliary"], thrown.auxiliary)
        assert tuple(written["auxiliary_names"]) == model.auxiliary.names
    run(f"simulate {ws} -n 3 --at mu=1 --seed 2 --to again.npz")
    assert pathlib.Path("again.npz").read_bytes() == pathlib.Path("toys.npz").read_bytes()


def test_simulate_as_json(run, ws):
    assert run(f"simulate {ws} -n 3 --format json --to toys.json").code == 0
    written = json.loads(pathlib.Path("toys.json").read_text())
    thrown = simulate(ny.load(ws).model, n=3)
    assert [one["main"] for one in written["data"]] == thrown.main.tolist()
    assert [one["auxiliary"] for one in written["data"]] == thrown.auxiliary.tolist()


def test_simulated_workspaces_are_read_again(run, ws):
    """The likelihood of each is that of the data thrown, auxiliary measurements included."""
    assert run(f"simulate {ws} -n 3 --at mu=1 --seed 2 --format workspace --to toys").code == 0
    model = ny.load(ws).model
    thrown = simulate(model, at={"mu": 1.0}, n=3, key=2)
    theta = model.parameters.vector({"mu": 0.7})
    for i, path in enumerate(sorted(pathlib.Path("toys").iterdir())):
        again = ny.load(path)
        assert again.parameters == model.parameters
        one = model.observe(ny.Data(thrown.main[i], thrown.auxiliary[i]))
        assert again.log_prob(theta) == pytest.approx(float(one.log_prob(theta)), rel=1e-14)
    assert run("fit toys/toy-2.json").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("check {ws} --at nu=1", "parameter 'nu': unknown"),
        ("check {ws} --at mu=-30", "at['mu']: is outside the bounds"),
        ("check {ws} --toys 0", "--toys 0: is out of range"),
        ("check {ws} --references 0", "--references 0: is out of range"),
        ("check {ws} --level 95", "level"),
        ("check {ws} --workers 0", "--workers 0: is out of range"),
        ("check {ws} --workers 2 --dask tcp://a:1", "--dask: brings its own workers"),
        ("check {ws} --interval bayes", "'bayes' is not one of"),
        ("check {ws} --plot scan=a.png", "plot 'scan': unknown"),
        ("simulate {ws} -n 0", "-n 0: is out of range"),
        ("simulate {ws} --to nowhere/toys.npz", "its folder does not exist"),
        ("simulate {ws} --at mu=1,2", "--at: names several truths"),
        ("simulate {ws} -n 10001 --format workspace --to toys", "10,001 files"),
        ("simulate {ws} --at nu=1", "parameter 'nu': unknown"),
    ],
)
def test_refusals(run, ws, arguments, message):
    ran = run(arguments.format(ws=ws))
    assert ran.code == 2
    assert message in ran.line


@pytest.mark.parametrize("verb", ["check", "simulate"])
def test_help_has_an_example(run, verb):
    ran = run(f"{verb} --help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Example: neyman {verb} " in ran.out
