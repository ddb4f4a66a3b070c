"""Reads and writes safetensors files: the header's length in 8 bytes, the header in JSON, the tensors' bytes."""

import json
import math
import struct

import torch

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
ALIGNMENT = 8


def write(path, tensors):
    """Writes {name: tensor}; large elements first, so that each tensor is aligned to its elements."""
    header, parts, end = {}, [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [end, end + len(data)]}
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read(path):
    """{name: tensor} of a file."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError(f"{path}: no safetensors file: its header would end after the file")
    header, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    return {name: _tensor(path, name, entry, data) for name, entry in header.items() if name != "__metadata__"}


def _tensor(path, name, entry, data):
    dtype, shape, (first, end) = DTYPES.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
    if dtype is None:
        raise ValueError(f"{path}: tensor {name} has elements of type {entry['dtype']}, which is unknown")
    wanted = math.prod(shape) * torch.empty(0, dtype=dtype).element_size()
    if not 0 <= first <= end <= len(data) or end - first != wanted:
        raise ValueError(f"{path}: tensor {name} of shape {shape} takes {wanted} bytes, not those from {first} to {end} of {len(data)}")
    if first == end:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data[first:end]), dtype=torch.uint8).view(dtype).reshape(shape)
