"""Likelihoods without a model x the contracts of `neyman.model.Likelihood`. A new one joins with
a line in the table."""

import numpy as np
import pytest

import neyman as ny
from neyman._jax import jax, jnp
from neyman.inference.sampling.posterior import posterior_of
from neyman.joint import JointLikelihood
from neyman.likelihoods.surrogate.domain import Domain
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import Metadata
from neyman.parameters import Normal
from neyman.status import InputError, Status
from tests.contracts import models
from tests.likelihoods.surrogate.surrogates import (
    exact_gaussian,
    random_network,
    surrogate,
)
from tests.likelihoods.test_function import PARAMETERS, on_host, traced


def _network():
    """A random network in the parameters of the Gaussian."""
    graph, _ = random_network("tanh", "float32", width=2)
    card = Metadata(exact_gaussian().parameters, "mu", (), Domain.everywhere(2))
    return OnnxLikelihood.of(graph, card)


LIKELIHOODS = {
    "surrogate": surrogate,
    "network": _network,
    "traced": lambda: ny.likelihood(traced, PARAMETERS),
    "host": lambda: ny.likelihood(on_host, PARAMETERS),
    "surrogate + exact": lambda: surrogate() + exact_gaussian((2.0, 3.0)),
    "surrogate + function": lambda: surrogate() + ny.likelihood(traced, PARAMETERS).prefix("B_"),
    "surrogate + joint": lambda: surrogate().rename({"mu": "nu"}) + models.LIKELIHOODS["joint"](),
}


@pytest.fixture(params=LIKELIHOODS)
def like(request):
    return LIKELIHOODS[request.param]()


def point(like, seed=0):
    p = like.parameters
    rng = np.random.default_rng(seed)
    return np.clip(p.init + 0.1 * rng.uniform(0.2, 1.0, len(p)), p.lower, p.upper)


def test_no_model_and_no_toys(like):
    assert like.model is None
    assert like.data is None
    name = like.parameters.names[0]
    with pytest.raises(InputError, match="no model"):
        ny.upper_limit(like, name, null="toys")
    with pytest.raises(InputError, match="no model"):
        ny.interval(like, name, method="feldman-cousins")


def test_derivatives_agree_with_differences(like):
    theta, h = point(like), 1e-5
    f = jax.jit(lambda t: like.log_prob(t))
    d = jax.jit(lambda t: like.derivatives(t))(jnp.asarray(theta))
    steps = h * np.eye(len(theta))
    gradient = [(f(theta - e) - f(theta + e)) / (2 * h) for e in steps]
    assert float(d.value) == pytest.approx(-float(f(theta)), rel=1e-12)
    np.testing.assert_allclose(d.gradient, gradient, rtol=1e-6, atol=1e-6)
    if like.differentiable:
        slope = jax.jit(jax.grad(lambda t: like.log_prob(t)))
        hessian = [(slope(theta - e) - slope(theta + e)) / (2 * h) for e in steps]
        np.testing.assert_allclose(d.hessian, hessian, rtol=1e-5, atol=1e-5)


def test_vmap_equals_loop(like):
    thetas = jnp.stack([jnp.asarray(point(like, seed)) for seed in range(3)])
    f = jax.jit(lambda t: like.log_prob(t))
    together = jax.jit(jax.vmap(lambda t: like.log_prob(t)))(thetas)
    one_by_one = [f(theta) for theta in thetas]
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)


def test_main_part_and_constraints_make_the_whole(like):
    theta = jnp.asarray(point(like))
    main, terms = like.main_log_prob(theta), like.auxiliary.log_prob(theta, like.measured)
    assert float(main + terms) == pytest.approx(float(like.log_prob(theta)), rel=1e-12)


def test_rename_and_prefix(like):
    theta = jnp.asarray(point(like))
    first, *others = like.parameters.names
    renamed = like.prefix("A_", keep=[first])
    assert renamed.parameters.names == (first, *(f"A_{n}" for n in others))
    assert float(renamed.log_prob(theta)) == pytest.approx(float(like.log_prob(theta)), rel=1e-13)
    with pytest.raises(InputError, match="known are"):
        like.rename({"nonsense": "x"})


def test_replace(like):
    name = like.parameters.names[0]
    changed = like.replace(name, init=0.25, prior=Normal(0.0, 1.0))
    assert changed.parameters[name].init == 0.25
    assert changed.parameters[name].prior == Normal(0.0, 1.0)
    theta = jnp.asarray(point(like))
    assert float(changed.log_prob(theta)) == float(like.log_prob(theta))


def test_sum_with_itself_counts_constraints_once(like):
    theta = jnp.asarray(point(like))
    both = like + like
    assert isinstance(both, JointLikelihood)
    assert both.parameters == like.parameters
    expected = 2 * like.log_prob(theta) - like.auxiliary.log_prob(theta, like.measured)
    assert float(both.log_prob(theta)) == pytest.approx(float(expected), rel=1e-12)


def test_sum_of_independent_ones(like):
    theta, other = point(like), like.prefix("X_")
    both = like + other
    twice = both.log_prob(jnp.asarray(np.concatenate([theta, theta])))
    assert both.parameters.names == like.parameters.names + other.parameters.names
    assert float(twice) == pytest.approx(2 * float(like.log_prob(jnp.asarray(theta))), rel=1e-12)


def test_posterior_reads_the_constraints(like):
    posterior = posterior_of(like)
    named = {like.parameters.names[i] for i in like.auxiliary.parameter}
    flags = dict(zip(like.parameters.names, posterior.constrained))
    assert {name for name, flag in flags.items() if flag} == named


class TestSums:
    def test_surrogate_and_exact_is_exact_and_exact(self):
        """Surrogates that are exact: their sum with a likelihood is that of two likelihoods."""
        other = exact_gaussian((2.0, 3.0))
        ours, theirs = surrogate() + other, exact_gaussian() + other
        assert ours.auxiliary.names == ("theta[0]",)
        theta = np.array([0.3, -0.2])
        value = float(ours.log_prob(jnp.asarray(theta)))
        assert value == pytest.approx(float(theirs.log_prob(theta)), rel=1e-12)
        one, two = ny.fit(ours), ny.fit(theirs)
        np.testing.assert_allclose(one.values, two.values, atol=1e-9)
        np.testing.assert_allclose(one.covariance, two.covariance, atol=1e-9)
        np.testing.assert_array_equal(one.constrained, two.constrained)
        assert (other + surrogate()).parameters.names == ours.parameters.names

    def test_two_surrogates(self):
        second = exact_gaussian((2.0, 3.0)).rename({"theta[0]": "b"})
        ours = surrogate() + surrogate(second)
        theirs = exact_gaussian() + second
        assert ours.parameters.names == ("mu", "theta[0]", "b")
        np.testing.assert_allclose(ny.fit(ours).values, ny.fit(theirs).values, atol=1e-9)

    @pytest.mark.parametrize("first", ["surrogate", "exact"])
    def test_cls_of_a_sum(self, first):
        """Exact where the model is Gaussian, though each surrogate has Asimov data of its own."""
        second = exact_gaussian((2.0, 5.0))
        ours = (surrogate() if first == "surrogate" else exact_gaussian()) + surrogate(second)
        found, expected = (ny.upper_limit(x, "mu") for x in (ours, exact_gaussian() + second))
        assert found.method == "asymptotic"
        assert found.observed == pytest.approx(expected.observed, rel=1e-6)
        np.testing.assert_allclose(found.expected, expected.expected, rtol=1e-6)

    def test_cls_of_a_sum_without_asimov_data(self):
        both = surrogate(asimov=False) + exact_gaussian((2.0, 3.0))
        assert ny.upper_limit(both, "mu").status is Status.PROFILE_LIMIT

    def test_different_measurements_of_the_same_name(self):
        with pytest.raises(InputError, match=r"'theta.0.': measured as 0 and as 0\.5"):
            surrogate() + exact_gaussian(measured=(0.5,))
        with pytest.raises(InputError, match="declared differently"):
            surrogate() + exact_gaussian(bounds=(0.0, 5.0))

    def test_constraints_that_nobody_knows_are_told(self):
        silent = surrogate(constraints=None)
        both = silent + exact_gaussian((2.0, 3.0))
        (note,) = both.notes
        assert note.status is Status.SUSPICIOUS_INPUT
        assert note.place.startswith("theta[0] may be constrained twice")
        assert ny.fit(both).status is Status.SUSPICIOUS_INPUT
        assert not (silent + exact_gaussian().prefix("B_", keep=["mu"])).notes
        (two,) = (silent + surrogate(constraints=None)).notes
        assert two == note
        assert not (silent + surrogate(constraints=None).prefix("B_", keep=["mu"])).notes

    def test_the_domain_of_a_part(self):
        both = exact_gaussian().prefix("B_") + surrogate()
        theta = np.zeros((2, 4))
        theta[1, both.parameters.index("mu")] = 9.5
        found = both.outside(theta)
        assert found.rows.tolist() == [False, True]
        assert found.where.startswith("mu above 9")
        assert ny.fit(both, fix={"mu": 9.5}).status is Status.OUTSIDE_DOMAIN

    def test_rename_onto_another(self):
        both = surrogate() + exact_gaussian().prefix("B_")
        with pytest.raises(InputError, match="declared twice"):
            both.rename({"B_mu": "mu"})
