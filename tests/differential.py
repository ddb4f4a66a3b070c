#!/usr/bin/env python3
"""Random nodes and small graphs against onnxruntime (onnx.reference where that has no such kernel), through emitted and compiled C:
every operator that ctc supports, its versions, attributes, types, ranks, broadcasting, empty and 0-d tensors, NaN and infinity.

    differential.py [--seed 1] [--count 600] [--only REGEX]
    differential.py --seed 7 --case 123         one case again; its files stay in build/differential/seed_7/failed

A case is a function of seed and number. Cases run in batches, each in a process of its own and compiled in one of the MODES, in turn. What fails
is printed with what runs it again; the model and its inputs are left in build/differential/seed_N/failed. What is drawn and how results are
compared: tests/drawn.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np

import node_suite
from common import CTC, ROOT

BATCH = 30
BATCH_SECONDS = 900
# How a batch is compiled and run; nearly all the time goes into compiling. With sanitizers -O0 takes six times as long where kernels are inlined,
# and a quarter of -O1 is points-to analysis.
MODES = [
    {"opt": "-O1 -fno-tree-pta", "sanitize": True, "split": False, "strict": False},
    {"opt": "-O1", "sanitize": False, "split": True, "strict": True},
    {"opt": "-O2 -march=native", "sanitize": False, "split": False, "strict": False},
]
GRAPH_SHARE = 0.08  # cases from the generators of whole graphs
BUILD = ROOT / "build" / "differential"


def folder_of(args):
    """A run's own: runs with other seeds may go on beside it."""
    return BUILD / f"seed_{args.seed}"


def supported_operators(ctc):
    lines = subprocess.run([ctc, "ops"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[0] for line in lines]


# --- drawing a batch (in a process of its own) ---


def graph_case(rng, name, supported):
    """From one of the generators of graphs."""
    import random_attention
    import random_convs
    import random_graphs
    import random_norms

    kind = [random_graphs, random_graphs, random_convs, random_attention, random_norms][rng.integers(5)]
    case = kind.Generator(int(rng.integers(1 << 40)), supported).case(name)
    return case, kind.__name__


def node_case(rng, name, rows, operators):
    """The operator is drawn first, so that each has the same share."""
    import drawn.models
    from drawn import draw

    operator = operators[rng.integers(len(operators))]
    node = draw.draw_node(rng, rows[operator])
    note = drawn.models.note_of(node)
    try:
        made = drawn.models.case_of(rng, node)
    except drawn.models.truth.NoTruth as error:
        return None, (operator, f"{note}: {error}")
    return node_suite.Case(name, made.model, made.inputs, made.expected, 0, 0), note


def draw_case(args, number, supported):
    """(case or None, what it is)"""
    from drawn import operators as drawn_operators

    rng = np.random.default_rng([args.seed, number])
    name = f"seed_{args.seed}_case_{number}"
    operators = [o for o in supported if o in drawn_operators.GENERATORS and re.search(args.only, o)]
    if args.only == "" and rng.random() < GRAPH_SHARE:
        return graph_case(rng, name, set(supported))
    return node_case(rng, name, drawn_operators.ROWS, operators)


def keep(args, case, message):
    folder = folder_of(args) / "failed" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    (folder / "failure.txt").write_text(message + "\n")
    arrays = {"in:" + port.name: array for port, array in zip(case.model.graph.input, case.inputs)}
    np.savez(folder / "data.npz", **{name: a.view(np.uint16) if a.dtype.name == "bfloat16" else a for name, a in arrays.items()})


def run_batch(args):
    """Draws, compiles and runs cases `first` to `first + count`; prints one line of JSON."""
    warnings.filterwarnings("ignore")
    supported = supported_operators(args.ctc)
    cases, notes, unknown = [], {}, []
    for number in range(args.first, args.first + args.count):
        case, note = draw_case(args, number, supported)
        if case is None:
            unknown.append(note)
        else:
            cases.append(case)
            notes[case.name] = note
    folder = folder_of(args) / f"batch_{args.first}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mode = MODES[(args.first // BATCH if args.mode is None else args.mode) % len(MODES)]
    suite = node_suite.Suite(argparse.Namespace(ctc=args.ctc, build=folder, cc=args.cc, cuda=False, jobs=1, settings={}, **mode))
    suite.run(cases)
    for case in cases:
        if case.name in suite.failed or args.keep:
            keep(args, case, f"{notes[case.name]}\n{suite.failed.get(case.name, 'passed')}")
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"passed": len(suite.passed), "failed": {n: [notes[n], text] for n, text in suite.failed.items()}, "unknown": unknown,
                      "drawn": [note.split("-")[0] for note in notes.values()]}))


# --- all batches ---


class Total:
    def __init__(self):
        self.passed, self.failed, self.unknown, self.drawn = 0, {}, [], collections.Counter()

    def add(self, result):
        self.passed += result["passed"]
        self.failed |= result["failed"]
        self.unknown += result["unknown"]
        self.drawn.update(result["drawn"])


def batch_process(args, first, count):
    command = [sys.executable, __file__, "--first", first, "--count", count, "--seed", args.seed, "--ctc", args.ctc, "--cc", args.cc, "--only", args.only]
    command += ["--keep"] * args.keep + (["--mode", args.mode] if args.mode is not None else [])
    # What onnxruntime and numpy would do on threads of their own is small; batches share the cores.
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", timeout=BATCH_SECONDS, env=environment)
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, json.JSONDecodeError, IndexError) as error:
        detail = getattr(error, "stderr", None) or getattr(locals().get("done"), "stderr", "")
        name = f"cases {first} to {first + count - 1}"
        return {"passed": 0, "failed": {name: ["the batch", f"{type(error).__name__} {str(detail).strip()[-400:]}"]}, "unknown": [], "drawn": []}


def say_failures(args, failed):
    for name, (note, text) in failed.items():
        again = f"  make differential SEED={args.seed} CASE={name.rsplit('_', 1)[-1]}" if name.startswith("seed_") else ""
        print(f"FAIL {name}: {note}\n  {text}\n{again}", flush=True)


def run_all(args, ranges):
    total, start, shown = Total(), time.time(), 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(batch_process, args, *each) for each in ranges]):
            result = done.result()
            total.add(result)
            say_failures(args, result["failed"])
            finished = total.passed + len(total.failed) + len(total.unknown)
            if finished - shown >= 600:
                shown = finished
                print(f"{finished} cases, {len(total.failed)} failed ({time.time() - start:.0f} s)", flush=True)
    return total


def say_unknown(total, verbose):
    """What no reference computes is no evidence; how much of it there is should be seen."""
    count = collections.Counter(operator for operator, _ in total.unknown)
    if count:
        print("drawn, but no reference has it: " + ", ".join(f"{name} {n}" for name, n in count.most_common()))
    if verbose:
        for operator, why in total.unknown:
            print(f"  {operator}: {why}")


def check_generators(args):
    """What is wrong with the list of generators."""
    from drawn import operators

    drawn, left_out = set(operators.GENERATORS), set(operators.LEFT_OUT)
    undrawn = set(supported_operators(args.ctc)) - drawn - left_out
    return [f"{name}: nothing draws this operator: give it a generator in tests/drawn" for name in sorted(undrawn)] + [
        f"{name}: is drawn, and listed as left out in tests/drawn/operators.py" for name in sorted(drawn & left_out)
    ]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--only", default="", help="operators whose name matches this regular expression; no graphs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--mode", type=int, help="all batches in this one of the MODES, from 0")
    parser.add_argument("--keep", action="store_true", help="leave the emitted files")
    parser.add_argument("--verbose", action="store_true", help="also why a reference does not have a node")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.ctc = args.ctc.resolve()
    return args


def main():
    args = parse_arguments()
    if args.first is not None:
        run_batch(args)
        return 0
    missing = check_generators(args)
    for text in missing:
        print("FAIL " + text)
    shutil.rmtree(folder_of(args), ignore_errors=True)
    folder_of(args).mkdir(parents=True)
    if args.case is not None:
        args.keep, ranges = True, [(args.case, 1)]
    else:
        ranges = [(first, min(BATCH, args.count - first)) for first in range(0, args.count, BATCH)]
    total = run_all(args, ranges)
    say_unknown(total, args.verbose)
    print(f"{total.passed} passed, {len(total.failed) + len(missing)} failed, {len(total.unknown)} skipped")
    return 1 if total.failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
