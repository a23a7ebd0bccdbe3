"""Parameters: what theta means.

theta is one flat float64 vector of shape (P,). Names live at the border:
`parameters.vector({"mu": 1.0})` goes in, `parameters.named(theta)` comes out.
"""

import dataclasses
import difflib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from neyman.status import InputError


@dataclasses.dataclass(frozen=True)
class Normal:
    """A prior density N(mean, sd) for a parameter that no measurement constrains."""

    mean: float
    sd: float


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """A prior density flat in log(parameter) between the parameter's bounds."""


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A prior density flat between the parameter's bounds: the default."""


Prior = Uniform | LogUniform | Normal


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One real parameter; an element of a vector-valued one is named `staterror_SR[0]`.

    `init` is where fits start, `bounds` the closed interval it may take, `fixed` whether fits
    leave it at `init`, `prior` its density in a posterior (constraints are measurements, not
    priors), `unit` its unit, `label` its LaTeX label.

    Raises `InputError` where the bounds are not ordered or `init` is not finite.
    """

    name: str
    init: float = 0.0
    bounds: tuple[float, float] = (-math.inf, math.inf)
    fixed: bool = False
    prior: Prior = Uniform()
    unit: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        lower, upper = self.bounds
        if not lower < upper:
            raise InputError(
                f"parameter '{self.name}'",
                f"bounds [{lower:g}, {upper:g}] are not in increasing order",
                "give the lower bound first, or fix the parameter",
            )
        if not math.isfinite(self.init):
            raise InputError(f"parameter '{self.name}'", "init is not finite", "give a number")


@dataclasses.dataclass(frozen=True, eq=False)
class Parameters:
    """An ordered set of parameters; `len(parameters)` is the length P of theta."""

    items: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        if len(self.index_of) != len(self.items):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"parameter '{twice}'", "declared twice", "rename one of them")

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.items)

    @functools.cached_property
    def index_of(self) -> dict[str, int]:
        return {item.name: i for i, item in enumerate(self.items)}

    @functools.cached_property
    def init(self) -> np.ndarray:
        return np.array([item.init for item in self.items], dtype=float)

    @functools.cached_property
    def lower(self) -> np.ndarray:
        return np.array([item.bounds[0] for item in self.items], dtype=float)

    @functools.cached_property
    def upper(self) -> np.ndarray:
        return np.array([item.bounds[1] for item in self.items], dtype=float)

    @functools.cached_property
    def fixed(self) -> np.ndarray:
        return np.array([item.fixed for item in self.items], dtype=bool)

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self.items)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameters) and (
            self is other or (self._hash == other._hash and self.items == other.items)
        )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.items)

    def __contains__(self, name: object) -> bool:
        return name in self.index_of

    def __getitem__(self, name: str) -> Parameter:
        return self.items[self.index(name)]

    def index(self, name: str) -> int:
        """The position of `name` in theta; an unknown name is an error that lists the known."""
        if name not in self.index_of:
            raise unknown_name(name, self.names)
        return self.index_of[name]

    def vector(self, values: Mapping[str, float] | None = None) -> np.ndarray:
        """theta with `values` by name, and every other parameter at its initial value."""
        theta = self.init.copy()
        for name, value in (values or {}).items():
            theta[self.index(name)] = value
        return theta

    def named(self, theta: Iterable[float]) -> dict[str, float]:
        """The values of theta by name."""
        return {name: float(value) for name, value in zip(self.names, theta, strict=True)}

    def replace(self, name: str, **changes) -> "Parameters":
        """A copy in which `name` has other attributes, e.g. `replace("mu", bounds=(-1, 5))`."""
        items = list(self.items)
        items[self.index(name)] = dataclasses.replace(self[name], **changes)
        return Parameters(tuple(items))

    def rename(self, names: Mapping[str, str]) -> "Parameters":
        """A copy in which parameters have other names: `{old: new}`."""
        for old in names:
            self.index(old)
        return Parameters(
            tuple(dataclasses.replace(p, name=names.get(p.name, p.name)) for p in self.items)
        )

    def join(self, other: "Parameters") -> "Parameters":
        """Both sets; the same name is the same parameter, and must be declared alike."""
        for item in other:
            if item.name in self and self[item.name] != item:
                raise InputError(
                    f"parameter '{item.name}'",
                    f"declared differently in what is joined: {self[item.name]} and {item}",
                    "rename one of them, or declare both alike",
                )
        return Parameters(self.items + tuple(p for p in other if p.name not in self))


def unknown_name(name: str, known: Iterable[str], what: str = "parameter") -> InputError:
    """The error for a name that is not among `known`, with the closest ones first."""
    known = tuple(known)
    close = difflib.get_close_matches(name, known, n=8, cutoff=0.3)
    listed = close + [other for other in known if other not in close]
    more = f", and {len(listed) - 12} more" if len(listed) > 12 else ""
    return InputError(f"{what} '{name}'", "unknown", f"known are {', '.join(listed[:12])}{more}")
