"""Toys of models whose Hessian is dear, fitted one after the other by quasi-Newton steps.

All toys of a batch are padded to one size, so that they share one compiled gradient, and all
fits begin with one Hessian: that of the Asimov data at the truth, found once a chunk by
differences of the gradient. A toy's fit takes a few gradients then.
"""

import dataclasses

import numpy as np

from neyman._jax import jax, jnp
from neyman.inference import quasi_newton
from neyman.inference.fit import best
from neyman.inference.toys import SIDE, Chunk, Toys
from neyman.model import Data, Model, ObservedLikelihood
from neyman.status import Status

BATCH = 100
"""Toys drawn together."""


def throw_one_by_one(chunk: Chunk) -> Toys:
    """The toys of a chunk, as `neyman.inference.toys.throw` gives them."""
    truth, model = chunk.truth, _bounded(chunk)
    free = ~model.parameters.fixed
    free[[truth.poi, *truth.held]] = True
    held = np.zeros(len(free), bool)
    held[[truth.poi, *truth.held]] = True
    theta = jnp.asarray(truth.theta)
    asimov = model.observe(_expected(model, theta))
    near = quasi_newton.hessian(asimov, truth.theta, free)
    near = np.where(free[:, None] & free[None], near, np.eye(len(free)))
    rows = []
    for first in range(chunk.first, chunk.first + chunk.n, BATCH):
        index = np.arange(first, min(first + BATCH, chunk.first + chunk.n))
        generated = truth.thrown[index % len(truth.thrown)]
        drawn = _drawn(model, chunk, index, generated)
        rows += [
            _fitted(model, x, chunk, start, free, held, near) for x, start in zip(drawn, generated)
        ]
    q, poi_hat, status, log_weight = (np.array(column) for column in zip(*rows))
    return Toys(q, poi_hat, status, log_weight)


def _bounded(chunk: Chunk) -> Model:
    """The model, with mu^ at 0 or above where the statistic asks for it."""
    model, poi = chunk.model, chunk.model.parameters.names[chunk.truth.poi]
    lower, upper = model.parameters[poi].bounds
    if chunk.statistic != "qtilde" or lower >= 0.0:
        return model
    parameters = model.parameters.replace(poi, bounds=(0.0, upper))
    return dataclasses.replace(model, parameters=parameters)


def _fitted(
    model: Model,
    data: Data,
    chunk: Chunk,
    generated: np.ndarray,
    free: np.ndarray,
    held: np.ndarray,
    near: np.ndarray,
) -> tuple[np.ndarray, float, int, float]:
    """The statistic at each tested mu (K,), mu^, the worst status and the log weight."""
    truth, side = chunk.truth, SIDE[chunk.statistic]
    like = ObservedLikelihood(model, data)
    found = best(like, generated, free, near)
    status, poi_hat = int(found.status), float(found.theta[truth.poi])
    q = np.zeros(len(truth.values))
    before = np.asarray(found.theta)
    for k, value in enumerate(truth.values):
        if side and not side * (poi_hat - value) > 0:
            continue
        start = np.where(held, truth.theta, before)
        start[truth.poi] = value
        fixed = best(like, start, free & ~held, near)
        before, status = np.asarray(fixed.theta), max(status, int(fixed.status))
        q[k] = max(0.0, 2.0 * (fixed.value - found.value))
    log_weight = 0.0
    if len(truth.thrown) > 1:
        log_p = -np.array([quasi_newton.evaluate(like, theta).value for theta in truth.thrown])
        log_weight = float(log_p[0] + np.log(len(log_p)) - np.logaddexp.reduce(log_p))
    if status != int(Status.FINE):
        q[:] = np.nan
    return q, poi_hat, status, log_weight


def _drawn(model: Model, chunk: Chunk, index: np.ndarray, thetas: np.ndarray) -> list[Data]:
    """The data of toys, of one size."""
    key = jax.random.fold_in(jax.random.key(chunk.seed), chunk.stream)
    padded = np.pad(index, (0, BATCH - len(index)), mode="edge")
    thetas = np.pad(thetas, ((0, BATCH - len(index)), (0, 0)), mode="edge")
    drawn = jax.device_get(_sample(model, key, padded, thetas))
    data = Data(model.compacted(drawn.main), drawn.auxiliary)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], data) for i in range(len(index))]


@jax.jit
def _sample(model, key, index, thetas):
    def one(of):
        return model.sample(jax.random.fold_in(key, of[0]), of[1])

    return jax.lax.map(one, (index, thetas))


@jax.jit
def _expected(model, theta):
    return model.expected(theta)
