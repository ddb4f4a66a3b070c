"""Operators on quantised tensors with known weights, against numpy: every combination of signs, zero
points, scales by channel, groups, strides, dilations and padding, for vectors of every width. The
integer results must be equal; levels too, but for products that lie between two of them."""

import numpy as np

from common import compile_c, ctc_ok, model, save, value

import ctc_model

WIDTHS = {
    "native": ["gcc", "-O2", "-march=native"],
    "avx2": ["clang", "-O1", "-mavx2", "-mfma"],
    "avx512": ["gcc", "-O1", "-mavx512f", "-mavx512bw"],
    "baseline": ["gcc", "-O1"],
    "scalar": ["gcc", "-O1", "-DCTC_SCALAR"],
}
SIGNS = [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.uint8), (np.int8, np.int8)]


# --- in numpy ---


def convolution(x, w, pads, strides, dilations, groups):
    """Of integers less their zero points; x [n, c, h, w], pads top, left, bottom, right."""
    x = np.pad(x.astype(np.int64), [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
    n, channels, height, width = x.shape
    out, depth, kh, kw = w.shape
    oh = (height - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (width - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((n, out, oh, ow), np.int64)
    for g in range(groups):
        part = x[:, g * depth : (g + 1) * depth]
        own = slice(g * (out // groups), (g + 1) * (out // groups))
        for a in range(kh):
            for b in range(kw):
                top, left = a * dilations[0], b * dilations[1]
                window = part[
                    :,
                    :,
                    top : top + (oh - 1) * strides[0] + 1 : strides[0],
                    left : left + (ow - 1) * strides[1] + 1 : strides[1],
                ]
                y[:, own] += np.einsum("nchw,oc->nohw", window, w[own, :, a, b].astype(np.int64))
    return y


def levels(sums, scale, zero, dtype):
    """round(sums * scale) + zero, ties to even, saturated, in f32 as ONNX says."""
    limits = np.iinfo(dtype)
    rounded = np.rint(sums.astype(np.float32) * scale.astype(np.float32)) + np.float32(zero)
    return np.clip(rounded, limits.min, limits.max).astype(dtype)


def any_level(rng, dtype, *shape):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


# --- a model of many nodes, each with an input and an output of its own ---


class Cases:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.inputs, self.outputs = [], [], []
        self.constants, self.arrays, self.expected = {}, [], []

    def constant(self, array):
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def input(self, array):
        name = f"x{len(self.inputs)}"
        self.inputs.append(value(name, list(array.shape), array.dtype))
        self.arrays.append(array)
        return name

    def add(self, op, inputs, expected, attributes=None, domain=""):
        from onnx import helper

        name = f"y{len(self.outputs)}"
        self.nodes.append(helper.make_node(op, inputs, [name], domain=domain, **(attributes or {})))
        self.outputs.append(value(name, list(expected.shape), expected.dtype))
        self.expected.append(expected)

    def check(self, folder):
        from onnx import helper

        made = model(self.nodes, self.inputs, self.outputs, self.constants)
        made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        path = save(made, folder)
        ctc_ok("compile", path, "-o", folder / "m.c", "--prefix", "m", "--quiet")
        for name, flags in WIDTHS.items():
            compile_c([*flags, "-std=gnu99", "-w", "-shared", "-fPIC", "m.c", "-o", f"{name}.so", "-lm"], folder)
            if name != "avx512" or runs_avx512():
                self.compare(name, ctc_model.load(folder / f"{name}.so", "m").run(self.arrays))

    def compare(self, width, results):
        for node, actual, expected in zip(self.nodes, results, self.expected, strict=True):
            assert actual.dtype == expected.dtype and actual.shape == expected.shape
            wrong = np.flatnonzero(actual.ravel() != expected.ravel())
            if expected.dtype == np.float32:
                close = np.isclose(actual, expected, rtol=1e-5, atol=1e-5)
                wrong = np.flatnonzero(~close.ravel())
            assert wrong.size == 0, (
                f"{width}: {node.op_type} {node.output[0]} of {node.input[0]}: {wrong.size} of "
                f"{expected.size} differ, the first at {wrong[0]}: {actual.ravel()[wrong[0]]} instead of "
                f"{expected.ravel()[wrong[0]]}"
            )


def runs_avx512():
    with open("/proc/cpuinfo") as info:
        return "avx512bw" in info.read()


def any_convolution(rng, signs):
    """Levels, zero points and attributes of a convolution."""
    x_type, w_type = signs
    groups = int(rng.choice([1, 1, 1, 2, 8]))
    depthwise = groups == 8
    depth = 1 if depthwise else int(rng.choice([1, 3, 5, 16]))
    out = groups * (1 if depthwise else int(rng.choice([1, 7, 16, 20, 33])))
    kernel = [int(rng.integers(1, 4)), int(rng.integers(1, 4))]
    attributes = {
        "kernel_shape": kernel,
        "pads": [int(v) for v in rng.integers(0, 3, 4)],
        "strides": [int(v) for v in rng.integers(1, 3, 2)],
        "dilations": [int(v) for v in rng.integers(1, 3, 2)],
        "group": groups,
    }
    size = [int(rng.integers(5, 20)), int(rng.integers(5, 20))]
    x = any_level(rng, x_type, int(rng.integers(1, 3)), groups * depth, *size)
    w = any_level(rng, w_type, out, depth, *kernel)
    x_zero = any_level(rng, x_type)
    whole = groups > 1 and not depthwise  # there the fast kernels want weights without a zero point
    w_zero = np.array(128 if w_type == np.uint8 else 0, w_type) if whole else any_level(rng, w_type)
    return x, w, x_zero, w_zero, attributes


def sums_of(x, w, x_zero, w_zero, a):
    w_zero = w_zero.astype(np.int64).reshape(-1, 1, 1, 1)
    return convolution(
        x.astype(np.int64) - np.int64(x_zero),
        w.astype(np.int64) - w_zero,
        a["pads"],
        a["strides"],
        a["dilations"],
        a["group"],
    )


# --- the checks ---


def check_conv_integer(folder):
    cases = Cases(1)
    for i in range(12):
        x, w, x_zero, w_zero, attributes = any_convolution(cases.rng, SIGNS[i % 4])
        inputs = [cases.input(x), cases.constant(w), cases.constant(x_zero), cases.constant(w_zero)]
        if i % 3 == 0:
            inputs[2] = cases.input(np.asarray(x_zero))  # known when it runs
        cases.add("ConvInteger", inputs, sums_of(x, w, x_zero, w_zero, attributes).astype(np.int32), attributes)
    cases.check(folder)


def check_qlinear_conv(folder):
    cases = Cases(2)
    for i in range(20):
        x, w, x_zero, w_zero, attributes = any_convolution(cases.rng, SIGNS[i % 4])
        out = w.shape[0]
        by_channel = i % 2 == 1
        if by_channel and attributes["group"] in (1, out):
            w_zero = any_level(cases.rng, w.dtype.type, out)
        w_scale = cases.rng.uniform(0.001, 0.003, out if by_channel else 1).astype(np.float32)
        if not by_channel:
            w_scale = w_scale.reshape(())
        x_scale, y_scale = np.float32(0.05), np.float32(cases.rng.uniform(0.05, 0.4))
        y_zero = any_level(cases.rng, x.dtype.type)
        bias = cases.rng.integers(-3000, 3000, out).astype(np.int32)
        sums = sums_of(x, w, x_zero, w_zero, attributes) + bias.reshape(1, -1, 1, 1)
        scale = (x_scale * w_scale / y_scale).reshape(1, -1, 1, 1)
        given = [x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias]
        cases.add(
            "QLinearConv",
            [cases.input(x), *[cases.constant(v) for v in given]],
            levels(sums, scale, y_zero, x.dtype.type),
            attributes,
        )
    cases.check(folder)


def any_product(rng, signs, shape=None):
    m, k, n = shape or (int(rng.choice([1, 5, 31])), int(rng.choice([3, 8, 37, 64])), int(rng.choice([1, 16, 40])))
    a, b = any_level(rng, signs[0], m, k), any_level(rng, signs[1], k, n)
    return a, b, any_level(rng, signs[0]), any_level(rng, signs[1])


def product_sums(a, b, a_zero, b_zero):
    return (a.astype(np.int64) - np.int64(a_zero)) @ (b.astype(np.int64) - b_zero.astype(np.int64))


def check_matmul_integer(folder):
    cases = Cases(3)
    for i in range(16):
        a, b, a_zero, b_zero = any_product(cases.rng, SIGNS[i % 4])
        if i % 2:
            b_zero = any_level(cases.rng, b.dtype.type, b.shape[1])
        zero = cases.input(np.asarray(a_zero)) if i % 3 else cases.constant(a_zero)
        inputs = [cases.input(a), cases.constant(b), zero, cases.constant(b_zero)]
        cases.add("MatMulInteger", inputs, product_sums(a, b, a_zero, b_zero).astype(np.int32))
    cases.check(folder)


def check_qlinear_matmul(folder):
    cases = Cases(4)
    for i in range(16):
        a, b, a_zero, b_zero = any_product(cases.rng, SIGNS[i % 4])
        a_scale, y_scale = np.float32(0.02), np.float32(0.3)
        b_scale = cases.rng.uniform(0.01, 0.03, b.shape[1]).astype(np.float32)
        if i % 2:
            b_scale = b_scale[0]
        y_zero = any_level(cases.rng, a.dtype.type)
        expected = levels(
            product_sums(a, b, a_zero, b_zero), a_scale * b_scale / y_scale, y_zero, a.dtype.type
        )
        given = [a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]
        cases.add("QLinearMatMul", [cases.input(a), *[cases.constant(v) for v in given]], expected)
    cases.check(folder)


def dynamic_levels(x):
    """DynamicQuantizeLinear: levels, scale, zero point."""
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    return np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8), scale, np.uint8(zero)


def check_dynamic(folder):
    """DynamicQuantizeLinear alone, and with a product, cast and scaled as onnxruntime's quantiser writes it."""
    cases = Cases(5)
    for i in range(6):
        x = cases.rng.standard_normal((7 + i, 33 + 8 * i)).astype(np.float32)
        a, scale, zero = dynamic_levels(x)
        b = any_level(cases.rng, SIGNS[i % 2][1], x.shape[1], 24 + i)
        b_scale, b_zero = np.float32(0.01), any_level(cases.rng, b.dtype.type)
        bias = cases.rng.standard_normal(b.shape[1]).astype(np.float32)
        expected = product_sums(a, b, zero, b_zero).astype(np.float32) * (scale * b_scale) + bias
        given = [b, b_scale, b_zero, bias]
        cases.add(
            "DynamicQuantizeMatMul",
            [cases.input(x), *[cases.constant(v) for v in given]],
            expected.astype(np.float32),
            domain="com.microsoft",
        )
    cases.check(folder)


# --- quantised graphs: floats between DequantizeLinear and QuantizeLinear ---


class Graph:
    """A chain on levels; each step is dequantised, computed in floats and quantised."""

    def __init__(self, seed, dtype):
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        self.nodes, self.constants = [], {}

    def name(self, stem):
        return f"{stem}{len(self.nodes)}"

    def constant(self, array):
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def grid(self, scale):
        zero = self.rng.integers(100, 150) - (128 if self.dtype == np.int8 else 0)
        return [self.constant(np.float32(scale)), self.constant(self.dtype(zero))]

    def node(self, op, inputs, **attributes):
        name = self.name("v")
        self.nodes.append((op, inputs, [name], attributes))
        return name

    def real(self, levels, grid):
        return self.node("DequantizeLinear", [levels, *grid])

    def quantized(self, real, scale):
        grid = self.grid(scale)
        return self.node("QuantizeLinear", [real, *grid]), grid

    def weights(self, *shape, axis=0):
        scale = self.rng.uniform(0.002, 0.01, shape[axis]).astype(np.float32)
        levels = self.constant(self.rng.integers(-127, 128, shape).astype(np.int8))
        zero = self.constant(np.zeros(shape[axis], np.int8))
        self.scale = scale
        return self.node("DequantizeLinear", [levels, self.constant(scale), zero], axis=axis)

    def bias(self, x_scale):
        """For the weights made last, as quantisers write it: int32 in units of x_scale * w_scale."""
        unit = np.float32(x_scale) * self.scale
        levels = np.rint(self.rng.standard_normal(unit.size) * 0.5 / unit).astype(np.int32)
        return self.node("DequantizeLinear", [self.constant(levels), self.constant(unit)], axis=0)


def quantized_graph(dtype):
    """Convolutions of each kind, activations, a residual, a product; every result is levels."""
    g = Graph(7, dtype)
    x, grid = g.quantized("x", 0.05)
    a = g.node("Conv", [g.real(x, grid), g.weights(16, 3, 3, 3), g.bias(0.05)], pads=[1, 1, 1, 1], strides=[2, 2])
    a, a_grid = g.quantized(g.node("Relu", [a]), 0.03)
    b = g.node("Conv", [g.real(a, a_grid), g.weights(16, 1, 3, 3), g.bias(0.03)], pads=[1, 1, 1, 1], group=16)
    limits = [g.constant(np.float32(0)), g.constant(np.float32(2))]
    b, b_grid = g.quantized(g.node("Clip", [b, *limits]), 0.02)
    c = g.node("Conv", [g.real(b, b_grid), g.weights(16, 16, 1, 1)])
    c, c_grid = g.quantized(c, 0.02)
    s = g.node("Add", [g.real(c, c_grid), g.real(a, a_grid)])
    s, s_grid = g.quantized(g.node("Relu", [s]), 0.0413)
    p, p_grid = g.quantized(g.node("GlobalAveragePool", [g.real(s, s_grid)]), 0.04)
    f = g.node("Flatten", [p])
    m = g.node("MatMul", [g.real(f, p_grid), g.weights(16, 10, axis=1)])
    y, y_grid = g.quantized(g.node("Add", [m, g.bias(0.04)]), 0.02)
    z = g.node("Gemm", [g.real(y, y_grid), g.weights(7, 10), g.bias(0.02)], transB=1)
    z, _ = g.quantized(z, 0.02)
    outputs = {"s": s, "y": y, "z": z}
    shapes = {"s": [2, 16, 8, 9], "y": [2, 10], "z": [2, 7]}
    nodes = g.nodes + [("Identity", [inner], [name]) for name, inner in outputs.items()]
    return model(
        nodes,
        [value("x", [2, 3, 15, 17])],
        [value(name, shape, dtype) for name, shape in shapes.items()],
        g.constants,
    )


def check_quantized_graph(folder):
    """In integers, and with the pass switched off in floats: levels differ by one at most."""
    from common import library

    x = np.random.default_rng(3).standard_normal((2, 3, 15, 17)).astype(np.float32) * 3
    for dtype in (np.uint8, np.int8):
        made = quantized_graph(dtype)
        name = np.dtype(dtype).name
        fused = library(made, folder, f"fused_{name}").run([x])
        plain = library(made, folder, f"plain_{name}", ["--disable-pass", "quantize"]).run([x])
        text = (folder / f"fused_{name}.c").read_text()
        for kernel in ("ctc_int8_conv_u8", "ctc_int8_depthwise_u8", "ctc_int8_add_u8"):
            assert kernel in text, f"{kernel} is not used"
        assert "ctc_int8" not in (folder / f"plain_{name}.c").read_text().replace("ctc_int8_quantize", "")
        for a, b in zip(fused, plain, strict=True):
            assert a.dtype == b.dtype == dtype and a.shape == b.shape
            away = np.abs(a.astype(int) - b.astype(int))
            assert away.max() <= 1 and (away > 0).mean() < 0.02, f"{name}: {away.max()} levels, {(away > 0).mean():.3f}"
            assert len(np.unique(b)) > 3


def check_dynamic_graph(folder):
    """What onnxruntime's quantiser makes of MatMul, against onnxruntime."""
    from common import library, onnxruntime_outputs, same

    rng = np.random.default_rng(5)
    constants = {
        "w": any_level(rng, np.int8, 40, 24),
        "w_scale": np.float32(0.01),
        "w_zero": np.int8(0),
        "b": rng.standard_normal(24).astype(np.float32),
    }
    nodes = [
        ("DynamicQuantizeLinear", ["x"], ["q", "q_scale", "q_zero"]),
        ("MatMulInteger", ["q", "w", "q_zero", "w_zero"], ["sums"]),
        ("Cast", ["sums"], ["reals"], {"to": 1}),
        ("Mul", ["q_scale", "w_scale"], ["scale"]),
        ("Mul", ["reals", "scale"], ["scaled"]),
        ("Add", ["scaled", "b"], ["added"]),
        ("Relu", ["added"], ["y"]),
    ]
    made = model(nodes, [value("x", [2, 13, 40])], [value("y", [2, 13, 24])], constants)
    x = rng.standard_normal((2, 13, 40)).astype(np.float32)
    same(library(made, folder).run([x]), onnxruntime_outputs(made, {"x": x}))
    text = (folder / "net.c").read_text()
    assert "ctc_int8_conv_f32" in text, "the sums are not made floats in the store"
