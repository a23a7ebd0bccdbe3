"""Spectra against closed forms, published totals, NEST's samplers and wimprates."""

import datetime
import subprocess
import sys
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon import beta_decay, spectra
from neyman.likelihoods.xenon import boron8 as b8
from neyman.likelihoods.xenon.accidentals import accidentals, read_accidentals
from neyman.likelihoods.xenon.curves import Curve
from neyman.likelihoods.xenon.exposure import Where
from neyman.likelihoods.xenon.selection import Points, Selection
from neyman.likelihoods.xenon.spectrum import Spectrum
from neyman.status import InputError

# ---- piecewise linear, with lines


def test_a_triangle():
    """Rate 2 E up to 3 keV: n(E) = E^2, so the quantile is 3 sqrt(p)."""
    triangle = Spectrum(np.array([0.0, 3.0]), np.array([0.0, 6.0]))
    p = np.linspace(0.0, 1.0, 11)
    assert triangle.total == pytest.approx(9.0)
    np.testing.assert_allclose(triangle.quantiles(p), 3.0 * np.sqrt(p), rtol=1e-12)
    np.testing.assert_allclose(triangle.at(np.array([-1.0, 1.0, 3.0, 3.1])), [0, 2, 6, 0])
    assert triangle.scaled(0.5).total == pytest.approx(4.5)


def test_lines_among_a_flat_spectrum():
    """2 events in a line at 5 of 0 to 10 keV, 1 in one at 20, 1 flat: n(5-) = 0.5, n(5+) = 2.5."""
    mixed = Spectrum(np.array([0.0, 10.0]), np.array([0.1, 0.1]), np.array([[20.0, 1], [5.0, 2]]))
    assert mixed.total == pytest.approx(4.0)
    n = np.array([0.0, 0.25, 0.5, 1.7, 2.5, 2.75, 3.0, 3.1, 4.0])
    expected = [0.0, 2.5, 5.0, 5.0, 5.0, 7.5, 10.0, 20.0, 20.0]
    np.testing.assert_allclose(mixed.quantiles(n / 4.0), expected, atol=1e-9)


def test_lines_alone():
    peaks = spectra.lines({9.4: 1.0, 32.1: 3.0})
    assert peaks.total == 4.0 and not len(peaks.energies)
    np.testing.assert_allclose(
        peaks.quantiles(np.array([0.0, 0.2, 0.3, 1.0])), [9.4, 9.4, 32.1, 32.1]
    )
    np.testing.assert_array_equal(peaks.at(np.array([9.4])), [0.0])
    assert peaks.scaled(2.0).total == 8.0


rates = st.lists(st.floats(0.0, 10.0), min_size=2, max_size=6)
lines_ = st.lists(st.tuples(st.floats(0.1, 12.0), st.floats(0.0, 5.0)), max_size=3)


@hypothesis.given(rates, lines_)
def test_quantiles_invert_the_distribution(heights, some_lines):
    """n(q(p)) = p n at points inside segments, by numerical integration of `at`; whole numbers
    of keV, so that kinks are known."""
    energies = np.arange(1.0, 1.0 + len(heights))
    s = Spectrum(energies, np.array(heights), np.array(some_lines).reshape(-1, 2))
    hypothesis.assume(s.total > 1e-3)
    p = np.linspace(0.0, 1.0, 9)
    for share, energy in zip(p, s.quantiles(p)):
        grid = np.unique(np.concatenate([energies[energies < energy], [energy, energies[0]]]))
        grid = grid[(grid >= energies[0]) & (grid <= energies[-1])]
        below = np.trapezoid(s.at(grid), grid)
        of_lines = s.lines[:, 1][s.lines[:, 0] < energy].sum()
        upto = s.lines[:, 1][s.lines[:, 0] <= energy].sum()
        slack = 1e-9 * s.total
        assert below + of_lines - slack <= share * s.total <= below + upto + slack


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1.0, 2.0], [1.0]), "equally long"),
        (([1.0], [1.0]), "at least two"),
        (([2.0, 1.0], [1.0, 1.0]), r"energies\[1\]: 1 keV after 2 keV"),
        (([1.0, 2.0], [1.0, -1.0]), r"rates\[1\]: -1"),
        (([1.0, np.nan], [1.0, 1.0]), r"energies\[1\]: not finite"),
        (([-1.0, 2.0], [1.0, 1.0]), "start at 0"),
        (([1.0, 2.0], [1.0, 1.0], [[0.0, 1.0]]), "a line at 0 keV"),
        (([1.0, 2.0], [1.0, 1.0], [1.0, 1.0]), r"give \(energy, events\)"),
    ],
)
def test_what_is_no_spectrum(arguments, says):
    with pytest.raises(InputError, match=says):
        Spectrum(*(np.array(a) for a in arguments))


def test_nothing_to_draw_and_no_share():
    with pytest.raises(InputError, match="no events"):
        spectra.flat(1.0, 2.0, 0.0).quantiles(np.array([0.5]))
    with pytest.raises(InputError, match="probabilities"):
        spectra.flat(1.0, 2.0, 1.0).quantiles(np.array([1.5]))
    with pytest.raises(InputError, match="increasing range"):
        spectra.flat(2.0, 1.0, 1.0)


# ---- tables


def test_table(tmp_path):
    path = tmp_path / "spectrum.csv"
    path.write_text("energy [keV],rate [1/keV]\n0,0\n3,6\n")
    assert spectra.table(path).total == pytest.approx(9.0)
    assert spectra.table((np.array([0.0, 3.0]), np.array([0.0, 6.0]))).total == pytest.approx(9.0)
    path.write_text("energy [MeV],rate\n0,0\n3,6\n")
    with pytest.raises(InputError, match=r"'energy': is in MeV, not in keV; convert it to keV"):
        spectra.table(path)
    path.write_text("energy,rates\n0,0\n3,6\n")
    with pytest.raises(InputError, match="no column 'rate'; name one of these columns: energy, r"):
        spectra.table(path)
    path.write_text("energy,rate\n3,0\n0,6\n")
    with pytest.raises(InputError, match=r"spectrum.csv: energies\[1\]: 0 keV after 3 keV"):
        spectra.table(path)


# ---- beta decays


def test_fermi_function_in_its_limit():
    """For a slow electron and a light nucleus it is Sommerfeld's 2 pi eta/(1 - exp(-2 pi eta)),
    up to terms of order (alpha Z)^2."""
    t = np.array([0.1, 1.0, 10.0])
    w = 1.0 + t / beta_decay.ELECTRON_MASS
    eta = 2.0 * np.pi * 2 * beta_decay.ALPHA * w / np.sqrt(w**2 - 1.0)
    np.testing.assert_allclose(beta_decay.fermi_function(t, 2, 3), eta / -np.expm1(-eta), rtol=3e-3)


def test_allowed_shape_without_charge():
    """With Z = 0 and a small endpoint, sqrt(T) (Q - T)^2: normalised by Q^3.5 16/105."""
    t = np.linspace(0.001, 0.099, 50)
    shape = beta_decay.allowed_shape(t, endpoint=0.1, charge=0, mass_number=3)
    expected = np.sqrt(t) * (0.1 - t) ** 2 / (0.1**3.5 * 16.0 / 105.0)
    np.testing.assert_allclose(shape, expected, rtol=5e-4)


def test_tritium():
    """A mean energy of 5.7 keV as in the literature, and NEST's sampler, by the moments of 2e4 of
    its draws (seed 1): 4 standard errors, 1 in 8,000 false alarms; a mean shifted by 3 % fails.
    """
    nestpy = pytest.importorskip("nestpy")
    nestpy.RandomGen.rndm().set_seed(1)
    draws = np.array([nestpy.spectra.CH3T_spectrum(0.0, 18.6) for _ in range(20_000)])
    spectrum = spectra.tritium(100.0)
    assert spectrum.total == pytest.approx(100.0)
    u = (np.arange(20_000) + 0.5) / 20_000
    energies = spectrum.quantiles(u)
    assert energies.mean() == pytest.approx(5.7, abs=0.02)
    assert energies.max() <= 18.59
    for power in (1, 2):
        error = (draws**power).std() / np.sqrt(len(draws))
        assert abs((draws**power).mean() - (energies**power).mean()) < 4.0 * error


def test_lead():
    """Nearly flat at low energy: within 7 % over 1 to 100 keV. With all photons lost the lower
    endpoints make it fall."""
    ground = spectra.lead214(50.0, low=1.0, high=100.0)
    assert ground.total == pytest.approx(50.0)
    assert np.ptp(ground.rates) / ground.rates.mean() < 0.07
    every = spectra.lead214(50.0, low=1.0, high=100.0, escape=1.0)
    assert every.rates[-1] / every.rates[0] < 0.97 * ground.rates[-1] / ground.rates[0]
    for arguments, says in (({"escape": 2.0}, "escape"), ({"low": 5.0, "high": 2.0}, "from 5")):
        with pytest.raises(InputError, match=says):
            spectra.lead214(50.0, **arguments)


# ---- neutrinos and WIMPs


def test_neutrino_spectrum():
    """Its integral is 1; its mean 6.7 MeV and its value at some energies are those of the
    standard spectrum (nucl-th/9601044), to 2 %."""
    e = np.linspace(0.0, b8.HIGHEST, 2001)
    assert np.trapezoid(b8.neutrino_spectrum(e), e) == pytest.approx(1.0, abs=1e-5)
    assert np.trapezoid(e * b8.neutrino_spectrum(e), e) == pytest.approx(6.735, rel=0.01)
    some = b8.neutrino_spectrum(np.array([2.0, 5.0, 8.0, 11.0, 13.0]))
    np.testing.assert_allclose(some, [0.0407, 0.1208, 0.1200, 0.0517, 0.0107], rtol=0.02)


def test_cevns_cross_section():
    """Without the form factor the integral over recoils is G_F^2 Q_W^2 Ev^2/(4 pi)."""
    mass_number, ev = 132, 10.0
    highest = 2e3 * ev**2 / (b8.NUCLEON * mass_number)
    e = np.linspace(1e-6, highest, 4001)
    point = b8.cross_section(e, np.array(ev), mass_number) / b8.helm_squared(e, mass_number)
    weak = 132 - 54 - (1 - 4 * 0.23863) * 54
    expected = 1.1663788e-11**2 * weak**2 * ev**2 / (4 * np.pi) * (197.3269804e-13) ** 2
    assert np.trapezoid(point, e) == pytest.approx(expected, rel=1e-5)


def test_boron8():
    """The flux-weighted cross-section is the Standard Model's, 1.2e-39 cm^2 (arXiv:2408.02877);
    the shape is NEST's fit to 10 % from 0.5 to 3 keV."""
    spectrum = spectra.boron8(1.0)
    nuclei = 1e6 / 131.293 * 6.02214076e23
    sigma = spectrum.total / (nuclei * 5.25e6 * 365.25 * 86400)
    assert sigma == pytest.approx(1.2e-39, rel=0.02)
    e = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    nest = 10.0 ** -(2.198 + 1.2184 * e - 0.32849 * e**2 + 0.12441 * e**3) * 365.25 * 1000.0
    np.testing.assert_allclose(spectrum.at(e), nest, rtol=0.1)
    assert spectra.boron8(2.0, flux=b8.FLUX / 2).total == pytest.approx(spectrum.total)
    with pytest.raises(InputError, match="exposure"):
        spectra.boron8(-1.0)


def test_wimp():
    """Equal to wimprates at points between the nodes; twice the exposure, twice the events; the
    grid ends where the rate does."""
    pytest.importorskip("wimprates")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wimprates
    for mass in (8.0, 40.0, 1000.0):
        spectrum = spectra.wimp(mass, 1e-46, 2.0)
        e = spectrum.quantiles(np.array([0.1, 0.5, 0.9]))
        np.testing.assert_allclose(
            spectrum.at(e), 2.0 * wimprates.rate_wimp_std(e, mass, 1e-46), rtol=5e-3
        )
        assert spectrum.rates[-1] <= 1e-6 * spectrum.rates.max()
    np.testing.assert_allclose(
        b8.helm_squared(np.array([1.0, 10.0, 50.0]), 131.293),
        wimprates.helm_form_factor_squared(
            np.array([1.0, 10.0, 50.0]) * wimprates.elastic_nr.nu.keV, 131.293
        ),
        rtol=1e-5,
    )
    with pytest.raises(InputError, match="larger mass"):
        spectra.wimp(0.01, 1e-46, 1.0)


def test_a_wimp_spectrum_is_the_same_in_every_process():
    """Bit for bit, or no folder of toys or draws could be gone on with."""
    pytest.importorskip("wimprates")
    program = (
        "from neyman.likelihoods.xenon.spectra import wimp;"
        "print(wimp(40.0, 1e-47, 5.0).rates.tobytes().hex())"
    )
    commands = [subprocess.Popen([sys.executable, "-c", program], stdout=-1) for _ in range(2)]
    first, second = (command.communicate()[0] for command in commands)
    assert len(first) == 2 * 8 * spectra.WIMP_POINTS + 1
    assert first == second


def test_annual_modulation():
    """Spectra of days between the nodes are wimprates' own, 2 to 7 % from the average over the
    year, which is the mean over days; rates are highest about 1 June."""
    pytest.importorskip("wimprates")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wimprates
    start = datetime.datetime(2022, 3, 1, tzinfo=datetime.UTC)
    of = spectra.wimp_in_time(40.0, 1e-46, 2.0, start, [(0.0, 365.25)])
    assert len(of.basis) <= 5
    e, first = np.array([2.0, 10.0, 30.0]), (start - spectra.J2000).total_seconds() / 86400.0

    def at(days, e):
        none = np.zeros(len(days))
        return of.at(Where(none, none, none, days)).T @ np.stack([s.at(e) for s in of.basis])

    some = np.array([0.0, 47.3, 93.1, 180.7, 275.9, 365.0])
    exact = [2.0 * wimprates.rate_wimp_std(e, 40.0, 1e-46, t=first + day) for day in some]
    np.testing.assert_allclose(at(some, e), exact, rtol=5e-4)
    every = at(np.arange(365.25), e)
    year = 2.0 * wimprates.rate_wimp_std(e, 40.0, 1e-46)
    np.testing.assert_allclose(every.mean(axis=0), year, rtol=2e-3)
    assert np.ptp(every[:, 2]) > 0.12 * year[2]
    assert abs(int(np.argmax(every[:, 2])) - 92) <= 3 and np.argmin(every[:, 0]) < 100


def test_wimp_without_wimprates(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wimprates", None)
    with pytest.raises(InputError, match=r"pip install neyman\[xenon\]"):
        spectra.wimp(40.0, 1e-46, 1.0)


# ---- accidentals


@pytest.fixture
def uneven():
    counts = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 4.0]])
    return accidentals(
        np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.0, 10.0, 15.0]), counts, events=5.0
    )


def test_accidentals_integrate_to_their_events(uneven):
    """The density summed over a fine grid is the number of events; an upper edge is inside."""
    s1, s2 = np.linspace(1, 8, 701)[:-1] + 0.005, np.linspace(0, 15, 301)[:-1] + 0.025
    grid = [a.ravel() for a in np.meshgrid(s1, s2, indexing="ij")]
    assert float(jnp.sum(uneven.density(*grid)) * 0.01 * 0.05) == pytest.approx(5.0, rel=1e-9)
    edge = uneven.density(np.array([8.0, 8.1, 0.9]), np.array([15.0, 1.0, 1.0]))
    np.testing.assert_allclose(edge, [5.0 * 0.4 / 20.0, 0.0, 0.0])


def test_accidentals_kept(uneven):
    """S1 from 3 to 6: half of two rows; S2 below 5: half of one column."""
    everything = (0.0, 1e9)
    one = np.ones(1)
    place = Points(0.0 * one, one, one)
    half = Selection((3.0, 6.0), (0.0, 5.0), everything, everything, 1000.0)
    np.testing.assert_allclose(uneven.kept(half, place), [0.5 * (0.5 * 3.0 * 0.5)])
    every = Selection(everything, everything, everything, everything, 1000.0)
    np.testing.assert_allclose(uneven.kept(every, place), [5.0])
    cell = (np.array([3.0]), np.array([6.0])), (np.zeros(1), np.array([5.0]))
    np.testing.assert_allclose(uneven.kept(every, place, *cell), [0.5 * (0.5 * 3.0 * 0.5)])
    ramp = every._replace(acceptances=(Curve("s1", (0.0, 8.0), (0.0, 1.0)),))
    expected = np.sum(np.asarray(uneven.histogram) * np.array([[1.5], [3.0], [6.0]]) / 8.0)
    np.testing.assert_allclose(uneven.kept(ramp, place), [expected])
    assert float(uneven.events) == pytest.approx(5.0)


def test_accidentals_sample(uneven):
    """Counts per cell of 20,000 draws: chi-square with 3 degrees of freedom below 21.1 (false
    alarm 1e-4; a cell off by 10 % of its content gives about 27)."""
    s1, s2 = uneven.sample(jax.random.key(3), 20_000)
    found, *_ = np.histogram2d(s1, s2, [uneven.s1_edges, uneven.s2_edges])
    expected = np.asarray(uneven.histogram) / 5.0 * 20_000
    filled = expected > 0
    assert found[~filled].sum() == 0
    assert np.sum((found - expected)[filled] ** 2 / expected[filled]) < 21.1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"s1_edges": [2.0, 1.0, 3.0, 4.0]}, "s1_edges: not increasing"),
        ({"counts": [[1.0, 2.0]]}, "shape"),
        ({"counts": np.full((3, 2), -1.0)}, "negative"),
        ({"events": -1.0}, "events: -1"),
    ],
)
def test_what_is_no_template(changes, says):
    arguments = {
        "s1_edges": [1.0, 2.0, 4.0, 8.0],
        "s2_edges": [0.0, 10.0, 15.0],
        "counts": np.ones((3, 2)),
        "events": 5.0,
    } | changes
    events = arguments.pop("events")
    with pytest.raises(InputError, match=says):
        accidentals(*map(np.array, arguments.values()), events=events)


ROWS = """s1_low [PE],s1_high [PE],s2_low [PE],s2_high [PE],events
1,2,0,10,3
2,4,0,10,1
1,2,10,15,2
"""


def test_accidentals_from_a_file(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(ROWS)
    read = read_accidentals(path, events=12.0, name="pairs")
    np.testing.assert_allclose(read.histogram, [[6.0, 4.0], [2.0, 0.0]])
    assert read.name == "pairs"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("4,0,10,1", "5,0,10,nan", "row 2 has no number"),
        ("2,4,0,10,1", "1.5,4,0,10,1", "overlaps"),
        ("2,4,0,10,1", "1,2,0,10,1", "is there twice"),
        ("2,4,0,10,1", "2,4,0,10,-1", "negative"),
        ("s2_low", "s2low", "no column 's2_low'"),
    ],
)
def test_files_of_no_accidentals(tmp_path, old, new, says):
    path = tmp_path / "pairs.csv"
    path.write_text(ROWS.replace(old, new))
    with pytest.raises(InputError, match=says) as caught:
        read_accidentals(path, events=1.0)
    assert "pairs.csv" in str(caught.value)
