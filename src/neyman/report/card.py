"""The model card of a surrogate: what it is, how far it is from its source, how it was made.

Mitchell et al., "Model Cards for Model Reporting", arXiv:1810.03993.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neyman.io.strict_json import parse_json
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import KIND
from neyman.plots.style import style, to_bytes
from neyman.plots.surrogate import draw_intervals, draw_profiles, draw_residuals
from neyman.plots.training import draw_training
from neyman.report.validation import (
    Training,
    Validation,
    numbers,
    read_history,
    read_validation,
)
from neyman.results.base import finite

Document = Mapping[str, Any]
Picture = tuple[bytes, str]
"""A PNG and its caption."""


@dataclasses.dataclass(frozen=True)
class Card:
    """A surrogate in the file `name` of `size` bytes, with what was measured of it.

    `validation` and `history` are the documents of `neyman.report.validation`.
    """

    name: str
    size: int
    like: OnnxLikelihood
    validation: Document | None = None
    history: Document | None = None
    provenance: Document | None = None

    @functools.cached_property
    def measured(self) -> Validation:
        """Raises `InputError` for a document that is something else."""
        return read_validation(self.validation, f"{self.name}, validation")

    @functools.cached_property
    def training(self) -> dict[str, Training]:
        return read_history(self.history, f"{self.name}, history")

    @property
    def title(self) -> str:
        return self.like.card.about.get("title") or self.name

    @property
    def self_contained(self) -> bool:
        """Whether the file names its parameters itself."""
        return self.like.graph.metadata.get("kind") == KIND

    def to_json(self) -> dict[str, Any]:
        """The whole card; null where a number is not finite."""
        props = self.like.card.to_props()
        body = {
            "title": self.title,
            "file": {"name": self.name, "bytes": self.size, "sha256": self.like.digest},
            "input": {"name": self.like.graph.input, "shape": ["N", self.like.graph.width]},
            "outputs": list(self.like.graph.outputs),
            **{key: parse_json(value) for key, value in props.items() if key != "kind"},
            "validation": self.validation,
            "history": self.history,
            "provenance": self.provenance,
        }
        return finite({key: plain_dict(value) for key, value in body.items()})

    @functools.cached_property
    def pictures(self) -> dict[str, Picture]:
        """By name: profile, profile-2 .., hpdi .., residuals, training."""
        return dict(self._drawn())

    def _drawn(self) -> Iterator[tuple[str, Picture]]:
        labels = {p.name: p.label for p in self.like.parameters}
        v = self.measured
        for i, (poi, p) in enumerate(v.profile.items()):
            curves = map(numbers, (p.values, p.exact, p.surrogate))
            png = _png(draw_profiles, poi, *curves, labels=labels)
            caption = f"Profile likelihood along {poi}; below, surrogate less exact, band ±0.05."
            yield numbered("profile", i), (png, caption)
        for i, (poi, h) in enumerate(v.hpdi.items()):
            ends = (numbers(pairs).reshape(-1, 2) for pairs in (h.exact, h.surrogate))
            png = _png(draw_intervals, poi, h.levels, *ends, labels=labels)
            yield numbered("hpdi", i), (png, f"Highest posterior density of {poi}.")
        if v.within_sigma:
            sigmas = [int(key) for key in v.within_sigma]
            mean, most = (
                numbers([getattr(w, key) for w in v.within_sigma.values()])
                for key in ("mean", "max")
            )
            r = v.residuals
            points = None if r is None else (numbers(r.sigma), numbers(r.error))
            png = _png(draw_residuals, sigmas, mean, most, points=points)
            yield "residuals", (png, "Error of 2 log L at points that the training has not seen.")
        if self.training:
            histories = {name: one.history() for name, one in self.training.items()}
            png = _png(draw_training, histories)
            yield "training", (png, "Loss after each epoch of the training.")


def numbered(name: str, i: int) -> str:
    """profile, profile-2, profile-3 .."""
    return name if i == 0 else f"{name}-{i + 1}"


def plain_dict(value: Any) -> Any:
    """A mapping as a dict."""
    return dict(value) if isinstance(value, Mapping) else value


def _png(draw: Callable[..., Figure], *arguments: Any, **options: Any) -> bytes:
    with style(), np.errstate(all="ignore"):
        return to_bytes(draw(*arguments, **options))
