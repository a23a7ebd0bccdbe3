"""The binned road against RooFit and pyhf: fits, CLs and limits of published ATLAS likelihoods.

    python benchmarks/histfactory.py [--quick] [--json] [--peer-python PYTHON_WITH_ROOT]

Each side runs in processes of its own, one after the other. Unless a row says otherwise the
figures are CPU seconds of all threads, of neyman the median of several repetitions.

All run as users get them. pyhf runs in this environment with its NumPy backend; its BLAS takes
one thread a core, which costs it CPU seconds and saves it no wall time: what it costs with one
thread is told in rows of their own. Fits are compared with the faster of its scipy and minuit
optimisers (minuit is stopped once it is the slower one), CLs with scipy's, which is the faster
one there. Its limits take hours on the large workspaces: they count as its time for one CLs
times the number of CLs that its `upper_limit` asks for on a small workspace, counted in the same
run. RooFit runs in the interpreter of `--peer-python`, with its vectorised backend, migrad at
strategy 0, its fastest fit of three.

Rows of `neyman limit` are whole processes, with a compilation cache that was empty, then warm.
The workspaces and the peers' scripts are found in `../shared`.
"""

import glob
import json
import pathlib
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from harness import ROOT, SHARED, Child, Row, options, report, run, script, tell, typical

DATA = SHARED / "data" / "histfactory"
PREFIX, SUFFIX = "atlas_susy_", ".json.gz"
CASES = ("2018_31_A", "2019_09_onshell", "2018_16_sleptons")
VERSIONS = ("neyman", "jax", "numpy", "scipy", "pyhf", "iminuit")
N_PATCHES = 217

COUNT_CLS = """
import gzip, json, sys
import pyhf
import pyhf.infer.intervals.upper_limits as limits
workspace = pyhf.Workspace(json.load(gzip.open(sys.argv[1])))
model = workspace.model()
calls, hypotest = [], limits.hypotest
limits.hypotest = lambda mu, *a, **k: calls.append(mu) or hypotest(mu, *a, **k)
limits.upper_limit(workspace.data(model), model)
print(json.dumps({"calls": len(calls)}))
"""


def workspace(case: str) -> pathlib.Path:
    return DATA / f"{PREFIX}{case}{SUFFIX}"


def measure(path: str) -> dict[str, Any]:
    """neyman on one workspace, in this process: what `--measure` prints."""
    import numpy as np

    import neyman as ny
    from neyman._jax import jax, jnp

    eager = ny.load(path)
    like = ny.compiled(eager)
    start = eager.parameters.init
    theta = jnp.asarray(start)
    log_prob = jax.jit(lambda likelihood, t: likelihood.log_prob(t))
    derivatives = jax.jit(lambda likelihood, t: likelihood.derivatives(t))

    def compilation() -> float:
        """CPU seconds of the first fit beyond those of a second one."""
        marks = [time.process_time()]
        for _ in range(2):
            ny.fit(like)
            marks.append(time.process_time())
        return (marks[1] - marks[0]) - (marks[2] - marks[1])

    compile_empty = compilation()
    jax.clear_caches()
    compile_warm = compilation()
    times = {
        "load": typical(lambda: ny.load(path), most=5),
        "log L": typical(lambda: log_prob(like, theta).block_until_ready()),
        "derivatives": typical(lambda: jax.block_until_ready(derivatives(like, theta))),
        "log L, uncompiled": typical(lambda: eager.log_prob(start)),
        "derivatives, uncompiled": typical(lambda: eager.derivatives(start)),
        "fit": typical(lambda: ny.fit(like), seconds=1),
        "fit, uncompiled": typical(lambda: ny.fit(eager)),
        "cls": typical(lambda: ny.hypotest(like, value=1.0, null="asymptotic")),
        "cls, uncompiled": typical(lambda: ny.hypotest(eager, value=1.0, null="asymptotic")),
        "limits": typical(lambda: ny.upper_limit(like, null="asymptotic")),
        "limits, uncompiled": typical(lambda: ny.upper_limit(eager, null="asymptotic")),
    }
    fit, test = ny.fit(like), ny.hypotest(like, value=1.0, null="asymptotic")
    assert np.isfinite(fit.twice_nll) and np.isfinite(test.observed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "times": times,
        "compile": {"empty": compile_empty, "warm": compile_warm},
        "twice_nll": fit.twice_nll,
        "cls": test.observed,
        "peak_gib": peak * (1 if sys.platform == "darwin" else 1024) / 2**30,
    }


def neyman(case: str) -> dict[str, Any]:
    """`measure` in a process of its own, with a compilation cache that is empty at first."""
    tell(f"{case}: neyman")
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, pathlib.Path(__file__).resolve(), "--measure", workspace(case)]
        done = run(command, env={"NEYMAN_CACHE_DIR": cache})
    return done.json_lines()[0] if done.returncode == 0 else {}


def pyhf(case: str, *, one_thread: bool = False) -> dict[str, dict[str, Any]]:
    """The stages that `bench_pyhf.py` finished; "fit" is that of the faster optimiser."""
    tell(f"{case}: pyhf{', one thread' if one_thread else ''}")
    command = [sys.executable, SHARED / "peers" / "bench_pyhf.py", workspace(case), "--stages"]
    done = run([*command, "build,eval,fit,cls"], one_thread=one_thread)
    stages = {line["stage"]: line for line in done.json_lines() if "error" not in line}
    seconds = stages["fit"]["fit_s"] if "fit" in stages else 200.0
    patience = 5.0 + 3.0 * stages["build"]["build_s"] + 1.1 * seconds if stages else 0.0
    minuit = run(
        [*command, "fit", "--optimizer", "minuit"], one_thread=one_thread, timeout=patience
    )
    for line in minuit.json_lines():
        if line["stage"] == "fit" and "error" not in line:
            fits = [stages.get("fit", line), line]
            stages["fit"] = min(fits, key=lambda fit: fit["cpu_s"])
    return stages


def roofit(case: str, python: str | None) -> dict[str, Any]:
    """What `bench_roofit.py` prints; nothing without RooFit."""
    if python is None:
        return {}
    tell(f"{case}: RooFit")
    done = run([python, SHARED / "peers" / "bench_roofit.py", workspace(case)], one_thread=True)
    return done.json_lines()[0] if done.returncode == 0 else {}


def cls_a_limit() -> int:
    """How many CLs pyhf's `upper_limit` asks for, on the smallest workspace."""
    path = workspace("2018_05_simplified")
    return run([sys.executable, "-c", COUNT_CLS, path], one_thread=True).json_lines()[0]["calls"]


def figure(record: Any, *keys: str, times: float = 1.0) -> float | None:
    """The number at the end of `keys`; None where a process has not come so far."""
    for key in keys:
        if key not in record:
            return None
        record = record[key]
    return times * float(record)


def case_rows(case: str, calls: int, peer_python: str | None) -> Iterator[Row]:
    """One workspace: neyman and both peers."""
    own, theirs, root = neyman(case), pyhf(case), roofit(case, peer_python)
    alone = pyhf(case, one_thread=True)
    searched = f"limits, against {calls} CLs of pyhf"
    fastest = min((fit["cpu_s"] for fit in root["fits"]), default=None) if root else None
    created = root["build_cpu_s"] + root["create_nll_cpu_s"] if root else None
    build = theirs.get("build")
    built = build["load_s"] + build["build_s"] if build else None
    evaluated = figure(theirs, "eval", "median_s")

    # What is asked for: after compilation, CPU seconds.
    peers = {
        "fit, against RooFit": ("fit", fastest, 50),
        "fit, against pyhf": ("fit", figure(theirs, "fit", "cpu_s"), 500),
        "CLs at mu = 1, against pyhf": ("cls", figure(theirs, "cls", "cpu_s"), 500),
        searched: ("limits", figure(theirs, "cls", "cpu_s", times=calls), 300),
    }
    for quantity, (what, peer, target) in peers.items():
        yield Row(case, quantity, figure(own, "times", what, "cpu"), peer, target)
    for quantity, (what, peer, _) in peers.items():
        ours = figure(own, "times", f"{what}, uncompiled", "cpu")
        yield Row(case, f"{quantity}, uncompiled", ours, peer)

    for quantity, what in (("fit", "fit"), ("CLs at mu = 1", "cls")):
        quantity = f"{quantity}, against pyhf with one thread"
        yield Row(case, quantity, figure(own, "times", what, "cpu"), figure(alone, what, "cpu_s"))

    walls = {
        "fit, against pyhf": ("fit", figure(theirs, "fit", "fit_s")),
        "CLs at mu = 1, against pyhf": ("cls", figure(theirs, "cls", "cls_s")),
        searched: ("limits", figure(theirs, "cls", "cls_s", times=calls)),
        "log L, against pyhf": ("log L", evaluated),
        "log L, uncompiled, against pyhf": ("log L, uncompiled", evaluated),
        "load, against pyhf": ("load", built),
    }
    for quantity, (what, peer) in walls.items():
        yield Row(case, f"{quantity}, wall", figure(own, "times", what, "wall"), peer)

    yield Row(case, "load, against RooFit", figure(own, "times", "load", "cpu"), created)
    for what in ("derivatives", "derivatives, uncompiled"):
        quantity = what.replace("derivatives", "log L, gradient and Hessian")
        yield Row(case, quantity, figure(own, "times", what, "cpu"))
    for cache in ("empty", "warm"):
        yield Row(case, f"compile a fit, {cache} cache", figure(own, "compile", cache))
    yield Row(case, "peak memory, GiB", figure(own, "peak_gib"), target=1, limit=True)

    # Both did the same work.
    best, tested = figure(theirs, "fit", "twice_nll"), figure(theirs, "cls", "cls_obs")
    yield Row(case, "value of -2 log L at the maximum", figure(own, "twice_nll"), best)
    yield Row(case, "value of CLs at mu = 1", figure(own, "cls"), tested)


def seconds(done: Child) -> float | None:
    """CPU seconds of a process that did its work."""
    return done.cpu if done.returncode == 0 else None


def command_rows(cases: list[tuple[str, pathlib.Path, float]]) -> Iterator[Row]:
    """`neyman limit` in cold processes: (case, file, most CPU seconds with a warm cache)."""
    done = run([script("neyman"), "--help"])
    yield Row("command line", "neyman --help", seconds(done), None, 0.5, limit=True)
    for case, path, most in cases:
        tell(f"{case}: neyman limit")
        with tempfile.TemporaryDirectory() as cache:
            command = [script("neyman"), "limit", path, "--json"]
            first, second = (run(command, env={"NEYMAN_CACHE_DIR": cache}) for _ in range(2))
        for label, child, target in (("empty", first, 25), ("warm", second, most)):
            quantity = f"neyman limit, {label} cache"
            yield Row(case, quantity, seconds(child), None, target, limit=True)
        worked = first.returncode == second.returncode == 0
        yield Row(case, "neyman limit, warm cache, wall", second.wall if worked else None)
        peak = max(first.peak_gib, second.peak_gib) if worked else None
        yield Row(case, "neyman limit, peak memory, GiB", peak, None, 1, limit=True)


def patch_rows() -> Iterator[Row]:
    """The signal grid of sbottom, region A, in one command with an empty cache."""
    case = "2018_31 region A"
    tell(f"{case}: {N_PATCHES} patches")
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(DATA / "sbottom_multib_regions_A_B.tar.gz") as tar:
            tar.extractall(scratch, filter="data")
        folder = pathlib.Path(scratch, "RegionA")
        patches = str(folder / "patch*.json")
        command = [script("neyman"), "limit", folder / "BkgOnly.json", "--patches", patches]
        cache = {"NEYMAN_CACHE_DIR": str(pathlib.Path(scratch, "cache"))}
        done = run([*command, "--json"], env=cache, timeout=900)
        assert len(glob.glob(patches)) == N_PATCHES
    # Exit code 1 says that a patch failed; the table of the others is there all the same.
    found = done.json_lines() if done.returncode in (0, 1) else []
    limits = found[0]["limits"] if found else []
    finite = sum(entry["observed"] is not None for entry in limits)
    whole = len(limits) == N_PATCHES
    yield Row(case, f"patches of {N_PATCHES} without a limit", N_PATCHES - finite, None, 0, True)
    yield Row(case, "all limits", done.cpu if whole else None, None, 300, limit=True)
    yield Row(case, "all limits, wall", done.wall if whole else None)
    yield Row(case, "peak memory, GiB", done.peak_gib if whole else None, None, 1, limit=True)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--measure", metavar="FILE", help="internal: neyman alone, on FILE")
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
        return
    rows: list[Row] = []
    if DATA.is_dir():
        cases = CASES[:1] if chosen.quick else CASES
        calls = cls_a_limit()
        for case in cases:
            rows += case_rows(case, calls, chosen.peer_python)
        files = [workspace(case) for case in cases] if chosen.quick else DATA.glob(f"*{SUFFIX}")
        limits = [(f.name[len(PREFIX) : -len(SUFFIX)], f, 10.0) for f in sorted(files)]
        example = ROOT / "examples" / "displaced-leptons.json"
        if example.exists():
            limits.append((example.stem, example, 4.0))
        rows += command_rows(limits)
        if not chosen.quick:
            rows += patch_rows()
    else:
        tell("../shared/data/histfactory is absent: nothing to measure")
    report("histfactory", rows, chosen.json, VERSIONS)


if __name__ == "__main__":
    main()
