"""Real runs killed at random moments; every resume equals bit for bit a run left alone.

The runs are those of `victims.py`: toys of a limit and of a test, NUTS chains and nested sampling.
"""

import pytest

from tests.execute.victims import kills


@pytest.mark.parametrize("kind", ["limit", "chain"])
def test_a_few_kills(tmp_path, kind):
    kills(tmp_path, kind, 1, 2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "processes", "together", "seed"),
    [
        ("limit", 13, 8, 11),
        ("hypotest", 13, 8, 12),
        ("chain", 25, 8, 13),
        ("nested", 5, 4, 14),
        ("limit", 10, 1, 15),
        ("chain", 10, 1, 16),
    ],
)
def test_many_kills(tmp_path, kind, processes, together, seed):
    kills(tmp_path, kind, processes, together, seed)
