"""Variations as HistFactory takes them: sums that are exact, and yields that stay positive."""

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neyman.likelihoods.xenon.variations import LEFT, MOST, varied

CELLS = 60


def peaks(shift: float, width: float) -> np.ndarray:
    """A peak over `CELLS` cells, whose tails vary by large factors as it moves."""
    x = np.linspace(-6.0, 6.0, CELLS)
    return 50.0 * np.exp(-0.5 * ((x - shift) / width) ** 2) / width


NOMINAL = peaks(0.0, 1.0)
SIDES = {
    "shift": (peaks(-0.3, 1.0), peaks(0.3, 1.0)),
    "width": (peaks(0.0, 0.9), peaks(0.0, 1.1)),
    "rate": (0.8 * NOMINAL, 1.3 * NOMINAL),
}


def yields(groups, alphas: dict[str, float]) -> np.ndarray:
    """What pyhf expects in the cells."""
    samples = [
        {"name": f"s{i}", "data": g.nominal, "modifiers": g.modifiers} for i, g in enumerate(groups)
    ]
    samples[0]["modifiers"] = [*samples[0]["modifiers"], MU]
    spec = {"channels": [{"name": "c", "samples": samples}]}
    model = pyhf.Model(spec, poi_name="mu", validate=True)
    pars = [alphas.get(name, 1.0 if name == "mu" else 0.0) for name in model.config.par_order]
    return np.asarray(model.expected_actualdata(pars))


MU = {"name": "mu", "type": "normfactor", "data": None}


@pytest.fixture(scope="module")
def groups():
    return varied(NOMINAL, SIDES)


def test_cells_are_in_one_group_each(groups):
    together = np.array([g.nominal for g in groups])
    assert 1 < len(groups) <= 1 + MOST
    np.testing.assert_array_equal(together.sum(axis=0), NOMINAL)
    assert np.all(np.sum(together > 0, axis=0) == 1)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("side", [0, 1])
def test_one_width_away_it_is_the_template(groups, name, side):
    """The sum exactly; seven tenths of the events cell by cell."""
    found, exact = yields(groups, {name: 2.0 * side - 1.0}), SIDES[name][side]
    assert found.sum() == pytest.approx(exact.sum(), rel=1e-10)
    same = np.abs(found - exact) < 1e-9 * exact.max()
    assert exact[same].sum() > 0.7 * exact.sum()
    np.testing.assert_allclose(found, exact, atol=0.01 * exact.max())


@given(st.fixed_dictionaries({name: st.floats(-1.0 / LEFT, 1.0 / LEFT) for name in SIDES}))
def test_yields_stay_positive_where_histosys_alone_do_not(alphas):
    assert np.all(yields(varied(NOMINAL, SIDES), alphas) >= -1e-12)


def test_histosys_alone_would_be_negative():
    parts = [(SIDES["shift"][1] - NOMINAL) / LEFT, (SIDES["width"][0] - NOMINAL) / LEFT]
    assert np.min(NOMINAL + sum(parts)) < -0.1


def test_a_source_that_nothing_moves_is_one_group():
    (group,) = varied(NOMINAL, {"other": (NOMINAL, NOMINAL)})
    assert group.modifiers == []
    np.testing.assert_array_equal(group.nominal, NOMINAL)


@pytest.mark.parametrize("sides", [{}, {"a": (np.zeros(3), np.zeros(3))}], ids=["none", "empty"])
def test_a_source_without_events(sides):
    (group,) = varied(np.zeros(3), sides)
    assert group.nominal == [0.0, 0.0, 0.0] and group.modifiers == []


def test_a_cell_that_appears_only_when_moved():
    """What is nothing nominally stays nothing: what moves into it is not counted."""
    nominal = np.array([10.0, 0.0])
    groups = varied(nominal, {"a": (np.array([9.0, 0.5]), np.array([11.0, 0.5]))})
    assert yields(groups, {"a": 1.0}) == pytest.approx([11.0, 0.0])


def test_where_every_cell_is_steep_there_is_no_empty_sample():
    nominal = np.array([10.0, 5.0, 0.0])
    groups = varied(nominal, {"a": (0.1 * nominal, 1.9 * nominal)})
    assert len(groups) == 1
    assert yields(groups, {"a": 1.0}) == pytest.approx(1.9 * nominal)
    assert yields(groups, {"a": -1.0}) == pytest.approx(0.1 * nominal)


def test_a_source_that_vanishes_on_one_side():
    groups = varied(np.array([4.0, 6.0]), {"a": (np.zeros(2), np.array([8.0, 12.0]))})
    for alpha in (-3.0, -1.0, 0.5):
        assert 0.0 <= yields(groups, {"a": alpha}).sum() < 20.0
