"""Toys against exact enumeration: one Poisson bin with a known background has

    CLs(mu) = P(n <= n_obs | mu s + b) / P(n <= n_obs | b)

for every statistic that falls with n, ties included."""

import functools
import json
import shutil
import sys

import numpy as np
import pytest
import scipy.optimize
from scipy.stats import norm, poisson

import neyman as ny
from neyman.inference import toy_limit, toy_test
from neyman.inference.asymptotics import AsymptoticTest
from neyman.inference.distribution import Distribution, PValue
from neyman.inference.hypotest import hypotest
from neyman.inference.limit import Found, upper_limit
from neyman.inference.significance import significance
from neyman.inference.simulate import simulate
from neyman.inference.toy_test import CHUNK, CLsPoint, ToyTest, Workplace
from neyman.inference.toys import (
    Chunk,
    Truth,
    _point,
    failed_toys,
    throw,
    thrown_arrays,
)
from neyman.io.chunks import merge
from neyman.likelihoods.counting import counting
from neyman.model import Data
from neyman.status import InputError, Status
from tests.truth.test_pyhf import MU, modifier, workspace


def one_bin(n, b, bounds=(0.0, 50.0)):
    return counting([1.0], [b], bounds=bounds).observe(Data(np.array([float(n)]), np.zeros(0)))


def test_a_deficit_that_no_toy_reaches_is_told():
    """P(n <= 50 | 100) = 1e-8."""
    found = hypotest(one_bin(50, 100.0), value=1.0, null="toys", toys=1_000)
    assert np.isnan(found.observed)
    assert found.status is Status.TOO_FEW_TOYS
    assert "--toys" in found.message


def exact_cls(n, mu, b):
    return poisson.cdf(n, mu + b) / poisson.cdf(n, b)


@pytest.fixture(scope="module")
def like():
    return one_bin(2, 3.0)


def chunk(like, first, n, stream=0, values=(4.0,)):
    theta = np.array([[4.0]])
    return Chunk(like.model, Truth(theta, values, 0), "qtilde", 7, stream, first, n)


def test_cls_equals_enumeration(like):
    """20,000 toys, 4 standard errors: a false alarm in 16,000 runs, a bias of 8 % is caught."""
    result = hypotest(like, value=4.0, null="toys", toys=20_000, key=1)
    exact = exact_cls(2, 4.0, 3.0)
    assert result.method == "toys"
    assert abs(result.observed - exact) < 4 * result.error
    assert result.error < 0.02 * 4 * exact
    quantile = poisson.ppf(norm.cdf([-2, -1, 0, 1, 2]), 3.0)
    expected = [exact_cls(n, 4.0, 3.0) if n - 3.0 < 4.0 else 1.0 for n in quantile]
    assert np.all(np.abs(result.expected - expected) < 4 * result.expected_error)


@pytest.mark.parametrize(("n", "b"), [(0, 0.5), (2, 3.0), (6, 3.0)])
def test_limit_equals_enumeration(n, b):
    """Observed limits within 4 standard errors of the exact one."""
    limit = upper_limit(one_bin(n, b), null="toys", toys=5_000, key=2)
    exact = scipy.optimize.brentq(lambda mu: exact_cls(n, mu, b) - 0.05, 0.01, 40)
    assert abs(limit.observed - exact) < 4 * limit.error
    assert limit.error < 0.06 * exact
    assert not limit.status.failed


def test_a_toy_is_the_same_whatever_its_chunk(like):
    together = throw(chunk(like, 0, 24))
    parts = [throw(chunk(like, 0, 8)), throw(chunk(like, 8, 16))]
    for whole, *pieces in zip(together, *parts, strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(pieces))
    other = throw(chunk(like, 0, 24, stream=1))
    assert np.any(other.poi_hat != together.poi_hat)


def test_values_share_the_toys(like):
    both = throw(chunk(like, 0, 16, values=(2.0, 4.0)))
    one = throw(chunk(like, 0, 16, values=(4.0,)))
    np.testing.assert_allclose(both.statistic[:, 1], one.statistic[:, 0], atol=1e-8)


def test_same_key_same_result(like):
    first, again = (hypotest(like, value=3.0, null="toys", toys=2_000, key=5) for _ in range(2))
    assert first.observed == again.observed
    assert first.observed != hypotest(like, value=3.0, null="toys", toys=2_000, key=6).observed


def test_importance_sampling_agrees_with_plain_toys():
    """n = 8 on b = 3: p0 = P(n >= 8 | 3) = 0.0119; both within 4 standard errors of it."""
    test = AsymptoticTest(one_bin(8, 3.0), "mu")
    exact = poisson.sf(7, 3.0)
    for importance in (False, True):
        p0 = ToyTest(test, 3).discovery(20_000, importance=importance)
        assert abs(p0.value - exact) < 4 * p0.error
    rare = AsymptoticTest(one_bin(14, 3.0), "mu")
    p0 = ToyTest(rare, 3).discovery(20_000, importance=True)
    assert abs(p0.value - poisson.sf(13, 3.0)) < 4 * p0.error
    assert p0.error < 0.1 * p0.value


@pytest.mark.parametrize(("n", "value"), [(3, 12.0), (3, 25.0), (0, 10.0)])
def test_importance_sampling_of_cls(n, value):
    """CLs+b = P(n' <= n | value + 3) from 7e-2 down to 1e-9: within 4 standard errors (a false
    alarm in 16,000), which are below a tenth of it; so are the expected ones but at -2 sigma."""
    like = one_bin(n, 3.0)
    for importance in (False, True):
        (point,) = ToyTest(AsymptoticTest(like, "mu"), 3).points(
            [value], 20_000, importance=importance
        )
        quantile = [n, *poisson.ppf(norm.cdf([-2, -1, 0, 1, 2]), 3.0)]
        exact = np.array([exact_cls(k, value, 3.0) for k in quantile])
        assert np.all(np.abs(point.cls - exact) < 4 * point.error)
        if importance:
            assert abs(point.clsb.value - poisson.cdf(n, value + 3.0)) < 4 * point.clsb.error
            assert np.all(point.error[[0, 3, 4, 5]] < 0.1 * point.cls[[0, 3, 4, 5]] + 1e-12)


def test_small_cls_is_importance_sampled_without_being_asked():
    """Plain toys would give 0."""
    result = hypotest(one_bin(3, 3.0), value=25.0, null="toys", toys=5_000)
    assert abs(result.observed - exact_cls(3, 25.0, 3.0)) < 4 * result.error
    assert 0 < result.error < 0.2 * result.observed


def test_significance_names_its_method():
    result = significance(one_bin(8, 3.0), null="auto", toys=4_000)
    assert result.method == "toys"
    assert "fewer than 5" in result.reason
    assert abs(result.p0 - poisson.sf(7, 3.0)) < 4 * result.error


def test_no_excess_has_zero_sigma():
    """As by asymptotic formulas, and p0 = P(q0 >= 0) = 1."""
    result = significance(one_bin(0, 3.0), null="toys", toys=1_000)
    assert (result.p0, result.z) == (1.0, 0.0)
    assert significance(one_bin(0, 3.0), null="asymptotic").z == 0.0
    assert json.loads(result.to_json())["z"] == 0.0


def test_sigma_is_finite_where_no_toy_is_beyond(monkeypatch):
    """The sigma of one toy in a thousand."""
    monkeypatch.setattr(sys.modules[significance.__module__], "RARE", np.inf)
    result = significance(one_bin(40, 3.0), null="toys", toys=1_000)
    assert (result.p0, result.error) == (0.0, 0.001)
    assert result.z == pytest.approx(norm.isf(0.001))


def test_auto_takes_asymptotics_where_events_are_many():
    result = hypotest(one_bin(100, 100.0, (0.0, 200.0)), value=20.0, null="auto")
    assert result.method == "asymptotic"
    assert "enough" in result.reason


def distribution(q, log_weight=0.0):
    found = Distribution()
    found.add(np.asarray(q, dtype=float), log_weight)
    return found


def test_failed_toys_are_left_out_and_counted():
    p = distribution([1.0, np.nan, 3.0]).p_value(2.0)
    assert (p.value, p.toys, p.failed) == (0.5, 2, 1)
    assert np.isnan(distribution([np.nan] * 3).p_value(2.0).value)


def none_fine(chunk):
    return failed_toys(chunk)._asdict() | {"point": _point(chunk)}


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (functools.partial(hypotest, value=4.0), "observed"),
        (upper_limit, "observed"),
        (significance, "p0"),
    ],
)
def test_nothing_is_left_where_every_toy_fails(verb, name, like, monkeypatch):
    monkeypatch.setattr(toy_test, "thrown_arrays", none_fine)
    result = verb(like, null="toys", toys=1_000)
    assert result.status is Status.EVERY_TOY_FAILED
    assert np.isnan(getattr(result, name))
    assert np.all(np.isnan(getattr(result, "expected", np.nan)))
    assert np.isnan(getattr(result, "z", np.nan))


def test_one_hypothesis_without_toys_is_enough_to_fail(like, monkeypatch):
    def signal_fails(chunk):
        return none_fine(chunk) if chunk.stream else thrown_arrays(chunk)

    monkeypatch.setattr(toy_test, "thrown_arrays", signal_fails)
    result = hypotest(like, value=4.0, null="toys", toys=1_000)
    assert result.status is Status.EVERY_TOY_FAILED
    assert np.isnan(result.observed) and np.all(np.isnan(result.expected))


def test_ties_count_as_beyond():
    ones = distribution(np.ones(10))
    assert ones.p_value(1.0 + 1e-9).value == 1.0
    assert ones.p_value(1.1) == (0.0, 0.1, 10, 0)


def test_weighted_quantiles():
    found = distribution(np.arange(4.0), np.log([1, 1, 1, 5.0]))
    np.testing.assert_array_equal(found.quantiles(np.array([0.1, 0.25, 0.5])), [0.0, 1.0, 3.0])


def test_toys_are_whole_chunks(like):
    assert hypotest(like, value=3.0, null="toys", toys=CHUNK + 1).toys == 2 * CHUNK


def test_unknown_null(like):
    with pytest.raises(InputError, match="null 'exact': unknown; known are"):
        upper_limit(like, null="exact")


def test_workers_and_resumes_give_the_same_bits(like, tmp_path, monkeypatch):
    """One process; two processes with a folder; then a resume with a chunk lost."""
    alone = hypotest(like, value=3.0, null="toys", toys=3_000, key=4)
    monkeypatch.setattr(toy_test, "WORTH", 0.0)
    shared = Workplace(workers=2, folder=tmp_path / "toys")
    together = hypotest(like, value=3.0, null="toys", toys=3_000, key=4, workplace=shared)
    sorted((tmp_path / "toys").glob("*.npz"))[1].unlink()
    kept = Workplace(folder=tmp_path / "toys")
    resumed = hypotest(like, value=3.0, null="toys", toys=3_000, key=4, workplace=kept)
    for other in (together, resumed):
        assert other.observed == alone.observed
        assert other.error == alone.error
        np.testing.assert_array_equal(other.expected, alone.expected)


def test_a_folder_of_other_toys_is_refused(like, tmp_path):
    """Not read as if they were the ones asked for: a chunk's number means other toys there."""
    kept = Workplace(folder=tmp_path / "toys")
    asked = {"value": 3.0, "toys": 1_000, "key": 4}
    hypotest(like, null="toys", **asked, workplace=kept)
    for change in ({"key": 5}, {"value": 4.0}):
        with pytest.raises(InputError, match="holds another computation"):
            hypotest(like, null="toys", **asked | change, workplace=kept)
    with pytest.raises(InputError, match="holds another computation"):
        upper_limit(like, null="toys", toys=1_000, key=4, workplace=kept)


def known(result):
    """All that a result says, but when it was made."""
    content = json.loads(result.to_json())
    return {k: v for k, v in content.items() if k != "provenance"}


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        (hypotest, {"value": 3.0}),
        (significance, {}),
        (upper_limit, {"precision": 0.0}),
        (ny.interval, {"method": "feldman-cousins"}),
    ],
)
def test_more_toys_in_the_same_folder(verb, options, like, tmp_path, monkeypatch):
    """Those that are there are kept; the result is that of a run with as many from the start.
    An interval tests other values when it has more toys, once a value could not be told."""
    if verb is not ny.interval:
        options = options | {"null": "toys"}
    kept = Workplace(folder=tmp_path / "toys")
    verb(like, **options, toys=2_000, key=4, workplace=kept)
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "toys").glob("*.npz")}
    more = verb(like, **options, toys=5_000, key=4, workplace=kept)
    kept_ones = [path for path, time in there.items() if path.stat().st_mtime_ns == time]
    assert len(kept_ones) >= (5 if verb is ny.interval else len(there))
    assert len(list((tmp_path / "toys").glob("*.npz"))) > len(there)
    whole = verb(like, **options, toys=5_000, key=4)
    assert known(more) == known(whole)


def test_more_data_sets_in_the_same_folder(like, tmp_path):
    kept = Workplace(folder=tmp_path / "data")
    for n in (1_200, 2_100):
        more = simulate(like.model, at={"mu": 1.0}, n=n, key=4, workplace=kept)
    whole = simulate(like.model, at={"mu": 1.0}, n=2_100, key=4)
    np.testing.assert_array_equal(more.main, whole.main)


@pytest.mark.parametrize("change", [{"measurement": "other"}, {"normsys_code": "1"}])
def test_a_folder_of_another_model_of_the_same_document_is_refused(change, tmp_path):
    modifiers = [modifier("normsys", "b", {"lo": 0.8, "hi": 1.1})]
    document = workspace({"A": {"s": ([3.0], [MU]), "b": ([2.0], modifiers)}})
    (first,) = document["measurements"]
    fixed = {"name": "b", "fixed": True, "inits": [0.5]}
    config = first["config"] | {"parameters": [*first["config"]["parameters"], fixed]}
    document["measurements"].append({"name": "other", "config": config})
    asked = {"value": 1.0, "null": "toys", "toys": 1_000}
    kept = Workplace(folder=tmp_path / "toys")
    hypotest(ny.load(document), **asked, workplace=kept)
    with pytest.raises(InputError, match="holds another computation: likelihood"):
        hypotest(ny.load(document, **change), **asked, workplace=kept)


def test_a_folder_of_toys_or_data_of_another_python_model_is_refused(tmp_path):
    toys, data = Workplace(folder=tmp_path / "toys"), Workplace(folder=tmp_path / "data")
    hypotest(one_bin(2, 3.0), value=3.0, null="toys", toys=1_000, workplace=toys)
    simulate(one_bin(2, 3.0).model, n=2, workplace=data)
    with pytest.raises(InputError, match="holds another computation: likelihood"):
        hypotest(one_bin(2, 3.5), value=3.0, null="toys", toys=1_000, workplace=toys)
    with pytest.raises(InputError, match="holds another computation: model"):
        simulate(one_bin(2, 3.5).model, n=2, workplace=data)


def test_a_chunk_that_failed_once_does_not_mix_the_folder(like, tmp_path, monkeypatch):
    """The first run, without its third chunk, tests other mu than the resume, which has it."""
    asked = {"null": "toys", "toys": 3_000, "precision": 0.0, "key": 7}
    whole = upper_limit(like, **asked)
    folder = Workplace(folder=tmp_path / "toys")
    count = iter(range(1000))

    def fails(chunk):
        if next(count) in (2, 3):  # and the retry
            raise RuntimeError("lost")
        return thrown_arrays(chunk)

    with monkeypatch.context() as patched:
        patched.setattr(toy_test, "thrown_arrays", fails)
        without = upper_limit(like, **asked, workplace=folder)
    resumed = upper_limit(like, **asked, workplace=folder)
    assert without.notes[-1].status is Status.TOYS_FAILED
    assert without.observed != whole.observed
    assert (resumed.observed, resumed.error) == (whole.observed, whole.error)
    np.testing.assert_array_equal(resumed.scanned, whole.scanned)


def test_chunks_of_another_truth_are_refused(like, tmp_path):
    """Even where the spec does not tell."""
    test, folder = AsymptoticTest(like, "mu"), Workplace(folder=tmp_path / "toys")
    ToyTest(test, 1, folder).points([3.0], CHUNK)
    for others in ([4.0], [3.0, 4.0]):
        with pytest.raises(InputError, match="at other points"):
            ToyTest(test, 1, folder).points(others, CHUNK)


def refuses(chunk):
    raise AssertionError(f"thrown again: {chunk.first}")


def test_folders_of_two_machines_make_one(like, tmp_path, monkeypatch):
    """Each has a part of the chunks, one of them in both; merged, nothing is thrown again."""
    asked = {"value": 3.0, "null": "toys", "toys": 2_000, "key": 4}
    whole = hypotest(like, **asked, workplace=Workplace(folder=tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").glob("*.npz"))
    (tmp_path / "a" / names[0]).unlink()
    for name in names[2:]:
        (tmp_path / "b" / name).unlink()
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    monkeypatch.setattr(toy_test, "thrown_arrays", refuses)
    merged = hypotest(like, **asked, workplace=Workplace(folder=tmp_path / "both"))
    assert (merged.observed, merged.error) == (whole.observed, whole.error)


def test_errors_are_as_large_as_limits_spread():
    """16 seeds; the spread of 16 numbers is known to 18 %. None of 96 limits is missing."""
    model = counting([5.0], [50.0], bounds=(0.0, 20.0))
    like = model.observe(Data(np.array([50.0]), np.zeros(0)))
    asked = {"null": "toys", "toys": 2_000, "precision": 0.0}
    found = [upper_limit(like, **asked, key=key) for key in range(16)]
    assert {limit.status for limit in found} == {Status.FINE}
    values = np.array([[limit.observed, *limit.expected] for limit in found])
    stated = np.array([[limit.error, *limit.expected_error] for limit in found])
    ratio = np.std(values, axis=0, ddof=1) / np.sqrt(np.mean(stated**2, axis=0))
    assert np.all((ratio > 0.7) & (ratio < 1.3))


def test_errors_of_expected_cls_are_of_the_quantile():
    """CLs of 24 seeds at one mu; b = 50 has atoms of 6 %, b = 1000 of 1 %. Not at -2 sigma, where
    no toy of mu may lie beyond."""
    for b, value in ((50.0, 15.0), (1000.0, 65.0)):
        like = one_bin(b, b, (0.0, 200.0))
        asked = {"value": value, "null": "toys", "toys": 1_000}
        found = [hypotest(like, **asked, key=key) for key in range(24)]
        stated = np.sqrt(np.mean([test.expected_error**2 for test in found], axis=0))
        ratio = (np.std([test.expected for test in found], axis=0, ddof=1) / stated)[1:]
        assert np.all((ratio > 0.6) & (ratio < 1.4))


def test_a_curve_that_falls_to_zero_at_once_has_a_root():
    points = [
        CLsPoint(mu, *[PValue(cls, 0.0, 1000, 0)] * 2, np.full(6, cls), np.full(6, 0.01),
                 np.full(6, 0.002), np.zeros((6, 16)), 0)
        for mu, cls in ((1.0, 0.3), (2.0, 0.1), (3.0, 0.0), (4.0, 0.0))
    ]  # fmt: skip
    value, error = toy_limit._root(points, 1, np.log(0.05))
    assert 2.0 < value < 3.0
    assert 0.0 < error < 1.0


@pytest.mark.parametrize(
    ("missing", "status"),
    [([1, 5], Status.NO_BAND), ([0], Status.NO_ROOT), ([1, 3], Status.NO_ROOT)],
)
def test_a_missing_band_is_no_failure(missing, status):
    roots = np.arange(6.0)
    roots[missing] = np.nan
    found = Found(roots, np.zeros(6), np.array([7.0]), np.zeros((1, 6)))
    (note,) = found.notes()
    assert note.status is status
    assert note.status.failed is (status is Status.NO_ROOT)
    assert ("-2 sigma" in note.place) is (1 in missing)


def test_limits_take_the_toys_that_their_precision_asks_for(like):
    """At 5 % a few thousand, at 0 all; the errors are as asked."""
    coarse, fine = (
        upper_limit(like, null="toys", toys=12_000, precision=p, key=2) for p in (0.05, 0.0)
    )
    assert coarse.toys < fine.toys == 12_000
    assert coarse.error < 0.05 * coarse.observed
    assert fine.error < coarse.error
    assert fine.expected_error[2] < coarse.expected_error[2]
