"""The same model.c on every kind of target: plain C99, SSE2, AVX2, AVX-512, NEON (under qemu). The nets below come to every
kernel that is written with vectors; onnxruntime says what their outputs are."""

import pathlib
import shutil
import subprocess

import numpy as np

import random_convs
from common import ctc_ok, model, onnxruntime_outputs, same, save, value

CPU = pathlib.Path("/proc/cpuinfo").read_text() if pathlib.Path("/proc/cpuinfo").exists() else ""
AARCH64 = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
# name, compiler, flags, what runs the program, what the processor or the system must have
TARGETS = [
    ("plain C99", "gcc", "-O2 -std=c99 -DCTC_SCALAR", [], lambda: True),
    ("SSE2", "gcc", "-O2 -march=x86-64", [], lambda: " sse2" in CPU),
    ("AVX2", "gcc", "-O2 -mavx2 -mfma", [], lambda: " avx2 " in CPU),
    ("AVX2 by clang", "clang", "-O2 -mavx2 -mfma", [], lambda: " avx2 " in CPU),
    ("AVX-512", "gcc", "-O2 -march=native", [], lambda: " avx512f " in CPU),
    ("AVX-512 by clang", "clang", "-O2 -march=native", [], lambda: " avx512f " in CPU),
    (
        "NEON",
        "aarch64-linux-gnu-gcc",
        "-O2",
        AARCH64,
        lambda: all(map(shutil.which, ("aarch64-linux-gnu-gcc", AARCH64[0]))),
    ),
]
SUPPORTED = None


def numbers(*shape, seed, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def wide_net():
    """3x3 convolutions that are worth a Winograd transform, a depthwise one, pools, a gate, a transposed convolution."""
    def weights(out, per_group, k, seed):
        return numbers(out, per_group, k, k, seed=seed, scale=1 / (k * np.sqrt(per_group)))

    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        ("Conv", ["x", "w0", "b0"], ["a"], {"strides": [2, 2], **pads}),
        ("Relu", ["a"], ["a1"]),
        ("Conv", ["a1", "w1"], ["b"], pads),
        ("Conv", ["b", "w2"], ["c"], pads),
        ("Add", ["c", "a1"], ["d"]),
        ("HardSwish", ["d"], ["e"]),
        ("Conv", ["e", "w3"], ["f"], {"group": 64, "pads": [2, 2, 2, 2]}),
        ("MaxPool", ["f"], ["g"], {"kernel_shape": [3, 3], "strides": [2, 2], **pads}),
        ("GlobalAveragePool", ["g"], ["h"]),
        ("Conv", ["h", "w4"], ["i"]),
        ("Sigmoid", ["i"], ["j"]),
        ("Mul", ["g", "j"], ["k"]),
        ("ConvTranspose", ["k", "w5"], ["l"], {"strides": [2, 2]}),
        ("Softmax", ["l"], ["y"], {"axis": 1}),
    ]
    constants = {
        "w0": weights(64, 3, 3, 1),
        "b0": numbers(64, seed=2),
        "w1": weights(64, 64, 3, 3),
        "w2": weights(64, 64, 3, 4),
        "w3": weights(64, 1, 5, 5),
        "w4": weights(64, 64, 1, 6),
        "w5": numbers(64, 20, 2, 2, seed=7, scale=0.1),
    }
    return model(nodes, [value("x", [1, 3, 33, 37])], [value("y", None)], constants)


def transformer_net():
    """A layer of a transformer: normalisation, attention of three heads, a gelu written out."""
    shape, heads = np.array([1, 19, 3, 16], np.int64), {"perm": [0, 2, 1, 3]}
    nodes = [("LayerNormalization", ["x", "scale", "shift"], ["n"])]
    for part in "qkv":
        nodes += [
            ("MatMul", ["n", "w" + part], [part + "0"]),
            ("Reshape", [part + "0", "shape"], [part + "1"]),
            ("Transpose", [part + "1"], [part], {"perm": [0, 2, 3, 1]} if part == "k" else heads),
        ]
    nodes += [
        ("MatMul", ["q", "k"], ["s0"]),
        ("Mul", ["s0", "quarter"], ["s"]),
        ("Softmax", ["s"], ["p"], {"axis": -1}),
        ("MatMul", ["p", "v"], ["o0"]),
        ("Transpose", ["o0"], ["o1"], heads),
        ("Reshape", ["o1", "flat"], ["o"]),
        ("Add", ["x", "o"], ["r"]),
        ("MatMul", ["r", "w1"], ["m"]),
        ("Div", ["m", "root"], ["m1"]),
        ("Erf", ["m1"], ["m2"]),
        ("Add", ["m2", "one"], ["m3"]),
        ("Mul", ["m", "m3"], ["m4"]),
        ("Mul", ["m4", "half"], ["g"]),
        ("MatMul", ["g", "w2"], ["y"]),
    ]
    constants = {f"w{p}": numbers(48, 48, seed=i, scale=0.2) for i, p in enumerate("qkv")}
    constants |= {"w1": numbers(48, 100, seed=4, scale=0.2), "w2": numbers(100, 48, seed=5, scale=0.1)}
    constants |= {"scale": numbers(48, seed=6), "shift": numbers(48, seed=7), "shape": shape}
    constants |= {"flat": np.array([1, 19, 48], np.int64)}
    reals = {"quarter": 0.25, "root": np.sqrt(2), "one": 1, "half": 0.5}
    constants |= {name: np.float32(number) for name, number in reals.items()}
    return model(nodes, [value("x", [1, 19, 48])], [value("y", None)], constants, opset=17)


def lstm_net():
    constants = {
        "w": numbers(2, 80, 12, seed=1, scale=0.3),
        "r": numbers(2, 80, 20, seed=2, scale=0.3),
        "b": numbers(2, 160, seed=3, scale=0.3),
    }
    attributes = {"hidden_size": 20, "direction": "bidirectional"}
    return model(
        [("LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], attributes)],
        [value("x", [7, 2, 12])],
        [value(name, None) for name in "yhc"],
        constants,
    )


def quantized_net():
    rng = np.random.default_rng(5)
    constants = {
        "w": rng.integers(-100, 100, (20, 6, 3, 3)).astype(np.int8),
        "b": rng.integers(-500, 500, 20).astype(np.int32),
        "sx": np.float32(0.02),
        "zx": np.uint8(120),
        "sw": np.float32(0.01),
        "zw": np.int8(0),
        "sy": np.float32(0.08),
        "zy": np.uint8(128),
    }
    nodes = [
        ("QuantizeLinear", ["x", "sx", "zx"], ["q"]),
        ("QLinearConv", ["q", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"], ["c"]),
        ("DequantizeLinear", ["c", "sy", "zy"], ["y"]),
    ]
    return model(nodes, [value("x", [1, 6, 12, 15])], [value("y", None)], constants)


def random_net(seed):
    from common import CTC

    global SUPPORTED
    SUPPORTED = SUPPORTED or set(subprocess.run([CTC, "ops"], capture_output=True, text=True, check=True).stdout.split())
    case = random_convs.Generator(seed, SUPPORTED).case(f"net{seed}")
    return case.model, case.inputs


# A step of the quantised net is 0.08: one of them may round the other way.
NETS = {
    "wide": (wide_net, 1e-4),
    "transformer": (transformer_net, 1e-4),
    "lstm": (lstm_net, 1e-4),
    "quantized": (quantized_net, 0.081),
}
RANDOM_SEEDS = range(3000000, 3000006)


def programs():
    """(name, model, inputs, tolerance)"""
    for name, (make, tolerance) in NETS.items():
        made = make()
        shape = [d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim]
        yield name, made, [numbers(*shape, seed=11)], tolerance
    for seed in RANDOM_SEEDS:
        made, inputs = random_net(seed)
        yield f"random{seed}", made, inputs, 1e-3


def check_target(folder, compiler, flags, runner):
    for name, made, inputs, tolerance in programs():
        ports = [port.name for port in made.graph.input]
        expected = onnxruntime_outputs(made, dict(zip(ports, inputs)))
        path = save(made, folder, f"{name}.onnx")
        ctc_ok("build", path, "-o", folder / name, "--cc", compiler, "--cflags", flags, "--threads", "1", "--quiet")
        arguments = []
        for i, array in enumerate(inputs):
            np.save(folder / f"in{i}.npy", array)
            arguments.append(f"{ports[i]}={folder / f'in{i}.npy'}")
        (folder / "out").mkdir(exist_ok=True)
        done = subprocess.run([*runner, folder / name, *arguments, "-o", folder / "out"], capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        actual = [np.load(folder / "out" / f"out_{port.name}.npy") for port in made.graph.output]
        same(actual, expected, rtol=1e-3, atol=tolerance)


def all_checks():
    checks = {}
    for name, compiler, flags, runner, there in TARGETS:
        if there():
            checks[name] = lambda folder, c=compiler, f=flags, r=runner: check_target(folder, c, f, r)
        else:
            print(f"skipped: {name}: not there")
    return checks
