"""Threads in emitted programs: the pool under load, and that results do not depend on the number of threads."""

import os
import re
import subprocess
import sys

import numpy as np

import ctc_model
from common import (
    ROOT,
    checks_of,
    compile_c,
    conv_net,
    ctc,
    ctc_ok,
    library,
    model,
    onnxruntime_outputs,
    run_named,
    same,
    save,
    value,
)

STRESS = ROOT / "tests" / "threads" / "stress.c"
POOL = ["-O2", "-w", "-DCTC_POOL", "-pthread"]
OPENMP = ["-O2", "-w", "-fopenmp"]
SANITIZED = {
    "thread": ["-fsanitize=thread"],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}


def array(*shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# --- models with steps that are worth several threads ---


def elementwise():
    """Chains with broadcasting, copies with strides, and sizes that no number of threads divides."""
    nodes = [
        ("Mul", ["x", "scale"], ["m"]),
        ("Exp", ["m"], ["e"]),
        ("Add", ["e", "x"], ["a"]),
        ("Transpose", ["a"], ["t"], {"perm": [0, 3, 2, 1]}),
        ("Concat", ["t", "t"], ["c"], {"axis": 1}),
        ("Pad", ["a", "pads"], ["p"]),
        ("Tanh", ["p"], ["y"]),
        ("Sigmoid", ["c"], ["z"]),
    ]
    return (
        model(
            nodes,
            [value("x", [2, 7, 33, 65])],
            [value("y", [2, 7, 35, 67]), value("z", [2, 130, 33, 7])],
            {"scale": array(7, 1, 1), "pads": np.int64([0, 0, 1, 1, 0, 0, 1, 1])},
        ),
        {"x": array(2, 7, 33, 65)},
    )


def convolutions():
    """Dense, strided, depthwise and pointwise convolutions, pooling, a residual."""
    weights = {
        "w1": array(32, 3, 3, 3, seed=1) * np.float32(0.3),
        "w2": array(32, 1, 3, 3, seed=2) * np.float32(0.3),
        "w3": array(48, 32, 1, 1, seed=3) * np.float32(0.2),
        "w4": array(48, 48, 3, 3, seed=4) * np.float32(0.05),
        "b": array(48, seed=5),
    }
    nodes = [
        ("Conv", ["x", "w1"], ["c1"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("Relu", ["c1"], ["r1"]),
        ("Conv", ["r1", "w2"], ["c2"], {"pads": [1, 1, 1, 1], "group": 32}),
        ("Clip", ["c2", "low", "high"], ["r2"]),
        ("Conv", ["r2", "w3", "b"], ["c3"]),
        ("Conv", ["c3", "w4"], ["c4"], {"pads": [1, 1, 1, 1]}),
        ("Add", ["c4", "c3"], ["s"]),
        ("MaxPool", ["s"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("GlobalAveragePool", ["p"], ["y"]),
    ]
    weights |= {"low": np.float32(0), "high": np.float32(6)}
    return (
        model(nodes, [value("x", [1, 3, 57, 61])], [value("y", [1, 48, 1, 1])], weights),
        {"x": array(1, 3, 57, 61)},
    )


def attention():
    """Products, a softmax and a normalisation over rows."""
    weights = {
        "wq": array(96, 96, seed=1) * np.float32(0.1),
        "wk": array(96, 96, seed=2) * np.float32(0.1),
        "g": array(96, seed=3),
        "b": array(96, seed=4),
    }
    nodes = [
        ("MatMul", ["x", "wq"], ["q"]),
        ("MatMul", ["x", "wk"], ["k"]),
        ("Transpose", ["k"], ["kt"], {"perm": [0, 2, 1]}),
        ("MatMul", ["q", "kt"], ["s"]),
        ("Softmax", ["s"], ["p"], {"axis": -1}),
        ("MatMul", ["p", "x"], ["o"]),
        ("Add", ["o", "x"], ["r"]),
        ("LayerNormalization", ["r", "g", "b"], ["y"], {"axis": -1}),
    ]
    return (
        model(nodes, [value("x", [2, "T", 96])], [value("y", [2, "T", 96])], weights),
        {"x": array(2, 61, 96)},
    )


def recurrent():
    """A loop over time inside of one operator, and reductions."""
    weights = {
        "w": array(1, 4 * 32, 24, seed=1) * np.float32(0.2),
        "r": array(1, 4 * 32, 32, seed=2) * np.float32(0.2),
        "axes": np.int64([0]),
    }
    nodes = [
        ("LSTM", ["x", "w", "r"], ["h"], {"hidden_size": 32}),
        ("ReduceMean", ["h"], ["y"], {"axes": [0]}),
    ]
    return (
        model(nodes, [value("x", [40, 3, 24])], [value("y", [1, 3, 32])], weights),
        {"x": array(40, 3, 24)},
    )


MODELS = [elementwise, convolutions, attention, recurrent]


def emitted_text(folder, name):
    return (folder / f"{name}.c").read_text()


def bytes_of(outputs):
    return [output.tobytes() for output in outputs]


# --- results ---


def check_same_on_any_number_of_threads(folder):
    for make in MODELS:
        made, inputs = make()
        net = library(made, folder, make.__name__, flags=POOL)
        alone = net.run(inputs)
        same(alone, onnxruntime_outputs(made, inputs), rtol=1e-3, atol=1e-4)
        for threads in (2, 3, 4, 7):
            for _ in range(3):
                assert bytes_of(net.run(inputs, threads=threads)) == bytes_of(
                    alone
                ), f"{make.__name__} on {threads} threads"


def check_same_with_openmp(folder):
    for make in MODELS:
        made, inputs = make()
        alone = library(made, folder, make.__name__, flags=["-O2", "-w"]).run(inputs)
        net = library(made, folder, make.__name__ + "_openmp", flags=OPENMP)
        for threads in (1, 2, 3, 4):
            net._library.omp_set_num_threads(threads)
            assert bytes_of(net.run(inputs)) == bytes_of(
                alone
            ), f"{make.__name__} on {threads} threads of OpenMP"


def check_threads_of_the_caller(folder):
    """Something else than the pool behind the interface: the last part first, all on this thread."""
    runs = []
    for make in MODELS[:3]:
        made, inputs = make()
        net = library(made, folder, make.__name__, flags=["-O2", "-w"])
        own = ctc_model.last_part_first(5, runs)
        runs.clear()
        assert bytes_of(net.run(inputs, threads=own)) == bytes_of(net.run(inputs)), make.__name__
        assert runs and all(1 < parts <= 5 for parts in runs), f"{make.__name__}: {runs}"


def check_sanitized_run(folder):
    """No thread reads what another one writes: a whole run under the thread sanitizer."""
    for make in MODELS:
        made, inputs = make()
        save(made, folder, "m.onnx")
        flags = "-O1 -g -fsanitize=thread"
        ctc_ok("build", "m.onnx", "-o", "net", "--cflags", flags, cwd=folder)
        for name, data in inputs.items():
            np.save(folder / f"{name}.npy", data)
        files = [f"{name}={name}.npy" for name in inputs]
        done = subprocess.run(
            ["./net", *files, "--threads", "3"], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr[:1500]
        names = [re.sub(r"[^A-Za-z0-9.-]", "_", o.name) for o in made.graph.output]
        outputs = [np.load(folder / f"out_{name}.npy") for name in names]
        same(outputs, onnxruntime_outputs(made, inputs), rtol=1e-3, atol=1e-4)


def check_small_steps_stay_alone(folder):
    """What takes less than a microsecond is not worth a second thread."""
    made = model([("Relu", ["x"], ["y"])], [value("x", [4, 16])], [value("y", [4, 16])])
    library(made, folder, flags=POOL)
    assert "ctc_parallel" not in emitted_text(folder, "net")


def check_verify_on_threads(folder):
    made, inputs = elementwise()
    path = save(made, folder)
    np.savez(folder / "in.npz", **inputs)
    ctc_ok("verify", path, "--inputs", folder / "in.npz", "--run-threads", "3")
    for option in ("--threads", "--run-threads"):
        for number in ("0", "65", "two"):
            done = ctc("verify", path, option, number)
            assert done.status == 2 and option in done.err, done.err


# --- the pool ---


def stress(folder, cc, flags, rounds):
    save(conv_net(), folder, "net.onnx")
    ctc_ok("compile", folder / "net.onnx", "-o", folder / "net.c", "--quiet")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    command = [cc, *strict, "-O1", "-g", "-DCTC_POOL", *flags, "-I.", STRESS, "net.c"]
    compile_c([*command, "-o", "stress", "-lm", "-pthread"], folder)
    done = subprocess.run(
        ["./stress", str(rounds)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and not done.stdout and not done.stderr, (
        done.stdout + done.stderr
    )[:1500]


def check_pool_under_load(folder):
    stress(folder, "gcc", [], 3000)


def check_pool_under_load_clang(folder):
    stress(folder, "clang", ["-DNDEBUG"], 1000)


def check_pool_sanitized(folder):
    for flags in SANITIZED.values():
        stress(folder, "gcc", flags, 300)


def check_pool_on_one_core(folder):
    """More threads than cores: nobody waits for a whole time slice."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        stress(folder, "gcc", [], 300)
    finally:
        os.sched_setaffinity(0, before)


# --- what is in a program ---


def check_program_for_one_thread(folder):
    """Nothing of threads, whatever the flags."""
    made, inputs = elementwise()
    net = library(made, folder, options=["--threads=1"], flags=[*POOL, "-fopenmp"])
    text = emitted_text(folder, "net") + (folder / "net.h").read_text()
    # The descriptor's type is the same in all headers.
    text = text[: text.index("#ifndef CTC_MODEL_ABI")] + text[text.index("} ctc_model;") :]
    found = re.findall(r".*(?:pthread|ctc_threads|_threads|ctc_pool|ctc_parallel|omp_|OPENMP).*", text)
    assert not found, found
    same(net.run(inputs), onnxruntime_outputs(made, inputs))
    try:
        net.run(inputs, threads=2)
    except ctc_model.ModelError:
        pass
    else:
        raise AssertionError("it ran on two threads")


def check_clean_with_threads(folder):
    """C99 and C++ without a warning with each of the flags."""
    save(elementwise()[0], folder, "net.onnx")
    ctc_ok("compile", folder / "net.onnx", "-o", folder / "net.c", "--quiet", "--static-workspace")
    for compiler in ("gcc -std=c99 -Wconversion", "clang -std=c99 -Wconversion", "g++ -x c++"):
        for flags in ("-DCTC_POOL", "-fopenmp -DCTC_POOL -pthread"):
            if "clang" in compiler and "openmp" in flags:  # its OpenMP is a package of its own
                continue
            command = f"{compiler} -Wall -Wextra -pedantic -Werror -O2 {flags} -c net.c".split()
            compile_c(command, folder)


def check_no_threads_unless_asked(folder):
    """Without -DCTC_POOL and -fopenmp no header and no symbol of threads."""
    save(convolutions()[0], folder, "net.onnx")
    ctc_ok("compile", folder / "net.onnx", "-o", folder / "net.c", "--quiet")
    for flags, wanted in ([], set()), (["-DCTC_POOL"], {"pthread_create"}):
        compile_c(["gcc", "-std=c99", "-O1", *flags, "-c", "net.c"], folder)
        names = subprocess.run(["nm", "-u", "net.o"], cwd=folder, capture_output=True, text=True)
        assert set(re.findall(r"pthread_create|GOMP\w*|omp_\w*", names.stdout)) == wanted
    done = subprocess.run(
        ["gcc", "-std=c99", "-E", "net.c"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0 and "pthread" not in done.stdout


def check_driver_threads(folder):
    made, inputs = elementwise()
    save(made, folder)
    np.save(folder / "x.npy", inputs["x"])
    expected = onnxruntime_outputs(made, inputs)

    def run(program, threads):
        command = [f"./{program}", "x.npy", "--threads", str(threads)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    ctc_ok("build", "m.onnx", cwd=folder)
    for threads in (1, 4):
        assert run("m", threads).returncode == 0
        same([np.load(folder / "out_y.npy"), np.load(folder / "out_z.npy")], expected)
    ctc_ok("build", "m.onnx", "--threads=1", "-o", "one", cwd=folder)
    assert run("one", 1).returncode == 0
    assert "--threads=1" in run("one", 2).stderr and run("one", 2).returncode == 1
    assert run("m", "none").returncode == 1


if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
