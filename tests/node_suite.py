#!/usr/bin/env python3
"""Every operator that ctc supports against the ONNX backend test cases (PyPI package onnx),
through emitted and compiled C.

    node_suite.py [--filter REGEX] [--cc clang] [--strict] [--sanitize] [--split] [--jobs N] [--list-failing] [--skipped]
    node_suite.py --cuda [--order ORDER] …       through emitted CUDA, on the stand-in for a GPU (tests/cuda)

Each case is compiled by `ctc compile`; the C files of about a hundred cases become one shared
library, which a process of its own loads and runs, so that a crash costs one case. Results must
have the expected type and shape; integers must be equal, other numbers within the tolerances of
the suite. A case with an operator that ctc does not have is skipped. Cases that are known to
fail stand in node_failures.txt as `name: reason`; that list may only shrink: a listed case that
passes is an error, too. With --cuda, those of node_failures_cuda.txt are known besides.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import pickle
import re
import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np

import ctc_model
from common import cuda_environment, cuda_stand_in_missing
from drawn.expected import Expected

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
FAILURES, CUDA_FAILURES = HERE / "node_failures.txt", HERE / "node_failures_cuda.txt"
DATA_GROUPS = ("pytorch-converted", "pytorch-operator", "simple", "light")
BATCH = 60
CASE_SECONDS, CUDA_CASE_SECONDS = 30, 120
SPLITS = (2, 3, 7)  # parts of a step
# The suite's tolerance is finer than bfloat16 itself: a result may be off by one unit in the last place.
BFLOAT16, BFLOAT16_ULP = 16, 2.0**-7
STRICT_FLAGS = "-std=c99 -Wall -Wextra -Wconversion -pedantic -Werror"
SANITIZE_FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all"

# `outputs` are arrays, or Expected ones, which bring their own tolerance.
Case = collections.namedtuple("Case", "name model inputs outputs rtol atol")


# --- the cases ---


class Unknown:
    """A value of a kind that no program takes."""


def to_value(value):
    """A value of a data set: an array, a list of arrays for a sequence, a dict for a map, None for an absent optional."""
    import onnx

    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    if isinstance(value, list):
        return [to_value(item) for item in value]
    return value if value is None or isinstance(value, dict) else Unknown


def generated_cases():
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        inputs, outputs = case.data_sets[0]
        yield Case(
            case.name,
            case.model,
            [to_value(v) for v in inputs],
            [to_value(v) for v in outputs],
            case.rtol,
            case.atol,
        )


def read_tensor(path, value_info):
    import onnx

    if value_info.type.WhichOneof("value") != "tensor_type":
        return Unknown
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def stored_cases():
    """Cases that lie in the package as files."""
    import onnx
    import onnx.backend.test

    data = pathlib.Path(onnx.backend.test.__file__).parent / "data"
    for group in DATA_GROUPS:
        for folder in sorted((data / group).glob("test_*")):
            values = folder / "test_data_set_0"
            if not (folder / "model.onnx").exists() or not values.exists():
                continue
            model = onnx.load(folder / "model.onnx")
            known = {tensor.name for tensor in model.graph.initializer}
            given = [i for i in model.graph.input if i.name not in known]
            inputs = [read_tensor(values / f"input_{i}.pb", info) for i, info in enumerate(given)]
            outputs = [
                read_tensor(values / f"output_{i}.pb", info)
                for i, info in enumerate(model.graph.output)
            ]
            yield Case(folder.name, model, inputs, outputs, 1e-3, 1e-7)


def all_cases():
    warnings.filterwarnings("ignore")
    np.random.seed(0)
    cases, seen = [], set()
    for case in [*generated_cases(), *stored_cases()]:
        if case.name not in seen:
            cases.append(case)
            seen.add(case.name)
    return sorted(cases, key=lambda case: case.name)


def operators_of(model):
    """The operators that a model needs, as `ctc ops` names them; functions of the model count with what they hold."""
    functions = {(f.domain, f.name): f for f in model.functions}
    found = set()

    def walk(nodes, domain_names):
        for node in nodes:
            domain = "" if node.domain == "ai.onnx" else node.domain
            if (node.domain, node.op_type) not in functions:
                found.add(f"{domain}.{node.op_type}" if domain else node.op_type)
            for attribute in node.attribute:
                for graph in [attribute.g, *attribute.graphs]:
                    walk(graph.node, domain_names)

    walk(model.graph.node, None)
    for function in functions.values():
        walk(function.node, None)
    return found


def reason_to_skip(case, supported):
    missing = sorted(operators_of(case.model) - supported)
    if missing:
        return "no operator " + ", ".join(missing)
    if any(value is Unknown for value in case.inputs + case.outputs):
        return "an input or output is of a kind that is not read"
    return None


# --- compiling ---


def last_lines(text, count=1):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return " | ".join(lines[-count:])


def first_error(text):
    for line in text.splitlines():
        if "error" in line or "warning" in line:
            return line.strip()
    return last_lines(text)


def kernels_on_host(text):
    """The kernels that ctc says to run on the CPU, between copies."""
    return [name for names in re.findall(r"on the CPU between copies: (.*)", text) for name in names.split(", ")]


class Suite:
    def __init__(self, args):
        self.args = args
        self.build = args.build
        self.failed = {}  # name: message
        self.passed = set()
        self.on_host = collections.Counter()  # kernels of CUDA programs that do not run on the device

    def emit(self, item):
        """Writes the model and its C file; the C file or None."""
        prefix, case = item
        model = self.build / f"{prefix}.onnx"
        source = model.with_suffix(".cu" if self.args.cuda else ".c")
        model.write_bytes(case.model.SerializeToString())
        try:
            done = subprocess.run(
                [self.args.ctc, "compile", model, "-o", source, "--prefix", prefix, "--quiet"]
                + ["--split-all"] * self.args.split,
                capture_output=True,
                text=True,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            self.failed[case.name] = "ctc took more than 60 s"
            return None
        if done.returncode == 0 and source.exists():
            self.on_host.update(kernels_on_host(done.stderr))
            return source
        self.failed[case.name] = f"ctc exit {done.returncode}: " + first_error(done.stderr)
        return None

    def flags(self):
        flags = [*self.args.opt.split(), "-fPIC"]
        flags += STRICT_FLAGS.split() if self.args.strict else ["-w", "-std=c99"]
        if self.args.sanitize:
            flags += SANITIZE_FLAGS.split()
            if "clang" in self.args.cc:
                flags.append("-shared-libasan")
        return flags

    def compile_objects(self, chunk):
        """Object files of a chunk of (prefix, case, source), in one call of the compiler; one by one if that fails."""
        command = self.args.cc.split() + self.flags() + ["-x", "c", "-c"]
        done = subprocess.run(
            command + [c[2].name for c in chunk], cwd=self.build, capture_output=True, text=True
        )
        if done.returncode == 0:
            return chunk
        if len(chunk) == 1:
            self.failed[chunk[0][1].name] = "C compiler: " + first_error(done.stderr)
            return []
        return [good for one in chunk for good in self.compile_objects([one])]

    def run_batch(self, number, batch):
        chunk = self.compile_objects(batch)
        if not chunk:
            return
        library = self.build / f"batch_{number}.so"
        link = self.args.cc.split() + self.flags() + ["-shared", "-o", library.name]
        done = subprocess.run(
            link + [c[2].with_suffix(".o").name for c in chunk] + ["-lm", "-ldl"],
            cwd=self.build,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            for _, case, _ in chunk:
                self.failed[case.name] = "linker: " + first_error(done.stderr)
            return
        self.run_library(number, library, [(prefix, case) for prefix, case, _ in chunk])

    def environment(self):
        if self.args.cuda:
            return cuda_environment(**self.args.settings)
        environment = dict(os.environ)
        if self.args.sanitize:
            name = "libclang_rt.asan-x86_64.so" if "clang" in self.args.cc else "libasan.so"
            found = subprocess.run(
                self.args.cc.split() + [f"-print-file-name={name}"], capture_output=True, text=True
            )
            environment["LD_PRELOAD"] = found.stdout.strip()
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
        return environment

    def run_library(self, number, library, items):
        """Runs cases in a process of their own; after a crash it goes on behind the one that crashed."""
        todo = list(items)
        while todo:
            work = self.build / f"batch_{number}.pickle"
            plain = [(prefix, case._replace(model=None)) for prefix, case in todo]
            work.write_bytes(pickle.dumps((str(library), plain, self.args.split, self.args.cuda)))
            done = subprocess.run(
                [sys.executable, __file__, "--worker", work],
                env=self.environment(),
                capture_output=True,
                text=True,
                errors="replace",
            )
            answered = 0
            for line in done.stdout.splitlines():
                if not line.startswith("{"):
                    continue
                result = json.loads(line)
                answered += 1
                if result["message"]:
                    self.failed[result["name"]] = result["message"]
                else:
                    self.passed.add(result["name"])
            if answered >= len(todo):
                return
            what = (
                "took too long"
                if done.returncode == -signal.SIGALRM
                else f"crashed ({done.returncode})"
            )
            detail = next(
                (
                    line
                    for line in done.stderr.splitlines()
                    if "ERROR" in line or "runtime error" in line or "kernel " in line
                ),
                "",
            )
            self.failed[todo[answered][1].name] = f"{what} {detail}".strip()
            todo = todo[answered + 1 :]

    def run(self, cases):
        prefixed = [(f"case_{i}", case) for i, case in enumerate(cases)]
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            sources = list(pool.map(self.emit, prefixed))
            ready = [
                (prefix, case, source)
                for (prefix, case), source in zip(prefixed, sources)
                if source
            ]
            batches = [ready[i : i + BATCH] for i in range(0, len(ready), BATCH)]
            list(pool.map(lambda pair: self.run_batch(*pair), enumerate(batches)))


# --- running (in the worker) ---


def value_difference(kind, expected, actual, rtol, atol):
    """What is wrong with the value `actual` of a port or compound, or None."""
    if isinstance(expected, Expected):
        return expected.difference(kind.code, actual)
    if not isinstance(kind, ctc_model.Compound):
        return difference(kind.code, expected, actual, rtol, atol)
    if not isinstance(expected, list) or not isinstance(actual, list):
        expected, actual = ([] if value is None else [value] for value in (expected, actual))
    if len(expected) != len(actual):
        return f"{len(actual)} elements, expected {len(expected)}"
    for i, pair in enumerate(zip(expected, actual)):
        wrong = difference(kind.ports[0].code, *pair, rtol, atol)
        if wrong:
            return f"element {i}: {wrong}"
    return None


def difference(code, expected, actual, rtol, atol):
    """What is wrong with the array `actual` of ONNX type `code`, or None."""
    import onnx

    wanted = (
        onnx.helper.np_dtype_to_tensor_dtype(expected.dtype)
        if expected.dtype != object
        else ctc_model.STRING
    )
    if expected.dtype.kind in "US":
        wanted = ctc_model.STRING
    if wanted != code:
        return f"type {code}, expected {wanted}"
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, expected {expected.shape}"
    if code in ctc_model.SMALL_INTEGERS:
        expected = expected.astype(actual.dtype)
    if code == BFLOAT16:
        rtol = max(rtol, BFLOAT16_ULP)
    if code in ctc_model.BITS_ONLY:
        actual = actual.view(expected.dtype)
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    if (
        code == ctc_model.STRING
        or np.issubdtype(expected.dtype, np.integer)
        or expected.dtype == bool
    ):
        wrong = actual != expected
    else:
        wide = np.complex128 if np.iscomplexobj(expected) else np.float64
        wrong = ~np.isclose(
            actual.astype(wide), expected.astype(wide), rtol=rtol, atol=atol, equal_nan=True
        )
    if not np.any(wrong):
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(np.sum(wrong))} of {wrong.size} differ, first at {place}: {actual[place]!r}, expected {expected[place]!r}"


def same_bytes(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_bytes, a, b))
    if a is None or b is None:
        return a is b
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()


def split_differs(model, case, results):
    """Whether the same steps in parts, as threads would do them, give other bytes."""
    for parts in SPLITS:
        split = model.run(case.inputs, threads=ctc_model.last_part_first(parts))
        for kind, whole, part in zip(model.values_out, results, split):
            if not same_bytes(whole, part):
                return f"output {kind.name}: other bytes in {parts} parts"
    return None


def run_case(library, prefix, case, split, cuda):
    try:
        model = (ctc_model.load_cuda if cuda else ctc_model.load)(library, prefix)
        results = model.run(case.inputs)
        wrong = split_differs(model, case, results) if split else None
        if wrong:
            return wrong
    except Exception as error:  # whatever goes wrong belongs to this case
        return f"{type(error).__name__}: {error}"
    if len(results) != len(case.outputs):
        return f"{len(results)} outputs, expected {len(case.outputs)}"
    for kind, actual, expected in zip(model.values_out, results, case.outputs):
        wrong = value_difference(kind, expected, actual, case.rtol, case.atol)
        if wrong:
            return f"output {kind.name}: {wrong}"
    return None


def worker(path):
    library, items, split, cuda = pickle.loads(pathlib.Path(path).read_bytes())
    warnings.filterwarnings("ignore")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for prefix, case in items:
        signal.alarm(CUDA_CASE_SECONDS if cuda else CASE_SECONDS)
        message = run_case(library, prefix, case, split, cuda)
        signal.alarm(0)
        print(json.dumps({"name": case.name, "message": message}), flush=True)


# --- the report ---


def read_failures(path):
    if not path.exists():
        return {}
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return dict((part.strip() for part in line.split(":", 1)) for line in lines if line)


def report(args, suite, cases, skipped):
    known = read_failures(FAILURES)
    if args.cuda:
        known |= read_failures(CUDA_FAILURES)
    names = {case.name for case in cases}
    unexpected = {name: text for name, text in suite.failed.items() if name not in known}
    repaired = sorted(name for name in known if name in suite.passed)
    some = args.filter or args.every > 1
    absent = sorted(name for name in known if not some and name not in names)
    if args.skipped:
        for name, reason in sorted(skipped.items()):
            print(f"skip {name}: {reason}")
    listed = suite.failed if args.list_failing else unexpected
    for name, text in sorted(listed.items()):
        print(f"FAIL {name}: {text}")
    for name in repaired:
        print(f"FAIL {name}: passes, but is listed in {FAILURES.name}: take it out")
    for name in absent:
        print(f"FAIL {name}: is listed in {FAILURES.name}, but is no case that runs")
    bad = len(unexpected) + len(repaired) + len(absent)
    known_count = len(suite.failed) - len(unexpected)
    if known_count:
        print(f"{known_count} known failures ({FAILURES.name})")
    if suite.on_host:
        print("kernels on the host, and in how many cases: " + ", ".join(f"{name} {n}" for name, n in suite.on_host.most_common()))
    print(f"{len(suite.passed) - len(repaired)} passed, {bad} failed, {len(skipped)} skipped")
    return bad == 0


def stand_in_settings(args, order=None):
    """How the stand-in for a GPU runs kernels, see common.cuda_environment."""
    return {"flags": "-O0"} | ({"order": order} if order else {}) | ({"sanitize": 1} if args.sanitize else {})


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--filter", help="only cases whose name matches this regular expression")
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--opt", default="-O1")
    parser.add_argument("--strict", action="store_true", help=STRICT_FLAGS)
    parser.add_argument(
        "--sanitize", action="store_true", help="address and undefined behaviour sanitizers"
    )
    parser.add_argument(
        "--split", action="store_true", help="each step also in parts, which must give the same bytes"
    )
    parser.add_argument("--cuda", action="store_true", help="emit CUDA and run it on the stand-in for a GPU")
    parser.add_argument("--order", help="of the threads of a block: forward, backward, shuffle:SEED (with --cuda)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only each N-th case")
    parser.add_argument("--list-failing", action="store_true", help="known failures, too")
    parser.add_argument("--skipped", action="store_true", help="list what was skipped, and why")
    parser.add_argument("--keep", action="store_true", help="leave the emitted files")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "node-suite")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.ctc, args.build = args.ctc.resolve(), args.build.resolve()
    args.settings = stand_in_settings(args, args.order)
    return args


def main():
    args = parse_arguments()
    if args.worker:
        worker(args.worker)
        return 0
    missing = cuda_stand_in_missing() if args.cuda else None
    if missing:
        print(f"skipped: {missing}\n0 passed, 0 failed, 1 skipped")
        return 0
    supported = set(
        subprocess.run([args.ctc, "ops"], capture_output=True, text=True, check=True).stdout.split()
    )
    skipped, cases = {}, []
    for case in all_cases()[:: args.every]:
        if args.filter and not re.search(args.filter, case.name):
            continue
        reason = reason_to_skip(case, supported)
        if reason:
            skipped[case.name] = reason
        else:
            cases.append(case)
    shutil.rmtree(args.build, ignore_errors=True)
    args.build.mkdir(parents=True)
    suite = Suite(args)
    suite.run(cases)
    ok = report(args, suite, cases, skipped)
    if ok and not args.keep:
        shutil.rmtree(args.build, ignore_errors=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
