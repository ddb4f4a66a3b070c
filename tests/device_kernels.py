"""Kernels of runtime/cuda/ against onnxruntime, with sizes that take each of their ways to share the work: a thread, a warp or a block a row, tiles of
columns, several blocks a line. They run on the stand-in for CUDA (tests/cuda), the threads of a block in two orders.

    device_kernels.py LIBRARY INPUTS OUTPUTS      (the process that runs a compiled model: name.so, arrays in .npz)
"""
import os
import pathlib
import subprocess
import sys

import numpy as np

from common import CTC, ROOT, compile_c, ctc_ok, model, onnxruntime_outputs, same, save, value

LIBRARIES = CTC.parent / "cuda"
ORDERS = ["forward", "shuffle:1"]
# [outer, n, inner] of folds along the middle axis, by what makes a result.
THREAD, WARP, BLOCK, LONG_BLOCK = (40, 5, 3), (11, 100, 1), (2, 300, 1), (2, 1500, 1)
COLUMNS_8, COLUMNS_32, THREAD_COLUMNS = (2, 90, 50), (3, 20, 2900), (2, 9, 17000)
FOLDS = [THREAD, WARP, BLOCK, LONG_BLOCK, COLUMNS_8, COLUMNS_32, THREAD_COLUMNS]
ROWS = [shape for shape in FOLDS if shape[2] == 1]
RNG = np.random.default_rng(5)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def picks(size, *shape):
    """Indices, many of which occur more than once, some negative."""
    return RNG.integers(-size, size, shape)


class Graph:
    """One model of many nodes, each with inputs and outputs of its own."""

    def __init__(self):
        self.nodes, self.inputs, self.outputs, self.constants = [], {}, [], {}

    def add(self, op, *arrays, results=(np.float32,), **attributes):
        """Floats become inputs, everything else constants; results: their types."""
        names = []
        for array in arrays:
            array = np.asarray(array)
            names.append(f"a{len(self.inputs) + len(self.constants)}")
            (self.inputs if array.dtype == np.float32 else self.constants)[names[-1]] = array
        outputs = [f"y{len(self.outputs) + i}" for i in range(len(results))]
        self.outputs += [value(name, None, dtype) for name, dtype in zip(outputs, results)]
        self.nodes.append((op, names, outputs, attributes))

    def model(self):
        given = [value(name, array.shape) for name, array in self.inputs.items()]
        return model(self.nodes, given, self.outputs, self.constants, opset=18)


def run_on_device(made, inputs, folder, *options):
    """The outputs, from a process for each order."""
    path = save(made, folder)
    ctc_ok("compile", path, "-o", folder / "net.cu", "--prefix", "net", "--quiet", *options)
    compile_c(["gcc", "-x", "c", "-O1", "-w", "-shared", "-fPIC", "net.cu", "-o", "net.so", "-ldl", "-lm"], folder)
    np.savez(folder / "in.npz", *inputs.values())
    for order in ORDERS:
        environment = dict(os.environ, LD_LIBRARY_PATH=str(LIBRARIES), CTC_CUDA_ORDER=order)
        done = subprocess.run(
            [sys.executable, __file__, folder / "net.so", folder / "in.npz", folder / "out.npz"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=900,
        )
        assert done.returncode == 0, f"{order}: {done.stderr[-1500:]}"
        outputs = np.load(folder / "out.npz")
        yield [outputs[f"arr_{i}"] for i in range(len(outputs.files))]


def agrees(graph, folder):
    made = graph.model()
    expected = onnxruntime_outputs(made, graph.inputs)
    for outputs in run_on_device(made, graph.inputs, folder):
        for (op, _, results, _), pair in zip(graph.nodes, per_node(graph, outputs, expected), strict=True):
            try:
                same(*pair)
            except AssertionError as error:
                raise AssertionError(f"{op} {results}: {error}") from None


def per_node(graph, outputs, expected):
    at = 0
    for _, _, results, _ in graph.nodes:
        yield outputs[at : at + len(results)], expected[at : at + len(results)]
        at += len(results)


# --- the checks ---


def check_softmax(folder):
    graph = Graph()
    for shape in FOLDS:
        for op in ("Softmax", "LogSoftmax"):
            graph.add(op, numbers(*shape), axis=1)
    agrees(graph, folder)


def check_reductions(folder):
    graph = Graph()
    for shape in FOLDS:
        x = numbers(*shape)
        for op in ("ReduceSum", "ReduceMax", "ReduceLogSumExp"):
            graph.add(op, x, np.array([1]), keepdims=0)
        graph.add("ArgMax", np.round(x), results=(np.int64,), axis=1, select_last_index=len(graph.nodes) % 2)
    agrees(graph, folder)


def check_normalizations(folder):
    graph = Graph()
    for outer, n, _ in ROWS:
        graph.add("LayerNormalization", numbers(outer, n) + 3, numbers(n), numbers(n), axis=-1)
        graph.add("GlobalAveragePool", numbers(1, outer, n))
    graph.add("InstanceNormalization", numbers(2, 3, 70, 30), numbers(3), numbers(3))
    graph.add("InstanceNormalization", numbers(2, 3, 5), numbers(3), numbers(3))
    agrees(graph, folder)


def check_running_sums(folder):
    """Of positive numbers: the order of the sums is another one."""
    graph = Graph()
    for shape in ((3, 20, 2), (2, 700, 3)):
        for exclusive, reverse in ((0, 0), (1, 0), (0, 1), (1, 1)):
            graph.add("CumSum", abs(numbers(*shape)), np.int64(1), exclusive=exclusive, reverse=reverse)
    agrees(graph, folder)


def check_scatter(folder):
    """Updates that meet: in lines along the first and the last axis, and at places with several indices."""
    graph = Graph()
    for reduction in ("add", "mul", "max"):
        graph.add("ScatterElements", numbers(7, 40), picks(7, 300, 40), numbers(300, 40), axis=0, reduction=reduction)
        graph.add("ScatterElements", numbers(5, 900), picks(900, 5, 400), numbers(5, 400), axis=1, reduction=reduction)
        graph.add("ScatterND", numbers(4, 3, 150), picks(3, 60, 2), numbers(60, 150), reduction=reduction)
    once = RNG.permutation(60)[:40].reshape(40, 1)
    graph.add("ScatterND", numbers(60, 700), once, numbers(40, 700))
    agrees(graph, folder)


def check_selection(folder):
    graph = Graph()
    for n in (50, 9000):
        graph.add("NonZero", (RNG.random((n, 2)) < 0.4).astype(np.float32), results=(np.int64,))
        graph.add("Compress", numbers(3, n), RNG.random(n) < 0.4, axis=1)
    for n, k in ((30, 30), (700, 9)):
        for largest in (0, 1):
            graph.add("TopK", np.round(numbers(2, n, 3), 1), np.array([k]), results=(np.float32, np.int64), axis=1, largest=largest)
    agrees(graph, folder)


def check_forms(folder):
    """Products and convolutions in each of the forms that sizes choose: tiles from 128 x 128 to 16 x 16, few rows, few columns, without tiles."""
    graph = Graph()
    for m, n in ((2048, 2048), (700, 700), (512, 512), (160, 320), (20, 20), (3, 90), (90, 3)):
        graph.add("MatMul", numbers(m, 3), numbers(3, n))
    whole, points, gathered, few = ((30, 4, 5, 5), (24, 4, 1, 1), (24, 4, 3, 3), (2, 4, 3, 3))
    for weights in (whole, points, gathered, few):
        graph.add("Conv", numbers(2, 4, 5, 5), numbers(*weights), numbers(weights[0]))
    for channels in (1, 2, 4):
        for side in (6, 130):
            graph.add("Conv", numbers(1, 3, side, side), numbers(3 * channels, 1, 3, 3), group=3)
    for channels in (3, 9):
        graph.add("ConvTranspose", numbers(1, channels, 6, 6), numbers(channels, channels, 3, 3), strides=[2, 2])
    agrees(graph, folder)
    text = (folder / "net.cu").read_text()
    assert "ctc_product_f32<ctc_product_f32_form(" in text and "<CTC_ANY_FORM>" not in text, "all sizes are known, but not the forms"


def check_moves(folder):
    """Blocks of all sizes, from single elements to rows of odd and of even numbers of bytes."""
    graph = Graph()
    for width in (1, 2, 3, 4, 10, 64):
        graph.add("Gather", numbers(3, 9, width), picks(9, 4, 5), axis=1)
        graph.add("GatherND", numbers(4, 5, width), picks(4, 30, 2))
        graph.add("GatherElements", numbers(6, width), picks(6, 11, width), axis=0)
    for mode in ("reflect", "edge"):
        graph.add("Pad", numbers(3, 7, 5), np.array([1, 0, 2, 0, 3, 4]), mode=mode)
    agrees(graph, folder)


def main(library, inputs, outputs):
    sys.path.insert(0, str(ROOT / "python"))
    import ctc_cuda

    arrays = np.load(inputs)
    results = ctc_cuda.load(library, "net").run([arrays[f"arr_{i}"] for i in range(len(arrays.files))])
    np.savez(outputs, *results)


if __name__ == "__main__":
    main(*map(str, map(pathlib.Path, sys.argv[1:])))
