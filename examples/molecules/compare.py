#!/usr/bin/env python3
"""Compares what ctc has made of the network with PyTorch, for all molecules that it was trained and tested with.

    compare.py --to DIR

DIR has what train.py wrote, the programs graphs and molecules, and boiling.so (`ctc build --shared`).
"""
import argparse
import pathlib
import subprocess
import sys

import ctc_run
import ctc_torch
import torch
from model import Net
from train import graphs_of, joined

TOLERANCE = 1e-5  # of a boiling point
PRINTED = 0.0051  # the program prints two decimals


def predicted_by_program(program, smiles):
    """[(formula, boiling point)] as the C program prints them."""
    text = subprocess.run([program], input="\n".join(smiles) + "\n", capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in text.splitlines()]
    return [(formula, float(kelvins)) for _, formula, kelvins, *_ in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=pathlib.Path, required=True, metavar="DIR")
    folder = parser.parse_args().to
    smiles, formulas, points, parts, _ = zip(*(line.rstrip("\n").split("\t") for line in open(folder / "molecules.tsv")))

    inputs = joined(graphs_of(folder / "graphs", smiles))
    net = Net(inputs[0].shape[1])
    ctc_torch.load_weights(net, folder / "boiling.safetensors")
    with torch.no_grad():
        expected = net(*inputs)[:, 0]
    (compiled,) = ctc_run.load(str(folder / "boiling.so")).run([each.numpy() for each in inputs])
    error = ((torch.from_numpy(compiled)[:, 0] - expected).abs() / expected.abs()).max().item()
    print(f"{len(smiles)} molecules at once: largest relative difference {error:.1e}")

    printed = predicted_by_program(folder / "molecules", smiles)
    wrong = [text for text, formula, (read, _) in zip(smiles, formulas, printed) if formula != read]
    print(f"formulas: {len(wrong)} are not those of the data", *wrong[:10])
    kelvins = torch.tensor([point for _, point in printed])
    difference = (kelvins - expected).abs().max().item()
    print(f"one by one in the C program: largest difference {difference:.4f} K")
    known = torch.tensor([float(point) for point in points])
    test = torch.tensor([part == "test" for part in parts])
    print(f"from the measured boiling points they are off by {(kelvins - known)[test].abs().mean():.1f} K in the mean of the test")

    good = error <= TOLERANCE and not wrong and difference <= PRINTED + TOLERANCE * expected.abs().max().item()
    sys.exit(None if good else "they do not agree")


if __name__ == "__main__":
    main()
