"""Acceptances of a signal as curves, and their exact integrals.

A curve is linear between its points and constant beyond. The product of up to two of them, on
raw and on corrected signals, is quadratic between the points of both; on a piece from l to u

    f(S) = alpha + beta (S - l) + gamma (S - l)^2

and with z = (S - m)/sd, Phi and phi the normal distribution and density,

    int f N(m, sd) dS = alpha I0 + beta sd I1 + gamma sd^2 I2,
    I0 = [Phi],  I1 = -[phi] - z_l I0,  I2 = I0 - [z phi] + 2 z_l [phi] + z_l^2 I0

with [g] = g(z_u) - g(z_l).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.signals import Law
from neyman.likelihoods.xenon.skew_normal import normal_cdf


class Curve(NamedTuple):
    """A probability as a function of a signal."""

    signal: str
    """"s1", "s2", "cs1" or "cs2"."""
    points: tuple[float, ...]
    """PE, increasing."""
    values: tuple[float, ...]
    """0 to 1."""


def at_curve(curve: Curve, signal: Array) -> Array:
    """The curve at signals of any shape."""
    return jnp.interp(signal, jnp.asarray(curve.points), jnp.asarray(curve.values))


class Pieces(NamedTuple):
    """An acceptance of raw signals at K places, quadratic on each of J pieces."""

    edges: Array
    """PE, increasing, (K, J + 1)."""
    first: Array
    """At the lower edge of each piece, (K, J); so are `middle` and `last`."""
    middle: Array
    last: Array

    def at(self, signal: Array) -> Array:
        """The acceptance at signals (K, G), 0 outside the pieces."""
        j = jax.vmap(lambda e, s: jnp.searchsorted(e, s, side="right"))(self.edges, signal) - 1
        inside = (signal >= self.edges[:, :1]) & (signal <= self.edges[:, -1:])
        j = jnp.clip(j, 0, self.first.shape[1] - 1)
        low, alpha, beta, gamma = (
            jnp.take_along_axis(a, j, axis=1) for a in (self.edges[:, :-1], *self._coefficients())
        )
        x = signal - low
        return jnp.where(inside, alpha + beta * x + gamma * x**2, 0.0)

    def law(self) -> Law:
        """The mean acceptance of a signal, given its mean and standard deviation."""
        columns = (self.edges[:, :-1], self.edges[:, 1:], *self._coefficients())

        def of(mean: Array, sd: Array) -> Array:
            @jax.checkpoint
            def add(total: Array, piece: tuple[Array, ...]):
                low, high, alpha, beta, gamma = (p[:, None] for p in piece)
                z, up = (low - mean) / sd, (high - mean) / sd
                at_low, at_high = _density(z), _density(up)
                i0 = normal_cdf(up) - normal_cdf(z)
                drop = at_high - at_low
                i1 = -drop - z * i0
                i2 = i0 - (up * at_high - z * at_low) + 2.0 * z * drop + z**2 * i0
                return total + alpha * i0 + beta * sd * i1 + gamma * sd**2 * i2, None

            shape = jnp.broadcast_shapes((len(self.edges), 1), mean.shape, sd.shape)
            each = tuple(jnp.moveaxis(c, 1, 0) for c in columns)
            return jax.lax.scan(add, jnp.zeros(shape), each)[0]

        return Law(of, False)

    def mean(self, edges: Array) -> Array:
        """The mean acceptance of signals uniform in each of the cells `edges` (C + 1,), (K, C)."""
        alpha, beta, gamma = self._coefficients()

        def one(low, high, alpha, beta, gamma):
            def primitive(x):
                x = jnp.clip(x, low[:, None], high[:, None]) - low[:, None]
                return x * (alpha[:, None] + x * (0.5 * beta[:, None] + x * gamma[:, None] / 3.0))

            return jnp.sum(jnp.diff(primitive(edges[None]), axis=1), axis=0)

        whole = jax.vmap(one)(self.edges[:, :-1], self.edges[:, 1:], alpha, beta, gamma)
        return whole / jnp.diff(edges)[None]

    def _coefficients(self) -> tuple[Array, Array, Array]:
        width = jnp.diff(self.edges, axis=1)
        width = jnp.where(width > 0.0, width, 1.0)
        slope = (4.0 * self.middle - 3.0 * self.first - self.last) / width
        return self.first, slope, 2.0 * (self.first - 2.0 * self.middle + self.last) / width**2


def pieces(curves: Sequence[Curve], factors: Sequence[Array], low: Array, high: Array) -> Pieces:
    """The product of curves of one signal between `low` and `high`, (K,) each.

    Args:
        curves: up to two, so that the product is quadratic between all points.
        factors: what each curve's points are multiplied by to be raw signals, (K,) each.
        low: where the signal begins to be kept; `high` where it ends.
    """
    points = [factor[:, None] * np.array(c.points)[None] for c, factor in zip(curves, factors)]
    inner = jnp.clip(jnp.concatenate(points, axis=1), low[:, None], high[:, None])
    edges = jnp.sort(jnp.concatenate([low[:, None], inner, high[:, None]], axis=1), axis=1)

    def at(signal: Array) -> Array:
        product = jnp.ones(signal.shape)
        for curve, factor in zip(curves, factors):
            product = product * at_curve(curve, signal / factor[:, None])
        return product

    begin, end = edges[:, :-1], edges[:, 1:]
    return Pieces(edges, at(begin), at(0.5 * (begin + end)), at(end))


def _density(z: Array) -> Array:
    return jnp.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
