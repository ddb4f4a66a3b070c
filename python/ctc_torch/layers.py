"""Which modules are layers of a model file, and what the file says of them.

A layer's type is its class's name; its fields are the constructor's arguments that differ from their defaults.
"""

import dataclasses
import inspect

import torch
from torch import nn
from torch.nn.utils import parametrize

from .gdn import GDN, IGDN
from .tensors import owned_tensors


class ExportError(Exception):
    """What cannot be exported, and which module it is."""


@dataclasses.dataclass
class Layer:
    """`fields` are the names of the fields; None: all arguments of the constructor."""

    type: str
    fields: tuple = None


BUILT_IN = """
    Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear Bilinear Flatten Unflatten Identity
    ReLU ReLU6 LeakyReLU PReLU ELU CELU SELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus Softsign Softshrink Hardshrink
    Tanhshrink Hardtanh Hardsigmoid Hardswish Threshold GLU Softmax LogSoftmax Softmin Softmax2d
    BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm GroupNorm LocalResponseNorm RMSNorm
    MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d LPPool1d LPPool2d
    ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d
    ReplicationPad1d ReplicationPad2d ReplicationPad3d Upsample UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle
    PixelUnshuffle ChannelShuffle Embedding RNN LSTM GRU MultiheadAttention TransformerEncoderLayer
    Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
""".split()

# By class; what this PyTorch does not have is not missed. `register` adds to it.
LAYERS = {getattr(nn, name): Layer(name) for name in BUILT_IN if hasattr(nn, name)}
LAYERS[GDN] = Layer("GDN", ("in_channels",))
LAYERS[IGDN] = Layer("IGDN", ("in_channels",))

# Their own constructors take anything and hand it to RNNBase, whose `mode` is the class.
RECURRENT = {nn.RNN: {"nonlinearity": "tanh"}, nn.LSTM: {}, nn.GRU: {}}
# Arguments that do not change what a trained layer computes.
IGNORED = {"device", "dtype", "inplace", "dropout", "sparse", "scale_grad_by_freq", "init"}
# Arguments whose attribute is the tensor itself (or None), under one of these names.
PRESENCE = {"bias": ("bias", "in_proj_bias"), "add_bias_kv": ("bias_k",)}
# Arguments that only parts of the module remember.
REMEMBERED = {
    nn.TransformerEncoderLayer: {
        "d_model": lambda layer: layer.self_attn.embed_dim,
        "nhead": lambda layer: layer.self_attn.num_heads,
        "dim_feedforward": lambda layer: layer.linear1.out_features,
        "activation": lambda layer: getattr(layer.activation, "__name__", type(layer.activation).__name__).lower(),
        "layer_norm_eps": lambda layer: layer.norm1.eps,
        "batch_first": lambda layer: layer.self_attn.batch_first,
        "bias": lambda layer: layer.linear1.bias is not None,
    }
}
# Numbers for each axis, which may be one number for all.
PER_AXIS = {"kernel_size", "stride", "padding", "dilation", "output_padding"}
REFUSED = {"return_indices", "max_norm"}


def register(kind, type=None, fields=()):
    """Exports modules of that class as one layer, of a plugin say, with these attributes as fields."""
    LAYERS[kind] = Layer(type or kind.__name__, tuple(fields))


def class_of(module):
    """The class as it was written: parametrised tensors change a module's class."""
    return parametrize.type_before_parametrizations(module)


def layer_of(module):
    """The Layer of a module, None if it is none; a subclass may compute something else than its base."""
    return LAYERS.get(class_of(module))


def plain(name, value):
    """A field as JSON has it."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if not isinstance(value, (tuple, list)):
        return value
    value = list(value)
    return value[0] if name in PER_AXIS and value and value.count(value[0]) == len(value) else value


def argument_value(module, name):
    if name not in PRESENCE:
        return getattr(module, name)
    found = [getattr(module, attribute) for attribute in PRESENCE[name] if hasattr(module, attribute)]
    return any(value is not None and value is not False for value in found)


def arguments_of(kind):
    """{name: default} of what a class is made from."""
    recurrent = kind in RECURRENT
    constructor = inspect.signature((nn.RNNBase if recurrent else kind).__init__)
    skipped = IGNORED | ({"mode"} if recurrent else set())
    own = {
        name: argument.default
        for name, argument in list(constructor.parameters.items())[1:]
        if name not in skipped and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    }
    return own | RECURRENT.get(kind, {})


def different(kind, values):
    """Those of {argument: value} that are not what `kind` takes by default."""
    fields = {}
    for name, default in arguments_of(kind).items():
        value = plain(name, values.get(name, default))
        whole_kernel = name == "stride" and default is None and value == plain("kernel_size", values.get("kernel_size"))
        if value is inspect.Parameter.empty or value == plain(name, default) or whole_kernel:
            continue
        if name in REFUSED:
            raise ExportError(f"{kind.__name__} with {name}={value} has no counterpart")
        fields[name] = value
    return fields


def fields_of(module):
    """{field: value} of a layer."""
    kind, layer = class_of(module), layer_of(module)
    if layer.fields is not None:
        return {name: plain(name, getattr(module, name)) for name in layer.fields}
    remembered = REMEMBERED.get(kind, {})
    names = [name for name in arguments_of(kind) if name in PRESENCE or hasattr(module, name)]
    values = {name: argument_value(module, name) for name in names}
    return different(kind, values | {name: of(module) for name, of in remembered.items()})


def check_hooks(module):
    if module._forward_hooks or module._forward_pre_hooks:
        raise ExportError("has hooks, which a file cannot hold; those of torch.nn.utils.weight_norm and spectral_norm go with remove_weight_norm and remove_spectral_norm")


class Weights:
    """The tensors of a whole module: by which name a layer's are in the file, and which of them are needed there."""

    def __init__(self, module):
        self.used, self._names, self._tensors = {}, {}, {}
        for name, owner, own_name, tensor in owned_tensors(module):
            self._tensors[name] = tensor
            self._names.setdefault(self._key(owner, own_name, tensor), name)

    @property
    def names(self):
        """All names that the file may have."""
        return self._tensors.keys()

    @staticmethod
    def _key(owner, name, tensor):
        """Two names share what is one tensor; what stands for a parametrised one is made anew at each look."""
        return (id(owner), name) if parametrize.is_parametrized(owner, name) else id(tensor)

    def name_of(self, owner, own_name, tensor):
        """Under which name that tensor goes to the file; None: it is neither parameter nor buffer."""
        name = self._names.get(self._key(owner, own_name, tensor))
        if name is None:
            return None
        self.used[name] = self._tensors[name].detach()
        return name

    def renamed(self, module, layer_name):
        """{own name: name in the file} of those of a layer's tensors that are not called after the layer."""
        names = {own: self.name_of(owner, local, tensor) for own, owner, local, tensor in owned_tensors(module)}
        return {own: name for own, name in names.items() if name != f"{layer_name}.{own}"}


def entry(module, name, weights):
    """The layer as an object of the file, without its inputs and outputs."""
    check_hooks(module)
    made = {"name": name, "type": layer_of(module).type, **fields_of(module)}
    renamed = weights.renamed(module, name)
    return made | ({"weights": renamed} if renamed else {})
