"""Derivatives of log L and of mu in every constant that can float, against differences.

Differences are Richardson's of two central ones, (4 D(h/2) - D(h))/3 with h a thousandth of the
constant: their truncation is below 1e-7 of any derivative here, their rounding some 1e-10. A
selection that cuts through the lines at 2 and 14 keV makes mu depend on every constant.
"""

import dataclasses

import numpy as np
import pytest

from neyman._jax import jax, jnp, quick_jit
from neyman.likelihoods.xenon.assemble import constants_at, event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.source import RECOILS
from neyman.likelihoods.xenon.spectra import flat, lines
from neyman.model import Data
from neyman.parameters import Parameter

STEP = 1e-3
CHANGED = {
    "s1_noise": 0.03,
    "s2_noise": 0.04,
    "spe_eff": 0.9,
    "coincidence_0": 0.01,
    "coincidence_1": 0.2,
    "gamma_m6": 0.5,
}
"""Constants at 0 or 1, where a difference would leave their range or cross a kink."""
SWITCHES = {"clamped", "er_fano"}
"""Not constants but choices; `er_fano` is one where it is 0."""
OWN = {"nr": ("nr_",), "er": ("er_",), "weighted": ("gamma_", "weight_", "er_")}
OTHERS = ("nr_", "er_", "gamma_", "weight_")
SPECTRA = {
    "nr": flat(1.0, 6.0, 60.0),
    "er": lines({2.0: 30.0, 14.0: 30.0}),
    "weighted": lines({2.0: 30.0, 14.0: 30.0}),
}
DEPOSITS = {"nr": (1.5, 5.5), "er": (2.0, 14.0), "weighted": (2.0, 14.0)}


def likelihood(kind, c, names, yields):
    """A likelihood of 24 events along the band, and a selection through the middle of it."""
    energies = jnp.asarray(DEPOSITS[kind])
    scalars = {name: jnp.asarray(value) for name, value in c.items()}
    mean = jax.vmap(lambda e: RECOILS[kind].yields(e, scalars))(energies)
    s1 = 1.17 * c["g1"] * np.asarray(mean.total - mean.electrons)
    gain = c["extraction"] * c["g1_gas"] * c["electron_gain"] * (1.0 + c["double_pe"])
    s2 = gain * np.asarray(mean.electrons)
    detector = load_detector("generic")
    cut = detector.selection._replace(cs1=(float(s1[0]), 1e5), cs2=(0.0, float(s2[1])))
    detector = dataclasses.replace(detector, selection=cut)

    def around(value):
        return Parameter(name, value, (value - abs(value), value + abs(value)))

    floating = [Parameter(f"{kind}_rate", 1.0, (0.0, 2.0))]
    for name in names:
        floating.append(around(c[name]))
    model = event_model(
        detector,
        {kind: (kind, SPECTRA[kind])},
        yields=yields,
        fixed={name: c[name] for name in CHANGED},
        floating=floating,
    )
    rng = np.random.default_rng(6)
    which, one = np.arange(24) % 2, np.ones(24)
    drift_time = rng.uniform(*detector.drift_times, 24)
    columns = {
        "s1": s1[which] * rng.uniform(0.7, 1.3, 24),
        "s2": s2[which] * np.exp(-drift_time / 800.0) * rng.uniform(0.8, 1.2, 24),
        "drift_time": drift_time,
        "s1_map": rng.uniform(0.9, 1.1, 24),
        "s2_map": rng.uniform(0.9, 1.1, 24),
    }
    events = Events({name: jnp.asarray(v) for name, v in columns.items()}, jnp.asarray(one))
    return jax.tree.map(jnp.asarray, model).observe(Data(events, jnp.zeros(0)))


def both(like, theta):
    """log L and mu."""
    return jnp.stack([like.log_prob(theta), jnp.sum(like.model.expected_events(theta))])


values = quick_jit(both)


@quick_jit
def gradients(like, theta):
    _, back = jax.vjp(lambda t: both(like, t), theta)
    return jax.vmap(lambda row: back(row)[0])(jnp.eye(2))


def check(like):
    theta = np.asarray(like.parameters.init)
    found = np.asarray(gradients(like, jnp.asarray(theta)))
    for i, name in enumerate(like.parameters.names):

        def difference(h, i=i):
            ends = (theta + sign * h * np.eye(len(theta))[i] for sign in (1.0, -1.0))
            high, low = (np.asarray(values(like, jnp.asarray(end))) for end in ends)
            return (high - low) / (2.0 * h)

        h = STEP * abs(theta[i])
        expected = (4.0 * difference(h / 2.0) - difference(h)) / 3.0
        rounding = 3e-9 / abs(theta[i])
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-6, atol=rounding, err_msg=name)
        yield np.abs(theta[i] * found[:, i])


@pytest.mark.parametrize("kind", OWN)
def test_every_constant(kind):
    c = constants_at(load_detector("generic"), "nest_head", CHANGED)
    names = [
        name
        for name in c
        if name not in SWITCHES and (name.startswith(OWN[kind]) or not name.startswith(OTHERS))
    ]
    sizes = np.array(list(check(likelihood(kind, c, names, "nest_head"))))
    assert len(sizes) >= 40
    assert np.mean(sizes > 1e-4) > 0.9, "the comparison would tell nothing"


def test_a_constant_fano_factor():
    c = constants_at(load_detector("generic"), "nest_2.4", CHANGED)
    sizes = list(check(likelihood("er", c, ["er_fano"], "nest_2.4")))
    assert np.min(sizes) > 1e-3
