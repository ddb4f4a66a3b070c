#!/usr/bin/env python3
"""Kernels on the device that libcuda.so.1 gives: `cases.py NAME…` runs cases, `cases.py` lists them. All but those of the kernels in wrong/ must
hold on a GPU too; numpy says what is right."""
import ctypes
import os
import pathlib
import sys

import numpy as np

from host import CompileError, Gpu

HERE = pathlib.Path(__file__).resolve().parent
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def kernel(gpu, file, name):
    return gpu.kernel((HERE / file).read_text(), name)


def random(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(actual, expected, tolerance=1e-5):
    """Within tolerance of the largest value; NaN is never close."""
    error = np.max(np.abs(actual - expected)) / np.max(np.abs(expected))
    assert error <= tolerance, f"error {error}"


# --- right kernels ---


@case
def product(gpu):
    m, n, k = 70, 50, 90
    a, b = random(m, k), random(k, n, seed=2)
    c = gpu.empty(4 * m * n)
    blocks = ((n + 15) // 16, (m + 15) // 16)
    gpu.launch(kernel(gpu, "kernels/product.cu", "product"), blocks, (16, 16), [gpu.upload(a), gpu.upload(b), c, m, n, k])
    close(gpu.download(c, (m, n)), a.astype(np.float64) @ b)


@case
def softmax(gpu):
    rows, n = 9, 300
    x = random(rows, n)
    y = gpu.empty(x.nbytes)
    gpu.launch(kernel(gpu, "kernels/softmax.cu", "softmax"), rows, 128, [gpu.upload(x), y, n])
    e = np.exp(x.astype(np.float64))
    close(gpu.download(y, x.shape), e / e.sum(1, keepdims=True))


def ints(*shape, seed=3):
    return np.random.default_rng(seed).integers(-100, 100, shape).astype(np.int32)


def same(actual, expected):
    assert np.array_equal(actual, expected), f"differ at {np.argwhere(actual != expected)[:5].tolist()}"


def run(gpu, file, name, blocks, threads, inputs, shape, dtype=np.float32, more=(), shared=0):
    """Output of a kernel whose parameters are inputs, the output and numbers."""
    y = gpu.empty(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    arguments = [*map(gpu.upload, inputs), y, *more]
    gpu.launch(kernel(gpu, f"kernels/{file}.cu", name), blocks, threads, arguments, shared=shared)
    return gpu.download(y, shape, dtype)


@case
def shuffles(gpu):
    x, lanes = ints(64), np.arange(64)
    expected = []
    for width in (8, 16, 32):
        first = lanes // width * width
        last = first + width - 1
        up, down, flipped = lanes - 3, lanes + 3, lanes ^ 6
        sources = [first + (5 + lanes // 32) % width, np.where(up < first, lanes, up), np.where(down > last, lanes, down), flipped]
        expected += [x[source] for source in sources]
    same(run(gpu, "warp", "shuffles", 1, 64, [x], (12, 64), np.int32), np.stack(expected))


@case
def votes(gpu):
    x = ints(64)
    warps = x.reshape(2, 32)
    ballot = [sum(1 << i for i in range(32) if warp[i] > 0) for warp in warps]
    expected = [ballot, (warps > 90).any(1), (warps > -90).all(1)]
    same(run(gpu, "warp", "votes", 1, 64, [x], (3, 64), np.uint32), np.stack([np.repeat(row, 32) for row in expected]))


@case
def halves(gpu):
    x = np.arange(64) ** 2.0
    y = run(gpu, "warp", "halves", 1, 64, [x], 64, np.float64)
    for first in (0, 32):
        assert y[first] == x[first : first + 16].sum()
        same(y[first + 16 : first + 32], np.full(16, x[first + 31]))


@case
def short_warp(gpu):
    x = random(20)
    same(run(gpu, "warp", "short_warp", 1, 20, [x], 20), x + x[np.arange(20) ^ 1])


@case
def by_syncwarp(gpu):
    x = random(64)
    same(run(gpu, "warp", "by_syncwarp", 1, 64, [x], 64), x[np.arange(64) ^ 1 ^ 7] + 1)


@case
def reductions(gpu):
    x = ints(64)
    warps = x.reshape(2, 32)
    expected = np.stack([np.repeat(f(axis=1), 32) for f in (warps.sum, warps.min, warps.max)])
    same(run(gpu, "warp", "reductions", 1, 64, [x], (3, 64), np.int32), expected)


@case
def indices(gpu):
    y = run(gpu, "blocks", "indices", (2, 3, 2), (5, 4, 3), [], (12, 3, 4, 5), np.int32)
    b, z, yy, x = np.ogrid[:12, :3, :4, :5]
    same(y, 1000 * b + 100 * z + 10 * yy + x)


@case
def scale(gpu):
    x = random(1000)
    same(run(gpu, "blocks", "scale", 4, 256, [x], 1000, more=[1000, ctypes.c_float(0.5)]), x / 2)


@case
def counting_barriers(gpu):
    x = ints(96)
    expected = [(x > 0).sum(), (x > 90).any(), (x > 90).all()]
    y = run(gpu, "blocks", "counting_barriers", 1, 96, [x], (96, 3), np.int32)
    same(np.stack([y[:, 0], y[:, 1] != 0, y[:, 2] != 0], 1), np.tile(expected, (96, 1)))


@case
def dynamic_sum(gpu):
    x = ints(3, 128).astype(np.float32)
    same(run(gpu, "blocks", "dynamic_sum", 3, 128, [x], 3, shared=4 * 128), x.sum(1))


@case
def histogram(gpu):
    x = np.abs(ints(777) % 9).astype(np.uint8)
    counts, status = gpu.upload(np.zeros(8, np.int32)), gpu.upload(np.zeros(1, np.int32))
    gpu.launch(kernel(gpu, "kernels/blocks.cu", "histogram"), 3, 64, [gpu.upload(x), x.size, counts, status])
    same(gpu.download(counts, 8, np.int32), np.bincount(x, minlength=9)[:8])
    same(gpu.download(status, 1, np.int32), [7])


@case
def last_block_sum(gpu):
    x = ints(5, 64).astype(np.float32)
    partial, finished = gpu.empty(4 * 5), gpu.upload(np.zeros(1, np.uint32))
    y = gpu.empty(4)
    gpu.launch(kernel(gpu, "kernels/blocks.cu", "last_block_sum"), 5, 64, [gpu.upload(x), partial, finished, y])
    same(gpu.download(y, 1), [x.sum()])


@case
def bytes_apart(gpu):
    x = np.arange(200).astype(np.uint8)
    same(run(gpu, "blocks", "bytes", 4, 64, [x], 200, np.uint8, more=[200]), 255 - x)


def c_int(values):
    """The low 32 bits, as int."""
    return (np.asarray(values, np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def byte_perm(x, z, selector):
    eight = [(v >> (8 * i)) & 0xFF for v in (x, z) for i in range(4)]
    result = np.zeros_like(x)
    for i in range(4):
        digit = selector >> (4 * i) & 15
        byte = eight[digit & 7]
        result |= (np.where(byte & 0x80, 0xFF, 0) if digit & 8 else byte) << (8 * i)
    return result


@case
def integers(gpu):
    rng = np.random.default_rng(5)
    a, b = (np.r_[[0, 1, -1, 2**31 - 1, -(2**31)], rng.integers(-(2**31), 2**31, 300), rng.integers(-99, 99, 100)].astype(np.int32) for _ in "ab")
    b = b[::-1].copy()
    x, z = a.astype(np.int64), b.astype(np.int64)
    ux, uz = x & 0xFFFFFFFF, z & 0xFFFFFFFF
    signed = lambda v, i: (v >> (8 * i) & 0xFF) - 256 * (v >> (8 * i + 7) & 1)
    low24 = lambda v: ((v & 0xFFFFFF) ^ 0x800000) - 0x800000
    half = lambda v: np.trunc(v / 2).astype(np.int64)
    eighth = (a.astype(np.float32) * np.float32(0.125)).astype(np.float64)
    to_int = lambda v: np.clip(v, -(2**31), 2**31 - 1).astype(np.int64)
    pair = np.asarray([int(h) << 32 | int(l) for l, h in zip(ux, uz)], np.uint64)
    expected = [
        [32 - int(v).bit_length() for v in ux],
        [bin(v).count("1") for v in ux],
        [(int(v) & -int(v)).bit_length() for v in ux],
        [int(f"{v:032b}"[::-1], 2) for v in ux],
        byte_perm(ux, uz, 0x3A41),
        [int(p) * int(q) >> 32 for p, q in zip(ux, uz)],
        [int(p) * int(q) >> 32 for p, q in zip(x, z)],
        5 + sum(signed(ux, i) * signed(uz, i) for i in range(4)),
        5 + sum((ux >> (8 * i) & 0xFF) * (uz >> (8 * i) & 0xFF) for i in range(4)),
        np.minimum(x, z),
        np.maximum(ux, uz),
        ((pair << np.uint64(7)) >> np.uint64(32)).astype(np.int64),
        ((pair >> np.uint64(7)) & np.uint64(0xFFFFFFFF)).astype(np.int64),
        low24(x) * low24(z),
        9 + np.abs(half(x) - half(z)),
        a.astype(np.float32).view(np.int32),
        to_int(np.rint(eighth)),
        to_int(np.floor(eighth)),
        to_int(a.astype(np.float32).astype(np.float64) * 4),
        [min(int(p) * int(q), 100) for p, q in zip(x, z)],
    ]
    expected = np.stack([c_int([int(v) & 0xFFFFFFFF for v in column]) for column in expected], 1)
    y = run(gpu, "arithmetic", "integers", -(-a.size // 128), 128, [a, b], expected.shape, np.int32, more=[a.size])
    same(y, expected)


@case
def floats(gpu):
    from math import erf

    a, b = random(300) * 3, random(300, seed=9) * 3
    x, z = a.astype(np.float64), b.astype(np.float64)
    each_erf = np.vectorize(erf)
    expected = [
        x * z + 1,
        np.exp(x),
        1 / np.sqrt(np.abs(x) + 1),
        x / (np.abs(z) + 1),
        np.minimum(x, z),
        np.maximum(x, 0.5),
        np.clip(x, 0, 1),
        -x,
        0.5 * (1 + each_erf(x / np.sqrt(2))),
        np.log(np.abs(z) + 1),
        each_erf(x) + np.tanh(z),
        x,
    ]
    y = run(gpu, "arithmetic", "floats", 3, 128, [a, b], (300, 12), more=[300])
    for column, right in enumerate(expected):
        close(y[:, column], right, 3e-6)


@case
def vectors(gpu):
    x = random(70, 4) * 9
    two = x[:, 0] + x[:, 1], x[:, 2] + x[:, 3]
    expected = np.stack([*two, two[0] * two[1], np.trunc(x).sum(1)], 1)
    close(run(gpu, "arithmetic", "vectors", 2, 64, [x], (70, 4), more=[70]), expected)


@case
def tables(gpu):
    x = random(5, 32)
    flipped = x[:, ::-1]
    expected = np.r_[[flipped[0] * 10 + 4, flipped[1] * 20 + 2], -flipped[2:]]
    close(run(gpu, "arithmetic", "tables", 1, 32, [x], (5, 32)), expected)


# --- the driver API: what it does and which error says what ---

INVALID_VALUE, OUT_OF_MEMORY, INVALID_IMAGE, INVALID_CONTEXT, INVALID_HANDLE, NOT_FOUND, NOT_READY = 1, 2, 200, 201, 400, 500, 600
ILLEGAL_STATE, NOT_PERMITTED, CAPTURE_UNSUPPORTED, CAPTURE_INVALIDATED, CAPTURE_IMPLICIT, CAPTURED_EVENT = 401, 800, 900, 901, 906, 907
NON_BLOCKING = 1


def made(gpu, function, *arguments):
    """A handle that a function of the driver makes."""
    handle = ctypes.c_void_p()
    getattr(gpu.cuda, function)(ctypes.byref(handle), *arguments)
    return handle


def pinned(gpu, array):
    """A numpy array in pinned memory with the same contents."""
    address = made(gpu, "cuMemAllocHost_v2", ctypes.c_size_t(array.nbytes))
    view = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_char)), (array.nbytes,)).view(array.dtype)
    view[:] = array
    return address, view


def refused(gpu, expected, function, *arguments):
    got = gpu.cuda.status(function, *arguments)
    assert got == expected, f"{function}: {got}, not {expected}"


class Scaling:
    """y = factor * x in a stream: pinned copies in and out around a launch."""

    def __init__(self, gpu, n=500):
        self.gpu, self.n, self.bytes = gpu, n, ctypes.c_size_t(4 * n)
        self.function = kernel(gpu, "kernels/blocks.cu", "scale")
        self.x_host, self.x = pinned(gpu, random(n))
        self.y_host, self.y = pinned(gpu, np.zeros(n, np.float32))
        self.x_device, self.y_device = gpu.empty(4 * n), gpu.empty(4 * n)
        self.stream = made(gpu, "cuStreamCreate", NON_BLOCKING)

    def enqueue(self, factor):
        cuda, factor = self.gpu.cuda, ctypes.c_float(factor)
        cuda.cuMemcpyHtoDAsync_v2(self.x_device, self.x_host, self.bytes, self.stream)
        self.gpu.launch(self.function, (self.n + 255) // 256, 256, [self.x_device, self.y_device, self.n, factor], stream=self.stream)
        factor.value = 1000  # the launch has its own copy
        cuda.cuMemcpyDtoHAsync_v2(self.y_host, self.y_device, self.bytes, self.stream)

    def begin(self, mode=0):
        self.gpu.cuda.cuStreamBeginCapture_v2(self.stream, mode)

    def end_status(self):
        graph = ctypes.c_void_p()
        return self.gpu.cuda.status("cuStreamEndCapture", self.stream, ctypes.byref(graph)), graph

    def wait(self):
        self.gpu.cuda.cuStreamSynchronize(self.stream)


@case
def streams(gpu):
    s = Scaling(gpu)
    s.enqueue(3)
    s.wait()
    same(s.y, s.x * np.float32(3))


@case
def graphs(gpu):
    s = Scaling(gpu)
    s.begin()
    status = ctypes.c_int()
    gpu.cuda.cuStreamIsCapturing(s.stream, ctypes.byref(status))
    assert status.value == 1
    s.enqueue(2)
    code, graph = s.end_status()
    assert code == 0
    gpu.cuda.cuCtxSynchronize()
    assert not s.y.any(), "a capture does nothing"
    executable = made(gpu, "cuGraphInstantiateWithFlags", graph, ctypes.c_ulonglong(0))
    gpu.cuda.cuGraphDestroy(graph)
    for turn in range(3):
        s.x[:] = random(s.n, seed=turn)
        gpu.cuda.cuGraphLaunch(executable, s.stream)
        s.wait()
        same(s.y, s.x * np.float32(2))
    gpu.cuda.cuGraphExecDestroy(executable)


@case
def forbidden_in_capture(gpu):
    s = Scaling(gpu)
    spare, word, event = gpu.empty(4), ctypes.c_float(1), made(gpu, "cuEventCreate", 0)
    pointer, place = ctypes.c_uint64(), ctypes.c_void_p()
    four = ctypes.c_size_t(4)
    calls = [
        (CAPTURE_UNSUPPORTED, "cuStreamSynchronize", s.stream),
        (CAPTURE_UNSUPPORTED, "cuCtxSynchronize"),
        (CAPTURE_UNSUPPORTED, "cuMemAlloc_v2", ctypes.byref(pointer), four),
        (CAPTURE_UNSUPPORTED, "cuMemAllocHost_v2", ctypes.byref(place), four),
        (CAPTURE_UNSUPPORTED, "cuMemFree_v2", spare),
        (CAPTURE_UNSUPPORTED, "cuMemcpyHtoD_v2", spare, ctypes.byref(word), four),
    ]
    for expected, *call in calls:
        s.begin()
        refused(gpu, expected, *call)
        code, graph = s.end_status()
        assert code == CAPTURE_INVALIDATED and not graph.value, f"{call[0]}: the capture goes on ({code})"
    s.begin()
    gpu.cuda.cuEventRecord(event, s.stream)
    refused(gpu, CAPTURED_EVENT, "cuEventSynchronize", event)
    refused(gpu, ILLEGAL_STATE, "cuStreamBeginCapture_v2", s.stream, 0)
    s.end_status()
    assert s.end_status()[0] == ILLEGAL_STATE
    refused(gpu, CAPTURE_UNSUPPORTED, "cuStreamBeginCapture_v2", None, 0)
    blocking = made(gpu, "cuStreamCreate", 0)
    gpu.cuda.cuStreamBeginCapture_v2(blocking, 2)
    refused(gpu, CAPTURE_IMPLICIT, "cuMemcpyHtoD_v2", spare, ctypes.byref(word), four)
    gpu.cuda.status("cuStreamEndCapture", blocking, ctypes.byref(place))
    s.enqueue(4)  # the stream works again
    s.wait()
    same(s.y, s.x * np.float32(4))


@case
def events(gpu):
    s = Scaling(gpu)
    start, end, bare = made(gpu, "cuEventCreate", 0), made(gpu, "cuEventCreate", 0), made(gpu, "cuEventCreate", 2)
    gpu.cuda.cuEventRecord(start, s.stream)
    s.enqueue(3)
    gpu.cuda.cuEventRecord(end, s.stream)
    gpu.cuda.cuEventSynchronize(end)
    milliseconds = ctypes.c_float(-1)
    gpu.cuda.cuEventElapsedTime(ctypes.byref(milliseconds), start, end)
    assert milliseconds.value > 0
    refused(gpu, INVALID_HANDLE, "cuEventElapsedTime", ctypes.byref(milliseconds), start, bare)
    gpu.cuda.cuEventDestroy_v2(start)


@case
def host_functions(gpu):
    """They run in their place in the stream, and may not call the driver."""
    s, seen = Scaling(gpu), []
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: seen.append((float(s.y[0]), gpu.cuda.status("cuCtxSynchronize"))))
    s.enqueue(5)
    gpu.cuda.cuLaunchHostFunc(s.stream, callback, None)
    s.enqueue(6)
    s.wait()
    assert seen == [(float(s.x[0] * np.float32(5)), NOT_PERMITTED)], seen


@case
def memory(gpu):
    x = np.arange(100, dtype=np.uint8)
    n, a, b = ctypes.c_size_t(100), gpu.upload(x), gpu.empty(100)
    gpu.cuda.cuMemsetD8Async(b, ctypes.c_ubyte(9), n, None)
    same(gpu.download(b, 100, np.uint8), np.full(100, 9))
    gpu.cuda.cuMemcpyDtoDAsync_v2(b, a, n, None)
    same(gpu.download(b, 100, np.uint8), x)
    host, view = pinned(gpu, x[::-1].copy())
    gpu.cuda.cuMemcpyAsync(b, ctypes.c_uint64(host.value), n, None)
    same(gpu.download(b, 100, np.uint8), view)
    kind, everything = ctypes.c_uint(), (ctypes.c_size_t(), ctypes.c_size_t())
    for expected, address in ((2, b.value + 50), (1, host.value + 50)):
        gpu.cuda.cuPointerGetAttribute(ctypes.byref(kind), 2, ctypes.c_uint64(address))
        assert kind.value == expected
    refused(gpu, INVALID_VALUE, "cuPointerGetAttribute", ctypes.byref(kind), 2, ctypes.c_uint64(x.ctypes.data))
    gpu.cuda.cuMemGetInfo_v2(*map(ctypes.byref, everything))
    assert 0 < everything[0].value < everything[1].value
    gpu.cuda.cuMemFree_v2(a)
    gpu.cuda.cuMemFreeHost(host)


@case
def misuse(gpu):
    """Errors that a program can meet, as the driver's documentation has them."""
    x, n = gpu.empty(400), ctypes.c_size_t
    pointer, word = ctypes.c_uint64(), ctypes.c_float()
    refused(gpu, INVALID_VALUE, "cuMemAlloc_v2", ctypes.byref(pointer), n(0))
    refused(gpu, OUT_OF_MEMORY, "cuMemAlloc_v2", ctypes.byref(pointer), n(1 << 50))
    refused(gpu, INVALID_VALUE, "cuMemcpyDtoH_v2", ctypes.byref(word), ctypes.c_uint64(4096), n(4))
    refused(gpu, INVALID_VALUE, "cuDeviceGetAttribute", ctypes.byref(ctypes.c_int()), 100000, 0)
    refused(gpu, 101, "cuDeviceGet", ctypes.byref(ctypes.c_int()), 1000)
    text = (HERE / "kernels/blocks.cu").read_text()
    module = gpu.module(text)
    refused(gpu, NOT_FOUND, "cuModuleGetFunction", ctypes.byref(ctypes.c_void_p()), module, b"no_such_kernel")
    refused(gpu, INVALID_IMAGE, "cuModuleLoadData", ctypes.byref(ctypes.c_void_p()), b"no image at all, but some text that is long enough to be one")
    scale_, dynamic = gpu.function(module, "scale"), gpu.function(module, "dynamic_sum")
    arguments = [x, x, 100, ctypes.c_float(1)]
    for blocks, threads, shared in ((0, 64, 0), (1, 0, 0), (1, (64, 32), 0), (1, (1, 1, 65), 0), ((1, 65536), 32, 0), (1, 64, 50000)):
        status = gpu.launch_status(scale_, blocks, threads, arguments, shared=shared)
        assert status == INVALID_VALUE, f"{blocks} x {threads}, {shared}: {status}"
    refused(gpu, INVALID_VALUE, "cuFuncSetAttribute", dynamic, 8, 1 << 20)
    gpu.cuda.cuFuncSetAttribute(dynamic, 8, 60000)
    y = gpu.upload(np.zeros(128, np.float32))
    gpu.launch(dynamic, 1, 128, [y, x], shared=60000)
    most = ctypes.c_int()
    gpu.cuda.cuFuncGetAttribute(ctypes.byref(most), 0, scale_)
    assert most.value == 256
    name = ctypes.c_char_p()
    gpu.cuda.cuGetErrorName(INVALID_VALUE, ctypes.byref(name))
    assert name.value == b"CUDA_ERROR_INVALID_VALUE"


@case
def contexts(gpu):
    current, popped = ctypes.c_void_p(), ctypes.c_void_p()
    gpu.cuda.cuCtxPushCurrent_v2(gpu.context)
    gpu.cuda.cuCtxPopCurrent_v2(ctypes.byref(popped))
    assert popped.value == gpu.context.value
    gpu.cuda.cuCtxGetCurrent(ctypes.byref(current))
    assert current.value == gpu.context.value
    gpu.cuda.cuCtxSetCurrent(None)
    refused(gpu, INVALID_CONTEXT, "cuMemAlloc_v2", ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(4))
    gpu.cuda.cuCtxSetCurrent(gpu.context)
    gpu.empty(4)


@case
def compiling(gpu):
    """Definitions by options, PTX, errors with the line of the text."""
    text = 'extern "C" __global__ void set(int *y) { *y = VALUE; }'
    y = gpu.empty(4)
    gpu.launch(gpu.kernel(text, "set", "-DVALUE=42"), 1, 1, [y])
    same(gpu.download(y, 1, np.int32), [42])
    try:
        gpu.kernel("\n\n" + text, "set")
        raise AssertionError("no error")
    except CompileError as error:
        assert "kernels.cu" in str(error) and "3" in str(error) and "VALUE" in str(error), str(error)


RIGHT = list(CASES)


# --- wrong programs and kernels: what they do is told by the stand-in, or by the result ---


@case
def keeps_cubin(gpu):
    pathlib.Path(os.environ["CTC_CUDA_KEPT"]).write_bytes(gpu.cubin((HERE / "kernels/blocks.cu").read_text()).raw)


@case
def loads_cubin(gpu):
    made(gpu, "cuModuleLoadData", pathlib.Path(os.environ["CTC_CUDA_KEPT"]).read_bytes())


@case
def reads_before_waiting(gpu):
    """Prints whether the result was there before anybody waited for it: on a GPU it depends."""
    s = Scaling(gpu)
    s.enqueue(3)
    early = np.array_equal(s.y, s.x * np.float32(3))
    s.wait()
    print("there" if early else "not there")


@case
def reads_device_memory(gpu):
    """The host takes a device address for its own."""
    x = gpu.upload(np.arange(16, dtype=np.float32))
    word = ctypes.c_float()
    ctypes.memmove(ctypes.byref(word), x.value + 12, 4)
    print(word.value)


def wrong(file, name, *arguments, shared=0, blocks=1):
    """A case that runs a kernel of 64 threads a block, whose first arguments are x (256 floats) and y (64) as far as it has them."""

    def run(gpu):
        x, y = gpu.upload(np.arange(256, dtype=np.float32)), gpu.empty(4 * 64)
        places = {"x": x, "y": y}
        gpu.launch(kernel(gpu, f"wrong/{file}.cu", name), blocks, 64, [places.get(a, a) for a in arguments], shared=shared)
        gpu.synchronize()
        print(" ".join(map(str, gpu.download(y, 64))))

    CASES[name] = run


for name in ("some_have_ended", "two_barriers", "one_more_turn", "lanes_elsewhere", "not_in_mask", "two_masks", "barrier_and_shuffle"):
    wrong("barriers", name, "y")
wrong("memory", "beyond_the_end", "y", 64, blocks=2)
wrong("memory", "before_the_begin", "x", "y", 64)
wrong("memory", "beyond_shared", "y")
wrong("memory", "beyond_dynamic", "y", shared=256)
wrong("memory", "beyond_own_array", "y", 5)
wrong("memory", "misaligned", "x", "y")
wrong("memory", "shared_never_written", "y")
wrong("blocks", "blocks_collide", "x", "y", blocks=2)
wrong("blocks", "blocks_pass_on", "x", "y", blocks=2)
wrong("blocks", "sum_without_atomic", "x", "y")
wrong("blocks", "half_atomic", "y")
wrong("races", "read_too_early", "x", "y")
wrong("races", "written_too_early", "x", "y", 4)
wrong("races", "warp_without_sync", "x", "y")


def main():
    if len(sys.argv) == 1:
        print("\n".join(CASES))
        return
    gpu = Gpu()
    for name in sys.argv[1:]:
        CASES[name](gpu)


if __name__ == "__main__":
    main()
