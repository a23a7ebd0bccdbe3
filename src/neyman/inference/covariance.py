"""The covariance of a maximum likelihood estimate: the inverse of the Hessian of -log L.

It is inverted over the parameters that float and are not at a bound. Where the Hessian H is
singular, log L does not change along some direction, which then has no error: with
S = diag(|H|)^1/2, these are the null vectors of S^-1 H S^-1, and the inverse is that of the rest.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri  # ty: ignore[missing-module-member]

from neyman.parameters import Parameters

FLAT = 1e-10
"""An eigenvalue of the scaled Hessian below this is a flat direction."""


def covariance_of(hessian: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of a Hessian (P, P) over the parameters `inside` (P,), and its null vectors
    (P, k) where it has some.

    Rows and columns that are not inside, or that take part in a flat direction, are NaN.
    """
    both = inside[:, None] & inside[None, :]
    matrix = np.where(both, hessian, np.eye(len(hessian)))
    factor, indefinite = dpotrf(matrix.T, lower=True, clean=True)
    pivots, size = factor.diagonal(), matrix.diagonal()
    if indefinite or not (pivots * pivots > 1e3 * FLAT * size).all():  # also where one is NaN
        return _pseudo_inverse(hessian, np.flatnonzero(inside))
    half, _ = dpotri(factor, lower=True, overwrite_c=True)
    inverse = half + half.T
    inverse.flat[:: len(inverse) + 1] *= 0.5
    return np.where(both, inverse, np.nan), np.zeros((len(hessian), 0))


def _pseudo_inverse(hessian: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`covariance_of` by eigenvalues; `inside` are the indices of the parameters."""
    covariance = np.full_like(hessian, np.nan)
    block = hessian[inside[:, None], inside]
    if not np.all(np.isfinite(block)):
        return covariance, np.zeros((len(hessian), 0))
    scale = np.sqrt(np.abs(np.diagonal(block)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(block / np.outer(scale, scale))
    flat = values < FLAT
    inverse = (vectors[:, ~flat] / values[~flat]) @ vectors[:, ~flat].T
    involved = np.any(np.abs(vectors[:, flat]) > 1e-3, axis=1)
    inverse[involved] = np.nan
    inverse[:, involved] = np.nan
    covariance[inside[:, None], inside] = inverse / np.outer(scale, scale)
    null = np.zeros((len(hessian), flat.sum()))
    null[inside] = vectors[:, flat] / scale[:, None]
    return covariance, null


def combination(p: Parameters, vector: np.ndarray) -> str:
    """A direction (P,) in words: "k1 - 0.5 k2", its largest part first."""
    order = np.argsort(-np.abs(vector), kind="stable")
    kept = [i for i in order[:5] if abs(vector[i]) > 1e-2 * abs(vector[order[0]])]
    terms = []
    for i in kept:
        ratio = vector[i] / vector[kept[0]]
        size = "" if abs(abs(ratio) - 1) < 5e-3 else f"{abs(ratio):.2g} "
        sign = "" if not terms else ("+ " if ratio > 0 else "- ")
        terms.append(f"{sign}{size}{p.names[i]}")
    return " ".join(terms)
