"""log L is pyhf's: same parameters in the same order, same constraints, same number.

Where pyhf gives NaN (a negative expected yield) neyman must only be non-finite too. Where the
two differ on purpose, `test_deliberate_differences` and those after it say why.
"""

import gzip
import json
from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import neyman as ny
from neyman._jax import jax, jnp
from neyman.model import ObservedLikelihood
from tests.strategies import Json, random_workspace, workspaces

CODES = [(n, h) for n in ("4", "1") for h in ("4p", "0", "2")]
PUBLISHED = [
    "2018_04_stau",
    "2018_05_ewk",
    "2018_05_simplified",
    "2018_16_sleptons",
    "2018_31_A",
    "2018_31_B",
    "2019_09_onshell",
]
POINTS = 20
TOLERANCE = 1e-10
RANDOM = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def both(
    document: Json, codes: tuple[str, str] = ("4", "4p"), measurement: str | None = None
) -> tuple[ObservedLikelihood, Any, np.ndarray]:
    """neyman's likelihood, pyhf's model and pyhf's data, auxiliary ones included."""
    like = ny.load(document, measurement=measurement, normsys_code=codes[0], histosys_code=codes[1])
    model, data = pyhf_model(document, codes, measurement)
    return like, model, data


def pyhf_model(
    document: Json, codes: tuple[str, str] = ("4", "4p"), measurement: str | None = None
) -> tuple[Any, np.ndarray]:
    """pyhf's model of a workspace, without its schema validation, and its data."""
    configs = {m["name"]: m["config"] for m in document["measurements"]}
    config = configs[measurement or document["measurements"][0]["name"]]
    model = pyhf.Model(
        {"channels": document["channels"], "parameters": config["parameters"]},
        poi_name=config["poi"],
        modifier_settings={
            "normsys": {"interpcode": f"code{codes[0]}"},
            "histosys": {"interpcode": f"code{codes[1]}"},
        },
        validate=False,
    )
    observed = {o["name"]: o["data"] for o in document["observations"]}
    main = [n for channel in model.config.channels for n in observed[channel]]
    return model, np.array(main + model.config.auxdata, dtype=float)


def assert_same_parameters(like: ObservedLikelihood, model: Any, data: np.ndarray) -> None:
    p, config = like.parameters, model.config
    assert list(p.names) == config.par_names
    assert_array_equal(p.init, config.suggested_init())
    assert_array_equal(np.stack([p.lower, p.upper], axis=1), config.suggested_bounds())
    assert p.fixed.tolist() == config.suggested_fixed()
    assert like.model.poi == config.poi_name
    assert_array_equal(np.concatenate([like.data.main, like.data.auxiliary]), data)
    constrained = [
        f"{name}[{i}]" if not config.param_set(name).is_scalar else name
        for name in config.auxdata_order
        for i in range(config.param_set(name).n_parameters)
    ]
    assert list(like.model.auxiliary.names) == constrained


def assert_same_density(
    like: ObservedLikelihood, model: Any, data: np.ndarray, rng: np.random.Generator
) -> None:
    """Half of the points anywhere within the bounds, half near the initial values."""
    p = like.parameters
    for i in range(POINTS):
        near = p.init + 0.3 * rng.normal(size=len(p)) * np.where(p.init == 0, 1.0, p.init)
        theta = np.clip(near, p.lower, p.upper) if i % 2 else rng.uniform(p.lower, p.upper)
        with np.errstate(all="ignore"):
            ours, theirs = float(like.log_prob(theta)), float(model.logpdf(theta, data)[0])
        if np.isfinite(theirs):
            assert abs(ours - theirs) <= TOLERANCE * max(1.0, abs(theirs)), (i, ours, theirs)
        else:
            assert not np.isfinite(ours), f"point {i}: pyhf gives {theirs}, neyman {ours}"


def assert_equal_to_pyhf(document: Json, codes: tuple[str, str], seed: int) -> None:
    name = document["measurements"][seed % len(document["measurements"])]["name"]
    like, model, data = both(document, codes, name)
    assert_same_parameters(like, model, data)
    assert_same_density(like, model, data, np.random.default_rng(seed))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published(name, shared_data):
    path = shared_data / "histfactory" / f"atlas_susy_{name}.json.gz"
    like, model, data = both(json.loads(gzip.decompress(path.read_bytes())))
    assert_same_parameters(like, model, data)
    assert_same_density(like, model, data, np.random.default_rng(1))


@settings(RANDOM, max_examples=200)
@given(workspaces(), st.sampled_from(CODES), st.integers(0, 2**16))
def test_random(document, codes, seed):
    assert_equal_to_pyhf(document, codes, seed)


@pytest.mark.slow
@settings(RANDOM, max_examples=1_000)
@given(workspaces(), st.sampled_from(CODES), st.integers(0, 2**16))
def test_a_thousand_random(document, codes, seed):
    assert_equal_to_pyhf(document, codes, seed)


# ---- derivatives, and the compiled path


def smooth_point(like: ObservedLikelihood, rng: np.random.Generator) -> np.ndarray:
    """Near the initial values, away from the kinks of codes 0, 1 and 2 at 0 and +-1."""
    p = like.parameters
    alpha = np.isin(np.arange(len(p)), np.asarray(like.model.cells.alphas))
    kinkless = rng.uniform(0.1, 0.8, len(p)) * rng.choice([-1.0, 1.0], len(p))
    return np.where(alpha, kinkless, p.init * rng.uniform(0.8, 1.2, len(p)) + 0.01)


def slopes(f, theta: np.ndarray, h: float = 1e-4) -> np.ndarray:
    """df/dtheta by differences of fourth order, (P, ...)."""

    def at(i, steps):
        moved = theta.copy()
        moved[i] += steps * h
        return f(moved)

    return np.array(
        [
            (8 * (at(i, 1) - at(i, -1)) - (at(i, 2) - at(i, -2))) / (12 * h)
            for i in range(len(theta))
        ]
    )


@pytest.mark.parametrize("codes", CODES, ids="-".join)
def test_derivatives_are_those_of_differences(codes):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        like = ny.load(random_workspace(rng), normsys_code=codes[0], histosys_code=codes[1])
        theta = smooth_point(like, rng)
        found = like.derivatives(theta)
        assert_allclose(found.value, -like.log_prob(theta), rtol=1e-12)
        gradient = slopes(lambda t, like=like: -like.log_prob(t), theta)
        scale = 1.0 + np.abs(np.diagonal(found.hessian))
        assert_allclose(found.gradient / scale, gradient / scale, rtol=1e-6, atol=1e-7)
        hessian = slopes(lambda t, like=like: like.derivatives(t).gradient, theta)
        scale = np.sqrt(np.outer(scale, scale))
        assert_allclose(found.hessian / scale, hessian / scale, rtol=1e-6, atol=1e-7)
        information = np.linalg.eigvalsh(like.information(theta) / scale)
        assert information.min() > -1e-9 * information.max()


@pytest.mark.parametrize("codes", CODES, ids="-".join)
def test_the_compiled_path_is_the_numpy_path(codes):
    rng = np.random.default_rng(CODES.index(codes))
    like = ny.load(random_workspace(rng), normsys_code=codes[0], histosys_code=codes[1])
    thetas = np.array([smooth_point(like, rng) for _ in range(3)])

    @jax.jit
    def evaluate(like, thetas):
        return jax.vmap(lambda t: (like.log_prob(t), like.derivatives(t)))(thetas)

    log_prob, derivatives = evaluate(ny.compiled(like), jnp.asarray(thetas))
    for i, theta in enumerate(thetas):
        eager = like.derivatives(theta)
        assert_allclose(log_prob[i], like.log_prob(theta), rtol=1e-12)
        for mine, compiled in zip(eager, derivatives):
            scale = 1.0 + np.max(np.abs(mine))
            assert_allclose(compiled[i], mine, rtol=1e-10, atol=1e-12 * scale)


# ---- where neyman and pyhf 0.7.6 differ, and which of them is right


def modifier(kind: str, name: str, data: Any = None) -> Json:
    return {"type": kind, "name": name, "data": data}


def workspace(channels: dict[str, dict[str, tuple[list[float], list[Json]]]], *configs) -> Json:
    """{channel: {sample: (yields, modifiers)}}; 10 events observed in each bin."""
    listed = [
        {
            "name": channel,
            "samples": [
                {"name": s, "data": y, "modifiers": modifiers}
                for s, (y, modifiers) in samples.items()
            ],
        }
        for channel, samples in channels.items()
    ]
    observations = [
        {"name": c["name"], "data": [10.0] * len(c["samples"][0]["data"])} for c in listed
    ]
    measurement = {"name": "m", "config": {"poi": "mu", "parameters": list(configs)}}
    return {
        "channels": listed,
        "observations": observations,
        "measurements": [measurement],
        "version": "1.0.0",
    }


MU = modifier("normfactor", "mu")


def test_a_shapefactor_has_the_bins_of_its_largest_channel():
    """pyhf sizes it by the first channel and multiplies bins past its end by parameter 0
    (modifiers/shapefactor.py, `_access_field`): here by mu. neyman gives them parameters."""
    free = modifier("shapefactor", "free")
    document = workspace({"A": {"s": ([5.0, 5.0], [MU, free])}, "B": {"s": ([5.0] * 3, [free])}})
    like = ny.load(document)
    assert like.parameters.names == ("mu", "free[0]", "free[1]", "free[2]")
    theta = np.array([3.0, 1.1, 1.2, 1.3])
    assert_allclose(like.model.expected_counts(theta), [16.5, 18.0, 5.5, 6.0, 6.5])
    _, model, _ = both(document)
    assert_allclose(model.expected_actualdata(theta[:3]), [16.5, 18.0, 5.5, 6.0, 15.0])


def test_a_staterror_may_cover_other_samples_in_another_channel():
    """pyhf raises an AssertionError without a message; the model is well defined."""

    def stat(*data):
        return modifier("staterror", "stat", list(data))

    document = workspace(
        {
            "A": {"s": ([6.0], [MU, stat(3.0)]), "b": ([6.0], [stat(4.0)])},
            "B": {"s": ([5.0], [stat(1.0)])},
        }
    )
    like = ny.load(document)
    assert_allclose(like.model.auxiliary.scale, [5 / 12, 1 / 5])
    with pytest.raises(AssertionError):
        both(document)


@pytest.mark.parametrize("where", ["sample", "channel"])
def test_a_shapesys_belongs_to_one_sample(where):
    """Both refuse: its Poisson constraint is that of one sample's yields."""
    u = modifier("shapesys", "u", [1.0])
    shared = ([5.0], [u])
    document = workspace(
        {"A": {"s": ([5.0], [MU, u]), "b": shared}}
        if where == "sample"
        else {"A": {"s": ([5.0], [MU, u])}, "B": {"s": shared}}
    )
    with pytest.raises(ny.InputError, match=r"shapesys 'u': stands on another sample too.*rename"):
        ny.load(document)
    with pytest.raises(pyhf.exceptions.InvalidModel):
        pyhf_model(document)


def test_lumi_needs_a_width():
    """pyhf takes a luminosity without sigmas to be known to +-1, that is to 100 %."""
    lumi = modifier("lumi", "lumi")
    config = {"name": "lumi", "auxdata": [1.0], "inits": [1.0], "bounds": [[0.5, 1.5]]}
    document = workspace({"A": {"s": ([5.0], [MU, lumi])}}, config)
    with pytest.raises(ny.InputError, match="parameter 'lumi'"):
        ny.load(document)
    config["sigmas"] = [0.1]
    assert_equal_to_pyhf(document, ("4", "4p"), 0)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_code_2_is_pyhfs_on_both_sides_of_its_jump(side):
    shift = modifier("histosys", "shift", {"lo_data": [4.0], "hi_data": [7.0]})
    like, model, data = both(workspace({"A": {"s": ([5.0], [MU, shift])}}), ("4", "2"))
    for alpha in side * np.array([0.5, 1.0, np.nextafter(1.0, 2.0), 1.0001, 2.5]):
        theta = like.parameters.vector({"shift": alpha})
        assert_allclose(like.log_prob(theta), model.logpdf(theta, data)[0], rtol=1e-13)
