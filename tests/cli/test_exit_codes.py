"""Exit codes, and errors as one line on stderr: whatever the arguments, never a traceback."""

import io
import json
import os
import pathlib
import subprocess
import sys

import pytest

import neyman.cli.verbs
from tests.cli.conftest import workspace, write

NEYMAN = [sys.executable, "-c", "import sys; from neyman.cli import main; sys.exit(main())"]


@pytest.mark.parametrize("json_flag", ["", "--json"])
def test_a_warning_is_0(run, variant, json_flag):
    def few(document):
        for sample in document["channels"][0]["samples"]:
            sample["data"] = [0.5, 0.4]
        document["channels"] = document["channels"][:1]
        document["observations"] = [{"name": "SR", "data": [0, 0]}]

    ran = run(f"limit {variant(few)} --null asymptotic {json_flag}")
    assert ran.code == 0
    assert ran.err.startswith("warning: ") and "--null toys" in ran.err
    if json_flag:
        assert ran.json["status"] == "few_events"
        assert "--null toys" in ran.json["message"]


@pytest.mark.parametrize("json_flag", ["", "--json"])
def test_a_failed_result_is_1(run, variant, json_flag):
    def blind(document):
        for channel in document["channels"]:
            channel["samples"][1]["data"] = [0.0] * len(channel["samples"][1]["data"])

    ran = run(f"limit {variant(blind)} {json_flag}")
    assert ran.code == 1
    assert "failed: " in ran.err
    if json_flag:
        assert ran.json["status"] == "insensitive"
        assert ran.json["observed"] is None


BAD = {
    "nosuch {ws}": "No such command 'nosuch'; see neyman --help",
    "fit": "Missing argument 'FILE'",
    "fit {ws} {ws}": "unexpected extra argument",
    "--nope": "No such option: --nope",
    "fit {ws} --nope": "No such option: --nope",
    "fit {ws} --json=3": "does not take a value",
    "fit {ws} --fix": "requires an argument",
    "fit {ws} --fix mu": "is not NAME=VALUE; write e.g. --fix mu=1",
    "fit {ws} --fix =1": "is not NAME=VALUE",
    "fit {ws} --fix mu=x": "is not a finite number",
    "fit {ws} --fix mu=nan": "is not a finite number",
    "fit {ws} --fix mu=1 --fix mu=2": "mu is fixed already",
    "fit {ws} --fix nu=1": "known are mu",
    "fit {ws} --fix mu=1 --impacts": "leave one of the two out",
    "fit {ws} --poi mu": "add --impacts",
    "fit {ws} --measurement third": "known are first, second",
    "fit {ws} --seed x": "Invalid value for '--seed'",
    "fit {ws} --patch-name x": "add --patchset FILE",
    "hypotest {ws} --value nan": "is not a finite number",
    "hypotest {ws} --value one": "Invalid value for '--value'",
    "hypotest {ws} --poi nope": "known are",
    "limit {ws} --level 1": "is not between 0 and 1",
    "limit {ws} --level nan": "is not between 0 and 1",
    "limit {ws} --null toys --toys 0": "--toys 0: is out of range",
    "limit {ws} --null maybe": "'auto', 'asymptotic', 'toys'",
    "limit {ws} --patches none/*.json": "matches no file",
    "limit {ws} a b --patches a": "put quotes around the pattern",
    "scan {ws} --from 1": "give --from and --to",
    "scan {ws} --from 2 --to 1": "is not above --from 2",
    "scan {ws} --from 0 --to inf": "is not a finite number",
    "scan {ws} --points 1": "use 2 to 100,000",
    "scan {ws} --points 1000000000": "use 2 to 100,000",
    "evaluate {ws} --at mu": "is not NAME=VALUE",
    "evaluate {ws} --at mu=1,": "is not a finite number",
    "evaluate {ws} --at mu=1,2 --at norm=1,2,3": "mu has 2, norm has 3",
    "evaluate {ws} --at mu=1 --at mu=2": "write --at NAME=V,V",
    "limit {ws} --plot band.bmp": "use .png, .pdf or .svg",
    "limit {ws} --plot nowhere/band.png": "its folder does not exist",
    "limit {ws} --plot pulls=band.png": "known are limit",
    "show {ws} --plot show.png": "are of single events",
    "fit {ws} --out nowhere/results": "create the folder first",
    "fit {ws} --out {ws}": "is a file; name a folder to write to",
    "fit {ws} --out .": "something else than an earlier result",
}


@pytest.mark.parametrize("json_flag", ["", "--json"])
@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_2_and_one_line(run, ws, arguments, json_flag):
    verb, _, rest = arguments.partition(" ")
    ran = run(f"{verb} {json_flag} {rest}".format(ws=ws))
    assert ran.code == 2
    assert ran.line.startswith("error: ")
    assert BAD[arguments] in ran.line
    assert len(ran.line) < 600
    assert sorted(path.name for path in pathlib.Path().iterdir()) == ["ws.json"]


def test_a_point_that_means_nothing(run, ws):
    ran = run(f"evaluate {ws} --at stat_SR[0]=-1 --json")
    assert ran.code == 1
    assert ran.json["log_prob"] == [None]
    assert ran.json["status"] == "not_finite"


def test_a_plot_of_what_is_not_computed_is_refused_first(run, ws):
    ran = run(f"fit {ws} --plot impacts=impacts.png --json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("add --impacts\n")


def test_internal_errors_are_one_line(run, ws, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(neyman.cli.verbs, "maximise", broken)
    ran = run(f"fit {ws}")
    assert ran.code == 1
    assert ran.line.startswith("internal error: ZeroDivisionError: division by zero;")
    monkeypatch.setenv("NEYMAN_DEBUG", "1")
    assert "Traceback" in run(f"fit {ws}").err


def test_interrupted(run, ws, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(neyman.cli.verbs, "maximise", interrupted)
    ran = run(f"fit {ws} --out results")
    assert (ran.code, ran.line) == (130, "interrupted")
    assert sorted(os.listdir()) == ["ws.json"]


def test_no_arguments_is_help(run):
    ran = run("")
    assert (ran.code, ran.err) == (0, "")
    assert "Usage: neyman" in ran.out


def test_version(run):
    assert run("--version").out == f"neyman {neyman.__version__}\n"


def test_python_runs_the_package():
    command = [sys.executable, "-m", "neyman", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"neyman {neyman.__version__}\n"


def test_names_are_no_control_sequences(run, variant):
    def edit(document):
        document["channels"][0]["name"] = document["observations"][0]["name"] = "S\x1b[2JR"

    ran = run(f"show {variant(edit)}")
    assert "S\\x1b[2JR" in ran.out and "\x1b" not in ran.out


def test_a_terminal_without_utf8(ws, tmp_path, monkeypatch):
    def edit(document):
        document["channels"][0]["name"] = document["observations"][0]["name"] = "Σ"
        return document

    path = write(tmp_path / "greek.json", edit(workspace()))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert neyman.cli.main(["show", path]) == 0
    assert b"\\u03a3" in stream.buffer.getvalue()


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from neyman.cli import main; main(['limit', '--help']);"
        "heavy = {'jax', 'numpy', 'scipy', 'matplotlib', 'equinox', 'rich.table'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_limit_in_a_process_of_its_own_compiles_nothing(tmp_path):
    path = write(tmp_path / "ws.json", workspace())
    done = subprocess.run(
        [*NEYMAN, "limit", path, "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_LOG_COMPILES": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "fine"


def test_a_reader_that_leaves_is_no_error(tmp_path):
    path = write(tmp_path / "ws.json", workspace())
    read, write_end = os.pipe()
    os.close(read)
    done = subprocess.run([*NEYMAN, "show", path], stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
