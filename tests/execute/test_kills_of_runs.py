"""Real runs killed at random moments; every resume equals bit for bit a run left alone.

The runs are those of `victims.py`: toys of a limit and of a test, NUTS chains and nested sampling.
"""

import pytest

from tests.execute.victims import kills


@pytest.mark.parametrize("kind", ["limit", "chain"])
def test_a_few_kills(tmp_path, kind):
    kills(tmp_path, kind, 2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "number", "seed"),
    [
        ("limit", 100, 11),
        ("hypotest", 100, 12),
        ("chain", 100, 13),
        ("chain", 100, 14),
        ("nested", 20, 15),
    ],
)
def test_a_hundred_kills(tmp_path, kind, number, seed):
    kills(tmp_path, kind, number, seed)
