"""neyman's ONNX files in onnxruntime against jax: every activation, both precisions.

Differences are |log L in onnxruntime - log L in jax| / max(1, |log L|)."""

import numpy as np
import onnx
import onnxruntime
import pytest

from neyman._jax import jax
from neyman.io.onnx.build import ACTIVATIONS, PRECISIONS, Builder
from neyman.io.onnx.read import parse
from neyman.io.onnx.run import value, weights_of
from neyman.io.onnx.write import to_bytes
from neyman.status import InputError
from tests.likelihoods.surrogate.surrogates import graph_and_card, random_network

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def by_onnxruntime(data, theta, output="log_prob"):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options)
    return session.run([output], {"theta": theta})[0]


def by_jax(data, theta, output="log_prob"):
    graph = parse(data, "x.onnx")
    weights = weights_of(graph)
    theta = np.asarray(theta, dtype=float)
    return np.asarray(jax.vmap(lambda t: value(graph, weights, t, output))(theta))


def difference(a, b):
    return np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_agree(activation, precision):
    graph, scale = random_network(activation, precision)
    data = to_bytes(graph)
    rng = np.random.default_rng(1)
    theta = (scale * (3.0 + 2.0 * rng.normal(size=(500, 5)))).astype(precision)
    batch = by_onnxruntime(data, theta)
    assert batch.shape == (500,)
    assert batch.dtype == np.float64
    assert difference(batch, by_jax(data, theta)) < TOLERANCE[precision]
    single = [by_onnxruntime(data, theta[i : i + 1]) for i in range(3)]
    assert all(one.shape == (1,) for one in single)
    assert difference(np.concatenate(single), by_jax(data, theta[:3])) < TOLERANCE[precision]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_jax(activation):
    b = Builder(1)
    b.output("y", b.sum(b.activation(activation, b.theta)))
    x = np.concatenate([np.linspace(-30, 30, 601), [-800.0, 800.0, 0.0]])
    expected = getattr(jax.nn, activation)(x)
    data = to_bytes(b.graph({}))
    assert difference(by_onnxruntime(data, x[:, None], "y"), expected) < 1e-14
    assert difference(by_jax(data, x[:, None], "y"), expected) < 1e-15
    graph = parse(data, "x.onnx")
    slope = jax.vmap(jax.grad(lambda t: value(graph, {**weights_of(graph)}, t[None], "y")))(x)
    assert np.all(np.isfinite(slope))


def test_float32_resolves_small_differences():
    """log L = -289 in float32 has steps of 3e-5; here differences of 1e-3 hold to 1e-6."""
    graph, scale = random_network("tanh", "float32")
    data = to_bytes(graph)
    theta = (scale * (3.0 + np.linspace(0, 0.01, 200)[:, None])).astype(np.float32)
    found, expected = by_onnxruntime(data, theta), by_jax(data, theta)
    assert np.mean(found) < -280
    assert np.max(np.abs(np.diff(found) - np.diff(expected))) < 2e-6


def test_float32_weights_halve_the_file():
    sizes = [len(to_bytes(random_network("selu", precision)[0])) for precision in PRECISIONS]
    assert sizes[0] < 0.6 * sizes[1]


def test_quadratic_form_and_distance():
    graph, card = graph_and_card()
    data = to_bytes(graph)
    theta = np.random.default_rng(2).normal(size=(20, 2))
    for output in graph.outputs:
        assert difference(by_onnxruntime(data, theta, output), by_jax(data, theta, output)) < 1e-12
    at_centre = by_onnxruntime(data, card.domain.centre[None], "distance")
    assert at_centre == pytest.approx([0.0], abs=1e-12)


def test_the_same_graph_gives_the_same_bytes():
    assert to_bytes(graph_and_card()[0]) == to_bytes(graph_and_card()[0])


def test_the_file_is_read_by_onnx():
    graph, _ = graph_and_card()
    model = onnx.load_model_from_string(to_bytes(graph))
    assert {p.key: p.value for p in model.metadata_props} == graph.metadata
    assert [o.name for o in model.graph.output] == list(graph.outputs)


def test_builder_refuses():
    with pytest.raises(InputError, match="precision 'float16'.*float32"):
        Builder(2, "float16")
    b = Builder(2)
    with pytest.raises(InputError, match="activation 'tanhh'.*tanh"):
        b.activation("tanhh", b.theta)
    with pytest.raises(InputError, match="no output"):
        b.graph({})
