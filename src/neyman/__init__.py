"""neyman: fast likelihoods for rare-event searches.

    workspace.json -------- histfactory --+
    detector and events --- xenon --------+
    closed forms ---------- counting -----+--> Model p(x|theta) --observe(x)--> Likelihood
    any likelihood -------- surrogate ----+---------------------------------->  Likelihood
    a Python function --------------------+---------------------------------->  Likelihood

    verbs: fit  scan  hypotest  upper_limit  significance  interval  contour  sample  coverage
           calibrate  reduce   -->  Result  -->  plot

`import neyman` reads none of it: each name is imported when first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from neyman.inference.calibrate import calibrate as calibrate
    from neyman.inference.contour import contour as contour
    from neyman.inference.coverage import coverage as coverage
    from neyman.inference.fit import fit as fit
    from neyman.inference.hypotest import hypotest as hypotest
    from neyman.inference.impacts import impacts as impacts
    from neyman.inference.interval import interval as interval
    from neyman.inference.limit import upper_limit as upper_limit
    from neyman.inference.ranks import calibrate_draws as calibrate_draws
    from neyman.inference.reduce import reduce as reduce
    from neyman.inference.reduce import reparametrise as reparametrise
    from neyman.inference.sampling.sample import sample as sample
    from neyman.inference.scan import scan as scan
    from neyman.inference.significance import significance as significance
    from neyman.inference.toy_test import Workplace as Workplace
    from neyman.inference.yields import yields as yields
    from neyman.likelihoods.function import likelihood as likelihood
    from neyman.likelihoods.load import load as load
    from neyman.likelihoods.xenon.bands import bands as bands
    from neyman.likelihoods.xenon.energies import energies as energies
    from neyman.model import Data as Data
    from neyman.model import Likelihood as Likelihood
    from neyman.model import Model as Model
    from neyman.model import compiled as compiled
    from neyman.parameters import Parameter as Parameter
    from neyman.parameters import Parameters as Parameters
    from neyman.plots import plot as plot
    from neyman.plots import plot_acceptance as plot_acceptance
    from neyman.plots import plot_correlation as plot_correlation
    from neyman.results import load_result as load_result
    from neyman.status import InputError as InputError
    from neyman.status import Status as Status

_HOME = {
    "calibrate": "neyman.inference.calibrate",
    "coverage": "neyman.inference.coverage",
    "contour": "neyman.inference.contour",
    "fit": "neyman.inference.fit",
    "hypotest": "neyman.inference.hypotest",
    "impacts": "neyman.inference.impacts",
    "interval": "neyman.inference.interval",
    "upper_limit": "neyman.inference.limit",
    "calibrate_draws": "neyman.inference.ranks",
    "reduce": "neyman.inference.reduce",
    "reparametrise": "neyman.inference.reduce",
    "sample": "neyman.inference.sampling.sample",
    "scan": "neyman.inference.scan",
    "significance": "neyman.inference.significance",
    "Workplace": "neyman.inference.toy_test",
    "yields": "neyman.inference.yields",
    "likelihood": "neyman.likelihoods.function",
    "load": "neyman.likelihoods.load",
    "bands": "neyman.likelihoods.xenon.bands",
    "energies": "neyman.likelihoods.xenon.energies",
    "Data": "neyman.model",
    "Likelihood": "neyman.model",
    "Model": "neyman.model",
    "compiled": "neyman.model",
    "Parameter": "neyman.parameters",
    "Parameters": "neyman.parameters",
    "plot": "neyman.plots",
    "plot_acceptance": "neyman.plots",
    "plot_correlation": "neyman.plots",
    "load_result": "neyman.results",
    "InputError": "neyman.status",
    "Status": "neyman.status",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neyman' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]
