"""Nodes that make one number of many, along axes: reductions, arg, top, cumulated sums, softmax, normalisations."""

import numpy as np

from . import table
from .draw import Undrawable, draws, largest

# Sums of 8- and 16-bit integers, and products beyond 64 bits, wrap; means of integers are rounded in ways that differ.
REDUCED_INTEGERS = {"low": -4, "high": 4}


def reduced(d, dtype, special=False):
    shape = d.shape(empty=False)  # of nothing, onnxruntime keeps axes that are reduced
    wanted = REDUCED_INTEGERS if dtype.kind in "iu" and not special else {}
    return d.data(shape, dtype, special, **wanted)


def axes_of(d, x):
    """(inputs behind x, attributes)"""
    axes = d.axes(x.array.ndim)
    if d.opset < 11:
        axes = [axis % x.array.ndim for axis in axes]
    keep = d.some(keepdims=d.below(2))
    if not d.takes("axes"):
        return [], keep | ({"axes": axes} if axes else {})
    if not axes and d.chance(0.7):
        return [], keep | d.some(noop_with_empty_axes=d.below(2))
    return [d.ints(axes)], keep | (d.some(noop_with_empty_axes=d.below(2)) if not axes else {})


@draws("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum", "ReduceSumSquare")
def reduction(d):
    dtype = d.type("data")
    if dtype.kind in "iu" and d.row.name in ("ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"):
        # A mean, root or logarithm of integers is no integer: how it is rounded is not defined.
        raise Undrawable
    x = reduced(d, dtype)
    more, attributes = axes_of(d, x)
    return d.node([x, *more], attributes)


@draws("ReduceMax", "ReduceMin", exact=True)
def extreme(d):
    dtype = d.type("data")
    x = reduced(d, dtype, dtype.kind in "iu")  # with a NaN, onnxruntime's result depends on its place
    more, attributes = axes_of(d, x)
    return d.node([x, *more], attributes)


@draws("ArgMax", "ArgMin", exact=True)
def arg(d):
    dtype = d.type("data")
    shape = d.shape(1, empty=False)
    x = d.ints(np.round(d.array(shape, dtype).astype(np.float64)).astype(dtype), dtype)  # with equal ones
    axis = d.axis(len(shape)) if d.opset >= 11 else d.below(len(shape))
    return d.node([x], d.some(axis=axis, keepdims=d.below(2), select_last_index=d.below(2)))


@draws("TopK", exact=True)
def top(d):
    dtype = d.type("X")
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape))
    count = d.between(0 if d.opset >= 11 else 1, shape[axis])
    # Which of equal elements, and the order where sorted=0, differ: all elements of a row are different, and sorted.
    size = int(np.prod(shape))
    if dtype.itemsize == 1 and size > 200:
        raise Undrawable
    numbers = d.rng.permutation(size).reshape(shape) - (size // 2 if dtype.kind != "u" else 0)
    if dtype.name in ("float16", "bfloat16") and size > 250:
        raise Undrawable
    x = d.ints(numbers.astype(dtype), dtype)
    attributes = d.having(axis=axis, k=count) | d.some(largest=d.below(2), sorted=1)
    return d.node([x, d.ints([count])] if d.takes("K") else [x], attributes, 2)


@draws("CumSum", "CumProd")
def cumulated(d):
    dtype = d.type("x")
    shape = d.shape(1)
    x = d.data(shape, dtype) if d.row.name == "CumSum" else d.data(shape, dtype, low=1, high=2)
    axis = d.ints(d.axis(len(shape)), d.type("T2"))
    return d.node([x, axis], d.some(exclusive=d.below(2), reverse=d.below(2)))


@draws("Softmax", "LogSoftmax")
def softmax(d):
    shape = d.shape(1)
    axis = d.axis(len(shape)) if d.opset >= 11 else d.below(len(shape))
    # The logarithm of a sum near 1 is as exact as a unit of 1 is, however small it is. Softmax rounds differences, powers, their sum, the
    # quotients; onnxruntime the last only.
    logarithm = d.row.name == "LogSoftmax"
    return d.node([d.data(shape, d.type(d.row.inputs[0]))], d.having(axis=axis), magnitude=logarithm, steps=not logarithm)


@draws("Hardmax", exact=True)
def hardmax(d):
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape)) if d.opset >= 11 else d.below(len(shape))
    return d.node([d.data(shape, d.type(d.row.inputs[0]))], d.having(axis=axis))


# --- normalisations; an epsilon that is not tiny, and no empty rows, of which a variance is not defined ---


# Doubles are not drawn where references compute in float (stash_type 1); ctc does not lose their digits.
SHORT = [table.DTYPES[name] for name in ("float", "float16", "bfloat16")]


def epsilon(d):
    return d.some(epsilon=d.pick([1e-5, 1e-3, 0.1]))


@draws("LayerNormalization")
def layer_normalization(d):
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape))
    row = shape[axis % len(shape) :]
    dtype = d.type("X", SHORT)
    inputs = [d.data(shape, dtype), d.data(row, dtype), d.maybe(d.data(row, dtype))]
    asked = [True, True, True] if d.chance(0.2) else 1
    return d.node(inputs, d.having(axis=axis) | epsilon(d), asked)


@draws("RMSNormalization")
def rms_normalization(d):
    shape = d.shape(1, empty=False)
    axis = d.axis(len(shape))
    return d.node([d.data(shape, d.type("X", SHORT)), d.data(shape[axis % len(shape) :], d.type("scale", SHORT))], d.having(axis=axis) | epsilon(d))


@draws("BatchNormalization")
def batch_normalization(d):
    shape = d.shape(2, empty=False)
    dtype = d.type("X")
    channel = lambda variable: d.data((shape[1],), d.type(variable))  # noqa: E731
    scale, bias = (d.row.types.get(name, "T") for name in d.row.inputs[1:3])
    mean, variance = d.row.inputs[3:5]
    positive = d.data((shape[1],), d.type(variance), low=0.1, high=3)
    del dtype
    return d.node([d.data(shape, d.type("X")), channel(scale), channel(bias), channel(mean), positive], epsilon(d) | d.some(momentum=0.5))


@draws("InstanceNormalization")
def instance_normalization(d):
    shape = d.shape(3, empty=False)
    dtype = d.type("input")
    return d.node([d.data(shape, dtype), d.data(shape[1:2], dtype), d.data(shape[1:2], dtype)], epsilon(d))


@draws("GroupNormalization")
def group_normalization(d):
    shape = list(d.shape(3, empty=False, sizes=[1, 2, 3, 4, 5]))
    groups = d.pick([1, 2, 3])
    shape[1] *= groups
    count = shape[1] if d.opset >= 21 else groups
    dtype = d.type("X", SHORT)
    return d.node([d.data(tuple(shape), dtype), d.data((count,), dtype), d.data((count,), dtype)], {"num_groups": groups} | epsilon(d))


@draws("MeanVarianceNormalization")
def mean_variance(d):
    shape = d.shape(4, 4, empty=False)
    shape = (max(2, shape[0]), shape[1], max(2, shape[2]), shape[3])
    # Neighbours lie apart: the standard adds 1e-9 to a deviation, which onnxruntime does not.
    signs = (-1) ** (np.indices(shape).sum(axis=0) % 2)
    x = d.data(shape, d.type("X"))
    x = x._replace(array=(x.array.astype(np.float64) / max(1, largest(x)) + 2 * signs).astype(x.array.dtype))
    return d.node([x], d.some(axes=sorted({axis % 4 for axis in d.axes(4, 1)})))


@draws("LpNormalization")
def lp_normalization(d):
    shape = d.shape(1, empty=False)
    return d.node([d.data(shape, d.type("input"), low=0.5, high=2)], d.some(axis=d.axis(len(shape)), p=d.pick([1, 2])))


@draws("LRN")
def lrn(d):
    shape = d.shape(4, 4, empty=False)
    return d.node([d.data(shape, d.type("X"))], {"size": d.pick([1, 3, 5])} | d.some(alpha=d.uniform(0, 1), beta=d.uniform(0.2, 1), bias=d.uniform(0.5, 2)))


@draws("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain="com.microsoft")
def skip_normalization(d):
    batch, length, width = d.pick([1, 2, 3]), d.pick([1, 3, 5]), d.pick([1, 4, 7, 16, 33])
    dtype = d.type("T", [np.dtype(np.float32), np.dtype(np.float16)])
    shape, row = (batch, length, width), (width,)
    betas = [d.maybe(d.data(row, dtype))] if "beta" in d.row.inputs else []
    inputs = [d.data(shape, dtype), d.data(shape, dtype), d.data(row, dtype), *betas, d.maybe(d.data(row, dtype))]
    return d.node(inputs, epsilon(d), [True, False, False, True] if d.chance(0.4) else 1)


@draws("GatedRMSNorm", domain="com.microsoft")
def gated_norm(d):
    shape = d.shape(2, 3, empty=False)
    dtype = d.type("X", SHORT)
    x, gain, gate = d.data(shape, dtype), d.data(shape[-1:], dtype), d.data(shape, dtype)
    # A normalised number is not larger than the root of how many there are.
    return d.node([x, gain, gate], epsilon(d), magnitude=shape[-1] ** 0.5 * max(1, largest(gain)) * max(1, largest(gate)))


