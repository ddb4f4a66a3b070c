#!/usr/bin/env python3
"""Random convolutional nets against onnxruntime: convolutions of every kind, pools, batch normalisations, residual sums,
gates by channel, Concat and Split of channels, Resize, changes between NCHW and NHWC; odd numbers of channels, odd sizes,
some of them open. What the layout, epilogue and view passes do to a net depends on its shape.

    random_convs.py [--count 100] [--seed 1] [--cc clang] [--opt -O2] [--sanitize] [--keep]

The same seed gives the same nets.
"""
import sys

import numpy as np

import random_graphs
from common import model, value
from random_graphs import Tensor

CHANNELS = [1, 3, 5, 8, 16, 16, 20, 32, 48]
ACTIVATIONS = ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "Elu", "Identity"]
MOST = 30000  # elements of a tensor


class Generator(random_graphs.Generator):
    def __init__(self, seed, supported):
        super().__init__(seed, supported)
        self.makers = [
            self.conv,
            self.conv,
            self.conv,
            self.depthwise,
            self.conv_transpose,
            self.enlarge,
            self.few_channels,
            self.activation,
            self.activation,
            self.clip,
            self.residual,
            self.residual,
            self.by_channel,
            self.batch_norm,
            self.pool,
            self.gate,
            self.concat,
            self.split,
            self.resize,
            self.through_nhwc,
            self.mean,
            self.padded_conv,
            self.crossed,
            self.mixed_mean,
        ]

    # --- help ---

    def add(self, op, inputs, dims, **attributes):
        super().add(op, inputs, list(dims), attributes)
        return self.tensors[-1]

    def numbers(self, *shape, scale=1.0):
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def images(self, fits=lambda t: True):
        """A tensor with rows and columns."""
        return self.tensor(lambda t: len(t.dims) == 4 and min(t.sizes[2:]) > 0 and fits(t))

    @staticmethod
    def window(dims, kernel, stride, dilation, pads):
        """The spatial dims of the result, with tags that only say which sizes are open; None if it is empty."""
        result = []
        for axis, (size, tag) in enumerate(dims):
            out = (size + pads[axis] + pads[axis + 2] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
            if out < 1:
                return None
            same = stride[axis] == 1 and out == size
            result.append((out, tag if same or tag is None else f"{tag}/{axis}{size}{out}"))
        return result

    def window_of(self, x):
        kernel = self.pick([[1, 1], [1, 1], [3, 3], [3, 3], [5, 5], [1, 5], [2, 3], [7, 7]])
        stride = self.pick([[1, 1], [1, 1], [1, 1], [2, 2], [1, 2], [3, 3]])
        dilation = self.pick([[1, 1], [1, 1], [1, 1], [2, 2], [2, 1]])
        half = [(k - 1) * d // 2 for k, d in zip(kernel, dilation)]
        pads = self.pick([half + half, half + half, [0, 0, 0, 0], [self.below(3) for _ in range(4)]])
        spatial = self.window(x.dims[2:], kernel, stride, dilation, pads)
        return spatial, dict(kernel_shape=kernel, strides=stride, dilations=dilation, pads=pads)

    def add_conv(self, x, out, groups):
        spatial, attributes = self.window_of(x)
        if spatial is None:
            return
        per_group = x.sizes[1] // groups
        kernel = attributes["kernel_shape"]
        scale = 1 / np.sqrt(per_group * kernel[0] * kernel[1])
        inputs = [x.name, self.numbers(out, per_group, *kernel, scale=scale)]
        if self.below(3):
            inputs.append(self.numbers(out))
        self.add("Conv", inputs, [x.dims[0], (out, None), *spatial], **attributes, group=groups)

    # --- makers ---

    def conv(self):
        x = self.images()
        if not x:
            return
        out, groups = self.pick(CHANNELS), 1
        if self.below(5) == 0 and x.sizes[1] % 2 == 0 and out % 2 == 0:
            groups = self.pick([2, x.sizes[1] // 2]) if out % (x.sizes[1] // 2) == 0 else 2
        self.add_conv(x, out, groups)

    def depthwise(self):
        x = self.images(lambda t: t.sizes[1] > 1)
        if x:
            self.add_conv(x, x.sizes[1] * self.pick([1, 1, 1, 2]), x.sizes[1])

    def conv_transpose(self):
        x = self.images(lambda t: all(tag is None for _, tag in t.dims[2:]) and t.count < 3000)
        if not x:
            return
        kernel, stride = self.pick([[2, 2], [3, 3], [4, 4], [3, 2]]), self.pick([[1, 1], [2, 2], [2, 3]])
        pads, extra = [self.below(2) for _ in range(4)], [self.below(s) for s in stride]
        out = self.pick(CHANNELS[:7])
        spatial = [
            (n - 1) * s + k - pads[i] - pads[i + 2] + e
            for i, (n, s, k, e) in enumerate(zip(x.sizes[2:], stride, kernel, extra))
        ]
        if min(spatial) < 1:
            return
        inputs = [x.name, self.numbers(x.sizes[1], out, *kernel, scale=0.2), self.numbers(out)]
        dims = [x.dims[0], (out, None), *((size, None) for size in spatial)]
        self.add("ConvTranspose", inputs, dims, strides=stride, pads=pads, output_padding=extra)

    def few_channels(self):
        """Along long rows, from few channels to few; then, mostly, a few kernels for each channel."""
        x = self.images(lambda t: t.sizes[1] <= 8)
        if not x:
            return
        half, out = self.below(9), self.pick([1, 2, 4, 8])
        kernel, pads = [1, 2 * half + 1], [0, half, 0, half]
        spatial = self.window(x.dims[2:], kernel, [1, 1], [1, 1], pads)
        scale = 1 / np.sqrt(x.sizes[1] * kernel[1])
        inputs = [x.name, self.numbers(out, x.sizes[1], *kernel, scale=scale), self.numbers(out)]
        y = self.add("Conv", inputs, [x.dims[0], (out, None), *spatial], kernel_shape=kernel, pads=pads)
        if self.below(3):
            self.add_conv(y, out * self.pick([1, 2, 3]), out)

    def hide(self, tensor):
        """Mostly, nobody else will use it."""
        if self.below(4):
            self.tensors = [t for t in self.tensors if t is not tensor]

    def crossed(self):
        """Kernels of each channel along one axis, then along the other one: they may change places."""
        x = self.images(lambda t: t.sizes[1] <= 16)
        if not x:
            return
        along, y = self.below(2), x
        for step in range(2):
            axis, channels = (along + step) % 2, y.sizes[1]
            size = y.sizes[2 + axis]
            kernel, stride, pads = [1, 1], [1, 1], [0, 0, 0, 0]
            kernel[axis] = self.pick([size, 1 + self.below(size), min(3, size)])
            stride[axis] = self.pick([1, 1, 2])
            pads[axis], pads[axis + 2] = self.pick([(0, 0), (kernel[axis] // 2, kernel[axis] // 2), (1, 0)])
            spatial = self.window(y.dims[2:], kernel, stride, [1, 1], pads)
            if spatial is None:
                return
            out = channels * self.pick([1, 2, 3])
            inputs = [y.name, self.numbers(out, 1, *kernel, scale=1 / np.sqrt(kernel[axis]))]
            if self.below(2):
                inputs.append(self.numbers(out))
            before, y = y, self.add("Conv", inputs, [x.dims[0], (out, None), *spatial], kernel_shape=kernel, strides=stride,
                                    pads=pads, group=channels)
            if step:
                self.hide(before)

    def mixed_mean(self):
        """Means of the results of a 1x1 convolution."""
        x = self.images(lambda t: min(t.sizes[2:]) > 1)
        if not x:
            return
        out = self.pick(CHANNELS)
        inputs = [x.name, self.numbers(out, x.sizes[1], 1, 1, scale=1 / np.sqrt(x.sizes[1])), self.numbers(out)]
        y = self.add("Conv", inputs[: 2 + self.below(2)], [x.dims[0], (out, None), *x.dims[2:]])
        if self.below(4) == 0:
            self.add("GlobalAveragePool", [y.name], [*y.dims[:2], (1, None), (1, None)])
        else:
            stride, pads = self.pick([[2, 2], [1, 2], [1, 1]]), self.pick([[0] * 4, [0] * 4, [0, 1, 1, 0]])
            spatial = self.window(y.dims[2:], [2, 2], stride, [1, 1], pads)
            self.add("AveragePool", [y.name], [*y.dims[:2], *spatial], kernel_shape=[2, 2], strides=stride, pads=pads,
                     count_include_pad=self.below(2))
        self.hide(y)

    def enlarge(self):
        """Pixels that become tiles: the stride is the kernel."""
        x = self.images(lambda t: all(tag is None for _, tag in t.dims[2:]) and t.count < 3000)
        if not x:
            return
        kernel, out = self.pick([[2, 2], [4, 4], [1, 3], [3, 2]]), self.pick([1, 1, 2, 3, 8])
        inputs = [x.name, self.numbers(x.sizes[1], out, *kernel, scale=0.2), self.numbers(out)]
        dims = [x.dims[0], (out, None), *((n * k, None) for n, k in zip(x.sizes[2:], kernel))]
        self.add("ConvTranspose", inputs, dims, strides=kernel)

    def activation(self):
        x = self.tensor()
        self.add(self.pick(ACTIVATIONS), [x.name], x.dims)

    def clip(self):
        x = self.tensor()
        bounds = [self.constant(np.float32(b)) for b in (-0.5, 1.5)]
        self.add("Clip", [x.name, *bounds], x.dims)

    def residual(self):
        x = self.tensor()
        y = self.tensor(lambda t: t.dims == x.dims)
        self.add(self.pick(["Add", "Mul", "Sub", "Max"]), [x.name, y.name], x.dims)

    def by_channel(self):
        x = self.images()
        if x:
            shape = self.pick([(x.sizes[1], 1, 1), (1, x.sizes[1], 1, 1), (), (1,)])
            self.add(self.pick(["Add", "Mul", "Div"]), [x.name, self.constant(
                (np.abs(self.rng.standard_normal(shape)) + 0.5).astype(np.float32))], x.dims)

    def batch_norm(self):
        x = self.images()
        if x:
            c = x.sizes[1]
            positive = self.constant((np.abs(self.rng.standard_normal(c)) + 0.5).astype(np.float32))
            inputs = [x.name, self.numbers(c), self.numbers(c), self.numbers(c), positive]
            self.add("BatchNormalization", inputs, x.dims)

    def pool(self):
        x = self.images()
        if not x:
            return
        kernel, stride = self.pick([[2, 2], [3, 3], [3, 2]]), self.pick([[1, 1], [2, 2], [2, 1]])
        pads = [self.below(2) for _ in range(4)]
        spatial = self.window(x.dims[2:], kernel, stride, [1, 1], pads)
        if spatial is None:
            return
        op = self.pick(["MaxPool", "AveragePool"])
        more = {"count_include_pad": self.below(2)} if op == "AveragePool" else {}
        self.add(op, [x.name], [*x.dims[:2], *spatial], kernel_shape=kernel, strides=stride, pads=pads, **more)

    def mix(self, x, out):
        """A 1x1 convolution with bias."""
        weights = self.numbers(out, x.sizes[1], 1, 1, scale=1 / np.sqrt(x.sizes[1]))
        return self.add("Conv", [x.name, weights, self.numbers(out)], [x.dims[0], (out, None), *x.dims[2:]])

    def gate(self):
        """Squeeze and excitation: x * sigmoid(conv(relu(conv(mean(x))))), or with one convolution; on one pixel."""
        x = self.images()
        if not x:
            return
        c, one = x.dims[1], (1, None)
        small = [x.dims[0], c, one, one]
        pooled = self.add(self.pick(["GlobalAveragePool", "GlobalMaxPool"]), [x.name], small)
        if self.below(2):
            pooled = self.mix(pooled, self.pick(CHANNELS))
            pooled = self.add("Relu", [pooled.name], pooled.dims)
        mixed = self.mix(pooled, c[0])
        gate = self.add("Sigmoid", [mixed.name], small)
        self.add("Mul", [x.name, gate.name], x.dims)

    def concat(self):
        x = self.images()
        if not x:
            return
        parts = [x] + [
            self.images(lambda t: t.dims[0] == x.dims[0] and t.dims[2:] == x.dims[2:])
            for _ in range(1 + self.below(2))
        ]
        channels = sum(t.sizes[1] for t in parts)
        if channels <= 100:
            dims = [x.dims[0], (channels, None), *x.dims[2:]]
            self.add("Concat", [t.name for t in parts], dims, axis=1)

    def split(self):
        x = self.images(lambda t: t.sizes[1] > 2)
        if not x:
            return
        first = self.pick([1, x.sizes[1] // 2, 16 if x.sizes[1] > 16 else 2])
        names, parts = [self.name(), self.name()], [first, x.sizes[1] - first]
        sizes = self.constant(np.array(parts, np.int64))
        self.nodes.append(("Split", [x.name, sizes], names, {"axis": 1}))
        for name, part in zip(names, parts):
            self.tensors.append(Tensor(name, [x.dims[0], (part, None), *x.dims[2:]]))

    def resize(self):
        x = self.images(lambda t: all(tag is None for _, tag in t.dims) and t.count < 4000)
        if not x:
            return
        mode = self.pick(["nearest", "linear"])
        where = self.pick(["half_pixel", "asymmetric", "align_corners"] if mode == "linear" else ["asymmetric", "half_pixel"])
        sizes = [n * 2 if self.below(3) else n + 3 for n in x.sizes[2:]]
        shape = self.constant(np.array([*x.sizes[:2], *sizes], np.int64))
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        self.add("Resize", [x.name, "", "", shape], [*x.dims[:2], *((n, None) for n in sizes)], mode=mode,
                 coordinate_transformation_mode=where, **more)

    def through_nhwc(self):
        x = self.images()
        if not x:
            return
        n, c, h, w = x.dims
        last = self.add("Transpose", [x.name], [n, h, w, c], perm=[0, 2, 3, 1])
        scaled = self.add("Mul", [last.name, self.numbers(c[0])], last.dims)
        self.add("Transpose", [scaled.name], x.dims, perm=[0, 3, 1, 2])
        self.tensors = [t for t in self.tensors if t is not last and t is not scaled]

    def mean(self):
        x = self.images()
        if x:
            keep = self.below(2)
            axes = self.constant(np.array(self.pick([[2, 3], [-1, -2]]), np.int64))
            dims = [*x.dims[:2], *([(1, None)] * 2 if keep else [])]
            self.add(self.pick(["ReduceMean", "ReduceMean", "ReduceMax"]), [x.name, axes], dims, keepdims=keep)

    def padded_conv(self):
        """Zeros (or others) around the planes, put there by a node of its own."""
        x = self.images()
        if not x:
            return
        pads = [self.below(3) for _ in range(4)]
        amounts = self.constant(np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
        fill = self.pick([[], [self.constant(np.float32(0))], [self.constant(np.float32(0.5))]])
        spatial = [
            (size + pads[i] + pads[i + 2], tag and f"{tag}+{pads[i] + pads[i + 2]}")
            for i, (size, tag) in enumerate(x.dims[2:])
        ]
        padded = self.add("Pad", [x.name, amounts, *fill], [*x.dims[:2], *spatial])
        self.add_conv(padded, self.pick(CHANNELS), 1)

    # --- the net ---

    def case(self, name):
        is_open = self.below(3) == 0
        n, h, w = self.pick([1, 1, 1, 2, 3]), 5 + self.below(16), 5 + self.below(20)
        if self.below(8) == 0:  # images of one row
            n, h = self.pick([2, 7, 16]), 1
        tags = ["N", "H", "W"] if is_open else [None] * 3
        if is_open and self.below(2):
            tags[1] = tags[2] = None
        dims = [(n, tags[0]), (self.pick(CHANNELS[:6]), None), (h, tags[1]), (w, tags[2])]
        x = Tensor("x", dims)
        self.tensors.append(x)
        for _ in range(4 + self.below(16)):
            self.pick(self.makers)()
            self.tensors = [t for t in self.tensors if t.count <= MOST]
        made = [t for t in self.tensors if t is not x] or [x]
        outputs = {t.name: t for t in [made[-1]] + [self.pick(made) for _ in range(self.below(3))]}
        graph = model(
            self.nodes or [("Identity", ["x"], ["v0"])],
            [value("x", [tag or size for size, tag in dims])],
            [value(name, None) for name in (outputs if self.nodes else ["v0"])],
            self.constants,
            opset=18,
        )
        return self.as_case(name, graph, [self.rng.standard_normal(x.sizes).astype(np.float32)])


if __name__ == "__main__":
    sys.exit(random_graphs.main(Generator, "random-conv", __doc__, 100))
