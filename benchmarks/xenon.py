"""The xenon road against flamedisx: one log L and its gradient, fits, memory, many events.

    python benchmarks/xenon.py [--quick] [--json] [--peer-python PYTHON_WITH_FLAMEDISX]

Figures are CPU seconds of one thread. neyman runs in processes of its own, one a case, with a
compilation cache that is empty at first: 1,000 simulated events of a flat spectrum in the detector
`generic`, whose rates and mu come from one quanta matrix. The gradient of the first row is in 19
parameters: a rate, 14 constants of NEST's yields and widths, 4 of the detector. Compilation is
tracing and XLA's work, without the first run.

flamedisx 2.1.0 runs `../shared/peers/bench_flamedisx.py` on 5 events (batches of 5) with a gradient
in the rate and g1, its cheapest; its figure is that of one event, neyman's that of one of 1,000. A
gradient in a yield costs it more, one event a batch: only without `--quick`. Without the peer
nothing is said of a ratio.
"""

import json
import os
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from harness import SHARED, Row, options, report, run, tell, typical

VERSIONS = ("neyman", "jax", "numpy", "scipy")
EVENTS = 1000
MANY = (1_000, 10_000, 100_000)
NR = (
    *(f"nr_{name}" for name in ("alpha", "beta", "gamma", "delta", "epsilon")),
    *(f"nr_{name}" for name in ("zeta", "eta", "theta", "iota", "p")),
    *(f"nr_{name}" for name in ("fano_ions", "fano_excitons", "omega", "skew")),
)
ER = ("er_m1_0", "er_m2", "er_m3_1", "er_m8", "er_m9", "er_omega", "er_skew")
DETECTOR = ("g1", "electron_lifetime", "extraction", "g1_gas")
RANGES = {"nr": (0.5, 20.0), "er": (0.1, 10.0)}
TITLES = {"nr": "NR 0.5 to 20 keV", "er": "ER 0.1 to 10 keV"}
FITS = {
    ("nr", 3): ("nr_alpha", "g1"),
    ("nr", 12): (*NR[:9], "g1", "electron_lifetime"),
    ("er", 3): ("er_m2", "g1"),
    ("er", 12): (*ER, *DETECTOR),
}
WIDTHS = {
    "nr_alpha": 1.25,
    "nr_beta": 0.05,
    "nr_gamma": 0.0021,
    "nr_delta": 0.0068,
    "nr_epsilon": 3.15,
    "nr_zeta": 0.1,
    "nr_eta": 1.0,
    "nr_theta": 0.05,
    "nr_iota": 0.5,
}
"""Of constraints; 3 % of all others."""
TARGETS = {"nr": (0.15, 0.4, 0.02), "er": (0.6, 1.5, None)}
"""log L, with its gradient, events given Q."""


def likelihood(kind: str, names: tuple[str, ...], events: int = EVENTS) -> Any:
    """`events` simulated events; what is in `names` floats, constrained, beside the rate."""
    import numpy as np

    from neyman._jax import jax, jnp, quick_jit
    from neyman.likelihoods.xenon.assemble import constants_at, event_model
    from neyman.likelihoods.xenon.detector import load_detector
    from neyman.likelihoods.xenon.events import Events
    from neyman.likelihoods.xenon.spectra import flat
    from neyman.model import Data
    from neyman.parameters import Parameter

    detector = load_detector("generic")
    c = constants_at(detector, "nest_head")
    floating = [Parameter(f"{kind}_rate", 1.0, (0.0, 10.0))]
    for name in names:
        ends = sorted((0.1 * c[name], 10.0 * c[name]))
        floating.append(Parameter(name, c[name], (ends[0], ends[1])))
    measured = {name: (c[name], WIDTHS.get(name, 0.03 * abs(c[name]))) for name in names}
    thrown = 1.3 * events
    model = event_model(
        detector,
        {kind: (kind, flat(*RANGES[kind], thrown))},
        yields="nest_head",
        floating=floating,
        measured=measured,
    )
    model = jax.tree.map(jnp.asarray, model)
    theta = jnp.asarray(model.parameters.init)
    data = quick_jit(lambda m, t: m.sample(jax.random.key(4), t))(model, theta)
    kept = np.flatnonzero(np.asarray(data.main.weight) > 0)[:events]
    assert len(kept) == events
    main = Events(*jax.tree.map(lambda of: jnp.asarray(np.asarray(of)[kept]), data.main))
    return model.observe(Data(main, data.auxiliary))


def peak_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 2**30


def spent(call: Any) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def measure_evaluations(kind: str) -> dict[str, Any]:
    from neyman._jax import jax, jnp
    from neyman.inference.quasi_newton import value_and_gradient
    from neyman.likelihoods.xenon.differential import differential

    names = (*NR, *DETECTOR) if kind == "nr" else (*ER, *DETECTOR)
    like = likelihood(kind, names)
    theta = jnp.asarray(like.parameters.init)

    def ready(function: Any, *args: Any) -> Any:
        return lambda: jax.block_until_ready(function(*args))

    log_prob = jax.jit(lambda like, t: like.log_prob(t))
    rates = jax.jit(
        lambda like, q, t: differential(like.model, q, *like.model.at(t), like.data.main.columns)
    )
    quanta = jax.jit(lambda like, t: like.model.quanta(t))
    first = spent(ready(value_and_gradient, like, theta))
    gradient = typical(ready(value_and_gradient, like, theta), seconds=3.0)
    q = quanta(like, theta)
    return {
        "parameters": len(theta),
        "log L": typical(ready(log_prob, like, theta), seconds=2.0)["cpu"],
        "gradient": gradient["cpu"],
        "compilation": first - gradient["cpu"],
        "quanta": typical(ready(quanta, like, theta))["cpu"],
        "events": typical(ready(rates, like, q, theta))["cpu"],
        "peak_gib": peak_gib(),
    }


def measure_fit(kind: str, parameters: int) -> dict[str, Any]:
    import neyman as ny

    like = likelihood(kind, FITS[kind, parameters])
    assert len(like.parameters) == parameters
    first = spent(lambda: ny.fit(like))
    second = spent(lambda: ny.fit(like))
    return {"fit": first, "again": second, "peak_gib": peak_gib()}


def measure_many(kind: str, events: int) -> dict[str, Any]:
    from neyman._jax import jax, jnp
    from neyman.inference.quasi_newton import value_and_gradient

    like = likelihood(kind, ("g1",), events)
    theta = jnp.asarray(like.parameters.init)
    gradient = typical(lambda: jax.block_until_ready(value_and_gradient(like, theta)), most=5)
    return {"gradient": gradient["cpu"], "peak_gib": peak_gib()}


MEASURES = {"evaluations": measure_evaluations, "fit": measure_fit, "many": measure_many}


def neyman(what: str, kind: str, *number: int) -> dict[str, Any]:
    """One of `MEASURES` in a process of its own; nothing where it failed."""
    tell(f"{TITLES[kind]}: {what} {' '.join(map(str, number))}")
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--measure", what, kind]
        done = run([*command, *map(str, number)], env={"NEYMAN_CACHE_DIR": cache})
    return done.json_lines()[0] if done.returncode == 0 else {}


def flamedisx(python: str | None, parameter: str, events: int) -> float | None:
    """CPU seconds an event of log L with its gradient in the rate and in `parameter`."""
    if python is None:
        return None
    tell(f"flamedisx: gradient in {parameter}, {events} events")
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "result.json")
        command = [python, SHARED / "peers" / "bench_flamedisx.py", "--source", "nestNR"]
        sizes = ["--n-events", str(events), "--batch-size", str(events), "--repeats", "1"]
        asked = ["--params", parameter, "--tasks", "grad", "--mu-trials", "20000"]
        paths = {"PYTHONPATH": str(SHARED / "peers"), "TF_USE_LEGACY_KERAS": "1"}
        run([*command, *sizes, *asked, "--out", out], env={**os.environ, **paths}, timeout=1800)
        found = json.loads(out.read_text()) if out.exists() else {}
    taken = found.get("grad_pass", {}).get("cpu_min")
    return None if taken is None else taken / events


def evaluation_rows(kind: str, peer_python: str | None, quick: bool) -> Iterator[Row]:
    found, case = neyman("evaluations", kind), TITLES[kind]
    log_prob, gradient, events = TARGETS[kind]
    n = found.get("parameters", 0)
    yield Row(case, "log L of 1,000 events", found.get("log L"), None, log_prob, True)
    quantity = f"with its gradient in {n} parameters"
    yield Row(case, quantity, found.get("gradient"), None, gradient, True)
    yield Row(case, "compilation of the gradient", found.get("compilation"), None, 8.0, True)
    yield Row(case, "quanta matrix", found.get("quanta"))
    yield Row(case, "events given Q", found.get("events"), None, events, True)
    yield Row(case, "peak memory, GiB", found.get("peak_gib"), None, 2.0, True)
    if kind == "nr" and found:
        one = found["gradient"] / EVENTS
        peer = flamedisx(peer_python, "g1", 5)
        yield Row(case, "an event with gradient, flamedisx in g1", one, peer, 1e4)
        if not quick:
            peer = flamedisx(peer_python, "alpha", 1)
            yield Row(case, "an event with gradient, flamedisx in alpha", one, peer, 1e4)


def fit_rows(kind: str, parameters: int, most: float) -> Iterator[Row]:
    found, case = neyman("fit", kind, parameters), TITLES[kind]
    what = f"fit of {parameters} parameters"
    yield Row(case, f"{what} with compilation", found.get("fit"), None, most, True)
    yield Row(case, f"{what}, compiled", found.get("again"))
    yield Row(case, f"{what}, peak memory, GiB", found.get("peak_gib"), None, 2.0, True)


def many_rows(kind: str) -> Iterator[Row]:
    """CPU seconds a thousand events, less those of Q, which they share."""
    case = TITLES[kind]
    for events in MANY:
        found = neyman("many", kind, events)
        yield Row(case, f"gradient of {events:,} events", found.get("gradient"))
        quantity = f"{events:,} events, peak memory, GiB"
        yield Row(case, quantity, found.get("peak_gib"), None, 2.0, True)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--measure", nargs="+", metavar="WHAT", help="internal: neyman alone")
    chosen = parser.parse_args()
    if chosen.measure:
        what, kind, *numbers = chosen.measure
        print(json.dumps(MEASURES[what](kind, *map(int, numbers))))
        return
    kinds = ("nr",) if chosen.quick else ("nr", "er")
    rows: list[Row] = []
    for kind in kinds:
        rows += evaluation_rows(kind, chosen.peer_python, chosen.quick)
        rows += fit_rows(kind, 3, 20.0)
        if not chosen.quick:
            rows += fit_rows(kind, 12, 60.0)
            rows += many_rows(kind)
    report("xenon", rows, chosen.json, VERSIONS)


if __name__ == "__main__":
    main()
