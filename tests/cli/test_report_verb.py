"""`neyman report`: a page that holds what the folders hold, and one line for what cannot be."""

import base64
import json
import os
import pathlib

import numpy as np
import pytest

from neyman.io.provenance import digest
from neyman.report import surrogate_card
from tests.report.conftest import folder, given  # noqa: F401
from tests.report.html import harmless
from tests.report.test_page import HOSTILE
from tests.report.test_surrogate_card import FILES


def shown(path="report.html"):
    return harmless(pathlib.Path(path).read_bytes())


def test_a_page_holds_what_the_folders_hold(run, ws):
    assert run(f"fit {ws} --impacts --out results/../fitted").code == 0
    assert run(f"evaluate {ws} --at mu=0,1 --out values").code == 0
    ran = run("report fitted values -o page.html --json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == {"status", "message", "provenance", "file"}
    assert ran.json["file"] == "page.html"
    results = [pathlib.Path(name, "result.json") for name in ("fitted", "values")]
    inputs = {f"result.json{n}": digest(p.read_bytes()) for n, p in zip(("", " #2"), results)}
    assert ran.json["provenance"]["inputs"] == inputs
    read = shown("page.html")
    for path in results:
        assert (path.parent / "summary.txt").read_text().strip() in read.text
        assert json.loads(path.read_text())["provenance"]["inputs"]["ws.json"] in read.text
        assert read.text.count(f"{path.parent.name}") >= 2
    pictures = sorted(pathlib.Path("fitted").glob("*.png"))
    assert len(pictures) == 3
    inside = [base64.b64decode(src.partition(",")[2]) for src in read.all("src")]
    assert inside == [path.read_bytes() for path in pictures]
    first = pathlib.Path("page.html").read_bytes()
    assert run("report fitted values").code == 0
    assert pathlib.Path("report.html").read_bytes() == first


def result(name, notes=(), **fields):
    """A folder as a stranger may make it."""
    path = pathlib.Path(name)
    path.mkdir(exist_ok=True)
    body = {"result": "limit", "notes": list(notes), "provenance": {}} | fields
    (path / "result.json").write_text(json.dumps(body))
    return path


def test_statuses_and_notes_are_shown(run):
    result("good")
    result("bad", [["AT_BOUND", "mu"], ["NOT_CONVERGED", "the fit"]])
    assert run("report good bad").code == 0
    read = shown()
    assert [c for c in read.all("class") if c in ("fine", "warning", "failed")] == [
        "fine", "failed", "fine", "failed", "failed", "warning",
    ]  # fmt: skip
    assert "the fit" in read.text


def test_strangers_stay_text(run):
    text = " ".join(HOSTILE)
    made = {"provenance": {text: {text: text}}, "result": text, text: [text, {text: None}]}
    path = result("a<b>", [["AT_BOUND", text]], **made)
    (path / "summary.txt").write_text(f"{text}\n\x1b[2J", encoding="utf-8")
    assert run(["report", "a<b>"]).code == 0
    read = shown()
    assert "a<b>" in read.text and "\x1b" not in read.text
    assert read.text.count("<script>alert(1)</script>") >= 6


def test_long_results_are_cut_and_say_so(run):
    result("long", values=list(range(100_000)))
    assert run("report long").code == 0
    assert "result.json has " in shown().text
    assert pathlib.Path("report.html").stat().st_size < 300_000


def test_a_link_is_left_out(run, tmp_path):
    path = result("linked")
    (path / "secret.png").symlink_to("/etc/hostname")
    assert run("report linked").code == 0
    read = shown()
    assert "secret.png is a link and is left out." in read.text and not read.all("src")


def test_a_surrogate(run, given, folder):  # noqa: F811
    """The folder with its card; the file alone; a folder of --out that holds the card."""
    assert run(f"report {folder}").code == 0
    read = shown()
    assert len(read.all("src")) == 4
    assert "search.onnx: surrogate" in read.text and "[0.1, 1.21]" in read.text
    assert run(f"report {given.path}").code == 0
    read = shown()
    assert not read.all("src") and "InferenceSession" in read.text
    surrogate_card.write(result("out") / "card", given.path, given.validation)
    assert run("report out").code == 0
    assert shown().all("href") == ["#r1", "#r2"]


TABLE_JOB = """
table = "points.csv"
points = 400
[parameters.mu]
bounds = [-5.0, 5.0]
[network]
members = 1
width = 8
depth = 1
epochs = 3
batch = 64
[about]
title = "Learned from a table"
"""


def test_learn_leaves_a_card(run, tmp_path):
    """A trained surrogate, its folder, and the page of both."""
    mu = np.random.default_rng(0).normal(0.5, 1.0, 400)
    rows = "\n".join(f"{x},{-0.5 * (x - 0.5) ** 2 - 0.01 * x**3}" for x in mu)
    (tmp_path / "points.csv").write_text(f"mu,log_prob\n{rows}\n")
    (tmp_path / "job.toml").write_text(TABLE_JOB)
    ran = run("learn job.toml -o search.onnx --out made --json")
    assert ran.code == 0, ran.err
    card = json.loads((tmp_path / "made/card/model_card.json").read_text())
    assert {p.name for p in (tmp_path / "made/card").iterdir()} == FILES - {
        "profile.png", "hpdi.png", "residuals.png", "profile.yaml", "limits.yaml",
    }  # fmt: skip
    assert card["file"]["sha256"] == digest((tmp_path / "search.onnx").read_bytes())
    assert card["title"] == "Learned from a table"
    assert card["provenance"] == ran.json["provenance"]
    assert run("report made -o made.html").code == 0
    read = shown("made.html")
    assert len(read.all("src")) == 1 and "held_out_rms" in read.text
    (tmp_path / "job.toml").write_text(TABLE_JOB + 'author = "x"\n')
    assert "job.toml: about.author: is not known; known are title" in run("learn job.toml").line


def damaged(name, content):
    path = result("broken")
    (path / name).write_bytes(content)


BAD = {
    "report": (lambda: None, "Missing argument 'DIR"),
    "report nowhere": (lambda: None, "nowhere: no such folder; name a folder that --out made"),
    "report ws.json": (lambda: None, "ws.json: is no folder"),
    "report nowhere.onnx": (lambda: None, "nowhere.onnx: no such file"),
    "report empty": (lambda: os.mkdir("empty"), "empty: holds no result.json and no .onnx file"),
    "report broken": (lambda: damaged("result.json", b"{"), "ends too early"),
    "report  broken": (lambda: damaged("result.json", b"[]"), "is no result"),
    "report   broken": (lambda: result("broken", ["x"]), "its notes are damaged"),
    "report broken ": (lambda: result("broken", [["NOPE", "x"]]), "its notes are damaged"),
    "report broken  ": (lambda: damaged("plot.png", b"<svg/>"), "plot: is no PNG file"),
    "report broken   ": (lambda: damaged("x.onnx", b"\x00"), "x.onnx"),
    "report good -o out.txt": (lambda: result("good"), "-o out.txt: is no .html file"),
    "report good -o no/out.html": (lambda: result("good"), "its folder does not exist"),
    "report good --plot x.png": (lambda: result("good"), "report has no plot"),
    "report pipe": (lambda: (os.mkdir("pipe"), os.mkfifo("pipe/result.json")), "or a pipe"),
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_2_and_one_line(run, ws, arguments):
    prepare, said = BAD[arguments]
    prepare()
    ran = run(arguments)
    assert ran.code == 2 and said in ran.line
    assert not list(pathlib.Path().glob("*.html"))


def test_a_card_of_another_file(run, given, tmp_path):  # noqa: F811
    surrogate_card.write("made", given.path)
    card = json.loads(pathlib.Path("made/model_card.json").read_text())
    for change, said in (
        ({"file": card["file"] | {"sha256": "0" * 64}}, "is the card of another search.onnx"),
        ({"validation": [1]}, "validation: is no object"),
        ({"validation": {"profile": {"mu": 3}}}, "search.onnx, validation: Expected `object`"),
        ({"history": {"log_prob": []}}, "search.onnx, history, log_prob: Expected `object`"),
    ):
        pathlib.Path("made/model_card.json").write_text(json.dumps(card | change))
        ran = run("report made")
        assert ran.code == 2 and said in ran.line
