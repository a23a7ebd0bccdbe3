"""Surrogates against their sources, and against the figures of arXiv:1911.03305 (DNNLikelihood).

    python benchmarks/surrogate.py [--quick] [--json] [--only toy|atlas|xenon]

The toy LHC search (95 parameters): for each of five seeds points are drawn and a surrogate is
trained, in a process of its own; the mean absolute error on t_mu is that of fits of the surrogate
at mu = 0, 0.1 ... 1, each against the golden profile. `peer` is the paper's best of five networks:
0.032 and 7,114 s on a GPU, its 10.5 us for a point on a GPU. Intervals are from chains on the
surrogate, of as many draws as the golden ones: a million, for the ends of the 99.73 % interval of
240,000 are off by 0.015 by chance. The published ATLAS likelihoods are learned with the likelihood
of their Asimov data, and the observed limit is compared with the golden one. onnxruntime runs on
one thread, in batches of 1,024.

The xenon search (4 parameters, 150 events) is dear: draws from its surrogate are weighted by the
exact likelihood, and stand against other draws of the surrogate in two-sample tests. Its time for
an effective draw, the steps of tuning included, is compared with that of one evaluation of the
exact log L, the least that any exact method needs; `peer` is that evaluation.
"""

import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from harness import SHARED, Row, options, report, run, script, tell

TOY = SHARED / "data" / "surrogate"
HISTFACTORY = SHARED / "data" / "histfactory"
ATLAS = ("atlas_susy_2018_31_A", "atlas_susy_2019_09_onshell")
XENON = """
kind = "xenon"
detector = "lz-like"
yields = "nest_2.4"
poi = "wimp_rate"
[sources.er]
kind = "er"
spectrum = "flat"
low = 0.2
high = 10.0
events = 150.0
[sources.wimp]
kind = "nr"
spectrum = "wimp"
mass = 40.0
cross_section = 1e-47
exposure = 5.0
[parameters.wimp_rate]
init = 1.0
bounds = [0.0, 50.0]
[parameters.er_rate]
bounds = [0.2, 3.0]
[parameters.g1]
measured = [0.114, 0.002]
[parameters.nr_alpha]
measured = [11.0, 1.1]
"""
VERSIONS = ("neyman", "jax", "equinox", "optax", "onnxruntime", "numpy")
GOLDEN = ((-0.112, 0.584), (-0.470, 0.925), (-0.821, 1.246))
GOLDEN_POSITIVE = (0.481, 0.862, 1.218)
NEAR = (0.02, 0.02, 0.03)
LEVELS = (0.6827, 0.9545, 0.9973)
PAPER_ERROR, PAPER_SECONDS, PAPER_MICROSECONDS = 0.032, 7114.0, 10.5


def toy(seed: int, points: int, draws: int) -> dict[str, Any]:
    """One surrogate of the toy search; with `draws` above 0 also its intervals."""
    import numpy as np

    import neyman as ny
    from neyman._jax import jax
    from neyman.inference.profile import Profile
    from neyman.jobs.training_points import training_points
    from neyman.likelihoods.surrogate.assemble import assemble
    from neyman.likelihoods.surrogate.train import learn
    from neyman.simulators.toy import toy_search

    like = ny.compiled(toy_search(TOY / "toy_lhc.json"))
    start = time.process_time()
    drawn = training_points(like, ["mu"], n=points, key=seed)
    sampled = time.process_time()
    learned = learn(like, drawn, like.parameters, key=jax.random.key(seed))
    trained = time.process_time()
    heads = {"log_prob": learned}
    found: dict[str, Any] = {
        "points": len(drawn),
        "sampling": sampled - start,
        "training": trained - sampled,
        "chosen": learned.chosen,
    }
    golden = json.loads((TOY / "toy_lhc_golden.json").read_text())
    exact = {float(mu): entry["tmu"] for mu, entry in golden["tmu"].items()}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("float64", "float32"):
            made = assemble(heads, drawn, like.parameters, like=like, poi="mu", precision=precision)
            path = pathlib.Path(folder, f"{precision}.onnx")
            made.write(path)
            found |= {f"{precision} {k}": v for k, v in runtime(path, drawn.theta).items()}
        surrogate = jax.tree.map(jax.numpy.asarray, ny.load(path))
    profile = Profile(surrogate, "mu")
    values = [round(0.1 * i, 1) for i in range(11)]
    errors = [abs(profile.twice_delta(mu) - exact[mu]) for mu in values]
    found |= {"error": float(np.mean(errors)), "worst": float(np.max(errors))}
    if draws:
        found |= intervals(surrogate, draws)
    return found


def intervals(surrogate: Any, draws: int) -> dict[str, Any]:
    """HPDIs of mu, and of mu > 0 as another prior on the same draws."""
    import neyman as ny
    from neyman.inference.diagnostics import hpdi

    start = time.process_time()
    result = ny.sample(surrogate, key=1, draws=draws, chains=16)
    mu = result.draws[..., result.names.index("mu")].ravel()
    return {
        "hdi": [hpdi(mu, level) for level in LEVELS],
        "positive": [hpdi(mu[mu > 0], level)[1] for level in LEVELS],
        "ess": float(result.ess[result.names.index("mu")]),
        "rhat": float(result.rhat.max()),
        "drawing": time.process_time() - start,
    }


def runtime(path: pathlib.Path, theta: Any) -> dict[str, float]:
    """onnxruntime alone: size, time for a point, and how far it is from the same graph in jax."""
    import numpy as np
    import onnxruntime

    import neyman as ny
    from neyman._jax import jax, jnp

    setting = onnxruntime.SessionOptions()
    setting.intra_op_num_threads = setting.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), setting, providers=["CPUExecutionProvider"])
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[session.get_inputs()[0].type]
    batch = np.ascontiguousarray(theta[:: max(1, len(theta) // 1024)][:1024], dtype=kind)
    call = lambda x: session.run(["log_prob"], {"theta": x})[0]  # noqa: E731
    own = np.asarray(jax.vmap(ny.load(path).log_prob)(jnp.asarray(batch, dtype=float)))
    together, alone = call(batch), np.concatenate([call(batch[i : i + 1]) for i in range(64)])
    seconds = []
    for _ in range(30):
        before = time.process_time()
        call(batch)
        seconds.append((time.process_time() - before) / len(batch))
    return {
        "bytes": path.stat().st_size,
        "microseconds": 1e6 * min(seconds),
        "batch off by": float(np.max(np.abs(together / own - 1.0))),
        "point off by": float(np.max(np.abs(alone / own[:64] - 1.0))),
    }


def atlas(name: str, points: int) -> dict[str, Any]:
    """A surrogate of a published likelihood, its limit and profile."""
    import neyman as ny
    from neyman.jobs.job_file import Job
    from neyman.jobs.surrogate import learn_surrogate

    like = ny.load(HISTFACTORY / f"{name}.json.gz")
    golden = json.loads((HISTFACTORY / "golden.json").read_text())[name]
    made = learn_surrogate(like, Job(points=points))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.onnx")
        made.surrogate.write(path)
        limit = ny.upper_limit(ny.load(path), level=0.95)
        size = path.stat().st_size
    expected = [abs(a / b - 1.0) for a, b in zip(limit.expected, golden["ul_exp"])]
    (profile,) = made.result.validation["profile"].values()
    return {
        "parameters": len(like.parameters),
        "observed": limit.observed,
        "observed off by": abs(limit.observed / golden["ul_obs"] - 1.0),
        "expected off by": max(expected),
        "profile": profile["max_error"],
        "deepest": max(profile["exact"]),
        "effective": made.result.calibration["weights"]["effective_fraction"],
        "bytes": size,
        "seconds": made.result.seconds,
    }


def xenon(points: int, draws: int) -> dict[str, Any]:
    """A surrogate of an event model, its posterior, and what a draw costs."""
    import numpy as np

    import neyman as ny
    from neyman._jax import jax
    from neyman.jobs.ask import ask
    from neyman.jobs.job_file import Job
    from neyman.jobs.surrogate import learn_surrogate

    with tempfile.TemporaryDirectory() as folder:
        events, model = (pathlib.Path(folder, name) for name in ("events.csv", "search.toml"))
        model.write_text(XENON)
        command = [script("neyman"), "simulate", model, "-n", "1", "--seed", "5"]
        assert run([*command, "--format", "events", "--to", events]).returncode == 0
        like = ny.load(model, data=events)
    job = Job(
        points=points, rounds=1, asimov=False, network={"batch": 128},
        validation={"draws": 4 * draws, "points": draws},
    )  # fmt: skip
    made = learn_surrogate(like, job)
    surrogate = jax.tree.map(jax.numpy.asarray, made.surrogate.likelihood)
    ny.sample(surrogate, key=1)  # which compiles
    seconds, posterior = _timed(lambda: ny.sample(surrogate, key=2, draws=10_000))
    theta = np.tile(like.parameters.init, (16, 1))
    ask(like, theta, slopes=False)
    exact = _timed(lambda: ask(like, theta, slopes=False))[0] / 16
    found = made.result.validation
    return {
        "marginal": found["marginals"]["smallest"]["p"],
        "effective": found["marginals"]["effective_draws"],
        "fraction": found["weights"]["effective_fraction"],
        "profile": found["profile"]["wimp_rate"]["max_error"],
        "draw": seconds / float(np.min(posterior.ess)),
        "exact": exact,
        "seconds": made.result.seconds,
    }


def _timed(call: Any) -> tuple[float, Any]:
    before = time.process_time()
    result = call()
    return time.process_time() - before, result


def child(*what: Any) -> dict[str, Any]:
    tell(" ".join(map(str, what)))
    command = [sys.executable, pathlib.Path(__file__).resolve(), "--measure", json.dumps(what)]
    done = run(command, timeout=3600.0, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    return done.json_lines()[-1] if done.returncode == 0 else {}


def toy_rows(quick: bool) -> Iterator[Row]:
    case, seeds = "toy LHC search, 95 parameters", range(1 if quick else 5)
    n = 20_000 if quick else 99_800  # and the maximum and up to 160 others on the curve
    found = [child("toy", seed, n, 64_000 if seed == 0 and not quick else 0) for seed in seeds]
    errors = sorted(one.get("error", float("inf")) for one in found)
    what = "mean |error| on t_mu, mu = 0 ... 1"
    for seed, one in zip(seeds, found):
        yield Row(case, f"{what}, seed {seed}", one.get("error"), PAPER_ERROR)
    if not quick:
        yield Row(case, f"{what}, median", errors[len(errors) // 2], None, 0.02, limit=True)
        yield Row(case, f"{what}, worst", errors[-1], None, 0.05, limit=True)
    first = found[0]
    most = max(one.get("training", 1e9) for one in found)
    yield Row(case, "training, CPU s, slowest", most, PAPER_SECONDS, 120.0, limit=True)
    yield Row(case, "drawing points, CPU s", max(one.get("sampling", 0.0) for one in found))
    yield Row(case, "points", first.get("points"), None, 100_000.0, limit=True)
    yield from runtime_rows(case, first)
    if "hdi" not in first:
        return
    ends = list(zip((68.27, 95.45, 99.73), first["hdi"], GOLDEN, first["positive"], NEAR))
    for level, own, golden, _, near in ends:
        off = max(abs(a - b) for a, b in zip(own, golden))
        yield Row(case, f"{level} % interval of mu, off by", off, None, near, limit=True)
    for (level, _, _, upper, near), golden in zip(ends, GOLDEN_POSITIVE):
        quantity = f"{level} % interval of mu > 0, off by"
        yield Row(case, quantity, abs(upper - golden), None, near, limit=True)
    yield Row(case, "effective draws of mu behind them", first["ess"])
    yield Row(case, "drawing them, CPU s", first["drawing"])


def runtime_rows(case: str, found: dict[str, Any]) -> Iterator[Row]:
    name = "float32 {}".format
    yield Row(case, "file, bytes", found.get(name("bytes")), None, 2e6, limit=True)
    microseconds = found.get(name("microseconds"))
    quantity = "onnxruntime, one thread, us a point"
    yield Row(case, quantity, microseconds, PAPER_MICROSECONDS, 10.0, limit=True)
    for precision, most in (("float32", 1e-6), ("float64", 1e-12)):
        for how in ("batch", "point"):
            off = found.get(f"{precision} {how} off by")
            quantity = f"onnxruntime against jax, {precision}, {how}, relative"
            yield Row(case, quantity, off, None, most, limit=True)


def atlas_rows() -> Iterator[Row]:
    for name in ATLAS:
        found = child("atlas", name, 60_000)
        case = f"{name.removeprefix('atlas_susy_')}, {found.get('parameters')} parameters"
        off = found.get("observed off by")
        yield Row(case, "observed limit, off by", off, None, 0.01, limit=True)
        yield Row(case, "expected limits, off by at most", found.get("expected off by"))
        yield Row(case, "t_mu up to 9, off by at most", found.get("profile"), None, 0.05, True)
        yield Row(case, "effective part of its draws", found.get("effective"))
        yield Row(case, "file, bytes (two heads)", found.get("bytes"), None, 2e6, limit=True)
        for what, seconds in found.get("seconds", {}).items():
            yield Row(case, f"{what}, CPU s", seconds)


def xenon_rows() -> Iterator[Row]:
    found = child("xenon", 1_200, 1_500)
    case = "xenon search, 4 parameters"
    p = found.get("marginal")
    yield Row(case, "1 - smallest p of 4 marginals", p and 1.0 - p, None, 0.99, limit=True)
    effective = found.get("effective")
    yield Row(case, "effective weighted draws behind it", effective)
    quantity = "1,000 over these effective draws"
    yield Row(case, quantity, effective and 1000.0 / effective, None, 1.0, limit=True)
    yield Row(case, "effective part of its draws", found.get("fraction"))
    yield Row(case, "t up to 9, off by at most", found.get("profile"))
    quantity = "CPU s for an effective draw, against one exact log L"
    yield Row(case, quantity, found.get("draw"), found.get("exact"), 100.0)
    for what, seconds in found.get("seconds", {}).items():
        yield Row(case, f"{what}, CPU s", seconds)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", choices=("toy", "atlas", "xenon"), help="a part of it")
    parser.add_argument("--measure", metavar="JSON", help="internal: one of them alone")
    chosen = parser.parse_args()
    if chosen.measure:
        name, *arguments = json.loads(chosen.measure)
        print(json.dumps({"toy": toy, "atlas": atlas, "xenon": xenon}[name](*arguments)))
        return
    rows: list[Row] = []
    if not TOY.exists():
        tell("../shared/data is absent: nothing to measure")
    elif chosen.only in (None, "toy"):
        rows += toy_rows(chosen.quick)
    if HISTFACTORY.exists() and not chosen.quick and chosen.only in (None, "atlas"):
        rows += atlas_rows()
    if not chosen.quick and chosen.only in (None, "xenon"):
        rows += xenon_rows()
    report("surrogate", rows, chosen.json, VERSIONS)


if __name__ == "__main__":
    main()
