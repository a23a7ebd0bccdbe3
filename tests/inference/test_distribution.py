"""P-values and quantiles in constant memory, against all toys at once."""

import numpy as np
import pytest

from neyman.inference.distribution import MOST, TOP, Distribution

N = 1_000_000


def filled(q, log_weight=0.0, parts=250):
    found = Distribution()
    weights = np.broadcast_to(log_weight, q.shape)
    for some, weight in zip(np.array_split(q, parts), np.array_split(weights, parts)):
        found.add(some, weight)
    return found


@pytest.mark.parametrize("kind", ["chi2", "half are zero", "counts"])
def test_a_million_toys_keep_a_fixed_number_of_values(kind):
    """Against numpy: off by a gap between neighbours (10/MOST: the largest of eight exponential
    ones, in one test of 400), small p-values by nothing."""
    rng = np.random.default_rng(1)
    q = rng.chisquare(1, N)
    if kind == "half are zero":
        q[rng.random(N) < 0.5] = 0.0
    elif kind == "counts":
        q = rng.poisson(7.0, N).astype(float)
    found = filled(q)
    at = np.array([0.0, 0.1, 1.0, 3.0, 8.0, 15.0, 20.0, 60.0])
    exact = np.array([np.mean(q >= x) for x in at])
    p, error = found.tail(at)
    off = np.abs(p - exact)
    assert np.all(off < 10.0 / MOST)
    assert np.all(off[exact < TOP / N] == 0.0)
    if kind == "counts":
        assert np.all(off < 1e-12)
    assert np.all(error[exact == 0] == 1 / N)
    inside = (exact > 0) & (exact < 1)
    expected = np.sqrt(exact * (1 - exact) / N)[inside]
    np.testing.assert_allclose(error[inside], expected, rtol=1e-3)
    levels = np.array([0.023, 0.16, 0.5, 0.84, 0.977])
    rank = np.searchsorted(np.sort(q), found.quantiles(levels), side="right") / N
    assert np.all((rank >= levels - 10 / MOST) & ((rank < levels + 10 / MOST) | (kind != "chi2")))
    assert len(found._edges) <= MOST + TOP and len(found._values) <= 2 * TOP
    assert found.toys == N


def test_few_values_are_kept_as_they_are():
    q = np.random.default_rng(2).chisquare(1, 5_000)
    found = filled(q, parts=5)
    x = np.sort(q)[[0, 100, 2_500, 4_999]]
    p, _ = found.tail(x)
    np.testing.assert_array_equal(p, np.array([5_000, 4_900, 2_500, 1]) / 5_000)
    np.testing.assert_array_equal(found.quantiles(np.array([0.5])), np.sort(q)[2_499])


def test_weights_stay_with_their_toys():
    """x ~ Normal(2, 1), weighted to Normal(0, 1): P(x >= 4) = 3.17e-5 by a mean of weights."""
    x = np.random.default_rng(3).normal(2.0, 1.0, 400_000)
    log_weight = 2.0 - 2.0 * x
    found = filled(x, log_weight)
    terms = np.where(x >= 4.0, np.exp(log_weight), 0.0)
    p = found.p_value(4.0)
    assert p.value == pytest.approx(terms.mean(), rel=1e-4)
    assert p.error == pytest.approx(terms.std() / np.sqrt(len(x)), rel=1e-3)
    assert abs(p.value - 3.167e-5) < 4 * p.error
