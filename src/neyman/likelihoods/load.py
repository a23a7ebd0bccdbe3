"""From a file to a likelihood, whichever road it comes from."""

import pathlib
from typing import Any, overload

from neyman.io.strict_json import read_json
from neyman.likelihoods import histfactory
from neyman.model import Likelihood, ObservedLikelihood
from neyman.status import InputError


@overload
def load(file: dict[str, Any], **options: Any) -> ObservedLikelihood: ...
@overload
def load(file: str | pathlib.Path, **options: Any) -> Likelihood: ...
def load(file: str | pathlib.Path | dict[str, Any], **options: Any) -> Likelihood:
    """A likelihood from a file or a decoded document.

    Args:
        file: a HistFactory workspace: a `.json` or `.json.gz` file, or a dict; or the model of
            a xenon detector, a `.toml` file; or a surrogate, an `.onnx` file.
        options: passed on to the road, e.g. `measurement="NormalMeasurement"` or
            `data="events.csv"`; see `neyman.likelihoods.histfactory.likelihood`,
            `neyman.likelihoods.xenon.model_file.likelihood` and
            `neyman.likelihoods.surrogate.file.likelihood`.

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
    if path.name.endswith(".onnx"):
        from neyman.likelihoods.surrogate import file as surrogate_file

        return surrogate_file.likelihood(path, **options)
    remedy = "give a .json or .json.gz workspace, a .toml model or an .onnx surrogate"
    raise InputError(path.name, "is of no known kind", remedy)
