"""What a fit says of events and parameters that its model has no room for."""

import numpy as np
import pytest

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon.assemble import event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import padded
from neyman.likelihoods.xenon.spectra import flat, lines
from neyman.model import Data
from neyman.parameters import Parameter
from neyman.status import Status


@pytest.fixture(scope="module")
def model():
    made = event_model(
        load_detector("generic"),
        {"nr": ("nr", flat(1.0, 20.0, 300.0)), "line": ("er", lines({2.8: 50.0}))},
        floating=(Parameter("nr_rate", 1.0, (0.0, 10.0)), Parameter("nr_beta", 1.1, (0.8, 1.5))),
        poi="nr_rate",
    )
    return jax.tree.map(jnp.asarray, made)


def observed(model, s1, s2):
    columns = {name: np.ones(len(s1)) for name in model.columns}
    columns |= {"s1": np.array(s1), "s2": np.array(s2), "drift_time": np.full(len(s1), 100.0)}
    return Data(jax.tree.map(jnp.asarray, padded(columns)), jnp.zeros(0))


def test_a_source_that_loses_quanta_is_named(model):
    """beta 20 % up is 80 % more quanta at 20 keV; the matrix has room for 30 %."""
    data = observed(model, [20.0] * 8, [800.0] * 8)
    assert not model.doubts(np.array([1.0, 1.1]), data)
    (note,) = model.doubts(np.array([1.0, 1.32]), data)
    assert note.status is Status.QUANTA_LOST
    assert note.place.startswith("source 'nr': 0.")
    (q,), _ = jax.jit(lambda m, theta: m.quanta(theta))(model, jnp.array([1.0, 1.32]))
    assert float(jnp.sum(q)) < 300.0 * (1.0 - 1e-4)


def test_events_far_outside_are_named_and_counted(model):
    found = model.doubts(
        np.array([1.0, 1.1]), observed(model, [1e5] * 7 + [20.0], [1e8] * 7 + [800.0])
    )
    assert [note.status for note in found] == [Status.SUSPICIOUS_INPUT] * 6
    assert found[4].place.startswith("event 5 (S1 = 1e+05 PE, S2 = 1e+08 PE)")
    assert found[5].place == "2 more events are far outside the model, 7 in all"
