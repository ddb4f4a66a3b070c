"""The command line: help, exit statuses, options, and that files are whole or not there."""
import os
import re
import subprocess

import numpy as np

from common import CTC, conv_net, ctc, ctc_ok, model, onnxruntime_outputs, same, save, value

COMMANDS = ["compile", "build", "run", "verify", "inspect", "ops"]


def inputs_file(folder, batch=2):
    x = np.random.default_rng(2).standard_normal((batch, 3, 16, 16)).astype(np.float32)
    np.savez(folder / "in.npz", x=x)
    return x


def check_usage(folder):
    result = ctc()
    assert result.status == 2 and all(name in result.err + result.out for name in COMMANDS)
    assert re.match(r"ctc \d+\.\d+", ctc_ok("--version").out)
    for command in COMMANDS:
        text = ctc_ok(command, "--help").out
        assert "usage: ctc " + command in text
        if command != "ops":
            assert "--output" in text or "--stage" in text or "--reference" in text


def check_usage_errors(folder):
    save(conv_net(), folder)
    for arguments, words in [(["nosuch"], "nosuch"), (["compile"], "argument"), (["compile", "a", "b"], "argument"),
                             (["compile", "m.onnx", "--outputt", "x"], "--output"), (["compile", "m.onnx", "-o"], "-o"),
                             (["compile", "m.onnx", "--dim", "N"], "--dim"), (["compile", "m.onnx", "--weights", "gold"], "--weights"),
                             (["compile", "m.onnx", "--shape", "x=1xAx3"], "--shape"),
                             (["compile", "m.onnx", "--static-workspace=3"], "--static-workspace")]:
        result = ctc(*arguments, cwd=folder)
        assert result.status == 2, f"{arguments}: exit {result.status}"
        assert words in result.err, f"{arguments}: {result.err}"
    assert os.listdir(folder) == ["m.onnx"]


def check_wrong_names(folder):
    """Names of dims, inputs and passes that the model does not have are errors that name the right ones."""
    save(conv_net(), folder)
    for option, text in [("--dim", "M=3"), ("--shape", "z=1x2"), ("--set", "z=1"), ("--disable-pass", "fold"), ("--stop-after", "fus"),
                         ("--dump-after", "x")]:
        result = ctc("compile", "m.onnx", "-o", "m.c", option, text, cwd=folder)
        assert result.status in (1, 2) and "error" in result.err, f"{option} {text}: exit {result.status} {result.err}"
    assert os.listdir(folder) == ["m.onnx"]


def check_missing_files(folder):
    assert ctc("compile", "none.onnx", cwd=folder).status == 1
    assert ctc("compile", folder, cwd=folder).status == 1
    save(conv_net(), folder)
    result = ctc("compile", "m.onnx", "-o", "no/such/folder/m.c", cwd=folder)
    assert result.status == 1 and "no/such/folder" in result.err
    assert ctc("run", "m.onnx", "--inputs", "none.npz", "-o", "out.npz", cwd=folder).status == 1


def check_default_names(folder):
    save(conv_net(), folder, "my-net.v2.onnx")
    ctc_ok("compile", "my-net.v2.onnx", cwd=folder)
    assert {"my-net.v2.c", "my-net.v2.h"} <= set(os.listdir(folder)), os.listdir(folder)
    subprocess.run(["gcc", "-std=c99", "-c", "my-net.v2.c"], cwd=folder, check=True)


def check_run(folder):
    path = save(conv_net(), folder)
    x = inputs_file(folder)
    expected = onnxruntime_outputs(conv_net(), {"x": x})
    ctc_ok("run", path, "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], expected)
    np.save(folder / "x.npy", x)
    ctc_ok("run", path, "-i", f"x={folder / 'x.npy'}", "-o", folder / "out2.npz")
    same([np.load(folder / "out2.npz")["y"]], expected)


def check_run_refuses_wrong_inputs(folder):
    path = save(conv_net(), folder)
    for arrays, words in [({"z": np.zeros((1, 3, 16, 16), np.float32)}, "'x'"), ({"x": np.zeros((1, 3, 16, 15), np.float32)}, "15"),
                          ({"x": np.zeros((1, 3, 16, 16), np.float64)}, "float64"), ({"x": np.zeros((3, 16, 16), np.float32)}, "rank")]:
        np.savez(folder / "in.npz", **arrays)
        result = ctc("run", path, "--inputs", folder / "in.npz", "-o", folder / "out.npz")
        assert result.status == 1 and words in result.err, f"{words}: exit {result.status} {result.err}"
        assert not (folder / "out.npz").exists()


def reference_file(folder, error=0.0):
    x = inputs_file(folder)
    y, = onnxruntime_outputs(conv_net(), {"x": x})
    y = y.copy()
    y[1, 3] += error
    np.savez(folder / "ref.npz", **{"in:x": x, "out:y": y})
    return folder / "ref.npz"


def check_verify(folder):
    path = save(conv_net(), folder)
    for cc in ("gcc", "clang"):
        result = ctc_ok("verify", path, "--reference", reference_file(folder), "--cc", cc)
        assert "ok" in result.out + result.err
    ctc_ok("verify", path, "--dim", "N=2")
    wrong = ctc("verify", path, "--reference", reference_file(folder, error=0.5))
    assert wrong.status == 1 and "y" in wrong.out + wrong.err, "a wrong reference was not noticed"
    ctc_ok("verify", path, "--reference", reference_file(folder, error=0.05), "--atol", "0.1")


def check_build(folder):
    path = save(conv_net(), folder)
    ctc_ok("build", path, "--shared", "--prefix", "net", "-o", folder / "net.so")
    import ctc_model
    x = inputs_file(folder)
    same(ctc_model.load(folder / "net.so", "net").run([x]), onnxruntime_outputs(conv_net(), {"x": x}))
    failed = ctc("build", path, "--shared", "-o", folder / "bad.so", "--cflags", "--no-such-flag")
    assert failed.status == 1 and not (folder / "bad.so").exists()
    missing = ctc("build", path, "--shared", "-o", folder / "bad.so", "--cc", "no-such-compiler")
    assert missing.status == 1 and "no-such-compiler" in missing.err


def check_set(folder):
    """An input made a constant is no input any more."""
    made = model([("Mul", ["x", "k"], ["y"])], [value("x", [4]), value("k", [])], [value("y", [4])])
    path = save(made, folder)
    np.savez(folder / "in.npz", x=np.arange(4, dtype=np.float32))
    ctc_ok("run", path, "--set", "k=2.5", "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], [np.arange(4, dtype=np.float32) * np.float32(2.5)])


def check_shape(folder):
    """An input without a shape gets one from the command line."""
    made = model([("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    path = save(made, folder)
    x = np.array([[-1, 2, 3]], np.float32)
    np.savez(folder / "in.npz", x=x)
    ctc_ok("run", path, "--shape", "x=1x3", "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], [np.maximum(x, 0)])


def check_inspect(folder):
    path = save(conv_net(), folder)
    summary = ctc_ok("inspect", path).out
    assert "x" in summary and "float32" in summary and "workspace" in summary
    assert "Conv" in ctc_ok("inspect", path, "--stage=graph").out
    assert "ctc_" in ctc_ok("inspect", path, "--stage=program").out
    memory = ctc_ok("inspect", path, "--memory", "--dim", "N=2").out
    found = re.search(r"workspace: (\d+) bytes, lower bound: (\d+) bytes", memory)
    assert found and int(found[1]) >= int(found[2]) > 0
    assert "no stage" in ctc("inspect", path, "--stage=nosuch").err


def check_ops(folder):
    names = ctc_ok("ops").out.split()
    assert len(names) == len(set(names)) and {"Conv", "MatMul", "Relu"} <= set(names)


def check_passes(folder):
    path = save(conv_net(), folder)
    times = ctc_ok("compile", path, "-o", folder / "m.c", "--time-passes").err
    assert "infer" in times and "plan" in times and "ms" in times
    assert "Conv" in ctc_ok("compile", path, "-o", folder / "m.c", "--dump-after", "infer").out


def check_crowded_output(folder):
    """A disk that is full, or an output that cannot be written, leaves no half a file."""
    path = save(conv_net(), folder)
    (folder / "taken.c").mkdir()
    result = ctc("compile", path, "-o", folder / "taken.c")
    assert result.status == 1 and not any(name.endswith(("~", ".tmp", ".part")) for name in os.listdir(folder)), os.listdir(folder)
    done = subprocess.run(["bash", "-c", f"ulimit -f 1; trap '' XFSZ; {CTC} compile {path} -o {folder}/small.c"], capture_output=True, text=True)
    assert done.returncode == 1, f"exit {done.returncode} with a limit on file sizes"
    assert sorted(os.listdir(folder)) == ["m.onnx", "taken.c"], os.listdir(folder)
