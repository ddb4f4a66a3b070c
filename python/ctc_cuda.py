"""Runs a model that `ctc compile -o net.cu` made, on numpy arrays: ctc_run.py for programs with kernels for a GPU.

    gcc -x c -O2 -shared -fPIC net.cu -o net.so
    import ctc_cuda
    model = ctc_cuda.load("net.so")
    y, = model.run([x])

Needs ctc_run.py beside it, and a driver when the model is loaded.
"""

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_int64, c_uint32, c_void_p

import ctc_run
from ctc_run import CCompound, CDim, CPort, ModelError, addresses


class COptions(ctypes.Structure):
    _fields_ = [("device", c_int32), ("cache", c_char_p), ("weights", c_void_p)]


class CCudaModel(ctypes.Structure):
    """The descriptor, as templates/model_cuda.h lays it out."""

    _fields_ = [
        ("abi_version", c_uint32),
        ("name", c_char_p),
        ("input_count", c_int32),
        ("output_count", c_int32),
        ("dim_count", c_int32),
        ("inputs", POINTER(CPort)),
        ("outputs", POINTER(CPort)),
        ("dims", POINTER(CDim)),
        ("bounds", CFUNCTYPE(None, POINTER(c_int64))),
        ("shapes", CFUNCTYPE(None, POINTER(c_int64), POINTER(c_int64))),
        ("device_bytes", CFUNCTYPE(c_int64, POINTER(c_int64))),
        ("init", CFUNCTYPE(c_int, POINTER(c_void_p), POINTER(COptions))),
        ("run", CFUNCTYPE(c_int, c_void_p, POINTER(c_void_p), POINTER(c_void_p), POINTER(c_int64), c_void_p)),
        ("free", CFUNCTYPE(None, c_void_p)),
        ("message", CFUNCTYPE(c_char_p, c_void_p)),
        ("status_text", CFUNCTYPE(c_char_p, c_int)),
        ("weights_bytes", c_int64),
        ("compound_count", c_int32),
        ("compounds", POINTER(CCompound)),
    ]


class Model(ctc_run.Model):
    """A model on a device."""

    descriptor = CCudaModel

    def __init__(self, library, prefix, weights=None, device=0, cache=None):
        super().__init__(library, prefix, weights)
        self._handle = c_void_p()
        options = COptions(device, cache.encode() if cache is not None else None, self._weights)
        status = self._c.init(ctypes.byref(self._handle), ctypes.byref(options))
        if status:
            message = self.message()
            self.close()
            raise ModelError(f"{self.name}: {message}", status)

    def message(self):
        return self._c.message(self._handle).decode()

    def close(self):
        if self._handle:
            self._c.free(self._handle)
        self._handle = None

    def workspace_bytes(self, dims):
        """Of the caller's: none."""
        return 0

    def bind(self, inputs, outputs, dims=(), stream=None):
        """A function that runs the model on memory at these addresses, lists in the model's order, each on the host or on the device.

        `dims` are those of solve_dims. With a stream (a CUstream) and all memory on the device it may return before the work is done.
        """
        fixed = (c_void_p * max(1, len(inputs)))(*inputs), (c_void_p * max(1, len(outputs)))(*outputs), ctc_run.c_dims(dims), stream

        def run():
            status = self._c.run(self._handle, *fixed)
            if status:
                raise ModelError(f"{self.name}: {self.message()}", status)

        return run

    def _call(self, arrays, outputs, dims, workspace, pool):
        return self._c.run(self._handle, addresses(arrays), addresses(outputs), dims, None)


def load(path, name=None, weights=None):
    """The model `name` (by default, called like the file) of a shared library."""
    return ctc_run.load(path, name, weights, Model)
