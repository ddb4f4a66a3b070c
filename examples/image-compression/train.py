#!/usr/bin/env python3
"""Trains the networks on crops of photographs and writes what the C program is made of.

    train.py --to DIR [--steps N] PICTURE.ppm …

    DIR/analysis.json, synthesis.json    the two models, with their weights in .safetensors
    DIR/prior.h                          the probabilities of the latents, as a table of integers
"""
import argparse
import pathlib
import time
import zlib

import numpy as np
import torch

import ctc_torch
import model

SIDE, BATCH = 96, 8  # of the crops
DISTORTION = 0.01 * 255**2  # what a squared error costs, in bits a pixel
LARGEST = 63  # latents beyond are escaped
TOTAL = 1 << 15  # of the integers that stand for probabilities


# --- training ---


def read_ppm(path):
    """[3, H, W] from 0 to 1"""
    _, size, _, pixels = pathlib.Path(path).read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    picture = torch.from_numpy(np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy())
    return picture.permute(2, 0, 1) / 255


def crop(pictures, rng):
    """A random part of a random picture, turned over and with its colours exchanged at random."""
    picture = pictures[rng.integers(len(pictures))]
    y, x = (rng.integers(size - SIDE + 1) for size in picture.shape[1:])
    part = picture[rng.permutation(3), y : y + SIDE, x : x + SIDE]
    return part.flip([axis for axis in (1, 2) if rng.integers(2)])


def train(analysis, synthesis, prior, pictures, steps):
    rng = np.random.default_rng(1)
    parameters = [*analysis.parameters(), *synthesis.parameters(), *prior.parameters()]
    optimiser = torch.optim.Adam(parameters, 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    start = time.time()
    for step in range(1, steps + 1):
        batch = torch.stack([crop(pictures, rng) for _ in range(BATCH)])
        latents = model.noisy(analysis(batch))
        bits = prior.bits(latents) / (BATCH * SIDE * SIDE)
        error = ((synthesis(latents) - batch) ** 2).mean()
        optimiser.zero_grad()
        (bits + DISTORTION * error).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            print(f"step {step}: {bits:.3f} bits a pixel, {-10 * error.log10():.1f} dB, {time.time() - start:.0f} s", flush=True)


# --- what the C program gets ---


def tables(prior):
    """[channel][symbol]: how many of TOTAL parts a symbol has: latents -LARGEST … LARGEST, then the escape. None has less than one."""
    latents = torch.arange(-LARGEST, LARGEST + 1.0).expand(model.CHANNELS, -1)
    chance = prior.double()(latents.double())
    chance = torch.cat([chance, 1 - chance.sum(1, keepdim=True)], 1).clamp(min=0)
    parts = 1 + (chance * (TOTAL - chance.shape[1])).long()
    parts[range(model.CHANNELS), parts.argmax(1)] += TOTAL - parts.sum(1)
    return parts.tolist()


def header(parts):
    """prior.h: for each channel the sum of the parts before each symbol."""
    starts = [[sum(row[:i]) for i in range(len(row) + 1)] for row in parts]
    rows = ",\n".join("    {" + ", ".join(map(str, row)) + "}" for row in starts)
    return f"""/* prior.h: how likely each latent is, by channel; written by train.py. */
#ifndef PRIOR_H
#define PRIOR_H

#include <stdint.h>

enum {{ CHANNELS = {model.CHANNELS}, BLOCK = {model.BLOCK}, LARGEST = {LARGEST}, SYMBOLS = {len(parts[0])}, TOTAL_BITS = {TOTAL.bit_length() - 1} }};

/* Tells files of one training from those of another. */
static const uint32_t prior_id = 0x{zlib.crc32(rows.encode()):08x};

/* Symbol s is latent s - LARGEST; the last one announces 16 plain bits. Its probability is
 * (prior_starts[][s + 1] - prior_starts[][s]) / 2^TOTAL_BITS. */
static const uint16_t prior_starts[CHANNELS][SYMBOLS + 1] = {{
{rows}}};

#endif
"""


def write(folder, analysis, synthesis, prior):
    """Of any width and height."""
    ctc_torch.export(analysis, torch.zeros(1, 3, 64, 64), folder / "analysis.json", ["picture"], ["latents"], {"picture": {2: "height", 3: "width"}})
    ctc_torch.export(synthesis, torch.zeros(1, model.CHANNELS, 4, 4), folder / "synthesis.json", ["latents"], ["picture"], {"latents": {2: "rows", 3: "columns"}})
    (folder / "prior.h").write_text(header(tables(prior)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE.ppm")
    parser.add_argument("--to", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)  # the same sums on every machine
    analysis, synthesis, prior = model.analysis(), model.synthesis(), model.Prior()
    train(analysis, synthesis, prior, [read_ppm(path) for path in args.pictures], args.steps)
    write(args.to, analysis, synthesis, prior)


if __name__ == "__main__":
    main()
