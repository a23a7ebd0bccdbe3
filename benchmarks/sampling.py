"""Posterior sampling on the toy LHC search (95 parameters), against emcee and the golden intervals.

    python benchmarks/sampling.py [--quick] [--json]

neyman's NUTS and emcee run one after the other in processes of their own, with several keys, on
the same compiled log density; emcee calls it for half of its walkers at once and, like neyman,
starts from the Gaussian at the maximum, in the parameters themselves. Of its moves the quicker of
differential evolution and stretches counts (its snooker move has a wrong Jacobian). ESS is that of
arXiv:1903.08008 (bulk) by the same code, of mu and the smallest one of all parameters, over the
CPU seconds of the draws that are kept: warm-up, compilation and diagnostics stand apart. Every key
has a row, and of what `sample` gives the worst key counts. Walkers
are no independent chains: for emcee the ESS is emcee's own (walkers x draws over its integrated
autocorrelation time), or for mu the other one where that is larger.

The golden intervals are those of 1.02 million HMC draws. The exact ones come without a chain, from
the marginal density of mu by importance sampling of the other 94 parameters at 65 values of mu
(tests/simulators/test_toy_marginal.py), to 0.004, 0.002 and 0.0013; the golden 1.246 is 0.010 below
the exact 1.256. The ends of 99.73 % of 256,000 draws have errors of 0.011 and 0.008 (64 chains in
eight groups): 350 of them lie beyond either end, and low mu is left slowly, so that for the
probability below the lower end only 39,000 draws are effective (above the upper one 171,000).
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import SHARED, Row, options, report, run, tell

DATA = SHARED / "data" / "surrogate" / "toy_lhc.json"
CASE = "toy LHC search"
GOLDEN = ((-0.112, 0.584), (-0.470, 0.925), (-0.821, 1.246))
EXACT = ((-0.1115, 0.5840), (-0.4675, 0.9240), (-0.8202, 1.2560))
NEAR = (0.02, 0.02, 0.03)
CHAINS, TOGETHER = 64, 16
KEYS = (1, 2, 3)
VERSIONS = ("neyman", "jax", "blackjax", "emcee", "numpy")


def neyman(draws: int, keys: tuple[int, ...]) -> list[dict[str, Any]]:
    """The whole of `sample`, then chunks of a group of the same chains timed alone."""
    import neyman as ny
    from neyman.simulators.toy import toy_search

    found = []
    for key in keys:
        start = time.process_time()
        like = ny.compiled(toy_search(DATA))
        result = ny.sample(like, key=key, draws=draws, chains=CHAINS)
        whole = time.process_time() - start
        told = {
            "whole": whole,
            "hdi": result.hdi[0].tolist(),
            "rhat": float(result.rhat.max()),
            "ess": float(result.ess[0]),
            "tail": float(result.ess_tail[0]),
            "divergences": result.divergences,
        }
        found.append(told | timed_chains(like, key))
    return found


def timed_chains(like: Any, key: int) -> dict[str, float]:
    """A group of chains: warm-up, then 13 chunks, the first of which compiles."""
    import numpy as np

    from neyman.inference import diagnostics
    from neyman.inference.sampling import nuts
    from neyman.inference.sampling.chunked import Piece
    from neyman.inference.sampling.posterior import posterior_of

    job = nuts.Chunk(posterior_of(like), key + 100, range(TOGETHER), nuts.WARMUP, 0, {})
    begin = time.process_time()
    piece = Piece.of(nuts.advance(job))
    warmup = time.process_time() - begin
    pieces, seconds = [], 0.0
    for index in range(1, 14):
        begin = time.process_time()
        piece = Piece.of(nuts.advance(job._replace(index=index, state=piece.state)))
        if index > 1:
            seconds += time.process_time() - begin
            pieces.append(piece.output["draws"])
    drawn = np.concatenate(pieces, axis=1)
    ess = [diagnostics.ess_bulk(drawn[..., i]) for i in range(drawn.shape[2])]
    return {
        "warmup": warmup,
        "rate": ess[0] / seconds,
        "least_rate": min(ess) / seconds,
        "draw": seconds / drawn[..., 0].size,
    }


def emcee(steps: int, keys: tuple[int, ...]) -> list[dict[str, Any]]:
    """The quicker of both kinds of moves: 500 steps away, then `steps` timed."""
    return [max(moved(steps, key).values(), key=lambda found: found["rate"]) for key in keys]


def moved(steps: int, key: int) -> dict[str, Any]:
    import emcee
    import numpy as np

    import neyman as ny
    from neyman._jax import jax, jnp
    from neyman.inference import diagnostics
    from neyman.simulators.toy import toy_search

    like = ny.compiled(toy_search(DATA))
    found = ny.fit(like)
    lower, upper = like.parameters.lower, like.parameters.upper
    compiled = jax.jit(jax.vmap(like.log_prob))

    def density(theta: np.ndarray) -> np.ndarray:
        inside = np.all((theta > lower) & (theta < upper), axis=1)
        return np.where(inside, np.asarray(compiled(jnp.asarray(theta))), -np.inf)

    walkers = 2 * len(lower) + 10
    rng = np.random.default_rng(key)
    spread = np.linalg.cholesky(found.covariance)
    begin = found.values + rng.normal(size=(walkers, len(lower))) @ spread.T
    rates = {}
    moves = {"differential evolution": emcee.moves.DEMove(), "stretch": emcee.moves.StretchMove()}
    for name, move in moves.items():
        sampler = emcee.EnsembleSampler(walkers, len(lower), density, moves=move, vectorize=True)
        random = np.random.RandomState(key).get_state()
        state = sampler.run_mcmc(emcee.State(begin, random_state=random), 500)
        sampler.reset()
        before = time.process_time()
        sampler.run_mcmc(state, steps)
        seconds = time.process_time() - before
        chain = sampler.get_chain()
        tau = emcee.autocorr.integrated_time(chain, quiet=True)
        ess = chain[..., 0].size / tau
        bulk = diagnostics.ess_bulk(chain[..., 0].T)
        rates[name] = {
            "rate": max(bulk, float(ess[0])) / seconds,
            "least_rate": float(ess.min()) / seconds,
            "draw": seconds / chain[..., 0].size,
        }
    return rates


def child(name: str, size: int, keys: tuple[int, ...]) -> list[dict[str, Any]]:
    tell(f"{CASE}: {name}")
    asked = f"{name}={size}={','.join(map(str, keys))}"
    done = run([sys.executable, Path(__file__).resolve(), "--measure", asked], timeout=3_000.0)
    return done.json_lines() if done.returncode == 0 else []


def inverse(rate: float | None) -> float | None:
    """Seconds for 1,000 effective draws, so that less is better in all rows."""
    return 1000.0 / rate if rate else None


def rows(quick: bool) -> Iterator[Row]:
    keys = KEYS[:1] if quick else KEYS
    own = child("neyman", 1_000 if quick else 4_000, keys)
    theirs = child("emcee", 1_500 if quick else 4_000, keys) or [{}] * len(keys)
    if not own:
        return
    for key, us, them in zip(keys, own, theirs):
        tell(f"key {key}: {us} {them}")
        for name, what in (("rate", "mu"), ("least_rate", "the slowest parameter")):
            quantity = f"CPU s for 1,000 effective draws of {what}, key {key}"
            yield Row(CASE, quantity, inverse(us[name]), inverse(them.get(name)), 20.0)
    yield Row(CASE, "CPU s for one draw", own[-1]["draw"], theirs[-1].get("draw"))
    yield Row(CASE, "warm-up of 16 chains, CPU s", own[-1]["warmup"])

    def worst(name: str) -> float:
        return max(us[name] for us in own)

    yield Row(CASE, "all of it, CPU s", worst("whole"), None, 120.0, limit=True)
    yield Row(CASE, "effective draws of mu, fewest", min(us["ess"] for us in own))
    yield Row(CASE, "effective draws of mu in its tails, fewest", min(us["tail"] for us in own))
    yield Row(CASE, "largest R-hat", worst("rhat"), None, 1.01, limit=True)
    yield Row(CASE, "divergences", worst("divergences"))
    if quick:
        return
    for name, known in (("golden", GOLDEN), ("exact", EXACT)):
        for i, (level, near) in enumerate(zip((68.27, 95.45, 99.73), NEAR)):
            off = max(abs(a - b) for us in own for a, b in zip(us["hdi"][i], known[i]))
            quantity = f"end of the {level} % interval of mu, off the {name} one by"
            yield Row(CASE, quantity, off, None, near, limit=True)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument(
        "--measure", metavar="NAME=SIZE=KEYS", help="internal: one of the two alone"
    )
    chosen = parser.parse_args()
    if chosen.measure:
        name, size, keys = chosen.measure.split("=")
        measured = {"neyman": neyman, "emcee": emcee}[name]
        for found in measured(int(size), tuple(map(int, keys.split(",")))):
            print(json.dumps(found), flush=True)
        return
    if not DATA.exists():
        tell("../shared/data/surrogate is absent: nothing to measure")
    found = list(rows(chosen.quick)) if DATA.exists() else []
    report("sampling", found, chosen.json, VERSIONS)


if __name__ == "__main__":
    main()
