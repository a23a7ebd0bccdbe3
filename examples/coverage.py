"""The tables of docs/coverage.md: `python examples/coverage.py`, about a minute.

One Poisson bin, signal s on a known background b: coverage of the 95 % CLs upper limit, from
toys and by asymptotic formulas, with every outcome counted by its probability (exact) and with
4,000 toys.
"""

import numpy as np

import neyman as ny
from neyman.likelihoods.counting import counting

SIGNALS, BACKGROUNDS = (0.5, 1.0, 3.0, 5.0, 10.0), (0.1, 0.5, 1.0, 3.0, 10.0)
COUNTS = np.arange(200.0)
OUTCOMES = ny.Data(COUNTS[:, None], np.zeros((len(COUNTS), 0)))


def table(interval: str) -> None:
    print(f"\n`{interval}`: exact / with toys, in per cent\n")
    print("| | " + " | ".join(f"s = {s:g}" for s in SIGNALS) + " |")
    print("|---" * (len(SIGNALS) + 1) + "|")
    for b in BACKGROUNDS:
        model = counting([1.0], [b], bounds=(0.0, 50.0))
        asked = {"at": {"mu": SIGNALS}, "level": 0.95, "interval": interval, "key": 1}
        exact = ny.coverage(model, **asked, outcomes=OUTCOMES)
        toys = ny.coverage(model, **asked)
        cells = [
            f"{100 * e:.2f} / {100 * t:.1f} ± {100 * error:.1f}"
            for e, t, error in zip(exact.values[:, 0], toys.values[:, 0], toys.errors[:, 0])
        ]
        print(f"| b = {b:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    for name in ("limit-toys", "limit", "feldman-cousins", "profile"):
        table(name)
