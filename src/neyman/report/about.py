"""What the authors of a surrogate say of it: text that its file, its card and its record carry."""

from collections.abc import Mapping
from typing import Any

from neyman.status import InputError

ABOUT = {
    "title": "of the record",
    "authors": "Family, Given; Family, Given (ORCID)",
    "licence": "its SPDX identifier, e.g. CC-BY-4.0",
    "doi": "of the record, once it has one",
    "citation": "how to cite it",
    "description": "a paragraph",
    "keywords": "separated by semicolons",
    "version": "of the record",
    "related": "what it belongs to: DOIs or arXiv:.. separated by semicolons",
    "inspire": "number of the paper's record in INSPIRE, for HEPData",
}
"""The keys of [about] in a job, and what they mean."""


def check_about(about: Mapping[str, Any], place: str = "about") -> None:
    """Refuse keys that are not known, and values that are no text.

    Raises:
        InputError: with the key, as in `about.licence`.
    """
    for key, value in about.items():
        if key not in ABOUT:
            raise InputError(f"{place}.{key}", "is not known", f"known are {', '.join(ABOUT)}")
        if not isinstance(value, str):
            raise InputError(f"{place}.{key}", "is no text", f"put it in quotes ({ABOUT[key]})")
