"""One's own yields in place of NEST's: charge and light of nuclear recoils in proportion to energy.

The constants my_charge and my_light exist nowhere else; a parameter of the same name floats one.

    neyman fit examples/xenon/own_yields.py:likelihood --allow-code
"""

import numpy as np

from neyman import Parameter
from neyman.likelihoods.xenon.assemble import event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.source import RECOILS
from neyman.likelihoods.xenon.spectra import flat
from neyman.likelihoods.xenon.yields import Quanta


def yields(energy, constants):
    """Means of a deposit of `energy` keV: quanta in all, electrons, excitons for each ion."""
    electrons = constants["my_charge"] * energy
    photons = constants["my_light"] * energy
    return Quanta(electrons + photons, electrons, 0.8)


def likelihood():
    """300 neutrons between 5 and 8 keV, as they are expected (Asimov data)."""
    model = event_model(
        load_detector("lz-like"),
        {"neutrons": (RECOILS["nr"]._replace(yields=yields), flat(5.0, 8.0, 300.0))},
        own={"my_charge": 6.0, "my_light": 8.0},
        floating=[
            Parameter("neutrons_rate", 1.0, (0.0, 5.0)),
            Parameter("my_charge", 6.0, (3.0, 12.0)),
            Parameter("my_light", 8.0, (4.0, 16.0)),
        ],
        poi="neutrons_rate",
    )
    return model.observe(model.expected(np.array([1.0, 6.0, 8.0])))
