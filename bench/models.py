"""The models that are measured, each with fixed sizes, inputs, and what onnxruntime makes of them.

A model is prepared once, into build/bench/models/: NAME.onnx with the sizes of its inputs written
in (so that no engine pays for sizes that it would have to find out), NAME.npz with the inputs as
'in:NAME' and onnxruntime's outputs as 'out:NAME'.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "tests"))

# Values of inputs that are indices: below this they fit every vocabulary and table.
MOST_INDEX = 100


class Missing(Exception):
    """A set of models is not on this machine."""


class Entry:
    """A model to measure: its file, and a function that gives its inputs, or None for random ones."""

    def __init__(self, name, path, inputs=None):
        self.name, self.path, self.inputs = name, pathlib.Path(path), inputs


# --- sets ---


def architectures(folder, only=None):
    """The standard architectures of ../shared/bench, or those of the names `only`, restored into `folder`."""
    script = SHARED / "bench" / "restore.py"
    if not script.exists():
        raise Missing("standard architectures (../shared/bench): not there")
    names = sorted(p.name.removesuffix(".onnx.gz") for p in (script.parent / "architectures").glob("*.onnx.gz"))
    names = [name for name in names if only is None or name in only]
    wanted = [name for name in names if not (folder / f"{name}.onnx").exists()]
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, script, folder, *wanted], check=True, stdout=subprocess.DEVNULL)
    return [Entry(name, folder / f"{name}.onnx") for name in names]


def mlperf_tiny(folder):
    """The float models of MLPerf Tiny in ../shared/models."""
    paths = sorted((SHARED / "models" / "mlperf_tiny").glob("*fp32*.onnx"))
    if not paths:
        raise Missing("MLPerf Tiny (../shared/models/mlperf_tiny): not there")
    return [Entry(f"tiny_{path.stem}", path) for path in paths]


def zoo(folder):
    """Real float models that people ship in Python packages (tests/zoo.json)."""
    import zoo as tests_zoo

    listed = json.loads((ROOT / "tests" / "zoo.json").read_text())
    floats = [
        m
        for m in listed
        if not m["quantised"] and all(spec["fill"] != "text" for spec in m["inputs"].values())
    ]
    failed = tests_zoo.fetch(floats, folder)
    for name, why in failed.items():
        print(f"skipped: {name}: {why}", flush=True)
    return [
        Entry(m["name"], folder / f"{m['name']}.onnx", lambda m=m: tests_zoo.make_inputs(m))
        for m in floats
        if m["name"] not in failed
    ]


SETS = {"bench": architectures, "tiny": mlperf_tiny, "zoo": zoo}
SET_TITLES = {
    "bench": "Standard architectures",
    "tiny": "MLPerf Tiny (float models)",
    "zoo": "Real models (float)",
}


def collect(names, sets, folder):
    """[(set, Entry)] of these sets; of these names alone, if there are some; names may be files."""
    files, found = [name for name in names if name.endswith(".onnx")], []
    found += [("files", Entry(pathlib.Path(name).stem, name)) for name in files]
    names = [name for name in names if name not in files]
    if files and not names:
        return found
    for name in sets:
        try:
            entries = SETS[name](folder / name)
        except Missing as missing:
            print(f"skipped: {missing}", flush=True)
            continue
        found += [(name, entry) for entry in entries if not names or entry.name in names]
    unknown = set(names) - {entry.name for _, entry in found}
    if unknown:
        sys.exit(f"no such model: {', '.join(sorted(unknown))}")
    return found


# --- preparing one ---


def graph_inputs(model):
    known = {tensor.name for tensor in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in known]


def random_inputs(model):
    """Numbers for inputs without a recipe: floats around 0, small integers; open sizes are 1."""
    from onnx import helper

    rng = np.random.default_rng(7)
    arrays = {}
    for port in graph_inputs(model):
        tensor = port.type.tensor_type
        shape = [dim.dim_value or 1 for dim in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        floating = np.issubdtype(dtype, np.floating)
        array = rng.standard_normal(shape) if floating else rng.integers(0, 2 if dtype == bool else MOST_INDEX, shape)
        arrays[port.name] = np.asarray(array).astype(dtype)
    return arrays


def fix_shapes(model, arrays):
    """Writes the shapes of the inputs into the model, and forgets what it says of other shapes."""
    for port in graph_inputs(model):
        dims = port.type.tensor_type.shape.dim
        for dim, size in zip(dims, arrays[port.name].shape):
            dim.dim_value = size
    del model.graph.value_info[:]
    for port in model.graph.output:
        port.type.tensor_type.ClearField("shape")


def is_open(model):
    return any(
        not dim.HasField("dim_value") for port in graph_inputs(model) for dim in port.type.tensor_type.shape.dim
    )


def prepare(entry, folder):
    """(model file, .npz of inputs and expected outputs); made if they are not there, or older than the model."""
    import onnx
    import onnxruntime

    path, data = folder / f"{entry.name}.onnx", folder / f"{entry.name}.npz"
    if path.exists() and data.exists() and data.stat().st_mtime > entry.path.stat().st_mtime:
        return path, data
    folder.mkdir(parents=True, exist_ok=True)
    model = onnx.load(entry.path)
    arrays = entry.inputs() if entry.inputs else random_inputs(model)
    if is_open(model):
        fix_shapes(model, arrays)
        onnx.save(model, path)
    elif not path.is_symlink() and not path.exists():
        path.symlink_to(entry.path.resolve())
    del model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    arrays = {port.name: arrays[port.name] for port in session.get_inputs()}
    results = session.run(None, arrays)
    named = {"in:" + name: array for name, array in arrays.items()}
    named |= {"out:" + port.name: np.asarray(result) for port, result in zip(session.get_outputs(), results)}
    np.savez(data, **named)
    return path, data
