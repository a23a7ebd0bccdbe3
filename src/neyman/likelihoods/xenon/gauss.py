"""Gauss's rule of a piecewise linear density: positive weights, and moments as they are.

n nodes x_k and weights w_k with

    sum_k w_k p(x_k) = int p(u) phi(u^m) m u^(m-1) du       for all polynomials p of degree < 2n,

whatever kinks and steps phi has. Between two of its points the measure is a polynomial of degree
2m - 1 in u, so a Legendre rule there is exact; Lanczos's recursion on these points gives the
tridiagonal matrix whose eigenvalues are the nodes (Golub & Welsch, Math. Comput. 23, 221;
Gautschi, Orthogonal Polynomials, 2004, section 2.2.3).
"""

import numpy as np

from neyman.likelihoods.xenon.spectrum import Spectrum


def fine(
    spectrum: Spectrum, begin: float, end: float, root: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points u = E^(1/root) between `begin` and `end` and their events, exact to degree 2n - 1."""
    knots = spectrum.energies ** (1.0 / root)
    borders = np.concatenate([[begin], knots[(knots > begin) & (knots < end)], [end]])
    x, w = np.polynomial.legendre.leggauss(n + root)
    half = 0.5 * np.diff(borders)[:, None]
    u = (borders[:-1, None] + half * (x + 1.0)).ravel()
    return u, (half * w).ravel() * root * u ** (root - 1) * spectrum.at(u**root)


def gauss(points: np.ndarray, weights: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The rule of n nodes, (n,) and (n,), of weights at more than n points (N,)."""
    total = float(np.sum(weights))
    middle, half = 0.5 * (points[-1] + points[0]), 0.5 * (points[-1] - points[0])
    x = (points - middle) / half
    basis = np.sqrt(weights / total)[None]
    diagonal, beside = [], []
    for _ in range(n):
        v = x * basis[-1]
        diagonal.append(basis[-1] @ v)
        for _ in range(2):  # once more for what rounding left
            v = v - basis.T @ (basis @ v)
        beside.append(np.linalg.norm(v))
        basis = np.concatenate([basis, v[None] / beside[-1]])
    matrix = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    found, vectors = np.linalg.eigh(matrix)
    return middle + half * found, total * vectors[0] ** 2
