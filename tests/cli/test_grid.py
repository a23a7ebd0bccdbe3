"""Limits of a signal grid: one table, and no patch stops another."""

import dataclasses
import pathlib

import pytest

from neyman.cli.grid import Grid
from neyman.io.archive import read_archive
from neyman.io.provenance import digest
from tests.cli.conftest import signal_patch, workspace, write

SBOTTOM = "sbottom_multib_regions_A_B.tar.gz"


@pytest.fixture
def signals(tmp_path) -> pathlib.Path:
    folder = tmp_path / "signals"
    folder.mkdir()
    for i, scale in enumerate((1.0, 2.0)):
        write(folder / f"patch_{i}.json", signal_patch(scale))
    return folder


def test_json(run, ws, signals):
    ran = run(f"limit {ws} --patches signals/*.json --json")
    assert (ran.code, ran.err) == (0, "")
    keys = {"poi", "level", "limits", "reason", "status", "message", "provenance"}
    assert set(ran.json) == keys
    assert ran.json["status"] == "fine"
    assert set(ran.json["provenance"]["inputs"]) == {ws, *(f"patch_{i}.json" for i in range(2))}
    rows = ran.json["limits"]
    assert [row["patch"] for row in rows] == [f"patch_{i}.json" for i in range(2)]
    keys = {"patch", "observed", "expected", "method", "status", "message"}
    assert all(set(row) == keys and row["method"] == "asymptotic" for row in rows)
    alone = run(f"limit {ws} --patch signals/patch_1.json --json").json
    assert rows[1]["observed"] == alone["observed"]
    assert rows[1]["expected"] == alone["expected"]


def test_table_and_folder(run, ws, signals):
    ran = run(f"limit {ws} --patches signals --out results")
    assert (ran.code, ran.err) == (0, "")
    assert all(f"patch_{i}.json" in ran.out for i in range(2))
    grid = Grid.load("results/result.json")
    assert (len(grid.observed), grid.methods) == (2, ("asymptotic",) * 2)
    assert " +- " not in grid.summary()
    errors = {"error": grid.observed / 9.0, "expected_error": grid.expected / 9.0}
    assert dataclasses.replace(grid, **errors).summary().count(" +- ") == 12
    assert pathlib.Path("results/limit.png").exists()


def test_bad_patches_are_rows(run, ws, signals):
    write(signals / "a_bad.json", [{"op": "remove", "path": "/nowhere"}])
    (signals / "b_cut.json").write_text("[{")
    ran = run(f"limit {ws} --patches signals/*.json --json")
    assert ran.code == 2
    assert ran.json["status"] == "bad_input"
    assert "a_bad.json" in ran.json["message"]
    assert [row["status"] for row in ran.json["limits"]] == [*["bad_input"] * 2, *["fine"] * 2]
    assert ran.json["limits"][0]["observed"] is None
    assert ran.json["limits"][0]["expected"] == [None] * 5
    assert "there is no key" in ran.json["limits"][0]["message"]


def test_a_failed_limit_is_a_row(run, ws, signals):
    silent = signal_patch(0.0)
    silent.append({"op": "replace", "path": "/channels/1/samples/1/data", "value": [0.0]})
    write(signals / "blind.json", silent)
    ran = run(f"limit {ws} --patches signals/*.json --json")
    assert ran.code == 1
    assert ran.json["status"] == "insensitive"
    assert [row["status"] for row in ran.json["limits"]] == ["insensitive", *["fine"] * 2]
    assert "1 of 3 patches, e.g. blind.json" in ran.err


def test_all_bad(run, ws, signals):
    for path in signals.iterdir():
        path.write_text("")
    ran = run(f"limit {ws} --patches signals/*.json --out results")
    assert ran.code == 2
    assert ran.out.count("bad_input") == 2
    assert pathlib.Path("results/result.json").exists()


def test_a_bug_in_one_is_a_row(run, ws, signals, monkeypatch):
    from neyman.cli import grid

    compute = grid.upper_limit

    def broken(like, *arguments, **options):
        if float(like.model.cells.nominal.max()) == 100.0:
            return compute(like, *arguments, **options)
        raise ZeroDivisionError("once")

    monkeypatch.setattr(grid, "upper_limit", broken)
    write(signals / "big.json", signal_patch(20.0))
    ran = run(f"limit {ws} --patches signals/*.json --json")
    assert ran.code == 1
    assert ran.json["status"] == "internal_error"
    assert [row["status"] for row in ran.json["limits"]] == ["internal_error", *["fine"] * 2]


def test_the_workspace_itself_is_no_patch(run, signals):
    (signals / "patch_0.json").unlink()
    write(signals / "base.json", workspace())
    ran = run("limit signals/base.json --patches signals/*.json --json")
    assert ran.code == 0
    assert len(ran.json["limits"]) == 1


def test_a_whole_patchset(run, ws):
    document = {
        "version": "1.0.0",
        "metadata": {"labels": ["scale"], "digests": {"sha256": digest(workspace())}},
        "patches": [
            {"metadata": {"name": f"s{scale}", "values": [scale]}, "patch": signal_patch(scale)}
            for scale in (1, 2)
        ],
    }
    write("set.json", document)
    ran = run(f"limit {ws} --patchset set.json --json")
    assert ran.code == 0
    assert [row["patch"] for row in ran.json["limits"]] == ["s1", "s2"]


def test_sbottom(run, shared_data, tmp_path):
    archive = shared_data / "histfactory" / SBOTTOM
    if not archive.exists():
        pytest.skip(f"{SBOTTOM} is absent")
    names = ("BkgOnly", "patch.sbottom_1000_131_1")
    files = read_archive(archive)
    for name in names:
        (tmp_path / f"{name}.json").write_bytes(files[f"RegionA/{name}.json"])
    ran = run("limit BkgOnly.json --patches *.json --json")
    assert ran.code == 0
    assert [row["patch"] for row in ran.json["limits"]] == [f"{n}.json" for n in names[1:]]
    assert ran.json["limits"][0]["observed"] == pytest.approx(5.27475, rel=1e-4)


def test_a_grid_is_asymptotic_unless_toys_are_asked_for(run, ws, signals):
    one = run(f"limit {ws} --patches signals/*.json --json --seed 3")
    asymptotic = run(f"limit {ws} --patches signals/*.json --json --null asymptotic")
    assert one.code == asymptotic.code == 0
    assert one.json["limits"] == asymptotic.json["limits"]
    assert "toys of many patches take hours" in one.json["message"]
    assert (asymptotic.json["message"], "reason" in asymptotic.json) == ("fine", False)


def test_toys_of_a_grid_have_errors(run, ws, signals):
    write(signals / "a_bad.json", [{"op": "remove", "path": "/nowhere"}])
    asked = "--null toys --toys 1000"
    ran = run(f"limit {ws} --patches signals/*.json {asked} --json")
    bad, first, _ = ran.json["limits"]
    assert (bad["method"], "error" in bad) == (None, False)
    assert ran.json["provenance"]["seed"] == 0
    alone = run(f"limit {ws} --patch signals/patch_0.json {asked} --json").json
    for key in ("observed", "expected", "error", "expected_error", "method"):
        assert first[key] == alone[key]
    assert 0 < first["error"] < first["observed"]
    assert len(first["expected_error"]) == 5
