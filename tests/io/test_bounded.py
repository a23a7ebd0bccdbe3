"""Files and gzip streams: whole, or refused in one line before they take memory."""

import gzip
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neyman.io import bounded
from neyman.status import InputError


@given(st.binary(max_size=1000), st.integers(1, 3))
def test_gunzip_undoes_gzip(data, streams):
    assert bounded.gunzip(gzip.compress(data) * streams, "f") == data * streams


@given(st.binary(max_size=200))
def test_any_bytes_unpack_or_are_refused(data):
    try:
        bounded.gunzip(bounded.GZIP_MAGIC + data, "f")
    except InputError as error:
        assert "\n" not in str(error)


@given(st.data())
def test_a_damaged_byte_is_noticed(data):
    packed = bytearray(gzip.compress(b"workspace" * 20, mtime=0))
    place = data.draw(st.integers(10, len(packed) - 1))  # behind the header
    packed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InputError):
        bounded.gunzip(bytes(packed), "f")


def bomb(size):
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(bytes(bounded.MB)) for _ in range(size // bounded.MB)]
    return b"".join([*pieces, packer.flush()])


def test_a_bomb_is_refused_and_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(bomb(200 * bounded.MB))
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to more than"):
        bounded.read_bytes(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * bounded.MB


def test_small_files_pass_whatever_their_ratio():
    assert len(bounded.gunzip(bomb(8 * bounded.MB), "f")) == 8 * bounded.MB


def test_the_cap_holds_to_the_byte():
    packed = gzip.compress(b"x" * 100)
    assert bounded.gunzip(packed, "f", 100) == b"x" * 100
    with pytest.raises(InputError, match="more than 99 bytes"):
        bounded.gunzip(packed, "f", 99)


def test_a_stream_cut_anywhere_is_refused():
    packed = gzip.compress(b"a workspace")
    for end in range(2, len(packed)):
        with pytest.raises(InputError, match="too early"):
            bounded.gunzip(packed[:end], "f")


def test_many_streams_are_refused():
    with pytest.raises(InputError, match="streams"):
        bounded.gunzip(gzip.compress(b"") * 101, "f")


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: takes no room
    with pytest.raises(InputError, match=r"large\.json: has 1,099,511,627,776 bytes"):
        bounded.read_bytes(path)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is a device or a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device or a pipe"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, make, problem):
    path = tmp_path / "f.json"
    make(path)
    with pytest.raises(InputError, match=problem):
        bounded.read_bytes(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "a\nb"])
def test_strange_names_are_refused_in_one_line(path):
    with pytest.raises(InputError) as caught:
        bounded.read_bytes(path)
    assert "\n" not in str(caught.value)
