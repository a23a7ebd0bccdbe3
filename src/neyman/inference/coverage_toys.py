"""Whether an interval covers the truth, for many data sets: without looking for its ends.

An interval or a limit is the set of mu that a test accepts. It covers the true mu if and only
if the test accepts it, so that a data set costs two to four fits and no root:

    profile           P(chi2_1 >= t_mu) > alpha
    limit             CLs(mu) > alpha, asymptotic, with the Asimov data of the toy
    limit-toys        CLs(mu) > alpha, from toys
    feldman-cousins   P(t_mu >= observed | mu) > alpha, from toys (physics/9711021, ordered by
                      the likelihood ratio, nuisance parameters profiled)

alpha being 1 - level. What is kept of a data set is therefore one number, the left-hand side.

Where the interval is itself made of toys and the model has nuisance parameters, each data set
has toys of its own, thrown at its own conditional fits, M of each hypothesis. If k of them reach
the observed statistic and k/M is the p-value, a uniform true p gives

    P(k/M <= alpha) = (floor(alpha M) + 1)/(M + 1),

which is alpha for M = 999 and any alpha of whole percents (Barnard's Monte Carlo test): so few
toys cost an interval power, not coverage. Without nuisance parameters the hypotheses are the
same for all data sets, and their toys are thrown once.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from neyman._jax import jax, jnp
from neyman.inference.distribution import TIE
from neyman.inference.newton import going_on, initial, step
from neyman.inference.statistics import asymptotic
from neyman.model import Data, Model, compiled_model
from neyman.status import Status

SMALL, TOGETHER = 30, 8
"""Models with up to 30 parameters are fitted eight at a time, as in `toys`."""


class Procedure(NamedTuple):
    """A built-in interval: which statistic, its distribution, and whether CLb divides.

    How to add one: a line in `PROCEDURES`, and one in the tables of tests/inference/test_coverage.
    """

    statistic: str
    """"t" or "qtilde"."""
    asymptotic: bool
    cls: bool


PROCEDURES = {
    "profile": Procedure("t", True, False),
    "limit": Procedure("qtilde", True, True),
    "limit-toys": Procedure("qtilde", False, True),
    "feldman-cousins": Procedure("t", False, False),
}


class Setting(NamedTuple):
    """One truth, and how it is tested."""

    model: Model
    procedure: Procedure
    thrown: np.ndarray
    """Where data sets are thrown, (P,)."""
    tested: np.ndarray
    """theta of the hypothesis, (P,): its parameter of interest is tested, the rest is a start."""
    poi: int
    inner: int = 0
    """Toys of each hypothesis for each data set; 0 where they are shared or none are needed."""


class Measured(NamedTuple):
    """n data sets at one truth."""

    statistic: np.ndarray
    """(n,); NaN where a fit failed."""
    asimov: np.ndarray
    """The statistic of the Asimov data of mu = 0, (n,)."""
    poi_hat: np.ndarray
    """mu^, (n,)."""
    p: np.ndarray
    """The left-hand side above, (n,); NaN where a fit failed or toys are shared."""


class Chunk(NamedTuple):
    """Data sets first ... first + n - 1 of a stream of a seed."""

    setting: Setting
    seed: int
    stream: int
    first: int
    n: int


def thrown_and_measured(chunk: Chunk) -> dict[str, np.ndarray]:
    """A job for `neyman.execute`: data sets thrown and measured."""
    return measured(chunk.setting, thrown(chunk), keys(chunk))._asdict()


def keys(chunk: Chunk) -> jax.Array:
    """One key a data set, the same whatever the chunk."""
    stream = jax.random.fold_in(jax.random.key(chunk.seed), chunk.stream)
    index = jnp.arange(chunk.first, chunk.first + chunk.n)
    return jax.vmap(jax.random.fold_in, (None, 0))(stream, index)


def thrown(chunk: Chunk) -> Data:
    """The data sets of a chunk, stacked: leaves of shape (n, ...)."""
    model = compiled_model(chunk.setting.model)
    return _sample(model, keys(chunk), jnp.asarray(chunk.setting.thrown))


@jax.jit
def _sample(model, keys, theta):
    return jax.vmap(lambda key: model.sample(jax.random.fold_in(key, 0), theta))(keys)


def measured(setting: Setting, data: Data, keys: jax.Array) -> Measured:
    """Stacked data sets tested; `keys` (n,) are those of the toys of each."""
    n = len(keys)
    whole = (
        jnp.arange(-(-n // TOGETHER) * TOGETHER) % n
    )  # a remainder would compile another program
    data, keys = jax.tree.map(lambda leaf: leaf[whole], data), keys[whole]
    model, procedure = setting.model, setting.procedure
    p = model.parameters
    lower = p.lower.copy()
    if procedure.statistic == "qtilde":  # arXiv:1007.1727, eq. 16: mu^ below 0 is replaced by 0
        lower[setting.poi] = max(lower[setting.poi], 0.0)
    free = ~p.fixed
    free[setting.poi] = True
    found = _measure(
        compiled_model(model),
        data,
        keys,
        jnp.asarray(setting.tested),
        jnp.arange(len(p)) == setting.poi,
        jnp.asarray(free),
        jnp.asarray(lower),
        jnp.asarray(p.upper),
        jnp.asarray(procedure.statistic == "t"),
        asimov=procedure.asymptotic and procedure.cls,
        inner=setting.inner,
        hypotheses=2 if procedure.cls and setting.inner else 1,
        batch_size=TOGETHER if len(p) <= SMALL else 1,
    )
    q, q_asimov, poi_hat, counts, status = (np.asarray(array)[:n] for array in found)
    fine = status == int(Status.FINE)
    statistic = np.where(fine, q, np.nan)
    asimov = np.where(fine, q_asimov, np.nan)
    value = np.full(len(statistic), np.nan)
    if procedure.asymptotic:
        value = asymptotic_value(procedure, statistic, asimov)
    elif setting.inner:
        value = np.where(fine, ratio(counts, procedure.cls), np.nan)
    return Measured(statistic, asimov, poi_hat, value)


def rounded_up(n: int) -> int:
    """The next multiple of `TOGETHER`."""
    return -(-n // TOGETHER) * TOGETHER


def asymptotic_value(procedure: Procedure, q: np.ndarray, asimov: np.ndarray) -> np.ndarray:
    """The p-value of t_mu by Wilks' theorem, or CLs (arXiv:1007.1727, eq. 65 and 66); (n,)."""
    if not procedure.cls:
        return chdtrc(1, q)
    pairs = zip(q.tolist(), asimov.tolist())
    return np.exp([asymptotic(procedure.statistic, *pair).log_cls for pair in pairs])


def ratio(counts: np.ndarray, cls: bool) -> np.ndarray:
    """The p-value of mu, or CLs, from `counts` (n, 2, hypotheses): toys of mu, and of 0, that
    reach the observed statistic, and those whose fits did not fail; (n,)."""
    beyond, valid = counts[:, 0], counts[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = beyond / valid
        return fraction[:, 0] / fraction[:, 1] if cls else fraction[:, 0]


class Shared(NamedTuple):
    """The p-value of mu, or CLs, from toys that all data sets share, and its error, (n,)."""

    value: np.ndarray
    error: np.ndarray


def shared_value(
    q: np.ndarray, signal: np.ndarray, background: np.ndarray | None, weights: np.ndarray | None
) -> Shared:
    """CLs, or the p-value of mu where there is no background, of q (n,) among statistics (R,);
    `weights` (2, R) are their probabilities by enumeration, which has no error."""
    found = [tail(q, signal, None if weights is None else weights[0])]
    if background is not None:
        found.append(tail(q, background, None if weights is None else weights[1]))
    with np.errstate(all="ignore"):
        value = found[0] / found[1] if len(found) == 2 else found[0]
        error = value * np.sqrt(sum((1.0 - p) / p for p in found) / len(signal))
    if weights is not None:
        error = np.zeros_like(value)
    return Shared(value, np.where(np.isfinite(error), error, 0.0))


def tail(q: np.ndarray, among: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """P(among >= q), ties included, (n,); NaN where q is."""
    fine = np.isfinite(among)
    order = np.argsort(among[fine], kind="stable")
    weight = np.ones(fine.sum()) if weights is None else weights[fine]
    above = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0) / weight.sum()
    at = np.searchsorted(among[fine][order], q - TIE * (1.0 + np.abs(q)))
    return np.where(np.isfinite(q), above[at], np.nan)


@functools.partial(jax.jit, static_argnames=("asimov", "inner", "hypotheses", "batch_size"))
def _measure(
    model,
    data,
    keys,
    tested,
    is_poi,
    free,
    lower,
    upper,
    two_sided,
    *,
    asimov,
    inner,
    hypotheses,
    batch_size,
):
    mu = jnp.sum(jnp.where(is_poi, tested, 0.0))

    def fit(x, start, moves):
        like = model.observe(x)
        return jax.lax.while_loop(
            going_on,
            lambda state: step(like, state, moves, lower, upper),
            initial(like, start, moves, lower, upper),
        )

    def at(value, theta):
        return jnp.where(is_poi, value, theta)

    def pair(x, start):
        """The best fit and the one at mu, by one fit in a loop: half the program."""

        def one(stage, carry):
            theta, values, best, status = carry
            held = (stage > 0) & is_poi
            found = fit(x, jnp.where(held, mu, theta), free & ~held)
            best = jnp.where(stage == 0, jnp.sum(jnp.where(is_poi, found.theta, 0.0)), best)
            values = values.at[stage].set(found.derivatives.value)
            return found.theta, values, best, jnp.maximum(status, found.status)

        empty = start, jnp.zeros(2), jnp.zeros(()), jnp.asarray(int(Status.FINE))
        theta, values, best, status = jax.lax.fori_loop(0, 2, one, empty)
        t = jnp.maximum(0.0, 2.0 * (values[1] - values[0]))
        return jnp.where(two_sided | (best <= mu), t, 0.0), best, theta, status

    def toys(key, theta, observed):
        """Toys of theta that reach the observed statistic, and those that did not fail."""

        def reaches(toy_key):
            q, _, _, status = pair(model.sample(toy_key, theta), theta)
            fine = status == int(Status.FINE)
            return fine & (q >= observed - TIE * (1.0 + jnp.abs(observed))), fine

        toy_keys = jax.random.split(key, rounded_up(inner))
        beyond, fine = jax.lax.map(reaches, toy_keys, batch_size=batch_size)
        counted = jnp.arange(len(toy_keys)) < inner
        beyond, fine = beyond & counted, fine & counted
        return jnp.stack([jnp.sum(beyond), jnp.sum(fine)])

    def one(pack):
        x, key = pack
        q, best, theta, status = pair(x, tested)
        q_asimov, counts = jnp.zeros(()), jnp.zeros((2, hypotheses), int)
        null = None
        if asimov or (inner and hypotheses == 2):
            null = fit(x, at(0.0, theta), free & ~is_poi)
            status = jnp.maximum(status, null.status)
        if asimov and null is not None:
            expected = model.expected(null.theta)
            found = fit(expected, at(mu, null.theta), free & ~is_poi)
            least = -model.log_prob(null.theta, expected)
            q_asimov = jnp.maximum(0.0, 2.0 * (found.derivatives.value - least))
            status = jnp.maximum(status, found.status)
        if inner:
            tried = jnp.stack([theta] if null is None else [theta, null.theta])
            toy_keys = jax.random.split(jax.random.fold_in(key, 1), hypotheses)
            counts = jax.lax.map(lambda h: toys(h[0], h[1], q), (toy_keys, tried)).T
        return q, q_asimov, best, counts, status

    return jax.lax.map(one, (data, keys), batch_size=1 if inner else batch_size)
