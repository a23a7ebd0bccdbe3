"""As `tests/inference/test_random_fits.py`, for many more workspaces."""

import pytest

from tests.inference.test_random_fits import assert_most_converge, assert_no_worse_than_minuit

pytestmark = pytest.mark.slow


def test_10_000_random_fits():
    assert_most_converge(range(10_000))


def test_100_as_good_as_minuit():
    assert_no_worse_than_minuit(range(100))
