"""The table of models: every model x every contract. A new road joins with one line."""

import functools

import numpy as np

from neyman._jax import jax, jnp
from neyman.inference.fit import fit
from neyman.inference.reduce import reduce
from neyman.likelihoods.counting import counting, gaussian, on_off
from neyman.likelihoods.load import load
from neyman.likelihoods.xenon.assemble import event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.events import padded
from neyman.likelihoods.xenon.spectra import lines
from neyman.model import Data, ObservedLikelihood
from neyman.parameters import Parameter

WORKSPACE = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "signal",
                    "data": [3.0, 6.0],
                    "modifiers": [
                        {"name": "mu", "type": "normfactor", "data": None},
                        {"name": "lumi", "type": "lumi", "data": None},
                        {"name": "theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.15}},
                    ],
                },
                {
                    "name": "background",
                    "data": [20.0, 11.0],
                    "modifiers": [
                        {"name": "gamma", "type": "shapesys", "data": [2.0, 1.5]},
                        {
                            "name": "scale",
                            "type": "histosys",
                            "data": {"lo_data": [18.0, 10.0], "hi_data": [23.0, 11.5]},
                        },
                        {"name": "scale", "type": "normsys", "data": {"lo": 0.97, "hi": 1.05}},
                    ],
                },
            ],
        },
        {
            "name": "CR",
            "samples": [
                {
                    "name": "background",
                    "data": [100.0],
                    "modifiers": [
                        {"name": "staterror_CR", "type": "staterror", "data": [4.0]},
                        {"name": "k", "type": "normfactor", "data": None},
                    ],
                }
            ],
        },
    ],
    "observations": [{"name": "SR", "data": [24, 15]}, {"name": "CR", "data": [97]}],
    "measurements": [
        {
            "name": "measurement",
            "config": {
                "poi": "mu",
                "parameters": [
                    {
                        "name": "lumi",
                        "auxdata": [1.0],
                        "sigmas": [0.02],
                        "inits": [1.0],
                        "bounds": [[0.9, 1.1]],
                    }
                ],
            },
        }
    ],
    "version": "1.0.0",
}


def _on_off() -> ObservedLikelihood:
    return on_off(tau=2.0).observe(Data(np.array([10.0, 6.0]), np.zeros(0)))


def _counting() -> ObservedLikelihood:
    model = counting([3.0, 5.0], [10.0, 7.0], [[0.1, 0.2], [0.0, -0.1]], bounds=(0.0, 10.0))
    return model.observe(Data(np.array([12.0, 9.0]), np.zeros(2)))


def _gaussian() -> ObservedLikelihood:
    model = gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]], bounds=(0.0, 10.0))
    return model.observe(Data(np.array([1.4, 1.1]), np.zeros(1)))


def _joint() -> ObservedLikelihood:
    return _counting() + _gaussian().rename({"theta[0]": "x"}) + load(WORKSPACE)


def _events() -> ObservedLikelihood:
    """Recoils of one energy in a xenon detector, whose quanta nothing moves."""
    model = event_model(
        load_detector("generic"),
        {"nr": ("nr", lines({6.0: 8.0}))},
        floating=[Parameter("nr_rate", 1.0, (0.0, 10.0)), Parameter("g1", 0.117, (0.05, 0.3))],
        measured={"g1": (0.117, 0.002)},
        poi="nr_rate",
    )
    columns = {
        "s1": np.array([3.0, 5.0, 6.5, 8.0, 9.0, 4.0]),
        "s2": np.array([700.0, 900.0, 800.0, 1000.0, 850.0, 950.0]),
        "drift_time": np.array([50.0, 100.0, 150.0, 200.0, 250.0, 300.0]),
    }
    one = np.ones(6)
    events = padded({**columns, "s1_map": one, "s2_map": one})
    data = Data(events, np.array([0.117]))
    return jax.tree.map(jnp.asarray, model.observe(data))


def _reduced() -> ObservedLikelihood:
    """A search that shares its nuisance parameters with a calibration."""
    variations = [[0.3, 0.1], [-0.1, 0.2]]
    calibration = counting([0.0, 0.0], [400.0, 300.0], variations)
    seen = calibration.observe(Data(np.array([430.0, 290.0]), np.zeros(2)))
    return reduce(_counting(), fit(seen, fix={"mu": 0.0}), 2).likelihood


LIKELIHOODS = {
    "on_off": _on_off,
    "counting": _counting,
    "gaussian": _gaussian,
    "histfactory": functools.partial(load, WORKSPACE),
    "joint": _joint,
    "events": _events,
    "reduced": _reduced,
}
