"""Nodes of onnxruntime that no other file draws. Many of them its CPU has no kernel for: they are described in the standard's operators."""

import numpy as np

from . import quantized
from .draw import draws
from .spatial import Window

F32, F64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
MICROSOFT = "com.microsoft"


class Steps(list):
    """The nodes of a description; each method gives the name of its result."""

    def add(self, op, *inputs, out=None, **attributes):
        name = out or f"step{len(self)}"
        self.append((op, list(inputs), [name], attributes))
        return name

    def number(self, value, like):
        return self.add("CastLike", self.add("Constant", value_float=float(value)), like)

    def ints(self, *values):
        return self.add("Constant", value_ints=list(values))

    def sum(self, *names):
        first, *others = names
        for name in others:
            first = self.add("Add", first, name)
        return first

    def gelu(self, x, out=None):
        """x * (1 + erf(x / sqrt(2))) / 2"""
        erf = self.add("Erf", self.add("Mul", x, self.number(0.5**0.5, x)))
        return self.add("Mul", self.add("Mul", x, self.number(0.5, x)), self.sum(erf, self.number(1, x)), out=out)

    def fast_gelu(self, x, out=None):
        """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2"""
        cube = self.add("Mul", x, self.add("Mul", x, x))
        inner = self.sum(x, self.add("Mul", cube, self.number(0.044715, x)))
        tanh = self.add("Tanh", self.add("Mul", inner, self.number((2 / np.pi) ** 0.5, x)))
        return self.add("Mul", self.add("Mul", x, self.number(0.5, x)), self.sum(tanh, self.number(1, x)), out=out)

    def silu(self, x):
        return self.add("Mul", x, self.add("Sigmoid", x))

    def channels_first(self, x):
        return self.add("Transpose", x, perm=[0, 3, 1, 2])

    def channels_last(self, x, out=None):
        return self.add("Transpose", x, perm=[0, 2, 3, 1], out=out)


# --- sums with something behind them ---


def rows(d, width):
    return (d.pick([1, 2]), d.pick([1, 3, 5]), width)


@draws("BiasAdd", domain=MICROSOFT)
def bias_add(d):
    shape, dtype, steps = rows(d, d.pick([1, 4, 17])), d.type("T"), Steps()
    steps.add("Add", steps.sum("x0", "x1"), "x2", out="y0")
    return d.node([d.data(shape, dtype), d.data(shape[-1:], dtype), d.data(shape, dtype)], steps=True, described=steps)


@draws("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(d):
    shape, dtype, steps = rows(d, 2 * d.pick([1, 4, 17])), d.type("T"), Steps()
    total = steps.sum("x0", "x1")
    steps.append(("Split", [total], ["left", "right"], {"axis": -1}))
    steps.add("Mul", "left", steps.gelu("right"), out="y0")
    return d.node([d.data(shape, dtype), d.data(shape[-1:], dtype)], magnitude=1, steps=True, described=steps)


@draws("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(d):
    """Of the axes from `axis` on together."""
    shape, dtype, steps = d.shape(2, 4, empty=False), d.type("T"), Steps()
    axis = d.between(1, len(shape) - 1)
    inner = d.below(2)
    some = d.between(0, axis)
    bias = tuple(1 if i < axis and (i >= some if inner else i < some) else size for i, size in enumerate(shape))
    flat = steps.add("Flatten", steps.sum("x0", "x1"), axis=axis)
    steps.add("Reshape", steps.add("Softmax", flat, axis=-1), steps.add("Shape", "x0"), out="y0")
    return d.node([d.data(shape, dtype), d.data(bias, dtype)], {"axis": axis, "is_inner_broadcast": inner}, steps=True, described=steps)


@draws("GemmFastGelu", domain=MICROSOFT)
def gemm_fast_gelu(d):
    (one, other), dtype, steps = quantized.matrices(d), d.type("T"), Steps()
    bias = d.maybe(d.data(other[1:], dtype))
    product = steps.add("MatMul", "x0", "x1")
    steps.fast_gelu(steps.sum(product, "x2") if bias else product, out="y0")
    return d.node([d.data(one, dtype), d.data(other, dtype), bias], magnitude=4, steps=True, described=steps)


@draws("FusedMatMulActivation", domain=MICROSOFT)
def matmul_activation(d):
    (one, other), dtype, steps = quantized.matrices(d), d.type("T"), Steps()
    flips = [d.below(2), d.below(2)]
    shapes = [shape[:-2] + shape[:-3:-1] if flip else shape for shape, flip in zip((one, other), flips)]
    sides = [steps.add("Transpose", f"x{i}", perm=[*range(len(s) - 2), len(s) - 1, len(s) - 2]) if flips[i] else f"x{i}" for i, s in enumerate(shapes)]
    name, alpha = d.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Softmax"]), d.uniform(0.2, 2)
    more = {"LeakyRelu": {"alpha": 0.25}, "HardSigmoid": {"alpha": 0.5, "beta": 0.25}, "Softmax": {"axis": -1}}.get(name, {})
    steps.add(name, steps.add("Mul", steps.add("MatMul", *sides), steps.number(alpha, "x0")), out="y0", **more)
    attributes = {"activation": name, "alpha": alpha, "transA": flips[0], "transB": flips[1]} | {"activation_" + key: value for key, value in more.items()}
    return d.node([d.data(shape, dtype) for shape in shapes], attributes, magnitude=1, steps=True, described=steps)


# --- channels last ---


def group_norm_steps(d, steps, x, groups, shape, last, out):
    """shape: [N, C, H, W] of x, which is [N, H, W, C] if `last`; in float."""
    epsilon = d.pick([1e-5, 0.1])
    x = steps.add("Cast", x, to=1) if not last else steps.channels_first(steps.add("Cast", x, to=1))
    parts = steps.add("Reshape", x, steps.ints(0, groups, -1))
    ones, zeros = (steps.add("Constant", value_floats=[float(value)] * groups) for value in (1, 0))
    y = steps.add("Reshape", steps.add("InstanceNormalization", parts, ones, zeros, epsilon=epsilon), steps.ints(*shape))
    scale, bias = (steps.add("Reshape", steps.add("Cast", name, to=1), steps.ints(-1, 1, 1)) for name in ("x1", "x2"))
    y = steps.sum(steps.add("Mul", y, scale), bias)
    silu = d.below(2)
    y = steps.silu(y) if silu else y
    steps.add("CastLike", steps.channels_last(y) if last else y, "x0", out=out)
    return {"groups": groups, "epsilon": epsilon, "activation": silu}


@draws("GroupNorm", "SkipGroupNorm", domain=MICROSOFT)
def group_norm(d):
    """SkipGroupNorm not with channels_last=0, which ctc does not take."""
    skips, groups, steps = d.takes("skip"), d.pick([1, 2, 3]), Steps()
    n, c, h, w = d.pick([1, 2]), groups * d.pick([1, 4]), d.pick([2, 3]), d.pick([1, 4])
    last = skips or d.chance(0.7)
    shape, dtype, fine = (n, h, w, c) if last else (n, c, h, w), d.type("T"), d.type("M")
    inputs, x = [d.data(shape, dtype), d.data((c,), fine), d.data((c,), fine)], "x0"
    if skips:
        skip = d.pick([(n, h, w, c), (n, 1, 1, c), (n, c)])
        inputs += [d.data(skip, dtype), d.maybe(d.data((c,), dtype))]
        x = steps.sum("x0", steps.add("Reshape", "x3", steps.ints(n, 1, 1, c)) if len(skip) == 2 else "x3", *["x4"] * (inputs[-1] is not None))
        x = steps.add("Identity", x, out="y1")
    attributes = group_norm_steps(d, steps, x, groups, (n, c, h, w), last, "y0") | ({} if last else {"channels_last": 0})
    return d.node(inputs, attributes, 2 if skips else 1, magnitude=1, steps=True, described=steps)


@draws("NhwcFusedConv", domain=MICROSOFT)
def nhwc_conv(d):
    window, steps, dtype = Window(d, ranks=(2,)), Steps(), d.type("T")
    group, inside, outside = d.pick([1, 1, 2]), d.pick([1, 3, 8]), d.pick([1, 4])
    activation = d.pick([None, "Relu", "Tanh"])
    inputs = [d.data((d.pick([1, 2]), *window.size, group * inside), dtype), d.data((group * outside, *window.kernel, inside), dtype),
              d.maybe(d.data((group * outside,), dtype))]
    attributes = window.attributes(False) | ({"group": group} if group > 1 else {})
    sides = [steps.channels_first("x0"), steps.channels_first("x1")] + ["x2"] * (inputs[2] is not None)
    y = steps.add("Conv", *sides, **attributes)
    steps.channels_last(steps.add(activation, y) if activation else y, out="y0")
    return d.node(inputs, attributes | ({"activation": activation} if activation else {}), magnitude=activation is not None, steps=True, described=steps)


@draws("ConvTransposeWithDynamicPads", domain=MICROSOFT)
def conv_transpose(d):
    window, dtype = Window(d, ranks=(2,), auto=False), d.type("T", [F32])
    inside, outside, size = d.pick([1, 3]), d.pick([1, 2]), [d.between(4, 6), d.between(4, 6)]
    inputs = [d.data((1, inside, *size), dtype), d.data((inside, outside, *window.kernel), dtype), d.constant(np.array(window.pads, np.int64)),
              d.maybe(d.data((outside,), dtype))]
    attributes = window.attributes()
    attributes.pop("pads", None)
    return d.node(inputs, attributes)


@draws("CropAndResize", domain=MICROSOFT)
def crop_and_resize(d):
    batch, count, dtype = d.pick([1, 2]), d.pick([1, 3]), d.type("T1", [F32])
    boxes = d.array((count, 4), dtype, low=-0.2, high=1.2)
    inputs = [d.data((batch, d.pick([1, 3]), d.pick([2, 6]), d.pick([3, 5])), dtype), d.ints(boxes, dtype),
              d.ints(d.array((count,), np.dtype(np.int32), low=0, high=batch - 1), np.int32), d.constant(np.array([d.between(1, 4), d.between(1, 7)], np.int32))]
    return d.node(inputs, d.some(mode=d.pick(["bilinear", "nearest"]), extrapolation_value=d.uniform(-1, 1)))


# --- moved and picked ---


@draws("ExpandDims", exact=True, domain=MICROSOFT)
def expand_dims(d):
    shape = d.shape(0, 4)
    return d.node([d.data(shape, d.type("T"), True), d.constant(np.array(d.between(-len(shape) - 1, len(shape)), np.int32))])


@draws("TorchEmbedding", exact=True, domain=MICROSOFT)
def embedding(d):
    count = d.between(1, 9)
    inputs = [d.data((count, d.pick([1, 4])), d.type("T"), True), d.ints(d.array(d.shape(1, 3, most=30), INT64, low=0, high=count - 1))]
    return d.node(inputs, described=[("Gather", ["x0", "x1"], ["y0"], {"axis": 0})])


@draws("Unique", exact=True, domain=MICROSOFT)
def unique(d):
    dtype = d.type("T", [F32])
    return d.node([d.ints(d.array((d.between(1, 20),), INT64, low=0, high=6).astype(dtype), dtype)], outputs=3)


@draws("ReduceSumInteger", exact=True, domain=MICROSOFT)
def integer_sum(d):
    shape, source, steps = d.shape(1, empty=False), d.type("T1"), Steps()
    axes, keep = d.axes(len(shape), 1), d.below(2)
    y = steps.add("ReduceSum", steps.add("Cast", "x0", to=7), steps.ints(*axes), keepdims=keep)
    steps.append(("Cast", [y], ["y0"], {"to": 12 if source.kind == "u" else 6}))
    return d.node([d.ints(d.array(shape, source, True), source)], {"axes": axes, "keepdims": keep}, described=steps)


# --- numbers of few bits ---


@draws("MatMulInteger16", exact=True, domain=MICROSOFT)
def matmul_16(d):
    one, other = quantized.matrices(d)
    kind = np.dtype(np.int16)  # which onnxruntime has
    return d.node([d.data(one, d.type("T1", [kind]), True), d.data(other, d.type("T2", [kind]), True)])


@draws("QLinearWhere", domain=MICROSOFT)
def quantised_where(d):
    dtype, shapes = d.type("T"), d.broadcast_pair(empty=False)
    side = lambda shape: [quantized.quantised(d, shape, dtype), d.constant(quantized.scale(d).array), d.constant(quantized.point(d, dtype).array)]  # noqa: E731
    return d.node([d.data(d.broadcast(shapes[0]), np.dtype(bool)), *side(shapes[0]), *side(shapes[1]), *side(())[1:]])


@draws("GatherBlockQuantized", domain=MICROSOFT)
def block_gather(d):
    bits, block, count = d.pick([4, 8]), d.pick([16, 32]), d.pick([2, 5])
    wide = block * d.pick([1, 3])
    blocks, byte = wide // block, np.dtype(np.uint8)
    d.type("T2", [F32])
    picks = d.ints(d.array(d.shape(1, 2, most=12), d.type("Tind"), low=0, high=count - 1), d.type("Tind"))
    zeros = d.constant(d.array((count, -(-blocks * bits // 8)), byte, low=0, high=255)) if d.chance(0.5) else None
    inputs = [d.constant(d.array((count, wide * bits // 8), byte, low=0, high=255)), picks, d.constant(d.array((count, blocks), F32, low=0.01, high=0.1)), zeros]
    return d.node(inputs, {"bits": bits, "block_size": block, "gather_axis": 0, "quantize_axis": 1})


@draws("MatMulBnb4", domain=MICROSOFT)
def matmul_bnb4(d):
    inner, columns, block = d.pick([32, 64]), d.pick([1, 6]), d.pick([16, 32])
    d.type("T1", [F32])
    inputs = [d.data((*d.shape(0, 1, empty=False), d.between(1, 5), inner), F32), d.constant(d.array((inner * columns // 2,), np.dtype(np.uint8), low=0, high=255)),
              d.constant(d.array((inner * columns // block,), F32, low=0.1, high=2))]
    return d.node(inputs, {"K": inner, "N": columns, "block_size": block, "quant_type": d.below(2)})


# --- transforms of real numbers: of the last signal_ndim axes; complex numbers are pairs behind them ---


@draws("Rfft", domain=MICROSOFT)
def rfft(d):
    shape, dtype, steps = d.shape(1, 3, empty=False, sizes=[1, 2, 3, 4, 5, 8]), d.type("T", [F32, F64]), Steps()
    dims, last = d.between(1, len(shape)), len(shape) - 1
    batched, first = shape if last else (1, *shape), int(not last)  # the standard wants a batch
    y = steps.add("Reshape", "x0", steps.ints(*batched, 1))
    for i in range(dims):
        y = steps.add("DFT", y, axis=last + first - i, onesided=int(i == 0))
    steps.add("Squeeze", y, steps.ints(0), out="y0") if first else steps.add("Identity", y, out="y0")
    return d.node([d.data(shape, dtype)], {"signal_ndim": dims}, magnitude=40, described=steps)


@draws("Irfft", domain=MICROSOFT)
def irfft(d):
    """The other half of the last axis is the conjugate of all but its first and last number, backwards."""
    shape, dtype, steps = (*d.shape(1, 2, empty=False, sizes=[1, 2, 3, 4, 5]), d.pick([2, 3, 5])), d.type("T", [F32, F64]), Steps()
    dims, last, y = d.between(1, len(shape) - 1), len(shape) - 1, "x0"
    for i in range(1, dims):
        y = steps.add("DFT", y, axis=last - i, inverse=1)
    turned = steps.add("Slice", y, steps.ints(-2), steps.ints(0), steps.ints(last), steps.ints(-1))
    signs = steps.add("CastLike", steps.add("Constant", value_floats=[1.0, -1.0]), "x0")
    whole = steps.add("DFT", steps.add("Concat", y, steps.add("Mul", turned, signs), axis=last), axis=last, inverse=1)
    steps.add("Gather", whole, steps.add("Constant", value_int=0), axis=last + 1, out="y0")
    return d.node([d.data((*shape, 2), dtype)], {"signal_ndim": dims}, magnitude=4, described=steps)
