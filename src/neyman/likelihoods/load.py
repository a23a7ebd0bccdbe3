"""From a file to a likelihood, whichever road it comes from."""

import pathlib
from typing import Any

from neyman.io.strict_json import read_json
from neyman.likelihoods import histfactory
from neyman.model import ObservedLikelihood
from neyman.status import InputError


def load(file: str | pathlib.Path | dict[str, Any], **options: Any) -> ObservedLikelihood:
    """A likelihood from a file or a decoded document.

    Args:
        file: a HistFactory workspace: a `.json` or `.json.gz` file, or a dict; or the model of
            a xenon detector, a `.toml` file.
        options: passed on to the road, e.g. `measurement="NormalMeasurement"` or
            `data="events.csv"`; see `neyman.likelihoods.histfactory.likelihood` and
            `neyman.likelihoods.xenon.model_file.likelihood`.

    Raises:
        InputError: the file cannot be used; one line that names the place and the remedy.
    """
    if isinstance(file, dict):
        return histfactory.likelihood(file, **options)
    path = pathlib.Path(file)
    if path.name.endswith((".json", ".json.gz")):
        return histfactory.likelihood(read_json(path), **{"source": path.name, **options})
    if path.name.endswith(".toml"):
        from neyman.likelihoods.xenon import model_file

        return model_file.likelihood(path, **options)
    remedy = "give a .json or .json.gz workspace, or a .toml model"
    raise InputError(path.name, "is of no known kind", remedy)
