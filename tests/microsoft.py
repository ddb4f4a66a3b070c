"""Operators of onnxruntime that are composed of others, compared with onnxruntime; with numpy where its CPU has no kernel for them.

    microsoft.py NAME…      only these checks
"""

import functools
import math

import numpy as np

import layers
from common import onnxruntime_outputs, run_named
from layers import HALF, SINGLE, Case, integers, node_model, random

DOMAIN = "com.microsoft"


class Known(Case):
    """A case whose results are given, because onnxruntime's CPU has no kernel."""

    def __init__(self, inputs, results, **more):
        super().__init__(inputs, tuple(x.dtype.type for x in results), **more)
        self.results = results


def small(seed, *shape):
    return random(seed, *shape) / SINGLE(2)


# --- attention ---


def attention():
    batch, rows, heads, size = 2, 5, 3, 4
    width = heads * size
    x, weights, bias = small(1, batch, rows, 6), small(2, 6, 3 * width), small(3, 3 * width)
    yield Case([x, weights, bias], num_heads=heads)
    yield Case([x, weights, bias], num_heads=heads, unidirectional=1, scale=0.3)
    masks = [integers(4, 2, batch, rows), np.array([3, 5], np.int32), np.array([4, 5, 1, 0], np.int32), integers(5, 2, batch, rows, rows)]
    for mask in masks:
        mask[..., :1] = mask[..., :1] if mask.ndim == 1 else 1
        yield Case([x, weights, bias, mask], num_heads=heads)
    past = small(6, 2, batch, heads, 3, size)
    yield Case([x, weights, bias, None, past], (SINGLE, SINGLE), num_heads=heads, unidirectional=1)
    scores = small(7, 1, heads, rows, rows)
    yield Case([x, weights, bias, masks[0], None, scores], num_heads=heads)
    other = [small(8, 6, 2 * width + 2 * heads), small(9, 2 * width + 2 * heads)]
    yield Case([x, *other], num_heads=heads, qkv_hidden_sizes=[width, width, 2 * heads])


def attended(q, k, v):
    """Of Q, K and V [batch, length, heads, size]."""
    q, k, v = (x.astype(float).transpose(0, 2, 1, 3) for x in (q, k, v))
    y = softmax(q @ k.transpose(0, 1, 3, 2) / q.shape[-1] ** 0.5) @ v
    return y.transpose(0, 2, 1, 3).reshape(*y.shape[::2], -1).astype(SINGLE)


def multiheadattention():
    batch, rows, keys, heads, size = 2, 4, 6, 3, 4
    width = heads * size
    q, k, v = small(1, batch, rows, width), small(2, batch, keys, width), small(3, batch, keys, width)
    bias = small(4, 3 * width)
    yield Case([q, k, v], num_heads=heads)
    yield Case([q, k, v, bias], num_heads=heads, scale=0.2)
    whole, pair = small(5, batch, rows, heads, 3, size), small(6, batch, keys, heads, 2, size)
    yield Known([whole], [attended(*(whole[..., i, :] for i in range(3)))], num_heads=heads)
    yield Known([q, pair], [attended(q.reshape(batch, rows, heads, size), *(pair[..., i, :] for i in range(2)))], num_heads=heads)
    mask = integers(7, 2, batch, keys)
    mask[:, 0] = 1
    yield Case([q, k, v, bias, mask], num_heads=heads)
    yield Case([q, k, v, bias, np.array([2, 6], np.int32)], num_heads=heads)
    yield Case([q, k, v, None, None, small(8, 1, heads, rows, keys)], num_heads=heads)
    yield Case([q, k, v, None, mask, small(9, batch, 1, rows, keys)], num_heads=heads)
    turned = [x.reshape(batch, keys, heads, size).transpose(0, 2, 1, 3).copy() for x in (k, v)]
    yield Case([q, *turned], num_heads=heads)
    fresh = [small(10, batch, rows, width), small(11, batch, rows, width)]
    past = [small(12, batch, heads, 3, size), small(13, batch, heads, 3, size)]
    yield Case([q, *fresh, bias, None, None, *past], (SINGLE,) * 3, num_heads=heads, unidirectional=1)


def caches(batch, heads, longest, size, lengths):
    """Keys and values with zeros behind what each batch item has."""
    made = [small(21 + i, batch, heads, longest, size) for i in range(2)]
    for cache in made:
        for b, length in enumerate(lengths):
            cache[b, :, length:] = 0
    return made


def groupqueryattention():
    batch, heads, kv_heads, size = 2, 4, 2, 16
    wide, narrow = heads * size, kv_heads * size
    sizes = dict(num_heads=heads, kv_num_heads=kv_heads)
    angles = np.arange(16)[:, None] / 10 ** (np.arange(size // 2)[None] / 2)
    cos, sin = np.cos(angles).astype(SINGLE), np.sin(angles).astype(SINGLE)
    rows = 5
    q, k, v = small(1, batch, rows, wide), small(2, batch, rows, narrow), small(3, batch, rows, narrow)
    full, total = np.full(batch, rows - 1, np.int32), np.array(rows, np.int32)
    yield Case([q, k, v, None, None, full, total], (SINGLE,) * 3, constants=(6,), **sizes)
    for more in (dict(), dict(rotary_interleaved=1), dict(local_window_size=2), dict(softcap=3.0, scale=0.2)):
        yield Case([q, k, v, None, None, full, total, cos, sin], (SINGLE,) * 3, constants=(6,), do_rotary=1, **sizes, **more)
    packed = np.concatenate([q, k, v], axis=2)
    yield Case([packed, None, None, None, None, full, total, cos, sin], (SINGLE,) * 3, constants=(6,), do_rotary=1, **sizes)
    bias = small(4, 1, heads, rows, rows)
    yield Case([q, k, v, None, None, full, total, None, None, None, bias], (SINGLE,) * 3, constants=(6,), **sizes)
    yield Case([q, k, v, None, None, full, total, *[None] * 4, random(5, heads)], (SINGLE,) * 3, constants=(6,), **sizes)
    yield Case([q, k, v, None, None, full, total], (SINGLE,) * 3, constants=(6,), smooth_softmax=1, **sizes)
    yield Case([q, k, v, None, None, full, total, None, None, None, bias], (SINGLE,) * 3, constants=(6,), smooth_softmax=1, **sizes)
    step = [x[:, :1].copy() for x in (q, k, v)]
    for longest, lengths in ((6, (6, 6)), (9, (3, 7))):
        last, total = np.array(lengths, np.int32), np.array(max(lengths) + 1, np.int32)
        past = caches(batch, kv_heads, longest, size, lengths)
        yield Case([*step, *past, last, total, cos, sin], (SINGLE,) * 3, constants=(6,), do_rotary=1, **sizes)
        yield Case([*step, *past, last, total], (SINGLE,) * 3, constants=(6,), local_window_size=3, **sizes)
        bias = small(5, 1, heads, 1, int(total))  # shorter than the cache, where that has room
        yield Case([*step, *past, last, total, None, None, None, bias], (SINGLE,) * 3, constants=(6,), **sizes)


def qattention():
    batch, rows, heads, size = 2, 5, 2, 4
    width = heads * size
    for kind in (np.uint8, np.int8):
        low, high = (0, 255) if kind == np.uint8 else (-100, 100)
        x, weights = integers(1, 255, batch, rows, 8, dtype=np.uint8), integers(2, high, 8, 3 * width, dtype=kind, low=low)
        inputs = [x, weights, small(3, 3 * width), np.array(0.02, SINGLE), np.array(0.01, SINGLE)]
        zeros = [np.array(7, np.uint8), np.array(3, kind)]
        mask = integers(4, 2, batch, rows)
        mask[:, 0] = 1
        yield Case([*inputs, None, *zeros], num_heads=heads)
        yield Case([*inputs, mask, *zeros], num_heads=heads)
        yield Case([*inputs, None, *zeros, small(5, 2, batch, heads, 3, size)], (SINGLE, SINGLE), num_heads=heads, unidirectional=1)


def rotaryembedding():
    batch, rows, heads, size = 2, 5, 3, 8
    cos, sin = small(1, 16, size // 2), small(2, 16, size // 2)
    x, positions = random(3, batch, rows, heads * size), integers(4, 16, batch, rows, dtype=np.int64)
    for mixed in (0, 1):
        yield Case([x, positions, cos, sin], interleaved=mixed)
        yield Case([x, np.array([7], np.int64), cos, sin], interleaved=mixed, num_heads=heads)
        yield Case([random(5, batch, heads, rows, size), positions, cos, sin], interleaved=mixed)
        part = [cos[:, :2].copy(), sin[:, :2].copy()]
        yield Case([x, positions, *part], interleaved=mixed, num_heads=heads, rotary_embedding_dim=4)


def linearattention():
    batch, rows, heads, kv_heads, size, wide = 2, 5, 4, 2, 8, 20
    q, k, v = (small(i, batch, rows, width) for i, width in ((1, heads * size), (2, kv_heads * size), (3, kv_heads * wide)))
    past, beta = small(4, batch, kv_heads, size, wide), abs(small(5, batch, rows, kv_heads))
    sizes = dict(q_num_heads=heads, kv_num_heads=kv_heads)
    for decay in (-abs(small(6, batch, rows, kv_heads)), -abs(small(7, batch, rows, kv_heads * size))):
        yield Case([q, k, v, past, decay, beta], (SINGLE, SINGLE), **sizes)
        yield Case([q, k, v, past, decay], (SINGLE, SINGLE), update_rule="gated", scale=0.3, **sizes)
    yield Case([q, k, v, past], (SINGLE, SINGLE), update_rule="linear", **sizes)
    yield Case([q, k, v, past, None, beta], (SINGLE, SINGLE), update_rule="delta", **sizes)


def causalconvwithstate():
    x, weights, bias, past = random(1, 2, 3, 7), random(2, 3, 1, 4), random(3, 3), random(4, 2, 3, 3)
    for activation in ("none", "silu"):
        yield Case([x, weights, bias, past], (SINGLE, SINGLE), constants=(1, 2), activation=activation)
    yield Case([x, weights], (SINGLE, SINGLE), constants=(1,))


# --- what onnxruntime's CPU does not have ---


def erf(x):
    return np.vectorize(math.erf)(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def biasadd():
    x, bias, skip = random(1, 2, 4, 5), random(2, 5), random(3, 2, 4, 5)
    yield Known([x, bias, skip], [x + bias + skip])


def biassplitgelu():
    x, bias = random(1, 2, 4, 6), random(2, 6)
    left, right = np.split((x + bias).astype(float), 2, axis=-1)
    yield Known([x, bias], [(left * right * 0.5 * (1 + erf(right / 2**0.5))).astype(SINGLE)])


def biassoftmax():
    x, bias = random(1, 2, 3, 4, 5), random(2, 2, 1, 1, 5)
    yield Known([x, bias], [softmax((x + bias).astype(float)).astype(SINGLE)], axis=3, is_inner_broadcast=1)
    flat = softmax((x + bias).astype(float).reshape(2, 3, -1)).reshape(x.shape)
    yield Known([x, bias], [flat.astype(SINGLE)], axis=2, is_inner_broadcast=1)


def gemmfastgelu():
    x, w, bias = random(1, 2, 3, 4), random(2, 4, 5), random(3, 5)
    y = (x.astype(float) @ w) + bias
    y = 0.5 * y * (1 + np.tanh((2 / np.pi) ** 0.5 * (y + 0.044715 * y**3)))
    yield Known([x, w, bias], [y.astype(SINGLE)])


def normalised(x, gamma, beta, groups, epsilon=1e-5, silu=False):
    """x is [N, H, W, C]"""
    n, h, w, c = x.shape
    parts = x.astype(float).reshape(n, h * w, groups, c // groups)
    parts = (parts - parts.mean((1, 3), keepdims=True)) / np.sqrt(parts.var((1, 3), keepdims=True) + epsilon)
    y = parts.reshape(x.shape) * gamma + beta
    return (y / (1 + np.exp(-y)) if silu else y).astype(x.dtype)


def groupnorm():
    x, gamma, beta = random(1, 2, 3, 4, 8), random(2, 8), random(3, 8)
    for silu in (0, 1):
        yield Known([x, gamma, beta], [normalised(x, gamma, beta, 4, silu=silu)], activation=silu, groups=4)
    first = normalised(x, gamma, beta, 2).transpose(0, 3, 1, 2)
    yield Known([x.transpose(0, 3, 1, 2).copy(), gamma, beta], [first], activation=0, groups=2, channels_last=0)


def skipgroupnorm():
    x, gamma, beta, bias = random(1, 2, 3, 4, 8), random(2, 8), random(3, 8), random(4, 8)
    for skip in (random(5, 2, 3, 4, 8), random(6, 2, 1, 1, 8), random(7, 2, 8)):
        total = x + (skip[:, None, None] if skip.ndim == 2 else skip) + bias
        yield Known([x, gamma, beta, skip, bias], [normalised(total, gamma, beta, 4, silu=True), total], activation=1, groups=4)


def fusedmatmulactivation():
    a, b = random(1, 2, 3, 4), random(2, 2, 5, 4)
    y = 0.5 * (a @ b.transpose(0, 2, 1))
    yield Known([a, b], [np.maximum(y, 0)], activation="Relu", alpha=0.5, transB=1)
    yield Known([a, b], [np.where(y < 0, SINGLE(0.3) * y, y)], activation="LeakyRelu", activation_alpha=0.3, alpha=0.5, transB=1)


def torchembedding():
    table, picks = random(1, 6, 3), integers(2, 6, 2, 4, dtype=np.int64)
    yield Known([table, picks], [table[picks]])


def reducesuminteger():
    for kind, wide in ((np.uint8, np.uint32), (np.int8, np.int32)):
        x = integers(1, 127, 2, 3, 4, dtype=kind)
        yield Known([x], [x.astype(wide).sum((0, 2), dtype=wide)], dtype=kind, axes=[0, 2], keepdims=0)


def pairs(z):
    return np.stack([z.real, z.imag], axis=-1).astype(SINGLE)


def rfft():
    x = random(1, 3, 5, 8)
    for dims in (1, 2, 3):
        yield Known([x], [pairs(np.fft.rfftn(x.astype(float), axes=range(3 - dims, 3)))], signal_ndim=dims)


def irfft():
    for length in (4, 5):
        z = np.fft.rfftn(random(length, 3, 5, 2 * length - 2).astype(float))
        for dims in (1, 2, 3):
            yield Known([pairs(z)], [np.fft.irfftn(z, axes=range(3 - dims, 3)).astype(SINGLE)], signal_ndim=dims)


# --- others that it has ---


def cropandresize():
    x = random(1, 2, 3, 6, 5)
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.1, 0.7, 0.9], [0.9, 0.8, -0.2, 1.3]], SINGLE)
    images = np.array([0, 1, 1], np.int32)
    for size in ((4, 7), (1, 3)):
        for mode in ("bilinear", "nearest"):
            inputs = [x, boxes, images, np.array(size, np.int32)]
            yield Case(inputs, constants=(3,), mode=mode, extrapolation_value=0.5)


def expanddims():
    x = random(1, 2, 3)
    for axis in (0, 2, -1):
        yield Case([x, np.array(axis, np.int32)], constants=(1,))


def range_():
    for numbers in ((1.0, 9.0, 2.5), (5.0, 1.0, -1.0), (1.0, 4.0, None)):
        yield Case([None if n is None else np.array(n, SINGLE) for n in numbers], constants=(0, 1, 2))


def trilu():
    x = random(1, 2, 4, 5)
    yield Case([x, np.array(1, np.int64)], constants=(1,))
    yield Case([x], upper=0)


def pad():
    x, pads = random(1, 2, 3, 4), np.array([0, 1, 2, 1, 0, 3], np.int64)
    yield Case([x, pads, np.array([0.5], SINGLE)], constants=(1, 2))
    for mode in ("reflect", "edge"):
        yield Case([x, np.minimum(pads, 1)], constants=(1,), mode=mode)


def unique():
    yield Case([np.array([2, 1, 1, 3, 4, 3], SINGLE)], (SINGLE, np.int64, np.int64))


def gathernd():
    x = random(1, 3, 4, 5)
    yield Case([x, integers(2, 3, 6, 2, dtype=np.int64)])
    yield Case([x, integers(3, 3, 2, 3, dtype=np.int32)])


def matmulinteger16():
    a, b = integers(1, 900, 2, 3, 4, dtype=np.int16, low=-900), integers(2, 900, 4, 5, dtype=np.int16, low=-900)
    yield Case([a, b], (np.int32,), np.int16)


def qlinearwhere():
    for kind in (np.uint8, np.int8):
        condition = integers(1, 2, 3, 4, dtype=bool)
        x, y = integers(2, 100, 3, 4, dtype=kind), integers(3, 100, 1, 4, dtype=kind)
        numbers = [np.array(s, SINGLE) for s in (0.02, 0.03, 0.025)]
        zeros = [np.array(z, kind) for z in (3, 5, 7)]
        yield Case([condition, x, numbers[0], zeros[0], y, numbers[1], zeros[1], numbers[2], zeros[2]], (kind,), kind,
                   constants=(2, 3, 5, 6, 7, 8))


def convtransposewithdynamicpads():
    x, w, bias = random(1, 1, 3, 5, 6), random(2, 3, 2, 3, 3), random(3, 2)
    pads = np.array([1, 0, 1, 2], np.int64)
    yield Case([x, w, pads, bias], constants=(1, 2, 3), strides=[2, 1], kernel_shape=[3, 3])


def gatherblockquantized():
    rows, columns, size = 6, 48, 16
    scales, picks = abs(random(1, rows, columns // size)) / 8, integers(2, rows, 2, 3, dtype=np.int64)
    table, zeros = integers(3, 256, rows, columns // 2, dtype=np.uint8), integers(4, 256, rows, 2, dtype=np.uint8)
    sizes = dict(block_size=size, gather_axis=0, quantize_axis=1)
    yield Case([table, picks, scales], constants=(0, 2), bits=4, **sizes)
    yield Case([table, picks.astype(np.int32), scales, zeros], constants=(0, 2, 3), bits=4, **sizes)
    wide = integers(5, 256, rows, columns, dtype=np.uint8)
    yield Case([wide, picks, scales], constants=(0, 2), bits=8, **sizes)
    yield Case([wide, picks, scales, integers(6, 256, rows, 3, dtype=np.uint8)], constants=(0, 2, 3), bits=8, **sizes)


def matmulbnb4():
    for kind in (0, 1):
        k, n, block = 32, 6, 16
        weights, absmax = integers(1, 256, k * n // 2, dtype=np.uint8), abs(random(2, k * n // block))
        yield Case([random(3, 2, 5, k), weights, absmax], constants=(1, 2), K=k, N=n, block_size=block, quant_type=kind)


def nhwcfusedconv():
    x, w, bias = random(1, 1, 5, 6, 3), random(2, 4, 3, 3, 3), random(3, 4)
    import onnx.reference.ops.op_conv as reference

    turned = [a.transpose(0, 3, 1, 2) for a in (x, w.transpose(0, 2, 3, 1))]
    y = reference._conv_implementation(*turned, bias, None, [1, 1], 1, [3, 3], [1, 1, 1, 1], [2, 1])
    y = np.maximum(y, 0).transpose(0, 2, 3, 1).astype(SINGLE)
    weights = w.transpose(0, 2, 3, 1).copy()
    yield Known([x, weights, bias], [y], constants=(1, 2), kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 1], activation="Relu")


# The operator that each maker has cases of.
CASES = {
    "Attention": attention, "BiasAdd": biasadd, "BiasSoftmax": biassoftmax, "BiasSplitGelu": biassplitgelu,
    "ConvTransposeWithDynamicPads": convtransposewithdynamicpads, "CropAndResize": cropandresize,
    "ExpandDims": expanddims, "Irfft": irfft, "Rfft": rfft,
    "FusedMatMulActivation": fusedmatmulactivation, "GatherBlockQuantized": gatherblockquantized, "GatherND": gathernd,
    "CausalConvWithState": causalconvwithstate, "LinearAttention": linearattention,
    "GemmFastGelu": gemmfastgelu, "GroupNorm": groupnorm, "GroupQueryAttention": groupqueryattention,
    "MatMulBnb4": matmulbnb4, "MatMulInteger16": matmulinteger16, "MultiHeadAttention": multiheadattention,
    "NhwcFusedConv": nhwcfusedconv, "Pad": pad, "QAttention": qattention, "QLinearWhere": qlinearwhere, "Range": range_,
    "ReduceSumInteger": reducesuminteger, "RotaryEmbedding": rotaryembedding, "SkipGroupNorm": skipgroupnorm,
    "TorchEmbedding": torchembedding, "Trilu": trilu, "Unique": unique,
}


def expected(net, case):
    return case.results if isinstance(case, Known) else onnxruntime_outputs(net(case), layers.fed_inputs(case))


def check_operator(operator, folder):
    net = functools.partial(node_model, operator, DOMAIN)
    for i, case in enumerate(CASES[operator]()):
        try:
            layers.try_case(folder / f"{i}", case, expected(net, case), net, i % 3 == 0)
        except AssertionError as error:
            raise AssertionError(f"case {i}: {error}") from error


def all_checks():
    return {name: functools.partial(check_operator, name) for name in CASES}


if __name__ == "__main__":
    run_named(all_checks())
