"""Results: saved and loaded whole, one strict JSON object each, frozen, the same every time.

Adding a result: a line in `VERBS` with the keys that the design promises for it.
"""

import dataclasses
import json
import math
import typing

import numpy as np
import pytest

import neyman as ny
from neyman import results
from neyman.inference.impacts import impacts
from neyman.inference.yields import yields
from tests.contracts.models import LIKELIHOODS
from tests.strategies import random_workspace
from tests.truth.test_pyhf import MU, modifier, workspace

XSEC = modifier("normsys", "xsec", {"lo": 0.9, "hi": 1.1})
SHAPE = modifier("shapesys", "gamma", [2.0, 0.0])
DOCUMENT = workspace(
    {"A": {"signal": ([3.0, 2.0], [MU]), "background": ([9.0, 7.0], [XSEC, SHAPE])}}
)
CALIBRATION = workspace({"B": {"background": ([400.0], [XSEC]), "signal": ([1.0], [MU])}})
CALIBRATION["observations"][0]["data"] = [410.0]


def whole(like: ny.Likelihood) -> tuple[float, float]:
    """An interval that covers all there is."""
    return 0.0, np.inf


def nowhere(key: object, like: ny.Likelihood) -> np.ndarray:
    """Nine draws from a posterior that knows nothing."""
    return np.zeros((9, len(like.parameters)))


VERBS = {
    "fit": (lambda like: ny.fit(like), {"twice_nll", "parameters", "iterations"}),
    "scan": (
        lambda like: ny.scan(like, points=4),
        {"poi", "values", "delta_twice_nll", "best"},
    ),
    "test": (
        lambda like: ny.hypotest(like, value=1.0),
        {"poi", "value", "cls", "clsb", "clb", "statistic", "method", "reason"},
    ),
    "limit": (
        lambda like: ny.upper_limit(like),
        {"poi", "level", "observed", "expected", "method", "reason"},
    ),
    "significance": (
        lambda like: ny.significance(like),
        {"poi", "p0", "z", "expected_z", "method", "reason"},
    ),
    "interval": (
        lambda like: ny.interval(like),
        {"poi", "level", "lower", "upper", "best", "method"},
    ),
    "contour": (
        lambda like: ny.contour(like, ("mu", "xsec"), level=0.68),
        {"pois", "best", "levels", "contours", "method"},
    ),
    "impacts": (lambda like: impacts(like), {"poi", "best", "error", "impacts"}),
    "yields": (lambda like: yields(like), {"channels"}),
    "coverage": (
        lambda like: ny.coverage(like.model, at={"mu": 1.0}, level=0.9, interval=whole, toys=2),
        {"poi", "interval", "method", "toys", "coverage", "ranks", "power"},
    ),
    "calibration": (
        lambda like: ny.calibrate(like, posterior=nowhere, sets=2),
        {"sets", "failed", "ranks", "coverage", "power"},
    ),
    "samples": (
        lambda like: ny.sample(like, key=1, draws=20, chains=2, warmup=20),
        {"parameters", "divergences"},
    ),
    "reduction": (
        lambda like: ny.reduce(like, ny.fit(ny.load(CALIBRATION), fix={"mu": 0.0}), 1).reduction,
        {"poi", "k", "by", "fraction", "error", "components"},
    ),
    "bands": (
        lambda like: ny.bands(LIKELIHOODS["events"]()),
        {"cs1", "levels", "sources", "events"},
    ),
    "energies": (
        lambda like: ny.energies(LIKELIHOODS["events"]()),
        {"edges", "sources", "events"},
    ),
}
ALWAYS = {"status", "message", "provenance"}


@pytest.fixture(scope="module")
def made() -> dict[str, results.Result]:
    """One result of each kind, with notes: a suspicious bin and a parameter at its bound."""
    document = json.loads(json.dumps(DOCUMENT))
    document["channels"][0]["samples"][0]["data"][1] = -0.5
    document["observations"][0]["data"] = [8.0, 6.0]
    like = ny.load(document)
    return {kind: verb(like) for kind, (verb, _) in VERBS.items()}


def strict(text: str) -> dict:
    def refuse(token):
        raise AssertionError(f"{token} is not JSON")

    body = json.loads(text, parse_constant=refuse)
    assert isinstance(body, dict)
    return body


def assert_equal(first: typing.Any, second: typing.Any) -> None:
    """Field by field, NaN being equal to NaN."""
    assert type(first) is type(second)
    for field in dataclasses.fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        assert type(a) is type(b), field.name
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        else:
            assert a == b or (a != a and b != b), field.name


def test_all_are_listed():
    assert {cls.kind for cls in typing.get_args(results.AnyResult)} == set(VERBS)


@pytest.mark.parametrize("kind", VERBS)
def test_saved_and_loaded_whole(kind, made, tmp_path):
    path = tmp_path / "result.json"
    made[kind].save(path)
    strict(path.read_text())
    assert_equal(type(made[kind]).load(path), made[kind])
    assert_equal(ny.load_result(path), made[kind])
    again = tmp_path / "again.json"
    ny.load_result(path).save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", VERBS)
def test_json_is_one_strict_object_with_the_promised_keys(kind, made):
    body = strict(made[kind].to_json())
    assert set(body) == VERBS[kind][1] | ALWAYS
    assert "\n" not in made[kind].to_json()
    assert body["status"] == made[kind].status.name.lower()
    assert set(body["provenance"]) >= {"inputs", "seed", "versions", "date"}
    if kind not in ("bands", "energies"):  # they are of another likelihood, made in Python
        assert "negative yield" in body["message"]
        assert len(body["provenance"]["inputs"]["model"]) == 64


def test_the_keys_inside(made):
    fit = strict(made["fit"].to_json())
    assert set(fit["parameters"]) == {"mu", "xsec", "gamma[0]", "gamma[1]"}
    assert all(set(entry) == {"value", "error"} for entry in fit["parameters"].values())
    assert fit["parameters"]["gamma[1]"]["error"] is None  # fixed, so it has none
    assert set(strict(made["test"].to_json())["cls"]) == {"observed", "expected"}
    for kind, path in (("test", "cls"), ("limit", None)):
        body = strict(made[kind].to_json())
        expected = body[path]["expected"] if path else body["expected"]
        assert len(expected) == 5
        assert expected == sorted(expected)


@pytest.mark.parametrize("kind", VERBS)
def test_frozen(kind, made):
    for field in dataclasses.fields(made[kind]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made[kind], field.name, None)


@pytest.mark.parametrize("kind", VERBS)
def test_final(kind, made):
    assert type(made[kind]).__final__


@pytest.mark.parametrize("kind", VERBS)
def test_the_same_input_gives_the_same_bytes(kind, tmp_path):
    def once() -> dict:
        result = VERBS[kind][0](ny.load(DOCUMENT))
        result.save(tmp_path / "result.json")
        body = strict((tmp_path / "result.json").read_text())
        body["provenance"].pop("date")
        return body

    assert json.dumps(once()) == json.dumps(once())


@pytest.mark.parametrize("kind", VERBS)
def test_a_summary_is_for_people(kind, made):
    text = made[kind].summary()
    assert 0 < len(text) < 2000
    assert not text.endswith("\n")
    assert "array(" not in text


def test_provenance_tells_data_apart():
    other = json.loads(json.dumps(DOCUMENT))
    other["observations"][0]["data"] = [11.0, 9.0]
    first, second = (ny.fit(ny.load(d)).provenance["inputs"] for d in (DOCUMENT, other))
    assert first["data"] != second["data"]


def test_numbers_that_json_lacks_come_back(tmp_path):
    """Infinities and NaN are null in the answer but whole in the file."""
    scan = results.Scan(
        poi="mu",
        values=np.array([0.0, 1.0]),
        delta_twice_nll=np.array([math.inf, math.nan]),
        best=-math.inf,
    )
    assert strict(scan.to_json())["delta_twice_nll"] == [None, None]
    scan.save(tmp_path / "scan.json")
    assert_equal(results.Scan.load(tmp_path / "scan.json"), scan)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "holds no fit result"),
        ("{}", "holds no fit result"),
        ('{"result": "limit"}', "holds no fit result"),
        ('{"result": "fit"}', "is a damaged fit result"),
        ('{"result": "fit", "notes": [["FINER", ""]]}', "is a damaged fit result"),
        ('{"result": "fit", "colour": "red"}', "is a damaged fit result"),
        ('{"result": "fit"', "ends too early"),
    ],
)
def test_what_is_no_result(text, match, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ny.InputError, match=match):
        results.Fit.load(path)


def test_random_fits_come_back_whole(tmp_path):
    for seed in range(20):
        best = ny.fit(ny.load(random_workspace(np.random.default_rng(seed))))
        best.save(tmp_path / "fit.json")
        assert_equal(ny.load_result(tmp_path / "fit.json"), best)
