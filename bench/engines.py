"""What is measured: a program of ctc's, onnxruntime, OpenVINO. One engine holds one model, with its inputs and outputs.

An engine has `kind` and `call` (a structure) as bench/loop.c wants them, and `outputs()`. The peers are driven through
the C interfaces that their PyPI packages hold.
"""

import ctypes
import pathlib
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


class EngineError(Exception):
    """The engine does not take the model."""


# ONNX element types by numpy type, which is also what OrtApi calls them.
ONNX_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11,
              "uint32": 12, "uint64": 13}

def aligned(array):
    """A copy whose data is aligned to 64 bytes, as all engines like it."""
    array = np.asarray(array)
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


# --- ctc ---


class CtcCall(Structure):
    _fields_ = [("run", c_void_p), ("inputs", c_void_p), ("outputs", c_void_p), ("dims", c_void_p), ("workspace", c_void_p),
                ("workspace_bytes", c_int64), ("weights", c_void_p), ("run_threads", c_void_p), ("threads", c_void_p)]


# Bytes of a ctc_pool (templates/threads.h): the interface, then its own.
POOL_BYTES = 16 + 8 * (64 * 16 + 64)


class Ctc:
    """A shared library that was made from an emitted program, and its weights file beside it."""

    kind = 0

    def __init__(self, library, inputs, expected, threads, prefix="net", weights="net.weights"):
        import ctc_model

        weights = pathlib.Path(library).parent / weights
        self.model = ctc_model.load(library, prefix, weights.read_bytes() if weights.exists() else None)
        ports = self.model.inputs
        self.inputs = [aligned(inputs[port.name]) for port in ports]
        dims = self.model.solve_dims([array.shape for array in self.inputs], capacity=max([1] + [e.size for e in expected.values()]))
        shapes = self.model.shapes(dims)[1]
        self.arrays = [aligned(np.zeros(shape, port.dtype)) for shape, port in zip(shapes, self.model.outputs)]
        self.dims = (c_int64 * max(1, len(dims)))(*dims)
        size = self.model.workspace_bytes(dims)
        self.workspace = aligned(np.zeros(size, np.uint8))
        self.in_pointers = (c_void_p * max(1, len(self.inputs)))(*[a.ctypes.data for a in self.inputs])
        self.out_pointers = (c_void_p * max(1, len(self.arrays)))(*[a.ctypes.data for a in self.arrays])
        run = ctypes.cast(self.model._c.run, c_void_p).value
        run_threads = ctypes.cast(self.model._c.run_threads, c_void_p).value
        address = ctypes.addressof
        self.call = CtcCall(run, address(self.in_pointers), address(self.out_pointers), address(self.dims), self.workspace.ctypes.data, size,
                            self.model._weights, run_threads, self.start_pool(threads) if run_threads else None)

    def start_pool(self, threads):
        """The address of as many threads; None for the caller's own one."""
        if threads == 1:
            return None
        self.pool = aligned(np.zeros(POOL_BYTES, np.uint8))
        started = self.model._library.net_pool_start(c_void_p(self.pool.ctypes.data), c_int(threads))
        if started != threads:
            raise EngineError(f"only {started} threads")
        return self.pool.ctypes.data

    def outputs(self):
        shapes = self.model.shapes(list(self.dims)[: len(self.model.dims)])[1]
        return {
            port.name: array.ravel()[: int(np.prod(shape))].reshape(shape)
            for port, array, shape in zip(self.model.outputs, self.arrays, shapes)
        }


# --- onnxruntime ---

# Positions in OrtApi, which never change from one version to the next.
ORT_API = {"GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "CreateSessionOptions": 10, "SetSessionExecutionMode": 13,
           "SetIntraOpNumThreads": 24, "SetInterOpNumThreads": 25, "CreateTensorWithDataAsOrtValue": 49, "CreateCpuMemoryInfo": 69,
           "RunWithBinding": 133, "CreateIoBinding": 134, "BindInput": 136, "BindOutput": 137}
ORT_API_VERSION = 15
ORT_LOG_FATAL, ORT_SEQUENTIAL, ORT_ARENA_ALLOCATOR, ORT_MEMORY_DEFAULT = 4, 0, 1, 0


class OrtCall(Structure):
    _fields_ = [("run", c_void_p), ("session", c_void_p), ("binding", c_void_p)]


class OrtApiBase(Structure):
    _fields_ = [("GetApi", ctypes.CFUNCTYPE(POINTER(c_void_p), ctypes.c_uint32)), ("GetVersionString", ctypes.CFUNCTYPE(c_char_p))]


def package_file(package, pattern):
    """A library inside an installed Python package, without importing it."""
    import importlib.util

    found = importlib.util.find_spec(package)
    files = sorted(pathlib.Path(found.submodule_search_locations[0]).glob(pattern)) if found else []
    if not files:
        raise EngineError(f"{package} is not installed (or holds no {pattern})")
    return files[0]


class Onnxruntime:
    """The session with its inputs and outputs bound to memory of ours; all options but the threads are the defaults."""

    kind = 1

    def __init__(self, path, inputs, expected, threads):
        library = ctypes.CDLL(str(package_file("onnxruntime", "capi/libonnxruntime.so.*")))
        library.OrtGetApiBase.restype = POINTER(OrtApiBase)
        base = library.OrtGetApiBase().contents
        self.version = base.GetVersionString().decode()
        self.api = base.GetApi(ORT_API_VERSION)
        options = self.create("CreateSessionOptions")
        self.ask("SetIntraOpNumThreads", options, c_int(threads))
        self.ask("SetInterOpNumThreads", options, c_int(1))
        self.ask("SetSessionExecutionMode", options, c_int(ORT_SEQUENTIAL))
        env = self.create("CreateEnv", c_int(ORT_LOG_FATAL), c_char_p(b"bench"))
        self.session = self.create("CreateSession", env, c_char_p(str(path).encode()), options)
        self.binding = self.create("CreateIoBinding", self.session)
        self.memory = self.create("CreateCpuMemoryInfo", c_int(ORT_ARENA_ALLOCATOR), c_int(ORT_MEMORY_DEFAULT))
        self.inputs = {name: aligned(array) for name, array in inputs.items()}
        self.arrays = {name: aligned(np.zeros_like(array)) for name, array in expected.items()}
        for name, array in self.inputs.items():
            self.ask("BindInput", self.binding, c_char_p(name.encode()), self.tensor(array))
        for name, array in self.arrays.items():
            self.ask("BindOutput", self.binding, c_char_p(name.encode()), self.tensor(array))
        self.call = OrtCall(self.api[ORT_API["RunWithBinding"]], self.session, self.binding)

    def ask(self, name, *arguments):
        function = ctypes.CFUNCTYPE(c_void_p)(self.api[ORT_API[name]])
        function.argtypes = [type(a) for a in arguments]
        status = function(*arguments)
        if status:
            text = ctypes.CFUNCTYPE(c_char_p, c_void_p)(self.api[ORT_API["GetErrorMessage"]])(status)
            raise EngineError(f"onnxruntime: {name}: {text.decode()[:200]}")

    def create(self, name, *arguments):
        made = c_void_p()
        self.ask(name, *arguments, ctypes.pointer(made))
        return made

    def tensor(self, array):
        shape = (c_int64 * max(1, array.ndim))(*array.shape)
        return self.create("CreateTensorWithDataAsOrtValue", self.memory, c_void_p(array.ctypes.data), c_size_t(array.nbytes), shape,
                           c_size_t(array.ndim), c_int(ONNX_TYPES[array.dtype.name]))

    def outputs(self):
        return self.arrays


# --- OpenVINO ---


class OpenvinoCall(Structure):
    _fields_ = [("infer", c_void_p), ("request", c_void_p)]


class Openvino:
    """A request with its own tensors, filled once; latency mode, exact float32, one stream."""

    kind = 2

    def __init__(self, path, inputs, expected, threads):
        self.library = ctypes.CDLL(str(package_file("openvino", "libs/libopenvino_c.so*")))
        self.library.ov_get_last_err_msg.restype = c_char_p
        core = self.create("ov_core_create")
        model = self.create("ov_core_read_model", core, c_char_p(str(path).encode()), None)
        properties = [b"PERFORMANCE_HINT", b"LATENCY", b"INFERENCE_PRECISION_HINT", b"f32", b"INFERENCE_NUM_THREADS", str(threads).encode(),
                      b"NUM_STREAMS", b"1"]
        compiled = c_void_p()
        self.ask("ov_core_compile_model", core, model, c_char_p(b"CPU"), c_size_t(len(properties)), ctypes.byref(compiled),
                 *map(c_char_p, properties))
        self.request = self.create("ov_compiled_model_create_infer_request", compiled)
        for name, array in inputs.items():
            array = np.ascontiguousarray(array)
            ctypes.memmove(self.tensor(name, array.nbytes), array.ctypes.data, array.nbytes)
        self.expected = expected
        self.call = OpenvinoCall(ctypes.cast(self.library.ov_infer_request_infer, c_void_p).value, self.request)

    def ask(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status:
            raise EngineError(f"OpenVINO: {name}: {(self.library.ov_get_last_err_msg() or b'?').decode()[:200]}")

    def create(self, name, *arguments):
        made = c_void_p()
        self.ask(name, *arguments, ctypes.byref(made))
        return made

    def tensor(self, name, size):
        """Where the data of an input or output lies, which must have `size` bytes."""
        tensor, data, count = self.create("ov_infer_request_get_tensor", self.request, c_char_p(name.encode())), c_void_p(), c_size_t()
        self.ask("ov_tensor_data", tensor, ctypes.byref(data))
        self.ask("ov_tensor_get_byte_size", tensor, ctypes.byref(count))
        if count.value != size:
            raise EngineError(f"OpenVINO: {name} has {count.value} bytes, not {size}")
        return data.value

    def outputs(self):
        return {
            name: np.frombuffer(ctypes.string_at(self.tensor(name, array.nbytes), array.nbytes), array.dtype).reshape(array.shape)
            for name, array in self.expected.items()
        }


ENGINES = {"ctc": Ctc, "ort": Onnxruntime, "openvino": Openvino}
