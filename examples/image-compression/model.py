"""The networks: an analysis of pictures into latents, a synthesis back, and the probabilities of the latents (Ballé, Laparra, Simoncelli 2017).

    latents = round(analysis(picture))      [N, CHANNELS, H / 16, W / 16] of [N, 3, H, W], from 0 to 1
    picture ~ synthesis(latents)
"""

import math

import torch
from ctc_torch import GDN, IGDN
from torch import nn

CHANNELS = 48
BLOCK = 16  # pixels to a latent, in both directions


def analysis():
    return nn.Sequential(
        nn.Conv2d(3, CHANNELS, 9, stride=4, padding=4),
        GDN(CHANNELS),
        nn.Conv2d(CHANNELS, CHANNELS, 5, stride=2, padding=2),
        GDN(CHANNELS),
        nn.Conv2d(CHANNELS, CHANNELS, 5, stride=2, padding=2),
    )


def synthesis():
    return nn.Sequential(
        nn.ConvTranspose2d(CHANNELS, CHANNELS, 5, stride=2, padding=2, output_padding=1),
        IGDN(CHANNELS),
        nn.ConvTranspose2d(CHANNELS, CHANNELS, 5, stride=2, padding=2, output_padding=1),
        IGDN(CHANNELS),
        nn.ConvTranspose2d(CHANNELS, 3, 9, stride=4, padding=4, output_padding=3),
    )


class Prior(nn.Module):
    """How likely each latent is: for each channel a mixture of logistic distributions, the same at all places."""

    PARTS = 3

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(CHANNELS, self.PARTS, 1))
        self.mean = nn.Parameter(torch.linspace(-1, 1, self.PARTS).reshape(1, -1, 1).repeat(CHANNELS, 1, 1))
        self.log_scale = nn.Parameter(torch.linspace(-1, 1, self.PARTS).reshape(1, -1, 1).repeat(CHANNELS, 1, 1))

    def below(self, x):
        """The probability of a value below x [CHANNELS, n]."""
        parts = torch.sigmoid((x.unsqueeze(1) - self.mean) * torch.exp(-self.log_scale))
        return (torch.softmax(self.weight, 1) * parts).sum(1)

    def forward(self, x):
        """The probability of the integer x [CHANNELS, n], if x is one: that of the interval of width 1 around it."""
        return self.below(x + 0.5) - self.below(x - 0.5)

    def bits(self, latents):
        """How long latents [N, CHANNELS, h, w] become."""
        by_channel = latents.transpose(0, 1).flatten(1)
        return -self(by_channel).clamp(min=1e-9).log2().sum()


def noisy(latents):
    """What rounding does, as something that has a gradient: an error evenly spread over -1/2 … 1/2."""
    return latents + torch.rand_like(latents) - 0.5


def decibels(a, b):
    """PSNR of pictures from 0 to 1."""
    return -10 * math.log10(float(((a - b) ** 2).mean()))
