"""The stand-in for CUDA (tests/cuda): right kernels give numpy's results in every order of their threads, wrong ones are caught."""
import os
import re
import shutil
import subprocess
import sys

from common import CTC, ROOT

HERE = ROOT / "tests" / "cuda"
LIBRARIES = CTC.parent / "cuda"
ORDERS = ["forward", "backward", "shuffle:1", "shuffle:2"]
ARCHS = ["sm_75", "sm_80", "sm_90", "sm_100"]


def asan():
    """The library that brings AddressSanitizer into a program that was built without."""
    return subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()


def run_case(*names, **settings):
    """Cases in a process of their own, with settings CTC_CUDA_…; `sanitize=1` brings AddressSanitizer."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(LIBRARIES))
    if settings.get("sanitize"):
        environment.update(LD_PRELOAD=asan(), ASAN_OPTIONS="detect_leaks=0")
    environment.update({"CTC_CUDA_" + name.upper(): str(value) for name, value in settings.items()})
    return subprocess.run([sys.executable, HERE / "cases.py", *names], capture_output=True, text=True, errors="replace", env=environment, timeout=600)


def holds(*names, **settings):
    done = run_case(*names, **settings)
    assert done.returncode == 0, f"{names} {settings}: exit {done.returncode}: {done.stderr[-1500:]}"
    return done.stdout


def caught(name, *messages, **settings):
    """The program is stopped, and what it says has all messages (regular expressions)."""
    done = run_case(name, **settings)
    assert done.returncode != 0, f"{name} {settings}: was not caught"
    for message in messages:
        assert re.search(message, done.stderr), f"{name}: no '{message}' in {done.stderr[-1500:]}"


RIGHT = ["product", "softmax"]


def check_orders(_):
    for order in ORDERS:
        holds(*RIGHT, order=order)


def check_sanitized(_):
    holds(*RIGHT, sanitize=1)


def check_barriers(_):
    at = r"kernel {}, block \(0,0,0\): "
    caught("some_have_ended", at.format("some_have_ended") + r"thread \(0,0,0\) waits at __syncthreads in some_have_ended, line 6, but "
                 r"thread \(40,0,0\) has ended")
    caught("two_barriers", r"thread \(0,0,0\) waits at __syncthreads in two_barriers, line 12, but thread \(32,0,0\) waits at .* line 15")
    caught("one_more_turn", r"thread \(63,0,0\) waits at __syncthreads .* but thread \(0,0,0\) has ended")


def check_warp_functions(_):
    caught("lanes_elsewhere", r"thread \(0,0,0\) waits at __shfl_xor_sync .* mask 0xffffffff, but thread \(16,0,0\) has ended")
    caught("not_in_mask", r"thread \(16,0,0\): calls __shfl_down_sync .* own lane is missing")
    caught("two_masks", r"thread \(1,0,0\) waits at __shfl_xor_sync .* mask 0xffffffff, but thread \(0,0,0\)")
    caught("barrier_and_shuffle", r"thread \(0,0,0\) waits at __syncthreads .* but thread \(16,0,0\) waits at __shfl_xor_sync")


def check_memory(_):
    who = r"kernel {}, block \({},0,0\): thread \({},0,0\) was running"
    caught("beyond_the_end", "heap-buffer-overflow", who.format("beyond_the_end", 1, 0), sanitize=1)
    caught("before_the_begin", "heap-buffer-overflow", who.format("before_the_begin", 0, 0), sanitize=1)
    caught("beyond_shared", "index 64 out of bounds", sanitize=1)
    caught("beyond_dynamic", "use-after-poison", who.format("beyond_dynamic", 0, 63), sanitize=1)
    caught("beyond_own_array", "out of bounds|stack-buffer-overflow", sanitize=1)
    caught("misaligned", "misaligned address", sanitize=1)


def check_never_written(_):
    assert holds("shared_never_written").split()[-1] == "nan"


def check_races(_):
    """A race gives different results in different orders."""
    for name in ("read_too_early", "written_too_early", "warp_without_sync"):
        results = {holds(name, order=order) for order in ORDERS}
        assert len(results) > 1, f"{name}: the same result in all orders"


def check_nvcc(folder):
    """The same kernels are CUDA to NVIDIA's compiler."""
    nvcc = shutil.which("nvcc")
    if not nvcc:
        print("no nvcc here: the kernels were not compiled for a GPU")
        return
    for path in sorted(HERE.glob("*/*.cu")):
        for arch in ARCHS:
            done = subprocess.run([nvcc, "-cubin", "-arch=" + arch, "-o", folder / "k.cubin", path], capture_output=True, text=True)
            assert done.returncode == 0, f"{path.name} {arch}: {done.stderr[-800:]}"
