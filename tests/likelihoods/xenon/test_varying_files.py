"""Model files and event files with what depends on place and time."""

import json
import pathlib

import numpy as np
import pytest

import neyman as ny
from neyman.likelihoods.xenon import detector
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import read_events
from neyman.status import InputError

GENERIC = load_detector("generic")
LIVE = ((0.0, 60.0), (80.0, 100.0))
MODEL = """
kind = "xenon"
detector = "generic"
poi = "radon_rate"
[run]
start = 2022-03-01
live = [[0.0, 60.0], [80.0, 100.0]]
[sources.radon]
kind = "er"
spectrum = "lines"
events = [[2.8, 40.0]]
rate_map = "radon.json"
[sources.activation]
kind = "nr"
spectrum = "lines"
events = [[8.0, 30.0]]
half_life = 30.0
[sources.pairs]
kind = "accidentals"
file = "pairs.csv"
events = 3.0
[parameters.radon_rate]
[parameters.pairs_rate]
"""
RADON = {"axes": [{"name": "r", "points": [0, 10, 20]}], "values": [1.0, 1.5, 3.0]}
PAIRS = "s1_low,s1_high,s2_low,s2_high,events\n2,20,200,2000,3\n20,40,200,2000,1\n"
COLUMNS = {
    "s1": np.array([10.5, 15.0, 8.25]),
    "s2": np.array([1000.0, 1500.0, 1400.0]),
    "drift_time": np.array([50.0, 150.0, 300.0]),
    "x": np.array([0.0, 3.0, -12.0]),
    "y": np.array([0.0, -4.0, 16.0]),
    "time": np.array([0.0, 30.0, 90.0]),
}


def write_csv(path, columns):
    rows = np.stack(list(columns.values()), axis=1)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, r)) for r in rows)]))


def write_hdf5(path, columns):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values


def write_root(path, columns):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(path) as file:
        file.mktree("events", dict.fromkeys(columns, np.float64))
        file["events"].extend(columns)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "radon.json").write_text(json.dumps(RADON))
    (tmp_path / "pairs.csv").write_text(PAIRS)
    write_csv(tmp_path / "events.csv", COLUMNS)
    return tmp_path


def test_a_model_whose_rates_vary(folder):
    """Each event has the rate of its place and time, relative to the mean of map and run."""
    like = ny.load(folder / "model.toml", data=folder / "events.csv")
    columns = {n: np.asarray(v)[:3] for n, v in like.data.main.columns.items()}
    r2 = np.linspace(0.0, 400.0, 4001)
    mean = np.mean(np.interp(np.sqrt(r2), [0, 10, 20], [1.0, 1.5, 3.0]))
    np.testing.assert_allclose(columns["radon[0]"] * mean, [1.0, 1.25, 3.0], rtol=5e-3)
    live = np.concatenate([np.linspace(a, b, 60001)[::1] for a, b in LIVE])
    weight = np.repeat([60.0 / 60001, 20.0 / 60001], 60001)
    mean = np.sum(weight * 2.0 ** (-live / 30.0)) / 80.0
    np.testing.assert_allclose(columns["activation[0]"] * mean, [1.0, 0.5, 0.125], rtol=1e-4)
    assert like.model.names == ("radon", "activation", "pairs")
    assert like.model.columns[-2:] == ("radon[0]", "activation[0]")


@pytest.mark.parametrize("write", [write_csv, write_hdf5, write_root])
def test_time_and_place_from_every_format(tmp_path, write):
    path = tmp_path / "events.dat"
    write(path, COLUMNS)
    read = read_events(path, GENERIC, axes=("r", "time"), live=LIVE)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(read.events.columns[name][:3], values)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time": np.array([0.0, 70.0, 90.0])}, "1 in live time"),
        ({"time": np.array([0.0, np.nan, 90.0])}, "row 2 has time"),
        ({"x": np.array([0.0, 3.0, 90.0])}, "1 in radius"),
        ({"time": None}, "no column 'time'"),
        ({"x": None}, "no column 'x'"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, changes, says):
    columns = {n: v for n, v in (COLUMNS | changes).items() if v is not None}
    write_csv(tmp_path / "events.csv", columns)
    with pytest.raises(InputError, match=says):
        read_events(tmp_path / "events.csv", GENERIC, axes=("r", "time"), live=LIVE)


def test_time_in_hours(tmp_path):
    write_csv(tmp_path / "e.csv", {n + " [h]" * (n == "time"): v for n, v in COLUMNS.items()})
    read = read_events(tmp_path / "e.csv", GENERIC, live=LIVE, units={"time": "h"})
    np.testing.assert_allclose(read.events.columns["time"][:3], COLUMNS["time"] / 24.0)


WIMP = "mass = 40.0\ncross_section = 1e-46\nexposure = 1.0\nmodulated = true"
SECOND = 'spectrum = "lines"\nevents = [[8.0, 30.0]]'
HOSTILE = {
    "two dependences": (
        "[sources.act",
        "half_life = 3.0\n[sources.act",
        "has rate_map and half_life",
    ),
    "a half-life of 0": ("half_life = 30.0", "half_life = 0.0", "sources.activation: half_life"),
    "a half-life in words": ("half_life = 30.0", 'half_life = "long"', "half_life: is not a"),
    "no live time": ("live = [[0.0, 60.0], [80.0, 100.0]]", "", "there is no live time"),
    "stretches that overlap": ("[80.0", "[50.0", "run.live[1]: begins at 50"),
    "a map elsewhere": ("radon.json", "../radon.json", "leads elsewhere"),
    "no map": ("radon.json", "radium.json", "radium.json"),
    "modulated lines": ("half_life = 30.0", "modulated = true", "modulated: is for a wimp"),
    "a date in words": ("start = 2022-03-01", 'start = "March"', "run.start"),
    "no histogram": ('file = "pairs.csv"', "", "sources.pairs.file: is missing"),
    "an unknown key of pairs": ("events = 3.0", "events = 3.0\nlow = 1.0", "low"),
    "pairs without a number": ("events = 3.0", 'events = "many"', "pairs.events: is not a number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models(folder, name):
    old, new, place = HOSTILE[name]
    text = MODEL.replace(old, new)
    if "date" in name:
        text = text.replace("half_life = 30.0", WIMP).replace(SECOND, 'spectrum = "wimp"')
    (folder / "model.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        ny.load(folder / "model.toml", data=folder / "events.csv")
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


ACCEPTANCES = """
[[selection.acceptances]]
signal = "cs1"
points = [2.0, 5.0]
values = [0.0, 1.0]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("values = [0.0, 1.0]", "values = [0.0, 1.5]", r"acceptances\[0\].values\[1\]: 1.5"),
        ("values = [0.0, 1.0]", "values = [0.0]", "has 1 numbers for 2 points"),
        ("points = [2.0, 5.0]", "points = [5.0, 2.0]", "does not increase"),
        ("points = [2.0, 5.0]", "points = [2.0]", "has 1 points"),
        ('signal = "cs1"', 'signal = "cs3"', "signal"),
        ("[[selection", ACCEPTANCES + "[[selection", "a second curve of cs1"),
    ],
)
def test_acceptances_of_a_detector_file(tmp_path, old, new, says):
    path = tmp_path / "detector.toml"
    shipped = pathlib.Path(detector.__file__).parent / "detectors" / "generic.toml"

    text = shipped.read_text()
    path.write_text(text + ACCEPTANCES)
    curve = load_detector(path).selection.acceptances[0]
    assert curve == ("cs1", (2.0, 5.0), (0.0, 1.0))
    path.write_text(text + ACCEPTANCES.replace(old, new, 1))
    with pytest.raises(InputError, match=says):
        load_detector(path)
