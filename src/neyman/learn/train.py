"""The training loop: the network that minimises a loss, best on data it does not see.

    phi^ = argmin_phi  E_batch loss(network_phi, batch, key)

by Adam (arXiv:1412.6980) on clipped gradients; the rate rises over the first hundredth of the
steps and falls to `FINAL` of itself along a half cosine (arXiv:1608.03983). An epoch is a
`lax.scan` over minibatches, in an order of its own. After each epoch the loss on the held-out
data is taken; the weights of the epoch where it is lowest are what comes back. A member whose
held-out loss has not fallen for `patience` epochs rests, and the loop ends when all rest.

The method is the loss: a function (network, batch, key) -> scalar, where `batch` has the structure
of `data` with B rows, or a module with arrays of its own that is called like that. Epoch e of
member i has the key fold_in(fold_in(key, e), i): the same key gives the same bytes, whether or not
the run was interrupted.
"""

import dataclasses
import math
import pathlib
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
import optax

from neyman._jax import Array, Scalar, jax, jnp
from neyman.execute import progress_bar
from neyman.io.fingerprint import fingerprint
from neyman.io.provenance import digest, version
from neyman.learn import checkpoint
from neyman.learn.ensemble import size
from neyman.status import InputError, Note, Status

FINAL = 1e-3
LARGEST_GRADIENT = 10.0
SAVED_EVERY = 5.0
"""Seconds between checkpoints."""
Loss = Callable[[Any, Any, Array], Scalar]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to train: what `train` takes besides the network, the loss and the data."""

    epochs: int = 40
    batch: int = 512
    rate: float = 3e-3
    """Of Adam, at its highest."""
    patience: int = 20
    """Epochs without a lower held-out loss after which a member rests."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """The best weights of M members and how they were found."""

    networks: Any
    """With a first axis (M,) on their arrays, see `ensemble`."""
    loss: np.ndarray
    """Mean training loss of each epoch, (epochs, M)."""
    held_out: np.ndarray
    """Loss on the held-out data after each epoch, (epochs, M)."""
    notes: tuple[Note, ...]


class _State(NamedTuple):
    """Training under way; every leaf has a first axis (M,)."""

    weights: Any
    optimiser: Any
    best: Any
    lowest: Array
    """Held-out loss of `best`."""
    waited: Array
    """Epochs since then."""


def train(
    networks: Any,
    loss: Loss,
    data: Any,
    held_out: Any,
    *,
    key: Array,
    plan: Plan = Plan(),
    folder: str | pathlib.Path | None = None,
    label: str = "training",
) -> Trained:
    """Train an ensemble.

    Args:
        networks: modules stacked by `ensemble`.
        loss: (network, batch, key) -> scalar, of one member.
        data: arrays whose first axis are the N examples, in any pytree.
        held_out: the same for examples that are not trained on.
        key: of the orders of minibatches, and of what a loss draws.
        folder: where a checkpoint is kept; a run that was killed goes on from there and ends in
            the same bits.

    Returns:
        `Trained`, with a note if a member's loss was never finite.

    Raises:
        InputError: fewer examples than one minibatch; a plan that makes no sense; a checkpoint of
            another training.
    """
    n = _check(plan, data, held_out)
    data, held_out = (jax.tree.map(jnp.asarray, d) for d in (data, held_out))
    weights, static = eqx.partition(networks, eqx.is_inexact_array)
    steps = n // plan.batch
    optimiser = _optimiser(plan, steps * plan.epochs)
    m = size(networks)
    state = _State(
        weights, jax.vmap(optimiser.init)(weights), weights,
        jnp.full(m, jnp.inf), jnp.zeros(m, dtype=int),
    )  # fmt: skip
    history = np.zeros((0, 2, m))
    spec = None if folder is None else _spec(networks, loss, data, held_out, key, plan)
    if folder is not None:
        state, history = checkpoint.load(folder, spec, (state, history))
    saved = time.monotonic()
    with progress_bar(label) as progress:
        while len(history) < plan.epochs and np.any(np.asarray(state.waited) < plan.patience):
            epoch_key = jax.random.fold_in(key, len(history))
            with jax.numpy_dtype_promotion("standard"):  # optax relies on it
                state, losses = _epoch(state, static, loss, data, held_out, epoch_key, plan, steps)
            history = np.concatenate([history, np.asarray(losses, dtype=float)[None]])
            progress(len(history), plan.epochs)
            if folder is not None and time.monotonic() - saved > SAVED_EVERY:
                checkpoint.save(folder, spec, (state, history))
                saved = time.monotonic()
    if folder is not None:
        checkpoint.save(folder, spec, (state, history))
    failed = int(np.sum(~np.isfinite(np.asarray(state.lowest))))
    place = f"{failed} of {m} networks never had a finite loss"
    return Trained(
        networks=eqx.combine(state.best, static),
        loss=history[:, 0],
        held_out=history[:, 1],
        notes=(Note(Status.NOT_FINITE, place),) if failed else (),
    )


def split(data: Any, fraction: float, key: Array) -> tuple[Any, Any]:
    """`data` without, and the held-out part: `fraction` of its rows, drawn at random."""
    n = _rows(data)
    order = np.asarray(jax.random.permutation(key, n))
    first = math.ceil(fraction * n)
    held = np.sort(order[:first])
    kept = np.sort(order[first:])
    return jax.tree.map(lambda a: a[kept], data), jax.tree.map(lambda a: a[held], data)


def _optimiser(plan: Plan, steps: int) -> optax.GradientTransformation:
    warm = max(1, steps // 100)
    rate = optax.warmup_cosine_decay_schedule(0.0, plan.rate, warm, steps, FINAL * plan.rate)
    return optax.chain(optax.clip_by_global_norm(LARGEST_GRADIENT), optax.adam(rate))


@eqx.filter_jit
def _epoch(
    state: _State,
    static: Any,
    loss: Loss,
    data: Any,
    held_out: Any,
    key: Array,
    plan: Plan,
    steps: int,
) -> tuple[_State, Array]:
    """One epoch of every member that does not rest; mean losses on both sets, (2, M)."""
    optimiser = _optimiser(plan, steps * plan.epochs)

    def loss_of(weights, batch, batch_key):
        return loss(eqx.combine(weights, static), batch, batch_key)

    def one(before: _State, i: Array):
        order_key, loss_key, held_key = jax.random.split(jax.random.fold_in(key, i), 3)
        order = jax.random.permutation(order_key, _rows(data))[: steps * plan.batch]

        def step(carried, now):
            weights, memory = carried
            rows, t = now
            batch = jax.tree.map(lambda a: a[rows], data)
            value, slope = jax.value_and_grad(loss_of)(
                weights, batch, jax.random.fold_in(loss_key, t)
            )
            move, memory = optimiser.update(slope, memory, weights)
            return (optax.apply_updates(weights, move), memory), value

        rows = order.reshape(steps, plan.batch)
        (weights, memory), values = jax.lax.scan(
            step, (before.weights, before.optimiser), (rows, jnp.arange(steps))
        )
        held = _mean_loss(loss_of, weights, held_out, held_key, plan.batch)
        better = held < before.lowest
        after = _State(
            weights,
            memory,
            _where(better, weights, before.best),
            jnp.where(better, held, before.lowest),
            jnp.where(better, 0, before.waited + 1),
        )
        resting = before.waited >= plan.patience
        return _where(resting, before, after), jnp.stack([jnp.mean(values).astype(float), held])

    after, losses = jax.vmap(one)(state, jnp.arange(len(state.lowest)))
    return after, losses.T


def _mean_loss(loss_of, weights, held_out: Any, key: Array, batch: int) -> Scalar:
    """Over the held-out rows, in batches so that memory stays bounded; a remainder smaller than a
    batch is left out."""
    n = _rows(held_out)
    b = min(batch, n)
    batches = jax.tree.map(lambda a: a[: n // b * b].reshape(n // b, b, *a.shape[1:]), held_out)
    keys = jax.random.split(key, n // b)
    values = jax.lax.map(lambda both: loss_of(weights, both[0], both[1]), (batches, keys))
    return jnp.mean(values.astype(float))


def _where(condition: Array, a: Any, b: Any) -> Any:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)


def _rows(data: Any) -> int:
    return len(jax.tree.leaves(data)[0])


def _check(plan: Plan, data: Any, held_out: Any) -> int:
    """The number of examples."""
    for name in ("epochs", "batch", "patience"):
        if getattr(plan, name) < 1:
            raise InputError(name, f"is {getattr(plan, name)}", "give 1 or more")
    if not 0 < plan.rate < math.inf:
        raise InputError("rate", f"is {plan.rate:g}", "give a number above 0")
    for name, some in (("examples", data), ("held-out examples", held_out)):
        lengths = {len(leaf) for leaf in jax.tree.leaves(some)}
        if len(lengths) != 1:
            raise InputError(name, "are arrays of different lengths", "give one row an example")
        if min(lengths) < (plan.batch if some is data else 1):
            problem = f"{min(lengths)} are fewer than one minibatch of {plan.batch}"
            raise InputError(name, problem, "give more of them, or make `batch` smaller")
    return _rows(data)


def _spec(networks, loss, data, held_out, key: Array, plan: Plan) -> dict[str, Any]:
    """What a checkpoint is of."""
    arrays, static = eqx.partition((networks, loss), eqx.is_array)
    return {
        "what": "training",
        "networks": fingerprint(arrays),
        "method": digest(re.sub(r" at 0x[0-9a-f]+", "", repr(static)).encode()),
        "data": fingerprint((data, held_out)),
        "key": fingerprint(jax.random.key_data(key)),
        "plan": dataclasses.asdict(plan),
        "jax": version("jax"),
    }
