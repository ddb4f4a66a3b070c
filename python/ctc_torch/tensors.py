"""The tensors of a module by name, as ctc's weight files have them: parametrised ones (torch.nn.utils.parametrize) as what they stand for.

`1.gamma` of a GDN layer is the gamma of its formula, not `1.parametrizations.gamma.original` of its state_dict.
"""

import pathlib

import torch
from torch.nn.utils import parametrize

from . import safetensors

# Counts training steps; no layer reads it.
UNUSED = {"num_batches_tracked"}
# What files call constants of forward functions, with a number behind it.
CONSTANT = "ctc.constant"


def owned_tensors(module):
    """(name, owner, name there, tensor) for each parameter and buffer, again under each further name."""
    for path, owner in module.named_modules(remove_duplicate=False):
        if "parametrizations" in path.split("."):
            continue
        own = {**owner._parameters, **owner._buffers}
        if parametrize.is_parametrized(owner):
            own.update({name: getattr(owner, name) for name in owner.parametrizations})
        for name, tensor in own.items():
            if tensor is not None and name not in UNUSED:
                yield f"{path}.{name}" if path else name, owner, name, tensor


def tensors_of(module):
    """{name: tensor} as the weight file has them."""
    return {name: tensor.detach() for name, _, _, tensor in owned_tensors(module)}


def read_weights(path):
    """{name: tensor} of a .safetensors or .npz file."""
    if pathlib.Path(path).suffix != ".npz":
        return safetensors.read(path)
    import numpy as np

    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def load_weights(module, path, strict=True):
    """Puts the tensors of a weight file into the module. Says all that does not fit, and changes nothing then.

    With strict=False, tensors that only one side has are left alone.
    """
    found, wrong = read_weights(path), []
    owned = list(owned_tensors(module))
    # What two names share is in the file under one of them.
    filled = {id(tensor) for name, _, _, tensor in owned if name in found}
    for name, _, _, tensor in owned:
        if name in found and found[name].shape != tensor.shape:
            wrong.append(f"{name} has shape {list(found[name].shape)}, the module wants {list(tensor.shape)}")
        elif strict and name not in found and id(tensor) not in filled:
            wrong.append(f"{name} is missing")
    if strict:
        known = {name for name, *_ in owned}
        wrong += [f"{name} is not in the module" for name in found if name not in known and is_for_module(name)]
    if wrong:
        raise ValueError(f"{path} does not fit {type(module).__name__}:\n  " + "\n  ".join(wrong))
    for name, owner, own_name, tensor in owned:
        if name in found:
            assign(owner, own_name, tensor, found[name])


def is_for_module(name):
    return not name.startswith(CONSTANT) and name.split(".")[-1] not in UNUSED


def assign(owner, name, tensor, value):
    """Gives a tensor of owned_tensors another value."""
    value = value.to(tensor)
    with torch.no_grad():
        if parametrize.is_parametrized(owner, name):
            setattr(owner, name, value)
        else:
            tensor.copy_(value)
