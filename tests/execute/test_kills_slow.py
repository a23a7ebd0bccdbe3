"""A hundred kills at random moments; a hundred resumes, equal bit for bit."""

import pytest

from tests.execute.kills import kills


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_hundred_kills(tmp_path, workers):
    kills(tmp_path, workers, 100, seed=10 + workers)
