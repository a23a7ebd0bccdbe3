"""Any pytree of arrays in one file, whole or absent, without pickle.

`checkpoint.npz` holds the leaves in order; the structure is the reader's own. The digest of the
spec, a JSON document that says what is being computed, is the file's label, so that a checkpoint of
anything else is not taken for it.
"""

import pathlib
from typing import Any

import numpy as np

from neyman._jax import jax, jnp
from neyman.io.bounded import read_raw
from neyman.io.chunks import MAX_CHUNK, decode, encode
from neyman.io.provenance import digest
from neyman.io.store import made_folder, write_atomic
from neyman.status import InputError

NAME = "checkpoint.npz"


def save(folder: str | pathlib.Path, spec: Any, tree: Any) -> None:
    """Replace the checkpoint in `folder`, which is created where it is absent."""
    arrays = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
    write_atomic(made_folder(folder) / NAME, encode(arrays, digest(spec).encode()))


def load(folder: str | pathlib.Path, spec: Any, tree: Any) -> Any:
    """The tree of the checkpoint in `folder`, or `tree` itself where there is none.

    Raises:
        InputError: the checkpoint is damaged, or of another spec.
    """
    path = pathlib.Path(folder) / NAME
    if not path.exists():
        return tree
    try:
        found = decode(read_raw(path, MAX_CHUNK), digest(spec).encode(), str(path))
    except InputError as error:
        remedy = "remove it to start anew, or name another folder"
        raise InputError(error.place, f"{error.problem}", remedy) from None
    leaves, structure = jax.tree.flatten(tree)
    here = [found[str(i)] for i in range(len(leaves))]
    kinds = [np.asarray if isinstance(leaf, np.ndarray) else jnp.asarray for leaf in leaves]
    return jax.tree.unflatten(structure, [kind(leaf) for kind, leaf in zip(kinds, here)])
