"""The nodes of a model file while they are made, and what stands for the values between them."""

import torch

from .layers import ExportError
from .tensors import CONSTANT


class Ref:
    """A tensor of the graph."""

    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, dtype, shape

    @staticmethod
    def like(result, names):
        """Refs to a result, or to the several tensors of one, by names of the same structure."""
        if isinstance(result, torch.Tensor):
            return Ref(names, result.dtype, result.shape) if isinstance(names, str) else names
        if isinstance(result, (tuple, list)) and not isinstance(result, torch.Size):
            names = [names] * len(result) if isinstance(names, str) else names
            return type(result)(map(Ref.like, result, names)) if type(result) in (tuple, list) else tuple(map(Ref.like, result, names))
        return names


class Size:
    """An integer of the graph: a dim, or what was computed of dims. `name` is a tensor of one int64, made when it is asked for."""

    def __init__(self, name, example):
        self._name, self.example = name, example

    @property
    def name(self):
        if callable(self._name):
            self._name = self._name()
        return self._name

    def __repr__(self):
        return "an open size"


def is_known(structure):
    """Whether nothing of the graph is in it."""
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, slice):
        structure = [structure.start, structure.stop, structure.step]
    if isinstance(structure, (tuple, list)):
        return all(map(is_known, structure))
    return not isinstance(structure, (Ref, Size))


# Elements of a constant that is written out in the model.
MOST_IN_TEXT = 16
# Layers that are one ONNX operator without attributes, by the operator.
SAME = {
    name: name
    for name in "Add Sub Mul Div Pow MatMul Equal Greater Less Where Abs Neg Sqrt Reciprocal Exp Log Sin Cos Erf Floor Ceil Round Sign".split()
} | {"Max": "Maximum", "Min": "Minimum"}


def json_dtype(dtype):
    return str(dtype).removeprefix("torch.")


class Model:
    """Nodes in order. The functions that write a step of the graph work with its name, its example result, and `add` or `onnx`."""

    def __init__(self, weights, input_names):
        self.weights, self.nodes, self.outputs = weights, [], []
        self._inputs, self._names = set(input_names), {*input_names, *weights.names}
        self._constants, self._parameters = {}, {}
        self._step, self.result, self.dynamic = "", None, False

    def begin(self, step, result, dynamic):
        self._step, self.result, self.dynamic = step, result, dynamic

    def unique(self, name):
        made, number = name, 2
        while made in self._names:
            made, number = f"{name}_{number}", number + 1
        self._names.add(made)
        return made

    # --- nodes ---

    def add(self, entry, inputs, result):
        """A ready entry with its inputs: a Ref, or a structure of Refs as `result` is one."""
        names = []
        made = Ref.like(result, self._name_results(result, entry["name"], names))
        outputs = {"outputs": names} if len(names) > 1 else {}
        self.nodes.append({**entry, "inputs": list(map(self.name_of, inputs)), **outputs})
        return made

    def _name_results(self, result, name, names):
        """Names of a result's tensors, in its structure; the first is called like the node. All go to `names`."""
        if isinstance(result, (tuple, list)):
            return [self._name_results(each, name, names) for each in result]
        if result is None:
            return None
        names.append(self.unique(f"{name}.{len(names)}") if names else name)
        return names[-1]

    def layer(self, type, inputs, **fields):
        """The name of a layer that this step becomes."""
        name = self.unique(self._step)
        self.nodes.append({"name": name, "type": type, **fields, "inputs": list(map(self.name_of, inputs))})
        return name

    def layers(self, type, inputs, count, **fields):
        """The names of its `count` outputs."""
        name = self.layer(type, inputs, **fields)
        self.nodes[-1]["outputs"] = [name] + [self.unique(f"{name}.{i}") for i in range(1, count)]
        return self.nodes[-1]["outputs"]

    def onnx(self, op, *inputs, **attributes):
        """The name of an ONNX operator that this step becomes, as the layer that is just that operator if there is one."""
        if op in SAME and not attributes:
            return self.layer(SAME[op], inputs)
        return self.layer("onnx", inputs, op=op, **({"attributes": attributes} if attributes else {}))

    # --- values ---

    def name_of(self, value):
        """The name of a value, which becomes a constant if it is a tensor or a list of integers."""
        if isinstance(value, str):
            return value
        if isinstance(value, (Ref, Size)):
            return value.name
        if isinstance(value, torch.Tensor):
            return self.constant(value)
        if isinstance(value, (list, tuple)):
            return self.sizes(value)
        raise ExportError(f"{value!r} is no tensor")

    def constant(self, value, dtype="int64"):
        """A constant of numbers, or of a tensor: in the model if it is small, else in the weight file."""
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=getattr(torch, dtype))
        dtype, values = json_dtype(tensor.dtype), tensor.tolist()
        key = (repr(values), dtype, tensor.shape)
        if key not in self._constants:
            # JSON has no word for infinity.
            stored = tensor.numel() > MOST_IN_TEXT or not torch.isfinite(tensor.double()).all()
            name = self._constants[key] = self.unique(CONSTANT if stored else "constant")
            if stored:
                self.weights.used[name] = tensor
            else:
                self.nodes.append({"name": name, "type": "constant", "dtype": dtype, "value": values})
        return self._constants[key]

    def parameter(self, stored):
        """A tensor of the weight file as a value: its name, unless an input has that."""
        if stored not in self._parameters:
            self._parameters[stored] = self._stored_as(stored) if stored in self._inputs else stored
        return self._parameters[stored]

    def _stored_as(self, stored):
        name = self.unique(stored)
        self.nodes.append({"name": name, "type": "parameter", "weight": stored})
        return name

    def sizes(self, values):
        """The name of a list of integers, some of which may be sizes of the graph."""
        if is_known(values):
            return self.constant([int(value) for value in values])
        parts = [value.name if isinstance(value, Size) else self.constant([int(value)]) for value in values]
        return parts[0] if len(parts) == 1 else self.onnx("Concat", *parts, axis=0)

    def cast(self, value, dtype):
        """The value in that dtype; numbers become constants. A name is of the right one already."""
        if isinstance(value, str):
            return value
        if isinstance(value, Size):
            value = Ref(self.onnx("Squeeze", value), torch.int64, torch.Size())
        if not isinstance(value, (Ref, torch.Tensor)):
            return self.constant(torch.tensor(value, dtype=dtype))
        if value.dtype == dtype:
            return value
        return self.onnx("Cast", value, to=ONNX_CODES[dtype])

    # --- outputs ---

    def set_outputs(self, refs, wanted):
        """The outputs of the model, by these names or their own."""
        if wanted is not None and len(wanted) != len(refs):
            raise ExportError(f"the module has {len(refs)} outputs, not {len(wanted)}: {', '.join(wanted)}")
        for i, ref in enumerate(refs):
            if not isinstance(ref, Ref):
                raise ExportError(f"the module returns {ref!r}, which is no tensor that depends on its inputs")
            self._add_output(ref, wanted[i] if wanted else None)

    def _add_output(self, ref, wanted):
        """An Identity gives a name of its own to what is an input, a parameter or an output already, or has another name."""
        results = {name for node in self.nodes for name in node.get("outputs", [node["name"]])}
        name = ref.name
        if name in self.outputs or name not in results or wanted not in (None, name):
            name = self.unique(wanted or "output")
            if wanted not in (None, name):
                raise ExportError(f"an output cannot be called {wanted}: a node or an input has that name")
            self.nodes.append({"name": name, "type": "Identity", "inputs": [ref.name]})
        self.outputs.append(name)


# TensorProto.DataType
ONNX_CODES = {
    torch.float32: 1,
    torch.uint8: 2,
    torch.int8: 3,
    torch.int16: 5,
    torch.int32: 6,
    torch.int64: 7,
    torch.bool: 9,
    torch.float16: 10,
    torch.float64: 11,
    torch.bfloat16: 16,
}
