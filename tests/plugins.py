"""Layers as plugins: compiled into programs and compared with numpy, and the messages of wrong ones.

    plugins.py --renew       writes the expected messages anew: look at the difference before you commit it
    plugins.py NAME…         only these checks
"""

import copy
import json
import pathlib
import re
import shutil
import sys

import numpy as np

import ctc_model
import errors
from common import (
    BAD_INDEX,
    BAD_SHAPE,
    STRICT,
    checks_of,
    compile_c,
    ctc,
    ctc_ok,
    expect_text,
    library,
    model,
    onnxruntime_outputs,
    refused,
    renew_texts,
    run_named,
    same,
    save,
    value,
)

GOLDEN = pathlib.Path(__file__).resolve().parent / "plugin_errors"
DOMAIN = "ctc.layers"
RNG = np.random.default_rng(7)

# --- the plugins ---

GDN = {
    "ctc": 1,
    "name": "GDN",
    "summary": "generalised divisive normalisation",
    "dtypes": {"T": ["float32", "float64"]},
    "attributes": [{"name": "inverse", "type": "bool", "default": False}],
    "inputs": [
        {"name": "x", "dtype": "T", "shape": ["N", "C", "..."]},
        {"name": "beta", "dtype": "T", "shape": ["C"], "parameter": True},
        {"name": "gamma", "dtype": "T", "shape": ["C", "C"], "parameter": True},
    ],
    "outputs": [{"name": "y", "dtype": "T", "shape": ["N", "C", "..."]}],
    "scratch": [{"name": "squares", "dtype": "T", "count": "N * C * rest"}],
    "checks": [{"condition": "C > 0", "message": "there must be a channel"}],
    "units": "N",
    "cost": {"flops": "2 * N * C * C * rest"},
}
GDN_KERNEL = """/* kernel.c: GDN */

/* y = x / sqrt(beta + gamma x^2), over the channels of each place; times instead of by if `inverse`. */
//$ for t in f32 f64
static void gdn_$t(const $T *x, const $T *beta, const $T *gamma, $T *y, $T *squares, ctc_dim C,
                   ctc_dim rest, ctc_dim inverse, ctc_dim first, ctc_dim last) {
  for (ctc_dim n = first; n < last; n++) {
    const $T *from = x + n * C * rest;
    $T *square = squares + n * C * rest;
    for (ctc_dim i = 0; i < C * rest; i++) square[i] = from[i] * from[i];
    for (ctc_dim c = 0; c < C; c++)
      for (ctc_dim i = 0; i < rest; i++) {
        $T norm = beta[c];
        for (ctc_dim k = 0; k < C; k++) norm += gamma[c * C + k] * square[k * rest + i];
        y[(n * C + c) * rest + i] = gdn_scale_$t(from[c * rest + i], norm, inverse);
      }
  }
}
//$ end

//$ for t in f32 f64
static inline $T gdn_scale_$t($T x, $T norm, ctc_dim inverse) {
  return inverse ? x * ctc_sqrt_$t(norm) : x / ctc_sqrt_$t(norm);
}
//$ end
"""

SWISH = {
    "ctc": 1,
    "name": "ScaledSwish",
    "elementwise": True,
    "dtypes": {"T": ["float32", "float64"]},
    "attributes": [{"name": "beta", "type": "float", "default": 1.5, "minimum": 0}],
    "inputs": [
        {"name": "x", "dtype": "T", "shape": ["N", "C", "..."]},
        {"name": "alpha", "dtype": "T", "shape": ["C"], "parameter": True},
    ],
    "outputs": [{"name": "y", "dtype": "T", "shape": ["N", "C", "..."]}],
}
SWISH_KERNEL = """/* kernel.c: a swish with one factor a channel */

//$ for t in f32 f64
static inline $T scaledswish_$t($T x, $T alpha, $T beta) { return alpha * x * ctc_sigmoid_$t(beta * x); }
//$ end
"""
SWISH_VECTOR = SWISH_KERNEL + """
static inline ctc_v scaledswish_v(ctc_v x, ctc_v alpha, ctc_v beta) {
  return ctc_mul_v(ctc_mul_v(alpha, x), ctc_sigmoid_v(ctc_mul_v(beta, x)));
}
"""

# Every kind of attribute, an optional input, elements of lists, a status.
WINDOW = {
    "ctc": 1,
    "name": "Window",
    "domain": "my.own",
    "version": 3,
    "dtypes": {"T": ["float32"], "I": ["int32", "int64"]},
    "attributes": [
        {"name": "pads", "type": "ints", "default": [0, 0], "minimum": 0},
        {"name": "weights", "type": "floats", "default": [1.0]},
        {"name": "mode", "type": "string", "enum": ["sum", "largest"], "default": "sum"},
        {"name": "stride", "type": "int", "minimum": 1},
    ],
    "inputs": [
        {"name": "x", "dtype": "T", "shape": ["B", "L"]},
        {"name": "shift", "dtype": "I", "shape": ["B"]},
        {"name": "bias", "dtype": "T", "shape": ["B"], "optional": True},
    ],
    "outputs": [{"name": "y", "dtype": "T", "shape": ["B", "M"]}],
    "sizes": [{"name": "M", "value": "(L + pads[0] + pads[1] - weights_count) / stride + 1"}],
    "checks": [{"condition": "pads_count == 2 && L + pads[0] + pads[1] >= weights_count", "message": "the window is longer than the row"}],
}
WINDOW_KERNEL = """/* kernel.c: a sliding window */

//$ for t in f32
//$ for i in i32 i64
static int window_$t_$i(const $T *x, const $I *shift, const $T *bias, const float *weights, ctc_dim weights_count,
                        const ctc_dim *pads, ctc_dim stride, ctc_dim mode, $T *y, ctc_dim B, ctc_dim L, ctc_dim M) {
  for (ctc_dim b = 0; b < B; b++) {
    if (shift[b] < 0 || shift[b] >= L) return CTC_BAD_INDEX;
    for (ctc_dim m = 0; m < M; m++) {
      $T result = mode ? -INFINITY : 0;
      for (ctc_dim k = 0; k < weights_count; k++) {
        const ctc_dim at = m * stride + k - pads[0];
        const $T element = at < 0 || at >= L ? 0 : weights[k] * x[b * L + (at + shift[b]) % L];
        if (!mode) result += element;
        else if (element > result) result = element;
      }
      y[b * M + m] = result + (bias ? bias[b] : 0);
    }
  }
  return CTC_OK;
}
//$ end
//$ end
"""

POINTWISE = {
    "ctc": 1,
    "name": "VendorConv",
    "attributes": [{"name": "group", "type": "int", "default": 1}],
    "inputs": [
        {"name": "x", "dtype": "float32", "shape": ["N", "C", "..."]},
        {"name": "w", "dtype": "float32", "shape": ["K", "C", "KH", "KW"]},
    ],
    "outputs": [{"name": "y", "dtype": "float32", "shape": ["N", "K", "..."]}],
    "replaces": {"op": "Conv", "condition": "group == 1 && KH == 1 && KW == 1"},
}
POINTWISE_KERNEL = """/* kernel.c: a vendor's 1x1 convolution */

static void vendorconv(const float *x, const float *w, float *y, ctc_dim N, ctc_dim C, ctc_dim K, ctc_dim rest) {
  for (ctc_dim n = 0; n < N; n++)
    for (ctc_dim k = 0; k < K; k++)
      for (ctc_dim i = 0; i < rest; i++) {
        float sum = 0;
        for (ctc_dim c = 0; c < C; c++) sum += w[k * C + c] * x[(n * C + c) * rest + i];
        y[(n * K + k) * rest + i] = sum;
      }
}
"""


def write(folder, descriptor, kernel, name="p"):
    path = pathlib.Path(folder) / name
    path.mkdir(parents=True)
    text = descriptor if isinstance(descriptor, str) else json.dumps(descriptor, indent=1)
    (path / "layer.json").write_text(text)
    if kernel is not None:
        (path / "kernel.c").write_text(kernel)
    return path


def using(nodes, inputs, outputs, constants=None, domain=DOMAIN, version=1):
    from onnx import helper

    made = model(nodes, inputs, outputs, constants)
    made.opset_import.append(helper.make_opsetid(domain, version))
    return made


def node(op, inputs, outputs, domain=DOMAIN, **attributes):
    from onnx import helper

    return helper.make_node(op, inputs, outputs, name="layer", domain=domain, **attributes)


def random(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


# --- what they compute, by numpy in float64 ---


def gdn(x, beta, gamma, inverse=False):
    x = x.astype(np.float64)
    norm = np.sqrt(np.einsum("ck,nk...->nc...", gamma, x**2) + beta.reshape(-1, *[1] * (x.ndim - 2)))
    return x * norm if inverse else x / norm


def swish(x, alpha, beta):
    x = x.astype(np.float64)
    return alpha.reshape(-1, *[1] * (x.ndim - 2)) * x / (1 + np.exp(-beta * x))


def window(x, shift, bias, weights, pads, stride, mode):
    rows = []
    for b, row in enumerate(x.astype(np.float64)):
        padded = np.pad(np.roll(row, -int(shift[b])), pads)
        places = range(0, len(padded) - len(weights) + 1, stride)
        products = [np.multiply(weights, padded[m : m + len(weights)]) for m in places]
        rows.append([(p.sum() if mode == "sum" else p.max()) + (0 if bias is None else bias[b]) for p in products])
    return np.array(rows)


# --- checks ---


def gdn_parameters(channels, dtype):
    return abs(random(channels, dtype=dtype)) + dtype(0.5), abs(random(channels, channels, dtype=dtype))


def check_kernel(folder):
    """Open sizes, two dtypes, ranks 3 and 4, forward and inverse, strict C; threads give the same bits."""
    p = write(folder, GDN, GDN_KERNEL)
    for i, (dtype, shape, inverse) in enumerate([(np.float32, (2, 5, 4, 3), 0), (np.float64, (3, 4, 7), 1), (np.float32, (1, 20, 9), 1)]):
        beta, gamma = gdn_parameters(shape[1], dtype)
        dims = ["N", shape[1], *"HW"[: len(shape) - 2]]
        made = using([node("GDN", ["x", "b", "g"], ["y"], inverse=inverse)], [value("x", dims, dtype)], [value("y", dims, dtype)],
                     {"b": beta, "g": gamma})
        x = random(*shape, dtype=dtype)
        expected = [gdn(x, beta, gamma, inverse).astype(dtype)]
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
        (folder / f"{i}").mkdir()
        same(library(made, folder / f"{i}", options=["--plugin", p], flags=["-O1", *STRICT]).run([x]), expected, **tolerance)
        (folder / f"split{i}").mkdir()
        split = library(made, folder / f"split{i}", options=["--plugin", p, "--split-all"], flags=["-O1", "-w", "-pthread", "-DCTC_POOL"])
        same(split.run([x], threads=2), expected, **tolerance)


def check_elementwise(folder):
    """Between two other elementwise nodes; with and without a vector form. It becomes part of their loop nest."""
    for i, kernel in enumerate([SWISH_KERNEL, SWISH_VECTOR]):
        p = write(folder, SWISH, kernel, f"p{i}")
        for dtype in (np.float32, np.float64):
            alpha, x = random(6, dtype=dtype), random(2, 6, 5, 4, dtype=dtype)
            nodes = [("Neg", ["x"], ["a"]), node("ScaledSwish", ["a", "alpha"], ["b"], beta=2.0), ("Neg", ["b"], ["y"])]
            dims = ["N", 6, 5, "W"]
            made = using(nodes, [value("x", dims, dtype)], [value("y", dims, dtype)], {"alpha": alpha})
            name = f"net{i}{np.dtype(dtype).itemsize}"
            net = library(made, folder, name, options=["--plugin", p], flags=["-O1", *STRICT])
            same(net.run([x]), [-swish(-x, alpha, 2.0).astype(dtype)], rtol=1e-5, atol=1e-6)
            steps = ctc_ok("inspect", folder / f"{name}.onnx", "--stage", "steps", "--plugin", p).out
            text = (folder / f"{name}.c").read_text()
            assert text.count("ctc_neg_") >= 1 and "scaledswish_" in text, steps
            assert ("= scaledswish_v(" in text) == (i == 1 and dtype == np.float32), "vector form"


def check_blocked(folder):
    """An activation of one's own behind a convolution works in the layout of the convolution, and in its epilogue."""
    descriptor = {"ctc": 1, "name": "Cube", "elementwise": True, "inputs": [{"name": "x", "dtype": "float32", "shape": ["..."]}],
                  "outputs": [{"name": "y", "dtype": "float32", "shape": ["..."]}], "dtypes": {}}
    kernel = "/* kernel.c */\n\nstatic inline float cube(float x) { return x * x * x; }\n"
    p = write(folder, descriptor, kernel)
    w1, w2 = random(32, 16, 3, 3) * np.float32(0.1), random(16, 32, 3, 3) * np.float32(0.1)
    convs = [("Conv", ["x", "w1"], ["a"], {"pads": [1] * 4}), ("Conv", ["b", "w2"], ["y"], {"pads": [1] * 4})]
    dims = [1, 16, 14, 14]
    made = using([convs[0], node("Cube", ["a"], ["b"]), convs[1]], [value("x", dims)], [value("y", dims)], {"w1": w1, "w2": w2})
    plain = model([convs[0], ("Mul", ["a", "a"], ["s"]), ("Mul", ["s", "a"], ["b"]), convs[1]], [value("x", dims)], [value("y", dims)],
                  {"w1": w1, "w2": w2})
    x = random(*dims)
    same(library(made, folder, options=["--plugin", p]).run([x]), onnxruntime_outputs(plain, {"x": x}), rtol=1e-4, atol=1e-4)


def check_attributes(folder):
    """Lists, a text, a number without a default, an optional input, another domain and version, a status."""
    p = write(folder, WINDOW, WINDOW_KERNEL)
    weights = [0.5, -1.0, 2.0]
    for i, (kind, bias, mode) in enumerate([(np.int64, True, "sum"), (np.int32, False, "largest")]):
        constants = {"bias": random(3)} if bias else {}
        layer = node("Window", ["x", "shift"] + ["bias"] * bias, ["y"], "my.own", pads=[2, 1], weights=weights, mode=mode, stride=2)
        made = using([layer], [value("x", [3, "L"]), value("shift", [3], kind)], [value("y", [3, "M"])], constants, "my.own", 3)
        (folder / f"{i}").mkdir()
        net = library(made, folder / f"{i}", options=["--plugin", p], flags=["-O1", *STRICT])
        x, shift = random(3, 11), np.array([0, 4, 10], kind)
        same(net.run([x, shift]), [window(x, shift, constants.get("bias"), weights, (2, 1), 2, mode).astype(np.float32)])
        refused(net, [x, np.array([0, 11, 0], kind)], BAD_INDEX)


def check_run_time_checks(folder):
    """What depends on open sizes is checked by the program."""
    descriptor = copy.deepcopy(GDN)
    descriptor["checks"].append({"condition": "N % 2 == 0", "message": "the batch must be even"})
    p = write(folder, descriptor, GDN_KERNEL)
    beta, gamma = gdn_parameters(4, np.float32)
    made = using([node("GDN", ["x", "b", "g"], ["y"])], [value("x", ["N", 4, 3])], [value("y", ["N", 4, 3])], {"b": beta, "g": gamma})
    net = library(made, folder, options=["--plugin", p])
    x = random(2, 4, 3)
    same(net.run([x]), [gdn(x, beta, gamma).astype(np.float32)])
    refused(net, [random(3, 4, 3)], BAD_SHAPE)
    fixed = ctc("compile", folder / "net.onnx", "-o", folder / "o.c", "--plugin", p, "--dim", "N=3")
    assert fixed.status == 1 and "the batch must be even" in fixed.err, fixed.err


def check_replaces(folder):
    """Of two convolutions the 1x1 one; of others neither: stride, group, bias."""
    p = write(folder, POINTWISE, POINTWISE_KERNEL)
    constants = {"w1": random(5, 3, 1, 1), "w3": random(4, 5, 3, 3)}
    nodes = [("Conv", ["x", "w1"], ["a"]), ("Conv", ["a", "w3"], ["y"])]
    made = model(nodes, [value("x", [2, 3, 6, 6])], [value("y", [2, 4, 4, 4])], constants)
    x = random(2, 3, 6, 6)
    same(library(made, folder, options=["--plugin", p], flags=["-O1", *STRICT]).run([x]), onnxruntime_outputs(made, {"x": x}))
    assert (folder / "net.c").read_text().count("vendorconv(") == 2  # the definition and a call
    for i, (weights, attributes, out) in enumerate([((5, 3, 1, 1), {"strides": [2, 2]}, 3), ((6, 1, 1, 1), {"group": 3}, 6),
                                                    ((5, 3, 1, 1), {"pads": [1] * 4}, 8)]):
        made = model([("Conv", ["x", "w"], ["y"], attributes)], [value("x", [2, 3, 6, 6])], [value("y", [2, weights[0], out, out])],
                     {"w": random(*weights)})
        same(library(made, folder, f"other{i}", options=["--plugin", p]).run([x]), onnxruntime_outputs(made, {"x": x}))
        assert "vendorconv" not in (folder / f"other{i}.c").read_text()


VENDOR_HEADER = "void vendor_conv_1x1(const float *x, const float *w, float *y, int channels, int filters, int places);\n"
VENDOR_SOURCE = """#include "vendor_nn.h"
void vendor_conv_1x1(const float *x, const float *w, float *y, int channels, int filters, int places) {
  for (int k = 0; k < filters; k++)
    for (int i = 0; i < places; i++) {
      float sum = 0;
      for (int c = 0; c < channels; c++) sum += w[k * channels + c] * x[c * places + i];
      y[k * places + i] = sum;
    }
}
"""
VENDOR_KERNEL = """/* kernel.c: a 1x1 convolution by a library */

static void vendorconv(const float *x, const float *w, float *y, ctc_dim N, ctc_dim C, ctc_dim K, ctc_dim rest) {
  for (ctc_dim n = 0; n < N; n++) vendor_conv_1x1(x + n * C * rest, w, y + n * K * rest, (int)C, (int)K, (int)rest);
}
"""


def check_library(folder):
    """A kernel calls a library: its header is included where the kernel is used, and the program linked with it."""
    (folder / "vendor_nn.h").write_text(VENDOR_HEADER)
    (folder / "vendor_nn.c").write_text(VENDOR_SOURCE)
    compile_c(["gcc", "-O1", "-fPIC", "-c", "vendor_nn.c"], folder)
    compile_c(["ar", "rcs", "libnn.a", "vendor_nn.o"], folder)
    p = write(folder, POINTWISE | {"includes": ["<vendor_nn.h>"]}, VENDOR_KERNEL)
    flags = f"-O1 -I{folder} {folder}/libnn.a"
    w, x = random(5, 3, 1, 1), random(2, 3, 6, 6)
    made = model([("Conv", ["x", "w"], ["y"])], [value("x", [2, 3, 6, 6])], [value("y", [2, 5, 6, 6])], {"w": w})
    save(made, folder, "net.onnx")
    ctc_ok("build", folder / "net.onnx", "--shared", "--plugin", p, "--cflags", flags, "-o", folder / "net.so")
    same(ctc_model.load(folder / "net.so", "net").run([x]), onnxruntime_outputs(made, {"x": x}))
    other = model([("Conv", ["x", "w"], ["y"])], [value("x", [2, 3, 6, 6])], [value("y", [2, 5, 5, 5])], {"w": random(5, 3, 2, 2)})
    ctc_ok("compile", save(other, folder, "other.onnx"), "--plugin", p, "-o", folder / "other.c")
    assert "vendor_nn" not in (folder / "other.c").read_text()
    checked = ctc("plugin", "check", p, "--cflags", flags, "--calls", "5", "--seed", "2")
    assert checked.status == 0, checked.out + checked.err


def swish_model():
    return using([node("ScaledSwish", ["x", "alpha"], ["y"])], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])],
                 {"alpha": np.ones(3, np.float32)})


def check_json_model(folder):
    """A JSON model names a plugin's operator like one of ONNX; attributes have the kinds that the descriptor says."""
    write(folder / "ctc.plugins", WINDOW, WINDOW_KERNEL)
    layer = {"type": "onnx", "op": "Window", "domain": "my.own", "name": "y", "inputs": ["x", "shift"], "attributes": {"stride": 1, "weights": [2, 1]}}
    inputs = [{"name": "x", "dtype": "float32", "shape": [3, "L"]}, {"name": "shift", "dtype": "int64", "shape": [3]}]
    (folder / "net.json").write_text(json.dumps({"ctc": 1, "name": "net", "inputs": inputs, "nodes": [layer], "outputs": ["y"]}))
    ctc_ok("compile", folder / "net.json", "-o", folder / "net.c")
    compile_c(["gcc", "-O1", *STRICT, "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"], folder)
    x, shift = random(3, 7), np.array([0, 1, 6])
    expected = window(x, shift, None, [2.0, 1.0], (0, 0), 1, "sum").astype(np.float32)
    same(ctc_model.load(folder / "net.so", "net").run([x, shift]), [expected])
    layer["attributes"]["stride"] = 0
    (folder / "net.json").write_text(json.dumps({"ctc": 1, "inputs": inputs, "nodes": [layer], "outputs": ["y"]}))
    wrong = ctc("compile", folder / "net.json", "-o", folder / "net.c")
    assert wrong.status == 1 and "/nodes/0: node 'y' (my.own.Window): error: attribute 'stride' must be at least 1, but is 0" in wrong.err, wrong.err


# GDN as exporters write it: the root of a 1x1 convolution of the squares.
def gdn_pattern(square, last, inverse, unit=(1, 1)):
    return {
        "nodes": [
            {**square, "outputs": ["square"]},
            {"op": "Conv", "inputs": ["square", "gamma", "beta"], "outputs": ["norm"]},
            {"op": "Sqrt", "inputs": ["norm"], "outputs": ["root"]},
            {"op": last, "inputs": ["x", "root"], "outputs": ["y"]},
        ],
        "shapes": {"gamma": ["C", "C", *unit]},
        "attributes": {"inverse": inverse},
    }


MUL, POW = {"op": "Mul", "inputs": ["x", "x"]}, {"op": "Pow", "inputs": ["x", 2]}
GDN_PATTERNS = [gdn_pattern(square, last, last == "Mul") for square in (MUL, POW) for last in ("Div", "Mul")] + [gdn_pattern(MUL, "Div", False, (1,))]
FOLDED_GDN = dict(GDN, replaces=GDN_PATTERNS)


def written_gdn(square=("Mul", ["x", "x"], ["q"]), conv=None, root=("Sqrt", ["n"], ["r"]), last=("Div", ["x", "r"], ["y"]), more=(), outputs=("y",),
                shape=(2, 5, 4, 3), gamma=None, **constants):
    """GDN in four nodes, and what is changed of it; an Abs in front and a Neg behind."""
    beta, weights = gdn_parameters(shape[1], np.float32)
    weights = weights.reshape(*weights.shape, *[1] * (len(shape) - 2)) if gamma is None else gamma
    conv = conv or ("Conv", ["q", "g", "b"], ["n"], {"kernel_shape": [1] * (len(shape) - 2), "strides": [1] * (len(shape) - 2)})
    nodes = [("Abs", ["input"], ["x"]), square, conv, root, last, *more, ("Neg", ["y"], ["output"])]
    ports = [value(name, None) for name in ["output", *outputs[1:]]]
    return model(nodes, [value("input", list(shape))], ports, {"b": beta, "g": weights, **constants})


# What is recognised as it is written …
WRITTEN = {
    "mul": lambda: written_gdn(),
    "pow": lambda: written_gdn(square=("Pow", ["x", "two"], ["q"]), two=np.float32(2)),
    "inverse": lambda: written_gdn(last=("Mul", ["x", "r"], ["y"])),
    "inverse, other order": lambda: written_gdn(last=("Mul", ["r", "x"], ["y"])),
    "one dim": lambda: written_gdn(shape=(3, 4, 7)),
    "all attributes": lambda: written_gdn(conv=("Conv", ["q", "g", "b"], ["n"], {
        "kernel_shape": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0] * 4, "group": 1, "auto_pad": "NOTSET"})),
    "one channel": lambda: written_gdn(shape=(1, 1, 3, 2)),
}
# … and what is not.
NEAR = {
    "square has another use": lambda: written_gdn(more=[("Exp", ["q"], ["z"])], outputs=("y", "z")),
    "root is an output": lambda: written_gdn(outputs=("y", "r")),
    "strides": lambda: written_gdn(conv=("Conv", ["q", "g", "b"], ["m"], {"strides": [2, 2]}), root=("Resize", ["m", "", "", "size"], ["n"]),
                                   last=("Div", ["x", "s"], ["y"]), more=[("Sqrt", ["n"], ["s"])], size=np.array([2, 5, 4, 3])),
    "operands of Div": lambda: written_gdn(last=("Div", ["r", "x"], ["y"])),
    "another power": lambda: written_gdn(square=("Pow", ["x", "three"], ["q"]), three=np.float32(3)),
    "square of something else": lambda: written_gdn(square=("Mul", ["x", "input"], ["q"])),
    "no bias": lambda: written_gdn(conv=("Conv", ["q", "g"], ["n"])),
    "group": lambda: written_gdn(conv=("Conv", ["q", "g", "b"], ["n"], {"group": 5}), gamma=np.ones((5, 1, 1, 1), np.float32)),
    "3x3": lambda: written_gdn(conv=("Conv", ["q", "g", "b"], ["n"], {"pads": [1] * 4}), gamma=np.ones((5, 5, 3, 3), np.float32)),
    "another root": lambda: written_gdn(root=("Exp", ["n"], ["r"])),
}


def in_topological_order(made):
    """Nodes that `more` added stand where their inputs are known."""
    nodes, known = list(made.graph.node), {"", *(port.name for port in made.graph.input), *(x.name for x in made.graph.initializer)}
    ordered = []
    while nodes:
        ready = next(node for node in nodes if set(node.input) <= known)
        nodes.remove(ready)
        known |= set(ready.output)
        ordered.append(ready)
    del made.graph.node[:]
    made.graph.node.extend(ordered)
    return made


def check_patterns(folder):
    """Several nodes become one of the plugin, in all forms that the descriptor lists; near misses stay as they are. Results are onnxruntime's."""
    p = write(folder, FOLDED_GDN, GDN_KERNEL)
    for i, (name, make) in enumerate([*WRITTEN.items(), *NEAR.items()]):
        made = in_topological_order(make())
        here = folder / f"{i}"
        here.mkdir()
        x = random(*(dim.dim_value for dim in made.graph.input[0].type.tensor_type.shape.dim))
        same(library(made, here, options=["--plugin", p], flags=["-O1", *STRICT]).run([x]), onnxruntime_outputs(made, {"input": x}))
        graph = ctc_ok("inspect", here / "net.onnx", "--plugin", p, "--dump-after=replace").out
        assert ("GDN" in graph) == (name in WRITTEN), f"{name}: {graph}"
        assert ("Sqrt" in graph) != (name in WRITTEN) or name == "another root", f"{name}: {graph}"


ACTIVATION = {
    "ctc": 1,
    "name": "Gate",
    "elementwise": True,
    "dtypes": {"T": ["float32"]},
    "attributes": [{"name": "slope", "type": "float"}, {"name": "shift", "type": "float", "default": 0.0}],
    "inputs": [{"name": "x", "dtype": "T", "shape": ["..."]}],
    "outputs": [{"name": "y", "dtype": "T", "shape": ["..."]}, ],
    "replaces": [
        {"nodes": [{"op": "Add", "inputs": ["x", "shift"], "outputs": ["a"]},
                   {"op": "LeakyRelu", "inputs": ["a"], "outputs": ["b"], "attributes": {"alpha": {"attribute": "slope"}}},
                   {"op": "Mul", "inputs": ["a", "b"], "outputs": ["y"]}]},
        {"nodes": [{"op": "LeakyRelu", "inputs": ["x"], "outputs": ["b"], "attributes": {"alpha": 0.25}},
                   {"op": "Mul", "inputs": ["b", "x"], "outputs": ["y"]}],
         "attributes": {"slope": 0.25}},
    ],
}
ACTIVATION_KERNEL = """/* kernel.c: a gate */

static inline float gate_f32(float x, float slope, float shift) {
  const float a = x + shift;
  return a * (a < 0 ? slope * a : a);
}
"""


def check_pattern_attributes(folder):
    """Attributes of the layer from constants and from attributes of nodes; required ones; both orders of Add and Mul."""
    p = write(folder, ACTIVATION, ACTIVATION_KERNEL)
    shift, alpha = np.float32(0.75), {"alpha": 0.125}
    forms = [
        ([("Add", ["x", "s"], ["a"]), ("LeakyRelu", ["a"], ["b"], alpha), ("Mul", ["a", "b"], ["y"])], True),
        ([("Add", ["s", "x"], ["a"]), ("LeakyRelu", ["a"], ["b"]), ("Mul", ["b", "a"], ["y"])], True),
        ([("LeakyRelu", ["x"], ["b"], {"alpha": 0.25}), ("Mul", ["x", "b"], ["y"])], True),
        ([("LeakyRelu", ["x"], ["b"], alpha), ("Mul", ["x", "b"], ["y"])], False),
        ([("Add", ["x", "v"], ["a"]), ("LeakyRelu", ["a"], ["b"], alpha), ("Mul", ["a", "b"], ["y"])], False),
        ([("Add", ["x", "s"], ["a"]), ("LeakyRelu", ["a"], ["b"], alpha), ("Mul", ["b", "x"], ["y"])], False),
    ]
    for i, (nodes, fits) in enumerate(forms):
        made = model(nodes, [value("x", ["N", 3])], [value("y", ["N", 3])], {"s": shift, "v": random(3)})
        here = folder / f"{i}"
        here.mkdir()
        x = random(4, 3)
        same(library(made, here, options=["--plugin", p], flags=["-O1", *STRICT]).run([x]), onnxruntime_outputs(made, {"x": x}))
        assert ("gate_f32(" in (here / "net.c").read_text()) == fits, nodes


TWO = {
    "ctc": 1,
    "name": "Both",
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["N"]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": ["N"]}, {"name": "root", "dtype": "float32", "shape": ["N"]}],
    "replaces": {"nodes": [{"op": "Abs", "inputs": ["x"], "outputs": ["a"]}, {"op": "Sqrt", "inputs": ["a"], "outputs": ["root"]},
                           {"op": "Exp", "inputs": ["root"], "outputs": ["y"]}]},
}
TWO_KERNEL = """/* kernel.c: two results */

static void both(const float *x, float *y, float *root, ctc_dim N) {
  for (ctc_dim i = 0; i < N; i++) {
    root[i] = ctc_sqrt_f32(ctc_abs_f32(x[i]));
    y[i] = ctc_exp_f32(root[i]);
  }
}
"""


def check_pattern_outputs(folder):
    """A result between the nodes may be an output of the layer, if nobody needs it before the last node."""
    p = write(folder, TWO, TWO_KERNEL)
    chain = [("Abs", ["x"], ["a"]), ("Sqrt", ["a"], ["r"]), ("Exp", ["r"], ["e"])]
    for i, (nodes, fits) in enumerate([(chain + [("Add", ["e", "r"], ["y"])], True), (chain[:2] + [("Neg", ["r"], ["n"]), chain[2], ("Add", ["e", "n"], ["y"])], False)]):
        made = model(nodes, [value("x", [7])], [value("y", [7])])
        here = folder / f"{i}"
        here.mkdir()
        x = random(7)
        same(library(made, here, options=["--plugin", p], flags=["-O1", *STRICT]).run([x]), onnxruntime_outputs(made, {"x": x}))
        assert ("both(" in (here / "net.c").read_text()) == fits, nodes


def check_search(folder):
    """Beside the model; in the folders of CTC_PLUGIN_PATH; what is found first counts."""
    save(swish_model(), folder)
    compile_it = ["compile", folder / "m.onnx", "-o", folder / "out.c"]
    assert ctc(*compile_it).status == 1
    write(folder / "path", SWISH, SWISH_KERNEL.replace("alpha * x", "x * alpha"))
    in_path = {"CTC_PLUGIN_PATH": f"{folder}/path"}
    ctc_ok(*compile_it, environment=in_path)
    assert "x * alpha" in (folder / "out.c").read_text()
    write(folder / "ctc.plugins", SWISH, SWISH_KERNEL)
    ctc_ok(*compile_it, environment=in_path)
    assert "alpha * x" in (folder / "out.c").read_text()
    ctc_ok(*compile_it)
    given = write(folder, SWISH, SWISH_KERNEL.replace("alpha * x", "(alpha * x)"))
    ctc_ok(*compile_it, "--plugin", f"{given}/")
    assert "(alpha * x)" in (folder / "out.c").read_text()
    assert ctc(*compile_it, environment={"CTC_PLUGIN_PATH": f"{folder}/nowhere"}).status == 1


def check_line_directives(folder):
    """The C compiler's message about a kernel points at its line in kernel.c, and the lines behind it are right again."""
    broken = SWISH_KERNEL.replace("beta * x);", "beta * nothing);")
    p = write(folder, SWISH, broken)
    path = save(swish_model(), folder)
    line = 1 + broken[: broken.index("nothing")].count("\n")
    wrong = ctc("build", path, "-o", folder / "net", "--plugin", p, "--line-directives")
    assert wrong.status == 1 and f"p/kernel.c:{line}:" in wrong.err, wrong.err
    right = write(folder, SWISH, SWISH_KERNEL, "right")
    ctc_ok("compile", path, "-o", folder / "net.c", "--plugin", right, "--line-directives")
    lines = (folder / "net.c").read_text().splitlines()
    back = [i for i, text in enumerate(lines, 1) if text.startswith("#line ") and text.endswith('"net.c"')]
    assert back and all(lines[i - 1] == f'#line {i + 1} "net.c"' for i in back), back


def check_verify(folder):
    """`verify` against a reference and `bench` work; `run`, and `verify` without one, say that they cannot."""
    p = write(folder, SWISH, SWISH_KERNEL)
    path = save(swish_model(), folder)
    x = random(2, 3, 4)
    np.savez(folder / "ref.npz", **{"in:x": x, "out:y": swish(x, np.ones(3), 1.5).astype(np.float32)})
    np.savez(folder / "wrong.npz", **{"in:x": x, "out:y": x})
    ctc_ok("verify", path, "--plugin", p, "--reference", folder / "ref.npz")
    assert ctc("verify", path, "--plugin", p, "--reference", folder / "wrong.npz").status == 1
    for command in (["verify", path], ["run", path, "--inputs", folder / "ref.npz", "-o", folder / "o.npz"]):
        result = ctc(*command, "--plugin", p)
        assert result.status == 1 and "plugins" in result.err, result.err
    ctc_ok("bench", path, "--plugin", p, "--seconds", "0.01", "--cflags", "-O1")


# --- wrong plugins, and wrong uses of right ones ---


def changed(change, descriptor=GDN):
    made = copy.deepcopy(descriptor)
    change(made)
    return made


def put(*path):
    """put("inputs", 0, "shape", value): the descriptor with that."""
    *way, last, new = path

    def change(made):
        for key in way:
            made = made[key]
        made[last] = new

    return changed(change)


def without(key):
    return changed(lambda made: made.pop(key))


def with_more(key, item):
    return changed(lambda made: made.setdefault(key, []).append(item))


def elementwise(*path):
    *way, last, new = path

    def change(made):
        for key in way:
            made = made[key]
        made[last] = new

    return changed(change, SWISH)


ONE_PATTERN = dict(GDN, replaces=GDN_PATTERNS[0])


def pattern(*path):
    *way, last, new = path

    def change(made):
        at = made["replaces"]
        for key in way:
            at = at[key]
        at[last] = new

    return changed(change, ONE_PATTERN)


def kernel(old, new):
    assert old in GDN_KERNEL, old
    return GDN_KERNEL.replace(old, new)


# name: the descriptor, kernel.c
WRONG = {
    "no-descriptor": (None, GDN_KERNEL),
    "no-kernel": (GDN, None),
    "json-syntax": (json.dumps(GDN, indent=1).replace('"ctc": 1,', '"ctc": 1'), GDN_KERNEL),
    "json-key-twice": (json.dumps(GDN, indent=1).replace('"ctc": 1,', '"ctc": 1, "ctc": 1,'), GDN_KERNEL),
    "field-missing": (without("outputs"), GDN_KERNEL),
    "field-misspelt": (put("input", []), GDN_KERNEL),
    "field-type": (put("inputs", 0, "shape", "N"), GDN_KERNEL),
    "format-version": (put("ctc", 2), GDN_KERNEL),
    "name-no-identifier": (put("name", "G-D-N"), GDN_KERNEL),
    "domain-reserved": (put("domain", "ai.onnx"), GDN_KERNEL),
    "operator-there": (changed(lambda made: made.update(domain="com.microsoft", name="QuickGelu")), GDN_KERNEL),
    "name-twice": (put("inputs", 1, "name", "x"), GDN_KERNEL),
    "name-reserved": (put("inputs", 1, "name", "first"), GDN_KERNEL),
    "dtype-unknown": (put("dtypes", "T", ["float"]), GDN_KERNEL),
    "dtype-misspelt": (put("inputs", 0, "dtype", "flaot32"), GDN_KERNEL),
    "dtype-variable-unknown": (put("outputs", 0, "dtype", "U"), GDN_KERNEL),
    "dtype-of-no-input": (put("dtypes", "U", ["int64"]), GDN_KERNEL),
    "expression-syntax": (put("units", "N *"), GDN_KERNEL),
    "expression-name": (put("outputs", 0, "shape", ["N", "Chan", "..."]), GDN_KERNEL),
    "expression-name-misspelt": (put("cost", "flops", "2 * N * rset"), GDN_KERNEL),
    "expression-number": (put("units", "99999999999999999999"), GDN_KERNEL),
    "expression-overflow": (put("scratch", 0, "count", "N * 9000000000000000000 * 9000000000000000000"), GDN_KERNEL),
    "expression-deep": (put("units", "(" * 100 + "N" + ")" * 100), GDN_KERNEL),
    "include-no-header": (put("includes", ["<stdio.h>\n#error"]), GDN_KERNEL),
    "rest-twice": (put("outputs", 0, "shape", ["...", "C", "..."]), GDN_KERNEL),
    "rest-unknown": (changed(lambda made: made["inputs"][0].update(shape=["N", "C"])), GDN_KERNEL),
    "rest-of-optional-input": (changed(lambda made: made["inputs"][0].update(optional=True)), GDN_KERNEL),
    "any-shape-binds-nothing": (changed(lambda made: made["inputs"].append({"name": "z", "dtype": "T", "shape": ["Z"], "any_shape": True})), GDN_KERNEL),
    "elementwise-any-shape": (elementwise("inputs", 1, "any_shape", True), SWISH_KERNEL),
    "attribute-default-type": (put("attributes", 0, "default", 1), GDN_KERNEL),
    "attribute-default-range": (with_more("attributes", {"name": "eps", "type": "float", "default": -1, "minimum": 0}), GDN_KERNEL),
    "attribute-text-without-values": (with_more("attributes", {"name": "mode", "type": "string"}), GDN_KERNEL),
    "attribute-type": (put("attributes", 0, "type", "boolean"), GDN_KERNEL),
    "pattern-nothing": (put("replaces", {}), GDN_KERNEL),
    "pattern-op-and-nodes": (put("replaces", {"op": "Conv", "nodes": GDN_PATTERNS[0]["nodes"]}), GDN_KERNEL),
    "pattern-value-unknown": (pattern("nodes", 1, "inputs", 0, "sqare"), GDN_KERNEL),
    "pattern-order": (changed(lambda made: made["replaces"]["nodes"].reverse(), ONE_PATTERN), GDN_KERNEL),
    "pattern-made-twice": (pattern("nodes", 2, "outputs", ["norm"]), GDN_KERNEL),
    "pattern-makes-input": (pattern("nodes", 2, "outputs", ["beta"]), GDN_KERNEL),
    "pattern-input-unused": (pattern("nodes", 1, "inputs", ["square", "gamma"]), GDN_KERNEL),
    "pattern-output-unmade": (pattern("nodes", 3, "outputs", ["z"]), GDN_KERNEL),
    "pattern-node-apart": (pattern("nodes", 3, "inputs", ["x", "norm"]), GDN_KERNEL),
    "pattern-op": (pattern("nodes", 2, "op", "Sqroot"), GDN_KERNEL),
    "pattern-attribute": (pattern("nodes", 1, "attributes", {"stride": [1, 1]}), GDN_KERNEL),
    "pattern-bound-attribute": (pattern("nodes", 1, "attributes", {"group": {"attribute": "groups"}}), GDN_KERNEL),
    "pattern-bound-kind": (pattern("nodes", 1, "attributes", {"strides": {"attribute": "inverse"}}), GDN_KERNEL),
    "pattern-layer-attribute": (pattern("attributes", {"invers": True}), GDN_KERNEL),
    "pattern-layer-value": (pattern("attributes", {"inverse": 1}), GDN_KERNEL),
    "pattern-shape-input": (pattern("shapes", {"delta": ["C"]}), GDN_KERNEL),
    "pattern-shape-rest": (pattern("shapes", {"gamma": ["C", "C", "..."]}), GDN_KERNEL),
    "pattern-shape-name": (pattern("shapes", {"gamma": ["C", "D", 1, 1]}), GDN_KERNEL),
    "replaces-unknown": (put("replaces", {"op": "Konv"}), GDN_KERNEL),
    "several-errors": (changed(lambda made: (made["inputs"][0].update(dtype="V"), made["outputs"][0].update(shape=["N", "D"]), made.update(units="N +"))), GDN_KERNEL),
    "kernel-function-missing": (GDN, kernel("//$ for t in f32 f64\nstatic void", "//$ for t in f32\nstatic void")),
    "kernel-parameter-unknown": (GDN, kernel("const $T *gamma,", "const $T *gama,")),
    "kernel-parameter-type": (GDN, kernel("ctc_dim inverse, ctc_dim first", "float inverse, ctc_dim first")),
    "kernel-parameter-not-const": (GDN, kernel("const $T *beta,", "$T *beta,")),
    "kernel-parameter-kind": (GDN, kernel("ctc_dim C,", "int C,")),
    "kernel-no-range": (GDN, kernel(", ctc_dim first, ctc_dim last", "")),
    "kernel-prefix": (GDN, GDN_KERNEL.replace("gdn_scale", "scale")),
    "kernel-include": (GDN, kernel("/* y =", "#include <stdio.h>\n\n/* y =")),
    "kernel-variable": (GDN, GDN_KERNEL + "\nstatic int gdn_count = 0;\n"),
    "kernel-not-static": (GDN, kernel("static void gdn_$t(", "void gdn_$t(")),
    "kernel-template": (GDN, kernel("$T *square =", "$U *square =")),
    "kernel-block-open": (GDN, GDN_KERNEL + "//$ for t in f32\n"),
    "kernel-blocks-deep": (GDN, GDN_KERNEL + "//$ for t in f32\n" * 60 + "//$ end\n" * 60),
    "kernel-loops-long": (GDN, GDN_KERNEL + "".join(f"//$ for {name} in a b c d e f g h\n" for name in "abcdefghi") + "#define GDN_$a$b$c$d$e$f$g$h$i\n" + "//$ end\n" * 9),
    "kernel-runtime-name": (GDN, GDN_KERNEL.replace("ctc_sqrt_", "ctc_sqrrt_")),
    "kernel-define": (GDN, GDN_KERNEL + "\n#define 3 4\n"),
    "kernel-garbage": (GDN, "/ nothing of C\n"),
    "kernel-recursion": (GDN, kernel("return inverse ?", "return inverse > 1 ? gdn_scale_$t(x, norm, 0) : inverse ?")),
    "elementwise-two-outputs": (changed(lambda made: made["outputs"].append({"name": "z", "dtype": "T", "shape": ["..."]}), SWISH), SWISH_KERNEL),
    "elementwise-scratch": (elementwise("scratch", [{"name": "s", "dtype": "T", "count": 4}]), SWISH_KERNEL),
    "elementwise-order": (elementwise("inputs", 1, "shape", ["C", "N"]), SWISH_KERNEL),
    "elementwise-kernel": (SWISH, SWISH_KERNEL.replace("static inline $T", "static void").replace("return", "")),
    "elementwise-result": (SWISH, SWISH_KERNEL.replace("static inline $T", "static inline int32_t").replace("return", "return (int32_t)")),
}


def gdn_node(shape=(2, 3, 4), beta=3, inputs=("x", "b", "g"), dtype=np.float32, version=1, **attributes):
    dims = list(shape)
    return using([node("GDN", list(inputs), ["y"], **attributes)], [value("x", dims, dtype)], [value("y", dims, dtype)],
                 {"b": np.ones(beta, dtype), "g": np.ones((3, 3), dtype)}, version=version)


def window_node(**attributes):
    return using([node("Window", ["x", "s"], ["y"], "my.own", **attributes)], [value("x", [3, 5]), value("s", [3], np.int64)],
                 [value("y", [3, "M"])], {}, "my.own", 3)


# name: the model, the descriptor, kernel.c
USES = {
    "use-attribute-misspelt": lambda: (gdn_node(invers=1), GDN, GDN_KERNEL),
    "use-attribute-range": lambda: (gdn_node(inverse=2), GDN, GDN_KERNEL),
    "use-attribute-kind": lambda: (gdn_node(inverse=0.5), GDN, GDN_KERNEL),
    "use-input-missing": lambda: (gdn_node(inputs=("x", "b")), GDN, GDN_KERNEL),
    "use-rank": lambda: (gdn_node(shape=(3,)), GDN, GDN_KERNEL),
    "use-dim": lambda: (gdn_node(beta=4), GDN, GDN_KERNEL),
    "use-dtype": lambda: (gdn_node(dtype=np.int32), GDN, GDN_KERNEL),
    "use-version": lambda: (gdn_node(), dict(GDN, version=2), GDN_KERNEL),
    "use-attribute-missing": lambda: (window_node(), WINDOW, WINDOW_KERNEL),
    "use-attribute-text": lambda: (window_node(stride=1, mode="mean"), WINDOW, WINDOW_KERNEL),
    "use-element-beyond": lambda: (window_node(stride=1, pads=[1]), WINDOW, WINDOW_KERNEL),
    "use-check": lambda: (window_node(stride=1, weights=[1.0] * 9), WINDOW, WINDOW_KERNEL),
}


def run_case(name, folder):
    """The exit status and standard error of ctc on the plugin p and the model m.onnx."""
    made, descriptor, text = USES[name]() if name in USES else (gdn_node(), *WRONG[name])
    if name.startswith("elementwise"):
        made = swish_model()
    write(folder, "" if descriptor is None else descriptor, text)
    if descriptor is None:
        (folder / "p/layer.json").unlink()
    save(made, folder)
    result = ctc("compile", "m.onnx", "-o", "out.c", "--plugin", "p", cwd=folder)
    assert result.status == 1, f"exit {result.status}"
    assert not (folder / "out.c").exists()
    return result.err


def check_case(name, folder):
    expect_text(GOLDEN / f"{name}.txt", run_case(name, folder), "plugins.py")


def check_every_case_is_there(_):
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*WRONG, *USES}


def check_documented(_):
    """Each message that a case provokes is explained in docs/errors.md, but for what a plugin's own checks say."""
    own = {check["message"] for check in WINDOW["checks"]}
    known = errors.documented_messages()
    for path in sorted(GOLDEN.glob("*.txt")):
        for message in re.findall(r": error: (.*)$", path.read_text(), re.M):
            assert message in own or any(pattern.match(message) for pattern in known), f"{path.name}: {message}"


def check_given_twice(folder):
    write(folder, GDN, GDN_KERNEL)
    write(folder, GDN, GDN_KERNEL, "q")
    save(gdn_node(), folder)
    result = ctc("compile", "m.onnx", "-o", "out.c", "--plugin", "p", "--plugin", "q", cwd=folder)
    assert result.status == 1 and "q: error: a plugin of the same domain and name was given before" in result.err, result.err


def check_damaged(folder):
    """Descriptors and kernels with a piece missing: read or refused, no crash."""
    rng = np.random.default_rng(3)
    save(window_node(stride=1), folder)
    for i in range(60):
        texts = [json.dumps(WINDOW), WINDOW_KERNEL]
        at = int(rng.integers(len(texts[i % 2]) - 10))
        texts[i % 2] = texts[i % 2][:at] + texts[i % 2][at + int(rng.integers(1, 10)) :]
        shutil.rmtree(folder / "p", ignore_errors=True)
        write(folder, texts[0], texts[1])
        result = ctc("compile", "m.onnx", "-o", "out.c", "--plugin", "p", cwd=folder)
        assert result.status in (0, 1) and (result.status == 0 or "error: " in result.err), result.err


def all_checks():
    checks = checks_of(sys.modules[__name__])
    del checks["case"]
    cases = {f"error: {name}": lambda folder, name=name: check_case(name, folder) for name in [*WRONG, *USES]}
    return {**checks, **cases}


if __name__ == "__main__":
    if sys.argv[1:] == ["--renew"]:
        renew_texts(GOLDEN, [*WRONG, *USES], run_case)
    else:
        run_named(all_checks())
