"""What the training of networks did: the loss of each, on its own examples and on others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from neyman.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    finite,
    new_figure,
    remarks,
    text,
)

LINES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
MOST_NAMED = len(LINES)
"""Networks that the legend names."""


class History(NamedTuple):
    """Of M networks, NaN where training had ended."""

    names: Sequence[str]
    """(M,)"""
    loss: np.ndarray
    """(epochs, M)"""
    held_out: np.ndarray
    """(epochs, M)"""


def draw_training(histories: Mapping[str, History]) -> Figure:
    """Losses after each epoch, one panel for each history."""
    figure = new_figure(max(5.6, 4.2 * len(histories) + 0.6), 3.6)
    panels = figure.subplots(1, max(len(histories), 1), squeeze=False)[0]
    lost = 0
    for axes, (title, history) in zip(panels, histories.items()):
        for m in range(history.held_out.shape[1]):
            colour = LINES[m % len(LINES)]
            name = text(history.names[m], None, 40) if m < len(history.names) else f"network {m}"
            for y, dashes, width in ((history.loss, ":", 1.0), (history.held_out, "-", 1.4)):
                epoch = 1.0 + np.arange(len(y))
                seen = finite(y[:, m]) & (y[:, m] > 0)
                lost += int(np.sum(np.isfinite(y[:, m]) & (y[:, m] <= 0)))
                label = name if dashes == "-" and m < MOST_NAMED else None
                axes.plot(epoch[seen], y[seen, m], dashes, color=colour, lw=width, label=label)
        axes.set_yscale("log")
        axes.set(xlabel="epoch", title=text(title, None, 60))
        axes.legend(loc="upper right", title="held out (dotted: trained on)", title_fontsize=8)
    panels[0].set_ylabel("loss")
    remarks(figure, None, [f"{lost} losses are not above 0 and not drawn"] if lost else [])
    return figure
