"""What the verbs return: frozen, final, apart from plotting.

Every result carries `status` (the worst of its `notes`), `notes` (each a status and its
place) and `provenance` (digests of the input, seed, versions). `summary()` is for people,
`to_json()` for programs (one strict JSON object), and `save` and `load` keep the result whole.
"""

import pathlib
import typing

from neyman.io.strict_json import read_json
from neyman.results.bands import Bands
from neyman.results.base import Result
from neyman.results.calibration import Calibration
from neyman.results.contour import Contour
from neyman.results.coverage import Coverage
from neyman.results.energies import Energies
from neyman.results.fit import Estimate, Fit, Impacts, Yields
from neyman.results.hypothesis import Limit, Significance, Test
from neyman.results.profile import Interval, Scan
from neyman.results.reduction import Reduction
from neyman.results.samples import Marginal, Samples
from neyman.status import InputError

__all__ = [
    "AnyResult",
    "Bands",
    "Calibration",
    "Contour",
    "Coverage",
    "Energies",
    "Estimate",
    "Fit",
    "Impacts",
    "Interval",
    "Limit",
    "Marginal",
    "Reduction",
    "Result",
    "Samples",
    "Scan",
    "Significance",
    "Test",
    "Yields",
    "load_result",
]

AnyResult = (
    Fit
    | Scan
    | Test
    | Limit
    | Significance
    | Interval
    | Contour
    | Impacts
    | Samples
    | Yields
    | Coverage
    | Calibration
    | Reduction
    | Bands
    | Energies
)


def load_result(path: str | pathlib.Path) -> AnyResult:
    """Read any result that `save` wrote."""
    body = read_json(path)
    kind = body.get("result") if isinstance(body, dict) else None
    for cls in typing.get_args(AnyResult):
        if cls.kind == kind:
            return cls.load(path)
    raise InputError(str(path), "is not a neyman result", "name a file that a verb wrote")
