"""What was measured of a surrogate, as `jobs` writes it and files hold it, typed.

Both documents may come from a stranger's folder: what is drawn is checked here. Keys that are
not known are let be.
"""

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np

from neyman.plots.training import History
from neyman.results.base import finite
from neyman.status import InputError

Numbers = list[float | None]
S = TypeVar("S", bound=msgspec.Struct)


class ProfileErrors(msgspec.Struct):
    """t_mu of both at some values of a parameter."""

    values: Numbers
    exact: Numbers
    surrogate: Numbers
    mean_error: float | None = None
    max_error: float | None = None


class LimitValues(msgspec.Struct):
    """Observed, and expected from -2 to +2 sigma."""

    values: Numbers
    failed: bool = False


class LimitErrors(msgspec.Struct):
    level: float
    exact: LimitValues
    surrogate: LimitValues
    method: str = ""
    observed_error: float | None = None
    largest_error: float | None = None


class HpdiErrors(msgspec.Struct):
    """Intervals (L, 2) at L levels, and the largest differences of their ends."""

    levels: list[float]
    exact: list[tuple[float | None, float | None]]
    surrogate: list[tuple[float | None, float | None]]
    largest_error: Numbers
    in_sd: Numbers


class Within(msgspec.Struct):
    """|error of 2 log L| within n sigma."""

    points: int
    max: float | None = None
    mean: float | None = None


class Residuals(msgspec.Struct):
    """The points behind `Within`."""

    sigma: Numbers
    error: Numbers


class Smallest(msgspec.Struct):
    parameter: str
    p: float | None = None
    of_all: float | None = None


class Marginals(msgspec.Struct):
    """Two-sample tests of each parameter."""

    p: dict[str, float | None] = {}
    smallest: Smallest | None = None
    effective_draws: float | None = None


class Weights(msgspec.Struct):
    effective_fraction: float | None = None
    draws: int | None = None


class Validation(msgspec.Struct):
    """By parameter of interest where that matters."""

    profile: dict[str, ProfileErrors] = {}
    limits: dict[str, LimitErrors] = {}
    hpdi: dict[str, HpdiErrors] = {}
    within_sigma: dict[str, Within] = {}
    residuals: Residuals | None = None
    weights: Weights | None = None
    marginals: Marginals | None = None

    def lengths(self) -> dict[str, list[int]]:
        """Of the lists that must be as long as each other."""
        profiles = {
            f"profile.{k}": [len(p.values), len(p.exact), len(p.surrogate)]
            for k, p in self.profile.items()
        }
        intervals = {
            f"hpdi.{k}": [*map(len, (h.levels, h.exact, h.surrogate, h.largest_error, h.in_sd))]
            for k, h in self.hpdi.items()
        }
        limits = {
            f"limits.{k}": [len(x.exact.values), len(x.surrogate.values)]
            for k, x in self.limits.items()
        }
        points = self.residuals
        pairs = {} if points is None else {"residuals": [len(points.sigma), len(points.error)]}
        return profiles | intervals | limits | pairs


class Candidate(msgspec.Struct):
    """A network, or the mean of several, that was trained."""

    name: str
    error_on_t: float | None = None
    mean_square: float | None = None


class Training(msgspec.Struct):
    """How one output was learned: losses (epochs, M)."""

    loss: list[Numbers] = []
    held_out: list[Numbers] = []
    candidates: list[Candidate] = []
    chosen: str = ""

    def lengths(self) -> list[int]:
        return [len(row) for row in itertools.chain(self.loss, self.held_out)]

    def history(self) -> History:
        names = [candidate.name for candidate in self.candidates]
        return History(
            names, np.atleast_2d(numbers(self.loss)), np.atleast_2d(numbers(self.held_out))
        )


def read_validation(document: Mapping[str, Any] | None, name: str) -> Validation:
    """The numbers of a validation; errors call it `name`."""
    found = _read(document, Validation, name)
    for place, lengths in found.lengths().items():
        if len(set(lengths)) > 1:
            raise InputError(f"{name}, {place}", "lists of different lengths", "write it anew")
    for key in found.within_sigma:
        if not key.isdecimal() or len(key) > 3:
            raise InputError(f"{name}, within_sigma", f"'{key}' is no number", "write it anew")
    return found


def read_history(document: Mapping[str, Any] | None, name: str) -> dict[str, Training]:
    """How each output was trained, by its name."""
    trained = {}
    for head, item in (document or {}).items():
        trained[head] = _read(item, Training, f"{name}, {head}")
        one = trained[head]
        if len(set(one.lengths())) > 1 or len(one.loss) != len(one.held_out):
            raise InputError(f"{name}, {head}", "rows of different lengths", "write it anew")
    return trained


def numbers(values: Any) -> np.ndarray:
    """Numbers, NaN where there is none."""
    return np.array(values, dtype=float)


def _read(document: Any, kind: type[S], name: str) -> S:
    try:
        return msgspec.convert({} if document is None else finite(document), kind)
    except msgspec.ValidationError as error:
        raise InputError(name, str(error), "write it anew") from None
