"""What a verb hands to the output: a result, what can be drawn, what was asked for besides."""

import dataclasses
import importlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from neyman.cli.options import Source
from neyman.io.provenance import provenance
from neyman.io.strict_json import dump_json
from neyman.results import Fit, Impacts, Result, Yields
from neyman.results.base import finite


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is drawn, or a function that makes it, and by which function of `neyman.plots`."""

    subject: Any
    function: str = "plot"

    def draw(self, path: str | pathlib.Path) -> None:
        plots = importlib.import_module("neyman.plots")  # takes half a second
        subject = self.subject() if callable(self.subject) else self.subject
        getattr(plots, self.function)(subject, path)


@dataclasses.dataclass(frozen=True)
class Answer:
    """A result; `pictures` by name, the first being what `--plot FILE` means; `extras`, further
    results by name; whether the covariance of a fit is printed; `fill`, which adds to the folder of
    --out."""

    result: Result
    pictures: dict[str, Picture]
    extras: dict[str, Impacts | Yields]
    covariance: bool = False
    fill: Callable[[pathlib.Path], None] | None = None

    def to_json(self) -> str:
        """One strict JSON object: the result's, with the keys of the extras."""
        body = json.loads(self.result.to_json())
        last = {"provenance": body.pop("provenance")}
        if self.covariance and isinstance(self.result, Fit):
            body["covariance"] = self.result.covariance
        for extra in self.extras.values():
            key = "impacts" if isinstance(extra, Impacts) else "channels"
            body[key] = extra.fields_of_interest()[key]
        return dump_json(finite(body | last))

    def summary(self) -> str:
        """Text for people."""
        blocks = [self.result.summary()]
        if self.covariance and isinstance(self.result, Fit):
            rows = (" ".join(f"{v:>11.4g}" for v in row) for row in self.result.covariance)
            blocks.append("\n  ".join(["covariance, in the order above:", *rows]))
        return "\n".join([*blocks, *(extra.summary() for extra in self.extras.values())])


def answer(
    result: Result,
    source: Source,
    digests: Mapping[str, str],
    *,
    pictures: Mapping[str, Picture] | None = None,
    extras: Mapping[str, Impacts | Yields] | None = None,
    covariance: bool = False,
) -> Answer:
    """The answer with the files and the seed in the result's provenance, and all notes."""
    record = dict(result.provenance)
    record["inputs"] = provenance(digests)["inputs"] | record.get("inputs", {})
    if source.seed is not None:  # else that of the result: none, or the default where it drew
        record["seed"] = source.seed
    more = {} if extras is None else dict(extras)
    notes = (*result.notes, *(note for extra in more.values() for note in extra.notes))
    noted = dataclasses.replace(result, provenance=record, notes=tuple(dict.fromkeys(notes)))
    return Answer(noted, dict(pictures or {}), more, covariance)
