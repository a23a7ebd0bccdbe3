"""log L at many points, in chunks that are stored, so that a run that was killed goes on."""

import functools
import math
import pathlib
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.execute import progress_bar
from neyman.io.chunks import ChunkStore
from neyman.io.fingerprint import fingerprint
from neyman.io.store import made_folder
from neyman.model import Likelihood

CHUNK, DEAR_CHUNK = 4096, 16
"""Points evaluated at once."""
Folder = str | pathlib.Path | None


def ask(
    like: Likelihood, theta: np.ndarray, folder: Folder = None, *, slopes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """log L (N,) and its gradient (N, P), of no columns where `slopes` is False, at theta (N, P).

    Raises:
        InputError: the folder holds the values of other points.
    """
    size = DEAR_CHUNK if like.dear else CHUNK
    spec = {
        "what": "values of log L",
        "likelihood": fingerprint(like),
        "theta": fingerprint(theta),
        "slopes": slopes,
        "chunk": size,
    }
    place = inside(folder, "evaluated")
    store = None if place is None else ChunkStore(place, spec)
    like = jax.tree.map(jnp.asarray, like)
    chunks = []
    count = math.ceil(len(theta) / size)
    with progress_bar("points") as progress:
        for i in range(count):
            chunk = None if store is None else store.load(i)
            if chunk is None:
                chunk = _evaluate(like, theta[i * size : (i + 1) * size], size, slopes)
                if store is not None:
                    store.save(i, chunk)
            chunks.append(chunk)
            progress(i + 1, count)
    log_prob, slope = (np.concatenate([c[k] for c in chunks]) for k in ("log_prob", "slope"))
    return log_prob, slope


def inside(folder: Folder, name: str) -> pathlib.Path | None:
    """The path of `name` in a folder, which is created where it is absent."""
    return None if folder is None else made_folder(folder) / name


def _evaluate(like: Likelihood, theta: np.ndarray, size: int, slopes: bool) -> dict[str, Any]:
    """One chunk, padded to `size` so that it is compiled once."""
    rows = len(theta)
    padded = jnp.asarray(np.concatenate([theta, np.repeat(theta[:1], size - rows, axis=0)]))
    if not slopes:
        return {"log_prob": np.asarray(_values(like, padded))[:rows], "slope": np.zeros((rows, 0))}
    value, slope = _values_and_slopes(like, padded)
    return {"log_prob": np.asarray(value)[:rows], "slope": np.asarray(slope)[:rows]}


@eqx.filter_jit
def _values_and_slopes(like: Likelihood, theta: Array) -> tuple[Array, Array]:
    one = jax.value_and_grad(like.log_prob)
    return jax.lax.map(one, theta) if like.dear else jax.vmap(one)(theta)


@eqx.filter_jit
def _values(like: Likelihood, theta: Array) -> Array:
    many = functools.partial(jax.lax.map, like.log_prob) if like.dear else jax.vmap(like.log_prob)
    return jnp.asarray(many(theta))
