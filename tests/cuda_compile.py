#!/usr/bin/env python3
"""Emitted CUDA programs under real compilers: the kernels by NVRTC for several architectures, with what ptxas says of registers, spills and shared
memory; the host's part by gcc as C99, by g++ as C++, without a warning, and by nvcc, if there is one.

    cuda_compile.py [--all | NAME…]    a few models, all of cuda_models.py, or these
    cuda_compile.py --all --write      also write docs/cuda-kernels.md
    cuda_compile.py --archs sm_80,…    instead of all four

NVRTC is the toolkit's, or that of `make nvrtc`. A kernel on which much of a model's time depends must not spill registers.
"""

import argparse
import ast
import collections
import concurrent.futures
import ctypes
import os
import pathlib
import re
import shutil
import sys
import time
from ctypes import byref, c_char_p, c_size_t, c_void_p

import cuda_models
from common import CTC, ROOT

FOLDER = ROOT / "build" / "cuda-compile"
NVRTC_PLACES = ["/usr/local/cuda/lib64", str(ROOT / "build" / "nvrtc" / "nvidia" / "cu13" / "lib")]
ARCHS = "sm_75,sm_80,sm_90,sm_100"
QUICK = ["dscnn_kws", "g2p_id_py_bert_mlm", "openwakeword_hey_mycroft_v0_1"]
WARNINGS = "-Wall -Wextra -Wconversion -pedantic -Werror -fsyntax-only".split()
HOSTS = {
    "gcc": ["gcc", "-x", "c", "-std=c99", *WARNINGS],
    "g++": ["g++", "-x", "c++", *WARNINGS],
    "nvcc": ["nvcc", "-c", "-o", "net.o"],
}
# Kernels on which the time depends, by the beginnings of their names.
HOT = ("conv", "product", "matmul", "gemm", "gemv", "attention", "layer_norm", "softmax")

Use = collections.namedtuple("Use", "kernel arch registers spills shared stack")


# --- NVRTC ---


class Nvrtc:
    """The library that is found first; None if there is none."""

    def __init__(self, library):
        self.library = library

    @staticmethod
    def find():
        for folder in NVRTC_PLACES:
            for path in sorted(pathlib.Path(folder).glob("libnvrtc.so.1?")):
                return Nvrtc(ctypes.CDLL(str(path)))
        return None

    def compile(self, text, arch):
        """(status, log)"""
        program, size = c_void_p(), c_size_t()
        # 128: a loop is not reachable, as a size that is a literal says.
        options = [b"-arch=" + arch.encode(), b"--ptxas-options=-v", b"--diag-suppress=128"]
        self.library.nvrtcCreateProgram(byref(program), text.encode(), b"kernels.cu", 0, None, None)
        status = self.library.nvrtcCompileProgram(program, len(options), (c_char_p * len(options))(*options))
        self.library.nvrtcGetProgramLogSize(program, byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.library.nvrtcGetProgramLog(program, log)
        self.library.nvrtcDestroyProgram(byref(program))
        return status, log.value.decode(errors="replace")


def uses(log):
    """What ptxas says: a Use for each kernel."""
    found = []
    for part in log.split("Compiling entry function ")[1:]:
        kernel, arch = re.match(r"'(\w+)' for '(\w+)'", part).groups()

        def number(pattern):
            return sum(map(int, re.findall(pattern, part)))

        spills = number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
        found.append(Use(kernel, arch, number(r"Used (\d+) registers"), spills, number(r"(\d+) bytes smem"), number(r"(\d+) bytes stack frame")))
    return found


def stem(kernel):
    return re.sub(r"_\d+$", "", kernel)


# --- one model ---


def kernel_text(source):
    """The text of the kernels, from the array of strings in an emitted program."""
    lines = re.search(r"_kernel_text\[\] = \{\n(.*?)\n\};", source, re.S)[1].splitlines()
    return "\n".join(ast.literal_eval(line.strip().rstrip(",")) for line in lines)


def check_kernels(args, name, text, arch):
    """(what is wrong or None, [Use])"""
    status, log = args.nvrtc.compile(text, arch)
    if status:
        return f"{name}: NVRTC for {arch}: {cuda_models.complaint(log)}", []
    found = uses(log)
    spilling = [f"{use.kernel} ({use.spills} bytes)" for use in found if use.spills and use.kernel.startswith(HOT)]
    warning = next((line for line in log.splitlines() if "warning" in line), None)
    wrong = f"registers spilt by {', '.join(spilling)}" if spilling else warning
    return f"{name}: {arch}: {wrong}" if wrong else None, found


def check_model(args, subject):
    """([what is wrong], number of checks, [Use])"""
    folder, start = args.folder / subject.name, time.time()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wrong, found, checks = [], [], 0
    try:
        cuda_models.emit(args, subject, subject.inputs(), folder)
        for compiler, command in HOSTS.items():
            if shutil.which(compiler) and (compiler != "nvcc" or args.nvcc):
                checks += 1
                wrong += attempt(f"{subject.name}: {compiler}", lambda: cuda_models.command([*command, "net.cu"], args.seconds, cwd=folder))
        text = kernel_text((folder / "net.cu").read_text())
        for arch in args.archs.split(",") if args.nvrtc and "__global__" in text.split("extern")[-1] else []:
            checks += 1
            message, more = check_kernels(args, subject.name, text, arch)
            wrong, found = wrong + [message] * bool(message), found + more
    except cuda_models.Failure as failure:
        wrong.append(f"{subject.name}: {failure}")
    shutil.rmtree(folder, ignore_errors=True)
    for message in wrong:
        print("FAIL " + message, flush=True)
    print(f"{subject.name:48} {time.time() - start:5.0f}s {'; '.join(sorted({stem(use.kernel) for use in found}))[:120]}", flush=True)
    return wrong, checks, found


def attempt(who, action):
    try:
        action()
        return []
    except cuda_models.Failure as failure:
        return [f"{who}: {failure}"]


# --- the report ---


def table(found):
    """Lines of a table: a kernel of the runtime a row, the most that any of its instances needs on an architecture."""
    archs = list(dict.fromkeys(use.arch for use in found))
    rows = collections.defaultdict(dict)
    for use in found:
        most = rows[stem(use.kernel)].get(use.arch, (0, 0, 0, 0))
        rows[stem(use.kernel)][use.arch] = (max(most[0], use.registers), max(most[1], use.spills), max(most[2], use.shared), most[3] + 1)
    yield "| kernel | instances | " + " | ".join(f"{arch} registers | spills" for arch in archs) + " | shared memory |"
    yield "|---|---:|" + "---:|---:|" * len(archs) + "---:|"
    for name in sorted(rows):
        each = [rows[name].get(arch, (0, 0, 0, 0)) for arch in archs]
        cells = " | ".join(f"{registers} | {spills}" for registers, spills, _, _ in each)
        yield f"| {name} | {max(e[3] for e in each)} | {cells} | {max(e[2] for e in each)} |"


def write_document(found, models):
    lines = [
        "# Kernels of CUDA programs",
        "",
        f"What ptxas says of the kernels of {models} models, compiled by NVRTC: the most registers of a thread, bytes of registers spilt to memory, and "
        "bytes of shared memory of a block that any instance of a kernel needs. `tests/cuda_compile.py --all --write` writes this; the tests fail if a "
        "product, a convolution, an attention, a layer normalisation or a softmax spills.",
        "",
        *table(found),
    ]
    (ROOT / "docs" / "cuda-kernels.md").write_text("\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--archs", default=ARCHS)
    parser.add_argument("--write", action="store_true", help="write docs/cuda-kernels.md")
    parser.add_argument("--nvcc", action="store_true", help="also nvcc for the whole program, which takes half a minute a model")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=600, help="limit for each compiler")
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(os.environ.get("ZOO_CACHE", ROOT / "zoo-cache")))
    args = parser.parse_intermixed_args()
    args.ctc, args.folder = args.ctc.resolve(), args.folder.resolve()
    args.list = args.dynamic = False
    if not args.names and not args.all:
        args.names = QUICK
    return args


def main():
    args = parse_arguments()
    args.nvrtc = Nvrtc.find()
    subjects, absent = cuda_models.choose(args)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda subject: check_model(args, subject), subjects))
    wrong = [message for messages, _, _ in results for message in messages]
    checks = sum(count for _, count, _ in results)
    found = [use for _, _, more in results for use in more]
    if not args.nvrtc:
        print("skipped: no NVRTC here: `make nvrtc` installs it (60 MB)")
    if not args.nvcc or not shutil.which("nvcc"):
        print("skipped: nvcc for the whole program" + ("" if shutil.which("nvcc") else ": not there"))
    if args.write and found:
        write_document(found, len(subjects))
    elif found:
        print("\n".join(table(found)))
    failed = len(wrong)
    print(f"{max(checks - failed, 0)} passed, {failed} failed, {absent + (not args.nvrtc)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
