"""A drawn node as a model: with nodes before and behind it, inputs that are constants, dims that are left open."""

import collections

import numpy as np
import onnx
from onnx import helper

from . import table, truth

# Opset of neighbours where the node is of another domain.
STANDARD_OPSET = 17
# What may stand behind a node: exact ones behind exact results. Nothing that jumps, so that rounding stays rounding.
BEHIND_EXACT, BEHIND = ["Neg", "Abs", "Relu", "Transpose", "Identity"], ["Neg", "Abs", "Relu", "Transpose", "Tanh", "Add", "Mul"]
BEFORE = {"Neg": np.negative, "Transpose": np.transpose, "Identity": np.asarray}

Case = collections.namedtuple("Case", "model inputs expected note")


class Builder:
    def __init__(self, rng, drawn):
        self.rng, self.drawn = rng, drawn
        self.nodes, self.behind, self.constants = [], [], {}
        self.names, self.inputs = [], []

    def chance(self, share):
        return bool(self.rng.random() < share)

    def neighbour_before(self, name, given):
        """The name of the node's input, and the array that is fed instead of it."""
        op = self.rng.choice(list(BEFORE))
        if given.kind != "data" or given.array.dtype != np.float32 or not self.chance(0.15):
            return name, given
        self.nodes.append(helper.make_node(op, [name], [name + "_b"]))
        return name + "_b", given._replace(array=np.ascontiguousarray(BEFORE[op](given.array)).reshape(BEFORE[op](given.array).shape))

    def take_inputs(self):
        for i, given in enumerate(self.drawn.inputs):
            if given is None:
                self.names.append("")
                continue
            name, fed = self.neighbour_before(f"x{i}", given)
            self.names.append(name)
            self.inputs.append((f"x{i}", fed))

    def take_node(self):
        outputs = [f"y{i}" if asked else "" for i, asked in enumerate(self.drawn.outputs)]
        while not outputs[-1]:
            outputs.pop()
        row = self.drawn.row
        self.node = helper.make_node(row.name, self.names, outputs, name="node", domain=row.domain, **self.drawn.attributes)
        self.nodes.append(self.node)
        self.outputs = [name for name in outputs if name]

    def nodes_for_references(self):
        """All nodes, the drawn one in the standard's operators where that is known."""
        if not self.drawn.described:
            return self.nodes
        names = {f"x{i}": name for i, name in enumerate(self.names)}
        described = [helper.make_node(op, [names.get(i, i) for i in ins], outs, **attributes) for op, ins, outs, attributes in self.drawn.described]
        at = self.nodes.index(self.node)
        return self.nodes[:at] + described + self.nodes[at + 1 :]

    def model(self, nodes, constants, ports, result_types=None, opset=None):
        opset = opset or self.drawn.opset
        opsets = [helper.make_opsetid("", opset if not self.drawn.row.domain else STANDARD_OPSET)]
        if self.drawn.row.domain:
            opsets.append(helper.make_opsetid(self.drawn.row.domain, opset))
        results = [onnx.ValueInfoProto(name=name) for name in self.outputs]
        if result_types:
            results = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(t), None) for n, t in zip(self.outputs, result_types)]
        tensors = [onnx.numpy_helper.from_array(array, name) for name, array in (self.constants | constants).items()]
        return helper.make_model(helper.make_graph(nodes, "drawn", ports, results, tensors), opset_imports=opsets, ir_version=10)

    def port(self, name, array, shape):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)

    def plain(self):
        """Models for the references: all inputs are fed, all dims are known. The later ones are of older opsets in which the operator was the
        same but for its types: not every reference knows the newest."""
        fixed = {name: given.array for name, given in self.inputs if given.must_be_constant}
        ports = [self.port(name, given.array, given.array.shape) for name, given in self.inputs if name not in fixed]
        row = self.drawn.row
        older = sorted({row.opsets.start, *[o for o in range(row.same_from, row.opsets.start) if o >= table.OLDEST_OPSET or row.domain]}, reverse=True)
        return [self.model(self.nodes_for_references(), fixed, ports, opset=opset) for opset in [self.drawn.opset, *older[:1], *older[1::4], *older[-1:]]]

    def neighbours_behind(self, expected):
        first = expected[0]
        if first.dtype != np.float32 or not first.ranges or not self.chance(0.25):
            return False
        name = self.outputs[0]
        for _ in range(1 + self.chance(0.3)):
            op = str(self.rng.choice(BEHIND_EXACT if self.drawn.exact else BEHIND))
            more = []
            if op in ("Add", "Mul"):
                self.constants[name + "_k"] = np.float32(self.rng.uniform(0.5, 2))
                more = [name + "_k"]
            self.nodes.append(helper.make_node(op, [name, *more], [name + "_n"]))
            name += "_n"
        self.outputs = [name, *self.outputs[self.chance(0.5):]]
        return True

    def variant(self, result_types):
        """(model, arrays to feed): as ctc gets it, some inputs constants, some dims open."""
        all_constant = self.chance(0.08)
        constant = {name: given.array for name, given in self.inputs if given.must_be_constant or all_constant or self.chance(0.2)}
        is_open = self.chance(0.35)
        ports, arrays = [], []
        for name, given in self.inputs:
            if name not in constant:
                # Equal sizes share a name: what has to agree agrees, what is broadcast from 1 stays known.
                shape = [f"n{size}" if is_open and given.kind not in ("shape", "sized") and size > 1 and self.chance(0.6) else size for size in given.array.shape]
                ports.append(self.port(name, given.array, shape))
                arrays.append(given.array)
        return self.model(self.nodes, constant, ports, result_types), arrays


def note_of(drawn):
    """The node in one line."""
    shapes = ", ".join("-" if i is None else f"{i.array.dtype}{list(i.array.shape)}" for i in drawn.inputs)
    attributes = ", ".join(f"{k}={v}" if not isinstance(v, onnx.GraphProto) else k for k, v in drawn.attributes.items())
    return f"{table.full_name(drawn.row.domain, drawn.row.name)}-{drawn.opset}({shapes}) {attributes}".replace("\n", " ")[:400]


def case_of(rng, drawn):
    builder = Builder(rng, drawn)
    builder.take_inputs()
    builder.take_node()
    inputs = [given for _, given in builder.inputs]
    wanted = truth.expected(rng, builder.plain(), inputs, drawn)
    if builder.neighbours_behind(wanted):
        wanted = truth.expected(rng, builder.plain(), inputs, drawn)
    model, arrays = builder.variant([each.dtype for each in wanted])
    return Case(model, arrays, wanted, note_of(drawn))


