"""Events from files: every format, units, bad rows by number, hostile files."""

import io
from collections.abc import Mapping

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from neyman.likelihoods.xenon import table_files
from neyman.likelihoods.xenon.detector import Detector, load_detector
from neyman.likelihoods.xenon.events import (
    Events,
    bucket,
    padded,
    read_events,
    write_events,
)
from neyman.likelihoods.xenon.position_maps import PositionMap
from neyman.likelihoods.xenon.table_files import read_table
from neyman.status import InputError, Status

GENERIC = load_detector("generic")
COLUMNS = {
    "s1": np.array([10.5, 30.0, 55.25]),
    "s2": np.array([1000.0, 2500.0, 4000.0]),
    "drift_time": np.array([50.0, 150.0, 300.0]),
}
TEXT = "s1 [PE],s2 [PE],drift_time [us]\n10.5,1000,50\n30,2500,150\n55.25,4000,300\n"


@pytest.fixture
def read(tmp_path):
    def from_text(text: str | bytes, detector: Detector = GENERIC, **how):
        path = tmp_path / "events.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_events(path, detector, **how)

    return from_text


def hdf5(columns: dict, units: Mapping[str, str] = {}) -> bytes:
    h5py = pytest.importorskip("h5py")
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        for name, values in columns.items():
            file[name] = values
            if name in units:
                file[name].attrs["unit"] = np.bytes_(units[name])
    return data.getvalue()


def root(*trees: str) -> bytes:
    uproot = pytest.importorskip("uproot")
    data = io.BytesIO()
    with uproot.recreate(data) as file:
        for tree in trees:
            file.mktree(tree, dict.fromkeys(COLUMNS, np.float64))
            file[tree].extend(COLUMNS)
        return data.getvalue()


def check(events: Events) -> None:
    assert events.weight.sum() == 3
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(events.columns[name][:3], values)


# ---- sizes


def test_buckets():
    assert [bucket(n) for n in (0, 16, 17, 25, 33, 49, 65, 1000)] == [
        16,
        16,
        24,
        32,
        48,
        64,
        96,
        1024,
    ]
    sizes = np.array([bucket(n) for n in range(1, 5000)])
    assert np.all(sizes >= np.arange(1, 5000))
    assert len(set(sizes.tolist())) == 18


def test_padding_repeats_the_last_event():
    events = padded({"s1": np.array([1.0, 2.0])})
    np.testing.assert_array_equal(events.weight, [1, 1, *[0] * 14])
    np.testing.assert_array_equal(events.columns["s1"][1:], 2.0)
    assert padded({"s1": np.zeros(0)}, 4).weight.sum() == 0
    with pytest.raises(InputError, match="3 of them do not fit in 2"):
        padded({"s1": np.zeros(3)}, 2)
    with pytest.raises(InputError, match="2 lengths"):
        padded({"s1": np.zeros(3), "s2": np.zeros(2)})


# ---- formats


def test_csv(read):
    file = read(TEXT)
    check(file.events)
    assert file.notes == () and len(file.digest) == 64 and len(file.events.weight) == 16
    assert set(file.events.columns) == {*COLUMNS, "s1_map", "s2_map", "field"}
    np.testing.assert_array_equal(file.events.columns["field"], 158.92)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        "# run 12\n\n" + TEXT + "\n",
        TEXT.replace(" [PE]", "").replace(" [us]", ""),
        TEXT.replace("s1 [PE]", ' "s1 [ PE ]"').replace(' "', '"'),
    ],
)
def test_csv_in_other_hands(read, text):
    check(read(text).events)


def test_hdf5(read):
    check(read(hdf5(COLUMNS, {"drift_time": "us"})).events)
    with pytest.raises(InputError, match="'drift_time': is in ns, not in us"):
        read(hdf5(COLUMNS, {"drift_time": "ns"}))


def test_root(read):
    check(read(root("events")).events)
    check(read(root("events", "other"), tree="events").events)
    with pytest.raises(InputError, match="has 2 trees; name one with tree=: events, other"):
        read(root("events", "other"))
    with pytest.raises(InputError, match="there is no tree 'none'; its trees are events"):
        read(root("events"), tree="none")


def test_written_events_are_read_back(tmp_path):
    """Bit for bit, whatever the numbers; absent rows are not written."""
    rng = np.random.default_rng(1)
    columns = {
        "s1": rng.uniform(1, 100, 20),
        "s2": rng.uniform(200, 1e4, 20),
        "drift_time": rng.uniform(38, 305, 20),
        "energy": rng.uniform(0, 10, 20),
    }
    written = padded({**columns, "s1_map": np.ones(20)})
    write_events(tmp_path / "toy.csv", written)
    found = read_events(tmp_path / "toy.csv", GENERIC).events
    np.testing.assert_array_equal(found.weight, written.weight)
    for name, values in columns.items():
        np.testing.assert_array_equal(found.columns[name][:20], values)
    with pytest.raises(InputError, match="not Asimov data"):
        write_events(tmp_path / "toy.csv", written._replace(weight=written.weight * 0.5))


def test_no_events(read, tmp_path):
    file = read("s1,s2,drift_time\n")
    assert file.events.weight.sum() == 0 and np.all(np.isfinite(file.events.columns["s1"]))
    write_events(tmp_path / "none.csv", file.events)
    assert read_events(tmp_path / "none.csv", GENERIC).events.weight.sum() == 0


# ---- names and units


def test_columns_by_another_name(read):
    text = TEXT.replace("s1 [PE]", "area")
    check(read(text, columns={"s1": "area"}).events)
    with pytest.raises(InputError, match=r"no column 's1'; name one of .* area, s2, drift_time"):
        read(text)
    with pytest.raises(InputError, match="'S1' is no column of events; known are s1, s2"):
        read(text, columns={"S1": "area"})


def test_units(read):
    """A unit is refused, or converted where the caller names it; a contradiction is refused."""
    text = "s1 [phd],s2,drift_time [ns]\n10,1000,50000\n"
    with pytest.raises(InputError, match=r"'s1': is in phd, not in PE; .* units={'s1': 'phd'}"):
        read(text, units={"drift_time": "ns"})
    with pytest.raises(
        InputError, match=r"'drift_time': is in ns, not in us; convert it to us, or"
    ):
        read(text, units={"s1": "phd"})
    found = read(text, units={"s1": "phd", "drift_time": "ns"}).events.columns
    assert found["s1"][0] == pytest.approx(11.73) and found["drift_time"][0] == pytest.approx(50.0)
    with pytest.raises(InputError, match="is in phd, not in PE; correct the unit named"):
        read(text, units={"s1": "PE", "drift_time": "ns"})
    with pytest.raises(InputError, match="cannot convert hours; known are us, ns, ms"):
        read(text, units={"s1": "phd", "drift_time": "hours"})
    with pytest.raises(InputError, match=r"is in furlongs, not in us; convert it to us$"):
        read(TEXT.replace("[us]", "[furlongs]"))


def test_maps_need_positions(read):
    grid = (np.array([0.0, 20.0]),)
    mapped = PositionMap(("r",), grid, np.array([1.0, 0.5]))
    uneven = Detector("uneven", GENERIC.constants, GENERIC.geometry, GENERIC.selection, mapped)
    with pytest.raises(InputError, match="no column 'x'"):
        read(TEXT, uneven)
    text = "s1,s2,drift_time,x [mm],y [mm]\n10,1000,50,60,-80\n"
    found = read(text, uneven, units={"x": "mm", "y": "mm"}).events.columns
    assert found["s1_map"][0] == pytest.approx(0.75) and found["s2_map"][0] == 1.0
    assert found["x"][0] == pytest.approx(6.0)


def test_further_columns(read):
    """Numbers are kept, anything else is noted."""
    text = "s1,s2,drift_time,time,comment\n10,1000,50,7,fine\n11,1000,50,8,\n"
    file = read(text)
    np.testing.assert_array_equal(file.events.columns["time"][:2], [7.0, 8.0])
    assert "comment" not in file.events.columns
    (note,) = file.notes
    assert note.status is Status.SUSPICIOUS_INPUT and "column 'comment'" in note.place


# ---- rows


@pytest.mark.parametrize("bad", ["nan", "inf", "-5", "abc", "", "1_0"])
def test_bad_rows_are_named(read, bad):
    with pytest.raises(InputError, match=rf"1 of 3 rows .* row 2 has s2 = '{bad}'"):
        read(TEXT.replace("2500", bad))


def test_many_bad_rows(read):
    text = "s1,s2,drift_time\n" + "10,1000,50\n" * 3 + "x,1000,50\n" * 9
    with pytest.raises(InputError, match=r"9 of 12 rows .* row 4 .* row 8 has s1 = 'x', \.\.\.;"):
        read(text)


def test_negative_positions_are_fine(read):
    assert read("s1,s2,drift_time,x,y\n10,1000,50,-3,-4\n").events.columns["x"][0] == -3.0


def test_events_outside(read):
    """One in S1 (0.38 PE), one in S2 (192 PE), one in drift time, one in radius and S1."""
    rows = [
        "10,1000,50,0,0",
        "0.1,1000,50,0,0",
        "10,100,50,0,0",
        "10,1000,20,0,0",
        "0.1,1000,50,15,15",
    ]
    text = "s1,s2,drift_time,x,y\n" + "\n".join(rows) + "\n"
    what = "2 in S1, 1 in S2, 1 in drift time, 1 in radius"
    with pytest.raises(InputError, match=rf"4 of 5 events .*\({what}\): rows 2, 3, 4, 5;"):
        read(text)
    file = read(text, outside="drop")
    assert file.events.weight.sum() == 1
    (note,) = file.notes
    assert f"4 of 5 events outside the selection left out ({what})" in note.place


# ---- hostile files


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no header"),
        ("\n\n", "is blank"),
        ("# only a remark\n", "has no header"),
        ("1,2,3\n4,5,6\n", "has no header"),
        ("s1,s1,drift_time\n", "'s1' stands twice"),
        ("s1,,drift_time\n", "a column has no name"),
        ("s1,s2,drift_time\n1,2\n", r"events.csv:2: 2 values for 3 columns"),
        (b"s1,s2\xff\n", "not a table"),
        ('s1,s2,drift_time\n"1,2,3\n', "not a table"),
        ("s1" + "," * 2000 + "\n", "2,001 columns"),
        ("x" * 200_000 + "\n", "not a table"),
        (b"\x89HDF\r\n\x1a\n nothing", "cannot be read"),
        (b"root nothing", "cannot be read"),
    ],
)
def test_refused_with_a_reason(read, text, says):
    with pytest.raises(InputError, match=says):
        read(text)


def test_too_many_numbers(read, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CELLS", 8)
    with pytest.raises(InputError, match="3 rows and 3 columns; at most 8 numbers"):
        read(TEXT)
    with pytest.raises(InputError, match="at most 8 numbers"):
        read(hdf5(COLUMNS))
    with pytest.raises(InputError, match="at most 8 numbers"):
        read(root("events"))


def test_hdf5_that_leads_elsewhere(read, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "bad.h5"

    def made(change) -> bytes:
        path.write_bytes(hdf5({k: v for k, v in COLUMNS.items() if k != "s1"}))
        with h5py.File(path, "a") as file:
            change(file)
        return path.read_bytes()

    def external(file):
        file.create_dataset("s1", (3,), "f8", external=[("other.bin", 0, 24)])

    def virtual(file):
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "s1", (3,))
        file.create_virtual_dataset("s1", layout)

    def linked(file):
        file["s1"] = h5py.ExternalLink("other.h5", "s1")

    def large(file):
        file.create_dataset("s1", (10**12,), "f8", chunks=(10,), compression="gzip")

    def texts(file):
        file["s1"] = np.array([b"1", b"2", b"3"])

    def heap(file):
        file["s1"] = COLUMNS["s1"]
        file["s1"].attrs["unit"] = "PE"

    def square(file):
        file["s1"] = np.ones((3, 3))

    reasons = {
        external: "refers to another file",
        virtual: "refers to another file",
        linked: "is a link",
        large: "1,000,000,000,000 rows",
        texts: "has the type",
        square: "is not a one-dimensional",
        heap: "events.csv: 's1': attribute 'unit' is not text of fixed length",
    }
    for change, says in reasons.items():
        with pytest.raises(InputError, match=says):
            read(made(change))


def test_a_basket_that_claims_too_much(read):
    """The size of an unpacked basket, 28 bytes before its class's name, made 2^30 bytes."""
    data = root("events")
    at = data.index(b"\x07TBasket") - 28
    assert data[at : at + 4] == (3 * 8).to_bytes(4, "big")
    with pytest.raises(InputError, match="claims to unpack to"):
        read(data[:at] + (2**30).to_bytes(4, "big") + data[at + 4 :])


def test_no_code_from_a_root_file(read, monkeypatch):
    """uproot would run code made from the file's own description of an unknown version of TTree;
    every byte that stores the version of a class is changed in turn, here in 250 places."""
    deserialization = pytest.importorskip("uproot").deserialization

    def compiled(*_):
        raise SystemExit("code from the file")

    monkeypatch.setattr(deserialization, "_actually_compile", compiled)
    data = root("events")
    start = data.index(b"TTree")
    for i in range(start, start + 250):
        try:
            read(data[:i] + bytes([data[i] ^ 2]) + data[i + 1 :])
        except InputError as error:
            assert "code from the file" not in str(error)


def mutated(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, new in cuts:
        start %= len(data) + 1
        data = data[:start] + new + data[start + length :]
    return data


cuts = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.binary(max_size=6)),
    min_size=1,
    max_size=3,
)


@hypothesis.settings(max_examples=400, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(cuts)
def test_mutated_csv(tmp_path_factory, changes):
    """Whatever is cut out or put in: finite events, or an `InputError` that names the file."""
    path = tmp_path_factory.getbasetemp() / "mutated.csv"
    path.write_bytes(mutated(TEXT.encode(), changes))
    try:
        found = read_events(path, GENERIC, outside="drop").events
    except InputError as error:
        assert "mutated.csv" in str(error)
    else:
        assert all(np.all(np.isfinite(c)) for c in found.columns.values())


@pytest.mark.parametrize(
    "made", [lambda: hdf5(COLUMNS), lambda: root("events")], ids=["h5", "root"]
)
def test_mutated_binary_files(tmp_path, made):
    """200 files with a few bytes changed (seed 0): columns, or an `InputError`."""
    data, rng = np.frombuffer(made(), np.uint8), np.random.default_rng(0)
    path = tmp_path / "mutated"
    for _ in range(200):
        changed = data.copy()
        where = rng.integers(0, len(data), rng.integers(1, 8))
        changed[where] = rng.integers(0, 256, len(where))
        path.write_bytes(changed[: rng.integers(1, len(data))] if rng.random() < 0.2 else changed)
        try:
            read_table(path)
        except InputError as error:
            assert "mutated" in str(error)
