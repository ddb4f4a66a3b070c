"""PyTorch models for ctc: docs/pytorch.md.

    import ctc_torch
    ctc_torch.export(net, torch.zeros(1, 3, 32, 32), "net.json")      # and net.safetensors
    ctc_torch.load_weights(net, "net.safetensors")                    # back into the module
    ctc_torch.GDN, ctc_torch.IGDN                                     # layers that PyTorch has not
    ctc_torch.register(MyLayer, fields=["alpha"])                     # a module of one's own as one layer, of a plugin
"""

from .export import export
from .gdn import GDN, IGDN
from .layers import ExportError, register
from .tensors import load_weights, tensors_of

__all__ = ["GDN", "IGDN", "ExportError", "export", "load_weights", "register", "tensors_of"]
