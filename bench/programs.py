"""Programs to measure: a model emitted by ctc and compiled by a C compiler, made anew only if its text or the flags changed."""

import hashlib
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
# What ctc makes without its fast kernels: the loops that anybody would write.
PLAIN = "plain"
THREAD_FLAGS = ["-DCTC_POOL", "-pthread"]


class Variant:
    """One way to make the program: options of ctc, a compiler, its flags."""

    def __init__(self, name, options, cc, flags):
        self.name, self.options, self.cc, self.flags = name, options, cc, flags


def variants(compilers, cflags, options, plain):
    made = [Variant(f"ctc-{cc}", options.split(), cc, cflags.split()) for cc in compilers]
    if plain and compilers:
        made.append(Variant(PLAIN, ["--optimize=size"], compilers[0], cflags.split()))
    return made


class Program:
    """A library, or why there is none (`failed`); `facts` for the results."""

    def __init__(self, name):
        self.name, self.library, self.failed, self.facts = name, None, None, {}

    # A program that could not be made stands in for its engine.
    def check(self):
        pass

    def result(self):
        return {"error": self.failed}

    def end(self):
        pass


def run(command, cwd, seconds):
    """(seconds it took, None or the end of what it complained of)"""
    start = time.time()
    try:
        done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired:
        return seconds, f"{command[0]} took more than {seconds} s"
    complaint = f"{pathlib.Path(command[0]).name} failed ({done.returncode}): {done.stderr.strip()[-200:]}" if done.returncode else None
    return time.time() - start, complaint


def text_bytes(library):
    """Size of the machine code, from `size`."""
    done = subprocess.run(["size", str(library)], capture_output=True, text=True)
    return int(done.stdout.splitlines()[1].split()[0]) if done.returncode == 0 else None


def emit(args, variant, path, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.weights").unlink(missing_ok=True)
    command = [args.ctc.resolve(), "compile", path.resolve(), "-o", folder / "net.c", "--prefix", "net", "--weights=file", "--quiet", *variant.options]
    return run(command, folder, 600)


def compile_library(variant, folder, library, flags):
    """Skips the compiler if text, command and library are what they were."""
    command = [variant.cc, *flags, "-w", "-shared", "-fPIC", "net.c", "-o", library, "-lm"]
    stamp = library.with_suffix(".stamp")
    key = hashlib.sha256((folder / "net.c").read_bytes() + (folder / "net.h").read_bytes() + repr(command).encode()).hexdigest()
    if library.exists() and stamp.exists() and stamp.read_text().split()[0] == key:
        return float(stamp.read_text().split()[1]), None
    seconds, failed = run(command, folder, 1800)
    if not failed:
        stamp.write_text(f"{key} {seconds:.3f}")
    return seconds, failed


def make(args, variant, path, name, threads):
    program = Program(variant.name)
    folder = args.folder / "ctc" / (name + "".join(variant.options).replace("/", "_"))
    program.library = folder / f"{variant.cc}-{threads}.so"
    program.facts["emit_seconds"], program.failed = emit(args, variant, path, folder)
    if not program.failed:
        flags = variant.flags + (THREAD_FLAGS if threads > 1 else [])
        program.facts["cc_seconds"], program.failed = compile_library(variant, folder, program.library, flags)
    if not program.failed:
        weights = folder / "net.weights"
        program.facts |= {"source_bytes": (folder / "net.c").stat().st_size, "text_bytes": text_bytes(program.library),
                          "weights_bytes": weights.stat().st_size if weights.exists() else 0}
    return program


def loop_library(folder):
    """bench/loop.c, compiled."""
    library, source = folder / "loop.so", HERE / "loop.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        _, failed = run(["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", library], HERE, 60)
        if failed:
            raise SystemExit(f"run.py: {failed}")
    return library
