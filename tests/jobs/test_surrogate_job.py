"""A surrogate from a likelihood to its file: kept and resumed, validated, and used in both ways.

The search has a deficit, so that mu^ is at its bound 0; with one nuisance parameter everything that
is asked of its surrogate is an integral or a root that SciPy finds.
"""

import dataclasses
import json

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats

import neyman as ny
from neyman._jax import jax, jnp
from neyman.inference.diagnostics import hpdi
from neyman.jobs import surrogate as job_module
from neyman.jobs.claims import claim_notes
from neyman.jobs.job_file import Job, read_job
from neyman.jobs.surrogate import learn_surrogate
from neyman.jobs.validate import Budget, Validated, validate
from neyman.likelihoods.counting import counting
from neyman.model import Data
from neyman.parameters import Normal
from neyman.status import InputError, Severity, Status

SIGNAL, BACKGROUND, WIDTH, SEEN = 5.0, 12.0, 0.2, 8.0
MODEL = counting([SIGNAL], [BACKGROUND], [[WIDTH]], bounds=(0.0, 5.0))
JOB = Job(
    points=1500,
    chains=False,
    precision="float64",
    network={
        "weights": [1.0],
        "members": 1,
        "width": 32,
        "batch": 128,
        "epochs": 150,
        "rate": 0.01,
    },
    validation={"draws": 4000, "points": 400},
    about={"title": "a deficit", "licence": "CC0-1.0"},
)


def source():
    return ny.compiled(MODEL.observe(Data(np.array([SEEN]), np.zeros(1))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="module")
def made(folder):
    return learn_surrogate(source(), JOB, file="deficit.onnx", folder=folder / "work")


@pytest.fixture(scope="module")
def like(made, folder):
    path = folder / "deficit.onnx"
    made.surrogate.write(path)
    return ny.load(path)


def upper_end(prior, level):
    """The end of the interval [0, end] of `level`, which is of highest density: it falls from 0.

    The posterior of mu and theta on a grid, where log L is finite."""
    mu, theta = np.linspace(0.0, 5.0, 501)[:, None], np.linspace(-8.0, 8.0, 801)[None, :]
    lam = mu * SIGNAL + BACKGROUND * (1.0 + WIDTH * theta)
    likelihood = scipy.stats.poisson.pmf(SEEN, np.maximum(lam, 0.0)) * scipy.stats.norm.pdf(theta)
    density = prior(mu[:, 0]) * likelihood.sum(axis=1)
    part = scipy.integrate.cumulative_trapezoid(density, mu[:, 0], initial=0.0)
    return float(np.interp(level * part[-1], part, mu[:, 0]))


class TestBothInterpretations:
    """From the same file, with mu^ at its bound."""

    def test_the_best_fit(self, like):
        ours, exact = ny.fit(like), ny.fit(source())
        assert ours["mu"].value == exact["mu"].value == 0.0
        assert Status.AT_BOUND in [note.status for note in ours.notes]
        assert ours.twice_nll == pytest.approx(exact.twice_nll, abs=1e-9)

    def test_the_frequentist_limit(self, like):
        """CLs, from both heads of the file."""
        ours = ny.upper_limit(like, null="asymptotic")
        exact = ny.upper_limit(source(), null="asymptotic")
        assert ours.observed == pytest.approx(exact.observed, rel=0.01)
        np.testing.assert_allclose(ours.expected, exact.expected, rtol=0.02)

    @pytest.mark.parametrize(
        ("prior", "pdf"),
        [
            (None, lambda mu: 1.0 + 0.0 * mu),
            (Normal(0.0, 0.5), lambda mu: np.exp(-0.5 * (mu / 0.5) ** 2)),
        ],
        ids=["flat", "normal"],
    )
    def test_the_bayesian_interval_under_two_priors(self, like, prior, pdf):
        """16,000 draws: the error of an end of 68 % or 95 % is below 1 % of it, five times."""
        asked = like if prior is None else like.replace("mu", prior=prior)
        drawn = ny.sample(asked, key=3, draws=2000)
        mu = drawn.draws[..., 0].ravel()
        for level in (0.6827, 0.9545):
            low, high = hpdi(mu, level)
            assert low < 0.05
            assert high == pytest.approx(upper_end(pdf, level), rel=0.05)


def test_what_was_measured_is_in_the_file(made, like):
    told = like.card.errors
    assert told["profile"]["mu"]["max_error"] < 0.02
    assert told["limits"]["mu"]["method"] == "asymptotic"
    assert told["limits"]["mu"]["largest_error"] < 0.02
    assert told["weights"]["effective_fraction"] > 0.99
    assert told["marginals"]["smallest"]["of_all"] > 1e-3
    assert told["within_sigma"]["5"]["max"] < 0.5
    assert like.card.about == {"title": "a deficit", "licence": "CC0-1.0"}
    assert like.card.digests.keys() >= {"points"}
    result = json.loads(made.result.to_json())
    assert {"file", "loss", "validation", "calibration", "seconds"} < result.keys()
    assert result["status"] == "fine"


def test_a_wrong_surrogate_is_found_out(made):
    """The validation of a surrogate whose log L has 1/1.3 of its width in mu."""
    graph = made.surrogate.graph
    squeezed = {
        name: array * np.array([[1.3], [1.0]]) if array.shape == (2, 2) else array
        for name, array in graph.constants.items()
    }
    wrong = made.surrogate._replace(graph=dataclasses.replace(graph, constants=squeezed))
    budget = Budget(draws=4000, points=400)
    found, _ = validate(source(), wrong.likelihood, ["mu"], key=1, budget=budget)
    good = made.result.validation
    assert found["profile"]["mu"]["max_error"] > 1.0
    assert found["limits"]["mu"]["observed_error"] > 0.1
    assert found["weights"]["effective_fraction"] < good["weights"]["effective_fraction"] - 0.01
    assert found["marginals"]["p"]["mu"] < 1e-3 < good["marginals"]["p"]["mu"]
    exceeded = claim_notes(wrong.card.errors, found)
    assert {note.status for note in exceeded} == {Status.EXCEEDS_CLAIM}
    assert "t_mu" in exceeded[0].place and "limit on mu" in exceeded[1].place
    assert claim_notes(wrong.card.errors, good) == ()


def test_a_run_that_was_killed_goes_on(made, folder, monkeypatch):
    """With a chunk of its points damaged, the same bytes come out."""
    monkeypatch.setattr(
        job_module, "validate", lambda *_, **__: Validated(made.result.validation, ())
    )
    work = folder / "work"
    chunk = next((work / "log_prob" / "points" / "evaluated").glob("*.npz"))
    chunk.write_bytes(chunk.read_bytes()[:-10])
    again = learn_surrogate(source(), JOB, file="deficit.onnx", folder=work)
    assert again.surrogate.likelihood.digest == made.surrogate.likelihood.digest


def test_a_folder_of_another_job_is_refused(made, folder):
    other = source().replace("mu", bounds=(0.0, 4.0))
    with pytest.raises(InputError, match="holds another computation"):
        learn_surrogate(other, JOB, folder=folder / "work")


def job(tmp_path, text):
    path = tmp_path / "surrogate.toml"
    path.write_text(text)
    return read_job(path)


def test_read(tmp_path):
    found = job(tmp_path, 'source = "ws.json"\npois = ["mu"]\n[network]\nwidth = 16\n')
    assert found.source == str(tmp_path / "ws.json")
    assert found.settings.width == 16
    assert found.budget.points == 2000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("points = 5", "no source"),
        ('source = "a.json"\ntable = "b.csv"', "no source, or two"),
        ('table = "b.csv"', "declares no parameters"),
        ('source = "a.json"\npoints = 5', "points: is 5"),
        ('source = "a.json"\nseed = -1', "seed: is -1"),
        ('source = "a.json"\nlevel = 1.0', "level: is 1"),
        ('source = "a.json"\nwidth = 3', "width"),
        ('source = "a.json"\n[network]\nwidht = 3', "network.widht: unknown"),
        ('source = "a.json"\n[network]\nwidth = "wide"', "network"),
        ('source = "a.json"\n[parameters.mu]\ninit = 1.0', "as does its source"),
        ("source = ", "is not TOML"),
        ("x" * 300_000, "bytes"),
    ],
)
def test_refused(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem):
        job(tmp_path, text)


def test_an_unknown_parameter_of_interest():
    with pytest.raises(InputError, match="unknown"):
        learn_surrogate(source(), Job(points=200, pois=["nu"]))


def test_points_have_their_origins(folder, made):
    """Conditional maxima are those of fits; every kind of point is there, inside the bounds."""
    from neyman.inference.profile import Profile
    from neyman.jobs.training_points import training_points

    like = source()
    points = training_points(like, ["mu"], n=400, key=0, chains=False)
    assert points.origins == ("maximum", "curve mu", "profile mu", "gaussian")
    counts = np.bincount(points.origin)
    assert counts[0] == 1 and counts[2] == 220 and 170 < counts[3] <= 180
    assert np.all((points.theta >= like.parameters.lower) & (points.theta <= like.parameters.upper))
    profile = Profile(like, "mu")
    curve = points.at(points.origin == 1)
    for theta, value in zip(curve.theta[::4], curve.log_prob[::4]):
        assert value == pytest.approx(-profile.at(float(theta[0])).value, abs=1e-7)
    value, slope = jax.vmap(jax.value_and_grad(like.log_prob))(jnp.asarray(points.theta))
    np.testing.assert_allclose(points.log_prob, value, rtol=1e-12)
    np.testing.assert_allclose(points.gradient, slope, atol=1e-10)


def test_notes_are_of_no_failure(like):
    limit = ny.upper_limit(like, null="asymptotic")
    assert all(note.status.severity is not Severity.FAILED for note in limit.notes)
