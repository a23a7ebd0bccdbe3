"""RFC 6902: its own examples, python-jsonpatch as peer, and patches that mean harm."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neyman.io import archive
from neyman.io.json_patch import MAX_OPERATIONS, apply_patch, same
from neyman.io.strict_json import parse_json
from neyman.status import InputError


def op(kind, path, **rest):
    return {"op": kind, "path": path, **rest}


# RFC 6902, appendix A: (section, document, patch, result)
RFC = [
    ("A.1", {"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
    ("A.2", {"foo": ["a", "c"]}, [op("add", "/foo/1", value="b")], {"foo": ["a", "b", "c"]}),
    ("A.3", {"baz": 1, "foo": 2}, [op("remove", "/baz")], {"foo": 2}),
    ("A.4", {"foo": ["a", "b", "c"]}, [op("remove", "/foo/1")], {"foo": ["a", "c"]}),
    ("A.5", {"baz": 1, "foo": 2}, [op("replace", "/baz", value=3)], {"baz": 3, "foo": 2}),
    ("A.6", {"a": {"x": 1}, "b": {}}, [{"op": "move", "from": "/a/x", "path": "/b/y"}],
     {"a": {}, "b": {"y": 1}}),
    ("A.7", {"foo": [1, 2, 3]}, [{"op": "move", "from": "/foo/1", "path": "/foo/2"}],
     {"foo": [1, 3, 2]}),
    ("A.8", {"a": [1, 2]}, [op("test", "/a/1", value=2.0)], {"a": [1, 2]}),
    ("A.10", {"foo": 1}, [op("add", "/child", value={"g": {}})], {"foo": 1, "child": {"g": {}}}),
    ("A.11", {"foo": 1}, [op("add", "/baz", value=2, xyz=3)], {"foo": 1, "baz": 2}),
    ("A.14", {"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
    ("A.16", {"foo": [1]}, [op("add", "/foo/-", value=["b"])], {"foo": [1, ["b"]]}),
    ("root", {"foo": 1}, [op("replace", "", value=[1])], [1]),
    ("null", {"foo": 1}, [op("add", "/foo", value=None)], {"foo": None}),
    ("empty key", {"": 1}, [op("replace", "/", value=2)], {"": 2}),
    ("copy", {"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}, op("add", "/b/-", value=2)],
     {"a": [1], "b": [1, 2]}),
    ("nothing", {"a": 1}, [], {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "patch", "result"), [r[1:] for r in RFC], ids=[r[0] for r in RFC]
)
def test_rfc_examples(document, patch, result):
    before = copy.deepcopy((document, patch))
    assert apply_patch(document, patch) == result
    assert (document, patch) == before


WORKSPACE: Any = {"channels": [{"name": "SR", "samples": []}, {"name": "CR"}], "version": "1.0.0"}
REFUSED = [
    (op("add", "/chanels/0", value=1), 'there is no key "chanels"; did you mean "channels"?'),
    (op("replace", "/nothing", value=1), 'there is no key "nothing"'),
    (op("remove", "/channels/2"), '"2" is no index into a list of 2'),
    (op("add", "/channels/3", value=1), '"3" is no index into a list of 2'),
    (op("remove", "/channels/-"), '"-" is no index'),
    (op("replace", "/channels/-", value=1), '"-" is no index'),
    (op("remove", "/channels/01"), '"01" is no index'),
    (op("remove", "/channels/-1"), '"-1" is no index'),
    (op("remove", "/channels/\u0661"), "is no index"),
    (op("remove", "/channels/" + "9" * 10_000), "is no index"),
    (op("add", "/version/x", value=1), '"x" is sought in a str'),
    (op("remove", ""), "removes the whole document"),
    (op("remove", "channels"), "does not start with /"),
    (op("remove", "/a~2"), "~ in a pointer"),
    (op("remove", None), "has no path"),
    (op("add", "/a"), "has no 'value'"),
    (op("move", "/a"), "has no path"),
    (op("move", "/channels/0/x", **{"from": "/channels/0"}), "moves a value into itself"),
    (op("copy", "/a", **{"from": "/b"}), 'there is no key "b"'),
    (op("test", "/version", value="2"), "the value differs"),
    (op("test", "/channels/0/samples", value={}), "the value differs"),
    (op("delete", "/version"), "is of no known kind"),
    (op(["add"], "/version"), "is of no known kind"),
    (op("add", "/a" * 65, value=1), "nests more than 64 deep"),
    ("add", "is not an object"),
]


@pytest.mark.parametrize(("operation", "message"), REFUSED)
def test_refused(operation, message):
    before = copy.deepcopy(WORKSPACE)
    with pytest.raises(InputError) as caught:
        apply_patch(WORKSPACE, [op("test", "/version", value="1.0.0"), operation], "p.json")
    text = str(caught.value)
    assert text.startswith("p.json: operation 1") and message in text
    assert "\n" not in text and len(text) < 500
    assert before == WORKSPACE


@pytest.mark.parametrize("patch", [{}, None, "x", 3])
def test_a_patch_is_a_list(patch):
    with pytest.raises(InputError, match="is a list of operations"):
        apply_patch({}, patch)


def test_growth_is_refused():
    double = {"op": "copy", "from": "/a", "path": "/a/-"}
    with pytest.raises(InputError, match="places over 10,000,000 values"):
        apply_patch({"a": list(range(1000))}, [double] * 40)
    deeper = [op("add", "/a" * n, value={}) for n in range(1, 100)]
    with pytest.raises(InputError, match=r"operation 64 .* nests more than 64 deep"):
        apply_patch({}, deeper)
    with pytest.raises(InputError, match="operations"):
        apply_patch({}, [double] * (MAX_OPERATIONS + 1))


def test_only_what_is_touched_is_copied():
    result = apply_patch(WORKSPACE, [op("add", "/channels/0/samples/-", value=1)])
    assert result["channels"][1] is WORKSPACE["channels"][1]
    assert WORKSPACE["channels"][0]["samples"] == []


def test_replace_keeps_the_order_of_keys():
    assert list(apply_patch({"a": 1, "b": 2}, [op("replace", "/a", value=3)])) == ["a", "b"]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [(1, 1.0, True), (True, 1, False), (0, False, False), ([1], [True], False), ([], {}, False),
     ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True), (None, None, True), ([1], [1, 2], False)],
)  # fmt: skip
def test_equality_is_that_of_json(a, b, equal):
    assert same(a, b) is same(b, a) is equal


KEYS = st.sampled_from(["a", "b", "0", "1", "", "~", "/"])
DOCUMENTS = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TOKENS = st.sampled_from(["a", "b", "0", "1", "2", "-", "", "~0", "~1", "~", "01"])
POINTERS = st.lists(TOKENS, max_size=3).map(lambda tokens: "".join("/" + t for t in tokens))
KINDS = st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])
OPERATIONS = st.builds(
    lambda kind, path, source, value: {"op": kind, "path": path, "from": source, "value": value},
    KINDS, POINTERS, POINTERS, DOCUMENTS,
)  # fmt: skip


@given(DOCUMENTS, st.lists(OPERATIONS, min_size=1, max_size=4))
@settings(max_examples=600)
def test_as_python_jsonpatch(document, patch):
    """Same result or both refuse, but for what the peer accepts against the RFC."""
    jsonpatch = pytest.importorskip("jsonpatch")
    before = copy.deepcopy((document, patch))
    try:
        ours = apply_patch(document, patch)
    except InputError as error:
        ours = error
    assert (document, patch) == before
    if isinstance(ours, InputError) and "removes the whole document" in str(ours):
        return
    if isinstance(ours, InputError) and "moves a value into itself" in str(ours):
        return
    try:
        theirs = jsonpatch.apply_patch(copy.deepcopy(document), copy.deepcopy(patch))
    except Exception:
        assert isinstance(ours, InputError)
    else:
        assert same(ours, theirs)


def test_real_patches(histfactory):
    """435 signals of the sbottom search on two backgrounds; every 40th compared with the peer."""
    jsonpatch = pytest.importorskip("jsonpatch")
    files = archive.read_archive(histfactory / "sbottom_multib_regions_A_B.tar.gz")
    patches = [name for name in files if "/patch." in name]
    assert len(patches) == 217 + 218
    texts = {region: files[f"Region{region}/BkgOnly.json"] for region in "AB"}
    backgrounds = {region: parse_json(text) for region, text in texts.items()}
    for number, name in enumerate(patches):
        background = backgrounds[name[len("Region")]]
        patch = parse_json(files[name], name)
        result = apply_patch(background, patch, name)
        if number % 40 == 0:
            assert result == jsonpatch.apply_patch(background, patch)
    assert backgrounds == {region: json.loads(text) for region, text in texts.items()}
