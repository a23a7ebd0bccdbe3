"""pyhf patch sets: one background-only workspace, a grid of signal patches, and digests.

The format is pyhf's `patchset.json` 1.0.0 (HEPData publishes likelihoods in it): `metadata`
names the axes of the grid (`labels`) and the digests of the workspace that the patches are
for; each patch has a name and its values on the axes.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import msgspec

from neyman.io.bounded import Pathlike
from neyman.io.json_patch import apply_patch
from neyman.io.provenance import digest
from neyman.io.strict_json import read_json
from neyman.status import InputError

Value = float | int | str


class PatchMetadata(msgspec.Struct, frozen=True):
    name: str
    values: tuple[Value, ...]


class Patch(msgspec.Struct, frozen=True):
    """One signal: JSON patch operations under a name and a point of the grid."""

    metadata: PatchMetadata
    patch: list[dict[str, Any]]


class Metadata(msgspec.Struct, frozen=True):
    labels: tuple[str, ...]
    digests: dict[str, str]
    description: str = ""
    references: dict[str, str] = {}


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metadata: Metadata
    patches: tuple[Patch, ...]
    version: str


@dataclasses.dataclass(frozen=True)
class PatchSet:
    """Patches by name (`select("sbottom_600_280_150")`) and by values (`(600, 280, 150)`)."""

    name: str
    metadata: Metadata
    patches: tuple[Patch, ...]
    by_key: dict[str | tuple[Value, ...], Patch] = dataclasses.field(repr=False)

    def select(self, key: str | Sequence[Value]) -> Patch:
        """The patch of that name or at those values; unknown: an error with near names."""
        key = key if isinstance(key, str) else tuple(key)
        if key in self.by_key:
            return self.by_key[key]
        names = [patch.metadata.name for patch in self.patches]
        wanted = key if isinstance(key, str) else "_".join(map(str, key))
        near = difflib.get_close_matches(wanted, names, 3, 0.5) or names[:3]
        problem = f"none of its {len(names)} patches is {key!r}"
        raise InputError(self.name, problem, f"choose e.g. {', '.join(near)}")

    def verify(self, workspace: Any) -> None:
        """Refuse a workspace whose digests are not those that the patch set was made for."""
        for algorithm, expected in self.metadata.digests.items():
            found = digest(workspace, algorithm)
            if found != expected.lower():
                problem = f"is for a workspace of {algorithm} {expected}, this one has {found}"
                raise InputError(self.name, problem, "use the workspace published with it")

    def apply(self, workspace: Any, key: str | Sequence[Value]) -> Any:
        """The verified workspace with one patch applied."""
        self.verify(workspace)
        patch = self.select(key)
        return apply_patch(workspace, patch.patch, f"{self.name}, patch {patch.metadata.name}")


def read_patchset(path: Pathlike) -> PatchSet:
    """A patch set from a `.json` or `.json.gz` file."""
    return parse_patchset(read_json(path), str(path))


def parse_patchset(document: Any, name: str = "patchset") -> PatchSet:
    """A patch set from a document; `name` is what errors call it."""
    try:
        content = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise InputError(name, str(error), "see pyhf's patchset.json") from None
    _check_metadata(content, name)
    by_key: dict[str | tuple[Value, ...], Patch] = {}
    for index, patch in enumerate(content.patches):
        place = f"{name} at patches[{index}].metadata"
        if len(patch.metadata.values) != len(content.metadata.labels):
            problem = f"{len(patch.metadata.values)} values"
            raise InputError(place, problem, f"give {len(content.metadata.labels)}, as labels")
        for key in (patch.metadata.name, patch.metadata.values):
            if key in by_key:
                raise InputError(place, f"{key!r} is met again", "name each patch once")
            by_key[key] = patch
    return PatchSet(name, content.metadata, content.patches, by_key)


def _check_metadata(content: _Document, name: str) -> None:
    if content.version != "1.0.0":
        raise InputError(f"{name} at version", f"{content.version!r} is unknown", "use 1.0.0")
    digests = content.metadata.digests
    if not digests or not digests.keys() <= {"md5", "sha256"}:
        problem = f"the algorithms are {', '.join(digests) or 'none'}"
        raise InputError(f"{name} at metadata.digests", problem, "give sha256, md5 or both")
