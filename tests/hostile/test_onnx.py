"""Hostile ONNX files are refused with one line; nothing but `InputError` comes out of the reader.

No time is asserted here; docs/surrogate.md has what was measured."""

import tracemalloc

import hypothesis
import hypothesis.strategies as st
import onnx
import pytest

from neyman.io.onnx.read import parse
from neyman.likelihoods.load import load
from neyman.likelihoods.surrogate.metadata import Metadata
from neyman.status import InputError
from tests.likelihoods.surrogate import hostile

MORE = hostile.more()
WHOLE = hostile.whole()


def check_line(error: InputError) -> None:
    assert "\n" not in str(error)
    assert ";" in str(error), "the message has no remedy"
    assert len(str(error)) < 1500


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("outside by path", "'w': its data lie in another file"),
        ("outside by absolute path", "'w': its data lie in another file"),
        ("outside by symlink", "'w': its data lie in another file"),
        ("outside by hard link", "'w': its data lie in another file"),
        ("unknown operator", "node 0 .Evil.: operator is not read"),
        ("terabyte constant", "node 0 .ConstantOfShape.: operator is not read"),
        ("unbounded loop", "node 0 .Loop.: operator is not read"),
        ("truncated", "damaged or cut"),
    ],
)
def test_the_eight(tmp_path, name, said):
    path = hostile.eight(tmp_path)[name]
    tracemalloc.start()
    with pytest.raises(InputError, match=said) as caught:
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check_line(caught.value)
    assert peak < 10_000_000


def test_the_links_are_there(tmp_path):
    """What the four refer to exists, so that they are refused for being outside."""
    path = hostile.eight(tmp_path)["outside by symlink"]
    assert (path.parent / "link.bin").read_bytes() == (path.parent / "hard.bin").read_bytes()
    assert (path.parent / "../secret.bin").exists()


@pytest.mark.parametrize("name", MORE)
def test_more(tmp_path, name):
    data, said = MORE[name]
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        load(path)
    check_line(caught.value)


@hypothesis.given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "cut", "insert", "repeat", "remove"]),
            st.integers(0, len(WHOLE) - 1),
            st.integers(0, 255),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=4,
    )
)
@hypothesis.settings(max_examples=400)
def test_mutations(changes):
    """A changed file is read, as another one, or refused."""
    data = bytearray(WHOLE)
    for what, at, byte, n in changes:
        at = min(at, max(len(data) - 1, 0))
        match what:
            case "set":
                data[at : at + 1] = bytes([byte])
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = bytes([byte]) * n
            case "repeat":
                data[at:at] = data[at : at + n]
            case "remove":
                del data[at : at + n]
    try:
        graph = parse(bytes(data), "x.onnx")
        Metadata.from_props(graph.metadata, "x.onnx")
    except InputError as error:
        assert "\n" not in str(error)


@hypothesis.given(st.binary(max_size=300))
@hypothesis.settings(max_examples=300)
def test_noise(data):
    with pytest.raises(InputError):
        parse(data, "x.onnx")


def test_what_onnx_reads_is_what_we_read():
    """The wire format, against the library of ONNX."""
    model = onnx.load_model_from_string(WHOLE)
    graph = parse(WHOLE, "x.onnx")
    assert [n.op_type for n in model.graph.node] == [n.operator for n in graph.nodes]
    for tensor in model.graph.initializer:
        found, expected = graph.constants[tensor.name], onnx.numpy_helper.to_array(tensor)
        assert found.dtype == expected.dtype
        assert (found == expected).all()
