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

import equinox as eqx
import numpy as np
import scipy.special

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.histfactory.flatten import Cells, Layout
from neyman.likelihoods.histfactory.interpolation import (
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
        base, scale = self._base(alpha)[0], self._scale(alpha)[0]
        y = base * scale * xp.prod(self._slot_values(theta), axis=1)
        return y.reshape(self.layout.n_bins, self.layout.n_slots)

    def main_derivatives(self, theta: Array, main: Array) -> Derivatives:
        xp, c = theta.__array_namespace__(), self.cells
        by_bin = (self.layout.n_bins, self.layout.n_slots)
        alpha = theta[c.alphas]
        B, D, DD = self._base(alpha)
        F, U, V = self._scale(alpha)
        t = self._slot_values(theta)
        W, dW = xp.prod(t, axis=1), _leave_one_out(t)

        y = B * F * W
        lam = xp.sum(y.reshape(by_bin), axis=1)
        seen = xp.where(main > 0, lam, 1.0)  # so that an empty bin is not 0 / 0
        ratio = main / seen
        r = xp.repeat(1.0 - ratio, by_bin[1])
        BU = B[None] * U
        slope, half = D + BU, D + 0.5 * BU
        dWdt = _scatter(dW, c.slots, len(c.factors))

        J = xp.concatenate(
            [
                xp.sum((slope * (F * W)[None]).reshape(-1, *by_bin), axis=2),
                xp.sum((dWdt * (B * F)[:, None]).reshape(*by_bin, -1), axis=1).T,
            ]
        )[c.order]
        w = r * F * W
        Z = (half * w[None]) @ U.T
        alpha_alpha = Z + Z.T + xp.diag((V - U * U) @ (w * B) + DD @ w)
        alpha_t = (slope * (r * F)[None]) @ dWdt
        t_t = _pairs(t, r * B * F, c.slots, len(c.factors))
        curvature = xp.block([[alpha_alpha, alpha_t], [alpha_t.T, t_t]])[c.order][:, c.order]
        weight = ratio / seen
        return Derivatives(
            _poisson(lam, main),
            J @ (1.0 - ratio),
            (J * weight[None]) @ J.T + curvature,
            (J / xp.where(lam > 0, lam, 1.0)[None]) @ J.T,
        )

    def _base(self, alpha: Array) -> tuple[Array, Array, Array]:
        """B (C,), and dB/dalpha and d2B/dalpha2 (A, C)."""
        c = self.cells
        basis = additive_basis(self.histosys_code, alpha)
        B = c.nominal + basis.p @ c.symmetric + basis.g @ c.asymmetric
        D = basis.dp[:, None] * c.symmetric + basis.dg[:, None] * c.asymmetric
        DD = basis.ddp[:, None] * c.symmetric + basis.ddg[:, None] * c.asymmetric
        return B, D, DD

    def _scale(self, alpha: Array) -> tuple[Array, Array, Array]:
        """F (C,), and f'/f and f''/f (A, C)."""
        xp, c = alpha.__array_namespace__(), self.cells
        f = multiplicative_factors(self.normsys_code, alpha, c.log_hi, c.log_lo, c.polynomial)
        return xp.prod(f.value, axis=0), f.first, f.second

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


def _scatter(values: Array, slots: Array, n_factors: int) -> Array:
    """(C, F) with `values` (C, T) at the factors of each cell; unused slots are dropped."""
    rows = np.arange(len(slots))[:, None]
    shape = (len(slots), n_factors + 1)
    if values.__array_namespace__() is np:
        dense = np.zeros(shape)
        dense[rows, slots] = values
    else:
        dense = jnp.zeros(shape).at[rows, slots].set(values)
    return dense[:, :n_factors]


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
    if xp is np:
        sums = np.bincount(np.concatenate(index), np.concatenate(values), size * size)
    else:
        sums = jnp.zeros(size * size).at[jnp.concatenate(index)].add(jnp.concatenate(values))
    half = sums.reshape(size, size)[:n_factors, :n_factors]
    return half + half.T
