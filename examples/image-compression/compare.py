#!/usr/bin/env python3
"""Compares what ctc has made of the networks with PyTorch: the latents of a picture, and the picture that comes back.

    compare.py --to DIR PICTURE.ppm UNPACKED.ppm

DIR has the models and analysis.so, synthesis.so (`ctc build --shared`); UNPACKED.ppm is what the C program made of PICTURE.ppm.
"""
import argparse
import pathlib
import sys

import ctc_run
import ctc_torch
import model
import torch
import torch.nn.functional as F
from train import read_ppm

TOLERANCE = 1e-4


def both(network, folder, name, x):
    """What PyTorch and the compiled program say to x."""
    ctc_torch.load_weights(network, folder / f"{name}.safetensors")
    (result,) = ctc_run.load(str(folder / f"{name}.so")).run([x.numpy()])
    with torch.no_grad():
        return network(x), torch.from_numpy(result)


def whole_blocks(picture):
    """With its last pixels repeated, as the C program does it."""
    height, width = picture.shape[1:]
    return F.pad(picture[None], (0, -width % model.BLOCK, 0, -height % model.BLOCK), mode="replicate")


def largest(a, b):
    return (a - b).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", metavar="PICTURE.ppm")
    parser.add_argument("unpacked", metavar="UNPACKED.ppm")
    parser.add_argument("--to", type=pathlib.Path, required=True, metavar="DIR")
    args = parser.parse_args()
    picture, unpacked = read_ppm(args.picture), read_ppm(args.unpacked)

    expected, latents = both(model.analysis(), args.to, "analysis", whole_blocks(picture))
    tie = (expected.frac().abs() - 0.5).abs() < TOLERANCE
    differ = (expected.round() != latents.round()) & ~tie
    print(f"latents: largest difference {largest(expected, latents):.1e}, of {expected.numel()} rounded ones {int(differ.sum())} differ")

    restored, compiled = both(model.synthesis(), args.to, "synthesis", latents.round())
    print(f"restored picture: largest difference {largest(restored, compiled):.1e}")

    height, width = picture.shape[1:]
    levels = (255 * restored[0, :, :height, :width].clamp(0, 1)).round() - 255 * unpacked
    print(f"the C program's picture: largest difference {levels.abs().max():.0f} of 255 levels; PSNR {model.decibels(picture, unpacked):.2f} dB")

    good = largest(expected, latents) <= TOLERANCE and not differ.any() and largest(restored, compiled) <= TOLERANCE and levels.abs().max() < 1.5
    sys.exit(None if good else "they do not agree")


if __name__ == "__main__":
    main()
