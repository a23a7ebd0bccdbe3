"""Drift fields that vary over the detector, by interpolation between a few of them.

Quanta matrices are smooth in the field F, so that they are built at F Chebyshev nodes of log F
alone, and a rate at a place of field F_i is

    dR_i = sum_f l_f(F_i) a_i^T Q_f b_i,    l_f = prod over g != f of (x - x_g)/(x_f - x_g)

with x = log F. One field everywhere is one node, at no extra cost. The fluctuations of NEST's
electronic recoils have a kink at 295 V/cm (`KINK`): fields on either side of it have nodes of
their own. Measured in the generic detector against Q at each event's own field: over 150 to
250 V/cm (5 nodes), rates to 6e-7 (NR) and 5e-5 (ER, 0.5 to 10 keV), mu to 1e-12 and 6e-8; NR over
80 to 400 V/cm (8 nodes), 3e-8.

Where `drift_field` floats, it scales all fields: interpolation is between the fields of the map,
and the matrices at its nodes are those of the scaled fields.
"""

import math

import numpy as np

from neyman._jax import Array, jnp

FEWEST, MOST = 4, 8
ROOM = 1.01
"""Nodes reach further than the map by this factor."""
KINK = 295.2
"""V/cm; see `fluctuations.of_electronic`."""


def field_nodes(fields: np.ndarray, n: int | None = None) -> np.ndarray:
    """Fields in V/cm between the extremes of `fields`; one where they are all equal.

    There are `n`, or 4 to 8: the more, the further apart the extremes are; so many on either side
    of `KINK`.
    """
    low, high = float(np.min(fields)), float(np.max(fields))
    if high <= low * (1.0 + 1e-9):
        return np.array([low])
    if low < KINK < high:
        return np.concatenate([_chebyshev(low / ROOM, KINK, n), _chebyshev(KINK, high * ROOM, n)])
    return _chebyshev(low / ROOM, high * ROOM, n)


def _chebyshev(low: float, high: float, n: int | None) -> np.ndarray:
    if n is None:
        n = min(max(3 + math.ceil(3.0 * math.log(high / low / ROOM**2)), FEWEST), MOST)
    middle, half = 0.5 * np.log(low * high), 0.5 * np.log(high / low)
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return np.exp(middle + half * x)[::-1].copy()


def field_shares(field: Array | None, nodes: Array) -> Array | None:
    """l_f at each of `field` (N,), (N, F); they sum to 1. None for one node."""
    if field is None or len(nodes) == 1:
        return None
    x, at = jnp.log(field), jnp.log(nodes)
    above = nodes > KINK
    apart = above[:, None] != above[None, :]  # from nodes beyond the kink
    ratio = (x[:, None, None] - at[None, None, :]) / _apart(at)[None]
    left_out = (np.eye(len(nodes), dtype=bool) | apart)[None]
    shares = jnp.prod(jnp.where(left_out, 1.0, ratio), axis=2)
    alone = jnp.all(above) | jnp.all(~above)
    mine = ((field > KINK)[:, None] == above[None]) | alone
    return jnp.where(mine, shares, 0.0)


def _apart(at: Array) -> Array:
    return at[:, None] - at[None, :] + jnp.eye(len(at))
