"""All nine published yields of nuclear recoils float at once: the fit's covariance against draws.

Laplace draws, of a Student t with 12 degrees of freedom around the fit, are weighted by the
likelihood; each round draws from the mean and covariance of the one before (population Monte
Carlo; Cappe et al., J. Comput. Graph. Stat. 13, 907), the first from the fit's.
"""

from typing import NamedTuple

import numpy as np
import pytest

import neyman as ny
from neyman._jax import jax, jnp, quick_jit
from neyman.likelihoods.xenon.spectra import flat
from neyman.results import Fit
from tests.slow import xenon_sets

FREEDOM = 12.0
ROUNDS = (2000, 2000, 3000, 6000)


@quick_jit
def log_prob(like, theta):
    return like.log_prob(theta)


def likelihood():
    """203 events of 1 to 12 keV; auxiliary measurements as published."""
    model = xenon_sets.made(
        "generic",
        {"nr": ("nr", flat(1.0, 12.0, 260.0))},
        xenon_sets.PUBLISHED,
        {"nr_rate": (0.0, 5.0)},
        "nr_rate",
    )
    data = xenon_sets.thrown(model, jax.random.key(5), jnp.asarray(model.parameters.init))
    published = jnp.asarray([value for value, _ in xenon_sets.PUBLISHED.values()])
    return model.observe(data._replace(auxiliary=published))


def weighted(like, mean, covariance, n, seed):
    """Mean, covariance and effective size of `n` weighted draws."""
    p, rng = like.parameters, np.random.default_rng(seed)
    z, u = rng.standard_normal((n, len(p))), rng.chisquare(FREEDOM, n) / FREEDOM
    draws = mean + (z @ np.linalg.cholesky(covariance).T) / np.sqrt(u)[:, None]
    inside = np.all((draws > p.lower) & (draws < p.upper), axis=1)
    log_p = [float(log_prob(like, t)) if i else -np.inf for t, i in zip(draws, inside)]
    squares = np.sum(z**2 / u[:, None], axis=1)
    log_w = np.array(log_p) + 0.5 * (FREEDOM + len(p)) * np.log1p(squares / FREEDOM)
    w = np.exp(log_w - np.max(log_w))
    w /= np.sum(w)
    mean = w @ draws
    return mean, (w[:, None] * (draws - mean)).T @ (draws - mean), 1.0 / np.sum(w**2)


class Compared(NamedTuple):
    """Covariances by the weighted draws and their effective size, in units of the fit's errors."""

    like: ny.Likelihood
    fit: Fit
    units: np.ndarray
    of_draws: np.ndarray
    size: float


@pytest.fixture(scope="module")
def compared():
    like = likelihood()
    fit = ny.fit(like)
    mean, covariance, size = fit.values, fit.covariance, 0.0
    for seed, n in enumerate(ROUNDS):
        mean, covariance, size = weighted(like, mean, covariance, n, seed)
    assert fit.names == NAMES
    units = np.outer(fit.errors, fit.errors)
    return Compared(like, fit, units, covariance / units, size)


ETA = pytest.mark.xfail(
    strict=True,
    reason="issue 4 asks for 10 %: the likelihood falls steeply below eta = 0.6 and is flat above"
    " 2, so the normal approximation is wider than the posterior by a fifth",
)
NAMES = ("nr_rate", *xenon_sets.PUBLISHED)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=ETA) if n == "nr_eta" else n for n in NAMES]
)
def test_nine_yields(compared, name):
    """Variances, and covariances with all others but eta in units of the fit's errors: to 10 %.

    An effective size of 1,000 knows either to 4.5 %; two standard errors are allowed for.
    """
    size, of_fit = compared.size, compared.fit.covariance / compared.units
    assert size > 1000.0
    row = NAMES.index(name)
    others = [i for i, other in enumerate(NAMES) if other != "nr_eta" or other == name]
    wrong = compared.of_draws[row, others] - of_fit[row, others]
    assert np.all(np.abs(wrong) < 0.1 + 2.0 * np.sqrt(2.0 / size)), wrong.round(3)


@pytest.mark.slow
def test_a_posterior_has_all_nine(compared):
    """`ny.sample` has the covariance of the test's draws to 10 %, eta's too."""
    posterior = ny.sample(compared.like, key=1, draws=6000)
    assert posterior.sampler == "importance" and posterior.names == NAMES
    draws = posterior.draws.reshape(-1, len(NAMES))
    weight = np.exp(posterior.log_weight.ravel() - np.max(posterior.log_weight))
    found = np.cov(draws.T, aweights=weight) / compared.units
    size = np.sum(weight) ** 2 / np.sum(weight**2)
    print(size, (np.diagonal(found) / np.diagonal(compared.of_draws)).round(3))
    allowed = 0.1 + 2.0 * np.sqrt(2.0 / size + 2.0 / compared.size)
    np.testing.assert_allclose(found, compared.of_draws, atol=allowed)
