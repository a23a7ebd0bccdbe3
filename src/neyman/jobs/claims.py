"""What a file claims of its errors, against what is measured.

A claim is exceeded by more than a tenth of it and `ROOM`; where a file claims nothing, or something
else was asked (another level or method of a limit), there is nothing to exceed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from neyman.status import Note, Status

ROOM = {"t": 1e-3, "limit": 1e-4, "draws": 0.05}
"""For rounding, and for the draws of another seed."""


def claim_notes(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Note, ...]:
    """A note on every error of `found`, a validation, that is larger than the `errors` of a
    file."""
    return tuple(
        Note(Status.EXCEEDS_CLAIM, f"{what}: {value:.3g}, claimed {claim:.3g}")
        for what, value, claim, room in _pairs(claimed, found)
        if value > 1.1 * claim + room
    )


def _pairs(
    claimed: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[tuple[str, float, float, float]]:
    """What there is of both: a name, what was measured and claimed, and the room between."""
    rows = []
    for poi in found.get("profile", {}):
        rows.append((f"largest error on t_{poi}", ("profile", poi, "max_error"), "t"))
    for poi in found.get("limits", {}):
        asked = [_at(document, "limits", poi) for document in (claimed, found)]
        same = [[_at(one, key) for one in asked] for key in ("level", "method")]
        if all(a == b for a, b in same):
            path = ("limits", poi, "observed_error")
            rows.append((f"error of the observed limit on {poi}", path, "limit"))
    for what, path, room in rows:
        claim, value = _at(claimed, *path), _at(found, *path)
        if _number(claim) and _number(value):
            yield what, float(value), float(claim), ROOM[room]
    path = ("weights", "effective_fraction")
    claim, value = _at(claimed, *path), _at(found, *path)
    if _number(claim) and _number(value):
        yield "ineffective part of the draws", 1.0 - value, 1.0 - claim, ROOM["draws"]


def _at(document: Any, *path: str) -> Any:
    """What stands at a path of a document that may be a stranger's; None where nothing does."""
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
