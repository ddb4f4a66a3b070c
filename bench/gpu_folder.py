#!/usr/bin/env python3
"""Writes the folder with which a machine with a GPU tests and measures ctc's CUDA programs (docs/gpu-machine.md).

    gpu_folder.py --to build/gpu [MODEL…]    these of the standard architectures, or files; all by default
                  --arch sm_90               machine code for these GPUs is in it (NVRTC is needed here, and not there)
                  --precisions f32,tf32,…    --batches 1,16

The folder holds for each model: programs as shared libraries, one for each precision and batch; the weights, large ones made of a pattern that
repeats, so that they take no room; the graph for PyTorch; and onnxruntime's outputs for inputs that are made from a seed on both machines.
"""

import argparse
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "gpu"))
import values  # noqa: E402

ARCHITECTURES = ROOT.parent / "shared" / "bench" / "architectures"
TRAVELS = [*sorted((HERE / "gpu").glob("*.py")), ROOT / "python" / "ctc_run.py", ROOT / "python" / "ctc_cuda.py"]
# A larger float tensor is made of a pattern.
LARGE = 4096
MOST_BYTES = 64 << 20
UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
# bf16 has the same kernels as f16: one batch is enough of it.
DEFAULT_BUILDS = {1: ["f32", "tf32", "f16", "bf16"], 16: ["f32", "tf32", "f16"]}


class Unfit(Exception):
    """What cannot be made of a model."""


# --- weights ---


def statistics(tensor):
    """(mean, deviation, low, high) of a float tensor; for one whose values were left out, as its doc_string tells."""
    if tensor.doc_string.startswith("random "):
        return tuple(map(float, tensor.doc_string.split()[1:]))
    array = numpy_helper.to_array(tensor).astype(np.float64)
    return tuple(float(f(array)) for f in (np.mean, np.std, np.min, np.max))


def fill(tensor, name):
    """Gives a large float tensor values of a pattern; what values.weight needs to make them again, or None."""
    shape = list(tensor.dims)
    stripped = tensor.doc_string.startswith("random ")
    if tensor.data_type != onnx.TensorProto.FLOAT or (not stripped and np.prod(shape) < LARGE):
        return None
    mean, deviation, low, high = statistics(tensor)
    known = {"shape": shape, "mean": mean, "deviation": deviation, "low": low, "high": high}
    tensor.CopyFrom(numpy_helper.from_array(values.weight(name, **known), tensor.name))
    return known


def fill_all(model):
    """{name: values.weight's arguments} of the large tensors, whose values are replaced; those of nodes become initializers."""
    known = {}
    for node in list(model.graph.node):
        if node.op_type != "Constant" or not node.attribute or node.attribute[0].type != onnx.AttributeProto.TENSOR:
            continue
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)
    for tensor in model.graph.initializer:
        found = fill(tensor, tensor.name)
        if found:
            known[tensor.name] = found
    return known


def read(path):
    """A model; .gz is one whose large tensors were left out."""
    return onnx.load_from_string(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


# --- batches ---


def own_inputs(model):
    held = {tensor.name for tensor in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in held]


def shape_of(port):
    return [dim.dim_value for dim in port.type.tensor_type.shape.dim]


def batch_axis(shape):
    if 1 not in shape:
        raise Unfit("no input dim is 1")
    return shape.index(1)


def shape_constants(model):
    """Initializers that say the shape for a Reshape or an Expand: (operator, tensor)."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    return [(node.op_type, held[node.input[1]]) for node in model.graph.node if node.op_type in ("Reshape", "Expand") and node.input[1] in held]


def fold_small(model):
    """Computes what depends on small constants alone: exporters write shapes as such computations."""
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer if np.prod(tensor.dims) < LARGE}
    for node in list(model.graph.node):
        if not node.input or any(name and name not in held for name in node.input) or len(node.output) != 1:
            continue
        (result,) = ReferenceEvaluator(node).run(None, {name: held[name] for name in node.input if name})
        if result.size < LARGE:
            held[node.output[0]] = result
            model.graph.initializer.append(numpy_helper.from_array(result, node.output[0]))
            model.graph.node.remove(node)


def repeat_constants(model, batch):
    """A constant of one input that a Concat puts beside others, a token, is repeated for each of the batch."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Concat" or node.attribute[0].i == 0:
            continue
        for index, name in enumerate(node.input):
            if name in held and len(held[name].dims) > 1 and held[name].dims[0] == 1:
                many = np.repeat(numpy_helper.to_array(held[name]), batch, 0)
                node.input[index] = f"{name} of each"
                model.graph.initializer.append(numpy_helper.from_array(many, node.input[index]))


def at_batch(model, batch):
    """The model for so many inputs at once: other input shapes, and 1 in front of the shapes of Reshape and Expand becomes what fits any batch."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    fold_small(other)
    repeat_constants(other, batch)
    for port in own_inputs(other):
        shape = shape_of(port)
        port.type.tensor_type.shape.dim[batch_axis(shape)].dim_value = batch
    for op, tensor in shape_constants(other):
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size and shape[0] == 1:
            shape[0] = batch if op == "Expand" or -1 in shape else -1
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    del other.graph.value_info[:]
    for port in other.graph.output:
        port.type.tensor_type.ClearField("shape")
    return other


# --- references ---


def run(model, path):
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {}
    for port in own_inputs(model):
        dtype = helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        feeds[port.name] = values.model_input(port.name, shape_of(port), dtype)
    return session.run(None, feeds)


def is_batch_of(outputs, single, batch):
    """Whether each output has the batch in place of a 1 (if it were mixed up, PyTorch and ctc would only agree on nonsense)."""
    for many, one in zip(outputs, single):
        axes = [axis for axis, (a, b) in enumerate(zip(many.shape, one.shape)) if a != b]
        if many.ndim != one.ndim or len(axes) != 1 or many.shape[axes[0]] != batch * one.shape[axes[0]]:
            return False
    return True


def first_of_batch_agrees(model, outputs, single_model, path):
    """The first input of the batch alone gives the first output of the batch."""
    many = [values.model_input(p.name, shape_of(p), helper.tensor_dtype_to_np_dtype(p.type.tensor_type.elem_type)) for p in own_inputs(model)]
    feeds = {p.name: np.take(a, [0], batch_axis(shape_of(p))) for p, a in zip(own_inputs(single_model), many)}
    onnx.save(single_model, path)
    single = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)
    firsts = [np.take(output, range(one.shape[0]), 0) for output, one in zip(outputs, single)]
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max()) for a, b in zip(firsts, single))


# --- the graph for PyTorch ---


def attribute_value(attribute, key, tensors):
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        tensors[key] = numpy_helper.to_array(value)
        return {"tensor": key}
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if attribute.type in (onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS) else value


def describe(model, known):
    """(description, small tensors) for bench/gpu/graph.py."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name not in known}
    nodes = []
    for index, node in enumerate(model.graph.node):
        attributes = {a.name: attribute_value(a, f"{index}.{a.name}", tensors) for a in node.attribute}
        nodes.append({"op": node.op_type, "inputs": list(node.input), "outputs": list(node.output), "attributes": attributes})
    description = {"opset": model.opset_import[0].version, "inputs": [p.name for p in own_inputs(model)],
                   "outputs": [p.name for p in model.graph.output], "nodes": nodes, "weights": known}
    return description, tensors


# --- programs ---


def call(*command, cwd=None):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise Unfit(f"{pathlib.Path(str(command[0])).name}: {done.stderr.strip()[-300:]}")
    return done.stdout


def number(text):
    """'239.9K' as a number; None for '?'."""
    return None if text == "?" else float(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else float(text)


def step_of(line, kernel, nodes):
    """A line of the listing as a step; one that only opens a loop has no operations of its own."""
    amounts = line[:kernel].split()[1:]
    flops, size = map(number, amounts) if len(amounts) == 2 else (0, 0)
    name, _, told = line[kernel:].strip().partition("  ") if line[kernel] == " " else (line[kernel:nodes].strip(), "", line[nodes:])
    return {"kernel": name, "nodes": told.split("; ")[0].strip(), "flops": flops, "bytes": size}


def steps(ctc, model):
    """The steps of `ctc inspect`: columns of a fixed place, after a line of titles. Those inside of a loop stand indented, and become its "inner"."""
    lines = call(ctc, "inspect", model, "--target=cuda", "--stage=steps", "--quiet").splitlines()
    kernel, nodes = lines[0].index("kernel"), lines[0].index("nodes")
    found = []
    for line in lines[1:]:
        if not line[:kernel].split()[0].isdigit():
            continue
        step = step_of(line, kernel, nodes)
        if line[kernel] == " " and found:
            outer = found[-1]
            outer.setdefault("inner", []).append(step["kernel"])
            for key in ("flops", "bytes"):
                outer[key] = None if None in (outer[key], step[key]) else outer[key] + step[key]
            outer["nodes"] = outer["nodes"] or step["nodes"]
        else:
            found.append(step)
    return found


def compile_one(args, model, precision, batch, folder):
    """A program in `folder`; its entry in models.json. Its weights file is beside it."""
    file = f"{precision}_{batch}"
    bake = [f"--cuda-arch={args.arch}"] if args.arch else []
    call(args.ctc, "compile", model, "-o", folder / f"{file}.cu", "--prefix=net", "--weights=file", f"--precision={precision}", "--quiet", *bake)
    call(args.cc, "-x", "c", "-O2", "-w", "-shared", "-fPIC", "-DCTC_PROFILE", f"{file}.cu", "-o", f"{file}.so", "-ldl", "-lm", cwd=folder)
    for ending in (".cu", ".h"):
        (folder / file).with_suffix(ending).unlink()
    return {"file": file, "precision": precision, "batch": batch, "steps": steps(args.ctc, model)}


def share_weights(builds, folder):
    """The part in front that the weights files have in common becomes `weights`, and what is behind it, machine code, NAME.code of each."""
    paths = [folder / f"{build['file']}.weights" for build in builds]
    contents = [np.fromfile(path, np.uint8) if path.exists() else np.empty(0, np.uint8) for path in paths]
    common = contents[0]
    for other in contents[1:]:
        length = min(common.size, other.size)
        differs = np.nonzero(common[:length] != other[:length])[0]
        # What differs early has other constants: it keeps a file of its own.
        same = int(differs[0]) if differs.size else length
        common = common[:same] if same > length // 2 else common
    common.tofile(folder / "weights")
    for build, path, content in zip(builds, paths, contents):
        build["shares_weights"] = bool(content.size >= common.size and np.array_equal(content[: common.size], common))
        (content[common.size :] if build["shares_weights"] else content).tofile(path.with_suffix(".code"))
        path.unlink(missing_ok=True)


def pack(folder, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:xz", preset=4) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)


# --- a model ---


def save_references(folder, batch, outputs, description, tensors):
    np.savez(folder / f"expected_{batch}.npz", *[values.sample(np.asarray(output)) for output in outputs])
    np.savez(folder / f"tensors_{batch}.npz", **tensors)
    (folder / f"graph_{batch}.json").write_text(json.dumps(description))


def model_at(model, batch, work):
    """(the model at this batch, onnxruntime's outputs)."""
    if batch == 1:
        return model, run(model, work)
    try:
        many = at_batch(model, batch)
        outputs = run(many, work)
    except Exception as error:
        raise Unfit(str(error).strip().splitlines()[-1][:200]) from None
    if not is_batch_of(outputs, run(model, work), batch) or not first_of_batch_agrees(many, outputs, model, work):
        raise Unfit("the graph holds sizes for one input")
    return many, outputs


def add_model(args, name, path, out):
    """The entry of models.json; its archive is written."""
    model = read(path)
    known = fill_all(model)
    entry = {"name": name, "inputs": [], "builds": [], "left_out": {}}
    for port in own_inputs(model):
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)).name
        entry["inputs"].append({"name": port.name, "dtype": dtype, "shapes": {}})
    with tempfile.TemporaryDirectory(prefix="ctc-gpu-folder-") as temporary:
        folder, work = pathlib.Path(temporary) / "model", pathlib.Path(temporary) / "net.onnx"
        folder.mkdir()
        for batch, precisions in args.builds.items():
            try:
                made, outputs = model_at(model, batch, work)
            except Unfit as why:
                entry["left_out"][str(batch)] = str(why)
                continue
            onnx.save(made, work)
            for port, told in zip(own_inputs(made), entry["inputs"]):
                told["shapes"][str(batch)] = shape_of(port)
            save_references(folder, batch, outputs, *describe(made, known))
            entry["builds"] += [compile_one(args, work, precision, batch, folder) for precision in precisions]
        share_weights(entry["builds"], folder)
        pack(folder, out / "models" / f"{name}.tar.xz")
    return entry


# --- the folder ---


def wanted(names):
    """{name: file} of models to put in."""
    files = {path.name.removesuffix(".onnx.gz"): path for path in sorted(ARCHITECTURES.glob("*.onnx.gz"))}
    if not names:
        return files
    found = {}
    for name in names:
        path = pathlib.Path(name)
        if path.suffix == ".onnx":
            found[path.stem] = path
        elif name in files:
            found[name] = files[name]
        else:
            sys.exit(f"no such model: {name}")
    return found


def made_of(args):
    version = subprocess.run([args.ctc, "--version"], capture_output=True, text=True).stdout.strip()
    return {"ctc": version, "onnxruntime": onnxruntime.__version__, "arch": args.arch}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--to", type=pathlib.Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--ctc", type=lambda text: pathlib.Path(text).resolve(), default=ROOT / "build" / "ctc")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--arch", default="")
    parser.add_argument("--precisions", type=lambda text: text.split(","))
    parser.add_argument("--batches", type=lambda text: list(map(int, text.split(","))))
    args = parser.parse_args()
    args.builds = {batch: [p for p in precisions if not args.precisions or p in args.precisions]
                   for batch, precisions in DEFAULT_BUILDS.items() if not args.batches or batch in args.batches}
    return args


def main():
    args, entries, failed = parse(), [], 0
    models = wanted(args.models)
    if not models:
        print("skipped: no models: ../shared/bench is not there, and none was named")
        return 0
    shutil.rmtree(args.to, ignore_errors=True)
    args.to.mkdir(parents=True)
    for path in TRAVELS:
        shutil.copy(path, args.to)
    for name, path in models.items():
        try:
            entries.append(add_model(args, name, path, args.to))
        except Unfit as why:
            failed += 1
            print(f"FAIL {name}: {why}", flush=True)
            continue
        size = (args.to / "models" / f"{name}.tar.xz").stat().st_size
        left = "".join(f"; not at batch {batch}: {why}" for batch, why in entries[-1]["left_out"].items())
        print(f"{name}: {len(entries[-1]['builds'])} programs, {size / 1e6:.2f} MB{left}", flush=True)
        (args.to / "models.json").write_text(json.dumps({"made_of": made_of(args), "models": entries}, indent=1) + "\n")
    total = sum(path.stat().st_size for path in args.to.rglob("*") if path.is_file())
    print(f"{args.to}: {len(entries)} models, {total / 1e6:.1f} MB")
    if total > MOST_BYTES:
        print(f"FAIL more than {MOST_BYTES >> 20} MiB: name fewer models, precisions or batches")
    return 1 if failed or total > MOST_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
