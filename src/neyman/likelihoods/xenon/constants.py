"""Named sets of the constants of NEST's yields and fluctuations.

Mean yields are those of NEST 2.3 to head (10.5281/zenodo.1314499), which share their numbers; the
widths differ between versions, so a set is named by its version:

    nest_2.4     NEST 2.3.12 and 2.4.0: ER Fano factor without a field term
    nest_head    NEST head of 2024 (nestpy 2.1.3)
    flamedisx    flamedisx 2.1.0: its widths; no isotope factor; negative tails of the Gaussians
                 of ions and excitons are lost, which NEST counts as 0

A constant is named by the recoil and by its symbol in the formulas of `yields`: `nr_alpha`,
`er_m1_0` for the first number in m1, and so on. All of them can float.
"""

from collections.abc import Mapping

from neyman.parameters import unknown_name

NR_YIELDS = {
    "nr_alpha": 11.0,
    "nr_beta": 1.1,
    "nr_gamma": 0.0480,
    "nr_delta": -0.0533,
    "nr_epsilon": 12.6,
    "nr_zeta": 0.3,
    "nr_eta": 2.0,
    "nr_theta": 0.3,
    "nr_iota": 2.0,
    "nr_p": 0.5,
    "nr_k": 1.0,
    "nr_l": 1.0,
}
ER_YIELDS = {
    **{f"er_m1_{i}": v for i, v in enumerate((30.66, 6.1978, 73.855, 2.0318, 0.41883))},
    "er_m2": 77.2931084,
    **{f"er_m3_{i}": v for i, v in enumerate((0.13946236, 0.52561312))},
    **{f"er_m4_{i}": v for i, v in enumerate((1.82217496, 2.82528809, 144.65029656, -2.80532006))},
    **{f"er_m7_{i}": v for i, v in enumerate((7.02921301, 98.27936794, 256.48156448, 1.29119251))},
    "er_m8": 4.285781736,
    "er_m9": 0.3344049589,
    **{
        f"er_m10_{i}": v
        for i, v in enumerate((0.0508273937, 0.1166087199, 139.260460, -0.65763592))
    },
}
GAMMA_YIELDS = {
    **{f"gamma_m1_{i}": v for i, v in enumerate((33.951, 3.3284, 165.34, 0.72665))},
    "gamma_m3": 2.0,
    "gamma_m4": 2.0,
    **{f"gamma_m5_{i}": v for i, v in enumerate((23.156, 10.737, 34.195, 0.87459))},
    "gamma_m6": 0.0,
    **{f"gamma_m7_{i}": v for i, v in enumerate((66.825, 829.25, 240720.0, 8.2076, 0.83344))},
    "gamma_m8": 2.0,
}
WEIGHTS = {f"weight_{i}": v for i, v in enumerate((0.23, 0.77, 2.95, 1.44, 421.15, 3.27))}
YIELDS = NR_YIELDS | ER_YIELDS | GAMMA_YIELDS | WEIGHTS
ISOTOPES = (131.293 / 131.0) ** 0.5
"""NEST's factor on both quanta of a nuclear recoil, with its integer mass number."""

NEST_HEAD = YIELDS | {
    "nr_scale": ISOTOPES,
    "nr_fano_ions": 0.4,
    "nr_fano_excitons": 0.4,
    "nr_omega": 0.04,
    "nr_omega_centre": 0.5,
    "nr_omega_width": 0.19,
    "nr_skew": 2.25,
    "er_fano": 0.0,
    "er_fano_field": 0.001,
    "er_omega": 0.046452,
    "er_omega_centre": 0.45,
    "er_omega_width": 0.205,
    "er_omega_skew": -0.2,
    "er_skew": 1.0,
    "clamped": 1.0,
}
SETS = {
    "nest_head": NEST_HEAD,
    "nest_2.4": NEST_HEAD | {"er_fano": 1.0, "er_fano_field": 0.0},
    "flamedisx": NEST_HEAD
    | {
        "nr_scale": 1.0,
        "nr_fano_ions": 1.0,
        "nr_fano_excitons": 1.0,
        "nr_omega": 0.1,
        "er_fano_field": 0.0015,
        "er_omega": 0.0553,
        "clamped": 0.0,
    },
}


def constants_of(name: str) -> dict[str, float]:
    """The set `name`, a copy.

    Raises:
        InputError: an unknown name; the known ones are listed.
    """
    if name not in SETS:
        raise unknown_name(name, SETS, "yields")
    return dict(SETS[name])


def replaced(constants: Mapping[str, float], values: Mapping[str, float]) -> dict[str, float]:
    """`constants` with some `values` instead, whose names must be known."""
    for name in values:
        if name not in constants:
            raise unknown_name(name, constants, "constant")
    return {**constants, **values}
