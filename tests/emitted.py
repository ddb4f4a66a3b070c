"""What docs/generated-code.md promises of the emitted C, checked on small models."""

import ctypes
import re
import subprocess
import sys
import threading

import numpy as np

import ctc_model
from common import (
    BAD_SHAPE,
    CTC,
    STRICT,
    checks_of,
    compile_c,
    conv_net,
    ctc_ok,
    library,
    model,
    onnxruntime_outputs,
    refused,
    run_named,
    same,
    save,
    value,
)

# What a program may ask of the system: libm, and what C compilers call by themselves for copies.
MEMORY_FUNCTIONS = {"memcpy", "memset", "memmove", "memcmp"}
MATH_FUNCTIONS = set(
    """acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor
    fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nearbyint nextafter
    pow remainder rint round scalbn sin sincos sinh sqrt tan tanh tgamma trunc""".split()
)


def array(*shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def branch_net():
    """An If whose branches really differ, and a Loop that doubles until it has run n times."""
    from onnx import helper

    yes = helper.make_graph(
        [helper.make_node("Exp", ["x"], ["a"])], "yes", [], [value("a", [3, "N"])]
    )
    no = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["b"])], "no", [], [value("b", [3, "N"])]
    )
    body = helper.make_graph(
        [helper.make_node("Add", ["v", "v"], ["v2"]), helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [value("i", [], np.int64), value("go", [], bool), value("v", [3, "N"])],
        [value("on", [], bool), value("v2", [3, "N"])],
    )
    nodes = [
        ("ReduceSum", ["x"], ["s"], {"keepdims": 0}),
        ("Greater", ["s", "zero"], ["c"]),
        helper.make_node("If", ["c"], ["z"], name="if", then_branch=yes, else_branch=no),
        helper.make_node("Loop", ["n", "", "z"], ["y"], name="loop", body=body),
    ]
    return model(
        nodes,
        [value("x", [3, "N"]), value("n", [], np.int64)],
        [value("y", [3, "N"])],
        {"zero": np.float32(0)},
    )


def norm_net():
    """Chains of elementwise operators, a batch normalisation to fold, an unused branch."""
    channels = {
        name: np.abs(array(4, seed=i)) + 0.5
        for i, name in enumerate(["scale", "shift", "mean", "var"])
    }
    nodes = [
        ("Conv", ["x", "w"], ["c"]),
        ("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["b"]),
        ("Relu", ["b"], ["r"]),
        ("Sigmoid", ["r"], ["s"]),
        ("Mul", ["r", "s"], ["m"]),
        ("Exp", ["m"], ["unused"]),
        ("Add", ["m", "c"], ["y"]),
    ]
    return model(
        nodes,
        [value("x", [2, 3, 9, 9])],
        [value("y", [2, 4, 7, 7])],
        {"w": array(4, 3, 3, 3) * np.float32(0.2), **channels},
    )


def emit(made, folder, *options, name="net"):
    path = save(made, folder, f"{name}.onnx")
    ctc_ok("compile", path, "-o", folder / f"{name}.c", "--prefix", name, "--quiet", *options)
    return folder / f"{name}.c"


# --- compilers ---


def check_strict_c99(folder):
    for i, made in enumerate([conv_net(), branch_net(), norm_net()]):
        source = emit(
            made, folder, "--static-workspace", *(["--dim", "N=2"] if i < 2 else []), name=f"m{i}"
        )
        emit(made, folder, name=f"d{i}")
        for cc in ("gcc", "clang"):
            for name in (source.name, f"d{i}.c"):
                compile_c([cc, *STRICT, "-O2", "-c", name, "-o", "m.o"], folder)


def check_cplusplus(folder):
    for i, made in enumerate([conv_net(), branch_net(), norm_net()]):
        emit(made, folder, name=f"m{i}")
        compile_c(
            ["g++", "-x", "c++", "-Wall", "-Wextra", "-Werror", "-c", f"m{i}.c", "-o", "m.o"],
            folder,
        )


def symbols_of(folder, name):
    """[(kind letter of nm, name)] of an object file."""
    text = subprocess.run(
        ["nm", name], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    return re.findall(r"^[0-9a-f ]{16} (\w) (\S+)$", text, re.M)


def check_no_globals_that_change(folder):
    for i, made in enumerate([conv_net(), branch_net(), norm_net()]):
        emit(made, folder, name="net")
        compile_c(["gcc", "-std=c99", "-O2", "-fno-pic", "-c", "net.c"], folder)
        changing = [name for kind, name in symbols_of(folder, "net.o") if kind in "dDbBC"]
        assert not changing, f"model {i}: {changing}"


def check_needs_only_libm(folder):
    for made in (conv_net(), branch_net(), norm_net()):
        emit(made, folder, name="net")
        compile_c(["gcc", "-std=c99", "-O2", "-c", "net.c"], folder)
        wanted = {
            name for kind, name in symbols_of(folder, "net.o") if kind == "U"
        } - MEMORY_FUNCTIONS
        unknown = {
            name
            for name in wanted
            if name not in MATH_FUNCTIONS and name.rstrip("fl") not in MATH_FUNCTIONS
        }
        assert not unknown - {"_GLOBAL_OFFSET_TABLE_"}, unknown


def check_only_prefixed_names(folder):
    emit(conv_net(), folder, name="net")
    compile_c(["gcc", "-std=c99", "-c", "net.c"], folder)
    outside = [name for kind, name in symbols_of(folder, "net.o") if kind.isupper() and kind != "U"]
    assert outside and all(name.startswith("net_") for name in outside), outside


def check_optimisation_levels_agree(folder):
    x = array(2, 3, 16, 16)
    results = [
        library(conv_net(), folder, f"net{i}", flags=flags, cc=cc).run([x])[0]
        for i, (cc, flags) in enumerate([("gcc", ["-O0"]), ("gcc", ["-O3"]), ("clang", ["-O2"])])
    ]
    assert results[0].tobytes() == results[1].tobytes(), "gcc -O0 and -O3 give other bytes"
    same([results[2]], [results[0]], rtol=1e-5)


def check_strict_results_at_every_level(folder):
    x = array(2, 3, 16, 16)
    for cc in ("gcc", "clang"):
        results = [
            library(
                conv_net(),
                folder,
                f"{cc}{level}",
                options=["--strict"],
                flags=[f"-O{level}", "-march=native", "-w"],
                cc=cc,
            ).run([x])[0]
            for level in range(4)
        ]
        for level, result in enumerate(results):
            assert result.tobytes() == results[0].tobytes(), f"{cc} -O{level} differs from -O0"


# --- products by a BLAS ---


def products_net():
    """Large products: with weights as they are and turned, a turned left side, stacks; a small one."""
    nodes = [
        ("MatMul", ["x", "w"], ["a"]),
        ("Gemm", ["a2", "v", "bias"], ["b"], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
        ("Reshape", ["a", "flat"], ["a2"]),
        ("Gemm", ["a2", "b"], ["c"], {"transA": 1}),
        ("Transpose", ["a"], ["at"], {"perm": [0, 2, 1]}),
        ("MatMul", ["at", "a"], ["d"]),
        ("MatMul", ["c", "u"], ["e"]),
    ]
    nodes[1], nodes[2] = nodes[2], nodes[1]
    return model(
        nodes,
        [value("x", [2, 140, 100])],
        [value("d", [2, 90, 90]), value("e", [90, 3])],
        {
            "w": array(100, 90),
            "v": array(130, 90),
            "bias": array(130),
            "u": array(130, 3),
            "flat": np.array([280, 90], np.int64),
        },
    )


def identity_net(between, read):
    """Two convolutions with an activation; nodes `between` them that hand on "r", of which `read` is read."""
    weights = {"w": array(20, 3, 3, 3), "v": array(5, 20, 1, 1), "shape": np.array([1, 20, 7, 7])}
    nodes = [("Conv", ["x", "w"], ["c"]), ("Relu", ["c"], ["r"]), *between, ("Conv", [read, "v"], ["y"])]
    return model(nodes, [value("x", [1, 3, 9, 9])], [value("y", [1, 5, 7, 7])], weights)


def check_identity_is_nothing(folder):
    """What hands on its input leaves the program as if it were not there."""
    between = [("Identity", ["r"], ["i"]), ("Dropout", ["i"], ["d"]), ("Reshape", ["d", "shape"], ["t"])]
    programs = [
        ctc_ok("inspect", save(made, folder), "--stage", "program").out
        for made in (identity_net(between, "t"), identity_net([], "r"))
    ]
    assert programs[0] == programs[1] and "conv" in programs[0], programs


def check_identity_in_front_of_bodies(folder):
    """A loop that starts from what an Identity hands on, whose body reads that, too."""
    from onnx import helper

    body = helper.make_graph(
        [helper.make_node("Identity", ["v"], ["u"]), helper.make_node("Add", ["u", "i"], ["v2"]),
         helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [value("k", [], np.int64), value("go", [], bool), value("v", [3, 4])],
        [value("on", [], bool), value("v2", [3, 4])],
    )
    nodes = [
        ("Exp", ["x"], ["e"]),
        ("Identity", ["e"], ["i"]),
        helper.make_node("Loop", ["n", "", "i"], ["z"], name="loop", body=body),
        ("Identity", ["z"], ["y"]),
    ]
    made = model(nodes, [value("x", [3, 4]), value("n", [], np.int64)], [value("y", [3, 4]), value("i", [3, 4])])
    alone = model(nodes, [value("x", [3, 4]), value("n", [], np.int64)], [value("y", [3, 4])])
    inputs = {"x": array(3, 4), "n": np.array(3)}
    for i, net in enumerate((made, alone)):
        (folder / str(i)).mkdir()
        same(library(net, folder / str(i)).run(list(inputs.values())), onnxruntime_outputs(net, inputs))


def check_products_by_blas(folder):
    x = array(2, 140, 100)
    made = products_net()
    flags = ["-O1", "-w", "-Wl,--no-as-needed", "-lopenblas"]
    results = library(made, folder, options=["--blas=openblas"], flags=flags).run([x])
    calls = len(re.findall(r"^ +ctc_product_f32\(", (folder / "net.c").read_text(), re.M))
    assert calls == 4, f"{calls} products by the BLAS, expected 4"
    same(results, onnxruntime_outputs(made, {"x": x}), rtol=1e-3, atol=1e-2)


# --- emission ---


def check_same_bytes_again(folder):
    texts = []
    for part in ("a", "b"):
        (folder / part).mkdir()
        source = emit(conv_net(), folder / part)
        texts.append((source.read_bytes(), source.with_suffix(".h").read_bytes()))
    assert texts[0] == texts[1]


def check_weights_modes_agree(folder):
    x = array(2, 3, 16, 16)
    expected = onnxruntime_outputs(conv_net(), {"x": x})
    first = None
    for mode in ("auto", "array", "string", "incbin"):
        result = library(conv_net(), folder, f"net_{mode}", [f"--weights={mode}"]).run([x])
        same(result, expected)
        first = first or result
        assert result[0].tobytes() == first[0].tobytes(), mode
    library_path = folder / "filed.so"
    emit(conv_net(), folder, "--weights=file", name="filed")
    compile_c(["gcc", "-O1", "-shared", "-fPIC", "filed.c", "-o", library_path, "-lm"], folder)
    weights = (folder / "filed.weights").read_bytes()
    result = ctc_model.load(library_path, "filed", weights).run([x])
    assert result[0].tobytes() == first[0].tobytes(), "file"


def check_two_models_in_one_program(folder):
    emit(conv_net(), folder, name="one")
    emit(norm_net(), folder, name="two")
    compile_c(["gcc", "-O1", "-shared", "-fPIC", "one.c", "two.c", "-o", "both.so", "-lm"], folder)
    x, z = array(1, 3, 16, 16), array(2, 3, 9, 9)
    same(
        ctc_model.load(folder / "both.so", "one").run([x]),
        onnxruntime_outputs(conv_net(), {"x": x}),
    )
    same(
        ctc_model.load(folder / "both.so", "two").run([z]),
        onnxruntime_outputs(norm_net(), {"x": z}),
    )


# --- running ---


def check_static_workspace(folder):
    net = library(conv_net(), folder, options=["--dim", "N=2", "--static-workspace"])
    x = array(2, 3, 16, 16)
    y = np.empty((2, 10), np.float32)
    run = net._library.net_run_static
    assert run(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)) == 0
    same([y], onnxruntime_outputs(conv_net(), {"x": x}))


def check_threads(folder):
    net = library(conv_net(), folder, flags=["-O2"])
    inputs = [array(4, 3, 16, 16, seed=i) for i in range(4)]
    expected = [net.run([x])[0] for x in inputs]
    wrong = []

    def work(i):
        for _ in range(20):
            if net.run([inputs[i]])[0].tobytes() != expected[i].tobytes():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, f"threads {wrong} got other results"


def check_batch_sizes(folder):
    net = library(conv_net(), folder)
    assert [dim.name for dim in net.dims] == ["N"]
    for batch in (1, 2, 7):
        x = array(batch, 3, 16, 16)
        same(net.run([x]), onnxruntime_outputs(conv_net(), {"x": x}))


def check_control_flow(folder):
    net = library(branch_net(), folder)
    for n, sign, width in [(0, 1, 4), (3, 1, 1), (5, -1, 6)]:
        x = np.abs(array(3, width)) * np.float32(sign)
        inputs = {"x": x, "n": np.int64(n)}
        same(net.run(inputs), onnxruntime_outputs(branch_net(), inputs))


def check_bounded_dim(folder):
    net = library(conv_net(), folder, options=["--dim", "N<=4"])
    for batch in (1, 4):
        x = array(batch, 3, 16, 16)
        same(net.run([x]), onnxruntime_outputs(conv_net(), {"x": x}))
    assert net.workspace_bytes([1]) == net.workspace_bytes(
        [4]
    ), "the workspace of bounded dims is no constant"
    refused(net, [array(5, 3, 16, 16)], BAD_SHAPE)


def check_declared_sizes_in_loops(folder):
    """What a body declares of sizes that only its run shows is taken, and checked in each iteration."""
    from onnx import helper

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["i", "one"], ["next"]),
            helper.make_node("Unsqueeze", ["i", "zero"], ["from"]),
            helper.make_node("Unsqueeze", ["next", "zero"], ["to"]),
            helper.make_node("Slice", ["x", "from", "to"], ["part"]),
            helper.make_node("Add", ["v", "part"], ["v2"]),
            helper.make_node("Identity", ["v2"], ["row"]),
        ],
        "body",
        [value("i", [], np.int64), value("go", [], bool), value("v", [1])],
        [value("on", [], bool), value("v2", [1]), value("row", [1])],
    )
    made = model(
        [helper.make_node("Loop", ["n", "", "start"], ["sum", "rows"], body=body)],
        [value("x", ["N"]), value("n", [], np.int64)],
        [value("sum", [1]), value("rows", ["n", 1])],
        {"start": array(1), "one": np.array(1), "zero": np.array([0])},
    )
    net = library(made, folder)
    x = array(5)
    for n in (0, 3, 5):
        same(net.run([x, np.array(n)]), onnxruntime_outputs(made, {"x": x, "n": np.array(n)}))
    refused(net, [x, np.array(6)], BAD_SHAPE)  # the sixth part is empty


def check_data_dependent_size(folder):
    made = model(
        [("NonZero", ["x"], ["i"]), ("Transpose", ["i"], ["y"])],
        [value("x", [4, "N"])],
        [value("y", ["k", 2], np.int64)],
    )
    net = library(made, folder)
    for x in (
        np.zeros((4, 3), np.float32),
        np.eye(4, 9, dtype=np.float32),
        np.ones((4, 50), np.float32),
    ):
        same(net.run([x]), onnxruntime_outputs(made, {"x": x}))


def raw_run(net, inputs, outputs, dims, workspace, size):
    """The status of one run with these very addresses."""
    return net._c.run(
        (ctypes.c_void_p * 1)(inputs),
        (ctypes.c_void_p * 1)(outputs),
        (ctypes.c_int64 * 1)(*dims),
        workspace,
        size,
        None,
    )


def check_status_codes(folder):
    net = library(conv_net(), folder)
    x, y = array(1, 3, 16, 16), np.empty((1, 10), np.float32)
    size = net.workspace_bytes([1])
    memory = ctc_model.aligned(size + 64)
    good = (x.ctypes.data, y.ctypes.data, [1], memory.ctypes.data, size)

    def status(**change):
        arguments = dict(zip(["inputs", "outputs", "dims", "workspace", "size"], good)) | change
        return raw_run(net, *arguments.values())

    assert status() == 0
    assert status(inputs=None) == 1
    assert status(outputs=None) == 1
    assert status(workspace=None) == 1
    assert status(workspace=memory.ctypes.data + 4) == 1, "a misaligned workspace"
    assert status(inputs=x.ctypes.data + 1) == 1, "a misaligned input"
    assert status(dims=[-1]) == 2
    assert status(size=size - 1) == 4
    assert net.status_text(4) and net.status_text(4) != net.status_text(1)


# --- passes ---


def check_numbers_are_literals(folder):
    """Single constant numbers stand in the code, whatever operator reads them and whatever their rank."""
    numbers = {"low": np.float32(-0.5), "high": np.float32(2), "power": np.full((1, 1), 1.5, np.float32)}
    numbers |= {"scale": np.full(1, 0.25, np.float32), "zero": np.uint8(3), "top": np.int64(4)}
    nodes = [
        ("Clip", ["x", "low", "high"], ["c"]),
        ("Abs", ["c"], ["a"]),
        ("Pow", ["a", "power"], ["p"]),
        ("QuantizeLinear", ["p", "scale", "zero"], ["q"]),
        ("Clip", ["n", "", "top"], ["m"]),
    ]
    inputs = [value("x", [3, 7]), value("n", [9], np.int64)]
    made = model(nodes, inputs, [value("q", [3, 7], np.uint8), value("m", [9], np.int64)], numbers)
    x, n = array(3, 7), np.arange(9, dtype=np.int64)
    same(library(made, folder).run([x, n]), onnxruntime_outputs(made, {"x": x, "n": n}))
    assert not re.search(r"\bw_\w+\[", (folder / "net.c").read_text())


def optional_passes(folder):
    """The passes that can be left out, as the compiler itself tells them."""
    path = save(conv_net(), folder, "passes.onnx")

    def disable(*names):
        options = [part for name in names for part in ("--disable-pass", name)]
        command = [CTC, "compile", path, "-o", folder / "passes.c", "--quiet", *options]
        return subprocess.run(command, capture_output=True, text=True).stderr

    names = re.search(r"the passes are (.*)", disable("?")).group(1).split(", ")
    required = re.findall(r"--disable-pass: ([\w-]+) cannot be left out", disable(*names))
    assert required and set(required) < set(names), names
    return [name for name in names if name not in required]


def steps_of(made, folder):
    """The kernels of a model's steps, in order."""
    listing = ctc_ok("inspect", save(made, folder, "steps.onnx"), "--stage", "steps").out
    return re.findall(r"^ *\d+ +\S+ +\S+ +([a-z]\S*(?: nest)?)", listing, re.MULTILINE)


def check_nodes_that_change_nothing(folder):
    """Identity, casts and reshapes to the same type, and zeros around a convolution's input leave no step."""
    constants = {
        "w": array(32, 16, 3, 3), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "shape": np.array([1, 32, 9, 9]),
        "w2": array(16, 32, 1, 1), "w0": array(16, 16, 1, 1),
    }
    mean = ("ReduceMean", ["e"], ["y"], {"axes": [2, 3], "keepdims": 0})
    roundabout = [
        ("Conv", ["x", "w0"], ["c0"]), ("Identity", ["c0"], ["i0"]), ("Pad", ["i0", "pads"], ["p"]),
        ("Conv", ["p", "w"], ["c"]), ("Cast", ["c"], ["t"], {"to": 1}), ("Reshape", ["t", "shape"], ["r"]),
        ("Dropout", ["r"], ["d"]), ("Conv", ["d", "w2"], ["e"]), mean,
    ]
    direct = [
        ("Conv", ["x", "w0"], ["c0"]), ("Conv", ["c0", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
        ("Conv", ["c", "w2"], ["e"]), mean,
    ]
    ports = [value("x", [1, 16, 9, 9])], [value("y", [1, 16])]
    net, short = model(roundabout, *ports, constants), model(direct, *ports, constants)
    assert steps_of(net, folder) == steps_of(short, folder), steps_of(net, folder)
    assert "reduce_add_f32" not in steps_of(net, folder), "the mean of planes is a pool"
    x = array(1, 16, 9, 9)
    same(library(net, folder).run([x]), onnxruntime_outputs(net, {"x": x}))


def batched_scan(lengths, directions):
    """Scan of opset 8: a running sum of two sequences, and the sum of products, over a batch."""
    from onnx import helper

    nodes = [
        helper.make_node("Add", ["s", "a"], ["s2"]), helper.make_node("Mul", ["a", "b"], ["p"]),
        helper.make_node("Add", ["s2", "p"], ["o"]), helper.make_node("Sub", ["i", "one"], ["i2"]),
    ]
    one = helper.make_tensor("one", 7, [], [1])
    ins = [value("s", [4]), value("i", [], np.int64), value("a", [4]), value("b", [4])]
    body = helper.make_graph(nodes, "body", ins, [value("s2", [4]), value("i2", [], np.int64), value("o", [4])], [one])
    scan = helper.make_node(
        "Scan", ["lengths" if lengths else "", "s0", "i0", "x", "z"], ["s1", "i1", "y"],
        body=body, num_scan_inputs=2, directions=directions,
    )
    ports = [value("s0", [3, 4]), value("i0", [3], np.int64), value("x", [3, 5, 4]), value("z", [3, 5, 4])]
    ports += [value("lengths", [3], np.int64)] * lengths
    return model([scan], ports, [value("s1", [3, 4]), value("i1", [3], np.int64), value("y", [3, 5, 4])], opset=8)


def check_scan_over_a_batch(folder):
    inputs = {"s0": array(3, 4), "i0": np.array([9, 8, 7]), "x": array(3, 5, 4), "z": array(3, 5, 4, seed=4)}
    for i, (lengths, directions) in enumerate([(False, [0, 0]), (False, [1, 0]), (True, [0, 0])]):
        made = batched_scan(lengths, directions)
        given = inputs | ({"lengths": np.array([2, 5, 1])} if lengths else {})
        same(library(made, folder, f"s{i}").run(list(given.values())), onnxruntime_outputs(made, given))


def table_net(positions_shape):
    """Rows of tables that are computed from 8-bit constants: by scalars, by a number for each row, and one along axis 1."""
    gather = [
        ("Gather", ["t"], ["a"], {"axis": 0}), ("Gather", ["u"], ["b"], {"axis": 1}),
        ("Gather", ["v"], ["c"], {"axis": -2}), ("Gather", ["v"], ["d"], {"axis": 0}),
    ]
    nodes = [
        ("Cast", ["levels"], ["f"], {"to": 1}), ("Sub", ["f", "row"], ["s"]), ("Mul", ["s", "column"], ["t"]),
        ("Cast", ["more"], ["g"], {"to": 1}), ("Mul", ["g", "row"], ["u"]),
        ("Cast", ["deep"], ["h"], {"to": 1}), ("Add", ["h", "channel"], ["i"]), ("Clip", ["i", "low"], ["v"]),
    ]
    nodes += [(op, [table[0], "positions"], out, attributes) for op, table, out, attributes in gather]
    rng = np.random.default_rng(5)
    constants = {
        "levels": rng.integers(-128, 128, (3000, 40), dtype=np.int8), "row": array(40), "column": array(3000, 1),
        "more": rng.integers(0, 255, (3000, 40), dtype=np.uint8), "low": np.float32(-7),
        "deep": rng.integers(-128, 128, (30, 300, 20), dtype=np.int8), "channel": array(30, 1, 20),
    }
    outputs = [value(name, None) for name in "abcd"]
    return model(nodes, [value("positions", positions_shape, np.int64)], outputs, constants, opset=17)


def check_rows_are_gathered_first(folder):
    """No step computes more than the rows of a table that were asked for, whatever the shape of the positions."""
    for i, positions in enumerate((np.array([3, -1, 3]), np.array([[29, 0], [1, 2]]), np.array(7))):
        for kind, size in ("fixed", list(positions.shape)), ("open", ["N", "M", "K"][: positions.ndim]):
            net = table_net(size)
            listing = ctc_ok("inspect", save(net, folder, "rows.onnx"), "--dump-after", "clean").out
            heads = re.findall(r"^ +(\S+): .* = (Cast|Sub|Mul|Add|Clip|Gather)\((\w+)", listing, re.MULTILINE)
            gathered = [source for _, op, source in heads if op == "Gather"]
            assert set(gathered) == {"levels", "column", "more", "row", "deep", "channel"}, gathered
            same(library(net, folder, f"rows_{kind}{i}").run([positions]), onnxruntime_outputs(net, {"positions": positions}))


def check_one_row_behind_a_reshape(folder):
    """Sizes that a Reshape copies from its input stay those of the whole tensor where only one row is computed."""
    for i, (shape, sizes, axis, narrowed) in enumerate([
        ([3, 3, 4], [1, 0, 3, 8], 2, False),
        ([3, 3, 4], [1, 0, -1, 8], 2, False),
        ([1, 3, 3, 4], [3, 0, 8], 0, False),
        ([3, 5, 4], [0, 0, 2, -1], 1, True),
        ([3, 5, 4], [1, 3, -1, 8], 2, True),
    ]):
        nodes = [("MatMul", ["x", "w"], ["p"]), ("Reshape", ["p", "sizes"], ["r"]), ("Gather", ["r", "last"], ["y"], {"axis": axis})]
        constants = {"w": array(4, 8), "sizes": np.array(sizes), "last": np.array(-1)}
        net = model(nodes, [value("x", shape)], [value("y", None)], constants)
        listing = ctc_ok("inspect", save(net, folder, "row.onnx"), "--dump-after", "narrow").out
        assert ("= Gather(x, " in listing) == narrowed, listing
        x = array(*shape)
        same(library(net, folder, f"row{i}").run([x]), onnxruntime_outputs(net, {"x": x}))


def check_table_of_other_uses_stays(folder):
    """A table that is also read as a whole is computed once and gathered from."""
    nodes = [
        ("Cast", ["levels"], ["f"], {"to": 1}), ("Mul", ["f", "scale"], ["t"]),
        ("Gather", ["t", "positions"], ["a"]), ("ReduceSum", ["t"], ["b"]),
    ]
    levels = np.random.default_rng(5).integers(-128, 128, (3000, 40), dtype=np.int8)
    ports = [value("positions", [3], np.int64)], [value("a", None), value("b", None)]
    net = model(nodes, *ports, {"levels": levels, "scale": np.float32(0.1)}, opset=17)
    assert steps_of(net, folder).count("gather_i64") == 1
    positions = np.array([3, -1, 2999])
    same(library(net, folder).run([positions]), onnxruntime_outputs(net, {"positions": positions}), rtol=1e-4)


def check_weights_are_computed_while_compiling(folder):
    """8-bit weights of products are widened while compiling for speed, in each run otherwise, and where a limit says so."""
    nodes = [
        ("Cast", ["levels"], ["f"], {"to": 1}), ("Mul", ["f", "scale"], ["t"]), ("Transpose", ["t"], ["w"]),
        ("MatMul", ["x", "w"], ["y"]),
    ]
    levels = np.random.default_rng(5).integers(-128, 128, (300, 400), dtype=np.int8)
    net = model(nodes, [value("x", [40, 400])], [value("y", [40, 300])], {"levels": levels, "scale": array(300, 1) / 128})
    x = array(40, 400)
    expected = onnxruntime_outputs(net, {"x": x})
    path = save(net, folder, "weights.onnx")
    limited = ["--max-weights=200000"]
    for name, options in ("speed", []), ("balanced", ["--optimize=balanced"]), ("limited", limited):
        listing = ctc_ok("inspect", path, "--stage", "steps", *options).out
        assert ("Cast" in listing) == (name != "speed"), listing
        same(library(net, folder, name, options).run([x]), expected, rtol=1e-4, atol=1e-4)


def check_pixels_become_tiles(folder):
    """Transposed convolutions to few channels, their stride as large as the kernel, for each width of vectors."""
    nodes, ports, outputs, constants, arrays = [], [], [], {}, []
    cases = [
        (1, 16, 1, [5, 33], [2, 2], True), (2, 40, 3, [3, 16], [1, 3], False), (1, 128, 2, [2, 7], [3, 2], True),
        (2, 20, 4, [19], [4], True), (1, 129, 1, [2, 5], [2, 2], True),
    ]
    for i, (batch, channels, out, size, kernel, bias) in enumerate(cases):
        constants |= {f"k{i}": array(channels, 4, *[1] * len(size)), f"b{i}": array(out)}
        constants[f"w{i}"] = array(channels, out, *kernel) / np.float32(channels)
        nodes += [
            ("Conv", [f"x{i}", f"k{i}"], [f"c{i}"]),
            ("ConvTranspose", [f"c{i}", f"w{i}", f"b{i}"][: 3 if bias else 2], [f"t{i}"], {"strides": kernel}),
            ("Sigmoid", [f"t{i}"], [f"y{i}"]),
        ]
        arrays.append(array(batch, 4, *size))
        ports.append(value(f"x{i}", arrays[-1].shape))
        outputs.append(value(f"y{i}", None))
    net = model(nodes, ports, outputs, constants)
    assert steps_of(net, folder).count("conv_transpose_thin_f32") == len(cases) - 1
    expected = onnxruntime_outputs(net, {port.name: x for port, x in zip(ports, arrays)})
    for name, flags in ("native", ["-O2", "-march=native"]), ("plain", ["-O1"]), ("scalar", ["-O1", "-DCTC_SCALAR"]):
        same(library(net, folder, name, ["--split-all"], flags=[*STRICT, *flags]).run(arrays), expected)


def check_one_hot(folder):
    """Any axis, type and pair of values, indices outside and from the end, among threads too."""
    rng = np.random.default_rng(9)
    cases = [
        (shape, axis, dtype, depth)
        for shape in ([5], [3, 4], [2, 3, 5])
        for axis in (0, 1, -1)
        for dtype, depth in ((np.float32, 7), (np.uint8, 300), (np.int64, 70), (np.int32, 129), (bool, 3))
    ]
    for values in ([0, 1], [5, 0], [0, 0]):
        nodes, ports, constants, inputs, expected = [], [], {}, [], []
        for i, (shape, axis, dtype, depth) in enumerate(cases):
            positions = rng.integers(-depth - 1, depth + 1, shape)
            constants[f"d{i}"], constants[f"v{i}"] = np.array(depth), np.array(values).astype(dtype)
            nodes.append(("OneHot", [f"x{i}", f"d{i}", f"v{i}"], [f"y{i}"], {"axis": axis}))
            ports.append(value(f"x{i}", shape, np.int64))
            inputs.append(positions)
            on = np.where(positions < 0, positions + depth, positions)[..., None] == np.arange(depth)
            pair = constants[f"v{i}"]
            expected.append(np.moveaxis(np.where(on, pair[1], pair[0]), -1, axis))
        outputs = [value(f"y{i}", None, dtype) for i, (_, _, dtype, _) in enumerate(cases)]
        net = model(nodes, ports, outputs, constants, opset=13)
        for got, wanted in zip(library(net, folder, f"o{values[0]}{values[1]}", ["--split-all"]).run(inputs), expected):
            assert got.dtype == wanted.dtype and np.array_equal(got, wanted)


def check_powers(folder):
    """Powers with a simple exponent need no pow."""
    x = np.abs(array(3, 50)) + np.float32(0.1)
    exponents = {"p": 1.0, "q": 2.0, "r": 3.0, "s": 0.5, "t": -1.0}
    nodes = [("Pow", ["x", name], ["y" + name]) for name in exponents]
    constants = {name: np.array(number, np.float32) for name, number in exponents.items()}
    net = model(nodes, [value("x", [3, 50])], [value("y" + name, [3, 50]) for name in exponents], constants)
    assert "ctc_pow" not in emit(net, folder, name="powers").read_text()
    results = library(net, folder).run([x])
    same(results, [(x.astype(np.float64) ** number).astype(np.float32) for number in exponents.values()], rtol=1e-6)


def check_dims_called_like_variables(folder):
    """Names of dims that the emitted functions have for something else."""
    names = ["a4", "a5", "sizes", "tensors", "n", "p", "gpu", "port", "bytes", "at"]
    for i, (height, width) in enumerate(zip(names[::2], names[1::2])):
        nodes = [("MaxPool", ["x"], ["m"], {"kernel_shape": [2, 2], "strides": [1, 1]}), ("Relu", ["m"], ["y"])]
        net = model(nodes, [value("x", [1, 2, height, width])], [value("y", None)])
        x = array(1, 2, 5, 7)
        same(library(net, folder, f"dims{i}").run([x]), onnxruntime_outputs(net, {"x": x}))
        ctc_ok("compile", save(net, folder), "-o", folder / "net.cu", "--quiet")
        compile_c(["gcc", "-x", "c", *STRICT, "-fsyntax-only", "net.cu"], folder)


def check_each_pass_switched_off(folder):
    optional = optional_passes(folder)
    x, z = array(2, 3, 16, 16), array(2, 3, 9, 9)
    expected = onnxruntime_outputs(conv_net(), {"x": x}), onnxruntime_outputs(norm_net(), {"x": z})
    for i, switched_off in enumerate([[name] for name in optional] + [optional]):
        options = [part for name in switched_off for part in ("--disable-pass", name)]
        same(library(conv_net(), folder, f"c{i}", options).run([x]), expected[0])
        same(library(norm_net(), folder, f"n{i}", options).run([z]), expected[1])


if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
