"""All generators, by operator, and what is left out with its reason."""

from . import elementwise, movement, others, products, quantized, reductions, spatial, table  # noqa: F401 (they register themselves)
from .draw import GENERATORS  # noqa: F401

ROWS = table.read()

# Nothing to compare with, or nothing that the operator table describes. This list may only shrink.
LEFT_OUT = {
    "SimplifiedLayerNormalization": "onnxruntime's own name for RMSNormalization; in no table",
    "ai.onnx.ml.ZipMap": "its result is a sequence of maps",
    "com.microsoft.QLinearReduceMean": "onnxruntime describes it and has no kernel",
}
