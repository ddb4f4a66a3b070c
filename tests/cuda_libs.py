"""--cuda-libs: products and convolutions by stand-ins for cuBLASLt and cuDNN (tests/cuda/libs) that are there, missing or refuse, against onnxruntime; and
what ctc declares of the libraries against their headers and the real ones, where they are installed.

    cuda_libs.py LIBRARY INPUTS OUTPUTS      (the process that runs a compiled model: name.so, arrays in .npz)
"""
import collections
import ctypes
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np

import ctc_model
from common import CTC, ROOT, STRICT, compile_c, conv_net, ctc_ok, cuda_environment, cuda_stand_in_missing, model, onnxruntime_outputs, same, save, value

LIBRARIES = CTC.parent / "cuda"
STAND_INS = LIBRARIES / "libs"
FILES = {
    "cublaslt": ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11", "libcublasLt.so"],
    "cudnn": ["libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"],
}
CALLS = {"cublaslt": "cublasLtMatmul ", "cudnn": "cudnnConvolution"}
CPP = "g++ -x c++ -std=c++11 -Wall -Wextra -Wconversion -pedantic -Werror".split()
RNG = np.random.default_rng(11)


class Net:
    """One model of many nodes; `taken` counts what a library should do, `left` what it cannot."""

    def __init__(self):
        self.nodes, self.inputs, self.constants, self.outputs = [], {}, {}, []
        self.taken, self.left = collections.Counter(), collections.Counter()

    def input(self, *shape):
        self.inputs[f"x{len(self.inputs)}"] = RNG.standard_normal(shape).astype(np.float32)
        return f"x{len(self.inputs) - 1}"

    def constant(self, array):
        self.constants[f"c{len(self.constants)}"] = np.asarray(array)
        return f"c{len(self.constants) - 1}"

    def node(self, op, *inputs, count=1, **attributes):
        outputs = [f"t{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append((op, list(inputs), outputs, attributes))
        return outputs[0] if count == 1 else outputs

    def output(self, name):
        self.outputs.append(value(name, None))

    def product(self, left, right, taken=True):
        (self.taken if taken else self.left)["cublaslt"] += 1
        return self.node("MatMul", left, right)

    def conv(self, x, w, *bias, taken=True, op="Conv", **attributes):
        (self.taken if taken else self.left)["cudnn"] += 1
        return self.node(op, x, w, *bias, **attributes)

    def turned(self, *shape, perm):
        return self.node("Transpose", self.input(*shape), perm=perm)

    def model(self):
        given = [value(name, array.shape) for name, array in self.inputs.items()]
        return model(self.nodes, given, self.outputs, self.constants, opset=18)


# --- the models ---


def add_products(net):
    """Every way in which the operands may lie."""
    for left, right in (((5, 7), (7, 9)), ((1, 16), (16, 24)), ((8, 16), (16, 1)), ((1, 1), (1, 1)), ((64, 40), (40, 72)), ((1, 9), (9, 1))):
        net.output(net.product(net.input(*left), net.input(*right)))
        net.output(net.product(net.turned(*left[::-1], perm=[1, 0]), net.input(*right)))
        net.output(net.product(net.input(*left), net.turned(*right[::-1], perm=[1, 0])))
        net.output(net.product(net.turned(*left[::-1], perm=[1, 0]), net.turned(*right[::-1], perm=[1, 0])))


def add_batches(net):
    """Evenly spaced or not, shared by several products, too many for calls."""
    for left, right in (((4, 5, 7), (4, 7, 9)), ((2, 3, 5, 7), (3, 7, 9)), ((2, 3, 5, 7), (2, 1, 7, 9)), ((5, 7), (6, 7, 9)), ((3, 1, 5, 7), (1, 4, 7, 2))):
        net.output(net.product(net.input(*left), net.input(*right)))
    for batch, heads in ((1, 4), (2, 4), (4, 2)):
        query = net.turned(batch, 6, heads, 8, perm=[0, 2, 1, 3])
        key = net.turned(batch, 6, heads, 8, perm=[0, 2, 3, 1])
        net.output(net.product(query, key))
    net.output(net.product(net.turned(9, 3, 10, 4, perm=[0, 2, 1, 3]), net.turned(9, 3, 10, 4, perm=[0, 2, 3, 1]), taken=False))


def add_odd_places(net):
    """Factors that are parts of a tensor, and not aligned; without elements."""
    parts = net.node("Split", net.input(6, 15), net.constant(np.array([5, 7, 3])), count=3, axis=1)
    for part, depth in zip(parts, (5, 7, 3)):
        net.output(net.product(part, net.input(depth, 4)))
    rows = net.node("Split", net.input(7, 5), net.constant(np.array([3, 4])), count=2, axis=0)
    net.output(net.product(rows[1], net.input(5, 6)))
    net.output(net.product(net.input(3, 0), net.input(0, 4), taken=False))


def add_finished_products(net):
    """Bias, activation, residual, numbers; Gemm."""
    for shape in ((5, 12), (3, 4, 12)):
        y = net.product(net.input(*shape[:-1], 8), net.input(8, 12))
        y = net.node("Add", y, net.input(12))
        y = net.node("Relu", y)
        net.output(net.node("Add", net.input(*shape), y))
    y = net.product(net.input(3, 5, 6), net.input(3, 6, 10))
    net.output(net.node("Sigmoid", net.node("Mul", y, net.constant(np.float32(0.25)))))
    for turn_a, turn_b, addend in ((0, 0, (10,)), (1, 0, (6, 1)), (0, 1, (6, 10)), (1, 1, (1,))):
        a, b = net.input(*((7, 6) if turn_a else (6, 7))), net.input(*((10, 7) if turn_b else (7, 10)))
        net.taken["cublaslt"] += 1
        y = net.node("Gemm", a, b, net.input(*addend), transA=turn_a, transB=turn_b, alpha=0.5, beta=2.0)
        net.output(net.node("Tanh", y))


def add_convs(net):
    for x, w, attributes in (
        ((1, 3, 9, 11), (8, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((2, 8, 7, 5), (12, 8, 1, 1), {}),
        ((3, 4, 12, 9), (6, 4, 3, 5), {"strides": [2, 3], "pads": [1, 2, 1, 2]}),
        ((1, 4, 12, 9), (6, 4, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
        ((2, 8, 6, 6), (16, 4, 3, 3), {"group": 2}),
        ((1, 12, 8, 8), (12, 1, 3, 3), {"group": 12, "pads": [1, 1, 1, 1]}),
        ((1, 12, 8, 8), (24, 1, 3, 3), {"group": 12}),
        ((2, 5, 40), (7, 5, 4), {"strides": [3], "pads": [2, 2]}),
        ((1, 4, 8, 8), (6, 4, 3, 3), {"strides": [2, 2], "pads": [1, 1, 0, 0]}),
        ((1, 4, 6, 6), (6, 4, 6, 6), {}),
    ):
        net.output(net.conv(net.input(*x), net.input(*w), **attributes))
        net.output(net.conv(net.input(*x), net.input(*w), net.input(w[0]), **attributes))
    for x, w, attributes in (
        ((1, 4, 8, 8), (6, 4, 3, 3), {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
        ((1, 4, 7, 7), (6, 4, 2, 2), {"auto_pad": "SAME_UPPER"}),
        ((1, 2, 4, 5, 6), (3, 2, 2, 3, 3), {}),
    ):
        net.output(net.conv(net.input(*x), net.input(*w), taken=False, **attributes))


def add_transposed_convs(net):
    for x, w, attributes in (
        ((1, 3, 5, 4), (3, 6, 3, 3), {}),
        ((2, 8, 5, 4), (8, 12, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((1, 8, 5, 4), (8, 3, 3, 2), {"strides": [3, 2], "output_padding": [1, 1], "group": 2}),
        ((1, 2, 9), (2, 3, 5), {"strides": [2], "dilations": [2], "pads": [3, 3]}),
    ):
        net.output(net.conv(net.input(*x), net.input(*w), op="ConvTranspose", **attributes))
        outputs = w[1] * attributes.get("group", 1)
        y = net.conv(net.input(*x), net.input(*w), net.input(outputs), op="ConvTranspose", **attributes)
        net.output(net.node("Relu", y))
    net.output(net.conv(net.input(1, 2, 5, 5), net.input(2, 3, 3, 3), taken=False, op="ConvTranspose", strides=[2, 2], pads=[0, 0, 2, 2]))


def add_finished_convs(net):
    for batch in (1, 3):
        y = net.conv(net.input(batch, 4, 6, 7), net.input(8, 4, 3, 3), net.input(8), pads=[1, 1, 1, 1])
        y = net.node("Add", net.node("Relu", y), net.input(batch, 8, 6, 7))
        y = net.conv(y, net.input(5, 8, 1, 1))
        net.output(net.node("Mul", net.node("Sigmoid", y), y))
        y = net.conv(net.input(batch, 4, 6, 7), net.input(8, 4, 3, 3), net.input(8))
        net.output(net.node("Mul", net.node("Clip", y, net.constant(np.float32(0)), net.constant(np.float32(6))), net.input(8, 1, 1)))


PARTS = [add_products, add_batches, add_odd_places, add_finished_products, add_convs, add_transposed_convs, add_finished_convs]


def whole_net():
    net = Net()
    for part in PARTS:
        part(net)
    return net


def sum_net():
    """Without a step for any library."""
    return model([("Add", ["x", "w"], ["y"])], [value("x", [4])], [value("y", [4])], {"w": np.arange(4, dtype=np.float32)})


# --- running ---


def emit(made, folder, *options, libs="cublaslt,cudnn"):
    ctc_ok("compile", save(made, folder, "net.onnx"), "-o", folder / "net.cu", "--quiet", *([f"--cuda-libs={libs}"] if libs else []), *options)


def build(folder, *flags):
    compile_c(["gcc", "-x", "c", "-O1", "-w", *flags, "-shared", "-fPIC", "net.cu", "-o", "net.so", "-ldl", "-lm"], folder)


Ran = collections.namedtuple("Ran", "outputs texts log")


def run(folder, runs, libraries=STAND_INS, **settings):
    """What a process gives for these lists of inputs, with libraries of that folder."""
    log = folder / "log.txt"
    log.unlink(missing_ok=True)
    for number, inputs in enumerate(runs):
        np.savez(folder / f"in{number}.npz", *inputs)
    environment = cuda_environment(libs_log=log, **settings)
    environment["LD_LIBRARY_PATH"] = f"{libraries}:{LIBRARIES}"
    arguments = [folder / "net.so", *[folder / f"in{i}.npz" for i in range(len(runs))]]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr[-1500:]
    outputs = []
    for number in range(len(runs)):
        arrays = np.load(folder / f"in{number}.npz.out.npz")
        outputs.append([arrays[f"arr_{i}"] for i in range(len(arrays.files))])
    return Ran(outputs, done.stdout.strip().splitlines(), log.read_text().splitlines() if log.exists() else [])


def run_here(path, inputs):
    """In the child: each inputs twice, the second time by the graph if there is one."""
    net = ctc_model.load_cuda(path, "net")
    for file in inputs:
        arrays = np.load(file)
        arrays = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
        outputs = net.run(arrays)
        same(net.run(arrays), outputs, rtol=0, atol=0)
        np.savez(file + ".out.npz", *outputs)
    text = ctypes.CDLL(path).net_cuda_libraries
    text.restype, text.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    print(text(net._handle).decode(), end="")
    net.close()


def says(net, libraries, file=0):
    """What a program has to say if these libraries do what they can."""
    for name in FILES:
        steps = net.taken[name] + net.left[name]
        yield f"{name}: {FILES[name][file]}, {net.taken[name] if name in libraries else 0} of {steps} steps"


class Fixture:
    """A model, compiled once, and what onnxruntime gives."""

    def __init__(self, folder, *options):
        self.folder, self.net = folder, whole_net()
        self.made = self.net.model()
        self.inputs = list(self.net.inputs.values())
        self.expected = onnxruntime_outputs(self.made, self.net.inputs)
        emit(self.made, folder, *options)
        build(folder)

    def agrees(self, *lines, **settings):
        """Runs, with that text about libraries; the lines of their log."""
        ran = run(self.folder, [self.inputs], **settings)
        assert ran.texts == list(lines), f"{ran.texts}, expected {lines}"
        for output, got, expected in zip(self.net.outputs, ran.outputs[0], self.expected, strict=True):
            try:
                same([got], [expected])
            except AssertionError as error:
                raise AssertionError(f"{output.name}: {error}") from None
        wrong = [line for line in ran.log if not line.startswith(tuple(CALLS.values()))]
        assert not wrong, wrong[:3]
        return ran.log


# --- the checks ---


def check_there(folder):
    """Both libraries do what they can: once to choose, once while it is recorded, and not again for the second run."""
    fixture = Fixture(folder)
    log = fixture.agrees(*says(fixture.net, FILES))
    for name, start in CALLS.items():
        calls = sum(line.startswith(start) for line in log)
        assert calls >= 2 * fixture.net.taken[name] and calls % 2 == 0, (name, calls)
    assert all("compute 68" in line or "math 3" in line for line in log), "not by f32"


def check_refused(folder):
    """Own kernels do the steps."""
    fixture = Fixture(folder)
    not_started = [f"{name}: not used, there is no device that it likes" for name in FILES]
    assert not fixture.agrees(*not_started, libs_refuse="create")
    for word in ("choose", "call"):
        assert not fixture.agrees(*says(fixture.net, ()), libs_refuse=word)


def check_missing(folder):
    """Not there, without a function, under another version's name; one of the two."""
    fixture = Fixture(folder)
    places = {name: folder / name for name in ("none", "empty", "older")}
    for place in places.values():
        place.mkdir()
    for name, files in FILES.items():
        for file in files:
            # What the loader finds first and cannot load hides what is installed.
            (places["none"] / file).write_text("no library")
            (places["older"] / file).write_text("no library")
        compile_c(["gcc", "-x", "c", "/dev/null", "-shared", "-o", places["empty"] / files[0]], folder)
        (places["older"] / files[1]).unlink()
        (places["older"] / files[1]).symlink_to(STAND_INS / files[0])
    fixture.agrees(*[f"{name}: not used, there is no {files[-1]}" for name, files in FILES.items()], libraries=places["none"])
    fixture.agrees(
        "cublaslt: not used, there is no cublasLtCreate", "cudnn: not used, there is no cudnnCreate", libraries=places["empty"])
    fixture.agrees(*says(fixture.net, FILES, 1), libraries=places["older"])
    shutil.copy(STAND_INS / FILES["cudnn"][0], places["none"] / FILES["cudnn"][0])
    lines = list(says(fixture.net, FILES))
    fixture.agrees("cublaslt: not used, there is no libcublasLt.so", lines[1], libraries=places["none"])


def check_precisions(folder):
    """--precision decides what the libraries multiply; the stand-ins only note it."""
    for precision, compute, math in (("tf32", 77, 0), ("f16", 74, 2), ("bf16", 75, 0)):
        (folder / precision).mkdir()
        emit(conv_net(), folder / precision, "--precision", precision)
        build(folder / precision)
        x = RNG.standard_normal((2, 3, 16, 16)).astype(np.float32)
        ran = run(folder / precision, [[x]])
        same(ran.outputs[0], onnxruntime_outputs(conv_net(), {"x": x}))
        found = {re.search(r"(compute|math) \d+", line)[0] for line in ran.log}
        assert found == {f"compute {compute}", f"math {math}"}, found


def check_sizes(folder):
    """Open sizes: what was chosen is chosen again for others. One library only, and none that has a step."""
    batches = (2, 5, 5, 1, 2)
    inputs = [RNG.standard_normal((batch, 3, 16, 16)).astype(np.float32) for batch in batches]
    for libs, texts in (
        ("cudnn,cublaslt", ["cudnn: libcudnn.so.9, 1 of 1 steps", "cublaslt: libcublasLt.so.13, 1 of 1 steps"]),
        ("cudnn", ["cudnn: libcudnn.so.9, 1 of 1 steps"]),
    ):
        emit(conv_net(), folder, libs=libs)
        build(folder)
        ran = run(folder, [[x] for x in inputs])
        assert ran.texts == texts, ran.texts
        for x, outputs in zip(inputs, ran.outputs):
            same(outputs, onnxruntime_outputs(conv_net(), {"x": x}))
        assert len(ran.log) == 2 * 4 * len(texts), ran.log
    emit(sum_net(), folder)
    build(folder)
    ran = run(folder, [[np.arange(4, dtype=np.float32)]])
    assert ran.texts == [f"{name}: not used, there is no step for it" for name in FILES], ran.texts


def check_orders(folder):
    """Sanitizers and another order of the threads find nothing, and change no bit."""
    emit(conv_net(), folder)
    x = RNG.standard_normal((3, 3, 16, 16)).astype(np.float32)
    build(folder)
    expected = run(folder, [[x]]).outputs[0]
    same(run(folder, [[x]], order="shuffle:1").outputs[0], expected, rtol=0, atol=0)
    build(folder, *"-g -fsanitize=address,undefined -fno-sanitize-recover=all".split())
    same(run(folder, [[x]], sanitize=1).outputs[0], expected, rtol=0, atol=0)


def check_loops(folder):
    """In the body of a Loop, and where the host has to know a size: without a graph."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [helper.make_node("MatMul", ["s", "w"], ["p"]), helper.make_node("Tanh", ["p"], ["next"]), helper.make_node("Identity", ["c"], ["go"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, []), value("s", [3, 4])],
        [helper.make_tensor_value_info("go", TensorProto.BOOL, []), value("next", [3, 4])])
    loop = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
    w = RNG.standard_normal((4, 4)).astype(np.float32)
    made = model([loop], [value("n", [], np.int64), value("x", [3, 4])], [value("y", [3, 4])], {"w": w})
    emit(made, folder)
    build(folder)
    x = RNG.standard_normal((3, 4)).astype(np.float32)
    ran = run(folder, [[np.array(5), x]])
    same(ran.outputs[0], onnxruntime_outputs(made, {"n": np.array(5), "x": x}))
    assert ran.texts[0] == "cublaslt: libcublasLt.so.13, 1 of 1 steps" and len(ran.log) in (10, 20), (ran.texts, ran.log)


def check_compilers(folder):
    """No warnings, as C99 and as C++, with and without steps for libraries, and for measuring."""
    for made in (conv_net(), sum_net()):
        emit(made, folder)
        for flags in ([], ["-DCTC_PROFILE"]):
            compile_c(["gcc", "-x", "c", *STRICT, *flags, "-O1", "-c", "net.cu"], folder)
            compile_c([*CPP, *flags, "-O1", "-c", "net.cu"], folder)


def check_left_out(folder):
    """Without the option the program has nothing of it."""
    emit(conv_net(), folder, libs="")
    for file in ("net.cu", "net.h"):
        text = (folder / file).read_text()
        assert not re.search("librar(y|ies)_|finish|cublas|cudnn", text), file


PROFILE = """
import ctypes
calls, hook_type = [], ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
net = ctc_model.load_cuda(folder / "net.so", "net")
x = np.ones((2, 3, 16, 16), np.float32)
expected = net.run([x])
for more in (0, 1, 3):
    hook = hook_type(lambda name, stream, begins: calls.append((name.decode(), begins)) or (more if begins else 0))
    place = ctypes.c_void_p.in_dll(ctypes.CDLL(str(folder / "net.so")), "ctc_profile_hook")
    place.value = ctypes.cast(hook, ctypes.c_void_p).value
    outputs = net.run([x])
    place.value = None
    assert more or (outputs[0] == expected[0]).all() # what works in place does so again and again
    assert [begins for _, begins in calls] == [1, 0] * (len(calls) // 2), calls
    names = [re.sub(r"_\\d+$", "", name) for name, begins in calls if begins]
    assert names[0] == "conv_f32" and names[1] == "conv_f32_finish" and "product_f32" in names, names
    calls.clear()
"""


def check_profile(folder):
    """Whoever measures is told of the calls by the kernel's name."""
    emit(conv_net(), folder)
    build(folder, "-DCTC_PROFILE")
    head = f"import sys, pathlib, re; sys.path.insert(0, {str(ROOT / 'tests')!r}); folder = pathlib.Path({str(folder)!r})\n"
    code = head + "import ctc_model, numpy as np\nfrom common import same\n" + PROFILE
    environment = cuda_environment()
    environment["LD_LIBRARY_PATH"] = f"{STAND_INS}:{LIBRARIES}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-1500:]


# --- the real libraries ---

HEADERS = {"cublaslt": "cublasLt.h", "cudnn": "cudnn.h"}

# Types fit if they are as large, and both pointers, both numbers of one kind.
FITS = """
#include <type_traits>
template <class A, class B> constexpr bool fits() {
  return sizeof(A) == sizeof(B) && std::is_pointer<A>::value == std::is_pointer<B>::value &&
         std::is_floating_point<A>::value == std::is_floating_point<B>::value;
}
template <class A, class B> struct Same : std::false_type {};
template <class R, class... A, class S, class... B> struct Same<R (*)(A...), S (*)(B...)> {
  template <class... X> struct List {};
  template <class X, class Y> static constexpr bool all(List<X>, List<Y>) { return fits<X, Y>(); }
  template <class X, class... Xs, class Y, class... Ys> static constexpr bool all(List<X, Xs...>, List<Y, Ys...>) {
    return fits<X, Y>() && all(List<Xs...>(), List<Ys...>());
  }
  static constexpr bool counted(std::true_type) { return all(List<A...>(), List<B...>()); }
  static constexpr bool counted(std::false_type) { return false; }
  static constexpr bool value = fits<R, S>() && counted(std::integral_constant<bool, sizeof...(A) == sizeof...(B)>());
};
"""


def include_folder(header):
    for folder in ("/usr/local/cuda/include", "/usr/include", "/usr/local/include"):
        if (pathlib.Path(folder) / header).exists():
            return folder
    return None


def declared(name):
    """(numbers, functions: [(name, member)]) of the file of a library."""
    text = (ROOT / "runtime" / "cuda" / "libs" / f"{name}.c").read_text()
    numbers = re.findall(r"^  CTC_(CU\w+) = \d+", text, re.M)
    return numbers, re.findall(r'{"(\w+)", offsetof\(ctc_\w+, (\w+)\)}', text)


def header_checks(name):
    numbers, functions = declared(name)
    assert len(numbers) > 5 and len(functions) > 5
    yield from (f'static_assert((int){number} == (int)CTC_{number}, "{number}");' for number in numbers)
    for function, member in functions:
        yield f'static_assert(Same<decltype(&{function}), decltype(ctc_{name}::{member})>::value, "{function}");'


RESULTS = [
    ("cublaslt", "cublasLtMatmulHeuristicResult_t", ["algo", "workspaceSize", "state"]),
    ("cudnn", "cudnnConvolutionFwdAlgoPerf_t", ["algo", "status", "memory", "determinism", "mathType"]),
    ("cudnn", "cudnnConvolutionBwdDataAlgoPerf_t", ["algo", "status", "memory", "determinism", "mathType"]),
]


def result_checks(name):
    for library, theirs, members in RESULTS:
        if library != name:
            continue
        yield f'static_assert(sizeof({theirs}) == sizeof(ctc_{name}_result), "{theirs}");'
        for member in members:
            yield f'static_assert(offsetof({theirs}, {member}) == offsetof(ctc_{name}_result, {member}), "{member}");'


def check_headers(folder):
    """Numbers, functions and structures are as the headers have them; a wrong one is found."""
    emit(conv_net(), folder)
    for name, header in HEADERS.items():
        place = include_folder(header)
        if not place:
            print(f"{header} is not installed: what is declared of {name} is not compared with it")
            continue
        lines = [f"#include <{header}>", "#include <stddef.h>", FITS, '#include "net.cu"', *header_checks(name), *result_checks(name)]
        (folder / f"{name}.cpp").write_text("\n".join(lines) + "\n")
        command = ["g++", "-std=c++17", "-w", "-fsyntax-only", f"-I{place}", "-I.", f"{name}.cpp"]
        compile_c(command, folder)
        function, member = declared(name)[1][-1]
        for wrong in (f'static_assert(Same<decltype(&{function}), decltype(ctc_{name}::create)>::value, "");', "static_assert(fits<int, float>(), \"\");"):
            (folder / f"{name}.cpp").write_text("\n".join([*lines, wrong]) + "\n")
            assert subprocess.run(command, cwd=folder, capture_output=True).returncode != 0, wrong


def check_symbols(folder):
    """Libraries that are installed have the functions."""
    for name, files in FILES.items():
        for file in files:
            try:
                library = ctypes.CDLL(file)
            except OSError:
                continue
            missing = [function for function, _ in declared(name)[1] if not hasattr(library, function)]
            assert not missing, f"{file} has no {missing}"
            break
        else:
            print(f"{name} is not installed: its functions are not looked up")


WITHOUT_STAND_IN = ("left_out", "headers", "symbols", "compilers")


def all_checks():
    checks = {name[6:]: function for name, function in globals().items() if name.startswith("check_")}
    missing = cuda_stand_in_missing()
    if missing:
        print(f"skipped: {missing}")
        return {name: checks[name] for name in WITHOUT_STAND_IN}
    return checks


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1].endswith(".so"):
        run_here(sys.argv[1], sys.argv[2:])
    else:
        from common import run_named

        run_named(all_checks())
