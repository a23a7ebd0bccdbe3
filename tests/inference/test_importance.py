"""Importance sampling: closed forms, quadrature, ArviZ, heavy tails, and input that is refused.

That results do not depend on workers and interruptions stands in `test_sample`.
"""

import dataclasses
import math
import warnings

import equinox as eqx
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gamma, multivariate_normal

import neyman as ny
from neyman._jax import jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.inference.sampling import importance, pareto
from neyman.likelihoods.counting import on_off
from neyman.model import Data, Model
from neyman.status import InputError, Status
from tests.contracts import models
from tests.inference.test_sample import gaussian_like, gaussian_truth, one_bin, with_parameter


class _Tails(Model):
    """x ~ (1 + (x - theta)^2)^-a for each theta: a posterior with heavy tails; dear on demand."""

    parameters: ny.Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    power: float = eqx.field(static=True, default=1.0)
    dear: bool = eqx.field(static=True, default=False)
    poi: str | None = eqx.field(static=True, default=None)
    notes: tuple = eqx.field(static=True, default=())
    digest: str = eqx.field(static=True, default="")

    def main_log_prob(self, theta, main):
        return -self.power * jnp.sum(jnp.log1p((main - theta) ** 2))

    def main_sample(self, key, theta):
        raise NotImplementedError

    def main_expected(self, theta):
        return theta


def tails(power, *, n=1, dear=False):
    parameters = ny.Parameters(tuple(ny.Parameter(f"x{i}") for i in range(n)))
    auxiliary = Auxiliary.of(parameters, [], [], [])
    model = _Tails(parameters=parameters, auxiliary=auxiliary, power=power, dear=dear)
    return ny.compiled(model.observe(Data(np.linspace(0.5, 3.0, n), np.zeros(0))))


@pytest.fixture(scope="module")
def drawn():
    return ny.sample(gaussian_like(), key=1, sampler="importance", draws=2000)


class TestClosedForms:
    def test_gaussian(self, drawn):
        """Means, widths and the evidence within 5 standard errors: a false alarm in 2e6 each. A
        bias of 0.12 sd, or a factor of 1.04 in Z, is found with certainty."""
        mean, covariance, log_z = gaussian_truth(gaussian_like())
        assert drawn.status is Status.FINE
        assert drawn.pareto_k < 0.5
        assert np.exp(drawn.log_weight).sum() == pytest.approx(1.0)
        for i, name in enumerate(drawn.names):
            m, sd = drawn[name], math.sqrt(covariance[i, i])
            assert m.ess > 1500
            assert abs(m.mean - mean[i]) < 5 * sd / math.sqrt(m.ess)
            assert m.sd == pytest.approx(sd, rel=5 / math.sqrt(2 * m.ess))
        assert drawn.log_evidence_error < 0.01
        assert abs(drawn.log_evidence - log_z + math.log(60)) < 5 * drawn.log_evidence_error

    def test_a_maximum_at_the_bound(self):
        """One bin with n = 0: the posterior exp(-mu) is steepest at the bound."""
        m = ny.sample(one_bin(0), key=2, sampler="importance", draws=2000)["mu"]
        truth = gamma(1)
        assert abs(m.mean - 1.0) < 5 / math.sqrt(m.ess)
        assert m.hdi68[0] < 0.01
        assert truth.cdf(m.hdi95[1]) == pytest.approx(0.9545, abs=0.02)

    def test_two_skewed_parameters(self):
        """10 events on 6 in a control region, by quadrature: moments and evidence."""
        like = on_off(tau=2.0, bounds=(0.0, 60.0)).observe(Data(np.array([10.0, 6.0]), np.zeros(0)))
        names = like.parameters.names
        for name in names:
            like = with_parameter(like, name, bounds=(0.0, 60.0))
        grid = np.linspace(0.0, 60.0, 501)[1:-1]
        theta = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
        log_l = np.asarray(jax.jit(jax.vmap(like.log_prob))(jnp.asarray(theta)))
        log_z = logsumexp(log_l) + 2 * math.log(grid[1] - grid[0]) - 2 * math.log(60.0)
        weight = np.exp(log_l - logsumexp(log_l))
        result = ny.sample(like, key=3, sampler="importance", draws=2000)
        assert abs(result.log_evidence - log_z) < 5 * result.log_evidence_error
        for i, name in enumerate(names):
            mean = weight @ theta[:, i]
            sd = math.sqrt(weight @ (theta[:, i] - mean) ** 2)
            m = result[name]
            assert abs(m.mean - mean) < 5 * sd / math.sqrt(m.ess)
            assert m.sd == pytest.approx(sd, rel=5 * math.sqrt(1.5 / m.ess))

    def test_errors_of_the_evidence_are_honest(self):
        """Pulls of 20 seeds: a mean within 4 standard errors (one false alarm in 16,000) and a
        width of 0.5 to 1.6 (one in 10,000); errors wrong by a factor of 2.5 are found in 19 of 20
        repeats."""
        like = gaussian_like()
        log_z = gaussian_truth(like)[2] - math.log(60)
        found = [ny.sample(like, key=k, sampler="importance", draws=300) for k in range(20)]
        pulls = np.array([(r.log_evidence - log_z) / r.log_evidence_error for r in found])
        assert abs(pulls.mean()) < 4 * max(pulls.std(), 0.5) / math.sqrt(20)
        assert 0.5 < pulls.std() < 1.6

    def test_an_improper_prior_has_no_evidence(self):
        like = on_off(tau=2.0).observe(Data(np.array([10.0, 6.0]), np.zeros(0)))
        assert math.isnan(ny.sample(like, key=0, sampler="importance", draws=100).log_evidence)

    def test_fixed_parameters_are_held(self):
        like = with_parameter(gaussian_like(), "theta[0]", init=0.7, fixed=True)
        result = ny.sample(like, key=5, sampler="importance", draws=2000)
        w = np.asarray(like.model.whitening)
        a, d = w @ like.model.signal, w @ like.model.variations[0]
        mean = a @ (w @ like.data.main - 0.7 * d) / (a @ a)
        assert result.names == ("mu",)
        m = result["mu"]
        assert abs(m.mean - mean) < 5 / math.sqrt(a @ a) / math.sqrt(m.ess)


class TestTails:
    def test_weights_are_smoothed_as_by_arviz(self):
        """Pareto draws of four shapes and a bounded weight, to 1e-12."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arviz = pytest.importorskip("arviz")
            rng = np.random.default_rng(1)
            for k in (-1.0, 0.2, 0.6, 0.9, 1.3):
                x = rng.uniform(size=3000) if k < 0 else rng.pareto(1 / k, 3000) + 1.0
                log_w = np.log(x) - 700.0
                theirs, k_theirs = arviz.psislw(log_w.copy())
                ours, k_ours = pareto.smoothed(log_w)
                assert k_ours == pytest.approx(float(k_theirs), abs=1e-12)
                np.testing.assert_allclose(ours - logsumexp(ours), np.asarray(theirs), rtol=1e-12)

    def test_equal_weights_have_no_tail(self):
        log_w, k = pareto.smoothed(np.zeros(500))
        assert k == math.inf
        assert not log_w.any()

    def test_heavy_tails_are_told(self):
        """The posterior falls as |x|^-1.2, the proposal as |x|^-6, so that k tends to 4.8/5."""
        for key in range(3):
            result = ny.sample(tails(0.6), key=key, sampler="importance", draws=2000)
            assert result.pareto_k > 0.7
            assert Status.HEAVY_WEIGHTS in {note.status for note in result.notes}
            assert "k = " in result.message

    def test_nothing_is_possible(self):
        """A log L that is NaN everywhere."""
        result = ny.sample(tails(math.nan), key=0, sampler="importance", draws=100)
        assert result.status is Status.NOT_FINITE


class TestProposal:
    def test_density(self):
        """Of a mixture in two dimensions: its integral over a plane is 1 (the rest, 3e-6), and
        draws have its mean."""
        share, centre = np.array([0.3, 0.7]), np.array([[0.0, 0.0], [1.0, -1.0]])
        factor = np.array([[[1.0, 0.0], [0.5, 0.4]], [[0.3, 0.0], [0.0, 0.6]]])
        proposal = importance.Proposal(share, centre, factor)
        t = np.linspace(-30.0, 30.0, 1201)
        z = np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
        assert np.exp(proposal.log_prob(z)).sum() * 0.05**2 == pytest.approx(1.0, abs=1e-4)
        drawn = proposal.draw(np.random.default_rng(0), 20_000)
        np.testing.assert_allclose(drawn.mean(axis=0), [0.7, -0.7], atol=0.03)

    def test_the_pilot_mends_a_bad_start(self):
        """A first proposal shifted by one standard deviation and 1.5 times too wide: the second
        one is at the mean and has the covariance, within a fifth of a standard deviation: 4
        standard errors of the mean, 3 of a variance."""
        mean, covariance = np.array([1.0, -2.0]), np.array([[0.5, 0.3], [0.3, 0.9]])
        sd = np.sqrt(np.diagonal(covariance))
        bad = importance.Proposal(np.ones(1), (mean + sd)[None], np.diag(1.5 * sd)[None])
        z = bad.draw(np.random.default_rng(3), 2000)
        log_p = multivariate_normal(mean, covariance).logpdf(z)
        new = importance.adapted(bad, z, log_p - bad.log_prob(z))
        assert np.all(np.abs(new.centre[1] - mean) < 0.2 * sd)
        matrix = new.factor[1] @ new.factor[1].T
        np.testing.assert_allclose(
            matrix / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=0.2
        )


class TestChoice:
    def test_dear_likelihoods_take_it(self):
        result = ny.sample(tails(6.0, n=2, dear=True), key=1)
        assert result.sampler == "importance"
        assert result.status is Status.FINE
        for i, name in enumerate(result.names):  # t with 11 degrees of freedom, scale 1/sqrt(11)
            m = result[name]
            assert abs(m.mean - [0.5, 3.0][i]) < 5 / 3 / math.sqrt(m.ess)
            assert m.sd == pytest.approx(1 / 3, rel=0.15)

    def test_not_those_of_many_parameters(self):
        """What a warm-up of 3 is refused for tells the sampler."""
        for n, message in ((25, "leave warmup out"), (26, "warmup: is 3")):
            with pytest.raises(InputError, match=message):
                ny.sample(tails(6.0, n=n, dear=True), key=1, warmup=3)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"chains": 2}, "leave chains out"),
            ({"warmup": 40}, "leave warmup out"),
            ({"draws": 3}, "draws: is 3"),
            ({"draws": 10**9}, "are too many"),
        ],
    )
    def test_refused(self, options, message):
        with pytest.raises(InputError, match=message):
            ny.sample(gaussian_like(), key=0, sampler="importance", **options)


class TestReproducible:
    def test_same_key_same_bytes(self, drawn):
        again = ny.sample(gaussian_like(), key=1, sampler="importance", draws=2000)
        assert again.draws.tobytes() == drawn.draws.tobytes()
        assert again.log_weight.tobytes() == drawn.log_weight.tobytes()

    def test_more_draws_begin_with_the_same(self, drawn, tmp_path):
        place = ny.Workplace(folder=tmp_path / "c")
        few = ny.sample(gaussian_like(), key=1, sampler="importance", draws=150, workplace=place)
        assert len(list((tmp_path / "c").glob("*.npz"))) == importance.PILOT + 3
        assert few.draws.tobytes() == drawn.draws[:, :150].tobytes()
        more = ny.sample(gaussian_like(), key=1, sampler="importance", draws=2000, workplace=place)
        assert more.draws.tobytes() == drawn.draws.tobytes()
        assert dataclasses.replace(more, provenance=drawn.provenance).to_json() == drawn.to_json()


def scaled(n, low, high):
    """Gauss-Legendre nodes and weights."""
    node, weight = np.polynomial.legendre.leggauss(n)
    return low + 0.5 * (high - low) * (node + 1.0), 0.5 * (high - low) * weight


def test_events_by_quadrature():
    """A rate and g1 of 6 events in a xenon detector: `auto` takes importance sampling, and moments
    and evidence agree with quadrature within 5 standard errors."""
    like = models.LIKELIHOODS["events"]()
    result = ny.sample(like, key=1, draws=400)
    assert result.sampler == "importance"
    assert result.status in (Status.FINE, Status.FEW_DRAWS)
    rate, rate_width = scaled(32, 0.0, 10.0)
    g1, g1_width = scaled(16, 0.105, 0.129)
    theta = np.stack(np.meshgrid(rate, g1, indexing="ij"), axis=-1).reshape(-1, 2)
    log_l = np.asarray(jax.jit(lambda t: jax.lax.map(like.log_prob, t))(jnp.asarray(theta)))
    cell = np.outer(rate_width, g1_width).ravel()
    log_z = logsumexp(log_l, b=cell) - math.log(10.0)
    share = cell * np.exp(log_l - math.log(10.0) - log_z)
    assert abs(result.log_evidence - log_z) < 5 * result.log_evidence_error
    for i, name in enumerate(result.names):
        mean = share @ theta[:, i]
        sd = math.sqrt(share @ (theta[:, i] - mean) ** 2)
        m = result[name]
        assert abs(m.mean - mean) < 5 * sd / math.sqrt(m.ess)
        assert m.sd == pytest.approx(sd, rel=5 * math.sqrt(1.5 / m.ess))
