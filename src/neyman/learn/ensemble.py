"""Ensembles: networks of one architecture stacked along a first axis of their arrays.

`train` maps over that axis, so that members are trained side by side, each with its own first
weights, its own order of the data and its own best epoch, as if it were alone.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, jax, jnp


def ensemble(make: Callable[[Array], Any], *, key: Array, members: int = 1) -> Any:
    """`make(key)` for `members` keys, stacked; member i has the key fold_in(key, i)."""
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(members))
    return eqx.filter_vmap(make)(keys)


def size(networks: Any) -> int:
    """The number of members."""
    return len(jax.tree.leaves(eqx.filter(networks, eqx.is_array))[0])


def member(networks: Any, i: int) -> Any:
    """One of them, alone."""
    arrays, static = eqx.partition(networks, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda a: a[i], arrays), static)


def members(networks: Any) -> list[Any]:
    """All of them, one by one."""
    return [member(networks, i) for i in range(size(networks))]


def stacked(networks: list[Any]) -> Any:
    """The ensemble of networks of one architecture."""
    arrays, static = zip(*(eqx.partition(n, eqx.is_array) for n in networks))
    return eqx.combine(jax.tree.map(lambda *a: jnp.stack(a), *arrays), static[0])


def as_numpy(network: Any) -> Any:
    """The same network with NumPy arrays."""
    return jax.tree.map(lambda a: np.asarray(a) if eqx.is_array(a) else a, network)
