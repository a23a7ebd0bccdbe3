"""What is stored comes back bit for bit; what is damaged or foreign is never taken for it."""

import contextlib
import errno
import io
import os
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neyman.io.chunks import ChunkStore, decode, encode, merge, plain_arrays, same, seal
from neyman.status import InputError, Status

SPEC = {"what": "toys", "seed": 1, "model": {"digest": "ab", "at": [1.0, 2.0]}}
LABEL = b"x:1"
ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "ok": np.array([True, False]), "s": np.array(1.5)}


@pytest.fixture
def store(tmp_path):
    return ChunkStore(tmp_path / "s", SPEC)


dtypes = st.one_of(
    *(hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes()),
    *(hnp.floating_dtypes(), hnp.complex_number_dtypes()),
    *(hnp.byte_string_dtypes(), hnp.unicode_string_dtypes()),
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4))


@given(st.dictionaries(st.from_regex(r"\A[\w.\[\]]{1,20}\Z", fullmatch=True), arrays, max_size=4))
@settings(max_examples=100)
def test_round_trip(values):
    values = {name: value for name, value in values.items() if name.isascii()}
    result = decode(encode(values, LABEL), LABEL, "f")
    assert same(result, plain_arrays(values))
    assert all(array.flags.c_contiguous and array.flags.writeable for array in result.values())
    assert encode(result, LABEL) == encode(values, LABEL)  # the same bytes


def test_numpy_reads_it(store):
    store.save(3, ARRAYS)
    with np.load(store.path(3), allow_pickle=False) as file:
        assert same(dict(file), ARRAYS)
    assert sorted(os.listdir(store.folder)) == ["00000003.npz", "spec.json"]
    assert store.indices() == (3,) and store.load(4) is None and store.notes == []


def test_layout_and_nan_bits():
    nan = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(float)
    values = {
        "nan": nan,
        "fortran": np.asfortranarray(np.eye(3)[:, ::-1]),
        "x": np.array(2, np.float32),
    }
    result = decode(encode(values, LABEL), LABEL, "f")
    assert result["nan"].tobytes() == nan.tobytes()
    assert result["fortran"].strides == plain_arrays(values)["fortran"].strides
    assert not same({"nan": nan[:1]}, {"nan": nan[1:]})
    assert not same({"a": np.zeros(2)}, {"a": np.zeros(2, np.int64)})
    assert not same({"a": np.zeros(2)}, {"b": np.zeros(2)})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0], "is a list, not a dict"),
        ({1: np.zeros(2)}, "cannot name an array"),
        ({"../a": np.zeros(2)}, "cannot name an array"),
        ({"": np.zeros(2)}, "cannot name an array"),
        ({"a": np.array([None])}, "has the type object"),
        ({"a": np.zeros(2, [("x", float)])}, "has the type"),
        ({"a": np.zeros(2, "V4")}, "has the type"),
    ],
)
def test_what_is_no_plain_array_is_refused(result, message):
    with pytest.raises(InputError, match=message):
        plain_arrays(result)


# ---- the spec


@pytest.mark.parametrize(
    ("spec", "difference"),
    [
        ({**SPEC, "seed": 2}, "seed is 1 there and 2 here"),
        ({**SPEC, "seed": 1.0}, "seed is 1 there and 1.0 here"),
        ({**SPEC, "new": 2}, "new is given only here"),
        ({"what": "toys", "seed": 1}, "model is given only there"),
        (
            {**SPEC, "model": {"at": [1.0, 3.0], "digest": "ab"}},
            r"model.at is \[1.0, 2.0\] there and \[1.0, 3.0\] here",
        ),
        ([1], "the spec is"),
    ],
)
def test_another_spec_is_refused_and_the_difference_named(store, spec, difference):
    with pytest.raises(InputError, match=f"holds another computation: {difference}"):
        ChunkStore(store.folder, spec)


def test_the_same_spec_in_another_order_and_type(store):
    again = {"seed": np.int64(1), "model": {"at": (1.0, 2.0), "digest": "ab"}, "what": "toys"}
    assert ChunkStore(store.folder, again).digest == store.digest
    assert ChunkStore.open(store.folder).spec == SPEC


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match=r"holds something else \(photo.jpg\)"):
        ChunkStore(tmp_path, SPEC)
    with pytest.raises(InputError, match="cannot be a folder"):
        ChunkStore(tmp_path / "photo.jpg", SPEC)
    with pytest.raises(InputError, match="no such file"):
        ChunkStore.open(tmp_path)
    assert os.listdir(tmp_path) == ["photo.jpg"]


def test_a_spec_that_was_edited_is_refused(store):
    path = store.folder / "spec.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    for spec in (SPEC, {**SPEC, "seed": 2}):
        with pytest.raises(InputError, match="its digest does not match"):
            ChunkStore(store.folder, spec)


def test_a_kill_before_the_spec_was_written_leaves_a_folder_to_use(tmp_path):
    (tmp_path / ".spec.json.0123.tmp").write_text("{")
    assert ChunkStore(tmp_path, SPEC).indices() == ()


# ---- damage


@pytest.fixture(scope="module")
def data():
    return encode(ARRAYS, LABEL)


def test_every_truncation_is_found(data):
    for size in range(len(data)):
        with pytest.raises(InputError, match="a damaged chunk"):
            decode(data[:size], LABEL, "f")


@pytest.mark.parametrize("flip", [0x01, 0x55, 0x80])
def test_every_flipped_byte_is_found(data, flip):
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= flip
        with pytest.raises(InputError, match="a damaged chunk"):
            decode(bytes(flipped), LABEL, "f")


@given(st.data())
@settings(max_examples=300)
def test_mutations_raise_nothing_else(data, draw):
    size = len(LABEL) + 65
    changed = bytearray(data[: -2 - size] + b"\0\0")
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(changed)))
        stop = start + draw.draw(st.integers(0, 8))
        changed[start:stop] = draw.draw(st.binary(max_size=8))
    with contextlib.suppress(InputError):
        decode(seal(bytes(changed), LABEL), LABEL, "f")


def zipped(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return seal(file.getvalue(), LABEL)


def header(text):
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


BOMBS = {
    "a deflate bomb": zipped({"a.npy": bytes(50_000_000)}, zipfile.ZIP_DEFLATED),
    "an array of a terabyte": zipped(
        {"a.npy": header("{'descr': '<f8', 'fortran_order': False, 'shape': (125000000000,), }")}
    ),
    "objects": zipped(
        {"a.npy": header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")}
    ),
    "overflow": zipped(
        {
            "a.npy": header(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9" + "9" * 30 + "), }"
            )
        }
    ),
    "digits": zipped(
        {
            "a.npy": header(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 9000 + "), }"
            )
        }
    ),
    "an expression": zipped({"a.npy": header("__import__('os').system('true')")}),
    "a type unknown": zipped(
        {"a.npy": header("{'descr': '<f3', 'fortran_order': False, 'shape': (), }") + b"123"}
    ),
    "many members": zipped({f"{i}.npy": b"" for i in range(30_000)}),
    "not a zip": seal(b"PK\5\6" * 1000, LABEL),
    "nothing": b"",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name):
    start = time.monotonic()
    with pytest.raises(InputError, match="a damaged chunk") as caught:
        decode(BOMBS[name], LABEL, "f")
    assert time.monotonic() - start < 1.0
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_damaged_chunk_is_named_and_can_be_written_again(store):
    store.save(1, ARRAYS)
    store.path(1).write_bytes(store.path(1).read_bytes()[:-5])
    assert store.load(1) is None
    (note,) = store.notes
    assert note.status is Status.DAMAGED_CHUNK
    assert "00000001.npz (a damaged chunk: cut or not a chunk), which is computed again" in str(
        note
    )
    store.save(1, ARRAYS)
    loaded = store.load(1)
    assert loaded is not None and same(loaded, ARRAYS) and len(store.notes) == 1


def test_a_chunk_under_another_index_or_spec_is_not_taken(store, tmp_path):
    store.save(1, ARRAYS)
    other = ChunkStore(tmp_path / "other", {**SPEC, "seed": 2})
    for path in (store.path(2), other.path(1)):
        path.write_bytes(store.path(1).read_bytes())
    assert store.load(2) is None and other.load(1) is None
    assert "of another computation or index" in str(store.notes[0])


def test_links_do_not_lead_out(store, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("keep")
    store.path(1).symlink_to(outside)
    assert store.load(1) is None and len(store.notes) == 1
    store.save(1, ARRAYS)
    assert outside.read_text() == "keep" and not store.path(1).is_symlink()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_chunks(store, monkeypatch, call):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.save(1, ARRAYS)
    monkeypatch.setattr(os, call, full)
    for index in (1, 2):
        with pytest.raises(InputError, match=r"No space left on device, \d+ bytes are needed"):
            store.save(index, {"a": np.ones(3)})
    monkeypatch.undo()
    loaded = store.load(1)
    assert store.indices() == (1,) and loaded is not None and same(loaded, ARRAYS)
    assert sorted(os.listdir(store.folder)) == ["00000001.npz", "spec.json"]


def test_old_leftovers_go_and_young_ones_stay(store):
    old, young = (store.folder / f".00000001.npz.{name}.tmp" for name in "ab")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    assert ChunkStore(store.folder, SPEC).indices() == ()
    assert not old.exists() and young.exists()


def test_a_chunk_that_is_too_large_or_negative(store, monkeypatch):
    monkeypatch.setattr("neyman.io.chunks.MAX_CHUNK", 1000)
    with pytest.raises(InputError, match="more than the 1,000 of a chunk; make the chunks smaller"):
        store.save(1, {"a": np.zeros(1000)})
    with pytest.raises(InputError, match="is negative"):
        store.save(-1, ARRAYS)


# ---- merging


def filled(folder, indices, spec=SPEC):
    store = ChunkStore(folder, spec)
    for index in indices:
        store.save(index, {"a": np.full(3, float(index))})
    return store


def test_merge_takes_what_is_new(tmp_path):
    filled(tmp_path / "a", range(4))
    filled(tmp_path / "b", range(2, 8))
    result = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    assert result.indices() == tuple(range(8)) and result.notes == []
    for index in range(8):
        assert (tmp_path / "all" / f"{index:08d}.npz").read_bytes() in {
            path.read_bytes() for path in tmp_path.glob(f"[ab]/{index:08d}.npz")
        }
    assert result.merge(filled(tmp_path / "c", range(7, 10))) == 2


def test_merge_refuses_other_numbers_and_other_specs_and_takes_nothing(tmp_path):
    ours, theirs = filled(tmp_path / "a", range(3)), filled(tmp_path / "b", range(6))
    theirs.save(2, {"a": np.full(3, np.nextafter(2.0, 3.0))})
    with pytest.raises(InputError, match=r"00000002.npz: differs from .*b/00000002.npz"):
        ours.merge(theirs)
    with pytest.raises(InputError, match="seed is 2 there and 1 here"):
        ours.merge(filled(tmp_path / "c", range(6), {**SPEC, "seed": 2}))
    assert ours.indices() == (0, 1, 2)
    with pytest.raises(InputError, match="nothing to merge"):
        merge([], tmp_path / "d")


def test_merge_mends_ours_and_names_what_is_damaged_in_theirs(tmp_path):
    ours, theirs = filled(tmp_path / "a", range(3)), filled(tmp_path / "b", range(6))
    for store, index in ((ours, 1), (theirs, 2), (theirs, 4)):
        store.path(index).write_bytes(b"")
    assert ours.merge(theirs) == 3  # 1, 3 and 5
    assert ours.indices() == (0, 1, 2, 3, 5)
    assert len(ours.notes) == 3
    for index in ours.indices():
        loaded = ours.load(index)
        assert loaded is not None and loaded["a"][0] == index
