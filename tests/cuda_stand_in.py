"""The stand-in for CUDA (tests/cuda): right kernels give numpy's results in every order of their threads, wrong ones are caught."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "cuda"))
from cases import RIGHT
from common import CTC, ROOT, checks_of, compile_c, cuda_environment, run_named

HERE = ROOT / "tests" / "cuda"
LIBRARIES = CTC.parent / "cuda"
ORDERS = ["forward", "backward", "shuffle:1", "shuffle:2"]
ARCHS = ["sm_75", "sm_90"]


def run_case(*names, libraries=LIBRARIES, **settings):
    """Cases in a process of their own, with settings CTC_CUDA_…; `sanitize=1` brings AddressSanitizer."""
    environment = cuda_environment(libraries, **settings)
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


def check_orders(_):
    for order in ORDERS:
        holds(*RIGHT, order=order)


def check_sanitized(_):
    holds(*RIGHT, sanitize=1)


def check_portable_switch(folder):
    """Fibers by ucontext, as on other processors than x86-64."""
    compile_c(["g++", "-std=c++17", "-O1", "-w", "-DCTC_UCONTEXT", "-fPIC", "-shared", *sorted(HERE.glob("*.cpp")), "-o", folder / "libcuda.so.1"], folder)
    (folder / "libnvrtc.so.13").symlink_to("libcuda.so.1")
    for header in ("device.h", "block.h"):
        shutil.copy(HERE / header, folder)
    names = ("product", "softmax", "halves", "last_block_sum")
    for settings in ({}, {"sanitize": 1}):
        done = run_case(*names, libraries=folder, **settings)
        assert done.returncode == 0, done.stderr[-800:]


def check_no_races(_):
    """Right kernels have none: neither those with atomics, nor those ordered by __syncwarp or by fences."""
    for order in ("forward", "shuffle:3"):
        holds(*RIGHT, races=1, order=order)


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


def check_traps(_):
    """Without a sanitizer too: a misaligned access, and one far outside."""
    caught("misaligned", r"kernel misaligned, block \(0,0,0\): thread \(0,0,0\) was running", "not aligned")


def check_results_of_races(_):
    """A race gives different results in different orders."""
    names = ("read_too_early", "written_too_early", "warp_without_sync", "blocks_collide")
    by_order = [holds(*names, order=order).splitlines() for order in ORDERS]
    for name, *results in zip(names, *by_order):
        assert len(set(results)) > 1, f"{name}: the same result in all orders"


def check_races(_):
    """A race is told, with both places, in any order."""
    places = {
        "read_too_early": "in shared memory: .* (writes|reads) 4 bytes at kernels.cu:[56] .* has (written|read) at kernels.cu:[56]",
        "written_too_early": "in shared memory: .* kernels.cu:1[35] .* kernels.cu:1[35]",
        "warp_without_sync": "in shared memory: .* kernels.cu:2[23] .* kernels.cu:2[23]",
        "blocks_collide": "in global memory: .* writes 4 bytes at kernels.cu:3 .* of another block",
        "blocks_pass_on": "in global memory: .* kernels.cu:[67].* of another block .*byte \\d+ of an allocation of 256",
        "sum_without_atomic": "in global memory: .* at kernels.cu:10 ",
        "half_atomic": "in shared memory: .* kernels.cu:1[56] ",
    }
    for name, place in places.items():
        for order in ("backward", "shuffle:1"):
            caught(name, f"kernel {name}, block .*: race {place}", races=1, order=order)


def check_host_program(_):
    """What a program does wrong with right kernels."""
    assert holds("reads_before_waiting") == "not there\n"
    caught("reads_device_memory", protect=1)
    caught("reads_device_memory", "use-after-poison", sanitize=1)
    caught("product", "CudaError: cuInit: 100", devices=0)
    caught("graphs", "CudaError: cuMemAlloc_v2: 2", memory=1000)


def check_kept_cubins(folder):
    """A cubin from a run without checks is not taken for one with them, also where the program keeps it by NVRTC's version."""
    kept = folder / "kept.cubin"
    holds("keeps_cubin", kept=kept)
    holds("loads_cubin", kept=kept)
    for settings in ({"races": 1}, {"sanitize": 1}, {"flags": "-O2"}):
        caught("loads_cubin", "cuModuleLoadData: 209", kept=kept, **settings)


def toolkit():
    """The folder of a CUDA toolkit, or None."""
    nvcc = shutil.which("nvcc")
    return pathlib.Path(os.path.realpath(nvcc)).parent.parent if nvcc else None


def check_numbers(folder):
    """api.h has the numbers of cuda.h, and the library functions of the real ones' names."""
    if not toolkit():
        print("no CUDA toolkit here: api.h was not compared with cuda.h")
        return
    text = (HERE / "api.h").read_text()
    numbers = re.findall(r"RESULT\((\w+), (\d+)", text) + [("CU_DEVICE_ATTRIBUTE_" + n, v) for n, v in re.findall(r"ATTRIBUTE\((\w+), (\d+)", text)]
    numbers += re.findall(r"\b((?:CU|NVRTC)_\w+) = (\d+)", text)
    assert len(numbers) > 90
    source = folder / "numbers.cpp"
    source.write_text("#include <cuda.h>\n#include <nvrtc.h>\n" + "".join(f'static_assert({n} == {v}, "{n}");\n' for n, v in numbers))
    done = subprocess.run(["g++", "-fsyntax-only", f"-I{toolkit() / 'include'}", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:800]
    real = exported(*toolkit().glob("lib64/stubs/libcuda.so"), *toolkit().glob("lib64/libnvrtc.so"))
    own = exported(LIBRARIES / "libcuda.so.1")
    assert own and not own - real, f"not in the real libraries: {sorted(own - real)}"


def exported(*libraries):
    """Names of functions for others."""
    names = set()
    for library in libraries:
        text = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True).stdout
        names |= set(re.findall(r" T ((?:cu|nvrtc)\w+)", text))
    return names


def check_nvcc(folder):
    """The same kernels are CUDA to NVIDIA's compiler."""
    if not toolkit():
        print("no nvcc here: the kernels were not compiled for a GPU")
        return

    def compiled(path, arch):
        out = folder / f"{path.stem}-{arch}.cubin"
        done = subprocess.run(["nvcc", "-cubin", "-arch=" + arch, "-o", out, path], capture_output=True, text=True)
        return f"{path.name} {arch}: {done.stderr[-800:]}" if done.returncode else ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(pool.map(lambda job: compiled(*job), [(p, a) for p in sorted(HERE.glob("*/*.cu")) for a in ARCHS]))
    assert not any(problems), "\n".join(filter(None, problems))


if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
