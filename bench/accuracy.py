#!/usr/bin/env python3
"""How far ctc's float32 results are from a float64 run, beside onnxruntime's.

    accuracy.py [--set bench|tiny|zoo] [MODEL…]   these sets (bench by default), or only these models of them, or files

The model is rewritten in float64 and run by onnx's reference implementation: numpy, slow, and nobody's fast kernels. The error
of an output is |x - x64| / |x64| (Euclidean norms); of several outputs the largest counts. Results go to build/bench/accuracy.json,
from which the report of run.py takes them.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np

import programs
from models import ROOT, SETS, collect, prepare
from worker import Worker, read_data



# --- float64 ---


def widen_tensor(tensor):
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), name))


def widen_attribute(attribute):
    from onnx import TensorProto

    if attribute.HasField("t"):
        widen_tensor(attribute.t)
    if attribute.HasField("g"):
        widen_graph(attribute.g)
    if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
        attribute.i = TensorProto.DOUBLE


def widen_graph(graph):
    from onnx import TensorProto

    for tensor in graph.initializer:
        widen_tensor(tensor)
    del graph.value_info[:]
    for port in [*graph.input, *graph.output]:
        if port.type.tensor_type.elem_type == TensorProto.FLOAT:
            port.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            widen_attribute(attribute)


def float64_outputs(path, inputs):
    """{name: array}, of which floats are float64."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    widen_graph(model.graph)
    wide = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in inputs.items()}
    evaluator = ReferenceEvaluator(model)
    return dict(zip(evaluator.output_names, evaluator.run(None, wide)))


# --- errors ---


def error(actual, exact):
    """|x - x64| / |x64|; 0 where both are all zeros."""
    distance = np.linalg.norm((np.asarray(actual, np.float64) - exact).ravel())
    return float(distance / np.linalg.norm(exact.ravel())) if distance else 0.0


def largest_error(outputs, exact):
    floats = [name for name, array in exact.items() if np.asarray(array).dtype == np.float64]
    return max(error(outputs[name], exact[name]) for name in floats)


def ctc_outputs(args, variant, entry, path, data):
    made = programs.make(args, variant, path, entry.name, 1)
    if made.failed:
        raise RuntimeError(made.failed)
    return Worker("ctc", str(made.library), data, 1, str(programs.loop_library(args.folder))).outputs()


def measure(args, entry):
    path, data = prepare(entry, args.folder / "models")
    inputs, expected = read_data(data)
    exact = float64_outputs(path, inputs)
    row = {"onnxruntime": largest_error(expected, exact)}
    for variant in args.variants:
        row[variant.name] = largest_error(ctc_outputs(args, variant, entry, path, data), exact)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--cflags", default="-O2 -march=native")
    parser.add_argument("--options", default="", help="more options for ctc, in one word")
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench")
    args = parser.parse_args()
    args.sets = args.sets or (list(SETS) if args.models else ["bench"])
    args.variants = programs.variants(args.cc.split(","), args.cflags, args.options, False)
    args.folder.mkdir(parents=True, exist_ok=True)
    store = args.folder / "accuracy.json"
    rows = json.loads(store.read_text()) if store.exists() else {}
    ratios = []
    for _, entry in collect(args.models, args.sets, args.folder):
        start = time.time()
        try:
            row = measure(args, entry)
        except Exception as failure:  # what the reference implementation or an engine does not take is no reason to stop
            print(f"skipped: {entry.name}: {type(failure).__name__}: {str(failure)[:150]}", flush=True)
            continue
        rows[entry.name] = row
        store.write_text(json.dumps(rows, indent=1))
        own = [row[v.name] for v in args.variants]
        ratios += [o / row["onnxruntime"] for o in own if row["onnxruntime"]]
        text = "  ".join(f"{v.name} {o:.2e}" for v, o in zip(args.variants, own))
        share = f"{own[0] / row['onnxruntime']:.2f}" if row["onnxruntime"] else "-"
        print(f"{entry.name:30.30} onnxruntime {row['onnxruntime']:.2e}  {text}  {share:>6}  ({time.time() - start:.0f} s)", flush=True)
    if ratios:
        print(f"{len(ratios)} models, ctc's error divided by onnxruntime's: at most {max(ratios):.2f}, {sum(r > 2 for r in ratios)} above 2")
    return 0


if __name__ == "__main__":
    sys.exit(main())
