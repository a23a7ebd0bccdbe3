"""The corner plot: what is drawn, and equal bytes for equal results."""

import numpy as np
import pytest

import neyman as ny
from neyman.results import Samples
from neyman.status import InputError


def samples(n, log_weight=None):
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(2, 500, n))
    nothing, ends = np.zeros(n), np.tile([[-1, 1], [-2, 2], [-3, 3]], (n, 1, 1)).astype(float)
    return Samples(
        sampler="nuts",
        names=tuple(f"theta[{i}]" for i in range(n)),
        draws=draws,
        log_prob=np.zeros((2, 500)),
        log_weight=np.zeros((2, 500)) if log_weight is None else log_weight,
        mean=nothing,
        sd=nothing + 1,
        hdi=ends,
        ess=nothing + 1000,
        ess_tail=nothing + 1000,
        rhat=nothing + 1,
    )


def test_at_most_eight_parameters(tmp_path):
    figure = ny.plot(samples(10), tmp_path / "corner.png")
    assert len(figure.axes) == 64
    assert "8 of 10 parameters" in figure._supxlabel.get_text()
    assert "68 % [-1, 1]" in figure.axes[0].get_title()


def test_chosen_parameters_and_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        figure = ny.plot(samples(10), tmp_path / name, parameters=["theta[9]", "theta[2]"])
    assert len(figure.axes) == 4
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_degenerate_draws_are_drawn(tmp_path):
    constant = samples(2)
    constant.draws[:] = 3.0
    ny.plot(constant, tmp_path / "constant.pdf")
    ny.plot(samples(1, np.full((2, 500), -np.inf)), tmp_path / "weightless.svg")


def test_unknown_parameter():
    with pytest.raises(InputError, match="known are"):
        ny.plot(samples(2), parameters=["nu"])
    with pytest.raises(InputError, match="none is chosen"):
        ny.plot(samples(2), parameters=[])
