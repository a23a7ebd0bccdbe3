"""Python functions as likelihoods: traced by jax, on the host with a gradient, and without."""

import math

import numpy as np
import pytest
from scipy.stats import norm

import neyman as ny
from neyman._jax import jax, jnp
from neyman.inference import newton
from neyman.likelihoods.counting import counting
from neyman.model import Data
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError, Status

PARAMETERS = (Parameter("mu", 1.0, (-5.0, 20.0)), Parameter("b", 5.0, (0.1, 50.0), unit="events"))
N, M, TAU = 9.0, 12.0, 2.0


def traced(theta):
    """On/off counting: n ~ Poisson(mu + b), m ~ Poisson(tau b)."""
    rate = jnp.stack([theta[0] + theta[1], TAU * theta[1]])
    return jnp.sum(jnp.array([N, M]) * jnp.log(rate) - rate)


def on_host(theta):
    if not (theta[0] + theta[1] > 0 and theta[1] > 0):
        return math.nan
    rate = theta[0] + theta[1], TAU * theta[1]
    return sum(n * math.log(r) - r for n, r in zip((N, M), rate))


def its_gradient(theta):
    first, second = N / (theta[0] + theta[1]) - 1.0, M / (TAU * theta[1]) - 1.0
    return np.array([first, first + TAU * second])


LIKELIHOODS = {
    "traced": lambda: ny.likelihood(traced, PARAMETERS),
    "with a gradient": lambda: ny.likelihood(on_host, PARAMETERS, gradient=its_gradient),
    "without": lambda: ny.likelihood(on_host, PARAMETERS),
}


@pytest.fixture(params=LIKELIHOODS, scope="module")
def like(request):
    return LIKELIHOODS[request.param]()


def test_what_it_is(like):
    assert like.model is None
    assert like.data is None
    assert like.poi is None
    assert not like.constraints_known
    assert len(like.digest) == 64


def test_only_one_has_no_gradient():
    assert [make().differentiable for make in LIKELIHOODS.values()] == [True, True, False]


def test_values_and_derivatives(like):
    theta = np.array([2.0, 6.5])
    found = like.derivatives(jnp.asarray(theta))
    hessian = np.array(jax.hessian(lambda t: -traced(t))(jnp.asarray(theta)))
    assert float(found.value) == pytest.approx(-on_host(theta), rel=1e-14)
    np.testing.assert_allclose(found.gradient, -its_gradient(theta), atol=1e-8)
    np.testing.assert_allclose(found.hessian, hessian, atol=2e-5)
    together = jax.jit(jax.vmap(jax.grad(like.log_prob)))(jnp.stack([theta, 2 * theta]))
    np.testing.assert_allclose(together[1], its_gradient(2 * theta), atol=1e-8)


def test_fit_scan_interval_and_limit(like):
    """The maximum is at b = m/tau, mu = n - m/tau, where t has a closed form."""
    fit = ny.fit(like)
    assert fit.status is Status.FINE
    variance = N + M / TAU**2
    away = np.sqrt(newton.TOLERANCE * variance)
    np.testing.assert_allclose(fit.values, [N - M / TAU, M / TAU], atol=away)
    assert fit["mu"].error == pytest.approx(np.sqrt(variance), rel=1e-4)
    scan = ny.scan(like, "mu", values=[0.0, 3.0])
    both = (N + M) / (1 + TAU)
    t = 2 * (on_host(fit.values) - on_host([0.0, both]))
    np.testing.assert_allclose(scan.delta_twice_nll, [t, 0.0], atol=1e-6)
    limit = ny.upper_limit(like, "mu", level=0.9)
    assert limit.status is Status.PROFILE_LIMIT
    at = ny.scan(like, "mu", values=[limit.observed]).delta_twice_nll[0]
    assert at == pytest.approx(norm.ppf(0.9) ** 2, rel=1e-6)


def test_a_fit_of_the_counting_model(like):
    """The same likelihood as a model of neyman's own."""
    model = counting([1.0], [0.0]).observe(Data(np.array([N]), np.zeros(0)))
    own = ny.fit(like, fix={"b": 1e-12 + 0.1})
    assert own["mu"].value == pytest.approx(ny.fit(model)["mu"].value - 0.1, abs=1e-4)


def test_sampling_without_gradients():
    """mu and b against the traced function; 5 standard errors, a false alarm in 2e6."""
    without = LIKELIHOODS["without"]()
    with pytest.raises(InputError, match="sampler='ensemble'"):
        ny.sample(without, key=0, sampler="nuts")
    ours = ny.sample(without, key=0, draws=500, warmup=300)
    assert ours.sampler == "ensemble"
    theirs = ny.sample(LIKELIHOODS["traced"](), key=0, sampler="ensemble", draws=500, warmup=300)
    np.testing.assert_array_equal(ours.draws, theirs.draws)


def test_gradients_are_used_where_there_are_some():
    assert ny.sample(LIKELIHOODS["traced"](), key=0, draws=50, warmup=50).sampler == "nuts"


def test_rename_and_declare_anew(like):
    theta = jnp.array([2.0, 6.0])
    renamed = like.prefix("A_", keep=["mu"])
    assert renamed.parameters.names == ("mu", "A_b")
    assert float(renamed.log_prob(theta)) == float(like.log_prob(theta))
    assert like.replace("mu", bounds=(0.0, 1.0)).parameters["mu"].bounds == (0.0, 1.0)


def test_digests_tell_functions_apart():
    def other(theta):
        return traced(theta) - 1e-9 * theta[0] ** 4

    one, same = (ny.likelihood(traced, PARAMETERS) for _ in range(2))
    assert one.digest == same.digest
    assert one.digest != ny.likelihood(other, PARAMETERS).digest


def test_the_function_may_write_into_theta():
    def careless(theta):
        theta *= 2.0
        return -float(np.sum(theta**2))

    like = ny.likelihood(careless, PARAMETERS)
    assert ny.fit(like, init={"mu": 3.0})["mu"].value == pytest.approx(0.0, abs=1e-4)


def test_nan_is_told():
    like = ny.likelihood(lambda theta: float("nan") * theta[0], PARAMETERS)
    assert ny.fit(like).status is Status.NOT_FINITE


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda theta: np.asarray(theta), r"shape \(2,\); return one of shape \(\)"),
        (lambda theta: np.asarray(theta)[5], "raised IndexError"),
        (lambda theta: "text" + str(np.asarray(theta)), "text"),
    ],
)
def test_bad_functions(f, said):
    with pytest.raises((InputError, ValueError), match=said):
        ny.likelihood(f, PARAMETERS)


def test_bad_gradient_and_no_parameters():
    with pytest.raises(InputError, match=r"shape \(1,\)"):
        ny.likelihood(on_host, PARAMETERS, gradient=lambda theta: theta[:1])
    with pytest.raises(InputError, match="there are none"):
        ny.likelihood(traced, Parameters(()))
