"""The HistFactory density with its exact gradient and Hessian (CERN-OPEN-2012-016).

The yield of cell c (a sample in a bin) and the expected counts of bin b are

    y_c = B_c F_c W_c,    B = nominal + p(alpha) S + g(alpha) A,    F = prod_p f_p(alpha_p),
    W_c = prod of the factors t (normfactors, lumi, gammas) of the cell,
    lambda_b = sum of the cells of b,    log p(n|theta) = sum_b n log lambda - lambda - log n!

With D = dB/dalpha, U = d log F/dalpha, r = 1 - n/lambda and w_c = r_b(c) F_c W_c:

    gradient = J^T r,    J = d lambda/d theta
    Hessian  = J^T diag(n/lambda^2) J + sum_c r d^2 y_c/d theta^2
    alpha, alpha':  Z + Z^T + diag,   Z = (D + B U / 2) diag(w) U^T
    alpha, t:       (D + B U) diag(r F) dW/dt,      t, t':  sum_c r B F d^2 W/dt dt'

dW/dt is the product of the other factors, never W / t, so t = 0 is no special case.
"""

from typing import NamedTuple

import equinox as eqx
import numpy as np
import scipy.special

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.histfactory.flatten import Cells, Layout
from neyman.likelihoods.histfactory.interpolation import (
    Basis,
    Factors,
    additive_basis,
    multiplicative_factors,
)
from neyman.model import Data, Derivatives, Model
from neyman.parameters import Parameters
from neyman.status import Note


class HistFactoryModel(Model):
    """Binned counts with HistFactory's modifiers; `main` is the vector of counts, (B,)."""

    cells: Cells
    auxiliary: Auxiliary
    parameters: Parameters = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    poi: str | None = eqx.field(static=True)
    normsys_code: str = eqx.field(static=True)
    histosys_code: str = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    @property
    def eager(self) -> bool:
        return True

    def main_log_prob(self, theta: Array, main: Array) -> Scalar:
        return -_poisson(self.expected_counts(theta), main)

    def main_expected(self, theta: Array) -> Array:
        return self.expected_counts(theta)

    def main_sample(self, key: Array, theta: Array) -> Array:
        return jax.random.poisson(key, self.expected_counts(theta)).astype(float)

    def expected_counts(self, theta: Array) -> Array:
        """lambda, (B,)."""
        return theta.__array_namespace__().sum(self.yields(theta), axis=1)

    def yields(self, theta: Array) -> Array:
        """y, (B, K): per bin, the samples in the order of `layout.samples`."""
        xp = theta.__array_namespace__()
        alpha = theta[self.cells.alphas]
        base, scale = self._base(self._basis(alpha)), self._scale(self._entries(alpha).value)
        y = base * scale * xp.prod(self._slot_values(theta), axis=1)
        return y.reshape(self.layout.n_bins, self.layout.n_slots)

    def main_derivatives(self, theta: Array, main: Array) -> Derivatives:
        xp, c = theta.__array_namespace__(), self.cells
        slope, half, basis, f, U, B, F, t, W, dWdt, lam, J = self._parts(theta)
        n_alphas = len(c.alphas)
        seen = xp.where(main > 0, lam, 1.0)  # so that an empty bin is not 0 / 0
        ratio = main / seen
        r = xp.repeat(1.0 - ratio, self.layout.n_slots)
        w = r * F * W
        Z = xp.pad((half * w[None]) @ U.T, ((0, 0), (0, n_alphas - c.n_normsys)))
        bent = _sums((f.second - f.first**2) * (w * B)[c.scaled], c.scaled_by, n_alphas)
        bent = bent + xp.pad(basis.ddg * (c.asymmetric @ w), (n_alphas - len(basis.ddg), 0))
        alpha_alpha = Z + Z.T + xp.diag(bent)
        alpha_t = (slope * (r * F)[None]) @ dWdt
        t_t = _pairs(t, r * B * F, c.slots, len(c.factors))
        curvature = xp.block([[alpha_alpha, alpha_t], [alpha_t.T, t_t]])[c.order][:, c.order]
        return Derivatives(
            _poisson(lam, main),
            J @ (1.0 - ratio),
            (J * (ratio / seen)[None]) @ J.T + curvature,
        )

    def main_information(self, theta: Array) -> Array:
        xp = theta.__array_namespace__()
        parts = self._parts(theta)
        J, lam = parts.J, parts.lam
        return (J / xp.where(lam > 0, lam, 1.0)[None]) @ J.T

    def _parts(self, theta: Array) -> "Parts":
        xp, c = theta.__array_namespace__(), self.cells
        by_bin = (self.layout.n_bins, self.layout.n_slots)
        alpha = theta[c.alphas]
        basis, f = self._basis(alpha), self._entries(alpha)
        B, F = self._base(basis), self._scale(f.value)
        D = c.symmetric + basis.dg[:, None] * c.asymmetric
        U = _dense(f.first, (c.scaled_by, c.scaled), (c.n_normsys, len(c.nominal)))
        t = self._slot_values(theta)
        W, dWdt = xp.prod(t, axis=1), _scatter(_leave_one_out(t), c.slots, len(c.factors))
        BU = B[None] * U
        slope, half = _sum_of_rows(BU, D, len(alpha)), _sum_of_rows(0.5 * BU, D, len(alpha))
        J = xp.concatenate(
            [
                xp.sum((slope * (F * W)[None]).reshape(-1, *by_bin), axis=2),
                xp.sum((dWdt * (B * F)[:, None]).reshape(*by_bin, -1), axis=1).T,
            ]
        )[c.order]
        lam = xp.sum((B * F * W).reshape(by_bin), axis=1)
        return Parts(slope, half, basis, f, U, B, F, t, W, dWdt, lam, J)

    def _basis(self, alpha: Array) -> Basis:
        """The additive basis of the alphas that have histosys, (H,) each."""
        return additive_basis(self.histosys_code, alpha[len(alpha) - len(self.cells.symmetric) :])

    def _base(self, basis: Basis) -> Array:
        """B, (C,)."""
        c = self.cells
        return c.nominal + basis.p @ c.symmetric + basis.g @ c.asymmetric

    def _entries(self, alpha: Array) -> Factors:
        """f, f'/f and f''/f of the normsys entries, (E,) each."""
        c = self.cells
        return multiplicative_factors(
            self.normsys_code, alpha[c.scaled_by], c.log_hi, c.log_lo, c.polynomial
        )

    def _scale(self, f: Array) -> Array:
        """F, (C,), from the f of the entries."""
        xp = f.__array_namespace__()
        return xp.prod(xp.concatenate([f, xp.ones(1)])[self.cells.scales], axis=1)

    def _slot_values(self, theta: Array) -> Array:
        """The factors of each cell, (C, T)."""
        xp = theta.__array_namespace__()
        values = xp.concatenate([theta[self.cells.factors], xp.ones_like(theta[:1])])
        return values[self.cells.slots]

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        lam = np.asarray(self.expected_counts(np.asarray(theta)))
        n = np.asarray(data.main)
        for place, expected, observed in zip(self.layout.bin_names(), lam, n):
            if not np.isfinite(expected) or expected < 0:
                return f"{place}: expected yield is {expected:g}"
            if expected == 0 and observed > 0:
                return f"{place}: expected yield is 0 with {observed:g} observed"
        return "an auxiliary measurement"


class Parts(NamedTuple):
    """What the derivatives are made of, in the symbols of the formulas above."""

    slope: Array
    """D + B U, (A, C)."""
    half: Array
    """D + B U / 2, (A, C)."""
    basis: Basis
    factors: Factors
    U: Array
    """(N, C)"""
    B: Array
    """(C,), as F and W."""
    F: Array
    t: Array
    """(C, T)"""
    W: Array
    dWdt: Array
    """(C, F)"""
    lam: Array
    """lambda, (B,)."""
    J: Array
    """(P, B)"""


def _poisson(lam: Array, n: Array) -> Scalar:
    """-log p of counts n; continued to real n (Asimov data) by the Gamma function."""
    xp = lam.__array_namespace__()
    special = scipy.special if xp is np else jax.scipy.special
    return xp.sum(lam - special.xlogy(n, lam) + special.gammaln(n + 1.0))


def _leave_one_out(t: Array) -> Array:
    """For each slot the product of the other slots, (C, T), without division."""
    xp = t.__array_namespace__()
    columns = [
        xp.prod(xp.concatenate([t[:, :j], t[:, j + 1 :]], axis=1), axis=1)
        for j in range(t.shape[1])
    ]
    return xp.stack(columns, axis=1) if columns else t


def _sum_of_rows(first: Array, last: Array, n: int) -> Array:
    """(n, C) with `first` added to its first rows and `last` to its last ones."""
    xp = first.__array_namespace__()
    alone, both = n - len(last), len(first) + len(last) - n
    return xp.concatenate([first[:alone], first[alone:] + last[:both], last[both:]])


def _dense(values: Array, index: tuple[Array, Array], shape: tuple[int, int]) -> Array:
    """A matrix with `values` (n,) at `index`, 0 elsewhere."""
    if values.__array_namespace__() is not np:
        return jnp.zeros(shape).at[index].set(values)
    dense = np.zeros(shape)
    dense[index] = values
    return dense


def _sums(values: Array, index: Array, n: int) -> Array:
    """(n,) with the sum of the `values` of each index."""
    if values.__array_namespace__() is np:
        return np.bincount(index, values, n)
    return jnp.zeros(n).at[index].add(values)


def _scatter(values: Array, slots: Array, n_factors: int) -> Array:
    """(C, F) with `values` (C, T) at the factors of each cell; unused slots are dropped."""
    rows = np.broadcast_to(np.arange(len(slots))[:, None], slots.shape)
    return _dense(values, (rows, slots), (len(slots), n_factors + 1))[:, :n_factors]


def _pairs(t: Array, weight: Array, slots: Array, n_factors: int) -> Array:
    """sum_c weight_c d^2 W_c/dt dt', (F, F)."""
    xp, size = t.__array_namespace__(), n_factors + 1
    index: list[Array] = [np.zeros(0, dtype=int)]
    values = [weight[:0]]
    for i in range(t.shape[1]):
        for j in range(i + 1, t.shape[1]):
            others = [k for k in range(t.shape[1]) if k not in (i, j)]
            values.append(weight * xp.prod(t[:, others], axis=1))
            index.append(slots[:, i] * size + slots[:, j])
    sums = _sums(xp.concatenate(values), xp.concatenate(index), size * size)
    half = sums.reshape(size, size)[:n_factors, :n_factors]
    return half + half.T
