"""Every kind of result x every format, hostile values, and what is drawn."""

import dataclasses
import math
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

import neyman
from neyman.plots import plot, plot_correlation
from neyman.plots.limit import _falling
from neyman.plots.style import text
from neyman.plots.yields import _poisson_interval
from neyman.results import Fit, Impacts, Interval, Limit, Scan, Yields
from neyman.status import InputError, Note, Status

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "svg": b"<?xml"}
KINDS = ("fit", "scan", "test", "limit", "impacts", "yields", "numbers", "names")
LONG = "shape_fakes_stat_fakes_SRmm_eMT2e_lowmet_V2_obs_cuts"


@pytest.fixture
def limit(results) -> Limit:
    return results["limit"]


def words(figure) -> str:
    """All text of a figure."""
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def drawn(figure):
    """The figure after a draw, which is where layout and text can fail."""
    figure.canvas.draw()
    return figure


def inside(figure, names) -> bool:
    """Whether each of the texts lies whole within the figure."""
    drawn(figure)
    boxes = {t.get_text(): t.get_window_extent() for t in figure.findobj(matplotlib.text.Text)}
    width, height = figure.canvas.get_width_height()
    return all(
        b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height
        for b in (boxes[name] for name in names)
    )


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("kind", KINDS)
def test_files_are_valid_and_reproducible(results, tmp_path, kind, suffix):
    paths = [tmp_path / f"{k}.{suffix}" for k in (1, 2)]
    for path in paths:
        plot(results[kind], path, title="a title")
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(MAGIC[suffix])
    assert first == second
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", MAGIC)
def test_correlation_files(results, tmp_path, suffix):
    paths = [tmp_path / f"{k}.{suffix}" for k in (1, 2)]
    for path in paths:
        plot_correlation(results["fit"], path)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(MAGIC[suffix]) and first == second


def test_bytes_do_not_depend_on_the_users_settings(results, tmp_path):
    plot(results["scan"], tmp_path / "a.svg")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "svg.hashsalt": "x"}):
        before = dict(matplotlib.rcParams)
        plot(results["scan"], tmp_path / "b.svg")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_pyplot_is_not_imported():
    code = "import sys, neyman.plots; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert neyman.plot(Scan(**SCAN)).axes


@pytest.mark.parametrize("name", ["limit.jpg", "limit", "limit.png.gz", "limit.json"])
def test_other_suffixes_are_refused(limit, tmp_path, name):
    with pytest.raises(InputError, match=r"PNG, PDF or SVG.*\.png, \.pdf or \.svg"):
        plot(limit, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(limit, tmp_path):
    with pytest.raises(InputError, match="folder"):
        plot(limit, tmp_path / "nowhere" / "limit.png")


def test_results_without_a_picture(limit):
    result = Interval(poi="mu", level=0.68, lower=0.0, upper=1.0, best=0.5, method="profile")
    with pytest.raises(InputError, match=r"Interval.*has no picture.*Limit.*Yields"):
        plot(result)
    with pytest.raises(InputError, match=r"result\[1\]"):
        plot([("a", limit), ("b", result)])


SCAN = {
    "poi": "mu",
    "values": np.array([0.0, 1.0, 2.0]),
    "delta_twice_nll": np.array([1.0, 0.0, 1.0]),
    "best": 1.0,
}


# ---- what is drawn


def test_limit_draws_the_curves_and_marks_the_limits(limit):
    axes = plot(limit).axes[0]
    lines = [(np.asarray(a.get_xdata()), np.asarray(a.get_ydata())) for a in axes.lines]
    at = np.searchsorted(lines[1][0], limit.scanned)
    np.testing.assert_allclose(lines[0][1][at], limit.cls_expected[:, 2], rtol=1e-9)
    np.testing.assert_allclose(lines[1][1][at], limit.cls_observed, rtol=1e-9)
    np.testing.assert_array_equal(lines[2], (limit.scanned, limit.cls_observed))
    assert np.all(np.diff(lines[1][1]) < 0)
    marks = [(x[0], y[0]) for x, y in lines if len(x) == 1]
    limits = [*limit.expected, limit.observed]
    np.testing.assert_allclose(marks, [(mu, 0.05) for mu in limits], rtol=1e-12)
    assert all(np.all(np.asarray(a.get_ydata()) == pytest.approx(0.05)) for a in axes.lines[3:4])
    assert f"{limit.observed:.4g}" in words(axes.figure)


def test_the_smallest_expected_cls_is_within_the_axis(results):
    test = dataclasses.replace(results["test"], expected=np.array([1e-20, 1e-9, 1e-4, 0.1, 0.5]))
    low, _ = plot(test).axes[0].get_xlim()
    assert 0.0 < low < 1e-20


def test_limits_versus_a_number_and_versus_a_name(limit, results):
    axes = plot(results["numbers"], reference=None).axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), [100.0, 150.0, 200.0])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [limit.observed] * 3)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [limit.expected[2]] * 3)
    axes = plot(results["names"]).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["one point", "another"]
    outer = axes.containers[0].patches[0]
    assert outer.get_y() == limit.expected[0]
    assert outer.get_y() + outer.get_height() == pytest.approx(limit.expected[4])


def test_scan_draws_its_points_and_thresholds(results):
    result = results["scan"]
    axes = plot(result).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), result.values)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), result.delta_twice_nll)
    assert [a.get_ydata()[0] for a in axes.lines[1:-1]] == [1, 4, 9][: len(axes.lines) - 2]
    assert axes.lines[-1].get_xdata()[0] == result.best


def test_fit_draws_pulls(results):
    result = results["fit"]
    figure = plot(result)
    points = figure.axes[0].containers[0].lines[0]
    has = np.isfinite(result.constrained)
    pulls = ((result.values - result.measured) / result.constrained)[has]
    np.testing.assert_allclose(points.get_xdata(), pulls)
    shown = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert shown == [n for n, h in zip(result.names, has) if h]
    assert "without a constraint: " in words(figure) and "mu_bkg = " in words(figure)
    largest = plot(result, top=1).axes[0].containers[0].lines[0].get_xdata()
    np.testing.assert_allclose(np.abs(largest), np.abs(pulls).max())
    assert len(plot(result, parameters=["scale"]).axes[0].get_yticklabels()) == 1
    with pytest.raises(InputError, match="scalle"):
        plot(result, parameters=["scalle"])


def test_impacts_draws_bars_in_the_order_of_the_ranking(results):
    result = results["impacts"]
    pulls, impact = plot(result, top=3).axes
    assert [t.get_text() for t in pulls.get_yticklabels()] == list(result.names[:3])
    keys = ("prefit_up", "prefit_down", "postfit_up", "postfit_down")
    for key, bars in zip(keys, impact.containers):
        values = getattr(result, key)[:3]
        widths = [bar.get_width() for bar in bars]
        np.testing.assert_allclose(widths, values[np.isfinite(values)])
    ends = [max(abs(result.postfit_up[k]), abs(result.postfit_down[k])) for k in range(3)]
    assert ends == sorted(ends, reverse=True)
    with pytest.raises(InputError, match="top=0"):
        plot(result, top=0)


@pytest.mark.parametrize("stage", ["prefit", "postfit"])
def test_yields_stacks_to_the_total(results, stage):
    result = results["yields"]
    main, ratio = plot(result, stage=stage).axes[:2]
    stacks = [c for c in main.containers if hasattr(c, "patches") and c.get_label()]
    samples = [c for c in stacks if c.get_label() in result.samples]
    tops = np.sum([[bar.get_height() for bar in c] for c in samples], axis=0)
    np.testing.assert_allclose(tops, getattr(result, f"{stage}_total"))
    assert {c.get_label() for c in samples} == set(result.samples)
    hatch = next(c for c in stacks if "uncertainty" in c.get_label())
    heights = [bar.get_height() / 2 for bar in hatch]
    np.testing.assert_allclose(heights, getattr(result, f"{stage}_error"))
    data = next(c for c in main.containers if c.get_label() == "data")
    np.testing.assert_array_equal(data.lines[0].get_ydata(), result.data)
    points = next(c for c in ratio.containers if hasattr(c, "lines"))
    expected = result.data / getattr(result, f"{stage}_total")
    np.testing.assert_allclose(points.lines[0].get_ydata(), expected)


def test_data_have_garwoods_intervals():
    low, high = _poisson_interval(np.array([0.0, 1.0, 10.0]))
    np.testing.assert_allclose(low, [0.0, 0.1727, 6.8914], atol=1e-4)
    np.testing.assert_allclose(high, [1.8410, 3.2995, 14.2669], atol=1e-4)


def test_yields_of_some_channels(results):
    result = results["yields"]
    figure = plot(result, channels=["SR"])
    data = next(c for c in figure.axes[0].containers if c.get_label() == "data")
    np.testing.assert_array_equal(data.lines[0].get_ydata(), result.data[result.slices()["SR"]])
    with pytest.raises(InputError, match="channel 'SX'"):
        plot(result, channels=["SX"])
    with pytest.raises(InputError, match="stage='midfit'"):
        plot(result, stage="midfit")


def test_correlation_draws_the_matrix(results):
    fit = results["fit"]
    mesh = plot_correlation(fit).axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array(), fit.correlation())
    small = plot_correlation(fit, top=2)
    rho = np.abs(fit.correlation() - np.eye(len(fit.names)))
    i, j = sorted(np.unravel_index(np.argmax(rho), rho.shape))
    shown = [t.get_text() for t in small.axes[0].get_yticklabels()]
    assert shown == [fit.names[i], fit.names[j]]
    assert "the 2 of" in words(small)


# ---- hostile values


def hostile_fit(n: int, name: str = "alpha") -> Fit:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(n, n + 2))
    covariance = root @ root.T / (n + 2)
    return Fit(
        names=tuple(f"{name}[{i}]" for i in range(n)),
        values=rng.normal(size=n),
        errors=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        constrained=np.ones(n),
        measured=np.zeros(n),
        twice_nll=1.0,
        gradient_norm=0.0,
        iterations=3,
    )


def hostile_impacts(n: int, name: str = "alpha") -> Impacts:
    one = np.ones(n)
    down = np.linspace(-3.0, -0.1, n)
    return Impacts(
        poi="mu", best=1.0, error=0.5, names=tuple(f"{name}[{i}]" for i in range(n)),
        values=one, errors=one, pulls=0 * one, constraints=one, postfit_up=-down,
        postfit_down=down, prefit_up=-1.2 * down, prefit_down=1.1 * down,
    )  # fmt: skip


def hostile_yields(bins: list[int], n_samples: int = 3, name: str = "SR") -> Yields:
    total, table = np.full(sum(bins), 3.0 * n_samples), np.full((sum(bins), n_samples), 3.0)
    return Yields(
        channels=tuple(f"{name}{k}" for k in range(len(bins))), bins=tuple(bins),
        samples=tuple(f"sample{k}" for k in range(n_samples)), data=np.full(sum(bins), 4.0),
        prefit=table, prefit_total=total, prefit_error=0.1 * total,
        postfit=table, postfit_total=total, postfit_error=0.1 * total,
    )  # fmt: skip


def with_nan(result, *names):
    """A copy in which every second number of the arrays is NaN, or the number is."""
    changes = {}
    for name in names:
        old = getattr(result, name)
        new = np.array(old, dtype=float)
        if new.ndim:
            new[::2] = np.nan
        changes[name] = new if new.ndim else math.nan
    return dataclasses.replace(result, **changes)


def all_bad(result, bad):
    names = [
        f.name for f in dataclasses.fields(result)
        if isinstance(getattr(result, f.name), np.ndarray | float) and f.name != "level"
    ]  # fmt: skip
    changes = {n: np.full_like(getattr(result, n), bad)[()] for n in names}
    return dataclasses.replace(
        result, **{n: v if v.shape else float(v) for n, v in changes.items()}
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_limit_without_a_value_is_named(limit, bad):
    broken = dataclasses.replace(limit, observed=float(bad))
    figure = drawn(plot(broken))
    assert "no value: observed limit" in words(figure)
    assert "limits without a value are not drawn: b" in words(
        drawn(plot([("a", limit), ("b", broken)]))
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["fit", "scan", "test", "limit", "impacts", "yields"])
def test_nothing_that_is_finite(results, kind, bad):
    figure = drawn(plot(all_bad(results[kind], bad)))
    said = ("not drawn", "no points", "no nuisance", "no error", "no pull", "without a constraint")
    assert any(word in words(figure) for word in said)


@pytest.mark.parametrize(
    ("kind", "names", "said"),
    [
        ("fit", ("errors",), "have no error"),
        ("scan", ("delta_twice_nll",), "7 of 13 points have no value"),
        ("scan", ("best",), ""),
        ("limit", ("cls_observed", "cls_expected"), ""),
        ("impacts", ("postfit_up", "error"), "have no value: not drawn"),
        ("impacts", ("pulls", "prefit_up", "prefit_down"), "no pull"),
        ("yields", ("postfit_error",), "3 bins have"),
        ("yields", ("postfit", "postfit_total", "data"), "bins have"),
    ],
)
def test_some_nan(results, kind, names, said):
    assert said in words(drawn(plot(with_nan(results[kind], *names))))


def test_correlation_with_nan_and_without_parameters(results):
    fit = results["fit"]
    covariance = fit.covariance.copy()
    covariance[1], covariance[:, 1] = np.nan, np.nan
    broken = dataclasses.replace(with_nan(fit), covariance=covariance)
    assert "without an error: 1" in words(drawn(plot_correlation(broken)))
    drawn(plot_correlation(hostile_fit(0)))
    drawn(plot_correlation(all_bad(fit, np.nan)))


EMPTY = np.zeros(0)


@pytest.mark.parametrize(
    "result",
    [
        hostile_fit(0),
        hostile_fit(1),
        hostile_impacts(0),
        hostile_impacts(1),
        hostile_yields([]),
        hostile_yields([1]),
        hostile_yields([1], n_samples=0),
        Scan(poi="mu", values=EMPTY, delta_twice_nll=EMPTY, best=1.0),
        Scan(poi="mu", values=np.ones(1), delta_twice_nll=np.zeros(1), best=1.0),
        Scan(poi="mu", values=np.ones(1), delta_twice_nll=np.full(1, 1e300), best=math.nan),
        [],
    ],
    ids=lambda r: f"{type(r).__name__}",
)
def test_empty_and_one(result):
    drawn(plot(result))


def test_limit_with_nothing_or_one_point_scanned(limit):
    for n in (0, 1):
        curves = {k: getattr(limit, k)[:n] for k in ("scanned", "cls_observed", "cls_expected")}
        drawn(plot(dataclasses.replace(limit, **curves)))
    drawn(plot([("one", limit)]))
    drawn(plot([(3, limit)]))


def test_hundreds(limit):
    fit = hostile_fit(200)
    figure = plot(fit)
    shown = sum(len(axes.get_yticklabels()) for axes in figure.axes)
    assert len(figure.axes) == 4 and shown == 200
    assert "the 20 of 200" in words(plot_correlation(fit))
    plot_correlation(fit, top=200)
    assert "the 20 largest of 200" in words(plot(hostile_impacts(200)))
    drawn(plot(hostile_yields([2] * 30 + [50], n_samples=10)))
    drawn(plot([(f"point {k}", limit) for k in range(130)]))


def test_yields_beyond_the_colours_are_summed():
    figure = plot(hostile_yields([3], n_samples=12))
    assert "5 other samples" in words(figure)
    heights = [c.patches[0].get_height() for c in figure.axes[0].containers[:8]]
    assert sum(heights) == pytest.approx(36.0)


def test_yields_of_zero_and_below():
    result = hostile_yields([4])
    drawn(plot(dataclasses.replace(result, postfit=result.postfit * -1.0, data=np.zeros(4))))
    zero = np.zeros(4)
    nothing = dataclasses.replace(result, postfit_total=zero, data=zero, postfit=0 * result.postfit)
    drawn(plot(nothing))


def test_long_names_are_whole(limit):
    fit, impacts = hostile_fit(51, LONG), hostile_impacts(5, LONG)
    assert inside(plot(fit), fit.names)
    assert inside(plot(impacts), impacts.names)
    few = hostile_fit(5, LONG)
    assert inside(plot_correlation(few), few.names)
    wide = hostile_yields([1, 2, 1], name=LONG)
    assert inside(plot(wide), wide.channels)
    names = [f"{LONG}{k}" for k in range(12)]
    assert inside(plot([(name, limit) for name in names]), names)


@pytest.mark.parametrize(
    "name",
    ["$", "$x$", "a$b_{", r"\frac", "a\nb", "\x00\x07", "中文", "<&>\"'", "", "x" * 5000, "%"],
)
def test_names_from_strangers(limit, tmp_path, name):
    fit = dataclasses.replace(hostile_fit(2), names=(name, "b"))
    plot(fit, tmp_path / "fit.svg", labels={"b": name})
    drawn(plot(dataclasses.replace(Scan(**SCAN), poi=name), title=text(name)))
    if len(name) > 100:
        drawn(plot(dataclasses.replace(limit, poi=name)))
        drawn(plot([(name, dataclasses.replace(limit, poi=name))]))
        drawn(plot(dataclasses.replace(hostile_impacts(2, name), poi=name)))
    assert ElementTree.parse(tmp_path / "fit.svg")


def test_labels_are_latex_where_they_parse():
    labels = {"mu": r"$\mu_s$", "bad": r"$\nosuch{$"}
    assert text("mu", labels) == r"$\mu_s$"
    assert text("bad", labels) == "bad"
    figure = plot(Scan(**SCAN), labels=labels)
    assert figure.axes[0].get_xlabel() == r"$\mu_s$"


def test_the_status_is_told(limit):
    notes = (
        Note(Status.FEW_EVENTS, "0.5 events"),
        Note(Status.NO_ROOT, "median limit"),
        Note(Status.NO_ROOT, "observed limit"),
    )
    said = words(plot(dataclasses.replace(limit, notes=notes))).replace("\n", " ")
    assert f"failed: {Status.NO_ROOT.message}: median limit (and 1 more)" in said
    assert f"warning: {Status.FEW_EVENTS.message}: 0.5 events" in said


def test_curves_from_toys_never_rise():
    mu = np.array([0.3, 0.1, 0.2, 0.4, 0.5])
    smooth = _falling(mu, np.array([0.12, 0.5, 0.1, 0.0, np.nan]))
    np.testing.assert_allclose(smooth[:3], [0.11, 0.5, 0.11])
    assert 0.0 < smooth[3] < 1e-3
    assert np.isnan(smooth[4])
