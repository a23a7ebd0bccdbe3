"""The coverage of limits from toys at every signal and background of docs/coverage.md, with
toys; intervals that throw toys for each data set; and workers."""

import numpy as np
import pytest

from neyman.inference.coverage import coverage
from neyman.inference.toy_test import Workplace
from neyman.likelihoods.counting import counting, gaussian

SIGNALS, BACKGROUNDS = (0.5, 1.0, 3.0, 5.0, 10.0), (0.1, 0.5, 1.0, 3.0, 10.0)


def linear():
    """Gaussian, unbounded, a nuisance parameter: t_mu is exactly chi2 with one degree."""
    return gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]])


@pytest.mark.slow
@pytest.mark.parametrize("b", BACKGROUNDS)
def test_toy_limits_never_undercover(b):
    """4,000 toys at each signal, 95 % - 2 standard errors. Coverage is 95.8 % or more (exactly, in
    the fast tests), so a false alarm needs 5 standard errors; 94 % is caught with 92 %."""
    found = coverage(
        counting([1.0], [b], bounds=(0.0, 50.0)), at={"mu": SIGNALS}, level=0.95,
        interval="limit-toys", key=1,
    )  # fmt: skip
    assert not found.failed.any()
    assert np.all(found.values >= 0.95 - 2 * found.errors)


@pytest.mark.slow
def test_toy_limits_with_a_nuisance_never_undercover():
    """As above, with 999 toys of each hypothesis for each of 480 data sets."""
    model = counting([3.0], [5.0], [[0.2]], bounds=(0.0, 20.0))
    found = coverage(
        model, at={"mu": [1.0, 2.0]}, level=0.95, interval="limit-toys", toys=480, key=2
    )
    assert np.all(found.values >= 0.95 - 2 * found.errors)


@pytest.mark.slow
def test_toys_of_its_own_for_each_data_set():
    """Where t_mu does not depend on nuisance parameters, the p-value k/99 is uniform: coverage
    equals the level to 1/100. 192 data sets, 4 standard errors: a false alarm in 8,000 runs, a
    bias of 11 % at 90 % is caught."""
    found = coverage(
        linear(), at={"mu": 1.0}, level=(0.68, 0.9), interval="feldman-cousins", toys=192,
        references=99, key=3,
    )  # fmt: skip
    assert np.all(np.abs(found.values - [0.68, 0.9]) < 4 * found.errors)


@pytest.mark.slow
def test_two_workers_give_the_same_bits(tmp_path):
    asked = {"at": {"mu": [1.0, 2.0]}, "toys": 3_000, "key": 5}
    alone = coverage(linear(), **asked)
    shared = Workplace(workers=2, folder=tmp_path / "toys")
    together = coverage(linear(), **asked, workplace=shared)
    for name in ("values", "errors", "ranks"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
