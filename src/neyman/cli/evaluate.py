"""log L at points given by name."""

import dataclasses
import typing
from typing import Any, ClassVar

import numpy as np

from neyman._jax import jnp
from neyman.cli.inputs import assignment, number
from neyman.inference.domain import domain_notes
from neyman.inference.fit import model_notes
from neyman.inference.newton import runs_eagerly
from neyman.model import Likelihood
from neyman.results import Result
from neyman.status import InputError, Note, Status

Point = dict[str, float]


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation(Result):
    """log L at `points`, one by one; parameters that a point lacks have their initial values."""

    kind: ClassVar[str] = "evaluation"
    points: tuple[Point, ...]
    log_prob: np.ndarray

    def fields_of_interest(self) -> dict[str, Any]:
        return {"log_prob": self.log_prob}

    def summary(self) -> str:
        rows = (
            f"  {value:>20.10f}  {', '.join(f'{n} = {v:g}' for n, v in point.items())}".rstrip()
            for value, point in zip(self.log_prob, self.points)
        )
        return "\n".join(["log L", *rows])


def points_at(assignments: list[str]) -> tuple[Point, ...]:
    """The points of `NAME=V` and `NAME=V,V,..`; lists go together, single values repeat."""
    lists: dict[str, list[float]] = {}
    for text in assignments:
        name, values = assignment("--at", text)
        if name in lists:
            raise InputError(f"--at {text}", f"{name} is given twice", "write --at NAME=V,V")
        lists[name] = [number(f"--at {name} =", value) for value in values.split(",")]
    sizes = {name: len(values) for name, values in lists.items() if len(values) > 1}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InputError("--at", f"lists of different lengths: {listed}", "give as many values")
    count = max(sizes.values(), default=1)
    return tuple(
        {name: values[i if len(values) > 1 else 0] for name, values in lists.items()}
        for i in range(count)
    )


def values_at(like: Likelihood, points: tuple[Point, ...]) -> tuple[np.ndarray, tuple[Note, ...]]:
    """log L at each of the points, (N,), and notes where it is not finite."""
    eager, notes = runs_eagerly(like), model_notes(like)
    values = np.empty(len(points))
    for i, point in enumerate(points):
        theta = like.parameters.vector(point)
        with np.errstate(all="ignore"):
            values[i] = float(like.log_prob(theta if eager else jnp.asarray(theta)))
        if not np.isfinite(values[i]):
            place = f"point {i}"
            if like.model is not None and like.data is not None:
                place += f", {like.model.describe_nonfinite(theta, like.data)}"
            notes += (Note(Status.NOT_FINITE, place),)
        elif negative(like, theta):
            notes += (Note(Status.NEGATIVE_YIELD, f"point {i}"),)
    thetas = np.array([like.parameters.vector(point) for point in points])
    return values, notes + domain_notes(like, thetas)


def negative(like: Likelihood, theta: np.ndarray) -> bool:
    """Whether an expected count is below 0, where log L means nothing though it may be finite."""
    counts = None if like.model is None else like.model.expected_counts(theta)
    return counts is not None and bool(np.any(np.asarray(counts) < 0))
