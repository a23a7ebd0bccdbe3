"""HistFactory's interpolation codes, with first and second derivatives.

A variation is given at alpha = -1, 0, +1 and continued to all alpha (CERN-OPEN-2012-016,
section 4.1; the numbering is ROOT's and pyhf's). Additive ones (histosys) change a yield by

    delta(alpha) = p(alpha) S + g(alpha) A,    S = (up - down)/2,  A = (up + down)/2 - nominal

with a basis (p, g) for each code, so that all of them are two matrix products:

    code 0    p = alpha                  g = |alpha|                          piecewise linear
    code 2    p = alpha                  g = alpha^2                          |alpha| <= 1
              p = alpha - 1, alpha       g = 2 (alpha - 1), -2 alpha          above 1, below -1
    code 4p   p = alpha                  g = alpha^2 (15 - 10 alpha^2 + 3 alpha^4)/8 inside,
                                         |alpha| outside

Code 2 is pyhf 0.7.6's (interpolators/code2.py), which is discontinuous at |alpha| = 1:
ROOT's goes on through `up` and `down` there. Multiplicative ones (normsys) scale it by

    code 1    f = hi^alpha for alpha >= 0, lo^-alpha below
    code 4    f = 1 + sum_{i=1..6} a_i alpha^i for |alpha| < 1, as code 1 outside,

where the a_i make f, f' and f'' continuous at alpha = -1 and +1.
"""

from typing import NamedTuple

import numpy as np

from neyman._jax import Array

ADDITIVE_CODES = ("0", "2", "4p")
MULTIPLICATIVE_CODES = ("1", "4")


class Basis(NamedTuple):
    """The functions p and g of the additive codes with the derivatives of g, each (P,)."""

    p: Array
    """p' is 1 and p'' is 0 in every code."""
    g: Array
    dg: Array
    ddg: Array


def additive_basis(code: str, alpha: Array) -> Basis:
    """(p, g) of an additive code at `alpha` (P,)."""
    xp = alpha.__array_namespace__()
    sign = xp.where(alpha > 0, 1.0, -1.0)
    if code == "0":
        return Basis(alpha, xp.abs(alpha), sign, xp.zeros_like(alpha))
    if code == "2":
        above, inside = alpha > 1, xp.abs(alpha) <= 1
        p = xp.where(above, alpha - 1.0, alpha)
        outside = xp.where(above, 2.0 * (alpha - 1.0), -2.0 * alpha)
        g = xp.where(inside, alpha**2, outside)
        dg = xp.where(inside, 2.0 * alpha, 2.0 * sign)
        return Basis(p, g, dg, xp.where(inside, 2.0, 0.0))
    inside = xp.abs(alpha) < 1
    square = alpha**2
    g = xp.where(inside, square * (15.0 + square * (3.0 * square - 10.0)) / 8.0, xp.abs(alpha))
    dg = xp.where(inside, alpha * (15.0 + square * (9.0 * square - 20.0)) / 4.0, sign)
    ddg = xp.where(inside, 15.0 * (1.0 - square) * (1.0 - 3.0 * square) / 4.0, 0.0)
    return Basis(alpha, g, dg, ddg)


class Factors(NamedTuple):
    """f of the multiplicative codes, and f'/f and f''/f, each (E,)."""

    value: Array
    first: Array
    second: Array


def multiplicative_factors(
    code: str, alpha: Array, log_hi: Array, log_lo: Array, polynomial: Array
) -> Factors:
    """f of a multiplicative code, each alpha (E,) with a variation of its own.

    `polynomial` (6, E) is what `polynomial_of` gives; code 1 does not read it.
    """
    xp, a = alpha.__array_namespace__(), alpha
    slope = xp.where(a >= 0, log_hi, -log_lo)
    outside, first, second = xp.exp(slope * a), slope, slope**2
    if code == "1":
        return Factors(outside, first, second)
    inside = xp.abs(a) < 1
    bounded = xp.where(inside, a, 0.0)
    c1, c2, c3, c4, c5, c6 = (polynomial[i] for i in range(6))
    x = bounded
    f = 1.0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * (c5 + x * c6)))))
    df = c1 + x * (2 * c2 + x * (3 * c3 + x * (4 * c4 + x * (5 * c5 + x * 6 * c6))))
    ddf = 2 * c2 + x * (6 * c3 + x * (12 * c4 + x * (20 * c5 + x * 30 * c6)))
    return Factors(
        xp.where(inside, f, outside),
        xp.where(inside, df / f, first),
        xp.where(inside, ddf / f, second),
    )


def polynomial_of(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The coefficients a_1 ... a_6 of code 4, shape (6, ...), from f, f' and f'' at +-1."""
    powers = np.arange(1, 7)
    conditions, values = [], []
    for x, f, log_f in ((1.0, hi, np.log(hi)), (-1.0, lo, -np.log(lo))):
        conditions += [
            x**powers,
            powers * x ** (powers - 1),
            powers * (powers - 1) * x ** (powers - 2),
        ]
        values += [f - 1.0, f * log_f, f * log_f**2]
    solution = np.linalg.solve(np.array(conditions), np.stack(values).reshape(6, -1))
    return solution.reshape(6, *np.shape(lo))
