#!/usr/bin/env python3
"""Random programs of sequences against onnxruntime: sequences are made, grown, cut and joined, at positions that
are constants or inputs, in the graph, in branches and in loops.

    random_sequences.py [--count 60] [--seed 1] [--cc clang] [--sanitize] [--split] [--keep]

The elements of a sequence have one rank; their sizes differ, along one axis or all of them.
"""

import sys

import numpy as np
from onnx import TensorProto, helper

import node_suite
import random_graphs
from common import onnxruntime_outputs, value


def sequence_value(name, shape=None):
    return helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, shape)


class Sequence:
    """A sequence of the program, and the shapes of its elements in this run."""

    def __init__(self, name, shapes):
        self.name, self.shapes = name, [tuple(shape) for shape in shapes]

    @property
    def rank(self):
        return len(self.shapes[0])


class Generator(random_graphs.Generator):
    def __init__(self, seed, supported):
        super().__init__(seed, supported)
        self.sequences, self.inputs, self.arrays, self.results = [], [], [], []
        self.shapes = {}  # of tensors, by name

    # --- parts ---

    def add(self, op, inputs, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def number(self, number, shape=()):
        """An int64 that is a constant, or one that only the run knows."""
        array = np.full(shape, number, self.pick([np.int64, np.int64, np.int32]))
        if self.below(2):
            return self.constant(array)
        name = f"p{len(self.inputs)}"
        self.give(value(name, list(shape), array.dtype), array)
        return name

    def give(self, port, array):
        self.inputs.append(port)
        self.arrays.append(array)

    def fresh(self, shape):
        """A tensor of that shape: an input, or something computed of one."""
        name = f"x{len(self.inputs)}"
        dims = [f"{name}_{i}" if self.below(4) == 0 else size for i, size in enumerate(shape)]
        self.give(value(name, dims), self.rng.standard_normal(shape).astype(np.float32))
        return name if self.below(2) else self.add("Neg", [name])

    def element_shape(self, rank, even, like=None):
        shape = list(like) if like else [1 + self.below(4) for _ in range(rank)]
        if not even and rank:
            shape[self.below(rank)] = self.below(5)
        return tuple(shape)

    def sequence(self, accept=lambda s: True):
        fitting = [s for s in self.sequences if s.shapes and accept(s)]
        return self.pick(fitting) if fitting else None

    def keep(self, name, shapes):
        self.sequences.append(Sequence(name, shapes))
        return self.sequences[-1]

    def position(self, count, extra=0):
        return self.below(count + extra) - (self.below(2) * count)

    # --- makers ---

    def construct(self):
        rank, even = self.below(4), self.below(2)
        shapes = [self.element_shape(rank, even)]
        for _ in range(self.below(4)):
            shapes.append(self.element_shape(rank, even, shapes[0]))
        self.keep(self.add("SequenceConstruct", [self.fresh(shape) for shape in shapes]), shapes)

    def given(self):
        rank = 1 + self.below(2)
        shapes = [self.element_shape(rank, False) for _ in range(1 + self.below(4))]
        name = f"s{len(self.inputs)}"
        arrays = [self.rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        self.give(sequence_value(name, [None] * rank), arrays)
        self.keep(name, shapes)

    def insert(self):
        s = self.sequence()
        shape = self.element_shape(s.rank, self.below(2), s.shapes[0])
        inputs, at = [s.name, self.fresh(shape)], len(s.shapes)
        if self.below(3):
            at = self.position(len(s.shapes), 1)
            inputs.append(self.number(at))
        shapes = list(s.shapes)
        shapes.insert(at, shape)
        self.keep(self.add("SequenceInsert", inputs), shapes)

    def erase(self):
        s = self.sequence(lambda s: len(s.shapes) > 1)
        if s is None:
            return
        inputs, at = [s.name], len(s.shapes) - 1
        if self.below(3):
            at = self.position(len(s.shapes))
            inputs.append(self.number(at))
        shapes = list(s.shapes)
        del shapes[at]
        self.keep(self.add("SequenceErase", inputs), shapes)

    def split(self):
        rank = 1 + self.below(3)
        shape = tuple(2 + self.below(4) for _ in range(rank))
        axis = self.below(rank)
        inputs, attributes = [self.fresh(shape)], {"axis": axis - rank * self.below(2)}
        kind = self.below(4)
        if kind == 0:
            sizes = [1] * shape[axis]
        elif kind == 1:
            sizes, attributes["keepdims"] = None, 0
        elif kind == 2:
            size = 1 + self.below(shape[axis])
            sizes = [min(size, shape[axis] - at) for at in range(0, shape[axis], size)]
            inputs.append(self.number(size))
        else:
            cut = sorted(self.below(shape[axis] + 1) for _ in range(2))
            sizes = [cut[0], cut[1] - cut[0], shape[axis] - cut[1]]
            inputs.append(self.sizes(sizes))
        whole = shape[:axis], shape[axis + 1 :]
        parts = [whole[0] + whole[1]] * shape[axis] if sizes is None else [whole[0] + (n,) + whole[1] for n in sizes]
        self.keep(self.add("SplitToSequence", inputs, **attributes), parts)

    def sizes(self, sizes):
        array = np.array(sizes, np.int64)
        if self.below(2):
            return self.constant(array)
        name = f"p{len(self.inputs)}"
        self.give(value(name, [len(sizes)], np.int64), array)
        return name

    def at(self):
        s = self.sequence()
        at = self.position(len(s.shapes))
        self.results.append(self.add("Sin", [self.add("SequenceAt", [s.name, self.number(at)])]))

    def length(self):
        self.results.append(self.add("SequenceLength", [self.sequence().name]))

    def concat(self):
        def fits(s, axis):
            return len({shape[:axis] + shape[axis + 1 :] for shape in s.shapes}) == 1

        s = self.sequence(lambda s: any(fits(s, axis) for axis in range(s.rank)))
        if s is None:
            return
        axis = self.pick([axis for axis in range(s.rank) if fits(s, axis)])
        new = len(set(s.shapes)) == 1 and self.below(2)
        if new:
            axis = self.below(s.rank + 1)
        axis -= (s.rank + new) * self.below(2)
        self.results.append(self.add("ConcatFromSequence", [s.name], axis=axis, new_axis=int(new)))

    def branch(self):
        a = self.sequence()
        b = self.sequence(lambda s: s.rank == a.rank)
        flag, name = f"f{len(self.inputs)}", self.name()
        chosen = bool(self.below(2))
        self.give(value(flag, [], bool), np.array(chosen))

        def body(label, s):
            out = f"{name}_{label}"
            x = s.name
            make = [helper.make_node("SequenceAt", [x, self.constant(np.array(0, np.int64))], [out + "_x"])]
            make.append(helper.make_node("SequenceInsert", [x, out + "_x"], [out]))
            return helper.make_graph(make, label, [], [sequence_value(out)])

        node = helper.make_node("If", [flag], [name], name=name, then_branch=body("yes", a), else_branch=body("no", b))
        self.nodes.append(node)
        s = a if chosen else b
        self.keep(name, s.shapes + s.shapes[:1])

    def loop(self):
        """Elements of a sequence go, changed, into another one; sometimes into two, and sometimes twice."""
        s = self.sequence()
        trips, name = len(s.shapes), self.name()
        start = self.pick([None, s])
        twice = self.below(3) == 0
        x, once, done = f"{name}_x", f"{name}_once", f"{name}_out"
        make = [
            helper.make_node("SequenceAt", [s.name, f"{name}_i"], [x]),
            helper.make_node("Neg", [x], [x + "n"]),
            helper.make_node("SequenceInsert", [f"{name}_in", x + "n"], [once if twice else done]),
            helper.make_node("Identity", [f"{name}_c"], [f"{name}_more"]),
        ]
        if twice:
            make.append(helper.make_node("SequenceInsert", [once, x], [done]))
        body = helper.make_graph(
            make,
            "body",
            [value(f"{name}_i", [], np.int64), value(f"{name}_c", [], bool), sequence_value(f"{name}_in")],
            [value(f"{name}_more", [], bool), sequence_value(done)],
        )
        first = start.name if start else self.add("SequenceEmpty", [])
        limit = self.constant(np.array(trips, np.int64)) if self.below(2) else self.add("SequenceLength", [s.name])
        self.nodes.append(helper.make_node("Loop", [limit, "", first], [name], name=name, body=body))
        made = [shape for shape in s.shapes for _ in range(1 + twice)]
        self.keep(name, (start.shapes if start else []) + made)

    def map(self):
        s = self.sequence()
        name = self.name()
        body = helper.make_graph(
            [helper.make_node("Tanh", [f"{name}_x"], [f"{name}_y"])],
            "body",
            [value(f"{name}_x", [None] * s.rank)],
            [value(f"{name}_y", [None] * s.rank)],
        )
        self.nodes.append(helper.make_node("SequenceMap", [s.name], [name], name=name, body=body))
        self.keep(name, s.shapes)

    # --- the program ---

    def case(self, name):
        self.pick([self.construct, self.construct, self.split, self.given])()
        steps = [self.construct, self.split, self.given, self.branch, self.loop, self.map]
        steps += [self.insert, self.erase, self.at, self.length, self.concat] * 2
        for _ in range(2 + self.below(8)):
            self.pick(steps)()
        self.at()
        tensors = dict.fromkeys(self.results)
        last = {s.name: s for s in [self.sequences[-1], self.pick(self.sequences)] if not s.name.startswith("s")}
        outputs = [value(result, None) for result in tensors] + [sequence_value(s) for s in last]
        lengths = {node.output[0] for node in self.nodes if node.op_type == "SequenceLength"}
        outputs = [value(o.name, [], np.int64) if o.name in lengths else o for o in outputs]
        graph = random_graphs.model(self.nodes, self.inputs, outputs, self.constants)
        given = dict(zip([port.name for port in self.inputs], self.arrays))
        expected = onnxruntime_outputs(graph, given)
        return node_suite.Case(name, graph, self.arrays, expected, 1e-5, 1e-6)


if __name__ == "__main__":
    sys.exit(random_graphs.main(Generator, "sequences", __doc__, 60))
