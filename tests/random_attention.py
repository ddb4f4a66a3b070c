#!/usr/bin/env python3
"""Random attentions against onnxruntime, as exporters write them: heads cut out of one projection or of three, scales in
front of, between or behind, masks that are added, chosen or computed, products with turned operands, odd sizes, some open;
and the operator Attention.

    random_attention.py [--count 60] [--seed 1] [--cc clang] [--opt -O2] [--sanitize] [--keep]
"""
import sys

import numpy as np

import random_graphs
from common import model, value


class Generator(random_graphs.Generator):
    def node(self, op, inputs, **attributes):
        name = self.name()
        self.nodes.append((op, inputs, [name], attributes))
        return name

    def ints(self, *numbers):
        return self.constant(np.array(numbers, np.int64))

    def number(self, x):
        return self.constant(np.float32(x))

    # --- Q, K, V as [B, H, S, D] ---

    def from_one(self, heads, size):
        """Parts of x[B, S, 3 * H * D]."""
        x = self.node("Reshape", ["x", self.ints(0, 0, 3, heads, size)])
        x = self.node("Transpose", [x], perm=[2, 0, 3, 1, 4])
        return [self.node("Gather", [x, self.constant(np.int64(i))], axis=0) for i in range(3)]

    def from_slices(self, heads, size):
        width, parts = heads * size, []
        for i in range(3):
            cut = [self.ints(i * width), self.ints((i + 1) * width), self.ints(2)]
            part = self.node("Slice", ["x", *cut])
            part = self.node("Reshape", [part, self.ints(0, 0, heads, size)])
            parts.append(self.node("Transpose", [part], perm=[0, 2, 1, 3]))
        return parts

    # --- scores ---

    def scores(self, q, k, size):
        scale, form = size**-0.5, self.below(3)
        k = self.node("Transpose", [k], perm=[0, 1, 3, 2])
        if form == 0:
            q = self.node("Mul", [q, self.number(scale**0.5)])
            k = self.node("Mul", [k, self.number(scale**0.5)])
        s = self.node("MatMul", [q, k])
        if form == 1:
            s = self.node("Div", [s, self.number(1 / scale)])
        if form == 2:
            s = self.node("Mul", [self.number(scale), s])
        return s

    def masked(self, s, batch, length, inputs):
        """Every query may see at least key 0, but for the last kind."""
        form = self.below(7)
        shape = self.pick([(batch, 1, 1, length), (batch, 1, length, length), (length, length)])
        barred = self.rng.random(shape) < 0.4
        barred[..., 0] = False
        if form == 0:
            inputs["mask"] = np.where(barred, self.pick([-np.inf, -1e4]), 0.5).astype(np.float32)
            return self.node("Add", [s, "mask"])
        if form == 1:
            inputs["mask"] = barred
            return self.node("Where", ["mask", self.number(self.pick([-np.inf, -1e9])), s])
        if form == 2:
            inputs["mask"] = ~barred
            return self.node("Where", ["mask", s, self.number(-3.4e38)])
        causal = np.triu(np.ones((length, length), bool), 1)
        if form == 3:
            bars = np.where(causal, self.pick([-np.inf, -1e9]), 0).astype(np.float32)
            return self.node("Add", [self.constant(bars), s])
        if form == 4:
            return self.node("Where", [self.constant(causal), self.number(-np.inf), s])
        if form == 5:
            barred[..., -1, :] = True
            inputs["mask"] = barred
            s = self.node("Where", ["mask", self.number(-np.inf), s])
            p = self.node("Softmax", [s], axis=-1)
            return self.node("Where", [self.node("IsNaN", [p]), self.number(0), p])
        return s

    def weights(self, s, batch, length, inputs):
        result = self.masked(s, batch, length, inputs)
        safe = any(op == "IsNaN" for op, *_ in self.nodes)
        return result if safe else self.node("Softmax", [result], axis=-1)

    def operator_case(self, name):
        """The operator Attention: groups of heads, flat or not, masks, past keys and values."""
        batch, kv_heads, group, size = self.pick([1, 2]), self.pick([1, 2]), self.pick([1, 3]), self.pick([8, 20, 32])
        heads, rows, keys = kv_heads * group, self.pick([1, 7, 33, 64]), self.pick([5, 32, 40])
        flat, past = self.below(2), self.pick([0, 0, 9])
        total, attributes, inputs, arrays = keys + past, {}, ["q", "k", "v"], {}
        for port, count, length in (("q", heads, rows), ("k", kv_heads, keys), ("v", kv_heads, keys)):
            shape = (batch, length, count * size) if flat else (batch, count, length, size)
            arrays[port] = self.rng.standard_normal(shape).astype(np.float32)
        if flat:
            attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
        seen = self.rng.random(self.pick([(rows, total), (batch, 1, rows, total)])) < 0.7
        seen[..., 0] = True
        form = self.below(4)
        if form == 0:
            attributes["is_causal"] = 1
        elif form < 3:
            arrays["mask"] = seen if form == 1 else np.where(seen, 0.5, -np.inf).astype(np.float32)
        if past:
            for port in ("past_key", "past_value"):
                arrays[port] = self.rng.standard_normal((batch, kv_heads, past, size)).astype(np.float32)
        inputs += ["mask" if "mask" in arrays else "", "past_key", "past_value"] if past else list(arrays)[3:]
        results = ["y", "present_key", "present_value"] if past else ["y"]
        ports = [value(n, list(a.shape), a.dtype) for n, a in arrays.items()]
        nodes = [("Attention", inputs, results, attributes)]
        graph = model(nodes, ports, [value(r, None) for r in results], {}, opset=23)
        return self.as_case(name, graph, list(arrays.values()))

    def case(self, name):
        if self.below(4) == 0:
            return self.operator_case(name)
        batch, heads, size = self.pick([1, 2, 3]), self.pick([1, 2, 3]), self.pick([4, 8, 16, 20, 32, 40])
        length = self.pick([1, 3, 7, 16, 31, 32, 37, 64, 70])
        inputs = {"x": (2 * self.rng.standard_normal((batch, length, 3 * heads * size))).astype(np.float32)}
        q, k, v = self.pick([self.from_one, self.from_slices])(heads, size)
        p = self.weights(self.scores(q, k, size), batch, length, inputs)
        if self.below(4) == 0:  # V^T P^T
            turned = self.node("Transpose", [v], perm=[0, 1, 3, 2])
            y = self.node("MatMul", [turned, self.node("Transpose", [p], perm=[0, 1, 3, 2])])
            y = self.node("Transpose", [y], perm=[0, 3, 1, 2])
        else:
            y = self.node("Transpose", [self.node("MatMul", [p, v])], perm=[0, 2, 1, 3])
        y = self.node("Reshape", [y, self.ints(0, 0, heads * size)])
        tags = self.pick([[batch, length], [batch, length], ["B", length], ["B", "S"]])
        fixed = any(isinstance(c, np.ndarray) and c.ndim == 2 for c in self.constants.values())
        if fixed and tags[1] == "S":
            tags = ["B", length]
        dims = {batch: tags[0], length: tags[1]} if batch != length else {}
        ports = [
            value(n, [dims.get(d, d) if i < 2 or n == "mask" else d for i, d in enumerate(a.shape)], a.dtype)
            for n, a in inputs.items()
        ]
        graph = model(self.nodes, ports, [value(y, None)], self.constants, opset=18)
        return self.as_case(name, graph, list(inputs.values()))


if __name__ == "__main__":
    sys.exit(random_graphs.main(Generator, "random-attention", __doc__, 60))
