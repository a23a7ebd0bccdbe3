"""Diagnostics of chains against ArviZ, intervals against closed forms."""

import warnings

import numpy as np
import pytest
from scipy.stats import gamma, norm

from neyman.inference import diagnostics


def chains(kind, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(4, 501))
    if kind == "independent":
        return noise
    if kind == "autocorrelated":
        x = np.zeros_like(noise)
        for t in range(1, x.shape[1]):
            x[:, t] = 0.9 * x[:, t - 1] + noise[:, t]
        return x
    if kind == "anticorrelated":
        return noise[:, 1:] - 0.6 * noise[:, :-1]
    if kind == "apart":
        return noise + np.arange(4)[:, None]
    if kind == "other widths":
        return noise * np.array([[1.0], [1.0], [1.0], [3.0]])
    if kind == "heavy tails":
        return rng.standard_cauchy((3, 200))
    if kind == "ties":
        return np.round(noise)
    raise ValueError(kind)


KINDS = [
    *("independent", "autocorrelated", "anticorrelated", "apart"),
    *("other widths", "heavy tails", "ties"),
]


@pytest.fixture(scope="module")
def arviz():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("arviz")


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_arviz(arviz, kind):
    x = chains(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert diagnostics.rhat(x) == pytest.approx(float(arviz.rhat(x)), rel=1e-10)
        for name in ("bulk", "tail", "mean"):
            ours = getattr(diagnostics, f"ess_{name}")(x)
            assert ours == pytest.approx(float(arviz.ess(x, method=name)), rel=1e-8), name


def test_constant_and_short_chains_have_none():
    assert np.isnan(diagnostics.rhat(np.ones((4, 100))))
    assert np.isnan(diagnostics.ess_bulk(np.ones((4, 100))))
    assert np.isnan(diagnostics.ess_bulk(np.zeros((1, 3))))


@pytest.mark.parametrize("level", diagnostics.LEVELS)
def test_intervals_of_a_normal(level):
    """The ends within 5 of their standard errors at S = 40,000, measured over 60 repeats as
    0.010, 0.018, 0.05 sd: an interval that holds 0.9 of its rest is found too short."""
    x = np.random.default_rng(1).normal(size=40_000)
    error = dict(zip(diagnostics.LEVELS, (0.010, 0.018, 0.05)))[level]
    end = norm.isf((1 - level) / 2)
    np.testing.assert_allclose(diagnostics.hpdi(x, level), (-end, end), atol=5 * error)


def shortest(dist, level):
    """The interval of highest density of a density with one maximum."""
    share = np.linspace(1e-9, 1 - level, 200_001)
    low, high = dist.ppf(share), dist.ppf(share + level)
    i = np.argmin(high - low)
    return low[i], high[i]


@pytest.mark.parametrize("shape", [1.0, 3.0])
@pytest.mark.parametrize("level", diagnostics.LEVELS[:2])
def test_intervals_of_skewed_draws(shape, level):
    """Gamma(1) falls from its bound, where the interval begins; Gamma(3) is skewed."""
    x = gamma(shape).rvs(40_000, random_state=np.random.default_rng(2))
    np.testing.assert_allclose(diagnostics.hpdi(x, level), shortest(gamma(shape), level), atol=0.09)


def test_weighted_draws_are_as_good_as_repeated_ones():
    rng = np.random.default_rng(3)
    x, n = rng.normal(size=2_000), rng.integers(1, 4, 2_000)
    ours = diagnostics.hpdi(x, 0.6827, n.astype(float))
    np.testing.assert_allclose(ours, diagnostics.hpdi(np.repeat(x, n), 0.6827), atol=0.05)


def test_two_modes_give_the_shortest_interval():
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 1, 9_000), rng.normal(30, 1, 1_000)])
    low, high = diagnostics.hpdi(x, 0.6827)
    assert high - low < 3.5
