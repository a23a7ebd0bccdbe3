"""A digest of anything made of arrays: models, likelihoods, networks, data sets."""

import re
from typing import Any

import numpy as np

from neyman._jax import jax
from neyman.io.provenance import digest


def fingerprint(tree: Any) -> str:
    """A digest of a pytree: its classes, what is static in it, and its arrays."""
    leaves, structure = jax.tree.flatten(tree)
    static = re.sub(r" at 0x[0-9a-f]+", "", str(structure))
    arrays = [np.asarray(leaf) for leaf in leaves]
    parts = [f"{a.dtype.str}{a.shape}".encode() + a.tobytes() for a in arrays]
    return digest(b"".join([static.encode(), *parts]))
