"""Models with closed forms: Gaussian with a bound, Poisson counts, Gaussian constraints.

For x ~ Normal(mu, sigma) with mu >= 0 (arXiv:1007.1727, section 3 and 3.8; the asymptotic
formulas are exact here but for the bound):

    mu^ = max(0, x),    t_mu = ((mu - x)^2 - (mu^ - x)^2)/sigma^2
    limit of CLs: Phi(-(mu - x)/sigma) = (1 - level) Phi(x/sigma)
"""

import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose
from scipy.stats import norm

import neyman as ny
from neyman.inference.profile import Profile
from neyman.inference.statistics import q0, q_mu, qtilde_mu, t_mu
from neyman.likelihoods.counting import counting, gaussian
from tests.truth.test_pyhf import MU, modifier, workspace

GAUSSIAN = [(x, sigma) for x in (-1.5, -0.2, 0.0, 0.4, 3.0) for sigma in (0.5, 2.0)]


def measured(x: float, sigma: float, lower: float = 0.0):
    model = gaussian([1.0], [[sigma**2]], bounds=(lower, math.inf))
    return model.observe(ny.Data(np.array([x]), np.zeros(0)))


@pytest.mark.parametrize(("x", "sigma"), GAUSSIAN)
def test_a_bounded_gaussian(x, sigma):
    like = measured(x, sigma)
    hat = max(0.0, x)
    assert ny.fit(like)["mu"].value == pytest.approx(hat, abs=1e-12)
    profile = Profile(like, "mu")
    for mu in (0.1, 1.0, 2.5, 4.0):
        t = ((mu - x) ** 2 - (hat - x) ** 2) / sigma**2
        one_sided = t if hat <= mu else 0.0
        assert t_mu(profile, mu) == pytest.approx(t, abs=1e-12)
        assert q_mu(profile, mu) == pytest.approx(one_sided, abs=1e-12)
        assert qtilde_mu(profile, mu) == pytest.approx(one_sided, abs=1e-12)
    assert q0(profile) == pytest.approx((hat / sigma) ** 2, abs=1e-12)


@pytest.mark.parametrize(("x", "sigma"), GAUSSIAN)
def test_below_the_bound_qtilde_differs_from_q(x, sigma):
    """Without a bound q knows mu^ < 0, and qtilde puts 0 in its place."""
    profile = Profile(measured(x, sigma, lower=-100.0), "mu")
    for mu in (0.1, 1.0, 4.0):
        hat = max(0.0, x)
        q = ((mu - x) / sigma) ** 2 if x <= mu else 0.0
        qtilde = ((mu - x) ** 2 - (hat - x) ** 2) / sigma**2 if x <= mu else 0.0
        assert q_mu(profile, mu) == pytest.approx(q, abs=1e-12)
        assert qtilde_mu(profile, mu) == pytest.approx(qtilde, abs=1e-12)


@pytest.mark.parametrize(("x", "sigma"), GAUSSIAN)
def test_gaussian_limits_are_exact(x, sigma):
    limit = ny.upper_limit(measured(x, sigma), null="asymptotic")

    def exact(x):
        return x - sigma * norm.ppf(0.05 * norm.cdf(x / sigma))

    assert limit.observed == pytest.approx(exact(x), rel=1e-6)
    assert_allclose(limit.expected, [exact(n * sigma) for n in (-2, -1, 0, 1, 2)], rtol=1e-6)


@pytest.mark.parametrize(("x", "sigma"), GAUSSIAN)
@pytest.mark.parametrize("level", [0.6827, 0.9])
def test_gaussian_intervals(x, sigma, level):
    found = ny.interval(measured(x, sigma), level=level)
    z = norm.isf((1 - level) / 2)
    hat = max(0.0, x)
    half = math.sqrt((hat - x) ** 2 + (z * sigma) ** 2)
    assert found.upper == pytest.approx(x + half, rel=1e-6)
    assert found.lower == pytest.approx(max(0.0, x - half), rel=1e-6)
    assert (found.status is ny.Status.AT_BOUND) == (x - half < 0)


@pytest.mark.parametrize("covariance", [0.0, 0.6])
def test_a_correlated_gaussian_is_a_weighted_mean(covariance):
    """The best linear unbiased estimate: weights Sigma^-1 1 / (1^T Sigma^-1 1)."""
    sigma = np.array([[1.0, covariance], [covariance, 4.0]])
    model = gaussian([1.0, 1.0], sigma.tolist(), bounds=(-math.inf, math.inf))
    x = np.array([0.3, 2.0])
    best = ny.fit(model.observe(ny.Data(x, np.zeros(0))))
    weights = np.linalg.solve(sigma, np.ones(2))
    assert best["mu"].value == pytest.approx(weights @ x / weights.sum(), rel=1e-10)
    assert best["mu"].error == pytest.approx(weights.sum() ** -0.5, rel=1e-10)


@pytest.mark.parametrize(("n", "s", "b"), [(0, 3.0, 1.2), (4, 2.0, 1.5), (250, 30.0, 200.0)])
def test_a_known_background(n, s, b):
    """n ~ Poisson(mu s + b): the same number from a workspace and from `counting`."""
    yields = {"A": {"s": ([s], [MU]), "b": ([b], [])}}
    document = workspace(yields, {"name": "mu", "bounds": [[0.0, 100.0]]})
    document["observations"][0]["data"] = [float(n)]
    closed = counting([s], [b], bounds=(0.0, 100.0)).observe(
        ny.Data(np.array([float(n)]), np.zeros(0))
    )
    hat = max(0.0, (n - b) / s)
    for like in (ny.load(document), closed):
        profile = Profile(like, "mu")
        assert profile.best_value == pytest.approx(hat, abs=1e-10)
        for mu in (0.5, 2.0, 7.0):
            ratio = n * math.log((hat * s + b) / (mu * s + b)) if n else 0.0
            t = 2 * ((mu - hat) * s + ratio)
            assert t_mu(profile, mu) == pytest.approx(t, rel=1e-10, abs=1e-11)
        z = math.sqrt(2 * (n * math.log(n / b) - n + b)) if n > b else 0.0
        found = ny.significance(like, null="asymptotic")
        assert found.z == pytest.approx(z, rel=1e-8, abs=1e-5)
        asimov = s + b  # arXiv:1007.1727, eq. 97
        expected = math.sqrt(2 * (asimov * math.log(1 + s / b) - s))
        assert found.expected_z == pytest.approx(expected, rel=1e-8)


def test_no_events_no_background_uncertainty():
    """With n = 0 and mu^ = 0, t_mu = 2 mu s whatever b: -log L is linear in mu."""
    like = counting([3.0], [1.0]).observe(ny.Data(np.zeros(1), np.zeros(0)))
    for mu in (0.2, 1.0, 3.0):
        assert ny.hypotest(like, value=mu, null="asymptotic").statistic == pytest.approx(
            6.0 * mu, rel=1e-10
        )


@pytest.mark.parametrize("n", [2.0, 10.0, 40.0])
@pytest.mark.parametrize("width", [0.05, 0.4])
def test_a_gaussian_constraint(n, width):
    """n ~ Poisson(b (1 + width a)), a constrained to 0 +- 1: a quadratic equation for a."""
    shift = modifier("histosys", "a", {"lo_data": [10 - 10 * width], "hi_data": [10 + 10 * width]})
    document = workspace({"A": {"b": ([10.0], [shift]), "s": ([0.0], [MU])}})
    document["observations"][0]["data"] = [n]
    best = ny.fit(ny.load(document, histosys_code="0"), fix={"mu": 0.0})
    d = 10 * width
    half = 10.0 + d**2
    alpha = (-half + math.sqrt(half**2 - 4 * d * (10 - n) * d)) / (2 * d)
    assert best["a"].value == pytest.approx(alpha, rel=1e-8, abs=1e-10)
    lam = 10 + d * alpha
    assert best["a"].error == pytest.approx((1 + n * (d / lam) ** 2) ** -0.5, rel=1e-7)


@pytest.mark.parametrize("width", [0.1, 0.5])
def test_a_shapesys_is_an_on_off_problem(width):
    """Its Poisson constraint is an off region with tau = 1/width^2 times as many events."""
    b, s, n, tau = 20.0, 5.0, 31.0, width**-2
    document = workspace(
        {"A": {"s": ([s], [MU]), "b": ([b], [modifier("shapesys", "u", [width * b])])}}
    )
    document["observations"][0]["data"] = [n]
    found = ny.significance(ny.load(document), null="asymptotic")
    off, ratio = tau, tau / b
    a = 1 / ratio
    li_ma = math.sqrt(
        2 * (n * math.log((1 + a) / a * n / (n + off)) + off * math.log((1 + a) * off / (n + off)))
    )
    assert found.z == pytest.approx(li_ma, rel=1e-8)


def test_an_interval_by_root_finding():
    """Where no closed form exists: brentq on the profile of scipy's own minimiser."""
    shift = modifier("histosys", "a", {"lo_data": [7.0, 4.0], "hi_data": [14.0, 5.0]})
    document = workspace({"A": {"s": ([4.0, 1.0], [MU]), "b": ([10.0, 5.0], [shift])}})
    document["observations"][0]["data"] = [16.0, 4.0]
    like = ny.load(document)
    found = ny.interval(like, level=0.9)
    i, j = like.parameters.index("mu"), like.parameters.index("a")

    def profile(mu):
        def nll(a):
            theta = np.empty(2)
            theta[i], theta[j] = mu, a
            return -float(like.log_prob(theta))

        minimum = scipy.optimize.minimize_scalar(nll, bounds=(-3, 3), options={"xatol": 1e-10})
        return 2 * minimum.fun

    best = scipy.optimize.minimize_scalar(profile, bounds=(0.1, 6), options={"xatol": 1e-10})
    threshold = norm.isf(0.05) ** 2
    for end, inside in ((found.lower, 0.0), (found.upper, 9.0)):
        if end > 0:
            root = scipy.optimize.brentq(
                lambda mu: profile(mu) - best.fun - threshold, best.x, inside, xtol=1e-10
            )
            assert end == pytest.approx(root, rel=1e-5)
