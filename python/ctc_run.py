"""Runs a model that `ctc build --shared` made, on numpy arrays. One file, which needs numpy and nothing else.

    import ctc_run
    model = ctc_run.load("net.so")         # the descriptor is the symbol net_model; weights, if any, are in net.weights
    y, = model.run([x])                    # one array an output; or model.run({"x": x})
    y, = model.run([x], threads=4)         # the same results on a pool of threads
    model.inputs[0].name, model.inputs[0].dtype, model.inputs[0].shape      # "x", float32, ("N", 3, 32, 32)

Dims that the model leaves open are taken from the shapes of the inputs. A size that depends on data is given a
capacity, which grows until the run succeeds.
"""

import ctypes
import functools
import os
import pathlib
import weakref
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_int64, c_uint32, c_void_p

import numpy as np

ABI_VERSION = 1
CAPACITY_TOO_SMALL = 5
ALIGNMENT = 64
MOST_CAPACITY = 1 << 26

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
    27: np.uint8,
    28: np.uint8,
}
BITS_ONLY = {16, 17, 18, 19, 20, 23, 24, 27, 28}
SMALL_INTEGERS = {21, 22, 25, 26}  # one a byte, as the number that it is
STRING = 8

# What inputs and outputs are that are no tensors (ctc_compound.kind).
SEQUENCE, OPTIONAL, OPTIONAL_SEQUENCE, MAP = 1, 2, 3, 4
KIND_NAMES = {SEQUENCE: "sequence", OPTIONAL: "optional", OPTIONAL_SEQUENCE: "optional sequence", MAP: "map"}
SEQUENCE_ROW = 8  # numbers in a row of `shapes`: the rank, then the dims


# --- the descriptor, as templates/model.h and templates/threads.h lay it out ---


class CPort(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("note", c_char_p)]


class CDim(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("low", c_int64), ("high", c_int64), ("kind", c_int32)]


class CCompound(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("kind", c_int32), ("output", c_int32), ("first", c_int32)]


class CPool(ctypes.Structure):
    _fields_ = [("count", c_int32), ("run", c_void_p), ("space", c_int64 * (64 * 16 + 64))]


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
        ("compound_count", c_int32),
        ("compounds", POINTER(CCompound)),
    ]


# --- parts of a model ---


class ModelError(Exception):
    """The library does not fit, or the model refused its inputs; `status` is what its run returned, if it ran."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class Port:
    """An input or output. In `shape`, a name stands for an open dim, None for a size that the model computes."""

    def __init__(self, c):
        self.name, self.code, self.rank = c.name.decode(), c.dtype, c.rank
        self.dtype = np.dtype(NUMPY_TYPES[c.dtype])
        self.note = c.note.decode() if c.note else None
        self.shape = (None,) * self.rank

    def __repr__(self):
        return f"{self.name}: {self.dtype}{shape_text(self.shape)}"


class Compound:
    """An input or output that is no tensor, but several ports: a sequence is a list of arrays, an optional value may be
    None, a map is a dict."""

    PORTS = {SEQUENCE: 2, OPTIONAL: 2, OPTIONAL_SEQUENCE: 3, MAP: 2}

    def __init__(self, c, ports):
        self.name, self.kind, self.is_output, self.first = c.name.decode(), c.kind, bool(c.output), c.first
        self.ports = ports[self.first : self.first + self.PORTS[self.kind]]
        self.dtype = self.ports[0].dtype

    def __repr__(self):
        return f"{self.name}: {KIND_NAMES[self.kind]} of {self.dtype}"

    def split(self, value):
        """What the ports get for the value."""
        if self.kind == MAP:
            keys, values = list(value), list(value.values())
            return [np.array(keys, object if self.ports[0].code == STRING else self.dtype),
                    np.array(values, object if self.ports[1].code == STRING else self.ports[1].dtype)]  # fmt: skip
        items = [] if value is None else [value] if self.kind == OPTIONAL else value
        arrays = [np.asarray(item) for item in items]
        shapes = np.zeros((len(arrays), SEQUENCE_ROW), np.int64)
        for row, array in zip(shapes, arrays):
            if array.ndim >= SEQUENCE_ROW:
                raise ModelError(f"{self.name}: an element has {array.ndim} dimensions, at most {SEQUENCE_ROW - 1} are possible")
            row[0], row[1 : 1 + array.ndim] = array.ndim, array.shape
        wanted = {array.dtype for array in arrays}
        if len(wanted) > 1:
            raise ModelError(f"{self.name}: elements of different types {sorted(map(str, wanted))}")
        empty = np.zeros(0, object if self.ports[0].code == STRING else self.dtype)
        data = np.concatenate([array.ravel() for array in arrays]) if arrays else empty
        return [data, shapes, np.array(value is not None)][: len(self.ports)]

    def join(self, arrays):
        """The value that the ports hold."""
        if self.kind == MAP:
            return dict(zip(arrays[0].tolist(), arrays[1].tolist()))
        if self.kind == OPTIONAL_SEQUENCE and not arrays[2]:
            return None
        items, at = [], 0
        for row in arrays[1].tolist():
            shape = row[1 : 1 + row[0]]
            count = int(np.prod(shape, dtype=np.int64))
            items.append(arrays[0][at : at + count].reshape(shape))
            at += count
        return (items[0] if items else None) if self.kind == OPTIONAL else items


class Dim:
    """A size that the model leaves open: the caller's, or one that depends on data and gets a capacity."""

    def __init__(self, c):
        self.name, self.low, self.high = c.name.decode(), c.low, c.high
        self.is_given, self.is_capacity = c.kind == 0, c.kind == 1  # neither: bounded by the model itself


class Pool:
    """Threads that wait for runs of a model. They end with this object, in the process that started them."""

    def __init__(self, library, prefix, threads):
        self.c, self._process = CPool(), os.getpid()
        started = getattr(library, prefix + "_pool_start")(ctypes.byref(self.c), threads)
        self._end = weakref.finalize(self, Pool._stop, getattr(library, prefix + "_pool_stop"), self.c, self._process)
        if started != threads:
            self._end()
            raise ModelError(f"{started} threads instead of {threads}")

    def is_alive(self):
        return self._process == os.getpid()

    @staticmethod
    def _stop(stop, pool, process):
        if process == os.getpid():
            stop(ctypes.byref(pool))


def aligned(size, fill=None):
    """`size` bytes at an address aligned to ALIGNMENT, each `fill` if it is given; `.base` has room on both sides."""
    room = np.empty(size + 2 * ALIGNMENT, np.uint8) if fill is None else np.full(size + 2 * ALIGNMENT, fill, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size]


def c_dims(dims):
    return (c_int64 * max(1, len(dims)))(*dims)


def addresses(arrays):
    return (c_void_p * max(1, len(arrays)))(*[array.ctypes.data for array in arrays])


def byte_count(port, shape):
    return int(np.prod(shape, dtype=np.int64)) * port.dtype.itemsize


def shape_text(shape):
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


# --- the model ---


class Model:
    """A model of a loaded library: see the top of this file."""

    descriptor = CModel

    def __init__(self, library, prefix, weights=None):
        self._library, self._prefix, self._pools = library, prefix, {}
        c = self._c = self.descriptor.in_dll(library, prefix + "_model")
        if c.abi_version != ABI_VERSION:
            raise ModelError(f"{prefix}: ABI version {c.abi_version}, expected {ABI_VERSION}")
        self.name = c.name.decode()
        self.inputs = [Port(c.inputs[i]) for i in range(c.input_count)]
        self.outputs = [Port(c.outputs[i]) for i in range(c.output_count)]
        self.dims = [Dim(c.dims[i]) for i in range(c.dim_count)]
        self._group_ports(c)
        self._name_dims()
        self._take_weights(weights)

    def _group_ports(self, c):
        """`values_in` and `values_out`: what the caller gives and gets, ports or compounds."""
        found = [c.compounds[i] for i in range(c.compound_count)]
        self.values_in = self._values(self.inputs, [f for f in found if not f.output])
        self.values_out = self._values(self.outputs, [f for f in found if f.output])

    @staticmethod
    def _values(ports, found):
        compounds = {each.first: Compound(each, ports) for each in found}
        values, at = [], 0
        while at < len(ports):
            values.append(compounds.get(at, ports[at]))
            at += len(compounds[at].ports) if at in compounds else 1
        return values

    def _take_weights(self, weights):
        self._weights = None
        wanted = self._c.weights_bytes
        if not wanted:
            return
        if weights is None or len(weights) != wanted:
            found = "none" if weights is None else len(weights)
            raise ModelError(f"{self.name} needs a weights file of {wanted} bytes, got {found}")
        self._weights_memory = aligned(wanted)
        self._weights_memory[:] = np.frombuffer(weights, np.uint8)
        self._weights = self._weights_memory.ctypes.data

    def _name_dims(self):
        """Fills in the shapes of the ports: what changes with one dim only is that dim."""
        probes = [[1009 + 2 * k + 100003 * p for k in range(len(self.dims))] for p in range(2)]
        seen = [sum(self.shapes(probe), []) for probe in probes]
        names = {tuple(values): dim.name for *values, dim in zip(*probes, self.dims)}
        for port, *sizes in zip(self.inputs + self.outputs, *seen):
            port.shape = tuple(a if a == b else names.get((a, b)) for a, b in zip(*sizes))

    def shapes(self, dims):
        """(shapes of the inputs, shapes of the outputs) for these values of all dims."""
        ports = self.inputs + self.outputs
        flat = (c_int64 * max(1, sum(port.rank for port in ports)))()
        self._c.shapes(c_dims(dims), flat)
        shapes, at = [], 0
        for port in ports:
            shapes.append(tuple(flat[at : at + port.rank]))
            at += port.rank
        return shapes[: len(self.inputs)], shapes[len(self.inputs) :]

    def workspace_bytes(self, dims):
        return self._c.workspace_bytes(c_dims(dims))

    def status_text(self, status):
        text = self._c.status_text(status)
        return text.decode() if text else f"status {status}"

    def solve_dims(self, shapes, capacity=1):
        """Values of all dims from the shapes of the inputs; capacities get `capacity`, at most their upper limit."""
        given = {}
        for port, shape in zip(self.inputs, shapes):
            for name, size in zip(port.shape, shape):
                given.setdefault(name, size)
        dims = []
        for dim in self.dims:
            if dim.is_capacity:
                dims.append(min(capacity, dim.high) if dim.high >= 0 else capacity)
            else:
                dims.append(given.get(dim.name, max(dim.low, 1)) if dim.is_given else 0)
        self._check_shapes(shapes, self.shapes(dims)[0])
        bounded = c_dims(dims)
        self._c.bounds(bounded)
        return list(bounded)[: len(dims)]

    def _check_shapes(self, shapes, wanted):
        for port, shape, size in zip(self.inputs, shapes, wanted):
            if tuple(shape) != size:
                open_dims = "" if port.shape == size else f" ({shape_text(size)} with the inputs before)"
                raise ModelError(f"input {port.name} has shape {shape_text(shape)}, the model wants {shape_text(port.shape)}{open_dims}")

    # --- running ---

    def run(self, inputs, threads=1, capacity=4):
        """The outputs, a list of arrays, for `inputs`: a list in the model's order, or a dict by name."""
        self._kept_texts = []
        arrays = [self._as_input(port, value) for port, value in zip(self.inputs, self._given(inputs))]
        shapes = [array.shape for array in arrays]
        pool = self._pool(threads)
        while True:
            try:
                return self._results(self._run_once(arrays, self.solve_dims(shapes, capacity), pool))
            except ModelError as error:
                grows = any(dim.is_capacity for dim in self.dims) and capacity < MOST_CAPACITY
                if error.status != CAPACITY_TOO_SMALL or not grows:
                    raise
                capacity *= 2

    def _given(self, inputs):
        """What each port gets."""
        given = []
        for kind, value in zip(self.values_in, self._in_order(inputs)):
            given += kind.split(value) if isinstance(kind, Compound) else [value]
        return given

    def _results(self, arrays):
        """The values that the arrays of all ports are."""
        results, at = [], 0
        for kind in self.values_out:
            count = len(kind.ports) if isinstance(kind, Compound) else 1
            results.append(kind.join(arrays[at : at + count]) if isinstance(kind, Compound) else arrays[at])
            at += count
        return results

    def _in_order(self, inputs):
        names = [value.name for value in self.values_in]
        if isinstance(inputs, dict):
            wrong = [f"no input {name}" for name in names if name not in inputs]
            wrong += [f"unknown input {name}" for name in inputs if name not in names]
            if wrong:
                raise ModelError(f"{self.name}: {', '.join(wrong)}; the model takes {self.values_in}")
            return [inputs[name] for name in names]
        if len(inputs) != len(names):
            raise ModelError(f"{self.name}: {len(inputs)} inputs, the model takes {len(names)}: {self.values_in}")
        return inputs

    def _as_input(self, port, value):
        """The value as what the program reads: dense, of the port's type."""
        value = np.asarray(value)
        if port.code == STRING:
            return self._as_texts(value)
        if port.code in SMALL_INTEGERS:
            value = value.astype(port.dtype)
        if port.code in BITS_ONLY and value.dtype.itemsize == port.dtype.itemsize:
            value = value.view(port.dtype)
        if value.dtype != port.dtype:
            raise ModelError(f"input {port.name} is {value.dtype}, the model wants {port.dtype}")
        if value.ndim != port.rank:
            raise ModelError(f"input {port.name} has shape {shape_text(value.shape)}, the model wants {shape_text(port.shape)}")
        return np.ascontiguousarray(value).reshape(value.shape)

    def _as_texts(self, value):
        """Addresses of the texts, which are kept until the next run."""
        texts = [c_char_p(t if isinstance(t, bytes) else str(t).encode()) for t in value.ravel()]
        self._kept_texts.append(texts)
        return np.array([ctypes.cast(t, c_void_p).value for t in texts], np.uintp).reshape(value.shape)

    def _pool(self, threads):
        """A CPool of that many threads, started when it is first asked for; None for one. A CPool is the caller's own."""
        if isinstance(threads, CPool):
            return threads
        if threads is None or threads == 1:
            return None
        if not self._c.run_threads or not hasattr(self._library, self._prefix + "_pool_start"):
            raise ModelError(f"{self.name}: compiled without threads (-DCTC_POOL)")
        pool = self._pools.get(threads)
        if pool is None or not pool.is_alive():
            pool = self._pools[threads] = Pool(self._library, self._prefix, threads)
        return pool.c

    def _memory(self, size):
        return aligned(size)

    def _run_once(self, arrays, dims, pool):
        # A size that subtracts may come out negative for a capacity that is too small; the run will say so.
        room = [tuple(max(0, size) for size in shape) for shape in self.shapes(dims)[1]]
        outputs = [self._memory(byte_count(port, shape)) for port, shape in zip(self.outputs, room)]
        size = self.workspace_bytes(dims)
        if size < 0:
            raise ModelError(f"{self.name}: a workspace of {size} bytes")
        final = c_dims(dims)
        workspace = self._memory(size)  # strings of the outputs may lie in it
        status = self._call(arrays, outputs, final, workspace, pool)
        if status:
            raise ModelError(f"{self.name}: {self.status_text(status)}", status)
        shapes = self.shapes(list(final)[: len(dims)])[1]
        return [self._as_output(*each) for each in zip(self.outputs, outputs, shapes)]

    def _call(self, arrays, outputs, dims, workspace, pool):
        """The status of one run."""
        run = functools.partial(self._c.run_threads, ctypes.byref(pool)) if pool else self._c.run
        return run(addresses(arrays), addresses(outputs), dims, workspace.ctypes.data, workspace.size, self._weights)

    @staticmethod
    def _as_output(port, memory, shape):
        """The array in that memory, which may have been larger than it had to be."""
        array = memory[: byte_count(port, shape)].view(port.dtype).reshape(shape)
        if port.code == STRING:
            texts = [ctypes.string_at(int(address)).decode() for address in array.ravel()]
            return np.array(texts, dtype=object).reshape(shape)
        return array if array.nbytes == memory.size else array.copy()


# --- loading ---


def prefix_of(path):
    """What ctc calls the functions of a program by its file's name."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else "_" for byte in os.fsencode(stem))
    return (("_" if name[:1].isdigit() else "") + name)[:60] or "_"


def weights_of(path):
    """The bytes of the weights file beside a library, None if there is none."""
    file = pathlib.Path(path).with_suffix(".weights")
    return file.read_bytes() if file.exists() else None


def load(path, name=None, weights=None, kind=Model):
    """The model `name` (by default, called like the file) of a shared library.

    `weights` are the bytes of its weights file, by default those of the file beside the library.
    """
    path = os.path.abspath(path)
    prefix = name or prefix_of(path)
    library = ctypes.CDLL(path)
    try:
        library[prefix + "_model"]
    except AttributeError:
        raise ModelError(f"{path} has no descriptor {prefix}_model: was it built with another --prefix?") from None
    return kind(library, prefix, weights_of(path) if weights is None else weights)
