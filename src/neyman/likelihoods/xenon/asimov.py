"""The Asimov data of events: nodes in S1, S2 and place, weighted so that theta0 fits them best.

Data of density R(s|theta0) have log L = integral of R(s|theta0) log R(s|theta) ds - mu(theta).
The integral is a sum over Gauss-Legendre nodes in the roots of S1 and S2 at each place, of weight
w_i = R(s_i|theta0) ds_i, the heaviest of which are kept. What that leaves of an error moves the
maximum; it is taken out by the least change of weights, in relative entropy, that has the right
first derivatives (raking: Deville & Sarndal, J. Am. Stat. Assoc. 87, 376):

    w_i exp(lambda g_i),    sum_i w_i exp(lambda g_i) g_i = G,    g_i = (1, d log R_i/d theta),
                                                                 G = (mu, d mu/d theta)

so that theta0 is the maximum. Derivatives are differences over `STEP` of a parameter.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.likelihoods.xenon.differential import differential
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.expected import Quanta, quanta_and_mu
from neyman.likelihoods.xenon.selection import points_of
from neyman.parameters import Parameters

if TYPE_CHECKING:
    from neyman.likelihoods.xenon.model import EventModel

NODES = 24
"""In S1, and in S2."""
PLACES = 12
"""Of each pair of signals."""
EVENTS = 2048
"""The heaviest nodes are kept, with the weight of all."""
BEYOND = 1e-6
"""Of the expected events, that may lie beyond the nodes of S1 or S2 on either side."""
STEP = 2e-5
"""Of a parameter's value, or of a tenth of its range near 0."""
NEWTON = 12
"""Steps towards lambda."""
FARTHEST = 3.0
"""In the logarithm of a weight."""
LEAST = 1e-200
"""Of a rate."""

Range = tuple[Array, Array]
Columns = Mapping[str, Array | np.ndarray]


def asimov(model: "EventModel", theta: Array) -> Events:
    """The Asimov data of `theta` (P,)."""
    points, step = _stencil(model.parameters, theta)
    quanta, kept = _at_each(model, points)
    return _raked(model, points, step, quanta, kept, _heaviest(model, theta, quanta))


@jax.jit
def _at_each(model: "EventModel", points: Array) -> tuple[Quanta, Array]:
    return jax.lax.map(lambda point: quanta_and_mu(model, point), points)


@jax.jit
def _heaviest(model: "EventModel", theta: Array, quanta: Quanta) -> Events:
    """The heaviest nodes, with the events of all."""
    here, (c, rates) = jax.tree.map(lambda of: of[0], quanta), model.at(theta)

    def narrowed(within: tuple[Range, Range], _: None) -> tuple[tuple[Range, Range], Events]:
        events, nodes = _weighted(model, lambda x: differential(model, here, c, rates, x), *within)
        s1, s2 = (
            _holding(ends, of, events.columns[name], events.weight)
            for name, ends, of in zip(("s1", "s2"), within, nodes)
        )
        return (s1, s2), events

    _, both = jax.lax.scan(narrowed, ranges(model, theta), None, length=2)
    events = jax.tree.map(lambda of: of[1], both)
    weight, kept = jax.lax.top_k(events.weight, min(EVENTS, len(events.weight)))
    weight = weight * (jnp.sum(events.weight) / jnp.sum(weight))
    return Events({name: of[kept] for name, of in events.columns.items()}, weight)


def ranges(model: "EventModel", theta: Array) -> tuple[Range, Range]:
    """Of S1 and S2, that hold what the model expects."""
    c, _ = model.at(theta)
    electrons = max(at.step * at.shape[0] for source in model.sources for at in source.lattices)
    p = 1.0 + c["double_pe"]
    largest = p * c["g1_gas"] * c["electron_gain"] * c["extraction"] * electrons
    s1_high = jnp.minimum(model.selection.s1[1], p * max(model.photons))
    s2_high = jnp.minimum(model.selection.s2[1], 1.2 * largest * jnp.max(model.places.s2_map))
    lowest = jnp.asarray(model.selection.s1[0]), jnp.asarray(model.selection.s2[0])
    return (lowest[0], s1_high), (lowest[1], s2_high)


def _weighted(
    model: "EventModel", rate_of: Callable[[Columns], Array], s1: Range, s2: Range
) -> tuple[Events, tuple[Array, Array]]:
    """Nodes with their expected events, and the nodes of S1 and of S2."""
    (s1_nodes, s1_weight), (s2_nodes, s2_weight) = _nodes(*s1), _nodes(*s2)
    place, share = _places(jnp.asarray(model.volume), NODES * NODES)
    count = place.shape[1]

    def first(of: Array) -> Array:
        return jnp.repeat(jnp.asarray(of), NODES * count)

    def second(of: Array) -> Array:
        return jnp.tile(jnp.repeat(of, count), NODES)

    columns: dict[str, Array | np.ndarray] = dict(model.places.columns)
    for source in model.sources:
        if source.at_places is not None:
            columns |= zip(source.columns, jnp.asarray(source.at_places))
    columns = {name: jnp.asarray(of)[place.ravel()] for name, of in columns.items()}
    columns["s1"], columns["s2"] = first(s1_nodes), second(s2_nodes)
    kept = model.selection.accepted(columns["s1"], columns["s2"], points_of(columns)) > 0.0
    low, high = model.drift_times
    size = (high - low) * first(s1_weight) * second(s2_weight) * share.ravel()
    weight = jnp.where(kept, rate_of(columns) * size, 0.0)
    columns["energy"] = jnp.full(len(weight), jnp.nan)
    return Events(columns, weight), (s1_nodes, s2_nodes)


def _nodes(low: Array, high: Array) -> tuple[Array, Array]:
    """Gauss-Legendre in the root of a signal."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * (jnp.sqrt(high) - jnp.sqrt(low))
    root = jnp.sqrt(low) + half * (x + 1.0)
    return root**2, 2.0 * root * half * w


def _places(volume: Array, cells: int) -> tuple[Array, Array]:
    """Places of each cell and their shares, (cells, P): all of them or, of more than `PLACES`,
    others in each cell."""
    if len(volume) <= PLACES:
        each = np.tile(np.arange(len(volume)), (cells, 1))
        return jnp.asarray(each), volume[each]
    begin = np.arange(cells) * 0.5 * (np.sqrt(5.0) - 1.0) % 1.0
    at = (begin[:, None] + np.arange(PLACES)[None]) / PLACES
    place = jnp.searchsorted(jnp.cumsum(volume), at * jnp.sum(volume))
    return jnp.minimum(place, len(volume) - 1), jnp.full(place.shape, 1.0 / PLACES)


def _holding(ends: Range, nodes: Array, signal: Array, weight: Array) -> Range:
    """The part of a range outside which `BEYOND` of the events are, on either side."""
    each = jnp.zeros(len(nodes)).at[jnp.searchsorted(nodes, signal)].add(weight)
    below = jnp.cumsum(each) / jnp.sum(each)
    first, last = jnp.searchsorted(below, jnp.array([BEYOND, 1.0 - BEYOND]))
    every = jnp.concatenate([ends[0][None], nodes, ends[1][None]])
    return every[first], every[jnp.minimum(last + 2, len(nodes) + 1)]


def _stencil(p: Parameters, theta: Array) -> tuple[Array, Array]:
    """theta and a step from it in each parameter that floats, (1 + F, P), and the steps, (F,)."""
    free = np.flatnonzero(~p.fixed)
    spread = np.where(np.isfinite(p.upper - p.lower), p.upper - p.lower, 1.0)
    size = jnp.abs(theta)
    step = STEP * jnp.where(size < 1e-3 * spread, 0.1 * spread, size)[free]
    moved = theta[None] + step[:, None] * np.eye(len(p))[free]
    return jnp.concatenate([theta[None], moved]), step


@jax.jit
def _raked(
    model: "EventModel", points: Array, step: Array, quanta: Quanta, kept: Array, events: Events
) -> Events:
    """Weights whose sum and first derivatives are those of the model."""

    def at(one: tuple[Array, Quanta, Array]) -> tuple[Array, Array]:
        theta, quanta, kept = one
        c, rates = model.at(theta)
        rate = differential(model, quanta, c, rates, events.columns)
        return jnp.log(jnp.maximum(rate, LEAST)), jnp.sum(model.expected_of(kept, rates))

    log_rate, mu = jax.lax.map(at, (points, quanta, kept))
    slope = jnp.expm1(log_rate[1:] - log_rate[:1]) / step[:, None]  # exact in rates, as mu's is
    target = jnp.concatenate([mu[:1], (mu[1:] - mu[0]) / step])
    g = jnp.concatenate([jnp.ones((1, len(events.weight))), slope])
    size = jnp.sqrt(jnp.maximum((g**2) @ events.weight, 1e-300))
    g, target = g / size[:, None], target / size

    def weight(moved: Array) -> Array:
        return events.weight * jnp.exp(jnp.clip(moved @ g, -FARTHEST, FARTHEST))

    def newton(_: Scalar, moved: Array) -> Array:
        curvature = (g * weight(moved)[None]) @ g.T
        short = target - g @ weight(moved)
        return moved + jnp.linalg.pinv(curvature, rcond=1e-10, hermitian=True) @ short

    moved = jax.lax.fori_loop(0, NEWTON, newton, jnp.zeros(len(target)))
    return Events(events.columns, weight(moved))
