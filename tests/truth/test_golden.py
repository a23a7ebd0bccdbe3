"""The golden figures of seven published ATLAS likelihoods, eagerly and compiled.

`golden.json` holds tight fits (projected gradient below 1e-9) whose log density equals pyhf's.
Where mu_hat = 0 its multiplicative parameters kept a floor of 1e-8, hence the wider tolerance.
"""

import functools
import json
import pathlib

import pytest

import neyman as ny
from tests.truth.test_pyhf import PUBLISHED

EAGER = [(name, False) for name in PUBLISHED]
COMPILED = [("2018_05_simplified", True), ("2018_31_B", True)]
CASES = pytest.mark.parametrize(
    ("name", "is_compiled"), EAGER + COMPILED, ids=lambda x: {False: "eager", True: "jax"}.get(x, x)
)


@functools.cache
def loaded(folder: pathlib.Path, name: str, is_compiled: bool):
    like = ny.load(folder / "histfactory" / f"atlas_susy_{name}.json.gz")
    return ny.compiled(like) if is_compiled else like


@pytest.fixture
def golden(shared_data, name):
    figures = json.loads((shared_data / "histfactory" / "golden.json").read_text())
    return figures[f"atlas_susy_{name}"]


@CASES
def test_fit(name, is_compiled, golden, shared_data):
    like = loaded(shared_data, name, is_compiled)
    best = ny.fit(like)
    assert not best.status.failed, best.message
    assert len(like.parameters) == golden["npars"]
    assert best.twice_nll == pytest.approx(golden["twice_nll"], abs=1e-6)
    assert best[like.model.poi].value == pytest.approx(golden["mu_hat"], abs=1e-5)
    null = ny.fit(like, fix={like.model.poi: 0.0})
    assert null.twice_nll == pytest.approx(golden["twice_nll_mu0"], abs=1e-6)


@CASES
def test_cls(name, is_compiled, golden, shared_data):
    test = ny.hypotest(loaded(shared_data, name, is_compiled), value=1.0, null="asymptotic")
    assert not test.status.failed, test.message
    relative = 1e-5 if golden["mu_hat"] > 0 else 1e-4
    assert test.observed == pytest.approx(golden["cls_mu1_obs"], rel=relative)
    assert test.expected == pytest.approx(golden["cls_mu1_exp"], rel=relative)


@CASES
def test_limits(name, is_compiled, golden, shared_data):
    limit = ny.upper_limit(loaded(shared_data, name, is_compiled), null="asymptotic")
    assert not limit.status.failed, limit.message
    assert limit.observed == pytest.approx(golden["ul_obs"], rel=1e-4)
    assert limit.expected == pytest.approx(golden["ul_exp"], rel=1e-4)
