"""Tables as plain text, as wide as the terminal."""

import io
import shutil
import sys
from collections.abc import Sequence

PIPED_WIDTH = 120
NARROWEST = 60


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without lines between its rows; long cells are folded, nothing is cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    below_head = box.Box("    \n    \n -- \n" + 5 * "    \n", ascii=True)
    drawn = Table(*head, box=below_head, pad_edge=False, show_edge=False)
    for column in drawn.columns:
        column.overflow = "fold"
    for row in rows:
        drawn.add_row(*row)
    text = io.StringIO()
    console = Console(file=text, width=width(), markup=False, emoji=False, color_system=None)
    console.print(drawn, highlight=False)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(["", *lines])


def width() -> int:
    """Of the terminal, or `PIPED_WIDTH` where stdout is none."""
    if not sys.__stdout__ or not sys.__stdout__.isatty():
        return PIPED_WIDTH
    return max(NARROWEST, shutil.get_terminal_size().columns)
