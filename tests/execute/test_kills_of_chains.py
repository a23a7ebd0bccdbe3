"""Chains killed at random moments; all resumes are equal bit for bit to a run left alone."""

import pytest

from tests.execute.chains import kills


def test_kills_of_a_chain(tmp_path):
    kills(tmp_path, 2, seed=1)


@pytest.mark.slow
def test_a_hundred_kills_of_a_chain(tmp_path):
    kills(tmp_path, 100, seed=11)
