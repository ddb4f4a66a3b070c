"""What measuring needs of the CUDA driver, through ctypes: memory, streams, events, graphs. `Driver()` raises NoDevice where there is none."""

import ctypes
from ctypes import byref, c_char, c_float, c_int, c_size_t, c_uint64, c_ulonglong, c_void_p


class NoDevice(Exception):
    pass


# Numbers of CUdevice_attribute.
ATTRIBUTES = {"clock_khz": 13, "multiprocessors": 16, "memory_clock_khz": 36, "memory_bus_bits": 37, "l2_bytes": 38, "major": 75, "minor": 76}
RELAXED, WITHOUT_DEFAULT_STREAM = 2, 1


class Driver:
    """The device 0 with its primary context, the one that PyTorch and the models use too."""

    def __init__(self):
        try:
            self._cuda = ctypes.CDLL("libcuda.so.1")
        except OSError:
            raise NoDevice("no CUDA driver") from None
        count, self._device, self._context = c_int(), c_int(), c_void_p()
        if self._cuda.cuInit(0) or self._cuda.cuDeviceGetCount(byref(count)) or not count.value:
            raise NoDevice("no CUDA device")
        self("cuDeviceGet", byref(self._device), 0)
        self("cuDevicePrimaryCtxRetain", byref(self._context), self._device)
        self("cuCtxPushCurrent_v2", self._context)

    def __call__(self, name, *arguments):
        """A function of the driver's that must not fail."""
        error = getattr(self._cuda, name)(*arguments)
        if error:
            text = ctypes.c_char_p()
            self._cuda.cuGetErrorString(error, byref(text))
            raise RuntimeError(f"{name}: {text.value.decode() if text.value else error}")

    # --- facts ---

    def name(self):
        text = (c_char * 256)()
        self("cuDeviceGetName", text, 256, self._device)
        return text.value.decode()

    def version(self):
        number = c_int()
        self("cuDriverGetVersion", byref(number))
        return number.value

    def attributes(self):
        """What the driver knows of ATTRIBUTES."""
        found, value = {}, c_int()
        for name, number in ATTRIBUTES.items():
            if self._cuda.cuDeviceGetAttribute(byref(value), number, self._device) == 0:
                found[name] = value.value
        return found

    # --- memory ---

    def allocate(self, size):
        address = c_uint64()
        self("cuMemAlloc_v2", byref(address), c_size_t(max(size, 1)))
        return address.value

    def free(self, address):
        self("cuMemFree_v2", c_uint64(address))

    def upload(self, address, array):
        self("cuMemcpyHtoD_v2", c_uint64(address), c_void_p(array.ctypes.data), c_size_t(array.nbytes))

    def download(self, address, shape, dtype):
        import numpy as np  # not at the top: whether there is a device can be told without it

        array = np.empty(shape, dtype)
        self("cuMemcpyDtoH_v2", c_void_p(array.ctypes.data), c_uint64(address), c_size_t(array.nbytes))
        return array

    def copy(self, to, source, size, stream):
        self("cuMemcpyDtoDAsync_v2", c_uint64(to), c_uint64(source), c_size_t(size), stream)

    # --- streams, events, graphs ---

    def stream(self):
        made = c_void_p()
        self("cuStreamCreate", byref(made), WITHOUT_DEFAULT_STREAM)
        return made

    def wait(self, stream):
        self("cuStreamSynchronize", stream)

    def event(self):
        made = c_void_p()
        self("cuEventCreate", byref(made), 0)
        return made

    def record(self, event, stream):
        self("cuEventRecord", event, stream)

    def seconds_between(self, start, end):
        self("cuEventSynchronize", end)
        milliseconds = c_float()
        self("cuEventElapsedTime", byref(milliseconds), start, end)
        return milliseconds.value / 1e3

    def begin_capture(self, stream):
        self("cuStreamBeginCapture_v2", stream, RELAXED)

    def end_capture(self, stream):
        """The work since begin_capture as something that `launch` runs."""
        graph, executable = c_void_p(), c_void_p()
        self("cuStreamEndCapture", stream, byref(graph))
        self("cuGraphInstantiateWithFlags", byref(executable), graph, c_ulonglong(0))
        self("cuGraphDestroy", graph)
        return executable

    def launch(self, executable, stream):
        self("cuGraphLaunch", executable, stream)

    def forget(self, executable):
        self("cuGraphExecDestroy", executable)
