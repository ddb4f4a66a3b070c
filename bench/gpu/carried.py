"""The models of this folder: unpacked when they are needed, and loaded with their weights, inputs and expected outputs."""

import json
import pathlib
import tarfile
import tempfile

import numpy as np

import ctc_cuda
import values

HERE = pathlib.Path(__file__).resolve().parent
# Rounding of a factor to 10 or 7 bits of mantissa is 2^-11 or 2^-8; an output may be 20 times as far off, relative to the largest one.
TOLERANCES = {"f32": 1e-4, "tf32": 20 * 2.0**-11, "f16": 20 * 2.0**-11, "bf16": 20 * 2.0**-8}


def listed():
    return json.loads((HERE / "models.json").read_text())


class Carried:
    """A model's files in a temporary folder; a context manager."""

    def __init__(self, entry):
        self.entry, self.name = entry, entry["name"]

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ctc-gpu-")
        self.folder = pathlib.Path(self._folder.name)
        with tarfile.open(HERE / "models" / f"{self.name}.tar.xz") as archive:
            archive.extractall(self.folder)
        self._weights = np.fromfile(self.folder / "weights", np.uint8)
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def batches(self):
        return sorted({build["batch"] for build in self.entry["builds"]})

    def builds(self, batch=None):
        return [build for build in self.entry["builds"] if batch in (None, build["batch"])]

    def load(self, build):
        """A ctc_cuda.Model: the common part of the weights file, and behind it the machine code of this build."""
        stem = self.folder / build["file"]
        own = np.fromfile(stem.with_suffix(".code"), np.uint8)
        weights = np.concatenate([self._weights, own]) if build["shares_weights"] else own
        return ctc_cuda.load(str(stem.with_suffix(".so")), "net", weights if weights.size else None)

    def inputs(self, batch):
        return [values.model_input(port["name"], port["shapes"][str(batch)], port["dtype"]) for port in self.entry["inputs"]]

    def expected(self, batch):
        """onnxruntime's outputs at the places of values.sample."""
        with np.load(self.folder / f"expected_{batch}.npz") as data:
            return [data[f"arr_{i}"] for i in range(len(data.files))]

    def graph(self, batch):
        """(description, tensors by name) for graph.build."""
        description = json.loads((self.folder / f"graph_{batch}.json").read_text())
        with np.load(self.folder / f"tensors_{batch}.npz") as data:
            tensors = {name: data[name] for name in data.files}
        for name, weight in description["weights"].items():
            tensors[name] = values.weight(name, **weight)
        for node in description["nodes"]:
            node["attributes"] = {key: tensors.get(value["tensor"]) if isinstance(value, dict) else value for key, value in node["attributes"].items()}
        return description, tensors


def distance(outputs, expected):
    """How far the outputs are from what is expected of them, relative to the largest of each; infinite if they are no numbers."""
    worst = 0.0
    for output, wanted in zip(outputs, expected, strict=True):
        found = values.sample(np.asarray(output)).astype(np.float64)
        if found.shape != wanted.shape or not np.isfinite(found).all():
            return float("inf")
        if wanted.size:
            worst = max(worst, float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30)))
    return worst
