"""The toy LHC search of arXiv:1809.05548: 90 bins in 3 categories, 95 parameters.

    lambda_I = mu s_I + N_c(delta) f_I(delta) (1 + eps_I)^delta_I
    f_I      = b_I p_I(ISR) p_I(JES), over its sum in the category c of bin I
    N_c      = sum_c(b) prod_k (1 + K+_kc)^delta_k for delta_k >= 0, (1 + K-_kc)^-delta_k below

with k = ISR, JES, LV, CR, and p_I(delta) the parabola through (-1, km), (0, 1), (1, kp), continued
as a straight line beyond. ISR and JES move shapes and normalisations with one parameter. The
bins' counts are Poisson; every delta is measured as 0 with width 1 (`Auxiliary`).

The logarithms of N_c and of the statistical factors are linear in
|delta|, so that an evaluation costs one exponential a bin and one a category.
"""

from typing import Any

import equinox as eqx
import numpy as np
import scipy.special

from neyman._jax import Array, Scalar, jax
from neyman.auxiliary import Auxiliary
from neyman.io.bounded import Pathlike
from neyman.io.provenance import digest
from neyman.io.strict_json import read_json
from neyman.model import Data, Model, ObservedLikelihood
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError, Note

SYSTEMATICS = ("ISR", "JES", "LV", "CR")
SHAPES = ("isr", "jes")
BOUNDS = (-8.0, 8.0)
"""Of the nuisance parameters."""


class ToySearch(Model):
    """B bins in C categories of equal length; theta = (mu, B statistical, ISR, JES, LV, CR).

    `main` is the vector of counts, (B,).
    """

    signal: Array
    """Events per unit of mu, (B,)."""
    background: Array
    """b, (B,)."""
    log_statistical: Array
    """log(1 + eps), (B,)."""
    shape_up: Array
    """kp of ISR and JES, (2, B)."""
    shape_down: Array
    """km of ISR and JES, (2, B)."""
    log_up: Array
    """log(1 + K+) of the four systematics in each category, (C, 4)."""
    log_down: Array
    """log(1 + K-), (C, 4)."""
    auxiliary: Auxiliary
    parameters: Parameters = eqx.field(static=True)
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    def expected_counts(self, theta: Array) -> Array:
        """lambda, (B,)."""
        xp = theta.__array_namespace__()
        delta, systematic = theta[1:-4], theta[-4:]
        categories = (len(self.log_up), -1)
        shape = self.background * self._shape(systematic[:1], 0) * self._shape(systematic[1:2], 1)
        by_category = xp.reshape(shape, categories)
        total = xp.sum(xp.reshape(self.background, categories), axis=1)
        log_norm = self.log_up @ xp.maximum(systematic, 0.0)
        log_norm = log_norm + self.log_down @ xp.maximum(-systematic, 0.0)
        scale = total * xp.exp(log_norm) / xp.sum(by_category, axis=1)
        events = xp.reshape(by_category * scale[:, None], (-1,))
        return theta[0] * self.signal + events * xp.exp(self.log_statistical * delta)

    def _shape(self, delta: Array, k: int) -> Array:
        """p(delta) of systematic k in every bin, (B,); delta has shape (1,)."""
        xp = delta.__array_namespace__()
        up, down = self.shape_up[k], self.shape_down[k]
        inside = xp.clip(delta, -1.0, 1.0)
        slope, curvature = 0.5 * (up - down), 0.5 * (up + down) - 1.0
        parabola = 1.0 + inside * (slope + inside * curvature)
        return parabola + (delta - inside) * (slope + 2.0 * inside * curvature)

    def main_log_prob(self, theta: Array, main: Array) -> Scalar:
        xp = theta.__array_namespace__()
        special = scipy.special if xp is np else jax.scipy.special
        lam = self.expected_counts(theta)
        constant = xp.sum(special.gammaln(main + 1.0))
        possible = xp.where(lam >= 0, lam, 0.0)
        finite = xp.sum(special.xlogy(main, possible) - possible) - constant
        return xp.where(xp.all(lam >= 0), finite, -np.inf)

    def main_expected(self, theta: Array) -> Array:
        return self.expected_counts(theta)

    def main_sample(self, key: Array, theta: Array) -> Array:
        return jax.random.poisson(key, self.expected_counts(theta)).astype(float)

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        lam, n = np.asarray(self.expected_counts(theta)), np.asarray(data.main)
        bad = np.flatnonzero(~np.isfinite(lam) | (lam < 0) | ((lam == 0) & (n > 0)))
        if not len(bad):
            return "an auxiliary measurement"
        return f"bin {bad[0]}: expected yield is {lam[bad[0]]:g} with {n[bad[0]]:g} observed"


def toy_search(path: Pathlike, *, bounds: tuple[float, float] = (-1.0, 5.0)) -> ObservedLikelihood:
    """The likelihood of a search of this form, from a JSON document of arrays.

    Args:
        path: a document with `n_categories` and `arrays`: `observed`, `signal`, `background`,
            `eps_mcstat`, `kp_isr`, `km_isr`, `kp_jes`, `km_jes` of one length B, and `Kp_k`,
            `Km_k` of length C for k = isr, jes, lv, cr.
        bounds: of mu, between which a posterior takes it as flat.

    Raises:
        InputError: an array is missing, or of another length, or not of numbers; B is no
            multiple of C; a variation takes away all of a yield.
    """
    document = read_json(path)
    arrays = _arrays(document, str(path))
    statistical = [f"stat[{i}]" for i in range(len(arrays["observed"]))]
    names = (*statistical, *SYSTEMATICS)
    parameters = Parameters(
        (Parameter("mu", 0.0, bounds), *(Parameter(name, 0.0, BOUNDS) for name in names))
    )
    model = ToySearch(
        signal=arrays["signal"],
        background=arrays["background"],
        log_statistical=np.log1p(arrays["eps_mcstat"]),
        shape_up=np.stack([arrays[f"kp_{k}"] for k in SHAPES]),
        shape_down=np.stack([arrays[f"km_{k}"] for k in SHAPES]),
        log_up=np.log1p(np.stack([arrays[f"Kp_{k.lower()}"] for k in SYSTEMATICS], axis=1)),
        log_down=np.log1p(np.stack([arrays[f"Km_{k.lower()}"] for k in SYSTEMATICS], axis=1)),
        auxiliary=Auxiliary.of(parameters, names, [False] * len(names), [1.0] * len(names)),
        parameters=parameters,
        poi="mu",
        notes=(),
        digest=digest(document),
    )
    return model.observe(Data(arrays["observed"], np.zeros(len(names))))


def _arrays(document: Any, name: str) -> dict[str, np.ndarray]:
    """The arrays of the document, checked."""
    found = document.get("arrays") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise InputError(name, "has no 'arrays'", "give the document of a toy search")
    n = len(found["observed"]) if isinstance(found.get("observed"), list) else 0
    c = document.get("n_categories")
    if not isinstance(c, int) or c < 1 or n < 1 or n % c:
        raise InputError(f"{name}: n_categories", f"does not divide {n} bins", "correct it")
    bins = ["observed", "signal", "background", "eps_mcstat"]
    bins += [f"{sign}_{k}" for k in SHAPES for sign in ("kp", "km")]
    lengths = dict.fromkeys(bins, n)
    lengths |= {f"{sign}_{k.lower()}": c for k in SYSTEMATICS for sign in ("Kp", "Km")}
    return {key: _array(found.get(key), key, size, name) for key, size in lengths.items()}


def _array(values: Any, key: str, size: int, name: str) -> np.ndarray:
    place = f"{name}: arrays.{key}"
    numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
    if not numbers or len(values) != size:
        raise InputError(place, f"is no list of {size} numbers", "give one a bin or category")
    array = np.array(values, dtype=float)
    least = -1.0 if key.startswith(("K", "eps")) else 0.0
    if key != "signal" and not np.all(array > least if least else array >= least):
        raise InputError(place, f"has the value {array.min():g}", f"give more than {least:g}")
    return array
