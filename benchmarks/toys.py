"""Toys against pyhf and RooFit: thrown, fitted twice, reduced to qtilde at mu = 1.

    python benchmarks/toys.py [--quick] [--json] [--peer-python PYTHON_WITH_ROOT]

Each side runs in processes of its own, one after the other; rates are seconds of CPU of all
threads for a toy, without compilation. pyhf runs in this environment: the two distributions of
its `ToyCalculator` (its `hypotest` with toys fails under NumPy 2.4), NumPy backend, scipy's
optimiser, one BLAS thread. RooFit has no toys of its own here: two fits of
`bench_roofit.py`, in the interpreter of `--peer-python`, count as its toy; without it, the
0.13 + 0.1 CPU seconds that were measured once stand for it, and the row says so.

The 10 bins have 5 nuisance parameters, three normsys and two histosys. A million toys of them
are thrown by `hypotest` with `workers=2` and reduced to CLs, wall time and memory measured.
"""

import functools
import json
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from harness import SHARED, Row, options, report, run, tell, typical

PUBLISHED = SHARED / "data" / "histfactory" / "atlas_susy_2018_31_A.json.gz"
VERSIONS = ("neyman", "jax", "numpy", "scipy", "pyhf")
ROOFIT = 0.13 + 0.1

PYHF = """
import gzip, json, sys, time
import pyhf
path, n = sys.argv[1], int(sys.argv[2])
workspace = pyhf.Workspace(json.load((gzip.open if path.endswith("gz") else open)(path)))
model = workspace.model()
toys = pyhf.infer.calculators.ToyCalculator(
    workspace.data(model), model, ntoys=n, test_stat="qtilde", track_progress=False
)
start = time.process_time()
toys.distributions(1.0)
print(json.dumps({"seconds": (time.process_time() - start) / (2 * n)}))
"""


def ten_bins() -> dict[str, Any]:
    """A workspace with 10 bins and 5 nuisance parameters."""
    b = [50.0 - 3.0 * i for i in range(10)]
    shifted = [[1.0 + 0.01 * k * (i - 4.5) for i in range(10)] for k in (1, -2)]
    modifiers: list[dict[str, Any]] = [
        {"name": f"norm_{k}", "type": "normsys", "data": {"hi": 1.0 + 0.03 * k, "lo": 1 - 0.03 * k}}
        for k in (1, 2, 3)
    ]
    for k, up in enumerate(shifted):
        hi = [x * f for x, f in zip(b, up)]
        lo = [x * (2.0 - f) for x, f in zip(b, up)]
        data = {"hi_data": hi, "lo_data": lo}
        modifiers.append({"name": f"shape_{k}", "type": "histosys", "data": data})
    signal = {
        "name": "signal",
        "data": [1.0 + 0.5 * i for i in range(10)],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    background = {"name": "background", "data": b, "modifiers": modifiers}
    config = {"poi": "mu", "parameters": []}
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [signal, background]}],
        "observations": [{"name": "SR", "data": [float(round(x)) for x in b]}],
        "measurements": [{"name": "m", "config": config}],
    }


def measure(path: str, n: int) -> dict[str, float]:
    """CPU seconds of a toy of each hypothesis of mu = 1, in this process, after compilation."""
    import numpy as np

    import neyman as ny
    from neyman.inference.asymptotics import AsymptoticTest
    from neyman.inference.toys import Chunk, Truth, throw

    like = ny.load(path)
    test = AsymptoticTest(like, like.model.poi)
    seconds, failed = 0.0, 0
    for mu in (0.0, 1.0):
        theta = np.asarray(test.observed.at(mu).theta)
        truth = Truth(theta[None], (1.0,), test.observed.index)
        chunk = Chunk(test.model, truth, "qtilde", 1, 0, 0, n)
        seconds += typical(functools.partial(throw, chunk), most=5)["cpu"] / n / 2
        failed += int(np.sum(throw(chunk).status != 0))
    return {"seconds": seconds, "failed": failed / (2 * n)}


def many(path: str, n: int) -> dict[str, float]:
    """n toys in two processes, in all, reduced to CLs; wall seconds and this process's memory."""
    import neyman as ny

    like = ny.load(path)
    begun = time.perf_counter()
    place = ny.Workplace(workers=2)
    test = ny.hypotest(like, value=1.0, null="toys", toys=n // 2, workplace=place)
    wall = time.perf_counter() - begun
    peaks = [resource.getrusage(who).ru_maxrss for who in (0, resource.RUSAGE_CHILDREN)]
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "wall": wall,
        "here_gib": peaks[0] * unit / 2**30,
        "worker_gib": peaks[1] * unit / 2**30,
        "cls": test.observed,
        "error": test.error,
    }


def child(what: str, path: pathlib.Path, n: int) -> dict[str, float]:
    command = [sys.executable, pathlib.Path(__file__).resolve(), f"--{what}", path, "--toys", n]
    done = run([str(c) for c in command])
    return done.json_lines()[0] if done.returncode == 0 else {}


def pyhf_seconds(path: pathlib.Path, n: int) -> float | None:
    tell(f"{path.name}: pyhf")
    done = run([sys.executable, "-c", PYHF, path, str(n)], one_thread=True)
    return done.json_lines()[0]["seconds"] if done.returncode == 0 else None


def roofit_seconds(python: str | None) -> tuple[str, float]:
    """What two RooFit fits cost, and where the figure is from."""
    if python is not None:
        tell("2018_31_A: RooFit")
        command = [python, SHARED / "peers" / "bench_roofit.py", PUBLISHED]
        done = run(command, one_thread=True)
        if done.returncode == 0:
            fits = sorted(fit["cpu_s"] for fit in done.json_lines()[0]["fits"])
            return "measured", 2.0 * fits[0]
    return "0.13 + 0.1 s, not measured in this run", ROOFIT


def ten_bin_rows(path: pathlib.Path, quick: bool) -> Iterator[Row]:
    case = "10 bins, 5 nuisances"
    tell(f"{case}: neyman")
    own = child("measure", path, 10_000)
    theirs = pyhf_seconds(path, 200)
    yield Row(case, "a toy, CPU s, against pyhf", own.get("seconds"), theirs, 500)
    yield Row(case, "toys that failed", own.get("failed"), None, 1e-3, limit=True)
    tell(f"{case}: many toys")
    counts = (100_000,) if quick else (100_000, 1_000_000)
    for n in counts:
        found = child("many", path, n)
        most = 300.0 if n == 1_000_000 else None
        yield Row(case, f"{n:,} toys, workers=2, wall s", found.get("wall"), None, most, True)
        for where in ("here", "worker"):
            quantity = f"{n:,} toys, peak memory, GiB ({where})"
            yield Row(case, quantity, found.get(f"{where}_gib"), None, 1.0, limit=True)


def published_rows(peer_python: str | None) -> Iterator[Row]:
    case = "2018_31_A, 64 parameters"
    tell(f"{case}: neyman")
    own = child("measure", PUBLISHED, 500)
    theirs = pyhf_seconds(PUBLISHED, 3)
    yield Row(case, "a toy, CPU s, against pyhf", own.get("seconds"), theirs, 1000)
    source, seconds = roofit_seconds(peer_python)
    quantity = f"a toy, CPU s, against two fits of RooFit ({source})"
    yield Row(case, quantity, own.get("seconds"), seconds, 50)
    yield Row(case, "toys that failed", own.get("failed"), None, 1e-3, limit=True)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--measure", metavar="FILE", help="internal: the pace on FILE")
    parser.add_argument("--many", metavar="FILE", help="internal: many toys of FILE")
    parser.add_argument("--toys", type=int, default=10_000, help="internal: how many")
    chosen = parser.parse_args()
    for what, function in (("measure", measure), ("many", many)):
        if path := getattr(chosen, what):
            print(json.dumps(function(path, chosen.toys)))
            return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "ten-bins.json")
        path.write_text(json.dumps(ten_bins()))
        rows += ten_bin_rows(path, chosen.quick)
    if PUBLISHED.exists() and not chosen.quick:
        rows += published_rows(chosen.peer_python)
    report("toys", rows, chosen.json, VERSIONS)


if __name__ == "__main__":
    main()
