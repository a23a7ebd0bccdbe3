"""Limits of a signal grid: one background workspace, many JSON patches, one table.

A patch that cannot be used, or whose limit fails, is a row that says so and stops no other.
"""

import dataclasses
import glob
import os
import typing
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from neyman.cli.answer import Answer, Picture, answer
from neyman.cli.inputs import likelihood, patch_set, patched, read_workspace
from neyman.cli.options import Source
from neyman.cli.progress import tracked
from neyman.cli.table import table
from neyman.inference.limit import upper_limit
from neyman.io.json_patch import apply_patch
from neyman.io.provenance import digest, provenance
from neyman.io.strict_json import dump_json, read_json
from neyman.results import Limit, Result
from neyman.results.base import finite
from neyman.results.hypothesis import no_errors
from neyman.status import InputError, Note, Status

BAD_INPUT = "bad_input"
INTERNAL = "internal_error"
AUTO = (
    "asymptotic formulas for the whole grid, since toys of many patches take hours;"
    " --null toys throws them"
)
"""Why "auto" is asymptotic here, whatever the number of events."""

Patch = tuple[str, Callable[[], Any]]
"""A name, and how to read the operations."""


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid(Result):
    """Upper limits of N patches; `statuses` are names of `Status`, "bad_input" or
    "internal_error", and limits are NaN where there is none."""

    kind: ClassVar[str] = "grid"
    poi: str | None
    level: float
    patches: tuple[str, ...]
    observed: np.ndarray
    """(N,)"""
    expected: np.ndarray
    """(N, 5), from -2 to +2 sigma of the background-only data."""
    methods: tuple[str, ...]
    """"asymptotic" or "toys", empty where there is no limit."""
    error: np.ndarray
    """Monte Carlo errors, (N,); NaN where there were no toys."""
    expected_error: np.ndarray
    """(N, 5)"""
    statuses: tuple[str, ...]
    messages: tuple[str, ...]
    reason: str = ""
    """Why the method was chosen, where it was left to choose."""

    @property
    def exit_code(self) -> int:
        """2 where a patch is bad input, 1 where a limit failed."""
        if BAD_INPUT in self.statuses:
            return 2
        return 1 if self.status.failed or INTERNAL in self.statuses else 0

    def fields_of_interest(self) -> dict[str, Any]:
        rows = [self._row(k) for k in range(len(self.patches))]
        why = {"reason": self.reason} if self.reason else {}
        return {"poi": self.poi, "level": self.level, "limits": rows} | why

    def _row(self, k: int) -> dict[str, Any]:
        """A patch as a JSON object."""
        errors = {"error": self.error[k], "expected_error": self.expected_error[k]}
        return {
            "patch": self.patches[k],
            "observed": self.observed[k],
            "expected": self.expected[k],
            "method": self.methods[k] or None,
            **(errors if self.methods[k] == "toys" else {}),
            "status": self.statuses[k],
            "message": self.messages[k],
        }

    def to_json(self) -> str:
        """As of any result; a bad patch is worse than a failed limit."""
        name = next((s for s in (BAD_INPUT, INTERNAL) if s in self.statuses), None)
        head = {"status": name or self.status.name.lower(), "message": self.message}
        return dump_json(finite(head | self.fields_of_interest() | {"provenance": self.provenance}))

    @property
    def message(self) -> str:
        unusable = [
            f"{patch}: {message}"
            for patch, status, message in zip(self.patches, self.statuses, self.messages)
            if status in (BAD_INPUT, INTERNAL)
        ]
        notes = [str(note) for note in self.notes]
        said = unusable + notes or [Status.FINE.message]
        return " | ".join([*said, self.reason] if self.reason else said)

    def summary(self) -> str:
        head = ("patch", "observed", "-2s", "-1s", "median", "+1s", "+2s", "method", "status")
        values = np.column_stack([self.observed, self.expected])
        errors = np.column_stack([self.error, self.expected_error])
        rows = [
            (patch, *map(_number, row, error), method, status)
            for patch, row, error, method, status in zip(
                self.patches, values, errors, self.methods, self.statuses
            )
        ]
        title = (
            f"{100 * self.level:g} % CLs upper limits on {self.poi or 'the parameter of interest'}"
        )
        return "\n".join(filter(None, (title, table(head, rows), self.reason)))


def _number(value: float, error: float) -> str:
    """A limit in the table, with its Monte Carlo error if it has one."""
    if np.isnan(value):
        return ""
    return f"{value:.4g}" + ("" if np.isnan(error) else f" +- {error:.1g}")


def limit_grid(
    source: Source, pattern: str | None, *, poi: str | None, level: float, how: dict[str, Any]
) -> Answer:
    """The limit of each patch that `pattern` or the patch set names; "auto" is asymptotic."""
    auto = how["null"] == "auto"
    taken: dict[str, Any] = {**how, "null": "asymptotic"} if auto else how
    if source.patchset is not None and source.patch_name is None:
        if pattern is not None or source.patch:
            raise InputError("--patchset", "is a grid of its own", "leave the other patches out")
        base = read_workspace(source.file)
        digests = {source.file: digest(base)}
        patches = _of_set(source, base)
    else:
        base, digests = patched(source)
        patches = _of_files(pattern or "", source.file)
    found: list[tuple[str, str, Limit | None, str]] = []
    for name, operations in tracked(patches, "limits"):

        def compute(name: str = name, operations: Callable[[], Any] = operations) -> Limit:
            patch = operations()
            digests[name] = digest(patch)
            like = likelihood(apply_patch(base, patch, name), source, name)
            return upper_limit(like, poi, level=level, **taken)

        found.append((name, *_attempt(compute)))
    limits = [limit for _, _, limit, _ in found]
    toys = any(limit is not None and limit.method == "toys" for limit in limits)
    result = Grid(
        poi=poi or next((limit.poi for limit in limits if limit is not None), None),
        level=level,
        patches=tuple(name for name, *_ in found),
        observed=np.array([np.nan if m is None else m.observed for m in limits]),
        expected=np.array([np.full(5, np.nan) if m is None else m.expected for m in limits]),
        methods=tuple("" if m is None else m.method for m in limits),
        error=np.array([np.nan if m is None else m.error for m in limits]),
        expected_error=np.array([no_errors() if m is None else m.expected_error for m in limits]),
        statuses=tuple(status for _, status, _, _ in found),
        messages=tuple(message for *_, message in found),
        notes=_summed([(name, limit) for name, _, limit, _ in found if limit is not None]),
        reason=AUTO if auto else "",
        provenance=provenance({}, how["key"] if toys else None),
    )
    labelled = [(name, limit) for name, _, limit, _ in found if limit is not None]
    pictures = {"limit": Picture(labelled)} if labelled else {}
    return answer(result, source, digests, pictures=pictures)


def _attempt(compute: Callable[[], Limit]) -> tuple[str, Limit | None, str]:
    """Status, limit and message of one patch."""
    try:
        limit = compute()
        return limit.status.name.lower(), limit, limit.message
    except InputError as error:
        return BAD_INPUT, None, str(error)
    except Exception as error:  # one patch must not cost the others their limits
        if os.environ.get("NEYMAN_DEBUG"):
            raise
        return INTERNAL, None, f"{type(error).__name__}: {error}"


def _of_set(source: Source, base: Any) -> list[Patch]:
    return [
        (patch.metadata.name, lambda patch=patch: patch.patch)
        for patch in patch_set(source, base).patches
    ]


def _of_files(pattern: str, workspace: str) -> list[Patch]:
    """The files that match, in order of their names; the workspace itself is no patch."""
    pattern = os.path.join(pattern, "*.json") if os.path.isdir(pattern) else pattern
    paths = [
        path
        for path in sorted(glob.glob(pattern, recursive=True))
        if os.path.isfile(path) and not os.path.samefile(path, workspace)
    ]
    if not paths:
        raise InputError(f"--patches {pattern}", "matches no file", "quote it: 'DIR/*.json'")
    names = [os.path.basename(path) for path in paths]
    labels = names if len(set(names)) == len(names) else paths
    return [(label, lambda path=path: read_json(path)) for label, path in zip(labels, paths)]


def _summed(found: list[tuple[str, Limit]]) -> tuple[Note, ...]:
    """One note for each status, with the number of patches that have it and the first."""
    by_status: dict[Status, list[str]] = {}
    for name, limit in found:
        for status in {note.status for note in limit.notes}:
            first = next(note for note in limit.notes if note.status is status)
            by_status.setdefault(status, []).append(f"{name}: {first.place}")
    return tuple(
        Note(status, f"{len(places)} of {len(found)} patches, e.g. {places[0]}")
        for status, places in sorted(by_status.items())
    )
