"""A page as a browser would read it, with Python's parser."""

import html.parser

VOID = ("meta", "img")
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "h4", "p", "a",
    "div", "table", "thead", "tbody", "tr", "th", "td", "pre", "details", "summary", "figure",
    "img", "figcaption", "span",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "src", "alt",
    "width", "scope",
}  # fmt: skip


class Read(html.parser.HTMLParser):
    """Tags, attributes and text; refuses tags that are not closed in order."""

    def __init__(self, page: bytes | str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.pieces: list[str] = []
        self.feed(page if isinstance(page, str) else page.decode())
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.pieces.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def all(self, key: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == key]


def harmless(page: bytes) -> Read:
    """The page, which holds all that it shows and runs nothing."""
    read = Read(page)
    assert page.startswith(b"<!DOCTYPE html>")
    assert set(read.tags) <= ALLOWED
    assert {key for _, key, _ in read.attributes} <= ATTRIBUTES
    assert all(src.startswith("data:image/png;base64,") for src in read.all("src"))
    assert all(href.startswith("#") for href in read.all("href"))
    assert {href.removeprefix("#") for href in read.all("href")} <= set(read.all("id"))
    policy = next(c for c in read.all("content") if "default-src" in c)
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert b"url(" not in page and b"@import" not in page
    return read
