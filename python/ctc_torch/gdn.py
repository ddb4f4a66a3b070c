"""Generalised divisive normalisation and its approximate inverse, as layers (Ballé, Laparra, Simoncelli 2016).

    GDN    y[c] = x[c] / sqrt(beta[c] + sum_k gamma[c, k] x[k]^2)
    IGDN   y[c] = x[c] * sqrt(beta[c] + sum_k gamma[c, k] x[k]^2)

x is (N, C, ...); the sum runs over the channels at the same place.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

# A little more under the square, so that its gradient does not vanish at zero.
PEDESTAL = 2.0**-36


class LowerBound(torch.autograd.Function):
    """max(x, bound); where x is below the bound the gradient passes if it leads upwards."""

    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None


class AtLeast(nn.Module):
    """A parameter that stays at or above a minimum while it is trained: the square of what is really learnt."""

    def __init__(self, minimum):
        super().__init__()
        self.minimum, self.bound = minimum, math.sqrt(minimum + PEDESTAL)

    def forward(self, root):
        # An exporter to ONNX knows clamp, not our function.
        bounded = root.clamp(min=self.bound) if torch.onnx.is_in_onnx_export() else LowerBound.apply(root, self.bound)
        return bounded**2 - PEDESTAL

    def right_inverse(self, value):
        return torch.sqrt(value.clamp(min=self.minimum) + PEDESTAL)


class Operator(torch.autograd.Function):
    """What a GDN layer becomes in an ONNX file: one node GDN of the domain ctc.layers, of plugins/gdn."""

    @staticmethod
    def forward(ctx, x, beta, gamma, inverse):
        return normalise(x, beta, gamma, inverse)

    @staticmethod
    def symbolic(g, x, beta, gamma, inverse):
        return g.op("ctc.layers::GDN", x, beta, gamma, inverse_i=int(inverse)).setType(x.type())


def normalise(x, beta, gamma, inverse):
    """GDN or IGDN of x with plain parameters."""
    if x.numel() == 0:  # which a convolution refuses
        return x
    # A convolution with a window of 1: some builds of PyTorch have a fast one and a slow matrix product.
    squares = x.reshape(x.shape[0], x.shape[1], -1, 1) ** 2
    norm = torch.sqrt(F.conv2d(squares, gamma[:, :, None, None], beta)).reshape(x.shape)
    return x * norm if inverse else x / norm


class GDN(nn.Module):
    """y = x / sqrt(beta + gamma x²), over channels. `beta` (C) and `gamma` (C, C) can be read and set as they stand in the formula."""

    inverse = False

    def __init__(self, in_channels, beta_minimum=1e-6, gamma_init=0.1):
        super().__init__()
        self.in_channels = in_channels
        self.beta = nn.Parameter(torch.ones(in_channels))
        self.gamma = nn.Parameter(gamma_init * torch.eye(in_channels))
        parametrize.register_parametrization(self, "beta", AtLeast(beta_minimum))
        parametrize.register_parametrization(self, "gamma", AtLeast(0.0))

    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            return Operator.apply(x, self.beta, self.gamma, self.inverse)
        return normalise(x, self.beta, self.gamma, self.inverse)

    def extra_repr(self):
        return f"{self.in_channels}"


class IGDN(GDN):
    """y = x * sqrt(beta + gamma x²): see GDN."""

    inverse = True
