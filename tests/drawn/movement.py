"""Nodes that move elements: reshapes, cuts, gathers, scatters, pads, and what fills tensors. Results are exact."""

import numpy as np

from . import table
from .draw import Undrawable, draws


# What ctc moves strings by.
OF_STRINGS = """Compress Concat Expand Flatten Gather GatherElements GatherND Identity Reshape ScatterElements ScatterND Shape Size Slice Split Squeeze
    Tile Transpose Unsqueeze""".split()


def moved(d, shape, special=True):
    return d.data(shape, d.type(d.row.inputs[0], texts=d.row.name in OF_STRINGS and not d.row.domain), special)


# --- other shapes ---


@draws("Transpose", exact=True)
def transpose(d):
    shape = d.shape(0, 5)
    return d.node([moved(d, shape)], d.some(perm=[int(i) for i in d.rng.permutation(len(shape))] or None))


@draws("Reshape", exact=True)
def reshape(d):
    shape = d.shape(empty=False)
    sizes, target = list(shape), []
    while sizes:  # neighbours melt
        size = sizes.pop(0)
        while sizes and d.chance(0.4):
            size *= sizes.pop(0)
        target.append(size)
    if d.chance(0.3):
        target.insert(d.below(len(target) + 1), 1)
    for i, size in enumerate(target):
        if i < len(shape) and shape[i] == size and d.chance(0.2):
            target[i] = 0
    if target and d.chance(0.5):
        at = d.below(len(target))
        if target[at]:
            target[at] = -1
    attributes = d.some(allowzero=0)
    return d.node([moved(d, shape), d.ints(target)], attributes)


@draws("Flatten", exact=True)
def flatten(d):
    shape = d.shape(1)
    low = 0 if d.opset < 11 else -len(shape)
    return d.node([moved(d, shape)], d.some(axis=d.between(low, len(shape))) if len(shape) > 1 else {"axis": d.below(2)})


def axes_given(d, x, axes):
    """As an input or, in older versions, an attribute."""
    return d.node([x, d.ints(axes)]) if d.takes("axes") else d.node([x], {"axes": axes})


@draws("Squeeze", exact=True)
def squeeze(d):
    shape = list(d.shape(0, 3))
    for _ in range(d.between(1, 2)):
        shape.insert(d.below(len(shape) + 1), 1)
    ones = [i for i, size in enumerate(shape) if size == 1]
    if d.chance(0.3):
        return d.node([moved(d, tuple(shape))])
    chosen = [int(i) for i in d.rng.permutation(ones)[: d.between(1, len(ones))]]
    if d.opset >= 11:
        chosen = [axis - len(shape) * d.below(2) for axis in chosen]
    return axes_given(d, moved(d, tuple(shape)), chosen)


@draws("Unsqueeze", exact=True)
def unsqueeze(d):
    shape = d.shape(0, 3)
    rank = len(shape) + d.between(1, 2)
    axes = [int(axis) for axis in d.rng.permutation(rank)[: rank - len(shape)]]
    if d.opset >= 11:
        axes = [axis - rank * d.below(2) for axis in axes]
    else:
        axes.sort()
    return axes_given(d, moved(d, shape), axes)


@draws("Expand", exact=True)
def expand(d):
    one, other = d.broadcast_pair()
    return d.node([moved(d, one), d.ints(other)])


@draws("Tile", exact=True)
def tile(d):
    shape = d.shape(1, 3, most=300)
    repeats = [d.pick([0, 1, 1, 2, 3]) if d.chance(0.9) else 1 for _ in shape]
    return d.node([moved(d, shape), d.ints(repeats)])


@draws("Shape", "Size", exact=True)
def shape_of(d):
    shape = d.shape()
    ends = [i for i in range(-len(shape) - 1, len(shape) + 2)]
    return d.node([moved(d, shape)], d.some(start=d.pick(ends), end=d.pick(ends)))


@draws("DepthToSpace", exact=True)
def depth_to_space(d):
    n, c, h, w = d.shape(4, 4, sizes=[1, 2, 3], empty=False)
    block = d.pick([1, 2, 3])
    return d.node([moved(d, (n, c * block * block, h, w))], {"blocksize": block} | d.some(mode=d.pick(["DCR", "CRD"])))


@draws("SpaceToDepth", exact=True)
def space_to_depth(d):
    n, c, h, w = d.shape(4, 4, sizes=[1, 2, 3], empty=False)
    block = d.pick([1, 2, 3])
    return d.node([moved(d, (n, c, h * block, w * block))], {"blocksize": block} | d.some(mode=d.pick(["DCR", "CRD"])))


# --- parts ---


@draws("Slice", exact=True)
def cut(d):
    shape = d.shape(1)
    rank = len(shape)
    far = [(1 << 31) - 1, (1 << 63) - 1, -(1 << 31), -(1 << 63)] if d.has("axes") is False and d.type("Tind") == np.int64 else [1000, -1000]
    count = d.between(1, rank)
    axes = [int(axis) for axis in d.rng.permutation(rank)[:count]]
    if d.chance(0.3):
        axes = list(range(count))
    steps = [d.pick([1, 1, 2, 3, -1, -2]) for _ in axes] if d.takes("steps") else [1] * count
    ends = lambda axis: d.pick(far) if d.chance(0.3) else d.between(-shape[axis] - 1, shape[axis] + 1)  # noqa: E731
    starts, stops = [ends(axis) for axis in axes], [ends(axis) for axis in axes]
    # INT_MAX as the end of a slice backwards means to onnxruntime what INT_MIN means to the standard.
    stops = [-abs(stop) if abs(stop) > 500 and step < 0 else stop for stop, step in zip(stops, steps)]
    if not d.takes("starts"):
        return d.node([moved(d, shape)], {"starts": starts, "ends": stops, "axes": axes})
    named = axes != list(range(count)) or any(step != 1 for step in steps) or d.chance(0.5)
    shown = [axis - rank * d.below(2) if d.opset >= 10 else axis for axis in axes]
    dtype = d.type("Tind")
    inputs = [moved(d, shape), d.ints(starts, dtype), d.ints(stops, dtype)]
    if named:
        inputs.append(d.ints(shown, dtype))
        if any(step != 1 for step in steps) or d.chance(0.5):
            inputs.append(d.ints(steps, dtype))
    return d.node(inputs)


@draws("Concat", exact=True)
def concat(d):
    shape = list(d.shape(1))
    at = d.below(len(shape))
    parts = [moved(d, tuple(shape[:at] + [d.pick([1, 2, 3, 5, 0]) if i else shape[at]] + shape[at + 1 :])) for i in range(d.between(1, 4))]
    return d.node(parts, {"axis": at - len(shape) * d.below(2) if d.opset >= 11 else at})


@draws("Split", exact=True)
def split(d):
    shape = list(d.shape(1, empty=False))
    at = d.below(len(shape))
    sizes = [d.pick([0, 1, 2, 3, 4]) if d.opset >= 13 else d.between(1, 4) for _ in range(d.between(1, 4))]
    even = d.chance(0.4)
    if even:
        sizes = [d.between(1, 3)] * len(sizes)
    shape[at] = sum(sizes)
    axis = d.having(axis=at - len(shape) * d.below(2) if d.opset >= 11 else at)
    x = moved(d, tuple(shape))
    if even and d.has("num_outputs") and d.chance(0.5):
        if len(sizes) > 1 and d.chance(0.4):  # the last part is smaller
            x = moved(d, tuple(shape[:at] + [sum(sizes) - d.below(sizes[0])] + shape[at + 1 :]))
        return d.node([x], axis | {"num_outputs": len(sizes)}, len(sizes))
    if even and not d.has("num_outputs") and d.chance(0.5):
        return d.node([x], axis, len(sizes))
    if d.takes("split"):
        return d.node([x, d.ints(sizes)], axis, len(sizes))
    return d.node([x], axis | {"split": sizes}, len(sizes))


@draws("Compress", exact=True)
def compress(d):
    shape = d.shape(1, empty=False)
    if d.chance(0.3):
        return d.node([moved(d, shape), d.data((d.between(1, int(np.prod(shape))),), np.dtype(bool))])
    axis = d.axis(len(shape)) if d.opset >= 11 else d.below(len(shape))
    return d.node([moved(d, shape), d.data((d.between(1, shape[axis]),), np.dtype(bool))], {"axis": axis})


@draws("Pad", exact=True)
@draws("Pad", exact=True, domain="com.microsoft")
def pad(d):
    shape = d.shape(1, empty=False, most=500)
    rank = len(shape)
    modes = ["constant", "reflect", "edge"] + ["wrap"] * (d.opset >= 19)
    mode = d.pick(modes)
    axes = [int(axis) for axis in d.rng.permutation(rank)[: d.between(1, rank)]] if d.takes("axes") and d.chance(0.4) else list(range(rank))
    most = [shape[axis] - 1 if mode == "reflect" else shape[axis] if mode == "wrap" else 4 for axis in axes]
    low = -1 if mode == "constant" and min(shape) > 2 else 0
    pads = [d.between(low, max(low, most[i % len(axes)])) for i in range(2 * len(axes))]
    x = moved(d, shape)
    attributes = d.some(mode=mode) if mode == "constant" else {"mode": mode}
    if not d.takes("pads"):
        return d.node([x], attributes | {"pads": pads} | d.some(value=d.uniform(-2, 2)))
    value = d.ints(d.array((), x.array.dtype), x.array.dtype) if mode == "constant" and d.chance(0.6) else None
    inputs = [x, d.ints(pads), value]
    if axes != list(range(rank)):
        inputs.append(d.ints([axis - rank * d.below(2) for axis in axes], d.type("Tind")))
    return d.node(inputs, attributes)


@draws("CenterCropPad", exact=True)
def center_crop_pad(d):
    shape = d.shape(1, empty=False)
    axes = [int(axis) for axis in d.rng.permutation(len(shape))[: d.between(1, len(shape))]]
    if d.chance(0.4):
        axes = list(range(len(shape)))
    target = [max(1, shape[axis] + d.between(-3, 4)) for axis in axes]
    shown = {} if axes == list(range(len(shape))) else {"axes": [axis - len(shape) * d.below(2) for axis in axes]}
    return d.node([moved(d, shape), d.ints(target, d.type("Tind"))], shown)


@draws("Trilu", exact=True)
@draws("Trilu", exact=True, domain="com.microsoft")
def trilu(d):
    shape = d.shape(2)
    return d.node([moved(d, shape), d.maybe(d.ints(d.between(-5, 5)))], d.some(upper=d.below(2)))


@draws("ReverseSequence", exact=True)
def reverse_sequence(d):
    shape = d.shape(2, empty=False)
    batch = d.below(2)
    lengths = d.array((shape[batch],), np.dtype(np.int64), low=1, high=shape[1 - batch])
    attributes = {"batch_axis": batch, "time_axis": 1 - batch}
    return d.node([moved(d, shape), d.ints(lengths)], attributes if batch == 0 or d.chance(0.5) else {})


# --- by indices ---


def indices(d, shape, size, negative=True):
    dtype = d.type("Tind") if "Tind" in d.row.types else np.dtype(np.int64)
    return d.ints(d.array(shape, dtype, low=-size if negative else 0, high=size - 1), dtype)


@draws("Gather", exact=True)
def gather(d):
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape))
    return d.node([moved(d, shape), indices(d, d.shape(0, 2, most=20), shape[axis], d.opset >= 11)], d.having(axis=axis))


@draws("GatherElements", exact=True)
def gather_elements(d):
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape))
    taken = [d.between(1, size) for size in shape]
    taken[axis] = d.between(1, 5)
    return d.node([moved(d, shape), indices(d, tuple(taken), shape[axis])], {"axis": axis})


def index_rows(d, shape, rows, width):
    """`rows` + (width,) of indices of the first dims of `shape`."""
    columns = [d.array(rows, np.dtype(np.int64), low=-size, high=size - 1) for size in shape[:width]]
    return np.stack(columns, axis=-1)


@draws("GatherND", exact=True)
@draws("GatherND", exact=True, domain="com.microsoft")
def gather_nd(d):
    shape = d.shape(1, empty=False)
    batch = d.below(min(len(shape), 3)) if d.has("batch_dims") and d.chance(0.4) else 0
    width = d.between(1, len(shape) - batch)
    rows = shape[:batch] + d.shape(0, 2, empty=False, most=12)
    index = index_rows(d, shape[batch:], rows, width).tolist()  # a list: the result's rank depends on its last dim
    return d.node([moved(d, shape), d.ints(index)], d.some(batch_dims=batch) if not batch else {"batch_dims": batch})


def reduction(d):
    """Sums of several updates depend on their order by rounding errors only."""
    if not d.has("reduction"):
        return "none"
    return d.pick(["none", "none", "add", "mul"] + ["max", "min"] * (d.opset >= 18))


@draws("Scatter", "ScatterElements")
def scatter_elements(d):
    shape = d.shape(1, 3, empty=False)
    axis = d.axis(len(shape))
    how = reduction(d)
    taken = [d.between(1, size) for size in shape]
    if how == "none":  # which of several updates of an element stays is not defined
        columns = d.rng.permuted(np.broadcast_to(np.arange(shape[axis]).reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))]), shape), axis=axis)
        places = columns[tuple(slice(n) for n in taken)]
        places = np.where(d.rng.random(places.shape) < 0.3, places - shape[axis], places) if d.opset >= 11 else places
        index = d.ints(places, d.type("Tind"))
    else:
        taken[axis] = d.between(1, 6)
        index = indices(d, tuple(taken), shape[axis])
    x = moved(d, shape, False)
    if how != "none" and x.array.dtype in (np.bool_, table.TEXT):
        raise Undrawable
    attributes = d.having(axis=axis) | ({"reduction": how} if how != "none" else {})
    return d.node([x, index, d.data(index.array.shape, x.array.dtype)], attributes, exact=how in ("none", "max", "min"))


@draws("ScatterND")
def scatter_nd(d):
    shape = d.shape(1, 3, empty=False)
    how = reduction(d)
    width = d.between(1, len(shape))
    rows = d.shape(1, 2, empty=False, most=8)
    if how == "none":
        places = d.rng.permutation(int(np.prod(shape[:width])))[: int(np.prod(rows))]
        rows = (len(places),)
        index = np.stack(np.unravel_index(places, shape[:width]), axis=-1)
        index = np.where(d.rng.random(index.shape) < 0.3, index - np.array(shape[:width]), index)
    else:
        index = index_rows(d, shape, rows, width)
    x = moved(d, shape, False)
    if how != "none" and x.array.dtype in (np.bool_, table.TEXT):
        raise Undrawable
    updates = d.data(rows + shape[width:], x.array.dtype)
    return d.node([x, d.ints(index.tolist()), updates], {"reduction": how} if how != "none" else {}, exact=how in ("none", "max", "min"))


@draws("OneHot", exact=True)
def one_hot(d):
    # Indices that are no whole numbers, and types of values beside the usual ones, are not drawn.
    kind = d.type("indices")
    depth = d.between(1, 7)
    shape = d.shape(0, 3, most=100)
    # Halves: onnx.reference computes on * hit + off * (1 - hit).
    values = d.ints(np.round(d.array((2,), d.type("values")).astype(np.float64) * 2) / 2, d.type("values"))
    low = -depth - 1 if kind.kind != "u" else 0
    numbers = d.array(shape, np.dtype(np.int64), low=low, high=depth + 1).astype(kind)
    deep = d.type("depth")
    return d.node([d.ints(numbers, kind), d.ints(depth if d.chance(0.7) else [depth], deep), values], d.some(axis=d.between(-len(shape) - 1, len(shape))))


@draws("NonZero", exact=True)
def non_zero(d):
    return d.node([d.ints(d.array(d.shape(1), d.type("X"), low=0, high=2 if d.type("X").kind in "iu" else 1).round(), d.type("X"))])


@draws("Unique", exact=True)
def unique(d):
    shape = d.shape(1, 3, empty=False, most=60)
    dtype = d.type("X")
    x = d.ints(d.array(shape, np.dtype(np.int64), low=0, high=4).astype(dtype), dtype)
    axis = d.some(axis=d.axis(len(shape)))
    # onnx.reference, which alone has the other types, sorts along an axis whatever it is told.
    free = not axis or dtype.name in ("float32", "float64", "int8", "int64")
    return d.node([x], axis | d.some(sorted=d.below(2) if free else 1), [True, *[d.chance(0.6) for _ in range(3)]])


# --- what fills ---


@draws("ConstantOfShape", exact=True)
def constant_of_shape(d):
    import onnx

    names = [name for name in d.row.types[d.row.outputs[0]].split() or [] if name in table.DTYPES]
    if not names:
        names = [name for name in d.row.types["T2"].split() if name in table.DTYPES]
    value = onnx.numpy_helper.from_array(d.array((1,), table.DTYPES[d.pick(names)]))
    return d.node([d.ints(d.shape())], d.some(value=value))


@draws("EyeLike", exact=True)
def eye_like(d):
    import onnx

    wanted = onnx.helper.np_dtype_to_tensor_dtype(d.type("T2"))
    return d.node([moved(d, d.shape(2, 2))], d.some(k=d.between(-4, 4), dtype=wanted))


@draws("Range")
@draws("Range", domain="com.microsoft")
def steps(d):
    dtype = d.type("T")
    if table.is_float(dtype):  # a limit between two steps, so that rounding cannot change their number
        step = d.pick([0.25, 0.5, 1, -0.5, 2])
        start, count = d.pick([0, -1, 0.5]), d.below(12)
        return d.node([d.ints(n, dtype) for n in (start, start + step * (count - 0.5), step)])
    start, step = d.between(-10, 10), d.pick([1, 2, 3, -1, -2])
    return d.node([d.ints(n, dtype) for n in (start, start + step * d.between(-1, 10), step)])


@draws("Constant", exact=True)
def constant(d):
    import onnx

    forms = d.having(
        value=onnx.numpy_helper.from_array(d.array(d.shape(), d.pick(table.DTYPES.values()))),
        value_float=d.uniform(-3, 3),
        value_floats=[d.uniform(-3, 3) for _ in range(d.below(4) + 1)],
        value_int=d.between(-9, 9),
        value_ints=[d.between(-9, 9) for _ in range(d.below(4) + 1)],
    )
    name = d.pick(forms)
    return d.node([], {name: forms[name]})
