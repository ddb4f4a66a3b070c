"""The driver API and NVRTC from Python, by ctypes, as an emitted program uses them: whatever libraries the loader finds, the stand-in or a GPU's."""
import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np


class CudaError(Exception):
    def __init__(self, function, code):
        super().__init__(f"{function}: {code}")
        self.code = code


class Library:
    """Functions by name: a status that is not 0 is raised; `status(name, …)` returns it."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)

    def status(self, name, *arguments):
        return getattr(self.library, name)(*arguments)

    def __getattr__(self, name):
        def call(*arguments):
            code = self.status(name, *arguments)
            if code:
                raise CudaError(name, code)

        return call


class CompileError(Exception):
    pass


class Gpu:
    """A device with its primary context: arrays, kernels and launches."""

    def __init__(self):
        self.cuda = Library("libcuda.so.1")
        self.nvrtc = Library("libnvrtc.so.13")
        self.cuda.cuInit(0)
        self.context = c_void_p()
        self.cuda.cuDevicePrimaryCtxRetain(byref(self.context), 0)
        self.cuda.cuCtxSetCurrent(self.context)

    def attribute(self, number):
        value = c_int()
        self.cuda.cuDeviceGetAttribute(byref(value), number, 0)
        return value.value

    def cubin(self, text, *options):
        """The compiled text, for this device."""
        program = c_void_p()
        self.nvrtc.nvrtcCreateProgram(byref(program), text.encode(), b"kernels.cu", 0, None, None)
        arch = f"-arch=sm_{self.attribute(75)}{self.attribute(76)}"
        every = [arch, *options]
        status = self.nvrtc.status("nvrtcCompileProgram", program, len(every), (c_char_p * len(every))(*(o.encode() for o in every)))
        size = c_size_t()
        if status:
            self.nvrtc.nvrtcGetProgramLogSize(program, byref(size))
            log = ctypes.create_string_buffer(size.value)
            self.nvrtc.nvrtcGetProgramLog(program, log)
            raise CompileError(log.value.decode())
        self.nvrtc.nvrtcGetCUBINSize(program, byref(size))
        image = ctypes.create_string_buffer(size.value)
        self.nvrtc.nvrtcGetCUBIN(program, image)
        self.nvrtc.nvrtcDestroyProgram(byref(program))
        return image

    def module(self, text, *options):
        module = c_void_p()
        self.cuda.cuModuleLoadData(byref(module), self.cubin(text, *options))
        return module

    def function(self, module, name):
        function = c_void_p()
        self.cuda.cuModuleGetFunction(byref(function), module, name.encode())
        return function

    def kernel(self, text, name, *options):
        return self.function(self.module(text, *options), name)

    # --- memory ---

    def empty(self, bytes_):
        address = c_uint64()
        self.cuda.cuMemAlloc_v2(byref(address), c_size_t(bytes_))
        return address

    def upload(self, array):
        array = np.ascontiguousarray(array)
        address = self.empty(max(array.nbytes, 1))
        if array.nbytes:
            self.cuda.cuMemcpyHtoD_v2(address, array.ctypes.data_as(c_void_p), c_size_t(array.nbytes))
        return address

    def download(self, address, shape, dtype=np.float32):
        array = np.empty(shape, dtype)
        if array.nbytes:
            self.cuda.cuMemcpyDtoH_v2(array.ctypes.data_as(c_void_p), address, c_size_t(array.nbytes))
        return array

    # --- launches ---

    def launch_status(self, function, blocks, threads, arguments, shared=0, stream=None):
        """Arguments are ctypes values; int is c_int. Blocks and threads: a number or up to three."""
        values = [c_int(a) if isinstance(a, int) else a for a in arguments]
        addresses = (c_void_p * (len(values) + 1))(*(ctypes.addressof(v) for v in values))
        three = [c_uint(n) for dims in (blocks, threads) for n in (list(np.atleast_1d(dims)) + [1, 1])[:3]]
        return self.cuda.status("cuLaunchKernel", function, *three, c_uint(shared), stream, addresses, None)

    def launch(self, *arguments, **more):
        code = self.launch_status(*arguments, **more)
        if code:
            raise CudaError("cuLaunchKernel", code)

    def synchronize(self):
        self.cuda.cuCtxSynchronize()
