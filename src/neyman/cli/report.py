"""`neyman report`: folders of results as one page."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any, ClassVar

from neyman.io.provenance import provenance
from neyman.io.store import write_atomic
from neyman.report.report import report
from neyman.results import Result
from neyman.status import InputError


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(Result):
    """Where the page of `shown` was written."""

    kind: ClassVar[str] = "report"
    file: str
    shown: tuple[str, ...]

    def fields_of_interest(self) -> dict[str, Any]:
        return {"file": self.file}

    def summary(self) -> str:
        return f"{self.file}: {', '.join(self.shown)}"


def write_report(paths: Sequence[str], to: str) -> Report:
    """Write the page of `paths`."""
    if not to.lower().endswith((".html", ".htm")):
        raise InputError(f"-o {to}", "is no .html file", "write e.g. -o report.html")
    made = report(paths)
    write_atomic(to, made.html)
    return Report(file=to, shown=tuple(paths), provenance=provenance(made.digests))
