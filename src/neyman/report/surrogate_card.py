"""The folder that goes with a surrogate when it is published.

NAME.onnx          the likelihood, complete in itself
model_card.html    for people; model_card.json for programs
evaluate.py        log L with numpy and onnxruntime alone
*.png              the pictures of the card
.zenodo.json       metadata for an upload to Zenodo
submission.yaml    the same for HEPData, with its tables (*.yaml)
"""

import pathlib
from collections.abc import Mapping
from typing import Any

from neyman.io.bounded import read_raw
from neyman.io.provenance import provenance as record
from neyman.io.store import made_folder, write_atomic
from neyman.io.strict_json import dump_json
from neyman.likelihoods.surrogate import file
from neyman.report.card import Card
from neyman.report.card_sections import card_sections
from neyman.report.deposit import hepdata, zenodo
from neyman.report.page import page
from neyman.report.script import check_name, script
from neyman.status import InputError

FOLDER = "card"
"""What it is called in a folder of --out."""
JSON, HTML, SCRIPT = "model_card.json", "model_card.html", "evaluate.py"


def write(
    folder: str | pathlib.Path,
    onnx: str | pathlib.Path,
    validation: Mapping[str, Any] | None = None,
    history: Mapping[str, Any] | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> Card:
    """Write the folder of a surrogate; each file is whole or absent.

    Args:
        folder: is made where it is absent.
        onnx: the surrogate's file, which is copied unless it is in the folder. Title, authors,
            licence and the like are what it says `about` itself, see `about.ABOUT`.
        validation: what `jobs.validate.validate` measured.
        history: what `likelihoods.surrogate.train.history` says.
        provenance: as `neyman.io.provenance.provenance` makes it; by default that of the digests
            which the file names.

    Raises:
        InputError: the file is none that neyman wrote, or has no plain name; a document is
            something else; the folder cannot be written.
    """
    onnx, folder = pathlib.Path(onnx), made_folder(folder)
    check_name(onnx.name)
    data, like = read_raw(onnx), file.likelihood(onnx)
    made = provenance or record(like.card.digests)
    card = Card(onnx.name, len(data), like, validation, history, made)
    if not card.self_contained:
        problem = "does not name its parameters, so it cannot be published alone"
        raise InputError(onnx.name, problem, "publish it with its .json file")
    files = contents(card)
    if onnx.resolve() != (folder / onnx.name).resolve():
        write_atomic(folder / onnx.name, data)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return card


def contents(card: Card) -> dict[str, bytes]:
    """The files beside the ONNX file, by name."""
    pictures = {f"{key}.png": picture for key, picture in card.pictures.items()}
    for_zenodo = zenodo(card)
    told = {
        card.name: "The likelihood: ONNX, theta to log L.",
        HTML: "The model card: what it is, its errors, its domain, its making.",
        JSON: "The same for programs.",
        SCRIPT: "Evaluates the likelihood with numpy and onnxruntime.",
        **dict.fromkeys(for_zenodo, "The metadata of the record for Zenodo."),
        **{key: caption for key, (_, caption) in pictures.items()},
    }
    return {
        HTML: page(card.title, card_sections(card)),
        JSON: (dump_json(card.to_json(), indent=1) + "\n").encode(),
        SCRIPT: script(card.name, card.like.poi).encode(),
        **{key: png for key, (png, _) in pictures.items()},
        **for_zenodo,
        **hepdata(card, told),
    }
