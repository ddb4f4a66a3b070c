"""Programs made from model.cu, around their kernels: without a driver, a device or a compiler, kept kernels, weights, sizes, orders of the threads."""
import ctypes
import re
import shutil
import subprocess
import sys

import numpy as np

import ctc_model
from common import CTC, ROOT, STRICT, compile_c, conv_net, ctc_ok, cuda_environment, cuda_stand_in_missing, model, onnxruntime_outputs, same, save, value

LIBRARIES = CTC.parent / "cuda"
STATUS = {"no driver": 16, "no device": 17, "no compiler": 18, "compile": 19}
ORDERS = ["backward", "shuffle:1", "shuffle:2"]
SANITIZE = "-g -fsanitize=address,undefined -fno-sanitize-recover=all".split()


# --- helpers ---


def emitted(made, folder, *options):
    path = save(made, folder, "net.onnx")
    ctc_ok("compile", path, "-o", folder / "net.cu", "--quiet", *options)


def program(folder, compiler=("gcc", "-x", "c"), options=()):
    """start.c with net.cu; C++ may compile the model, and C the program."""
    emitted(conv_net(), folder, *options)
    compile_c([*compiler, "-O1", "-w", "-c", "net.cu", "-o", "net.o"], folder)
    compile_c(["gcc", *STRICT, "-I.", ROOT / "tests" / "cuda" / "start.c", "net.o", "-o", "start", "-ldl", "-lm"], folder)


def started(folder, status, *texts, cache="", environment=None):
    """The program ends well, and says this status and these texts."""
    done = subprocess.run([folder / "start", cache], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-500:]}"
    for text in (f"{status}: ", *texts):
        assert text in done.stdout, f"expected {text}, got {done.stdout}"


def has_library(name):
    try:
        ctypes.CDLL(name)
        return True
    except OSError:
        return False


def child(code, folder, **settings):
    """What a piece of Python prints in a process that has the stand-in: `folder` and modules of the tests are at hand."""
    head = f"import sys, pathlib; sys.path.insert(0, {str(ROOT / 'tests')!r}); folder = pathlib.Path({str(folder)!r})\nimport cuda_programs as t\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, env=cuda_environment(**settings), timeout=600)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-1500:]}"
    return done.stdout


def library(folder, *flags, name="net.so"):
    compile_c(["gcc", "-x", "c", "-O1", "-w", *flags, "-shared", "-fPIC", "net.cu", "-o", name, "-ldl", "-lm"], folder)


def images(batch):
    return np.random.default_rng(batch).standard_normal((batch, 3, 16, 16)).astype(np.float32)


# --- started where something is missing ---


def check_no_driver(folder):
    if has_library("libcuda.so.1"):
        print("a driver is here: it is not tested what a program says without one")
        return
    for compiler in (("gcc", "-x", "c"), ("g++", "-x", "c++")):
        program(folder, compiler)
        started(folder, STATUS["no driver"], "no CUDA driver", "libcuda.so.1 is not there")


def check_no_device(folder):
    program(folder)
    started(folder, STATUS["no device"], "no CUDA device", environment=cuda_environment(devices=0))


def check_no_compiler(folder):
    if any(has_library(f"libnvrtc.so{end}") for end in ("", ".11.2", ".12", ".13")):
        print("NVRTC is where the loader looks: it is not tested what a program says without it")
        return
    program(folder)
    shutil.copy(LIBRARIES / "libcuda.so.1", folder)
    started(folder, STATUS["no compiler"], "NVRTC is missing", environment=cuda_environment(folder))


def check_kernels_that_do_not_compile(folder):
    program(folder)
    environment = cuda_environment(cxx="false", cache=folder / "none")
    started(folder, STATUS["compile"], "the kernels cannot be compiled", environment=environment)


def check_kept_kernels(folder):
    """The second start takes what the first one left, and needs no compiler."""
    program(folder)
    started(folder, 0, ": ok", cache=str(folder / "kept"), environment=cuda_environment(cache=folder / "first"))
    assert any((folder / "kept").iterdir()), "nothing was kept"
    started(folder, 0, ": ok", cache=str(folder / "kept"), environment=cuda_environment(cache=folder / "second"))
    assert not any((folder / "second").glob("*.so")), "compiled again"


def check_kept_strict_kernels(folder):
    """--strict is not told to NVRTC by the text, but the kernels are others: both are kept."""
    for count, options in enumerate(((), ("--strict",)), 1):
        program(folder, options=options)
        started(folder, 0, ": ok", cache=str(folder / "kept"), environment=cuda_environment())
        assert len(list((folder / "kept").iterdir())) == count, options


# --- docs/cuda.md ---


def check_document(folder):
    """The commands that compile model.cu do, and the piece of a program runs."""
    text = (ROOT / "docs" / "cuda.md").read_text()
    ctc_ok("compile", save(conv_net(), folder), "-o", folder / "model.cu", "--dim", "N=1", "--quiet")
    commands = re.findall(r"^\| [^|]* \| `(\S+ [^`|]*model\.cu[^`|]*)` \|", text, re.M)
    assert len(commands) == 4, commands
    for command in commands:
        if shutil.which(command.split()[0]):
            compile_c(command.split(), folder)
    piece = re.search(r"```c\n#include \"model.h\"\n(.*?)```", text, re.S)[1]
    (folder / "main.c").write_text("#include \"model.h\"\n#include <stdio.h>\nstatic float x[MODEL_IN_X_ELEMENTS], y[MODEL_OUT_Y_ELEMENTS];\n"
                                   f"int main(void) {{\n{piece}return printf(\"%s\\n\", model_status_text(status)) < 0;\n}}\n")
    compile_c(["gcc", "-x", "c", "-O1", "-c", "model.cu"], folder)
    compile_c(["gcc", *STRICT, "main.c", "model.o", "-o", "start", "-lm", "-ldl"], folder)
    done = subprocess.run([folder / "start"], capture_output=True, text=True, env=cuda_environment(), timeout=300)
    assert done.returncode == 0 and done.stdout == "ok\n", done


# --- running ---


def run_at_sizes(folder):
    """In the child: results at several sizes, and again at one for which a graph was recorded."""
    net, made = ctc_model.load_cuda(folder / "net.so", "net"), conv_net()
    for batch in (2, 5, 5, 1, 2):
        same(net.run([images(batch)]), onnxruntime_outputs(made, {"x": images(batch)}))
    net.close()


def check_sizes(folder):
    emitted(conv_net(), folder)
    library(folder)
    child("t.run_at_sizes(folder)", folder)


def check_weights(folder):
    for mode in ("array", "string", "incbin", "file"):
        emitted(conv_net(), folder, "--weights", mode)
        library(folder)
        child("weights = folder / 'net.weights'\n"
              "net = t.ctc_model.load_cuda(folder / 'net.so', 'net', weights.read_bytes() if weights.exists() else None)\n"
              "t.same(net.run([t.images(2)]), t.onnxruntime_outputs(t.conv_net(), {'x': t.images(2)}))", folder)


PRINT_BYTES = "print(t.ctc_model.load_cuda(folder / name, 'net').run([t.images(3)])[0].tobytes().hex())"


def check_orders(folder):
    """The bytes do not depend on which thread comes first, nor on sanitizers, which find nothing."""
    emitted(conv_net(), folder)
    library(folder)
    library(folder, *SANITIZE, name="sanitized.so")
    expected = child("name = 'net.so'\n" + PRINT_BYTES, folder)
    for order in ORDERS:
        assert child("name = 'net.so'\n" + PRINT_BYTES, folder, order=order) == expected, order
    assert child("name = 'sanitized.so'\n" + PRINT_BYTES, folder, sanitize=1) == expected, "sanitized"
    assert child("name = 'net.so'\n" + PRINT_BYTES, folder, races=1) == expected, "races"


def refuse_index(folder):
    net = ctc_model.load_cuda(folder / "net.so", "net")
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    for indices in ([0, 3], [-4, 1]):
        assert (net.run([data, np.array(indices)])[0] == data[indices]).all()
    try:
        net.run([data, np.array([0, 4])])
    except ctc_model.ModelError as error:
        assert error.status == 3, error.status
        return
    raise AssertionError("took an index outside of the data")


def check_wrong_index(folder):
    made = model([("Gather", ["x", "i"], ["y"])], [value("x", [4, 3]), value("i", [2], np.int64)], [value("y", [2, 3])])
    emitted(made, folder)
    library(folder)
    child("t.refuse_index(folder)", folder)


def run_on_device(folder):
    """Tensors in the device's memory and a stream of the caller's."""
    sys.path.insert(0, str(ROOT / "tests" / "cuda"))
    from host import Gpu

    gpu, net, x = Gpu(), ctc_model.load_cuda(folder / "net.so", "net"), images(3)
    stream, y = ctypes.c_void_p(), gpu.empty(3 * 10 * 4)
    gpu.cuda.cuStreamCreate(ctypes.byref(stream), 0)
    places = [(ctypes.c_void_p * 1)(place.value) for place in (gpu.upload(x), y)]
    for _ in range(2):
        assert net._c.run(net._handle, *places, (ctypes.c_int64 * 1)(3), stream) == 0, net.message()
    gpu.cuda.cuStreamSynchronize(stream)
    same([gpu.download(y, (3, 10))], net.run([x]), rtol=0, atol=0)


def check_device_memory(folder):
    emitted(conv_net(), folder)
    library(folder)
    child("t.run_on_device(folder)", folder)


def string_model():
    """Strings that are only moved (on the device), compared, made and chosen (on the host), in a row."""
    from strings import BOOL, INT64, STRING, made

    labels = {"keys_strings": ["ab", "b", "é"], "values_int64s": [1, 2, 3], "default_int64": -1}
    return made(
        [
            ("StringConcat", ["x", "z"], [("joined", STRING)], {}),
            ("Transpose", ["joined"], [("turned", STRING)], {}),
            ("Gather", ["turned", "at"], [("taken", STRING)], {}),
            ("StringConcat", ["taken", "taken"], [("twice", STRING)], {}),
            ("Equal", ["x", "z"], [("equal", BOOL)], {}),
            ("Where", ["equal", "joined", "x"], [("chosen", STRING)], {}),
            ("LabelEncoder", ["x"], [("number", INT64)], labels, "ai.onnx.ml"),
            ("Concat", ["chosen", "z"], [("beside", STRING)], {"axis": 1}),
        ],
        {"x": (STRING, ["n", 2]), "z": (STRING, ["n", 2]), "at": (INT64, [2])},
    )


def string_results(x, z):
    joined, equal = x + z, (x == z).astype(bool)
    taken, chosen = joined.T[[1, 0]], np.where(equal, joined, x)
    number = np.vectorize({"ab": 1, "b": 2, "é": 3}.get, otypes=[np.int64])(x, -1)
    return [joined, joined.T, taken, taken + taken, equal, chosen, number, np.concatenate([chosen, z], 1)]


def run_strings(folder):
    """At several sizes: the mirror of the device's memory, where new strings are, moves."""
    from strings import expect_equal

    net = ctc_model.load_cuda(folder / "net.so", "net")
    words = np.array(["ab", "", "é", "b", "long " * 20, "ab"], object)
    for rows in (2, 50, 1):
        x, z = np.resize(words, (rows, 2)), np.resize(words[::-1], (rows, 2))
        expect_equal(net.run([x, z, np.array([1, -2])]), string_results(x, z))
    net.close()


def check_strings(folder):
    """What looks at the bytes of strings, which are the host's, is not in the text for the device."""
    emitted(string_model(), folder)
    library(folder)
    child("t.run_strings(folder)", folder)
    kernels = re.search(r"net_kernel_text\[\] = \{\n(.*?)\n\};", (folder / "net.cu").read_text(), re.S)[1]
    functions = re.findall(r"__global__ [^\n]*?(\w+)\(", kernels)
    assert "ctc_equal" not in kernels and len(functions) >= 3, functions


def all_checks():
    missing = cuda_stand_in_missing()
    if missing:
        print(f"skipped: {missing}")
        return {"no_driver": check_no_driver}
    return {name[6:]: function for name, function in globals().items() if name.startswith("check_")}


if __name__ == "__main__":
    from common import run_named

    run_named(all_checks())
