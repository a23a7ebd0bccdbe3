"""Pictures of coverage and calibration: files, what is shown, hostile values."""

import dataclasses

import matplotlib
import numpy as np
import pytest
from scipy.stats import binom

from neyman.inference.coverage import coverage
from neyman.inference.ranks import calibrate_draws
from neyman.likelihoods.counting import counting
from neyman.model import Data
from neyman.plots import plot
from neyman.plots.calibration import binomial_band
from neyman.status import Note, Status

OPTIONS = {"covered": {}, "calibrated": {"top": 1}}


@pytest.fixture(scope="module")
def covered():
    model = counting([1.0], [3.0], bounds=(0.0, 50.0))
    outcomes = Data(np.arange(64.0)[:, None], np.zeros((64, 0)))
    return coverage(model, at={"mu": [1.0, 2.0, 5.0]}, outcomes=outcomes)


@pytest.fixture(scope="module")
def calibrated():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(1_000, 4))
    widths = np.array([1.0] * 3 + [0.5])
    draws = z[:, None] + rng.normal(size=(1_000, 99, 4)) * widths
    return calibrate_draws(np.zeros((1_000, 4)), draws)


def words(figure) -> str:
    figure.canvas.draw()
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
@pytest.mark.parametrize("kind", ["covered", "calibrated"])
def test_files_are_reproducible(request, tmp_path, kind, suffix):
    paths = [tmp_path / f"{k}.{suffix}" for k in (1, 2)]
    for path in paths:
        plot(request.getfixturevalue(kind), path, title="a title", **OPTIONS[kind])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_coverage_shows_levels_and_truths(covered):
    figure = plot(covered, labels={"mu": r"$\mu$"})
    assert all(part in words(figure) for part in ("68.27 %", "95 %", r"true $\mu$", "enumeration"))
    (axes,) = figure.axes
    drawn = axes.containers[0].lines[0]
    np.testing.assert_array_equal(drawn.get_xdata(), [1.0, 2.0, 5.0])
    np.testing.assert_array_equal(drawn.get_ydata(), covered.values[:, 0])


def test_missing_coverage_is_said(covered):
    values = covered.values.copy()
    values[1, 0] = np.nan
    notes = (Note(Status.EVERY_TOY_FAILED, "mu = 2"),)
    text = words(plot(dataclasses.replace(covered, values=values, notes=notes)))
    assert "1 values are missing" in text and "no data set is left" in text
    nothing = np.full_like(values, np.nan)
    empty = dict.fromkeys(("values", "errors", "lower", "upper"), nothing)
    assert "9 values are missing" in words(plot(dataclasses.replace(covered, **empty)))


def test_calibration_shows_the_worst_first(calibrated):
    figure = plot(calibrated, top=2)
    assert "2 more parameters are not drawn" in words(figure)
    assert figure.axes[0].get_ylabel() == "theta[3]"
    assert len(figure.axes) == 6
    assert "too narrow" in words(figure)


def test_calibration_without_ranks(calibrated):
    nothing = {name: np.full_like(getattr(calibrated, name), np.nan) for name in ("ranks", "p")}
    assert words(plot(dataclasses.replace(calibrated, **nothing), top=1))


def test_band_holds_99_per_cent():
    for n, p in ((4_000, 0.05), (100, 0.05), (20, 0.1)):
        low, high = binomial_band(n, p)
        assert binom.cdf(high, n, p) - binom.cdf(low - 1, n, p) >= 0.99
        assert binom.cdf(low - 1, n, p) <= 0.005 and binom.sf(high, n, p) <= 0.005
