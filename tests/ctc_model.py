"""Runs a model that ctc compiled into a shared library, on numpy arrays.

    model = ctc_model.load("net.so", "net")          # the descriptor is the symbol net_model
    y, = model.run([x])                              # one array an output
    y, = model.run([x], threads=2)                   # on a pool, if it was compiled with -DCTC_POOL
    model.inputs[0].name, model.dims                 # what the descriptor says

Dims that the model leaves open are taken from the shapes of the inputs. A size that depends on
data is given a capacity, which grows until the run succeeds. Outputs and workspace are filled
with a pattern before each run and have a guard behind them, so that a result that was not
written, and a write past the end, do not go unnoticed.
"""

import contextlib
import ctypes
import functools
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_int64, c_uint32, c_void_p

import numpy as np

ABI_VERSION = 1
CAPACITY_TOO_SMALL = 5
GUARD = 64
PATTERN = 0xCB

# numpy's type for each ONNX TensorProto code; what numpy lacks is seen as its bits.
NUMPY_TYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    8: np.uintp,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
    14: np.complex64,
    15: np.complex128,
    16: np.uint16,
    17: np.uint8,
    18: np.uint8,
    19: np.uint8,
    20: np.uint8,
    21: np.uint8,
    22: np.int8,
    23: np.uint8,
    24: np.uint8,
    25: np.uint8,
    26: np.int8,
}
BITS_ONLY = {16, 17, 18, 19, 20, 23, 24}
SMALL_INTEGERS = {21, 22, 25, 26}  # one a byte, as the number that it is
STRING = 8


class CPort(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("note", c_char_p)]


class CDim(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("low", c_int64), ("high", c_int64), ("kind", c_int32)]


class CPool(ctypes.Structure):
    _fields_ = [("count", c_int32), ("run", c_void_p), ("space", c_int64 * (64 * 16 + 64))]


PART = CFUNCTYPE(None, c_void_p, c_int32)
RUN = CFUNCTYPE(None, c_void_p, c_int32, PART, c_void_p)


def last_part_first(count, runs=None):
    """Something else than threads for `run`: does up to `count` parts one after another. Numbers of parts go to `runs`."""

    @RUN
    def run(_, parts, part, context):
        if runs is not None:
            runs.append(parts)
        for i in reversed(range(parts)):
            part(context, i)

    made = CPool(count=count, run=ctypes.cast(run, c_void_p))
    made.kept = run
    return made


# inputs, outputs, dims, workspace, its bytes, weights
RUN_ARGUMENTS = (POINTER(c_void_p), POINTER(c_void_p), POINTER(c_int64), c_void_p, c_int64, c_void_p)


class CModel(ctypes.Structure):
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
        ("workspace_bytes", CFUNCTYPE(c_int64, POINTER(c_int64))),
        ("run", CFUNCTYPE(c_int, *RUN_ARGUMENTS)),
        ("status_text", CFUNCTYPE(c_char_p, c_int)),
        ("alignment", c_int32),
        ("weights_bytes", c_int64),
        ("run_threads", CFUNCTYPE(c_int, POINTER(CPool), *RUN_ARGUMENTS)),
    ]


class ModelError(Exception):
    """The model refused its inputs, or wrote where it must not."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class Port:
    def __init__(self, c):
        self.name, self.code, self.rank = c.name.decode(), c.dtype, c.rank
        self.dtype = np.dtype(NUMPY_TYPES[c.dtype])
        self.note = c.note.decode() if c.note else None


class Dim:
    def __init__(self, c):
        self.name, self.low, self.high = c.name.decode(), c.low, c.high
        self.is_given, self.is_capacity = (
            c.kind == 0,
            c.kind == 1,
        )  # others: bounded by the model itself


class Memory:
    """`size` bytes at an address aligned to 64, filled with PATTERN, with a guard behind them."""

    libc = ctypes.CDLL(None)
    libc.aligned_alloc.restype = c_void_p
    libc.aligned_alloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    libc.free.argtypes = [c_void_p]

    def __init__(self, size):
        self.size = size
        self.total = (size + GUARD + 63) // 64 * 64
        self.address = self.libc.aligned_alloc(64, self.total)
        if not self.address:
            raise MemoryError(f"{size} bytes")
        ctypes.memset(self.address, PATTERN, self.total)

    def __del__(self):
        if getattr(self, "address", None):
            self.libc.free(self.address)

    def array(self, dtype, shape):
        if self.size == 0:
            return np.empty(shape, dtype)
        view = (ctypes.c_uint8 * self.size).from_address(self.address)
        return np.frombuffer(view, dtype).reshape(shape).copy()

    def guard_intact(self):
        rest = ctypes.string_at(self.address + self.size, self.total - self.size)
        return rest == bytes([PATTERN]) * len(rest)


class Model:
    def __init__(self, library, name, weights=None):
        self._library, self._prefix = library, name
        self._weights = None
        c = self._c = CModel.in_dll(library, name + "_model")
        if c.abi_version != ABI_VERSION:
            raise ModelError(f"{name}: ABI version {c.abi_version}, expected {ABI_VERSION}")
        self.name = c.name.decode()
        self.inputs = [Port(c.inputs[i]) for i in range(c.input_count)]
        self.outputs = [Port(c.outputs[i]) for i in range(c.output_count)]
        self.dims = [Dim(c.dims[i]) for i in range(c.dim_count)]
        if c.weights_bytes:
            if weights is None or len(weights) != c.weights_bytes:
                raise ModelError(f"{name} needs a weights file of {c.weights_bytes} bytes")
            self._weights_memory = Memory(len(weights))
            self._weights = self._weights_memory.address
            ctypes.memmove(self._weights, weights, len(weights))

    def shapes(self, dims):
        """(shapes of the inputs, shapes of the outputs) for these values of all dims."""
        ports = self.inputs + self.outputs
        flat = (c_int64 * max(1, sum(p.rank for p in ports)))()
        self._c.shapes((c_int64 * max(1, len(dims)))(*dims), flat)
        shapes, at = [], 0
        for port in ports:
            shapes.append(tuple(flat[at : at + port.rank]))
            at += port.rank
        return shapes[: len(self.inputs)], shapes[len(self.inputs) :]

    def workspace_bytes(self, dims):
        return self._c.workspace_bytes((c_int64 * max(1, len(dims)))(*dims))

    def status_text(self, status):
        text = self._c.status_text(status)
        return text.decode() if text else f"status {status}"

    def solve_dims(self, shapes, capacity=1):
        """Values of all dims from the shapes of the inputs; capacities get `capacity`, at most their upper limit."""
        wanted = [d for shape in shapes for d in shape]
        probes = [[1009 + 2 * k + 100003 * p for k in range(len(self.dims))] for p in range(2)]
        seen = [[d for shape in self.shapes(probe)[0] for d in shape] for probe in probes]
        dims = []
        for k, dim in enumerate(self.dims):
            if dim.is_capacity:
                dims.append(min(capacity, dim.high) if dim.high >= 0 else capacity)
                continue
            if not dim.is_given:
                dims.append(0)
                continue
            places = [
                i for i in range(len(wanted)) if all(s[i] == p[k] for s, p in zip(seen, probes))
            ]
            dims.append(wanted[places[0]] if places else max(dim.low, 1))
        made = self.shapes(dims)[0]
        if [tuple(s) for s in shapes] != made:
            raise ModelError(f"inputs have shapes {shapes}, the model wants {made}")
        bounded = (c_int64 * max(1, len(dims)))(*dims)
        self._c.bounds(bounded)
        return list(bounded)[: len(dims)]

    @contextlib.contextmanager
    def _pool(self, threads):
        """A pool of that many threads; None for one. A CPool is the caller's and stays as it is."""
        if isinstance(threads, CPool):
            yield threads
            return
        if threads is None or threads == 1:
            yield None
            return
        if not self._c.run_threads or not hasattr(self._library, self._prefix + "_pool_start"):
            raise ModelError(f"{self.name}: compiled without threads (-DCTC_POOL)")
        pool = CPool()
        started = getattr(self._library, self._prefix + "_pool_start")(ctypes.byref(pool), threads)
        try:
            if started != threads:
                raise ModelError(f"{started} threads instead of {threads}")
            yield pool
        finally:
            getattr(self._library, self._prefix + "_pool_stop")(ctypes.byref(pool))

    def run(self, inputs, capacity=4, most=1 << 26, threads=1):
        """The outputs for `inputs` (a list in the model's order, or a dict by name)."""
        if isinstance(inputs, dict):
            inputs = [inputs[port.name] for port in self.inputs]
        arrays = [
            self._as_input(port, value) for port, value in zip(self.inputs, inputs, strict=True)
        ]
        shapes = [array.shape for array in arrays]
        while True:
            try:
                with self._pool(threads) as pool:
                    return self._run_once(arrays, self.solve_dims(shapes, capacity), pool)
            except ModelError as error:
                if (
                    error.status != CAPACITY_TOO_SMALL
                    or capacity >= most
                    or not any(d.is_capacity for d in self.dims)
                ):
                    raise
                capacity *= 2

    def _as_input(self, port, value):
        value = np.asarray(value)
        if port.code == STRING:
            texts = [
                c_char_p(t if isinstance(t, bytes) else str(t).encode()) for t in value.ravel()
            ]
            pointers = np.array([ctypes.cast(t, c_void_p).value for t in texts], np.uintp).reshape(
                value.shape
            )
            self._kept_texts = texts
            return pointers
        if port.code in SMALL_INTEGERS:
            value = value.astype(port.dtype)
        if (
            value.dtype != port.dtype
            and port.code in BITS_ONLY
            and value.dtype.itemsize == port.dtype.itemsize
        ):
            value = value.view(port.dtype)
        if value.dtype != port.dtype:
            raise ModelError(f"input {port.name} is {value.dtype}, the model wants {port.dtype}")
        return np.ascontiguousarray(value).reshape(value.shape)

    def _run_once(self, arrays, dims, pool=None):
        # A size that subtracts may come out negative for a capacity that is too small; the run will say so.
        out_shapes = [tuple(max(0, d) for d in shape) for shape in self.shapes(dims)[1]]
        outputs = [
            Memory(int(np.prod(s, dtype=np.int64)) * p.dtype.itemsize)
            for s, p in zip(out_shapes, self.outputs)
        ]
        size = self.workspace_bytes(dims)
        if size < 0:
            raise ModelError(f"workspace of {size} bytes")
        workspace = Memory(size)
        before = [array.tobytes() for array in arrays]
        c_dims = (c_int64 * max(1, len(dims)))(*dims)
        run = functools.partial(self._c.run_threads, ctypes.byref(pool)) if pool else self._c.run
        status = run(
            (c_void_p * max(1, len(arrays)))(*[a.ctypes.data for a in arrays]),
            (c_void_p * max(1, len(outputs)))(*[o.address for o in outputs]),
            c_dims,
            workspace.address,
            size,
            self._weights,
        )
        if not workspace.guard_intact():
            raise ModelError("wrote behind the workspace")
        for port, memory in zip(self.outputs, outputs):
            if not memory.guard_intact():
                raise ModelError(f"wrote behind output {port.name}")
        if before != [array.tobytes() for array in arrays]:
            raise ModelError("changed an input")
        if status:
            raise ModelError(self.status_text(status), status)
        return [
            self._as_output(port, memory, shape)
            for port, memory, shape in zip(
                self.outputs, outputs, self.shapes(list(c_dims)[: len(dims)])[1]
            )
        ]

    @staticmethod
    def _as_output(port, memory, shape):
        memory.size = min(memory.size, int(np.prod(shape, dtype=np.int64)) * port.dtype.itemsize)
        array = memory.array(port.dtype, shape)
        if port.code != STRING:
            return array
        texts = [ctypes.string_at(int(p)).decode() for p in array.ravel()]
        return np.array(texts, dtype=object).reshape(shape)


def load(path, name, weights=None):
    """The model `name` of a library; `weights` are the bytes of its weights file, if it was compiled with one."""
    return Model(ctypes.CDLL(str(path)), name, weights)
