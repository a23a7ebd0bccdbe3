"""One's own yields, several data sets joined, events that nothing explains, and limits.

One model serves most: two lines, whose windows are small.
"""

import pathlib
import runpy

import numpy as np
import pytest

import neyman as ny
from neyman._jax import jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.inference.toy_descent import throw_one_by_one
from neyman.inference.toys import Chunk, Truth, throw
from neyman.likelihoods.xenon.assemble import constants_at, event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import padded
from neyman.likelihoods.xenon.source import RECOILS, Source
from neyman.likelihoods.xenon.spectra import flat, lines
from neyman.likelihoods.xenon.yields import Quanta
from neyman.model import Data
from neyman.parameters import Parameter, Parameters
from neyman.reparametrised import Reparametrised
from neyman.status import InputError, Status

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "xenon" / "own_yields.py"
GENERIC = load_detector("generic")
G1 = Parameter("g1", 0.117, (0.05, 0.3))


def lines_model(nr, er, rate):
    """`nr` neutrons of 8 keV and `er` deposits of 2.8 keV; g1 is measured."""
    made = event_model(
        GENERIC,
        {rate: ("nr", lines({8.0: nr})), "er": ("er", lines({2.8: er}))},
        floating=[Parameter(f"{rate}_rate", 1.0, (0.0, 20.0)), G1],
        measured={"g1": (0.117, 0.004)},
        poi=f"{rate}_rate",
    )
    return jax.tree.map(jnp.asarray, made)


@pytest.fixture(scope="module")
def model():
    return lines_model(40.0, 30.0, "nr")


@pytest.fixture(scope="module")
def like(model):
    theta = jnp.asarray(model.parameters.init)
    drawn = jax.device_get(jax.jit(lambda m: m.sample(jax.random.key(1), theta))(model))
    few = model.compacted(jax.tree.map(lambda leaf: leaf[None], drawn.main))
    main = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), few)
    return model.observe(Data(main, jnp.asarray(drawn.auxiliary)))


def test_what_nothing_floats_is_computed_once(model):
    """g1 moves no quanta: both matrices are kept, and equal those that are not."""
    constants = {n: jnp.asarray(float(v)) for n, v in constants_at(GENERIC, "nest_2.4").items()}
    fields = jnp.array([GENERIC.constants["drift_field"]])
    for kept, (kind, energy, n) in zip(model.sources, (("nr", 8.0, 40.0), ("er", 2.8, 30.0))):
        assert kept.lattices[0].kept is not None
        source = Source.of("x", kind, lines({energy: n}), constants)
        (q,) = source.quanta(constants, fields)
        np.testing.assert_allclose(q, kept.lattices[0].kept, atol=1e-12)
        assert source.frozen(constants, fields, {f"{kind}_omega"}).lattices[0].kept is None


def test_an_event_that_nothing_explains_is_named(like):
    """Its rate is a floor, so that the fit goes on; a note says which event it is."""
    columns, weight = like.data.main
    far = {**columns, "s1": columns["s1"].at[3].set(5e3), "s2": columns["s2"].at[3].set(300.0)}
    strange = like.model.observe(like.data._replace(main=type(like.data.main)(far, weight)))
    found = ny.fit(strange)
    assert not found.status.failed and np.all(np.isfinite(found.values))
    named = [n for n in found.notes if n.status is Status.SUSPICIOUS_INPUT]
    assert len(named) == 1 and "event 4 (S1 = 5000 PE" in named[0].place
    assert not [n for n in ny.fit(like).notes if "event" in n.place]


def test_a_calibration_and_a_search_share_g1(like, model):
    """g1 counts once: its error is that of both data sets and one measurement."""
    other = like.rename({"nr_rate": "neutrons_rate"})
    both = like + other
    assert both.parameters.names == ("nr_rate", "g1", "neutrons_rate")
    assert both.model.auxiliary.names == ("g1",)
    one, joined = ny.fit(like), ny.fit(both)
    assert joined["nr_rate"].value == pytest.approx(joined["neutrons_rate"].value, rel=1e-5)
    prior = 1.0 / 0.004**2
    data = 1.0 / one["g1"].error ** 2 - prior
    assert data > 0.05 * prior
    expected = (2.0 * data + prior) ** -0.5
    assert joined["g1"].error == pytest.approx(expected, rel=0.02)


def test_own_yields():
    """The example: its parameters are its own, and Asimov data give them back."""
    names = runpy.run_path(str(EXAMPLE))
    source = EXAMPLE.read_text()
    body = source[source.index("def yields") : source.index("def likelihood")]
    assert len(body.strip().splitlines()) <= 15
    like = names["likelihood"]()
    assert like.parameters.names == ("neutrons_rate", "my_charge", "my_light")
    gradient = jax.jit(jax.value_and_grad(lambda t: like.log_prob(t)))
    theta = jnp.array([1.0, 6.0, 8.0])
    _, slope = gradient(theta)
    for i in (1, 2):
        h = 0.02 * theta[i]
        curvature = (gradient(theta.at[i].add(h))[1][i] - slope[i]) / h
        assert curvature < 0
        assert abs(float(slope[i] / curvature)) < 0.02 * float(-curvature) ** -0.5


@pytest.mark.parametrize(
    ("own", "floating", "says"),
    [
        ({"nr_alpha": 3.0}, "my_charge", "constant 'nr_alpha': is NEST's"),
        ({}, "my_charge", "my_charge"),
    ],
)
def test_names_of_ones_own(own, floating, says):
    def yields(energy, constants):
        return Quanta(14.0 * energy, constants["my_charge"] * energy, 0.8)

    sources = {"n": (RECOILS["nr"]._replace(yields=yields), flat(5.0, 8.0, 300.0))}
    with pytest.raises(InputError, match=says):
        event_model(GENERIC, sources, own=own, floating=[Parameter(floating, 6.0, (3.0, 12.0))])


def test_fewer_parameters_are_as_cheap_near_the_truth(model, like):
    """A model of the rate and of the pull of g1: its toys are those of the model inside."""
    z = Parameters((Parameter("nr_rate", 1.0, (0.0, 20.0)), Parameter("pull", 0.0, (-5.0, 5.0))))
    fewer = Reparametrised(
        inner=model,
        matrix=np.array([[1.0, 0.0], [0.0, 0.004]]),
        offset=np.array([0.0, 0.117]),
        lower=np.asarray(model.parameters.lower),
        upper=np.asarray(model.parameters.upper),
        auxiliary=Auxiliary.of(z, ["pull"], [False], [1.0]),
        parameters=z,
        poi="nr_rate",
        notes=(),
        digest="",
    )
    assert fewer.near(np.array([1.0, 0.0]), ["pull"]) is None
    cheap = fewer.near(np.array([1.0, 0.5]), ["nr_rate"])
    inside = model.near(np.array([1.0, 0.119]), ["nr_rate"])
    key, at = jax.random.key(4), np.array([1.4, -0.5])
    main = jax.jit(lambda m: m.main_sample(key, jnp.array([1.0, 0.5])))(cheap)
    found = jax.jit(lambda m: m.main_log_prob(jnp.asarray(at), main))(cheap)
    expected = jax.jit(lambda m: m.main_log_prob(jnp.array([1.4, 0.115]), main))(inside)
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    assert not fewer.doubts(np.array([1.0, 0.0]), like.data)
    many = jax.tree.map(lambda of: np.asarray(of)[None], like.data.main)
    assert fewer.compacted(many).weight.shape == model.compacted(many).weight.shape


@pytest.mark.slow
def test_toys_at_a_bound_have_differences_of_a_width_inside(model):
    """g1 at its lower bound: the expansion is exact there and two widths of 0.004 above."""
    bound, key = np.array([1.0, 0.05]), jax.random.key(6)
    cheap = model.near(bound, ["nr_rate"])
    main = jax.jit(lambda m: m.main_sample(key, jnp.asarray(bound)))(cheap)
    drawn = jax.jit(lambda m: m.main_sample(key, jnp.asarray(bound)))(model)
    exact = jax.jit(lambda m, theta: m.main_log_prob(theta, drawn))
    near = jax.jit(lambda m, theta: m.main_log_prob(theta, main))
    np.testing.assert_allclose(cheap.points[:, 1], [0.054, 0.058, 0.05], rtol=1e-12)
    for g1, slack in ((0.05, 1e-6), (0.058, 1e-6), (0.052, 0.01)):
        theta = jnp.array([1.3, g1])
        assert float(near(cheap, theta)) == pytest.approx(float(exact(model, theta)), abs=slack)


@pytest.mark.slow
def test_toys_near_the_truth_are_those_of_exact_fits(like):
    """Statistics of 12 toys: within 0.05 of exact fits to the same data."""
    theta = np.array([1.0, 0.117])
    truth = Truth(theta[None], (0.5, 1.0, 1.4), 0)
    chunk = Chunk(jax.device_get(like.model), truth, "qtilde", 3, 0, 0, 12)
    cheap, exact = throw(chunk), throw_one_by_one(chunk)
    assert np.all(cheap.status == 0) and np.all(exact.status == 0)
    np.testing.assert_allclose(cheap.poi_hat, exact.poi_hat, atol=0.02)
    np.testing.assert_allclose(cheap.statistic, exact.statistic, atol=0.05)


@pytest.mark.slow
def test_a_limit_from_toys_at_few_events(tmp_path):
    """2.8 keV deposits look unlike 8 keV recoils: without any candidate the limit is that of a
    counting experiment without background, 3.0 events. Toys of events are dear: only if asked."""
    made = lines_model(1.0, 5.0, "nr")
    columns = {n: np.zeros(0) for n in made.columns}
    like = made.observe(Data(jax.tree.map(jnp.asarray, padded(columns)), jnp.array([0.117])))
    quick = ny.upper_limit(like)
    assert (quick.method, quick.status) == ("asymptotic", Status.FEW_EVENTS)
    assert "toys of this model are dear" in quick.reason
    found = ny.upper_limit(like, null="toys", toys=1000, key=1)
    mu = float(np.asarray(made.expected_events(jnp.array([1.0, 0.117])))[0])
    assert found.method == "toys"
    assert found.observed * mu == pytest.approx(3.0, abs=0.25)
