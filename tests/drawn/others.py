"""Nodes with bodies, of classical models (ai.onnx.ml), and such that draw random numbers."""

import numpy as np

from .draw import Undrawable, draws

F32 = np.dtype(np.float32)
INT64, BOOL = 7, 9


# --- control flow: bodies of a few nodes over the types that the operator takes ---


def port(name, code, shape=None):
    from onnx import helper

    return helper.make_tensor_value_info(name, code, shape)


def body(nodes, inputs, outputs):
    from onnx import helper

    made = [helper.make_node(op, ins, outs, name=f"b_{outs[0]}", **attributes) for op, ins, outs, attributes in nodes]
    return helper.make_graph(made, "body", inputs, outputs)


@draws("If")
def branch(d):
    shape = d.shape(1, 3)
    size = int(np.prod(shape))

    def half(op):
        return body([("Constant", [], [op + "k"], {"value_floats": [1.5] * size}), ("Constant", [], [op + "s"], {"value_ints": list(shape)}),
                     ("Reshape", [op + "k", op + "s"], [op + "r"], {}), (op, [op + "r"], [op], {})], [], [port(op, 1)])

    if not size or d.opset < 13:
        raise Undrawable
    chosen = [d.pick(["Neg", "Exp", "Abs"]), d.pick(["Sqrt", "Relu"])]
    return d.node([d.data(d.pick([(), (1,)]), np.dtype(bool))], {"then_branch": half(chosen[0]), "else_branch": half(chosen[1])})


@draws("Loop")
def loop(d):
    """acc = acc * 0.5 + x; each step's is scanned, too."""
    if d.opset < 13:
        raise Undrawable
    shape = d.shape(0, 3)
    trips = d.between(0, 6)
    step = [("Add", ["acc_in", "acc_in"], ["twice"], {}), ("Tanh", ["twice"], ["acc_out"], {}), ("Neg", ["acc_out"], ["scan"], {}), ("Identity", ["keep_in"], ["keep"], {})]
    sizes = list(shape)
    inner = body(step, [port("i", INT64, []), port("keep_in", BOOL, []), port("acc_in", 1, sizes)], [port("keep", BOOL, []), port("acc_out", 1, sizes), port("scan", 1, sizes)])
    return d.node([d.ints(trips), d.maybe(d.ints(True, bool)), d.data(shape, F32)], {"body": inner}, 2)


@draws("Scan")
def scan(d):
    if d.opset < 9:
        raise Undrawable
    shape, length = d.shape(1, 2, empty=False), d.between(1, 5)
    sizes = list(shape)
    step = [("Add", ["acc_in", "part"], ["sum"], {}), ("Tanh", ["sum"], ["acc_out"], {}), ("Mul", ["sum", "part"], ["scan"], {})]
    inner = body(step, [port("acc_in", 1, sizes), port("part", 1, sizes)], [port("acc_out", 1, sizes), port("scan", 1, sizes)])
    axis = d.below(len(shape) + 1)
    whole = (*shape[:axis], length, *shape[axis:])
    attributes = {"body": inner, "num_scan_inputs": 1, "scan_input_axes": [axis]}
    attributes |= d.some(scan_input_directions=[d.below(2)], scan_output_directions=[d.below(2)], scan_output_axes=[d.below(len(shape) + 1)])
    return d.node([d.data(shape, F32), d.data(whole, F32)], attributes, 2)


# --- random numbers: only their shapes and types can be compared ---


@draws("RandomNormal", "RandomUniform")
def random_numbers(d):
    return d.node([], {"shape": list(d.shape(1)) or [1], "seed": 1.0} | d.some(dtype=d.pick([1, 11])), values=False)


@draws("RandomNormalLike", "RandomUniformLike")
def random_like(d):
    return d.node([d.data(d.shape(), d.type("input", [F32]))], {"seed": 1.0} | d.some(dtype=d.pick([1, 11])), values=False)


@draws("Bernoulli")
def bernoulli(d):
    return d.node([d.data(d.shape(), d.type("input", [F32]), low=0, high=1)], {"seed": 1.0}, values=False)


@draws("Multinomial")
def multinomial(d):
    return d.node([d.data((d.pick([1, 3]), d.pick([2, 5])), d.type("input", [F32]))], {"sample_size": d.between(1, 5), "seed": 1.0} | d.some(dtype=d.pick([6, 7])), values=False)


# --- ai.onnx.ml ---

ML = "ai.onnx.ml"


@draws("ArrayFeatureExtractor", exact=True, domain=ML)
def array_features(d):
    shape = d.shape(1, 3, empty=False)
    return d.node([d.data(shape, d.type("X")), d.ints(d.array((1, d.between(1, 4)), np.dtype(np.int64), low=0, high=shape[-1] - 1))])


@draws("Binarizer", exact=True, domain=ML)
def binarizer(d):
    return d.node([d.data(d.shape(1), d.type("X"))], d.some(threshold=float(d.between(-2, 2)) + 0.25))


@draws("FeatureVectorizer", domain=ML)
def vectorizer(d):
    rows, widths = d.pick([1, 3]), [d.between(1, 4) for _ in range(d.between(1, 3))]
    return d.node([d.data((rows, width), d.type("X")) for width in widths], {"inputdimensions": widths}, exact=True)


@draws("Imputer", exact=True, domain=ML)
def imputer(d):
    rows, width = d.pick([1, 3]), d.pick([1, 4])
    dtype = d.type("X", [F32, np.dtype(np.int64)])
    many = d.pick([1, width])
    if dtype == F32:
        replaced = d.pick([float("nan"), 0.0, 1.5])
        x = np.where(d.rng.random((rows, width)) < 0.3, np.float32(replaced), d.array((rows, width), dtype))
        return d.node([d.ints(x, dtype)], {"replaced_value_float": replaced, "imputed_value_floats": [d.uniform(-2, 2) for _ in range(many)]})
    return d.node([d.data((rows, width), dtype, low=0, high=2)], {"replaced_value_int64": 1, "imputed_value_int64s": [d.between(-5, 5) for _ in range(many)]})


@draws("LabelEncoder", exact=True, domain=ML)
def label_encoder(d):
    keys = d.rng.permutation(8)[:4]
    source, target = d.pick([("int64s", "floats"), ("floats", "int64s"), ("int64s", "int64s"), ("floats", "floats")])
    if d.opset < 2:
        raise Undrawable
    number = {"int64s": int, "floats": float}
    x = d.rng.integers(0, 9, d.shape(1)).astype({"int64s": np.int64, "floats": np.float32}[source])
    defaults = {"int64s": {"default_int64": -1}, "floats": {"default_float": -1.5}}[target]
    return d.node([x], {f"keys_{source}": [number[source](k) for k in keys], f"values_{target}": [number[target](d.between(-9, 9)) for _ in keys]} | defaults)


@draws("LinearRegressor", domain=ML)
def linear_regressor(d):
    width, targets = d.pick([1, 3, 8]), d.pick([1, 2])
    numbers = lambda n: [d.uniform(-2, 2) for _ in range(n)]  # noqa: E731
    return d.node([d.data((d.pick([1, 4]), width), d.type("X", [F32]))], {"coefficients": numbers(width * targets), "targets": targets} | d.some(intercepts=numbers(targets)))


@draws("LinearClassifier", domain=ML)
def linear_classifier(d):
    width, classes = d.pick([1, 3, 8]), d.pick([2, 3, 4])
    numbers = lambda n: [d.uniform(-2, 2) for _ in range(n)]  # noqa: E731
    attributes = {"coefficients": numbers(width * classes), "intercepts": numbers(classes), "classlabels_ints": list(range(classes)), "multi_class": d.below(2)}
    return d.node([d.data((d.pick([1, 4]), width), d.type("X", [F32]))], attributes | d.some(post_transform=d.pick(["NONE", "SOFTMAX", "LOGISTIC"])), 2)


@draws("Normalizer", domain=ML)
def normalizer(d):
    return d.node([d.data((d.pick([1, 3]), d.pick([1, 4])), d.type("X"), low=1, high=5)], {"norm": d.pick(["MAX", "L1", "L2"])})


@draws("OneHotEncoder", exact=True, domain=ML)
def one_hot_encoder(d):
    return d.node([d.ints(d.rng.integers(0, 4, d.shape(1, 2)), d.type("X", [np.dtype(np.int64), F32]))], {"cats_int64s": [0, 1, 2, 3], "zeros": 1})


@draws("Scaler", domain=ML)
def scaler(d):
    width = d.pick([1, 4])
    numbers = lambda n: [d.uniform(0.5, 2) for _ in range(n)]  # noqa: E731
    many = d.pick([1, width])
    return d.node([d.data((d.pick([1, 3]), width), d.type("X"))], {"offset": numbers(many), "scale": numbers(many)})


KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.4, 1.5, 2.0], "RBF": [0.3, 0.0, 0.0], "SIGMOID": [0.2, 0.1, 0.0]}
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def support_vectors(d, count, width, coefficients, shifts):
    kernel = d.pick(KERNELS)
    numbers = lambda n: [d.uniform(-2, 2) for _ in range(n)]  # noqa: E731
    attributes = {"kernel_type": kernel, "kernel_params": KERNELS[kernel], "coefficients": numbers(coefficients), "rho": numbers(shifts)}
    return attributes | ({"support_vectors": numbers(count * width)} if count else {})


@draws("SVMRegressor", domain=ML)
def svm_regressor(d):
    width, count = d.pick([1, 3, 8]), d.pick([0, 1, 4])
    attributes = support_vectors(d, count, width, count or width, 1) | {"n_supports": count} | d.some(one_class=d.below(2))
    attributes |= {} if count else {"kernel_type": "LINEAR"}
    return d.node([d.data((d.pick([1, 4]), width), d.type("X", [F32]))], attributes, magnitude=4)


@draws("SVMClassifier", domain=ML)
def svm_classifier(d):
    width, classes, kind = d.pick([1, 3, 8]), d.pick([2, 3, 5]), d.pick(["votes", "probabilities", "linear"])
    per_class, pairs = [d.between(1, 3) for _ in range(classes)], classes * (classes - 1) // 2
    count = 0 if kind == "linear" else sum(per_class)
    attributes = support_vectors(d, count, width, (classes - 1) * count or classes * width, pairs if count else classes)
    attributes |= {"vectors_per_class": per_class} if count else {"kernel_type": "LINEAR"}
    if kind == "probabilities":
        attributes |= {"prob_a": [d.uniform(-2, -0.1) for _ in range(pairs)], "prob_b": [d.uniform(-1, 1) for _ in range(pairs)]}
    labels = {"classlabels_ints": [10 * i + 5 for i in range(classes)]} if d.chance(0.6) else {"classlabels_strings": [f"class {i}" for i in range(classes)]}
    return d.node([d.data((d.pick([1, 4]), width), d.type("X", [F32]))], attributes | labels | {"post_transform": d.pick(TRANSFORMS)}, 2, magnitude=4)


def tree_nodes(d, trees, width):
    """Complete trees of depth 0 to 3 as the columns of TreeEnsembleRegressor."""
    columns = {name: [] for name in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")}
    leaves = []
    mode = d.pick(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
    for tree in range(trees):
        count = 2 ** d.below(4) - 1
        for node in range(2 * count + 1):
            leaf = node >= count
            row = (tree, node, "LEAF" if leaf else mode, 0 if leaf else d.below(width), 0.0 if leaf else d.uniform(-1, 1),
                   0 if leaf else 2 * node + 1, 0 if leaf else 2 * node + 2)
            for name, value in zip(columns, row):
                columns[name].append(value)
            if leaf:
                leaves.append((tree, node))
    return {"nodes_" + name: values for name, values in columns.items()}, leaves


@draws("TreeEnsembleRegressor", domain=ML)
def tree_regressor(d):
    width, targets = d.pick([1, 3]), d.pick([1, 2])
    columns, leaves = tree_nodes(d, d.pick([1, 3]), width)
    each = [(tree, node, target) for tree, node in leaves for target in range(targets)]
    columns |= {"target_treeids": [t for t, _, _ in each], "target_nodeids": [n for _, n, _ in each], "target_ids": [i for _, _, i in each],
                "target_weights": [d.uniform(-1, 1) for _ in each], "n_targets": targets}
    return d.node([d.ints(d.array((d.pick([1, 5]), width), F32), F32)], columns | d.some(aggregate_function=d.pick(["SUM", "AVERAGE", "MIN", "MAX"])))


@draws("TreeEnsembleClassifier", domain=ML)
def tree_classifier(d):
    width, classes = d.pick([1, 3]), d.pick([3, 4])
    columns, leaves = tree_nodes(d, d.pick([1, 3]), width)
    each = [(tree, node, label) for tree, node in leaves for label in range(classes)]
    columns |= {"class_treeids": [t for t, _, _ in each], "class_nodeids": [n for _, n, _ in each], "class_ids": [i for _, _, i in each],
                "class_weights": [d.uniform(0, 1) for _ in each], "classlabels_int64s": list(range(classes))}
    return d.node([d.ints(d.array((d.pick([1, 5]), width), F32), F32)], columns | d.some(post_transform=d.pick(["NONE", "SOFTMAX"])), 2)


@draws("TreeEnsemble", domain=ML)
def tree_ensemble(d):
    from onnx import helper

    width, depth = d.pick([1, 3]), d.pick([1, 2])
    count = 2**depth - 1
    number = lambda values: helper.make_tensor("", 1, [len(values)], values)  # noqa: E731
    first_leaf = 2 ** (depth - 1) - 1  # nodes from here on have leaves as children
    inner = range(count)
    children = lambda side: [2 * n + side if n < first_leaf else 2 * (n - first_leaf) + side - 1 for n in inner]  # noqa: E731
    is_leaf = [int(n >= first_leaf) for n in inner]
    attributes = {
        "n_targets": 1,
        "tree_roots": [0],
        "nodes_featureids": [d.below(width) for _ in inner],
        "nodes_modes": helper.make_tensor("", 2, [count], [d.pick([0, 1, 2, 3])] * count),
        "nodes_splits": number([d.uniform(-1, 1) for _ in inner]),
        "nodes_truenodeids": children(1),
        "nodes_falsenodeids": children(2),
        "nodes_trueleafs": is_leaf,
        "nodes_falseleafs": is_leaf,
        "leaf_targetids": [0] * (count + 1),
        "leaf_weights": number([d.uniform(-1, 1) for _ in range(count + 1)]),
    }
    d.type("X", [F32])
    return d.node([d.ints(d.array((d.pick([1, 5]), width), F32), F32)], attributes)
