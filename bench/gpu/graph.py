"""A model's graph as a PyTorch module: what torch.compile and CUDA graphs are given to run.

    module = graph.build(description, tensors, "cuda", torch.float32)
    outputs = module(x)

`description` is {"inputs": [name], "outputs": [name], "nodes": [{"op", "inputs", "outputs", "attributes"}]} with ONNX's operators (opset 13 to 17),
`tensors` are numpy arrays by name. What depends on constants alone is computed once; `forward` is plain generated code, a line an operator.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

TYPES = {1: None, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}  # None: the module's own


class Unsupported(Exception):
    pass


# --- what the implementations share ---


def spatial_pads(x, a, kernel):
    """(pads before, pads after) of a window."""
    n = len(kernel)
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        pads = a.get("pads", [0] * 2 * n) if auto == "NOTSET" else [0] * 2 * n
        return list(pads[:n]), list(pads[n:])
    strides, dilations = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    total = []
    for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations):
        total.append(max(0, (math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size))
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def padded(x, a, kernel, value=0.0):
    """(x, symmetric pads): what PyTorch cannot pad by itself is padded here."""
    before, after = spatial_pads(x, a, kernel)
    if before == after:
        return x, before
    flat = [p for pair in zip(reversed(before), reversed(after)) for p in pair]
    return F.pad(x, flat, value=value), [0] * len(kernel)


def pool(function, value):
    def apply(a, x):
        kernel = a["kernel_shape"]
        if function == "avg" and spatial_pads(x, a, kernel)[0] != spatial_pads(x, a, kernel)[1]:
            raise Unsupported("AveragePool with unequal pads")
        x, pads = padded(x, a, kernel, value)
        rank, strides, ceil = len(kernel), a.get("strides", [1] * len(kernel)), bool(a.get("ceil_mode", 0))
        if function == "max":
            return getattr(F, f"max_pool{rank}d")(x, kernel, strides, pads, a.get("dilations", 1), ceil)
        return getattr(F, f"avg_pool{rank}d")(x, kernel, strides, pads, ceil, bool(a.get("count_include_pad", 0)))

    return apply


def conv(a, x, w, b=None):
    kernel = list(w.shape[2:])
    x, pads = padded(x, a, kernel)
    rank = len(kernel)
    return getattr(F, f"conv{rank}d")(x, w, b, a.get("strides", [1] * rank), pads, a.get("dilations", [1] * rank), a.get("group", 1))


def conv_transpose(a, x, w, b=None):
    rank = w.dim() - 2
    pads = a.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:] or a.get("auto_pad", "NOTSET") != "NOTSET":
        raise Unsupported("ConvTranspose with unequal pads")
    function = getattr(F, f"conv_transpose{rank}d")
    return function(x, w, b, a.get("strides", [1] * rank), pads[:rank], a.get("output_padding", [0] * rank), a.get("group", 1), a.get("dilations", [1] * rank))


def gemm(a, x, w, c=None):
    x, w = (x.t() if a.get("transA") else x), (w.t() if a.get("transB") else w)
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    if c is None:
        return alpha * (x @ w) if alpha != 1 else x @ w
    return torch.addmm(c, x, w, beta=beta, alpha=alpha)


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if size == 0 and not a.get("allowzero") else size for i, size in enumerate(shape)])


def slice_of(a, x, starts, ends, axes=None, steps=None):
    for i, axis in enumerate(axes or range(len(starts))):
        start, step, size = starts[i], (steps or [1] * len(starts))[i], x.shape[axis]
        if step < 0:
            begin = min(start + size if start < 0 else start, size - 1)
            end = max(ends[i] + size if -size <= ends[i] < 0 else ends[i], -1)
            x = x.index_select(axis, torch.arange(begin, end, step, device=x.device))
            continue
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, min(ends[i], size), step)
        x = x[tuple(index)]
    return x


def squeeze(a, x, axes=None):
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True) if axes else []:
        x = x.squeeze(axis)
    return x if axes else x.squeeze()


def unsqueeze(a, x, axes):
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def split(a, x, sizes=None):
    axis = a.get("axis", 0)
    return torch.split(x, sizes or x.shape[axis] // a["results"], axis)


def gather(a, x, index):
    axis = a.get("axis", 0) % x.dim()
    index = torch.where(index < 0, index + x.shape[axis], index)
    if index.dim() == 0:
        return x.select(axis, int(index)) if index.device.type == "cpu" else x.index_select(axis, index.reshape(1)).squeeze(axis)
    flat = x.index_select(axis, index.reshape(-1))
    return flat.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1 :])


def clip(a, x, low=None, high=None):
    return torch.clamp(x, low, high)


def layer_norm(a, x, scale, shift=None):
    axis = a.get("axis", -1) % x.dim()
    return F.layer_norm(x, x.shape[axis:], scale, shift, a.get("epsilon", 1e-5))


def batch_norm(a, x, scale, shift, mean, variance):
    return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, a.get("epsilon", 1e-5))


def pad(a, x, pads, value=0.0, axes=None):
    n = x.dim()
    if axes or a.get("mode", "constant") != "constant":
        raise Unsupported("Pad of some axes, or not with a constant")
    flat = [p for i in reversed(range(n)) for p in (pads[i], pads[n + i])]
    return F.pad(x, flat, value=value or 0.0)


def resize(a, x, roi=None, scales=None, sizes=None):
    mode, place = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    size = sizes[2:] if sizes else [int(math.floor(n * s)) for n, s in zip(x.shape[2:], scales[2:])]
    if mode == "nearest":
        if any(to % n for to, n in zip(size, x.shape[2:])):
            raise Unsupported("Resize to what is no multiple")
        return F.interpolate(x, size=size, mode="nearest")
    if mode != "linear" or place == "asymmetric":
        raise Unsupported(f"Resize: {mode}, {place}")
    return F.interpolate(x, size=size, mode="bilinear", align_corners=place == "align_corners")


def reduce(function):
    def apply(a, x, axes=None):
        return function(x, axes or a.get("axes") or list(range(x.dim())), keepdim=bool(a.get("keepdims", 1)))

    return apply


def constant_of_shape(a, shape):
    value = a.get("value", np.zeros(1, np.float32))
    return torch.full(shape, value.reshape(-1)[0].item(), dtype=torch.from_numpy(value).dtype)


# --- the operators ---

OPS = {
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc"),
    "Mod": lambda a, x, y: torch.fmod(x, y) if a.get("fmod") else torch.remainder(x, y),
    "Pow": lambda a, x, y: torch.pow(x, y),
    "Equal": lambda a, x, y: x == y,
    "Where": lambda a, c, x, y: torch.where(c, x, y),
    "MatMul": lambda a, x, y: torch.matmul(x, y),
    "Gemm": gemm,
    "Relu": lambda a, x: F.relu(x),
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Tanh": lambda a, x: torch.tanh(x),
    "Sqrt": lambda a, x: torch.sqrt(x),
    "Exp": lambda a, x: torch.exp(x),
    "Erf": lambda a, x: torch.erf(x),
    "Neg": lambda a, x: -x,
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "HardSwish": lambda a, x: F.hardswish(x),
    "HardSigmoid": lambda a, x: torch.clamp(x * a.get("alpha", 0.2) + a.get("beta", 0.5), 0, 1),
    "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
    "Clip": clip,
    "Identity": lambda a, x: x,
    "Cast": lambda a, x: x.to(a["to"]),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": pool("max", -math.inf),
    "AveragePool": pool("avg", 0.0),
    "GlobalAveragePool": lambda a, x: x.mean(list(range(2, x.dim())), keepdim=True),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "Reshape": reshape,
    "Flatten": lambda a, x: x.reshape([int(np.prod(x.shape[: a.get("axis", 1)], dtype=np.int64)), -1]),
    "Transpose": lambda a, x: x.permute(a.get("perm", list(range(x.dim()))[::-1])),
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": lambda a, x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape))),
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Split": split,
    "Slice": slice_of,
    "Gather": gather,
    "Pad": pad,
    "Resize": resize,
    "ReduceMean": reduce(torch.mean),
    "ReduceSum": reduce(torch.sum),
    "ConstantOfShape": constant_of_shape,
}
# Inputs that PyTorch takes as numbers, from this one on.
NUMBERS_FROM = {"Reshape": 1, "Squeeze": 1, "Unsqueeze": 1, "Expand": 1, "Split": 1, "Slice": 1, "Pad": 1, "Resize": 1,
                "ReduceMean": 1, "ReduceSum": 1, "ConstantOfShape": 0, "Clip": 1}
SCALARS = {"Clip", "Pad"}


class Lstm(torch.nn.Module):
    """ONNX's LSTM as PyTorch's, whose gates stand in another order; initial states are zero."""

    def __init__(self, a, w, r, b):
        super().__init__()
        directions, self.hidden = w.shape[0], a["hidden_size"]
        if a.get("direction", "forward") == "reverse" or a.get("layout"):
            raise Unsupported("LSTM that runs backwards only, or batch first")
        self.lstm = torch.nn.LSTM(w.shape[2], self.hidden, bidirectional=directions == 2)
        for d in range(directions):
            end = "_reverse" if d else ""
            for name, value in (("weight_ih", w[d]), ("weight_hh", r[d]), ("bias_ih", b[d, : 4 * self.hidden]), ("bias_hh", b[d, 4 * self.hidden :])):
                gates = value.reshape(4, self.hidden, -1)[[0, 2, 3, 1]].reshape(value.shape)  # i o f c to i f c o
                getattr(self.lstm, f"{name}_l0{end}").data.copy_(gates)
        self.requires_grad_(False)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        return y.reshape(y.shape[0], y.shape[1], -1, self.hidden).permute(0, 2, 1, 3), h, c


# --- the module ---


class Builder:
    """Goes through the nodes once with an example, folds what is known, and writes the rest as lines of forward()."""

    def __init__(self, description, tensors, dtype):
        self.module, self.dtype, self.lines = torch.nn.Module(), dtype, []
        self.known = {name: self._own(torch.from_numpy(np.array(array))) for name, array in tensors.items()}
        self.names, self.example, self.functions, self.held = {}, {}, [], {}
        self.description = description

    def _own(self, tensor):
        return tensor.to(self.dtype) if tensor.dtype == torch.float32 else tensor

    def value(self, name):
        return self.known[name] if name in self.known else self.example[name]

    def numbers(self, op, name):
        if not name:
            return None
        if name not in self.known:
            raise Unsupported(f"{op} with a computed {name}")
        found = self.known[name]
        return (found.reshape(-1)[0].item() if found.numel() else None) if op in SCALARS and found.numel() <= 1 else found.tolist()

    def reference(self, name):
        """How forward() calls a tensor."""
        if name not in self.known:
            return self.names[name]
        if name not in self.held:
            self.held[name] = f"c{len(self.held)}"
            self.module.register_buffer(self.held[name], self.known[name].clone())
        return "self." + self.held[name]

    def attributes(self, node):
        a = dict(node["attributes"], results=len(node["outputs"]))
        if node["op"] == "Cast":
            a["to"] = TYPES.get(a["to"], torch.float32) or self.dtype
        return a

    def constant(self, node):
        a = node["attributes"]
        value = next(iter(a.values()))
        return self._own(torch.from_numpy(np.array(value)))

    def add(self, node):
        op, inputs, outputs = node["op"], node["inputs"], node["outputs"]
        if op == "Constant":
            self.known[outputs[0]] = self.constant(node)
            return
        if op == "Shape":
            self.known[outputs[0]] = torch.tensor(list(self.value(inputs[0]).shape))
            return
        a, first = self.attributes(node), NUMBERS_FROM.get(op, len(inputs))
        if op == "LSTM":
            self.add_lstm(node, a)
            return
        if op not in OPS:
            raise Unsupported(f"operator {op}")
        numbers = [self.numbers(op, name) for name in inputs[first:]]
        tensors = inputs[:first]
        function = OPS[op]
        present = [self.value(name) if name else None for name in tensors]
        results = function(a, *present, *numbers)
        results = list(results) if isinstance(results, (tuple, list)) else [results]
        if all(not name or name in self.known for name in tensors):
            self.known.update(zip(outputs, results))
            return
        self.functions.append((function, a, numbers))
        texts = [self.reference(name) if name else "None" for name in tensors]
        self.line(outputs, results, f"call({len(self.functions) - 1}, {', '.join(texts)})")

    def add_lstm(self, node, a):
        x, w, r, *rest = node["inputs"]
        weights = [self.known[name].float() for name in (w, r, rest[0])]
        states = [self.known[name] for name in rest[2:4] if name]
        if any(state.count_nonzero() for state in states):
            raise Unsupported("LSTM with initial states")
        name = f"lstm{len(self.lines)}"
        setattr(self.module, name, Lstm(a, *weights).to(self.dtype))
        results = getattr(self.module, name)(self.value(x))
        self.line(node["outputs"], results, f"self.{name}({self.reference(x)})")

    def line(self, outputs, results, call):
        for name, result in zip(outputs, results):
            self.names[name] = f"v{len(self.names)}"
            self.example[name] = result
        targets = [self.names[name] if name else "_" for name in outputs]
        many = len(results) > 1
        self.lines.append(f"{', '.join(targets)}{', ' + '_, ' * (len(results) - len(targets) - 1) + '_' if len(results) > len(targets) else ''} = {call}"
                          if many else f"{targets[0]} = {call}")

    def build(self, inputs):
        for name, array in zip(self.description["inputs"], inputs):
            self.names[name], self.example[name] = f"v{len(self.names)}", self._own(torch.from_numpy(np.array(array)))
        arguments = [self.names[name] for name in self.description["inputs"]]
        with torch.no_grad():
            for node in self.description["nodes"]:
                self.add(node)
        self.free_what_is_done()
        results = ", ".join(self.reference(name) for name in self.description["outputs"])
        text = f"def forward(self, {', '.join(arguments)}):\n    " + "\n    ".join([*self.lines, f"return ({results},)"]) + "\n"
        return self.module, text

    def free_what_is_done(self):
        """Examples are not needed any more, and names of tensors are all taken."""
        self.example = dict.fromkeys(self.example)


def build(description, tensors, inputs, device, dtype):
    """The module, in evaluation mode, for inputs of these shapes (numpy arrays)."""
    # Half precision is not for every operator on the CPU: the example runs in float32.
    builder = Builder(description, tensors, torch.float32)
    module, text = builder.build(inputs)
    functions = builder.functions
    for i, (function, a, numbers) in enumerate(functions):
        if a.get("to") is torch.float32:
            functions[i] = (function, dict(a, to=dtype), numbers)

    def call(index, *tensors):
        function, a, numbers = functions[index]
        return function(a, *tensors, *numbers)

    scope = {"call": call}
    exec(compile(text, "<graph>", "exec"), scope)

    class Graph(type(module)):
        forward = scope["forward"]

    module.__class__ = Graph
    return module.to(device=device, dtype=dtype).eval()
