"""One result of each kind, made by the verbs on a small workspace."""

import numpy as np
import pytest

from neyman.inference.fit import fit
from neyman.inference.hypotest import hypotest
from neyman.inference.impacts import impacts
from neyman.inference.limit import upper_limit
from neyman.inference.scan import scan
from neyman.inference.yields import yields
from neyman.likelihoods.load import load


def modifier(name, kind, data):
    return {"name": name, "type": kind, "data": data}


@pytest.fixture(scope="session")
def like():
    """Two channels, a signal, a free background and four kinds of constraint."""
    signal = [
        modifier("mu", "normfactor", None),
        modifier("theory", "normsys", {"hi": 1.1, "lo": 0.9}),
    ]
    scale = modifier("scale", "normsys", {"hi": 1.05, "lo": 0.96})
    shape = modifier("shape", "histosys", {"hi_data": [52.0, 27.0], "lo_data": [48.0, 33.0]})
    free = modifier("mu_bkg", "normfactor", None)
    stat = modifier("stat", "staterror", [3.0, 2.0])
    channels = {
        "SR": {
            "signal": ([4.0, 9.0], signal),
            "background": ([50.0, 30.0], [shape, free, stat]),
            "rare": ([3.0, 2.0], [scale]),
        },
        "CR": {"background": ([200.0, 150.0, 90.0], [free, scale])},
    }
    return load(
        {
            "channels": [
                {
                    "name": channel,
                    "samples": [
                        {"name": name, "data": data, "modifiers": modifiers}
                        for name, (data, modifiers) in samples.items()
                    ],
                }
                for channel, samples in channels.items()
            ],
            "observations": [
                {"name": "SR", "data": [55.0, 38.0]},
                {"name": "CR", "data": [210.0, 141.0, 95.0]},
            ],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )


@pytest.fixture(scope="session")
def results(like):
    limit = upper_limit(like)
    return {
        "fit": fit(like),
        "scan": scan(like, values=np.linspace(0.0, 3.0, 13)),
        "test": hypotest(like, value=1.0),
        "limit": limit,
        "impacts": impacts(like),
        "yields": yields(like),
        "numbers": [(100.0, limit), (200.0, limit), (150.0, limit)],
        "names": [("one point", limit), ("another", limit)],
    }
