"""Data sets thrown from a model at one truth, main and auxiliary measurements alike.

Data set i has the key fold_in(seed, i), so it is the same whatever the number of workers.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from neyman._jax import jax, jnp
from neyman.execute import Failed, execute, progress_bar
from neyman.inference.provenance import fingerprint
from neyman.inference.toy_test import HERE, Workplace
from neyman.io.chunks import ChunkStore
from neyman.model import Data, Model, compiled_model
from neyman.status import InputError

CHUNK = 1_000
"""Data sets of one job."""


class Chunk(NamedTuple):
    """Data sets first ... first + n - 1 of a seed."""

    model: Model
    theta: np.ndarray
    seed: int
    first: int
    n: int


def simulate(
    model: Model,
    *,
    at: Mapping[str, float] | None = None,
    n: int = 1,
    key: int = 0,
    workplace: Workplace = HERE,
) -> Data:
    """n data sets, stacked: NumPy arrays of shape (n, ...).

    `model.observe` of one of them is its likelihood.

    Args:
        model: what throws them.
        at: the truth by name; parameters that are not named have their initial values.
        n: how many.
        key: the seed.
        workplace: the workers, and the folder in which finished data sets are kept; more of them
            can be asked for later.

    Raises:
        InputError: an unknown name, a number that is not positive, a worker that dies.
    """
    if n < 1:
        raise InputError("n", f"{n} is not positive", "give 1 or more")
    theta = model.parameters.vector(at)
    plain = jax.device_get(model)
    jobs = [Chunk(plain, theta, key, i, min(CHUNK, n - i)) for i in range(0, n, CHUNK)]
    store = None
    if workplace.folder is not None:
        spec = {"what": "data", "model": fingerprint(model), "theta": theta, "seed": key}
        store = ChunkStore(workplace.folder, spec)
    parts = []
    with progress_bar("data sets") as progress:
        for done in execute(
            leaves,
            jobs,
            workers=workplace.workers,
            store=store,
            fits=are_all,
            progress=progress,
            timeout=workplace.timeout,
        ):
            if isinstance(done, Failed):
                raise InputError("simulate", str(done), "try again; fewer workers need less memory")
            parts.append(done)
    joined = [np.concatenate([part[name] for part in parts]) for name in sorted(parts[0])]
    one = jax.eval_shape(model.sample, jax.random.key(0), jnp.asarray(theta))
    return jax.tree.unflatten(jax.tree.structure(one), joined)


def leaves(chunk: Chunk) -> dict[str, np.ndarray]:
    """A job for `neyman.execute`: the leaves of stacked data, in their order."""
    index = jnp.arange(chunk.first, chunk.first + chunk.n)
    key = jax.random.key(chunk.seed)
    data = _sample(compiled_model(chunk.model), key, index, jnp.asarray(chunk.theta))
    return {f"leaf{i:03d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(data))}


def are_all(chunk: Chunk, arrays: dict[str, np.ndarray]) -> bool:
    """Whether kept data sets are as many as asked for now."""
    return len(next(iter(arrays.values()))) == chunk.n


@jax.jit
def _sample(model, key, index, theta):
    return jax.vmap(lambda i: model.sample(jax.random.fold_in(key, i), theta))(index)
