"""python/ctc_run.py: libraries that `ctc build --shared` made, called with numpy arrays, and what it says of wrong calls."""

import subprocess
import sys

import numpy as np

import ctc_run
from common import ROOT, conv_net, ctc_ok, model, onnxruntime_outputs, same, save, value


def built(made, folder, name="net", options=()):
    """The path of the library that ctc build makes of a model."""
    save(made, folder, f"{name}.onnx")
    ctc_ok("build", f"{name}.onnx", "--shared", "-o", f"{name}.so", "--cflags", "-O1", *options, cwd=folder)
    return folder / f"{name}.so"


def image(batch=2, side=16):
    return np.random.default_rng(5).standard_normal((batch, 3, side, side)).astype(np.float32)


def refused(words, function):
    try:
        function()
    except ctc_run.ModelError as error:
        assert words in str(error), f"no '{words}' in: {error}"
        return
    raise AssertionError(f"it worked; expected an error with '{words}'")


def check_ports_and_results(folder):
    net = ctc_run.load(built(conv_net(), folder))
    assert [str(port) for port in net.inputs + net.outputs] == ["x: float32[N, 3, 16, 16]", "y: float32[N, 10]"]
    for batch in (1, 5):
        x = image(batch)
        expected = onnxruntime_outputs(conv_net(), {"x": x})
        same(net.run([x]), expected)
        same(net.run({"x": x}), expected)
        same(net.run([np.asfortranarray(x)]), expected)


def check_threads(folder):
    net = ctc_run.load(built(conv_net(), folder))
    x = image(7)
    alone = net.run([x])[0]
    for threads in (2, 3, 2):
        assert net.run([x], threads=threads)[0].tobytes() == alone.tobytes(), threads
    one = ctc_run.load(built(conv_net(), folder, "one", ["--threads=1"]))
    refused("compiled without threads", lambda: one.run([x], threads=2))


def check_threads_and_fork(folder):
    """Threads do not live in a child process; it starts its own, and both processes end."""
    path = built(conv_net(), folder)
    program = (
        "import os, sys, numpy as np, ctc_run\n"
        f"net = ctc_run.load({str(path)!r})\n"
        "x = np.ones((4, 3, 16, 16), np.float32)\n"
        "expected = net.run([x], threads=2)[0]\n"
        "child = os.fork()\n"
        "right = (net.run([x], threads=2)[0] == expected).all()\n"
        "if not child: sys.exit(0 if right else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if right else 4)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "python", timeout=60)
    assert done.returncode == 0, done.returncode


def check_wrong_inputs(folder):
    net = ctc_run.load(built(conv_net(), folder))
    x = image()
    refused("input x is float64, the model wants float32", lambda: net.run([x.astype(np.float64)]))
    refused("input x has shape [2, 3, 15, 15], the model wants [N, 3, 16, 16]", lambda: net.run([image(side=15)]))
    refused("input x has shape [3, 16, 16], the model wants [N, 3, 16, 16]", lambda: net.run([x[0]]))
    refused("2 inputs, the model takes 1", lambda: net.run([x, x]))
    refused("no input x, unknown input z", lambda: net.run({"z": x}))


def check_dims_that_contradict(folder):
    made = model([("Add", ["a", "b"], ["y"])], [value("a", ["N", 4]), value("b", ["N", 4])], [value("y", ["N", 4])])
    net = ctc_run.load(built(made, folder))
    a, b = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    refused("input b has shape [2, 4], the model wants [N, 4] ([3, 4]", lambda: net.run([a, b]))


def check_data_dependent_sizes(folder):
    """More elements than the first capacity: it grows."""
    made = model([("NonZero", ["x"], ["y"])], [value("x", ["N"])], [value("y", [1, "k"], np.int64)])
    net = ctc_run.load(built(made, folder))
    x = (np.arange(300) % 3).astype(np.float32)
    same(net.run([x]), onnxruntime_outputs(made, {"x": x}))


def check_weights_file(folder):
    path, x = built(conv_net(), folder, "filed", ["--weights=file"]), image()
    same(ctc_run.load(path).run([x]), onnxruntime_outputs(conv_net(), {"x": x}))
    weights = folder / "filed.weights"
    data = weights.read_bytes()
    weights.unlink()
    refused("needs a weights file", lambda: ctc_run.load(path))
    refused("needs a weights file", lambda: ctc_run.load(path, weights=data[:-1]))
    same(ctc_run.load(path, weights=data).run([x]), onnxruntime_outputs(conv_net(), {"x": x}))


def check_names_of_libraries(folder):
    """What ctc makes of a file's name is found; another prefix has to be said."""
    x = image()
    for name in ("2-nets.v1", "a_rather_long_name_" * 4):
        assert ctc_run.load(built(conv_net(), folder, name)).run([x])[0].shape == (2, 10), name
    path = built(conv_net(), folder, "other", ["--prefix", "mine"])
    refused("no descriptor other_model", lambda: ctc_run.load(path))
    assert ctc_run.load(path, "mine").run([x])[0].shape == (2, 10)
