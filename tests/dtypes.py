#!/usr/bin/env python3
"""Every element type that the standard gives an operator, through emitted and compiled C.

    dtypes.py [--filter REGEX] [--sanitize] [--split] …      (the options of node_suite.py)

A row of the table below is one node. For each type variable of the operator, as schema/onnx_operators.json has it, there
is a case for each type that the variable may be, the others as in the row. The truth is onnx.reference; floats are
computed there in float64 and rounded once. Cases that neither the reference nor onnxruntime can compute are skipped, and so are
operators that ctc does not have. What ctc refuses, or computes otherwise, fails; lines `PATTERN: reason` of
dtype_failures.txt name the cases that are known to.
"""
import collections
import fnmatch
import re
import shutil
import subprocess
import sys
import warnings
import zlib

import numpy as np

import node_suite
from common import onnxruntime_outputs
from node_suite import HERE, ROOT, Case, Suite, read_failures

FAILURES = HERE / "dtype_failures.txt"
OPSET, IR_VERSION = 28, 14
RUNTIME_OPSET = 24  # that onnxruntime knows
# Operators whose reference is less than exact: its Erf is that of float32, its MaxPool has other indices.
RUNTIME_FIRST = {"Erf", "Gelu", "MaxPool"}
# Their definition has float32 constants, or computes in float32.
FLOAT_CONSTANTS = {"HardSwish", "LRN", "GroupNormalization"}
# A unit in the last place, and what remains of differences near 0.
PRECISION = {"double": 1e-11, "float": 2e-6, "float16": 2.0**-10, "bfloat16": 2.0**-7}

Row = collections.namedtuple("Row", "op inputs outputs attributes opset types")


def row(op, *inputs, outputs=1, opset=OPSET, types=None, **attributes):
    """float64 arrays are of the operator's type, float32 where another type varies; `types` limits what is tried."""
    return Row(op, inputs, outputs, attributes, opset, types)


def numbers(*shape, low=-4.0, high=4.0, step=0.25):
    """Multiples of `step`, the same for the same arguments."""
    rng = np.random.default_rng(zlib.crc32(repr((shape, low, high)).encode()))
    return rng.integers(round(low / step), round(high / step) + 1, shape) * step


def ints(*values, dtype=np.int64):
    return np.array(values, dtype)


X, PLUS, UNIT = numbers(3, 4), numbers(3, 4, low=1), numbers(3, 4, low=-0.75, high=0.75)
Y, POSITIVE = numbers(4, low=1, high=3), numbers(3, 4, low=0.25)
CHOICE = numbers(3, 4) > 0
PLANES, KERNEL = numbers(1, 2, 6, 6), numbers(3, 2, 3, 3, low=-1, high=1)
CHANNELS = [numbers(2, low=0.5, high=2.0) for _ in range(4)]

ROWS = [
    # numbers to numbers
    *[row(op, X) for op in "Abs Neg Sign Ceil Floor Round Exp Sin Cos Tan Sinh Cosh Tanh Asinh Atan Erf Sigmoid Relu".split()],
    *[row(op, X) for op in "Elu Selu Celu LeakyRelu ThresholdedRelu HardSigmoid HardSwish Softplus Softsign Mish Gelu Shrink Swish".split()],
    *[row(op, X) for op in "Softmax LogSoftmax Hardmax Identity Size Shape Flatten IsNaN IsInf".split()],
    *[row(op, POSITIVE) for op in "Sqrt Log Reciprocal".split()],
    *[row(op, UNIT) for op in "Asin Acos Atanh".split()],
    row("Acosh", PLUS), row("BitwiseNot", ints(*range(-3, 4), dtype=np.int32)), row("Not", CHOICE),
    # pairs
    *[row(op, X, Y) for op in "Add Sub Mul Equal Less LessOrEqual Greater GreaterOrEqual Max Min Sum Mean PRelu".split()],
    row("Div", PLUS, Y), row("Pow", PLUS, numbers(4, low=1, high=2, step=1.0)), row("Mod", X, Y, fmod=1), row("Mod", PLUS, Y, types="int uint"),
    *[row(op, ints(1, 5, 12, 100, dtype=np.int32), ints(3, 6, 9, 1, dtype=np.int32)) for op in "BitwiseAnd BitwiseOr BitwiseXor".split()],
    *[row("BitShift", ints(1, 5, 12, 3, dtype=np.uint32), ints(1, 2, 3, 0, dtype=np.uint32), direction=d) for d in ("LEFT", "RIGHT")],
    *[row(op, CHOICE, CHOICE[0]) for op in "And Or Xor".split()],
    row("Where", CHOICE, X, Y), row("Clip", X, np.array(-1.0), np.array(2.0)), row("Clip", X),
    # moving
    row("Reshape", X, ints(2, -1)), row("Transpose", X), row("Squeeze", X[None], ints(0)), row("Unsqueeze", X, ints(1)),
    row("Concat", X, PLUS, axis=0), row("Split", X, ints(1, 3), axis=1, outputs=2), row("Slice", X, ints(0, 3), ints(3, 0), ints(0, 1), ints(2, -1)),
    row("Gather", X, ints(2, 0)), row("GatherElements", X, ints(2, 0, 1, 0).reshape(1, 4)), row("GatherND", X, ints(2, 0, 1, 3).reshape(2, 2)),
    row("ScatterElements", X, ints(2, 0, 1, 0).reshape(1, 4), numbers(1, 4)), row("ScatterND", X, ints(2, 0).reshape(2, 1), numbers(2, 4)),
    *[row("ScatterElements", X, ints(2, 0, 1, 0).reshape(1, 4), numbers(1, 4), reduction=r, types="float int") for r in ("add", "mul", "max", "min")],
    *[row("ScatterND", X, ints(2, 2).reshape(2, 1), numbers(2, 4), reduction=r, types="float int") for r in ("add", "mul", "max", "min")],
    row("Expand", Y, ints(3, 4)), row("Tile", X, ints(1, 2)), row("Pad", X, ints(1, 0, 0, 2)), row("Pad", X, ints(1, 0, 0, 2), np.array(2.0)),
    row("Pad", X, ints(1, 0, 0, 2), mode="reflect"), row("DepthToSpace", numbers(1, 4, 2, 2), blocksize=2), row("SpaceToDepth", numbers(1, 1, 4, 4), blocksize=2),
    row("ReverseSequence", X, ints(2, 1, 3, 1)), row("Trilu", X), row("Compress", X, CHOICE[0, :3], axis=0), row("Compress", X, CHOICE.ravel()),
    row("OneHot", ints(1, 3, 0), np.array(4), ints(2, 5)), row("EyeLike", X), row("CenterCropPad", X, ints(5, 2)),
    row("TensorScatter", numbers(2, 4, 3), numbers(2, 1, 3), ints(1, 3)), row("NonZero", X), row("Unique", X, outputs=4),
    row("TopK", X, ints(2), outputs=2), row("ArgMax", X), row("ArgMin", X), row("Range", np.array(1.0), np.array(10.0), np.array(3.0)),
    row("CumSum", X, np.array(1)), row("CumProd", Y, np.array(0)), row("Dropout", X), row("Col2Im", numbers(1, 4, 4), ints(3, 3), ints(2, 2)),
    # reductions, products, windows
    *[row("Reduce" + op, X if op in ("Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp") else PLUS, ints(1)) for op in "Sum Mean Max Min Prod L1 L2 SumSquare LogSum LogSumExp".split()],
    row("MatMul", X, numbers(4, 2)), row("MatMul", numbers(2, 3, 4), numbers(2, 4, 5)), row("Gemm", X, numbers(4, 2), numbers(2)), row("Gemm", X, numbers(2, 4), transB=1),
    row("Einsum", X, numbers(4, 2), equation="ij,jk->ki"), row("Det", numbers(3, 3)),
    row("Conv", PLANES, KERNEL, numbers(3)), row("Conv", PLANES, numbers(2, 1, 3, 3), group=2, pads=[1, 1, 1, 1]), row("ConvTranspose", PLANES, numbers(2, 3, 2, 2), strides=[2, 2]),
    row("DeformConv", PLANES, KERNEL, numbers(1, 18, 4, 4, low=-1, high=1)),
    *[row(op, PLANES, kernel_shape=[2, 2]) for op in "MaxPool AveragePool LpPool".split()], row("MaxPool", PLANES, kernel_shape=[2, 2], outputs=2),
    *[row(op, PLANES) for op in "GlobalMaxPool GlobalAveragePool GlobalLpPool".split()],
    row("MaxUnpool", numbers(1, 1, 2, 2), ints(5, 7, 13, 15).reshape(1, 1, 2, 2), kernel_shape=[2, 2], strides=[2, 2]), row("MaxRoiPool", PLANES, np.array([[0, 0, 0, 3, 3.0]]), pooled_shape=[2, 2]),
    row("RoiAlign", PLANES, np.array([[0, 0, 3, 3.0]]), ints(0), output_height=2, output_width=2), row("GridSample", PLANES, numbers(1, 3, 3, 2, low=-1, high=1)),
    row("AffineGrid", numbers(1, 2, 3), ints(1, 1, 3, 3)), row("Resize", PLANES, None, None, ints(1, 2, 9, 9)), row("Resize", PLANES, None, None, ints(1, 2, 3, 4), mode="linear"),
    row("Resize", PLANES, None, None, ints(1, 2, 9, 7), mode="cubic"), row("Upsample", PLANES, np.array([1, 1, 2, 2], np.float32), opset=9),
    # normalisation
    row("BatchNormalization", PLANES, *CHANNELS), row("InstanceNormalization", PLANES, *CHANNELS[:2]), row("GroupNormalization", PLANES, *CHANNELS[:2], num_groups=1),
    row("LayerNormalization", X, Y, Y), row("RMSNormalization", X, Y), row("LRN", numbers(2, 2, 6, 6), size=3), row("MeanVarianceNormalization", PLANES), row("LpNormalization", X),
    row("NegativeLogLikelihoodLoss", numbers(3, 4, low=-4, high=-1), ints(1, 0, 3)), row("SoftmaxCrossEntropyLoss", X, ints(1, 0, 3)),
    # sequences in time and frequency
    row("RNN", numbers(3, 1, 2), numbers(1, 4, 2), numbers(1, 4, 4, low=-0.5, high=0.5), outputs=2, hidden_size=4), row("GRU", numbers(3, 1, 2), numbers(1, 12, 2), numbers(1, 12, 4, low=-0.5, high=0.5), outputs=2, hidden_size=4),
    row("LSTM", numbers(3, 1, 2), numbers(1, 16, 2), numbers(1, 16, 4, low=-0.5, high=0.5), outputs=3, hidden_size=4),
    row("DFT", numbers(1, 8, 1), axis=1, opset=17), row("HannWindow", np.array(8)), row("MelWeightMatrix", np.array(4), np.array(16), np.array(8000), np.array(0.0), np.array(4000.0)),
    row("Attention", numbers(1, 2, 3, 4), numbers(1, 2, 5, 4), numbers(1, 2, 5, 4)), row("RotaryEmbedding", numbers(1, 2, 3, 4), numbers(1, 3, 2), numbers(1, 3, 2)),
    # integers that stand for numbers
    row("QuantizeLinear", numbers(3, 4) * 8, np.array(2.0), np.zeros((), np.uint8)), row("QuantizeLinear", numbers(2, 8), numbers(2, 2, low=0.25, high=2), np.zeros((2, 2), np.int8), block_size=4, axis=1), row("QuantizeLinear", numbers(2, 7), numbers(2, 2, low=0.25, high=2), block_size=4, axis=1),
    row("QuantizeLinear", X, Y, ints(1, 2, 0, 1, dtype=np.uint8), axis=1), row("QuantizeLinear", X, np.array(2.0), output_dtype=3), row("QuantizeLinear", X * 100, np.array(2.0), np.zeros((), np.int8), saturate=0),
    row("DequantizeLinear", ints(1, 0, 1, 1, dtype=np.uint8), np.array(0.5), np.zeros((), np.uint8)), row("DequantizeLinear", ints(1, 0, 1, 1, dtype=np.uint8), np.array([0.5, 2.0, 1, 4]), axis=0),
    row("DequantizeLinear", np.arange(14, dtype=np.uint8).reshape(2, 7) % 2, numbers(2, 2, low=0.5, high=2), np.ones((2, 2), np.uint8), block_size=4, axis=1),
    row("DequantizeLinear", np.arange(8, dtype=np.uint8).reshape(2, 4) % 2, numbers(4, low=1, high=2), np.zeros(4, np.uint8), axis=1, output_dtype=1),
    row("DequantizeLinear", ints(1, 0, 1, 1, dtype=np.int8), np.array(0.5), output_dtype=10), row("DynamicQuantizeLinear", X, outputs=3),
    row("MatMulInteger", numbers(3, 4).astype(np.int8), numbers(4, 2).astype(np.int8), np.array(1, np.int8), np.array(0, np.int8)),
    row("ConvInteger", PLANES.astype(np.int8), KERNEL.astype(np.int8)),
    row("QLinearMatMul", ints(1, 2, 3, 4, dtype=np.uint8).reshape(2, 2), np.array(0.5), np.array(1, np.uint8), ints(2, 0, 1, 1, dtype=np.uint8).reshape(2, 2), np.array(0.5), np.array(0, np.uint8), np.array(0.25), np.array(2, np.uint8)),
]
CASTS = ["float", "double", "float16", "bfloat16", "bool", *[f"{u}int{n}" for n in (8, 16, 32, 64, 4, 2) for u in ("", "u")]]
CASTS += ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float4e2m1", "float8e8m0", "float6e2m3", "float6e3m2"]
CAST_INPUT = np.array([0, 1, 0.5, 1.5, 2, 3, 2.5, 0.75])


def code_of(name):
    """The ONNX code of "float" …"""
    import onnx

    return getattr(onnx.TensorProto, name.upper())


def numpy_type(name):
    import onnx

    return onnx.helper.tensor_dtype_to_np_dtype(code_of(name))


def as_type(array, name):
    """The numbers in another type: whole ones for integers, none below 0 without a sign."""
    if name == "string":
        return np.array([str(v) for v in array.ravel()], object).reshape(array.shape)
    plain = np.asarray(array)
    if plain.dtype == object or name == "bool":
        return (plain.astype(np.float64) > 0) if name == "bool" else plain.astype(numpy_type(name))
    if "int" in name:
        plain = np.rint(plain.astype(np.float64))
        plain = np.abs(plain) if name.startswith("u") else plain
        if name[-1] in "24" and name[-2] == "t":
            low, high = (0, 1) if name.startswith("u") else (-1, 1)
            plain = np.clip(plain, low, high)
        return plain.astype(np.int64).astype(numpy_type(name))
    return plain.astype(numpy_type(name))


def schema_types(row):
    """The type variable of each input, None for fixed types; and {variable: its types}."""
    import onnx

    schema = onnx.defs.get_schema(row.op, row.opset, "")
    allowed = {c.type_param_str: [t[7:-1] for t in c.allowed_type_strs if t.startswith("tensor(")] for c in schema.type_constraints}
    formal = [schema.inputs[min(i, len(schema.inputs) - 1)].type_str for i in range(len(row.inputs))]
    return [name if name in allowed else None for name in formal], allowed


def own_type(array):
    """What an array of a row is where its type does not vary."""
    return "float" if array.dtype == np.float64 else np.dtype(array.dtype).name.replace("float32", "float").replace("int_", "int64")


def make_model(row, arrays, attributes=None, opset=None):
    from onnx import helper, shape_inference

    names = [f"x{i}" if array is not None else "" for i, array in enumerate(arrays)]
    node = helper.make_node(row.op, names, [f"y{i}" for i in range(row.outputs)], **(attributes or row.attributes))
    ports = [
        helper.make_tensor_value_info(name, 8 if array.dtype == object else helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays)
        if name
    ]
    outputs = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(row.outputs)]
    graph = helper.make_graph([node], "node", ports, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset or row.opset)], ir_version=IR_VERSION)
    return shape_inference.infer_shapes(made)


def by_reference(made, feeds):
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        return ReferenceEvaluator(made).run(None, feeds)


def by_runtime(made, feeds):
    import onnx

    older = onnx.ModelProto.FromString(made.SerializeToString())
    older.opset_import[0].version = min(older.opset_import[0].version, RUNTIME_OPSET)
    older.ir_version = 10
    return onnxruntime_outputs(older, feeds)


def evaluate(made, arrays):
    """By the reference, else by onnxruntime; None."""
    feeds = {port.name: array for port, array in zip(made.graph.input, [a for a in arrays if a is not None])}
    order = (by_reference, by_runtime)
    for run in reversed(order) if made.graph.node[0].op_type in RUNTIME_FIRST else order:
        try:
            return [np.asarray(result) for result in run(made, feeds)]
        except Exception:
            continue
    return None


def typed_arrays(row, variables, names):
    """The inputs where variable v is names[v]."""
    return [
        array if array is None else as_type(array, names.get(variable) or own_type(array))
        for array, variable in zip(row.inputs, variables)
    ]


def output_types(made):
    """Numpy's types of the outputs; None where shape inference does not know one."""
    import onnx

    codes = [port.type.tensor_type.elem_type for port in made.graph.output]
    return [onnx.helper.tensor_dtype_to_np_dtype(code) if code else None for code in codes]


def exact_results(row, variables, allowed, arrays, made):
    """What float64 gives on the same numbers, rounded to the model's types; None if that cannot be told."""
    if row.op in ("Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearMatMul"):
        return evaluate(made, arrays)
    wide = [
        array.astype(np.float64) if array is not None and variable and array.dtype.name in ("float32", "float16", "bfloat16") and "double" in allowed[variable] else array
        for array, variable in zip(arrays, variables)
    ]
    results = evaluate(make_model(row, wide), wide)
    types = output_types(made)
    if results is None or None in types:
        return results if wide is arrays else evaluate(made, arrays)
    with np.errstate(all="ignore"):
        return [r if r.dtype == object or r.dtype.kind in "US" else r.astype(t) for r, t in zip(results, types)]


def tolerance(op, arrays, results):
    """Of the coarsest float that the case has."""
    names = {"float64": "double", "float32": "float"}
    found = {names.get(a.dtype.name, a.dtype.name) for a in [*arrays, *results] if a is not None}
    return max([1e-7 if op in FLOAT_CONSTANTS else 0, *[PRECISION.get(name, 0) for name in found]])


def largest(results):
    """The largest finite magnitude, at least 1: sums of numbers near it cannot be exact near 0."""
    with np.errstate(all="ignore"):
        found = [np.abs(r.astype(np.float64)) for r in results if r.dtype.kind in "fV" or r.dtype.name == "bfloat16"]
    return max([1.0, *[float(f[np.isfinite(f)].max(initial=0)) for f in found]])


def make_case(name, row, variables, allowed, types):
    arrays = typed_arrays(row, variables, types)
    try:
        made = make_model(row, arrays)
    except Exception as error:
        return name, f"no model: {error}"
    results = exact_results(row, variables, allowed, arrays, made)
    if results is None:
        return name, "no truth"
    close = tolerance(row.op, arrays, results)
    return Case(name, retyped(made, results), [a for a in arrays if a is not None], results, close, close * largest(results))


def retyped(made, results):
    """The model with the types of its outputs, if inference has left them open."""
    import onnx

    for port, result in zip(made.graph.output, results):
        if not port.type.tensor_type.elem_type:
            code = 8 if result.dtype == object else onnx.helper.np_dtype_to_tensor_dtype(result.dtype)
            port.CopyFrom(onnx.helper.make_tensor_value_info(port.name, code, None))
    return made


def cases_of(row, label):
    variables, allowed = schema_types(row)
    for variable in dict.fromkeys(v for v in variables if v):
        for name in allowed[variable]:
            if row.types and name.strip("0123456789").replace("bfloat", "float").replace("double", "float") not in row.types.split():
                continue
            yield make_case(f"{label}_{variable}_{name}", row, variables, allowed, {variable: name})


def cast_cases():
    for source in CASTS:
        array = as_type(CAST_INPUT[1:] if source == "float8e8m0" else CAST_INPUT, source)
        for target in CASTS:
            yield cast_case(f"Cast_{source}_{target}", array, target)


def cast_case(name, array, target):
    made = make_model(row("Cast", array, to=code_of(target)), [array])
    results = evaluate(made, [array])
    return Case(name, made, [array], results, 0, 0) if results is not None else (name, "no truth")


def all_cases(supported):
    warnings.filterwarnings("ignore")
    counted = collections.Counter()
    for one in ROWS:
        if one.op not in supported:
            yield one.op, "no operator " + one.op
            continue
        counted[one.op] += 1
        label = one.op if counted[one.op] == 1 else f"{one.op}{counted[one.op]}"
        yield from cases_of(one, label)
    yield from cast_cases()


def report(suite, skipped):
    known = read_failures(FAILURES)
    unexpected = {n: text for n, text in suite.failed.items() if not any(fnmatch.fnmatchcase(n, k) for k in known)}
    repaired = sorted(pattern for pattern in known if fnmatch.filter(suite.passed, pattern))
    groups = collections.defaultdict(list)
    for name, text in sorted(unexpected.items()):
        head, _, dtype = name.rpartition("_")
        groups[head, re.sub(r"case_\d+\S*|" + re.escape(dtype), "…", text)].append(dtype)
    for (head, text), dtypes in groups.items():
        print(f"FAIL {head}_{{{','.join(dtypes)}}}: {text}")
    for name in repaired:
        print(f"FAIL {name}: passes, but is listed in {FAILURES.name}: take it out")
    print(f"{len(suite.passed) - len(repaired)} passed, {len(unexpected) + len(repaired)} failed, {len(skipped)} skipped")
    return not unexpected and not repaired


def main():
    args = node_suite.parse_arguments()
    if args.worker:
        node_suite.worker(args.worker)
        return 0
    args.build = ROOT / "build" / "dtypes" if args.build.name == "node-suite" else args.build
    cases, skipped = [], []
    supported = set(subprocess.run([args.ctc, "ops"], capture_output=True, text=True, check=True).stdout.split())
    for case in all_cases(supported):
        name = case.name if isinstance(case, Case) else case[0]
        if args.filter and not re.search(args.filter, name):
            continue
        (cases if isinstance(case, Case) else skipped).append(case)
    for name, reason in skipped if args.skipped else []:
        print(f"skip {name}: {reason}")
    shutil.rmtree(args.build, ignore_errors=True)
    args.build.mkdir(parents=True)
    suite = Suite(args)
    suite.run(cases[:: args.every])
    ok = report(suite, skipped)
    if ok and not args.keep:
        shutil.rmtree(args.build, ignore_errors=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
