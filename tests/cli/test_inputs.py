"""What a verb acts on: gz, measurements, patches, patch sets, the user's own code."""

import gzip
import json
import pathlib

import pytest

import neyman as ny
from neyman.io.json_patch import apply_patch
from neyman.io.provenance import digest
from tests.cli.conftest import signal_patch, workspace, write


@pytest.fixture
def patches(tmp_path):
    """Two patches and a patch set of the same."""
    for name, scale in (("weak", 0.5), ("strong", 2.0)):
        write(tmp_path / f"{name}.json", signal_patch(scale))
    write(
        tmp_path / "set.json",
        {
            "version": "1.0.0",
            "metadata": {"labels": ["scale"], "digests": {"sha256": digest(workspace())}},
            "patches": [
                {"metadata": {"name": name, "values": [scale]}, "patch": signal_patch(scale)}
                for name, scale in (("weak", 0.5), ("strong", 2.0))
            ],
        },
    )


def log_prob(run, arguments):
    (value,) = run(f"evaluate {arguments} --at mu=1 --json").json["log_prob"]
    return value


def test_gz(run, ws):
    pathlib.Path("ws.json.gz").write_bytes(gzip.compress(pathlib.Path(ws).read_bytes()))
    assert log_prob(run, "ws.json.gz") == log_prob(run, ws)


def test_measurement(run, ws):
    def bounds(option):
        return run(f"show {ws} --json {option}").json["parameters"][0]["bounds"]

    assert bounds("") == bounds("--measurement first") == [0, 10]
    assert bounds("--measurement second") == [0, 3]


@pytest.mark.usefixtures("patches")
class TestPatches:
    def test_a_patch_scales_the_signal(self, run, ws):
        ran = run(f"evaluate {ws} --patch strong.json --at mu=1 --json").json
        like = ny.load(apply_patch(workspace(), signal_patch(2.0)))
        assert ran["log_prob"] == [float(like.log_prob(like.parameters.init))]
        inputs = ran["provenance"]["inputs"]
        assert inputs["ws.json"] == digest(workspace())
        assert inputs["strong.json"] == digest(signal_patch(2.0))

    def test_patches_apply_in_order(self, run, ws):
        both = log_prob(run, f"{ws} --patch weak.json --patch strong.json")
        assert both == log_prob(run, f"{ws} --patch strong.json")
        assert both != log_prob(run, f"{ws} --patch strong.json --patch weak.json")

    def test_patchset(self, run, ws):
        by_set = log_prob(run, f"{ws} --patchset set.json --patch-name weak")
        assert by_set == log_prob(run, f"{ws} --patch weak.json")

    def test_patchset_of_another_workspace(self, run, variant):
        other = variant(lambda document: document["observations"][1].update(data=[99]))
        line = run(f"fit {other} --patchset set.json --patch-name weak").line
        assert "use the workspace published with it" in line

    def test_patchset_needs_a_name(self, run, ws):
        assert "--patch-name weak" in run(f"fit {ws} --patchset set.json").line

    def test_unknown_name(self, run, ws):
        assert "choose e.g. weak" in run(f"fit {ws} --patchset set.json --patch-name wek").line

    def test_patch_that_does_not_fit(self, run, ws):
        write("bad.json", [{"op": "remove", "path": "/channels/9"}])
        ran = run(f"fit {ws} --patch bad.json")
        assert ran.code == 2
        assert "bad.json: operation 0 (remove /channels/9)" in ran.line


class TestCode:
    CODE = (
        "print('imported')\n"
        "import neyman as ny\n"
        "number = 3\n"
        "like = ny.load('ws.json')\n"
        "def made():\n    print('called')\n    return like\n"
        "def broken():\n    raise RuntimeError('two\\nlines')\n"
        "def leaves():\n    raise SystemExit(0)\n"
    )

    @pytest.fixture(autouse=True)
    def code(self, tmp_path):
        (tmp_path / "mine.py").write_text(self.CODE)

    @pytest.mark.parametrize("name", ["like", "made"])
    def test_runs_when_allowed(self, run, ws, name):
        ran = run(f"fit mine.py:{name} --allow-code --json")
        assert ran.code == 0
        assert "imported" in ran.err  # what it prints does not spoil stdout
        assert ran.json["twice_nll"] == ny.fit(ny.load(ws)).twice_nll
        assert "mine.py" in ran.json["provenance"]["inputs"]

    def test_never_runs_otherwise(self, run, ws):
        ran = run("fit mine.py:like")
        assert ran.code == 2
        assert "--allow-code" in ran.line

    @pytest.mark.parametrize(
        ("arguments", "fragment"),
        [
            ("mine.py:number --allow-code", "'number' is of type int"),
            ("mine.py:broken --allow-code", "raised RuntimeError: two lines"),
            ("mine.py:leaves --allow-code", "raised SystemExit"),
            ("mine.py:absent --allow-code", "has no 'absent'; it has ny, number, like, made"),
            ("no.py:like --allow-code", "no.py: no such file"),
            ("mine.py:like --allow-code --patch p.json", "leave those options out"),
            ("mine.py --allow-code", "write e.g. mine.py:likelihood"),
        ],
    )
    def test_refused(self, run, ws, arguments, fragment):
        ran = run(f"fit {arguments}")
        assert ran.code == 2
        assert fragment in ran.err.splitlines()[-1]
        assert "Traceback" not in ran.err


def test_strange_files(run, tmp_path, ws):
    (tmp_path / "binary.json").write_bytes(bytes(range(128, 256)))
    (tmp_path / "cut.json").write_text(json.dumps(workspace())[:-40])
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder.json").mkdir()
    for name, fragment in {
        "binary.json": "not UTF-8",
        "cut.json": "cut.json",
        "list.json": "is not a JSON object",
        "empty.json": "is empty",
        "notes.txt": "is of no known kind",
        "folder.json": "is a folder",
        "absent.json": "no such file",
        "absent": "no such file",
        "": "no such file",
        "a\0b.json": "no such file",
        "\x1b[31mred\n.json": "\\x1b[31mred .json: no such file",
    }.items():
        ran = run(["fit", name])
        assert (ran.code, ran.out) == (2, ""), name
        assert fragment in ran.line, name
