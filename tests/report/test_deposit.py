"""Metadata for uploads: every field that is known, none that is not; what the archives ask for.

The whole folder is checked with HEPData's own validator where `hepdata-validator` is installed.
"""

import dataclasses
import math

import pytest
import yaml

from neyman.io.strict_json import parse_json
from neyman.report.about import ABOUT, check_about
from neyman.report.card import Card
from neyman.report.deposit import hepdata, zenodo
from neyman.status import InputError


@pytest.fixture
def described(given):
    """The card of a surrogate whose file says `about`."""

    def described(about):
        like = dataclasses.replace(
            given.like, card=dataclasses.replace(given.like.card, about=about)
        )
        return Card("g.onnx", 1, like, given.validation)

    return described


def of_zenodo(card):
    return parse_json(zenodo(card)[".zenodo.json"])


def submission(documents):
    """The documents of submission.yaml, as HEPData's reader gets them."""
    head, *tables = yaml.safe_load_all(documents["submission.yaml"])
    return head, tables


def test_zenodo_has_what_is_known(described):
    about = {
        "title": "A search",
        "authors": "Neyman, Jerzy; Pearson, Egon (0000-0002-1825-0097)",
        "licence": "CC-BY-4.0",
        "doi": "10.5281/zenodo.1",
        "citation": "N. and P. (1933)",
        "description": "Much <less> than",
        "keywords": "limits; likelihoods",
        "version": "1.1",
        "related": "arXiv:1911.03305; 10.1000/x",
    }
    assert of_zenodo(described(about)) == {
        "title": "A search",
        "upload_type": "dataset",
        "description": "<p>Much &lt;less&gt; than</p>",
        "creators": [
            {"name": "Neyman, Jerzy", "affiliation": ""},
            {"name": "Pearson, Egon", "affiliation": "", "orcid": "0000-0002-1825-0097"},
        ],
        "access_right": "open",
        "license": "CC-BY-4.0",
        "doi": "10.5281/zenodo.1",
        "keywords": ["limits", "likelihoods"],
        "related_identifiers": [
            {"identifier": "arXiv:1911.03305", "relation": "isSupplementTo"},
            {"identifier": "10.1000/x", "relation": "isSupplementTo"},
        ],
        "version": "1.1",
        "references": ["N. and P. (1933)"],
    }


def test_nothing_is_invented(described):
    found = of_zenodo(described({}))
    empty = {key: found[key] for key in ("title", "license", "doi", "keywords", "creators")}
    assert empty == {
        "title": "", "license": "", "doi": "", "keywords": [],
        "creators": [{"name": "", "affiliation": ""}],
    }  # fmt: skip
    assert not {"version", "references", "related_identifiers"} & set(found)
    head, tables = submission(hepdata(described({}), {"g.onnx": "the file"}))
    assert "record_ids" not in head
    assert all("license" not in row for row in head["additional_resources"])
    assert all(not k["values"] for table in tables for k in table["keywords"])


def test_hepdata_names_every_file(folder, given):
    head, tables = submission({"submission.yaml": (folder / "submission.yaml").read_bytes()})
    assert "record_ids" not in head
    resources = {row["location"]: row for row in head["additional_resources"]}
    files = {table["data_file"] for table in tables}
    assert {"submission.yaml"} | set(resources) | files == {p.name for p in folder.iterdir()}
    licence = {"name": "CC-BY-4.0", "url": "https://spdx.org/licenses/CC-BY-4.0.html"}
    assert all(row["license"] == licence and row["description"] for row in resources.values())
    for table in tables:
        assert set(table) == {
            "name", "location", "description", "keywords", "data_file", "data_license",
        }  # fmt: skip
        assert len(table["name"]) <= 64
        document = yaml.safe_load((folder / table["data_file"]).read_text())
        columns = document["independent_variables"] + document["dependent_variables"]
        assert len({len(column["values"]) for column in columns}) == 1
    profile = yaml.safe_load((folder / "profile.yaml").read_text())
    measured = given.validation["profile"]["mu"]
    assert [row["value"] for row in profile["independent_variables"][0]["values"]] == (
        measured["values"]
    )
    assert [row["value"] for row in profile["dependent_variables"][1]["values"]] == (
        measured["surrogate"]
    )
    limits = yaml.safe_load((folder / "limits.yaml").read_text())
    assert limits["dependent_variables"][1]["values"][-1] == {"value": "-"}


def test_hepdata_has_the_papers_record(described):
    head, _ = submission(hepdata(described({"inspire": "1234"}), {}))
    assert head["record_ids"] == [{"type": "inspire", "id": "1234"}]


@pytest.mark.parametrize("name", ["all rights reserved", "", "x" * 65, "a/b", "\x1b[0m"])
def test_a_licence_in_words_gets_no_address(described, name):
    card = described({"licence": name})
    assert of_zenodo(card)["license"] == name
    assert b"spdx.org" not in hepdata(card, {"g.onnx": "the file"})["submission.yaml"]


def test_hepdata_accepts_the_folder(folder):
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    check = validator.FullSubmissionValidator()
    assert check.validate(directory=str(folder)), check.get_messages()


@pytest.mark.parametrize(
    "text",
    [
        "- a: [b, 'c'] # d",
        "yes",
        "1e5",
        "~",
        "é\u2028\x85\t\\",
        "😀😀\x7f\\ud83d\\ude00",
        "...\n---\n&x *y !!z",
    ],
)
def test_yaml_reads_what_was_written(described, text):
    assert submission(hepdata(described({"description": text}), {text: text}))[0] == {
        "comment": text,
        "additional_resources": [{"location": text, "description": text}],
    }


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"author": "x"}, "about.author: is not known; known are title, authors"),
        ({"doi": 3}, "about.doi: is no text"),
        ({"keywords": ["a"]}, r"about.keywords: is no text; put it in quotes"),
        ({"version": math.nan}, "about.version: is no text"),
    ],
)
def test_about_is_checked(about, said):
    with pytest.raises(InputError, match=said):
        check_about(about)


def test_about_is_documented():
    check_about(dict.fromkeys(ABOUT, "x"))
    assert all(ABOUT.values())
