"""Nodes over quantised numbers, of the standard and of onnxruntime. A result that lies between two integers may be either one
(tests/drawn/truth.py moves the inputs a little and looks)."""

import numpy as np

from .draw import Undrawable, draws
from .spatial import Window, conv_shapes, pooled

F32 = np.dtype(np.float32)
BYTES = [np.dtype(np.int8), np.dtype(np.uint8)]
WORDS = BYTES + [np.dtype(np.int16), np.dtype(np.uint16)]


def scale(d, shape=(), dtype=F32):
    return d.data(shape, dtype, low=0.01, high=0.1)


def point(d, dtype, shape=()):
    return d.ints(d.array(shape, dtype, low=-10, high=10), dtype)


def quantised(d, shape, dtype):
    return d.ints(d.array(shape, dtype, low=-100, high=200), dtype)


def along(d, shape):
    """(shape of scales, attributes): one scale for all, or one for each index of an axis."""
    if d.chance(0.5) or not shape or not d.has("axis"):
        return (), {}
    axis = d.below(len(shape))
    return (shape[axis],), {"axis": axis - len(shape) * d.below(2)}


@draws("QuantizeLinear")
@draws("QuantizeLinear", domain="com.microsoft")
def quantize(d):
    shape = d.shape(1, empty=False)
    sizes, attributes = along(d, shape)
    source = d.type(d.row.inputs[0], [F32, np.dtype(np.float16)])
    target = d.type(d.row.inputs[2], WORDS)
    zero = point(d, target, sizes) if d.chance(0.7) or target != np.uint8 else None
    return d.node([d.data(shape, source), scale(d, sizes, source), zero], attributes)


@draws("DequantizeLinear")
@draws("DequantizeLinear", domain="com.microsoft")
def dequantize(d):
    shape = d.shape(1, empty=False)
    sizes, attributes = along(d, shape)
    source = d.type("x", WORDS + [np.dtype(np.int32)])
    zero = d.maybe(point(d, source, sizes)) if source != np.int32 else None
    return d.node([quantised(d, shape, source), scale(d, sizes, d.type("x_scale", [F32, np.dtype(np.float16)])), zero], attributes)


@draws("DynamicQuantizeLinear")
def dynamic_quantize(d):
    return d.node([d.data(d.shape(1, empty=False), F32)], outputs=3)


def matrices(d):
    m, k, n = (d.pick([1, 2, 3, 8, 17, 32]) for _ in range(3))
    return (*d.shape(0, 1, sizes=[1, 2, 3], empty=False), m, k), (k, n)


@draws("MatMulInteger", exact=True)
def matmul_integer(d):
    one, other = matrices(d)
    a, b = d.type("A"), d.type("B")
    points = [point(d, a), point(d, b, d.pick([(), (other[1],)]))]
    return d.node([d.data(one, a, True), d.data(other, b, True), *points[: d.below(3)]])


@draws("QLinearMatMul")
def qlinear_matmul(d):
    one, other = matrices(d)
    kinds = [d.type(name, BYTES) for name in ("a", "b", "y")]
    if d.row.types.get("TS"):
        d.type("TS", [F32])
    a = [quantised(d, one, kinds[0]), scale(d), point(d, kinds[0])]
    per = d.pick([(), (other[1],)])
    b = [quantised(d, other, kinds[1]), scale(d, per), point(d, kinds[1], per)]
    return d.node([*a, *b, d.data((), F32, low=0.05, high=1), point(d, kinds[2])])


@draws("QLinearConv")
def qlinear_conv(d):
    window = Window(d, ranks=(1, 2, 2))
    x, w, group = conv_shapes(d, window)
    kinds = [d.type("x")]
    kinds.append(d.type("w", BYTES[: 1 + (kinds[0] == BYTES[1])]))  # which onnxruntime has
    target = d.type("y", [kinds[0]])
    per = d.pick([(), w[:1]])
    bias = d.maybe(d.ints(d.array(w[:1], np.dtype(np.int32), low=-500, high=500), np.int32))
    # Zero points of weights of each channel must be equal.
    zero = np.full(per, int(point(d, kinds[1]).array), kinds[1])
    inputs = [quantised(d, x, kinds[0]), scale(d), point(d, kinds[0]), quantised(d, w, kinds[1]), scale(d, per), d.ints(zero, kinds[1]),
              d.data((), F32, low=0.05, high=1), point(d, target), bias]
    return d.node(inputs, window.attributes(False) | {"group": group})


# --- of onnxruntime ---


@draws("QLinearAdd", "QLinearMul", domain="com.microsoft")
def qlinear_arithmetic(d):
    dtype = d.type("T")
    one, other = d.broadcast_pair(empty=False)
    a, b = ([quantised(d, shape, dtype), scale(d), point(d, dtype)] for shape in (one, other))
    return d.node([*a, *b, scale(d), point(d, dtype)])


@draws("QLinearSigmoid", "QLinearLeakyRelu", domain="com.microsoft")
def qlinear_function(d):
    dtype = d.type("T")
    x = [quantised(d, d.shape(1, empty=False), dtype), d.constant(d.array((), F32, low=0.01, high=0.1)), d.constant(point(d, dtype).array)]
    return d.node([*x, d.constant(d.array((), F32, low=0.01, high=0.1)), d.constant(point(d, dtype).array)], d.some(alpha=d.uniform(0, 0.5)))


@draws("QLinearConcat", domain="com.microsoft")
def qlinear_concat(d):
    dtype = d.type("T8")
    shape = list(d.shape(1, empty=False))
    at = d.below(len(shape))
    constant = lambda i: d.constant(i.array)  # noqa: E731
    inputs = [constant(scale(d)), constant(point(d, dtype))]
    for _ in range(d.between(1, 3)):
        shape[at] = d.between(1, 4)
        inputs += [quantised(d, tuple(shape), dtype), constant(scale(d)), constant(point(d, dtype))]
    return d.node(inputs, {"axis": at})


@draws("QLinearAveragePool", domain="com.microsoft")
def qlinear_average_pool(d):
    window, dtype, last = Window(d, ranks=(2,)), d.type("X"), d.below(2)
    x = [quantised(d, pooled(d, window, last), dtype), scale(d), point(d, dtype)]
    return d.node([*x, scale(d), point(d, dtype)], window.attributes() | d.some(count_include_pad=d.below(2)) | ({"channels_last": 1} if last else {}))


@draws("QLinearGlobalAveragePool", domain="com.microsoft")
def qlinear_global_pool(d):
    dtype = d.type("X")
    x = [quantised(d, d.shape(4, 4, empty=False), dtype), scale(d), point(d, dtype)]
    return d.node([*x, scale(d), point(d, dtype)], {"channels_last": d.below(2)})


@draws("QLinearSoftmax", domain="com.microsoft")
def qlinear_softmax(d):
    dtype = d.type("T")
    shape = (*d.shape(1, 2, empty=False), d.pick([3, 5, 16]))  # a share of 1 wraps to 0 in onnxruntime: there are others, and near
    x = [quantised(d, shape, dtype), d.constant(d.array((), F32, low=0.002, high=0.01)), d.constant(point(d, dtype).array)]
    # onnxruntime takes this scale and no other.
    least = -128 if dtype == np.int8 else 0
    y = [d.constant(np.float32(1 / 256)), d.constant(np.array(least, dtype))]
    return d.node([*x, *y], {"opset": 13, "axis": -1})


@draws("QGemm", domain="com.microsoft")
def qgemm(d):
    m, k, n = (d.pick([1, 2, 3, 8, 17]) for _ in range(3))
    one = d.type("TA")
    other = d.type("TB", [one, BYTES[0]])  # which onnxruntime has
    flips = [d.below(2), d.below(2)]
    per = d.pick([(), (n,)])
    a = [quantised(d, (m, k)[:: -1 if flips[0] else 1], one), scale(d), point(d, one)]
    b = [quantised(d, (k, n)[:: -1 if flips[1] else 1], other), scale(d, per), d.ints(np.full(per, 3, other), other)]
    c = d.maybe(d.ints(d.array((n,), np.dtype(np.int32), low=-500, high=500), np.int32))
    y = [d.data((), F32, low=0.05, high=1), point(d, one)] if d.chance(0.5) else []
    return d.node([*a, *b, c, *y], d.having(transA=flips[0], transB=flips[1]))


@draws("MatMulIntegerToFloat", domain="com.microsoft")
def integer_to_float(d):
    one, other = matrices(d)
    a = d.type("A")
    b = d.type("B", [a, BYTES[0]])  # which onnxruntime has
    d.type("T3", [F32])
    per = d.pick([(), (other[1],)])
    inputs = [quantised(d, one, a), quantised(d, other, b), scale(d), scale(d, per), d.maybe(point(d, a)), d.maybe(point(d, b, per)), d.maybe(d.data((other[1],), F32))]
    return d.node(inputs)


@draws("DynamicQuantizeMatMul", domain="com.microsoft")
def dynamic_matmul(d):
    one, other = matrices(d)
    kind = d.type("B")
    per = d.pick([(), (other[1],)])
    return d.node([d.data(one, F32), quantised(d, other, kind), scale(d, per), d.maybe(point(d, kind, per)), d.maybe(d.data((other[1],), F32))])


@draws("MatMulNBits", domain="com.microsoft")
def matmul_nbits(d):
    bits, block = d.pick([4, 4, 8]), d.pick([16, 32])
    rows, inner, columns = d.pick([1, 3]), d.pick([16, 32, 40, 64]), d.pick([1, 5, 16])
    blocks = -(-inner // block)
    packed = d.array((columns, blocks, block * bits // 8), np.dtype(np.uint8), low=0, high=255)
    scales = d.array((columns, blocks), F32, low=0.01, high=0.1)
    zeros = d.array((columns, -(-blocks * bits // 8)), np.dtype(np.uint8), low=0, high=255)
    d.type("T1", [F32])
    inputs = [d.data((rows, inner), F32), d.constant(packed), d.constant(scales), d.maybe(d.constant(zeros))]
    return d.node(inputs, {"K": inner, "N": columns, "bits": bits, "block_size": block})


@draws("DynamicQuantizeLSTM", domain="com.microsoft")
def dynamic_lstm(d):
    steps, batch, width, hidden = d.pick([1, 3]), d.pick([1, 2]), d.pick([2, 5]), d.pick([2, 4])
    ways = d.pick([1, 2])
    kind = d.type("W")
    w, r = (d.constant(d.array((ways, n, 4 * hidden), kind, low=-100, high=200)) for n in (width, hidden))
    parts = [d.constant(np.full(ways, s, np.float32)) if i == 0 else d.constant(np.full(ways, 3, kind)) for s in (0.01, 0.02) for i in range(2)]
    inputs = [d.data((steps, batch, width), F32), w, r, d.maybe(d.data((ways, 8 * hidden), F32)), None, None, None, None, *parts]
    return d.node(inputs, {"hidden_size": hidden, "direction": "bidirectional" if ways == 2 else "forward"}, 3, magnitude=1)
