"""What the documents show runs as it stands."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def test_the_example_of_the_binned_road(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "binned.md").read_text(), re.S)
    names: dict = {}
    exec(compile(code, "docs/binned.md", "exec"), names)
    assert names["other"]["observations"] == [{"name": "SR", "data": [0.0]}]
    assert names["test"].observed == pytest.approx(0.05, rel=1e-6)
    assert names["edit"].digest(names["both"]) in capsys.readouterr().out


def test_the_ten_lines_of_the_readme(monkeypatch, tmp_path, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    exec(compile(code, "README.md", "exec"), {})
    assert "toys, 0.18 background events" in capsys.readouterr().out
    assert (tmp_path / "limit.pdf").read_bytes().startswith(b"%PDF")
