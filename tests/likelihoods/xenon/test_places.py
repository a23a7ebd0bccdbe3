"""Rates that depend on place and time, fields that vary, acceptances and accidentals.

Rates, mu and the simulator of one model with all of these close: over events simulated from
R = sum_s R_s, the sum of R_s/R has the mean mu_s, for every source s.
"""

import dataclasses

import numpy as np
import pytest

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon import template
from neyman.likelihoods.xenon.accidentals import accidentals
from neyman.likelihoods.xenon.assemble import event_model
from neyman.likelihoods.xenon.curves import Curve, at_curve, pieces
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import Events, padded
from neyman.likelihoods.xenon.exposure import Exposure
from neyman.likelihoods.xenon.fields import field_nodes, field_shares
from neyman.likelihoods.xenon.position_maps import PositionMap
from neyman.likelihoods.xenon.rates import LowRank, decaying, in_time, with_map, with_rates
from neyman.likelihoods.xenon.selection import Band
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.spectra import flat, lines
from neyman.model import Data
from neyman.parameters import Parameter
from neyman.status import InputError

GENERIC = load_detector("generic")
TIMES = np.array(GENERIC.drift_times)
LIVE = ((0.0, 100.0), (150.0, 200.0))
CURVES = (
    Curve("s1", (0.0, 3.0, 8.0), (0.0, 0.5, 1.0)),
    Curve("cs1", (0.0, 20.0, 40.0), (1.0, 0.9, 0.5)),
    Curve("cs2", (200.0, 1500.0), (0.3, 1.0)),
)
DETECTOR = dataclasses.replace(
    GENERIC,
    field_map=PositionMap(("drift_time",), (TIMES,), np.array([150.0, 250.0])),
    s1_map=PositionMap(("r",), (np.array([0.0, 20.0]),), np.array([1.1, 0.8])),
    selection=GENERIC.selection._replace(acceptances=CURVES),
)
NAMES = ("nr", "radon", "season", "pairs")
FLOATING = [
    *(Parameter(f"{name}_rate", 1.0, (0.0, 2.0)) for name in NAMES),
    Parameter("nr_alpha", 11.0, (5.0, 20.0)),
    Parameter("drift_field", GENERIC.constants["drift_field"], (50.0, 500.0)),
]
SETS = 30


def season():
    """A spectrum whose shape and size change with time, of rank 2."""
    energies, times = np.linspace(3.0, 7.0, 21), np.linspace(0.0, 200.0, 40)
    slope = (energies - 5.0)[None] / 2.0 * np.sin(times / 40.0)[:, None]
    return in_time(energies, times, 60.0 * (1.0 + 0.8 * slope) * (1.0 + times[:, None] / 200.0))


def everything():
    """The sources by name."""
    exposure = Exposure(DETECTOR, LIVE)
    outwards = PositionMap(("r",), (np.array([0.0, 20.0]),), np.array([0.2, 1.0]))
    counts = np.array([[3.0, 1.0], [1.0, 2.0]])
    edges = np.array([2.0, 10.0, 40.0]), np.array([0.0, 1000.0, 6000.0])
    return {
        "nr": ("nr", flat(4.0, 6.0, 200.0)),
        "radon": ("er", with_map(lines({3.0: 150.0}), outwards, exposure)),
        "season": ("nr", season()),
        "pairs": accidentals(*edges, counts, events=100.0),
    }


@pytest.fixture(scope="module")
def model():
    made = event_model(DETECTOR, everything(), floating=FLOATING, live=LIVE, poi="nr_rate")
    return jax.tree.map(jnp.asarray, made)


@pytest.fixture(scope="module")
def theta(model):
    return jnp.asarray(model.parameters.init)


@pytest.fixture(scope="module")
def rates(model):
    return jax.jit(lambda m, t, x: m.differential_rates(t, x))


@pytest.fixture(scope="module")
def thrown(model, theta):
    """The events of many data sets, as one."""
    keys = jax.random.split(jax.random.key(2), SETS)
    sets = jax.jit(lambda m, t: jax.lax.map(lambda k: m.main_sample(k, t), keys))(model, theta)
    kept = np.asarray(sets.weight).ravel() > 0
    return {name: np.asarray(of).ravel()[kept] for name, of in sets.columns.items()}


def test_rates_mu_and_simulated_events_close(model, theta, rates, thrown):
    """Four sources within 3.5 standard errors, some 1 % each: a false alarm in 500 runs."""
    events = jax.tree.map(jnp.asarray, padded(thrown, len(thrown["s1"])))
    each = []
    for i in range(4):
        alone = theta.at[:4].set(0.0).at[i].set(1.0)
        each.append(np.asarray(rates(model, alone, events)))
    share = np.stack(each) / np.asarray(rates(model, theta, events))
    np.testing.assert_allclose(np.sum(share, axis=0), 1.0, rtol=1e-9)
    mu = np.asarray(jax.jit(lambda m, t: m.expected_events(t))(model, theta))
    total, error = share.sum(axis=1) / SETS, np.sqrt((share**2).sum(axis=1)) / SETS
    assert np.all(error < 0.04 * mu)
    assert np.all(np.abs(total - mu) < 3.5 * error), (total, mu, error)


def test_events_are_where_and_when_they_are_expected(model, theta, rates, thrown):
    """The mean of r^2, t and time of each source, against its rate over places and times."""
    spread = Exposure(DETECTOR, LIVE).spread(4096)
    of = everything()
    radon = of["radon"][1].at(spread)[0]
    r2 = spread.x**2 + spread.y**2
    assert radon.mean() == pytest.approx(1.0, abs=0.01)
    events = jax.tree.map(jnp.asarray, padded(thrown, len(thrown["s1"])))
    alone = theta.at[:4].set(0.0).at[1].set(1.0)
    share = np.asarray(rates(model, alone, events)) / np.asarray(rates(model, theta, events))
    seen = np.sum(share * (thrown["x"] ** 2 + thrown["y"] ** 2)) / share.sum()
    error = r2.std() / np.sqrt(share.sum())
    assert abs(seen - np.mean(radon * r2)) < 5.0 * error + 0.02 * np.mean(r2)
    assert np.mean(radon * r2) > np.mean(r2) + 10.0 * error
    assert not np.any((thrown["time"] > 100.0) & (thrown["time"] < 150.0))


def test_templates_hold_mu(model, theta):
    """Cells that cover all signals hold all that is expected, of every source."""
    cells = jax.jit(lambda m, t: template.template(m, t, jnp.array(S1), jnp.array(S2)))
    S1, S2 = [0.0, 5.0, 20.0, 1e4], [0.0, 800.0, 1e6]
    found = np.sum(np.asarray(cells(model, theta)), axis=(1, 2))
    np.testing.assert_allclose(found, model.expected_events(theta), rtol=1e-9)


@pytest.mark.slow
def test_the_gradient_is_that_of_differences(model, theta, thrown):
    few = {name: of[:200] for name, of in thrown.items()}
    data = Data(jax.tree.map(jnp.asarray, padded(few)), jnp.zeros(0))
    both = jax.jit(lambda m, t: jax.value_and_grad(lambda t: m.observe(data).log_prob(t))(t))
    _, gradient = both(model, theta)
    for i, size in enumerate(np.asarray(theta)):
        ends = [float(both(model, theta.at[i].add(sign * 1e-4 * size))[0]) for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2e-4 * size)
        assert float(gradient[i]) * size == pytest.approx(difference * size, rel=1e-5, abs=1e-4)


def test_a_missing_column_is_named(model, thrown):
    few = {name: of[:20] for name, of in thrown.items() if name != "season[0]"}
    with pytest.raises(InputError, match=r"no column 'season\[0\]'"):
        model.observe(Data(padded(few), np.zeros(0)))
    again = with_rates(padded(few), {"season": season()})
    np.testing.assert_allclose(again.columns["season[0]"][:20], thrown["season[0]"][:20])


# ---- fields


@pytest.mark.parametrize(
    ("kind", "energies", "accuracy"), [("nr", (5.0, 6.0), 1e-6), ("er", (4.0, 4.5), 1e-4)]
)
def test_matrices_between_fields(kind, energies, accuracy):
    """Q between five nodes of 150 to 250 V/cm against Q at that field, relative to its peak."""
    constants = {**event_constants(), "drift_field": jnp.asarray(200.0)}
    nodes = field_nodes(np.array([150.0, 250.0]))
    source = Source.of("x", kind, flat(*energies, 1.0), constants, nodes)
    at = jax.jit(lambda fields: source.quanta(constants, fields)[0][0])
    between = np.array([150.0, 163.0, 201.0, 246.0, 250.0])
    shares = np.asarray(field_shares(jnp.asarray(between), jnp.asarray(nodes)))
    found = np.einsum("tf,fij->tij", shares, at(jnp.asarray(nodes)))
    direct = np.asarray(at(jnp.asarray(between)))
    peak = direct.max(axis=(1, 2))
    assert np.all(np.abs(found - direct).max(axis=(1, 2)) < accuracy * peak)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)


def test_fields_on_either_side_of_a_kink():
    """ER over 80 to 400 V/cm: to 2e-3 of the peak, where one set of nodes left 4 %."""
    constants = {**event_constants(), "drift_field": jnp.asarray(200.0)}
    nodes = field_nodes(np.array([80.0, 400.0]))
    source = Source.of("x", "er", lines({4.0: 1.0}), constants, nodes)
    at = jax.jit(lambda fields: source.quanta(constants, fields)[0][0])
    between = np.array([80.0, 131.0, 250.0, 285.0, 294.0, 297.0, 310.0, 345.0, 400.0])
    shares = np.asarray(field_shares(jnp.asarray(between), jnp.asarray(nodes)))
    found = np.einsum("tf,fij->tij", shares, at(jnp.asarray(nodes)))
    direct = np.asarray(at(jnp.asarray(between)))
    error = np.abs(found - direct).max(axis=(1, 2)) / direct.max(axis=(1, 2))
    assert np.all(error < 2e-3) and np.median(error) < 1e-4, error
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)


def test_a_floating_field_scales_the_map():
    """A tenth more of drift_field is a map of fields a tenth higher."""
    floating = [Parameter("drift_field", GENERIC.constants["drift_field"], (50.0, 500.0))]
    event = {"s1": 12.0, "s2": 2000.0, "s1_map": 1.0, "s2_map": 1.0}
    columns = {name: jnp.full(4, value) for name, value in event.items()}
    columns["drift_time"] = jnp.linspace(50.0, 300.0, 4)
    found = []
    for scale in (1.0, 1.1):
        of = PositionMap(("drift_time",), (TIMES,), scale * np.array([150.0, 220.0]))
        detector = dataclasses.replace(GENERIC, field_map=of)
        made = event_model(detector, {"er": ("er", lines({3.0: 100.0}))}, floating=floating)
        model = jax.tree.map(jnp.asarray, made)
        columns["field"] = jnp.asarray(of.at(*np.zeros((2, 4)), np.asarray(columns["drift_time"])))
        theta = jnp.asarray(model.parameters.init) * (1.1 / scale)
        both = jax.jit(lambda m, t, x: (m.differential_rates(t, x), m.expected_events(t)))
        found.append(both(model, theta, Events(columns, jnp.ones(4))))
        if scale == 1.0:
            unscaled = both(model, theta / 1.1, Events(columns, jnp.ones(4)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-7)
    assert np.all(np.abs(found[0][0] / unscaled[0] - 1.0) > 1e-3)


def event_constants():
    from neyman.likelihoods.xenon.assemble import constants_at

    return {n: jnp.asarray(float(v)) for n, v in constants_at(GENERIC, "nest_2.4").items()}


# ---- rates


def test_a_decaying_source():
    """Half of the rate after each half-life; the run has all the events."""
    made = decaying(lines({5.0: 30.0}), 50.0, Exposure(GENERIC, LIVE))
    where = Exposure(GENERIC, LIVE).spread(4096)
    c = made.at(where)[0]
    assert c.mean() == pytest.approx(1.0, rel=1e-3)
    then = where._replace(time=where.time + 50.0)
    np.testing.assert_allclose(made.at(then)[0], c / 2.0)


def test_a_table_in_time_is_a_few_spectra():
    """The season's table has rank 2; between its times the spectrum is the formula's."""
    made = season()
    assert len(made.basis) == 2
    where = Exposure(GENERIC, LIVE).spread(50)
    energies = np.linspace(3.0, 7.0, 21)
    found = made.at(where).T @ np.stack([s.rates for s in made.basis])
    slope = (energies - 5.0)[None] / 2.0 * np.sin(where.time / 40.0)[:, None]
    expected = 60.0 * (1.0 + 0.8 * slope) * (1.0 + where.time[:, None] / 200.0)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LowRank((), lambda w: np.ones((0, len(w.x)))), "no basis"),
        (lambda: LowRank((lines({2.0: 1.0}), flat(1.0, 2.0, 1.0)), lambda w: w.x[None]), "lines"),
        (lambda: _at(lambda w: np.ones((2, len(w.x)))), "one row a spectrum"),
        (lambda: _at(lambda w: -np.ones((1, len(w.x)))), "negative rate"),
        (lambda: _at(lambda w: np.full((1, len(w.x)), np.nan)), "not finite"),
        (lambda: decaying(flat(1.0, 2.0, 1.0), 0.0, Exposure(GENERIC, LIVE)), "above 0"),
        (lambda: decaying(flat(1.0, 2.0, 1.0), 5.0, Exposure(GENERIC)), "no live time"),
        (lambda: in_time(np.arange(3.0), np.arange(5.0), np.ones((5, 4))), "one row a time"),
        (lambda: in_time(np.arange(3.0), np.zeros(5), np.ones((5, 3))), "do not increase"),
        (lambda: Exposure(GENERIC, ((0.0, 10.0), (5.0, 20.0))), "before the one before it ends"),
        (lambda: Exposure(GENERIC, ((3.0, 3.0),))," give begin and end"),
    ],
)  # fmt: skip
def test_what_is_no_rate(make, says):
    with pytest.raises(InputError, match=says):
        make()


def _at(coefficients):
    return LowRank((flat(1.0, 2.0, 1.0),), coefficients).at(Exposure(GENERIC).spread(4))


# ---- acceptances and bands


def test_acceptances_are_integrals():
    """The mean of a product of two curves over a Gaussian, against sums over a fine grid."""
    curves, one = CURVES[:2], np.ones(2)
    factor = np.array([0.8, 1.3])
    found = pieces(curves, (one, factor), np.array([2.0, 1.0]), np.array([60.0, 35.0]))
    mean, sd = np.array([[2.0, 7.0, 15.0, 34.0]]), np.array([[0.5, 1.2, 3.0, 6.0]])
    law = np.asarray(found.law().of(jnp.asarray(mean), jnp.asarray(sd)))
    grid = np.linspace(-60.0, 120.0, 1_800_001)
    for k, (low, high) in enumerate(((2.0, 60.0), (1.0, 35.0))):
        f = np.asarray(at_curve(curves[0], grid) * at_curve(curves[1], grid / factor[k]))
        f = np.where((grid >= low) & (grid <= high), f, 0.0)
        inside = grid[5::50][:, None]
        np.testing.assert_allclose(
            np.asarray(found.at(jnp.asarray(np.tile(inside.T, (2, 1)))))[k], f[5::50], atol=1e-12
        )
        for j in range(4):
            z = (grid - mean[0, j]) / sd[0, j]
            direct = np.sum(f * np.exp(-0.5 * z**2)) * 1e-4 / (sd[0, j] * np.sqrt(2.0 * np.pi))
            assert law[k, j] == pytest.approx(direct, abs=3e-5)


def test_a_band_couples_s1_and_s2():
    """mu within a band, against simulated events and other nodes: its corners leave 2e-4."""
    band = Band((5.0, 15.0), (1.5, 1.4), (1.9, 1.75))
    detector = dataclasses.replace(GENERIC, selection=GENERIC.selection._replace(band=band))
    sources = {"nr": ("nr", flat(5.0, 6.0, 500.0))}
    model = jax.tree.map(jnp.asarray, event_model(detector, sources))
    theta = jnp.zeros(0)
    mu = float(model.expected_events(theta)[0])
    keys = jax.random.split(jax.random.key(4), 60)
    sets = jax.jit(lambda m: jax.lax.map(lambda k: m.main_sample(k, theta), keys))(model)
    seen = float(sets.weight.sum()) / 60.0
    assert 0.2 * 500.0 < mu < 0.9 * 500.0
    assert abs(seen - mu) < 4.0 * np.sqrt(mu / 60.0)
    cells = template.template(
        model, theta, jnp.array([0.0, 9.0, 200.0]), jnp.array([0.0, 400.0, 1e6])
    )
    assert float(cells.sum()) == pytest.approx(mu, rel=5e-4)


def test_events_outside_a_band_are_refused(tmp_path):
    from neyman.likelihoods.xenon.events import read_events

    band = Band((5.0, 15.0), (1.5, 1.4), (1.9, 1.75))
    selection = GENERIC.selection._replace(
        band=band, acceptances=(Curve("s2", (0.0, 300.0, 301.0), (0.0, 0.0, 1.0)),)
    )
    detector = dataclasses.replace(GENERIC, selection=selection)
    (tmp_path / "e.csv").write_text(
        "s1,s2,drift_time,time\n10,500,100,3\n10,5000,100,4\n5,290,50,4\n10,500,100,120\n"
    )
    with pytest.raises(InputError, match=r"1 in the band, 1 in acceptance, 1 in live time"):
        read_events(tmp_path / "e.csv", detector, live=LIVE)
    kept = read_events(tmp_path / "e.csv", detector, live=LIVE, outside="drop")
    assert isinstance(kept.events, Events) and kept.events.weight.sum() == 1
