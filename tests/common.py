"""What the Python checks share: running ctc, small models, compiled libraries, onnxruntime, and counting."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

import numpy as np

import ctc_model

ROOT = pathlib.Path(__file__).resolve().parent.parent
CTC = pathlib.Path(os.environ.get("CTC", ROOT / "build" / "ctc")).resolve()
STRICT = "-std=c99 -Wall -Wextra -Wconversion -pedantic -Werror".split()
OPSET = 17
BAD_SHAPE, BAD_INDEX = 2, 3  # what a run returns


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


def ctc(*arguments, cwd=None, seconds=300, environment=None):
    """Runs ctc, with these variables set besides; a crash (a signal, or exit status 70) raises."""
    done = subprocess.run(
        [CTC, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=cwd,
        timeout=seconds,
        env=os.environ | (environment or {}),
    )
    if done.returncode < 0 or done.returncode == 70 or "Sanitizer" in done.stderr:
        raise AssertionError(
            f"ctc {' '.join(map(str, arguments))} crashed ({done.returncode}): {done.stderr[-500:]}"
        )
    return Result(done)


def ctc_ok(*arguments, cwd=None, environment=None):
    result = ctc(*arguments, cwd=cwd, environment=environment)
    assert (
        result.status == 0
    ), f"ctc {' '.join(map(str, arguments))}: exit {result.status}: {result.err[:500]}"
    return result


def compile_c(command, cwd):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, errors="replace", cwd=cwd
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr[:800]}"


def python_with_pytorch():
    """The Python that has PyTorch: this one, or Debian's (package python3-torch); None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
            return python
    return None


# --- CUDA without a GPU (tests/cuda) ---


def asan_library():
    """The library that brings AddressSanitizer into a program that was built without."""
    return subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()


def cuda_environment(folder=CTC.parent / "cuda", **settings):
    """Of a process that finds the stand-in in that folder, with settings CTC_CUDA_…; `sanitize=1` brings AddressSanitizer."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(folder), CTC_CUDA_CACHE=str(folder / "cache"))
    if settings.get("sanitize"):
        environment.update(LD_PRELOAD=asan_library(), ASAN_OPTIONS="detect_leaks=0")
    environment.update({"CTC_CUDA_" + name.upper(): str(value) for name, value in settings.items()})
    return environment


def cuda_stand_in_missing():
    """Why kernels cannot be executed here; None if they can."""
    if not (CTC.parent / "cuda" / "libcuda.so.1").exists():
        return "no stand-in for CUDA in build/cuda (x86-64 only): run `make cuda-stand-in`"
    return None if shutil.which("g++") else "no g++, which compiles kernels for the stand-in"


# --- models ---

TYPES = {
    np.dtype(np.float32): 1,
    np.dtype(np.int64): 7,
    np.dtype(np.int32): 6,
    np.dtype(np.float64): 11,
    np.dtype(np.float16): 10,
    np.dtype(bool): 9,
    np.dtype(np.uint8): 2,
    np.dtype(np.int8): 3,
}


def value(name, shape, dtype=np.float32):
    """A graph input or output; dims are numbers or names; shape None leaves it unknown."""
    from onnx import helper

    return helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape)


def model(nodes, inputs, outputs, constants=None, opset=OPSET, **more):
    """A model of (operator, inputs, outputs, attributes) tuples or ready nodes; constants {name: array}."""
    from onnx import helper, numpy_helper

    made = []
    for i, node in enumerate(nodes):
        if isinstance(node, tuple):
            op, ins, outs, *attributes = node
            node = helper.make_node(
                op, ins, outs, name=f"n{i}", **(attributes[0] if attributes else {})
            )
        made.append(node)
    initializers = [
        numpy_helper.from_array(np.asarray(array), name)
        for name, array in (constants or {}).items()
    ]
    graph = helper.make_graph(made, "test", inputs, outputs, initializers)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more
    )


def save(made, folder, name="m.onnx"):
    path = pathlib.Path(folder) / name
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def conv_net():
    """A small convolutional network with weights, over a batch of any size."""
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.standard_normal((8, 3, 3, 3)).astype(np.float32) * 0.2,
        "b1": rng.standard_normal(8).astype(np.float32),
        "w2": rng.standard_normal((8 * 8 * 8, 10)).astype(np.float32) * 0.05,
        "b2": rng.standard_normal(10).astype(np.float32),
    }
    nodes = [
        ("Conv", ["x", "w1", "b1"], ["c"], {"pads": [1, 1, 1, 1]}),
        ("Relu", ["c"], ["r"]),
        ("MaxPool", ["r"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "w2", "b2"], ["g"]),
        ("Softmax", ["g"], ["y"], {"axis": -1}),
    ]
    return model(nodes, [value("x", ["N", 3, 16, 16])], [value("y", ["N", 10])], weights)


# --- running ---


def library(made, folder, name="net", options=(), cc="gcc", flags=("-O1", "-w")):
    """The model compiled by ctc and `cc` into a loaded library."""
    folder = pathlib.Path(folder)
    path = save(made, folder, f"{name}.onnx")
    ctc_ok("compile", path, "-o", folder / f"{name}.c", "--prefix", name, "--quiet", *options)
    compile_c([cc, *flags, "-shared", "-fPIC", f"{name}.c", "-o", f"{name}.so", "-lm"], folder)
    return ctc_model.load(folder / f"{name}.so", name)


def onnxruntime_outputs(made, inputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {name: value if isinstance(value, list) else np.asarray(value) for name, value in inputs.items()}
    return session.run(None, given)


def same(actual, expected, rtol=1e-4, atol=1e-5):
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape, f"shape {a.shape}, expected {e.shape}"
        assert a.dtype == e.dtype, f"type {a.dtype}, expected {e.dtype}"
        np.testing.assert_allclose(
            a.astype(np.float64), e.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True
        )


def refused(net, inputs, status):
    """The program does not take the inputs, and says so by that status."""
    try:
        net.run(inputs)
    except ctc_model.ModelError as error:
        assert error.status == status, error
    else:
        raise AssertionError("it was not refused")


# --- counting ---


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @staticmethod
    def parse(text):
        """From the closing line of another program; a missing one counts as a failure."""
        found = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", text, re.M)
        return Count(*map(int, found[-1])) if found else Count(0, 1, 0)


def failure_of(name, check):
    """What is wrong, as a line; None if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(pathlib.Path(folder))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return f"FAIL {name}: {type(error).__name__}: {str(error)[:600]} ({where.name}:{where.lineno})"
    return None


def run_checks(checks):
    """Runs {name: function(folder)}, as many at a time as there are cores; prints what fails."""
    count = Count()
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for failure in pool.map(failure_of, checks, checks.values()):
            count.add(Count(passed=not failure, failed=bool(failure)))
            if failure:
                print(failure)
    return count


def expect_text(golden, got, script):
    """The text is that of the file, which `script --renew` writes."""
    assert golden.exists(), f"{golden.name} is missing: {script} --renew writes it"
    assert got == golden.read_text(), f"expected\n{golden.read_text()}got\n{got}"


def renew_texts(golden, names, text_of):
    """Writes the folder of expected texts anew: NAME.txt is text_of(name, an empty folder)."""
    golden.mkdir(exist_ok=True)
    for path in golden.glob("*.txt"):
        path.unlink()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                (golden / f"{name}.txt").write_text(text_of(name, pathlib.Path(folder)))
            except Exception as error:
                print(f"{name}: {error}")


def checks_of(module):
    """The functions of a module called check_…, in the order in which they stand."""
    return {
        name[6:]: member
        for name, member in vars(module).items()
        if name.startswith("check_") and callable(member)
    }


def run_named(checks):
    """For a script of checks: runs those named on the command line, or all; the exit status says whether none failed."""
    count = run_checks({name: checks[name] for name in sys.argv[1:] or checks})
    print(count)
    sys.exit(1 if count.failed else 0)
