"""Text stays text, whatever it holds; any JSON has a form; pages hold what they show."""

import hypothesis
import hypothesis.strategies as st
import pytest

from neyman.io.text import printable
from neyman.report import page as build
from neyman.report.page import Html
from neyman.status import InputError
from tests.report.html import Read, harmless

ANY = st.text(st.characters(codec=None), max_size=60)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</pre></table><iframe src=//x.y>",
    "' onmouseover='alert(1)",
    "&lt;b&gt; & &amp;",
    "\x1b[31m\x00\u202eevil\u2066",
    "]]><!-- <style>*{display:none}",
    "{{7*7}} %s %(x)s {0} ${x}",
)
BUILDERS = {
    "paragraph": lambda t: build.paragraph(t),
    "attribute": lambda t: build.element("p", t, id=t, class_=t),
    "section": lambda t: build.section(t, t),
    "table": lambda t: build.table((t, t), [(t, t), (t, t)]),
    "details": lambda t: build.details(t, t),
    "tree": lambda t: build.tree({t: [t, {t: t}]}),
    "joined": lambda t: build.joined([t, build.element("span", t)], t),
    "page": lambda t: Html(build.page(t, t).decode().removeprefix("<!DOCTYPE html>")),
}


@pytest.mark.parametrize("name", BUILDERS)
@hypothesis.given(ANY)
@hypothesis.example(HOSTILE[0])
@hypothesis.example(HOSTILE[1])
@hypothesis.example(HOSTILE[5])
def test_text_stays_text(name, text):
    plain, read = Read(BUILDERS[name]("x")), Read(BUILDERS[name](text))
    assert read.tags == plain.tags
    assert len(read.attributes) == len(plain.attributes)
    assert read.text.count(printable(text)) >= plain.text.count("x") or not text
    shown = read.all("id")
    assert shown == [printable(text)] * len(shown)


def test_markup_is_made_here_only():
    inner = build.element("b", "a < b")
    assert build.paragraph(inner, "c > d") == "<p><b>a &lt; b</b>c &gt; d</p>"
    assert isinstance(build.joined([inner, inner]), Html)
    assert build.paragraph(str(inner)) == "<p>&lt;b&gt;a &amp;lt; b&lt;/b&gt;</p>"


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY,
        lambda inner: st.lists(inner, max_size=20) | st.dictionaries(ANY, inner, max_size=5),
        max_leaves=30,
    )
)
def test_any_json_has_a_form(value):
    Read(build.tree(value))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_holds_all_it_shows(text):
    read = harmless(build.page(text, build.section(text, build.tree({text: text}))))
    assert read.text.count(printable(text)) == 5  # title, h1, h2, key and value


def test_long_tables_say_what_they_leave_out():
    read = Read(build.table(("n",), [(str(i),) for i in range(2_000)]))
    assert read.tags.count("tr") == 1 + build.MOST_ROWS
    assert "and 1,500 more" in read.text


def test_figures_are_png_and_inside(tmp_path):
    png = bytes.fromhex("89504e470d0a1a0a0000000d494844520000012c") + bytes(20)
    read = Read(build.figure(png, HOSTILE[1]))
    assert read.all("width") == ["150"]
    assert read.all("alt") == [HOSTILE[1]]
    for bad in (b"", b"<svg onload='alert(1)'/>", png[:20], b"GIF89a" + png):
        with pytest.raises(InputError, match="limit: is no PNG file"):
            build.figure(bad, "limit")
