"""What a result was made from."""

from typing import Any

import numpy as np

from neyman._jax import jax
from neyman.io.fingerprint import fingerprint as fingerprint
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
