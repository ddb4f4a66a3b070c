"""Trees and linear models of ai.onnx.ml against onnxruntime: every post_transform (PROBIT against numpy), every aggregate_function, base values, one class's votes or all classes'."""

import itertools

import numpy as np

from common import checks_of, run_named
from strings import FLOAT, INT64, compare, compiled, made

ML = "ai.onnx.ml"
FEATURES = 3
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def numbers(rng, count, low=-1.0):
    return rng.uniform(low, 1, count).astype(np.float32).tolist()


def forest(rng, mode, trees=3):
    """Complete trees of depth 2 as nodes_…, and (tree, node) of each leaf."""
    names = ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")
    rows = [
        (tree, node, "LEAF" if node > 2 else mode, int(rng.integers(FEATURES)), float(rng.integers(-1, 2)) / 2, *((0, 0) if node > 2 else (2 * node + 1, 2 * node + 2)), int(rng.integers(2)))
        for tree, node in itertools.product(range(trees), range(7))
    ]
    return {f"nodes_{name}": list(column) for name, column in zip(names, zip(*rows))}, [row[:2] for row in rows if row[2] == "LEAF"]


def votes(rng, stem, leaves, targets, low):
    each = [(tree, node, target) for tree, node in leaves for target in targets]
    tree, node, target = (list(column) for column in zip(*each))
    return {f"{stem}_treeids": tree, f"{stem}_nodeids": node, f"{stem}_ids": target, f"{stem}_weights": numbers(rng, len(each), low)}


def run(folder, nodes, gaps=False):
    x = np.random.default_rng(1).integers(-2, 3, (9, FEATURES)).astype(np.float32) / 2
    if gaps:
        x[::2, 1] = np.nan
    compare(made(nodes, {"x": (FLOAT, ["n", FEATURES])}), folder, {"x": x})


def check_tree_regressor(folder):
    rng, nodes = np.random.default_rng(1), []
    cases = itertools.product(("SUM", "AVERAGE", "MIN", "MAX"), TRANSFORMS, (1, 2, 3), (False, True))
    for i, (aggregate, transform, targets, based) in enumerate(cases):
        columns, leaves = forest(rng, MODES[i % 6])
        attributes = columns | votes(rng, "target", leaves, range(targets), -1.0) | {"n_targets": targets, "aggregate_function": aggregate, "post_transform": transform}
        attributes |= {"base_values": numbers(rng, targets)} if based else {}
        nodes.append(("TreeEnsembleRegressor", ["x"], [(f"y{i}", FLOAT)], attributes, ML))
    run(folder, nodes)
    run(folder, nodes, gaps=True)


def probit(p):
    """The standard's approximation of the quantile, in float64: onnxruntime's in float32 cancels."""
    u, a = 2 * p.astype(np.float64) - 1, 0.147
    tail = np.log(1 - u * u)
    v = 2 / (3.14159 * a) + tail / 2
    return 1.41421356 * np.sign(u) * np.sqrt(np.sqrt(v * v - tail / a) - v)


def check_probit(folder):
    """Of probabilities from 0.001 to 0.999 and in the middle, where nothing must become NaN."""
    shares = np.concatenate([np.linspace(0.001, 0.999, 301), 0.5 + np.array([0, 1e-7, -1e-7, 1e-4])]).astype(np.float32)
    one = {"coefficients": [1.0], "targets": 1, "post_transform": "PROBIT"}
    model = made([("LinearRegressor", ["x"], [("y", FLOAT)], one, ML)], {"x": (FLOAT, ["n", 1])})
    y = compiled(model, folder).run([shares[:, None]])[0]
    np.testing.assert_allclose(y[:, 0], probit(shares), rtol=2e-6, atol=1e-6)


def check_tree_classifier(folder):
    rng, nodes = np.random.default_rng(2), []
    cases = itertools.product(TRANSFORMS, ((2, (0,)), (2, (1,)), (2, (0, 1)), (3, (0, 1, 2)), (4, (1, 3))), (-1.0, 0.0), (False, True))
    for i, (transform, (classes, voted), low, based) in enumerate(cases):
        columns, leaves = forest(rng, MODES[i % 6])
        attributes = columns | votes(rng, "class", leaves, voted, low) | {"classlabels_int64s": [10 * k + 3 for k in range(classes)], "post_transform": transform}
        attributes |= {"base_values": numbers(rng, classes)} if based and classes > 2 else {}
        nodes.append(("TreeEnsembleClassifier", ["x"], [(f"l{i}", INT64), (f"y{i}", FLOAT)], attributes, ML))
    run(folder, nodes)


def check_linear_regressor(folder):
    rng, nodes = np.random.default_rng(3), []
    for i, (transform, targets, shifted) in enumerate(itertools.product(TRANSFORMS, (1, 2, 3), (False, True))):
        attributes = {"coefficients": numbers(rng, FEATURES * targets), "targets": targets, "post_transform": transform}
        attributes |= {"intercepts": numbers(rng, targets)} if shifted else {}
        nodes.append(("LinearRegressor", ["x"], [(f"y{i}", FLOAT)], attributes, ML))
    run(folder, nodes)


def check_linear_classifier(folder):
    rng, nodes = np.random.default_rng(4), []
    for i, (transform, (classes, scores), multi) in enumerate(itertools.product(TRANSFORMS, ((2, 1), (2, 2), (3, 3), (5, 5)), (0, 1))):
        attributes = {"coefficients": numbers(rng, FEATURES * scores), "intercepts": numbers(rng, scores), "post_transform": transform, "multi_class": multi}
        attributes["classlabels_ints"] = [7 * k + 1 for k in range(classes)]
        nodes.append(("LinearClassifier", ["x"], [(f"l{i}", INT64), (f"y{i}", FLOAT)], attributes, ML))
    run(folder, nodes)


def check_normalizer_and_scaler(folder):
    nodes = [("Normalizer", ["x"], [(f"n{norm}", FLOAT)], {"norm": norm}, ML) for norm in ("MAX", "L1", "L2")]
    for i, (offset, scale) in enumerate((([0.5], [2.0]), ([0.5, 1.0, -1.0], [2.0, 0.25, 3.0]))):
        nodes.append(("Scaler", ["x"], [(f"s{i}", FLOAT)], {"offset": offset, "scale": scale}, ML))
    run(folder, nodes)


if __name__ == "__main__":
    run_named(checks_of(__import__(__name__)))
