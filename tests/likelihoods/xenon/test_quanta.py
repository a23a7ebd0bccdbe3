"""The quanta matrix against enumeration, on coarse lattices, far from where windows were chosen."""

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtr, owens_t

from neyman._jax import jax, jnp
from neyman.likelihoods.xenon.constants import constants_of
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.edges import outside
from neyman.likelihoods.xenon.nodes import nodes, panels
from neyman.likelihoods.xenon.quanta import quanta_matrix
from neyman.likelihoods.xenon.signals import charge, density, light, within
from neyman.likelihoods.xenon.source import RECOILS
from neyman.likelihoods.xenon.windows import needs, size_of, steps, windows


def constants(name="nest_head", **changes):
    c = constants_of(name) | load_detector("generic").constants | changes
    return {name: jnp.asarray(float(value)) for name, value in c.items()}


def line(kind, energy, c, step=1):
    """Q of one deposit."""
    recoil, e = RECOILS[kind], np.array([energy])
    panel = jnp.asarray(e), jnp.ones(1), windows(recoil, e, c, step=step)
    return np.asarray(
        quanta_matrix(recoil, (panel,), size_of(recoil, e, c, step=step), c, step=step)
    )


def enumerated(kind, energy, c, shape):
    """Q of one deposit, cell by cell, with scipy's distributions."""
    recoil = RECOILS[kind]
    quanta = recoil.yields(energy, c)
    f = recoil.fluctuations(quanta, c)
    Nq, Ne, x = (float(part) for part in quanta)
    omega, skew, a = float(f.omega), float(f.skew), 1.0 / (1.0 + x)
    n = np.arange(shape[1])

    def cells(mean, variance):
        edges = ndtr((np.append(n - 0.5, np.inf) - mean) / np.sqrt(variance))
        edges[0] = 0.0 if c["clamped"] == 1.0 else edges[0]
        return np.diff(edges)

    if recoil.nuclear:
        ions = cells(a * Nq, float(f.fano[0]) * a * Nq)
        excitons = cells((1 - a) * Nq, float(f.fano[1]) * (1 - a) * Nq)
        joint = ions[:, None] * excitons
    else:
        total = cells(Nq, float(f.fano[0]) * Nq)
        joint = np.zeros((shape[1], shape[1]))
        for nq in n:
            joint[: nq + 1, : nq + 1][np.arange(nq + 1), nq - np.arange(nq + 1)] = total[
                nq
            ] * scipy.stats.binom.pmf(np.arange(nq + 1), nq, a)
    escape = min(1.0, (1 + x) * Ne / Nq)
    delta = skew / np.sqrt(1 + skew**2)
    q = np.zeros(shape)
    for ni in np.flatnonzero(joint.sum(axis=1) > 1e-16):
        sd = np.sqrt(escape * (1 - escape) * ni + omega**2 * ni**2)
        scale = max(sd, 1e-6) / np.sqrt(1 - 2 / np.pi * delta**2)
        t = np.arange(ni) + 0.5 - escape * ni + np.sqrt(2 / np.pi) * delta * scale
        below = ndtr(t / scale) - 2 * owens_t(t / scale, skew)
        given = np.diff(np.concatenate([[0.0], below, [1.0]]))
        for ne in np.flatnonzero(given > 1e-16):
            nph = ni - ne + n
            inside = nph < shape[1]
            if ne < shape[0]:
                q[ne, nph[inside]] += given[ne] * joint[ni, inside]
    return q


@pytest.mark.parametrize("name", ["nest_head", "flamedisx"])
@pytest.mark.parametrize(("kind", "energy"), [("nr", 1.0), ("nr", 7.0), ("er", 0.3), ("er", 2.5)])
def test_every_cell_is_the_sum_over_ions_and_excitons(kind, energy, name):
    """To the 1e-8 that windows leave at their edges."""
    c = constants(name)
    q = line(kind, energy, c)
    np.testing.assert_allclose(q, enumerated(kind, energy, c, q.shape), atol=2e-9)
    if name == "nest_head":
        assert q.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("kind", "energy"), [("er", 10.0), ("er", 30.0), ("nr", 80.0)])
def test_sums_over_some_ions_are_those_over_all(kind, energy):
    recoil, e, c = RECOILS[kind], np.array([energy]), constants()
    window = windows(recoil, e, c)
    ions = (window.ions - 1) * window.stride
    assert window.stride > 1
    shape = size_of(recoil, e, c)
    some, all_of_them = (
        quanta_matrix(recoil, ((jnp.asarray(e), jnp.ones(1), w),), shape, c)
        for w in (window, window._replace(ions=ions, stride=1))
    )
    np.testing.assert_allclose(some, all_of_them, atol=1e-7 * np.max(all_of_them))


@pytest.mark.parametrize(("kind", "energy"), [("er", 30.0), ("nr", 80.0)])
def test_a_coarse_lattice_has_the_rates_of_the_fine_one(kind, energy):
    c = constants()
    step = int(steps(RECOILS[kind], np.array([energy]), c)[0])
    fine, coarse = line(kind, energy, c), line(kind, energy, c, step)
    electrons, photons = np.maximum(step * np.array(coarse.shape), fine.shape)
    assert step > 1 and coarse.size < fine.size / step
    ne, nph = (fine.sum(axis=axis) @ np.arange(n) for axis, n in zip((1, 0), fine.shape))
    s1 = c["g1"] * 1.17 * nph * np.array([0.8, 0.9, 1.0, 1.1, 1.2])
    s2 = c["extraction"] * 26.9 * ne * np.array([1.1, 0.9, 1.0, 1.05, 0.8])
    one = np.ones(5)

    def seen(q, step):
        wide = light(density(s1), one, q.shape[1], 500, c, step=step)
        return (charge(density(s2), one, 80.0 * one, q.shape[0], c, step=step) @ q * wide).sum(1)

    np.testing.assert_allclose(seen(coarse, step), seen(fine, 1), rtol=1e-5)
    assert electrons * photons > 0


@pytest.fixture(scope="module", params=("nr", "er"))
def spread(request):
    """kind -> its recoil, panels of lines at 0.1 ... 100 keV, shape and step of each."""
    recoil, c = RECOILS[request.param], constants()
    lattices = []
    for energies, step in (((0.1, 1.0), 1), ((100.0,), 8)):
        e = np.array(energies)
        if recoil.nuclear and step > 1:
            step = int(np.min(steps(recoil, e, c)))
        shape = tuple(2 * n for n in size_of(recoil, e, c, step=step))
        panel = jnp.asarray(e), jnp.ones(len(e)) / len(e), windows(recoil, e, c, step=step)
        lattices.append(((panel,), shape, step))
    return request.param, recoil, lattices


def test_any_constants_leave_a_distribution(spread):
    """Within 30 % of NEST's, in every constant at once: finite, sum 1, nothing negative.

    The derivative of an average over the matrix is finite in every constant.
    """
    kind, recoil, lattices = spread
    first = constants()
    names = [n for n in first if n.startswith(kind) or n in ("drift_field", "density")]
    rng = np.random.default_rng(11)
    for parts, shape, step in lattices:

        @jax.jit
        def of(changes, parts=parts, shape=shape, step=step):
            def average(changes):
                c = first | {n: changes[i] * first[n] for i, n in enumerate(names)}
                q = quanta_matrix(recoil, parts, shape, c, step=step)
                weight = np.cos(0.1 * np.arange(shape[0]))[:, None]
                return jnp.sum(weight * q), q

            (_, q), derivative = jax.value_and_grad(average, has_aux=True)(changes)
            return jnp.sum(q), jnp.min(q), derivative

        for _ in range(20):
            changes = rng.uniform(0.7, 1.3, len(names))
            if kind == "nr":
                changes[names.index("nr_beta")] = rng.uniform(0.9, 1.1)
            total, least, derivative = of(jnp.asarray(changes))
            assert total == pytest.approx(1.0, abs=1e-10), dict(zip(names, changes))
            assert least >= 0.0
            assert np.all(np.isfinite(derivative)), dict(zip(names, derivative))


@pytest.mark.parametrize(("kind", "low", "high"), [("nr", 0.5, 20.0), ("er", 0.1, 10.0)])
def test_little_lies_outside_windows_when_constants_move(kind, low, high):
    """One at a time by 20 %: at most 1e-4, 1e-5 in the median; more is reported."""
    recoil, c = RECOILS[kind], constants()
    energies, weights = nodes(low, high, recoil, c)
    parts = panels(energies, weights, recoil, c, 2)
    shape = size_of(recoil, energies, c)
    report = jax.jit(lambda c: jnp.max(outside(recoil, parts, shape, c)))
    assert report(c) < 1e-7
    moved = {
        name: max(float(report(c | {name: factor * c[name]})) for factor in (0.8, 1.2))
        for name in c
        if name.startswith(kind) or name in ("drift_field", "density")
    }
    # 20 % is 4 published standard deviations of beta: twice the quanta at 20 keV.
    doubled = moved.pop("nr_beta", None)
    assert doubled is None or doubled > 0.5
    assert np.median(list(moved.values())) < 1e-5
    assert max(moved.values()) < 1e-4, moved


@pytest.mark.parametrize(("kind", "low", "high"), [("nr", 0.5, 20.0), ("er", 0.1, 10.0)])
def test_energy_nodes_are_as_good_as_twice_as_many(kind, low, high):
    """Rates to 1e-5 above the kink of electronic recoils at 0.3 keV, mu to 2e-7."""
    recoil, c = RECOILS[kind], constants()
    energies, weights = nodes(low, high, recoil, c)
    x, w = np.polynomial.legendre.leggauss(2 * len(energies))
    low4, high4 = low**0.25, high**0.25
    roots = low4 + (high4 - low4) * (x + 1.0) / 2.0
    twice = roots**4, 2.0 * (high4 - low4) * w * roots**3
    assert weights.sum() == pytest.approx(high - low, rel=1e-12)
    assert energies.min() > low and energies.max() < high

    shape = size_of(recoil, np.array([high]), c)
    rng, one = np.random.default_rng(3), np.ones(100)
    ne = rng.uniform(15.0 if kind == "nr" else 60.0, 0.7 * shape[0], 100)
    quanta = jax.vmap(lambda e: recoil.yields(e, c))(jnp.asarray(np.linspace(low, high, 999)))
    at = np.interp(ne, quanta.electrons, quanta.total - quanta.electrons)
    s1 = np.maximum(2.0, 0.137 * at * rng.uniform(0.8, 1.2, 100))
    s2 = 14.0 * ne * rng.uniform(0.9, 1.1, 100)
    most = int(0.16 * shape[1]) + 20
    a = light(density(s1), one, shape[1], most, c)
    b = charge(density(s2), one, 80.0 * one, shape[0], c)
    s1, s2 = (
        within(jnp.array([2.0]), jnp.array([60.0])),
        within(jnp.array([200.0]), jnp.array([9e9])),
    )
    alpha = light(s1, np.ones(1), shape[1], most, c)
    beta = charge(s2, np.ones(1), np.array([80.0]), shape[0], c)
    rates, mu = [], []
    for e, w in ((energies, weights), twice):
        q = quanta_matrix(recoil, panels(e, w, recoil, c, 2), shape, c)
        rates.append(np.asarray(jnp.sum((b @ q) * a, axis=1)))
        mu.append(float((beta @ q @ alpha.T)[0, 0]))
    np.testing.assert_allclose(*rates, rtol=1e-5)
    np.testing.assert_allclose(*mu, rtol=2e-7)


def test_panels_hold_every_node_once():
    recoil, c = RECOILS["er"], constants()
    energies, weights = nodes(0.1, 10.0, recoil, c)
    for n in (1, 2, 3):
        parts = panels(energies, weights, recoil, c, n)
        assert len(parts) == n
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), energies)
        np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), weights)
        for e, _, window in parts:
            assert np.all(
                needs(recoil, e, c)[0].max(axis=1)
                <= [window.electrons, window.ions * window.stride, window.others]
            )
    assert len(panels(energies[:1], weights[:1], recoil, c, 2)) == 1
