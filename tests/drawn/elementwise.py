"""Nodes that work element by element: functions, arithmetic with broadcasting, comparisons, conversions."""

import numpy as np

from . import table
from .draw import Undrawable, draws, largest


@draws("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Exp", "Log", "Sqrt", "Reciprocal")
@draws("Erf", "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish")
def function(d):
    """Not of integers, which Erf has: what 0.99999 becomes is left open."""
    dtype = d.type(d.row.inputs[0], table.FLOATS)
    # onnx.reference rounds Erf of doubles to float: only such as onnxruntime's float takes.
    return d.node([d.data(d.shape(), dtype, special=not (d.row.name == "Erf" and dtype == np.float64))])


@draws("Gelu", domain="com.microsoft")
def microsoft_gelu(d):
    """Without infinities, of which onnxruntime's formula makes NaN and ctc the limit."""
    x = d.data(d.shape(), d.type("X", [np.dtype(np.float32), np.dtype(np.float16)]))
    return d.node([x], magnitude=largest(x))


@draws("Relu", "Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "Not", "BitwiseNot", "Identity", "IsNaN", exact=True)
def exact_function(d):
    return d.node([d.data(d.shape(), d.type(d.row.inputs[0]), special=True)])


@draws("IsInf", exact=True)
def is_inf(d):
    return d.node([d.data(d.shape(), d.type("X"), special=True)], d.some(detect_negative=d.below(2), detect_positive=d.below(2)))


@draws("LeakyRelu", "Elu", "Celu", "Selu", "ThresholdedRelu", "HardSigmoid", "Swish")
def with_numbers(d):
    attributes = d.some(alpha=d.uniform(0.1, 2), beta=d.uniform(-1, 1), gamma=d.uniform(0.5, 2))
    return d.node([d.data(d.shape(), d.type(d.row.inputs[0]), special=True)], attributes)


@draws("Shrink")
def shrink(d):
    x = d.data(d.shape(), d.type("input"), special=d.type("input").kind == "f")
    if x.array.dtype.kind in "iu":  # a bias that is no whole number would be rounded in ways that the standard leaves open
        return d.node([x], d.some(lambd=float(d.between(0, 5)), bias=float(d.between(0, 3))))
    return d.node([x], d.some(lambd=d.uniform(0, 1), bias=d.uniform(-1, 1)))


# References compute these in double with constants of float.
SHORT = [table.DTYPES[name] for name in ("float", "float16", "bfloat16")]


@draws("HardSwish")
def hard_swish(d):
    return d.node([d.data(d.shape(), d.type("X", SHORT), special=True)])


@draws("SwiGLU")
def swiglu(d):
    shape, dtype = d.shape(), d.type("T")
    return d.node([d.data(shape, dtype), d.data(shape, dtype)], d.some(alpha=d.uniform(0.2, 2)))


@draws("Gelu")
def gelu(d):
    d.type("T", SHORT)
    return d.node([d.data(d.shape(), d.type("X"), special=True)], d.some(approximate=d.pick(["none", "tanh"])))


@draws("PRelu")
def prelu(d):
    shape = d.shape(1)
    return d.node([d.data(shape, d.type("X"), special=True), d.data(d.broadcast(shape), d.type("X"))])


@draws("Clip")
def clip(d):
    dtype = d.type("input")
    x = d.data(d.shape(), dtype, special=True)
    if d.has("min"):
        low = d.uniform(-2, 0)
        return d.node([x], d.some(min=low, max=low + d.uniform(0, 3)))
    low = d.array((), dtype)
    high = np.asarray(low + d.array((), dtype, low=0, high=5)).astype(dtype)  # min <= max; the rest is not defined
    if dtype.kind in "iu" and high < low:
        high = low
    return d.node([x, d.maybe(d.ints(low, dtype)), d.maybe(d.ints(high, dtype))])


# --- two inputs ---


@draws("Add", "Sub", "Mul")
def arithmetic(d):
    dtype = d.type("T")
    return d.node([d.data(shape, dtype, special=True) for shape in d.broadcast_pair()])


@draws("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Xor", exact=True)
@draws("BitwiseAnd", "BitwiseOr", "BitwiseXor", exact=True)
def comparison(d):
    dtype = d.type("T")
    return d.node([d.data(shape, dtype, special=True) for shape in d.broadcast_pair()])


def divisor(d, shape, dtype):
    """Without 0 for integers, for which quotients are not defined, nor -1, which takes the least integer out of range."""
    numbers = d.array(shape, dtype)
    if dtype.kind in "iu":
        numbers = np.where((numbers == 0) | (numbers == np.array(-1).astype(dtype)), 3, numbers).astype(dtype)
    return d.ints(numbers, dtype)


@draws("Div")
def div(d):
    dtype = d.type("T")
    one, other = d.broadcast_pair()
    return d.node([d.data(one, dtype, special=True), divisor(d, other, dtype)])


@draws("Mod")
def mod(d):
    dtype = d.type("T")
    one, other = d.broadcast_pair()
    whole = dtype.kind in "iu"
    # Floats take fmod only. A quotient that is a whole number is one or the other by a rounding error: x is no multiple of y here.
    attributes = {"fmod": 1} if not whole else d.some(fmod=d.below(2))
    # onnxruntime takes integers to double for fmod: none that it does not hold.
    x = d.ints(d.array(one, dtype, special=whole and not (dtype.itemsize == 8 and attributes.get("fmod"))), dtype)
    y = divisor(d, other, dtype) if whole else d.ints(np.abs(d.array(other, dtype)) + dtype.type(0.5), dtype)
    return d.node([x, y], attributes, exact=True)


@draws("Pow")
def power(d):
    one, other = d.broadcast_pair()
    base = d.type("X")
    to = d.type("Y") if d.row.types["Y"] != "T" else base
    if base.kind in "iu":  # powers that stay in range, whole and not negative ones
        if to.kind not in "iu":
            raise Undrawable
        return d.node([d.ints(d.array(one, base, low=-7, high=7), base), d.ints(d.array(other, to, low=0, high=5), to)], exact=True)
    if to.kind in "iu" or d.chance(0.5):
        return d.node([d.data(one, base), d.ints(d.array(other, np.dtype(np.int8), low=-3, high=4).astype(to), to)])
    return d.node([d.data(one, base, low=0, high=4), d.ints(d.array(other, to, low=-2, high=3), to)])


@draws("BitShift", exact=True)
def bit_shift(d):
    dtype = d.type("T")
    one, other = d.broadcast_pair()
    bits = 8 * dtype.itemsize - 1  # shifting by as many bits as there are is not defined
    return d.node([d.data(one, dtype, special=True), d.ints(d.array(other, dtype, low=0, high=bits), dtype)],
                  {"direction": d.pick(["LEFT", "RIGHT"])})


# --- more inputs ---


@draws("Where", exact=True)
def where(d):
    one, other = d.broadcast_pair()
    dtype = d.type("T")
    third = d.broadcast(np.broadcast_shapes(one, other))
    shapes = [one, other, third]
    shapes = [shapes[i] for i in d.rng.permutation(3)]
    return d.node([d.data(shapes[0], np.dtype(bool)), *[d.data(s, dtype, special=True) for s in shapes[1:]]])


@draws("Sum", "Mean")
@draws("Max", "Min", exact=True)
def variadic(d):
    dtype = d.type(d.row.inputs[0])
    shape = d.shape()
    shapes = [shape] + [d.broadcast(shape) for _ in range(d.below(4))]
    return d.node([d.data(shapes[i], dtype, special=True) for i in d.rng.permutation(len(shapes))])


# --- conversions ---

# Where a float goes to an integer out of range, to uint8 or from NaN, the result is not defined: not drawn.


def convertible(d, shape, source, target):
    """Values of one type that mean something in the other."""
    if source.kind == "b" or target.kind == "b":
        return d.array(shape, source, special=target.kind == "b" and source.kind != "b")
    if table.is_float(source) and target.kind in "iu":
        low = 0 if target.kind == "u" else -100
        return d.array(shape, source, low=low, high=100)
    return d.array(shape, source, special=True)


@draws("Cast", exact=True)
def cast(d):
    import onnx

    source = d.type("T1")
    among = [table.DTYPES[name] for name in d.row.types["T2"].split() if name in table.DTYPES]
    target = d.pick(among)
    to = onnx.helper.np_dtype_to_tensor_dtype(target)
    return d.node([d.ints(convertible(d, d.shape(), source, target), source)], {"to": to} | d.some(saturate=d.below(2)))


@draws("CastLike", exact=True)
def cast_like(d):
    source, target = d.type("T1"), d.type("T2")
    like = d.data(d.shape(), target)
    return d.node([d.ints(convertible(d, d.shape(), source, target), source), like], d.some(saturate=d.below(2)))


@draws("BitCast", exact=True)
def bit_cast(d):
    import onnx

    source = d.type("T1")
    among = [t for n, t in table.DTYPES.items() if n in d.row.types["T2"].split() and t.itemsize == source.itemsize and t.kind != "b"]
    if not among or source.kind == "b":
        raise Undrawable
    return d.node([d.ints(d.array(d.shape(), source), source)], {"to": onnx.helper.np_dtype_to_tensor_dtype(d.pick(among))})


@draws("Dropout", exact=True)
def dropout(d):
    """Not in training, where it draws random numbers."""
    x = d.data(d.shape(1), d.type(d.row.inputs[0]))
    ratio = d.ints(np.float32(0.3), d.type("ratio")) if d.takes("ratio") and d.chance(0.5) else None
    inputs = [x, ratio] if ratio else [x]
    if ratio and d.takes("training_mode") and d.chance(0.5):
        inputs.append(d.constant(np.array(False)))
    mask = d.opset >= 12 and d.chance(0.5)  # before, it has no defined value outside of training
    return d.node(inputs, d.some(ratio=0.25), [True, True] if mask else 1)


# --- of onnxruntime ---


@draws("BiasGelu", domain="com.microsoft")
@draws("FastGelu", domain="com.microsoft")
def bias_gelu(d):
    shape = d.shape(1, empty=False)
    dtype = d.type("T", [np.dtype(np.float32), np.dtype(np.float16)])
    bias = d.data(shape[-1:], dtype)
    x = d.data(shape, dtype)
    return d.node([x, bias if d.row.name == "BiasGelu" else d.maybe(bias)], magnitude=largest(x) + largest(bias))


@draws("QuickGelu", "ScaledSiLU", domain="com.microsoft")
def scaled_silu(d):
    """Without its optional scale, which ctc does not take. onnxruntime's logistic function is as exact as a unit of 1 is, or 0, however small it is."""
    shape = d.shape(1)
    dtype = d.type("T")
    x = d.data(shape, dtype)
    return d.node([x], d.some(alpha=d.uniform(0.5, 2)), magnitude=largest(x))
