"""The command line: what each command does, and that files are whole or not there. Wrong uses of it are in errors.py."""
import io
import json
import os
import pickle
import pty
import re
import shutil
import subprocess
import zipfile

import numpy as np

from common import CTC, ROOT, conv_net, ctc, ctc_ok, model, onnxruntime_outputs, same, save, value

COMMANDS = ["compile", "build", "run", "verify", "bench", "inspect", "ops", "plugin new", "plugin check", "plugin list",
            "completion", "man"]
PLAIN = ["ops", "plugin new", "plugin check", "plugin list", "completion", "man"]


def inputs_file(folder, batch=2):
    x = np.random.default_rng(2).standard_normal((batch, 3, 16, 16)).astype(np.float32)
    np.savez(folder / "in.npz", x=x)
    return x


def check_usage(folder):
    result = ctc()
    assert result.status == 2 and all(name in result.err + result.out for name in COMMANDS)
    assert re.match(r"ctc \d+\.\d+", ctc_ok("--version").out)
    assert "plugin check" in ctc_ok("plugin", "--help").out and ctc("plugin").status == 2
    for command in COMMANDS:
        text = ctc_ok(*command.split(), "--help").out
        assert "usage: ctc " + command in text
        if command not in PLAIN:
            assert any(option in text for option in ("--output", "--stage", "--reference", "--seconds"))


def check_default_names(folder):
    save(conv_net(), folder, "my-net.v2.onnx")
    ctc_ok("compile", "my-net.v2.onnx", cwd=folder)
    assert {"my-net.v2.c", "my-net.v2.h"} <= set(os.listdir(folder)), os.listdir(folder)
    subprocess.run(["gcc", "-std=c99", "-c", "my-net.v2.c"], cwd=folder, check=True)


def check_run(folder):
    path = save(conv_net(), folder)
    x = inputs_file(folder)
    expected = onnxruntime_outputs(conv_net(), {"x": x})
    ctc_ok("run", path, "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], expected)
    np.save(folder / "x.npy", x)
    ctc_ok("run", path, "-i", f"x={folder / 'x.npy'}", "-o", folder / "out2.npz")
    same([np.load(folder / "out2.npz")["y"]], expected)


def check_run_strings(folder):
    """Arrays of numpy's type U, in and out; of objects, a hint."""
    from strings import STRING, TEXTS, made

    x = np.array(TEXTS[:12]).reshape(3, 4)
    z = np.asfortranarray(x[::-1])
    path = save(made([("StringConcat", ["x", "z"], [("y", STRING)], {})], {"x": (STRING, ["n", 4]), "z": (STRING, [3, 4])}), folder)
    np.savez(folder / "in.npz", x=x, z=z)
    ctc_ok("run", path, "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    result = np.load(folder / "out.npz")["y"]
    assert result.dtype.kind == "U" and (result == np.char.add(x, z)).all(), result
    np.savez(folder / "ref.npz", **{"in:x": x, "in:z": z, "out:y": np.char.add(x, z)})
    ctc_ok("verify", path, "--reference", folder / "ref.npz")
    np.save(folder / "objects.npy", z.astype(object))
    refused = ctc("run", path, "--inputs", folder / "in.npz", "-i", f"z={folder / 'objects.npy'}", "-o", folder / "out2.npz")
    assert refused.status == 1 and "numpy type '|O'" in refused.err and "x.astype(str)" in refused.err, refused.err
    np.savez(folder / "in.npz", x=np.array(["a\0b"] * 12).reshape(3, 4), z=z)
    refused = ctc("run", path, "--inputs", folder / "in.npz", "-o", folder / "out2.npz")
    assert refused.status == 1 and "a 0 within a text" in refused.err and not (folder / "out2.npz").exists(), refused.err


def reference_file(folder, error=0.0):
    x = inputs_file(folder)
    y, = onnxruntime_outputs(conv_net(), {"x": x})
    y = y.copy()
    y[1, 3] += error
    np.savez(folder / "ref.npz", **{"in:x": x, "out:y": y})
    return folder / "ref.npz"


def check_verify(folder):
    path = save(conv_net(), folder)
    for cc in ("gcc", "clang"):
        result = ctc_ok("verify", path, "--reference", reference_file(folder), "--cc", cc)
        assert "ok" in result.out + result.err
    ctc_ok("verify", path, "--dim", "N=2")
    wrong = ctc("verify", path, "--reference", reference_file(folder, error=0.5))
    assert wrong.status == 1 and "y" in wrong.out + wrong.err, "a wrong reference was not noticed"
    ctc_ok("verify", path, "--reference", reference_file(folder, error=0.05), "--atol", "0.1")


def check_verify_finds_the_step(folder):
    """One function of the emitted C replaced by another: the first step that calls it is named, with its node."""
    nodes = [("Relu", ["x"], ["a"]), ("Tanh", ["a"], ["b"]), ("MatMul", ["b", "w"], ["c"]), ("Softmax", ["c"], ["y"])]
    # Of float64: those functions come from libm, and are not vectors.
    ports = [value("x", [4, 8], np.float64)], [value("y", [4, 5], np.float64)]
    path = save(model(nodes, *ports, {"w": np.random.default_rng(3).standard_normal((8, 5))}), folder)
    assert "every step is ok" in ctc_ok("verify", path, "--every-step").out
    for function, node in [("tanh", r"\(Tanh #1\)"), ("exp", r"\(Softmax #3\)")]:
        wrong = ctc("verify", path, "--cflags", f"-O1 -D{function}=sin")
        assert wrong.status == 1 and re.search(r"first step that differs: step \d+ of \d+", wrong.out), wrong.out
        assert re.search(rf"node 'n\d' {node}", wrong.out), wrong.out


def check_verify_blames_the_reference(folder):
    wrong = ctc("verify", save(conv_net(), folder), "--reference", reference_file(folder, error=0.5))
    assert wrong.status == 1 and "only the reference differs" in wrong.out and "first step" not in wrong.out, wrong.out


def check_verify_json(folder):
    path = save(conv_net(), folder)
    good = json.loads(ctc_ok("verify", path, "--reference", reference_file(folder), "--json").out)
    assert good["ok"] is True and good["difference"] < 1e-5 and [o["name"] for o in good["outputs"]] == ["y"]
    bad = ctc("verify", path, "--reference", reference_file(folder, error=0.5), "--json")
    result = json.loads(bad.out)
    assert bad.status == 1 and result["ok"] is False and abs(result["difference"] - 0.5) < 1e-3 and result["outputs"][0]["wrong"] == 1
    broken = ctc("verify", path, "--cc", "no-such-compiler", "--json")
    assert broken.status == 1 and json.loads(broken.out)["ok"] is False


def scores_file(folder, rows, protocol, **more):
    """A reference whose output is an object array, pickled with a protocol of our choice."""
    array = np.empty(len(rows), object)
    array[:] = rows
    bytes_ = io.BytesIO()
    np.lib.format.write_array_header_1_0(bytes_, {"descr": "|O", "fortran_order": False, "shape": array.shape})
    pickle.dump(array, bytes_, protocol=protocol)
    with zipfile.ZipFile(folder / "scores.npz", "w") as archive:
        archive.writestr("out:y.npy", bytes_.getvalue())
        for name, values in more.items():
            plain = io.BytesIO()
            np.save(plain, values)
            archive.writestr(f"in:{name}.npy", plain.getvalue())
    return folder / "scores.npz"


def check_verify_scores(folder):
    """Lists of dicts, as ZipMap returns them, are compared as a matrix; what is no plain data is refused, not run."""
    path = save(model([("Softmax", ["x"], ["y"])], [value("x", [2, 3])], [value("y", [2, 3])]), folder)
    x = np.array([[1, 2, 3], [0, 0, 1]], np.float32)
    y, = onnxruntime_outputs(model([("Softmax", ["x"], ["y"])], [value("x", [2, 3])], [value("y", [2, 3])]), {"x": x})
    numbers, words = [0, 1, 2], ["cat", "dog", "horse"]
    for protocol, number, keys in [(2, float, words), (3, np.float32, numbers), (4, float, numbers), (4, np.float32, words), (5, np.float64, words)]:
        rows = [dict(zip(keys, map(number, row))) for row in y]
        good = ctc_ok("verify", path, "--cflags", "-O0", "--reference", scores_file(folder, rows, protocol, x=x))
        assert "against the reference: ok" in good.out, good.out
    rows[1]["dog"] = 0.9
    assert ctc("verify", path, "--cflags", "-O0", "--reference", scores_file(folder, rows, protocol, x=x)).status == 1

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(folder / "harm"),)

    odd = ctc_ok("verify", path, "--reference", scores_file(folder, [{0: Harmful()}] * 2, 4, x=x))
    assert "cannot be used" in odd.out and not (folder / "harm").exists()
    assert "cannot be used" in ctc_ok("verify", path, "--reference", scores_file(folder, ["text", None], 4, x=x)).out


def check_build_library(folder):
    path = save(conv_net(), folder)
    import ctc_model
    x = inputs_file(folder)
    for option, name in [("--shared", "net.so"), ("--quiet", "again.so")]:  # the name says it as well
        ctc_ok("build", path, option, "--prefix", "net", "-o", folder / name)
        same(ctc_model.load(folder / name, "net").run([x]), onnxruntime_outputs(conv_net(), {"x": x}))
    ctc_ok("build", path, "--shared", cwd=folder)
    assert (folder / "m.so").exists()


def check_bench(folder):
    """Times that are positive, flops that are the network's; the steps add up to about a run."""
    path = save(conv_net(), folder)
    text = ctc_ok("bench", path, "--dim", "N=2", "--seconds", "0.05", "--rows", "2").out
    assert re.search(r"ms a run \(quartiles", text) and "Conv" in text and "--rows 0 shows all" in text, text
    for more in (["--dim", "N=3"], ["-i", f"x={folder / 'x.npy'}"], ["--weights=string", "--cc", "clang"]):
        np.save(folder / "x.npy", np.zeros((5, 3, 16, 16), np.float32))
        result = json.loads(ctc_ok("bench", path, "--json", "--seconds", "0.05", "--cflags", "-O1", *more).out)
        assert 0 < result["low"] <= result["ns"] <= result["high"] and result["runs"] >= 5, result
        convs = [step for step in result["steps"] if "Conv" in step["nodes"] and "conv" in step["kernel"]]
        batch = 3 if "N=3" in more else 5 if "-i" in more else 4
        assert [step["flops"] for step in convs][:1] == [2 * batch * 8 * 16 * 16 * 27] or convs[0]["flops"] > 2 * batch * 8 * 16 * 16 * 27, convs
        assert all(step["ns"] >= 0 and step["calls"] == 1 and step["bytes"] > 0 for step in result["steps"]), result


def check_bench_of_a_loop(folder):
    """A step in the body of a loop counts as often as it runs; a model without weights has no weights file."""
    from onnx import helper
    body = helper.make_graph([helper.make_node("MatMul", ["c", "c"], ["p"]), helper.make_node("Tanh", ["p"], ["d"]),
                              helper.make_node("Identity", ["go"], ["on"])], "body",
                             [value("i", [], np.int64), value("go", [], bool), value("c", [4, 4])], [value("on", [], bool), value("d", [4, 4])])
    made = model([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], [value("x", [4, 4])], [value("y", [4, 4])],
                 {"n": np.array(6, np.int64)})
    result = json.loads(ctc_ok("bench", save(made, folder), "--json", "--seconds", "0.02").out)
    products = [step for step in result["steps"] if "MatMul" in step["nodes"]]
    assert products and products[0]["calls"] == 6, result
    assert ctc_ok("bench", save(model([("Relu", ["x"], ["y"])], [value("x", [4])], [value("y", [4])]), folder), "--seconds", "0.02").out


def check_inspect_steps(folder):
    text = ctc_ok("inspect", save(conv_net(), folder), "--stage", "steps", "--dim", "N=1").out
    assert re.search(r"flops +bytes +kernel", text) and "Gemm 'n4'" in text and re.search(r"^ *sum +\d", text, re.M), text


def placed_net():
    """A 1x1 convolution, which a plugin does by units, and rows of nodes to rows of graphs, by one without any."""
    from onnx import helper
    constants = {"w": np.ones((5, 4, 1, 1), np.float32), "rows": np.array([6, 5], np.int64), "starts": np.array([0, 2, 6], np.int64)}
    made = model([("Conv", ["x", "w"], ["a"]), ("Softmax", ["a"], ["b"]), ("Reshape", ["b", "rows"], ["c"]),
                  helper.make_node("GraphPool", ["c", "starts"], ["y"], domain="ctc.layers")],
                 [value("x", [1, 4, 2, 3])], [value("y", None)], constants)
    made.opset_import.append(helper.make_opsetid("ctc.layers", 1))
    return made


def check_inspect_places(folder):
    """Of a program for a GPU, where each step runs: by a kernel for it, by the C text's units, on the host. `compile` warns of the last ones."""
    path = save(placed_net(), folder)
    plugins = []
    for name in ("pointwise_conv", "graph_pool"):
        shutil.copytree(ROOT / "plugins" / name, folder / name, ignore=shutil.ignore_patterns("kernel.cu"))
        plugins += ["--plugin", folder / name]
    listing = ctc_ok("inspect", path, "--target=cuda", "--stage=steps", *plugins).out
    rows = {row[4]: row[3] for row in map(str.split, listing.splitlines()[1:-1])}
    assert rows == {"pointwiseconv_f32": "units", "softmax_f32": "device", "graphpool_f32": "host"}, listing
    counts = re.search(r"^run on +the device (\d+), .*\) (\d+), the host (\d+)$", ctc_ok("inspect", path, "--target=cuda", *plugins).out, re.M)
    assert counts and counts.groups() == ("1", "1", "1"), counts
    warning = ctc_ok("compile", path, "-o", folder / "m.cu", *plugins).err
    assert "on the CPU between copies: graphpool_f32\n" in warning, warning
    assert "host" not in ctc_ok("inspect", path, "--stage=steps", *plugins).out


def run_program(program, *arguments, cwd):
    return subprocess.run([f"./{program}", *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


def check_build_program(folder):
    """The executable reads and writes .npy files; sizes follow from the inputs."""
    save(conv_net(), folder)
    ctc_ok("build", "m.onnx", cwd=folder)
    assert sorted(os.listdir(folder)) == ["m", "m.onnx"], os.listdir(folder)
    text = run_program("m", "--help", cwd=folder).stdout
    assert "float32[N, 3, 16, 16]" in text and "float32[N, 10]" in text, text
    (folder / "out").mkdir()
    for batch in (1, 5):
        x = inputs_file(folder, batch)
        np.save(folder / "x.npy", x)
        for given in ("x.npy", "x=x.npy"):
            done = run_program("m", given, "-o", "out", cwd=folder)
            assert done.returncode == 0 and f"out/out_y.npy: float32[{batch}, 10]" in done.stdout, done
            same([np.load(folder / "out/out_y.npy")], onnxruntime_outputs(conv_net(), {"x": x}))


def check_build_program_refuses(folder):
    save(conv_net(), folder)
    ctc_ok("build", "m.onnx", "-o", "net", cwd=folder)
    np.save(folder / "x.npy", np.zeros((2, 3, 16, 16), np.float32))
    np.save(folder / "double.npy", np.zeros((2, 3, 16, 16)))
    np.save(folder / "narrow.npy", np.zeros((2, 3, 16, 15), np.float32))
    np.save(folder / "column.npy", np.asfortranarray(np.zeros((2, 3, 16, 16), np.float32)))
    for arguments, words in [([], "no file for input 'x'"), (["none.npy"], "No such file"), (["double.npy"], "float32"),
                             (["narrow.npy"], "must be float32[2, 3, 16, 16]"), (["column.npy"], "column-major"), (["m.onnx"], "not an array"),
                             (["x.npy", "x.npy"], "1 inputs only"), (["x.npy", "-o", "nowhere"], "nowhere/out_y.npy"), (["--dim", "M=3"], "'M'"),
                             (["--nosuch"], "--nosuch")]:
        done = run_program("net", *arguments, cwd=folder)
        assert done.returncode == 1 and words in done.stderr, f"{arguments}: {done}"


def check_build_program_weights(folder):
    """Weights in a file of their own are found beside the program, or where it is told."""
    save(conv_net(), folder)
    x = inputs_file(folder)
    np.save(folder / "x.npy", x)
    ctc_ok("build", "m.onnx", "-o", "net", "--weights=file", cwd=folder)
    assert run_program("net", "x.npy", cwd=folder).returncode == 0
    same([np.load(folder / "out_y.npy")], onnxruntime_outputs(conv_net(), {"x": x}))
    (folder / "net.weights").rename(folder / "elsewhere")
    assert "--weights" in run_program("net", "x.npy", cwd=folder).stderr
    assert run_program("net", "x.npy", "--weights", "elsewhere", cwd=folder).returncode == 0
    ctc_ok("build", "m.onnx", "-o", "two", "--weights=incbin", cwd=folder)
    assert run_program("two", "x.npy", cwd=folder).returncode == 0 and not (folder / "two.weights").exists()


def check_build_program_data_dependent(folder):
    """A size that depends on the data: the program finds room for it by itself, or is told how much."""
    made = model([("NonZero", ["x"], ["y"])], [value("x", ["N"])], [value("y", [1, "M"], np.int64)])
    save(made, folder)
    ctc_ok("build", "m.onnx", cwd=folder)
    x = (np.arange(5000) % 2).astype(np.float32)
    np.save(folder / "x.npy", x)
    assert "int64[1, 2500]" in run_program("m", "x.npy", cwd=folder).stdout
    same([np.load(folder / "out_y.npy")], [np.stack(np.nonzero(x))])


def check_build_driver_is_clean(folder):
    """The program around the model is C99 and C++ without a warning."""
    save(conv_net(), folder)
    temporary = folder / "temporary"
    temporary.mkdir()
    subprocess.run([CTC, "build", "m.onnx", "--keep", "-q"], cwd=folder, check=True, capture_output=True, env={**os.environ, "TMPDIR": temporary})
    made = next(temporary.glob("ctc-*"))
    for compiler in ("gcc -std=c99", "clang -std=c99", "g++ -x c++"):
        command = [*compiler.split(), *"-Wall -Wextra -Wconversion -pedantic -Werror -fsyntax-only main.c".split()]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def check_build_leaves_nothing(folder):
    """After a failure there is no output and nothing in the folder for temporary files; an older output stays."""
    save(conv_net(), folder)
    temporary = folder / "temporary"
    temporary.mkdir()
    (folder / "old").write_text("older")
    for arguments in (["--cflags", "--no-such-flag"], ["--cc", "no-such-compiler"], ["--cc", "false"], ["--target", "no-such-machine"]):
        done = subprocess.run([CTC, "build", "m.onnx", "-o", "old", *arguments], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "TMPDIR": temporary})
        assert done.returncode == 1 and ": error: " in done.stderr, done
        assert sorted(os.listdir(folder)) == ["m.onnx", "old", "temporary"] and not os.listdir(temporary)
    assert (folder / "old").read_text() == "older"


def check_set(folder):
    """An input made a constant is no input any more."""
    made = model([("Mul", ["x", "k"], ["y"])], [value("x", [4]), value("k", [])], [value("y", [4])])
    path = save(made, folder)
    np.savez(folder / "in.npz", x=np.arange(4, dtype=np.float32))
    ctc_ok("run", path, "--set", "k=2.5", "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], [np.arange(4, dtype=np.float32) * np.float32(2.5)])


def check_shape(folder):
    """An input without a shape gets one from the command line."""
    made = model([("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    path = save(made, folder)
    x = np.array([[-1, 2, 3]], np.float32)
    np.savez(folder / "in.npz", x=x)
    ctc_ok("run", path, "--shape", "x=1x3", "--inputs", folder / "in.npz", "-o", folder / "out.npz")
    same([np.load(folder / "out.npz")["y"]], [np.maximum(x, 0)])


def check_inspect(folder):
    path = save(conv_net(), folder)
    summary = ctc_ok("inspect", path).out
    assert "x" in summary and "float32" in summary and "workspace" in summary
    assert "Conv" in ctc_ok("inspect", path, "--stage=graph").out
    assert "ctc_" in ctc_ok("inspect", path, "--stage=program").out
    memory = ctc_ok("inspect", path, "--memory", "--dim", "N=2").out
    found = re.search(r"workspace: (\d+) bytes, lower bound: (\d+) bytes", memory)
    assert found and int(found[1]) >= int(found[2]) > 0
    for stop in ("infer", "clean", "lower", "fuse", "plan"):
        for stage in ("graph", "program", "summary"):
            result = ctc("inspect", path, "--stage", stage, "--stop-after", stop)
            assert (result.status == 0) == bool(result.out) and result.status in (0, 1), f"{stage} {stop}: {result.err}"


def check_ops(folder):
    rows = [line.split(" since opset ") for line in ctc_ok("ops").out.splitlines()]
    versions = {name.strip(): text for name, text in rows}
    assert len(versions) == len(rows) and {"Conv", "MatMul", "Relu"} <= set(versions)
    assert versions["Conv"].startswith("1, 11, ")
    page = ctc_ok("ops", "--markdown").out
    assert all(f"| {name.split('.')[-1]} |" in page for name in versions)


def check_passes(folder):
    path = save(conv_net(), folder)
    times = ctc_ok("compile", path, "-o", folder / "m.c", "--time-passes").err
    assert "infer" in times and "plan" in times and "ms" in times
    assert "Conv" in ctc_ok("compile", path, "-o", folder / "m.c", "--dump-after", "infer").out


def check_crowded_output(folder):
    """A disk that is full, or an output that cannot be written, leaves no half a file."""
    path = save(conv_net(), folder)
    (folder / "taken.c").mkdir()
    result = ctc("compile", path, "-o", folder / "taken.c")
    assert result.status == 1 and not any(name.endswith(("~", ".tmp", ".part")) for name in os.listdir(folder)), os.listdir(folder)
    done = subprocess.run(["bash", "-c", f"ulimit -f 1; trap '' XFSZ; {CTC} compile {path} -o {folder}/small.c"], capture_output=True, text=True)
    assert done.returncode == 1, f"exit {done.returncode} with a limit on file sizes"
    assert sorted(os.listdir(folder)) == ["m.onnx", "taken.c"], os.listdir(folder)


def check_completion(folder):
    """Scripts for three shells; the one for bash is tried, the others are parsed where the shell is there."""
    scripts = {shell: ctc_ok("completion", shell).out for shell in ("bash", "zsh", "fish")}
    for shell, text in scripts.items():
        (folder / shell).write_text(text)
        assert all(word in text for command in COMMANDS for word in command.split()) and "every-step" in text
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", folder / shell], capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr, done.stderr

    def complete(*words):
        line = f"source {folder}/bash; COMP_WORDS=(ctc {' '.join(words)}); COMP_CWORD={len(words)}; _ctc; echo \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=folder, check=True).stdout.split()

    assert complete("com") == ["compile", "completion"]
    assert complete("build", "--sha") == ["--shape", "--shared"] or complete("build", "--sha") == ["--shared", "--shape"]
    assert complete("compile", "--weights", "in") == ["incbin"]
    assert complete("compile", "--target", "cu") == ["cuda"]
    assert complete("compile", "--precision", "b") == ["bf16"] and complete("inspect", "--target", "cu") == ["cuda"]
    assert complete("compile", "--cuda") == ["--cuda-arch", "--cuda-libs"] and complete("build", "--cuda") == []
    assert complete("compile", "--stop-after", "pl") == ["plan"]
    assert complete("completion", "z") == ["zsh"]
    assert complete("inspect", "ba") == ["bash"]
    assert complete("plu") == ["plugin"]
    assert complete("plugin", "''") == ["new", "check", "list"]
    assert complete("plugin", "check", "--se") == ["--seed"]
    assert complete("plugin", "new", "--el") == ["--elementwise"]


def check_man(folder):
    """Every option is in the manual page, and the page has no mistake that groff knows of."""
    page = ctc_ok("man").out
    for command in COMMANDS:
        for option in re.findall(r"--[a-z-]+", ctc_ok(*command.split(), "--help").out.split("options:")[1].split("example:")[0]):
            assert option.replace("-", "\\-") in page, f"{command} {option}"
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-ww", "-Tascii"], input=page, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


def on_terminal(arguments, folder):
    """What ctc prints on standard error when that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([CTC, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 4096):
            text += chunk
    except OSError:  # the other end was closed
        pass
    process.wait()
    os.close(ours)
    return text.decode()


def check_progress(folder):
    """Shown on a terminal and taken away again; not in a file, not with --quiet."""
    save(conv_net(), folder)
    shown = on_terminal(["compile", "m.onnx"], folder)
    assert "compiling m.onnx" in shown and re.search(r"\r\x1b\[K(m\.c: |$)", shown), repr(shown)
    assert "compiling" not in on_terminal(["compile", "m.onnx", "--quiet"], folder)
    assert "\x1b" not in ctc_ok("compile", "m.onnx", cwd=folder).err
    wrong = on_terminal(["compile", "m.onnx", "--dim", "M=3"], folder)
    assert re.search(r"\x1b\[Km\.onnx: error", wrong), f"the error stands behind the progress: {wrong!r}"
