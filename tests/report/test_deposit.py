"""Metadata for uploads: every field that is known, none that is not; what the archives ask for.

The whole folder is checked with HEPData's own validator where `hepdata-validator` is installed.
"""

import json
import math

import pytest
import yaml

from neyman.io.strict_json import read_json
from neyman.likelihoods.surrogate import file
from neyman.report import surrogate_card
from neyman.report.about import ABOUT, check_about
from neyman.status import InputError
from tests.likelihoods.surrogate.surrogates import graph_and_card


@pytest.fixture
def published(tmp_path, given):
    """The folder of a surrogate whose file says `about`, and its Zenodo metadata."""

    def published(about):
        file.write(tmp_path / "g.onnx", *graph_and_card(about=about))
        surrogate_card.write(tmp_path / "out", tmp_path / "g.onnx", given.validation)
        return tmp_path / "out", read_json(tmp_path / "out" / ".zenodo.json")

    return published


def submission(folder):
    """The documents of submission.yaml, as HEPData's reader gets them."""
    head, *tables = yaml.safe_load_all((folder / "submission.yaml").read_text())
    return head, tables


def test_zenodo_has_what_is_known(published):
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
    assert published(about)[1] == {
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


def test_nothing_is_invented(published):
    folder, zenodo = published({})
    empty = {key: zenodo[key] for key in ("title", "license", "doi", "keywords", "creators")}
    assert empty == {
        "title": "", "license": "", "doi": "", "keywords": [],
        "creators": [{"name": "", "affiliation": ""}],
    }  # fmt: skip
    assert not {"version", "references", "related_identifiers"} & set(zenodo)
    head, tables = submission(folder)
    assert "record_ids" not in head
    assert all("license" not in row for row in head["additional_resources"])
    assert all(not k["values"] for table in tables for k in table["keywords"])


def test_hepdata_names_every_file(published, given):
    folder, _ = published({"licence": "CC0-1.0", "inspire": "1234", "keywords": "limits"})
    head, tables = submission(folder)
    assert head["record_ids"] == [{"type": "inspire", "id": "1234"}]
    resources = {row["location"]: row for row in head["additional_resources"]}
    files = {table["data_file"] for table in tables}
    assert {"submission.yaml"} | set(resources) | files == {p.name for p in folder.iterdir()}
    licence = {"name": "CC0-1.0", "url": "https://spdx.org/licenses/CC0-1.0.html"}
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


@pytest.mark.parametrize("name", ["all rights reserved", "", "x" * 65, "a/b", "\x1b[0m"])
def test_a_licence_in_words_gets_no_address(published, name):
    folder, zenodo = published({"licence": name})
    assert zenodo["license"] == name
    assert "spdx.org" not in (folder / "submission.yaml").read_text()


def test_hepdata_accepts_it(published):
    """Also with names that YAML could take for something else."""
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    folder, _ = published(
        {"description": "- a: [b, 'c'] # d\n...\n---\n&x *y !!z é\t", "title": "n"}
    )
    check = validator.FullSubmissionValidator()
    assert check.validate(directory=str(folder)), check.get_messages()


def test_yaml_reads_what_was_written(published):
    for text in ("- a: [b, 'c'] # d", "yes", "1e5", "~", "é\u2028\x85\t\\", "...\n---\n"):
        folder, _ = published({"description": text})
        assert submission(folder)[0]["comment"] == text


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
    assert all(ABOUT.values()) and json.dumps(ABOUT)
