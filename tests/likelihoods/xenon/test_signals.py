"""The kernels of S1 and S2 against enumeration with scipy's binomials and exact moments."""

import numpy as np
import pytest
import scipy.stats

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.photoelectrons import banded, dense
from neyman.likelihoods.xenon.signals import charge, density, light, within
from neyman.likelihoods.xenon.thinning import thinned

MOST = 25


@pytest.fixture(scope="module")
def c():
    return {name: float(value) for name, value in load_detector("generic").constants.items()}


def counted_by_enumeration(c):
    """P(k counted | n detected), by sums over photoelectrons."""
    out = np.zeros((MOST + 1, 2 * MOST + 1))
    for n in range(MOST + 1):
        kept = c[f"coincidence_{n}"] if n < 6 else 1.0
        for pe in range(n, 2 * n + 1):
            efficiency = min(1.0, c["spe_eff"] + (1 - c["spe_eff"]) / (2 * c["n_pmts"]) * pe)
            p = 1 - (1 - efficiency) / (1 + c["double_pe"])
            some = kept * scipy.stats.binom.pmf(pe - n, n, c["double_pe"])
            out[n, : pe + 1] += some * scipy.stats.binom.pmf(np.arange(pe + 1), pe, p)
    return out


@pytest.mark.parametrize("changes", [{}, {"spe_eff": 0.9, "s1_noise": 0.1, "double_pe": 0.3}])
def test_light_is_the_sum_over_detected_photons_and_photoelectrons(c, changes):
    c = c | changes
    s1, relative, photons = np.array([2.0, 5.5, 14.0]), np.array([0.8, 1.0, 1.3]), 60
    counted = np.arange(1, 2 * MOST + 1)
    sd = np.sqrt(c["spe_res"] ** 2 * counted + (c["s1_noise"] * counted) ** 2)
    laws = scipy.stats.norm(c["s1_gain"] * counted, sd)
    given_detected = laws.pdf(s1[:, None]) @ counted_by_enumeration(c)[:, 1:].T
    n, k = np.arange(photons), np.arange(MOST + 1)
    expected = [
        row @ scipy.stats.binom.pmf(k[:, None], n[None], c["g1"] * m)
        for row, m in zip(given_detected, relative)
    ]
    found = light(density(jnp.asarray(s1)), jnp.asarray(relative), photons, MOST, c)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)
    coarse = light(density(jnp.asarray(s1)), jnp.asarray(relative), photons // 4, MOST, c, step=4)
    np.testing.assert_allclose(coarse, found[:, ::4], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("changes", [{}, {"s2_noise": 0.1, "double_pe": 0.3, "spe_res": 0.6}])
def test_charge_has_the_exact_mean_and_variance(c, changes):
    """Of k electrons' light through gas gain, detection and photoelectrons, by total variance."""
    c = c | changes
    ne, time, relative = 40, 100.0, 1.1
    g, p, Y = c["g1_gas"] * relative, c["double_pe"], c["electron_gain"]
    survival = c["extraction"] * np.exp(-time / c["electron_lifetime"])
    k = np.arange(ne + 1)
    hits, of_hits = g * k * Y, g * g * c["s2_fano"] * k * Y + g * (1 - g) * k * Y
    pe, of_pe = (1 + p) * hits, (1 + p) ** 2 * of_hits + p * (1 - p) * hits
    of_s2 = of_pe + c["spe_res"] ** 2 * pe + c["s2_noise"] ** 2 * pe**2
    share = scipy.stats.binom.pmf(k, ne, survival)
    mean = share @ pe
    variance = share @ (of_s2 + pe**2) - mean**2

    s2 = np.linspace(1.0, 4.0 * mean, 20_001)
    one = np.ones(len(s2))
    kernel = charge(density(jnp.asarray(s2)), relative * one, time * one, ne + 1, c)[:, -1]
    whole = np.trapezoid(kernel, s2)
    assert whole == pytest.approx(1.0 - share[0], abs=1e-6)
    assert np.trapezoid(kernel * s2, s2) == pytest.approx(mean, rel=1e-6)
    assert np.trapezoid(kernel * (s2 - mean) ** 2, s2) == pytest.approx(variance, rel=1e-5)


@pytest.mark.parametrize(
    "changes", [{}, {"spe_eff": 0.7}, {"double_pe": 0.0}, {"double_pe": 0.9, "spe_eff": 0.0}]
)
def test_bands_of_photoelectrons_hold_all_of_them(c, changes):
    """Against the whole matrix, for 300 photons, with derivatives in the constants."""
    c, most = {name: jnp.asarray(value) for name, value in (c | changes).items()}, 300
    k = np.arange(1.0, 2 * most + 1)[None]
    middle = np.array([3.0, 40.0, 250.0, 400.0])[:, None]
    given = jnp.asarray(np.exp(-0.5 * ((k - middle) / (1.0 + 0.3 * np.sqrt(middle))) ** 2))

    def total(c, of):
        found = of(c)
        return jnp.sum(jnp.log1p(found)), found

    names = ("double_pe", "spe_eff", "coincidence_2")
    whole, bands = (
        jax.jit(jax.value_and_grad(lambda x, of=of: total({**c, **x}, of), has_aux=True))
        for of in (lambda c: given @ dense(most, c)[:, 1:].T, lambda c: banded(given, most, c))
    )
    at = {name: c[name] for name in names}
    (_, expected), slopes = whole(at)
    (_, found), slope = bands(at)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
    for name in names:
        assert float(slope[name]) == pytest.approx(float(slopes[name]), rel=1e-8), name


@pytest.mark.parametrize("kind", ["density", "within"])
@pytest.mark.parametrize(
    ("size", "low", "high", "step"),
    [(120, 0.05, 0.2, 1), (740, 0.6, 0.99, 1), (400, 0.03, 0.6, 8), (500, 0.5, 0.97, 8)],
)
def test_thinning_is_binomial_at_every_place(kind, size, low, high, step):
    """In the range of floats from 5 to 99 % survival, and with finite derivatives; up to 4,000
    quanta."""
    p, k = np.linspace(low, high, 7), np.arange(step * (size - 1) + 1)
    centres = np.linspace(0.1, 0.8, 7)[:, None] * step * size * p[:, None]
    if kind == "density":
        given = np.exp(-0.5 * ((k - centres) / np.sqrt(0.16 * centres)) ** 2)
    else:
        given = scipy.stats.norm.cdf((k - 8.0) / np.ones((7, 1)))
    n = step * np.arange(size)
    expected = [row @ scipy.stats.binom.pmf(k[:, None], n[None], q) for row, q in zip(given, p)]
    local = kind == "density"
    of = jax.jit(lambda p: thinned(jnp.asarray(given), p, size, local=local, step=step))
    np.testing.assert_allclose(of(p), expected, rtol=1e-10, atol=1e-12)
    derivative = jax.jit(jax.grad(lambda p: jnp.sum(of(p) ** 2)))(jnp.asarray(p))
    moved = 3e-5 * p[3] * np.eye(7)[3]
    change = float(np.sum(of(p + moved)[3] ** 2) - np.sum(of(p - moved)[3] ** 2))
    assert np.all(np.isfinite(derivative))
    assert float(derivative[3]) == pytest.approx(change / 6e-5 / p[3], rel=2e-6)


def test_acceptances_are_integrals_of_densities(c):
    x, w = np.polynomial.legendre.leggauss(60)
    s2 = 300.0 + 300.0 * (x + 1.0)
    one = np.ones(60)
    points = charge(density(jnp.asarray(s2)), one, 80.0 * one, 50, c)
    both = within(jnp.array([300.0]), jnp.array([900.0]))
    whole = charge(both, np.ones(1), np.array([80.0]), 50, c)
    np.testing.assert_allclose(whole[0], 300.0 * w @ points, rtol=1e-8, atol=1e-12)


def test_a_detector_without_double_photoelectrons_has_finite_derivatives(c):
    def total(double_pe):
        law = density(jnp.array([5.0, 20.0]))
        return jnp.sum(light(law, jnp.ones(2), 80, MOST, c | {"double_pe": double_pe}) ** 2)

    assert all(np.isfinite(jax.jit(jax.value_and_grad(total))(0.0)))
