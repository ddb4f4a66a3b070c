"""SVMClassifier and SVMRegressor against onnxruntime: all kernels, with and without probabilities, linear, all post_transforms."""

import itertools

import numpy as np

from common import checks_of, run_named
from strings import FLOAT, INT64, STRING, compare, made

FEATURES = 3
KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.4, 1.5, 2.0], "RBF": [0.3, 0.0, 0.0], "SIGMOID": [0.2, 0.1, 0.0]}
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")


def numbers(rng, count, positive=False):
    values = rng.random(count) if positive else rng.standard_normal(count)
    return values.astype(np.float32).tolist()


def machine(rng, classes, kernel, positive, kind):
    """Attributes of a classifier: "votes", "probabilities" or "linear"."""
    attributes = {"classlabels_ints": [10 * i + 5 for i in range(classes)], "kernel_type": kernel, "kernel_params": KERNELS[kernel]}
    pairs = classes * (classes - 1) // 2
    if kind == "linear":
        return attributes | {"coefficients": numbers(rng, classes * FEATURES, positive), "rho": numbers(rng, classes)}
    per_class = [2 + i for i in range(classes)]
    count = sum(per_class)
    attributes |= {"vectors_per_class": per_class, "support_vectors": numbers(rng, count * FEATURES), "rho": numbers(rng, pairs)}
    attributes["coefficients"] = numbers(rng, (classes - 1) * count, positive)
    if kind == "probabilities":
        attributes |= {"prob_a": [-value for value in numbers(rng, pairs, True)], "prob_b": numbers(rng, pairs)}
    return attributes


def run(folder, nodes):
    x = np.random.default_rng(1).standard_normal((7, FEATURES)).astype(np.float32)
    compare(made(nodes, {"x": (FLOAT, ["n", FEATURES])}), folder, {"x": x})


def check_classifier(folder):
    rng = np.random.default_rng(2)
    nodes = []
    for i, (classes, kernel, positive, kind) in enumerate(itertools.product((2, 3, 5), KERNELS, (0, 1), ("votes", "probabilities", "linear"))):
        attributes = machine(rng, classes, kernel, positive, kind) | {"post_transform": TRANSFORMS[i % 4]}
        nodes.append(("SVMClassifier", ["x"], [(f"y{i}", INT64), (f"z{i}", FLOAT)], attributes, "ai.onnx.ml"))
    run(folder, nodes)


def check_names(folder):
    attributes = machine(np.random.default_rng(3), 3, "RBF", 0, "votes")
    attributes["classlabels_strings"] = [f"class {label}" for label in attributes.pop("classlabels_ints")]
    run(folder, [("SVMClassifier", ["x"], [("y", STRING), ("z", FLOAT)], attributes, "ai.onnx.ml")])


def check_regressor(folder):
    rng = np.random.default_rng(4)
    nodes = []
    for i, (kernel, one_class) in enumerate(itertools.product(KERNELS, (0, 1))):
        attributes = {"kernel_type": kernel, "n_supports": 4, "one_class": one_class, "coefficients": numbers(rng, 4), "rho": [0.25]}
        attributes |= {"support_vectors": numbers(rng, 4 * FEATURES), "kernel_params": KERNELS[kernel]}
        nodes.append(("SVMRegressor", ["x"], [(f"y{i}", FLOAT)], attributes, "ai.onnx.ml"))
    linear = {"coefficients": numbers(rng, FEATURES), "rho": [0.5], "kernel_params": KERNELS["LINEAR"]}
    nodes.append(("SVMRegressor", ["x"], [("linear", FLOAT)], linear, "ai.onnx.ml"))
    run(folder, nodes)


if __name__ == "__main__":
    run_named(checks_of(__import__(__name__)))
