"""Test statistics, p-values, limits, intervals and scans of the on/off problem in closed form.

    n_on ~ Poisson(mu s + k),    n_off ~ Poisson(tau k)

written as a workspace, k the free normalisation of a background with a control region. With mu
known k solves a quadratic equation, so that every quantity of arXiv:1007.1727 is a formula.
Adding a statistic: a function here, a line in `STATISTICS`.
"""

import dataclasses
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from numpy.testing import assert_allclose
from scipy.special import xlogy
from scipy.stats import norm

import neyman as ny
from neyman.inference import statistics
from neyman.inference.profile import Profile


@dataclasses.dataclass(frozen=True)
class OnOff:
    """Counts may be real, as those of Asimov data are. `lower` is the lower bound of mu."""

    n_on: float
    n_off: float
    tau: float
    s: float = 1.0
    lower: float = 0.0
    upper: float = 500.0

    def workspace(self) -> dict:
        def sample(name, y, factor):
            modifier = {"name": factor, "type": "normfactor", "data": None}
            return {"name": name, "data": [y], "modifiers": [modifier]}

        bounds = [
            {"name": "mu", "bounds": [[self.lower, self.upper]]},
            {"name": "k", "bounds": [[0.0, 1e5]]},
        ]
        return {
            "channels": [
                {"name": "on", "samples": [sample("s", self.s, "mu"), sample("b", 1.0, "k")]},
                {"name": "off", "samples": [sample("b", self.tau, "k")]},
            ],
            "observations": [
                {"name": "on", "data": [self.n_on]},
                {"name": "off", "data": [self.n_off]},
            ],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": bounds}}],
            "version": "1.0.0",
        }

    def nll(self, mu: float, k: float) -> float:
        """-log L without constants of the data."""
        on, off = mu * self.s + k, self.tau * k
        return on - xlogy(self.n_on, on) + off - xlogy(self.n_off, off)

    def k(self, mu: float) -> float:
        """The best k for a known mu: (1 + tau) k^2 + ((1 + tau) S - N) k - n_off S = 0."""
        signal, t = mu * self.s, 1 + self.tau
        half = t * signal - self.n_on - self.n_off
        return (-half + math.sqrt(half**2 + 4 * t * self.n_off * signal)) / (2 * t)

    @property
    def mu_hat(self) -> float:
        return max(self.lower, (self.n_on - self.n_off / self.tau) / self.s)

    def profile(self, mu: float) -> float:
        return self.nll(mu, self.k(mu))

    def t(self, mu: float) -> float:
        return max(0.0, 2 * (self.profile(mu) - self.profile(self.mu_hat)))

    def q(self, mu: float) -> float:
        return self.t(mu) if self.mu_hat <= mu else 0.0

    def qtilde(self, mu: float) -> float:
        if self.mu_hat < 0:
            return max(0.0, 2 * (self.profile(mu) - self.profile(0.0)))
        return self.q(mu)

    def q0(self) -> float:
        return self.t(0.0) if self.mu_hat > 0 else 0.0

    def asimov(self, mu: float) -> "OnOff":
        """The expected data of mu, with k as the observed data want it."""
        k = self.k(mu)
        return dataclasses.replace(self, n_on=mu * self.s + k, n_off=self.tau * k)

    def p_values(self, name: str, mu: float) -> tuple[float, float]:
        """CLs+b and CLb: arXiv:1007.1727, eq. 57 to 59 and 64 to 66, written out."""
        q, asimov = getattr(self, name)(mu), getattr(self.asimov(0.0), name)(mu)
        if name == "qtilde" and q > asimov:
            width = 2 * math.sqrt(asimov)
            return norm.sf((q + asimov) / width), norm.sf((q - asimov) / width)
        return norm.sf(math.sqrt(q)), norm.sf(math.sqrt(q) - math.sqrt(asimov))

    def cls(self, name: str, mu: float) -> float:
        clsb, clb = self.p_values(name, mu)
        return clsb / clb

    def expected_cls(self, name: str, mu: float) -> list[float]:
        """Eq. 89: the data at N sigma of mu' = 0 have a p-value of 1 - Phi(sqrt qA - N)."""
        root = math.sqrt(getattr(self.asimov(0.0), name)(mu))
        return [norm.sf(root - n) / norm.cdf(n) for n in (-2, -1, 0, 1, 2)]

    def li_ma(self) -> float:
        """Li and Ma, ApJ 272 (1983) 317, eq. 17, with alpha = 1/tau."""
        total = self.n_on + self.n_off
        on = xlogy(self.n_on, (1 + self.tau) * self.n_on / total)
        off = xlogy(self.n_off, (1 + 1 / self.tau) * self.n_off / total)
        return math.sqrt(2 * (on + off))


POSITIVE = [
    OnOff(10, 20, 4.0),
    OnOff(140, 100, 1.0),
    OnOff(7, 3, 2.5, s=0.5),
    OnOff(4000, 1500, 0.5, s=20.0),
    OnOff(3, 1, 10.0),
    OnOff(25, 1000, 50.0, s=3.0),
]
DEFICITS = [OnOff(5, 30, 4.0), OnOff(80, 100, 1.0, s=7.0), OnOff(900, 500, 0.5, s=30.0)]
BELOW_ZERO = [dataclasses.replace(case, lower=-2.0 / case.s) for case in DEFICITS[:2]]
CASES = POSITIVE + DEFICITS + BELOW_ZERO
STATISTICS = {"t": statistics.t_mu, "q": statistics.q_mu, "qtilde": statistics.qtilde_mu}

every_case = pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c.n_on}-{c.n_off}-{c.tau:g}-{c.lower:g}"
)


def values(case: OnOff) -> list[float]:
    """Hypotheses on both sides of the best fit, scaled to the problem."""
    scale = math.sqrt(case.n_on + case.n_off / case.tau**2) / case.s
    return [max(case.mu_hat, 0.0) + x * scale for x in (0.3, 1.1, 2.5)] + [
        0.7 * max(case.mu_hat, 0.1 * scale)
    ]


@every_case
def test_best_fit(case):
    like = ny.load(case.workspace())
    best = ny.fit(like)
    assert best["mu"].value == pytest.approx(case.mu_hat, rel=1e-9, abs=1e-9)
    assert best["k"].value == pytest.approx(case.k(case.mu_hat), rel=1e-9)
    at_bound = case.mu_hat == case.lower
    assert (best.status is ny.Status.AT_BOUND) == at_bound
    if not at_bound:
        variance = case.n_on + case.n_off / case.tau**2
        assert best["mu"].error == pytest.approx(math.sqrt(variance) / case.s, rel=1e-6)
    for mu in values(case):
        conditional = ny.fit(like, fix={"mu": mu})
        assert conditional["k"].value == pytest.approx(case.k(mu), rel=1e-7)
        difference = 2 * (case.profile(mu) - case.profile(case.mu_hat))
        assert conditional.twice_nll - best.twice_nll == pytest.approx(difference, abs=1e-9)


@every_case
@pytest.mark.parametrize("name", STATISTICS)
def test_statistic(case, name):
    profile = Profile(ny.load(case.workspace()), "mu")
    for mu in values(case):
        found = STATISTICS[name](profile, mu)
        assert found == pytest.approx(getattr(case, name)(mu), rel=1e-9, abs=1e-9)


@every_case
@pytest.mark.parametrize("name", ["q", "qtilde"])
def test_hypotest(case, name):
    like = ny.load(case.workspace())
    for mu in values(case):
        test = ny.hypotest(like, value=mu, statistic=name, null="asymptotic")
        assert test.statistic == pytest.approx(getattr(case, name)(mu), rel=1e-9, abs=1e-9)
        clsb, clb = case.p_values(name, mu)
        assert_allclose([test.clsb, test.clb], [clsb, clb], rtol=1e-5)
        assert test.observed == pytest.approx(clsb / clb, rel=1e-5)
        assert_allclose(test.expected, case.expected_cls(name, mu), rtol=1e-7)


@every_case
@pytest.mark.parametrize(("name", "level"), [("q", 0.9), ("qtilde", 0.95)])
def test_upper_limit(case, name, level):
    limit = ny.upper_limit(
        ny.load(case.workspace()), level=level, statistic=name, null="asymptotic"
    )

    def root(cls):
        start, end = max(case.mu_hat, 0.0) + 1e-6, 1.0 / case.s
        while cls(end) > 1 - level or end < start:
            end *= 1.5
        return scipy.optimize.brentq(lambda mu: cls(mu) - (1 - level), start, end, xtol=1e-12)

    assert limit.observed == pytest.approx(root(lambda mu: case.cls(name, mu)), rel=1e-6)
    zero = dataclasses.replace(case, n_on=case.asimov(0).n_on, n_off=case.asimov(0).n_off)
    for i in range(5):
        expected = scipy.optimize.brentq(
            lambda mu, i=i: zero.expected_cls(name, mu)[i] - (1 - level), 1e-6, 400.0, xtol=1e-12
        )
        assert limit.expected[i] == pytest.approx(expected, rel=1e-6)


@every_case
def test_significance(case):
    found = ny.significance(ny.load(case.workspace()), null="asymptotic")
    assert found.z == pytest.approx(math.sqrt(case.q0()), rel=1e-9, abs=1e-5)
    assert found.p0 == pytest.approx(norm.sf(math.sqrt(case.q0())), rel=1e-7)
    if case.mu_hat > 0:
        assert found.z == pytest.approx(case.li_ma(), rel=1e-9)
    expected = case.asimov(1.0)
    assert found.expected_z == pytest.approx(math.sqrt(expected.q0()), rel=1e-8)
    assert found.expected_z == pytest.approx(expected.li_ma(), rel=1e-8)


@every_case
def test_interval(case):
    level = 0.6827 if case.tau > 1 else 0.95
    found = ny.interval(ny.load(case.workspace()), level=level)
    threshold = scipy.stats.chi2.ppf(level, 1)
    assert found.best == pytest.approx(case.mu_hat, rel=1e-9, abs=1e-9)

    def excess(mu):
        return case.t(mu) - threshold

    if excess(case.lower) > 0:
        lower = scipy.optimize.brentq(excess, case.lower, case.mu_hat, xtol=1e-12)
        assert found.lower == pytest.approx(lower, rel=1e-7)
    else:
        assert found.lower == case.lower
        assert found.status is ny.Status.AT_BOUND
    upper = scipy.optimize.brentq(excess, case.mu_hat, case.upper, xtol=1e-12)
    assert found.upper == pytest.approx(upper, rel=1e-7)


@every_case
def test_scan(case):
    grid = np.linspace(max(case.lower, 0.0), case.mu_hat + 9.0 / case.s, 13)
    found = ny.scan(ny.load(case.workspace()), values=grid)
    assert_allclose(found.delta_twice_nll, [case.t(mu) for mu in grid], rtol=1e-8, atol=1e-9)
    assert found.best == pytest.approx(case.mu_hat, rel=1e-9, abs=1e-9)


def test_a_hypothesis_below_an_excess_is_not_excluded():
    """mu^ > mu: q and qtilde are 0, so CLs+b = 1/2."""
    case = OnOff(140, 100, 1.0)
    for name in ("q", "qtilde"):
        test = ny.hypotest(ny.load(case.workspace()), value=20.0, statistic=name, null="asymptotic")
        assert test.statistic == 0
        assert test.clsb == pytest.approx(0.5)


def test_the_hypothesis_of_no_signal():
    """At mu = 0 the two hypotheses are one, so CLs = 1."""
    test = ny.hypotest(ny.load(OnOff(5, 30, 4.0).workspace()), value=0.0, null="asymptotic")
    assert test.observed == pytest.approx(1.0)
    assert_allclose(test.expected, 1.0)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"value": 1.0, "poi": "nu"}, "parameter 'nu': unknown; known are"),
        ({"value": 1.0, "statistic": "q0"}, "test statistic 'q0': unknown; known are"),
        ({"value": 1.0, "null": "exact"}, "null.*exact"),
        ({"value": math.nan}, "value"),
        ({"value": math.inf}, "value"),
        ({"value": -1.0}, "value"),
    ],
)
def test_wrong_questions(wrong, match):
    with pytest.raises(ny.InputError, match=match):
        ny.hypotest(ny.load(OnOff(10, 20, 4.0).workspace()), **wrong)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0, math.nan])
@pytest.mark.parametrize("verb", [ny.upper_limit, ny.interval])
def test_wrong_levels(verb, level):
    with pytest.raises(ny.InputError, match="level"):
        verb(ny.load(OnOff(10, 20, 4.0).workspace()), level=level)


def test_a_limit_beyond_the_bound_is_flagged():
    limit = ny.upper_limit(ny.load(OnOff(140, 100, 1.0, upper=60.0).workspace()), null="asymptotic")
    assert limit.status is ny.Status.BEYOND_BOUND
    assert limit.observed > 60.0
