"""The plugins in plugins/: their cases through ONNX and JSON with several compilers, against numpy in float64.

    shipped_plugins.py NAME…        only these checks
"""

import functools
import json
import sys

import numpy as np

import ctc_model
from common import (
    BAD_INDEX,
    ROOT,
    STRICT,
    checks_of,
    compile_c,
    ctc_ok,
    library,
    model,
    onnxruntime_outputs,
    refused,
    run_named,
    same,
    value,
)

PLUGINS = ROOT / "plugins"
sys.path.insert(0, str(PLUGINS))

import make_cases

FOLDERS = sorted(path.parent.name for path in PLUGINS.glob("*/layer.json"))
DOMAIN = "ctc.layers"
POOL = ["-O1", "-w", "-pthread", "-DCTC_POOL"]
# What the vector code is compiled for; where the machine cannot run it, it is compiled only.
WIDTHS = {"scalar": ["-DCTC_SCALAR"], "avx2": ["-mavx2", "-mfma"], "native": ["-march=native"]}


# --- cases.json ---


def array_of(tensor):
    return np.array(tensor["data"], tensor["dtype"]).reshape(tensor["shape"])


class Shipped:
    """A plugin and its cases, as models in which each case is a node with inputs of its own."""

    def __init__(self, folder):
        self.folder = PLUGINS / folder
        self.layer = json.loads((self.folder / "layer.json").read_text())
        self.cases = json.loads((self.folder / "cases.json").read_text())["cases"]
        self.parameters = {port["name"] for port in self.layer["inputs"] if port.get("parameter")}
        self.names = [port["name"] for port in self.layer["inputs"]]
        self.result = self.layer["outputs"][0]["name"]

    def each(self):
        """(name of the node, case, names of inputs, arrays by those names)"""
        for i, case in enumerate(self.cases):
            names = [f"c{i}.{name}" if name in case["inputs"] else "" for name in self.names]
            while not names[-1]:
                names.pop()
            yield f"c{i}", case, names, {f"c{i}.{name}": array_of(tensor) for name, tensor in case["inputs"].items()}

    def is_parameter(self, name):
        return name.split(".")[1] in self.parameters

    def data(self):
        return [array for _, _, _, arrays in self.each() for name, array in arrays.items() if not self.is_parameter(name)]

    def onnx(self, open_dims=False):
        from onnx import helper

        nodes, inputs, outputs, constants = [], [], [], {}
        for node, case, names, arrays in self.each():
            attributes = {name: int(v) if isinstance(v, bool) else v for name, v in case.get("attributes", {}).items()}
            nodes.append(helper.make_node(self.layer["name"], names, [node], name=node, domain=DOMAIN, **attributes))
            for name, array in arrays.items():
                if self.is_parameter(name):
                    constants[name] = array
                else:
                    shape = [f"{name}.{d}" for d in range(array.ndim)] if open_dims else list(array.shape)
                    inputs.append(value(name, shape, array.dtype))
            outputs.append(value(node, None, array_of(case["outputs"][self.result]).dtype))
        made = model(nodes, inputs, outputs, constants)
        made.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        return made

    def json(self, folder):
        """Layers of the plugin's type, whose weights are found by their names."""
        inputs, nodes, weights = [], [], {}
        for node, case, names, arrays in self.each():
            data = [name if name in arrays and not self.is_parameter(name) else "" for name in names]
            data = data[: 1 + max(i for i, name in enumerate(data) if name)]
            layer = {"name": node, "type": self.layer["name"], "inputs": data, **case.get("attributes", {})}
            if layer["type"] in ("GDN", "IGDN"):  # a layer of ctc has that name too
                layer = {"name": node, "type": "onnx", "op": layer["type"], "domain": DOMAIN, "inputs": names, "attributes": case.get("attributes", {})}
            nodes.append(layer)
            for name, array in arrays.items():
                if self.is_parameter(name):
                    weights[name] = array
                else:
                    inputs.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
        np.savez(folder / "net.npz", **weights)
        made = {"ctc": 1, "weights": "net.npz", "inputs": inputs, "nodes": nodes, "outputs": [node["name"] for node in nodes]}
        path = folder / "net.json"
        path.write_text(json.dumps(made))
        return path

    def compare(self, results):
        for (_, case, _, _), result in zip(self.each(), results, strict=True):
            expected = array_of(case["outputs"][self.result])
            try:
                same([result], [expected], rtol=case.get("rtol", 1e-5), atol=case.get("atol", 1e-6))
            except AssertionError as error:
                raise AssertionError(f"{case['name']}: {error}") from None


# --- checks of each plugin ---


def through_onnx(plugin, folder):
    """Known sizes, strict C99; warnings of clang and g++."""
    net = library(plugin.onnx(), folder, options=["--plugin", plugin.folder], flags=["-O2", *STRICT])
    plugin.compare(net.run(plugin.data()))
    compile_c(["clang", *STRICT, "-fsyntax-only", "net.c"], folder)
    compile_c(["g++", "-x", "c++", *STRICT[1:], "-Wno-unused-function", "-fsyntax-only", "net.c"], folder)


def through_json(plugin, folder):
    ctc_ok("compile", plugin.json(folder), "-o", folder / "net.c", "--plugin", plugin.folder, "--quiet")
    compile_c(["clang", "-O1", *STRICT, "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"], folder)
    plugin.compare(ctc_model.load(folder / "net.so", "net").run(plugin.data()))


def with_threads(plugin, folder):
    """Open sizes; all steps in parts: any number of threads gives the same bytes."""
    net = library(plugin.onnx(open_dims=True), folder, options=["--plugin", plugin.folder, "--split-all"], flags=POOL)
    alone = net.run(plugin.data())
    plugin.compare(alone)
    for threads in (2, 3):
        shared = net.run(plugin.data(), threads=threads)
        assert [a.tobytes() for a in alone] == [b.tobytes() for b in shared], f"{threads} threads"


def with_widths(plugin, folder):
    """For each width of the registers."""
    known = open("/proc/cpuinfo").read()
    for name, flags in WIDTHS.items():
        (folder / name).mkdir()
        net = library(plugin.onnx(), folder / name, options=["--plugin", plugin.folder], flags=["-O2", "-w", *flags])
        if name != "avx2" or " avx2" in known:
            plugin.compare(net.run(plugin.data()))


def checked(plugin, _):
    """`ctc plugin check`: sanitizers, random calls, gradients."""
    ctc_ok("plugin", "check", plugin.folder, "--seed", "5")


EACH = {"onnx": through_onnx, "json": through_json, "threads": with_threads, "widths": with_widths, "checked": checked}


def plugin_checks():
    plugins = {folder: Shipped(folder) for folder in FOLDERS}
    return {f"{name} {folder}": functools.partial(check, plugin) for folder, plugin in plugins.items() for name, check in EACH.items()}


# --- what else there is to them ---


def check_cases_are_made(_):
    """cases.json is what make_cases.py writes, of each plugin."""
    assert sorted(make_cases.CASES) == FOLDERS
    for folder in FOLDERS:
        assert (PLUGINS / folder / "cases.json").read_text() == make_cases.text_of(folder), f"{folder}: make_cases.py writes another one"


def check_listed(_):
    """README.md has a line for each."""
    text = (PLUGINS / "README.md").read_text()
    for folder in FOLDERS:
        assert f"[{folder}]({folder}/layer.json)" in text, folder


def one_node(folder, op, constants, inputs, **attributes):
    """A library of one node with open sizes, from a plugin; `inputs`: names and arrays."""
    from onnx import helper

    names = [*inputs, *constants]
    layer = helper.make_node(op, names, ["y"], name="layer", domain=DOMAIN, **attributes)
    ports = [value(name, [f"{name}.{d}" for d in range(array.ndim)], array.dtype) for name, array in inputs.items()]
    made = model([layer], ports, [value("y", None, next(iter(inputs.values())).dtype)], constants)
    made.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return made


def large(folder, name, op, formula, inputs, parameters, dtype, **attributes):
    """More than a case holds: several tiles, parts, lanes and what is left of each."""
    typed = {key: make_cases.typed(array, dtype) for key, array in inputs.items()}
    exact = {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in typed.items()}
    constants = {key: typed.pop(key) for key in parameters}
    expected = formula(**exact, **attributes).astype(dtype)
    made = one_node(folder, op, constants, typed, **attributes)
    net = library(made, folder, options=["--plugin", PLUGINS / name, "--split-all"], flags=["-O2", "-march=native", *POOL[1:]])
    tolerance = {"rtol": 2e-5, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    results = [net.run(list(typed.values()), threads=threads) for threads in (1, 3)]
    same(results[0], [expected], **tolerance)
    assert results[0][0].tobytes() == results[1][0].tobytes(), "with threads"


def check_gdn_large(folder):
    shapes = [(3, 45, 19, 23), (1, 70, 33), (600, 5), (1, 3, 1200), (2, 192, 7, 5)]
    for i, shape in enumerate(shapes):
        inputs = make_cases.gdn_inputs(make_cases.Draw(i), *shape)
        dtype = (np.float32, np.float64)[i % 2]
        (folder / str(i)).mkdir()
        large(folder / str(i), "gdn", "GDN", make_cases.gdn, inputs, ["beta", "gamma"], dtype, inverse=i % 3 == 1)


def check_graphs_large(folder):
    for i, (aggregation, dtype) in enumerate([("sum", np.float32), ("mean", np.float32), ("mean", np.float64)]):
        inputs = make_cases.graph_inputs(make_cases.Draw(i), 150, 400, 37, 41)
        (folder / str(i)).mkdir()
        large(folder / str(i), "graph_conv", "GraphConv", make_cases.graph_conv, inputs, ["weight", "self_weight", "bias"], dtype,
              aggregation=aggregation)


def check_wrong_nodes(folder):
    """Edges from and to nodes that are not there, also where there is no node at all."""
    inputs = make_cases.graph_inputs(make_cases.Draw(1), 4, 6, 3, 2)
    constants = {key: inputs[key].astype(np.float32) for key in ("weight", "self_weight", "bias")}
    x, edges = inputs["x"].astype(np.float32), inputs["edges"]
    made = one_node(folder, "GraphConv", constants, {"x": x, "edges": edges})
    net = library(made, folder, options=["--plugin", PLUGINS / "graph_conv"])
    net.run([x, edges])
    for side, wrong in [(0, 4), (0, -1), (1, 4), (1, -1), (1, 2**62)]:
        other = edges.copy()
        other[side, 3] = wrong
        refused(net, [x, other], BAD_INDEX)
    refused(net, [x[:0], edges], BAD_INDEX)
    assert net.run([x[:0], edges[:, :0]])[0].shape == (0, 2)


def check_wrong_starts(folder):
    x = np.ones((5, 2), np.float32)
    net = library(one_node(folder, "GraphPool", {}, {"x": x, "starts": np.array([0, 5])}), folder, options=["--plugin", PLUGINS / "graph_pool"])
    assert net.run([x, np.array([0, 5])])[0].tolist() == [[5, 5]]
    for starts in ([0, 6], [-1, 5], [0, 3, 2], [0, 2**62, 5]):
        refused(net, [x, np.array(starts)], BAD_INDEX)


def check_replaces(folder):
    """Of convolutions as exporters write them those with 1x1 filters of some size, and no others."""
    plain = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
    others = [({"strides": [2, 2]}, (4, 3, 1, 1)), ({"pads": [1] * 4}, (4, 3, 1, 1)), ({"group": 3}, (6, 1, 1, 1)),
              ({"kernel_shape": [3, 3]}, (4, 3, 3, 3)), ({}, (3, 3, 1, 1))]
    draw = make_cases.Draw(2)
    for i, (change, shape) in enumerate([({}, (4, 3, 1, 1)), *others]):
        weights = {"w": draw.normal(*shape).astype(np.float32), "b": draw.normal(shape[0]).astype(np.float32)}
        made = model([("Conv", ["x", "w", "b"], ["y"], {**plain, **change})], [value("x", [2, 3, 6, 6])], [value("y", None)], weights)
        x = draw.normal(2, 3, 6, 6).astype(np.float32)
        (folder / str(i)).mkdir()
        net = library(made, folder / str(i), options=["--plugin", PLUGINS / "pointwise_conv"])
        same(net.run([x]), onnxruntime_outputs(made, {"x": x}))
        assert ("pointwiseconv_" in (folder / str(i) / "net.c").read_text()) == (i == 0), (change, shape)


SQUARES = {"Mul": ("Mul", ["x", "x"], ["q"]), "Pow": ("Pow", ["x", "two"], ["q"])}
SCALES = {
    "Div": [("Div", ["x", "r"], ["y"])],
    "Mul": [("Mul", ["r", "x"], ["y"])],
    "1 / root": [("Div", ["one", "r"], ["s"]), ("Mul", ["x", "s"], ["y"])],
    "Reciprocal": [("Reciprocal", ["r"], ["s"]), ("Mul", ["x", "s"], ["y"])],
}
# What PyTorch's exporters make of GDN and IGDN that are written as functions.
WRITTEN = [("Mul", "Div"), ("Mul", "Mul"), ("Pow", "Div"), ("Pow", "Mul"), ("Pow", "1 / root"), ("Pow", "Reciprocal")]


def check_gdn_of_four_nodes(folder):
    """The squares, a 1x1 convolution, a root and a division become one node."""
    for i, (square, scale) in enumerate(WRITTEN):
        inputs = make_cases.gdn_inputs(make_cases.Draw(i), 2, 5, 4, 3)
        constants = {"two": np.float32(2), "one": np.float32([1]), "b": inputs["beta"].astype(np.float32)}
        constants["g"] = inputs["gamma"].astype(np.float32)[:, :, None, None]
        nodes = [SQUARES[square], ("Conv", ["q", "g", "b"], ["n"]), ("Sqrt", ["n"], ["r"]), *SCALES[scale]]
        used = {name for node in nodes for name in node[1]}
        made = model(nodes, [value("x", [2, 5, 4, 3])], [value("y", None)], {name: constants[name] for name in constants if name in used})
        (folder / str(i)).mkdir()
        net = library(made, folder / str(i), options=["--plugin", PLUGINS / "gdn"])
        x = inputs["x"].astype(np.float32)
        same(net.run([x]), onnxruntime_outputs(made, {"x": x}))
        text = (folder / str(i) / "net.c").read_text()
        assert "gdn_f32(" in text and "conv" not in text, (square, scale)


def check_gdn_layers(folder):
    """The layers GDN and IGDN of JSON models, which are such nodes."""
    for kind, shape in [("GDN", (2, 3, 7)), ("IGDN", (2, 3, 7)), ("GDN", (1, 4, 3, 5)), ("IGDN", (1, 4, 3, 5)), ("GDN", (1, 3, 2, 3, 2)), ("IGDN", (1, 3, 2, 3, 2))]:
        inputs = {key: array.astype(np.float32) for key, array in make_cases.gdn_inputs(make_cases.Draw(4), *shape).items()}
        np.savez(folder / "net.npz", **{f"0.{name}": inputs[name] for name in ("beta", "gamma")})
        made = {"ctc": 1, "weights": "net.npz", "inputs": [{"name": "x", "shape": list(shape)}], "layers": [{"type": kind, "in_channels": shape[1]}]}
        (folder / "net.json").write_text(json.dumps(made))
        name = f"net{len(shape)}{kind}"
        ctc_ok("compile", folder / "net.json", "-o", folder / f"{name}.c", "--prefix", name, "--plugin", PLUGINS / "gdn", "--quiet")
        compile_c(["gcc", "-O1", "-w", "-shared", "-fPIC", f"{name}.c", "-o", f"{name}.so", "-lm"], folder)
        expected = make_cases.gdn(**inputs, inverse=kind == "IGDN").astype(np.float32)
        same(ctc_model.load(folder / f"{name}.so", name).run([inputs["x"]]), [expected], rtol=1e-5, atol=1e-6)
        assert "gdn_f32(" in (folder / f"{name}.c").read_text(), (kind, shape)


def check_fused(folder):
    """An activation between two others is part of their loop, on vectors."""
    from onnx import helper

    alpha, x = np.float32([0.5, 2, 1.5]), make_cases.Draw(3).normal(2, 3, 50).astype(np.float32)
    layer = helper.make_node("Snake", ["a", "alpha"], ["b"], domain=DOMAIN)
    made = model([("Neg", ["x"], ["a"]), layer, ("Neg", ["b"], ["y"])], [value("x", [2, 3, 50])], [value("y", [2, 3, 50])], {"alpha": alpha})
    made.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    net = library(made, folder, options=["--plugin", PLUGINS / "snake"])
    same(net.run([x]), [-make_cases.snake(-x.astype(np.float64), alpha).astype(np.float32)])
    assert "= snake_v(" in (folder / "net.c").read_text()


def all_checks():
    return {**checks_of(sys.modules[__name__]), **plugin_checks()}


if __name__ == "__main__":
    run_named(all_checks())
