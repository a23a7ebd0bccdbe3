"""The binned road: HistFactory workspaces (pyhf JSON, schema 1.0.0) compiled to flat arrays.

workspace.py -> checks.py -> paramsets.py -> flatten.py -> model.py
"""

from typing import Any

import numpy as np

from neyman.io.provenance import digest
from neyman.likelihoods.histfactory.checks import check, starts_outside
from neyman.likelihoods.histfactory.flatten import flatten
from neyman.likelihoods.histfactory.interpolation import ADDITIVE_CODES, MULTIPLICATIVE_CODES
from neyman.likelihoods.histfactory.model import HistFactoryModel
from neyman.likelihoods.histfactory.workspace import Workspace, read_workspace
from neyman.model import Data, ObservedLikelihood
from neyman.parameters import unknown_name

__all__ = ["HistFactoryModel", "Workspace", "likelihood", "read_workspace"]


def likelihood(
    document: Any,
    *,
    measurement: str | None = None,
    normsys_code: str = "4",
    histosys_code: str = "4p",
    source: str = "workspace",
) -> ObservedLikelihood:
    """The likelihood of a workspace (decoded JSON) at its observations.

    Args:
        document: a pyhf workspace, schema 1.0.0.
        measurement: which measurement; the first by default.
        normsys_code: interpolation code "4" or "1".
        histosys_code: interpolation code "4p", "2" or "0".
        source: what error messages call the document.

    Raises:
        InputError: the workspace cannot be used; the message names the place and the remedy.
    """
    for code, known in ((normsys_code, MULTIPLICATIVE_CODES), (histosys_code, ADDITIVE_CODES)):
        if code not in known:
            raise unknown_name(code, known, "interpolation code")
    workspace = read_workspace(document, source)
    chosen = workspace.measurement(measurement)
    notes = check(workspace, chosen)
    flat = flatten(workspace, chosen)
    notes += starts_outside(flat.parameters)
    model = HistFactoryModel(
        cells=flat.cells,
        auxiliary=flat.auxiliary,
        parameters=flat.parameters,
        layout=flat.layout,
        poi=chosen.config.poi or None,
        normsys_code=normsys_code,
        histosys_code=histosys_code,
        notes=notes,
        digest=digest(document),
    )
    observed = {o.name: o.data for o in workspace.observations}
    main = np.concatenate([np.asarray(observed[name], float) for name, _ in flat.layout.channels])
    return model.observe(Data(main, flat.auxdata))
