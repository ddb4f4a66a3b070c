#!/usr/bin/env python3
"""Single nodes that tests/differential.py has found to go wrong, as small as they get: each compiled without a warning and under
sanitizers, its results those of onnxruntime.

    regressions.py [NAME...]
"""

import numpy as np
import onnx
from onnx import helper

from common import STRICT, library, model, onnxruntime_outputs, run_named, same, value
from drawn.table import is_float

FLAGS = [*STRICT, "-O1"]


def node_model(op, arrays, attributes, opset=17, domain="", dims=None, outputs=1):
    """A node on fed arrays; `dims` {input: names or sizes} leaves some open."""
    names = [f"x{i}" for i in range(len(arrays))]
    code = helper.np_dtype_to_tensor_dtype
    ports = [helper.make_tensor_value_info(n, code(a.dtype), (dims or {}).get(n, a.shape)) for n, a in zip(names, arrays)]
    results = [onnx.ValueInfoProto(name=f"y{i}") for i in range(outputs)]
    node = helper.make_node(op, names, [r.name for r in results], name="n", domain=domain, **attributes)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(helper.make_graph([node], "test", ports, results), opset_imports=opsets, ir_version=10)


def compare(folder, op, arrays, attributes=None, name="net", **more):
    arrays = [np.asarray(array) for array in arrays]
    made = node_model(op, arrays, attributes or {}, **more)
    expected = onnxruntime_outputs(made, {f"x{i}": array for i, array in enumerate(arrays)})
    actual = library(made, folder, name, flags=FLAGS).run(arrays)
    exact = not any(is_float(result.dtype) for result in expected)
    same(actual, expected, **({"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-6}))


def floats(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check_bias_gelu(folder):
    """It loaded x twice, and used it once."""
    compare(folder, "BiasGelu", [floats(8, 3), floats(3)], domain="com.microsoft")


def check_depth_of_constant_factor(folder):
    """The depth of a product is open on the left, and known by the constant on the right."""
    x, weights = floats(5, 33), floats(33, 2)
    for op, opset in (("MatMul", 17), ("Gemm", 17)):
        made = model([(op, ["x", "w"], ["y"])], [value("x", ["M", "K"])], [value("y", None)], {"w": weights}, opset=opset)
        same(library(made, folder, op.lower(), flags=FLAGS).run([x]), onnxruntime_outputs(made, {"x": x}))


def check_half_max_unpool(folder):
    """Planes are computed in float and were stored as if they were half: against what float gives, and that 0 stays 0."""
    x, places = floats(1, 1, 2, 2).astype(np.float16), np.array([5, 0, 10, 15]).reshape(1, 1, 2, 2)
    made = node_model("MaxUnpool", [x, places], {"kernel_shape": [2, 2], "strides": [2, 2]}, opset=11)
    expected = np.zeros(16, np.float16)
    expected[places.ravel()] = x.ravel()
    same(library(made, folder, flags=FLAGS).run([x, places]), [expected.reshape(1, 1, 4, 4)], rtol=0, atol=0)


def check_output_of_known_branch(folder):
    """A branch that takes the place of its If leaves the model's output its name."""
    one = helper.make_graph([helper.make_node("Neg", ["x"], ["inner"])], "one", [], [value("inner", None)])
    other = helper.make_graph([helper.make_node("Abs", ["x"], ["inner2"])], "other", [], [value("inner2", None)])
    branch = helper.make_node("If", ["flag"], ["y"], then_branch=one, else_branch=other)
    net = library(model([branch], [value("x", [3])], [value("y", None)], {"flag": np.array(True)}), folder, flags=FLAGS)
    assert [port.name for port in net.outputs] == ["y"], net.outputs
    same(net.run([floats(3)]), [-floats(3)])


def check_lstm_clip(folder):
    """What goes into the gates is limited, the state of the cell is not."""
    compare(folder, "LSTM", [8 * floats(5, 3, 8), floats(1, 4, 8), floats(1, 4, 1)], {"hidden_size": 1, "clip": 0.7}, outputs=3)


def check_bias_of_open_width(folder):
    """The bias of a value whose width is open was left away."""
    arrays = [floats(2, 3, 8), floats(2, 5, 8, seed=2), floats(2, 5, 6, seed=3), floats(22, seed=4)]
    for i, dims in enumerate([{"x2": ["b", "l", "w"]}, {"x0": ["b", "m", "w"], "x2": ["b", "l", "v"]}, {"x1": ["b", "l", "w"]}]):
        (folder / str(i)).mkdir()
        compare(folder / str(i), "MultiHeadAttention", arrays, {"num_heads": 2}, domain="com.microsoft", dims=dims)


def check_empty_scratch(folder):
    """A workspace of 0 bytes with a buffer in it: the sizes were compared as unsigned < 0."""
    made = node_model("Bernoulli", [np.zeros((3, 0), np.float32)], {"seed": 1.0})
    same(library(made, folder, flags=FLAGS).run([np.zeros((3, 0), np.float32)]), [np.zeros((3, 0), np.float32)])


def check_head_size_of_keys(folder):
    """The size of the heads, from which the scale comes, is open in Q and known by K."""
    q, k, v = floats(1, 2, 3, 8), floats(1, 2, 5, 8, seed=2), floats(1, 2, 5, 4, seed=3)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(np.float32(8))
    weights = np.exp(scores) / np.exp(scores).sum(3, keepdims=True)
    for flat in (False, True):
        pack = lambda x: x.swapaxes(1, 2).reshape(1, x.shape[2], -1) if flat else x  # noqa: E731
        arrays = [np.ascontiguousarray(pack(x)) for x in (q, k, v)]
        dims = {"x0": [*arrays[0].shape[:-1], "deep"]}
        made = node_model("Attention", arrays, {"q_num_heads": 2, "kv_num_heads": 2} if flat else {}, opset=23, dims=dims)
        same(library(made, folder, f"flat_{flat}", flags=FLAGS).run(arrays), [pack(weights @ v)])


def check_hidden_size_of_constants(folder):
    """W or B is a constant, and R, by which both are packed, is open."""
    x, w, r, b = floats(2, 3, 1), floats(1, 8, 1, seed=2), floats(1, 8, 2, seed=3), floats(1, 16, seed=4)
    shapes = {"x": x, "r": r, "w": w, "b": b}
    for known in ({"w": w}, {"b": b}, {"w": w, "b": b}):
        fed = {name: array for name, array in shapes.items() if name not in known}
        ports = [value(name, [f"{name}{i}" if name == "r" and i else size for i, size in enumerate(array.shape)]) for name, array in fed.items()]
        made = model([("LSTM", ["x", "w", "r", "b"], ["y"], {"hidden_size": 2})], ports, [value("y", None)], known, opset=14)
        same(library(made, folder, "_".join(known), flags=FLAGS).run(list(fed.values())), onnxruntime_outputs(made, fed))


def check_large_exponents(folder):
    """In float, an odd exponent beyond 2^24 was even."""
    bases = np.array([-2, -1, -0.5, 3], np.float32)
    for i, exponents in enumerate((np.full(4, 2**30 - 1, np.int32), np.full(4, 2**40 + 1), np.full(4, -(2.0**40) - 1))):
        compare(folder, "Pow", [bases, exponents], opset=15, name=f"net{i}")
        made = model([("Pow", ["x", "e"], ["y"])], [value("x", [4])], [value("y", None)], {"e": exponents}, opset=15)
        same(library(made, folder, f"known{i}", flags=FLAGS).run([bases]), onnxruntime_outputs(made, {"x": bases}))


if __name__ == "__main__":
    run_named({name[6:]: check for name, check in globals().items() if name.startswith("check_")})
