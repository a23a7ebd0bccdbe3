"""Fits of random valid workspaces from their default start: nearly all converge, the rest say why.

A sample of the best fits is compared with pyhf and minuit, started at neyman's maximum and at
the default: neyman's -2 log L may be no worse than the better of the two by more than 1e-5.
`tests/slow/test_many_fits.py` runs the same for more of them.
"""

import iminuit
import numpy as np

import neyman as ny
from tests.strategies import random_workspace
from tests.truth.test_pyhf import pyhf_model

CONVERGED = 0.999


def unconverged(seeds: range) -> dict[int, str]:
    """Fit each; what failed, by seed, with its message. Warnings are errors in all tests."""
    failed = {}
    for seed in seeds:
        best = ny.fit(ny.load(random_workspace(np.random.default_rng(seed))))
        assert np.all(np.isfinite(best.values))
        assert np.isfinite(best.twice_nll) or best.status.failed
        if best.status.failed:
            failed[seed] = best.message
            assert best.status.remedy in best.message
    return failed


def assert_most_converge(seeds: range) -> None:
    failed = unconverged(seeds)
    assert len(failed) <= (1 - CONVERGED) * len(seeds), failed


def test_500_random_fits():
    assert_most_converge(range(100_000, 100_500))


def minuit_twice_nll(document: dict, start: np.ndarray) -> float:
    """-2 log L at the minimum that minuit finds from `start` in pyhf's model."""
    model, data = pyhf_model(document)

    def twice_nll(theta):
        with np.errstate(all="ignore"):
            value = -2.0 * float(model.logpdf(theta, data)[0])
        return value if np.isfinite(value) else 1e10

    minuit = iminuit.Minuit(twice_nll, start)
    minuit.limits = model.config.suggested_bounds()
    minuit.fixed = model.config.suggested_fixed()
    minuit.strategy, minuit.tol, minuit.errordef = 1, 1e-3, 1.0
    return float(minuit.migrad(ncall=20_000).fval)


def assert_no_worse_than_minuit(seeds: range) -> None:
    for seed in seeds:
        document = random_workspace(np.random.default_rng(seed))
        like = ny.load(document)
        best = ny.fit(like)
        p = like.parameters
        inward = np.clip(best.values, p.lower + 1e-3, p.upper - 1e-3)
        starts = (p.init, np.where(p.fixed, p.init, inward))
        theirs = min(minuit_twice_nll(document, start) for start in starts)
        assert best.twice_nll <= theirs + 1e-5, (seed, best.message)


def test_as_good_as_minuit():
    assert_no_worse_than_minuit(range(200_000, 200_010))
