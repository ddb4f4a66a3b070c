"""What the functions and methods of PyTorch become in a model file: one small function each, called with the Model and the function's arguments.

An argument is what the forward function gave: a Ref for a tensor of the graph, a Size for a dim that may be open, numbers and constant
tensors as they are. The result is a name, a Ref, or what is known. Layers have their fields as in torch.nn; the rest are ONNX operators.
"""

import operator

import torch
import torch.nn.functional as F
from torch import nn

from .layers import ExportError, different
from .values import Ref, Size, is_known

FUNCTIONS = {}
PLACES = {"torch": torch, "F": F, "operator": operator}
LAST = torch.iinfo(torch.int64).max


def targets(names):
    """The functions of those names, as fx graphs have them: `.view` is a method. This PyTorch need not have all."""
    for name in names.split():
        place, _, function = name.partition(".")
        if not place:
            yield function
        elif hasattr(PLACES[place], function):
            yield getattr(PLACES[place], function)


def function(names):
    def keep(handler):
        FUNCTIONS.update(dict.fromkeys(targets(names), handler))
        return handler

    return keep


def axis_of(x, axis, more=0):
    """A dim as ONNX counts it from the front, of a tensor with `more` axes than x."""
    return axis % (len(x.shape) + more) if len(x.shape) + more else 0


def axes_of(x, axes):
    return [axis_of(x, axis) for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]


def as_list(values):
    """Sizes that were given one by one or as one list."""
    return list(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else list(values)


def size_of(m, x, axis):
    """One dim of a tensor: a number if no dim of the model is open."""
    axis = axis_of(x, axis)
    if not m.dynamic:
        return x.shape[axis]
    return Size(lambda: m.onnx("Shape", x, start=axis, end=axis + 1), x.shape[axis])


def sizes_of(m, x):
    return tuple(size_of(m, x, axis) for axis in range(len(x.shape)))


# --- layers that are also functions ---

# Layer: the functions, and their arguments behind the tensor.
LAYER_FUNCTIONS = {
    "ReLU": ("F.relu F.relu_ torch.relu torch.relu_ .relu .relu_", "inplace"),
    "ReLU6": ("F.relu6", "inplace"),
    "LeakyReLU": ("F.leaky_relu F.leaky_relu_", "negative_slope inplace"),
    "ELU": ("F.elu F.elu_", "alpha inplace"),
    "CELU": ("F.celu torch.celu", "alpha inplace"),
    "SELU": ("F.selu torch.selu", "inplace"),
    "GELU": ("F.gelu", "approximate"),
    "SiLU": ("F.silu", "inplace"),
    "Mish": ("F.mish", "inplace"),
    "Sigmoid": ("F.sigmoid torch.sigmoid .sigmoid .sigmoid_", ""),
    "LogSigmoid": ("F.logsigmoid", ""),
    "Tanh": ("F.tanh torch.tanh .tanh .tanh_", ""),
    "Softplus": ("F.softplus", "beta threshold"),
    "Softsign": ("F.softsign", ""),
    "Softshrink": ("F.softshrink", "lambd"),
    "Hardshrink": ("F.hardshrink", "lambd"),
    "Tanhshrink": ("F.tanhshrink", ""),
    "Hardtanh": ("F.hardtanh F.hardtanh_", "min_val max_val inplace"),
    "Hardsigmoid": ("F.hardsigmoid", "inplace"),
    "Hardswish": ("F.hardswish", "inplace"),
    "Threshold": ("F.threshold F.threshold_", "threshold value inplace"),
    "GLU": ("F.glu", "dim"),
    "Softmax": ("F.softmax torch.softmax .softmax", "dim"),
    "LogSoftmax": ("F.log_softmax torch.log_softmax .log_softmax", "dim"),
    "Softmin": ("F.softmin", "dim"),
    "MaxPool1d": ("F.max_pool1d torch.max_pool1d", "kernel_size stride padding dilation ceil_mode return_indices"),
    "MaxPool2d": ("F.max_pool2d torch.max_pool2d", "kernel_size stride padding dilation ceil_mode return_indices"),
    "MaxPool3d": ("F.max_pool3d torch.max_pool3d", "kernel_size stride padding dilation ceil_mode return_indices"),
    "AvgPool1d": ("F.avg_pool1d", "kernel_size stride padding ceil_mode count_include_pad"),
    "AvgPool2d": ("F.avg_pool2d", "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    "AvgPool3d": ("F.avg_pool3d", "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    "AdaptiveAvgPool1d": ("F.adaptive_avg_pool1d", "output_size"),
    "AdaptiveAvgPool2d": ("F.adaptive_avg_pool2d", "output_size"),
    "AdaptiveAvgPool3d": ("F.adaptive_avg_pool3d", "output_size"),
    "AdaptiveMaxPool1d": ("F.adaptive_max_pool1d", "output_size return_indices"),
    "AdaptiveMaxPool2d": ("F.adaptive_max_pool2d", "output_size return_indices"),
    "AdaptiveMaxPool3d": ("F.adaptive_max_pool3d", "output_size return_indices"),
    "PixelShuffle": ("F.pixel_shuffle torch.pixel_shuffle", "upscale_factor"),
    "PixelUnshuffle": ("F.pixel_unshuffle torch.pixel_unshuffle", "downscale_factor"),
    "ChannelShuffle": ("F.channel_shuffle torch.channel_shuffle", "groups"),
    "Upsample": ("F.interpolate", "size scale_factor mode align_corners recompute_scale_factor"),
    "Flatten": ("", "start_dim end_dim"),
    "Unflatten": ("torch.unflatten .unflatten", "dim unflattened_size"),
}
# What functions take besides, with the values that change nothing.
NEUTRAL = {"inplace": (True, False), "return_indices": (False,), "dtype": (None,), "_stacklevel": None, "antialias": (False,), "training": None}


def as_layer(m, kind, x, values):
    """A layer of torch.nn by the values of its arguments."""
    arguments = different(kind, values)
    for name, value in values.items():
        known = NEUTRAL.get(name, (value,))
        if known is not None and value not in known:
            raise ExportError(f"{name}={value} of {kind.__name__} has no counterpart")
    if any(isinstance(each, Size) for value in arguments.values() for each in (value if isinstance(value, list) else [value])):
        raise ExportError(f"{kind.__name__} by a size that is open has no counterpart")
    return m.layer(kind.__name__, [x], **arguments)


def layer_function(kind, names):
    def handler(m, input, *values, **named):
        return as_layer(m, kind, input, dict(zip(names, values)) | named)

    return handler


for layer, (functions, arguments) in LAYER_FUNCTIONS.items():
    function(functions)(layer_function(getattr(nn, layer), arguments.split()))


@function("torch.flatten .flatten")
def flatten(m, input, start_dim=0, end_dim=-1):
    return as_layer(m, nn.Flatten, input, {"start_dim": start_dim, "end_dim": end_dim})


@function("F.dropout F.dropout1d F.dropout2d F.dropout3d F.alpha_dropout F.feature_alpha_dropout torch.dropout")
def dropout(m, input, p=0.5, training=True, inplace=False):
    if training:
        raise ExportError("drops in evaluation too (training=True)")
    return input


@function(".contiguous .clone .detach torch.clone torch.detach")
def unchanged(m, input, memory_format=None):
    return input


# --- elementwise ---

UNARY = {
    "Abs": "abs",
    "Acos": "acos arccos",
    "Acosh": "acosh arccosh",
    "Asin": "asin arcsin",
    "Asinh": "asinh arcsinh",
    "Atan": "atan arctan",
    "Atanh": "atanh arctanh",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "isnan",
    "Log": "log",
    "Neg": "neg negative",
    "Not": "logical_not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
}


def unary(op):
    return lambda m, input: m.onnx(op, input)


for op, names in UNARY.items():
    function(" ".join(f"torch.{name} .{name} .{name}_" for name in names.split()))(unary(op))
function("operator.neg")(unary("Neg"))
function("operator.abs")(unary("Abs"))


@function("torch.square .square .square_")
def square(m, input):
    return m.onnx("Mul", input, input)


@function("torch.rsqrt .rsqrt .rsqrt_")
def rsqrt(m, input):
    return m.layer("Rsqrt", [input])


def is_size(value):
    return isinstance(value, (Size, int)) and not isinstance(value, bool)


def elementwise(m, op, a, b, dtype=None):
    """A binary operator with PyTorch's conversions; of two sizes it is a size again."""
    if is_size(a) and is_size(b):
        if isinstance(m.result, float):
            raise ExportError("a size that is open becomes a fraction; // keeps it whole")
        return Size(m.onnx(op, m.sizes([a]), m.sizes([b])), m.result)
    dtype = dtype or m.result.dtype
    return m.onnx(op, m.cast(a, dtype), m.cast(b, dtype))


ARITHMETIC = {
    "Add": "operator.add operator.iadd torch.add .add .add_",
    "Sub": "operator.sub operator.isub torch.sub torch.subtract .sub .sub_",
}
FACTORS = {
    "Mul": "operator.mul operator.imul torch.mul torch.multiply .mul .mul_",
    "Pow": "operator.pow torch.pow .pow .pow_",
    "Max": "torch.maximum .maximum",
    "Min": "torch.minimum .minimum",
    "And": "torch.logical_and .logical_and",
    "Or": "torch.logical_or .logical_or",
    "Xor": "torch.logical_xor .logical_xor",
}
COMPARISONS = {
    "Equal": "operator.eq torch.eq .eq",
    "Greater": "operator.gt torch.gt .gt",
    "GreaterOrEqual": "operator.ge torch.ge .ge",
    "Less": "operator.lt torch.lt .lt",
    "LessOrEqual": "operator.le torch.le .le",
}
BITS = {"And": "operator.and_", "Or": "operator.or_", "Xor": "operator.xor"}


def arithmetic(op):
    def handler(m, input, other, alpha=1):
        return elementwise(m, op, input, other if alpha == 1 else elementwise(m, "Mul", other, alpha))

    return handler


def factor(op):
    return lambda m, input, other: elementwise(m, op, input, other)


def bits(op):
    def handler(m, a, b):
        if m.result.dtype != torch.bool:
            raise ExportError("operators on the bits of integers have no counterpart")
        return m.onnx(op, a, b)

    return handler


def example(value):
    """Something empty that takes part in PyTorch's conversions as the value does."""
    return torch.empty((0,) * len(value.shape), dtype=value.dtype) if isinstance(value, (Ref, torch.Tensor)) else value


def comparison(op):
    return lambda m, input, other: elementwise(m, op, input, other, torch.result_type(example(input), example(other)))


for table, kind in [(ARITHMETIC, arithmetic), (FACTORS, factor), (COMPARISONS, comparison), (BITS, bits)]:
    for op, names in table.items():
        function(names)(kind(op))


@function("operator.ne torch.ne .ne")
def not_equal(m, input, other):
    return m.onnx("Not", comparison("Equal")(m, input, other))


@function("operator.truediv operator.itruediv torch.div torch.divide torch.true_divide .div .div_")
def divide(m, input, other, rounding_mode=None):
    if rounding_mode == "floor":
        return floor_divide(m, input, other)
    if rounding_mode:
        raise ExportError(f"a division with rounding_mode={rounding_mode} has no counterpart")
    return elementwise(m, "Div", input, other)


@function("operator.floordiv torch.floor_divide .floor_divide")
def floor_divide(m, input, other):
    if is_size(input) and is_size(other):
        return elementwise(m, "Div", input, other)
    if not m.result.dtype.is_floating_point:
        raise ExportError("the floor of a quotient of integers has no counterpart")
    return m.onnx("Floor", elementwise(m, "Div", input, other))


@function("torch.clamp torch.clip .clamp .clamp_ .clip")
def clamp(m, input, min=None, max=None):
    limits = ["" if limit is None else m.cast(limit, m.result.dtype) for limit in (min, max)]
    return m.onnx("Clip", m.cast(input, m.result.dtype), *(limits if limits[1] else limits[:1]))


@function("torch.where")
def where(m, condition, input, other):
    return m.onnx("Where", condition, m.cast(input, m.result.dtype), m.cast(other, m.result.dtype))


@function("torch.masked_fill .masked_fill .masked_fill_")
def masked_fill(m, input, mask, value):
    return m.onnx("Where", mask, m.cast(value, input.dtype), input)


@function(".to .type .float .double .half .int .long .bool .type_as")
def convert(m, input, *_, **__):
    return m.cast(input, m.result.dtype) if m.result.dtype != input.dtype else input


# --- products ---


@function("operator.matmul torch.matmul torch.bmm torch.mm .matmul .bmm .mm")
def matmul(m, input, other):
    return m.onnx("MatMul", input, other)


@function("torch.einsum")
def einsum(m, equation, *operands):
    return m.onnx("Einsum", *as_list(operands), equation=equation)


@function("F.linear")
def linear(m, input, weight, bias=None):
    product = m.onnx("MatMul", input, transposed(m, weight))
    return product if bias is None else m.onnx("Add", product, bias)


@function("F.conv1d F.conv2d F.conv3d torch.conv1d torch.conv2d torch.conv3d")
def convolution(m, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    axes = len(weight.shape) - 2
    if isinstance(padding, str):
        pads = {"auto_pad": {"same": "SAME_LOWER", "valid": "VALID"}[padding]}
        if padding == "same" and any(size % 2 == 0 for size in weight.shape[2:]):
            raise ExportError("padding='same' with an even kernel has no counterpart")
    else:
        pads = {"pads": per_axis(padding, axes) * 2}
    inputs = [input, weight] + ([] if bias is None else [bias])
    return m.onnx("Conv", *inputs, strides=per_axis(stride, axes), dilations=per_axis(dilation, axes), group=groups, **pads)


@function("F.conv_transpose1d F.conv_transpose2d F.conv_transpose3d")
def transposed_convolution(m, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    axes = len(weight.shape) - 2
    inputs = [input, weight] + ([] if bias is None else [bias])
    return m.onnx(
        "ConvTranspose",
        *inputs,
        strides=per_axis(stride, axes),
        pads=per_axis(padding, axes) * 2,
        output_padding=per_axis(output_padding, axes),
        dilations=per_axis(dilation, axes),
        group=groups,
    )


def per_axis(value, axes):
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return values * axes if len(values) == 1 else values


@function("F.embedding")
def embedding(m, input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    if max_norm is not None:
        raise ExportError("an embedding with max_norm has no counterpart")
    return m.onnx("Gather", weight, input)


@function("F.layer_norm")
def layer_norm(m, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    weight = torch.ones(tuple(normalized_shape), dtype=input.dtype) if weight is None else weight
    inputs = [input, weight] + ([] if bias is None else [bias])
    return m.onnx("LayerNormalization", *inputs, axis=-len(normalized_shape), epsilon=eps)


@function("F.normalize")
def normalize(m, input, p=2.0, dim=1, eps=1e-12):
    length = m.onnx({1: "ReduceL1", 2: "ReduceL2"}[p], input, m.constant([axis_of(input, dim)]), keepdims=1)
    return m.onnx("Div", input, m.onnx("Max", length, m.cast(eps, input.dtype)))


# --- reductions ---

REDUCTIONS = {
    "Mean": "torch.mean .mean",
    "Sum": "torch.sum .sum",
    "Prod": "torch.prod .prod",
    "AMax": "torch.amax .amax",
    "AMin": "torch.amin .amin",
    "LogSumExp": "torch.logsumexp .logsumexp",
}


def reduced(m, kind, x, rank, dim, keepdim):
    """Along the axes of `dim`; along all without."""
    axes = {} if dim is None or dim == () else {"dim": [each % rank for each in as_list([dim])]}
    return m.layer(kind, [x], **axes, **({"keepdim": True} if keepdim else {}))


def reduction(kind):
    def handler(m, input, dim=None, keepdim=False, dtype=None):
        return reduced(m, kind, m.cast(input, m.result.dtype), len(input.shape), dim, keepdim)

    return handler


for kind, names in REDUCTIONS.items():
    function(names)(reduction(kind))


@function("torch.max .max")
def maximum(m, input, other=None):
    return extreme(m, "Max", input, other)


@function("torch.min .min")
def minimum(m, input, other=None):
    return extreme(m, "Min", input, other)


def extreme(m, op, input, other):
    """Of all elements, or of two tensors; along a dim there would be indices too."""
    if other is None:
        return m.layer("A" + op, [input])
    if not isinstance(other, Ref):
        raise ExportError(f"{op.lower()} with indices has no counterpart; amax and amin have")
    return elementwise(m, op, input, other)


def arg_reduction(kind):
    def handler(m, input, dim=None, keepdim=False):
        axis = {} if dim is None else {"dim": axis_of(input, dim)}
        return m.layer(kind, [input], **axis, **({"keepdim": True} if keepdim and axis else {}))

    return handler


function("torch.argmax .argmax")(arg_reduction("ArgMax"))
function("torch.argmin .argmin")(arg_reduction("ArgMin"))


@function("torch.cumsum .cumsum")
def cumsum(m, input, dim):
    return m.onnx("CumSum", m.cast(input, m.result.dtype), m.constant(axis_of(input, dim)))


# --- shapes ---


@function(".size")
def size(m, input, dim=None):
    return sizes_of(m, input) if dim is None else size_of(m, input, dim)


@function(".dim")
def dim(m, input):
    return len(input.shape)


def transposed(m, input):
    return m.layer("Permute", [input], dims=list(reversed(range(len(input.shape)))))


ATTRIBUTES = {"shape": sizes_of, "T": transposed, "ndim": dim, "mT": lambda m, input: transpose(m, input, -2, -1)}


def attribute(m, input, name):
    if name in ATTRIBUTES:
        return ATTRIBUTES[name](m, input)
    if isinstance(m.result, (torch.dtype, torch.device, bool)):
        return m.result
    raise ExportError(f"Tensor.{name} has no counterpart")


FUNCTIONS[getattr] = attribute


@function("torch.reshape .reshape .view")
def reshape(m, input, *shape):
    if isinstance(shape[0], torch.dtype):
        raise ExportError("a view of the bits has no counterpart")
    return resized(m, "Reshape", input, as_list(shape))


def resized(m, op, x, sizes):
    """Reshape or Expand to sizes some of which may be open."""
    return m.layer(op, [x], shape=sizes) if is_known(sizes) else m.onnx(op, x, m.sizes(sizes))


@function("torch.permute .permute")
def permute(m, input, *dims):
    return m.layer("Permute", [input], dims=axes_of(input, as_list(dims)))


@function("torch.transpose torch.swapaxes .transpose .swapaxes")
def transpose(m, input, dim0, dim1):
    return m.layer("Transpose", [input], dim0=axis_of(input, dim0), dim1=axis_of(input, dim1))


@function("torch.t .t")
def transposed_matrix(m, input):
    return transposed(m, input)


@function("torch.squeeze .squeeze")
def squeeze(m, input, dim=None):
    if dim is None and m.dynamic:
        raise ExportError("squeeze without a dim depends on dims that are open")
    axes = range(len(input.shape)) if dim is None else axes_of(input, dim)
    axes = [axis for axis in axes if input.shape[axis] == 1]
    return m.layer("Squeeze", [input], dim=axes) if axes else input


@function("torch.unsqueeze .unsqueeze")
def unsqueeze(m, input, dim):
    return m.layer("Unsqueeze", [input], dim=axis_of(input, dim, 1))


@function("torch.cat torch.concat")
def concatenate(m, tensors, dim=0, axis=None):
    dim = axis_of(m.result, dim if axis is None else axis)
    return m.layer("Concat", [m.cast(each, m.result.dtype) for each in tensors], dim=dim)


@function("torch.stack")
def stack(m, tensors, dim=0):
    dim = axis_of(m.result, dim)
    return m.layer("Stack", tensors, dim=dim)


@function("torch.split torch.chunk torch.tensor_split .split .chunk .tensor_split")
def split(m, tensor, split_size_or_sections=None, dim=0, **other_names):
    return parts(m, tensor, dim, [part.shape[dim] for part in m.result])


def parts(m, tensor, dim, sizes):
    return m.layers("Split", [tensor], len(sizes), split_size=sizes, dim=axis_of(tensor, dim))


@function("torch.unbind .unbind")
def unbind(m, input, dim=0):
    made = parts(m, input, dim, [1] * input.shape[dim])
    return [m.layer("Squeeze", [part], dim=axis_of(input, dim)) for part in made]


@function(".expand")
def expand(m, input, *sizes):
    return resized(m, "Expand", input, [1 if is_size(size) and size == -1 else size for size in as_list(sizes)])


@function(".expand_as")
def expand_as(m, input, other):
    return m.onnx("Expand", input, m.onnx("Shape", other))


@function("torch.tile .repeat .tile")
def repeat(m, input, *sizes):
    sizes = as_list(sizes)
    more = len(sizes) - len(input.shape)
    wide = m.onnx("Unsqueeze", input, m.constant(list(range(more)))) if more > 0 else input
    return m.onnx("Tile", wide, m.sizes([1] * -more + sizes))


PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@function("F.pad")
def pad(m, input, pad, mode="constant", value=None):
    rank, axes = len(input.shape), len(pad) // 2
    begins, ends = list(pad[0::2])[::-1], list(pad[1::2])[::-1]
    pads = [0] * (rank - axes) + begins + [0] * (rank - axes) + ends
    filler = [m.cast(value or 0, input.dtype)] if mode == "constant" else []
    return m.onnx("Pad", input, m.sizes(pads), *filler, mode=PAD_MODES[mode])


# --- parts of tensors ---


@function("torch.narrow .narrow")
def narrow(m, input, dim, start, length):
    if not (isinstance(start, int) and isinstance(length, int)):
        raise ExportError("narrow by a size that is open has no counterpart; a slice has")
    return slices(m, input, {axis_of(input, dim): slice(start, start + length)})


@function("torch.select .select")
def select(m, input, dim, index):
    return m.layer("Select", [input], dim=axis_of(input, dim), index=index)


@function("torch.index_select .index_select")
def index_select(m, input, dim, index):
    return m.onnx("Gather", input, index, axis=axis_of(input, dim))


@function("torch.gather .gather")
def gather(m, input, dim, index):
    return m.onnx("GatherElements", input, index, axis=axis_of(input, dim))


def slices(m, x, by_axis):
    """x cut by {axis: slice}, whose bounds may be sizes of the graph."""
    by_axis = {axis: cut for axis, cut in by_axis.items() if cut != slice(None)}
    if not by_axis:
        return x
    starts = [0 if cut.start is None else cut.start for cut in by_axis.values()]
    ends = [LAST if cut.stop is None else cut.stop for cut in by_axis.values()]
    steps = [1 if cut.step is None else cut.step for cut in by_axis.values()]
    if len(by_axis) == 1 and is_known([starts, ends]):
        (axis,) = by_axis
        end = {} if ends[0] == LAST else {"end": ends[0]}
        return m.layer("Slice", [x], dim=axis, start=starts[0], **end, **({"step": steps[0]} if steps[0] != 1 else {}))
    return m.onnx("Slice", x, m.sizes(starts), m.sizes(ends), m.constant(list(by_axis)), m.sizes(steps))


def full_index(x, index):
    """One entry for each axis of x, and a None for each new one."""
    index = list(index) if isinstance(index, tuple) else [index]
    taken = sum(each is not None and each is not Ellipsis for each in index)
    rest = [slice(None)] * (len(x.shape) - taken)
    places = [i for i, each in enumerate(index) if each is Ellipsis]
    return index[: places[0]] + rest + index[places[0] + 1 :] if places else index + rest


@function("operator.getitem")
def item(m, x, index):
    if isinstance(x, (tuple, list)):
        return x[index]
    index = full_index(x, index)
    old = [each for each in index if each is not None]
    tensors = [axis for axis, each in enumerate(old) if isinstance(each, (Ref, torch.Tensor))]
    if tensors:
        return indexed(m, x, index, tensors)
    if any(isinstance(each, Size) for each in old):
        raise ExportError("an index that is an open size has no counterpart; a slice has")
    for axis, each in reversed(list(enumerate(old))):
        x = m.layer("Select", [x], dim=axis, index=each) if isinstance(each, int) else x
    cut = slices(m, x, dict(enumerate(each for each in old if isinstance(each, slice))))
    left = [each for each in index if not isinstance(each, int)]
    new = [place for place, each in enumerate(left) if each is None]
    return m.onnx("Unsqueeze", cut, m.constant(new)) if new else cut


def indexed(m, x, index, tensors):
    """x[:, i]: one tensor of integers at one axis, all of the others."""
    whole = all(each == slice(None) for each in index if isinstance(each, slice))
    if len(tensors) > 1 or not whole or len(index) != len(x.shape) or index[tensors[0]].dtype == torch.bool:
        raise ExportError("an index of several tensors, of booleans, or of a tensor and numbers has no counterpart")
    return m.onnx("Gather", x, index[tensors[0]], axis=tensors[0])


# --- tensors that are made of sizes ---


def filled(m, value, sizes):
    return m.onnx("Expand", m.cast(value, m.result.dtype), m.sizes(as_list(sizes)))


@function("torch.zeros")
def zeros(m, *size, dtype=None, device=None, requires_grad=False):
    return filled(m, 0, size)


@function("torch.ones")
def ones(m, *size, dtype=None, device=None, requires_grad=False):
    return filled(m, 1, size)


@function("torch.full")
def full(m, size, fill_value, dtype=None, device=None, requires_grad=False):
    return filled(m, fill_value, [size])


@function("torch.zeros_like")
def zeros_like(m, input, dtype=None, device=None):
    return m.onnx("Expand", m.cast(0, m.result.dtype), m.onnx("Shape", input))


@function("torch.ones_like")
def ones_like(m, input, dtype=None, device=None):
    return m.onnx("Expand", m.cast(1, m.result.dtype), m.onnx("Shape", input))


@function("torch.arange")
def arange(m, *limits, dtype=None, device=None, requires_grad=False):
    start, end, step = {1: (0, limits[0], 1), 2: (*limits, 1), 3: limits}[len(limits)]
    return m.onnx("Range", *[m.cast(limit, m.result.dtype) for limit in (start, end, step)])


@function("torch.tril .tril")
def tril(m, input, diagonal=0):
    return m.onnx("Trilu", input, m.constant(diagonal), upper=0)


@function("torch.triu .triu")
def triu(m, input, diagonal=0):
    return m.onnx("Trilu", input, m.constant(diagonal), upper=1)
