#!/usr/bin/env python3
"""Writes what fuzzing starts from: the texts of the tests and documents, a folder for each target.

    seeds.py FOLDER      FOLDER/json/…, FOLDER/model/…
"""
import hashlib
import io
import itertools
import json
import pathlib
import re
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import json_models  # noqa: E402
import plugin_tool  # noqa: E402
import plugins  # noqa: E402
import wrong_json  # noqa: E402

LARGEST = 6000  # bytes; larger ones only slow fuzzing down


def encoded(part):
    if isinstance(part, (dict, list)):
        part = json.dumps(part)
    return part.encode() if isinstance(part, str) else part


def joined(*parts):
    return b"\0".join(encoded(part) for part in parts)


def documents(language):
    """The examples in that language in the documents."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        yield from re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)


# --- JSON and schemas ---

def schema_files():
    return [path.read_text() for path in sorted((ROOT / "schema").glob("*.schema.json"))]


def suite():
    """Pairs of a schema and a value, from the public test suite if it is there."""
    for path in sorted((ROOT / ".venv/json-schema-test-suite/tests/draft2020-12").glob("*.json")):
        for group in json.loads(path.read_text()):
            for test in group["tests"]:
                yield group["schema"], test["data"]


def alternatives():
    """A schema whose parts are chosen in each of the forms that the validator knows."""
    kinds = [{"properties": {"type": {"const": name}, "size": {"type": "integer", "minimum": i}}, "required": ["type"]} for i, name in enumerate("ABC")]
    chain = False
    for kind in kinds:
        chain = {"if": {"properties": {"type": kind["properties"]["type"]}}, "then": kind, "else": chain}
    for schema in ({"oneOf": kinds}, {"anyOf": kinds}, chain, {"allOf": [{"if": {"properties": {"type": {"const": "A"}}}, "then": kinds[0]}]}):
        for value in ({"type": "A", "size": 1}, {"type": "D"}, {"type": 3}, {}, {"type": "C", "size": 1}):
            yield schema, value


def json_texts():
    yield from schema_files()
    yield from documents("json")
    yield from wrong_json.MODELS.values()
    yield from ['{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00"]}', "[]", " 1 ", '"\\n"', "\ufeff{}"]


def schema_pairs():
    yield from suite()
    yield from alternatives()


# --- models ---

def header(shapes, dtypes=None):
    """That of a weight file with all tensors at the same place."""
    sizes = {"F32": 4, "F64": 8, "I64": 8, "BOOL": 1}
    entries = {}
    for name, shape in shapes.items():
        dtype = (dtypes or {}).get(name, "F32")
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [0, int(np.prod(shape, dtype=np.int64)) * sizes[dtype]]}
    return entries


def layer_models():
    for kind, fields, shapes, sizes, _ in json_models.LAYERS:
        inputs = [{"name": f"x{i}", "shape": list(size)} for i, size in enumerate(sizes)]
        node = {"name": "l", "type": kind, "inputs": [entry["name"] for entry in inputs], "outputs": ["y"], **fields}
        model = {"ctc": 1, "weights": "w.safetensors", "inputs": inputs, "nodes": [node], "outputs": ["y"]}
        yield model, header({f"l.{name}": shape for name, shape in shapes.items()})
        inputs = [{**entry, "shape": ["N", *entry["shape"][1:]]} for entry in inputs if entry["shape"]]
        yield {**model, "inputs": inputs}, header({f"l.{name}": shape for name, shape in shapes.items()})


def recurrent_models():
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        shapes = {"l.weight_ih_l0": (gates * 4, 3), "l.weight_hh_l0": (gates * 4, 4), "l.bias_ih_l0": (gates * 4,), "l.bias_hh_l0": (gates * 4,)}
        node = {"name": "l", "type": kind, "inputs": ["x"], "outputs": ["y", "h"], "input_size": 3, "hidden_size": 4}
        yield {"ctc": 1, "weights": "w.safetensors", "inputs": [{"name": "x", "shape": ["T", 2, 3]}], "nodes": [node], "outputs": ["y", "h"]}, header(shapes)
    shapes = {"l.in_proj_weight": (12, 4), "l.in_proj_bias": (12,), "l.out_proj.weight": (4, 4), "l.out_proj.bias": (4,)}
    node = {"name": "l", "type": "MultiheadAttention", "inputs": ["x", "x", "x"], "outputs": ["y", "w"], "embed_dim": 4, "num_heads": 2}
    yield {"ctc": 1, "weights": "w.safetensors", "inputs": [{"name": "x", "shape": [5, "N", 4]}], "nodes": [node], "outputs": ["y"]}, header(shapes)


def recognised_models():
    """Models of ONNX's nodes that a plugin replaces."""
    mul, div = {"type": "onnx", "op": "Mul", "inputs": ["x", "x"], "name": "q"}, {"type": "onnx", "op": "Div", "inputs": ["x", "r"], "name": "y"}
    conv, root = {"type": "onnx", "op": "Conv", "inputs": ["q", "g", "b"], "name": "n"}, {"type": "onnx", "op": "Sqrt", "inputs": ["n"], "name": "r"}
    power = [{"type": "constant", "value": 2, "name": "two"}, {**mul, "op": "Pow", "inputs": ["x", "two"]}]
    weights = header({"g": (5, 5, 1, 1), "b": (5,)})
    for nodes in ([mul, conv, root, div], [*power, conv, root, {**div, "op": "Mul"}], [mul, conv, root, div, {"type": "ReLU", "inputs": ["n"], "name": "z"}]):
        model = {"ctc": 1, "weights": "w.safetensors", "inputs": [{"name": "x", "shape": [2, 5, 4, "W"]}], "nodes": nodes, "outputs": ["y"]}
        for descriptor in (plugins.FOLDED_GDN, plugins.ONE_PATTERN):
            yield model, weights, descriptor, plugins.GDN_KERNEL
    model = {"ctc": 1, "weights": "w.safetensors", "inputs": [{"name": "x", "shape": [1, 5, 4, 4]}], "nodes": [{**conv, "inputs": ["x", "g"]}], "outputs": ["n"]}
    yield model, weights, plugins.POINTWISE, plugins.POINTWISE_KERNEL
    layer = {"type": "GDN2", "name": "l", "inputs": ["x"], "inverse": True}
    model = {"ctc": 1, "weights": "w.safetensors", "inputs": [{"name": "x", "shape": ["N", 5, 4]}], "nodes": [layer], "outputs": ["l"]}
    yield model, header({"l.beta": (5,), "l.gamma": (5, 5)}), {**plugins.GDN, "name": "GDN2"}, plugins.GDN_KERNEL.replace("gdn_", "gdn2_")


def models():
    known = {name: array.shape for name, array in wrong_json.weights().items()}
    doubles = {name: "F64" for name, array in wrong_json.weights().items() if array.dtype == np.float64}
    yield from layer_models()
    yield from recurrent_models()
    yield from ((text, header(known, doubles)) for text in wrong_json.MODELS.values())
    yield from ((text, "{}") for text in documents("json"))
    yield from recognised_models()


# --- plugins ---

# Bytes that choose inputs, sizes and attributes of a node.
CHOICES = [b"", bytes(range(40)), b"\1\1\5\6\7\4\4\4\4\4\1\1\1\1", b"\0\2\0\1\4\0\0\3\3\3\2\2\2\2\2\2\2\2\2", b"\1\0\11\11\11\11\11\11\11\11\11\3\3\3"]


def plugin_parts():
    pairs = [(plugins.GDN, plugins.GDN_KERNEL, plugin_tool.GDN_GRADIENT), (plugins.SWISH, plugins.SWISH_VECTOR, plugin_tool.SWISH_GRADIENT), (plugins.SWISH, plugins.SWISH_KERNEL), (plugins.SWISH, plugins.SWISH_VECTOR),
             (plugins.WINDOW, plugins.WINDOW_KERNEL), (plugins.POINTWISE, plugins.POINTWISE_KERNEL)]
    for folder in sorted(path.parent for name in ("plugins", "layers") for path in (ROOT / name).glob("*/layer.json")):
        files = [folder / name for name in ("layer.json", "kernel.c", "gradient.c")]
        pairs.append([path.read_text() for path in files if path.exists()])
    for (descriptor, kernel, *gradient), choices in itertools.product(pairs, CHOICES):
        yield descriptor, kernel, *(gradient or [""]), choices
    for descriptor, kernel in plugins.WRONG.values():
        yield "" if descriptor is None else descriptor, kernel or ""


def cases():
    yield from (path.read_text() for path in sorted((ROOT / "plugins").glob("*/cases.json")))
    tensor = {"dtype": "float32", "shape": [2], "data": [1, "NaN"]}
    attributes = {"flag": True, "whole": 3, "real": 0.5, "mode": "b", "list": [1, 2], "reals": [0.5]}
    for inputs in ({"x": tensor}, {"x": tensor, "index": {"dtype": "int64", "shape": [1, 2], "data": [[-1, 9007199254740993]]}}):
        yield {"cases": [{"name": "one", "attributes": attributes, "inputs": inputs, "outputs": {"y": tensor}, "rtol": 1e-3, "atol": 0}]}
    yield {"cases": [{"attributes": {"whole": 1}, "inputs": {"x": {**tensor, "dtype": dtype, "data": [0, 1]}}, "outputs": {"y": tensor}}
                     for dtype in ("float16", "bfloat16", "uint8", "bool", "uint64", "float64")]}


def kernels():
    yield from (parts[1] for parts in plugin_parts())
    yield from documents("c")
    yield from (path.read_text().replace("ctc_", "gdn_") for path in sorted((ROOT / "runtime").glob("*.c")))


def expressions():
    for parts in plugin_parts():
        text = parts[0] if isinstance(parts[0], str) else json.dumps(parts[0])
        yield from re.findall(r'"(?:value|condition|count|units|flops)": "([^"]+)"', text)
    yield from ["(N + 2 * k - 1) / C + 1", "N % C == 0 && k < 0 || !C", "pads[0] + pads[1]", "min(N, C, 3) - max(k, 1)", "ceildiv(N * C, 4)", "-N", "--!1"]


def templates():
    yield from (path.read_text() for path in sorted((ROOT / "templates").glob("*.[ch]")))
    yield from kernels()
    yield "//$ for x in inputs\n$x.type f($x.type_a);\n//$ if x.last\n//$ for d in x.dims\n  $d.size\n//$ end\n//$ else\n$lines\n//$ end\n//$ end\n"
    yield "//$ if !yes\n$name\n//$ else\n  $lines\n//$ end\n//$ # remark\n//$ for t in f32\n$T $t_$name\n//$ end\n//$ for x in none\n$x.any.thing\n//$ end\n"


# --- weight files ---

def safetensors():
    yield wrong_json.weight_file()
    yield from wrong_json.FILES.values()
    yield json_models.safetensors({"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.array([True, False]), "c": np.float16(1)}, {"format": "pt"})


def arrays():
    values = [np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.array(3), np.array(["a", "bc"]),
              np.array([{"a": 1}], dtype=object), np.zeros((0, 5), np.int8), np.array([True])]
    for value in values:
        file = io.BytesIO()
        np.save(file, value)
        yield file.getvalue()
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, a=values[0], b=values[1])
        yield file.getvalue()


def onnx_models():
    """One model for each operator of the ONNX cases."""
    import onnx
    seen = set()
    for path in sorted((pathlib.Path(onnx.__file__).parent / "backend/test/data").glob("*/*/model.onnx")):
        operators = tuple(sorted({node.op_type for node in onnx.load(path).graph.node}))
        if operators not in seen:
            seen.add(operators)
            yield path.read_bytes()


TARGETS = {
    "json": json_texts,
    "schema": lambda: (joined(*map(json.dumps, pair)) for pair in schema_pairs()),
    "model": lambda: (joined(*pair) for pair in models()),
    "plugin": lambda: (joined(*parts) for parts in plugin_parts()),
    "cases": cases,
    "kernel": kernels,
    "expression": expressions,
    "template": templates,
    "safetensors": safetensors,
    "npz": arrays,
    "onnx": onnx_models,
}


def main():
    for name, make in TARGETS.items():
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed in map(encoded, make()):
            if len(seed) <= LARGEST:
                (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main()
