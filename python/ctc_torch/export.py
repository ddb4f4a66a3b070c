"""ctc_torch.export: a module as a model file of ctc's (docs/json-model.md) and a safetensors file beside it."""

import contextlib
import inspect
import json
import pathlib

import torch
from torch import nn

from . import graph, layers, safetensors
from .layers import ExportError
from .values import json_dtype

VERSION = 1
# Their forward gives several tensors, or takes them: no links of a chain.
BRANCHING = (nn.RNN, nn.LSTM, nn.GRU, nn.MultiheadAttention, nn.Bilinear)


def export(module, args, path, input_names=None, output_names=None, dynamic_axes=None, name=None):
    """Writes `path` (net.json) and net.safetensors beside it. The arguments are those of torch.onnx.export:

    args            an example input, or a tuple of them, or a dict by the names of forward's arguments
    input_names     names in the file, in order; by default those of forward's arguments
    output_names    likewise; by default those of the nodes that make them
    dynamic_axes    {input: {axis: "N"}}: dims that stay open; the others are as in the examples

    Layers compute as in evaluation. Raises an ExportError that names each module that has no counterpart.
    """
    path = pathlib.Path(path)
    arguments, examples = arguments_of(module, args)
    inputs = described_inputs(input_names or arguments, examples, dynamic_axes or {})
    weights = layers.Weights(module)
    with evaluating(module):
        links = chain(module) if len(examples) == 1 else None
        if links is not None:
            body = {"layers": chained(links, weights), **({"outputs": output_names} if output_names else {})}
        else:
            made = graph.write(module, arguments, [each.clone() for each in examples], [each["name"] for each in inputs], output_names, bool(dynamic_axes), weights)
            body = {"nodes": made.nodes, "outputs": made.outputs}
    head = {"ctc": VERSION, "name": name or path.stem}
    if weights.used:
        file = path.with_suffix(".safetensors")
        safetensors.write(file, weights.used)
        head["weights"] = file.name
    path.write_text(text_of({**head, "inputs": inputs, **body}))


@contextlib.contextmanager
def evaluating(module):
    """Each part of the module in evaluation mode, and afterwards as it was."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


# --- inputs ---


def arguments_of(module, args):
    """(names of forward's arguments, example tensors)"""
    known = list(inspect.signature(module.forward).parameters.values())
    if isinstance(args, dict):
        unknown = [name for name in args if name not in [each.name for each in known]]
        if unknown:
            raise ExportError(f"forward has no argument {', '.join(unknown)}")
        args, names = list(args.values()), list(args)
        if names != [each.name for each in known[: len(names)]]:
            raise ExportError(f"examples must be there for the first arguments of forward, without a gap: {', '.join(each.name for each in known)}")
    else:
        args = list(args) if isinstance(args, (tuple, list)) else [args]
        names = [each.name for each in known if each.kind != each.VAR_POSITIONAL]
        names = (names + [f"input_{i}" for i in range(len(names), len(args))])[: len(args)]
    for name, value in zip(names, args):
        if not isinstance(value, torch.Tensor):
            raise ExportError(f"the example of {name} is no tensor but {type(value).__name__}")
    return names, args


def described_inputs(names, examples, dynamic_axes):
    """The "inputs" of the file."""
    if len(names) != len(examples):
        raise ExportError(f"{len(names)} input names for {len(examples)} inputs")
    for name in dynamic_axes:
        if name not in names:
            raise ExportError(f"dynamic_axes: there is no input {name}; the inputs are {', '.join(names)}")
    return [
        {"name": name, "dtype": json_dtype(example.dtype), "shape": open_shape(name, example, dynamic_axes.get(name, {}))}
        for name, example in zip(names, examples)
    ]


def open_shape(name, example, axes):
    """The shape with names for the dims that stay open."""
    axes = axes if isinstance(axes, dict) else {axis: f"{name}_{axis}" for axis in axes}
    for axis in axes:
        if not -example.dim() <= axis < example.dim():
            raise ExportError(f"dynamic_axes: {name} has no axis {axis}")
    by_axis = {axis % example.dim(): dim for axis, dim in axes.items()}
    return [by_axis.get(axis, size) for axis, size in enumerate(example.shape)]


# --- chains of layers ---


def chain(module, path=""):
    """[(name, layer)] of a layer, or of nested nn.Sequential of layers with one input and one output; None for other modules."""
    if layers.layer_of(module) is not None:
        return None if isinstance(module, BRANCHING) else [(path or "0", module)]
    if layers.class_of(module) is not nn.Sequential:
        return None
    with graph.locating(path, module):
        layers.check_hooks(module)
    links = []
    for name, child in module._modules.items():
        inner = chain(child, f"{path}.{name}" if path else name)
        if inner is None:
            return None
        links += inner
    return links or None


def chained(links, weights):
    """The "layers" of the file; a name that is the layer's number goes without saying."""
    entries, problems = [], []
    for number, (name, module) in enumerate(links):
        try:
            with graph.locating(name, module):
                made = layers.entry(module, name, weights)
            entries.append({key: value for key, value in made.items() if key != "name" or value != str(number)})
        except ExportError as error:
            problems.append(str(error))
    if problems:
        raise ExportError("\n".join(problems))
    return entries


# --- text ---


def text_of(model):
    """JSON with a line for each input and each layer."""
    parts = []
    for key, value in model.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n".join("    " + json.dumps(each, ensure_ascii=False, allow_nan=False) for each in value)
            parts.append(f'  "{key}": [\n{lines}\n  ]')
        else:
            parts.append(f'  "{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
