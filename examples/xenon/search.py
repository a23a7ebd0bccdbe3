"""A calibration, then a search for a 40 GeV WIMP that shares its parameters: docs/xenon-example.md.

    python examples/xenon/search.py [FOLDER]

Events are simulated with stated seeds. The folder, xenon-output by default, gets the events, the
results, the reduced search as a HistFactory workspace and plots. A few minutes of CPU.
"""

import pathlib
import sys
import time

import neyman as ny
from neyman._jax import jax
from neyman.inference.simulate import simulate
from neyman.likelihoods.xenon.events import write_events
from neyman.likelihoods.xenon.workspace import workspace

HERE = pathlib.Path(__file__).parent
SEEDS = {"er-calibration": 11, "nr-calibration": 12, "search": 13}
"""Of the data sets."""
TRUTH = {"wimp_rate": 0.0}
"""The search has no WIMP in it; other parameters are as in the files."""
KEPT = 3
"""Components that float."""


def main(folder: pathlib.Path, *, toys: int = 10_000, draws: int = 1_000) -> dict[str, float]:
    """Everything, in order; the numbers of the page, and CPU seconds by step."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, float] = {}
    begun = time.process_time()

    def done(step: str) -> None:
        told[f"{step}: CPU s"] = round(time.process_time() - begun, 1)
        print(f"[{time.process_time() - begun:6.1f} CPU s] {step}", file=sys.stderr, flush=True)

    likes = {name: observed(name, seed, folder) for name, seed in SEEDS.items()}
    done("events")

    calibration = ny.fit(likes["er-calibration"] + likes["nr-calibration"])
    report(calibration, folder / "calibration", plot=True)
    done("calibration")

    search, reduction = ny.reduce(likes["search"], calibration, KEPT)
    report(reduction, folder / "reduction")
    done("reduction")

    best = ny.fit(search)
    report(best, folder / "search")
    done("search")

    limit = ny.upper_limit(search, level=0.9, null="asymptotic")
    report(limit, folder / "limit", plot=True)
    done("limit")

    posterior = ny.sample(search, key=1, draws=draws)
    report(posterior, folder / "posterior", plot=True)
    done("posterior")

    ny.plot(ny.bands(search, posterior), folder / "bands.png")
    ny.plot(ny.energies(search, posterior), folder / "energies.png")
    done("bands and energies")

    binned = ny.compiled(written(workspace(search), folder / "binned.json"))
    by_toys = ny.upper_limit(binned, level=0.9, null="toys", toys=toys, key=1)
    report(by_toys, folder / "limit-toys", plot=True)
    done("toys of the templates")
    return told | {
        "wimp_rate": best["wimp_rate"].value,
        "loss": reduction.loss,
        "limit": limit.observed,
        "median limit": float(limit.expected[2]),
        "limit of toys": by_toys.observed,
        "95 % of the posterior": posterior["wimp_rate"].hdi95[1],
        "k of the weights": posterior.pareto_k,
    }


def observed(name: str, seed: int, folder: pathlib.Path) -> ny.Likelihood:
    """The likelihood of events simulated from a model file."""
    model = ny.load(HERE / f"{name}.toml").model
    truth = {n: v for n, v in TRUTH.items() if n in model.parameters.names}
    thrown = simulate(model, at=truth, key=seed)
    events = folder / f"{name}.csv"
    write_events(events, jax.tree.map(lambda leaf: leaf[0], thrown.main))
    return ny.load(HERE / f"{name}.toml", data=events)


def written(document: dict, path: pathlib.Path) -> ny.Likelihood:
    """A workspace, by way of its file."""
    from neyman.io.strict_json import write_json

    write_json(path, document)
    return ny.load(path)


def report(result, path: pathlib.Path, *, plot: bool = False) -> None:
    print(result.summary(), "\n", flush=True)
    result.save(path.with_suffix(".json"))
    if plot:
        ny.plot(result, path.with_suffix(".png"))


if __name__ == "__main__":
    chosen = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "xenon-output")
    for key, value in main(chosen).items():
        print(f"{key}: {value:.4g}")
