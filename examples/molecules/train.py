#!/usr/bin/env python3
"""Trains the network on measured boiling points and writes the model.

    train.py --to DIR --graphs PROGRAM [--epochs N] BOILING_POINTS.csv IDENTIFIERS.tsv

    DIR/boiling.json, boiling.safetensors    the model
    DIR/molecules.tsv                        SMILES, formula, boiling point (K), "test" or "training", name
"""
import argparse
import csv
import json
import pathlib
import subprocess
import time

import ctc_torch
import torch
from model import Net

BATCH = 64


# --- data ---


def read_molecules(points, identifiers):
    """[(SMILES, formula, boiling point, name)] of the substances that both files have; what they share is the CAS number."""
    with open(points, newline="") as file:
        known = {row["CAS"]: (row["Name"], row["Tb"]) for row in csv.DictReader(file, delimiter="\t") if row["Tb"]}
    found = []
    for line in open(identifiers):
        _, cas, formula, _, smiles, *_ = line.split("\t")
        if cas in known:
            name, point = known[cas]
            found.append((smiles, formula, float(point), name))
    return sorted(found)


def graphs_of(program, smiles):
    """What graphs.c makes of them: dicts, None where it does not know an element."""
    text = subprocess.run([program], input="\n".join(smiles) + "\n", capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def joined(graphs):
    """(atoms, edges, starts) of several graphs as one."""
    sizes = torch.tensor([0] + [len(graph["atoms"]) for graph in graphs])
    starts = sizes.cumsum(0)
    atoms = torch.tensor([row for graph in graphs for row in graph["atoms"]], dtype=torch.float32)
    edges = torch.cat([torch.tensor(graph["edges"], dtype=torch.int64).reshape(2, -1) + start for graph, start in zip(graphs, starts)], 1)
    return atoms, edges, starts


# --- training ---


def train(net, graphs, points, epochs):
    """Adam on the absolute error."""
    order = torch.Generator().manual_seed(1)
    points = torch.tensor(points)
    net.mean, net.spread = points.mean(), points.std()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * -(-len(graphs) // BATCH))
    start = time.time()
    for epoch in range(1, epochs + 1):
        total = 0
        for chosen in torch.randperm(len(graphs), generator=order).split(BATCH):
            predicted = net(*joined([graphs[i] for i in chosen]))[:, 0]
            error = (predicted - points[chosen]).abs().mean()
            optimiser.zero_grad()
            (error / net.spread).backward()
            optimiser.step()
            schedule.step()
            total += error.item() * len(chosen)
        if epoch % 20 == 0 or epoch == epochs:
            print(f"epoch {epoch}: mean error {total / len(graphs):.1f} K, {time.time() - start:.0f} s", flush=True)


def mean_error(net, graphs, points):
    with torch.no_grad():
        return (net(*joined(graphs))[:, 0] - torch.tensor(points)).abs().mean().item()


def write(folder, net, known, is_test):
    """The model, with open numbers of atoms, edges and molecules, and what it was made of."""
    open_dims = {"atoms": {0: "atoms"}, "edges": {1: "edges"}, "starts": {0: "starts"}}
    example = joined([graph for graph, *_ in known[:2]])
    ctc_torch.export(net, example, folder / "boiling.json", output_names=["kelvins"], dynamic_axes=open_dims)
    with open(folder / "molecules.tsv", "w") as file:
        for (_, smiles, formula, point, name), test in zip(known, is_test):
            print(smiles, formula, point, "test" if test else "training", name, sep="\t", file=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", metavar="BOILING_POINTS.csv")
    parser.add_argument("identifiers", metavar="IDENTIFIERS.tsv")
    parser.add_argument("--to", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--graphs", required=True, metavar="PROGRAM")
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    molecules = read_molecules(args.points, args.identifiers)
    graphs = graphs_of(args.graphs, [smiles for smiles, *_ in molecules])
    known = [(graph, *molecule) for graph, molecule in zip(graphs, molecules) if graph]
    is_test = [i % 10 == 0 for i in range(len(known))]
    net = Net(len(known[0][0]["atoms"][0]))
    print(f"{len(known)} molecules of {len(molecules)}, {sum(is_test)} of them for the test", flush=True)
    training, test = ([each for each, is_it in zip(known, is_test) if is_it == wanted] for wanted in (False, True))
    train(net, [graph for graph, *_ in training], [point for *_, point, _ in training], args.epochs)
    print(f"mean error in the test: {mean_error(net, [graph for graph, *_ in test], [point for *_, point, _ in test]):.1f} K")
    write(args.to, net, known, is_test)


if __name__ == "__main__":
    main()
