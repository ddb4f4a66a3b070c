"""Nodes over planes and volumes: convolutions, pooling, resizing, sampling, regions."""

import numpy as np

from .draw import draws, largest

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
SPATIAL = {1: [1, 4, 9, 16], 2: [1, 3, 5, 8, 11], 3: [1, 3, 4, 5]}


class Window:
    """A window over 1 to 3 axes that fits: kernel, strides, dilations, pads, as attributes."""

    def __init__(self, d, ranks=(1, 2, 2, 2, 3), auto=True):
        self.d, self.rank = d, d.pick(ranks)
        self.kernel = [d.pick([1, 2, 3, 3, 5] if self.rank < 3 else [1, 2, 3]) for _ in range(self.rank)]
        self.strides = [d.pick([1, 1, 2, 3]) for _ in range(self.rank)] if d.chance(0.5) else [1] * self.rank
        self.dilations = [d.pick([1, 1, 2]) for _ in range(self.rank)] if d.has("dilations") and d.chance(0.3) else [1] * self.rank
        self.auto = d.pick(["SAME_UPPER", "SAME_LOWER", "VALID"]) if auto and d.chance(0.25) else None
        if self.auto and self.auto != "VALID":  # SAME with dilations: implementations differ
            self.dilations = [1] * self.rank
        self.pads = [0] * 2 * self.rank
        if not self.auto and d.chance(0.6):
            self.pads = [d.below(self.kernel[i % self.rank]) for i in range(2 * self.rank)]
        self.size = [max(d.pick(SPATIAL[self.rank]), self.reach(i) - self.pads[i] - self.pads[i + self.rank]) for i in range(self.rank)]

    def reach(self, i):
        return (self.kernel[i] - 1) * self.dilations[i] + 1

    def attributes(self, kernel=True):
        d = self.d
        out = {"auto_pad": self.auto} if self.auto else {"pads": self.pads} if any(self.pads) or d.chance(0.5) else {}
        if kernel or d.chance(0.5):
            out["kernel_shape"] = self.kernel
        if set(self.strides) != {1} or d.chance(0.5):
            out["strides"] = self.strides
        if set(self.dilations) != {1}:
            out["dilations"] = self.dilations
        return out


def conv_shapes(d, window):
    """(x, w, group, output channels)"""
    group = d.pick([1, 1, 1, 2, 3])
    inside, outside = d.pick([1, 2, 3, 8]), d.pick([1, 2, 5, 16])
    if d.chance(0.15):  # depthwise
        group, inside, outside = d.pick([4, 16, 17]), 1, d.pick([1, 2])
    x = (d.pick([1, 1, 2]), group * inside, *window.size)
    return x, (group * outside, inside, *window.kernel), group


@draws("Conv")
@draws("FusedConv", domain="com.microsoft")
def conv(d):
    window = Window(d)
    x, w, group = conv_shapes(d, window)
    dtype = d.type("X", [F32] if d.row.domain else None)
    attributes = window.attributes(False) | ({"group": group} if group > 1 else {})
    attributes |= d.some(activation=d.pick(["Relu", "Sigmoid", "Tanh"]))
    return d.node([d.data(x, dtype), d.data(w, dtype), d.maybe(d.data(w[:1], dtype))], attributes, magnitude="activation" in attributes)


@draws("ConvTranspose")
def conv_transpose(d):
    window = Window(d, auto=False)
    group, inside, outside = d.pick([1, 1, 2]), d.pick([1, 2, 3, 8]), d.pick([1, 2, 3])
    dtype = d.type("X")
    size = [d.pick([1, 2, 3, 5]) for _ in window.kernel]
    full = [(n - 1) * s + window.reach(i) for i, (n, s) in enumerate(zip(size, window.strides))]
    for i, n in enumerate(full):  # something must be left
        if window.pads[i] + window.pads[i + window.rank] >= n:
            window.pads[i] = window.pads[i + window.rank] = 0
    attributes = window.attributes(False) | ({"group": group} if group > 1 else {})
    if d.chance(0.25):
        attributes["output_padding"] = [d.below(s) for s in window.strides]
    shapes = (d.pick([1, 2]), group * inside, *size), (group * inside, outside, *window.kernel)
    return d.node([d.data(shapes[0], dtype), d.data(shapes[1], dtype), d.maybe(d.data((group * outside,), dtype))], attributes)


@draws("DeformConv")
def deform_conv(d):
    window = Window(d, ranks=(2,), auto=False)
    dtype = d.type("X", [F32, F64])
    group, offset_group = d.pick([1, 2]), d.pick([1, 2])
    channels, outside = 2 * d.pick([1, 2]), group * d.pick([1, 2])
    out = [(n + window.pads[i] + window.pads[i + 2] - window.reach(i)) // window.strides[i] + 1 for i, n in enumerate(window.size)]
    batch, taps = d.pick([1, 2]), int(np.prod(window.kernel))
    inputs = [d.data((batch, channels, *window.size), dtype), d.data((outside, channels // group, *window.kernel), dtype),
              d.data((batch, offset_group * taps * 2, *out), dtype), d.maybe(d.data((outside,), dtype)), d.maybe(d.data((batch, offset_group * taps, *out), dtype))]
    return d.node(inputs, window.attributes() | {"group": group, "offset_group": offset_group})


@draws("ConvInteger")
def conv_integer(d):
    window = Window(d, ranks=(1, 2))
    x, w, group = conv_shapes(d, window)
    one, other = d.type("x"), d.type("w")
    points = [d.maybe(d.ints(d.array((), kind), kind)) for kind in (one, other)]
    return d.node([d.data(x, one, True), d.data(w, other, True), *points], window.attributes(False) | {"group": group}, exact=True)


# --- pooling ---


def pooled(d, window, channels_last=False):
    channels = d.pick([1, 2, 3, 17])
    return (d.pick([1, 2]), *window.size, channels) if channels_last else (d.pick([1, 2]), channels, *window.size)


def ceil_mode(d, window):
    """Only where the last window starts inside of the padded input, on which implementations agree."""
    return d.some(ceil_mode=d.below(2)) if set(window.strides) == {1} or not window.auto else {}


@draws("MaxPool", exact=True)
def max_pool(d):
    window = Window(d)
    dtype = d.type("X")
    index = d.opset >= 8 and not any(window.pads) and not window.auto and set(window.dilations) == {1} and d.chance(0.3)
    attributes = window.attributes() | ceil_mode(d, window)
    return d.node([d.data(pooled(d, window), dtype)], attributes, 2 if index else 1)


@draws("AveragePool")
def average_pool(d):
    window = Window(d)
    return d.node([d.data(pooled(d, window), d.type("X"))], window.attributes() | ceil_mode(d, window) | d.some(count_include_pad=d.below(2)))


@draws("LpPool")
def lp_pool(d):
    window = Window(d)
    return d.node([d.data(pooled(d, window), d.type("X"))], window.attributes() | d.some(p=d.pick([1, 2, 3])))


@draws("GlobalAveragePool", "GlobalLpPool")
@draws("GlobalMaxPool", exact=True)
def global_pool(d):
    return d.node([d.data(d.shape(3, 5, empty=False), d.type("X"))], d.some(p=d.pick([1, 2, 3])))


@draws("MaxUnpool", exact=True)
def max_unpool(d):
    n, c, h, w = d.pick([1, 2]), d.pick([1, 3]), d.pick([1, 2, 3]), d.pick([1, 2, 4])
    dtype = d.type("X")
    size = c * 4 * h * w
    places = np.stack([d.rng.permutation(size)[: c * h * w] + i * size for i in range(n)]).reshape(n, c, h, w)
    return d.node([d.data((n, c, h, w), dtype), d.ints(places)], {"kernel_shape": [2, 2], "strides": [2, 2]})


@draws("NhwcMaxPool", exact=True, domain="com.microsoft")
def nhwc_max_pool(d):
    window = Window(d, ranks=(2,))
    return d.node([d.data(pooled(d, window, True), d.type("x"), True)], window.attributes())


@draws("Col2Im")
def col2im(d):
    image, block = [d.pick([4, 5, 6]), d.pick([4, 5, 7])], [d.pick([1, 2, 3]), d.pick([1, 2, 3])]
    strides, pads = [d.pick([1, 2]), d.pick([1, 2])], [d.below(2) for _ in range(4)]
    counts = [(image[i] + pads[i] + pads[i + 2] - block[i]) // strides[i] + 1 for i in range(2)]
    shape = (d.pick([1, 2]), d.pick([1, 3]) * block[0] * block[1], counts[0] * counts[1])
    return d.node([d.data(shape, d.type("T", [F32, F64])), d.ints(image), d.ints(block)], {"strides": strides, "pads": pads})


# --- sizes and samples ---


@draws("Upsample", exact=True)
def upsample(d):
    shape = d.shape(4, 4, empty=False, sizes=[1, 2, 3, 5])
    scales = [1.0, 1.0, d.pick([1.0, 2.0, 3.0]), d.pick([1.0, 2.0])]
    x = d.data(shape, d.type("X", [F32]))
    if d.takes("scales"):
        return d.node([x, d.ints(scales, np.float32)], d.some(mode="nearest"))
    return d.node([x], {"scales": scales})


# Of linear and cubic modes onnxruntime takes some ranks only; antialias and align_corners with one element differ.
@draws("Resize")
def resize(d):
    mode = d.pick(["nearest", "linear", "cubic"])
    shape = (d.pick([1, 2]), d.pick([1, 3]), d.pick([2, 3, 5, 8]), d.pick([2, 4, 7]))
    x = d.data(shape, d.type("X", [F32]))
    size = [d.between(1, 12) if d.chance(0.7) else n for n in shape[2:]]
    if d.chance(0.5):  # by whole factors, halves and thirds, where sizes are exact
        factors = [d.pick([0.5, 1, 1.5, 2, 3]) for _ in size]
        size = [max(1, int(n * f)) for n, f in zip(shape[2:], factors)]
    transforms = ["half_pixel", "asymmetric", "pytorch_half_pixel"] + ["align_corners"] * (min(size) > 1)
    attributes = {"mode": mode} | d.some(coordinate_transformation_mode=d.pick(transforms))
    if mode == "nearest":
        attributes |= d.some(nearest_mode=d.pick(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]))
    if mode == "cubic":
        attributes |= d.some(cubic_coeff_a=d.pick([-0.5, -0.75]), exclude_outside=d.below(2))
    scales = np.array([1, 1, *[m / n for m, n in zip(size, shape[2:])]], np.float32)
    if d.opset < 11:
        return d.node([x, d.ints(scales, np.float32)], {"mode": d.pick(["nearest", "linear"])})
    roi = None if d.opset >= 13 else d.constant(np.zeros(0, np.float32))
    if d.chance(0.5) or any(int(np.float32(n) * s) != m for n, s, m in zip(shape, scales, (*shape[:2], *size))):
        none = None if d.opset >= 13 else d.constant(np.zeros(0, np.float32))
        return d.node([x, roi, none, d.ints([*shape[:2], *size])], attributes)
    return d.node([x, roi, d.ints(scales, np.float32)], attributes)


@draws("GridSample")
@draws("GridSample", domain="com.microsoft")
def grid_sample(d):
    rank = 3 if d.opset >= 20 and d.chance(0.3) else 2
    size, out = [d.pick([1, 2, 4, 5]) for _ in range(rank)], [d.pick([1, 3, 4]) for _ in range(rank)]
    batch = d.pick([1, 2])
    names = {"linear": "linear", "cubic": "cubic"} if d.opset >= 20 and not d.row.domain else {"linear": "bilinear", "cubic": "bicubic"}
    mode = d.pick(["nearest", names["linear"]] + [names["cubic"]] * (rank == 2))
    dtype = d.type("T1", [F32])
    grid = d.data((batch, *out, rank), d.type("T2", [F32]), low=-1.3, high=1.3)
    attributes = {"mode": mode} | d.some(padding_mode=d.pick(["zeros", "border", "reflection"]), align_corners=d.below(2))
    x = d.data((batch, d.pick([1, 3]), *size), dtype)
    return d.node([x, grid], attributes, magnitude=largest(x))  # cubic weights are negative, too: sums cancel


def regions(d, count, size):
    """Corners x1 <= x2, y1 <= y2 inside of the plane."""
    one, other = d.rng.uniform(0, size - 1, (count, 2)), d.rng.uniform(0, size - 1, (count, 2))
    return np.concatenate([np.minimum(one, other), np.maximum(one, other) + 0.6], axis=1)


@draws("RoiAlign")
def roi_align(d):
    batch, size, count = d.pick([1, 2]), d.pick([5, 8]), d.pick([1, 3])
    dtype = d.type("X", [F32, F64])
    attributes = {"output_height": d.pick([1, 2, 3]), "output_width": d.pick([1, 2])}
    attributes |= d.some(sampling_ratio=d.pick([1, 2, 3]), spatial_scale=d.pick([1.0, 0.5]), coordinate_transformation_mode=d.pick(["half_pixel", "output_half_pixel"]))
    attributes |= {"sampling_ratio": 2} if "sampling_ratio" not in attributes else {}
    x, rois = d.data((batch, d.pick([1, 3]), size, size), dtype), d.ints(regions(d, count, size), dtype)
    return d.node([x, rois, d.ints(d.array((count,), np.dtype(np.int64), low=0, high=batch - 1))], attributes)


@draws("MaxRoiPool", exact=True)
def max_roi_pool(d):
    batch, size, count = d.pick([1, 2]), d.pick([5, 8]), d.pick([1, 3])
    dtype = d.type("X", [F32])
    corners = np.floor(regions(d, count, size))
    rois = np.concatenate([d.rng.integers(0, batch, (count, 1)), corners], axis=1)
    return d.node([d.data((batch, d.pick([1, 3]), size, size), dtype), d.ints(rois, dtype)], {"pooled_shape": [d.pick([1, 2, 3]), d.pick([1, 2])]})


@draws("NonMaxSuppression", exact=True)
def non_max_suppression(d):
    batch, classes, count = d.pick([1, 2]), d.pick([1, 2]), d.pick([1, 4, 9])
    center = d.below(2)
    corners = regions(d, batch * count, 6).reshape(batch, count, 4)
    boxes = np.concatenate([(corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]], -1) if center else corners
    scores = d.rng.permutation(batch * classes * count).reshape(batch, classes, count) / 8  # all different
    inputs = [d.ints(boxes, np.float32), d.ints(scores, np.float32), d.maybe(d.ints([d.between(0, 6)])), d.maybe(d.ints([d.uniform(0.1, 0.9)], np.float32)),
              d.maybe(d.ints([d.uniform(0, 2)], np.float32))]
    return d.node(inputs, {"center_point_box": center})


@draws("AffineGrid")
def affine_grid(d):
    """In one position of an axis the corners of references that are aligned fall together in NaN."""
    rank, batch, dtype = d.pick([2, 3]), d.pick([1, 2]), d.type("theta")
    size = [batch, d.pick([1, 3]), *[d.between(2, 5) for _ in range(rank)]]
    return d.node([d.data((batch, rank, rank + 1), dtype), d.ints(size)], d.some(align_corners=d.below(2)), magnitude=4)
