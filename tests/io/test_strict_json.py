"""Strict JSON: equal to Python's parser on good files, one line with the place on bad ones."""

import gzip
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neyman.io import json_place
from neyman.io.strict_json import (
    Limits,
    deepest,
    dump_json,
    parse_json,
    read_json,
    write_json,
)
from neyman.status import InputError

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | TEXT
LEAVES |= st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)
WORKSPACE = {
    "channels": [
        {"name": "SR", "samples": [{"name": "signal", "data": [1.5, 2e-3], "modifiers": []}]},
        {"name": 'C"R\\', "samples": [{"name": "b\u00e9[", "data": [-0.0, 12345678901234567890]}]},
    ],
    "version": "1.0.0",
}


def refusal(data, **limits):
    with pytest.raises(InputError) as caught:
        parse_json(data, "ws.json", Limits(**limits))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# (what, the text, what its error says)
HOSTILE = [
    ("nan", '{"channels": [{"samples": [{}, {"data": [NaN]}]}]}',
     "ws.json:1:42 at channels[0].samples[1].data[0]: NaN is not a JSON number"),
    ("infinity", '{"a": [1,\n  -Infinity]}', "ws.json:2:3 at a[1]: -Infinity is not"),
    ("huge float", '{"a b": [1, 1e999]}', 'ws.json:1:13 at ["a b"][1]: the number 1e999 is beyond'),
    ("huge exponent", "[-1.5E+400]", "at [0]: the number -1.5E+400 is beyond"),
    ("huge integer", "[1" + "0" * 309 + "]", "at [0]: the number 1000"),
    ("long integer", "[" + "1" * 500 + "]", "at [0]: a number of 500 digits"),
    ("very long integer", "[" + "1" * 5_000_000 + "]", "at [0]: a number of 5,000,000 digits"),
    ("long float", "[0." + "1" * 5_000_000 + "]", "at [0]: a number of 5,000,002 digits"),
    ("repeated key", '{"channels":[{"samples":[0,{"data":1, "data":2}]}]}',
     'ws.json:1:39 at channels[0].samples[1]: the key "data" is repeated'),
    ("repeated at the root", '{"a": 1, "\\u0061": 2}', 'ws.json:1:10: the key "a" is repeated'),
    ("repeated below", '{"a": {"b": 1, "b": 2}, "c": 0}', 'at a: the key "b" is repeated'),
    ("repeated object", '{"a": {"b": 1}, "a": {"b": 2}}', 'the key "a" is repeated'),
    ("empty", "", "ws.json: is empty"),
    ("blank", " \n\t", "ws.json: is blank"),
    ("much blank", b" " * 100_000_000, "ws.json: is blank"),
    ("much blank, then nothing good", b" " * 30_000_000 + b"x", "ws.json:1:30000001: not JSON"),
    ("cut in a key", '{"channels": [{"na', "at channels[0]: the document ends too early"),
    ("cut behind a key", '{"channels": [{"name":', "at channels[0].name: the document ends"),
    ("cut in a value", '{"channels": [{"name": "S', "at channels[0].name: the document ends"),
    ("trailing garbage", "{}\n]", 'ws.json:2:1: not JSON here, "]" (extra data)'),
    ("two documents", "{} {}", "extra data"),
    ("trailing comma", '{"a": [1, ]}', "at a[1]: not JSON here"),
    ("single quotes", "{'a': 1}", "property name enclosed in double quotes"),
    ("comment", "// a\n{}", "ws.json:1:1: not JSON here"),
    ("leading zero", "[01]", "not JSON here"),
    ("foreign digit", "[\u0663]", "at [0]: not JSON here"),
    ("control character", '["a\nb"]', "control character"),
    ("bad escape", '{"a": ["[[{\\x"]}', "ws.json:1:12 at a[0]: not JSON here"),
    ("half a character", '["\\ud800"]', "at [0]: half a surrogate pair"),
    ("half, as it is", '["\ud800"]', "ws.json:1:3: the byte 0xed is not UTF-8"),
    ("not utf-8", b'{"a":\n "\xff"}', "ws.json:2:3: the byte 0xff is not UTF-8"),
    ("BOM", b"\xef\xbb\xbf{}", "byte order mark"),
    ("UTF-16", "{}".encode("utf-16"), "byte order mark"),
    ("deep lists", "[" * 100_000, "ws.json:1:65 at [0][0]"),
    ("deep, balanced", "[" * 65 + "]" * 65, "nested more than 64 deep"),
    ("deep objects", '{"a":' * 100_000 + "1" + "}" * 100_000, "nested more than 64 deep"),
    ("deep behind a string", '["[[", "\\"", "\\\\", ' + "[" * 100_000, "nested more than 64"),
    ("garbage, then deep", "x" + "[" * 100_000, ""),
    ("an open quote, then deep", '["' + "[" * 100_000, "ends too early"),
    ("a stray backslash, then deep", '\\"' + "[" * 100_000, ""),
    ("closed, then deep", "]" * 50 + "[" * 100_000, ""),
    ("ANSI escapes", '{"\x1b[31m": 1}', "control character"),
    ("quoted ANSI escapes", '{"\\u001b[31m": NaN}', '["\\u001b[31m"]: NaN'),
    ("strange line ends", '{"a\u2028b": [NaN]}', '["a\\u2028b"][0]: NaN'),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile(data, message):
    assert message in refusal(data)


def test_the_caps():
    assert "more than 10 bytes" in refusal("[1, 2, 3, 4]", max_bytes=10)
    assert "more than 3 values" in refusal("[1, 2, 3, 4]", max_values=3)
    assert "at [0][0]: nested more than 2 deep" in refusal("[[[1]]]", max_depth=2)
    assert parse_json("[[1]]", limits=Limits(max_depth=2)) == [[1]]
    nested = parse_json("[" * 64 + "]" * 64)
    assert deepest(dump_json(nested).encode()) == 64


@given(DOCUMENTS)
def test_what_is_written_is_read(document):
    text = dump_json(document)
    assert parse_json(text) == document == json.loads(text)
    assert deepest(text.encode()) == depth(document)
    assert deepest(json.dumps(document, ensure_ascii=False).encode()) == depth(document)


def depth(value):
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


def parsed_or_refused(data):
    """Bytes give what `json.loads` gives, or an InputError of one line."""
    try:
        document = parse_json(data, "f")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert document == json.loads(data)


SOUP = st.text(alphabet='[]{}",:\\ \n-+.0123eEaux/tfnNIy\u00e9\ud800', max_size=60)


@given(st.binary(max_size=100) | SOUP.map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=1000)
def test_any_bytes(data):
    parsed_or_refused(data)


@given(st.data())
@settings(max_examples=1000)
def test_mutations_of_a_workspace(data):
    text = bytearray(json.dumps(WORKSPACE).encode())
    pieces = [b"NaN", b"1e999", b'"', b"\\", b"[", b"}", b",", b"\xff", b"\\ud800", b"9" * 500]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = start + data.draw(st.integers(0, 20))
        text[start:stop] = data.draw(st.sampled_from(pieces) | st.binary(max_size=5))
    parsed_or_refused(bytes(text))


def test_a_sound_text_has_no_problem():
    text = json.dumps(WORKSPACE)
    assert json_place.find(text, 64) is None


@pytest.mark.parametrize(
    ("stop", "path"),
    [("1.5", "channels[0].samples[0].data[0]"), ("-0.0", "channels[1].samples[0].data[0]")],
)
def test_the_path_of_a_place(stop, path):
    text = json.dumps(WORKSPACE)
    place = json_place.find(text, 64, text.index(stop))
    assert place is not None and place.path == path


def test_files(tmp_path):
    path = tmp_path / "ws.json"
    write_json(path, WORKSPACE)
    assert read_json(path) == WORKSPACE
    packed = tmp_path / "ws.anything"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_json(packed) == WORKSPACE
    packed.write_bytes(gzip.compress(b"[" * 10_000_000))  # a thousandfold
    with pytest.raises(InputError, match="nested more than 64 deep"):
        read_json(packed)


def test_arrays_become_lists():
    value = {"b": np.arange(3), "a": (np.float64(1.5), np.float32(0.5), np.bool_(True))}
    assert dump_json(value) == '{"b": [0, 1, 2], "a": [1.5, 0.5, true]}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1.0, math.nan]}, "a[1]: nan is not a JSON number"),
        ({"a": {"b": np.array([[np.inf]])}}, "a.b[0][0]: inf is not"),
        ({1: 2}, "the key 1 is not a string"),
        ([{1, 2}], "[0]: a set has no form in JSON"),
        ([b"x"], "[0]: a bytes has no form"),
        ([1j], "[0]: a complex has no form"),
    ],
)
def test_what_json_cannot_say_is_not_written(tmp_path, value, message):
    with pytest.raises(InputError) as caught:
        write_json(tmp_path / "f.json", value)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_real_workspaces(histfactory):
    """Equal to `json.loads`."""
    for path in sorted(histfactory.glob("*.json*")):
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        document = read_json(path)
        assert document == json.loads(text) == parse_json(dump_json(document))
        assert json_place.find(text.decode(), 64) is None
