"""Contours against ellipses, closed forms and exact coverage; shapes that are not convex."""

import numpy as np
import pytest
from scipy.special import chdtri, xlogy

import neyman as ny
from neyman.inference.lattice import Axis, Lattice
from neyman.likelihoods.counting import gaussian, on_off
from neyman.model import Data
from neyman.plots import plot
from neyman.results.contour import closed
from neyman.status import InputError, Status

INFINITE = (-np.inf, np.inf)


@pytest.fixture(scope="module")
def like():
    """Two measurements of mu and theta[0], themselves one of three; the third is profiled."""
    model = gaussian(
        [1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.8], [0.3, 0.0]], bounds=(-50.0, 50.0)
    )
    return model.observe(Data(np.array([2.4, 3.1]), np.array([0.7, 0.2])))


def distances(like, found):
    """(x - best)^T V^-1 (x - best) of each curve's points, V from the fit."""
    fit = ny.fit(like)
    index = [fit.names.index(name) for name in found.pois]
    inverse = np.linalg.inv(fit.covariance[np.ix_(index, index)])
    return [
        (level, np.einsum("ni,ij,nj->n", d, inverse, d))
        for level, curve in found.curves()
        for d in [curve - found.best]
    ]


def test_ellipses(like):
    """A linear Gaussian's contours are ellipses, nuisances profiled."""
    found = ny.contour(like, ("mu", "theta[0]"), level=(0.95, 0.6827, 0.1))
    assert [level for level, _ in distances(like, found)] == [0.1, 0.6827, 0.95]
    for level, d in distances(like, found):
        np.testing.assert_allclose(d, chdtri(2, 1 - level), rtol=1e-4)
    assert all(closed(curve) for _, curve in found.curves())
    assert found.status is Status.FINE
    low, high = np.array([c.min(axis=0) for _, c in found.curves()]), found.points.max(axis=0)
    mu = ny.fit(like)["mu"]
    assert high[0] - mu.value == pytest.approx(np.sqrt(chdtri(2, 0.05)) * mu.error, rel=0.01)
    assert np.all(np.diff(low, axis=0) < 0)


def test_toys_of_a_linear_gaussian(like):
    """t is chi2 of two degrees of freedom, so that toys give the same ellipse: per node with an
    error of 0.09 in t = 2.3, of which 4.7 are allowed; one degree of freedom is 1.3 off."""
    found = ny.contour(
        like, ("mu", "theta[0]"), level=0.6827, method="feldman-cousins", toys=1_000, key=1
    )
    ((_, d),) = distances(like, found)
    assert d.mean() == pytest.approx(chdtri(2, 1 - 0.6827), abs=0.1)
    assert np.all(np.abs(d - chdtri(2, 1 - 0.6827)) < 4 * 0.11)
    assert found.toys > 0 == found.failed


def test_on_off_ends_at_its_bound():
    """Open at mu = 0; on the curve, the closed form of t."""
    like = on_off(tau=2.0).observe(Data(np.array([4.0, 6.0]), np.zeros(0)))
    found = ny.contour(like, ("mu", "b"), level=0.95)
    ((_, curve),) = found.curves()
    assert not closed(curve)
    np.testing.assert_array_equal(curve[[0, -1], 0], 0.0)
    notes = [note for note in found.notes if note.status is Status.OPEN_CONTOUR]
    assert [note.place for note in notes] == ["mu = 0"]
    on, off = curve.sum(axis=1), 2.0 * curve[:, 1]
    nll = on - xlogy(4.0, on) + off - xlogy(6.0, off)
    best = 10.0 - xlogy(4.0, 4.0) - xlogy(6.0, 6.0)
    np.testing.assert_allclose(2 * (nll - best), chdtri(2, 0.05), atol=2e-3)


def traced(t, low=-3.0, high=3.0, cells=8, depth=2, bounds=INFINITE, best=(0.0, 0.0)):
    axis = Axis.of(low, high, bounds, cells * 2**depth)
    lattice = Lattice((axis, axis), t, lambda x, y: np.array([1.0]))
    return lattice.curves(lattice.refined(cells, depth, best), 0)


SHAPES = {
    "banana": (lambda x, y: 4 * (y - x**2 + 1) ** 2 + x**2 / 2, 1),
    "two islands": (lambda x, y: 4 * ((x**2 - 2) ** 2 / 4 + y**2), 2),
    "ring": (lambda x, y: 9 * (x**2 + y**2 - 3) ** 2, 2),
    "lemniscate": (lambda x, y: 1.02 + (x**2 + y**2) ** 2 - 4 * (x**2 - y**2), 2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    """Every curve is closed, and t = 1 on it; the number of curves is that of the shape."""
    t, count = SHAPES[shape]
    curves = traced(t)
    assert len(curves) == count
    for curve in curves:
        assert closed(curve)
        np.testing.assert_allclose(t(*curve.T), 1.0, atol=2e-3)
        steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
        assert steps.max() < 6.0 / 32 * 1.5


def test_a_curve_is_followed_out_of_the_first_extent():
    (curve,) = traced(lambda x, y: (x / 5) ** 2 + y**2)
    assert closed(curve)
    assert np.abs(curve[:, 0]).max() == pytest.approx(5.0, rel=1e-2)


def test_bounds_cut_a_curve():
    (curve,) = traced(lambda x, y: (x - 0.5) ** 2 + y**2, low=0.0, bounds=(0.0, np.inf))
    assert not closed(curve)
    assert np.all(curve >= -1e-12)


def test_infinite_and_missing_values_are_outside():
    def t(x, y):
        return np.inf if x < -0.5 else np.nan if y > 0.9 else x**2 + y**2

    (curve,) = traced(t)
    assert closed(curve)
    assert curve[:, 0].min() == pytest.approx(-0.5, abs=1e-3)


def test_saved_and_drawn(like, tmp_path):
    found = ny.contour(like, ("mu", "theta[0]"))
    found.save(tmp_path / "contour.json")
    loaded = ny.load_result(tmp_path / "contour.json")
    for (a, first), (b, second) in zip(found.curves(), loaded.curves(), strict=True):
        assert a == b
        np.testing.assert_array_equal(first, second)
    figure = plot(loaded, tmp_path / "contour.png")
    assert "95 %" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert "68.27 %: mu from" in found.summary()


def test_a_flat_direction_has_no_contour():
    """A signal that nothing measures: no end, no curve, and the status says so."""
    model = gaussian([0.0], [[1.0]], [[1.0]])
    like = model.observe(Data(np.array([0.3]), np.array([0.0])))
    found = ny.contour(like, ("mu", "theta[0]"))
    assert found.status is Status.NO_ROOT
    assert found.curves() == []
    plot(found)


@pytest.mark.parametrize(
    ("pois", "options"),
    [
        (("mu", "mu"), {}),
        (("mu", "nu"), {}),
        (("mu", "theta[0]"), {"level": 1.0}),
        (("mu", "theta[0]"), {"level": ()}),
        (("mu", "theta[0]"), {"method": "exact"}),
        (("mu", "theta[0]"), {"method": "feldman-cousins", "toys": 0}),
    ],
)
def test_bad_input(like, pois, options):
    with pytest.raises(InputError):
        ny.contour(like, pois, **options)
