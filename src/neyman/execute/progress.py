"""A bar on stderr for `execute(..., progress=)`, where that is a terminal, after two seconds."""

import contextlib
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

PATIENCE = 2.0


@contextlib.contextmanager
def progress_bar(label: str) -> Generator[Callable[[int, int], Any], None, None]:
    """`with progress_bar("toys") as progress: execute(..., progress=progress)`.

    Nothing is shown, nor is rich imported, unless it takes two seconds and stderr is a
    terminal; the bar goes when the block ends.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    bar = _Bar(label)
    timer = threading.Timer(PATIENCE, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar.update
    finally:
        timer.cancel()
        bar.hide()


class _Bar:
    """The last count known; a timer's thread shows it, the loop's moves it."""

    def __init__(self, label: str):
        self.label, self.done, self.total = label, 0, 0
        self.lock = threading.Lock()
        self.over = False
        self.shown: Any = None

    def update(self, done: int, total: int) -> None:
        with self.lock:
            self.done, self.total = done, total
            if self.shown is not None:
                self.shown.update(self.shown.task_ids[0], completed=done, total=total)

    def show(self) -> None:
        from rich import progress as rich
        from rich.console import Console

        columns = (rich.TextColumn(self.label), rich.BarColumn(), rich.MofNCompleteColumn())
        bar = rich.Progress(
            *columns, rich.TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True
        )
        with self.lock:
            if not self.over:
                bar.add_task("", completed=self.done, total=self.total or None)
                bar.start()
                self.shown = bar

    def hide(self) -> None:
        with self.lock:
            self.over = True
            if self.shown is not None:
                self.shown.stop()
