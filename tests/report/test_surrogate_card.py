"""The folder of a surrogate: complete, true to its file, harmless, and usable without neyman."""

import copy
import dataclasses
import importlib.util
import json
import math
import pathlib
import subprocess
import sys

import pytest

from neyman.io.onnx.build import Builder
from neyman.io.onnx.write import write_onnx
from neyman.io.provenance import digest
from neyman.io.strict_json import read_json
from neyman.likelihoods.surrogate import file
from neyman.report import surrogate_card
from neyman.report.card import Card
from neyman.report.card_sections import card_sections
from neyman.report.script import SCRIPT
from neyman.status import InputError
from tests.likelihoods.surrogate.surrogates import graph_and_card
from tests.report.html import Read, harmless
from tests.report.test_page import HOSTILE

FILES = {
    "search.onnx", "model_card.html", "model_card.json", "evaluate.py", ".zenodo.json",
    "submission.yaml", "profile.yaml", "limits.yaml",
    "profile.png", "hpdi.png", "residuals.png", "training.png",
}  # fmt: skip


def test_the_folder_is_complete_and_reproducible(given, folder, tmp_path):
    assert {path.name for path in folder.iterdir()} == FILES
    made = read_json(folder / "model_card.json")["provenance"]
    for _ in range(2):  # a second time over the first, from the copy in the folder
        source = given.path if not list(tmp_path.iterdir()) else tmp_path / "search.onnx"
        surrogate_card.write(tmp_path, source, given.validation, given.history, provenance=made)
        assert {p.name for p in tmp_path.iterdir()} == FILES
        for name in FILES:
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_json_is_the_whole_card(given, folder):
    card = read_json(folder / "model_card.json")
    data = (folder / "search.onnx").read_bytes()
    assert data == given.path.read_bytes()
    assert card["file"] == {"name": "search.onnx", "bytes": len(data), "sha256": digest(data)}
    assert card["title"] == card["about"]["title"] == "A counting search"
    assert [p["name"] for p in card["parameters"]] == list(given.like.parameters.names)
    assert card["validation"] == json.loads(json.dumps(given.validation))
    assert card["history"] == json.loads(json.dumps(given.history))
    assert card["provenance"]["inputs"] == {"source": "0" * 64}
    assert card["outputs"] == ["log_prob", "distance", "log_prob_asimov"]


def test_the_page_shows_it(given, folder):
    read = harmless((folder / "model_card.html").read_bytes())
    assert read.tags.count("img") == 4
    mean = given.validation["profile"]["mu"]["mean_error"]
    limit = given.validation["limits"]["mu"]["exact"]["values"][0]
    for shown in (
        "A counting search", "Neyman, Jerzy", "CC-BY-4.0", f"{mean:.4g}", f"{limit:.4g}",
        "0" * 64, digest(given.path.read_bytes()),
        "normal, width 1, measured 0", "[-10, 10]", "onnxruntime.InferenceSession", "chosen",
        "0.513", "[0.1, 1.21]", "surrogate (failed)",
    ):  # fmt: skip
        assert shown in read.text, shown


def test_numbers_that_are_not_finite_are_null(given, tmp_path):
    validation, history = copy.deepcopy((given.validation, given.history))
    validation["profile"]["mu"]["surrogate"][3] = math.nan
    validation["limits"]["mu"]["surrogate"]["values"][1] = math.inf
    history["log_prob"]["loss"][0][0] = math.nan
    surrogate_card.write(tmp_path, given.path, validation, history)
    card = read_json(tmp_path / "model_card.json")
    assert card["validation"]["profile"]["mu"]["surrogate"][3] is None
    assert card["history"]["log_prob"]["loss"][0][0] is None
    assert '"value": "-"' in (tmp_path / "profile.yaml").read_text()


def test_a_file_alone_has_a_card(given, tmp_path):
    """Nothing was measured: the card says so, and has no pictures."""
    graph, card = graph_and_card(errors={}, constraints=None)
    file.write(tmp_path / "g.onnx", graph, card)
    made = surrogate_card.write(tmp_path, tmp_path / "g.onnx")
    assert made.pictures == {}
    text = harmless((tmp_path / "model_card.html").read_bytes()).text
    assert "Not measured, or the file does not say." in text
    assert "Which constraints log L contains, the file does not say." in text
    assert read_json(tmp_path / "model_card.json")["validation"] is None


# ---- evaluate.py


def alone(folder: pathlib.Path, tmp_path: pathlib.Path, *arguments: str):
    """evaluate.py in an interpreter that has numpy and onnxruntime and nothing else."""
    packages = tmp_path / "packages"
    packages.mkdir(exist_ok=True)
    for name in ("numpy", "onnxruntime"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        home = pathlib.Path(spec.origin).parent
        for path in (home, home.with_name(f"{name}.libs")):
            if path.exists() and not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    code = (
        f"import runpy, sys; sys.path.append({str(packages)!r}); sys.argv[0] = 'evaluate.py';"
        f"runpy.run_path({str(folder / 'evaluate.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_it_equals_neyman(tmp_path, precision):
    file.write(tmp_path / "g.onnx", *graph_and_card(precision=precision))
    surrogate_card.write(tmp_path, tmp_path / "g.onnx")
    like = file.likelihood(tmp_path / "g.onnx")
    point = {"mu": 1.25} if precision == "float64" else {"mu": 9.5, "theta[0]": 0.3}
    done = alone(tmp_path, tmp_path, *(f"{name}={value}" for name, value in point.items()))
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    rows = dict(line.split(" ", 1) for line in lines)
    theta = like.parameters.vector(point)
    for output, of in (
        ("log_prob", like),
        ("log_prob_asimov", like.asimov_at(theta, like.poi).like),
    ):
        rel = 1e-12 if precision == "float64" else 1e-6
        assert float(rows[output]) == pytest.approx(float(of.log_prob(theta)), rel=rel)
    inside = not like.outside(theta[None]).rows[0]
    assert inside == (precision == "float64") == (last == "inside the domain")
    assert inside or last.startswith("OUTSIDE THE DOMAIN")


def test_it_refuses_what_is_no_parameter(folder, tmp_path):
    done = alone(folder, tmp_path, "nu=1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the parameters are mu, theta[0]" in done.stderr


def test_it_is_short():
    """The evaluation, from the session to the values printed, without the test of the domain."""
    lines = SCRIPT.split('"""')[2].split("domain, x =")[0].splitlines()
    code = [line for line in lines if line and not line.startswith(("import", "#"))]
    assert len(code) <= 10


# ---- strangers


def renamed(text: str):
    """A graph and a card with `text` wherever a stranger could put it."""
    graph, card = graph_and_card()
    card = card.rename({"mu": text, "theta[0]": f"{text}2"})
    known = {
        "about": {"title": text, "authors": text, "licence": text, "description": text, text: text},
        "errors": {text: {text: [text, 1.0]}},
        "digests": {text: text},
    }
    listed = tuple(dataclasses.replace(c, name=text) for c in card.constraints)
    return graph, dataclasses.replace(card, constraints=listed, **known)


def test_hostile_names_stay_text(given, tmp_path):
    text = " ".join(HOSTILE)
    validation, history = copy.deepcopy((given.validation, given.history))
    for part in ("profile", "limits", "hpdi"):
        validation[part] = {text: validation[part]["mu"]}
    validation["marginals"]["smallest"]["parameter"] = text
    validation["limits"][text]["method"] = text
    history = {text: history["log_prob"] | {"chosen": text}}
    history[text]["candidates"][0]["name"] = text
    file.write(tmp_path / "g.onnx", *renamed(text))
    surrogate_card.write(
        tmp_path, tmp_path / "g.onnx", validation, history, provenance={text: {text: [text]}}
    )
    harmless((tmp_path / "model_card.html").read_bytes())
    assert read_json(tmp_path / "model_card.json")["about"]["title"] == text
    zenodo = read_json(tmp_path / ".zenodo.json")
    assert zenodo["title"] == text and set(Read(zenodo["description"]).tags) == {"p"}
    compile((tmp_path / "evaluate.py").read_text(), "evaluate.py", "exec")
    assert text not in (tmp_path / "evaluate.py").read_text()
    assert {p.name for p in tmp_path.iterdir()} == FILES - {"search.onnx"} | {"g.onnx"}


def spoiled(document, *path_and_value):
    *path, last, value = path_and_value
    changed = copy.deepcopy(document)
    inner = changed
    for key in path:
        inner = inner[key]
    inner[last] = value
    return changed


BAD = {
    "validation": [
        (("profile", "mu", "values", 3, "x"), r"profile\[...\].values\[3\]"),
        (("profile", "mu", "values", [1.0]), "profile.mu: lists of different lengths"),
        (("hpdi", "mu", "levels", [0.5]), "hpdi.mu: lists of different lengths"),
        (("limits", "mu", "exact", "values", []), "limits.mu: lists of different lengths"),
        (("within_sigma", "one", {"points": 1}), "'one' is no number"),
        (("profile", []), "Expected `object`, got `array`"),
    ],
    "history": [
        (("log_prob", "loss", 0, [1.0]), "log_prob: rows of different lengths"),
        (("log_prob", "held_out", []), "log_prob: rows of different lengths"),
        (("log_prob", "candidates", 0, 3), r"candidates\[0\]"),
        (("log_prob", 3), "Expected `object`, got `int`"),
    ],
}


@pytest.mark.parametrize(
    ("which", "change", "said"), [(w, *row) for w, rows in BAD.items() for row in rows]
)
def test_documents_that_are_something_else(given, tmp_path, which, change, said):
    documents = {"validation": given.validation, "history": given.history}
    documents[which] = spoiled(documents[which], *change)
    with pytest.raises(InputError, match=f"search.onnx, {which}.*{said}") as caught:
        surrogate_card.write(tmp_path, given.path, **documents)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_published(given, tmp_path):
    strange = tmp_path / "strange.onnx"
    b = Builder(1)
    b.output("y", b.sum(b.theta))
    write_onnx(strange, b.graph({}))
    (tmp_path / "strange.json").write_text('{"parameters": [{"name": "mu"}]}')
    target = tmp_path / "out"
    with pytest.raises(InputError, match=r"strange\.onnx: does not name its parameters"):
        surrogate_card.write(target, strange)
    for name in ("a b.onnx", "-x.onnx", "x;rm.onnx", "x.ONNX"):
        path = tmp_path / name
        path.write_bytes(given.path.read_bytes())
        with pytest.raises(InputError, match="is no plain file name"):
            surrogate_card.write(target, path)
    with pytest.raises(InputError, match="cannot be a folder"):
        surrogate_card.write(given.path, given.path)
    assert list(target.iterdir()) == []


def test_a_strange_file_still_has_a_page(tmp_path):
    """Its side file names the parameters; how to evaluate it alone is not said."""
    b = Builder(1)
    b.output("y", b.sum(b.theta))
    write_onnx(tmp_path / "strange.onnx", b.graph({}))
    (tmp_path / "strange.json").write_text('{"parameters": [{"name": "<mu>"}]}')
    like = file.likelihood(tmp_path / "strange.onnx")
    text = Read(card_sections(Card("strange.onnx", 1, like))).text
    assert "<mu>" in text and "neyman.load('strange.onnx')" in text
    assert "InferenceSession" not in text and "The file does not say." in text
