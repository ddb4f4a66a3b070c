#!/usr/bin/env python3
"""Kernels on the device that libcuda.so.1 gives: `cases.py NAME…` runs cases, `cases.py` lists them. All but those of the kernels in wrong/ must
hold on a GPU too; numpy says what is right."""
import ctypes
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


# --- wrong kernels: what they do is told by the stand-in, or by the result ---


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
