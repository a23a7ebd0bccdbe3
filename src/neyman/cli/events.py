"""What the verbs draw and write of a model of events."""

import functools
import pathlib

from neyman.cli.answer import Picture
from neyman.io.strict_json import write_json
from neyman.model import Likelihood
from neyman.results import Fit
from neyman.status import InputError


def event_pictures(like: Likelihood, fit: Fit | None = None) -> dict[str, Picture]:
    """Bands, energies and acceptance where the likelihood is of events, made when drawn."""
    if not of_events(like):
        return {}
    from neyman.likelihoods.xenon.bands import bands
    from neyman.likelihoods.xenon.energies import energies

    spectra = functools.cache(functools.partial(energies, like, fit))
    return {
        "bands": Picture(functools.partial(bands, like, fit)),
        "energies": Picture(spectra),
        "acceptance": Picture(spectra, "plot_acceptance"),
    }


def of_events(like: Likelihood) -> bool:
    """Whether a likelihood is of one set of xenon events."""
    from neyman.likelihoods.xenon.model import EventModel

    return isinstance(like.model, EventModel)


def check_workspace(path: str) -> None:
    """Refuse before the work what could not be written after it."""
    if not path.lower().endswith(".json"):
        raise InputError(f"--workspace {path}", "is no .json file", "end it in .json")
    if not pathlib.Path(path).absolute().parent.is_dir():
        raise InputError(f"--workspace {path}", "its folder does not exist", "create it first")


def write_workspace(like: Likelihood, path: str) -> None:
    """The templates of a model of events as a HistFactory workspace."""
    if not of_events(like):
        raise InputError("--workspace", "is for a model of events", "leave it out")
    from neyman.likelihoods.xenon.workspace import workspace

    write_json(path, workspace(like))
