"""Metadata with which a surrogate's folder can be uploaded to Zenodo or to HEPData.

`.zenodo.json` has the fields of Zenodo's deposit metadata; `submission.yaml` and its tables those
of a HEPData submission (JSON is YAML, so each document is one). What the author did not say stays
empty, to be filled in: nothing is invented, a DOI least of all. See `about` for what he can say.
"""

import re
from collections.abc import Mapping
from typing import Any

from neyman.io.strict_json import dump_json
from neyman.report.card import Card, numbered
from neyman.report.card_sections import BANDS
from neyman.report.page import paragraph
from neyman.report.validation import LimitErrors, Numbers, ProfileErrors

ORCID = re.compile(r"\s*\(\s*(\d{4}-\d{4}-\d{4}-\d{3}[\dX])\s*\)\s*$")
SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
Documents = dict[str, bytes]
"""Files by name."""


def zenodo(card: Card) -> Documents:
    """`.zenodo.json`."""
    about = card.like.card.about
    body: dict[str, Any] = {
        "title": about.get("title", ""),
        "upload_type": "dataset",
        "description": str(paragraph(about.get("description") or _described(card))),
        "creators": _creators(about.get("authors", "")) or [{"name": "", "affiliation": ""}],
        "access_right": "open",
        "license": about.get("licence", ""),
        "doi": about.get("doi", ""),
        "keywords": _listed(about.get("keywords", "")),
    }
    related = _listed(about.get("related", ""))
    if related:
        body["related_identifiers"] = [
            {"identifier": name, "relation": "isSupplementTo"} for name in related
        ]
    if about.get("version"):
        body["version"] = about["version"]
    if about.get("citation"):
        body["references"] = [about["citation"]]
    return {".zenodo.json": _json(body)}


def hepdata(card: Card, files: Mapping[str, str]) -> Documents:
    """`submission.yaml` and the tables it names; `files` are other files and what they are."""
    about = card.like.card.about
    licence = _licence(about.get("licence", ""))
    head: dict[str, Any] = {
        "comment": about.get("description") or _described(card),
        "additional_resources": [
            {"location": name, "description": text} | ({"license": licence} if licence else {})
            for name, text in files.items()
        ],
    }
    if about.get("inspire"):
        head["record_ids"] = [{"type": "inspire", "id": about["inspire"]}]
    tables = {}
    for i, (poi, profile) in enumerate(card.measured.profile.items()):
        tables[_numbered_file("profile", i)] = f"Profile likelihood {i + 1}", (
            f"t = -2 log L profiled along {poi}, less its minimum: exact, and by the surrogate."
        ), _of_profile(poi, profile)  # fmt: skip
    for i, (poi, limits) in enumerate(card.measured.limits.items()):
        tables[_numbered_file("limits", i)] = f"Upper limits {i + 1}", (
            f"{100 * limits.level:g} % upper limits on {poi}: exact, and by the surrogate."
        ), _of_limits(poi, limits)  # fmt: skip
    phrases = [text[:128] for text in _listed(about.get("keywords", ""))]
    keywords = [
        {"name": "reactions", "values": []},
        {"name": "observables", "values": []},
        {"name": "phrases", "values": phrases},
        {"name": "cmenergies", "values": []},
    ]
    documents = [head]
    for file, (name, text, _) in tables.items():
        row = {"name": name, "location": "", "description": text, "keywords": keywords}
        documents.append(row | {"data_file": file} | ({"data_license": licence} if licence else {}))
    submission = b"".join(b"---\n" + _json(document) for document in documents)
    return {"submission.yaml": submission} | {f: _json(body) for f, (*_, body) in tables.items()}


def _of_profile(poi: str, p: ProfileErrors) -> dict[str, Any]:
    return {
        "independent_variables": [_column(poi, p.values)],
        "dependent_variables": [_column("t, exact", p.exact), _column("t, surrogate", p.surrogate)],
    }


def _of_limits(poi: str, limits: LimitErrors) -> dict[str, Any]:
    names = BANDS[: len(limits.exact.values)]
    which = {"header": {"name": f"limit on {poi}"}, "values": [{"value": name} for name in names]}
    both = (("exact", limits.exact), ("surrogate", limits.surrogate))
    return {
        "independent_variables": [which],
        "dependent_variables": [_column(name, found.values) for name, found in both],
    }


def _column(name: str, values: Numbers) -> dict[str, Any]:
    shown = [{"value": "-" if value is None else value} for value in values]
    return {"header": {"name": name}, "values": shown}


def _numbered_file(name: str, i: int) -> str:
    return f"{numbered(name, i)}.yaml"


def _creators(authors: str) -> list[dict[str, str]]:
    found = []
    for text in _listed(authors):
        orcid = ORCID.search(text)
        row = {"name": ORCID.sub("", text), "affiliation": ""}
        found.append(row | ({"orcid": orcid[1]} if orcid else {}))
    return found


def _licence(name: str) -> dict[str, str] | None:
    """What HEPData asks of a licence, where it is called by its SPDX identifier."""
    if not SPDX.fullmatch(name):
        return None
    return {"name": name, "url": f"https://spdx.org/licenses/{name}.html"}


def _described(card: Card) -> str:
    p = card.like.parameters
    poi = f"; the parameter of interest is {card.like.poi}" if card.like.poi else ""
    return (
        f"A likelihood as one ONNX file ({card.name}): log L as a function of {len(p)}"
        f" parameters{poi}. model_card.html says how far it is from its source and where it holds,"
        " evaluate.py evaluates it with onnxruntime."
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _json(body: Any) -> bytes:
    return (dump_json(body, indent=1) + "\n").encode()
