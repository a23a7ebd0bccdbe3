"""Bands, energies and acceptance, drawn from results made by hand."""

import dataclasses
import functools

import matplotlib
import numpy as np
import pytest

from neyman.plots import plot, plot_acceptance
from neyman.results import Bands, Energies
from neyman.status import InputError, Note, Status

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "svg": b"<?xml"}
CS1 = np.linspace(4.0, 80.0, 20)


def bands(n=50):
    rng = np.random.default_rng(1)
    median = 3e3 * (CS1 / 20.0) ** 0.5 * np.array([1.0, 0.4])[:, None]
    cs2 = median[:, None] * np.array([0.8, 1.0, 1.25])[None, :, None]
    cs2[1, :, 15:] = np.nan
    at = rng.uniform(5.0, 75.0, n)
    return Bands(
        sources=("er", "a name with $ and an underscore_"),
        expected=np.array([130.0, 11.7]),
        levels=(0.1, 0.5, 0.9),
        cs1=CS1,
        density=np.ones((2, 20)),
        cs2=cs2,
        event_cs1=at,
        event_cs2=np.interp(at, CS1, median[0]) * np.exp(rng.normal(0.0, 0.2, n)),
    )


def energies(n=50):
    rng = np.random.default_rng(2)
    edges = np.linspace(0.0, 20.0, 41)
    before = np.stack([np.where(edges[1:] < 10, 6.0, 0.0), np.exp(-edges[1:] / 5.0)])
    kept = 1.0 / (1.0 + np.exp(-(edges[1:] - np.array([2.0, 5.0])[:, None])))
    median = rng.uniform(2.0, 9.0, (n, 2))
    p = rng.uniform(0.0, 1.0, n)
    return Energies(
        sources=("er", "wimp"),
        edges=edges,
        before=before,
        expected=before * kept,
        acceptance=np.where(before > 0, kept, np.nan),
        seen=before * kept,
        probability=np.stack([p, 1.0 - p], axis=1),
        low=median - 0.5,
        median=median,
        high=median + 0.5,
    )


DRAWN = {
    "bands": (plot, bands),
    "energies": (plot, energies),
    "acceptance": (plot_acceptance, energies),
}


def words(figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("kind", DRAWN)
def test_files_are_valid_and_reproducible(tmp_path, kind, suffix):
    draw, make = DRAWN[kind]
    paths = [tmp_path / f"{k}.{suffix}" for k in (1, 2)]
    for path in paths:
        draw(make(), path, title="a title")
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(MAGIC[suffix])
    assert first == second


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("n", [0, 1, 2_000])
def test_none_one_and_many_events(kind, n):
    draw, make = DRAWN[kind]
    figure = draw(make(n))
    figure.canvas.draw()
    said = words(figure)
    assert "no events were counted" in said or n > 0 or kind == "acceptance"
    if kind == "bands" and n:
        assert f"{n} events" in said and "er (130 expected)" in said
    if kind == "energies" and n == 2_000:
        assert "400 of 2000 events are drawn" in said


def test_bands_draw_the_quantiles_and_the_events():
    result = bands()
    axes = plot(result).axes[0]
    curves = {len(line.get_xdata()): line for line in axes.lines}
    np.testing.assert_allclose(curves[50].get_ydata(), np.log10(result.event_cs2))
    medians = [line.get_ydata() for line in axes.lines if line.get_lw() == 1.8]
    np.testing.assert_allclose(medians, np.log10(result.cs2[:, 1]))
    assert axes.get_xlabel() == "cS1 [PE]"
    colours = {line.get_color() for line in axes.lines if line.get_lw() == 1.8}
    dashes = {str(line.get_linestyle()) for line in axes.lines if line.get_lw() == 1.8}
    assert len(colours) == len(dashes) == 2  # told apart in grey too


def test_energies_end_where_nothing_is_expected():
    made = energies()
    gone = np.arange(40) >= 20
    less = {n: np.where(gone, 0.0, getattr(made, n)) for n in ("expected", "seen")}
    assert plot(dataclasses.replace(made, **less)).axes[0].get_xlim() == (0.0, pytest.approx(10.5))
    assert plot(made).axes[0].get_xlim() == (0.0, 20.0)


def test_what_is_not_finite_is_said():
    result = bands()
    lost = dataclasses.replace(
        result,
        event_cs2=np.where(np.arange(50) < 3, np.nan, result.event_cs2),
        notes=(Note(Status.SUSPICIOUS_INPUT, "here"),),
    )
    said = words(plot(lost))
    assert "3 of 50 events" in said and "suspicious" in said
    made = energies()
    hidden = made.median.copy()
    hidden[:2] = np.nan
    assert "2 events have no energy here" in words(plot(dataclasses.replace(made, median=hidden)))


def test_labels_and_suffixes(tmp_path):
    labels = {"er": r"$^{214}$Pb"}
    for draw, make in DRAWN.values():
        assert r"$^{214}$Pb" in words(functools.partial(draw, labels=labels)(make()))
        with pytest.raises(InputError, match="PNG, PDF or SVG"):
            draw(make(), tmp_path / "x.jpg")
