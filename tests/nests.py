"""Loop nests and row kernels of floats, which the emitted C works on as vectors, for each width of vectors.

One model holds every form that a nest takes (results and inputs with neighbours along the same axis or along
different ones, truth values, copies by rows, transposed planes) and the kernels for rows (softmax, normalisations,
reductions), on sizes around the numbers of lanes. It is compiled for each width and compared with onnxruntime.
"""

import functools
import platform

import numpy as np

from common import STRICT, library, model, onnxruntime_outputs, run_named, same, value

SIZES = [(17, 33), (5, 70), (64, 3), (48, 32)]

# Name: the C compiler, its flags, what the processor must have.
WIDTHS = {
    "native": ("gcc", ["-O2", "-march=native"]),
    "native_clang": ("clang", ["-O2", "-march=native"]),
    "plain": ("gcc", ["-O1"]),
    "scalar": ("gcc", ["-O1", "-DCTC_SCALAR"]),
}
if platform.machine() == "x86_64":
    WIDTHS["avx2"] = ("gcc", ["-O1", "-mavx2", "-mfma"])


def nests(a, b, tag):
    """Nodes on x [2, a, b], z [2, b, a], row [b], column [a, 1], c [b, 1], and truth q [a, 1]; and their results."""
    named = functools.partial(str.__add__, tag)
    nodes, results = [], []

    def add(op, inputs, kept=np.float32, **attributes):
        name = named(f"{op.lower()}{len(nodes)}")
        nodes.append((op, inputs, [name], attributes))
        if kept:
            results.append((name, kept))
        return name

    x, z, row, column, c, q = map(named, ("x", "z", "row", "column", "c", "q"))
    turned = add("Transpose", [x], perm=[0, 2, 1])  # a plane
    add("Exp", [turned])
    add("Tanh", [add("Add", [turned, c], kept=None)])  # one input across
    add("Mul", [turned, z])  # one along, one across
    add("Mul", [add("Transpose", [add("Neg", [z], kept=None)], None, perm=[0, 2, 1]), row])
    greater = add("Greater", [x, row], bool)
    add("Where", [greater, x, row])
    add("And", [add("Not", [greater], None), q], bool)
    add("Sub", [add("Cast", [greater], None, to=1), column])
    add("Concat", [x, add("Sigmoid", [x], None)], axis=1)
    add("Concat", [x, x], axis=2)
    for op in ("Softmax", "LogSoftmax"):
        add(op, [x], axis=-1)
        add(op, [x], axis=1)
    add("LayerNormalization", [x, row, row], axis=-1, epsilon=1e-3)
    add("LayerNormalization", [x, row], axis=-1)
    for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"):
        add(op, [x, "last"], keepdims=0)
        add(op, [x, "middle"], keepdims=1)
    chain = add("Elu", [x], None)
    for op in ("Softplus", "HardSwish", "Mish", "Erf", "Sin"):
        chain = add(op, [chain], None)
    add("Floor", [chain])
    add("Mul", [chain, add("Sqrt", [add("Abs", [x], None)], None)])
    inputs = [
        (x, [2, a, b], np.float32),
        (z, [2, b, a], np.float32),
        (row, [b], np.float32),
        (column, [a, 1], np.float32),
        (c, [b, 1], np.float32),
        (q, [a, 1], bool),
    ]
    return nodes, results, inputs


def everything(open_sizes):
    """The model, with the sizes as numbers or left open, and its inputs."""
    nodes, results, ports, arrays = [], [], [], {}
    rng = np.random.default_rng(11)
    for i, (a, b) in enumerate(SIZES):
        more, names, inputs = nests(a, b, f"s{i}_")
        nodes += more
        results += names
        sizes = {a: f"A{i}", b: f"B{i}"} if open_sizes else {}
        for name, shape, dtype in inputs:
            ports.append(value(name, [sizes.get(d, d) for d in shape], dtype))
            numbers = rng.standard_normal(shape)
            arrays[name] = numbers > 0 if dtype is bool else numbers.astype(dtype)
    outputs = [value(name, None, dtype) for name, dtype in results]
    axes = {"last": np.array([2]), "middle": np.array([1])}
    return model(nodes, ports, outputs, axes, opset=18), arrays


def check(folder, width, open_sizes):
    cc, flags = WIDTHS[width]
    made, arrays = everything(open_sizes)
    expected = onnxruntime_outputs(made, arrays)
    net = library(made, folder, cc=cc, flags=(*STRICT, *flags))
    same(net.run([arrays[port.name] for port in net.inputs]), expected, rtol=2e-5, atol=5e-6)


def all_checks():
    return {
        f"check_{width}{'_open' if open_sizes else ''}": functools.partial(
            check, width=width, open_sizes=open_sizes
        )
        for width in WIDTHS
        for open_sizes in (False, True)
        if not (open_sizes and width != "native")
    }


if __name__ == "__main__":
    run_named(all_checks())
