"""Coverage against exact sums: one Poisson bin with a known background b has the coverage

    sum over n of Poisson(n | s + b) [the interval of n holds s]

and the intervals of n follow from its few-line formulas, written here with SciPy."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, norm, poisson

from neyman.inference import calibrate as calibrate_module
from neyman.inference import coverage_samples, toy_construction
from neyman.inference.construction import poisson_interval
from neyman.inference.coverage import clopper_pearson, coverage, power
from neyman.inference.coverage_toys import PROCEDURES, Chunk, Setting, thrown
from neyman.inference.interval import interval
from neyman.inference.toy_test import Workplace
from neyman.likelihoods.counting import counting, gaussian
from neyman.model import Data
from neyman.results import load_result
from neyman.status import InputError, Status

LEVELS = (0.6827, 0.9, 0.95)
SIGNALS, BACKGROUNDS = (0.5, 1.0, 3.0, 5.0, 10.0), (0.1, 0.5, 1.0, 3.0, 10.0)
COUNTS = np.arange(1000.0)
OUTCOMES = Data(COUNTS[:, None], np.zeros((len(COUNTS), 0)))
INTERVALS = ("profile", "limit", "limit-toys", "feldman-cousins")


def one_bin(b):
    return counting([1.0], [b], bounds=(0.0, 50.0))


def linear():
    """Gaussian, unbounded, a nuisance parameter: t_mu is exactly chi2 with one degree."""
    return gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]])


def exact(kind, s, b, level):
    """The coverage by SciPy alone."""
    n = np.arange(120)
    weight, best = poisson.pmf(n, s + b), np.maximum(n - b, 0.0)
    t = 2.0 * (poisson.logpmf(n, best + b) - poisson.logpmf(n, s + b))
    q = np.where(best <= s, t, 0.0)
    if kind == "profile":
        covers = t <= chi2.ppf(level, 1)
    elif kind == "feldman-cousins":
        covers = np.array([weight[t >= x - 1e-9].sum() for x in t]) > 1 - level
    elif kind == "limit-toys":
        at_b = poisson.pmf(n, b)
        sums = [(weight[q >= x - 1e-9].sum(), at_b[q >= x - 1e-9].sum()) for x in q]
        covers = np.array([sb / b for sb, b in sums]) > 1 - level
    else:
        asimov = 2.0 * (b * np.log(b) - b - (b * np.log(s + b) - s - b))
        root = np.sqrt(asimov)
        x = np.where(q > asimov, (q - asimov) / (2 * root), np.sqrt(q) - root)
        covers = norm.sf(x + root) / norm.sf(x) > 1 - level
    return weight[covers].sum()


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.parametrize("b", [0.5, 3.0, 10.0])
def test_enumeration_equals_scipy(kind, b):
    found = coverage(one_bin(b), at={"mu": SIGNALS}, interval=kind, level=LEVELS, outcomes=OUTCOMES)
    assert found.method == "enumeration"
    truth = [[exact(kind, s, b, level) for level in LEVELS] for s in SIGNALS]
    np.testing.assert_allclose(found.values, truth, atol=1e-6)
    assert np.all(found.errors < 1e-9)


@pytest.mark.parametrize("b", [0.5, 3.0])
def test_feldman_cousins_against_the_intervals(b):
    """The coverage of the intervals' ends, found by quite another algorithm, which also widens a
    few of them, as the paper does."""
    found = coverage(
        one_bin(b), at={"mu": SIGNALS}, interval="feldman-cousins", level=0.9, outcomes=OUTCOMES
    ).values[:, 0]
    ends = np.array([poisson_interval(n, b, level=0.9) for n in range(45)])
    inside = [(ends[:, 0] <= s) & (s <= ends[:, 1]) for s in SIGNALS]
    truth = [poisson.pmf(np.arange(45), s + b)[i].sum() for s, i in zip(SIGNALS, inside)]
    assert np.sum(np.abs(found - truth) < 1e-6) >= 4
    assert np.all(found < np.array(truth) + 1e-6)


@pytest.mark.parametrize("kind", INTERVALS)
def test_toys_equal_enumeration(kind):
    """6 values, 4 standard errors each: a false alarm in 2,600 runs; a bias of 3 % is caught."""
    found = coverage(one_bin(3.0), at={"mu": [1.0, 5.0]}, interval=kind, key=1)
    truth = [[exact(kind, s, 3.0, level) for level in LEVELS] for s in (1.0, 5.0)]
    assert found.toys == 4_000 and not found.failed.any()
    assert np.all(np.abs(found.values - truth) < 4 * found.errors)
    assert np.all((found.lower <= found.values) & (found.values <= found.upper))


def test_gaussian_intervals_cover():
    """Nominal within 4 standard errors at 68.27, 90 and 95 %: a false alarm in 5,000 runs; an
    interval 10 % too narrow is seen with the power that the result states."""
    found = coverage(linear(), "mu", at={"mu": 1.0}, level=LEVELS, key=2)
    assert np.all(np.abs(found.values[0] - LEVELS) < 4 * found.errors[0])
    assert found.status is Status.FINE
    assert found.ranks.sum() == 4_000
    assert np.all(np.abs(found.ranks - 200.0) < 5 * np.sqrt(200.0))
    assert np.all(found.power[0] > 0.97)


def test_toy_limits_never_undercover():
    """Exactly, at every signal and background of the table; the asymptotic ones do, worst at
    b = 1 and s = 10, where they have 92 %."""
    asymptotic = {}
    for b in BACKGROUNDS:
        at = {"model": one_bin(b), "at": {"mu": SIGNALS}, "level": 0.95, "outcomes": OUTCOMES}
        model = at.pop("model")
        toys = coverage(model, interval="limit-toys", **at)
        assert np.all(toys.values >= 0.95) and toys.status is Status.FINE
        asymptotic[b] = coverage(model, interval="limit", **at)
    values = {b: found.values[:, 0] for b, found in asymptotic.items()}
    assert values[1.0][-1] == pytest.approx(0.92, abs=0.005)
    assert asymptotic[1.0].status is Status.UNDERCOVERS
    assert "mu = 10: 92." in asymptotic[1.0].message


def generalised_least_squares(like):
    """mu^ +- sigma of `linear` in closed form: x - d m has the covariance Sigma + d d^T."""
    a, d = np.array([1.0, 2.0]), np.array([0.5, 0.1])
    v = np.linalg.inv(np.array([[1.0, 0.3], [0.3, 2.0]]) + np.outer(d, d))
    x = np.asarray(like.data.main) - d * np.asarray(like.data.auxiliary)[0]
    best, sigma = a @ v @ x / (a @ v @ a), 1.0 / np.sqrt(a @ v @ a)
    return best - sigma, best + sigma


def broken(like):
    if np.asarray(like.data.main)[0] > 1.0:
        raise RuntimeError("no interval here")
    return float("-inf"), float("inf")


def test_a_function_of_the_users_own():
    """The same data sets as the built-in, so the same count, though the ends are known here."""
    asked = {"at": {"mu": 1.0}, "level": 0.6826894921, "toys": 960, "key": 4}
    by_function = coverage(linear(), **asked, interval=generalised_least_squares)
    assert by_function.interval == "generalised_least_squares"
    np.testing.assert_array_equal(by_function.values, coverage(linear(), **asked).values)


def test_failures_are_counted_never_averaged_in():
    found = coverage(linear(), at={"mu": 1.0}, level=0.9, interval=broken, toys=48)
    assert 0 < found.failed[0] < 48
    assert found.values[0, 0] == 1.0
    assert found.status is Status.TOYS_FAILED
    assert (
        f"{found.failed[0]:.0f} of 48 data sets, the first: RuntimeError: no inter" in found.message
    )
    nothing = coverage(linear(), at={"mu": 99.0}, level=0.9, interval=broken, toys=48)
    assert nothing.status is Status.EVERY_TOY_FAILED
    assert np.isnan(nothing.values).all()


def test_resumes_give_the_same_bits(tmp_path):
    """With a chunk lost; two workers do so too, in tests/slow/test_coverage_table.py."""
    asked = {"at": {"mu": [1.0, 5.0]}, "toys": 2_000, "key": 5}
    kept = tmp_path / "toys"
    alone = coverage(one_bin(3.0), **asked, workplace=Workplace(folder=kept))
    sorted(kept.glob("[0-9]*.npz"))[2].unlink()
    resumed = coverage(one_bin(3.0), **asked, workplace=Workplace(folder=kept))
    for name in ("values", "errors", "ranks"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(alone, name))
    with pytest.raises(InputError, match="seed"):
        coverage(one_bin(3.0), **asked | {"key": 6}, workplace=Workplace(folder=kept))
    with pytest.raises(InputError, match="another computation: model"):
        coverage(one_bin(1.0), **asked, workplace=Workplace(folder=kept))


@pytest.mark.parametrize("interval", ["limit-toys", lambda like: (0.0, float(like.data.main[0]))])
def test_more_toys_in_the_same_folder(interval, tmp_path):
    """The whole chunks that are there are kept, those that were cut are thrown whole."""
    kept = Workplace(folder=tmp_path / "kept")
    asked = {"at": {"mu": [1.0, 3.0]}, "interval": interval, "level": 0.9, "references": 1_500}
    for toys in (1_300, 2_100) if isinstance(interval, str) else (60, 110):
        found = coverage(one_bin(3.0), **asked, toys=toys, workplace=kept)
    whole = coverage(one_bin(3.0), **asked, toys=toys)
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.errors, whole.errors)


@pytest.mark.parametrize("module", [coverage_samples, calibrate_module, toy_construction])
def test_the_timeout_reaches_the_jobs(module):
    """What waits for a chunk is told how long: -1 is refused where jobs are run."""
    like = one_bin(3.0).observe(Data(np.array([4.0]), np.zeros(0)))
    place = Workplace(timeout=-1.0)
    run = {
        coverage_samples: lambda: coverage(one_bin(3.0), at={"mu": 1.0}, workplace=place),
        calibrate_module: lambda: calibrate_module.calibrate(
            lambda key: (0.5, np.linspace(0.0, 1.0, 9)), sets=5, workplace=place
        ),
        toy_construction: lambda: interval(like, method="feldman-cousins", workplace=place),
    }[module]
    with pytest.raises(InputError, match="timeout: -1 is not positive"):
        run()


def test_a_toy_is_the_same_whatever_its_chunk():
    theta = np.array([2.0])
    setting = Setting(one_bin(3.0), PROCEDURES["profile"], theta, theta, 0)
    early, late = (thrown(Chunk(setting, 7, 0, first, 1_000)).main for first in (0, 400))
    np.testing.assert_array_equal(early[400:], late[:600])


def test_truths_are_combined_row_by_row(tmp_path):
    at = {"theta[0]": np.array([-1.0, 1.0]), "mu": 2.0}
    found = coverage(linear(), at=at, level=0.9, toys=1_000)
    assert found.names == ("mu", "theta[0]")
    np.testing.assert_array_equal(found.truths, [[2.0, -1.0], [2.0, 1.0]])
    rows = found.fields_of_interest()["coverage"]
    assert rows[1]["at"] == {"mu": 2.0, "theta[0]": 1.0} and rows[1]["level"] == 0.9
    assert "mu = 2, theta[0] = -1:" in found.summary()
    found.save(tmp_path / "coverage.json")
    again = load_result(tmp_path / "coverage.json")
    np.testing.assert_array_equal(again.values, found.values)
    assert again.to_json() == found.to_json()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"at": {"nu": 1.0}}, "parameter 'nu': unknown"),
        ({"at": {"mu": -1.0}}, r"at\['mu'\]: is outside the bounds"),
        ({"at": {"mu": np.ones((1, 1))}}, r"at\['mu'\]: has 1 values"),
        ({"at": {"mu": float("nan")}}, "outside the bounds"),
        ({"at": {"mu": 1.0}, "level": 95.0}, "level"),
        ({"at": {"mu": 1.0}, "interval": "bayes"}, "interval 'bayes': unknown"),
        ({"at": {"mu": 1.0}, "interval": generalised_least_squares}, "level: of a function"),
        ({"at": {"mu": 1.0}, "toys": 0}, "toys"),
        (
            {
                "at": {"mu": 1.0},
                "interval": generalised_least_squares,
                "level": 0.9,
                "outcomes": OUTCOMES,
            },
            "toys",
        ),
    ],
)
def test_bad_input(options, match):
    with pytest.raises(InputError, match=match):
        coverage(one_bin(3.0), **{"toys": 8} | options)


def test_a_function_must_return_two_ends():
    with pytest.raises(InputError, match=r"return \(low, high\)"):
        coverage(linear(), at={"mu": 1.0}, level=0.9, interval=lambda like: 3.0, toys=48)


def test_binomial_errors():
    for k, n in ((0, 10), (3, 10), (10, 10), (950, 1000)):
        truth = binomtest(k, n).proportion_ci(0.6826894921370859, method="exact")
        low, high = clopper_pearson(np.array([k]), n)
        np.testing.assert_allclose([low[0], high[0]], [truth.low, truth.high], rtol=1e-9)


def test_power_equals_simulation():
    """Intervals 10 % too narrow are found as often as stated: 20,000 repeats, 0.02."""
    rng = np.random.default_rng(6)
    for level, n in ((0.68, 500), (0.95, 1000)):
        covered = 2 * norm.cdf(0.9 * norm.ppf(0.5 + level / 2)) - 1
        z = (rng.binomial(n, covered, 20_000) / n - level) / np.sqrt(level * (1 - level) / n)
        stated = power(np.array([level]), n, one_sided=False)[0, 0]
        assert np.mean(np.abs(z) > norm.ppf(0.995)) == pytest.approx(stated, abs=0.03)
