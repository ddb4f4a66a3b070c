#!/usr/bin/env python3
"""GFLOP/s and GB/s of the runtime's kernels, beside what the processor can do.

    kernels.py [--only WORD…] [--cpu-time] [--write]

Each case is a model of one operator, with weights and sizes that are common in networks. `ctc bench` compiles and times
it, so a kernel is measured as programs call it: inlined, with literal sizes. The heaviest kernel of the operator's steps
counts. A case whose name ends in "cold" is a chain of the operator with other weights in each link, more than the caches
hold. --write puts the table into the results from which docs/benchmarks.md is written.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

BUILDS = [("gcc", "-O2 -march=native"), ("clang", "-O2 -march=native"), ("gcc", "-O2 -mavx2 -mfma"), ("clang", "-O2 -mavx2 -mfma")]
BUILD_TITLES = {"-O2 -march=native": "native", "-O2 -mavx2 -mfma": "AVX2"}
SEED = np.random.default_rng(5)


# --- models of one operator ---


def numbers(*shape):
    return (SEED.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def network(nodes, shapes, weights):
    """`nodes` over inputs {name: shape}; every value that no node reads is an output."""
    from common import model, value

    read = {name for _, ins, *_ in nodes for name in ins}
    outputs = [value(name, None) for _, _, outs, *_ in nodes for name in outs if name and name not in read]
    return model(nodes, [value(name, list(shape)) for name, shape in shapes.items()], outputs, weights)


def conv(channels, size, out, kernel, stride=1, group=1, dilation=1, links=1, op="Conv"):
    """Conv and Relu, `links` times (then channels == out)."""
    nodes, weights, at = [], {}, "x"
    pad = dilation * (kernel // 2) if op == "Conv" else 0
    attributes = {"kernel_shape": [kernel] * 2, "pads": [pad] * 4, "strides": [stride] * 2, "group": group, "dilations": [dilation] * 2}
    for i in range(links):
        shape = (out, channels // group, kernel, kernel) if op == "Conv" else (channels, out // group, kernel, kernel)
        weights |= {f"w{i}": numbers(*shape), f"b{i}": numbers(out)}
        nodes += [(op, [at, f"w{i}", f"b{i}"], [f"c{i}"], attributes), ("Relu", [f"c{i}"], [f"r{i}"])]
        at = f"r{i}"
    return network(nodes, {"x": (1, channels, size, size)}, weights)


def pair(channels, size, wide, links):
    """1x1 convolutions to `wide` channels and back."""
    nodes, weights, at = [], {}, "x"
    for i in range(links):
        for k, (out, inner) in enumerate(((wide, channels), (channels, wide))):
            weights |= {f"w{i}{k}": numbers(out, inner, 1, 1), f"b{i}{k}": numbers(out)}
            nodes += [("Conv", [at, f"w{i}{k}", f"b{i}{k}"], [f"c{i}{k}"]), ("Relu", [f"c{i}{k}"], [f"r{i}{k}"])]
            at = f"r{i}{k}"
    return network(nodes, {"x": (1, channels, size, size)}, weights)


def matmul(m, n, k, links=1):
    """x W + b; with several links W alternates with its way back."""
    nodes, weights, at, inner, outer = [], {}, "x", k, n
    for i in range(links):
        weights |= {f"w{i}": numbers(inner, outer), f"b{i}": numbers(outer)}
        nodes += [("MatMul", [at, f"w{i}"], [f"m{i}"]), ("Add", [f"m{i}", f"b{i}"], [f"a{i}"])]
        at, inner, outer = f"a{i}", outer, inner
    return network(nodes, {"x": (m, k)}, weights)


def product(batch, m, n, k):
    """Both sides are activations."""
    return network([("MatMul", ["a", "b"], ["y"])], {"a": (batch, m, k), "b": (batch, k, n)}, {})


def attention(heads, rows, size):
    weights = {"scale": np.float32(size**-0.5)}
    nodes = [("Transpose", ["k"], ["kt"], {"perm": [0, 1, 3, 2]}), ("MatMul", ["q", "kt"], ["s"]), ("Mul", ["s", "scale"], ["t"]),
             ("Softmax", ["t"], ["p"], {"axis": -1}), ("MatMul", ["p", "v"], ["y"])]
    return network(nodes, {name: (1, heads, rows, size) for name in "qkv"}, weights)


def unary(op, *shape, **attributes):
    return network([(op, ["x"], ["y"], attributes)], {"x": shape}, {})


def gelu(*shape):
    weights = {"r": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    nodes = [("Div", ["x", "r"], ["d"]), ("Erf", ["d"], ["e"]), ("Add", ["e", "one"], ["f"]), ("Mul", ["x", "f"], ["g"]), ("Mul", ["g", "half"], ["y"])]
    return network(nodes, {"x": shape}, weights)


def layer_norm(rows, n):
    return network([("LayerNormalization", ["x", "s", "b"], ["y"], {"axis": -1})], {"x": (rows, n)}, {"s": numbers(n), "b": numbers(n)})


def recurrent(op, gates, steps, size):
    weights = {"w": numbers(1, gates * size, size), "r": numbers(1, gates * size, size), "b": numbers(1, 2 * gates * size)}
    return network([(op, ["x", "w", "r", "b"], ["y"], {"hidden_size": size})], {"x": (steps, 1, size)}, weights)


def add(*shape):
    return network([("Add", ["a", "b"], ["y"])], {"a": shape, "b": shape}, {})


# (title, model, operator whose steps count)
def cases():
    for c, size in ((64, 56), (128, 28), (256, 14)):
        yield f"conv 3x3, {c} x {size}²", conv(c, size, c, 3), "Conv"
    yield "conv 3x3, 512 x 7², cold", conv(512, 7, 512, 3, links=6), "Conv"
    for c, size in ((128, 56), (256, 28), (512, 14)):
        yield f"conv 3x3 stride 2, {c} x {size}²", conv(c, size, c, 3, 2), "Conv"
    yield "conv 3x3 dilation 2, 64 x 56²", conv(64, 56, 64, 3, dilation=2), "Conv"
    yield "conv 5x5, 48 x 28²", conv(48, 28, 48, 5), "Conv"
    yield "conv 7x7 stride 2, 3 -> 64 x 224²", conv(3, 224, 64, 7, 2), "Conv"
    yield "conv 3x3 stride 2, 3 -> 32 x 224²", conv(3, 224, 32, 3, 2), "Conv"
    yield "conv 3x3 32 groups, 128 x 28²", conv(128, 28, 128, 3, group=32), "Conv"
    for c, size, out in ((64, 56, 256), (256, 56, 64), (256, 14, 1024), (1024, 14, 256)):
        yield f"conv 1x1, {c} -> {out} x {size}²", conv(c, size, out, 1), "Conv"
    yield "conv 1x1, 512 -> 2048 -> 512 x 7², cold", pair(512, 7, 2048, 6), "Conv"
    yield "conv 1x1 stride 2, 256 -> 512 x 56²", conv(256, 56, 512, 1, 2), "Conv"
    for c, size in ((32, 112), (144, 56), (192, 28), (384, 14), (960, 7)):
        yield f"depthwise 3x3, {c} x {size}²", conv(c, size, c, 3, group=c), "Conv"
    for c, size in ((96, 112), (144, 56), (576, 14)):
        yield f"depthwise 3x3 stride 2, {c} x {size}²", conv(c, size, c, 3, 2, group=c), "Conv"
    yield "depthwise 5x5, 240 x 14²", conv(240, 14, 240, 5, group=240), "Conv"
    yield "depthwise 7x7, 96 x 56²", conv(96, 56, 96, 7, group=96), "Conv"
    yield "conv transpose 2x2 stride 2, 128 -> 64 x 64²", conv(128, 64, 64, 2, 2, op="ConvTranspose"), "ConvTranspose"
    for m, n, k in ((128, 384, 384), (128, 1536, 384), (128, 384, 1536), (256, 256, 256)):
        yield f"gemm {m} x {n} x {k}", matmul(m, n, k), "MatMul"
    yield "gemm 64 x 768 x 3072, rows a multiple of 4 KB apart", matmul(64, 768, 3072), "MatMul"
    yield "gemm 128 x 3072 x 768, cold", matmul(128, 3072, 768, 6), "MatMul"
    for n, k in ((384, 384), (1536, 384)):
        yield f"gemv {n} x {k}", matmul(1, n, k), "MatMul"
    yield "gemv 1000 x 2048, cold", matmul(1, 1000, 2048, 8), "MatMul"
    yield "gemv 4096 x 4096, cold", matmul(1, 4096, 4096, 2), "MatMul"
    yield "batch of 12 products 128 x 128 x 64", product(12, 128, 128, 64), "MatMul"
    yield "attention, 12 heads, 128 x 64", attention(12, 128, 64), ""
    yield "attention, 12 heads, 197 x 64", attention(12, 197, 64), ""
    yield "LSTM, 100 steps of 256", recurrent("LSTM", 4, 100, 256), "LSTM"
    yield "GRU, 100 steps of 256", recurrent("GRU", 3, 100, 256), "GRU"
    for op in ("Exp", "Tanh", "Sigmoid", "Erf"):
        yield f"{op.lower()}, 128 x 1536", unary(op, 128, 1536), op
    yield "gelu, 128 x 1536", gelu(128, 1536), ""
    yield "softmax, 1536 rows of 128", unary("Softmax", 1536, 128, axis=-1), "Softmax"
    yield "softmax, 1 row of 50257", unary("Softmax", 1, 50257, axis=-1), "Softmax"
    yield "layer normalization, 128 rows of 384", layer_norm(128, 384), "LayerNormalization"
    yield "add, 196608 elements", add(128, 1536), "Add"
    yield "max pool 3x3 stride 2, 64 x 112²", unary("MaxPool", 1, 64, 112, 112, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), "MaxPool"
    yield "average over 2048 x 7²", unary("GlobalAveragePool", 1, 2048, 7, 7), "GlobalAveragePool"
    yield "transpose, 128 x 12 x 64", unary("Transpose", 1, 128, 12, 64, perm=[0, 2, 1, 3]), "Transpose"


# --- measuring ---


def measure(args, path, cc, flags):
    command = [args.ctc, "bench", path, "--json", "--cc", cc, "--cflags", flags, "--seconds", str(args.seconds)] + ["--cpu-time"] * args.cpu_time
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return json.loads(done.stdout)


def heaviest(result, op):
    """The steps of the operator's heaviest kernel, a mean over its links. Loop nests count only if there is nothing else:
    around a convolution they change the layout. Without an operator: all steps, as one.
    """
    kernels = {}
    for step in result["steps"]:
        if op in step["nodes"]:
            kernels.setdefault(step["kernel"], []).append(step)
    real = {name: steps for name, steps in kernels.items() if name != "loop nest"} or kernels
    name, steps = max(real.items(), key=lambda item: sum(s["ns"] for s in item[1]))
    n = len(steps)
    if not op:
        steps, n = result["steps"], 1
    total = {key: sum(max(0, s[key]) for s in steps) for key in ("ns", "flops", "bytes")}
    return {"kernel": name} | {key: value / n for key, value in total.items()} | {
        "roof": sum(s["roof"] * s["ns"] for s in steps) / max(total["ns"], 1e-3)
    }


def rates(found, result):
    """(GFLOP/s, share of the peak, GB/s, share of the roof); None where there are no flops."""
    seconds = max(found["ns"], 1e-3)
    gflops = found["flops"] / seconds if found["flops"] > 0 else None
    share = gflops / result["peak"] if gflops and result["peak"] else None
    return gflops, share, found["bytes"] / seconds, found["roof"]


def row_of(args, title, made, op, folder):
    """The builds take turns; of each the round counts that took the least time, which leaves out what else the machine does."""
    path = folder / "case.onnx"
    path.write_bytes(made.SerializeToString())
    row = {"case": title, "builds": {}}
    for cc, flags in args.builds * args.rounds:
        try:
            result = measure(args, path, cc, flags)
            found = heaviest(result, op)
        except (RuntimeError, ValueError) as error:
            print(f"{title}: {cc} {flags}: {error}", flush=True)
            continue
        name = f"{cc} {BUILD_TITLES[flags]}"
        best = row["builds"].get(name)
        result["peak"] = max(result["peak"], best["peak"] if best else 0)
        if not best or found["ns"] < best["ns"]:
            best = found
        row["builds"][name] = {**best, "rates": rates(best, result), "peak": result["peak"]}
    return row


def cells_of(build):
    if not build:
        return ["", "", ""]
    gflops, share, gbytes, roof = build["rates"]
    return [f"{build['ns'] / 1e3:.1f}", f"{gflops:.0f} ({100 * share:.0f})" if gflops and share else "", f"{gbytes:.0f} ({100 * roof:.0f})"]


def print_row(row):
    for name, build in row["builds"].items():
        us, flops, gbytes = cells_of(build)
        print(f"{row['case']:44.44} {build['kernel']:22.22} {name:13} {us:>9} us {flops:>10} GFLOP/s (% peak) {gbytes:>10} GB/s (% roof)", flush=True)


def document(rows):
    """Lines of markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row["builds"]))
    peaks = ", ".join(f"{name} {max(row['builds'][name]['peak'] for row in rows if name in row['builds']):.0f}" for name in names)
    first = names[0]
    lines = ["One operator each with bias and activation where there is one, one thread, by `ctc bench`, the least of several rounds in turns; `make bench-kernels` does it again. "
             f"*GFLOP/s*: in brackets percent of the measured peak of multiply-adds of that build ({peaks} GFLOP/s); operations of the direct "
             "method are counted for Winograd's too, so more than 100 % is possible. *GB/s*: of tensors and weights, in brackets percent of the roof: "
             "of the peak or of the bandwidth of the cache that the data fits into, whichever is nearer.", "",
             f"| case | kernel | us, {first} | GFLOP/s | GB/s | " + " | ".join(f"GFLOP/s, {name}" for name in names[1:]) + " |",
             "|---|---|" + "---:|" * (3 + len(names) - 1)]
    for row in rows:
        own = row["builds"].get(first)
        others = [cells_of(row["builds"].get(name)) for name in names[1:]]
        lines.append("| " + " | ".join([row["case"], own["kernel"] if own else "", *cells_of(own), *(c[1] or c[0] and f"{c[0]} us" for c in others)]) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument("--only", nargs="*", default=[], help="cases whose title holds all of these words")
    parser.add_argument("--seconds", type=float, default=0.15, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu-time", action="store_true", help="for a busy machine")
    parser.add_argument("--native", action="store_true", help="gcc with -march=native only")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "bench" / "results.json")
    args = parser.parse_args()
    args.builds = [(cc, flags) for cc, flags in BUILDS[: 1 if args.native else None] if shutil.which(cc)]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for title, made, op in cases():
            if all(word in title for word in args.only):
                rows.append(row_of(args, title, made, op, pathlib.Path(folder)))
                print_row(rows[-1])
    if args.write:
        store = json.loads(args.results.read_text()) if args.results.exists() else {"rows": {}}
        store["kernels"] = document([row for row in rows if row["builds"]])
        args.results.parent.mkdir(parents=True, exist_ok=True)
        args.results.write_text(json.dumps(store, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
