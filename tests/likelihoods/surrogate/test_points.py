"""Training points: their own files, and tables of other programs."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from neyman.likelihoods.surrogate.points import Points, read_points
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError

NAMES = ("mu", "alpha")
PARAMETERS = Parameters(tuple(Parameter(name) for name in NAMES))


def points(n=6, gradient=True, origins=("posterior", "tail"), seed=0):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(n, 2))
    slope = -theta if gradient else None
    value = -0.5 * np.sum(theta**2, axis=1)
    return Points(NAMES, theta, value, slope, np.arange(n) % len(origins), origins)


def test_save_and_load(tmp_path):
    for k, one in enumerate((points(), points(gradient=False), points(0))):
        one.save(tmp_path / f"{k}.npz")
        again = Points.load(tmp_path / f"{k}.npz")
        assert again.names == NAMES
        assert again.origins == one.origins
        assert (again.gradient is None) == (one.gradient is None)
        for name in ("theta", "log_prob", "origin"):
            np.testing.assert_array_equal(getattr(again, name), getattr(one, name))


def test_what_is_saved_is_an_npz_without_pickle(tmp_path):
    points().save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"names", "theta", "log_prob", "origin", "origins", "gradient"}


def test_join_and_select():
    a, b = points(4), points(3, origins=("tail", "profile mu"), seed=1)
    both = a + b
    assert len(both) == 7
    assert both.origins == ("posterior", "tail", "profile mu")
    assert [both.origins[i] for i in both.origin[4:]] == ["tail", "profile mu", "tail"]
    assert both.gradient is not None
    assert (a + points(2, gradient=False)).gradient is None
    chosen = both.at(both.origin == 1)
    assert len(chosen) == 4
    assert np.all(chosen.log_prob == both.log_prob[both.origin == 1])


def test_refused():
    with pytest.raises(InputError, match="do not go together"):
        Points(NAMES, np.zeros((3, 2)), np.zeros(2), None, np.zeros(2, int), ("a",))
    with pytest.raises(InputError, match="row 1: log_prob is not finite"):
        Points(NAMES, np.zeros((2, 2)), np.array([0, np.inf]), None, np.zeros(2, int), ("a",))
    with pytest.raises(InputError, match="origin has no name"):
        Points(NAMES, np.zeros((1, 2)), np.zeros(1), None, np.ones(1, int), ("a",))
    with pytest.raises(InputError, match="other parameters"):
        other = Points(("x", "y"), np.zeros((1, 2)), np.zeros(1), None, np.zeros(1, int), ("a",))
        points() + other


def test_damaged(tmp_path):
    path = tmp_path / "p.npz"
    points().save(path)
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"x" + data[201:])
    with pytest.raises(InputError):
        Points.load(path)


def test_csv(tmp_path):
    path = tmp_path / "scan.csv"
    path.write_text("alpha, log_prob,mu,chi2\n1,-3.5,0.5,7\n\n2e-1,-1,0,2\n")
    found = read_points(path, PARAMETERS)
    np.testing.assert_array_equal(found.theta, [[0.5, 1.0], [0.0, 0.2]])
    np.testing.assert_array_equal(found.log_prob, [-3.5, -1.0])
    assert found.gradient is None
    assert found.origins == ("scan.csv",)


def test_npz(tmp_path):
    path = tmp_path / "scan.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, mu=[0.5, 1.0], alpha=[1, 2], log_prob=[-1.0, -2.0])
        np.testing.assert_array_equal(read_points(path, PARAMETERS).theta, [[0.5, 1], [1, 2]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mu,alpha\n1,2\n", "column 'log_prob'.*known are"),
        ("mu,alpha,log_prob\n1,2\n", "line 2.*2 columns, the header 3"),
        ("mu,alpha,log_prob\n1,2,3\n1,x,3\n", "line 3.*else than numbers"),
        ("mu,alpha,log_prob\n1,2,nan\n", "row 0: log_prob is not finite"),
        ("mu,mu,log_prob\n1,2,3\n", "named twice"),
        ("", "column 'mu'"),
        ("\xff\xfe", "UTF-8|column 'mu'"),
    ],
)
def test_bad_csv(tmp_path, text, said):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=said):
        read_points(path, PARAMETERS)


def test_a_pickle_in_an_npz_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, mu=np.array([{}, {}], dtype=object), alpha=[1, 2], log_prob=[0.0, 1.0])
    with pytest.raises(InputError, match="no .npz of numbers"):
        read_points(path, PARAMETERS)


@hypothesis.given(st.binary(max_size=200), st.booleans())
@hypothesis.settings(max_examples=150)
def test_noise(tmp_path_factory, data, packed):
    path = tmp_path_factory.getbasetemp() / ("noise.npz" if packed else "noise.csv")
    path.write_bytes(b"mu,alpha,log_prob\n" * (not packed) + data)
    try:
        read_points(path, PARAMETERS)
    except InputError as error:
        assert "\n" not in str(error)
