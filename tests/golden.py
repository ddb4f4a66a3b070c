#!/usr/bin/env python3
"""Golden files: what ctc emits for a few tiny models, so that a change of the emitted text is seen and looked at.

    golden.py            compare
    golden.py --write    write tests/golden/ again: read the diff before it is committed

The kernels that are pasted in from runtime/ are left out, as are ctc's version and the model's hash. Whether the numbers are right is checked
elsewhere (node_suite.py, zoo.py, emitted.py); here it is only the text.
"""
import difflib
import pathlib
import re
import sys
import tempfile

import numpy as np

from common import ctc_ok, model, run_named, save, value

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


def numbers(*shape):
    """Weights that are short to print."""
    return ((np.arange(np.prod(shape)) % 7 - 3) / 4).reshape(shape).astype(np.float32)


def elementwise():
    """A chain of elementwise operators over a batch of any size, with broadcasting: one loop nest."""
    nodes = [("Mul", ["x", "scale"], ["a"]), ("Add", ["a", "shift"], ["b"]), ("Sigmoid", ["b"], ["c"]), ("Mul", ["b", "c"], ["y"])]
    return model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {"scale": numbers(4), "shift": numbers(1)})


def convolution():
    """Convolution, pooling, a dense layer: fixed sizes, several buffers in one workspace."""
    nodes = [("Conv", ["x", "w", "b"], ["c"]), ("Relu", ["c"], ["r"]), ("MaxPool", ["r"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
             ("Flatten", ["p"], ["f"]), ("Gemm", ["f", "v"], ["y"])]
    return model(nodes, [value("x", [1, 1, 8, 8])], [value("y", [1, 3])], {"w": numbers(2, 1, 3, 3), "b": numbers(2), "v": numbers(18, 3)})


def control():
    """An If and a Loop."""
    from onnx import helper
    yes = helper.make_graph([helper.make_node("Exp", ["x"], ["a"])], "yes", [], [value("a", [3])])
    no = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "no", [], [value("b", [3])])
    body = helper.make_graph([helper.make_node("Add", ["v", "v"], ["v2"]), helper.make_node("Identity", ["go"], ["on"])], "body",
                             [value("i", [], np.int64), value("go", [], bool), value("v", [3])],
                             [value("on", [], bool), value("v2", [3])])
    nodes = [helper.make_node("If", ["c"], ["z"], name="if", then_branch=yes, else_branch=no),
             helper.make_node("Loop", ["n", "", "z"], ["y"], name="loop", body=body)]
    return model(nodes, [value("x", [3]), value("c", [], bool), value("n", [], np.int64)], [value("y", [3])])


def data_dependent():
    """A size that is known after the run only."""
    nodes = [("NonZero", ["x"], ["i"]), ("Transpose", ["i"], ["y"])]
    return model(nodes, [value("x", ["N", 4])], [value("y", ["k", 2], np.int64)])


MODELS = [elementwise, convolution, control, data_dependent]


# What is left out, as (how it begins, how what comes next begins): the prelude and the kernels; the descriptor's type.
COMMON = [("#include <float.h>", "/* --- weights --- */"), ("/* How a caller lends", "enum {\n"),
          ("/* --- threads --- */", "/* --- the model --- */")]


def cut(text, begin, end):
    """`text` without what lies from `begin` up to `end`; unchanged if it has no such part."""
    start = text.find(begin)
    stop = text.find(end, start)
    return text if start < 0 or stop < 0 else f"{text[:start]}/* … */\n\n{text[stop:]}"


def trimmed(text):
    """Without what is the same in every file and without what differs between releases."""
    for begin, end in COMMON:
        text = cut(text, begin, end)
    return re.sub(r"Made by ctc \S+ from a model with hash \w+;", "Made by ctc;", text)


def emitted(make, folder):
    """{file name: text} of a model."""
    name, folder = make.__name__, pathlib.Path(folder)
    path = save(make(), folder, f"{name}.onnx")
    ctc_ok("compile", path, "-o", folder / f"{name}.c", "--prefix", name, "--quiet")
    return {f"{name}.c": trimmed((folder / f"{name}.c").read_text()), f"{name}.h": trimmed((folder / f"{name}.h").read_text())}


def compare(make, folder):
    for name, text in emitted(make, folder).items():
        wanted = (GOLDEN / name).read_text()
        lines = difflib.unified_diff(wanted.splitlines(), text.splitlines(), f"tests/golden/{name}", "emitted now", lineterm="", n=1)
        difference = "\n".join(list(lines)[:30])
        assert not difference, f"{difference}\n(intended? then: .venv/bin/python tests/golden.py --write)"


def all_checks():
    return {f"golden {make.__name__}": lambda folder, make=make: compare(make, folder) for make in MODELS}


def write():
    GOLDEN.mkdir(exist_ok=True)
    for make in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in emitted(make, folder).items():
                (GOLDEN / name).write_text(text)
                print(f"tests/golden/{name}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write()
    else:
        run_named(all_checks())
