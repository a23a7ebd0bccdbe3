"""Patch sets: found by name and values, verified by digest, as pyhf does."""

import copy

import pytest

from neyman.io.patchset import parse_patchset, read_patchset
from neyman.io.provenance import digest
from neyman.io.strict_json import write_json
from neyman.status import InputError

WORKSPACE = {"channels": [{"name": "SR", "data": [1.0, 2, 1e-7]}], "label": "m\u00fc", "b": 2**70}


def document():
    names = [(f"sbottom_{x}_{y}", [x, y]) for x in (600, 700) for y in (131.5, "heavy")]
    names = [(name.replace(".", "p"), values) for name, values in names]
    return {
        "version": "1.0.0",
        "metadata": {
            "labels": ["m_sbottom", "m_N2"],
            "digests": {a: digest(WORKSPACE, a) for a in ("md5", "sha256")},
            "description": "a grid",
            "references": {"hepdata": "ins1234567"},
            "analysis_id": "additional keys are allowed here",
        },
        "patches": [
            {
                "metadata": {"name": name, "values": values},
                "patch": [{"op": "add", "path": "/channels/0/data/-", "value": values[0]}],
            }
            for name, values in names
        ],
    }


def test_read_select_apply(tmp_path):
    write_json(tmp_path / "set.json", document())
    patchset = read_patchset(tmp_path / "set.json")
    assert patchset.metadata.labels == ("m_sbottom", "m_N2")
    patch = patchset.select("sbottom_700_131p5")
    assert patch is patchset.select((700, 131.5)) is patchset.select([700.0, 131.5])
    assert patchset.select((600, "heavy")).metadata.name == "sbottom_600_heavy"
    result = patchset.apply(WORKSPACE, "sbottom_700_131p5")
    assert result["channels"][0]["data"] == [1.0, 2, 1e-7, 700]


@pytest.mark.parametrize("key", ["sbottom_700_132", (700, 132)])
def test_an_unknown_patch_lists_near_names(key):
    with pytest.raises(InputError, match=r"none of its 4 patches is .*; choose e.g. sbottom_700"):
        parse_patchset(document()).select(key)


def test_another_workspace_is_refused():
    patchset = parse_patchset(document(), "set.json")
    patchset.verify(copy.deepcopy(WORKSPACE))
    with pytest.raises(InputError, match=r"set\.json: is for a workspace of md5"):
        patchset.apply(WORKSPACE | {"label": "mu"}, "sbottom_600_heavy")


def test_errors_of_a_patch_name_it():
    content = document()
    content["patches"][1]["patch"][0]["path"] = "/chanels/0"
    with pytest.raises(
        InputError, match=r"patch sbottom_600_heavy: operation 0 \(add /chanels/0\)"
    ):
        parse_patchset(content).apply(WORKSPACE, "sbottom_600_heavy")


def put(path, value):
    def change(content):
        *parents, last = path
        for key in parents:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put(["patches", 2, "metadata", "name"], 3),
            r"patches\[2\]\.metadata\.name|patches\[...\]",
        ),
        (put(["patches", 2, "metadata", "name"], "sbottom_600_heavy"), r"patches\[2\].* met again"),
        (put(["patches", 2, "metadata", "values"], [600, "heavy"]), r"patches\[2\].* met again"),
        (put(["patches", 0, "metadata", "values"], [1]), r"patches\[0\].*: 1 values; give 2"),
        (put(["patches", 0, "patch"], {}), "Expected `array`"),
        (put(["metadata", "digests"], {}), "the algorithms are none"),
        (put(["metadata", "digests"], {"crc": "0"}), "the algorithms are crc"),
        (
            put(["metadata", "labels"], "x"),
            r"Expected `array`, got `str` - at `\$\.metadata\.labels`",
        ),
        (put(["version"], "2.0.0"), "version: '2.0.0' is unknown"),
        (put(["patchs"], []), "unknown field `patchs`"),
    ],
)
def test_what_is_no_patchset_is_refused(change, message):
    content = document()
    change(content)
    with pytest.raises(InputError, match=message):
        parse_patchset(content)


@pytest.mark.parametrize("content", [[], None, {}, 3, "x"])
def test_other_documents_are_refused(content):
    with pytest.raises(InputError):
        parse_patchset(content)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_digests_are_those_of_pyhf(algorithm):
    utils = pytest.importorskip("pyhf.utils")
    assert digest(WORKSPACE, algorithm) == utils.digest(WORKSPACE, algorithm)
