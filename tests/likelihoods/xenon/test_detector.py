"""Detector files and maps: shipped constants, cubature against closed forms, hostile files."""

import inspect
import json
import pathlib
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from neyman.likelihoods.xenon import detector as detector_module
from neyman.likelihoods.xenon import signals
from neyman.likelihoods.xenon.detector import Detector, load_detector
from neyman.likelihoods.xenon.detector_file import CONSTANTS, parse_detector
from neyman.likelihoods.xenon.exposure import Exposure
from neyman.likelihoods.xenon.position_maps import PositionMap, read_map
from neyman.status import InputError

SHIPPED = ("generic", "lz-like", "xenonnt-like")
FOLDER = pathlib.Path(detector_module.__file__).parent / "detectors"
GENERIC = (FOLDER / "generic.toml").read_text()


@pytest.fixture
def write(tmp_path):
    """Writes a detector file, with lines of the generic one replaced, and loads it."""

    def load(*changes: tuple[str, str], end: str = "") -> Detector:
        text = GENERIC + end
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return load_detector(path)

    return load


def grid_map(tmp_path, name: str, axes: dict, values) -> None:
    document = {"axes": [{"name": k, "points": list(v)} for k, v in axes.items()]}
    document["values"] = np.asarray(values).tolist()
    (tmp_path / name).write_text(json.dumps(document))


# ---- what ships


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped(name):
    d = load_detector(name)
    assert d.name == name and not d.maps and len(d.digest) == 64
    assert set(d.constants) == {*CONSTANTS, *(f"coincidence_{i}" for i in range(6))}
    points, weights = d.places()
    assert weights.sum() == pytest.approx(1.0) and len(weights) == 12
    np.testing.assert_array_equal(points.s1_map, 1.0)
    np.testing.assert_array_equal(d.field(weights, weights, weights), d.constants["drift_field"])


def test_every_constant_that_signals_needs():
    """The names in `signals`, which reads constants as c["name"]."""
    named = set(re.findall(r'c\["(\w+)"\]', inspect.getsource(signals)))
    assert len(named) > 10
    assert named <= set(load_detector("generic").constants)


def test_generic_is_nest(shared_data):
    """The defaults of NEST as flamedisx has them."""
    nest = json.loads((shared_data / "xenon/nest_default_constants.json").read_text())
    d = load_detector("generic")
    same = {
        "g1": "g1",
        "extraction": "extraction_eff",
        "g1_gas": "g1_gas",
        "electron_gain": "electron_gain_mean",
        "s2_fano": "s2Fano",
        "spe_res": "spe_res",
        "spe_eff": "spe_eff",
        "n_pmts": "num_pmts",
        "double_pe": "double_pe_fraction",
        "s1_gain": "s1_mean_mult",
        "s1_noise": "S1_noise",
        "s2_noise": "S2_noise",
        "drift_field": "drift_field",
        "density": "density",
    }
    for ours, theirs in same.items():
        assert d.constants[ours] == pytest.approx(nest[theirs], rel=1e-12), ours
    assert d.constants["electron_lifetime"] == nest["elife"] * 1e-3
    np.testing.assert_allclose(
        [d.constants[f"coincidence_{i}"] for i in range(6)], nest["coin_table"]
    )
    assert d.selection.s1 == (nest["S1_min"], nest["S1_max"])
    assert d.selection.s2 == (nest["S2_min"], nest["S2_max"])
    assert d.geometry.drift_velocity == pytest.approx(nest["drift_velocity"] * 1e3)


@pytest.mark.parametrize(
    ("name", "g1", "g2"),
    [("lz-like", 0.114, 47.1 * 1.214), ("xenonnt-like", 0.151 / 1.21, 16.5)],
)
def test_published_gains(name, g1, g2):
    """g1 in phd and g2 in PE an electron of arXiv:2207.03764 and arXiv:2303.14729, to 1 %."""
    c = load_detector(name).constants
    made = c["extraction"] * c["electron_gain"] * c["g1_gas"] * (1.0 + c["double_pe"])
    assert c["g1"] == pytest.approx(g1, rel=0.01)
    assert made == pytest.approx(g2, rel=0.01)


# ---- places


def test_corrected_thresholds(tmp_path, write):
    """cS1 = S1/m1 and cS2 = S2 exp(t/reference)/m2 at the ends of the raw range are those of the
    cut, unless the raw cut is tighter; the floating lifetime plays no part."""
    grid_map(tmp_path, "s1.json", {"drift_time": [38, 305]}, [0.8, 1.2])
    grid_map(tmp_path, "s2.json", {"r": [0, 20]}, [1.0, 0.9])
    cuts = ("[selection]", "[selection]\ncs1 = [2.0, 50.0]\ncs2 = [250.0, 8000.0]")
    life = ("reference_lifetime = 800.0", "reference_lifetime = 500.0")
    d = write(cuts, life, end='[maps]\ns1 = "s1.json"\ns2 = "s2.json"\n')
    points, _ = d.places(5)
    low, high = d.selection.raw_s1(points)
    np.testing.assert_allclose(low / points.s1_map, 2.0)
    np.testing.assert_allclose(high / points.s1_map, 50.0)
    low, high = d.selection.raw_s2(points)
    corrected = np.exp(points.drift_time / 500.0) / points.s2_map
    np.testing.assert_allclose(high * corrected, 8000.0)
    assert np.all(low >= 192.295082)
    np.testing.assert_allclose(low, np.maximum(192.295082, 250.0 / corrected))


def test_cubature_of_the_cylinder(tmp_path, write):
    """Means over the volume: x^2 is R^2/4, r is 2 R/3, t^2 by its antiderivative. A map in x and
    t makes nodes in all three."""
    grid_map(tmp_path, "m.json", {"x": [-20, 20], "drift_time": [0, 400]}, [[1, 2], [3, 4]])
    d = write(end='[maps]\ns1 = "m.json"\n')
    nodes = d.cubature()
    assert len(nodes.weight) == 12 * 6 * 12 and nodes.weight.sum() == pytest.approx(1.0)
    assert nodes.weight @ nodes.x**2 == pytest.approx(100.0, rel=1e-12)
    assert nodes.weight @ np.hypot(nodes.x, nodes.y) == pytest.approx(40.0 / 3.0, rel=1e-3)
    assert nodes.weight @ nodes.drift_time**2 == pytest.approx((305.0**3 - 38.0**3) / 3 / 267.0)
    points, weight = d.places()
    mean_t = (171.5 / 400.0) + 2.0
    assert weight @ points.s1_map == pytest.approx(mean_t, rel=1e-12)


def test_a_map_in_time_alone_needs_no_rings(tmp_path, write):
    grid_map(tmp_path, "m.json", {"drift_time": [0, 400]}, [100.0, 200.0])
    d = write(end='[maps]\nfield = "m.json"\n')
    assert len(d.cubature(7).weight) == 7 and not d.needs_position
    np.testing.assert_allclose(d.field(np.zeros(1), np.zeros(1), np.array([100.0])), 125.0)


def test_spread_places():
    """1,000 places: means of t, r^2 and of cos(phi) to 1 %; all inside."""
    d = load_detector("generic")
    places = Exposure(d).spread(1000)
    assert len(places.x) == 1000 and np.all(places.time == 0.0)
    low, high = d.drift_times
    assert np.all((places.drift_time > low) & (places.drift_time < high))
    r2 = places.x**2 + places.y**2
    assert np.all(r2 < 400.0) and r2.mean() == pytest.approx(200.0, rel=0.01)
    assert places.drift_time.mean() == pytest.approx(171.5, rel=0.01)
    assert abs(places.x.mean()) < 0.01 * 20.0 and abs(places.y.mean()) < 0.01 * 20.0


# ---- maps


def test_map_is_linear_between_points():
    grid = tuple(np.array(a) for a in ([-1.0, 0.0, 2.0], [0.0, 10.0]))
    m = PositionMap(("y", "drift_time"), grid, np.add.outer(grid[0] + 3.0, grid[1]))
    y, t = np.array([-0.5, 1.7, 5.0]), np.array([1.0, 9.5, 20.0])
    expected = np.clip(y, -1, 2) + 3.0 + np.clip(t, 0, 10)
    np.testing.assert_allclose(m.at(np.zeros(3), y, t), expected)


def test_map_in_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["r"], file["drift_time"] = [0.0, 50.0], [0.0, 100.0, 1000.0]
        file["values"] = np.arange(6.0).reshape(2, 3) + 1.0
        file["values"].attrs["axes"] = np.bytes_("r drift_time")
    m = read_map(path)
    assert m.axes == ("r", "drift_time")
    np.testing.assert_allclose(m.at(np.array([30.0]), np.array([40.0]), np.array([100.0])), 5.0)
    with h5py.File(path, "a") as file:
        del file["r"]
        file["r"] = h5py.ExternalLink("other.h5", "r")
    with pytest.raises(InputError, match=r"m.h5: r: is not in the file"):
        read_map(path)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"axes": [], "values": []}', "name one to three"),
        ('{"axes": [{"name": "q", "points": [0, 1]}], "values": [1, 1]}', "axis 'q': is unknown"),
        ('{"axes": [{"name": "x", "points": [0, 0]}], "values": [1, 1]}', "do not increase"),
        ('{"axes": [{"name": "x", "points": [0, 1]}], "values": [1]}', "one value a point"),
        ('{"axes": [{"name": "x", "points": [0, 1]}], "values": [1, [1]]}', "not a full grid"),
        ('{"axes": [{"name": "x", "points": [0, 1]}], "values": [1, -1]}', "above 0 everywhere"),
        ('{"axes": [{"name": "x", "points": [0, 1]}], "values": [1, NaN]}', "NaN"),
        ('{"axes": 1, "values": []}', "axes"),
        ("[]", "object"),
        ("", "empty"),
    ],
)
def test_what_is_no_map(tmp_path, document, says):
    (tmp_path / "m.json").write_text(document)
    with pytest.raises(InputError, match=says):
        read_map(tmp_path / "m.json")


@pytest.mark.parametrize("name", ["../m.json", "/m.json", "a/../../m.json", "", "..\\\\m.json"])
def test_a_map_elsewhere(tmp_path, write, name):
    with pytest.raises(InputError, match=r"maps.s1: .* leads elsewhere"):
        write(end=f'[maps]\ns1 = "{name}"\n')


def test_maps_that_do_not_fit(tmp_path, write):
    grid_map(tmp_path, "m.json", {"r": [0, 15]}, [1.0, 1.0])
    with pytest.raises(InputError, match=r"maps.s1: axis 'r': reaches from 0 to 15.* 0 to 20"):
        write(end='[maps]\ns1 = "m.json"\n')
    grid_map(tmp_path, "m.json", {"r": [0, 25]}, [1.0, 9.0])
    with pytest.raises(InputError, match="reaches 9, so photons are detected more often"):
        write(end='[maps]\ns1 = "m.json"\n')
    with pytest.raises(InputError, match="no such file"):
        write(end='[maps]\ns1 = "n.json"\n')


# ---- bad files


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("g1 = 0.117", "g1 = 0.0", r"constants.g1: 0 is impossible; .*above 0 up to 0.999 phd/ph"),
        ("g1 = 0.117", "g1 = 1.5", r"constants.g1: 1.5 is impossible"),
        ("g1 = 0.117", "g1 = nan", r"constants.g1: is nan; give a finite number"),
        ("g1 = 0.117", 'g1 = "0.1"', r"constants.*Expected|expected `float"),
        ("g1 = 0.117", "g1 = true", "expected `float"),
        ("g1 = 0.117", "g1 = [0.1]", "g1: is a list"),
        ("g1 = 0.117", "", r"constants.g1: is missing; add it: detection of an S1 photon"),
        ("g1 = 0.117", "g1 = 0.117\ng11 = 1", r"constants.g11: .*g1"),
        ("= 800.0            #", "= -800.0 #", r"electron_lifetime: -800 is impossible"),
        ("extraction = 0.54", "extraction = 1.54", "extraction: 1.54309 is impossible"),
        ("density = 2.888633638696888", "density = 2888", "density: 2888 is impossible"),
        ("0.9096332286116875", "1.9", r"coincidence\[2\]: 1.9 is impossible"),
        ("coincidence = [0.0, ", "coincidence = [", "coincidence: is not a list of 6"),
        ("s1 = [0.38459016, 1e5]", "s1 = [9, 1]", r"selection.s1: \[9, 1\] is not increasing"),
        ("s1 = [0.38459016, 1e5]", "s1 = [0, inf]", r"up to 1e\+09 for no limit"),
        ("s1 = [0.38459016, 1e5]", "s1 = [0, 1, 2]", r"selection.s1"),
        ("s1 = [0.38459016, 1e5]", "", "missing required field `s1`"),
        ("radius = 20.0", "radius = 24.0", "r_max: 23.5 cm is within the fiducial radius"),
        ("radius = 20.0", "radius = inf", "geometry.radius: is inf"),
        ("drift_time = [38.0, 305.0]", "drift_time = [305.0, 38.0]", "not increasing"),
        ("[geometry]", "[geometri]", "geometr"),
        ("[geometry]", "[geometry", "is not TOML .*line 2"),
        ("g1 = 0.117", "g1 = " + "9" * 400, "number out of range"),
    ],
)
def test_what_is_wrong_is_named(write, old, new, says):
    with pytest.raises(InputError, match=says):
        write((old, new))


def test_unknown_and_too_large(tmp_path):
    with pytest.raises(InputError, match="one of generic, lz-like, xenonnt-like"):
        load_detector("lz")
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(InputError, match="more than the 262,144 allowed"):
        load_detector(path)
    path.write_bytes(b"a = " + b"[" * 100_000)
    with pytest.raises(InputError, match="is not TOML"):
        load_detector(path)


@hypothesis.settings(max_examples=300)
@hypothesis.given(
    st.integers(0, len(GENERIC)), st.integers(0, 40), st.text(max_size=8) | st.binary(max_size=8)
)
def test_mutated_files(start, length, inserted):
    """Whatever is cut out or put in, a detector or an `InputError`."""
    new = inserted.encode("utf-8", "surrogatepass") if isinstance(inserted, str) else inserted
    data = GENERIC.encode()
    try:
        parse_detector(data[:start] + new + data[start + length :], "mutated.toml")
    except InputError as error:
        assert "mutated.toml" in str(error)
