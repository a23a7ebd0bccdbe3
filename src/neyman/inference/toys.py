"""Toys: data thrown from a model, fitted, and reduced to a test statistic, in batches.

Toy i of a stream has the key fold_in(fold_in(seed, stream), i), so it is the same toy whatever
the batch, the number of workers or the machine. Each is thrown at theta, main and auxiliary
data alike, fitted once with the parameter of interest floating and once at each tested mu,
starting from the truth and from the fit before it. All of it is one compiled program in which
a fit that fails is a status of that toy, no exception; it is counted and left out of p-values.

Where p-values are small, toys are thrown at M points theta_m in turn, theta_1 = theta, and every
toy x is weighted by (defensive importance sampling: Hesterberg, Technometrics 37, 185)

    w(x) = p(x|theta) / mean_m p(x|theta_m)  <=  M.

Toys of small models are fitted `LANES` together (`vmap`), those of large ones one at a time:
measured, 40 together are a fifth faster than 8 for ten bins; for the 64 parameters of
2018_31_A, where the matrices of one toy fill the vector units, 8 are a tenth slower than one.
A fit at a tested mu is left out where the statistic is 0 whatever it gives.

Toys of a model whose likelihood is dear are fitted with a cheap one that is like it near the
truth (`Model.near`), or else exactly, one by one (`toy_descent`).
"""

import functools
from typing import NamedTuple

import numpy as np

from neyman._jax import jax, jnp
from neyman.inference.toy_fit import FINE, SMALL, UNFINISHED, Box, Ended, fit_toys
from neyman.io.chunks import Arrays
from neyman.model import Model
from neyman.status import InputError, Status

MOST_VALUES = 8
"""Toys are tested at up to this many mu in one program, whatever their number."""
SIDE = {"qtilde": -1, "q": -1, "q0": 1, "t": 0}
"""Per statistic, the sign of mu^ - mu where it counts; 0 where both count."""
LANES = 40
"""So many toys of a small model are fitted together."""
DEAR_LANES = 8
"""So many toys of a model whose data take much memory on their way."""


class Toys(NamedTuple):
    """n toys, tested at K values of mu."""

    statistic: np.ndarray
    """At each tested mu (arXiv:1007.1727, eq. 8, 12, 14 or 16), (n, K); NaN where a fit failed."""
    poi_hat: np.ndarray
    """The fitted parameter of interest, (n,)."""
    status: np.ndarray
    """The worst status of the toy's fits, (n,)."""
    log_weight: np.ndarray
    """log of the importance weight, (n,); 0 for plain toys."""


class Truth(NamedTuple):
    """Where toys are thrown, and what is tested on them."""

    thrown: np.ndarray
    """theta, and the further points of importance sampling, (M, P)."""
    values: tuple[float, ...]
    """The tested mu, up to `MOST_VALUES`."""
    poi: int
    """Position of the parameter of interest in theta."""
    held: tuple[int, ...] = ()
    """Positions of further parameters of interest, held at theta where mu is tested."""

    @property
    def theta(self) -> np.ndarray:
        """The hypothesis, (P,)."""
        return self.thrown[0]


class Chunk(NamedTuple):
    """Toys first ... first + n - 1 of one stream of a seed: a job that any worker can do."""

    model: Model
    truth: Truth
    statistic: str
    """"qtilde", "q", "q0" or "t"."""
    seed: int
    stream: int
    first: int
    n: int


def throw(chunk: Chunk) -> Toys:
    """The toys of a chunk."""
    model, truth = chunk.model, chunk.truth
    p = model.parameters
    if model.dear:
        model = model.near(truth.theta, [p.names[i] for i in (truth.poi, *truth.held)])
    if model is None:
        from neyman.inference.toy_descent import throw_one_by_one

        return throw_one_by_one(chunk)
    lower = p.lower.copy()
    if chunk.statistic == "qtilde":  # arXiv:1007.1727, eq. 16: mu^ below 0 is replaced by 0
        lower[truth.poi] = max(lower[truth.poi], 0.0)
    free = ~p.fixed
    free[[truth.poi, *truth.held]] = True
    values = np.zeros(MOST_VALUES)
    values[: len(truth.values)] = truth.values
    lanes = DEAR_LANES if chunk.model.dear else LANES if len(p) <= SMALL else 1
    index = np.arange(chunk.first, chunk.first + -(-chunk.n // lanes) * lanes)
    thrown = _throw(
        model,
        truth.thrown,
        values,
        len(truth.values),
        SIDE[chunk.statistic],
        truth.poi,
        np.isin(np.arange(len(p)), [truth.poi, *truth.held]),
        Box(free, lower, p.upper),
        chunk.seed,
        chunk.stream,
        index,
        lanes=lanes,
    )
    q, poi_hat, status, log_weight = (np.asarray(a)[: chunk.n] for a in thrown)
    fine = status == int(Status.FINE)
    q = np.where(fine[:, None], q[:, : len(truth.values)], np.nan)
    return Toys(q, poi_hat, status, log_weight)


def thrown_arrays(chunk: Chunk) -> Arrays:
    """`throw` as a job for `neyman.execute`: the toys, and where they are thrown and tested."""
    return throw(chunk)._asdict() | {"point": _point(chunk)}


def kept_toys(chunk: Chunk, arrays: Arrays, folder: object) -> Toys:
    """The toys in what `thrown_arrays` gave, now or when they were put in `folder`.

    What is tested next depends on the toys so far, so that a number of a chunk in a folder does
    not say by itself which toys it holds.

    Raises:
        InputError: they are not the toys of `chunk`.
    """
    if not are_toys_of(chunk, arrays):
        problem = "holds toys thrown at other points (another level, value or method)"
        raise InputError(str(folder), problem, "name another folder")
    return Toys(**{name: arrays[name] for name in Toys._fields})


def are_toys_of(chunk: Chunk, arrays: Arrays) -> bool:
    """Whether `arrays` are what `thrown_arrays` gives for `chunk`."""
    wanted, point = _point(chunk), arrays["point"]
    return point.shape == wanted.shape and np.allclose(point, wanted, rtol=1e-9, atol=1e-12)


def _point(chunk: Chunk) -> np.ndarray:
    truth = chunk.truth
    where = *truth.thrown.ravel(), *truth.values, chunk.stream, chunk.first, chunk.n
    return np.array(where, dtype=float)


def number(chunk: Chunk, block: int = 0) -> int:
    """Where a folder keeps a chunk, tested at one of up to a hundred blocks of values: whatever
    the number of toys, so that a call for more of them finds those that are there."""
    return (100 * chunk.stream + block) * 1_000_000 + chunk.first // chunk.n


def failed_toys(chunk: Chunk) -> Toys:
    """The toys of a chunk that no worker could do."""
    failed = np.full(chunk.n, int(Status.NOT_CONVERGED))
    nothing = np.full(chunk.n, np.nan)
    q = np.full((chunk.n, len(chunk.truth.values)), np.nan)
    return Toys(q, nothing, failed, nothing)


@functools.partial(jax.jit, static_argnames="lanes")
def _throw(model, thetas, values, n_values, side, poi, held, box, seed, stream, index, *, lanes):
    key = jax.random.fold_in(jax.random.key(seed), stream)
    theta, m = thetas[0], len(thetas)
    information = model.derivatives(theta, model.expected(theta)).hessian

    def thrown(i):
        generated = thetas[i % m]
        x = model.sample(jax.random.fold_in(key, i), generated)
        if m == 1:
            return x, jnp.zeros(()), generated
        log_p = jax.vmap(model.log_prob, (0, None))(thetas, x)
        return x, log_p[0] + np.log(float(m)) - jax.nn.logsumexp(log_p), generated

    def together(i):
        """L toys, from where they are thrown."""
        x, log_weight, generated = jax.vmap(thrown)(i)

        def fit(stage, carry):
            """Stage 0 is the best fit, stage k the fit at values[k - 1] where that counts."""
            theta_before, fitted, poi_hat, status = carry
            first, value = stage == 0, values[stage - 1]
            needed = first | (side == 0) | (side * (poi_hat - value) > 0)
            fixed = held & ~first
            start = jnp.where(fixed[None], theta.at[poi].set(value)[None], theta_before)
            begun = Ended(start, fitted[:, 0], jnp.where(needed, UNFINISHED, FINE))
            moving = box._replace(moves=box.moves & ~fixed)
            ended = fit_toys(model, x, begun, moving, information, scoring=first)
            poi_hat = jnp.where(first, ended.theta[:, poi], poi_hat)
            fitted = fitted.at[:, stage].set(ended.value)
            return ended.theta, fitted, poi_hat, jnp.maximum(status, ended.status)

        zeros = jnp.zeros((lanes, MOST_VALUES + 1))
        nothing = generated, zeros, zeros[:, 0], jnp.full(lanes, FINE)
        _, fitted, poi_hat, status = jax.lax.fori_loop(0, n_values + 1, fit, nothing)
        q = jnp.maximum(0.0, 2.0 * (fitted[:, 1:] - fitted[:, :1]))
        return q, poi_hat, status, log_weight

    q = jax.lax.map(together, index.reshape(-1, lanes))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), q)
