#!/usr/bin/env python3
"""Writes cases.json of each plugin in this folder: random inputs, and what numpy computes of them in float64.

    make_cases.py            writes them
    make_cases.py --check    exits with 1 where one differs from what would be written
"""
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


# --- the formulas; all arrays are float64, of any size ---


def per_channel(parameter, x):
    """A row of numbers as an array that goes along axis 1 of x."""
    return parameter.reshape(-1, *[1] * (x.ndim - 2))


def gdn(x, beta, gamma, inverse=False):
    norm = np.sqrt(np.einsum("ck,nk...->nc...", gamma, x**2) + per_channel(beta, x))
    return x * norm if inverse else x / norm


def snake(x, alpha):
    alpha = per_channel(alpha, x)
    return x + np.sin(alpha * x) ** 2 / alpha


def graph_conv(x, edges, weight, self_weight, bias=0, aggregation="sum"):
    adjacency = np.zeros((len(x), len(x)))
    np.add.at(adjacency, (edges[1], edges[0]), 1)
    if aggregation == "mean":
        adjacency /= np.maximum(adjacency.sum(1, keepdims=True), 1)
    return adjacency @ x @ weight.T + x @ self_weight.T + bias


def graph_pool(x, starts, aggregation="sum"):
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[aggregation]
    parts = [x[first:end] for first, end in zip(starts, starts[1:])]
    rows = [reduce(part, 0) if len(part) else np.zeros(x.shape[1]) for part in parts]
    return np.array(rows).reshape(len(parts), x.shape[1])


def pointwise_conv(x, w, b=np.zeros(1)):
    return np.einsum("kc,nchw->nkhw", w[:, :, 0, 0], x) + per_channel(b, x)


# --- random inputs ---


class Draw:
    """Numbers of three decimals, which float32 and JSON hold alike well."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape):
        return np.round(self.rng.standard_normal(shape), 3)

    def positive(self, *shape):
        return np.round(self.rng.random(shape) + 0.1, 3)

    def edges(self, nodes, count):
        return self.rng.integers(nodes, size=(2, count)) if count else np.zeros((2, 0), np.int64)


def gdn_inputs(draw, *shape):
    channels = shape[1]
    return {"x": draw.normal(*shape), "beta": draw.positive(channels), "gamma": draw.positive(channels, channels)}


def snake_inputs(draw, *shape):
    return {"x": draw.normal(*shape), "alpha": draw.positive(shape[1])}


def graph_inputs(draw, nodes, edges, features, results, bias=True):
    inputs = {
        "x": draw.normal(nodes, features),
        "edges": draw.edges(nodes, edges),
        "weight": draw.normal(results, features),
        "self_weight": draw.normal(results, features),
    }
    return {**inputs, "bias": draw.normal(results)} if bias else inputs


def pool_inputs(draw, features, *sizes):
    starts = np.cumsum([0, *sizes])
    return {"x": draw.normal(starts[-1], features), "starts": starts}


def conv_inputs(draw, n, c, k, h, w, bias=True):
    inputs = {"x": draw.normal(n, c, h, w), "w": draw.normal(k, c, 1, 1)}
    return {**inputs, "b": draw.normal(k)} if bias else inputs


# --- the cases ---

# folder: the formula, the name of its result, and its cases: name, dtype, attributes, inputs by a Draw
CASES = {
    "gdn": (gdn, "y", [
        ("image", "float32", {}, lambda d: gdn_inputs(d, 2, 3, 4, 5)),
        ("inverse", "float32", {"inverse": True}, lambda d: gdn_inputs(d, 1, 5, 3, 3)),
        ("sound", "float32", {"inverse": False}, lambda d: gdn_inputs(d, 1, 17, 9)),
        ("tile and a rest, across images", "float32", {}, lambda d: gdn_inputs(d, 3, 2, 5, 7)),
        ("no place axes", "float32", {}, lambda d: gdn_inputs(d, 37, 3)),
        ("volume", "float32", {"inverse": True}, lambda d: gdn_inputs(d, 1, 2, 2, 3, 2)),
        ("float64", "float64", {}, lambda d: gdn_inputs(d, 2, 4, 3, 2)),
        ("float64, inverse", "float64", {"inverse": True}, lambda d: gdn_inputs(d, 5, 7)),
        ("one channel", "float32", {}, lambda d: gdn_inputs(d, 1, 1, 3)),
        ("no images", "float32", {}, lambda d: gdn_inputs(d, 0, 3, 4)),
        ("no places", "float32", {}, lambda d: gdn_inputs(d, 2, 3, 0, 4)),
        ("no channels", "float32", {}, lambda d: gdn_inputs(d, 2, 0, 3)),
    ]),
    "snake": (snake, "y", [
        ("sound", "float32", {}, lambda d: snake_inputs(d, 2, 3, 19)),
        ("image", "float32", {}, lambda d: snake_inputs(d, 1, 5, 3, 4)),
        ("no place axes", "float32", {}, lambda d: snake_inputs(d, 3, 7)),
        ("float64", "float64", {}, lambda d: snake_inputs(d, 2, 3, 5)),
        ("nothing", "float32", {}, lambda d: snake_inputs(d, 2, 3, 0)),
    ]),
    "graph_conv": (graph_conv, "y", [
        ("sum", "float32", {}, lambda d: graph_inputs(d, 7, 12, 3, 5)),
        ("mean", "float32", {"aggregation": "mean"}, lambda d: graph_inputs(d, 6, 15, 4, 2)),
        ("mean without bias", "float32", {"aggregation": "mean"}, lambda d: graph_inputs(d, 5, 9, 2, 3, bias=False)),
        ("sum without bias", "float32", {"aggregation": "sum"}, lambda d: graph_inputs(d, 3, 4, 17, 1, bias=False)),
        ("float64", "float64", {}, lambda d: graph_inputs(d, 4, 6, 3, 3)),
        ("float64, mean", "float64", {"aggregation": "mean"}, lambda d: graph_inputs(d, 4, 11, 1, 2)),
        ("no edges", "float32", {"aggregation": "mean"}, lambda d: graph_inputs(d, 3, 0, 2, 2)),
        ("no nodes", "float32", {}, lambda d: graph_inputs(d, 0, 0, 2, 3)),
        ("no features", "float32", {}, lambda d: graph_inputs(d, 3, 2, 0, 2)),
        ("no results", "float32", {}, lambda d: graph_inputs(d, 3, 2, 2, 0)),
        ("one node with itself", "float32", {}, lambda d: graph_inputs(d, 1, 2, 2, 2)),
    ]),
    "graph_pool": (graph_pool, "y", [
        ("sum", "float32", {}, lambda d: pool_inputs(d, 5, 3, 1, 4)),
        ("mean", "float32", {"aggregation": "mean"}, lambda d: pool_inputs(d, 3, 2, 5)),
        ("max", "float32", {"aggregation": "max"}, lambda d: pool_inputs(d, 4, 3, 3, 1)),
        ("a graph without nodes", "float32", {"aggregation": "mean"}, lambda d: pool_inputs(d, 2, 2, 0, 3)),
        ("a graph without nodes, max", "float32", {"aggregation": "max"}, lambda d: pool_inputs(d, 2, 0, 2)),
        ("float64", "float64", {"aggregation": "max"}, lambda d: pool_inputs(d, 17, 4, 6)),
        ("float64, mean", "float64", {"aggregation": "mean"}, lambda d: pool_inputs(d, 3, 7)),
        ("no graphs", "float32", {}, lambda d: pool_inputs(d, 3)),
        ("no features", "float32", {}, lambda d: pool_inputs(d, 0, 2, 1)),
    ]),
    "pointwise_conv": (pointwise_conv, "y", [
        ("image", "float32", {}, lambda d: conv_inputs(d, 1, 3, 5, 4, 7)),
        ("without bias", "float32", {}, lambda d: conv_inputs(d, 2, 5, 2, 3, 3, bias=False)),
        ("wide", "float32", {}, lambda d: conv_inputs(d, 1, 2, 3, 1, 67)),
        ("one channel", "float32", {}, lambda d: conv_inputs(d, 1, 1, 1, 2, 2)),
        ("float64", "float64", {}, lambda d: conv_inputs(d, 1, 4, 3, 2, 5)),
        ("no images", "float32", {}, lambda d: conv_inputs(d, 0, 2, 3, 2, 2)),
        ("no places", "float32", {}, lambda d: conv_inputs(d, 1, 2, 3, 0, 2)),
    ]),
}  # fmt: skip

# A kernel may add up in another order than numpy.
TOLERANCES = {"float32": {}, "float64": {"rtol": 1e-11, "atol": 1e-12}}
DIGITS = {"float32": 9, "float64": 14}


def typed(array, dtype):
    """As the plugin gets it: integers stay what they are."""
    return array if array.dtype.kind == "i" else array.astype(dtype)


def tensor(array, dtype):
    """TENSOR of cases.json."""
    if array.dtype.kind == "i":
        return {"dtype": "int64", "shape": list(array.shape), "data": array.ravel().tolist()}
    data = [float(f"{number:.{DIGITS[dtype]}g}") for number in array.ravel()]
    return {"dtype": dtype, "shape": list(array.shape), "data": data}


def make_case(formula, result, seed, name, dtype, attributes, make_inputs):
    inputs = make_inputs(Draw(seed))
    # What float32 makes of three decimals is what the plugin computes with.
    exact = {key: typed(array, dtype).astype(np.float64) if array.dtype.kind == "f" else array for key, array in inputs.items()}
    case = {"name": name}
    if attributes:
        case["attributes"] = attributes
    case["inputs"] = {key: tensor(array, dtype) for key, array in inputs.items()}
    case["outputs"] = {result: tensor(formula(**exact, **attributes), dtype)}
    return {**case, **TOLERANCES[dtype]}


def text_of(folder):
    """cases.json: a line for each tensor."""
    formula, result, rows = CASES[folder]
    cases = [make_case(formula, result, seed, *row) for seed, row in enumerate(rows)]
    return '{"cases": [\n' + ",\n".join(case_text(case) for case in cases) + "\n]}\n"


def case_text(case):
    lines = []
    for key, field in case.items():
        if key in ("inputs", "outputs"):
            tensors = ",\n".join(f"   {json.dumps(name)}: {json.dumps(made)}" for name, made in field.items())
            lines.append(f"  {json.dumps(key)}: {{\n{tensors}}}")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(field)}")
    return " {" + ",\n".join(lines)[1:] + "}"


def main():
    different = []
    for folder in CASES:
        path, text = HERE / folder / "cases.json", text_of(folder)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            different.append(str(path))
    print("\n".join(f"{path} is not what make_cases.py writes" for path in different), end="\n" if different else "")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
