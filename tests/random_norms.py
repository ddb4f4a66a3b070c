#!/usr/bin/env python3
"""Random normalisations against onnxruntime, written out as exporters do: with and without a mean, by Div, Reciprocal or
powers, in the form of TensorFlow, with scales and biases of rows and of other shapes, and with the small
differences (another use, other axes, no kept axes) that make them something else. Some dims are open.

    random_norms.py [--count 60] [--seed 1] [--cc clang] [--opt -O2] [--sanitize] [--keep]
"""
import sys

import numpy as np

import random_graphs
from common import model, value


class Writer:
    """Nodes of one model with x as its input."""

    def __init__(self, opset=18):
        self.nodes, self.constants, self.opset = [], {}, opset

    def node(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append((op, list(inputs), [name], attributes))
        return name

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def mean(self, x, axes, keepdims=1):
        if self.opset < 18:
            return self.node("ReduceMean", x, axes=axes, keepdims=keepdims)
        return self.node("ReduceMean", x, self.constant(np.array(axes, np.int64)), keepdims=keepdims)


# --- the parts; `w` is a Writer ---

SQUARES = {
    "pow": lambda w, d: w.node("Pow", d, w.constant(np.float32(2))),
    "pow_int": lambda w, d: w.node("Pow", d, w.constant(np.int64(2))),
    "mul": lambda w, d: w.node("Mul", d, d),
}
QUOTIENTS = {
    "div": lambda w, d, v: w.node("Div", d, w.node("Sqrt", v)),
    "reciprocal": lambda w, d, v: w.node("Mul", w.node("Reciprocal", w.node("Sqrt", v)), d),
    "one_over": lambda w, d, v: w.node("Mul", d, w.node("Div", w.constant(np.float32(1)), w.node("Sqrt", v))),
    "power": lambda w, d, v: w.node("Mul", d, w.node("Pow", v, w.constant(np.float32(-0.5)))),
    "root": lambda w, d, v: w.node("Div", d, w.node("Pow", v, w.constant(np.float32(0.5)))),
}


def shifted(w, x, axes, centred, square, epsilon):
    """(x - mean, variance + epsilon)"""
    d = w.node("Sub", x, w.mean(x, axes)) if centred else x
    return d, w.node("Add", w.mean(SQUARES[square](w, d), axes), w.constant(np.float32(epsilon)))


def norm(w, x, axes, centred=True, square="pow", quotient="div", epsilon=1e-5):
    d, variance = shifted(w, x, axes, centred, square, epsilon)
    return QUOTIENTS[quotient](w, d, variance)


def norm_twice(w, x, axes, epsilon=1e-5):
    """x - mean is computed once more for the quotient."""
    mean = w.mean(x, axes)
    d = w.node("Sub", x, mean)
    variance = w.node("Add", w.constant(np.float32(epsilon)), w.mean(w.node("Mul", d, d), axes))
    return w.node("Div", w.node("Sub", x, mean), w.node("Sqrt", variance))


def norm_gain(w, x, axes, scale=None, bias=None, epsilon=1e-5):
    """x * gain + (bias - mean * gain), gain = scale / sqrt(…); scale and bias may be missing."""
    mean = w.mean(x, axes)
    d = w.node("Sub", x, mean)
    gain = w.node("Add", w.mean(w.node("Mul", d, d), axes), w.constant(np.float32(epsilon)))
    gain = w.node("Reciprocal", w.node("Sqrt", gain))
    gain = w.node("Mul", gain, scale) if scale else gain
    left, right = w.node("Mul", x, gain), w.node("Mul", mean, gain)
    return w.node("Add", left, w.node("Sub", bias, right)) if bias else w.node("Sub", left, right)


class Generator(random_graphs.Generator):
    def numbers(self, shape):
        return self.rng.uniform(0.5, 1.5, shape).astype(np.float32)

    def operand(self, w, shape, axis):
        """A factor or a summand: often one number for each element of a row."""
        row = shape[axis:]
        shapes = [row, row, (1,) * axis + row, (1,), (1,) * (len(row) - 1) + row[-1:], shape]
        return w.constant(self.numbers(self.pick(shapes)))

    def result(self, w, shape, axis):
        axes = [a - self.pick([0, len(shape)]) for a in range(axis, len(shape))]
        epsilon, form = self.pick([1e-3, 1e-5, 1e-12]), self.below(8)
        if form == 0:
            return norm_twice(w, "x", axes, epsilon)
        if form < 3:
            row = w.constant(self.numbers(shape[axis:]))
            bias = w.constant(self.numbers(shape[axis:]))
            return norm_gain(w, "x", axes, self.pick([row, None]), self.pick([bias, None]), epsilon)
        square, quotient = self.pick(list(SQUARES)), self.pick(list(QUOTIENTS))
        return norm(w, "x", axes, form < 6, square, quotient, epsilon)

    def almost(self, w, shape):
        """Something that must not be taken for a normalisation of rows."""
        last, form = [len(shape) - 1], self.below(5)
        if form == 0:
            return norm(w, "x", [0])
        if form == 1:  # the variance is used elsewhere
            d, variance = shifted(w, "x", last, True, "mul", 1e-3)
            return w.node("Add", w.node("Div", d, w.node("Sqrt", variance)), variance)
        if form == 2:  # epsilon for each row
            d, variance = shifted(w, "x", last, True, "pow", np.full((shape[-2], 1), 1e-3))
            return w.node("Div", d, w.node("Sqrt", variance))
        if form == 3:  # the mean is taken of all axes, the variance of the last one
            d = w.node("Sub", "x", w.mean("x", list(range(len(shape)))))
            variance = w.node("Add", w.mean(w.node("Mul", d, d), last), w.constant(np.float32(1e-3)))
            return w.node("Div", d, w.node("Sqrt", variance))
        d, variance = shifted(w, "x", last, True, "mul", 1e-3)  # divided into x
        return w.node("Div", "x", w.node("Sqrt", variance))

    def case(self, name):
        shape = tuple(self.pick([1, 2, 3, 5]) for _ in range(self.pick([1, 2])))
        shape += (self.pick([1, 4, 7, 16, 31, 33, 64, 100, 130]),)
        axis = self.pick([len(shape) - 1, len(shape) - 1, len(shape) - 2])
        w = Writer(self.pick([13, 18]))
        y = self.almost(w, shape) if self.below(4) == 0 else self.result(w, shape, axis)
        for op in ("Mul", "Add"):
            if self.below(4):
                operands = [y, self.operand(w, shape, axis)]
                y = w.node(op, *(operands if self.below(2) else operands[::-1]))
        if self.below(3) == 0:
            y = w.node("Relu", y)
        tags = [self.pick([size, f"D{d}"]) for d, size in enumerate(shape[:-1])] + [shape[-1]]
        x = (3 * self.rng.standard_normal(shape) + self.pick([0, 0, 50])).astype(np.float32)
        graph = model(w.nodes, [value("x", tags)], [value(y, None)], w.constants, opset=w.opset)
        return self.as_case(name, graph, [x])


if __name__ == "__main__":
    sys.exit(random_graphs.main(Generator, "random-norms", __doc__, 60))
