"""The folder for a machine with a GPU (bench/gpu_folder.py): built for two small models, and used here: on the stand-in for CUDA, and without a driver.

Two small models have all that is in it: convolutions, pools, products, and a hidden layer whose weights are made of a pattern.
"""

import json
import os
import subprocess
import sys

import numpy as np

from common import CTC, ROOT, model, python_with_pytorch, save, value

LIBRARIES = CTC.parent / "cuda"
NAMES = ["dense", "planes"]


def dense():
    rng = np.random.default_rng(3)
    weights = {"w": rng.standard_normal((96, 64)).astype(np.float32) / 8, "v": rng.standard_normal((64, 5)).astype(np.float32)}
    shape = {"s": np.array([1, 96])}
    nodes = [("Reshape", ["x", "s"], ["r"]), ("MatMul", ["r", "w"], ["a"]), ("Relu", ["a"], ["b"]), ("MatMul", ["b", "v"], ["y"])]
    return model(nodes, [value("x", [1, 4, 24])], [value("y", [1, 5])], weights | shape)


def planes():
    rng = np.random.default_rng(4)
    weights = {"w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32) / 4}
    nodes = [("Conv", ["x", "w"], ["a"], {"pads": [1, 1, 1, 1]}), ("MaxPool", ["a"], ["b"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
             ("Sigmoid", ["b"], ["y"])]
    return model(nodes, [value("x", [1, 3, 8, 8])], [value("y", [1, 4, 4, 4])], weights)


def make(folder):
    """The folder for NAMES; where it is."""
    paths = [save(made(), folder, f"{name}.onnx") for name, made in zip(NAMES, (dense, planes))]
    command = [sys.executable, ROOT / "bench" / "gpu_folder.py", "--ctc", CTC, "--to", folder / "gpu", "--precisions", "f32", *paths]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "gpu"


def run(gpu, *arguments, **environment):
    done = subprocess.run([sys.executable, gpu / "run.py", *arguments], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def on_stand_in(gpu, *arguments):
    return run(gpu, *arguments, LD_LIBRARY_PATH=str(LIBRARIES))


def all_passes(gpu):
    status, text = on_stand_in(gpu, "all")
    assert status == 0, text
    assert "this is the stand-in" in text, text
    results = json.loads((gpu / "results.json").read_text())
    keys = [f"{name} f32 {batch}" for name in NAMES for batch in (1, 16)]
    assert results["stand_in"] and all(list(results[job]) == keys for job in ("test", "bench", "steps")), results
    assert all(found["aligned"] and all(step["seconds"] for step in found["steps"]) for found in results["steps"].values()), results["steps"]


def wrong_output_is_found(gpu):
    """A model whose machine code belongs to other weights."""
    listed = json.loads((gpu / "models.json").read_text())
    first = listed["models"][0]["inputs"][0]
    first["name"] += "_"  # other numbers go in
    (gpu / "models.json").write_text(json.dumps(listed))
    status, text = on_stand_in(gpu, "test", "--models", NAMES[0], "--batches", "1")
    assert status == 1 and "from the expected outputs" in text, text


def says_when_there_is_none(gpu):
    for more, status in ((["test"], 0), (["bench"], 0), (["device"], 3)):
        found, text = run(gpu, *more, LD_LIBRARY_PATH="")
        assert (found, text) == (status, "skipped: no CUDA driver\n"), (found, text)


GRAPH_CHECK = """
import sys; sys.path.insert(0, sys.argv[1])
import carried, graph, torch
for entry in carried.listed()["models"]:
    with carried.Carried(entry) as model:
        for batch in model.batches():
            inputs = model.inputs(batch)
            module = graph.build(*model.graph(batch), inputs, "cpu", torch.float32)
            far = carried.distance([y.numpy() for y in module(*map(torch.from_numpy, inputs))], model.expected(batch))
            assert far < 1e-5, (model.name, batch, far)
"""


def pytorch_agrees(gpu):
    """The graph that PyTorch is measured with computes the same."""
    python = python_with_pytorch()
    if not python:
        return
    done = subprocess.run([python, "-c", GRAPH_CHECK, gpu], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def refuses_invented_figures(gpu):
    """The report has no figures of the stand-in's."""
    report = [sys.executable, ROOT / "bench" / "gpu_report.py", "--to", gpu / "report.md"]
    done = subprocess.run([*report, gpu / "results.json"], capture_output=True, text=True)
    assert done.returncode == 1 and "stand-in" in done.stderr, done.stderr
    done = subprocess.run(report, capture_output=True, text=True)
    assert done.returncode == 0 and "Not measured yet" in (gpu / "report.md").read_text(), done.stderr


def check_gpu_folder(folder):
    gpu = make(folder)
    says_when_there_is_none(gpu)
    pytorch_agrees(gpu)
    all_passes(gpu)
    refuses_invented_figures(gpu)
    wrong_output_is_found(gpu)
