"""A surrogate that is exact must give what the likelihood it is of gives."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import norm

import neyman as ny
from neyman._jax import jnp
from neyman.jobs.validate import both_limits, limit_errors
from neyman.likelihoods.surrogate import file
from neyman.likelihoods.surrogate.domain import Domain
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import Metadata
from neyman.parameters import LogUniform, Normal, Parameter, Parameters
from neyman.status import InputError, Status
from tests.likelihoods.surrogate.surrogates import (
    RADIUS,
    exact_gaussian,
    graph_and_card,
    surrogate,
)


@pytest.fixture(scope="module")
def exact():
    return exact_gaussian()


@pytest.fixture(scope="module")
def like(tmp_path_factory):
    path = tmp_path_factory.mktemp("surrogate") / "search.onnx"
    file.write(path, *graph_and_card())
    return ny.load(path)


class TestFile:
    def test_round_trip(self, like, exact):
        graph, card = graph_and_card()
        assert like.parameters == exact.parameters
        assert like.poi == "mu"
        assert like.model is None
        assert like.data is None
        assert len(like.digest) == 64
        assert like.card.constraints == card.constraints
        assert like.card.errors == {"t_mu": 0.0}
        assert like.card.about == {"title": "a Gaussian", "licence": "CC0"}
        assert like.card.to_props() == graph.metadata

    def test_every_kind_of_parameter(self):
        items = (
            Parameter("a", 1.0, (-np.inf, 3.0), True, Normal(0.5, 2.0), "GeV", r"$\alpha$"),
            Parameter("b", 2.0, (1.0, 3.0), prior=LogUniform()),
            Parameter("c[0]"),
        )
        card = Metadata(Parameters(items), None, None, Domain.everywhere(3))
        again = Metadata.from_props(card.to_props(), "x.onnx")
        assert again.parameters == card.parameters
        assert again.constraints is None
        assert again.poi is None
        assert not again.domain.leave_box(np.array([[1e9, 2.0, -1e9]]), ("a", "b", "c"))[0].any()

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("parameters", "[]", "0 parameters"),
            ("parameters", '[{"name": 3}]', "str"),
            ("parameters", "[{]", "not|expected"),
            ("poi", '"nonsense"', "known are mu"),
            ("constraints", '[{"name": "x", "parameter": "y", "type": "normal"}]', "measured"),
            ("domain", '{"lower": [0], "upper": [1, 2]}', "rows for 2"),
            ("domain", '{"lower": [0, 0], "upper": [1, 2], "radius": -1}', "radius"),
            ("kind", "ratio", "kind 'ratio'"),
        ],
    )
    def test_bad_metadata(self, key, value, said):
        props = graph_and_card()[1].to_props() | {key: value}
        with pytest.raises(InputError, match=said):
            Metadata.from_props(props, "x.onnx")

    def test_wrong_width(self):
        graph, card = graph_and_card()
        other = dataclasses.replace(card, parameters=Parameters((Parameter("a"),)))
        with pytest.raises(InputError, match="2 inputs for 1 parameters"):
            OnnxLikelihood.of(graph, other)
        with pytest.raises(InputError, match="no output 'x'"):
            OnnxLikelihood.of(graph, card, output="x")


class TestInference:
    def test_values(self, like, exact):
        thetas = np.random.default_rng(0).normal(size=(5, 2))
        for theta in thetas:
            ours, theirs = like.derivatives(jnp.asarray(theta)), exact.derivatives(theta)
            assert float(like.log_prob(jnp.asarray(theta))) == pytest.approx(exact.log_prob(theta))
            np.testing.assert_allclose(ours.gradient, theirs.gradient, atol=1e-12)
            np.testing.assert_allclose(ours.hessian, theirs.hessian, atol=1e-12)

    def test_fit(self, like, exact):
        ours, theirs = ny.fit(like), ny.fit(exact)
        assert ours.status is Status.FINE
        np.testing.assert_allclose(ours.values, theirs.values, atol=1e-10)
        np.testing.assert_allclose(ours.covariance, theirs.covariance, atol=1e-10)
        np.testing.assert_array_equal(ours.constrained, theirs.constrained)

    def test_limit_with_asimov_data(self, like, exact):
        ours, theirs = ny.upper_limit(like, "mu"), ny.upper_limit(exact, "mu")
        assert ours.method == "asymptotic"
        assert ours.status is Status.FINE
        assert ours.observed == pytest.approx(theirs.observed, rel=1e-6)
        np.testing.assert_allclose(ours.expected, theirs.expected, rtol=1e-6)

    def test_hypotest(self, like, exact):
        ours, theirs = (ny.hypotest(x, "mu", value=2.0) for x in (like, exact))
        np.testing.assert_allclose(
            [ours.observed, *ours.expected], [theirs.observed, *theirs.expected], rtol=1e-7
        )

    def test_significance_without_its_expectation(self, like, exact):
        ours, theirs = ny.significance(like), ny.significance(exact)
        assert ours.z == pytest.approx(theirs.z)
        assert json.loads(ours.to_json())["expected_z"] is None

    def test_limit_without_asimov_data(self, exact):
        """For a Gaussian mu the profile limit is mu^ + 1.645 sigma."""
        like = surrogate(asimov=False)
        fit = ny.fit(exact)
        found = ny.upper_limit(like, "mu", level=0.9)
        expected = fit["mu"].value + norm.ppf(0.9) * fit["mu"].error
        assert found.observed == pytest.approx(expected, rel=1e-8)
        assert found.status is Status.PROFILE_LIMIT
        assert not found.status.failed
        assert found.method == "profile"
        assert "CLs+b" in found.summary()
        document = json.loads(found.to_json())
        assert document["expected"] is None
        assert "CLs+b" in document["message"]
        assert found.observed < ny.upper_limit(exact, "mu", level=0.9).observed

    def test_asimov_data_of_another_parameter_are_not_taken(self, like, exact):
        """The file's are of mu = 0: they give no CLs of theta[0], nor of mu where mu is not 0."""
        other = ny.upper_limit(like, "theta[0]")
        assert other.method == "profile"
        assert other.status is Status.PROFILE_LIMIT
        assert other.observed == ny.upper_limit(surrogate(asimov=False), "theta[0]").observed
        with pytest.raises(InputError, match="Asimov"):
            ny.hypotest(like, "theta[0]", value=1.0)
        assert ny.upper_limit(surrogate(background=np.array([0.5, 0.0]))).method == "profile"
        found = {
            poi: limit_errors(*both_limits(exact, like, poi, 0.95)) for poi in ("mu", "theta[0]")
        }
        assert {poi: one["method"] for poi, one in found.items()} == {
            "mu": "asymptotic",
            "theta[0]": "profile",
        }
        assert all(one["observed_error"] < 1e-6 for one in found.values())

    def test_profile_limit_beyond_the_bound(self):
        like = surrogate(asimov=False).replace("mu", bounds=(-10.0, 1.0))
        found = ny.upper_limit(like, "mu")
        assert found.status is Status.NO_ROOT
        assert np.isnan(found.observed)

    def test_toys_are_refused(self, like):
        for verb in (ny.upper_limit, lambda *a, **k: ny.hypotest(*a, value=1.0, **k)):
            for one in (like, surrogate(asimov=False)):
                with pytest.raises(InputError, match=r"no model.*use limit, scan"):
                    verb(one, "mu", null="toys")
        with pytest.raises(InputError, match="no model"):
            ny.interval(like, "mu", method="feldman-cousins")
        with pytest.raises(InputError, match="no model"):
            ny.hypotest(surrogate(asimov=False), "mu", value=1.0)

    def test_sample_and_again_with_another_prior(self, like, exact):
        """5 standard errors on 4 numbers: a false alarm in 4e5 runs; 0.1 sigma is found."""
        wide = ny.sample(like, key=0)
        prior = Normal(0.0, 0.5)
        narrow = ny.sample(like.replace("mu", prior=prior), key=0, sampler="ensemble")
        fit = ny.fit(exact)
        mean, sd = fit["mu"].value, fit["mu"].error
        weight = 1 / sd**2 + 1 / prior.sd**2
        truth = ((wide, mean, sd), (narrow, mean / sd**2 / weight, weight**-0.5))
        for found, centre, width in truth:
            assert found.status is Status.FINE
            i = found.names.index("mu")
            assert found.mean[i] == pytest.approx(centre, abs=5 * width / np.sqrt(found.ess[i]))
            assert found.sd[i] == pytest.approx(width, rel=5 / np.sqrt(found.ess[i]))

    def test_a_constrained_parameter_takes_no_prior(self, like):
        with pytest.raises(InputError, match="prior and a measurement"):
            ny.sample(like.replace("theta[0]", prior=Normal(0.0, 1.0)), key=0)

    def test_rename(self, like):
        renamed = like.prefix("A_", keep=["mu"])
        assert renamed.parameters.names == ("mu", "A_theta[0]")
        assert renamed.auxiliary.names == ("A_theta[0]",)
        assert renamed.card.constraints[0].parameter == "A_theta[0]"
        assert like.rename({"mu": "nu"}).poi == "nu"
        with pytest.raises(InputError, match="known are"):
            like.rename({"nonsense": "x"})


class TestDomain:
    def test_inside(self, like):
        assert not like.outside(np.zeros((3, 2))).rows.any()

    def test_the_box(self, like):
        found = like.outside(np.array([[0.0, 0.0], [9.5, 0.0], [0.0, -20.0], [9.1, 0.0]]))
        np.testing.assert_array_equal(found.rows, [False, True, True, True])
        assert found.where.startswith("mu above 9, theta[0] below -9")

    def test_the_distance_blames_the_parameter(self, like):
        found = like.outside(np.array([[0.7, 8.9], [6.0, 0.0]]))
        assert found.rows.tolist() == [True, True]
        assert "mostly by" in found.where
        assert "theta[0]" in like.outside(np.array([[0.7, 8.9]])).where
        assert "mu" in like.outside(np.array([[7.0, 0.0]])).where
        assert f"of {RADIUS:g} allowed" in found.where

    def test_nan_is_outside(self, like):
        assert like.outside(np.array([[np.nan, 0.0]])).rows.all()

    def test_many_points(self, like):
        thetas = np.random.default_rng(0).normal(size=(5000, 2)) * 3
        centre, hessian = like.card.domain.centre, exact_gaussian().derivatives(np.zeros(2)).hessian
        d = np.sqrt(np.einsum("ni,ij,nj->n", thetas - centre, hessian, thetas - centre))
        expected = (d > RADIUS) | (np.abs(thetas) > 9.0).any(axis=1)
        np.testing.assert_array_equal(like.outside(thetas).rows, expected)
        assert 0 < expected.sum() < 5000

    def test_no_domain(self):
        like = surrogate(domain=Domain.everywhere(2))
        assert not like.outside(np.full((2, 2), 1e6)).rows.any()

    def test_results_that_end_outside(self, like):
        there = surrogate(domain=Domain(np.full(2, -9.0), np.array([0.8, 9.0])))
        results = {
            "fit": ny.fit(like, fix={"mu": 8.0}),
            "scan": ny.scan(like, "mu", values=[0.0, 8.0]),
            "limit": ny.upper_limit(there, "mu"),
            "interval": ny.interval(there, "mu"),
            "sample": ny.sample(there, key=0, sampler="ensemble", draws=50),
        }
        for name, result in results.items():
            assert result.status is Status.OUTSIDE_DOMAIN, name
            assert result.status.failed
            assert "mu" in result.message

    def test_results_inside_that_looked_further(self, like):
        """A limit tries large mu on its way; what it rests on is inside."""
        near = surrogate(domain=Domain(np.full(2, -3.0), np.array([2.7, 3.0])))
        assert ny.upper_limit(near, "mu").status is Status.FINE
        assert ny.interval(near, "mu").status is Status.FINE
        assert ny.fit(near).status is Status.FINE

    def test_a_tail_of_the_draws(self):
        """mu has an error of 0.65 around 0.75: 0.3 % of the draws are above 2.54."""
        like = surrogate(domain=Domain(np.full(2, -9.0), np.array([2.54, 9.0])))
        found = ny.sample(like, key=0, sampler="ensemble")
        assert found.status is Status.TAIL_OUTSIDE
        assert "mu above 2.54" in found.message

    def test_fixed_parameters_count(self):
        like = surrogate().replace("theta[0]", init=-9.5, fixed=True)
        found = ny.sample(like, key=0, sampler="ensemble", draws=20)
        assert found.status is Status.OUTSIDE_DOMAIN
