"""Draws from a posterior, what they say of each parameter, and how far they can be trusted."""

import base64
import dataclasses
import math
import pathlib
import typing
from typing import Any, ClassVar

import numpy as np

from neyman.io.chunks import decode, encode
from neyman.parameters import unknown_name
from neyman.results.base import Result
from neyman.status import InputError

PACKED = ("draws", "log_prob", "log_weight")
LABEL = b"samples"
MOST_BYTES = 150 * 1024**2


@dataclasses.dataclass(frozen=True)
class Marginal:
    """One parameter of a posterior; intervals of highest density as (lower, upper)."""

    mean: float
    sd: float
    hdi68: tuple[float, float]
    """68.27 %"""
    hdi95: tuple[float, float]
    """95.45 %"""
    hdi99: tuple[float, float]
    """99.73 %"""
    ess: float
    """Effective number of draws for the centre (bulk)."""
    ess_tail: float
    rhat: float
    """Rank-normalised split R-hat; NaN where there is one chain of weighted draws."""


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples(Result):
    """C chains of N draws of the P parameters that are not fixed; arrays (P,) are in their order.

    Nested and importance sampling give one chain of weighted draws. arXiv:1903.08008 defines
    `rhat`, `ess` and `ess_tail`; for weighted draws both numbers are Kish's, (sum w)^2/sum w^2.
    """

    kind: ClassVar[str] = "samples"
    sampler: str
    names: tuple[str, ...]
    draws: np.ndarray
    """(C, N, P)"""
    log_prob: np.ndarray
    """log L + log prior of each draw up to a constant, (C, N)."""
    log_weight: np.ndarray
    """(C, N); 0 but for nested and importance sampling, where the weights sum to 1."""
    mean: np.ndarray
    sd: np.ndarray
    hdi: np.ndarray
    """(P, 3, 2): at 68.27, 95.45 and 99.73 %."""
    ess: np.ndarray
    ess_tail: np.ndarray
    rhat: np.ndarray
    divergences: int = 0
    acceptance: float = math.nan
    """Mean acceptance probability."""
    step: float = math.nan
    """Step size of NUTS."""
    log_evidence: float = math.nan
    """log of the integral of L times the prior; NaN but for nested and importance sampling."""
    log_evidence_error: float = math.nan
    pareto_k: float = math.nan
    """Of the importance weights (arXiv:1507.02646): below 0.7 they can be trusted."""
    packed: str = ""
    """The draws in a file; empty in memory."""

    def __getitem__(self, name: str) -> Marginal:
        i = self._index(name)
        low, middle, high = ((float(lower), float(upper)) for lower, upper in self.hdi[i])
        return Marginal(
            float(self.mean[i]), float(self.sd[i]), low, middle, high,
            float(self.ess[i]), float(self.ess_tail[i]), float(self.rhat[i]),
        )  # fmt: skip

    def of(self, name: str) -> np.ndarray:
        """The draws of one parameter, (C, N)."""
        return self.draws[..., self._index(name)]

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise unknown_name(name, self.names)
        return self.names.index(name)

    def fields_of_interest(self) -> dict[str, Any]:
        keys = ("mean", "sd", "hdi68", "hdi95", "hdi99", "ess", "rhat")
        rows = {n: {k: getattr(self[n], k) for k in keys} for n in self.names}
        evidence = {}
        if math.isfinite(self.log_evidence):
            evidence = {
                "log_evidence": self.log_evidence,
                "log_evidence_error": self.log_evidence_error,
            }
        if self.sampler == "importance":
            evidence["pareto_k"] = self.pareto_k
        return {"parameters": rows, "divergences": self.divergences} | evidence

    def summary(self) -> str:
        width = max(map(len, self.names), default=0)
        chains, draws = self.draws.shape[:2]
        head = f"samples ({self.sampler}): {chains} chains of {draws} draws"
        if self.sampler == "importance":
            head = f"samples (importance): {draws} weighted draws, k = {self.pareto_k:.2f}"
        if math.isfinite(self.log_evidence):
            error = self.log_evidence_error
            start = "samples (nested):" if self.sampler == "nested" else f"{head},"
            head = f"{start} log evidence {self.log_evidence:.4f} +- {error:.2g}"
        rows = [
            f"  {n:<{width}} {m.mean:>11.5g} +- {m.sd:<9.4g}"
            f" 68 % [{m.hdi68[0]:.4g}, {m.hdi68[1]:.4g}] 95 % [{m.hdi95[0]:.4g}, {m.hdi95[1]:.4g}]"
            f" ESS {m.ess:.0f}" + (f" R-hat {m.rhat:.4f}" if math.isfinite(m.rhat) else "")
            for n, m in ((n, self[n]) for n in self.names)
        ]
        return "\n".join([head, *rows])

    def save(self, path: str | pathlib.Path) -> None:
        """Write the whole result to a JSON file, atomically; the draws as base64 of an .npz.

        Raises `InputError` for more than 150 MB of draws, which belong into the `folder` of
        `sample`.
        """
        if sum(getattr(self, name).nbytes for name in PACKED) > MOST_BYTES:
            problem = f"{self.draws.size:,} numbers are too many for a JSON file"
            raise InputError(str(path), problem, "keep them with sample(..., workplace=)")
        data = encode({name: getattr(self, name) for name in PACKED}, LABEL)
        light: dict[str, Any] = dict.fromkeys(PACKED, np.zeros(0))
        light["packed"] = base64.b64encode(data).decode()
        Result.save(dataclasses.replace(self, **light), path)

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Samples":
        """Read what `save` wrote; raises `InputError` where the file is something else."""
        light = super().load(path)
        try:
            arrays = decode(base64.b64decode(light.packed, validate=True), LABEL, str(path))
            hdi = light.hdi.reshape(-1, 3, 2)
            return dataclasses.replace(light, packed="", hdi=hdi, **{k: arrays[k] for k in PACKED})
        except (ValueError, KeyError, TypeError) as error:
            problem = "is a damaged samples result"
            raise InputError(str(path), problem, "make it anew") from error

    def to_arviz(self) -> Any:
        """The draws for ArviZ: an `InferenceData` of 0.23, or the `DataTree` of 1.x.

        The weights of nested and importance sampling stand in the group `sample_stats`.

        Raises:
            InputError: ArviZ is not installed.
        """
        try:
            import arviz
        except ImportError as error:
            remedy = "pip install neyman[posterior]"
            raise InputError("arviz", "is not installed", remedy) from error
        groups: dict[str, Any] = {
            "posterior": {n: self.draws[..., i] for i, n in enumerate(self.names)},
            "sample_stats": {"lp": self.log_prob, "log_weight": self.log_weight},
        }
        if int(arviz.__version__.split(".")[0]) >= 1:
            return arviz.from_dict(groups)
        return arviz.from_dict(**groups)
