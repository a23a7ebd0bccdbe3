"""combine, rename, prune, sort and digest against pyhf.Workspace's methods."""

import copy
import itertools

import pyhf
import pytest

from neyman.likelihoods.histfactory import edit
from neyman.likelihoods.load import load
from neyman.status import InputError
from tests.contracts.models import WORKSPACE


def other():
    """A second workspace: other channels, its own measurement, the same lumi."""
    names = {"SR": "SR2", "CR": "CR2"}
    return edit.rename(
        WORKSPACE, channels=names, modifiers={"gamma": "gamma2", "staterror_CR": "staterror_CR2"}
    )


def test_rename_equals_pyhf():
    kinds = {
        "channels": {"SR": "A"},
        "samples": {"background": "bkg"},
        "modifiers": {"mu": "mu_sig", "lumi": "lumi"},
        "measurements": {"measurement": "m"},
    }
    assert edit.rename(WORKSPACE, **kinds) == dict(pyhf.Workspace(WORKSPACE).rename(**kinds))


@pytest.mark.parametrize(
    "kinds",
    [
        {"channels": ["CR"]},
        {"samples": ["signal"]},
        {"modifiers": ["scale", "lumi"]},
        {"modifier_types": ["shapesys", "staterror"]},
        {"modifiers": ["mu"]},
    ],
)
def test_prune_equals_pyhf(kinds):
    document = copy.deepcopy(WORKSPACE)
    second = copy.deepcopy(document["measurements"][0])
    document["measurements"].append(second | {"name": "second"})
    if kinds == {"modifiers": ["mu"]}:
        pruned = edit.prune(document, **kinds)
        assert pruned["measurements"][0]["config"]["poi"] == ""
        return
    assert edit.prune(document, **kinds) == dict(pyhf.Workspace(document).prune(**kinds))


@pytest.mark.parametrize(
    ("join", "merge"),
    list(itertools.product(["outer", "left outer", "right outer"], [False, True])),
)
def test_combine_equals_pyhf(join, merge):
    right = copy.deepcopy(other())
    right["channels"].append(copy.deepcopy(WORKSPACE["channels"][0]))
    right["observations"].append(copy.deepcopy(WORKSPACE["observations"][0]))
    peer = pyhf.Workspace.combine(
        pyhf.Workspace(WORKSPACE), pyhf.Workspace(right), join=join, merge_channels=merge
    )
    ours = edit.combine(WORKSPACE, right, join=join, merge_channels=merge)
    assert edit.sort(ours) == edit.sort(dict(peer))


def test_combine_without_a_join():
    right = edit.rename(other(), measurements={"measurement": "second"})
    peer = pyhf.Workspace.combine(pyhf.Workspace(WORKSPACE), pyhf.Workspace(right))
    ours = edit.combine(WORKSPACE, right)
    assert edit.sort(ours) == edit.sort(dict(peer))
    assert len(load(ours).parameters) > len(load(WORKSPACE).parameters)


@pytest.mark.parametrize("join", ["none", "outer"])
def test_what_cannot_be_combined(join):
    right = copy.deepcopy(WORKSPACE)
    right["channels"][0]["samples"][0]["data"][0] = 4.0
    with pytest.raises(InputError, match=r"channel 'SR': is in both workspaces.*rename"):
        edit.combine(WORKSPACE, right, join=join)
    with pytest.raises(InputError, match="join 'inner': unknown; known are"):
        edit.combine(WORKSPACE, right, join="inner")


def test_sort_and_digest_equal_pyhf():
    shuffled = WORKSPACE | {"channels": WORKSPACE["channels"][::-1]}
    assert edit.sort(shuffled) == dict(pyhf.Workspace.sorted(pyhf.Workspace(shuffled)))
    assert edit.digest(WORKSPACE) == pyhf.utils.digest(WORKSPACE)


@pytest.mark.parametrize("verb", [edit.rename, edit.prune])
@pytest.mark.parametrize("kind", ["channels", "samples", "modifiers", "measurements"])
def test_unknown_names_are_named(verb, kind):
    with pytest.raises(InputError, match=f"{kind[:-1]} 'nonsense': unknown; known are"):
        verb(WORKSPACE, **{kind: {"nonsense": "x"}})


def test_nothing_is_changed_in_place():
    before = copy.deepcopy(WORKSPACE)
    edit.rename(WORKSPACE, channels={"SR": "A"})
    edit.prune(WORKSPACE, channels=["CR"])
    edit.sort(WORKSPACE)
    edit.combine(WORKSPACE, WORKSPACE, join="outer")
    assert before == WORKSPACE


def test_nothing_left():
    with pytest.raises(InputError, match="would all be pruned"):
        edit.prune(WORKSPACE, channels=["SR", "CR"])
