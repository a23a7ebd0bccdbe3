"""The pictures of a surrogate: what is drawn, gaps, strange names, equal bytes."""

import matplotlib.text
import numpy as np
import pytest

from neyman.plots.style import style, to_bytes
from neyman.plots.surrogate import draw_intervals, draw_profiles, draw_residuals
from neyman.plots.training import History, draw_training

MU = np.linspace(-1.0, 4.0, 11)
T = (MU - 1.4) ** 2 / 0.7
OFF = 0.02 * np.sin(3.0 * MU)
INTERVALS = np.array([[0.5, 2.2], [-0.3, 3.1], [-1.1, 3.9]])
LEVELS = [0.6827, 0.9545, 0.9973]
GAP = np.where(np.arange(11) == 4, np.nan, 1.0)
LOSS = np.exp(-np.arange(9) / 3.0)[:, None] * [1.0, 1.3]
NONE = np.full(3, np.nan)


def words(figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


DRAWN = {
    "profile": lambda: draw_profiles("mu", MU, T, T + OFF),
    "profile with a gap": lambda: draw_profiles("mu", MU, T, (T + OFF) * GAP),
    "profile of nothing": lambda: draw_profiles("mu", MU, T * np.nan, T),
    "profile of one value": lambda: draw_profiles("$x_1$ \x1b", MU[:1], T[:1], T[:1]),
    "intervals": lambda: draw_intervals("mu", LEVELS, INTERVALS, INTERVALS + 0.02),
    "intervals without an end": lambda: draw_intervals(
        "mu", LEVELS, INTERVALS, np.where(INTERVALS > 3.5, np.nan, INTERVALS)
    ),
    "residuals": lambda: draw_residuals([1, 2, 3], 0.1 * np.arange(1, 4), np.arange(1.0, 4.0)),
    "residuals of an exact surrogate": lambda: draw_residuals([1, 2, 3], np.zeros(3), np.zeros(3)),
    "residuals of nothing": lambda: draw_residuals(
        [1, 2, 3], NONE, NONE, points=(np.zeros(0), np.zeros(0))
    ),
    "training": lambda: draw_training({"log_prob": History(["a", "b"], LOSS, LOSS)}),
    "training of nothing": lambda: draw_training(
        {"x": History([], np.zeros((1, 0)), np.zeros((1, 0)))}
    ),
    "training with gaps": lambda: draw_training(
        {"a$b": History(["a"], LOSS * np.nan, -LOSS), "b": History([], LOSS, LOSS)}
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_is_drawn_and_reproducible(name):
    with style(), np.errstate(all="ignore"):
        first, second = (to_bytes(DRAWN[name](), ".svg") for _ in range(2))
    assert first == second and first.startswith(b"<?xml")


def test_profiles_draw_both_and_their_difference():
    top, bottom = DRAWN["profile"]().axes
    curves = {line.get_label(): line for line in top.lines}
    np.testing.assert_array_equal(curves["exact"].get_ydata(), T)
    np.testing.assert_array_equal(curves["surrogate"].get_ydata(), T + OFF)
    np.testing.assert_allclose(bottom.lines[-1].get_ydata(), OFF, atol=1e-12)
    low, high = bottom.get_ylim()
    assert low < OFF.min() and OFF.max() < high


def test_gaps_are_counted():
    assert "1 of 11 points have no value" in words(DRAWN["profile with a gap"]())
    assert "18 losses are not above 0" in words(DRAWN["training with gaps"]()).replace("\n", " ")


def test_intervals_say_how_far_their_ends_are():
    figure = DRAWN["intervals"]()
    assert words(figure).count("ends within 0.02") == 3
    bars = [line.get_xdata() for line in figure.axes[0].lines]
    np.testing.assert_allclose(bars[0::2], INTERVALS)
    np.testing.assert_allclose(bars[1::2], INTERVALS + 0.02)


def test_residuals_draw_points_at_their_depth():
    depth, error = np.array([0.5, 2.0, np.inf, 3.0]), np.array([-0.1, 0.2, 0.3, 0.0])
    axes = draw_residuals([1, 2], np.ones(2), np.ones(2), points=(depth, error)).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0.5, 2.0])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.1, 0.2])
