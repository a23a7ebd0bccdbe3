"""Networks of other programs, with a side file that names the parameters."""

import json

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import neyman as ny
from neyman._jax import jnp
from neyman.status import InputError

P = 4


def keras_like(rng):
    """MatMul, Add and Selu, as tf2onnx exports the DNNLikelihood of arXiv:1911.03305."""
    nodes, arrays, last = [], [], "theta"
    for k, (n, m) in enumerate([(P, 16), (16, 16), (16, 1)]):
        arrays += [(f"W{k}", rng.normal(size=(n, m)) / np.sqrt(n)), (f"b{k}", rng.normal(size=m))]
        nodes.append(helper.make_node("MatMul", [last, f"W{k}"], [f"m{k}"]))
        nodes.append(helper.make_node("Add", [f"m{k}", f"b{k}"], [f"a{k}"]))
        last = f"a{k}"
        if k < 2:
            nodes.append(helper.make_node("Selu", [last], [f"h{k}"]))
            last = f"h{k}"
    return nodes, arrays, last


def torch_like(rng):
    """Gemm with transposed weights, activations, Dropout, and a Squeeze at the end."""
    nodes, arrays, last = [], [], "theta"
    for k, (n, m, act) in enumerate([(P, 16, "Elu"), (16, 16, "Softplus"), (16, 1, "")]):
        arrays += [(f"W{k}", rng.normal(size=(m, n)) / np.sqrt(n)), (f"b{k}", rng.normal(size=m))]
        nodes.append(helper.make_node("Gemm", [last, f"W{k}", f"b{k}"], [f"g{k}"], transB=1))
        last = f"g{k}"
        if act:
            nodes.append(helper.make_node(act, [last], [f"h{k}"]))
            nodes.append(helper.make_node("Dropout", [f"h{k}"], [f"d{k}"]))
            last = f"d{k}"
    axes = helper.make_node("Constant", [], ["axes"], value_ints=[-1])
    return [*nodes, axes, helper.make_node("Squeeze", [last, "axes"], ["y"])], arrays, "y"


def flat(rng):
    """Batch normalisation, Clip, LeakyRelu, Concat, Reshape and a mean."""
    arrays = [(name, rng.uniform(0.5, 2.0, size=P)) for name in ("scale", "bias", "mean", "var")]
    arrays += [("low", np.array(-3.0)), ("half", np.array(0.5))]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [0, -1])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("BatchNormalization", ["theta", "scale", "bias", "mean", "var"], ["n"]),
        helper.make_node("Clip", ["n", "low"], ["c"]),
        helper.make_node("LeakyRelu", ["c"], ["r"], alpha=0.2),
        helper.make_node("Concat", ["r", "n"], ["k"], axis=1),
        helper.make_node("Reshape", ["k", "shape"], ["f"]),
        helper.make_node("Pow", ["f", "half2"], ["p"]),
        helper.make_node("ReduceMean", ["p"], ["y"], axes=[1], keepdims=0),
    ]
    return nodes, [*arrays, ("half2", np.array(2.0))], "y"


FILES = {"keras": keras_like, "torch": torch_like, "flat": flat}


def write(folder, make, side=None, element=np.float32):
    nodes, arrays, last = make(np.random.default_rng(3))
    kind = TensorProto.FLOAT if element is np.float32 else TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("theta", kind, ["N", P])],
        [helper.make_tensor_value_info(last, kind, None)],
        [numpy_helper.from_array(a.astype(element), name) for name, a in arrays],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    if side is not None:
        (folder / "net.json").write_text(json.dumps(side))
    return path


NAMES = {"parameters": [{"name": n, "init": 0.1, "bounds": [-5, 5]} for n in "abcd"]}


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_onnxruntime(tmp_path, name):
    path = write(tmp_path, FILES[name], NAMES)
    like = ny.load(path)
    theta = np.random.default_rng(4).normal(size=(30, P)).astype(np.float32)
    session = onnxruntime.InferenceSession(path.read_bytes())
    expected = np.ravel(session.run(None, {"theta": theta})[0])
    found = [float(like.log_prob(jnp.asarray(t, dtype=float))) for t in theta]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_metadata_of_the_side_file(tmp_path):
    side = NAMES | {"poi": "b", "domain": {"lower": [-1] * 4, "upper": [1, 1, 1, None]}}
    like = ny.load(write(tmp_path, keras_like, side))
    assert like.poi == "b"
    assert not like.constraints_known
    assert like.outside(np.array([[0.0, 3.0, 0.0, 9.0]])).where == "b above 1"


def test_scaling_and_the_option(tmp_path):
    plain = ny.load(write(tmp_path, keras_like, NAMES))
    mean, scale = [1.0, 2.0, 3.0, 4.0], [0.5, 1.0, 2.0, 4.0]
    scaling = {"input_mean": mean, "input_scale": scale, "output_mean": -7.0, "output_scale": 3.0}
    other = tmp_path / "scaled.json"
    other.write_text(json.dumps(NAMES | {"scaling": scaling}))
    scaled = ny.load(tmp_path / "net.onnx", side=other)
    theta = np.array([0.3, -1.0, 2.0, 0.7])
    inner = plain.log_prob(jnp.asarray((theta - mean) / scale))
    assert float(scaled.log_prob(jnp.asarray(theta))) == pytest.approx(3.0 * float(inner) - 7.0)


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (None, "no side file.*write net.json"),
        ({}, "parameters"),
        ([], "object"),
        ({"parameters": [{"name": "a"}]}, "4 inputs for 1 parameters"),
        (NAMES | {"output": "z"}, "'z' is not among a2"),
        (NAMES | {"domian": {"lower": [0] * 4, "upper": [1] * 4}}, "net.json.*`domian`"),
        (NAMES | {"scaling": {"input_means": [0] * 4}}, "`input_means`"),
        ({"parameters": [{"name": n, "bonds": [0, 1]} for n in "abcd"]}, "`bonds`"),
        (NAMES | {"scaling": {"input_mean": [0], "input_scale": [1]}}, "does not fit 4"),
        (NAMES | {"scaling": {"input_mean": [0] * 4, "input_scale": [0] * 4}}, "a scale is 0"),
    ],
)
def test_bad_side_files(tmp_path, side, said):
    path = write(tmp_path, keras_like, side)
    with pytest.raises(InputError, match=said):
        ny.load(path)


def test_a_fit_of_a_float32_network_converges(tmp_path):
    """Evaluated in float64, so that the gradient vanishes at the maximum."""
    like = ny.load(write(tmp_path, keras_like, NAMES))
    found = ny.fit(like)
    assert not found.status.failed
    assert found.gradient_norm < 1e-6
