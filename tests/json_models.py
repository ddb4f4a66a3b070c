#!/usr/bin/env python3
"""JSON models: each layer type against numpy or onnxruntime, whole networks as emitted C, weight files, names, options.

What layers compute is written down here once more, by the definitions of torch.nn and in float64, or as one ONNX operator.
"""
import json
import struct

import numpy as np

from common import ROOT, ctc, ctc_ok, run_named

SCHEMA = ROOT / "schema" / "model.schema.json"
SAFETENSORS = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.float16): "F16", np.dtype(np.int64): "I64",
               np.dtype(np.int32): "I32", np.dtype(np.int8): "I8", np.dtype(np.uint8): "U8", np.dtype(bool): "BOOL"}


# --- files ---

def safetensors(tensors, metadata=None):
    """The bytes of a weight file."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        header[name] = {"dtype": SAFETENSORS[array.dtype], "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write(folder, model, weights=None):
    """net.json and its weight file; the path of the former."""
    model = {"ctc": 1, **model}
    if weights:
        model["weights"] = "net.safetensors"
        (folder / "net.safetensors").write_bytes(safetensors(weights))
    path = folder / "net.json"
    path.write_text(json.dumps(model, indent=1))
    return path


def described(inputs):
    """The "inputs" of a model for {name: array}."""
    return [{"name": name, "dtype": str(array.dtype), "shape": list(array.shape)} for name, array in inputs.items()]


def run(path, inputs, *options):
    """What `ctc run` computes: {output: array}."""
    folder = path.parent
    np.savez(folder / "in.npz", **inputs)
    ctc_ok("run", path, "--inputs", folder / "in.npz", "-o", folder / "out.npz", "--quiet", *options)
    with np.load(folder / "out.npz") as out:
        return dict(out)


def verify(path, inputs, outputs, *options):
    """The emitted program against {output: array}."""
    reference = {f"in:{name}": array for name, array in inputs.items()} | {f"out:{name}": array for name, array in outputs.items()}
    np.savez(path.parent / "ref.npz", **reference)
    ctc_ok("verify", path, "--reference", path.parent / "ref.npz", "--quiet", *options)


def close(actual, expected, tolerance=1e-5):
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    np.testing.assert_allclose(actual.astype(np.float64), np.asarray(expected, np.float64), rtol=tolerance, atol=tolerance)


# --- definitions ---

def ort(op, *inputs, outputs=1, domain="", **attributes):
    """One ONNX operator by onnxruntime, in float32."""
    import onnxruntime
    from onnx import helper, numpy_helper
    inputs = [array.astype(np.float32) if array is not None and array.dtype == np.float64 else array for array in inputs]
    names = [f"i{i}" if array is not None else "" for i, array in enumerate(inputs)]
    node = helper.make_node(op, names, [f"o{i}" for i in range(outputs)], domain=domain, **attributes)
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in zip(names, inputs) if array is not None]
    graph = helper.make_graph([node], "one", [], [helper.make_empty_tensor_value_info(f"o{i}") for i in range(outputs)], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    got = session.run(None, {})
    return got[0] if outputs == 1 else got


def erf(x):
    import math
    return np.vectorize(math.erf)(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def by_channel(v, x):
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def normalized(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def batch_norm(x, w, eps=1e-5):
    scaled = (x - by_channel(w["running_mean"], x)) / np.sqrt(by_channel(w["running_var"], x) + eps)
    return scaled * by_channel(w["weight"], x) + by_channel(w["bias"], x) if "weight" in w else scaled


def group_norm(x, groups, w):
    g = x.reshape(x.shape[0], groups, -1)
    return normalized(g, (2,), 1e-5).reshape(x.shape) * by_channel(w["weight"], x) + by_channel(w["bias"], x)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        total[:, c] = (x[:, max(0, c - size // 2):c + size // 2 + 1] ** 2).sum(1)
    return x / (k + alpha / size * total) ** beta


def windows(x, dims, kernel, stride, reduce, padding=0, fill=0):
    """`reduce` over the windows of the last axes, which become the last axis."""
    x = np.pad(x, [(0, 0)] * (x.ndim - dims) + [(padding, padding)] * dims, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel,) * dims, tuple(range(-dims, 0)))
    cut = view[(..., *[slice(None, None, stride)] * dims, *[slice(None)] * dims)]
    return reduce(cut.reshape(*cut.shape[:-dims], -1), -1)


def adaptive(x, sizes, reduce):
    """For each spatial axis, windows floor(o in / out) … ceil((o + 1) in / out)."""
    for axis, out in zip(range(x.ndim - len(sizes), x.ndim), sizes):
        size = x.shape[axis]
        if out is not None:
            parts = [reduce(x.take(range(o * size // out, -(-(o + 1) * size // out)), axis), axis, keepdims=True) for o in range(out)]
            x = np.concatenate(parts, axis)
    return x


def gdn(x, w, inverse):
    norm = np.sqrt(by_channel(w["beta"], x) + np.einsum("ij,nj...->ni...", w["gamma"], x * x))
    return x * norm if inverse else x / norm


def lstm_cell(gates, h, c):
    i, f, g, o = np.split(gates, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def recurrent(kind, x, w, hidden, layers=1, bidirectional=False, h0=None, c0=None, relu=False):
    """x is [L, N, in]; the output, and the last states."""
    size, last_h, last_c = x.shape[1], [], []
    for layer in range(layers):
        sides = []
        for direction in range(1 + bidirectional):
            tail = f"_l{layer}" + "_reverse" * direction
            index = layer * (1 + bidirectional) + direction
            h = h0[index] if h0 is not None else np.zeros((size, hidden))
            c = c0[index] if c0 is not None else np.zeros((size, hidden))
            wi, wh = w["weight_ih" + tail], w["weight_hh" + tail]
            bi, bh = w.get("bias_ih" + tail, 0), w.get("bias_hh" + tail, 0)
            steps = []
            for step in (x[::-1] if direction else x):
                a, b = step @ wi.T + bi, h @ wh.T + bh
                if kind == "LSTM":
                    h, c = lstm_cell(a + b, h, c)
                elif kind == "RNN":
                    h = np.maximum(a + b, 0) if relu else np.tanh(a + b)
                else:
                    (ra, za, na), (rb, zb, nb) = np.split(a, 3, -1), np.split(b, 3, -1)
                    z = sigmoid(za + zb)
                    h = (1 - z) * np.tanh(na + sigmoid(ra + rb) * nb) + z * h
                steps.append(h)
            sides.append(np.stack(steps[::-1] if direction else steps))
            last_h.append(h)
            last_c.append(c)
        x = np.concatenate(sides, -1)
    return x, np.stack(last_h), np.stack(last_c)


def recurrent_weights(gates, features, hidden, layers=1, bidirectional=False, bias=True):
    shapes = {}
    for layer in range(layers):
        for tail in [f"_l{layer}", f"_l{layer}_reverse"][:1 + bidirectional]:
            shapes["weight_ih" + tail] = (gates * hidden, features if layer == 0 else hidden * (1 + bidirectional))
            shapes["weight_hh" + tail] = (gates * hidden, hidden)
            if bias:
                shapes["bias_ih" + tail] = shapes["bias_hh" + tail] = (gates * hidden,)
    return shapes


def attention(q, k, v, w, heads, mask=None):
    """[N, L, E]; the output and the weights of each head."""
    embed = q.shape[-1]
    if "in_proj_weight" in w:
        projections = np.split(w["in_proj_weight"], 3)
    else:
        projections = [w["q_proj_weight"], w["k_proj_weight"], w["v_proj_weight"]]
    biases = np.split(w["in_proj_bias"], 3) if "in_proj_bias" in w else [0, 0, 0]
    parts = [x @ p.T + b for x, p, b in zip((q, k, v), projections, biases)]
    parts = [x.reshape(*x.shape[:2], heads, embed // heads).transpose(0, 2, 1, 3) for x in parts]
    scores = parts[0] @ parts[1].transpose(0, 1, 3, 2) / np.sqrt(embed / heads)
    weights = softmax(scores if mask is None else scores + mask)
    y = (weights @ parts[2]).transpose(0, 2, 1, 3).reshape(q.shape)
    return y @ w["out_proj.weight"].T + w.get("out_proj.bias", 0), weights


def attention_weights(embed, prefix="", bias=True):
    shapes = {"in_proj_weight": (3 * embed, embed), "out_proj.weight": (embed, embed)}
    if bias:
        shapes |= {"in_proj_bias": (3 * embed,), "out_proj.bias": (embed,)}
    return {prefix + name: shape for name, shape in shapes.items()}


def layer_norm(x, weight, bias):
    return normalized(x, (-1,), 1e-5) * weight + bias


def encoder_layer(x, w, heads, norm_first, activation):
    inner = {name.removeprefix("self_attn."): array for name, array in w.items()}
    attend = lambda x: attention(x, x, x, inner, heads)[0]
    forward = lambda x: activation(x @ w["linear1.weight"].T + w["linear1.bias"]) @ w["linear2.weight"].T + w["linear2.bias"]
    norms = [lambda x, i=i: layer_norm(x, w[f"norm{i}.weight"], w[f"norm{i}.bias"]) for i in (1, 2)]
    if norm_first:
        x = x + attend(norms[0](x))
        return x + forward(norms[1](x))
    x = norms[0](x + attend(x))
    return norms[1](x + forward(x))


def encoder_weights(size, inner):
    return {**attention_weights(size, "self_attn."), "linear1.weight": (inner, size), "linear1.bias": (inner,), "linear2.weight": (size, inner),
            "linear2.bias": (size,), **{f"norm{i}.{name}": (size,) for i in (1, 2) for name in ("weight", "bias")}}


# --- layers: (type, fields, shapes of parameters, inputs, definition) ---

X4 = (2, 6, 7, 5)
NORM = {"weight": (6,), "bias": (6,)}
STATS = {"running_mean": (6,), "running_var": (6,)}


def conv(**attributes):
    return lambda w, x: ort("Conv", x, w["weight"], w.get("bias"), **attributes)


def conv_transpose(**attributes):
    return lambda w, x: ort("ConvTranspose", x, w["weight"], w.get("bias"), **attributes)


def function(definition):
    """A definition that has no parameters."""
    return lambda w, *inputs: definition(*inputs)


def padded_conv(mode, before, behind):
    def definition(w, x):
        x = np.pad(x, [(0, 0), (0, 0), (before, behind), (before, behind)], mode=mode)
        return ort("Conv", x, w["weight"], w["bias"])
    return definition


LAYERS = [
    ("Conv1d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "padding": 1}, {"weight": (4, 6, 3), "bias": (4,)}, [(2, 6, 9)], conv(pads=[1, 1])),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0], "dilation": [1, 2], "groups": 2},
     {"weight": (4, 3, 3, 2), "bias": (4,)}, [X4], conv(pads=[1, 0, 1, 0], strides=[2, 1], dilations=[1, 2], group=2)),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": [4, 3], "padding": "same", "bias": False}, {"weight": (4, 6, 4, 3)}, [X4],
     conv(auto_pad="SAME_UPPER")),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "padding": "valid"}, {"weight": (4, 6, 3, 3), "bias": (4,)}, [X4], conv()),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"}, {"weight": (4, 6, 3, 3), "bias": (4,)}, [X4],
     padded_conv("reflect", 2, 2)),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "replicate"}, {"weight": (4, 6, 3, 3), "bias": (4,)}, [X4],
     padded_conv("edge", 1, 1)),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "circular"}, {"weight": (4, 6, 3, 3), "bias": (4,)}, [X4],
     padded_conv("wrap", 1, 1)),
    ("Conv2d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3}, {"weight": (4, 6, 3, 3), "bias": (4,)}, [X4[1:]],
     lambda w, x: ort("Conv", x[None], w["weight"], w["bias"])[0]),
    ("Conv3d", {"in_channels": 2, "out_channels": 3, "kernel_size": [2, 3, 1], "stride": 2}, {"weight": (3, 2, 2, 3, 1), "bias": (3,)}, [(1, 2, 5, 6, 4)],
     conv(strides=[2, 2, 2])),
    ("ConvTranspose1d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "stride": 2}, {"weight": (6, 4, 3), "bias": (4,)}, [(2, 6, 5)], conv_transpose(strides=[2])),
    ("ConvTranspose2d", {"in_channels": 6, "out_channels": 4, "kernel_size": [3, 4], "stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
     {"weight": (6, 2, 3, 4), "bias": (4,)}, [X4], conv_transpose(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], group=2)),
    ("ConvTranspose3d", {"in_channels": 2, "out_channels": 3, "kernel_size": 2, "bias": False}, {"weight": (2, 3, 2, 2, 2)}, [(1, 2, 3, 4, 3)], conv_transpose()),
    ("Linear", {"in_features": 5, "out_features": 3}, {"weight": (3, 5), "bias": (3,)}, [(4, 5)], lambda w, x: x @ w["weight"].T + w["bias"]),
    ("Linear", {"in_features": 5, "out_features": 3, "bias": False}, {"weight": (3, 5)}, [X4], lambda w, x: x @ w["weight"].T),
    ("Bilinear", {"in1_features": 3, "in2_features": 4, "out_features": 5}, {"weight": (5, 3, 4), "bias": (5,)}, [(2, 6, 3), (2, 6, 4)],
     lambda w, x, y: np.einsum("...i,oij,...j->...o", x, w["weight"], y) + w["bias"]),
    ("GDN", {"in_channels": 6}, {"beta": (6,), "gamma": (6, 6)}, [X4], lambda w, x: gdn(x, w, False)),
    ("GDN", {"in_channels": 6}, {"beta": (6,), "gamma": (6, 6)}, [(4, 6)], lambda w, x: gdn(x, w, False)),
    ("GDN", {"in_channels": 6}, {"beta": (6,), "gamma": (6, 6)}, [(4, 6, 5)], lambda w, x: gdn(x, w, False)),
    ("IGDN", {"in_channels": 6}, {"beta": (6,), "gamma": (6, 6)}, [X4], lambda w, x: gdn(x, w, True)),

    ("BatchNorm1d", {"num_features": 6, "eps": 1e-3}, NORM | STATS, [(4, 6)], lambda w, x: batch_norm(x, w, 1e-3)),
    ("BatchNorm1d", {"num_features": 6, "affine": False}, STATS, [(4, 6, 5)], lambda w, x: batch_norm(x, w)),
    ("BatchNorm2d", {"num_features": 6, "momentum": None}, NORM | STATS, [X4], lambda w, x: batch_norm(x, w)),
    ("BatchNorm3d", {"num_features": 6}, NORM | STATS, [(1, 6, 2, 3, 4)], lambda w, x: batch_norm(x, w)),
    ("InstanceNorm1d", {"num_features": 6}, {}, [(2, 6, 8)], lambda w, x: normalized(x, (2,), 1e-5)),
    ("InstanceNorm2d", {"num_features": 6, "affine": True}, NORM, [X4],
     lambda w, x: normalized(x, (2, 3), 1e-5) * by_channel(w["weight"], x) + by_channel(w["bias"], x)),
    ("InstanceNorm2d", {"num_features": 6, "track_running_stats": True}, STATS, [X4], lambda w, x: batch_norm(x, w)),
    ("InstanceNorm3d", {"num_features": 6}, {}, [(1, 6, 2, 3, 4)], lambda w, x: normalized(x, (2, 3, 4), 1e-5)),
    ("LayerNorm", {"normalized_shape": 5}, {"weight": (5,), "bias": (5,)}, [X4], lambda w, x: layer_norm(x, w["weight"], w["bias"])),
    ("LayerNorm", {"normalized_shape": [7, 5], "bias": False, "eps": 0.1}, {"weight": (7, 5)}, [X4], lambda w, x: normalized(x, (2, 3), 0.1) * w["weight"]),
    ("LayerNorm", {"normalized_shape": [7, 5], "elementwise_affine": False}, {}, [X4], lambda w, x: normalized(x, (2, 3), 1e-5)),
    ("RMSNorm", {"normalized_shape": [5]}, {"weight": (5,)}, [X4],
     lambda w, x: x / np.sqrt((x * x).mean(-1, keepdims=True) + np.finfo(np.float32).eps) * w["weight"]),
    ("GroupNorm", {"num_groups": 3, "num_channels": 6}, NORM, [X4], lambda w, x: group_norm(x, 3, w)),
    ("LocalResponseNorm", {"size": 3, "alpha": 0.5, "k": 2}, {}, [X4], function(lambda x: local_response_norm(x, 3, 0.5, 0.75, 2))),

    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, {}, [(2, 6, 9)], function(lambda x: windows(x, 1, 3, 2, np.max, 1, -np.inf))),
    ("MaxPool2d", {"kernel_size": 2}, {}, [X4], function(lambda x: windows(x, 2, 2, 2, np.max))),
    ("MaxPool2d", {"kernel_size": [3, 2], "stride": 1, "dilation": 2, "ceil_mode": True}, {}, [X4],
     function(lambda x: ort("MaxPool", x, kernel_shape=[3, 2], strides=[1, 1], dilations=[2, 2], ceil_mode=1))),
    ("MaxPool3d", {"kernel_size": 2, "stride": 1}, {}, [(1, 2, 3, 4, 5)], function(lambda x: windows(x, 3, 2, 1, np.max))),
    ("AvgPool1d", {"kernel_size": 3, "stride": 2}, {}, [(2, 6, 9)], function(lambda x: windows(x, 1, 3, 2, np.mean))),
    ("AvgPool2d", {"kernel_size": 3, "stride": 1, "padding": 1}, {}, [X4], function(lambda x: windows(x, 2, 3, 1, np.mean, 1))),
    ("AvgPool2d", {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False}, {}, [X4],
     function(lambda x: windows(x, 2, 3, 1, np.nanmean, 1, np.nan))),
    ("AvgPool2d", {"kernel_size": 2, "divisor_override": 3}, {}, [X4], function(lambda x: windows(x, 2, 2, 2, np.sum) / 3)),
    ("AvgPool3d", {"kernel_size": 2}, {}, [(1, 2, 4, 4, 6)], function(lambda x: windows(x, 3, 2, 2, np.mean))),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 3}, {}, [(2, 6, 9)], function(lambda x: np.sqrt(windows(x * x, 1, 3, 3, np.sum)))),
    ("LPPool2d", {"norm_type": 2, "kernel_size": 2, "stride": 1}, {}, [X4], function(lambda x: np.sqrt(windows(x * x, 2, 2, 1, np.sum)))),
    ("AdaptiveAvgPool1d", {"output_size": 4}, {}, [(2, 6, 9)], function(lambda x: adaptive(x, [4], np.mean))),
    ("AdaptiveAvgPool2d", {"output_size": 1}, {}, [X4], function(lambda x: adaptive(x, [1, 1], np.mean))),
    ("AdaptiveAvgPool2d", {"output_size": [3, None]}, {}, [X4], function(lambda x: adaptive(x, [3, None], np.mean))),
    ("AdaptiveAvgPool2d", {"output_size": [3, 2]}, {}, [(2, 6, 9, 8)], function(lambda x: adaptive(x, [3, 2], np.mean))),
    ("AdaptiveAvgPool3d", {"output_size": [2, 3, 4]}, {}, [(1, 2, 3, 4, 6)], function(lambda x: adaptive(x, [2, 3, 4], np.mean))),
    ("AdaptiveMaxPool1d", {"output_size": 3}, {}, [(2, 6, 9)], function(lambda x: adaptive(x, [3], np.max))),
    ("AdaptiveMaxPool2d", {"output_size": 1}, {}, [X4], function(lambda x: adaptive(x, [1, 1], np.max))),
    ("AdaptiveMaxPool3d", {"output_size": [3, 2, 3]}, {}, [(1, 2, 3, 4, 6)], function(lambda x: adaptive(x, [3, 2, 3], np.max))),

    ("ReLU", {}, {}, [X4], function(lambda x: np.maximum(x, 0))),
    ("ReLU6", {}, {}, [X4], function(lambda x: np.clip(x, 0, 6))),
    ("LeakyReLU", {"negative_slope": 0.2}, {}, [X4], function(lambda x: np.where(x > 0, x, 0.2 * x))),
    ("PReLU", {}, {"weight": (1,)}, [X4], lambda w, x: np.where(x > 0, x, w["weight"] * x)),
    ("PReLU", {"num_parameters": 6}, {"weight": (6,)}, [X4], lambda w, x: np.where(x > 0, x, by_channel(w["weight"], x) * x)),
    ("PReLU", {"num_parameters": 6}, {"weight": (6,)}, [(4, 6)], lambda w, x: np.where(x > 0, x, w["weight"] * x)),
    ("ELU", {"alpha": 0.7}, {}, [X4], function(lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)))),
    ("CELU", {"alpha": 0.7}, {}, [X4], function(lambda x: np.where(x > 0, x, 0.7 * np.expm1(x / 0.7)))),
    ("SELU", {}, {}, [X4], function(lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)))),
    ("GELU", {}, {}, [X4], function(lambda x: x * (1 + erf(x / np.sqrt(2))) / 2)),
    ("GELU", {"approximate": "tanh"}, {}, [X4], function(lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))),
    ("SiLU", {}, {}, [X4], function(lambda x: x * sigmoid(x))),
    ("Mish", {}, {}, [X4], function(lambda x: x * np.tanh(np.log1p(np.exp(x))))),
    ("Sigmoid", {}, {}, [X4], function(sigmoid)),
    ("LogSigmoid", {}, {}, [X4], function(lambda x: np.log(sigmoid(x)))),
    ("Tanh", {}, {}, [X4], function(np.tanh)),
    ("Softplus", {}, {}, [X4], function(lambda x: np.log1p(np.exp(x)))),
    ("Softplus", {"beta": 2, "threshold": 1}, {}, [X4], function(lambda x: np.where(2 * x > 1, x, np.log1p(np.exp(2 * x)) / 2))),
    ("Softsign", {}, {}, [X4], function(lambda x: x / (1 + abs(x)))),
    ("Softshrink", {"lambd": 0.3}, {}, [X4], function(lambda x: np.sign(x) * np.maximum(abs(x) - 0.3, 0))),
    ("Hardshrink", {"lambd": 0.3}, {}, [X4], function(lambda x: np.where(abs(x) > 0.3, x, 0))),
    ("Tanhshrink", {}, {}, [X4], function(lambda x: x - np.tanh(x))),
    ("Hardtanh", {"min_val": -0.5}, {}, [X4], function(lambda x: np.clip(x, -0.5, 1))),
    ("Hardsigmoid", {}, {}, [X4], function(lambda x: np.clip(x / 6 + 0.5, 0, 1))),
    ("Hardswish", {}, {}, [X4], function(lambda x: x * np.clip(x / 6 + 0.5, 0, 1))),
    ("Threshold", {"threshold": 0.1, "value": 20}, {}, [X4], function(lambda x: np.where(x > np.float32(0.1), x, 20))),
    ("GLU", {"dim": 1}, {}, [X4], function(lambda x: x[:, :3] * sigmoid(x[:, 3:]))),
    ("Softmax", {"dim": 1}, {}, [X4], function(lambda x: softmax(x, 1))),
    ("LogSoftmax", {"dim": -1}, {}, [X4], function(lambda x: np.log(softmax(x, -1)))),
    ("Softmin", {"dim": -1}, {}, [X4], function(lambda x: softmax(-x, -1))),
    ("Softmax2d", {}, {}, [X4], function(lambda x: softmax(x, 1))),
    ("Dropout", {"p": 0.3}, {}, [X4], function(lambda x: x)),
    ("Dropout1d", {}, {}, [(2, 6, 5)], function(lambda x: x)),
    ("Dropout2d", {}, {}, [X4], function(lambda x: x)),
    ("Dropout3d", {}, {}, [(1, 2, 3, 4, 5)], function(lambda x: x)),
    ("AlphaDropout", {}, {}, [X4], function(lambda x: x)),
    ("FeatureAlphaDropout", {}, {}, [X4], function(lambda x: x)),
    ("Identity", {}, {}, [X4], function(lambda x: x)),

    ("Flatten", {}, {}, [X4], function(lambda x: x.reshape(2, -1))),
    ("Flatten", {"start_dim": 1, "end_dim": -2}, {}, [X4], function(lambda x: x.reshape(2, 42, 5))),
    ("Flatten", {"start_dim": 0, "end_dim": 1}, {}, [X4], function(lambda x: x.reshape(12, 7, 5))),
    ("Unflatten", {"dim": 1, "unflattened_size": [2, -1]}, {}, [X4], function(lambda x: x.reshape(2, 2, 3, 7, 5))),
    ("Reshape", {"shape": [6, -1]}, {}, [X4], function(lambda x: x.reshape(6, -1))),
    ("Expand", {"shape": [4, -1, 3]}, {}, [(2, 1)], function(lambda x: np.broadcast_to(x, (4, 2, 3)))),
    ("Permute", {"dims": [0, -1, 1, 2]}, {}, [X4], function(lambda x: x.transpose(0, 3, 1, 2))),
    ("Transpose", {"dim0": 1, "dim1": -1}, {}, [X4], function(lambda x: x.swapaxes(1, -1))),
    ("Squeeze", {"dim": [1, 3]}, {}, [(2, 1, 3, 1)], function(lambda x: x[:, 0, :, 0])),
    ("Squeeze", {}, {}, [(2, 1, 3, 1)], function(lambda x: x[:, 0, :, 0])),
    ("Squeeze", {"dim": 0}, {}, [(2, 1, 3, 1)], function(lambda x: x)),
    ("Unsqueeze", {"dim": -1}, {}, [X4], function(lambda x: x[..., None])),
    ("Concat", {"dim": 1}, {}, [X4, (2, 1, 7, 5)], function(lambda *x: np.concatenate(x, 1))),
    ("Stack", {"dim": 1}, {}, [(2, 3), (2, 3)], function(lambda *x: np.stack(x, 1))),
    ("Slice", {"dim": 2, "start": -5, "end": 6, "step": 2}, {}, [X4], function(lambda x: x[:, :, -5:6:2])),
    ("Slice", {"dim": 1, "start": 2}, {}, [X4], function(lambda x: x[:, 2:])),
    ("Select", {"dim": 1, "index": -1}, {}, [X4], function(lambda x: x[:, -1])),
    ("ZeroPad1d", {"padding": [2, 1]}, {}, [(2, 6, 5)], function(lambda x: np.pad(x, [(0, 0), (0, 0), (2, 1)]))),
    ("ZeroPad2d", {"padding": [1, 2, 3, 4]}, {}, [X4], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 4), (1, 2)]))),
    ("ZeroPad2d", {"padding": [-1, 2, 0, -2]}, {}, [X4], function(lambda x: np.pad(x[:, :, :-2, 1:], [(0, 0), (0, 0), (0, 0), (0, 2)]))),
    ("ZeroPad3d", {"padding": 1}, {}, [(1, 2, 3, 4, 5)], function(lambda x: np.pad(x, [(0, 0)] * 2 + [(1, 1)] * 3))),
    ("ConstantPad1d", {"padding": 1, "value": 2.5}, {}, [(2, 6, 5)], function(lambda x: np.pad(x, [(0, 0), (0, 0), (1, 1)], constant_values=2.5))),
    ("ConstantPad2d", {"padding": [1, 0, 0, 2], "value": -1}, {}, [X4], function(lambda x: np.pad(x, [(0, 0), (0, 0), (0, 2), (1, 0)], constant_values=-1))),
    ("ConstantPad3d", {"padding": 1, "value": 7}, {}, [(1, 2, 3, 4, 5)], function(lambda x: np.pad(x, [(0, 0)] * 2 + [(1, 1)] * 3, constant_values=7))),
    ("ReflectionPad1d", {"padding": 3}, {}, [(2, 6, 5)], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 3)], mode="reflect"))),
    ("ReflectionPad2d", {"padding": [1, 2, 3, 0]}, {}, [X4], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 0), (1, 2)], mode="reflect"))),
    ("ReflectionPad3d", {"padding": 1}, {}, [(1, 2, 3, 4, 5)], function(lambda x: np.pad(x, [(0, 0)] * 2 + [(1, 1)] * 3, mode="reflect"))),
    ("ReplicationPad1d", {"padding": 3}, {}, [(2, 6, 5)], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 3)], mode="edge"))),
    ("ReplicationPad2d", {"padding": [1, 2, 3, 0]}, {}, [X4], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 0), (1, 2)], mode="edge"))),
    ("ReplicationPad3d", {"padding": 2}, {}, [(1, 2, 3, 4, 5)], function(lambda x: np.pad(x, [(0, 0)] * 2 + [(2, 2)] * 3, mode="edge"))),
    ("CircularPad1d", {"padding": 2}, {}, [(2, 6, 5)], function(lambda x: np.pad(x, [(0, 0), (0, 0), (2, 2)], mode="wrap"))),
    ("CircularPad2d", {"padding": [1, 2, 3, 0]}, {}, [X4], function(lambda x: np.pad(x, [(0, 0), (0, 0), (3, 0), (1, 2)], mode="wrap"))),
    ("CircularPad3d", {"padding": 1}, {}, [(1, 2, 3, 4, 5)], function(lambda x: np.pad(x, [(0, 0)] * 2 + [(1, 1)] * 3, mode="wrap"))),
    ("PixelShuffle", {"upscale_factor": 2}, {}, [(2, 8, 3, 4)],
     function(lambda x: x.reshape(2, 2, 2, 2, 3, 4).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 8))),
    ("PixelUnshuffle", {"downscale_factor": 2}, {}, [(2, 3, 6, 8)],
     function(lambda x: x.reshape(2, 3, 3, 2, 4, 2).transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 3, 4))),
    ("ChannelShuffle", {"groups": 3}, {}, [X4], function(lambda x: x.reshape(2, 3, 2, 7, 5).swapaxes(1, 2).reshape(X4))),
    ("Upsample", {"scale_factor": 2}, {}, [X4], function(lambda x: x.repeat(2, 2).repeat(2, 3))),
    ("Upsample", {"size": [14, 10]}, {}, [X4], function(lambda x: x.repeat(2, 2).repeat(2, 3))),
    ("Upsample", {"size": 9, "mode": "linear"}, {}, [(2, 3, 5)],
     function(lambda x: np.stack([np.stack([np.interp((np.arange(9) + 0.5) * 5 / 9 - 0.5, np.arange(5), row) for row in image]) for image in x]))),
    ("Upsample", {"scale_factor": [2, 3], "mode": "bilinear", "align_corners": True}, {}, [X4],
     function(lambda x: ort("Resize", x, None, np.array([1, 1, 2, 3], np.float32), mode="linear", coordinate_transformation_mode="align_corners"))),
    ("Upsample", {"scale_factor": 2, "mode": "bicubic"}, {}, [X4],
     function(lambda x: ort("Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode="cubic", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75))),
    ("UpsamplingNearest2d", {"scale_factor": 2}, {}, [X4], function(lambda x: x.repeat(2, 2).repeat(2, 3))),
    ("UpsamplingBilinear2d", {"size": [9, 9]}, {}, [X4],
     function(lambda x: ort("Resize", x, None, None, np.array([2, 6, 9, 9]), mode="linear", coordinate_transformation_mode="align_corners"))),

    ("TransformerEncoderLayer", {"d_model": 8, "nhead": 2, "dim_feedforward": 10, "batch_first": True}, encoder_weights(8, 10), [(2, 5, 8)],
     lambda w, x: encoder_layer(x, w, 2, False, lambda x: np.maximum(x, 0))),
    ("TransformerEncoderLayer", {"d_model": 8, "nhead": 4, "dim_feedforward": 10, "norm_first": True, "activation": "gelu"}, encoder_weights(8, 10), [(5, 2, 8)],
     lambda w, x: encoder_layer(x.swapaxes(0, 1), w, 4, True, lambda x: x * (1 + erf(x / np.sqrt(2))) / 2).swapaxes(0, 1)),

    ("Add", {}, {}, [X4, (5,)], function(np.add)), ("Sub", {}, {}, [X4, (5,)], function(np.subtract)), ("Mul", {}, {}, [X4, (7, 1)], function(np.multiply)),
    ("Div", {}, {}, [X4, (7, 1)], function(np.divide)), ("Maximum", {}, {}, [X4, (5,), ()], function(lambda a, b, c: np.maximum(np.maximum(a, b), c))),
    ("Minimum", {}, {}, [X4, (5,)], function(np.minimum)), ("MatMul", {}, {}, [X4, (5, 3)], function(np.matmul)),
    ("Equal", {}, {}, [X4, X4], function(np.equal)), ("Greater", {}, {}, [X4, (5,)], function(np.greater)), ("Less", {}, {}, [X4, (5,)], function(np.less)),
    ("Abs", {}, {}, [X4], function(np.abs)), ("Neg", {}, {}, [X4], function(np.negative)), ("Exp", {}, {}, [X4], function(np.exp)),
    ("Sin", {}, {}, [X4], function(np.sin)), ("Cos", {}, {}, [X4], function(np.cos)), ("Erf", {}, {}, [X4], function(erf)),
    ("Floor", {}, {}, [X4], function(np.floor)), ("Ceil", {}, {}, [X4], function(np.ceil)), ("Round", {}, {}, [X4], function(np.round)),
    ("Sign", {}, {}, [X4], function(np.sign)), ("Reciprocal", {}, {}, [X4], function(np.reciprocal)),
    ("Clamp", {"min_val": -0.25}, {}, [X4], function(lambda x: np.maximum(x, -0.25))), ("Clamp", {"max_val": 0.5}, {}, [X4], function(lambda x: np.minimum(x, 0.5))),
    ("Mean", {"dim": [-1, -2], "keepdim": True}, {}, [X4], function(lambda x: x.mean((-1, -2), keepdims=True))),
    ("Mean", {}, {}, [X4], function(lambda x: x.mean())), ("Sum", {"dim": 1}, {}, [X4], function(lambda x: x.sum(1))),
    ("Prod", {"dim": 3}, {}, [X4], function(lambda x: x.prod(3))), ("AMax", {"dim": [0, 1]}, {}, [X4], function(lambda x: x.max((0, 1)))),
    ("AMin", {"dim": -1}, {}, [X4], function(lambda x: x.min(-1))), ("LogSumExp", {"dim": 1}, {}, [X4], function(lambda x: np.log(np.exp(x).sum(1)))),
    ("ArgMax", {"dim": 1}, {}, [X4], function(lambda x: x.argmax(1))), ("ArgMin", {}, {}, [X4], function(lambda x: np.asarray(x.argmin()))),
]
# Layers that have a test of their own below.
OTHERS = {"Embedding", "LSTM", "GRU", "RNN", "MultiheadAttention", "Split", "Chunk", "Where", "Pow", "Sqrt", "Rsqrt", "Log", "IndexSelect", "onnx", "constant", "parameter"}


def parameters(shapes, rng):
    """Random ones; what is a variance or under a root is positive."""
    made = {name: rng.standard_normal(shape) * 0.5 for name, shape in shapes.items()}
    made.update({name: abs(array) + 0.5 for name, array in made.items() if name in ("running_var", "beta", "gamma")})
    return {name: array.astype(np.float32) for name, array in made.items()}


def check_layer(folder, type, fields, shapes, sizes, definition):
    rng = np.random.default_rng(7)
    weights = parameters(shapes, rng)
    arrays = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    inputs = {f"x{i}": np.asarray(array) for i, array in enumerate(arrays)}
    node = {"name": "layer", "type": type, "inputs": list(inputs), "outputs": ["y"], **fields}
    path = write(folder, {"inputs": described(inputs), "nodes": [node], "outputs": ["y"]}, {f"layer.{name}": array for name, array in weights.items()})
    got = run(path, inputs)["y"]
    close(got, np.asarray(definition({name: array.astype(np.float64) for name, array in weights.items()}, *[array.astype(np.float64) for array in arrays])))


def layer_checks():
    checks = {}
    for row in LAYERS:
        name = f"layer {row[0]}"
        while name in checks:
            name += "'"
        checks[name] = lambda folder, row=row: check_layer(folder, *row)
    return checks


def check_every_layer_is_tested(_):
    """The schema, the compiler's table and these tests have the same layer types."""
    schema = json.loads(SCHEMA.read_text())
    types = {name for name, each in schema["$defs"].items() if "const" in each.get("properties", {}).get("type", {})}
    assert types == {row[0] for row in LAYERS} | OTHERS, types ^ ({row[0] for row in LAYERS} | OTHERS)
    chosen = {choice["then"]["$ref"].split("/")[-1] for choice in schema["$defs"]["layer"]["allOf"]}
    assert types == chosen, types ^ chosen
    known = {word for line in (ROOT / "compiler/frontends/json/layers.c").read_text().splitlines() for word in line.split('"')[1:2]}
    families = {name[:-2] for name in types if name.endswith(("1d", "2d", "3d"))}
    assert types <= known | {family + d for family in families & known for d in ("1d", "2d", "3d")}


def check_every_layer_is_documented(_):
    text = (ROOT / "docs/json-model.md").read_text()
    schema = json.loads(SCHEMA.read_text())
    for name, each in schema["$defs"].items():
        if "const" in each.get("properties", {}).get("type", {}):
            assert f"`{name}`" in text, name


def check_every_field_is_described(_):
    schema = json.loads(SCHEMA.read_text())
    for name, each in schema["$defs"].items():
        for field, about in each.get("properties", {}).items():
            assert "description" in about or "$ref" in about or "const" in about or field == "type", f"{name}.{field}"


# --- layers that take something else than floats, or give several outputs ---

def graph(folder, inputs, nodes, outputs, weights=None):
    return write(folder, {"inputs": described(inputs), "nodes": nodes, "outputs": outputs}, weights)


def random(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def check_embedding(folder):
    table, x = random(10, 4), np.array([[1, 9, 0], [3, 3, 7]])
    node = {"name": "e", "type": "Embedding", "num_embeddings": 10, "embedding_dim": 4, "padding_idx": 0, "inputs": ["x"]}
    close(run(graph(folder, {"x": x}, [node], ["e"], {"e.weight": table}), {"x": x})["e"], table[x])


def check_embedding_of_doubles(folder):
    """The table says what the layers behind it compute with."""
    table, x = random(10, 4).astype(np.float64), np.array([1, 9])
    nodes = [{"name": "e", "type": "Embedding", "num_embeddings": 10, "embedding_dim": 4, "inputs": ["x"]}, {"name": "y", "type": "ReLU6", "inputs": ["e"]}]
    got = run(graph(folder, {"x": x}, nodes, ["y"], {"e.weight": table}), {"x": x})["y"]
    assert got.dtype == np.float64
    close(got, np.clip(table[x], 0, 6), 1e-15)


def check_recurrent_kind(folder, kind, gates, layers, bidirectional, batch_first, states, bias=True, relu=False, unbatched=False):
    hidden, features, length, size = 4, 3, 5, 1 if unbatched else 2
    rng = np.random.default_rng(11)
    weights = parameters(recurrent_weights(gates, features, hidden, layers, bidirectional, bias), rng)
    x = rng.standard_normal((length, size, features)).astype(np.float32)
    first = [rng.standard_normal((layers * (1 + bidirectional), size, hidden)).astype(np.float32) for _ in range(states)]
    inputs = {"x": x[:, 0] if unbatched else x.swapaxes(0, 1) if batch_first else x}
    inputs |= {f"s{i}": state[:, 0] if unbatched else state for i, state in enumerate(first)}
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    node = {"name": "r", "type": kind, "input_size": features, "hidden_size": hidden, "num_layers": layers, "bidirectional": bidirectional,
            "batch_first": batch_first, "bias": bias, "inputs": list(inputs), "outputs": outputs}
    if relu:
        node["nonlinearity"] = "relu"
    got = run(graph(folder, inputs, [node], outputs, {f"r.{name}": array for name, array in weights.items()}), inputs)
    double = {name: array.astype(np.float64) for name, array in weights.items()}
    y, h, c = recurrent(kind, x.astype(np.float64), double, hidden, layers, bidirectional, *first, relu=relu)
    close(got["y"], y[:, 0] if unbatched else y.swapaxes(0, 1) if batch_first else y)
    close(got["h"], h[:, 0] if unbatched else h)
    if kind == "LSTM":
        close(got["c"], c[:, 0] if unbatched else c)


def recurrent_checks():
    checks = {}
    for kind, gates, states in (("LSTM", 4, 2), ("GRU", 3, 1), ("RNN", 1, 1)):
        for name, options in (("plain", (1, False, False, 0)), ("deep both ways with states", (2, True, False, states)), ("batch first", (2, False, True, 0)),
                              ("without biases", (1, True, True, 0, False)), ("one sample", (1, True, False, states, True, False, True))):
            checks[f"{kind} {name}"] = lambda folder, kind=kind, gates=gates, options=options: check_recurrent_kind(folder, kind, gates, *options)
    checks["RNN with relu"] = lambda folder: check_recurrent_kind(folder, "RNN", 1, 1, False, False, 0, True, True)
    return checks


def attention_case(folder, shapes, inputs, expected, outputs=("y", "w"), **fields):
    rng = np.random.default_rng(5)
    weights = parameters(shapes, rng)
    node = {"name": "a", "type": "MultiheadAttention", "inputs": [name if name in inputs else "" for name in ("q", "k", "v", "p", "m")], "outputs": list(outputs), **fields}
    while not node["inputs"][-1]:
        node["inputs"].pop()
    got = run(graph(folder, inputs, [node], list(outputs), {f"a.{name}": array for name, array in weights.items()}), inputs)
    for name, array in zip(outputs, expected({name: array.astype(np.float64) for name, array in weights.items()})):
        close(got[name], array)


def check_attention_to_itself(folder):
    x = random(2, 5, 8)
    def expected(w):
        y, weights = attention(x, x, x, w, 4)
        return y, weights.mean(1)
    attention_case(folder, attention_weights(8), {"q": x}, expected, embed_dim=8, num_heads=4, batch_first=True)


def check_attention_across(folder):
    """Other lengths and sizes, the batch second, no biases, the weights of each head."""
    q, k, v = random(5, 2, 8), random(7, 2, 6), random(7, 2, 3)
    shapes = {"q_proj_weight": (8, 8), "k_proj_weight": (8, 6), "v_proj_weight": (8, 3), "out_proj.weight": (8, 8)}
    def expected(w):
        y, weights = attention(*[x.swapaxes(0, 1) for x in (q, k, v)], w, 2)
        return y.swapaxes(0, 1), weights
    attention_case(folder, shapes, {"q": q, "k": k, "v": v}, expected, embed_dim=8, num_heads=2, kdim=6, vdim=3, bias=False, average_attn_weights=False)


def check_attention_with_masks(folder):
    x, mask = random(2, 5, 8), np.triu(np.ones((5, 5), bool), 1)
    padding = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
    def expected(w):
        added = np.where(mask, -np.inf, 0) + np.where(padding, -np.inf, 0)[:, None, None]
        y, weights = attention(x, x, x, w, 2, added)
        return y, weights.mean(1)
    attention_case(folder, attention_weights(8), {"q": x, "k": x, "v": x, "p": padding, "m": mask}, expected, embed_dim=8, num_heads=2, batch_first=True)


def check_attention_with_a_mask_for_each_head(folder):
    x, mask = random(2, 5, 8), random(4, 5, 5)
    def expected(w):
        return attention(x, x, x, w, 2, mask.reshape(2, 2, 5, 5))[:1]
    attention_case(folder, attention_weights(8), {"q": x, "m": mask}, expected, ["y"], embed_dim=8, num_heads=2, batch_first=True)


def check_attention_of_one_sample(folder):
    x = random(5, 8)
    def expected(w):
        y, weights = attention(x[None], x[None], x[None], w, 2)
        return y[0], weights[0].mean(0)
    attention_case(folder, attention_weights(8), {"q": x}, expected, embed_dim=8, num_heads=2)


def check_pieces(folder):
    x = random(2, 7)
    nodes = [{"name": "s", "type": "Split", "split_size": [2, 5], "dim": 1, "inputs": ["x"], "outputs": ["a", "b"]},
             {"name": "t", "type": "Split", "split_size": 3, "dim": -1, "inputs": ["x"], "outputs": ["c", "", "d"]},
             {"name": "u", "type": "Chunk", "chunks": 3, "dim": 1, "inputs": ["x"], "outputs": ["e", "f", "g"]}]
    got = run(graph(folder, {"x": x}, nodes, list("abcdefg")), {"x": x})
    for name, part in zip("abcdefg", (x[:, :2], x[:, 2:], x[:, :3], x[:, 6:], x[:, :3], x[:, 3:6], x[:, 6:])):
        close(got[name], part)


def check_functions_of_positive_numbers(folder):
    x = abs(random(3, 4)) + 0.1
    nodes = [{"name": type, "type": type, "inputs": ["x"]} for type in ("Sqrt", "Rsqrt", "Log")] + [{"name": "Pow", "type": "Pow", "inputs": ["x", "x"]}]
    got = run(graph(folder, {"x": x}, nodes, ["Sqrt", "Rsqrt", "Log", "Pow"]), {"x": x})
    for name, expected in (("Sqrt", np.sqrt(x)), ("Rsqrt", 1 / np.sqrt(x)), ("Log", np.log(x)), ("Pow", x**x)):
        close(got[name], expected)


def check_where_and_index(folder):
    c, a, b, i = random(3, 4) > 0, random(3, 4), random(4), np.array([2, 0])
    inputs = {"c": c, "a": a, "b": b, "i": i}
    nodes = [{"name": "w", "type": "Where", "inputs": ["c", "a", "b"]}, {"name": "s", "type": "IndexSelect", "dim": 1, "inputs": ["a", "i"]}]
    got = run(graph(folder, inputs, nodes, ["w", "s"]), inputs)
    close(got["w"], np.where(c, a, b))
    close(got["s"], a[:, i])


def check_onnx_operator(folder):
    """Attributes of all kinds, constants, and weights as inputs."""
    x, w = random(1, 2, 6, 6), random(3, 2, 3, 3)
    nodes = [{"name": "conv", "type": "onnx", "op": "Conv", "attributes": {"pads": [1, 1, 1, 1], "auto_pad": "NOTSET", "group": 1}, "inputs": ["x", "some.weight"]},
             {"name": "shape", "type": "constant", "dtype": "int64", "value": [3, -1]},
             {"name": "flat", "type": "onnx", "op": "Reshape", "inputs": ["conv", "shape"]},
             {"name": "elu", "type": "onnx", "op": "Elu", "attributes": {"alpha": 2}, "inputs": ["flat"]},
             {"name": "top", "type": "onnx", "op": "TopK", "attributes": {"axis": 1, "largest": False}, "inputs": ["elu", "k"], "outputs": ["values", "places"]},
             {"name": "k", "type": "constant", "dtype": "int64", "value": [4]},
             {"name": "fill", "type": "onnx", "op": "ConstantOfShape", "attributes": {"value": {"dtype": "float32", "value": [2.5]}}, "inputs": ["k"]}]
    got = run(graph(folder, {"x": x}, nodes, ["values", "places", "fill"], {"some.weight": w}), {"x": x})
    flat = ort("Conv", x, w, pads=[1, 1, 1, 1]).reshape(3, -1)
    elu = np.where(flat > 0, flat, 2 * np.expm1(flat))
    close(got["values"], np.sort(elu)[:, :4])
    assert (got["places"] == np.argsort(elu, kind="stable")[:, :4]).all()
    close(got["fill"], np.full(4, 2.5))


def check_constants(folder):
    """Every type, and numbers that float32 rounds."""
    x = np.float32([1])
    values = {"float32": [[0.1, -2], [1e-3, 4]], "float64": [0.1, 1e300], "float16": [0.1, 65504], "int64": [-5, 1 << 40], "int32": [-5, 7], "int16": [-300], "int8": [-128, 127],
              "uint8": [0, 255], "bool": [True, False], "uint16": [65535], "uint32": [1 << 31], "uint64": [1 << 62]}
    nodes = [{"name": f"k.{dtype}", "type": "constant", "dtype": dtype, "value": value} for dtype, value in values.items()]
    nodes += [{"name": dtype, "type": "Identity", "inputs": [f"k.{dtype}"]} for dtype in values] + [{"name": "y", "type": "ReLU", "inputs": ["x"]}]
    got = run(graph(folder, {"x": x}, nodes, ["y", *values]), {"x": x})
    for dtype, value in values.items():
        expected = np.array(value, dtype)
        assert got[dtype].dtype == expected.dtype and (got[dtype] == expected).all(), dtype


def check_parameters(folder):
    x, p = random(2, 3), random(3)
    nodes = [{"name": "pos", "type": "parameter"}, {"name": "other", "type": "parameter", "weight": "pos"}, {"name": "a", "type": "Add", "inputs": ["x", "pos"]},
             {"name": "y", "type": "Mul", "inputs": ["a", "other"]}]
    close(run(graph(folder, {"x": x}, nodes, ["y"], {"pos": p}), {"x": x})["y"], (x + p) * p)


# --- models ---

def small_net():
    """A sequence with one of each frequent layer; its weights."""
    layers = [{"type": "Conv2d", "in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1}, {"type": "BatchNorm2d", "num_features": 8}, {"type": "ReLU"},
              {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}, {"type": "Dropout"}, {"type": "Linear", "name": "head", "in_features": 128, "out_features": 5},
              {"type": "Softmax", "dim": 1}]
    shapes = {"0.weight": (8, 3, 3, 3), "0.bias": (8,), "1.weight": (8,), "1.bias": (8,), "1.running_mean": (8,), "1.running_var": (8,), "head.weight": (5, 128), "head.bias": (5,)}
    weights = parameters(shapes, np.random.default_rng(2))
    weights["1.running_var"] = abs(weights["1.running_var"]) + 0.5
    weights["1.num_batches_tracked"] = np.array(3)
    return layers, weights


def small_net_result(w, x):
    y = ort("Conv", x, w["0.weight"], w["0.bias"], pads=[1, 1, 1, 1])
    y = batch_norm(y, {name[2:]: array for name, array in w.items() if name.startswith("1.")})
    y = windows(np.maximum(y, 0), 2, 2, 2, np.max).reshape(len(x), -1)
    return softmax(y @ w["head.weight"].T + w["head.bias"], 1).astype(np.float32)


def net_files(folder, shape=("N", 3, 8, 8), **more):
    layers, weights = small_net()
    return write(folder, {"name": "small", "inputs": [{"name": "x", "shape": list(shape)}], "layers": layers, **more}, weights), weights


def check_sequence(folder):
    """As emitted C, with an open batch."""
    path, weights = net_files(folder)
    x = random(3, 3, 8, 8)
    verify(path, {"x": x}, {"output": small_net_result(weights, x)})


def check_no_warnings(folder):
    path, _ = net_files(folder)
    result = ctc_ok("compile", path, "-o", folder / "net.c", "--quiet")
    assert result.err == "", result.err


def check_options(folder):
    """--dim, --shape and --set as for other models, the output's name."""
    path, weights = net_files(folder, (None, 3, "H", "H"), outputs=["probabilities"])
    x = random(1, 3, 8, 8)
    got = run(path, {"x": x}, "--dim", "H=8", "--dim", "x.0<=2")
    close(got["probabilities"], small_net_result(weights, x))
    got = run(path, {"x": x}, "--shape", "x=1x3x8x8")
    close(got["probabilities"], small_net_result(weights, x))


def check_archive(folder):
    """Weights in an .npz, and in several files."""
    layers, weights = small_net()
    x = random(2, 3, 8, 8)
    model = {"ctc": 1, "inputs": described({"x": x}), "layers": layers}
    (folder / "parts").mkdir()
    np.savez(folder / "w.npz", **weights)
    np.savez(folder / "parts/a.npz", **{name: array for name, array in weights.items() if name < "1"})
    (folder / "parts/b.safetensors").write_bytes(safetensors({name: array for name, array in weights.items() if name > "1"}, {"format": "pt"}))
    for files in ("w.npz", ["parts/a.npz", "parts/b.safetensors"]):
        (folder / "net.json").write_text(json.dumps({**model, "weights": files}))
        close(run(folder / "net.json", {"x": x})["output"], small_net_result(weights, x))


def check_renamed_weights(folder):
    x, w, b = random(2, 3), random(4, 3), random(4)
    layer = {"type": "Linear", "in_features": 3, "out_features": 4, "weights": {"weight": "w", "bias": "deep.b"}}
    path = write(folder, {"inputs": described({"x": x}), "layers": [layer]}, {"w": w, "deep.b": b})
    close(run(path, {"x": x})["output"], x @ w.T + b)


def check_shared_weights(folder):
    x, w = random(2, 3), random(3, 3)
    nodes = [{"name": name, "type": "Linear", "in_features": 3, "out_features": 3, "bias": False, "weights": {"weight": "w"}, "inputs": [before]}
             for name, before in (("a", "x"), ("b", "a"))]
    close(run(graph(folder, {"x": x}, nodes, ["b"], {"w": w}), {"x": x})["b"], x @ w.T @ w.T)


def check_unused_weights(folder):
    x, w = random(2, 3), random(4, 3)
    layer = {"type": "Linear", "in_features": 3, "out_features": 4, "bias": False}
    path = write(folder, {"inputs": described({"x": x}), "layers": [layer]}, {"0.weight": w, "0.wieght": w, "1.num_batches_tracked": np.array(1)})
    result = ctc_ok("compile", path, "-o", folder / "net.c", "--quiet")
    assert "warning: no layer uses '0.wieght'\n" in result.err, result.err


def check_order(folder):
    """Nodes in any order, two branches, an input that is an output, several outputs."""
    x = random(2, 3)
    nodes = [{"name": "sum", "type": "Add", "inputs": ["left", "right"]}, {"name": "right", "type": "Tanh", "inputs": ["half"]},
             {"name": "left", "type": "ReLU", "inputs": ["half"]}, {"name": "scale", "type": "Mul", "inputs": ["x", "two"], "outputs": ["half"]},
             {"name": "two", "type": "constant", "value": 0.5}]
    got = run(graph(folder, {"x": x}, nodes, ["sum", "half"]), {"x": x})
    close(got["sum"], np.maximum(x / 2, 0) + np.tanh(x / 2))
    close(got["half"], x / 2)


def check_symbolic_reshape(folder):
    """Names of dims in a shape; one program for all sizes."""
    model = {"inputs": [{"name": "x", "shape": ["N", "L", 6]}], "outputs": ["y"],
             "nodes": [{"name": "h", "type": "Reshape", "shape": ["N", "L", 2, 3], "inputs": ["x"]}, {"name": "y", "type": "Permute", "dims": [0, 2, 1, 3], "inputs": ["h"]}]}
    path = write(folder, model)
    for n, length in ((1, 4), (3, 2)):
        x = random(n, length, 6)
        close(run(path, {"x": x})["y"], x.reshape(n, length, 2, 3).transpose(0, 2, 1, 3))


def check_types(folder):
    """A network of float64, and one of float16 weights."""
    for dtype, tolerance in ((np.float64, 1e-12), (np.float16, 2e-2)):
        x, w, b = (random(*shape).astype(dtype) for shape in ((2, 3), (4, 3), (4,)))
        layers = [{"type": "Linear", "in_features": 3, "out_features": 4}, {"type": "Softplus", "beta": 2}, {"type": "Hardtanh"}]
        got = run(write(folder, {"inputs": described({"x": x}), "layers": layers}, {"0.weight": w, "0.bias": b}), {"x": x})["output"]
        assert got.dtype == dtype
        y = x.astype(np.float64) @ w.T.astype(np.float64) + b
        close(got, np.clip(np.log1p(np.exp(2 * y)) / 2, -1, 1), tolerance)


def check_compression(folder):
    """Learned image compression in small: Conv, GDN, ConvTranspose, IGDN; as emitted C."""
    layers = [{"type": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 5, "stride": 2, "padding": 2}, {"type": "GDN", "in_channels": 4},
              {"type": "Round"}, {"type": "ConvTranspose2d", "in_channels": 4, "out_channels": 3, "kernel_size": 5, "stride": 2, "padding": 2, "output_padding": 1},
              {"type": "IGDN", "in_channels": 3}]
    w = parameters({"0.weight": (4, 3, 5, 5), "0.bias": (4,), "3.weight": (4, 3, 5, 5), "3.bias": (3,)}, np.random.default_rng(4))
    for name, channels in (("1", 4), ("4", 3)):
        w |= {f"{name}.{key}": abs(random(*shape)) + 0.5 for key, shape in (("beta", (channels,)), ("gamma", (channels, channels)))}
    x = random(1, 3, 16, 12) * 5
    y = ort("Conv", x, w["0.weight"], w["0.bias"], pads=[2] * 4, strides=[2, 2])
    y = np.round(gdn(y, {"beta": w["1.beta"], "gamma": w["1.gamma"]}, False)).astype(np.float32)
    y = ort("ConvTranspose", y, w["3.weight"], w["3.bias"], pads=[2] * 4, strides=[2, 2], output_padding=[1, 1])
    y = gdn(y, {"beta": w["4.beta"], "gamma": w["4.gamma"]}, True).astype(np.float32)
    verify(write(folder, {"inputs": described({"x": x}), "layers": layers}, w), {"x": x}, {"output": y}, "--rtol", "1e-3", "--atol", "1e-4")


def check_deterministic(folder):
    path, _ = net_files(folder)
    texts = []
    for _ in range(2):
        ctc_ok("compile", path, "-o", folder / "net.c", "--quiet")
        texts.append((folder / "net.c").read_text())
    assert texts[0] == texts[1]


# --- plugins ---

def plugin_files(folder, *fields):
    """A model of one layer of a plugin; its path, the plugin's folder, the weight."""
    import plugins
    place = folder / "swish"
    place.mkdir(exist_ok=True)
    (place / "layer.json").write_text(json.dumps(plugins.SWISH))
    (place / "kernel.c").write_text(plugins.SWISH_KERNEL)
    alpha = random(6)
    layers = [{"type": "ScaledSwish", **dict(fields)}, {"type": "Neg"}]
    return write(folder, {"inputs": [{"name": "x", "shape": ["N", 6, 4]}], "layers": layers}, {"0.alpha": alpha}), place, alpha


def check_layer_of_a_plugin(folder):
    x = random(2, 6, 4)
    for fields, beta in (([("beta", 2.0)], 2), ([], 1.5)):
        path, place, alpha = plugin_files(folder, *fields)
        expected = -by_channel(alpha, x) * x * sigmoid(beta * x)
        verify(path, {"x": x}, {"output": expected.astype(np.float32)}, "--plugin", place)


def check_wrong_layers_of_a_plugin(folder):
    for fields, message in ((("bata", 2.0), "unknown attribute 'bata', did you mean 'beta'?"), (("beta", "2"), "attribute 'beta' must be a float, not a string"),
                            (("weights", {"alpha": "other"}), "weight 'other' is in no weight file")):
        path, place, _ = plugin_files(folder, fields)
        result = ctc("compile", path, "-o", folder / "net.c", "--plugin", place)
        assert result.status == 1 and message in result.err, result.err
    result = ctc("compile", path, "-o", folder / "net.c")
    assert result.status == 1 and "there is no layer type 'ScaledSwish'" in result.err, result.err


# --- damaged files ---

def check_damaged_weights(folder):
    """Bytes of the weight file changed or cut off: it compiles, or says why not."""
    path, _ = net_files(folder)
    data = bytearray((folder / "net.safetensors").read_bytes())
    rng = np.random.default_rng(9)
    for i in range(60):
        damaged = bytearray(data[:int(rng.integers(len(data)))] if i % 3 == 0 else data)
        for _ in range(int(rng.integers(1, 5)) if damaged else 0):
            damaged[int(rng.integers(min(len(damaged), 900)))] = int(rng.integers(256))
        (folder / "net.safetensors").write_bytes(bytes(damaged))
        result = ctc("compile", path, "-o", folder / "net.c", "--quiet")
        assert result.status in (0, 1) and (result.status == 0 or "error: " in result.err), i


def check_damaged_model(folder):
    path, _ = net_files(folder)
    text = path.read_bytes()
    rng = np.random.default_rng(10)
    for i in range(80):
        damaged = bytearray(text)
        for _ in range(int(rng.integers(1, 3))):
            damaged[int(rng.integers(len(damaged)))] = int(rng.choice(list(b'0123456789-[]{},":tfn')))
        path.write_bytes(bytes(damaged))
        result = ctc("compile", path, "-o", folder / "net.c", "--quiet")
        assert result.status in (0, 1) and (result.status == 0 or "error: " in result.err), i


def all_checks():
    named = {name[6:]: member for name, member in globals().items() if name.startswith("check_") and member not in (check_layer, check_recurrent_kind)}
    return {**named, **layer_checks(), **recurrent_checks()}


if __name__ == "__main__":
    run_named(all_checks())
