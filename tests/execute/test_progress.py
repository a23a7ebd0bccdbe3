"""A bar only where somebody looks, and only when it takes long."""

import io
import time

import pytest

from neyman.execute import execute, progress, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("terminal", "patience", "shown"), [(True, 0.05, True), (True, 30.0, False), (False, 0, False)]
)
def test_shown_late_and_on_a_terminal(monkeypatch, terminal, patience, shown):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("toys") as bar:
        for _ in execute(lambda job: time.sleep(0.05) or {}, range(10), progress=bar):
            pass
    assert ("toys" in stream.getvalue()) == shown
    assert ("10/10" in stream.getvalue()) == shown


def test_an_error_in_the_block_passes_and_the_bar_goes(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with pytest.raises(ZeroDivisionError), progress_bar("toys") as bar:
        time.sleep(0.3)
        bar(1, 2)
        _ = 1 / 0
