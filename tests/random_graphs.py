#!/usr/bin/env python3
"""Random graphs against onnxruntime: chains and diamonds of elementwise operators, data
movement, reductions, products and branches, with some dims left open.

    random_graphs.py [--count 200] [--seed 1] [--cc clang] [--sanitize] [--keep]

The same seed gives the same graphs. What passes does to a graph (fusion, in-place reuse, order,
memory plan) depends on its shape, so that odd shapes find what single operators do not.
Operators that could jump (Floor, comparisons of results) are left out: there a rounding error
is no mistake.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

import numpy as np

import node_suite
from common import CTC, ROOT, model, onnxruntime_outputs, value

UNARY = [
    "Relu",
    "Sigmoid",
    "Tanh",
    "Abs",
    "Neg",
    "Erf",
    "LeakyRelu",
    "HardSigmoid",
    "Softplus",
    "Elu",
    "Sin",
    "Identity",
    "Softsign",
]
BINARY = ["Add", "Sub", "Mul", "Max", "Min"]
REDUCE = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]


class Tensor:
    """A value of the graph. A dim is (size, tag); equal tags mean the same unknown size, None a constant."""

    def __init__(self, name, dims):
        self.name, self.dims = name, list(dims)

    @property
    def sizes(self):
        return [size for size, _ in self.dims]

    @property
    def count(self):
        return int(np.prod(self.sizes, dtype=np.int64))


class Generator:
    def __init__(self, seed, supported):
        self.rng = np.random.default_rng(seed)
        self.supported = supported
        self.nodes, self.constants, self.tensors, self.counter = [], {}, [], 0
        self.tags = 0
        self.makers = [
            self.unary,
            self.unary,
            self.binary,
            self.binary,
            self.binary,
            self.divide,
            self.transpose,
            self.flatten,
            self.unsqueeze,
            self.slice,
            self.concat,
            self.split,
            self.pad,
            self.expand,
            self.gather,
            self.reduce,
            self.softmax,
            self.matmul,
            self.conv,
            self.like_shape,
            self.where,
            self.branch,
            self.layer_norm,
            self.one_row,
        ]

    # --- choices ---

    def below(self, limit):
        return int(self.rng.integers(limit))

    def pick(self, items):
        return items[self.below(len(items))]

    def tensor(self, accept=lambda t: True):
        """One of the values made so far, later ones more often."""
        fitting = [t for t in self.tensors if accept(t)]
        if not fitting:
            return None
        return fitting[max(self.below(len(fitting)), self.below(len(fitting)))]

    def name(self):
        self.counter += 1
        return f"v{self.counter}"

    def constant(self, array):
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def fresh(self, size, *tags):
        """A dim computed from others: of an unknown size if one of them is."""
        if not any(tags):
            return (size, None)
        self.tags += 1
        return (size, f"t{self.tags}")

    def add(self, op, inputs, dims, attributes=None, outputs=1):
        if op not in self.supported:
            return
        names = [self.name() for _ in range(outputs)]
        self.nodes.append((op, inputs, names, attributes or {}))
        shapes = dims if outputs > 1 else [dims]
        self.tensors += [Tensor(name, shape) for name, shape in zip(names, shapes)]

    # --- operators ---

    def unary(self):
        x = self.tensor()
        self.add(self.pick(UNARY), [x.name], x.dims)

    def broadcast(self, a, b):
        """The dims of a op b, or None if they do not go together for sure."""
        rank = max(len(a.dims), len(b.dims))
        dims = []
        for x, y in zip(
            [(1, None)] * (rank - len(a.dims)) + a.dims, [(1, None)] * (rank - len(b.dims)) + b.dims
        ):
            if x == y or y == (1, None):
                dims.append(x)
            elif x == (1, None):
                dims.append(y)
            else:
                return None
        return dims

    def binary(self):
        a = self.tensor()
        b = self.tensor(lambda t: self.broadcast(a, t) is not None)
        names = [a.name, b.name]
        if self.below(2):
            names.reverse()
        self.add(self.pick(BINARY), names, self.broadcast(a, b))

    def divide(self):
        a = self.tensor()
        self.add("Div", [a.name, self.constant(np.float32(self.rng.uniform(1, 4)))], a.dims)

    def transpose(self):
        x = self.tensor(lambda t: len(t.dims) > 1)
        if x:
            order = [int(i) for i in self.rng.permutation(len(x.dims))]
            self.add("Transpose", [x.name], [x.dims[i] for i in order], {"perm": order})

    def flatten(self):
        """Two neighbouring dims become one, by a Reshape that copies the others (0) and infers it (-1)."""
        x = self.tensor(lambda t: len(t.dims) > 1)
        if x:
            at = self.below(len(x.dims) - 1)
            (m, p), (n, q) = x.dims[at : at + 2]
            dims = x.dims[:at] + [self.fresh(m * n, p, q)] + x.dims[at + 2 :]
            target = (
                [0] * at
                + [-1]
                + [x.dims[i][0] if x.dims[i][1] is None else 0 for i in range(at + 2, len(x.dims))]
            )
            if all(x.dims[i][1] is None for i in range(at + 2, len(x.dims))):
                self.add("Reshape", [x.name, self.constant(np.array(target, np.int64))], dims)

    def unsqueeze(self):
        x = self.tensor(lambda t: len(t.dims) < 4)
        if x:
            at = self.below(len(x.dims) + 1)
            self.add(
                "Unsqueeze",
                [x.name, self.constant(np.array([at]))],
                x.dims[:at] + [(1, None)] + x.dims[at:],
            )

    def slice(self):
        x = self.tensor(lambda t: any(s > 1 for s in t.sizes))
        if not x:
            return
        axis = self.pick([i for i, s in enumerate(x.sizes) if s > 1])
        size, tag = x.dims[axis]
        step = self.pick([1, 1, 2, -1, -2])
        start = self.below(size - 1) if step > 0 else -1 - self.below(size - 1)
        end = self.pick([1 << 40, -1]) if step > 0 else -(1 << 40)
        taken = len(range(size)[start : None if abs(end) > 1000 else end : step])
        if taken == 0:
            return
        dims = list(x.dims)
        dims[axis] = self.fresh(taken, tag)
        self.add(
            "Slice",
            [x.name] + [self.constant(np.array([v])) for v in (start, end, axis, step)],
            dims,
        )

    def concat(self):
        a = self.tensor(lambda t: t.dims)
        if not a:
            return
        axis = self.below(len(a.dims))
        rest = a.dims[:axis] + a.dims[axis + 1 :]
        parts = [a] + [
            self.tensor(
                lambda t: len(t.dims) == len(a.dims) and t.dims[:axis] + t.dims[axis + 1 :] == rest
            )
            for _ in range(1 + self.below(2))
        ]
        dims = list(a.dims)
        dims[axis] = self.fresh(
            sum(p.sizes[axis] for p in parts), *[p.dims[axis][1] for p in parts]
        )
        self.add(
            "Concat", [p.name for p in parts], dims, {"axis": axis - len(dims) * self.below(2)}
        )

    def split(self):
        x = self.tensor(lambda t: any(s > 1 and tag is None for s, tag in t.dims))
        if x:
            axis = self.pick([i for i, (s, tag) in enumerate(x.dims) if s > 1 and tag is None])
            first = 1 + self.below(x.sizes[axis] - 1)
            shapes = [
                x.dims[:axis] + [(n, None)] + x.dims[axis + 1 :]
                for n in (first, x.sizes[axis] - first)
            ]
            sizes = self.constant(np.array([first, x.sizes[axis] - first]))
            self.add("Split", [x.name, sizes], shapes, {"axis": axis}, outputs=2)

    def pad(self):
        x = self.tensor(lambda t: t.dims)
        if x:
            pads = [self.below(2) for _ in range(2 * len(x.dims))]
            n = len(x.dims)
            dims = [
                self.fresh(s + pads[i] + pads[n + i], tag) if pads[i] + pads[n + i] else (s, tag)
                for i, (s, tag) in enumerate(x.dims)
            ]
            inputs = [x.name, self.constant(np.array(pads))]
            if self.below(2):
                inputs.append(self.constant(np.float32(1.5)))
            self.add("Pad", inputs, dims)

    def expand(self):
        """To the shape of another value, through Shape."""
        x = self.tensor()
        y = self.tensor(lambda t: self.broadcast(x, t) == t.dims)
        if y and "Shape" in self.supported and "Expand" in self.supported:
            shape = self.name()
            self.nodes.append(("Shape", [y.name], [shape], {}))
            self.add("Expand", [x.name, shape], y.dims)

    def gather(self):
        x = self.tensor(lambda t: any(tag is None for _, tag in t.dims))
        if x:
            axis = self.pick([i for i, (_, tag) in enumerate(x.dims) if tag is None])
            size = x.sizes[axis]
            indices = self.rng.integers(
                -size, size, [()] and [self.pick([1, 2, 5])] if self.below(3) else []
            )
            dims = x.dims[:axis] + [(n, None) for n in np.shape(indices)] + x.dims[axis + 1 :]
            self.add(
                "Gather",
                [x.name, self.constant(np.asarray(indices, np.int64))],
                dims,
                {"axis": axis},
            )

    def reduce(self):
        x = self.tensor(lambda t: t.dims)
        if x:
            axis, keep = self.below(len(x.dims)), self.below(2)
            dims = x.dims[:axis] + [(1, None)] * keep + x.dims[axis + 1 :]
            self.add(self.pick(REDUCE), [x.name], dims, {"axes": [axis], "keepdims": keep})

    def softmax(self):
        x = self.tensor(lambda t: t.dims)
        if x:
            self.add(
                self.pick(["Softmax", "LogSoftmax"]),
                [x.name],
                x.dims,
                {"axis": self.below(len(x.dims))},
            )

    def layer_norm(self):
        x = self.tensor(lambda t: t.dims and t.dims[-1][1] is None and t.sizes[-1] > 2)
        if x:
            scale = self.constant(self.rng.uniform(0.5, 1.5, x.sizes[-1:]).astype(np.float32))
            self.add("LayerNormalization", [x.name, scale], x.dims, {"epsilon": 0.1})

    def weights(self, rows, columns):
        numbers = self.rng.standard_normal((rows, columns)).astype(np.float32)
        return self.constant(numbers / np.float32(np.sqrt(rows)))

    def matmul(self):
        x = self.tensor(lambda t: len(t.dims) > 1 and t.dims[-1][1] is None)
        if x:
            columns = self.pick([1, 3, 8, 17])
            weight = self.rng.standard_normal((x.sizes[-1], columns)).astype(
                np.float32
            ) / np.float32(np.sqrt(x.sizes[-1]))
            self.add("MatMul", [x.name, self.constant(weight)], x.dims[:-1] + [(columns, None)])

    def one_row(self):
        """A row of the end of a chain that makes rows from rows; mostly, nobody else needs the chain."""
        x = self.tensor(lambda t: len(t.dims) in (2, 3) and t.dims[-1][1] is None)
        if not x:
            return
        before, axis, width = list(self.tensors), len(x.dims) - 2, 8
        self.add("MatMul", [x.name, self.weights(x.sizes[-1], width)], x.dims[:-1] + [(width, None)])
        residual = y = self.tensors[-1]
        for _ in range(2 + self.below(4)):
            step = self.below(6)
            if step == 0:
                self.add("MatMul", [y.name, self.weights(width, width)], y.dims)
            elif step == 1:
                self.add("Add", [y.name, self.pick([residual, y]).name], y.dims)
            elif step == 2:
                self.add(self.pick(["Softmax", "LogSoftmax"]), [y.name], y.dims, {"axis": -1})
            elif step == 3:
                scale = self.constant(self.rng.uniform(0.5, 1.5, width).astype(np.float32))
                self.add("LayerNormalization", [y.name, scale], y.dims, {"epsilon": 0.1})
            elif step == 4 and all(tag is None for _, tag in y.dims):
                self.add("Reshape", [y.name, self.constant(np.array([*y.sizes[:-1], 2, 4]))], y.dims[:-1] + [(2, None), (4, None)])
                perm = [*range(axis), axis + 1, axis, axis + 2]
                self.add("Transpose", [self.tensors[-1].name], [self.tensors[-1].dims[i] for i in perm], {"perm": perm})
                self.add("Tanh", [self.tensors[-1].name], self.tensors[-1].dims)
                self.add("Transpose", [self.tensors[-1].name], [self.tensors[-1].dims[i] for i in perm], {"perm": perm})
                self.add("Reshape", [self.tensors[-1].name, self.constant(np.array([*y.sizes[:-1], -1]))], y.dims)
            else:
                self.add(self.pick(["Tanh", "Sigmoid"]), [y.name], y.dims)
            y = self.tensors[-1] if self.tensors[-1].dims == y.dims else y
        index = self.constant(np.array(self.below(y.sizes[axis]) - y.sizes[axis] * self.below(2), np.int64))
        self.add("Gather", [y.name, index], y.dims[:axis] + y.dims[axis + 1 :], {"axis": axis})
        if self.below(4) and len(self.tensors) > len(before):
            self.tensors = [*before, self.tensors[-1]]

    def conv(self):
        x = self.tensor(lambda t: len(t.dims) == 4 and t.dims[1][1] is None)
        if x:
            channels = self.pick([1, 4])
            weight = self.rng.standard_normal((channels, x.sizes[1], 3, 3)).astype(
                np.float32
            ) / np.float32(3 * np.sqrt(x.sizes[1]))
            self.add(
                "Conv",
                [x.name, self.constant(weight)],
                [x.dims[0], (channels, None), x.dims[2], x.dims[3]],
                {"pads": [1, 1, 1, 1]},
            )

    def like_shape(self):
        """x + ConstantOfShape(Shape(x))."""
        x = self.tensor()
        if {"Shape", "ConstantOfShape"} <= self.supported:
            shape, filled = self.name(), self.name()
            self.nodes += [
                ("Shape", [x.name], [shape], {}),
                ("ConstantOfShape", [shape], [filled], {}),
            ]
            self.add("Add", [x.name, filled], x.dims)

    def where(self):
        """By a constant condition, so that rounding cannot change the choice."""
        x = self.tensor(lambda t: all(tag is None for _, tag in t.dims))
        if x:
            y = self.tensor(lambda t: self.broadcast(x, t) is not None)
            condition = self.constant(self.rng.integers(0, 2, x.sizes).astype(bool))
            self.add("Where", [condition, x.name, y.name], self.broadcast(x, y))

    def branch(self):
        """An If that depends on an input, whose branches use values from outside."""
        from onnx import helper

        x = self.tensor()
        names = [self.name() for _ in range(3)]

        def body(label, op, name):
            out = helper.make_tensor_value_info(name, 1, None)
            return helper.make_graph(
                [
                    helper.make_node(op, [x.name], [name + "m"]),
                    helper.make_node("Tanh", [name + "m"], [name]),
                ],
                label,
                [],
                [out],
            )

        if "If" in self.supported:
            self.nodes.append(
                helper.make_node(
                    "If",
                    ["flag"],
                    [names[0]],
                    name=names[0],
                    then_branch=body("yes", "Sin", names[1]),
                    else_branch=body("no", "Neg", names[2]),
                )
            )
            self.tensors.append(Tensor(names[0], x.dims))

    # --- the graph ---

    def make_inputs(self, is_open):
        sizes = {"A": self.pick([1, 2, 3]), "B": self.pick([4, 5, 7])}
        inputs = []
        for i in range(1 + self.below(3)):
            rank = self.pick([1, 2, 3, 4, 4])
            dims = []
            for axis in range(rank):
                symbol = self.pick(["A", "B"]) if is_open and self.below(3) == 0 else None
                dims.append((sizes[symbol], symbol) if symbol else (self.pick([1, 2, 3, 6]), None))
            inputs.append(Tensor(f"x{i}", dims))
        return inputs

    def case(self, name):
        is_open = bool(self.below(2))
        inputs = self.make_inputs(is_open)
        self.tensors += inputs
        for _ in range(4 + self.below(22)):
            self.pick(self.makers)()
            self.tensors = [t for t in self.tensors if t.count <= 20000]
        made = [t for t in self.tensors if t.name.startswith("v")] or inputs
        outputs = {t.name: t for t in [made[-1]] + [self.pick(made) for _ in range(self.below(3))]}
        ports = [value(t.name, [tag or size for size, tag in t.dims]) for t in inputs] + [
            value("flag", [], bool)
        ]
        results = [value(name, None) for name in outputs]
        graph = model(
            self.nodes or [("Identity", ["x0"], ["v0"])],
            ports,
            results if self.nodes else [value("v0", None)],
            self.constants,
        )
        arrays = [self.rng.standard_normal(t.sizes).astype(np.float32) for t in inputs] + [
            np.array(bool(self.below(2)))
        ]
        return self.as_case(name, graph, arrays)

    @staticmethod
    def as_case(name, graph, arrays):
        names = [port.name for port in graph.graph.input]
        expected = onnxruntime_outputs(graph, dict(zip(names, arrays)))
        return node_suite.Case(
            name, graph, arrays, [np.asarray(array) for array in expected], 2e-3, 1e-4
        )


def make_cases(args, supported, generator, prefix):
    cases = []
    for seed in range(args.seed * 1000000, args.seed * 1000000 + args.count):
        cases.append(generator(seed, supported).case(f"{prefix}_{seed}"))
    return cases


def main(generator=Generator, prefix="random", description=__doc__, count=200):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--opt", default="-O1")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--split", action="store_true", help="each step also in parts")
    parser.add_argument("--cuda", action="store_true", help="emit CUDA and run it on the stand-in for a GPU")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / f"{prefix}-graphs")
    args = parser.parse_args()
    args.settings = node_suite.stand_in_settings(args)
    args.ctc, args.build = args.ctc.resolve(), args.build.resolve()
    supported = set(
        subprocess.run([args.ctc, "ops"], capture_output=True, text=True, check=True).stdout.split()
    )
    shutil.rmtree(args.build, ignore_errors=True)
    args.build.mkdir(parents=True)
    suite = node_suite.Suite(args)
    suite.run(make_cases(args, supported, generator, prefix))
    for name, text in sorted(suite.failed.items()):
        print(f"FAIL {name}: {text}")
    if not suite.failed and not args.keep:
        shutil.rmtree(args.build, ignore_errors=True)
    print(f"{len(suite.passed)} passed, {len(suite.failed)} failed, 0 skipped")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
