"""Tables IV, V and X of Feldman and Cousins, physics/9711021v2 (Phys. Rev. D 57, 3873), as printed:
taken from the text of the arXiv PDF."""

import csv
import pathlib

HERE = pathlib.Path(__file__).parent


def _rows(name: str) -> list[tuple[str, ...]]:
    with open(HERE / name, newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


POISSON = _rows("feldman_cousins_poisson.csv")
"""n, b, lower, upper: 90 % intervals of the signal mean, tables IV and V."""
GAUSSIAN = _rows("feldman_cousins_gaussian.csv")
"""x0, level, lower, upper: intervals of the mean mu >= 0 in units of sigma, table X."""
