"""Wrong models: exit status 1, a located message that says what is wrong, every error in one run, and nothing left behind."""
import os
import re

import numpy as np

from common import conv_net, ctc, model, save, value

X, Y = value("x", [2, 3]), value("y", [2, 3])
FLOATS = np.float32


def ones(*shape):
    return np.ones(shape, FLOATS)


def with_initializer(change):
    made = model([("Add", ["x", "w"], ["y"])], [X], [Y], {"w": ones(2, 3)})
    change(made.graph.initializer[0])
    return made


def set_dim(size):
    return lambda tensor: tensor.dims.__setitem__(0, size)


def external(location):
    def change(tensor):
        from onnx import TensorProto
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
    return change


def custom(domain, op_type):
    from onnx import helper
    return helper.make_node(op_type, ["x"], ["y"], name="n0", domain=domain)


def unary(op_type, attributes=None, **more):
    return model([(op_type, ["x"], ["y"], attributes or {})], [X], [Y], **more)


# name: (model or its bytes, regular expressions that must all be found in what is printed)
CASES = {
    "input of a node that is computed nowhere":
        lambda: (model([("Relu", ["nope"], ["y"])], [X], [Y]), [r"node 'n0' \(Relu #0\): error: .*'nope'"]),
    "misspelt attribute":
        lambda: (model([("Conv", ["x", "w"], ["y"], {"kernel_shap": [3, 3]})], [value("x", [1, 1, 5, 5])],
                       [value("y", [1, 1, 3, 3])], {"w": ones(1, 1, 3, 3)}),
                 [r"'n0' \(Conv #0\): error: unknown attribute 'kernel_shap'", r"did you mean 'kernel_shape'"]),
    "attribute of the wrong type": lambda: (unary("Softmax", {"axis": "last"}), [r"'axis' must be an integer"]),
    "too few inputs": lambda: (unary("Add"), [r"\(Add #0\): error: input 1 \('B'\)"]),
    "too many inputs": lambda: (model([("Relu", ["x", "x"], ["y"])], [X], [Y]), [r"2 inputs, but Relu has at most 1"]),
    "unknown operator": lambda: (unary("Relux"), [r"no operator 'Relux'", r"did you mean 'Relu'"]),
    "two errors in one run":
        lambda: (model([("Relux", ["x"], ["a"]), ("Softmaxx", ["a"], ["y"])], [X], [Y]),
                 [r"'n0' \(Relux #0\): error", r"'n1' \(Softmaxx #1\): error"]),
    "operator of an unknown domain":
        lambda: (model([custom("my.domain", "Foo")], [X], [Y]), [r"my\.domain.*Foo.*not supported|Foo.*my\.domain.*not supported"]),
    "element types that do not fit":
        lambda: (model([("Add", ["x", "i"], ["y"])], [X, value("i", [2, 3], np.int64)], [Y]),
                 [r"'n0' \(Add #0\): error", r"float32", r"int64"]),
    "shapes that do not fit in MatMul":
        lambda: (model([("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": ones(4, 5)}), [r"3 and 4", r"float32\[2, 3\].*float32\[4, 5\]"]),
    "shapes that do not broadcast":
        lambda: (model([("Add", ["x", "w"], ["y"])], [X], [Y], {"w": ones(2, 2)}), [r"broadcast", r"float32\[2, 3\].*float32\[2, 2\]"]),
    "axis out of range": lambda: (unary("Softmax", {"axis": 5}), [r"axis 5 is outside of \[-2, 1\]"]),
    "Reshape to another number of elements":
        lambda: (model([("Reshape", ["x", "s"], ["y"])], [X], [Y], {"s": np.array([4, 4])}), [r"6 and 16"]),
    "shapes that do not fit in Concat":
        lambda: (model([("Concat", ["x", "w"], ["y"], {"axis": 0})], [X], [Y], {"w": ones(2, 4)}), [r"'n0' \(Concat #0\): error", r"3 and 4|\[2, 4\]"]),
    "channels that do not fit in Conv":
        lambda: (model([("Conv", ["x", "w"], ["y"])], [value("x", [1, 4, 5, 5])], [value("y", [1, 1, 3, 3])], {"w": ones(1, 3, 3, 3)}),
                 [r"channels", r"4 and 3"]),
    "value defined twice": lambda: (model([("Relu", ["x"], ["y"]), ("Abs", ["x"], ["y"])], [X], [Y]), [r"'y' is defined twice"]),
    "cycle":
        lambda: (model([("Relu", ["b"], ["a"]), ("Abs", ["a"], ["b"]), ("Neg", ["a"], ["y"])], [X], [Y]), [r"cycle", r"'n0'", r"'n1'"]),
    "output that is computed nowhere": lambda: (model([("Relu", ["x"], ["a"])], [X], [Y]), [r"output 'y'"]),
    "opset 0": lambda: (unary("Relu", opset=0), [r"opset 0"]),
    "empty file": lambda: (b"", [r"not an ONNX model", r"empty"]),
    "text file": lambda: (b"this is no model", [r"not an ONNX model"]),
    "cut off file": lambda: (conv_net().SerializeToString()[:3000], [r"truncated|damaged"]),
    "initializer with too little data": lambda: (with_initializer(set_dim(200)), [r"'w'.*24 bytes.*2400"]),
    "initializer with a negative size": lambda: (with_initializer(set_dim(-2)), [r"'w'.*-2"]),
    "initializer of absurd size": lambda: (with_initializer(set_dim(1 << 62)), [r"'w'"]),
    "external data that is not there": lambda: (with_initializer(external("nope.bin")), [r"'w'.*nope\.bin.*No such file"]),
    "external data outside of the folder": lambda: (with_initializer(external("../../etc/passwd")), [r"'w'.*not in the model's folder"]),
    "external data by an absolute path": lambda: (with_initializer(external("/etc/passwd")), [r"'w'.*not in the model's folder"]),
    "input without a shape": lambda: (model([("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)]), [r"'x'.*no shape", r"--shape x="]),
    "tensors too large to address":
        lambda: (model([("Relu", ["x"], ["y"])], [value("x", [1 << 40, 1 << 40])], [value("y", [1 << 40, 1 << 40])]), [r"too large"]),
}


def check_case(name, folder):
    made, patterns = CASES[name]()
    save(made, folder)
    result = ctc("compile", "m.onnx", "-o", "out.c", cwd=folder)
    assert result.status == 1, f"exit {result.status}: {result.err}"
    assert re.search(r"^m\.onnx: .*error: ", result.err, re.M), f"no located error: {result.err}"
    for pattern in patterns:
        assert re.search(pattern, result.err), f"no {pattern!r} in: {result.err}"
    assert os.listdir(folder) == ["m.onnx"], f"left behind: {os.listdir(folder)}"


def flipped(data, rng):
    """Some bytes changed, at places that are likely to matter: the beginning holds the structure."""
    damaged = bytearray(data)
    for _ in range(1 + rng.integers(6)):
        damaged[int(rng.integers(len(damaged)) if rng.integers(2) else rng.integers(min(400, len(damaged))))] = rng.integers(256)
    return bytes(damaged)


def check_damaged_files(folder):
    """Files with flipped bytes or a cut-off end never crash ctc; it either compiles or explains."""
    rng = np.random.default_rng(5)
    data = conv_net().SerializeToString()
    for i in range(150):
        save(data[:int(rng.integers(len(data)))] if i % 5 == 0 else flipped(data, rng), folder)
        result = ctc("compile", "m.onnx", "-o", "out.c", cwd=folder)
        assert result.status in (0, 1), f"round {i}: exit {result.status}"
        assert result.status == 0 or "error" in result.err, f"round {i}: exit 1 without a message"


def all_checks():
    checks = {f"error: {name}": lambda folder, name=name: check_case(name, folder) for name in CASES}
    checks["damaged files"] = check_damaged_files
    return checks
