"""Posteriors in closed form, reproducibility, resuming, and input that is refused."""

import dataclasses
import math
import sys
import warnings

import equinox as eqx
import numpy as np
import pytest
from scipy.stats import gamma, norm, poisson

import neyman as ny
from neyman._jax import jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.inference.diagnostics import ess_mean
from neyman.inference.sampling import nested
from neyman.inference.sampling.posterior import posterior_of
from neyman.likelihoods.counting import counting, gaussian, on_off
from neyman.model import Data, Model
from neyman.parameters import LogUniform, Normal
from neyman.results import Samples
from neyman.status import InputError, Status
from tests.contracts import models


def with_parameter(like, name, **changes):
    parameters = like.model.parameters.replace(name, **changes)
    return dataclasses.replace(like.model, parameters=parameters).observe(like.data)


def gaussian_like(bounds=(-30.0, 30.0)):
    model = gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]], bounds=bounds)
    return model.observe(Data(np.array([1.4, 1.1]), np.zeros(1)))


def gaussian_truth(like):
    """Mean and covariance of the posterior with flat mu, and log Z without the prior's norm."""
    w = np.asarray(like.model.whitening)
    design = w @ np.stack([like.model.signal, *like.model.variations], axis=1)
    covariance = np.linalg.inv(design.T @ design + np.diag([0.0, 1.0]))
    mean = covariance @ design.T @ (w @ like.data.main)
    log_z = float(like.log_prob(mean)) + 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    return mean, covariance, log_z


def one_bin(n, bounds=(0.0, math.inf), **changes):
    """n ~ Poisson(mu): with a flat prior the posterior is Gamma(n + 1)."""
    like = counting([1.0], [0.0], bounds=bounds).observe(Data(np.array([float(n)]), np.zeros(0)))
    return with_parameter(like, "mu", **changes) if changes else like


@pytest.fixture(scope="module")
def weighted():
    return ny.sample(gaussian_like(), key=1, sampler="nested", draws=300)


@pytest.fixture(scope="module")
def drawn():
    return ny.sample(gaussian_like(), key=1)


def assert_moments(result, name, mean, sd):
    """Within 5 standard errors: a false alarm in 2e6; with 7,000 effective draws a bias of
    0.1 sd and a width 7 % wrong are found with certainty."""
    x = result.of(name)
    n = ess_mean(x)
    assert n > 1500
    assert abs(x.mean() - mean) < 5 * sd / math.sqrt(n)
    assert abs(x.std() / sd - 1) < 5 * math.sqrt(0.7 / ess_mean((x - mean) ** 2))


class TestClosedForms:
    def test_gaussian(self, drawn):
        mean, covariance, _ = gaussian_truth(gaussian_like())
        assert drawn.status is Status.FINE
        for i, name in enumerate(drawn.names):
            assert_moments(drawn, name, mean[i], math.sqrt(covariance[i, i]))
        flat = drawn.draws.reshape(-1, 2)
        expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert np.corrcoef(flat.T)[0, 1] == pytest.approx(expected, abs=0.07)

    @pytest.mark.parametrize("n", [0, pytest.param(6, marks=pytest.mark.slow)])
    def test_gamma_poisson(self, n):
        """n = 0 has its maximum at the bound, exp(-mu)."""
        result = ny.sample(one_bin(n), key=2)
        truth = gamma(n + 1)
        assert_moments(result, "mu", truth.mean(), truth.std())
        low, high = result["mu"].hdi68
        assert truth.cdf(high) - truth.cdf(low) == pytest.approx(0.6827, abs=0.03)
        assert n or low < 0.01

    @pytest.mark.slow
    def test_log_uniform_prior(self):
        """Gamma(n) on the wide bounds, by the prior 1/mu."""
        result = ny.sample(one_bin(6, bounds=(1e-4, 1e3), prior=LogUniform()), key=3)
        assert_moments(result, "mu", 6.0, math.sqrt(6.0))

    @pytest.mark.slow
    def test_normal_prior(self):
        like = with_parameter(gaussian_like((-math.inf, math.inf)), "mu", prior=Normal(-1.0, 0.5))
        mean, covariance, _ = gaussian_truth(gaussian_like())
        precision = np.linalg.inv(covariance) + np.diag([4.0, 0.0])
        updated = np.linalg.solve(precision, np.linalg.inv(covariance) @ mean + [-4.0, 0.0])
        result = ny.sample(like, key=4)
        assert_moments(result, "mu", updated[0], math.sqrt(np.linalg.inv(precision)[0, 0]))

    @pytest.mark.slow
    def test_fixed_parameters_are_held(self):
        like = with_parameter(gaussian_like(), "theta[0]", init=0.7, fixed=True)
        result = ny.sample(like, key=5)
        w = np.asarray(like.model.whitening)
        a, d = w @ like.model.signal, w @ like.model.variations[0]
        mean = a @ (w @ like.data.main - 0.7 * d) / (a @ a)
        assert result.names == ("mu",)
        assert_moments(result, "mu", mean, 1 / math.sqrt(a @ a))


def test_ensemble():
    """Walkers mix slowly: 5 standard errors by their own effective number."""
    like = gaussian_like()
    mean, covariance, _ = gaussian_truth(like)
    result = ny.sample(like, key=1, sampler="ensemble", draws=2000)
    for i, name in enumerate(result.names):
        assert_moments(result, name, mean[i], math.sqrt(covariance[i, i]))


class TestNested:
    def test_evidence_of_a_gaussian_in_a_box(self, weighted):
        """Within 4 of its errors (a false alarm in 16,000), each about 0.1."""
        like = gaussian_like()
        mean, covariance, log_z = gaussian_truth(like)
        result = weighted
        assert 0.03 < result.log_evidence_error < 0.2
        assert abs(result.log_evidence - log_z + math.log(60)) < 4 * result.log_evidence_error
        for i, name in enumerate(result.names):
            sd, m = math.sqrt(covariance[i, i]), result[name]
            assert abs(m.mean - mean[i]) < 5 * sd / math.sqrt(m.ess)
            assert m.sd == pytest.approx(sd, rel=5 / math.sqrt(m.ess))
        assert np.exp(result.log_weight).sum() == pytest.approx(1.0)

    def test_runs_are_joined(self):
        """Four runs of 100 live points are one of 400: the evidence within 4 errors of the exact
        one, and its error about half that of one run (it is 0.11 of one, H = 3)."""
        like = gaussian_like()
        mean, covariance, log_z = gaussian_truth(like)
        one, four = (ny.sample(like, key=2, sampler="nested", draws=100, chains=n) for n in (1, 4))
        assert abs(four.log_evidence - log_z + math.log(60)) < 4 * four.log_evidence_error
        assert 0.3 < four.log_evidence_error / one.log_evidence_error < 0.7
        assert np.exp(four.log_weight).sum() == pytest.approx(1.0)
        m = four["mu"]
        assert abs(m.mean - mean[0]) < 5 * math.sqrt(covariance[0, 0] / m.ess)

    @pytest.mark.parametrize(
        "prior",
        [
            pytest.param("normal", marks=pytest.mark.slow),
            pytest.param("flat", marks=pytest.mark.slow),
            pytest.param("log-uniform", marks=pytest.mark.slow),
        ],
    )
    def test_evidence_of_a_count(self, prior):
        """One bin: by quadrature."""
        bounds = (0.5, 20.0)
        chosen = {"flat": {}, "normal": {"prior": Normal(3.0, 4.0)}}.get(
            prior, {"prior": LogUniform()}
        )
        like = one_bin(4, bounds=bounds, **chosen)
        mu = np.linspace(*bounds, 200_001)
        density = {
            "flat": np.full_like(mu, 1 / 19.5),
            "normal": norm.pdf(mu, 3, 4) / np.diff(norm.cdf(bounds, 3, 4)),
            "log-uniform": 1 / mu / math.log(40),
        }[prior]
        exact = math.log(np.trapezoid(poisson.pmf(4, mu) * density, mu))
        result = ny.sample(like, key=2, sampler="nested", draws=300)
        assert abs(result.log_evidence - exact) < 4 * max(result.log_evidence_error, 0.02)

    @pytest.mark.slow
    def test_constraints_are_proper_priors(self):
        """Z of a workspace with Normal and Poisson constraints equals the mean of L over prior
        draws, by plain Monte Carlo, within 5 errors."""
        like = with_parameter(models.LIKELIHOODS["histfactory"](), "mu", bounds=(0.0, 4.0))
        like = with_parameter(like, "k", bounds=(0.5, 1.5))
        posterior = posterior_of(ny.compiled(like))
        theta, log_norm = nested.prior_draws(posterior, 0, 200_000)
        constraints = nested.Constraints(posterior)

        def rest(t):
            return like.log_prob(t) - constraints.auxiliary.log_prob(t, constraints.measured)

        weight = np.exp(np.asarray(jax.jit(jax.vmap(rest))(jnp.asarray(theta))))
        exact = math.log(weight.mean()) + log_norm
        spread = weight.std() / weight.mean() / math.sqrt(len(weight))
        result = ny.sample(like, key=3, sampler="nested", draws=200)
        error = math.hypot(result.log_evidence_error, spread)
        assert abs(result.log_evidence - exact) < 5 * error


@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform():
    """Simulation-based calibration (arXiv:1804.06788) of Gamma(2, 1/2) x Poisson, 150 data sets:
    the rank's mean and second moment, 4.5 standard errors each (a false alarm in 70,000). A bias
    of 0.4 sd, or a posterior a third too narrow, is found in 19 of 20 repeats."""
    rng = np.random.default_rng(8)
    ranks = []
    for i in range(150):
        truth = rng.uniform(0.0, 10.0)
        like = one_bin(rng.poisson(truth), bounds=(0.0, 10.0))
        x = ny.sample(ny.compiled(like), key=i, draws=60, chains=4, warmup=60).of("mu")
        ranks.append(np.mean(x < truth))
    u = np.array(ranks)
    assert abs(u.mean() - 1 / 2) < 4.5 * math.sqrt(1 / 12 / len(u))
    assert abs(np.mean((u - 0.5) ** 2) - 1 / 12) < 4.5 * math.sqrt(1 / 180 / len(u))


@pytest.mark.parametrize(
    "name",
    [
        "on_off",
        *(pytest.param(n, marks=pytest.mark.slow) for n in models.LIKELIHOODS if n != "on_off"),
    ],
)
def test_transform_and_derivatives(name):
    """theta(z(theta)), the gradient and the Hessian in z, against automatic differentiation."""
    like = ny.compiled(models.LIKELIHOODS[name]())
    posterior = posterior_of(like)
    inside = np.clip(like.parameters.init + 0.05, like.parameters.lower, like.parameters.upper)
    z = jnp.asarray(posterior.z(inside))
    back = np.asarray(posterior.theta(z))
    fixed = like.parameters.fixed
    np.testing.assert_allclose(back, np.where(fixed, like.parameters.init, back), rtol=1e-9)
    d = jax.jit(lambda t: posterior.derivatives(t))(z)
    gradient = jax.jit(jax.grad(lambda t: posterior.log_prob(t)))
    np.testing.assert_allclose(-d.value, posterior.log_prob(z), rtol=1e-12)
    np.testing.assert_allclose(d.gradient, -gradient(z), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(d.hessian, -jax.jit(jax.jacfwd(gradient))(z), rtol=1e-6, atol=1e-7)


class TestReproducible:
    def test_same_key_same_bytes(self, drawn):
        again = ny.sample(gaussian_like(), key=1)
        assert again.draws.tobytes() == drawn.draws.tobytes()
        assert ny.sample(gaussian_like(), key=2).draws.tobytes() != drawn.draws.tobytes()

    def test_more_draws_begin_with_the_same(self, drawn, tmp_path):
        few = ny.sample(
            gaussian_like(), key=1, draws=300, workplace=ny.Workplace(folder=tmp_path / "c")
        )
        assert len(list((tmp_path / "c").glob("*.npz"))) == 2 * 3
        more = ny.sample(gaussian_like(), key=1, workplace=ny.Workplace(folder=tmp_path / "c"))
        assert few.draws.tobytes() == drawn.draws[:, :300].tobytes()
        assert more.draws.tobytes() == drawn.draws.tobytes()

    @pytest.mark.parametrize(
        "options",
        [
            {"chains": 6, "draws": 300},
            {"sampler": "ensemble", "draws": 300},
            {"sampler": "nested", "chains": 2, "draws": 100},
            {"sampler": "importance", "draws": 300},
        ],
    )
    def test_one_and_two_workers_agree(self, tmp_path, options):
        """Bit for bit, also after two workers whose last chunks were lost; groups of 3 chains, two
        ensembles, two nested runs."""
        like = gaussian_like()
        kept = ny.Workplace(workers=2, folder=tmp_path / "c")
        two = ny.sample(like, key=3, **options, workplace=kept)
        one = ny.sample(like, key=3, **options)
        for last in sorted((tmp_path / "c").glob("*.npz"))[-3:]:
            last.unlink()
        resumed = ny.sample(like, key=3, **options, workplace=kept)
        for other in (two, resumed):
            assert other.draws.tobytes() == one.draws.tobytes()
            assert other.log_prob.tobytes() == one.log_prob.tobytes()
            assert other.log_weight.tobytes() == one.log_weight.tobytes()
            assert other.notes == one.notes

    @pytest.mark.parametrize("sampler", ["nested", "ensemble", "importance"])
    def test_resumed_after_any_chunk(self, tmp_path, sampler):
        like, options = gaussian_like(), {"key": 3, "sampler": sampler, "draws": 300}
        whole = ny.sample(like, **options, workplace=ny.Workplace(folder=tmp_path / "c"))
        last = sorted((tmp_path / "c").glob("*.npz"))[-1]
        last.unlink()
        again = ny.sample(like, **options, workplace=ny.Workplace(folder=tmp_path / "c"))
        alone = ny.sample(like, **options)
        for other in (again, alone):
            assert other.draws.tobytes() == whole.draws.tobytes()
            assert other.log_weight.tobytes() == whole.log_weight.tobytes()

    def test_a_damaged_chunk_is_noted(self, drawn, tmp_path):
        ny.sample(gaussian_like(), key=1, workplace=ny.Workplace(folder=tmp_path / "c"))
        (tmp_path / "c" / "00000001.npz").write_bytes(b"cut")
        again = ny.sample(gaussian_like(), key=1, workplace=ny.Workplace(folder=tmp_path / "c"))
        assert again.draws.tobytes() == drawn.draws.tobytes()
        assert again.status is Status.DAMAGED_CHUNK

    def test_another_likelihood_is_refused(self, tmp_path):
        ny.sample(one_bin(3), key=1, draws=20, workplace=ny.Workplace(folder=tmp_path / "c"))
        with pytest.raises(InputError, match="holds another computation: likelihood"):
            ny.sample(one_bin(4), key=1, draws=20, workplace=ny.Workplace(folder=tmp_path / "c"))

    def test_another_formula_for_the_same_arrays_is_refused(self, tmp_path):
        like = ny.load(models.WORKSPACE)
        other = dataclasses.replace(like.model, normsys_code="1").observe(like.data)
        ny.sample(like, key=1, draws=20, workplace=ny.Workplace(folder=tmp_path / "c"))
        with pytest.raises(InputError, match="holds another computation: likelihood"):
            ny.sample(other, key=1, draws=20, workplace=ny.Workplace(folder=tmp_path / "c"))


class TestResult:
    def test_save_and_load(self, drawn, tmp_path):
        drawn.save(tmp_path / "r.json")
        for loaded in (Samples.load(tmp_path / "r.json"), ny.load_result(tmp_path / "r.json")):
            assert loaded.draws.tobytes() == drawn.draws.tobytes()
            assert loaded["mu"] == drawn["mu"]
            assert loaded.to_json() == drawn.to_json()

    def test_damaged_file(self, drawn, tmp_path):
        drawn.save(tmp_path / "r.json")
        text = (tmp_path / "r.json").read_text()
        at = text.index('"packed"') + 400
        (tmp_path / "r.json").write_text(text[:at] + "AAAA" + text[at + 4 :])
        with pytest.raises(InputError, match="damaged"):
            Samples.load(tmp_path / "r.json")

    def test_arviz(self, drawn):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("arviz")
            data = drawn.to_arviz()
        posterior = data["posterior"]
        np.testing.assert_array_equal(posterior["mu"].values, drawn.of("mu"))
        assert posterior["theta[0]"].dims == ("chain", "draw")
        assert data["sample_stats"]["lp"].shape == drawn.log_prob.shape

    def test_unknown_parameter(self, drawn):
        with pytest.raises(InputError, match="known are mu"):
            _ = drawn["nu"]

    @pytest.mark.slow
    def test_few_draws_and_chains_apart_are_noted(self):
        """Two modes far apart: mu^2 is measured."""
        result = ny.sample(_two_modes(), key=1, draws=50)
        found = {note.status for note in result.notes}
        assert {Status.CHAINS_DISAGREE, Status.FEW_DRAWS} <= found
        assert "mu" in result.message


class _Squared(Model):
    """x ~ Normal(mu^2, 1)."""

    parameters: ny.Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    poi: str | None = eqx.field(static=True, default=None)
    notes: tuple = eqx.field(static=True, default=())
    digest: str = eqx.field(static=True, default="")

    def main_log_prob(self, theta, main):
        return -0.5 * (main - theta[0] ** 2) ** 2

    def main_sample(self, key, theta):
        return theta[0] ** 2 + jax.random.normal(key)

    def main_expected(self, theta):
        return theta[0] ** 2


def _two_modes():
    parameters = ny.Parameters((ny.Parameter("mu", 0.1, (-20.0, 20.0)),))
    model = _Squared(parameters=parameters, auxiliary=Auxiliary.of(parameters, [], [], []))
    return model.observe(Data(np.asarray(36.0), np.zeros(0)))


REFUSED = {
    "unknown sampler": ({"sampler": "gibbs"}, "known are"),
    "negative draws": ({"draws": -5}, "draws: is -5"),
    "draws of another type": ({"draws": True}, "draws: is True"),
    "no chains": ({"chains": 0}, "chains: is 0"),
    "too many draws": ({"draws": 10**9}, "are too many"),
    "short warm-up": ({"warmup": 3}, "warmup: is 3"),
    "negative key": ({"key": -1}, "key: is -1"),
    "warm-up of nested sampling": ({"sampler": "nested", "warmup": 40}, "leave warmup"),
    "odd ensemble": ({"sampler": "ensemble", "chains": 33}, "even number"),
    "few walkers": ({"sampler": "ensemble", "chains": 2}, "from 4 on"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    options, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        ny.sample(gaussian_like(), **({"key": 0} | options))


def test_an_improper_prior_has_no_evidence():
    like = on_off(tau=2.0).observe(Data(np.array([10.0, 6.0]), np.zeros(0)))
    with pytest.raises(InputError, match=r"parameter 'mu'.*improper.*prior=Normal"):
        ny.sample(like, key=0, sampler="nested")


def test_priors_that_cannot_be_used():
    for changes, message in (
        ({"prior": LogUniform()}, "log-uniform to 0"),
        ({"prior": Normal(0.0, -1.0)}, "an sd above 0"),
    ):
        with pytest.raises(InputError, match=message):
            ny.sample(one_bin(3, **changes), key=0)
    with pytest.raises(InputError, match="a measurement acts as a prior"):
        ny.sample(with_parameter(gaussian_like(), "theta[0]", prior=Normal(0.0, 1.0)), key=0)
    with pytest.raises(InputError, match="all are fixed"):
        ny.sample(one_bin(3, fixed=True), key=0)


def test_missing_emcee(monkeypatch):
    monkeypatch.setitem(sys.modules, "emcee", None)
    with pytest.raises(InputError, match=r"pip install neyman\[posterior\]"):
        ny.sample(gaussian_like(), key=0, sampler="ensemble")
