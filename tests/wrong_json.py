"""Wrong JSON models for errors.py: {name: text of m.json}. Beside it lies w.safetensors with the tensors of weights()."""
import json
import struct

import numpy as np

FIRST = {"type": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3}
INPUT = {"name": "x", "shape": [1, 3, 8, 8]}


def text(layers=None, nodes=None, **more):
    """A model of one line for each layer; `more` replaces what a right one has, None takes it away."""
    model = {"ctc": 1, "weights": "w.safetensors", "inputs": [INPUT], **more}
    if nodes is not None:
        model = {**model, "nodes": nodes, "outputs": more.get("outputs", ["y"])}
    else:
        model["layers"] = [FIRST] if layers is None else layers
    lines = []
    for key, value in model.items():
        if value is None:
            continue
        if key in ("layers", "nodes") and isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{" + ",\n".join(lines) + "}\n"


def conv(**fields):
    """FIRST with other fields."""
    return text([{key: value for key, value in {**FIRST, **fields}.items() if value is not None}])


def node(type, *inputs, name="y", **fields):
    return {"name": name, "type": type, "inputs": list(inputs), **fields}


def weights():
    return {"0.weight": np.zeros((4, 3, 3, 3), np.float32), "0.bias": np.zeros(4, np.float32), "double.weight": np.zeros((4, 3, 3, 3)), "double.bias": np.zeros(4),
            "table.weight": np.zeros((10, 4), np.float32)}


def safetensors(header, data=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def weight_file():
    header, data = {}, b""
    for name, array in weights().items():
        header[name] = {"dtype": "F64" if array.dtype == np.float64 else "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    return safetensors(header, data)


# Weight files that are wrong: of models that name them.
FILES = {
    "short": b"\1\0\0",
    "long": struct.pack("<Q", 1 << 60) + b"{}",
    "text": safetensors(b"this is no header"),
    "list": safetensors([]),
    "entries": safetensors({"a": 3, "b": {"dtype": "F32", "shape": [2]}, "c": {"dtype": "F31", "shape": [], "data_offsets": [0, 4]},
                            "d": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, "e": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
                            "f": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}, "g": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]},
                            "h": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}, "i": {"dtype": "F32", "shape": "x", "data_offsets": [0]},
                            "j": {"dtype": "F32", "shape": [1] * 13, "data_offsets": [0, 4]}, "k": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"\2\0\0\0\0\0\0\0"),
}

MODELS = {
    # the text
    "json-empty": "",
    "json-cut-off": conv()[:60],
    "json-comma": '{"ctc": 1,,}\n',
    "json-key-twice": '{"ctc": 1, "ctc": 1}\n',
    "json-is-a-list": "[1, 2]\n",
    # the model
    "json-version": text(ctc=2),
    "json-no-version": text(ctc=None),
    "json-no-inputs": text(inputs=None),
    "json-empty-inputs": text(inputs=[]),
    "json-no-layers": text(layers=[]),
    "json-both-forms": text(nodes=[node("ReLU", "x")]).replace('"nodes"', '"layers": [],\n"nodes"'),
    "json-no-form": '{"ctc": 1, "inputs": [{"name": "x", "shape": [2]}]}\n',
    "json-graph-without-outputs": text(nodes=[node("ReLU", "x")]).replace(',\n"outputs": ["y"]', ""),
    "json-field-of-model": text(wieghts="w.safetensors"),
    "json-input-twice": text(inputs=[INPUT, INPUT], nodes=[node("ReLU", "x")]),
    "json-input-dtype": text(inputs=[{**INPUT, "dtype": "float23"}]),
    "json-input-size": text(inputs=[{"name": "x", "shape": [1, -3, 8.5, True]}]),
    "json-two-inputs-of-sequence": text(inputs=[INPUT, {"name": "z", "shape": [1]}]),
    "json-two-outputs-of-sequence": text(outputs=["a", "b"]),
    # fields of layers
    "json-type-misspelt": text([{"type": "Conv2D"}]),
    "json-type-unknown": text([{"type": "Warp"}]),
    "json-type-missing": text([{"in_channels": 3}]),
    "json-type-is-a-number": text([{"type": 3}]),
    "json-field-missing": conv(out_channels=None, kernel_size=None),
    "json-field-misspelt": conv(kernel_sise=3),
    "json-field-of-another-layer": text([{"type": "ReLU", "negative_slope": 0.1}]),
    "json-field-kind": conv(kernel_size="3"),
    "json-field-range": conv(stride=0, in_channels=-3),
    "json-field-length": conv(kernel_size=[3, 3, 3]),
    "json-field-choice": conv(padding_mode="reflct", padding="sane"),
    "json-field-flag": conv(bias=1),
    "json-not-available": text([{"type": "MaxPool2d", "kernel_size": 2, "return_indices": True}]),
    "json-even-response-norm": text([{"type": "LocalResponseNorm", "size": 4}]),
    "json-size-and-scale": text([{"type": "Upsample", "size": 4, "scale_factor": 2}]),
    "json-many-errors": text([{**FIRST, "stride": -1}, {"type": "Linaer"}, {"type": "Softmax"}, {"type": "ReLU", "x": 1}], ctc=3),
    # layers that do not fit
    "json-groups": conv(groups=2),
    "json-same-with-stride": conv(padding="same", stride=2),
    "json-pool-padding": text([{"type": "MaxPool2d", "kernel_size": 2, "padding": 2}]),
    "json-output-padding": text([{"type": "ConvTranspose2d", "in_channels": 4, "out_channels": 3, "kernel_size": 3, "output_padding": 1, "bias": False, "weights": {"weight": "0.weight"}}],
                                inputs=[{"name": "x", "shape": [1, 4, 8, 8]}]),
    "json-axis": text([{"type": "Softmax", "dim": 7}]),
    "json-axes-of-permute": text([{"type": "Permute", "dims": [0, 1, 1, 2]}]),
    "json-flatten-order": text([{"type": "Flatten", "start_dim": 2, "end_dim": 1}]),
    "json-heads": text([{"type": "MultiheadAttention", "embed_dim": 8, "num_heads": 3}]),
    "json-open-pooling": text([{"type": "AdaptiveAvgPool2d", "output_size": 3}], inputs=[{"name": "x", "shape": [1, 3, "H", "W"]}]),
    "json-channels": text(inputs=[{"name": "x", "shape": [1, 5, 8, 8]}]),
    "json-rank": text(inputs=[{"name": "x", "shape": [1, 3]}]),
    "json-matmul": text(nodes=[node("MatMul", "x", "table.weight")]),
    "json-input-of-sequence": text([{**FIRST, "inputs": ["x"]}]),
    "json-lstm-state": text(nodes=[node("LSTM", "x", "x", input_size=3, hidden_size=4)]),
    # weights
    "json-weight-missing": text([{**FIRST, "name": "conv"}]),
    "json-weight-renamed": conv(weights={"weight": "0.wieght"}),
    "json-weight-shape": conv(out_channels=5),
    "json-weight-type": text([{**FIRST, "name": "double"}]),
    "json-weights-not-named": text(weights=None),
    "json-weights-not-there": text(weights="none.npz"),
    "json-weights-above": text(weights="../w.safetensors"),
    "json-weights-absolute": text(weights="/etc/passwd.npz"),
    "json-weights-extension": text(weights="w.bin"),
    "json-weights-twice": text(weights=["w.safetensors", "w.safetensors"]),
    "json-weights-zero-byte": text(weights="w.safetensors\0.npz"),
    **{f"json-weight-file-{name}": text(weights=f"{name}.safetensors") for name in FILES},
    # graphs
    "json-node-without-name": text(nodes=[{"type": "ReLU", "inputs": ["x"]}]),
    "json-input-unknown": text(nodes=[node("ReLU", "xx"), node("ReLU", "table.wieght", name="z")]),
    "json-output-unknown": text(nodes=[node("ReLU", "x")], outputs=["why"]),
    "json-cycle": text(nodes=[node("ReLU", "b", name="a"), node("Tanh", "c", name="b"), node("Add", "a", "x", name="c")], outputs=["c"]),
    "json-name-twice": text(nodes=[node("ReLU", "x"), node("Tanh", "x")]),
    "json-name-of-an-input": text(nodes=[node("ReLU", "x", name="x")], outputs=["x"]),
    "json-inputs-too-few": text(nodes=[node("Add", "x")]),
    "json-inputs-too-many": text(nodes=[node("ReLU", "x", "x")]),
    "json-outputs-too-many": text(nodes=[node("ReLU", "x", outputs=["y", "z"])]),
    "json-pieces-too-few": text(nodes=[node("Split", "x", split_size=4, dim=2, outputs=["y", "z", "w"])]),
    # ONNX operators and constants
    "json-operator-misspelt": text(nodes=[node("onnx", "x", op="Relux")]),
    "json-operator-of-unknown-domain": text(nodes=[node("onnx", "x", op="Foo", domain="my.domain")]),
    "json-attribute-misspelt": text(nodes=[node("onnx", "x", op="Softmax", attributes={"axs": 1})]),
    "json-attribute-kind": text(nodes=[node("onnx", "x", op="Softmax", attributes={"axis": "last"})]),
    "json-constant-form": text(nodes=[{"name": "k", "type": "constant", "value": [[1, 2], [3]]}, node("Add", "x", "k")]),
    "json-constant-value": text(nodes=[{"name": "k", "type": "constant", "dtype": "int8", "value": [1, 300, 2.5]}, node("Add", "x", "k")]),
    "json-constant-deep": text(nodes=[{"name": "k", "type": "constant", "value": json.loads("[" * 14 + "1" + "]" * 14)}, node("Add", "x", "k")]),
    "json-reshape-name": text([{"type": "Reshape", "shape": ["M", -1]}]),
    "json-parameter": text(nodes=[{"name": "tabel.weight", "type": "parameter"}, node("ReLU", "tabel.weight")]),
}
