"""Nodes of products: matrices, Einsum, attention, recurrent layers, transforms, and what has whole matrices as elements."""

import numpy as np

from .draw import draws, largest

F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)


def matrices(d, sizes=(1, 2, 3, 5, 8, 16, 17, 33)):
    """Shapes of two operands of MatMul."""
    rows, inner, columns = d.pick(sizes), d.pick(sizes), d.pick(sizes)
    if d.chance(0.04):
        inner = 0
    batch = d.shape(0, 2, sizes=[1, 2, 3], empty=False)
    one, other = (*batch, rows, inner), (*d.broadcast(batch), inner, columns)
    form = d.below(8)
    if form == 0:
        return one[-1:], other
    if form == 1:
        return one, other[-2:-1]
    return one, other


@draws("MatMul")
def matmul(d):
    dtype = d.type(d.row.inputs[0])
    one, other = matrices(d)
    return d.node([d.data(one, dtype), d.data(other, dtype)])


@draws("Gemm")
@draws("FusedGemm", domain="com.microsoft")
def gemm(d):
    m, k, n = (d.pick([1, 2, 3, 7, 16, 33]) for _ in range(3))
    flips = [d.below(2), d.below(2)]
    dtype = d.type("A", [F32] if d.row.domain else None)
    c = d.data(d.pick([(m, n), (1, n), (n,), (m, 1), (1,), ()]), dtype)
    if d.opset < 11 and not d.row.domain:
        inputs = [c]
    else:
        inputs = [d.maybe(c)]
    whole = dtype.kind in "iu"  # alpha and beta that are no whole numbers have no meaning for integers
    number = (lambda: float(d.between(1, 3))) if whole else (lambda: d.uniform(-2, 2))
    attributes = d.some(alpha=number(), beta=number()) | d.having(transA=flips[0], transB=flips[1])
    attributes |= d.some(activation=d.pick(["Relu", "Sigmoid", "Tanh"]))
    shapes = [(m, k)[:: -1 if flips[0] else 1], (k, n)[:: -1 if flips[1] else 1]]
    return d.node([d.data(shapes[0], dtype), d.data(shapes[1], dtype), *inputs], attributes, magnitude="activation" in attributes)


@draws("FusedMatMul", "TransposeMatMul", domain="com.microsoft")
def fused_matmul(d):
    m, k, n = (d.pick([1, 2, 3, 7, 16, 33]) for _ in range(3))
    flips = [d.below(2), d.below(2)]
    dtype = d.type("T", [F32, F64])
    batch = d.shape(0, 2, sizes=[1, 2, 3], empty=False)
    moved = [d.below(2) if batch and d.row.name == "FusedMatMul" else 0 for _ in range(2)]
    shapes = [(m, k)[:: -1 if flips[0] else 1], (k, n)[:: -1 if flips[1] else 1]]
    shapes = [(rows, *batch, columns) if move else (*batch, rows, columns) for move, (rows, columns) in zip(moved, shapes)]
    attributes = d.some(alpha=d.uniform(0.2, 2)) | d.having(transA=flips[0], transB=flips[1], transBatchA=moved[0], transBatchB=moved[1])
    return d.node([d.data(shape, dtype) for shape in shapes], attributes)


EQUATIONS = ["ij,jk->ik", "ij,jk", "bij,bjk->bik", "ii->i", "ii", "ij->ji", "ij->", "ij->j", "i,j->ij", "i,i->", "...ij,...jk->...ik",
             "bhid,bhjd->bhij", "abc,cd->abd", "ijk,jil->kl", "b...,b...->...", "ij,ij->ij", "i,ij,j->", "ijj->i", " i j , j -> i "]


@draws("Einsum")
def einsum(d):
    equation = d.pick(EQUATIONS)
    sizes = {letter: d.pick([1, 2, 3, 4, 7]) for letter in "abcdhijkl"}
    many = d.shape(0, 2, sizes=[1, 2, 3], empty=False)
    dtype = d.type("T")
    inputs = []
    for term in equation.split("->")[0].replace(" ", "").split(","):
        before, dots, behind = term.partition("...")
        shape = tuple(sizes[letter] for letter in before) + (many if dots else ()) + tuple(sizes[letter] for letter in behind)
        inputs.append(d.data(shape, dtype))
    return d.node(inputs, {"equation": equation})


@draws("Det")
@draws("Inverse", domain="com.microsoft")
def square(d):
    n = d.between(1, 4)
    numbers = d.rng.standard_normal((*d.shape(0, 2, sizes=[1, 2, 3], empty=False), n, n)) + 4 * np.eye(n)  # far from singular
    dtype = d.type("X", [F32, F64])
    return d.node([d.data((), dtype)._replace(array=numbers.astype(dtype), kind="bounded")])


@draws("CDist", domain="com.microsoft")
def cdist(d):
    width, dtype = d.pick([1, 2, 7, 16]), d.type("T")
    return d.node([d.data((d.between(1, 6), width), dtype), d.data((d.between(1, 6), width), dtype)], d.some(metric=d.pick(["euclidean", "sqeuclidean"])))


# --- attention ---


@draws("Attention")
def attention(d):
    batch, kv_heads, group, size = d.pick([1, 2]), d.pick([1, 2]), d.pick([1, 2, 3]), d.pick([4, 8, 20])
    heads, rows, keys, width = kv_heads * group, d.pick([1, 3, 7]), d.pick([1, 5, 9]), d.pick([4, 8])
    dtype, value_type = d.type("Q"), d.type("V")
    past = d.pick([0, 0, 3])
    flat = d.chance(0.4)
    shapes = [(heads, rows, size), (kv_heads, keys, size), (kv_heads, keys, width)]
    inputs = []
    for (count, length, deep), kind in zip(shapes, (dtype, dtype, value_type)):
        inputs.append(d.data((batch, length, count * deep) if flat else (batch, count, length, deep), kind))
    attributes = {"q_num_heads": heads, "kv_num_heads": kv_heads} if flat else {}
    attributes |= d.some(is_causal=d.below(2), scale=d.uniform(0.1, 1), softcap=d.pick([0.0, 2.0]))
    if "scale" not in attributes:  # it comes from the size of the heads, which Q or K must tell
        side = d.below(2)
        inputs[side] = inputs[side]._replace(kind="sized")
    mask = None
    if d.chance(0.5):
        shape = d.pick([(rows, keys + past), (batch, 1, rows, keys + past), (1, heads, rows, keys + past)])
        seen = d.rng.random(shape) < 0.7
        seen[..., 0] = True  # a row of which nothing is seen has no result
        mask = d.ints(seen, np.dtype(bool)) if d.chance(0.5) else d.ints(np.where(seen, 0.5, -np.inf), dtype)
    if past:
        inputs += [mask, d.data((batch, kv_heads, past, size), dtype), d.data((batch, kv_heads, past, width), value_type)]
        return d.node(inputs, attributes, 3)
    return d.node(inputs + [mask], attributes)


# --- recurrent layers ---

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}


@draws("RNN", "GRU", "LSTM")
def recurrent(d):
    name = d.row.name
    steps, batch, width, hidden = d.pick([1, 2, 5]), d.pick([1, 2, 3]), d.pick([1, 3, 8]), d.pick([1, 2, 5, 16])
    direction = d.pick(["forward", "reverse", "bidirectional"])
    ways, gates, dtype = 1 + (direction == "bidirectional"), GATES[name] * hidden, d.type("X", [F32])  # doubles only onnx.reference has, which does not look at sequence_lens
    lengths = d.ints(d.array((batch,), np.dtype(np.int32), low=1, high=steps), np.int32) if d.chance(0.3) else None
    # layout 1 only onnx.reference has, which looks at neither lengths nor direction.
    by_batch = d.has("layout") and lengths is None and ways == 1 and direction == "forward" and d.chance(0.4)
    order = (lambda a, b: (b, a)) if by_batch else (lambda a, b: (a, b))
    tensor = lambda *shape: d.data(shape, dtype)  # noqa: E731
    state = lambda: d.maybe(tensor(*order(ways, batch), hidden))  # noqa: E731
    inputs = [tensor(*order(steps, batch), width), tensor(ways, gates, width), tensor(ways, gates, hidden),
              d.maybe(tensor(ways, 2 * gates)), lengths, *[state() for _ in range(STATES[name])]]
    if name == "LSTM" and d.chance(0.3):
        inputs.append(tensor(ways, 3 * hidden))
    attributes = {"hidden_size": hidden} | ({"direction": direction} if direction != "forward" else {})
    attributes |= {"layout": 1} if by_batch else {}
    attributes |= d.some(clip=d.uniform(0.5, 3)) if d.chance(0.2) else {}
    attributes |= d.some(linear_before_reset=d.below(2))
    asked = [d.chance(0.7) for _ in range(1 + STATES[name])]
    return d.node(inputs, attributes, asked if any(asked) else 1, magnitude=1)


@draws("CausalConvWithState")
@draws("CausalConvWithState", domain="com.microsoft")
def causal_conv(d):
    batch, channels, length, taps = d.pick([1, 2]), d.pick([1, 3, 8]), d.pick([1, 5, 9]), d.pick([1, 2, 4])
    dtype = d.type("T")
    inputs = [d.data((batch, channels, length), dtype), d.data((channels, 1, taps), dtype), d.maybe(d.data((channels,), dtype)),
              d.maybe(d.data((batch, channels, taps - 1), dtype)) if taps > 1 else None]
    return d.node(inputs, d.some(activation=d.pick(["none", "silu"])), 2)


# --- transforms ---


@draws("DFT")
def dft(d):
    shape = list(d.shape(2, 3, empty=False, sizes=[1, 2, 3, 4, 5, 8, 12]))
    rank, real, inverse = len(shape) + 1, d.chance(0.5), d.chance(0.4)
    axis = d.below(rank - 1)
    onesided = not inverse and real and d.chance(0.5)
    x = d.data((*shape, 1 if real else 2), d.type(d.row.inputs[0], [F32, F64]))._replace(kind="sized")
    length = d.between(1, 12) if d.chance(0.3) else None
    attributes = d.having(inverse=int(inverse), onesided=int(onesided))
    inputs = [x, d.ints(length) if length else None]
    if d.takes("axis"):
        return d.node([*inputs, d.ints(axis - rank * d.below(2))], attributes, magnitude=largest(x))
    return d.node(inputs, attributes | {"axis": axis}, magnitude=largest(x))


@draws("STFT")
def stft(d):
    batch, length, frame, step = d.pick([1, 2]), d.pick([16, 33, 64]), d.pick([4, 8, 12]), d.pick([1, 3, 4])
    dtype = d.type("T1", [F32, F64])
    window = d.maybe(d.data((frame,), dtype))
    given = d.ints(frame, d.type("T2")) if window is None or d.chance(0.5) else None
    onesided = d.below(2)
    x = d.data((batch, length, 1), dtype)
    return d.node([x, d.ints(step, d.type("T2")), window, given], {"onesided": onesided}, magnitude=largest(x) * max(1, largest(window) if window else 1))


@draws("BlackmanWindow", "HammingWindow", "HannWindow")
def window(d):
    return d.node([d.ints(d.between(2, 20), d.type("T1"))], d.some(periodic=d.below(2), output_datatype=1), magnitude=1)  # onnxruntime rounds the coefficients of windows of doubles, too, to float


@draws("MelWeightMatrix")
def mel(d):
    numbers = [d.pick([4, 8, 10]), d.pick([16, 64, 128]), d.pick([8000, 16000])]
    edges = [0.0, d.pick([4000.0, 3000.0])]
    kind, edge = d.type("T1"), d.type("T2", [F32])
    return d.node([*[d.ints(n, kind) for n in numbers], *[d.ints(e, edge) for e in edges]], magnitude=1)


