"""A few of the kills of `test_kills_slow.py`."""

import pytest

from tests.execute.kills import kills


@pytest.mark.parametrize("workers", [1, 2])
def test_kills(tmp_path, workers):
    kills(tmp_path, workers, 4, seed=workers)
