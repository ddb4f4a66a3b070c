#!/usr/bin/env python3
"""Modules of PyTorch through ctc_torch.export (JSON and safetensors), and through torch.onnx.export, against what PyTorch computes.

    pytorch.py [--ctc build/ctc] [--filter REGEX]

Runs with the Python that has PyTorch: this one, or Debian's (package python3-torch). Without one, everything is skipped.
"""
import argparse
import concurrent.futures
import functools
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import warnings

import common

HERE = pathlib.Path(__file__).resolve().parent


def find_pytorch():
    """Goes on in a Python that has PyTorch, if there is one."""
    if importlib.util.find_spec("torch"):
        return
    python = common.python_with_pytorch()
    if python:
        os.execv(python, [python, __file__, *sys.argv[1:]])
    print("skipped: PyTorch is not there\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)


if __name__ == "__main__":
    find_pytorch()

sys.path.insert(0, str(HERE.parent / "python"))

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import ctc_model
import ctc_torch
from common import checks_of, compile_c, ctc_ok, run_checks

PLUGINS = common.ROOT / "plugins"
TOLERANCE = 1e-5
# Tracing and exporting change PyTorch for a while: one check at a time, but for when ctc and the C compiler run.
PYTORCH = threading.Lock()


# --- models with random parameters ---


def randomise(module):
    """Parameters and buffers as training might leave them."""
    for name, owner, own_name, tensor in ctc_torch.tensors.owned_tensors(module):
        fan_in = max(1, tensor[0].numel() if tensor.dim() else 1)
        value = torch.randn_like(tensor) / fan_in**0.5 if tensor.is_floating_point() else tensor
        if own_name in ("running_var", "beta"):
            value = torch.rand_like(tensor) + 0.5
        elif own_name == "gamma":
            value = torch.rand_like(tensor) * 0.3
        ctc_torch.tensors.assign(owner, own_name, tensor, value)
    return module.eval()


def random_input(shape):
    """By a shape; a tensor is itself."""
    return shape if isinstance(shape, torch.Tensor) else torch.randn(shape)


class Case:
    """A module, inputs, which dims stay open in a second export, whether there is one to ONNX and which plugins its nodes need."""

    def __init__(self, module, *inputs, open_dims=None, onnx=True, plugins=()):
        self.module, self.inputs, self.open_dims, self.onnx, self.plugins = module, inputs, open_dims, onnx, plugins

    def prepare(self):
        torch.manual_seed(7)
        self.module = randomise(self.module)
        self.inputs = [random_input(shape) for shape in self.inputs]
        with torch.no_grad():
            self.expected = flat(self.module(*[each.clone() for each in self.inputs]))


def flat(result):
    if isinstance(result, torch.Tensor):
        return [result.clone()]
    return [tensor for each in result if each is not None for tensor in flat(each)]


def ids(*shape, most=10):
    return torch.arange(int(np.prod(shape))).reshape(shape) * 7 % most


# Of x [2, 4, 6], whose first dim is open the second time.
FUNCTIONS = {
    "stack": lambda x: torch.stack([x, x * 2], -1),
    "tril": lambda x: torch.tril(x, -1),
    "powers": lambda x: (x.abs() + 1) ** 1.5 // 0.3 + (x.abs() + 0.1).rsqrt(),
    "argmax": lambda x: (x.argmax(1), x.argmax(2, keepdim=True)),
    "cumsum": lambda x: x.cumsum(1),
    "extremes": lambda x: torch.max(x, -x) + x.max() - x.amin((0, 2), keepdim=True),
    "parts": lambda x: x.select(1, -1) + x.narrow(1, 1, 1)[:, 0] + x[:, None, 0, ..., None][:, 0, :, 0] + x[0, 1],
    "steps": lambda x: x[:, :-1, 1::2],
    "gathered": lambda x: x[:, torch.tensor([2, 0])],
    "conversions": lambda x: ((x * 10).int().float() / 3, (x * 10).long() / 4, x.to(torch.float64) * 2, (x > 0).sum(1)),
    "comparisons": lambda x: torch.where(x >= 0, x, 0.5 * x) + (x != 0).float() + ((x > 0) & (x < 1)).float() + x.clamp(max=0.2),
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
    "matrices": lambda x: (x[0] @ x[0].t(), x.mT, x[0].T, x.permute(2, 0, 1)),
    "norms": lambda x: F.layer_norm(x, (6,)) + F.normalize(x, p=1, dim=-1) + torch.softmax(x, -1),
    "pad": lambda x: F.pad(x, (1, 1), mode="reflect"),
    "expand": lambda x: x[:, :1].expand_as(x) + x.repeat(1, 1, 3)[..., 6:12],
    "split": lambda x: torch.cat([x.split([1, 3], 1)[1], x.chunk(2, 1)[0]], 1),
    "shapes": lambda x: (x.flatten(), x.unflatten(2, (2, 3)), x.sum(x.ndim - 1), x[:, :, :1].squeeze(2)),
    "sizes": lambda x: x.reshape(x.shape[0], -1, x.shape[2] // 2).mean(1) * x.size(-1),
    "created": lambda x: x + torch.arange(x.size(2)) * torch.full((x.size(0), 1, 1), 2.0) + torch.ones(x.size(0), 4, 1) + torch.ones_like(x),
    "reduced": lambda x: x.logsumexp(1) + torch.add(x.prod(1), x.mean(), alpha=2.5),
    "in-place": lambda x: x.add(1).mul_(2),
    "rounded": lambda x: (x * 3).floor() + (x * 3).ceil() * 0.5 + (x * 3).round() * 0.25 + x.sign(),
    "waves": lambda x: x.sin() * x.cos() + x.erf() - (x.abs() + 0.5).log() + (x.abs() + 0.5).reciprocal(),
    "chosen": lambda x: (x.argmin(2), x.index_select(1, torch.tensor([3, 0, 0])), torch.minimum(x, 0.3 * x), (x < 0.1).float() + (x == x.amax(2, keepdim=True)).float()),
    "circular": lambda x: F.pad(x, (2, 1), mode="circular"),
}


class Wrapped(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# torch.onnx.export 1.13 refuses the layer, or leaves its parameters out.
NO_ONNX = False
NO_ONNX_FUNCTIONS = {"matrices", "shapes", "circular"}  # of the last one it writes another order

LAYERS = {
    "Conv1d": Case(nn.Conv1d(3, 4, 3, stride=2, padding=1), (2, 3, 17)),
    "Conv2d": Case(nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), (2, 4, 13, 11)),
    "Conv2d-same": Case(nn.Conv2d(3, 5, 3, padding="same", bias=False), (1, 3, 9, 8), onnx=NO_ONNX),
    "Conv2d-reflect": Case(nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect"), (1, 3, 9, 8)),
    "Conv3d": Case(nn.Conv3d(2, 3, 3, padding=1), (1, 2, 5, 6, 7)),
    "ConvTranspose1d": Case(nn.ConvTranspose1d(3, 4, 4, stride=2, padding=1), (2, 3, 9)),
    "ConvTranspose2d": Case(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (1, 4, 6, 5)),
    "ConvTranspose3d": Case(nn.ConvTranspose3d(2, 3, 2, stride=2), (1, 2, 3, 4, 3)),
    "Linear": Case(nn.Linear(7, 5), (3, 7)),
    "Linear-3d": Case(nn.Linear(7, 5, bias=False), (2, 3, 7)),
    "Bilinear": Case(nn.Bilinear(5, 4, 3), (2, 6, 5), (2, 6, 4), onnx=NO_ONNX),
    "Flatten": Case(nn.Flatten(), (2, 3, 4)),
    "Flatten-dims": Case(nn.Flatten(0, 1), (2, 3, 4)),
    "Unflatten": Case(nn.Unflatten(1, (3, 4)), (2, 12, 5), onnx=NO_ONNX),
    "BatchNorm1d": Case(nn.BatchNorm1d(5, eps=1e-3), (4, 5)),
    "BatchNorm2d": Case(nn.BatchNorm2d(5), (2, 5, 4, 3)),
    "BatchNorm3d": Case(nn.BatchNorm3d(3, affine=False), (2, 3, 4, 3, 2)),
    "InstanceNorm2d": Case(nn.InstanceNorm2d(4, affine=True), (2, 4, 6, 5)),
    "InstanceNorm1d": Case(nn.InstanceNorm1d(4), (2, 4, 7)),
    "InstanceNorm3d": Case(nn.InstanceNorm3d(3, affine=True, track_running_stats=True), (1, 3, 4, 3, 5)),
    "LayerNorm": Case(nn.LayerNorm((4, 6)), (3, 4, 6)),
    "LayerNorm-plain": Case(nn.LayerNorm(6, elementwise_affine=False), (3, 6)),
    "GroupNorm": Case(nn.GroupNorm(2, 6), (2, 6, 5, 3)),
    "LocalResponseNorm": Case(nn.LocalResponseNorm(3), (2, 6, 5, 3)),
    "MaxPool1d": Case(nn.MaxPool1d(3, stride=2, padding=1), (2, 3, 11)),
    "MaxPool2d": Case(nn.MaxPool2d(3, stride=2, ceil_mode=True), (2, 3, 10, 8)),
    "MaxPool3d": Case(nn.MaxPool3d(2), (1, 2, 4, 6, 4)),
    "AvgPool1d": Case(nn.AvgPool1d(3, padding=1, count_include_pad=False), (2, 3, 12)),
    "AvgPool2d": Case(nn.AvgPool2d((3, 2), stride=2), (2, 3, 10, 8)),
    "AvgPool3d": Case(nn.AvgPool3d(2), (1, 2, 4, 6, 4)),
    "LPPool1d": Case(nn.LPPool1d(2, 3, stride=2), (2, 3, 11)),
    "LPPool2d": Case(nn.LPPool2d(2, (3, 2)), (2, 3, 9, 8)),
    "AdaptiveAvgPool1d": Case(nn.AdaptiveAvgPool1d(4), (2, 3, 12)),
    "AdaptiveAvgPool2d": Case(nn.AdaptiveAvgPool2d(1), (2, 3, 7, 5)),
    "AdaptiveAvgPool2d-uneven": Case(nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 5), onnx=NO_ONNX),
    "AdaptiveMaxPool2d": Case(nn.AdaptiveMaxPool2d((2, 4)), (2, 3, 6, 8)),
    "AdaptiveAvgPool3d": Case(nn.AdaptiveAvgPool3d((2, 1, 3)), (1, 2, 4, 5, 6)),
    "AdaptiveMaxPool1d": Case(nn.AdaptiveMaxPool1d(3), (2, 3, 12)),
    "AdaptiveMaxPool3d": Case(nn.AdaptiveMaxPool3d((2, 1, 3)), (1, 2, 4, 5, 6)),
    "Embedding": Case(nn.Embedding(10, 6, padding_idx=0), ids(2, 5)),
    "LSTM": Case(nn.LSTM(5, 4), (6, 2, 5)),
    "LSTM-deep": Case(nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True), (2, 6, 5)),
    "LSTM-plain": Case(nn.LSTM(5, 4, bias=False), (6, 2, 5)),
    "GRU": Case(nn.GRU(5, 4), (6, 2, 5)),
    "GRU-deep": Case(nn.GRU(5, 4, num_layers=2, bidirectional=True, batch_first=True), (2, 6, 5)),
    "RNN": Case(nn.RNN(5, 4, nonlinearity="relu"), (6, 2, 5)),
    "TransformerEncoderLayer": Case(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), (2, 5, 8), onnx=NO_ONNX),
    "TransformerEncoderLayer-first": Case(nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", norm_first=True), (5, 2, 8), onnx=NO_ONNX),
    "Dropout": Case(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), (3, 4)),
    "Dropout2d": Case(nn.Sequential(nn.Conv2d(2, 2, 1), nn.Dropout2d(0.3)), (1, 2, 3, 4)),
    "Dropouts": Case(nn.Sequential(nn.Dropout1d(), nn.AlphaDropout(0.1), nn.FeatureAlphaDropout(), nn.Tanh()), (2, 3, 4)),
    "Dropout3d": Case(nn.Sequential(nn.Dropout3d(0.2), nn.Tanh()), (1, 2, 3, 4, 2)),
    "Upsample-nearest": Case(nn.Upsample(scale_factor=2), (1, 3, 4, 5)),
    "Upsample-bilinear": Case(nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 4, 5)),
    "Upsample-corners": Case(nn.Upsample(size=(9, 7), mode="bilinear", align_corners=True), (1, 3, 4, 5)),
    "UpsamplingNearest2d": Case(nn.UpsamplingNearest2d(scale_factor=3), (1, 2, 4, 5)),
    "UpsamplingBilinear2d": Case(nn.UpsamplingBilinear2d(size=(7, 9)), (1, 2, 4, 5)),
    "PixelShuffle": Case(nn.PixelShuffle(2), (1, 8, 3, 4)),
    "PixelUnshuffle": Case(nn.PixelUnshuffle(2), (1, 2, 6, 4)),
    "ChannelShuffle": Case(nn.ChannelShuffle(3), (2, 6, 4, 5), onnx=NO_ONNX),
    "ZeroPad2d": Case(nn.ZeroPad2d((1, 2, 0, 3)), (1, 2, 4, 5)),
    "ConstantPad1d": Case(nn.ConstantPad1d(2, 1.5), (1, 2, 4)),
    "ConstantPad2d": Case(nn.ConstantPad2d((0, 1, 2, 3), -1.5), (1, 2, 4, 5)),
    "ConstantPad3d": Case(nn.ConstantPad3d((0, 1, 2, 3, 1, 0), 0.5), (1, 2, 4, 5, 3)),
    "ReflectionPad1d": Case(nn.ReflectionPad1d((3, 1)), (1, 2, 5)),
    "ReflectionPad2d": Case(nn.ReflectionPad2d(2), (1, 2, 4, 5)),
    "ReflectionPad3d": Case(nn.ReflectionPad3d((1, 2, 0, 3, 2, 1)), (1, 2, 4, 5, 3)),
    "ReplicationPad1d": Case(nn.ReplicationPad1d((3, 1)), (1, 2, 5)),
    "ReplicationPad2d": Case(nn.ReplicationPad2d((1, 2, 3, 0)), (1, 2, 4, 5)),
    "ReplicationPad3d": Case(nn.ReplicationPad3d((1, 2, 0, 3, 2, 1)), (1, 2, 4, 5, 3)),
    "Softmax": Case(nn.Softmax(dim=1), (3, 5, 2)),
    "LogSoftmax": Case(nn.LogSoftmax(dim=-1), (3, 5)),
    "Softplus": Case(nn.Softplus(), (3, 5)),
    "Identity": Case(nn.Sequential(nn.Identity(), nn.ReLU()), (3, 5)),
    "GDN": Case(ctc_torch.GDN(5), (2, 5, 4, 3), plugins=["gdn"]),
    "IGDN": Case(ctc_torch.IGDN(5), (2, 5, 4, 3), plugins=["gdn"]),
    "GDN-flat": Case(ctc_torch.GDN(5), (6, 5), plugins=["gdn"]),
    "GDN-1d": Case(ctc_torch.GDN(5), (2, 5, 9), plugins=["gdn"]),
    "IGDN-3d": Case(ctc_torch.IGDN(5), (1, 5, 2, 3, 4), plugins=["gdn"]),
}

ACTIVATIONS = [
    nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(), nn.PReLU(5), nn.ELU(0.7), nn.CELU(1.3), nn.SELU(), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Sigmoid(), nn.LogSigmoid(), nn.Tanh(), nn.Softplus(2, 3), nn.Softsign(),
    nn.Softshrink(0.3), nn.Hardshrink(0.3), nn.Tanhshrink(), nn.Hardtanh(-0.5, 0.8), nn.Hardsigmoid(), nn.Hardswish(), nn.Threshold(0.1, -2.0),
    nn.GLU(dim=2), nn.Softmin(dim=1), nn.Softmax2d(),
]  # fmt: skip
for i, activation in enumerate(ACTIVATIONS):
    LAYERS[f"{type(activation).__name__}-{i}"] = Case(activation, (2, 5, 8), onnx=not isinstance(activation, (nn.Softplus, nn.Threshold)))


# --- small nets ---


class Attention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, heads, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(x + self.attention(x, x, x, need_weights=False)[0])


class Cross(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x, memory):
        return self.attention(x, memory, memory)


class HandMade(nn.Module):
    """Attention of views and transposes, as many write it, with a learnt table of positions and tied weights."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.positions = nn.Parameter(torch.zeros(1, 16, 8))
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight
        self.register_buffer("mask", torch.triu(torch.ones(16, 16, dtype=torch.bool), 1))

    def forward(self, tokens):
        n, length = tokens.size(0), tokens.shape[1]
        x = self.tokens(tokens) + self.positions[:, :length]
        q, k, v = self.qkv(x).view(n, length, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) / 4**0.5
        scores = scores.masked_fill(self.mask[:length, :length], float("-inf"))
        x = x + (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, 8)
        return self.head(x)


class Residual(nn.Module):
    """Changes in place, which others see; functions beside layers; two outputs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.block = nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3, padding=1))
        self.scale = nn.Parameter(torch.ones(6, 1, 1))

    def forward(self, x):
        x = self.first(x)
        y = F.relu_(self.block(x)) * self.scale
        x.mul_(0.5)
        x = F.max_pool2d(torch.cat([x, y], dim=1), 2)
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1), 1 - x.mean((2, 3), keepdim=True)


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x):
        wide = self.down(x)
        deep = F.silu(self.middle(F.avg_pool2d(wide, 2)))
        small = F.interpolate(deep, scale_factor=0.5, mode="nearest")
        deep = deep + F.interpolate(small, scale_factor=2, mode="nearest")
        return torch.sigmoid(self.last(torch.cat((wide, self.up(deep)), 1)))


class Sentence(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, bidirectional=True, batch_first=True)
        self.score = nn.Linear(10, 3)

    def forward(self, words):
        states, (last, _) = self.lstm(self.words(words))
        return self.score(states.mean(dim=1)), torch.cat([last[0], last[-1]], dim=1)


class Slices(nn.Module):
    """What one does to tensors between layers."""

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        c = torch.stack([a[:, 0], b[:, -1]], dim=1).unsqueeze(-1)
        d = F.pad(x[..., 1:-1], (2, 1), value=0.5)[:, ::2, None]
        e = torch.where(x > 0, x.abs().sqrt(), torch.exp(-x)).clamp(min=0.1).sum(-1)
        return c, d, e, (x.size(-1) * x).view(x.size(0), -1), x.repeat(1, 1, 2).expand(3, -1, -1, -1), F.normalize(x, dim=2)


def compression(channels=6):
    """Learned image compression: analysis and synthesis (Ballé et al. 2016)."""
    analysis = nn.Sequential(
        nn.Conv2d(3, channels, 5, stride=2, padding=2), ctc_torch.GDN(channels), nn.Conv2d(channels, channels, 5, stride=2, padding=2)
    )
    synthesis = nn.Sequential(
        nn.ConvTranspose2d(channels, channels, 5, stride=2, padding=2, output_padding=1),
        ctc_torch.IGDN(channels),
        nn.ConvTranspose2d(channels, 3, 5, stride=2, padding=2, output_padding=1),
    )
    return nn.Sequential(analysis, synthesis)


def lenet():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(400, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def twice():
    """One layer at two places."""
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.Tanh(), layer)


BATCH = {0: "N"}
CALLS = {"function " + name: Case(Wrapped(call), (2, 4, 6), open_dims=[BATCH], onnx=name not in NO_ONNX_FUNCTIONS) for name, call in FUNCTIONS.items()}
NETS = {
    "lenet": Case(lenet(), (2, 1, 28, 28), open_dims=[BATCH]),
    "compression": Case(compression(), (1, 3, 16, 24), open_dims=[{0: "N", 2: "H", 3: "W"}], plugins=["gdn"]),
    "attention": Case(Attention(2), (2, 5, 8)),
    "cross-attention": Case(Cross(), (5, 2, 8), (3, 2, 8)),
    "hand-made": Case(HandMade(), ids(2, 6, most=11), open_dims=[{0: "N", 1: "T"}]),
    "residual": Case(Residual(), (2, 3, 8, 8), open_dims=[BATCH]),
    "unet": Case(Unet(), (1, 3, 16, 12), open_dims=[BATCH]),
    "sentence": Case(Sentence(), ids(2, 7, most=20), open_dims=[BATCH]),
    "slices": Case(Slices(), (2, 4, 6), open_dims=[BATCH]),
    "twice": Case(twice(), (3, 6)),
}


# Layers that the exporter does not write, as what PyTorch makes of the same input and weights.
DIRECT = {
    "RMSNorm": ({"normalized_shape": [6], "eps": 0.01}, {"weight": (6,)}, lambda x, weight: x * (x.square().mean(-1, keepdim=True) + 0.01).rsqrt() * weight),
    "Chunk": ({"chunks": 3, "dim": 2}, {}, lambda x: x.chunk(3, 2)),
    "ZeroPad1d": ({"padding": [1, 2]}, {}, lambda x: F.pad(x, (1, 2))),
    "ZeroPad3d": ({"padding": [1, 2, 0, 3, 2, 0]}, {}, lambda x: F.pad(x, (1, 2, 0, 3, 2, 0))),
    "CircularPad1d": ({"padding": [3, 1]}, {}, lambda x: F.pad(x, (3, 1), mode="circular")),
    "CircularPad2d": ({"padding": [3, 1, 0, 2]}, {}, lambda x: F.pad(x, (3, 1, 0, 2), mode="circular")),
    "CircularPad3d": ({"padding": [3, 1, 0, 2, 1, 1]}, {}, lambda x: F.pad(x, (3, 1, 0, 2, 1, 1), mode="circular")),
    "Clamp": ({"min_val": -0.5, "max_val": 0.25}, {}, lambda x: x.clamp(-0.5, 0.25)),
    "IndexSelect": ({"inputs": ["x", "layer.index"], "dim": 1}, {"index": ids(3, most=4)}, lambda x, index: x.index_select(1, index)),
}
SHAPES = {"ZeroPad3d": (1, 2, 3, 4, 3), "CircularPad2d": (2, 3, 4, 5), "CircularPad3d": (1, 2, 3, 4, 5)}  # others: (2, 4, 6)


# --- running ---


def build(path, folder, options=()):
    """The model that ctc makes of a file, loaded."""
    name = pathlib.Path(path).stem
    PYTORCH.release()
    try:
        ctc_ok("compile", path, "-o", folder / f"{name}.c", "--quiet", *options)
        compile_c(["gcc", "-O1", "-w", "-shared", "-fPIC", f"{name}.c", "-o", f"{name}.so", "-lm"], folder)
    finally:
        PYTORCH.acquire()
    return ctc_model.load(folder / f"{name}.so", name)


def compare(model, case, inputs=None, expected=None):
    inputs = case.inputs if inputs is None else inputs
    results = model.run([each.numpy() for each in inputs])
    for result, wanted in zip(results, case.expected if expected is None else expected, strict=True):
        assert result.shape == tuple(wanted.shape), f"shape {result.shape}, PyTorch has {tuple(wanted.shape)}"
        np.testing.assert_allclose(result, wanted.numpy(), rtol=TOLERANCE, atol=TOLERANCE)


# The layer types of the models that were compared.
COMPARED = set()
NO_LAYERS = {"onnx", "constant", "parameter"}


def note_types(folder):
    written = json.loads((folder / "net.json").read_text())
    COMPARED.update(layer["type"] for layer in written.get("layers") or written["nodes"])


def all_types_compared(_):
    """Once all cases have run: each layer type of the schema was among them."""
    rules = json.loads((common.ROOT / "schema/model.schema.json").read_text())["$defs"]["layer"]["allOf"]
    known = {rule["if"]["properties"]["type"]["const"] for rule in rules}
    missing = sorted(known - COMPARED - NO_LAYERS)
    assert not missing, f"not compared with PyTorch: {missing}"


def through_json(case, folder):
    ctc_torch.export(case.module, tuple(case.inputs), folder / "net.json")
    note_types(folder)
    compare(build(folder / "net.json", folder), case)


def directly(kind, folder):
    """A model of one layer, written by hand."""
    fields, weights, function = DIRECT[kind]
    torch.manual_seed(7)
    x, weights = torch.randn(SHAPES.get(kind, (2, 4, 6))), {name: random_input(shape) for name, shape in weights.items()}
    expected = flat(function(x, **weights))
    names = [f"y{i}" for i in range(len(expected))]
    layer = {"name": "layer", "type": kind, "inputs": ["x"], "outputs": names, **fields}
    model = {"ctc": 1, "inputs": [{"name": "x", "shape": list(x.shape)}], "nodes": [layer], "outputs": names}
    if weights:
        ctc_torch.safetensors.write(folder / "net.safetensors", {f"layer.{name}": tensor for name, tensor in weights.items()})
        model["weights"] = "net.safetensors"
    (folder / "net.json").write_text(json.dumps(model))
    note_types(folder)
    compare(build(folder / "net.json", folder), Case(None, x), [x], expected)


def through_onnx(case, folder):
    names = [f"in{i}" for i in range(len(case.inputs))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        domains = {"ctc.layers": 1} if case.plugins else None
        torch.onnx.export(case.module, tuple(case.inputs), folder / "net.onnx", input_names=names, opset_version=16, custom_opsets=domains)
    compare(build(folder / "net.onnx", folder, plugin_options(case)), case)


def plugin_options(case):
    return [option for name in case.plugins for option in ("--plugin", PLUGINS / name)]


def with_open_dims(case, folder):
    """Exported once, run with the sizes of the example and with others."""
    names = [f"in{i}" for i in range(len(case.inputs))]
    axes = dict(zip(names, case.open_dims))
    ctc_torch.export(case.module, tuple(case.inputs), folder / "open.json", input_names=names, dynamic_axes=axes)
    model = build(folder / "open.json", folder)
    compare(model, case)
    for size in (1, 3):
        inputs = [resized(each, axes.get(name, {}), size) for name, each in zip(names, case.inputs)]
        with torch.no_grad():
            expected = flat(case.module(*[each.clone() for each in inputs]))
        compare(model, case, inputs, expected)


def resized(tensor, axes, size):
    """The first axis of `size` elements; other open ones of twice as many as there are."""
    for axis in axes:
        part = tensor.narrow(axis, 0, 1) if axis == 0 else tensor
        tensor = torch.cat([part] * (size if axis == 0 else 2), axis)
    return tensor.contiguous()


def case_checks():
    checks = {}
    for name, case in {**LAYERS, **CALLS, **NETS}.items():
        case.prepare()
        checks["json " + name] = lambda folder, case=case: through_json(case, folder)
        if case.onnx:
            checks["onnx " + name] = lambda folder, case=case: through_onnx(case, folder)
        if case.open_dims:
            checks["open " + name] = lambda folder, case=case: with_open_dims(case, folder)
    for kind in DIRECT:
        checks["json " + kind] = lambda folder, kind=kind: directly(kind, folder)
    return checks


# --- what else ctc_torch promises ---


def raises(kind, function, *words):
    """The function fails with all of these words."""
    try:
        function()
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"no {missing} in: {error}"
        return
    raise AssertionError(f"it worked; expected {kind.__name__} with {words}")


def check_weights_come_back(folder):
    """A second module with the weights of the first one computes the same; GDN's parameters are plain in the file."""
    first, x = randomise(compression()), torch.randn(1, 3, 16, 16)
    ctc_torch.export(first, x, folder / "net.json")
    stored = ctc_torch.safetensors.read(folder / "net.safetensors")
    assert stored["0.1.gamma"].shape == (6, 6) and torch.allclose(stored["0.1.gamma"], first[0][1].gamma), "gamma is not plain"
    second = randomise(compression())
    ctc_torch.load_weights(second, folder / "net.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(second(x), first(x), rtol=1e-6, atol=1e-6)


def check_weights_from_npz(folder):
    module = randomise(lenet())
    np.savez(folder / "net.npz", **{name: tensor.numpy() for name, tensor in ctc_torch.tensors_of(module).items()})
    other = randomise(lenet())
    ctc_torch.load_weights(other, folder / "net.npz")
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), other.state_dict().values()))


def check_wrong_weights(folder):
    """All that does not fit is said, and nothing is changed."""
    ctc_torch.safetensors.write(folder / "w.safetensors", {"weight": torch.zeros(3, 4), "extra": torch.zeros(1)})
    module = nn.Linear(4, 5)
    before = module.weight.clone()
    words = ("weight has shape [3, 4], the module wants [5, 4]", "bias is missing", "extra is not in the module")
    raises(ValueError, lambda: ctc_torch.load_weights(module, folder / "w.safetensors"), *words)
    assert torch.equal(module.weight, before)
    (folder / "bad.safetensors").write_bytes(b"\xff" * 20)
    raises(ValueError, lambda: ctc_torch.load_weights(module, folder / "bad.safetensors"), "header")


def check_safetensors_types(folder):
    tensors = {name: torch.arange(-3, 3).reshape(2, 3).to(dtype) for name, dtype in ctc_torch.safetensors.DTYPES.items()}
    tensors |= {"scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4)}
    ctc_torch.safetensors.write(folder / "t.safetensors", tensors)
    back = ctc_torch.safetensors.read(folder / "t.safetensors")
    assert set(back) == set(tensors)
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor), name


def check_gdn_trains(folder):
    """Gradients against finite differences, and parameters that stay positive."""
    for kind in (ctc_torch.GDN, ctc_torch.IGDN):
        layer = randomise(kind(3)).double()
        x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(layer, (x,))
    layer = ctc_torch.GDN(3)
    optimiser = torch.optim.SGD(layer.parameters(), lr=10.0)
    for _ in range(5):
        optimiser.zero_grad()
        layer(torch.randn(4, 3)).square().sum().backward()
        optimiser.step()
    assert (layer.beta > 0).all() and (layer.gamma > -1e-9).all()


def check_gdn_through_onnx(folder):
    """GDN and IGDN become nodes of plugins/gdn."""
    net, x = randomise(compression()), torch.randn(1, 3, 16, 24)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, x, folder / "net.onnx", opset_version=16, custom_opsets={"ctc.layers": 1})
    text = (folder / "net.onnx").read_bytes()
    assert all(word in text for word in (b"ctc.layers", b"GDN", b"inverse"))


def check_names(folder):
    """Names of inputs and outputs are those that were asked for."""
    module = randomise(Residual())
    ctc_torch.export(module, torch.zeros(1, 3, 8, 8), folder / "net.json", input_names=["image"], output_names=["features", "means"])
    model = build(folder / "net.json", folder)
    assert [port.name for port in model.inputs] == ["image"], model.inputs
    assert [port.name for port in model.outputs] == ["features", "means"], model.outputs


class Loses(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x).real


class Asks(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Outer(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), inner)

    def forward(self, x):
        return self.body(x) + 1


def check_what_has_no_counterpart(folder):
    """The error names the module, and says why."""
    x = torch.zeros(2, 4)
    export = lambda module: lambda: ctc_torch.export(module, x, folder / "net.json")
    raises(ctc_torch.ExportError, export(Outer(Loses())), "module 'body.1' (Loses)", "fft")
    raises(ctc_torch.ExportError, export(Outer(Asks())), "module 'body.1' (Asks)", "cannot be traced")
    hooked = nn.Linear(4, 4)
    hooked.register_forward_hook(lambda module, inputs, output: output * 2)
    raises(ctc_torch.ExportError, export(Outer(hooked)), "module 'body.1' (Linear)", "hooks")
    raises(ctc_torch.ExportError, export(nn.Sequential(hooked)), "module '0' (Linear)", "hooks")
    assert not (folder / "net.json").exists()


def check_all_problems_at_once(folder):
    class Two(nn.Module):
        def forward(self, x):
            return torch.fft.fft(x).real + torch.linalg.inv(x)

    raises(ctc_torch.ExportError, lambda: ctc_torch.export(Two(), torch.eye(4), folder / "net.json"), "fft", "inv")


def check_writes_into_parts(folder):
    """A change in place that reaches another view cannot be a graph of values."""

    class Part(nn.Module):
        def forward(self, x):
            y = x * 2
            y[:, 0].add_(1)
            return y

    raises(ctc_torch.ExportError, lambda: ctc_torch.export(Part(), torch.ones(2, 4), folder / "net.json"), "writes into a part")


def check_module_stays_as_it_was(folder):
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), Wrapped(lambda x: x + torch.ones(4)))
    module.train()
    module[0].eval()
    before = [sorted(vars(part)) for part in module.modules()]
    ctc_torch.export(module, torch.zeros(1, 4), folder / "net.json")
    assert [part.training for part in module] == [False, True, True] and module.training
    assert before == [sorted(vars(part)) for part in module.modules()]


# --- counting ---


def run_alone(check, folder):
    with PYTORCH:
        check(folder)


def run_parallel(checks):
    """run_checks for each, on all cores: most of the time a C compiler runs."""
    total = common.Count()
    alone = [{name: functools.partial(run_alone, check)} for name, check in checks.items()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for count in pool.map(run_checks, alone):
            total.add(count)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path, default=common.CTC)
    parser.add_argument("--filter", default="")
    args = parser.parse_args()
    common.CTC = args.ctc.resolve()
    torch.set_num_threads(1)
    checks = {**checks_of(sys.modules["__main__"]), **case_checks()}
    count = run_parallel({name: check for name, check in checks.items() if re.search(args.filter, name)})
    if not args.filter:
        count.add(run_checks({"all types are compared": all_types_compared}))
    print(count)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
