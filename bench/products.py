#!/usr/bin/env python3
"""The matrix products of the standard architectures: ctc's kernels beside OpenBLAS, on one thread.

    products.py [--only WORD…] [--models NAME…] [--write]

Every product of the models counts once: MatMul, Gemm, 1x1 convolutions (pixels times input channels), the two products of
a recurrent layer. For each, ctc makes a program of that operator alone; it takes turns with cblas_sgemm in runs of less
than a millisecond, and the least of both counts, which leaves out what else the machine does. Outputs are compared.
OpenBLAS is libopenblas.so.0 (Debian: libopenblas0-pthread). --write puts the table into the results from which
docs/benchmarks.md is written; with --only or --models these rows of it.
"""

import argparse
import collections
import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import kernels
import models
import programs

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests"))

LIBRARY = "libopenblas.so.0"
# Behind this ratio a product counts as lost.
LOST = 0.95
SAMPLE_NS = 2e5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

# kind: "constant" (B is a weight), "turned" (a weight, [n x k]), "pair" (A and B are activations), "conv" (B is a weight; stride).
Product = collections.namedtuple("Product", "kind batch m n k stride")


# --- which products there are ---


def constants_of(graph):
    """Names of the values that do not depend on inputs."""
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if all(name in known or not name for name in node.input):
            known |= set(node.output)
    return known


def shapes_of(model):
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.input, *graph.output]}
    return shapes | {t.name: list(t.dims) for t in graph.initializer}


def matmul_product(node, shapes, known):
    a, b = (shapes[name] for name in node.input[:2])
    a, b = (a if len(a) > 1 else [1, *a]), (b if len(b) > 1 else [*b, 1])
    lead = np.prod(a[:-2], dtype=int)
    if node.input[1] in known and len(b) == 2:
        yield Product("constant", 1, int(lead * a[-2]), b[-1], a[-1], 1)
    else:
        yield Product("pair", int(max(lead, np.prod(b[:-2], dtype=int))), a[-2], b[-1], a[-1], 1)


def gemm_product(node, shapes, known):
    turned = {a.name: a.i for a in node.attribute}
    (m, k), b = shapes[node.input[0]][:: -1 if turned.get("transA") else 1], shapes[node.input[1]]
    yield Product("turned" if turned.get("transB") else "constant", 1, m, b[0] if turned.get("transB") else b[1], k, 1)


def conv_product(node, shapes, known):
    out, channels, *kernel = shapes[node.input[1]]
    attributes = {a.name: a.ints[:] or a.i for a in node.attribute}
    strides = attributes.get("strides", [1, 1])
    plain = kernel == [1, 1] and attributes.get("group", 1) == 1 and not any(attributes.get("pads", [])) and strides[0] == strides[-1]
    if plain and node.input[1] in known:
        n, _, h, w = shapes[node.output[0]]
        yield Product("conv", n, h * w, out, channels, strides[0])


def recurrent_products(node, shapes, known):
    steps, batch, size = shapes[node.input[0]]
    _, wide, hidden = shapes[node.input[2]]
    yield Product("turned", 1, steps * batch, wide, size, 1)
    yield Product("turned", 1, batch, wide, hidden, 1)


FINDERS = {"MatMul": matmul_product, "Gemm": gemm_product, "Conv": conv_product, **{op: recurrent_products for op in GATES}}


def products_of(path):
    import onnx

    model = onnx.load(path)
    shapes, known = shapes_of(model), constants_of(model.graph)
    for node in model.graph.node:
        if node.op_type in FINDERS:
            yield from FINDERS[node.op_type](node, shapes, known)


def collect(args):
    """{product: names of the models that have it}"""
    found = {}
    for _, entry in models.collect(args.models, ["bench"], args.folder):
        path, _ = models.prepare(entry, args.folder / "models")
        for product in products_of(path):
            if min(product[1:]) > 0:
                found.setdefault(product, {})[entry.name] = True
    return {product: list(names) for product, names in sorted(found.items())}


def title(p):
    kind = {"conv": "1x1 conv, ", "pair": "", "constant": "", "turned": ""}[p.kind]
    several = {"pair": f"{p.batch} of " if p.batch > 1 else ""}.get(p.kind, f"{p.batch} images, " if p.batch > 1 else "")
    return f"{kind}{several}{p.m} x {p.n} x {p.k}" + (f", stride {p.stride}" if p.stride > 1 else "") + (", both vary" if p.kind == "pair" else "")


# --- one product ---


def model_of(p, b):
    """A model of this operator alone; b: [n x k] if the kind is turned or conv."""
    if p.kind == "pair":
        return kernels.product(p.batch, p.m, p.n, p.k)
    if p.kind != "conv":
        node = ("Gemm", ["x", "b"], ["y"], {"transB": 1}) if p.kind == "turned" else ("MatMul", ["x", "b"], ["y"])
        return kernels.network([node], {"x": (p.m, p.k)}, {"b": b})
    h, w = sides(p.m)
    size = [(side - 1) * p.stride + 1 for side in (h, w)]
    return kernels.network([("Conv", ["x", "b"], ["y"], {"strides": [p.stride] * 2})], {"x": (p.batch, p.k, *size)}, {"b": b.reshape(p.n, p.k, 1, 1)})


def sides(pixels):
    """Height and width, as near to a square as can be."""
    h = max(d for d in range(1, int(pixels**0.5) + 1) if pixels % d == 0)
    return h, pixels // h


def operands(p):
    """The model's inputs; A, B and where Y goes for sgemm. A convolution is Y[n x m] = B[n x k] * A[k x m]: channels by pixels."""
    b = kernels.numbers(*{"pair": (p.batch, p.k, p.n), "constant": (p.k, p.n)}.get(p.kind, (p.n, p.k)))
    if p.kind != "conv":
        a = kernels.numbers(p.batch, p.m, p.k)
        return ({"a": a, "b": b} if p.kind == "pair" else {"x": a[0]}), a, b, b
    h, w = sides(p.m)
    x = kernels.numbers(p.batch, p.k, (h - 1) * p.stride + 1, (w - 1) * p.stride + 1)
    read = np.ascontiguousarray(x[:, :, :: p.stride, :: p.stride]).reshape(p.batch, p.k, p.m)
    return {"x": x}, np.repeat(b[None], p.batch, axis=0), read, b


class Call(ctypes.Structure):
    """Product of products.c."""

    _fields_ = [("run", ctypes.c_void_p), ("inputs", ctypes.c_void_p), ("outputs", ctypes.c_void_p), ("dims", ctypes.c_void_p),
                ("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_int64), ("weights", ctypes.c_void_p), ("hook", ctypes.c_void_p),
                ("hook_context", ctypes.c_void_p), ("every_step", ctypes.c_int64), ("counts", ctypes.c_uint8 * 64), ("sgemm", ctypes.c_void_p),
                ("a", ctypes.c_void_p), ("b", ctypes.c_void_p), ("y", ctypes.c_void_p), ("batch", ctypes.c_int64), ("m", ctypes.c_int64),
                ("n", ctypes.c_int64), ("k", ctypes.c_int64), ("turned", ctypes.c_int64)]


def complete(command, folder=None):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return done


def build(args, p, cc, folder):
    """(name of its files, steps): the program; of a convolution that with hooks that `ctc bench` makes, and what it says of
    the steps. Otherwise all of a run is the product.
    """
    flags = args.cflags.split()
    if p.kind != "conv":
        complete([args.ctc, "compile", "case.onnx", "-o", "net.c", "--prefix", "net", "--weights=file", "--threads", 1], folder)
        complete([cc, *flags, "-w", "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"], folder)
        return "net", []
    done = complete([args.ctc, "bench", "case.onnx", "--json", "--keep", "--threads", 1, "--cc", cc, "--cflags", args.cflags, "--seconds", "0.001"], folder)
    kept = pathlib.Path(re.search(r"emitted files: (\S+)", done.stderr)[1])
    shutil.move(kept / "profile.so", folder)
    shutil.move(kept / "profile.weights", folder)
    shutil.rmtree(kept)
    return "profile", json.loads(done.stdout)["steps"]


def call_of(p, steps, engine, blas, a, b, y):
    """The steps that multiply count; where they all do, the whole run."""
    library = engine.model._library
    call = Call(**{name: getattr(engine.call, name) for name in ("run", "inputs", "outputs", "dims", "workspace", "workspace_bytes", "weights")})
    for step in steps:
        call.counts[step["step"]] = "Reorder" not in step["nodes"]
    call.every_step = sum(call.counts) == len(steps)
    if not call.every_step:
        call.hook = ctypes.addressof(ctypes.c_void_p.in_dll(library, "ctc_profile_hook"))
        call.hook_context = ctypes.addressof(ctypes.c_void_p.in_dll(library, "ctc_profile_context"))
    call.sgemm = ctypes.cast(blas.cblas_sgemm, ctypes.c_void_p).value
    call.a, call.b, call.y = (array.ctypes.data for array in (a, b, y))
    call.batch, call.m, call.n, call.k = p.batch, *((p.n, p.m) if p.kind == "conv" else (p.m, p.n)), p.k
    call.turned = p.kind == "turned"
    return call


def least(loop, call, rounds):
    """(own, BLAS): nanoseconds; they take turns."""
    samples = (ctypes.c_double * (2 * rounds))()
    times = lambda n: (ctypes.byref(samples), ctypes.byref(samples, 8 * n))  # noqa: E731
    calls = [1, 1]
    for count in (2, rounds):
        if not loop.products_time(ctypes.byref(call), *(ctypes.c_int64(c) for c in calls), ctypes.c_int64(count), *times(count)):
            raise RuntimeError("the program fails")
        found = [max(1.0, min(samples[i * count : (i + 1) * count])) for i in range(2)]
        calls = [max(1, int(SAMPLE_NS / ns)) for ns in found]
    return found


def measure(args, p, cc, blas, loop):
    """{own, blas: ns, gflops}"""
    import engines

    inputs, a, b, weight = operands(p)
    y = engines.aligned(np.zeros((p.batch, p.n, p.m) if p.kind == "conv" else (p.batch, p.m, p.n), np.float32))
    a, b = engines.aligned(a), engines.aligned(b)
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        (folder / "case.onnx").write_bytes(model_of(p, weight).SerializeToString())
        name, steps = build(args, p, cc, folder)
        engine = engines.Ctc(folder / f"{name}.so", inputs, {"y": y}, 1, "model" if steps else "net", f"{name}.weights")
    own, peer = least(loop, call_of(p, steps, engine, blas, a, b, y), args.rounds)
    got = next(iter(engine.outputs().values())).reshape(y.shape)
    if not np.allclose(got, y, rtol=1e-4, atol=1e-5):
        raise RuntimeError(f"outputs differ by {np.abs(got - y).max():.3g}")
    return {"own": own, "blas": peer, "gflops": 2.0 * p.batch * p.m * p.n * p.k / own}


# --- all of them ---


def open_blas():
    """OpenBLAS on one thread, or None."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError:
        return None


def blas_name(blas):
    blas.openblas_get_config.restype = ctypes.c_char_p
    config = blas.openblas_get_config().decode().split()
    return f"OpenBLAS {config[1]} ({config[-2] if config[-1].startswith('MAX') else config[-1]})"


def loop_library(folder):
    library = folder / "products.so"
    _, failed = programs.run(["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-shared", "-fPIC", HERE / "products.c", "-o", library], HERE, 60)
    if failed:
        sys.exit(f"products.py: {failed}")
    return ctypes.CDLL(str(library))


def row_of(args, product, names, blas, loop):
    row = {"product": title(product), "models": names, "builds": {}}
    for cc in args.compilers:
        try:
            found = measure(args, product, cc, blas, loop)
        except RuntimeError as error:
            print(f"{title(product)}: {cc}: {error}", flush=True)
            continue
        row["builds"][cc] = found
        print(f"{title(product):44.44} {cc:6} {found['own'] / 1e3:9.2f} us {found['gflops']:6.1f} GFLOP/s, "
              f"OpenBLAS {found['blas'] / 1e3:9.2f} us, ratio {ratio_of(found):.2f}{'  LOST' if ratio_of(found) < LOST else ''}", flush=True)
    return row


def ratio_of(found):
    return found["blas"] / found["own"]


def document(rows, name, cflags):
    """Lines of markdown; first those that are lost or nearly so."""
    compilers = list(dict.fromkeys(cc for row in rows for cc in row["builds"]))
    lost = [sum(ratio_of(row["builds"][cc]) < LOST for row in rows if cc in row["builds"]) for cc in compilers]
    lines = [f"{len(rows)} different products of the standard architectures, rows x columns x depth, one thread, `{cflags}`; least times of runs in turns. "
             f"ctc's own kernels against `cblas_sgemm` of {name}. Weights are packed while ctc compiles, and OpenBLAS packs them in each call; where both "
             "sides vary ctc packs as well, unless B is small. Of a 1x1 convolution the kernel counts, on blocked tensors as in a compiled model, and OpenBLAS gets the pixels of "
             "row-major planes, without gaps where there is a stride. *Ratio*: OpenBLAS's time divided by ctc's; **bold**: below 1. More than 5 % behind: "
             + ", ".join(f"{count} with {cc}" for cc, count in zip(compilers, lost)) + ".", "",
             "| product | models | OpenBLAS, us | " + " | ".join(f"{cc}, us | GFLOP/s | ratio" for cc in compilers) + " |",
             "|---|---|---:|" + "---:|---:|---:|" * len(compilers)]
    for row in sorted(rows, key=lambda row: min(map(ratio_of, row["builds"].values()))):
        builds = [row["builds"].get(cc) for cc in compilers]
        more = f" and {len(row['models']) - 2} more" if len(row["models"]) > 2 else ""
        cells = [f"{b['own'] / 1e3:.1f} | {b['gflops']:.0f} | {bold(ratio_of(b))}" if b else " | | " for b in builds]
        lines.append("| " + " | ".join([row["product"], ", ".join(row["models"][:2]) + more,
                                        f"{min(b['blas'] for b in builds if b) / 1e3:.1f}", *cells]) + " |")
    return lines


def bold(ratio):
    return f"**{ratio:.2f}**" if ratio < 1 else f"{ratio:.2f}"


def store_rows(args, rows, name):
    """All rows replace those of before; a choice of them replaces the same products."""
    path = args.folder / "results.json"
    store = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    if args.only or args.models:
        kept = {row["product"]: row for row in store.get("product_rows", [])}
        rows = list((kept | {row["product"]: row for row in rows}).values())
    store["product_rows"] = rows
    store["products"] = document(rows, name, args.cflags)
    path.write_text(json.dumps(store, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument("--only", nargs="*", default=[], help="products whose title holds all of these words")
    parser.add_argument("--models", nargs="*", default=[], help="products of these models")
    parser.add_argument("--cc", default="gcc", help="compilers, such as gcc,clang")
    parser.add_argument("--cflags", default="-O2 -march=native")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench")
    args = parser.parse_args()
    args.ctc = args.ctc.resolve()
    args.compilers = [cc for cc in args.cc.split(",") if shutil.which(cc)]
    blas = open_blas()
    if blas is None:
        print(f"skipped: products beside OpenBLAS: there is no {LIBRARY} (Debian: libopenblas0-pthread)")
        return 0
    args.folder.mkdir(parents=True, exist_ok=True)
    loop = loop_library(args.folder)
    wanted = [(p, names) for p, names in collect(args).items() if all(word in title(p) for word in args.only)]
    rows = [row_of(args, product, names, blas, loop) for product, names in wanted]
    if args.write:
        store_rows(args, [row for row in rows if row["builds"]], blas_name(blas))
    return 0


if __name__ == "__main__":
    sys.exit(main())
