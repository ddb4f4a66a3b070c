"""The layers of layers/: operators that are part of ctc by way of a descriptor and a kernel, compared with onnxruntime.

    layers.py --renew       writes layers/*/cases.json anew, with onnxruntime's results
    layers.py NAME…         only these checks
"""

import functools
import json
import shutil
import sys

import numpy as np

from common import ROOT, STRICT, checks_of, ctc, ctc_ok, library, model, onnxruntime_outputs, run_named, same, save

FOLDERS = sorted(path.parent for path in ROOT.glob("layers/*/layer.json"))
DOMAIN = "com.microsoft"
HALF, SINGLE, DOUBLE = np.float16, np.float32, np.float64
TOLERANCE = {HALF: {"rtol": 2e-3, "atol": 2e-3}, SINGLE: {"rtol": 2e-5, "atol": 2e-6}, DOUBLE: {"rtol": 1e-11, "atol": 1e-12}}


class Case:
    """One node: inputs (None: left out), attributes, types of the outputs (None: not asked for)."""

    def __init__(self, inputs, outputs=(SINGLE,), dtype=SINGLE, constants=(), **attributes):
        self.inputs, self.outputs, self.dtype, self.constants, self.attributes = inputs, outputs, dtype, constants, attributes


def random(seed, *shape, dtype=SINGLE):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(seed, high, *shape, dtype=np.int32, low=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


# --- cases by operator ---


def cdist():
    for dtype in (SINGLE, DOUBLE):
        for m, n, k in ((3, 5, 2), (7, 4, 19), (1, 1, 1)):
            for metric in ("euclidean", "sqeuclidean"):
                yield Case([random(m, m, k, dtype=dtype), random(n, n, k, dtype=dtype)], (dtype,), dtype, metric=metric)


def inverse():
    for dtype in (SINGLE, DOUBLE, HALF):
        for shape in ((3, 3), (2, 2, 4, 4), (1, 1), (1, 9, 9)):
            matrix = random(len(shape), *shape, dtype=dtype) + dtype(3) * np.eye(shape[-1], dtype=dtype)
            matrix[..., [0, shape[-1] - 1], :] = matrix[..., [shape[-1] - 1, 0], :]  # so that a pivot must be looked for
            yield Case([matrix], (dtype,), dtype)


def nhwcmaxpool():
    windows = [
        dict(kernel_shape=[2, 2]),
        dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
        dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        dict(kernel_shape=[2, 3], strides=[3, 2], pads=[1, 1, 0, 2], ceil_mode=1),
        dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        dict(kernel_shape=[2, 2], auto_pad="SAME_LOWER"),
        dict(kernel_shape=[2, 2], strides=[2, 3], auto_pad="VALID"),
        dict(kernel_shape=[2, 2], dilations=[2, 3]),
    ]
    for dtype in (np.uint8, np.int8):
        for attributes in windows:
            x = integers(3, 120, 2, 6, 5, 2, dtype=dtype, low=-120 if dtype == np.int8 else 0)
            yield Case([x], (dtype,), dtype, **attributes)


def ngramrepeatblock():
    for size in (1, 2, 3, 9):
        yield Case([integers(5, 4, 2, 12, dtype=np.int64), random(1, 2, 6)], ngram_size=size)


def scaledsilu():
    for dtype in (SINGLE, HALF):
        for alpha in (1.0, -0.7, 2.5):
            yield Case([random(2, 3, 4, 5, dtype=dtype)], (dtype,), dtype, alpha=alpha)
    yield Case([np.array([-90, -20, -1, 0, 20, 90], SINGLE)])


def gatedrmsnorm():
    for dtype in (SINGLE, HALF):
        for activation, groups in (("silu", 1), ("swish", 2), ("sigmoid", 3)):
            size = 8 * groups
            parts = [random(1, 2, 3, size, dtype=dtype), random(2, 8, dtype=dtype), random(3, 2, 3, size, dtype=dtype)]
            yield Case(parts, (dtype,), dtype, (1,), activation=activation, epsilon=1e-3)


def embedlayernormalization():
    for dtype in (SINGLE, HALF):
        table = [random(seed, rows, 4, dtype=dtype) for seed, rows in ((1, 8), (2, 7), (3, 2))]
        gamma, beta = random(4, 4, dtype=dtype), random(5, 4, dtype=dtype)
        words, segments, mask = integers(6, 8, 3, 5), integers(7, 2, 3, 5), integers(8, 2, 3, 5)
        positions = integers(9, 7, 3, 5)
        weights = tuple(range(2, 7))
        yield Case([words, segments, *table, gamma, beta, mask, positions], (dtype, np.int32, dtype), dtype, weights)
        yield Case([words, segments, *table, gamma, beta, mask, positions[:1]], (dtype, np.int32, None), dtype, weights, epsilon=0.1)
        yield Case([words, None, *table[:2], None, gamma, beta], (dtype, np.int32), dtype, weights)


def matmulnbits():
    for bits, size, k, n in ((4, 32, 64, 5), (4, 16, 40, 3), (8, 32, 96, 7), (2, 64, 100, 4), (4, 128, 130, 6)):
        blocks = -(-k // size)
        weights = [integers(1, 256, n, blocks, size * bits // 8, dtype=np.uint8), abs(random(2, n, blocks)) / 8]
        zeros = integers(3, 256, n, -(-blocks * bits // 8), dtype=np.uint8)
        bias = random(4, n)
        sizes = dict(K=k, N=n, bits=bits, block_size=size)
        yield Case([random(5, 3, k), *weights], constants=(1, 2), **sizes)
        yield Case([random(6, 2, 3, k), *weights, zeros], constants=(1, 2, 3), **sizes)
        yield Case([random(7, 1, k), weights[0], weights[1].ravel(), zeros.ravel(), None, bias], constants=(1, 2, 3, 5), **sizes)


# Not every folder needs an entry: another one has the same operator in another form.
CASES = {
    maker.__name__: maker
    for maker in (cdist, inverse, nhwcmaxpool, ngramrepeatblock, scaledsilu, gatedrmsnorm, embedlayernormalization, matmulnbits)
}


# --- a case as a model ---


def descriptor(name):
    return json.loads((ROOT / "layers" / name / "layer.json").read_text())


def tensor_info(name, dtype, shape):
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def constant_inputs(case, fold):
    return {f"i{i}": x for i, x in enumerate(case.inputs) if x is not None and (fold or i in case.constants)}


def fed_inputs(case):
    return {f"i{i}": x for i, x in enumerate(case.inputs) if x is not None and i not in case.constants}


def node_model(operator, domain, case, open_dims=False, fold=False):
    """The node alone; with open_dims the first dim of each fed tensor is a symbol of its own; with fold all inputs are constants."""
    from onnx import helper

    names = [f"i{i}" if x is not None else "" for i, x in enumerate(case.inputs)]
    outputs = [f"o{i}" if dtype is not None else "" for i, dtype in enumerate(case.outputs)]
    node = helper.make_node(operator, names, outputs, name="layer", domain=domain, **case.attributes)
    fed = {} if fold else fed_inputs(case)
    ports = [tensor_info(key, x.dtype, [f"{key}_0", *x.shape[1:]] if open_dims and x.ndim else x.shape) for key, x in fed.items()]
    made = model([node], ports, [tensor_info(key, dtype, None) for key, dtype in zip(outputs, case.outputs) if key], constant_inputs(case, fold))
    made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


def net_of(name, case, open_dims=False, fold=False):
    layer = descriptor(name)
    return node_model(layer["name"], layer["domain"], case, open_dims, fold)


def expected(name, case):
    if case.dtype == HALF and name == "inverse":  # which onnxruntime computes in half precision
        return [np.linalg.inv(case.inputs[0].astype(DOUBLE)).astype(HALF)]
    return onnxruntime_outputs(net_of(name, case), fed_inputs(case))


def tolerance(case):
    return TOLERANCE.get(case.dtype, {"rtol": 0, "atol": 0})


# --- checks ---


def check_all_have_cases(_):
    assert {folder.name for folder in FOLDERS} == set(CASES)


def check_names(_):
    """A folder is named after its operator."""
    for folder in FOLDERS:
        assert descriptor(folder.name)["name"].lower() == folder.name


def check_listed(_):
    listed = ctc_ok("ops").out
    for folder in FOLDERS:
        layer = descriptor(folder.name)
        assert f"{layer['domain']}.{layer['name']} " in listed, layer["name"]


def check_schemas(_):
    """What the descriptors say agrees with the table of onnxruntime's operators."""
    table = json.loads((ROOT / "schema/microsoft_operators.json").read_text())
    known = {row["name"]: row for domain in table["domains"] for row in domain["operators"]}
    for folder in FOLDERS:
        layer = descriptor(folder.name)
        row = known[layer["name"]]
        attributes = {name: more for name, _, *more in row.get("attributes", [])}
        assert {a["name"] for a in layer.get("attributes", [])} == set(attributes), layer["name"]
        for a in layer.get("attributes", []):
            more = attributes[a["name"]]
            assert (more == ["required"]) == ("default" not in a), a
            if more and more[0] == "default":
                assert np.float32(more[1]) == np.float32(a["default"]) if a["type"] == "float" else more[1] == a["default"], a
        assert len(layer["inputs"]) <= len(row["inputs"]) and len(layer["outputs"]) == len(row["outputs"])
        for own, theirs in zip(layer["inputs"], row["inputs"]):
            assert own.get("optional", False) == ("optional" in theirs), own


def check_plugin_check(_):
    """Each layer holds out what `ctc plugin check` does to plugins."""
    for folder in FOLDERS:
        ctc_ok("plugin", "check", folder)


def check_overridden(folder):
    """A plugin of the same domain and name takes the place of a layer; one of another domain may not define its names."""
    case = next(iter(cdist()))
    path = save(net_of("cdist", case), folder)
    shutil.copytree(ROOT / "layers/cdist", folder / "cdist")
    kernel = folder / "cdist/kernel.c"
    kernel.write_text(kernel.read_text().replace("$T *y,", "$T *y /* of my own */,"))
    ctc_ok("compile", path, "-o", folder / "own.c", "--plugin", folder / "cdist")
    assert "of my own" in (folder / "own.c").read_text()
    same(library(net_of("cdist", case), folder, options=["--plugin", folder / "cdist"]).run(case.inputs), expected("cdist", case))
    moved = folder / "cdist/layer.json"
    moved.write_text(moved.read_text().replace("com.microsoft", "my.own"))
    wrong = ctc("compile", path, "-o", folder / "own.c", "--plugin", folder / "cdist")
    assert wrong.status == 1 and "'cdist_f32' is defined by a layer of ctc too" in wrong.err, wrong.err


def check_fused(folder):
    """An elementwise layer is a part of its neighbours' loop nest, by its vector form; behind a convolution, of its epilogue."""
    from onnx import helper

    x, w = random(1, 1, 16, 10, 10), random(2, 32, 16, 3, 3) / 8
    layer = helper.make_node("ScaledSiLU", ["c"], ["y"], domain=DOMAIN, alpha=0.5)
    made = model([("Conv", ["x", "w"], ["c"], {"pads": [1] * 4}), layer], [tensor_info("x", SINGLE, x.shape)],
                 [tensor_info("y", SINGLE, [1, 32, 10, 10])], {"w": w})
    made.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    same(library(made, folder).run([x]), onnxruntime_outputs(made, {"x": x}))
    text = (folder / "net.c").read_text()
    assert "= scaledsilu_v(" in text and "scaledsilu_f32(" not in text.split("scaledsilu_v(")[-1]


def try_case(here, case, wanted, net, all_forms):
    """Compiled with the shapes at hand and with open ones; split among threads; run by the interpreter; folded. net makes the model."""
    fed, limits = fed_inputs(case), tolerance(case)
    here.mkdir()
    made = net(case)
    same(library(made, here, "fixed", flags=["-O1", *STRICT]).run(list(fed.values())), wanted, **limits)
    if all_forms:
        opened = net(case, open_dims=True)
        same(library(opened, here, "opened", flags=["-O1", *STRICT]).run(list(fed.values())), wanted, **limits)
        split = library(made, here, "split", ["--split-all"], flags=["-O1", "-w", "-pthread", "-DCTC_POOL"])
        same(split.run(list(fed.values()), threads=2), wanted, **limits)
    np.savez(here / "in.npz", **fed)
    ctc_ok("run", here / "fixed.onnx", "--inputs", here / "in.npz", "-o", here / "out.npz")
    out = np.load(here / "out.npz")
    same([out[f"o{k}"] for k, dtype in enumerate(case.outputs) if dtype is not None], wanted, **limits)
    same(library(net(case, fold=True), here, "folded").run([]), wanted, **limits)


def check_layer(name, folder):
    for i, case in enumerate(CASES[name]()):
        try_case(folder / f"{i}", case, expected(name, case), functools.partial(net_of, name), i % 3 == 0)


def check_cases(folder):
    """layers/*/cases.json hold what onnxruntime computes."""
    for name in CASES:
        path = ROOT / "layers" / name / "cases.json"
        assert path.exists() and json.loads(path.read_text()) == cases_of(name), f"{path} is not what layers.py --renew writes"


def all_checks():
    checks = checks_of(sys.modules[__name__])
    del checks["layer"]
    return {**checks, **{name: lambda folder, name=name: check_layer(name, folder) for name in CASES}}


# --- cases.json ---

MOST_ELEMENTS, MOST_CASES = 400, 6  # of the inputs of a case that is kept; of a layer


def number(x):
    """As JSON has it."""
    if isinstance(x, (float, np.floating)) and not np.isfinite(x):
        return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return x.item()


def tensor(x):
    return {"dtype": str(x.dtype), "shape": list(x.shape), "data": [number(element) for element in x.ravel()]}


def cases_of(name):
    layer, kept = descriptor(name), []
    for case in CASES[name]():
        if sum(x.size for x in case.inputs if x is not None) > MOST_ELEMENTS or len(case.outputs) < len(layer["outputs"]) or None in case.outputs:
            continue
        outputs = expected(name, case)
        asked = [output["name"] for output, dtype in zip(layer["outputs"], case.outputs) if dtype is not None]
        limits = tolerance(case)
        kept.append({
            "attributes": case.attributes,
            "inputs": {port["name"]: tensor(x) for port, x in zip(layer["inputs"], case.inputs) if x is not None},
            "outputs": dict(zip(asked, map(tensor, outputs))),
            "rtol": limits["rtol"],
            "atol": limits["atol"],
        })
    return {"cases": kept[:: -(-len(kept) // MOST_CASES)]}


def renew():
    for name in CASES:
        made = cases_of(name)
        rows = ",\n".join(f"  {json.dumps(case)}" for case in made["cases"])
        (ROOT / "layers" / name / "cases.json").write_text(f'{{"cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    if sys.argv[1:] == ["--renew"]:
        renew()
    else:
        run_named(all_checks())
