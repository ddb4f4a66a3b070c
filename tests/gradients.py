"""Gradient of ai.onnx.preview.training: derivatives of each operator that has one, against central differences.

A model computes `loss` = sum of y * w for a node's result y and weights w, and the gradients of `loss`. The differences are of
onnx.reference in float64, at two distances, so that elements where the function is not smooth are seen and left out.
"""

import functools
import math
import re

import numpy as np

from common import ROOT, ctc, ctc_ok, library, model, save, value

TRAINING = "ai.onnx.preview.training"


def data(*shape, low=-2.0, high=2.0, seed=0):
    return np.random.default_rng(list(shape) + [seed]).uniform(low, high, shape)


def ints(*values):
    return np.array(values, np.int64)


X, ROWS, CUBE = data(3, 4), data(4), data(2, 3, 4)
POSITIVE, SMALL = data(3, 4, low=0.3), data(3, 4, low=-0.9, high=0.9)
UNARY = {name: (X, {}) for name in """Abs Atan Ceil Cos Cosh Elu Celu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Neg Reciprocal
                Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Swish Tan Tanh Asinh Flatten Dropout ThresholdedRelu""".split()}
UNARY |= {name: (SMALL, {}) for name in ("Acos", "Asin", "Atanh")} | {name: (POSITIVE, {}) for name in ("Log", "Sqrt")}
UNARY |= {"Acosh": (POSITIVE + 1, {}), "Cast": (X, {"to": 11})}
WITH_ATTRIBUTES = [("Elu", {"alpha": 0.7}), ("LeakyRelu", {"alpha": 0.3}), ("Gelu", {"approximate": "tanh"}), ("Swish", {"alpha": 1.5}),
                   ("Celu", {"alpha": 0.6}), ("Selu", {"alpha": 1.2, "gamma": 0.9}), ("Softmax", {}), ("Softmax", {"axis": 0}), ("LogSoftmax", {}),
                   ("LogSoftmax", {"axis": 0}), ("Transpose", {}), ("Transpose", {"perm": [1, 0]}), ("DepthToSpace", {"blocksize": 2}),
                   ("SpaceToDepth", {"blocksize": 2}), ("Split", {"num_outputs": 2, "axis": 1})]
REDUCTIONS = "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare".split()


def cases():
    """(name, operator, inputs, which of them are differentiated, attributes, opset)"""
    for name, (x, attributes) in UNARY.items():
        yield name, name, [x], [0], attributes, 24
    for name, attributes in WITH_ATTRIBUTES:
        x = {"DepthToSpace": data(1, 4, 2, 3), "SpaceToDepth": data(1, 2, 4, 2)}.get(name, X)
        yield f"{name}_{attributes}", name, [x], [0], attributes, 24
    for name in ("Softmax", "LogSoftmax"):
        yield f"{name}_before_13", name, [CUBE], [0], {"axis": 1}, 11
    for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"):
        for label, a, b in (("same", X, POSITIVE), ("row", X, ROWS + 3), ("column", data(3, 1), POSITIVE), ("number", CUBE, data() + 3)):
            yield f"{name}_{label}", name, [a, b], [0, 1], {}, 24
    yield "Sum_of_three", "Sum", [X, ROWS, data(3, 1)], [0, 1, 2], {}, 24
    yield "Max_of_three", "Max", [X, ROWS, data(3, 1)], [0, 1, 2], {}, 24
    yield "Pow", "Pow", [POSITIVE, X], [0, 1], {}, 24
    yield "Pow_of_integer", "Pow", [X, ints(3)], [0], {}, 24
    yield "PRelu", "PRelu", [X, ROWS], [0, 1], {}, 24
    yield "Where", "Where", [X > 0, X, ROWS], [1, 2], {}, 24
    yield "Clip", "Clip", [X, np.array(-1.0), np.array(1.0)], [0], {}, 24
    for name in REDUCTIONS:
        x = CUBE + 3 if name == "ReduceLogSum" else CUBE
        for label, axes, attributes in (("all", [], {}), ("last", [ints(-1)], {"keepdims": 0}), ("two", [ints(0, 2)], {}), ("first", [ints(0)], {"keepdims": 0})):
            yield f"{name}_{label}", name, [x, *axes], [0], attributes, 24
        yield f"{name}_11", name, [x], [0], {"axes": [1], "keepdims": 0}, 11
    for label, a, b in (("plain", (3, 4), (4, 2)), ("stack", (2, 3, 4), (2, 4, 5)), ("spread", (2, 3, 4), (4, 5)), ("vector", (3, 4), (4,)),
                        ("left_vector", (4,), (2, 4, 3)), ("dot", (4,), (4,)), ("broadcast", (2, 1, 3, 4), (3, 4, 2))):
        yield f"MatMul_{label}", "MatMul", [data(*a), data(*b, seed=1)], [0, 1], {}, 24
    for a in (0, 1):
        for b in (0, 1):
            shapes = [(4, 3) if a else (3, 4), (5, 4) if b else (4, 5), (5,)]
            yield f"Gemm_{a}{b}", "Gemm", [data(*s) for s in shapes], [0, 1, 2], {"transA": a, "transB": b, "alpha": 0.7, "beta": 1.3}, 24
    yield "Reshape", "Reshape", [X, ints(2, 6)], [0], {}, 24
    yield "Squeeze", "Squeeze", [data(3, 1, 2), ints(1)], [0], {}, 24
    yield "Unsqueeze", "Unsqueeze", [X, ints(1)], [0], {}, 24
    yield "Expand", "Expand", [data(3, 1), ints(2, 3, 4)], [0], {}, 24
    yield "Tile", "Tile", [X, ints(2, 3)], [0], {}, 24
    yield "Concat", "Concat", [X, data(3, 2), data(3, 1)], [0, 2], {"axis": -1}, 24
    yield "Slice", "Slice", [CUBE, ints(3, 0), ints(-5, 2), ints(2, 1), ints(-2, 1)], [0], {}, 24
    yield "Gather", "Gather", [CUBE, np.array([[0, 2], [2, -1]])], [0], {"axis": 1}, 24
    yield "GatherElements", "GatherElements", [X, np.array([[0, 0, 3]] * 3)], [0], {"axis": 1}, 24
    yield "GatherND", "GatherND", [X, np.array([[0, 1], [2, 3], [0, 1]])], [0], {}, 24
    yield "ReverseSequence", "ReverseSequence", [X, ints(1, 3, 2, 2)], [0], {"time_axis": 0, "batch_axis": 1}, 24


def training_model(operator, inputs, which, attributes, opset, weights=None):
    """Of `loss` and its gradients; without weights, of the node's results."""
    names = [f"x{i}" for i in range(len(inputs))]
    results = [f"y{i}" for i in range(attributes.get("num_outputs", 1))]
    constants = {} if operator.startswith("Gather") else {name: x for name, x in zip(names, inputs) if x.dtype == np.int64}
    given = [value(name, list(x.shape), x.dtype) for name, x in zip(names, inputs) if name not in constants]
    if weights is None:
        return model([(operator, names, results, attributes)], given, [value(y, None, np.float64) for y in results], constants, opset=opset)
    from onnx import helper
    nodes = [(operator, names, results, attributes)]
    nodes += [("Mul", [y, f"w{i}"], [f"m{i}"]) for i, y in enumerate(results)]
    nodes += [("ReduceSum", [f"m{i}"], [f"s{i}"], {"keepdims": 0}) for i in range(len(results))]
    nodes.append(("Sum", [f"s{i}" for i in range(len(results))], ["loss"]))
    gradients = [f"d{i}" for i in which]
    nodes.append(helper.make_node("Gradient", [names[i] for i in which], gradients, domain=TRAINING, xs=[names[i] for i in which], y="loss"))
    constants |= {f"w{i}": w for i, w in enumerate(weights)}
    made = model(nodes, given, [value(name, None, np.float64) for name in ["loss", *gradients]], constants, opset=opset)
    made.opset_import.append(helper.make_opsetid(TRAINING, 1))
    return made


def differences(loss, inputs, which, step):
    """(loss(x + h) - loss(x - h)) / 2h by each element of the inputs `which`."""
    found = []
    for i in which:
        slopes = np.zeros(inputs[i].size)
        for e in range(inputs[i].size):
            sides = []
            for sign in (1, -1):
                moved = [np.array(x) for x in inputs]
                moved[i].reshape(-1)[e] += sign * step
                sides.append(loss(moved))
            slopes[e] = (sides[0] - sides[1]) / (2 * step)
        found.append(slopes.reshape(inputs[i].shape))
    return found


def run_model(folder, made, inputs):
    np.savez(folder / "in.npz", **{f"x{i}": x for i, x in enumerate(inputs)})
    ctc_ok("run", save(made, folder), "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    return np.load(folder / "out.npz")


erf = np.vectorize(math.erf)


def gelu(x, approximate="none"):
    return 0.5 * x * (1 + (np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if approximate == "tanh" else erf(x / np.sqrt(2))))


def softmax_of_rows(x, axis):
    rows = np.exp(x.reshape(int(np.prod(x.shape[:axis])), -1))
    return (rows / rows.sum(1, keepdims=True)).reshape(x.shape)


# (operator, opset before 13): what onnx.reference computes in float32, or not as that version has it.
OWN = {("Erf", False): erf, ("Gelu", False): gelu, ("HardSwish", False): lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
       ("Mean", False): lambda *xs: sum(xs) / len(xs), ("Softmax", True): softmax_of_rows,
       ("LogSoftmax", True): lambda x, axis: np.log(softmax_of_rows(x, axis))}


def forward_of(operator, inputs, which, attributes, opset):
    """The results of the node as a function of its inputs."""
    from onnx.reference import ReferenceEvaluator
    own = OWN.get((operator, opset < 13))
    if own:
        return lambda xs: [own(*xs, **attributes)]
    reference = ReferenceEvaluator(training_model(operator, inputs, which, attributes, opset))
    names = [given.name for given in reference.proto_.graph.input]
    return lambda xs: reference.run(None, {name: xs[int(name[1:])] for name in names})


def check_case(operator, inputs, which, attributes, opset, folder):
    results = forward_of(operator, inputs, which, attributes, opset)
    weights = [data(*y.shape, seed=7) for y in results(inputs)]
    loss = lambda xs: sum(np.sum(y * w) for y, w in zip(results(xs), weights))
    coarse, fine = (differences(loss, inputs, which, step) for step in (1e-4, 1e-5))
    actual = run_model(folder, training_model(operator, inputs, which, attributes, opset, weights), inputs)
    np.testing.assert_allclose(actual["loss"], loss(inputs), rtol=1e-9)
    for i, a, b in zip(which, coarse, fine):
        smooth = np.isclose(a, b, rtol=1e-5, atol=1e-6)
        assert smooth.mean() > 0.6, f"x{i}: only {smooth.mean():.0%} of the elements are smooth"
        np.testing.assert_allclose(actual[f"d{i}"][smooth], b[smooth], rtol=1e-5, atol=1e-6, err_msg=f"gradient by x{i}")


def check_network(folder):
    """Two layers, softmax and loss in float32, emitted and compiled; weights are initializers, the batch is open."""
    from onnx import helper
    rng = np.random.default_rng(5)
    shapes = {"w1": (6, 8), "b1": (8,), "w2": (8, 3)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [("MatMul", ["x", "w1"], ["h"]), ("Add", ["h", "b1"], ["i"]), ("Relu", ["i"], ["r"]), ("MatMul", ["r", "w2"], ["logits"]),
             ("SoftmaxCrossEntropyLoss", ["logits", "labels"], ["loss"]),
             helper.make_node("Gradient", [*shapes, "x"], [f"d_{n}" for n in shapes], domain=TRAINING, xs=[*shapes], zs=["x"], y="loss")]
    made = model(nodes, [value("x", ["N", 6]), value("labels", ["N"], np.int64)],
                 [value("loss", []), *(value(f"d_{n}", list(s)) for n, s in shapes.items())], weights)
    made.opset_import.append(helper.make_opsetid(TRAINING, 1))
    x, labels = rng.standard_normal((5, 6)).astype(np.float32), np.array([0, 2, 1, 1, 0])
    got = library(made, folder).run([x, labels])

    w = {name: array.astype(np.float64) for name, array in weights.items()}
    before = x @ w["w1"] + w["b1"]
    hidden = np.maximum(before, 0)
    logits = hidden @ w["w2"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    d_logits = (p - np.eye(3)[labels]) / len(x)
    d_before = d_logits @ w["w2"].T * (before > 0)
    expected = [-np.log(p[np.arange(5), labels]).mean(), x.T @ d_before, d_before.sum(0), hidden.T @ d_logits]
    for actual, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


def simple(folder, nodes, gradients, inputs):
    """Results d0, d1, … of a model of numbers."""
    from onnx import helper
    made = model(nodes + [helper.make_node("Gradient", *g[:2], domain=TRAINING, **g[2]) for g in gradients],
                 [value(f"x{i}", list(x.shape), x.dtype) for i, x in enumerate(inputs)],
                 [value(name, None, np.float64) for g in gradients for name in g[1]])
    made.opset_import.append(helper.make_opsetid(TRAINING, 1))
    return run_model(folder, made, inputs)


def check_second_order(folder):
    """d/dx of d/dx of x^3 is 6 x."""
    x = np.array(1.5)
    nodes = [("Mul", ["x0", "x0"], ["q"]), ("Mul", ["q", "x0"], ["y"])]
    found = simple(folder, nodes, [(["x0"], ["d"], {"xs": ["x0"], "y": "y"}), (["x0"], ["dd"], {"xs": ["x0"], "y": "d"})], [x])
    np.testing.assert_allclose([found["d"], found["dd"]], [3 * x**2, 6 * x])


def check_other_point(folder):
    """Inputs that are not the named values: the gradient is taken there."""
    nodes = [("Exp", ["x0"], ["e"]), ("Mul", ["e", "x1"], ["y"])]
    found = simple(folder, nodes, [(["x2", "x1"], ["d"], {"xs": ["x0"], "zs": ["x1"], "y": "y"})], [np.array(0.5), np.array(3.0), np.array(2.0)])
    np.testing.assert_allclose(found["d"], 3 * np.exp(2.0))


def check_open_sizes(folder):
    """What is broadcast is known when the model runs only."""
    from onnx import helper
    nodes = [("Mul", ["x0", "x1"], ["y"]), helper.make_node("Gradient", ["x0", "x1"], ["d0", "d1"], domain=TRAINING, xs=["x0", "x1"], y="y")]
    made = model(nodes, [value("x0", ["N", "M"], np.float64), value("x1", ["P", "M"], np.float64)], [value(d, None, np.float64) for d in ("d0", "d1")])
    made.opset_import.append(helper.make_opsetid(TRAINING, 1))
    for n, p in ((3, 1), (1, 3), (3, 3)):
        a, b = data(n, 4), data(p, 4, seed=1)
        found = run_model(folder, made, [a, b])
        whole = np.ones((3, 4))
        np.testing.assert_allclose(found["d0"], (whole * b).sum(0, keepdims=True) if n == 1 else whole * b)
        np.testing.assert_allclose(found["d1"], (whole * a).sum(0, keepdims=True) if p == 1 else whole * a)


def check_intermediate(folder):
    """By a value that is computed, and by one that the result does not depend on."""
    nodes = [("Exp", ["x0"], ["e"]), ("Mul", ["e", "e"], ["y"])]
    found = simple(folder, nodes, [(["e", "x1"], ["d", "none"], {"xs": ["e", "x1"], "y": "y"})], [np.array(0.5), X])
    np.testing.assert_allclose(found["d"], 2 * np.exp(0.5))
    np.testing.assert_array_equal(found["none"], np.zeros_like(X))


def check_no_derivative(folder):
    """An operator without a derivative is named, with its node."""
    made = training_model("CumSum", [X, np.array(1)], [0], {}, 24, [X])
    result = ctc("compile", save(made, folder), "-o", folder / "m.c")
    assert result.status == 1 and "no derivative of CumSum is known" in result.err and "CumSum #0" in result.err, result.err


def check_table_is_tested(folder):
    """Every row of the table of derivatives has a case."""
    rows = set(re.findall(r'^    \{"(\w+)",', (ROOT / "compiler/ops/derivatives.c").read_text(), re.M))
    untested = rows - {case[1] for case in cases()} - {"CastLike"}
    assert not untested, f"without a case: {sorted(untested)}"


def all_checks():
    named = {name.removeprefix("check_"): check for name, check in globals().items() if name.startswith("check_") and name != "check_case"}
    return {case[0]: functools.partial(check_case, *case[1:]) for case in cases()} | named
