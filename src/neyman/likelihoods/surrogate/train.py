"""Learning a surrogate from points: theta -> log L, with the value and slope at the maximum exact.

The Gaussian at the maximum (`gaussian`) takes out all but a residual of log L, which an ensemble of
small networks (`network`) learns from values and gradients, with several weights of the latter.
What is kept is the member, or the mean of them all, whose error on t_mu along the curves of
conditional maxima among the points is smallest (`curve`); without curves, the one with the lowest
loss.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.learn.ensemble import ensemble, members
from neyman.learn.train import Plan, split, train
from neyman.likelihoods.surrogate.curve import Curve, curves_of, error_on_t
from neyman.likelihoods.surrogate.export import Head
from neyman.likelihoods.surrogate.gaussian import gaussian_at_maximum, gaussian_of_values
from neyman.likelihoods.surrogate.network import (
    Residual,
    Sobolev,
    active_directions,
    coefficient_scale,
    held_within,
    mean_square_error,
)
from neyman.likelihoods.surrogate.points import Points
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.status import InputError, Note

HELD_OUT = 0.05
STEPS = 4_000
"""Minibatches that a plan without epochs takes at least."""
EPOCHS = 20
DEEP = 5.0
"""Residuals beyond this count less and less."""
LEFT = 0.03
"""Part of the mean |grad r|^2 that may lie outside the directions."""
FEWEST, MOST = 4, 16
"""Directions."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the networks are and how they are trained."""

    weights: tuple[float, ...] = (0.3, 1.0)
    """Of the gradients in the loss; each is tried."""
    members: int = 2
    """Networks for each weight."""
    width: int = 64
    depth: int = 2
    directions: int | None = None
    """k; by default as many as hold 97 % of the mean |grad r|^2, 4 to 16."""
    epochs: int | None = None
    """By default 20, or as many as make 4,000 minibatches."""
    batch: int = 512
    rate: float = 3e-3


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network, or the mean of all, and its errors."""

    name: str
    """E.g. "weight 0.3, member 1"."""
    error_on_t: float
    """Mean |error on t_mu| along the curves, NaN without curves."""
    mean_square: float
    """Of its error on log L, over the held-out points."""


@dataclasses.dataclass(frozen=True)
class Learned:
    """One head, and how it was found."""

    head: Head
    chosen: str
    candidates: tuple[Candidate, ...]
    loss: np.ndarray
    """(epochs, networks); NaN where training had ended."""
    held_out: np.ndarray
    """(epochs, networks)"""
    notes: tuple[Note, ...]


def learn(
    like: Likelihood | None,
    points: Points,
    parameters: Parameters,
    *,
    key: Array,
    settings: Settings = Settings(),
    folder: str | pathlib.Path | None = None,
) -> Learned:
    """Learn log L from points.

    Args:
        like: what the points are from, for its derivatives at the maximum; None where they are
            from another program.
        points: with gradients or without. The highest is taken as the maximum.
        parameters: what theta means.
        key: the same key gives the same bytes.
        folder: for checkpoints; a run that was killed goes on from there.

    Raises:
        InputError: too few points; points of other parameters; another training in the folder; no
            network whose error is finite.
    """
    if points.names != parameters.names:
        raise InputError("points", "are of other parameters", "draw them from this likelihood")
    gaussian = gaussian_of_values(points) if like is None else gaussian_at_maximum(like, points)
    y, r, slope = gaussian.residual(points)
    weight = 1.0 / (1.0 + (r / DEEP) ** 2)
    rows = (y, r, weight) if slope is None else (y, r, weight, slope)
    data, held = split(tuple(np.asarray(a, dtype=np.float32) for a in rows), HELD_OUT, key)
    start = active_directions(y, slope, settings.directions or _directions(slope, y.shape[1]))
    scale = coefficient_scale(r, slope, y.shape[1])
    plan = _plan(settings, len(data[0]))
    curve = curves_of(points, gaussian, parameters)

    def make(one: Array) -> Residual:
        return Residual(
            start,
            scale,
            width=settings.width,
            depth=settings.depth,
            key=one,
            level=slope is not None,
        )

    networks, names, histories, notes = [], [], [], []
    weights = settings.weights if slope is not None else (0.0,)
    for i, w in enumerate(weights):
        first, order = jax.random.split(jax.random.fold_in(key, i))
        trained = train(
            ensemble(make, key=first, members=settings.members),
            Sobolev(jnp.asarray(w, dtype=jnp.float32)),
            data, held,
            key=order,
            plan=plan,
            folder=None if folder is None else pathlib.Path(folder) / f"weight-{w:g}",
            label=f"training {i + 1} of {len(weights)}",
        )  # fmt: skip
        networks += [held_within(network, y) for network in members(trained.networks)]
        names += [f"weight {w:g}, member {m + 1}" for m in range(settings.members)]
        histories.append((trained.loss, trained.held_out))
        notes += trained.notes
    heads = [Head(gaussian, (network,)) for network in networks]
    if len(heads) > 1:
        heads.append(Head(gaussian, tuple(networks)))
        names.append(f"mean of {len(networks)}")
    errors = [_mean_error(head, curve) for head in heads]
    squares = [_mean_square(head, held) for head in heads]
    best = least(errors if len(curve.t) else squares)
    return Learned(
        head=heads[best],
        chosen=names[best],
        candidates=tuple(map(Candidate, names, errors, squares)),
        loss=_side_by_side([h[0] for h in histories]),
        held_out=_side_by_side([h[1] for h in histories]),
        notes=tuple(dict.fromkeys(notes)),
    )


def least(errors: Sequence[float]) -> int:
    """Which error is the smallest of those that are finite."""
    finite = np.where(np.isfinite(errors), errors, np.inf)
    if not np.any(np.isfinite(finite)):
        problem = f"the error of none of {len(errors)} networks is finite"
        raise InputError("training", problem, "lower `rate` in [network], or check the points")
    return int(np.argmin(finite))


def _mean_error(head: Head, curve: Curve) -> float:
    if not len(curve.t):
        return math.nan
    return float(np.mean(np.abs(error_on_t(head.residuals, head.gaussian, curve))))


def _mean_square(head: Head, held: Sequence[np.ndarray]) -> float:
    y, r = (jnp.asarray(a, dtype=float) for a in held[:2])
    return float(mean_square_error(head.residuals, y, r))


def _directions(slope: np.ndarray | None, f: int) -> int:
    """How many directions hold all but `LEFT` of the mean |grad r|^2."""
    if slope is None:
        return min(f, MOST)
    values = np.linalg.eigvalsh(slope.T @ slope)[::-1]
    left = 1.0 - np.cumsum(values) / max(float(np.sum(values)), 1e-300)
    return min(f, max(FEWEST, min(MOST, 1 + int(np.argmax(left <= LEFT)))))


def _plan(settings: Settings, n: int) -> Plan:
    batch = min(settings.batch, n)
    epochs = settings.epochs or max(EPOCHS, math.ceil(STEPS * batch / n))
    return Plan(epochs=epochs, batch=batch, rate=settings.rate, patience=epochs)


def _side_by_side(histories: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(len(h) for h in histories)
    padded = [np.pad(h, ((0, longest - len(h)), (0, 0)), constant_values=np.nan) for h in histories]
    return np.concatenate(padded, axis=1)


def history(learned: Mapping[str, Learned]) -> dict[str, object]:
    """The training of each head as a JSON document."""
    return {
        name: {
            "loss": np.where(np.isfinite(one.loss), one.loss, np.nan).tolist(),
            "held_out": one.held_out.tolist(),
            "candidates": [dataclasses.asdict(c) for c in one.candidates],
            "chosen": one.chosen,
        }
        for name, one in learned.items()
    }
