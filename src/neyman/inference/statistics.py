"""Test statistics and their asymptotic distributions (Cowan, Cranmer, Gross, Vitells,
arXiv:1007.1727).

    t_mu       = 2 log L(mu^) - 2 log L(mu)                        eq. 8
    qtilde_mu  = t_mu for mu^ <= mu, with mu^ replaced by 0 where it is below; 0 above    eq. 16
    q_mu       = t_mu for mu^ <= mu; 0 above                        eq. 14
    q0         = t_0 for mu^ >= 0; 0 below                          eq. 12

With sA = sqrt of the statistic on the Asimov data of mu = 0 (eq. 30), and x = sqrt(q) - sA, or
for qtilde x = (q - sA^2)/(2 sA) where sqrt(q) > sA (eq. 64 to 66):

    CLs+b = 1 - Phi(x + sA),    CLb = 1 - Phi(x),    CLs = CLs+b / CLb

Data at N sigma of the background-only distribution have x = -N, so that the expected values
need no more than sA (section 4.3). Adding a statistic: one function here, one line in the
table of `tests/truth/test_statistics.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from neyman.inference.profile import Profile, not_below_zero
from neyman.parameters import unknown_name

SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
"""The order of expected values: fluctuations of the background, the most stringent first."""


def t_mu(profile: Profile, mu: float) -> float:
    """Eq. 8: both directions count."""
    return profile.twice_delta(mu)


def q_mu(profile: Profile, mu: float) -> float:
    """Eq. 14: an excess over mu is no evidence against it."""
    return profile.twice_delta(mu) if profile.best_value <= mu else 0.0


def qtilde_mu(profile: Profile, mu: float) -> float:
    """Eq. 16: as `q_mu`, with mu^ >= 0."""
    if profile.best_value >= 0:
        return q_mu(profile, mu)
    return not_below_zero(2.0 * (profile.at(mu).value - profile.at(0.0).value)) if mu > 0 else 0.0


def q0(profile: Profile) -> float:
    """Eq. 12: the test of mu = 0 against an excess."""
    return profile.twice_delta(0.0) if profile.best_value > 0 else 0.0


Statistic = Callable[[Profile, float], float]
LIMIT_STATISTICS: dict[str, Statistic] = {"qtilde": qtilde_mu, "q": q_mu}


def limit_statistic(name: str) -> Statistic:
    if name not in LIMIT_STATISTICS:
        raise unknown_name(name, LIMIT_STATISTICS, "test statistic")
    return LIMIT_STATISTICS[name]


class PValues(NamedTuple):
    """Logarithms of p-values."""

    log_clsb: float
    log_clb: float

    @property
    def log_cls(self) -> float:
        return float(self.log_clsb - self.log_clb)


def asymptotic(statistic: str, q: float, q_asimov: float) -> PValues:
    """The p-values of an observed `q` (eq. 59, 60, 65 and 66)."""
    root, s = np.sqrt(q), np.sqrt(q_asimov)
    if s == 0:
        return PValues(0.0, 0.0)
    x = (q - q_asimov) / (2 * s) if statistic == "qtilde" and root > s else root - s
    return PValues(float(log_ndtr(-(x + s))), float(log_ndtr(-x)))


def asymptotic_expected(q_asimov: float) -> np.ndarray:
    """log CLs of data at `SIGMAS` of the background-only distribution, (5,)."""
    s = np.sqrt(q_asimov)
    return np.zeros(5) if s == 0 else log_ndtr(SIGMAS - s) - log_ndtr(SIGMAS)
