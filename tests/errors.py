#!/usr/bin/env python3
"""Wrong models and wrong command lines: exit status, the exact messages, every error in one run, and nothing left behind.

    errors.py --renew       writes the expected messages anew: look at the difference before you commit it

Each case runs ctc in a folder of its own that holds m.onnx, and compares what it printed with errors/NAME.txt: the command, the
exit status, standard error.
"""
import os
import pathlib
import re
import sys

import numpy as np

import wrong_json
from common import ROOT, conv_net, ctc, expect_text, model, renew_texts, save, value

GOLDEN = pathlib.Path(__file__).resolve().parent / "errors"
X, Y = value("x", [2, 3]), value("y", [2, 3])
FLOATS = np.float32
COMPILE = ["compile", "m.onnx", "-o", "out.c"]


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


def node(op_type, inputs, outputs, name, domain="", **attributes):
    from onnx import helper
    return helper.make_node(op_type, inputs, outputs, name=name, domain=domain, **attributes)


def unary(op_type, attributes=None, **more):
    return model([(op_type, ["x"], ["y"], attributes or {})], [X], [Y], **more)


def microsoft(op_type, inputs, **attributes):
    from onnx import helper
    names = [x.name if x else "" for x in inputs]
    made = model([node(op_type, names, ["y"], "n0", domain="com.microsoft", **attributes)], [x for x in inputs if x], [Y])
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def sequence_input():
    from onnx import TensorProto, helper
    made = unary("Relu")
    made.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2]))
    return made


def seven_errors():
    """Seven nodes, each with another error; the types that the file declares carry the check past the ones that have no output."""
    nodes = [node("Relux", ["x"], ["a"], "misspelt"),
             node("Warp", ["a"], ["b"], "foreign", domain="my.domain"),
             node("Softmax", ["b"], ["c"], "axis_out_of_range", axis=5),
             node("Add", ["c", "w"], ["d"], "no_broadcast"),
             node("Conv", ["img", "k"], ["e"], "attribute", kernel_shap=[3, 3]),
             node("Softmax", ["d"], ["f"], "kind_of_attribute", axis="last"),
             node("MatMul", ["f", "w"], ["y"], "inner_sizes")]
    made = model(nodes, [X, value("img", [1, 1, 5, 5])], [Y, value("e", [1, 1, 3, 3])], {"w": ones(4, 5), "k": ones(1, 1, 3, 3)})
    made.graph.value_info.extend([value(name, [2, 3]) for name in "abcdf"])
    return made


def many_errors():
    nodes = [node("Relux", ["x"], [f"a{i}"], f"n{i}") for i in range(23)]
    return model(nodes + [("Relu", ["x"], ["y"])], [X], [Y])


def recursive_function():
    from onnx import helper
    made = model([node("F", ["x"], ["y"], "call", domain="local")], [X], [Y])
    made.functions.append(helper.make_function("local", "F", ["p"], ["q"], [helper.make_node("F", ["p"], ["q"], domain="local")],
                                               [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]))
    made.opset_import.append(helper.make_opsetid("local", 1))
    return made


# name: the model, or its bytes
MODELS = {
    "input-unknown": lambda: model([("Relu", ["nope"], ["y"])], [X], [Y]),
    "input-misspelt": lambda: model([("Relu", ["image"], ["a"]), ("Relu", ["imgae"], ["y"])], [value("image", [2])], [value("y", [2])]),
    "attribute-misspelt": lambda: model([("Conv", ["x", "w"], ["y"], {"kernel_shap": [3, 3]})], [value("x", [1, 1, 5, 5])],
                                        [value("y", [1, 1, 3, 3])], {"w": ones(1, 1, 3, 3)}),
    "attribute-kind": lambda: unary("Softmax", {"axis": "last"}),
    "attribute-missing": lambda: model([("Concat", ["x", "x"], ["y"])], [X], [value("y", [4, 3])]),
    "inputs-too-few": lambda: unary("Add"),
    "inputs-too-many": lambda: model([("Relu", ["x", "x"], ["y"])], [X], [Y]),
    "operator-misspelt": lambda: unary("Relux"),
    "operator-of-unknown-domain": lambda: model([node("Foo", ["x"], ["y"], "n0", domain="my.domain")], [X], [Y]),
    "operator-younger-than-model": lambda: unary("Gelu", opset=13),
    "seven-errors": seven_errors,
    "more-than-twenty": many_errors,
    "types-differ": lambda: model([("Add", ["x", "i"], ["y"])], [X, value("i", [2, 3], np.int64)], [Y]),
    "matmul-sizes": lambda: model([("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": ones(4, 5)}),
    "no-broadcast": lambda: model([("Add", ["x", "w"], ["y"])], [X], [Y], {"w": ones(2, 2)}),
    "axis-range": lambda: unary("Softmax", {"axis": 5}),
    "reshape-count": lambda: model([("Reshape", ["x", "s"], ["y"])], [X], [Y], {"s": np.array([4, 4])}),
    "concat-sizes": lambda: model([("Concat", ["x", "w"], ["y"], {"axis": 0})], [X], [Y], {"w": ones(2, 4)}),
    "conv-channels": lambda: model([("Conv", ["x", "w"], ["y"])], [value("x", [1, 4, 5, 5])], [value("y", [1, 1, 3, 3])],
                                   {"w": ones(1, 3, 3, 3)}),
    "rotary-too-wide": lambda: microsoft("RotaryEmbedding", [value("x", [1, 3, 8]), value("p", [1, 3], np.int64), value("c", [5, 8]), value("s", [5, 8])],
                                         num_heads=2, rotary_embedding_dim=16),
    "attention-widths": lambda: microsoft("Attention", [value("x", [1, 3, 4]), value("w", [4, 12])], num_heads=2, qkv_hidden_sizes=[-4, 12, 4]),
    "attention-heads": lambda: microsoft("GroupQueryAttention", [value("q", [1, 3, 12]), None, None, None, None, value("l", [1], np.int32),
                                                                 value("t", [], np.int32)], num_heads=2**63 - 2, kv_num_heads=1),
    "quantized-concat-tensor": lambda: microsoft("QLinearConcat", [value("s", []), value("z", [], np.uint8), None, value("s2", []), value("z2", [], np.uint8)], axis=0),
    "quantized-concat-none": lambda: microsoft("QLinearConcat", [value("s", []), value("z", [], np.uint8), value("x", [2], np.uint8)], axis=0),
    "value-defined-twice": lambda: model([("Relu", ["x"], ["y"]), ("Abs", ["x"], ["y"])], [X], [Y]),
    "cycle": lambda: model([("Relu", ["b"], ["a"]), ("Abs", ["a"], ["b"]), ("Neg", ["a"], ["y"])], [X], [Y]),
    "function-calls-itself": recursive_function,
    "output-unknown": lambda: model([("Relu", ["x"], ["a"])], [X], [Y]),
    "opset-zero": lambda: unary("Relu", opset=0),
    "empty-file": lambda: b"",
    "text-file": lambda: b"this is no model",
    "cut-off-file": lambda: conv_net().SerializeToString()[:3000],
    "initializer-too-short": lambda: with_initializer(set_dim(200)),
    "initializer-negative-size": lambda: with_initializer(set_dim(-2)),
    "initializer-absurd-size": lambda: with_initializer(set_dim(1 << 62)),
    "external-missing": lambda: with_initializer(external("nope.bin")),
    "external-above": lambda: with_initializer(external("../../etc/passwd")),
    "external-absolute": lambda: with_initializer(external("/etc/passwd")),
    "input-without-shape": lambda: model([("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)]),
    "input-sequence": sequence_input,
    "sequence-position": lambda: model([("SequenceConstruct", ["x", "x"], ["s"]), ("SequenceAt", ["s", "at"], ["y"])], [X], [Y],
                                       {"at": np.array(2)}),
    "sequence-types-differ": lambda: model([("SequenceConstruct", ["x", "i"], ["s"]), ("SequenceLength", ["s"], ["y"])],
                                           [X, value("i", [2, 3], np.int64)], [value("y", [], np.int64)]),
    "sequence-of-no-rank": lambda: model([("SequenceEmpty", [], ["s"]), ("SequenceAt", ["s", "i"], ["y"])],
                                         [value("i", [], np.int64)], [value("y", None)]),
    "sequence-expected": lambda: model([("SequenceLength", ["x"], ["y"])], [X], [value("y", [], np.int64)]),
    "tensor-too-large": lambda: model([("Relu", ["x"], ["y"])], [value("x", [1 << 40, 1 << 40])], [value("y", [1 << 40, 1 << 40])]),
}

# name: the command line; m.onnx is conv_net(): input x[N, 3, 16, 16], output y[N, 10]
COMMANDS = {
    "command-missing": [],
    "command-misspelt": ["complie", "m.onnx"],
    "option-misspelt": [*COMPILE, "--outputt", "x"],
    "option-of-another-command": [*COMPILE, "--reference", "x.npz"],
    "option-without-value": ["compile", "m.onnx", "-o"],
    "option-flag-with-value": [*COMPILE, "--static-workspace=3"],
    "model-missing": ["compile"],
    "models-two": ["compile", "m.onnx", "n.onnx"],
    "model-not-there": ["compile", "none.onnx"],
    "model-is-a-folder": ["compile", "."],
    "dim-form": [*COMPILE, "--dim", "N"],
    "dim-unknown": [*COMPILE, "--dim", "M=3"],
    "dim-twice": [*COMPILE, "--dim", "N=3", "--dim", "N=4"],
    "shape-form": [*COMPILE, "--shape", "x=1xAx3"],
    "shape-unknown-input": [*COMPILE, "--shape", "z=1x2"],
    "shape-rank": [*COMPILE, "--shape", "x=1x2"],
    "set-form": [*COMPILE, "--set", "x"],
    "set-unknown-input": [*COMPILE, "--set", "xx=1"],
    "set-text": [*COMPILE, "--set", "x=one", "--dim", "N=1"],
    "weights-mode": [*COMPILE, "--weights", "gold"],
    "target-unknown": [*COMPILE, "--target", "opencl"],
    "target-precision": [*COMPILE, "--precision", "f16"],
    "target-blas": ["compile", "m.onnx", "-o", "m.cu", "--blas", "openblas"],
    "cuda-libs-unknown": ["compile", "m.onnx", "-o", "m.cu", "--cuda-libs", "cudnn,cublas"],
    "target-cuda-libs": [*COMPILE, "--cuda-libs", "cudnn"],
    "cuda-arch-form": ["compile", "m.onnx", "-o", "m.cu", "--cuda-arch", "sm_8x"],
    "pass-misspelt": [*COMPILE, "--stop-after", "infre"],
    "passes-unknown": [*COMPILE, "--dump-after", "nosuch", "--disable-pass", "fold"],
    "pass-required": [*COMPILE, "--disable-pass", "infer"],
    "stage-too-early": ["inspect", "m.onnx", "--stop-after", "infer"],
    "output-folder-missing": ["compile", "m.onnx", "-o", "no/such/folder/m.c"],
    "output-is-a-folder": ["compile", "m.onnx", "-o", "."],
    "output-is-the-model": ["compile", "m.onnx", "-o", "m.onnx"],
    "template-folder": [*COMPILE, "--templates", "none"],
    "stage-unknown": ["inspect", "m.onnx", "--stage", "nosuch"],
    "shell-unknown": ["completion", "tcsh"],
    "archive-missing": ["run", "m.onnx", "--inputs", "none.npz"],
    "data-missing": ["run", "m.onnx"],
    "data-not-named": ["run", "m.onnx", "-i", "x.npy"],
    "data-unknown-input": ["run", "m.onnx", "-i", "xx=x.npy", "-i", "x=x.npy"],
    "data-not-there": ["run", "m.onnx", "-i", "x=none.npy"],
    "data-not-an-array": ["run", "m.onnx", "-i", "x=m.onnx"],
    "data-type": ["run", "m.onnx", "-i", "x=double.npy"],
    "data-rank": ["run", "m.onnx", "-i", "x=flat.npy"],
    "data-size": ["run", "m.onnx", "-i", "x=narrow.npy"],
    "data-limit": ["run", "m.onnx", "-i", "x=x.npy", "--dim", "N<=1"],
    "archive-too-large": ["run", "m.onnx", "--inputs", "large.npz"],
    "archive-other-name": ["run", "m.onnx", "--inputs", "other.npz"],
    "compiler-missing": ["build", "m.onnx", "-o", "m", "--cc", "no-such-compiler"],
}


def data_files(folder):
    """Inputs for conv_net(), right and wrong."""
    np.save(folder / "x.npy", np.zeros((2, 3, 16, 16), FLOATS))
    np.save(folder / "double.npy", np.zeros((2, 3, 16, 16)))
    np.save(folder / "flat.npy", np.zeros((2, 768), FLOATS))
    np.save(folder / "narrow.npy", np.zeros((2, 3, 16, 15), FLOATS))
    np.savez(folder / "other.npz", X=np.zeros((2, 3, 16, 16), FLOATS))
    archive = bytearray((folder / "other.npz").read_bytes())
    entry = archive.index(b"PK\1\2")  # of the directory; the size of the member is in its bytes 24 to 27
    archive[entry + 24 : entry + 28] = b"\xff\xff\xff\x7f"
    (folder / "large.npz").write_bytes(archive)


# --- running ---

CASES = [*MODELS, *COMMANDS, *wrong_json.MODELS]


def command_of(name):
    if name in wrong_json.MODELS:
        return ["compile", "m.json", "-o", "out.c"]
    return COMPILE if name in MODELS else COMMANDS[name]


def json_files(name, folder):
    (folder / "m.json").write_text(wrong_json.MODELS[name])
    (folder / "w.safetensors").write_bytes(wrong_json.weight_file())
    for file, data in wrong_json.FILES.items():
        (folder / f"{file}.safetensors").write_bytes(data)


def run_case(name, folder):
    """What golden files hold: the command, the exit status, standard error."""
    if name in wrong_json.MODELS:
        json_files(name, folder)
    else:
        save(MODELS[name]() if name in MODELS else conv_net(), folder)
    if name in COMMANDS:
        data_files(folder)
    before = sorted(os.listdir(folder))
    result = ctc(*command_of(name), cwd=folder)
    assert sorted(os.listdir(folder)) == before, f"left behind: {set(os.listdir(folder)) - set(before)}"
    assert result.status in (1, 2), f"exit {result.status}"
    return f"$ ctc {' '.join(command_of(name))}\n(exit {result.status})\n{result.err}"


def check_case(name, folder):
    expect_text(GOLDEN / f"{name}.txt", run_case(name, folder), "errors.py")


def check_every_case_is_there(_):
    """No golden file without a case, no name for two of them."""
    assert len(CASES) == len(set(CASES))
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


def check_seven(folder):
    """One run, all of them."""
    text = run_case("seven-errors", folder)
    assert text.count(": error: ") == 7, text


def check_limit(folder):
    text = run_case("more-than-twenty", folder)
    assert text.count(": error: ") == 20 and "3 more errors" in text


def documented_messages():
    """The messages of docs/errors.md as regular expressions; `…` stands for anything."""
    rows = re.findall(r"^\| (\S.*?) \|", (ROOT / "docs/errors.md").read_text(), re.M)
    return [re.compile(".+".join(map(re.escape, row.split("…")))) for row in rows]


def check_documented(_):
    """Each message that a case provokes is explained in docs/errors.md."""
    known = documented_messages()
    for path in sorted(GOLDEN.glob("*.txt")):
        for message in re.findall(r"(?:^|: )error: (.*)$", path.read_text(), re.M):
            assert any(pattern.match(message) for pattern in known), f"{path.name}: {message}"


# --- damaged files ---

def flipped(data, rng):
    """Some bytes changed, at places that are likely to matter: the beginning holds the structure."""
    damaged = bytearray(data)
    for _ in range(1 + rng.integers(6)):
        damaged[int(rng.integers(len(damaged)) if rng.integers(2) else rng.integers(min(400, len(damaged))))] = rng.integers(256)
    return bytes(damaged)


def with_bit(data, position, bit):
    damaged = bytearray(data)
    damaged[position] ^= 1 << bit
    return bytes(damaged)


def small_net():
    """Every kind of message of the format in few bytes: attributes, a body, a function, declared types."""
    from onnx import TensorProto, helper
    branch = [helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [value(op, [2, 3])]) for op in ("Relu", "Abs")]
    nodes = [node("If", ["c"], ["a"], "if", then_branch=branch[0], else_branch=branch[1]),
             node("Constant", [], ["k"], "k", value=helper.make_tensor("k", TensorProto.FLOAT, [3], [1, 2, 3])),
             node("Mul", ["a", "k"], ["b"], "mul"), node("F", ["b"], ["y"], "call", domain="local")]
    made = model(nodes, [X, value("c", [], np.bool_)], [Y])
    made.graph.value_info.append(value("a", ["N", 3]))
    made.functions.append(helper.make_function("local", "F", ["p"], ["q"], [helper.make_node("LeakyRelu", ["p"], ["q"], alpha=0.5)],
                                               [helper.make_opsetid("", 17)]))
    made.opset_import.append(helper.make_opsetid("local", 1))
    return made


def check_survives(data, folder, what):
    """ctc compiles it, or says why not: no crash, no output after an error."""
    save(data, folder)
    for name in ("out.c", "out.h"):
        (folder / name).unlink(missing_ok=True)
    result = ctc("compile", "m.onnx", "-o", "out.c", cwd=folder)
    assert result.status in (0, 1), f"{what}: exit {result.status}"
    if result.status == 1:
        assert "error: " in result.err, f"{what}: exit 1 without a message"
        assert os.listdir(folder) == ["m.onnx"], f"{what}: left behind {os.listdir(folder)}"


def check_bit_flips(folder):
    """One bit of each byte of a small model, another one in each."""
    data = small_net().SerializeToString()
    assert ctc("compile", save(data, folder), "-o", folder / "out.c").status == 0
    for position in range(len(data)):
        check_survives(with_bit(data, position, position * 5 % 8), folder, f"bit {position * 5 % 8} of byte {position}")


def check_cut_off(folder):
    """Every length of the same model that is too short; most of them must be refused."""
    data = small_net().SerializeToString()
    for length in range(0, len(data), 3):
        check_survives(data[:length], folder, f"{length} of {len(data)} bytes")


def check_damaged_weights(folder):
    """A larger model with several bytes wrong."""
    rng = np.random.default_rng(5)
    data = conv_net().SerializeToString()
    for i in range(100):
        check_survives(flipped(data, rng), folder, f"round {i}")


# --- all ---

def all_checks():
    checks = {f"error: {name}": lambda folder, name=name: check_case(name, folder) for name in CASES}
    more = [check_every_case_is_there, check_seven, check_limit, check_documented, check_bit_flips, check_cut_off, check_damaged_weights]
    checks.update({check.__name__[6:]: check for check in more})
    return checks


if __name__ == "__main__":
    if sys.argv[1:] != ["--renew"]:
        sys.exit(__doc__)
    renew_texts(GOLDEN, CASES, run_case)
