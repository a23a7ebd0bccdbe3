"""The example of a calibration and a search; the whole of it is slow."""

import importlib.util
import pathlib

import numpy as np
import pytest

import neyman as ny
from neyman.likelihoods.xenon import model_file

FOLDER = pathlib.Path(__file__).parents[1] / "examples" / "xenon"
EVENTS = """s1 [PE],s2 [PE],drift_time [us]
20.0,6000.0,300.0
35.0,9000.0,600.0
"""
SHARED = {"g1", "electron_gain"}


@pytest.fixture(scope="module")
def likes(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.csv"
    path.write_text(EVENTS)
    names = ("er-calibration", "nr-calibration", "search")
    return {name: model_file.likelihood(FOLDER / f"{name}.toml", data=path) for name in names}


def test_the_files_declare_alike_what_they_share(likes):
    """Sums are possible, and every nuisance of the search is measured by a calibration."""
    calibration = likes["er-calibration"] + likes["nr-calibration"]
    both = calibration + likes["search"]
    assert len(both.model.auxiliary.names) == len(calibration.model.auxiliary.names) == 9
    search, measured = set(likes["search"].parameters.names), set(calibration.parameters.names)
    assert search - measured == {"wimp_rate", "er_rate"}
    assert search & measured > SHARED
    assert both.model.poi == "wimp_rate"


@pytest.mark.slow
def test_the_whole_example(tmp_path):
    """Some 6 minutes of CPU; the numbers of docs/xenon-example.md."""
    spec = importlib.util.spec_from_file_location("search", FOLDER / "search.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    told = example.main(tmp_path / "out", toys=2_000, draws=500)
    assert 0 <= told["loss"] < 0.05
    assert told["limit"] > 0
    assert told["k of the weights"] < 0.7
    assert 0.5 < told["95 % of the posterior"] / told["limit of toys"] < 3.0
    assert 0.9 < told["limit of toys"] / told["limit"] < 1.7  # few events: asymptotics are low
    assert np.isfinite(list(told.values())).all()
    for name in ("bands.png", "limit.png", "posterior.png", "reduction.json", "binned.json"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
    reduction = ny.load_result(tmp_path / "out" / "reduction.json")
    assert len(reduction.names) == 9 and reduction.k == 3
