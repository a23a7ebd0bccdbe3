"""Multilayer perceptrons with residual blocks, float32.

    h_0 = a(W_0 x + b_0),   h_l = h_(l-1) + a(W_l h_(l-1) + b_l),   f(x) = W h_L + b

with an activation a that is smooth, since the gradients of what is learned are used (fits, NUTS,
losses on gradients).
"""

import equinox as eqx

from neyman._jax import Array, jax, jnp

ACTIVATIONS = {"silu": jax.nn.silu, "softplus": jax.nn.softplus, "tanh": jnp.tanh}


class ResidualMLP(eqx.Module):
    """f: (inputs,) -> (outputs,), with `depth` hidden layers of `width` units."""

    first: eqx.nn.Linear
    blocks: tuple[eqx.nn.Linear, ...]
    last: eqx.nn.Linear
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        depth: int,
        key: Array,
        activation: str = "silu",
    ):
        first, *between, last = jax.random.split(key, depth + 1)
        self.first = eqx.nn.Linear(inputs, width, dtype=jnp.float32, key=first)
        self.blocks = tuple(eqx.nn.Linear(width, width, dtype=jnp.float32, key=k) for k in between)
        self.last = eqx.nn.Linear(width, outputs, dtype=jnp.float32, key=last)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        activate = ACTIVATIONS[self.activation]
        h = activate(self.first(jnp.asarray(x)))
        for block in self.blocks:
            h = h + activate(block(h))
        return self.last(h)
