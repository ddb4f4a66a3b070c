"""What an output must be, and how results differ from it. Read by the processes that run compiled programs, so it needs no reference."""

import numpy as np
import onnx

from .table import DTYPES


class Expected:
    """What one output must be: its type, and ranges (low, high) of which each element has to lie in one; equal ones for exact results."""

    def __init__(self, dtype, ranges, shape=None):
        self.dtype, self.ranges, self.shape = dtype, ranges, shape

    def difference(self, code, actual):
        """What is wrong with `actual` of ONNX type `code`, or None."""
        wanted = onnx.helper.np_dtype_to_tensor_dtype(self.dtype) if self.dtype != object else onnx.TensorProto.STRING
        if wanted != code:
            return f"type {code}, expected {wanted}"
        if actual.shape != self.shape:
            return f"shape {actual.shape}, expected {self.shape}"
        if not self.ranges:
            return None
        actual = actual.view(self.dtype) if self.dtype == DTYPES["bfloat16"] else actual
        wrong = np.logical_and.reduce([outside(actual, *each) for each in self.ranges])
        if not np.any(wrong):
            return None
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        shown = " or ".join(str(low[place]) if low[place] == high[place] else f"{low[place]:.9g} … {high[place]:.9g}" for low, high in self.ranges)
        return f"{int(np.sum(wrong))} of {wrong.size} differ, first at {place}: {actual[place]!r}, expected {shown}"


def outside(actual, low, high):
    if actual.dtype.kind in "biuO":
        return (actual < low) | (actual > high)
    with np.errstate(all="ignore"):
        wide = actual.astype(np.float64)
        return ~(((wide >= low) & (wide <= high)) | (np.isnan(wide) & np.isnan(low)))
