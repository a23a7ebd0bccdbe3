"""pyhf's own documented examples and its stored validation numbers.

`DOCUMENTED` are figures printed in pyhf 0.7.6's README and docstrings, with pyhf's default
minimiser, which stops up to 1.5e-4 from the tight numbers. `VALIDATION` are those of pyhf's
tests/test_validation.py, made in the same way: the statistic q, interpolation codes 1 and 0, the
defaults of the time. The same examples are then computed by pyhf with a tight minimiser.
"""

import dataclasses
from typing import Any

import numpy as np
import pyhf
import pytest
from numpy.testing import assert_allclose

import neyman as ny
from neyman.inference.profile import Profile
from tests.strategies import Json
from tests.truth.test_pyhf import MU, modifier, pyhf_model, workspace

CORRELATED = "correlated_bkg_uncertainty"


def with_data(document: Json, **data: list[float]) -> Json:
    for observation in document["observations"]:
        observation["data"] = data.get(observation["name"], observation["data"])
    return document


def uncorrelated(signal, bkg, uncertainty, data) -> Json:
    """pyhf.simplemodels.uncorrelated_background"""
    shapesys = modifier("shapesys", "uncorr_bkguncrt", uncertainty)
    samples = {"signal": (signal, [MU]), "background": (bkg, [shapesys])}
    return with_data(workspace({"singlechannel": samples}), singlechannel=data)


def correlated(signal, bkg, up, down, data) -> Json:
    """pyhf.simplemodels.correlated_background"""
    histosys = modifier("histosys", CORRELATED, {"hi_data": up, "lo_data": down})
    samples = {"signal": (signal, [MU]), "background": (bkg, [histosys])}
    return with_data(workspace({"single_channel": samples}), single_channel=data)


@dataclasses.dataclass(frozen=True)
class Figures:
    """CLs at mu = 1."""

    name: str
    document: Json
    observed: float
    expected: list[float]
    statistic: str = "qtilde"
    relative: float = 2e-4
    codes: tuple[str, str] = ("4", "4p")


README = uncorrelated([12.0, 11.0], [50.0, 52.0], [3.0, 7.0], [51.0, 48.0])
DOCUMENTED = [
    Figures(
        "README, hypotest",
        README,
        0.05251497423736956,
        [
            0.0026062609501074576,
            0.01382005356161206,
            0.06445320535890459,
            0.23525643861460702,
            0.57303621,
        ],
    ),
]


def two_channels(signal: dict, control: dict, signal_data, control_data) -> Json:
    document = workspace({"signal": signal, "control": control})
    return with_data(document, signal=signal_data, control=control_data)


def varied(name: str, hi: list[float], lo: list[float]) -> Json:
    return modifier("histosys", name, {"hi_data": hi, "lo_data": lo})


LUMI = modifier("lumi", "lumi")
LUMI_CONFIG = {
    "name": "lumi",
    "auxdata": [1.0],
    "bounds": [[0.0, 10.0]],
    "inits": [1.0],
    "sigmas": [0.1],
}
NORM = modifier("normsys", "bkg_norm", {"lo": 0.9, "hi": 1.1})
COUPLED = modifier("normsys", "coupled_normsys", {"lo": 0.9, "hi": 1.1})
COUPLED_WIDE = modifier("normsys", "coupled_normsys", {"lo": 0.5, "hi": 1.5})
COUPLED_SHAPE = modifier("shapefactor", "coupled_shapefactor")

VALIDATION = [
    Figures(
        "1bin_shapesys",
        uncorrelated([10.0], [50.0], [7.0], [55.0]),
        0.4541865416107029,
        [
            0.06371799398864626,
            0.15096503398048894,
            0.3279606950533305,
            0.6046087303039118,
            0.8662627605298466,
        ],
    ),
    Figures(
        "1bin_lumi",
        with_data(
            workspace(
                {
                    "channel1": {
                        "signal": ([20.0], [MU]),
                        "background1": ([100.0], [LUMI]),
                        "background2": ([0.0], [LUMI]),
                    }
                },
                LUMI_CONFIG,
            ),
            channel1=[55.0],
        ),
        0.01047275,
        [0.01060338, 0.04022273, 0.13614217, 0.37078321, 0.71104119],
    ),
    Figures(
        "1bin_normsys",
        with_data(
            workspace(
                {
                    "singlechannel": {
                        "signal": ([30.0, 95.0], [MU]),
                        "background": ([100.0, 150.0], [NORM]),
                    }
                }
            ),
            singlechannel=[120.0, 180.0],
        ),
        0.0006735317023683173,
        [
            7.471684419037561e-10,
            5.7411551509088054e-08,
            3.6898088062731205e-06,
            0.00016965731538267896,
            0.004392708998555453,
        ],
    ),
    Figures(
        "2bin_histosys",
        with_data(
            workspace(
                {
                    "singlechannel": {
                        "signal": ([30.0, 95.0], [MU]),
                        "background": (
                            [100.0, 150.0],
                            [varied("bkg_norm", [102.0, 190.0], [98.0, 100.0])],
                        ),
                    }
                }
            ),
            singlechannel=[120.0, 180.0],
        ),
        0.1001463460725534,
        [
            7.134513306138892e-06,
            0.00012547100627138575,
            0.001880010666437615,
            0.02078964907605385,
            0.13692494523572218,
        ],
    ),
    Figures(
        "2bin_2channel",
        two_channels(
            {
                "signal": ([10.0, 35.0], [MU]),
                "background": ([100.0, 150.0], [modifier("shapesys", "u_signal", [10.0, 10.0])]),
            },
            {"background": ([200.0, 350.0], [modifier("shapesys", "u_control", [5.0, 10.0])])},
            [110.0, 155.0],
            [205.0, 345.0],
        ),
        0.056332621064982304,
        [
            0.00043491354821983556,
            0.0034223000502860606,
            0.02337423265831151,
            0.1218654225510158,
            0.40382074249477845,
        ],
    ),
    Figures(
        "2bin_2channel_couplednorm",
        two_channels(
            {
                "signal": ([10.0, 35.0], [MU]),
                "bkg1": ([100.0, 100.0], [COUPLED]),
                "bkg2": ([50.0, 100.0], [COUPLED_WIDE]),
            },
            {"background": ([100.0, 100.0], [COUPLED])},
            [105.0, 220.0],
            [110.0, 105.0],
        ),
        0.5906228034705155,
        [
            0.055223914655538435,
            0.13613239925395315,
            0.3068720101493323,
            0.5839470093910164,
            0.8554725461337025,
        ],
    ),
    Figures(
        "2bin_2channel_coupledshapefactor",
        two_channels(
            {"signal": ([20.0, 20.0], [MU]), "bkg1": ([100.0, 70.0], [COUPLED_SHAPE])},
            {"background": ([100.0, 100.0], [COUPLED_SHAPE])},
            [220.0, 230.0],
            [200.0, 300.0],
        ),
        0.5421679124909312,
        [
            0.013753299929451691,
            0.048887400056355966,
            0.15555296253957684,
            0.4007561343326305,
            0.7357169630955912,
        ],
    ),
    Figures(
        "shapesys_nuisparfilter",
        with_data(
            workspace(
                {
                    "channel1": {
                        "signal": ([20.0, 10.0], [MU]),
                        "background1": (
                            [100.0, 10.0],
                            [modifier("shapesys", "syst", [10.0, 0.0])],
                        ),
                    }
                }
            ),
            channel1=[100.0, 10.0],
        ),
        0.004360634405484502,
        [
            2.702197937866914e-05,
            0.00037099917612576155,
            0.004360634386335687,
            0.03815031509701916,
            0.20203027564155074,
        ],
    ),
]
VALIDATION = [
    dataclasses.replace(figures, statistic="q", codes=("1", "0")) for figures in VALIDATION
]


@pytest.mark.parametrize("figures", DOCUMENTED + VALIDATION, ids=lambda f: f.name)
def test_cls(figures):
    normsys_code, histosys_code = figures.codes
    like = ny.load(figures.document, normsys_code=normsys_code, histosys_code=histosys_code)
    test = ny.hypotest(like, value=1.0, statistic=figures.statistic, null="asymptotic")
    assert test.observed == pytest.approx(figures.observed, rel=figures.relative)
    assert_allclose(test.expected, figures.expected, rtol=figures.relative)


def test_documented_upper_limits():
    """infer.intervals.upper_limits.toms748_scan's docstring, made with rtol = 0.01."""
    limit = ny.upper_limit(ny.load(README), null="asymptotic")
    assert limit.observed == pytest.approx(1.01156939, rel=3e-3)
    documented = [0.5600747, 0.75702605, 1.06234693, 1.50116923, 2.05078912]
    assert_allclose(limit.expected, documented, rtol=3e-3)


def test_documented_statistic_and_expected_data():
    """infer.calculators: the test statistic is sqrt(qtilde) - sqrt(qtilde_A); the Asimov data."""
    like = ny.load(README)
    asimov = ny.fit(like, fix={"mu": 1.0})
    data = like.model.expected(asimov.values)
    documented = [60.61229858, 56.52802479, 270.06832542, 48.31545488]
    assert_allclose(np.concatenate([data.main, data.auxiliary]), documented, rtol=1e-5)


def test_documented_yields():
    like = ny.load(correlated([12.0, 11.0], [50.0, 52.0], [45.0, 57.0], [55.0, 47.0], [51.0, 48.0]))
    data = like.model.expected(like.parameters.init)
    assert_allclose(np.concatenate([data.main, data.auxiliary]), [62.0, 63.0, 0.0])
    data = ny.load(README).model.expected(np.ones(3))
    documented = [62.0, 63.0, 277.77777778, 55.18367347]
    assert_allclose(np.concatenate([data.main, data.auxiliary]), documented)


TWO_MINIMA = two_channels(
    {
        "signal": ([30.0, 35.0], [MU]),
        "bkg1": ([100.0, 100.0], [varied("h", [110.0, 110.0], [90.0, 90.0])]),
        "bkg2": ([50.0, 120.0], [varied("h", [55.0, 55.0], [45.0, 45.0])]),
    },
    {"background": ([105.0, 100.0], [varied("h", [110.0, 115.0], [95.0, 90.0])])},
    [170.0, 220.0],
    [110.0, 105.0],
)
"""pyhf's 2bin_2channel_coupledhistosys: both variations of bkg2 lower its second bin, so that
-2 log L has a minimum on either side of h = 0."""


@pytest.mark.xfail(reason="fits find the nearest minimum, and so do pyhf's", strict=True)
@pytest.mark.parametrize("codes", [("1", "0"), ("4", "4p")])
def test_two_minima(codes):
    """pyhf's stored CLs (0.0797) is no truth here: its conditional fits miss the lower minimum
    as neyman's do (minuit gives 0.256). What is tested is that the lowest is found."""
    like = ny.load(TWO_MINIMA, normsys_code=codes[0], histosys_code=codes[1])
    profile = Profile(like, "mu")
    for mu in (0.0, 1.0):
        lowest = min(ny.fit(like, fix={"mu": mu}, init={"h": h}).twice_nll for h in (-1.0, 1.0))
        assert 2 * profile.at(mu).value == pytest.approx(lowest, abs=1e-6)
    lowest = min(ny.fit(like, init={"h": h}).twice_nll for h in (-1.0, 1.0))
    assert 2 * profile.best.value == pytest.approx(lowest, abs=1e-6)


# ---- against pyhf in the same run, with a tight minimiser


EXAMPLES = {
    "uncorrelated": README,
    "one bin": uncorrelated([10.0], [50.0], [7.0], [55.0]),
    "excess": uncorrelated([25.0], [50.0], [7.0], [80.0]),  # pyhf's 1bin_example1_p0
    "two bins": uncorrelated([30.0, 45.0], [100.0, 150.0], [15.0, 20.0], [100.0, 145.0]),
    "correlated": correlated([12.0, 11.0], [50.0, 52.0], [45.0, 57.0], [55.0, 47.0], [51.0, 48.0]),
    "correlated excess": correlated(
        [12.0, 11.0], [50.0, 52.0], [45.0, 57.0], [55.0, 47.0], [66.0, 70.0]
    ),
    "deficit": uncorrelated([12.0, 11.0], [50.0, 52.0], [3.0, 7.0], [35.0, 40.0]),
}


@pytest.fixture
def tight():
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13, maxiter=10_000))
    yield
    pyhf.set_backend("numpy")


def pyhf_hypotest(
    document: Json, value: float, statistic: str, codes: tuple[str, str] = ("4", "4p")
) -> Any:
    model, data = pyhf_model(document, codes)
    return pyhf.infer.hypotest(
        value,
        data,
        model,
        model.config.suggested_init(),
        model.config.suggested_bounds(),
        test_stat=statistic,
        return_tail_probs=True,
        return_expected_set=statistic != "q0",
    )


@pytest.mark.parametrize("figures", DOCUMENTED + VALIDATION, ids=lambda f: f.name)
def test_cls_by_a_tight_minimiser(figures, tight):
    """Code 1 has a kink at alpha = 0, where pyhf's minimiser stops a little early."""
    observed, _, expected = pyhf_hypotest(figures.document, 1.0, figures.statistic, figures.codes)
    normsys_code, histosys_code = figures.codes
    like = ny.load(figures.document, normsys_code=normsys_code, histosys_code=histosys_code)
    test = ny.hypotest(like, value=1.0, statistic=figures.statistic, null="asymptotic")
    assert test.observed == pytest.approx(float(observed), rel=1e-6)
    assert_allclose(test.expected, np.array(expected, dtype=float), rtol=1e-6)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("statistic", ["q", "qtilde"])
@pytest.mark.parametrize("value", [0.4, 1.0, 2.5])
def test_hypotest(name, statistic, value, tight):
    observed, tails, expected = pyhf_hypotest(EXAMPLES[name], value, statistic)
    test = ny.hypotest(ny.load(EXAMPLES[name]), value=value, statistic=statistic, null="asymptotic")
    assert test.observed == pytest.approx(float(observed), rel=2e-6)
    assert_allclose([test.clsb, test.clb], np.array(tails, dtype=float), rtol=2e-6)
    assert_allclose(test.expected, np.array(expected, dtype=float), rtol=2e-6)


@pytest.mark.parametrize("name", EXAMPLES)
def test_discovery(name, tight):
    p0, _ = pyhf_hypotest(EXAMPLES[name], 0.0, "q0")
    found = ny.significance(ny.load(EXAMPLES[name]), null="asymptotic")
    assert found.p0 == pytest.approx(float(p0), rel=2e-6)


def test_upper_limit(tight):
    model, data = pyhf_model(EXAMPLES["two bins"])
    observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(
        data, model, 0.0, 5.0, rtol=1e-6
    )
    limit = ny.upper_limit(ny.load(EXAMPLES["two bins"]), null="asymptotic")
    assert limit.observed == pytest.approx(float(observed), rel=1e-4)
    assert_allclose(limit.expected, np.array(expected, dtype=float), rtol=1e-4)
