"""Those who run a model on the GPU side by side: ctc, PyTorch in three ways, onnxruntime. Each has
run() (starts the work), wait(), and outputs() (numpy arrays of the last run)."""

import numpy as np

try:
    import torch

    HAS_TORCH = torch.cuda.is_available()
except ImportError:
    HAS_TORCH = False

# What PyTorch computes with for each of ctc's precisions.
TORCH_TYPES = {"f32": "float32", "tf32": "float32", "f16": "float16", "bf16": "bfloat16"}


class Ctc:
    """A build of the folder on memory of the device, as one CUDA graph on a stream of ours."""

    def __init__(self, driver, carried, build, stream=None):
        self._driver, self._stream = driver, stream or driver.stream()
        self._model = model = carried.load(build)
        arrays = carried.inputs(build["batch"])
        self.dims = model.solve_dims([array.shape for array in arrays])
        self._shapes = model.shapes(self.dims)[1]
        self._inputs = [driver.allocate(array.nbytes) for array in arrays]
        sizes = [int(np.prod(shape)) * port.dtype.itemsize for shape, port in zip(self._shapes, model.outputs)]
        self._outputs = [driver.allocate(size) for size in sizes]
        for address, array in zip(self._inputs, arrays):
            driver.upload(address, array)
        self.run = model.bind(self._inputs, self._outputs, self.dims, self._stream)

    def library(self):
        return self._model._library

    def wait(self):
        self._driver.wait(self._stream)

    def outputs(self):
        self.wait()
        return [self._driver.download(a, s, p.dtype) for a, s, p in zip(self._outputs, self._shapes, self._model.outputs)]

    def close(self):
        self.wait()
        for address in self._inputs + self._outputs:
            self._driver.free(address)
        self._model.close()


class Torch:
    """The graph as a PyTorch module, called as it is."""

    def __init__(self, driver, carried, build):
        import graph

        name = TORCH_TYPES[build["precision"]]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = build["precision"] == "tf32"
        torch.backends.cudnn.benchmark = True
        description, tensors = carried.graph(build["batch"])
        arrays = carried.inputs(build["batch"])
        self._module = graph.build(description, tensors, arrays, "cuda", getattr(torch, name))
        self._inputs = [torch.from_numpy(array).cuda() for array in arrays]
        self._inputs = [x.to(getattr(torch, name)) if x.is_floating_point() else x for x in self._inputs]
        self._prepare()

    def _prepare(self):
        pass

    def run(self):
        with torch.inference_mode():
            self._results = self._module(*self._inputs)

    def wait(self):
        torch.cuda.synchronize()

    def outputs(self):
        self.wait()
        return [result.float().cpu().numpy() if result.is_floating_point() else result.cpu().numpy() for result in self._results]

    def close(self):
        self.__dict__.clear()
        torch.cuda.empty_cache()


class TorchGraph(Torch):
    """The calls of eager PyTorch recorded once as a CUDA graph."""

    def _prepare(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                super().run()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            super().run()
        self.run = self._graph.replay


class TorchCompile(Torch):
    """torch.compile, with CUDA graphs."""

    mode = "reduce-overhead"

    def _prepare(self):
        torch._dynamo.reset()
        self._module = torch.compile(self._module, mode=self.mode)
        for _ in range(4):
            self.run()

    def run(self):
        torch.compiler.cudagraph_mark_step_begin()
        super().run()


class Onnxruntime:
    """onnxruntime's CUDA provider with its CUDA graph, on memory of the device."""

    def __init__(self, driver, carried, build):
        import onnxruntime

        if build["precision"] not in ("f32", "tf32"):
            raise RuntimeError("float32 only")
        settings = {"use_tf32": int(build["precision"] == "tf32"), "enable_cuda_graph": 1}
        data = onnx_bytes(*carried.graph(build["batch"]), carried.entry, build["batch"])
        self._session = onnxruntime.InferenceSession(data, providers=[("CUDAExecutionProvider", settings)])
        self._binding = self._session.io_binding()
        for port, array in zip(carried.entry["inputs"], carried.inputs(build["batch"])):
            self._binding.bind_ortvalue_input(port["name"], onnxruntime.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
        for port in self._session.get_outputs():
            self._binding.bind_output(port.name, "cuda")

    def run(self):
        self._session.run_with_iobinding(self._binding)

    def wait(self):
        self._binding.synchronize_outputs()

    def outputs(self):
        self.wait()
        return self._binding.copy_outputs_to_cpu()

    def close(self):
        self.__dict__.clear()


def onnx_bytes(description, tensors, entry, batch):
    """The graph as an ONNX file again."""
    from onnx import TensorProto, helper, numpy_helper

    def attribute(value):
        return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value

    nodes = [helper.make_node(n["op"], n["inputs"], n["outputs"], **{k: attribute(v) for k, v in n["attributes"].items()})
             for n in description["nodes"]]
    inputs = [helper.make_tensor_value_info(p["name"], helper.np_dtype_to_tensor_dtype(np.dtype(p["dtype"])), p["shapes"][str(batch)])
              for p in entry["inputs"]]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in description["outputs"]]
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, entry["name"], inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", description["opset"])], ir_version=8).SerializeToString()


def has_onnxruntime():
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError:
        return False
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def available():
    """{name: class}, ctc first."""
    found = {"ctc": Ctc}
    if HAS_TORCH:
        found |= {"eager": Torch, "eager_graph": TorchGraph}
        if hasattr(torch, "compile"):
            found["compile"] = TorchCompile
    if has_onnxruntime():
        found["onnxruntime"] = Onnxruntime
    return found
