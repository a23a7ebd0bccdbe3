"""What a result was made from."""

import re
from typing import Any

import numpy as np

from neyman._jax import jax
from neyman.io.provenance import digest, provenance
from neyman.model import Likelihood


def provenance_of(like: Likelihood, seed: int | None = None) -> dict[str, Any]:
    """Digests of the model's input and of the data, the seed, versions and date."""
    inputs = {}
    if like.digest:
        inputs["model"] = like.digest
    if like.data is not None:
        leaves = jax.tree.leaves(like.data)
        inputs["data"] = digest(b"".join(np.asarray(leaf).tobytes() for leaf in leaves))
    return provenance(inputs, seed)


def fingerprint(tree: Any) -> str:
    """A digest of a model or a likelihood: its classes, what is static in it, and its arrays."""
    leaves, structure = jax.tree.flatten(tree)
    static = re.sub(r" at 0x[0-9a-f]+", "", str(structure))
    arrays = [np.asarray(leaf) for leaf in leaves]
    parts = [f"{a.dtype.str}{a.shape}".encode() + a.tobytes() for a in arrays]
    return digest(b"".join([static.encode(), *parts]))
