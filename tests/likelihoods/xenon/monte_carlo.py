"""Deposits in liquid xenon drawn one by one with NumPy, from the formulas alone.

Written from NEST's papers (10.5281/zenodo.1314499, arXiv:1910.04211) and the detector model of
flamedisx (arXiv:2003.12483), without a look at `src`; nothing is imported from there. Constants
come by name; E in keV, drift times in us.
"""

import numpy as np
import scipy.special


def nuclear_means(E, c):
    """Electrons, photons, ions."""
    tib = c["nr_gamma"] * c["drift_field"] ** c["nr_delta"] * (c["density"] / 2.9) ** 0.3
    Qy = (1 - (1 + (E / c["nr_zeta"]) ** c["nr_eta"]) ** -c["nr_k"]) / (
        tib * (E + c["nr_epsilon"]) ** c["nr_p"]
    )
    Ne = np.maximum(Qy * E, 0)
    quenched = 1 - (1 + (E / c["nr_theta"]) ** c["nr_iota"]) ** -c["nr_l"]
    Nph = np.maximum((c["nr_alpha"] * E ** c["nr_beta"] - Ne) * quenched, 0)
    Ne, Nph = Ne * c["nr_scale"], Nph * c["nr_scale"]
    Ni = 4 / tib * (np.exp(Ne * tib / 4) - 1)
    return Ne, Nph, np.where((E < 1) & (Ne + Nph > 2 * Ni), 0.5 * (Ne + Nph), Ni)


def beta_means(E, c):
    """Electrons, photons, ions."""
    F, rho = c["drift_field"], c["density"]
    Wq = 1e-3 * (18.7263 - 1.01e-23 * rho * 6.0221409e23 * 54 / 131.293) * 1.1716263232
    ratio = (0.067366 + 0.039693 * rho) * scipy.special.erf(0.05 * E)
    m1 = 30.66 + (6.1978 - 30.66) / (1 + (F / 73.855) ** 2.0318) ** 0.41883
    m2 = c["er_m2"]
    m3 = np.log10(F) * 0.13946236 + 0.52561312
    m4 = 1.82217496 + (2.82528809 - 1.82217496) / (1 + (F / 144.65029656) ** -2.80532006)
    m5 = 1 / Wq / (1 + ratio) - m1
    m7 = 7.02921301 + (98.27936794 - 7.02921301) / (1 + (F / 256.48156448) ** 1.29119251)
    m10 = 0.0508273937 + (0.1166087199 - 0.0508273937) / (1 + (F / 139.260460) ** -0.65763592)
    Qy = m1 + (m2 - m1) / (1 + (E / m3) ** m4) ** c["er_m9"]
    Qy += m5 - m5 / (1 + (E / m7) ** c["er_m8"]) ** m10
    coeff_ti, coeff_ni = (1 / 2.9) ** 0.3, (1 / 2.9) ** 1.4
    coeff_ol = (1 / 2.9) ** -1.7 / np.log10(1 + coeff_ti * coeff_ni * 2.9**1.7)
    Qy *= coeff_ol * np.log10(1 + coeff_ti * coeff_ni * rho**1.7) * rho**-1.7
    Ne = Qy * E
    return Ne, np.maximum(E / Wq - Ne, 0), (E / Wq) / (1 + ratio)


def nuclear_quanta(rng, E, c):
    """Electrons and photons of each deposit."""
    Ne, Nph, Ni = nuclear_means(E, c)
    Nex = Ne + Nph - Ni
    ions = rounded(rng, Ni, np.sqrt(c["nr_fano_ions"] * Ni))
    excitons = rounded(rng, Nex, np.sqrt(c["nr_fano_excitons"] * Nex))
    f = Ne / (Ne + Nph)
    omega = c["nr_omega"] * np.exp(
        -((f - c["nr_omega_centre"]) ** 2) / 2 / c["nr_omega_width"] ** 2
    )
    escape = np.minimum((Ne + Nph) / Ni * f, 1)
    electrons = recombined(rng, ions, escape, omega, c["nr_skew"])
    return electrons, ions + excitons - electrons


def beta_quanta(rng, E, c):
    """Electrons and photons of each deposit."""
    Ne, Nph, Ni = beta_means(E, c)
    F, rho, Nq = c["drift_field"], c["density"], Ne + Nph
    fano = 0.12707 - 0.029623 * rho - 0.0057042 * rho**2 + 0.0015957 * rho**3
    fano = fano + c["er_fano_field"] * np.sqrt(Nq * F)
    total = rounded(rng, Nq, np.sqrt(fano * Nq))
    ions = rng.binomial(total.astype(int), Ni / Nq)

    amplitude = 0.086036 + (c["er_omega"] - 0.086036) / (1 + (F / 295.2) ** 251.6) ** 0.0069114
    w, mean, k = c["er_omega_width"], c["er_omega_centre"], c["er_omega_skew"]

    def bell(y):
        skewed = 1 + scipy.special.erf(k * (y - mean) / w / np.sqrt(2))
        return np.exp(-((y - mean) ** 2) / 2 / w**2) * skewed

    mode = mean + 2 / np.sqrt(2 * np.pi) * k * w / np.sqrt(1 + k**2)
    omega = amplitude * bell(Ne / Nq) / bell(mode)
    Wq = 1e-3 * (18.7263 - 1.01e-23 * rho * 6.0221409e23 * 54 / 131.293) * 1.1716263232
    e = Wq * Nq
    low = 1 / (1 + np.exp((e - 26.7) / 6.4))
    skew = low * (1.39 + 4 * np.exp(-F / 225) * (1 - np.exp(-e / 7.7)))
    skew = skew + (1 - low) * 22.1 * np.exp(-e / 54) * np.exp(-np.sqrt(F / 71))
    escape = np.minimum(Nq / Ni * Ne / Nq, 1)
    electrons = recombined(rng, ions, escape, omega, skew * c["er_skew"])
    return electrons, total - electrons


def recombined(rng, ions, escape, omega, skew):
    """Electrons that escape: skew-normal, of mean and variance as asked for, cut to 0 ... ions."""
    sd = np.sqrt(escape * (1 - escape) * ions + omega**2 * ions**2)
    delta = skew / np.sqrt(1 + skew**2)
    width = sd / np.sqrt(1 - 2 * delta**2 / np.pi)
    first, second = rng.normal(size=(2, len(ions)))
    z = delta * np.abs(first) + np.sqrt(1 - delta**2) * second
    centre = escape * ions - width * delta * np.sqrt(2 / np.pi)
    return np.clip(np.rint(centre + width * z), 0, ions)


def rounded(rng, mean, sd):
    return np.maximum(np.rint(rng.normal(mean, sd)), 0)


def light(rng, photons, c):
    """S1 of each event in phd; minus infinity where there is none."""
    hits = rng.binomial(photons.astype(int), c["g1"])
    table = np.array([c[f"coincidence_{i}"] for i in range(6)])
    kept = rng.uniform(size=len(hits)) < np.where(hits > 5, 1.0, table[np.minimum(hits, 5)])
    pe = hits + rng.binomial(hits, c["double_pe"])
    efficiency = np.minimum(c["spe_eff"] + (1 - c["spe_eff"]) / (2 * c["n_pmts"]) * pe, 1)
    seen = rng.binomial(pe, 1 - (1 - efficiency) / (1 + c["double_pe"]))
    s1 = rng.normal(
        c["s1_gain"] * seen, np.hypot(c["spe_res"] * np.sqrt(seen), c["s1_noise"] * seen)
    )
    return np.where(kept & (seen > 0), s1, -np.inf)


def charge(rng, electrons, drift_time, c):
    """S2 of each event in phd; minus infinity where there is none."""
    survive = c["extraction"] * np.exp(-drift_time / c["electron_lifetime"])
    k = rng.binomial(electrons.astype(int), survive)
    gas = rounded(rng, k * c["electron_gain"], np.sqrt(k * c["electron_gain"] * c["s2_fano"]))
    hits = rng.binomial(gas.astype(int), c["g1_gas"])
    pe = hits + rng.binomial(hits, c["double_pe"])
    s2 = rng.normal(pe, np.hypot(c["spe_res"] * np.sqrt(pe), c["s2_noise"] * pe))
    return np.where(k > 0, s2, -np.inf)


QUANTA = {"nr": nuclear_quanta, "er": beta_quanta}


def events(rng, kind, energies, drift_times, c, n):
    """S1 and S2 of `n` deposits, flat between the ends of `energies` and of `drift_times`."""
    electrons, photons = QUANTA[kind](rng, rng.uniform(*energies, n), c)
    s2 = charge(rng, electrons, rng.uniform(*drift_times, n), c)
    return light(rng, photons, c), s2
