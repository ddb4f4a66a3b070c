"""Whether the models of the folder compute what they should, for all the ways to call them."""

import numpy as np

from carried import TOLERANCES, distance
from contenders import HAS_TORCH, Ctc


def same_bits(a, b):
    return len(a) == len(b) and all(x.tobytes() == y.tobytes() for x, y in zip(a, b))


def on_tensors(carried, build):
    """Outputs with tensors of PyTorch's on a stream of PyTorch's."""
    import torch

    model = carried.load(build)
    inputs = [torch.from_numpy(array).cuda() for array in carried.inputs(build["batch"])]
    dims = model.solve_dims([tuple(x.shape) for x in inputs])
    types = [torch.from_numpy(np.empty(0, port.dtype)).dtype for port in model.outputs]
    outputs = [torch.empty(shape, dtype=dtype, device="cuda") for shape, dtype in zip(model.shapes(dims)[1], types)]
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    model.bind([x.data_ptr() for x in inputs], [y.data_ptr() for y in outputs], dims, stream.cuda_stream)()
    stream.synchronize()
    found = [y.cpu().numpy() for y in outputs]
    model.close()
    return found


def check(driver, carried, build):
    """{"distance", "tolerance", "failures": [what is wrong]} of a build."""
    failures, tolerance = [], TOLERANCES[build["precision"]]
    arrays = carried.inputs(build["batch"])
    model = carried.load(build)
    outputs = model.run(arrays)
    far = distance(outputs, carried.expected(build["batch"]))
    if not far <= tolerance:
        failures.append(f"{far:.2e} from the expected outputs")
    if not same_bits(outputs, model.run(arrays)):
        failures.append("a second run gives other bits")
    model.close()
    device = Ctc(driver, carried, build)
    for _ in range(2):  # the second one replays the recorded graph
        device.run()
        if not same_bits(outputs, device.outputs()):
            failures.append("other bits with memory of the device and a stream of the caller's")
    device.close()
    if HAS_TORCH and not same_bits(outputs, on_tensors(carried, build)):
        failures.append("other bits with tensors of PyTorch's")
    return {"distance": far, "tolerance": tolerance, "failures": failures}
