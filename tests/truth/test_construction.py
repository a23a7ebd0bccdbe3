"""The exact construction against the published tables, brute force and exact coverage."""

import numpy as np
import pytest
from scipy.stats import norm, poisson

from neyman.inference.construction import gaussian_interval, poisson_interval
from neyman.status import InputError
from tests.truth.feldman_cousins_tables import GAUSSIAN, POISSON

ON_THE_EDGE = {("0", "2"), ("3", "8")}
"""(n, b) of upper ends, 1.26515 and 1.49509, less than 0.0002 above the rounding to the next
digit. The paper's grid of mu has steps of 0.005, so that it has 1.265 and 1.495."""


def test_the_tables_are_whole():
    assert len(POISSON) == 21 * 20
    assert len(GAUSSIAN) == 61 * 4


def test_poisson_tables_to_their_digits():
    """All 840 ends as printed, but two that are explained above."""
    for n, b, lower, upper in POISSON:
        found = poisson_interval(int(n), float(b))
        assert f"{found[0]:.2f}" == lower, (n, b)
        if (n, b) in ON_THE_EDGE:
            assert float(upper) + 0.005 < found[1] < float(upper) + 0.0052
        else:
            assert f"{found[1]:.2f}" == upper, (n, b)


def test_gaussian_table_to_its_digits():
    for x, level, lower, upper in GAUSSIAN:
        found = gaussian_interval(float(x), level=float(level))
        assert (f"{found[0]:.2f}", f"{found[1]:.2f}") == (lower, upper), x


def accepted(n: int, mu: float, b: float, level: float) -> bool:
    """Section IV A, word for word: counts in falling order of R until the level is met."""
    k = np.arange(150)
    log_r = poisson.logpmf(k, mu + b) - poisson.logpmf(k, np.maximum(k, b))
    p = poisson.pmf(k, mu + b)
    return bool(p[log_r > log_r[n] + 1e-11].sum() < level)


@pytest.mark.parametrize("level", [0.6827, 0.9])
@pytest.mark.parametrize(("n", "b"), [(0, 0.0), (0, 3.0), (4, 1.5), (30, 12.0)])
def test_brute_force(n, b, level):
    """On a grid of mu: the ends of what is accepted, the upper one at any b' >= b."""
    mu = np.arange(0.0, 40.0, 0.04)
    inside = mu[[accepted(n, m, b, level) for m in mu]]
    lower, upper = poisson_interval(n, b, level=level)
    assert inside.min() - 0.04 <= lower <= inside.min() + 1e-9
    assert upper >= inside.max() - 1e-9
    if upper > inside.max() + 0.04:  # lengthened: some b' > b reaches as far, none farther
        beyond = np.arange(b, b + 6.0, 0.003)
        assert any(accepted(n, upper - 0.005, more, level) for more in beyond)
        assert not any(accepted(n, upper + 0.001, more, level) for more in beyond)


def test_lengthening():
    """The paper's example: without it b = 2, n = 0 gives 1.08."""
    plain = max(m for m in np.arange(0.0, 3.0, 0.01) if accepted(0, m, 2.0, 0.9))
    assert plain == pytest.approx(1.08, abs=0.011)
    for n in (0, 3):
        b = np.arange(0.0, 12.0, 0.31)
        upper = [poisson_interval(n, float(x))[1] for x in b]
        assert np.all(np.diff(upper) <= 1e-9)


@pytest.mark.parametrize("level", [0.6827, 0.95])
@pytest.mark.parametrize("b", [0.0, 3.0, 8.3])
def test_poisson_coverage_is_never_below_the_level(b, level):
    """Enumerated: sum of P(n|mu + b) over the n whose interval holds mu."""
    n = np.arange(45)
    lower, upper = np.array([poisson_interval(int(k), b, level=level) for k in n]).T
    mu = np.linspace(0.0, 15.0, 601)[:, None]
    covered = np.sum(poisson.pmf(n, mu + b) * ((lower <= mu) & (mu <= upper)), axis=1)
    assert covered.min() >= level - 1e-9
    assert covered.min() < level + 0.04


@pytest.mark.parametrize("mu", [0.0, 0.7, 3.0])
def test_gaussian_coverage_is_the_level(mu):
    """By quadrature over x; 0.02 apart."""
    x = np.arange(mu - 5.0, mu + 5.0, 2e-2)
    ends = np.array([gaussian_interval(float(v)) for v in x])
    held = (ends[:, 0] <= mu) & (mu <= ends[:, 1])
    covered = np.sum(norm.pdf(x - mu) * held) * 2e-2
    assert covered == pytest.approx(0.9, abs=1e-2)


def test_gaussian_width_scales():
    lower, upper = gaussian_interval(3.0, sigma=2.0, level=0.95)
    assert (lower / 2, upper / 2) == pytest.approx(gaussian_interval(1.5, level=0.95))


@pytest.mark.parametrize(("n", "b"), [(1000, 0.0), (1000, 900.0), (0, 1000.0), (1000, 1000.0)])
def test_large_counts_are_nearly_gaussian(n, b):
    """Within 3 % of a standard deviation of the bounded Gaussian's interval, where n >= b."""
    lower, upper = poisson_interval(n, b)
    assert 0.0 <= lower <= max(n - b, 0.0) < upper
    if n >= b:
        sigma = np.sqrt(n)
        near = gaussian_interval(n - b, sigma=sigma)
        assert np.abs(np.array([lower, upper]) - near).max() < 0.1 * sigma


@pytest.mark.parametrize(
    "call",
    [
        lambda: poisson_interval(-1, 0.0),
        lambda: poisson_interval(1, -0.1),
        lambda: poisson_interval(1, float("nan")),
        lambda: poisson_interval(1, 0.0, level=1.0),
        lambda: poisson_interval(100_000, 0.0),
        lambda: gaussian_interval(float("inf")),
        lambda: gaussian_interval(1.0, sigma=0.0),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
