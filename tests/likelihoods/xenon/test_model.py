"""The event model against its own simulator, differences, and a model file read from disk.

The simulator shares no code with the density but the formulas of yields and widths: where both
agree, the quanta matrix, the kernels of the signals and the cubature are right. Independent
Monte Carlo, written from the formulas, is in test_closure.
"""

import numpy as np
import pytest

import neyman as ny
from neyman._jax import jax, jnp
from neyman.likelihoods.xenon import template
from neyman.likelihoods.xenon.assemble import event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import padded, write_events
from neyman.likelihoods.xenon.model import FLOOR
from neyman.likelihoods.xenon.spectra import flat, lines
from neyman.parameters import Parameter
from neyman.status import InputError

FLOATING = (
    Parameter("nr_rate", 1.0, (0.0, 10.0)),
    Parameter("nr_alpha", 11.0, (5.0, 20.0)),
    Parameter("g1", 0.117, (0.05, 0.3)),
    Parameter("electron_lifetime", 800.0, (100.0, 5000.0)),
)
SETS = 40


@pytest.fixture(scope="module")
def model():
    made = event_model(
        load_detector("generic"),
        {"nr": ("nr", flat(1.0, 6.0, 300.0)), "line": ("er", lines({2.8: 50.0}))},
        floating=FLOATING,
        measured={"g1": (0.117, 0.002)},
        poi="nr_rate",
    )
    return jax.tree.map(jnp.asarray, made)


@pytest.fixture(scope="module")
def theta(model):
    return jnp.asarray(model.parameters.init)


@pytest.fixture(scope="module")
def thrown(model, theta):
    """Data sets, stacked."""
    keys = jax.random.split(jax.random.key(1), SETS)
    return jax.jit(lambda m, t: jax.lax.map(lambda k: m.sample(k, t), keys))(model, theta)


@pytest.fixture(scope="module")
def like(model, thrown):
    return model.observe(jax.tree.map(lambda leaf: leaf[0], thrown))


@pytest.fixture(scope="module")
def both():
    """log L and its gradient: one program for all data sets of a size."""
    return jax.jit(lambda like, theta: jax.value_and_grad(lambda t: like.log_prob(t))(theta))


@pytest.fixture(scope="module")
def expected(model, theta):
    return np.asarray(jax.jit(lambda m, t: m.expected_events(t))(model, theta))


def test_simulated_events_are_as_many_as_expected(expected, thrown):
    """A deviation of 4 standard errors, 1.3 % of mu, is a false alarm once in 16,000."""
    mu = np.sum(expected)
    counts = np.sum(np.asarray(thrown.main.weight), axis=1)
    assert abs(counts.mean() - mu) < 4 * np.sqrt(mu / SETS)


def test_a_template_is_what_is_simulated(model, theta, thrown):
    """Chi-square of 12 cells in S1 and S2: above 33.1 once in 1,000."""
    weight = np.asarray(thrown.main.weight).ravel()
    s1, s2 = (np.asarray(thrown.main.columns[k]).ravel()[weight > 0] for k in ("s1", "s2"))
    s1_edges = np.array([2.0, 4.0, 7.0, 12.0, 60.0])
    s2_edges = np.quantile(s2, [0.0, 0.3, 0.7, 1.0]) * np.array([0.9, 1.0, 1.0, 1.1])
    seen, *_ = np.histogram2d(s1, s2, (s1_edges, s2_edges))
    of = jax.jit(template.template)
    cells = of(model, theta, jnp.asarray(s1_edges), jnp.asarray(s2_edges))
    expected = SETS * np.sum(np.asarray(cells), axis=0)
    assert np.sum((seen - expected) ** 2 / expected) < 33.1


def test_asimov_data_are_fitted_best_by_their_truth(model, theta, both, expected):
    """Within 0.02 of the error of each of the four parameters, and as many as expected."""
    data = model.expected(theta)
    assert float(data.main.weight.sum()) == pytest.approx(float(np.sum(expected)), rel=1e-4)
    assert np.all(np.asarray(data.main.weight) >= 0.0)
    like = model.observe(data)
    _, slope = both(like, theta)
    steps = 1e-3 * np.diag(np.asarray(theta))
    hessian = [
        (both(like, theta + step)[1] - both(like, theta - step)[1]) / (2.0 * np.sum(step))
        for step in steps
    ]
    covariance = np.linalg.inv(-np.asarray(hessian))
    shift = covariance @ np.asarray(slope) / np.sqrt(np.diag(covariance))
    assert np.all(np.abs(shift) < 0.02), shift


def test_the_gradient_is_that_of_differences(like, theta, both):
    _, gradient = both(like, theta)
    for i, size in enumerate(np.asarray(theta)):
        h = 1e-4 * size
        high, low = (both(like, theta.at[i].add(sign * h))[0] for sign in (1, -1))
        assert float(gradient[i]) * size == pytest.approx(
            float(high - low) / (2e-4), rel=1e-5, abs=1e-4
        )


def test_absent_events_count_nothing(like, theta, both):
    columns = {k: np.asarray(v) for k, v in like.data.main.columns.items()}
    present = np.asarray(like.data.main.weight) > 0
    fewer = padded({k: of[present] for k, of in columns.items()}, len(present))
    again = like.model.observe(like.data._replace(main=jax.tree.map(jnp.asarray, fewer)))
    assert float(both(again, theta)[0]) == pytest.approx(float(both(like, theta)[0]), rel=1e-12)


def test_an_event_far_outside_has_a_finite_tiny_rate(like, theta, both):
    columns = like.data.main.columns
    far = {**columns, "s1": columns["s1"].at[0].set(1e5), "s2": columns["s2"].at[0].set(1e8)}
    events = like.data.main._replace(columns=far, weight=like.data.main.weight.at[0].set(1.0))
    rates = np.asarray(
        jax.jit(lambda m, t, x: m.differential_rates(t, x))(like.model, theta, events)
    )
    assert rates[0] < 1e-100
    assert np.all(np.isfinite(rates))
    log_prob, slope = both(like.model.observe(like.data._replace(main=events)), theta)
    assert np.isfinite(float(log_prob)) and np.all(np.isfinite(slope))
    assert np.log(FLOOR) > -500


def test_the_hidden_energy_is_found(model, theta, like):
    """The line is at 2.8 keV; for events of the spectrum the posterior's pull is standard."""
    of = jax.jit(template.hidden_energy, static_argnums=3)
    energies, p = of(model, theta, like.data.main, "nr")
    energies, p = np.asarray(energies), np.asarray(p)
    true = np.asarray(like.data.main.columns["energy"])
    chosen = (np.asarray(like.data.main.weight) > 0) & (np.abs(true - 2.8) > 1e-9)
    mean = p @ energies
    sd = np.sqrt(np.maximum(p @ energies**2 - mean**2, 1e-12))
    pull = ((mean - true) / sd)[chosen]
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
    assert 0.8 < pull.std() < 1.2


def test_the_acceptance_rises_with_energy(model, theta, expected):
    of = jax.jit(template.acceptance, static_argnums=2)
    energies, kept = (np.asarray(a) for a in of(model, theta, "nr"))
    assert np.all((kept >= 0) & (kept <= 1))
    assert np.all(np.diff(kept[np.argsort(energies)]) > -1e-9)
    (weights,) = template.weights_of(model.sources[0])
    assert float(weights @ kept) == pytest.approx(float(expected[0]))


MODEL = """
kind = "xenon"
detector = "generic"
poi = "nr_rate"
[sources.nr]
kind = "nr"
spectrum = "flat"
low = 1.0
high = 6.0
events = 300.0
[parameters.nr_rate]
bounds = [0.0, 10.0]
[parameters.g1]
measured = [0.117, 0.002]
"""


def written(tmp_path, text):
    path = tmp_path / "model.toml"
    path.write_text(text)
    return path


def test_a_model_file_with_events(tmp_path, like):
    write_events(tmp_path / "events.csv", like.data.main)
    read = ny.load(written(tmp_path, MODEL), data=tmp_path / "events.csv")
    assert read.parameters.names == ("nr_rate", "g1")
    assert read.model.poi == "nr_rate"
    assert float(np.sum(read.data.main.weight)) == float(np.sum(like.data.main.weight))
    best = ny.fit(read)
    assert best["nr_rate"].value == pytest.approx(1.0, abs=5 * best["nr_rate"].error)
    assert best["g1"].error < 0.0021


HOSTILE = {
    "no TOML": ("kind = ", "model.toml: is not TOML"),
    "another kind": (MODEL.replace('"xenon"', '"argon"'), "kind"),
    "an unknown key": ("colour = 1\n" + MODEL, "colour"),
    "an unknown detector": (MODEL.replace('"generic"', '"generik"'), "generik"),
    "a path that leads out": (MODEL.replace('"generic"', '"../x.toml"'), "leads elsewhere"),
    "an unknown spectrum": (MODEL.replace('"flat"', '"flatt"'), "sources.nr.spectrum"),
    "an unknown argument": (MODEL.replace("low =", "lowest ="), "lowest"),
    "a missing argument": (MODEL.replace("low = 1.0\n", ""), "sources.nr.low: is missing"),
    "text for a number": (MODEL.replace("low = 1.0", 'low = "1"'), "is not a number"),
    "an unknown parameter": (MODEL.replace("parameters.g1", "parameters.g3"), "g3"),
    "an unknown constant": (MODEL + "[constants]\nnr_alfa = 1.0\n", "nr_alfa"),
    "a width of zero": (MODEL.replace("0.002]", "0.0]"), "parameters.g1.measured"),
    "an unknown poi": (MODEL.replace('poi = "nr_rate"', 'poi = "mu"'), "mu"),
    "bounds exchanged": (MODEL.replace("[0.0, 10.0]", "[10.0, 0.0]"), "nr_rate"),
    "no events": (MODEL.replace("events = 300.0", "events = 0.0"), "has no events"),
    "missing event file": ('events = "none.csv"\n' + MODEL, "none.csv"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_model_files(tmp_path, name):
    text, place = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        ny.load(written(tmp_path, text))
    message = str(caught.value)
    assert place in message
    assert "\n" not in message
