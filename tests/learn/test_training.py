"""The training loop against a least-squares solution, and what it promises: bytes, resume, rest."""

import equinox as eqx
import numpy as np
import pytest

from neyman._jax import jax, jnp
from neyman.learn import train as loop
from neyman.learn.ensemble import ensemble, member, members, size, stacked
from neyman.learn.networks import ResidualMLP
from neyman.learn.train import Plan, split, train
from neyman.status import InputError, Status

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2000, 3)).astype(np.float32)
SLOPE = np.array([1.5, -2.0, 0.25], dtype=np.float32)
Y = (X @ SLOPE + 0.7 + 0.1 * RNG.normal(size=2000)).astype(np.float32)
PLAN = Plan(epochs=30, batch=100, rate=0.03)


def line(key):
    return eqx.nn.Linear(3, 1, dtype=jnp.float32, key=key)


def mean_square(network, batch, key):
    x, y = batch
    return jnp.mean((jax.vmap(network)(x)[:, 0] - y) ** 2)


def trained(key=0, networks=2, plan=PLAN, **options):
    data, held = split((X, Y), 0.2, jax.random.key(9))
    many = ensemble(line, key=jax.random.key(1), members=networks)
    return train(many, mean_square, data, held, key=jax.random.key(key), plan=plan, **options)


def weights(found):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(found.networks, eqx.is_array))]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(weights(a), weights(b), strict=True))


def test_least_squares():
    """A line trained on (x, y) is the line of least squares, within what 2,000 points tell."""
    data, _ = split((X, Y), 0.2, jax.random.key(9))
    design = np.concatenate([data[0], np.ones((len(data[0]), 1), dtype=np.float32)], axis=1)
    exact = np.linalg.lstsq(design, data[1], rcond=None)[0]
    found = trained()
    for network in members(found.networks):
        np.testing.assert_allclose(np.asarray(network.weight)[0], exact[:3], atol=5e-3)
        np.testing.assert_allclose(np.asarray(network.bias), exact[3:], atol=5e-3)
    assert found.held_out.shape == found.loss.shape == (30, 2)
    assert not found.notes


def test_the_same_key_gives_the_same_bytes():
    assert same(trained(), trained())
    assert not same(trained(), trained(key=1))


def test_the_best_epoch_is_kept():
    """The held-out loss of what comes back is the lowest of its history."""
    noise = np.random.default_rng(5).normal(size=60).astype(np.float32)  # nothing to be learned
    data, held = split((X[:60], noise), 0.5, jax.random.key(2))
    many = ensemble(
        lambda key: ResidualMLP(3, 1, width=32, depth=2, key=key), key=jax.random.key(4), members=2
    )
    plan = Plan(epochs=60, batch=30, rate=0.01)
    found = train(many, mean_square, data, held, key=jax.random.key(0), plan=plan)
    again = [float(mean_square(m, held, jax.random.key(0))) for m in members(found.networks)]
    np.testing.assert_allclose(again, found.held_out.min(axis=0), rtol=1e-5)
    assert np.all(found.held_out[-1] > found.held_out.min(axis=0))  # it did overfit


def test_rest():
    """Training ends when no member has got better for `patience` epochs."""
    plan = Plan(epochs=200, batch=100, rate=0.03, patience=3)
    found = trained(plan=plan)
    assert len(found.held_out) < 200
    since = len(found.held_out) - 1 - found.held_out.argmin(axis=0)
    assert np.all(since >= 3)


def test_members_do_not_know_of_each_other():
    alone, together = trained(networks=1), trained(networks=3)
    first = member(together.networks, 0)
    only = member(alone.networks, 0)
    np.testing.assert_allclose(np.asarray(first.weight), np.asarray(only.weight), rtol=1e-5)
    assert size(stacked(members(together.networks))) == 3


class Killed(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, 17])
def test_going_on_after_a_kill(tmp_path, monkeypatch, epochs):
    """Killed after an epoch and begun again, training ends in the same bits."""
    whole = trained()
    monkeypatch.setattr(loop, "SAVED_EVERY", 0.0)
    real, count = loop._epoch, [0]

    def until(*given):
        if count[0] == epochs:
            raise Killed
        count[0] += 1
        return real(*given)

    monkeypatch.setattr(loop, "_epoch", until)
    with pytest.raises(Killed):
        trained(folder=tmp_path)
    monkeypatch.setattr(loop, "_epoch", real)
    resumed = trained(folder=tmp_path)
    assert same(whole, resumed)
    np.testing.assert_array_equal(whole.held_out, resumed.held_out)


@pytest.mark.parametrize("change", ["key", "damage"])
def test_another_checkpoint_is_refused(tmp_path, change):
    short = Plan(epochs=2, batch=100)
    trained(plan=short, folder=tmp_path)
    if change == "damage":
        path = tmp_path / "checkpoint.npz"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with pytest.raises(InputError, match="remove it to start anew"):
        trained(plan=short, key=int(change == "key"), folder=tmp_path)


def test_a_loss_that_is_never_finite_is_told():
    data, held = split((X, Y), 0.2, jax.random.key(9))
    many = ensemble(line, key=jax.random.key(1))
    found = train(
        many, lambda network, batch, key: jnp.nan * mean_square(network, batch, key), data, held,
        key=jax.random.key(0), plan=Plan(epochs=2, batch=100),
    )  # fmt: skip
    assert [note.status for note in found.notes] == [Status.NOT_FINITE]


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Plan(epochs=0), "epochs"),
        (Plan(rate=-1.0), "rate"),
        (Plan(batch=3000), "fewer than one minibatch"),
        (Plan(patience=0), "patience"),
    ],
)
def test_refused(plan, problem):
    with pytest.raises(InputError, match=problem):
        trained(plan=plan)


def test_split():
    data, held = split((X, Y), 0.25, jax.random.key(0))
    assert len(held[0]) == 500 and len(data[1]) == 1500
    both = np.concatenate([data[1], held[1]])
    np.testing.assert_array_equal(np.sort(both), np.sort(Y))
