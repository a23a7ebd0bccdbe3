"""What is in a folder that a verb wrote with --out: a result, its text, its pictures.

result.json says what it is, how it ended and where it comes from; summary.txt and the pictures are
shown as they are. A folder of a surrogate has its ONNX file and its card besides, or alone.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from neyman.io.bounded import MB, read_raw
from neyman.io.provenance import digest
from neyman.io.strict_json import dump_json, read_json
from neyman.likelihoods.surrogate import file
from neyman.report.card import Card
from neyman.report.card_sections import card_sections
from neyman.report.page import (
    Html,
    details,
    element,
    figure,
    joined,
    paragraph,
    section,
    table,
    tree,
)
from neyman.report.surrogate_card import FOLDER, JSON
from neyman.status import InputError, Note, Severity, Status

RESULT, SUMMARY, ONNX = "result.json", "summary.txt", ".onnx"
WORDS = {Severity.FINE: "fine", Severity.WARNING: "warning", Severity.FAILED: "failed"}
MOST_NOTES = 50
MOST_FILES = 100
MOST_TEXT = 200_000
"""Characters of a result that are in the page."""
MOST_PICTURE, MOST_CARD = 20 * MB, 64 * MB


@dataclasses.dataclass(frozen=True)
class Entry:
    """One result or surrogate in a report."""

    title: str
    kind: str
    status: Status | None
    """None for a surrogate, which is no result."""
    body: Html
    digests: dict[str, str]


def entries(path: str | pathlib.Path) -> list[Entry]:
    """The result of a folder, and each surrogate in it; or that of an `.onnx` file.

    Raises:
        InputError: there is neither, or a file is damaged.
    """
    path = pathlib.Path(path)
    if path.suffix == ONNX and not path.is_dir():
        return [_of_surrogate(path, path.name, None)]
    if not path.is_dir():
        problem = "is no folder" if path.exists() else "no such folder"
        raise InputError(str(path), problem, "name a folder that --out made, or an .onnx file")
    title = path.name or path.resolve().name
    names = sorted(child.name for child in path.iterdir())
    surrogates = [name for name in names if name.endswith(ONNX)]
    found = [_of_result(path, title, names)] if RESULT in names else []
    card = read_json(path / JSON) if JSON in names and surrogates else None
    for name in surrogates[:MOST_FILES]:
        found.append(_of_surrogate(path / name, f"{title}/{name}", card))
    if FOLDER in names and (path / FOLDER / JSON).is_file():
        found += entries(path / FOLDER)
    if not found:
        problem = f"holds no {RESULT} and no {ONNX} file"
        raise InputError(str(path), problem, "name a folder that --out made")
    return found


def _of_result(folder: pathlib.Path, title: str, names: list[str]) -> Entry:
    place = folder / RESULT
    data = read_raw(place)
    body = read_json(place)
    kind = body.pop("result", None) if isinstance(body, dict) else None
    if not isinstance(kind, str):
        raise InputError(str(place), "is no result", "name a folder that --out made")
    notes = _notes(body.pop("notes", []), str(place))
    provenance = body.pop("provenance", {})
    status = max((note.status for note in notes), default=Status.FINE)
    parts = [
        _said(notes),
        *_summary(folder, names),
        *_pictures(folder, names),
        _numbers(body),
        section("Provenance", tree(provenance), level=3),
    ]
    return Entry(title, kind, status, joined(parts), {str(place): digest(data)})


def _of_surrogate(path: pathlib.Path, title: str, document: Any) -> Entry:
    """The card is that of the file if it says so; the numbers in it are checked when read."""
    data, like = read_raw(path), file.likelihood(path)
    known: dict[str, Any] = {}
    if isinstance(document, dict) and isinstance(document.get("file"), dict):
        named = document["file"]
        if named.get("name") == path.name:
            if named.get("sha256") != like.digest:
                problem = f"is the card of another {path.name}"
                raise InputError(str(path.with_name(JSON)), problem, "write the folder anew")
            keys = ("validation", "history", "provenance")
            known = {key: document.get(key) for key in keys}
            for key, value in known.items():
                if value is not None and not isinstance(value, dict):
                    place = f"{path.with_name(JSON)}, {key}"
                    raise InputError(place, "is no object", "write the folder anew")
    card = Card(path.name, len(data), like, **known)
    body = card_sections(card, level=3)
    return Entry(title, "surrogate", None, body, {str(path): digest(data)})


def _notes(listed: Any, place: str) -> list[Note]:
    try:
        return [Note(Status[name], str(where)) for name, where in listed]
    except (KeyError, TypeError, ValueError):
        raise InputError(place, "its notes are damaged", "make it anew") from None


def badge(status: Status | None) -> Html:
    """Fine, warning or failed, in words and in colour."""
    if status is None:
        return Html("")
    word = WORDS[status.severity]
    return element("span", word, class_=word)


def _said(notes: list[Note]) -> Html:
    worst = sorted(notes, key=lambda note: -note.status)
    rows = [(badge(note.status), str(note)) for note in worst[:MOST_NOTES]]
    more = f"and {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else ""
    return joined([table((), rows) if rows else "", more])


def _summary(folder: pathlib.Path, names: list[str]) -> Iterator[Html]:
    if SUMMARY in names:
        text = read_raw(folder / SUMMARY, MOST_CARD).decode("utf-8", "replace").strip()
        yield element("pre", _shortened(text, SUMMARY))


def _pictures(folder: pathlib.Path, names: list[str]) -> Iterator[Html]:
    """The PNG files of the folder; what a link leads to is not of it."""
    for name in [n for n in names if n.lower().endswith(".png")][:MOST_FILES]:
        path = folder / name
        if path.is_symlink():
            yield paragraph(f"{name} is a link and is left out.")
        else:
            yield figure(read_raw(path, MOST_PICTURE), name.rsplit(".", 1)[0])


def _numbers(body: dict[str, Any]) -> Html:
    text = dump_json(body, indent=1)
    return details(f"All numbers ({RESULT})", element("pre", _shortened(text, RESULT)))


def _shortened(text: str, name: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}\n... {name} has {len(text) - MOST_TEXT:,} characters more"
