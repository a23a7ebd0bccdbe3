"""Hypotheses beyond a bound, or where log L is not finite: never a made-up number."""

import numpy as np
import pytest

from neyman.inference.hypotest import hypotest
from neyman.inference.interval import interval
from neyman.inference.limit import upper_limit
from neyman.inference.profile import not_below_zero
from neyman.likelihoods.counting import counting
from neyman.likelihoods.histfactory import likelihood
from neyman.model import Data
from neyman.status import Status


def two_bins(signal, n, upper):
    model = counting(signal, [50.0, 52.0], [[0.05, 0.05]], bounds=(0.0, upper))
    return model.observe(Data(np.array(n), np.zeros(1)))


def test_a_limit_beyond_the_bound_is_that_of_a_wide_bound():
    narrow, wide = (upper_limit(two_bins([5.0, 8.0], [125.0, 170.0], u)) for u in (10.0, 100.0))
    assert narrow.status is Status.BEYOND_BOUND
    assert narrow.observed == pytest.approx(wide.observed, rel=1e-6)
    assert wide.observed > 10.0


def test_a_hypothesis_where_log_likelihood_is_not_finite_is_nan():
    result = hypotest(two_bins([-20.0, -20.0], [5.0, 6.0], 10.0), value=6.0)
    assert result.status.failed
    assert np.isnan(result.observed)


def test_nan_is_not_rounded_to_zero():
    assert np.isnan(not_below_zero(float("nan")))
    assert not_below_zero(-1e-14) == 0.0


def test_interval_says_where_events_are_few():
    few = counting([1.0], [1.0]).observe(Data(np.array([1.0]), np.zeros(0)))
    assert any(note.status is Status.FEW_EVENTS for note in interval(few).notes)


def test_a_signal_that_its_own_variation_takes_away_has_no_limit():
    """At alpha = 1 and at -1 no signal is left, so q is 1 at most, however large mu is."""
    variation = {"lo_data": [0.0], "hi_data": [0.0]}
    modifiers = [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "h", "type": "histosys", "data": variation},
    ]
    samples = [
        {"name": "signal", "data": [10.0], "modifiers": modifiers},
        {"name": "background", "data": [50.0], "modifiers": []},
    ]
    like = likelihood(
        {
            "channels": [{"name": "SR", "samples": samples}],
            "observations": [{"name": "SR", "data": [50.0]}],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )
    limit = upper_limit(like)
    tests = [hypotest(like, value=mu) for mu in (1.0, 3.0, 10.0, 30.0)]
    assert max(test.statistic for test in tests) < 1.0
    assert np.isnan(limit.observed)
    assert limit.status is Status.NO_ROOT
    assert f"where CLs is {limit.cls_observed.min():.2g} at least" in limit.message
    assert min(test.observed for test in tests) > 0.05
