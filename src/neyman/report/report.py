"""Folders of results and surrogates as one page."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from neyman.report.folder import Entry, badge, entries
from neyman.report.page import Html, element, page, section, table
from neyman.status import InputError

MOST = 500
"""Folders in a page."""


class Page(NamedTuple):
    """The HTML, and the digests of the files it shows."""

    html: bytes
    digests: dict[str, str]


def report(paths: Sequence[str | pathlib.Path]) -> Page:
    """One self-contained page of folders that --out wrote, and of `.onnx` files.

    Equal folders give equal bytes.

    Raises:
        InputError: no path, or too many; one is neither; a file is damaged.
    """
    if not 0 < len(paths) <= MOST:
        raise InputError("report", f"{len(paths)} folders", f"name 1 to {MOST}")
    found = [entry for path in paths for entry in entries(path)]
    anchors = [f"r{i + 1}" for i in range(len(found))]
    rows = [
        (element("a", entry.title, href=f"#{anchor}"), entry.kind, badge(entry.status))
        for entry, anchor in zip(found, anchors)
    ]
    contents = [table(("what", "kind", "status"), rows)] if len(found) > 1 else []
    sections = [_section(entry, anchor) for entry, anchor in zip(found, anchors)]
    title = found[0].title if len(found) == 1 else f"{len(found)} results"
    digests = {name: value for entry in found for name, value in entry.digests.items()}
    return Page(page(title, *contents, *sections), digests)


def _section(entry: Entry, anchor: str) -> Html:
    title = entry.title if entry.title == entry.kind else f"{entry.title}: {entry.kind}"
    return section(title, badge(entry.status), entry.body, id=anchor)
