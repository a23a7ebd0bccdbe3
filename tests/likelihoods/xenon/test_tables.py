"""Spectra with steps, peaks and noise: their totals and mu, against lines between their kinks."""

import numpy as np
import pytest
import scipy.special

from neyman._jax import jnp
from neyman.likelihoods.xenon.constants import constants_of
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.gauss import gauss
from neyman.likelihoods.xenon.nodes import spectral_nodes
from neyman.likelihoods.xenon.source import RECOILS, Source
from neyman.likelihoods.xenon.spectra import flat
from neyman.likelihoods.xenon.spectrum import Spectrum

LOW, HIGH = 0.5, 12.0
STEP = Spectrum(np.array([LOW, 7.3, 7.3001, HIGH]), np.array([1.0, 1.0, 3.0, 3.0]))
PEAK = Spectrum(np.array([LOW, 7.0, 7.3, 7.6, HIGH]), np.array([0.0, 0.0, 1.0, 0.0, 0.0]))
ROUGH = Spectrum(np.linspace(LOW, HIGH, 201), np.random.default_rng(1).uniform(0.0, 1.0, 201))


def constants():
    return constants_of("nest_head") | load_detector("generic").constants


def test_gauss_of_a_flat_density_is_legendres():
    x, w = np.polynomial.legendre.leggauss(40)
    np.testing.assert_allclose(gauss(x, w, 12), np.polynomial.legendre.leggauss(12), atol=1e-13)


def as_lines(spectrum, n):
    """n lines for each segment, the nodes of a rule that is exact to degree 2n - 1."""
    x, w = np.polynomial.legendre.leggauss(n)
    begin, width = spectrum.energies[:-1, None], np.diff(spectrum.energies)[:, None]
    energies = (begin + 0.5 * width * (x + 1.0)).ravel()
    events = (0.5 * width * w).ravel() * spectrum.at(energies)
    return Spectrum(lines=np.stack([energies, events], axis=1)[events > 0])


def kept(spectrum):
    """mu: two of the photons are detected, and the light of 15 electrons or so is seen."""
    c = constants()
    source = Source.of("nr", "nr", spectrum, c)
    (q,) = source.quanta(c, jnp.array([c["drift_field"]]))
    q = np.asarray(q[0, 0])
    ne, nph = map(np.arange, q.shape)
    alpha = 1.0 - (1.0 - c["g1"]) ** nph - nph * c["g1"] * (1.0 - c["g1"]) ** (nph - 1.0)
    return scipy.special.ndtr((ne - 15.0) / 3.0) @ q @ alpha, q.sum()


@pytest.mark.parametrize(
    ("spectrum", "n"), [(STEP, 48), (PEAK, 24), (ROUGH, 3)], ids=["step", "peak", "rough"]
)
def test_mu_of_a_table_with_kinks(spectrum, n):
    """One rule over all of it is wrong by 1 to 60 % of the total, whatever its spacing."""
    mu, total = kept(spectrum)
    expected, _ = kept(as_lines(spectrum, n))
    assert total == pytest.approx(spectrum.total, rel=1e-9)
    assert mu == pytest.approx(expected, rel=1e-6)


def test_each_spectrum_of_a_basis_has_its_events():
    basis = (STEP, flat(LOW, HIGH, 5.0), PEAK)
    energies, events = spectral_nodes(basis, LOW, HIGH, RECOILS["nr"], constants())
    assert np.all(np.diff(energies) > 0) and np.all(events >= 0)
    np.testing.assert_allclose(events.sum(axis=1), [s.total for s in basis], rtol=1e-9)
    means = [s.quantiles(np.linspace(0, 1, 200_001)).mean() for s in basis]
    np.testing.assert_allclose(events @ energies / events.sum(axis=1), means, rtol=1e-4)


def test_many_kinks_that_do_not_matter_need_no_more_nodes():
    smooth = np.linspace(LOW, HIGH, 1001)
    tabulated = Spectrum(smooth, np.exp(-0.3 * smooth))
    one, _ = spectral_nodes((flat(LOW, HIGH, 1.0),), LOW, HIGH, RECOILS["nr"], constants())
    same, _ = spectral_nodes((tabulated,), LOW, HIGH, RECOILS["nr"], constants())
    np.testing.assert_array_equal(one, same)
