"""HTML that cannot forget to escape: children that are no `Html` are text.

    section("Limit of " + name, paragraph("..."), figure(png, "CLs"))

Control characters, which HTML has none of and which can turn text around, become escapes.
"""

import base64
import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from neyman.io.text import printable
from neyman.status import InputError

PNG = b"\x89PNG\r\n\x1a\n"
MOST_ROWS = 500
"""Rows of a table that are shown; a line says how many more there are."""
MOST_ITEMS = 12
"""Of a list in a table."""
LONGEST = 2_000
"""Characters of a text in a table."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Content-Security-Policy: were a script in the page, it would not run."""

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .6rem; }
h2 { font-size: 1.25rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; margin-top: 2.4rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
a { color: #0072b2; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0;
         border-bottom: 1px solid #e4e4e4; }
th { font-weight: 600; }
.wide { overflow-x: auto; }
td > .wide > table { margin: 0; }
td > .wide > table tr:last-child > td { border-bottom: 0; }
pre { background: #f6f6f4; padding: .8rem 1rem; overflow-x: auto; font-size: 13px;
      line-height: 1.4; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .9rem; max-width: 46rem; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: #0072b2; }
.fine, .warning, .failed { font-weight: 600; padding: .05rem .5rem; border-radius: .3rem; }
.fine { background: #d9efe7; color: #00543d; }
.warning { background: #fbeecb; color: #6b4600; }
.failed { background: #f7dccd; color: #8a2f00; }
.quiet { color: #666; }
@media print { body { max-width: none; margin: 0; } pre { white-space: pre-wrap; } }
"""


class Html(str):
    """Markup. Every other string is text."""

    __slots__ = ()


def markup(child: str) -> Html:
    """`child` if it is markup, else as text."""
    return child if isinstance(child, Html) else Html(html.escape(printable(child)))


def joined(children: Iterable[str], between: str = "") -> Html:
    return Html(markup(between).join(markup(child) for child in children))


def element(tag: str, *children: str, **attributes: str) -> Html:
    """<tag attributes>children</tag>; an attribute `class_` is `class`."""
    parts = (f' {key.rstrip("_")}="{markup(value)}"' for key, value in attributes.items())
    return Html(f"<{tag}{''.join(parts)}>{joined(children)}</{tag}>")


def paragraph(*children: str) -> Html:
    return element("p", *children)


def section(title: str, *children: str, level: int = 2, **attributes: str) -> Html:
    return element("section", element(f"h{level}", title), *children, **attributes)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table; without a head where that is empty."""
    shown = [element("tr", *(element("td", cell) for cell in row)) for row in rows[:MOST_ROWS]]
    titles = [element("th", title, scope="col") for title in head]
    parts = [element("thead", element("tr", *titles))] if head else []
    made = element("table", *parts, element("tbody", *shown))
    more = len(rows) - MOST_ROWS
    note = [element("p", f"and {more:,} more", class_="quiet")] if more > 0 else []
    return element("div", made, *note, class_="wide")


def details(summary: str, *children: str) -> Html:
    """What is shown on a click."""
    return element("details", element("summary", summary), *children)


def figure(png: bytes, caption: str) -> Html:
    """A PNG inside the page, at 100 of its 200 dots an inch.

    Raises `InputError` for bytes that are no PNG; its `place` is the caption.
    """
    if not (png.startswith(PNG) and png[12:16] == b"IHDR" and len(png) > 33):
        raise InputError(caption, "is no PNG file", "draw it again")
    width = int.from_bytes(png[16:20], "big") // 2
    data = base64.b64encode(png).decode()
    image = f'<img alt="{markup(caption)}" width="{width}" src="data:image/png;base64,{data}">'
    return element("figure", Html(image), element("figcaption", caption))


def number(value: float | None, digits: int = 4) -> str:
    """Four digits, or a dash where there is no number."""
    return f"{value:.{digits}g}" if value is not None and math.isfinite(value) else "–"


def tree(value: Any) -> Html:
    """Any JSON value: objects as tables of keys and values, lists abbreviated."""
    match value:
        case dict():
            return table((), [(str(key), tree(item)) for key, item in value.items()])
        case list() | tuple():
            shown = [tree(item) for item in value[:MOST_ITEMS]]
            more = len(value) - len(shown)
            return joined([*shown, f"and {more:,} more"] if more > 0 else shown, ", ")
        case bool() | None:
            return markup({None: "–", True: "yes", False: "no"}[value])
        case float():
            return markup(number(value, 6))
        case _:
            said = str(value)
            return markup(said if len(said) <= LONGEST else f"{said[:LONGEST]}...")


def page(title: str, *children: str) -> bytes:
    """The whole document."""
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", Html(STYLE)),
    )
    body = element("body", element("h1", title), *children)
    document = element("html", head, body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n".encode()
