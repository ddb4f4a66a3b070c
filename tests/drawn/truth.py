"""What the results of a drawn node must be: onnxruntime's, where it has such a kernel, else those of onnx.reference.

Results of nodes that move or round correctly must be equal. For the others there is no constant tolerance: the inputs are moved by a few
units of their last place, and what comes out, with a few units of the last place of the result, is the range in which results may lie.
So a sum may be off by as much as its terms are large, and a quantised number that lies between two integers may be either one.

float16 and bfloat16 are looked up in float32. A second range comes from the same node in float64: where a function of onnxruntime is less exact
than ctc's, results near the exact ones are right, too.
"""

import functools

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime

from . import table
from .expected import Expected

F16, BF16, F32, F64 = (table.DTYPES[name] for name in ("float16", "bfloat16", "float", "double"))
NOISES = 4
# Units in the last place by which inputs are moved, and by which a result may be off beside.
INPUT_ULPS, RESULT_ULPS = 4, {F16: 1, BF16: 1, F32: 8, F64: 8}


class NoTruth(Exception):
    """Nothing to compare with has this node."""


# --- programs that compute a model; functions from arrays to arrays ---


def by_onnxruntime(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def run(arrays):
        if any(array.dtype == BF16 for array in arrays):
            raise NoTruth("bfloat16")
        return session.run(None, dict(zip(names, arrays)))

    return run


def by_reference(model):
    evaluator = onnx.reference.ReferenceEvaluator(model)
    names = [port.name for port in model.graph.input]

    def run(arrays):
        with np.errstate(all="ignore"):
            return evaluator.run(None, dict(zip(names, arrays)))

    return run


def has_bodies(model):
    return any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for node in model.graph.node for a in node.attribute)


def widened(model, wide):
    """The model with float types `wide` ({dtype: wider dtype}) of its inputs and constants."""
    codes = {onnx.helper.np_dtype_to_tensor_dtype(a): onnx.helper.np_dtype_to_tensor_dtype(b) for a, b in wide.items()}
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for port in out.graph.input:
        kind = port.type.tensor_type
        kind.elem_type = codes.get(kind.elem_type, kind.elem_type)
    for tensor in out.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype in wide:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(wide[array.dtype]), tensor.name))
    return out


def through(program, model, wide):
    """The program on the widened model."""
    run = program(widened(model, wide))

    def widely(arrays):
        return run([array.astype(wide.get(array.dtype, array.dtype)) for array in arrays])

    widely.wide = wide
    return widely


NARROW = {F16: F32, BF16: F32}
SINGLE = NARROW | {F64: F32}
WIDE = {F16: F64, BF16: F64, F32: F64}


def first_that_works(programs, arrays):
    """(program, its results)"""
    reasons = []
    for make in programs:
        try:
            run = make()
            return run, [as_array(result) for result in run(arrays)]
        except Exception as error:  # whatever a reference says about a node that it does not have
            reasons.append(f"{type(error).__name__}: {error}"[:200])
    raise NoTruth(" | ".join(reasons))


def as_array(result):
    if not isinstance(result, (np.ndarray, np.generic)):
        raise NoTruth("a result is not a tensor")
    return np.asarray(result)


# --- ranges ---


def moved(rng, drawn_input, wide, steps):
    """The array with each float a few units in the last place off: of the type in which the program computes (`wide`: of `through`), or, of narrow
    types in `steps` that are rounded, one of their own."""
    array = drawn_input.array
    if drawn_input.kind not in ("data", "bounded", "sized") or not table.is_float(array.dtype) or drawn_input.must_be_constant:
        return array
    unit = INPUT_ULPS * ml_dtypes.finfo(F64 if wide.get(array.dtype, array.dtype) == F64 == array.dtype else F32).eps
    if steps and array.dtype in NARROW:
        unit = float(ml_dtypes.finfo(array.dtype).eps)
    with np.errstate(all="ignore"):
        return np.asarray(array.astype(F64) * (1 + unit * rng.choice([-1, 1], array.shape)))


def in_range_of(run, results, dtypes, noisy, magnitude):
    """For each output (low, high) as float64, or the exact integers; None if the shapes do not agree."""
    samples = [[np.asarray(r) for r in results]]
    for arrays in noisy:
        try:
            samples.append([as_array(result) for result in run(arrays)])
        except Exception:  # a run that the noise has made impossible says nothing
            continue
    return [one_range([sample[i] for sample in samples], dtype, magnitude) for i, dtype in enumerate(dtypes)]


def one_range(samples, dtype, magnitude):
    samples = [sample for sample in samples if sample.shape == samples[0].shape]
    if dtype.kind in "biuc" or dtype == object:
        return np.min(samples, axis=0), np.max(samples, axis=0)
    with np.errstate(all="ignore"):
        wide = np.stack([np.asarray(sample).astype(F64) for sample in samples])
        base = wide[0]
        wide = np.where(np.isnan(wide), base, wide)
        info = ml_dtypes.finfo(dtype)
        low, high = wide.min(axis=0), wide.max(axis=0)
        # A few samples find a part of the range only.
        more = spread(low, high)
        low, high = low - more, high + more
        unit = max(float(info.eps), float(ml_dtypes.finfo(samples[0].dtype).eps) if table.is_float(samples[0].dtype) else 0)
        room = RESULT_ULPS[dtype] * unit * np.maximum(magnitude, np.maximum(size(low), size(high))) + 2 * float(info.tiny if dtype in (F32, F64) else info.smallest_subnormal)
        return rounded(low - room, dtype), rounded(high + room, dtype)


def size(numbers):
    """How large they are: the other end counts where one is infinite."""
    return np.where(np.isfinite(numbers), abs(numbers), 0)


def spread(low, high):
    width = high - low
    return np.where(np.isfinite(width), width, 0)


def rounded(wide, dtype):
    return np.asarray(wide).astype(dtype).astype(F64)


def fits_float(array, exact):
    """Neither too large nor too small for float32; if that has to be exact, with no more digits either."""
    if exact and array.dtype == F64 and not np.array_equal(array.astype(F32).astype(F64), array, equal_nan=True):
        return False
    numbers = np.abs(array[np.isfinite(array) & (array != 0)]) if array.dtype == F64 else np.zeros(0)
    return bool(np.all((numbers > 1e-30) & (numbers < 1e30)))


def result_types(model, run, arrays, results):
    """By the standard's own inference, where it says something; else those of the results, or what was widened to them."""
    inferred = onnx.shape_inference.infer_shapes(model)
    codes = [port.type.tensor_type.elem_type for port in inferred.graph.output]
    narrow = {wide: array.dtype for array in arrays for dtype, wide in getattr(run, "wide", {}).items() if array.dtype == dtype}
    return [np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code)) if code else narrow.get(result.dtype, result.dtype) for code, result in zip(codes, results)]


def range_by(rng, run, results, dtypes, fed, drawn):
    """in_range_of with inputs that are moved as much as the program rounds them."""
    wide = getattr(run, "wide", {})
    noise = [[moved(rng, i, wide, drawn.steps) for i in fed] for _ in range(NOISES)]
    if WIDE.items() <= wide.items():
        return in_range_of(run, results, dtypes, noise, drawn.magnitude)
    return in_range_of(run, results, dtypes, [[n.astype(i.array.dtype) for n, i in zip(noisy, fed)] for noisy in noise], drawn.magnitude)


def more_exact(model, run, arrays):
    """Lists of programs for further ranges: in float64, where `run` computes in less. Some kernels of onnxruntime for double (Shrink, Sigmoid) do."""
    if any(array.dtype in WIDE for array in arrays):
        wider = [WIDE] if getattr(run, "wide", None) is NARROW else [WIDE, NARROW]
        yield [functools.partial(through, each, model, wide) for wide in wider for each in (by_onnxruntime, by_reference)]
    if any(array.dtype == F64 for array in arrays):
        yield [functools.partial(by_reference, model)]


def expected(rng, models, inputs, drawn):
    """An Expected for each output of a model around `drawn`, given in several opsets, whose inputs are all `inputs` that need not be constants."""
    model = models[0]
    fed = [i for i in inputs if not i.must_be_constant]
    arrays = [i.array for i in fed]
    plain = [functools.partial(by_onnxruntime, each) for each in models]
    plain += [functools.partial(through, by_onnxruntime, each, NARROW) for each in models if any(array.dtype in NARROW for array in arrays)]
    if any(array.dtype == F64 for array in arrays) and all(fits_float(array, drawn.exact) for array in arrays):
        # In float32, and as exact as that: more of it is right than of onnx.reference, whose pooling of doubles has wrong shapes.
        plain += [functools.partial(through, by_onnxruntime, each, SINGLE) for each in models]
    plain += [functools.partial(by_reference, model)]
    run, results = first_that_works(plain, arrays)
    dtypes = result_types(model, run, arrays, results)
    if not drawn.values:
        return [Expected(dtype, None, result.shape) for dtype, result in zip(dtypes, results)]
    if drawn.exact:
        same = [as_type(result, dtype) for result, dtype in zip(results, dtypes)]
        return [Expected(dtype, [(r, r)], r.shape) for dtype, r in zip(dtypes, same)]
    ranges = [range_by(rng, run, results, dtypes, fed, drawn)]
    for programs in [] if has_bodies(model) else more_exact(model, run, arrays):
        try:
            precise, exactly = first_that_works(programs, arrays)
        except NoTruth:
            continue
        if [r.shape for r in exactly] == [r.shape for r in results]:
            ranges.append(range_by(rng, precise, exactly, dtypes, fed, drawn))
    return [Expected(dtype, list(each), result.shape) for dtype, result, *each in zip(dtypes, results, *ranges)]


def as_type(result, dtype):
    if dtype == object or dtype.kind in "biu":
        return result
    with np.errstate(all="ignore"):
        return result.astype(dtype).astype(F64)
