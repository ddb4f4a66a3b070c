"""`ctc plugin new`, `check` and `list`: skeletons pass as they are, and every test of `check` fails where it should, with its message."""
import copy
import json
import os
import re
import shutil

import errors
from common import ctc, ctc_ok
from plugins import GDN, GDN_KERNEL, POINTWISE, POINTWISE_KERNEL, SWISH, SWISH_KERNEL, SWISH_VECTOR, WINDOW, WINDOW_KERNEL, write

SEED = ["--seed", "7"]
DOCUMENTED = errors.documented_messages()
GDN_GRADIENT = """/* gradient.c: of GDN that is not inverse; the place of each x is that of one y */

//$ for t in f32 f64
static void gdn_gradient_$t(const $T *x, const $T *beta, const $T *gamma, const $T *grad_y, $T *grad_x, $T *grad_beta,
                            $T *grad_gamma, ctc_dim N, ctc_dim C, ctc_dim rest, ctc_dim inverse) {
  for (ctc_dim i = 0; i < N * C * rest; i++) grad_x[i] = 0;
  for (ctc_dim c = 0; c < C; c++) grad_beta[c] = 0;
  for (ctc_dim i = 0; i < C * C; i++) grad_gamma[i] = 0;
  for (ctc_dim n = 0; n < N; n++)
    for (ctc_dim i = 0; i < rest; i++)
      for (ctc_dim c = 0; c < C; c++) {
        const $T *from = x + n * C * rest + i;
        const $T grad = grad_y[(n * C + c) * rest + i];
        $T norm = beta[c];
        for (ctc_dim k = 0; k < C; k++) norm += gamma[c * C + k] * from[k * rest] * from[k * rest];
        const $T root = ctc_sqrt_$t(norm);
        const $T by_norm = grad * from[c * rest] * (inverse ? 1 / (2 * root) : -1 / (2 * norm * root));
        grad_x[(n * C + c) * rest + i] += inverse ? grad * root : grad / root;
        grad_beta[c] += by_norm;
        for (ctc_dim k = 0; k < C; k++) {
          grad_gamma[c * C + k] += by_norm * from[k * rest] * from[k * rest];
          grad_x[(n * C + k) * rest + i] += by_norm * gamma[c * C + k] * 2 * from[k * rest];
        }
      }
}
//$ end
"""
SWISH_GRADIENT = """/* gradient.c */

//$ for t in f32 f64
static inline $T scaledswish_grad_x_$t($T x, $T alpha, $T beta) {
  const $T s = ctc_sigmoid_$t(beta * x);
  return alpha * (s + beta * x * s * (1 - s));
}
//$ end
"""


def tensor(dtype, shape, data):
    return {"dtype": dtype, "shape": shape, "data": data}


def gdn_case(**more):
    case = {"inputs": {"x": tensor("float32", [1, 2, 1], [3, -4]), "beta": tensor("float32", [2], [1, 0]),
                       "gamma": tensor("float32", [2, 2], [[0, 0.5], [1, 1]])},
            "outputs": {"y": tensor("float32", [1, 2, 1], [[1], [-0.8]])}}
    return {**case, **more}


# alpha * x * sigmoid(beta x), beta = 0
SWISH_CASE = {"attributes": {"beta": 0}, "inputs": {"x": tensor("float64", [1, 2], [2, 4]), "alpha": tensor("float64", [2], [1, 3])},
              "outputs": {"y": tensor("float64", [1, 2], [1, 6])}}
WINDOW_CASE = {"attributes": {"stride": 1, "weights": [1, 2], "pads": [0, 1]},
               "inputs": {"x": tensor("float32", [1, 3], [1, 2, 3]), "shift": tensor("int64", [1], [1])},
               "outputs": {"y": tensor("float32", [1, 3], [8, 5, 1])}}


def plugin(folder, descriptor, kernel, cases=None, gradient=None, name="p"):
    path = write(folder, descriptor, kernel, name)
    if cases is not None:
        (path / "cases.json").write_text(cases if isinstance(cases, str) else json.dumps({"cases": cases}, indent=1))
    if gradient is not None:
        (path / "gradient.c").write_text(gradient)
    return path


def passes(folder, *arguments, **more):
    plugin(folder, *arguments, **more)
    done = ctc("plugin", "check", more.get("name", "p"), *SEED, cwd=folder)
    assert done.status == 0 and not done.err, done.out + done.err
    return done.out


def fails(folder, stage, *messages, options=()):
    """`ctc plugin check p` says that the stage failed, and each of the messages."""
    done = ctc("plugin", "check", "p", *SEED, *options, cwd=folder)
    text = done.out + done.err
    assert done.status == 1, text
    assert stage is None or re.search(rf"^  {stage} +FAILED$", done.out, re.M), text
    for message in messages:
        assert message in done.err, f"{message!r} is not in\n{text}"
    for message in re.findall(r"^\S.*?: error: (.*)$", done.err, re.M):
        assert any(pattern.match(message) for pattern in DOCUMENTED), f"docs/errors.md does not explain: {message}"
    shutil.rmtree(folder / "p")
    return text


def replaced(text, old, new):
    assert old in text, old
    return text.replace(old, new)


# --- new ---


def check_new(folder):
    """Both skeletons pass as they are, whatever the seed; the files keep what is in the way."""
    for name, options in [("MyNorm", []), ("my_act2", ["--elementwise"])]:
        ctc_ok("plugin", "new", name, *options, cwd=folder)
        assert sorted(os.listdir(folder / name.lower())) == ["cases.json", "gradient.c", "kernel.c", "layer.json"]
        for seed in (1, 2, 3):
            text = ctc_ok("plugin", "check", name.lower(), "--seed", seed, cwd=folder).out
            assert len(re.findall(r"^  \w.* ok", text, re.M)) == 5 and f"--seed {seed}" in text, text
        (folder / name.lower() / "kernel.c").write_text("mine")
        again = ctc("plugin", "new", name, *options, cwd=folder)
        assert again.status == 1 and "cannot make the folder" in again.err, again.err
        assert (folder / name.lower() / "kernel.c").read_text() == "mine"


def check_new_names(folder):
    for name in ("my-norm", "2norm", "a/b", "..", "CTC", "", "x" * 61, "ö"):
        wrong = ctc("plugin", "new", name, cwd=folder)
        assert wrong.status == 2 and "a layer cannot be called" in wrong.err, (name, wrong.err)
    assert not os.listdir(folder)


# --- list ---


def check_list(folder):
    """With --plugin, in ctc.plugins, on CTC_PLUGIN_PATH; a wrong one is reported beside those that are right."""
    assert "no plugins" in ctc_ok("plugin", "list", cwd=folder).out
    write(folder / "ctc.plugins", SWISH, SWISH_KERNEL, "swish")
    write(folder, POINTWISE, POINTWISE_KERNEL, "conv")
    write(folder, GDN, GDN_KERNEL, "gdn")
    text = ctc_ok("plugin", "list", "--plugin", "gdn", "--plugin", "conv", cwd=folder).out
    lines = [line.split("  ") for line in text.splitlines() if not line.startswith(" ")]
    rows = {parts[0]: (parts[-2].strip() or parts[-3].strip(), parts[-1].strip()) for parts in [[p for p in line if p] for line in lines]}
    assert rows["ctc.layers.GDN 1"] == ("kernel", "gdn"), text
    assert rows["ctc.layers.VendorConv 1"] == ("replaces Conv", "conv"), text
    assert rows["ctc.layers.ScaledSwish 1"][0] == "elementwise" and rows["ctc.layers.ScaledSwish 1"][1].endswith("ctc.plugins/swish"), text
    assert GDN["summary"] in text
    write(folder / "ctc.plugins", {}, "", "wrong")
    wrong = ctc("plugin", "list", cwd=folder)
    assert wrong.status == 1 and "wrong/layer.json" in wrong.err and "ScaledSwish" in wrong.out, wrong.out + wrong.err


# --- plugins that are right ---


def check_kernels(folder):
    text = passes(folder, GDN, GDN_KERNEL, [gdn_case(), gdn_case(name="inverse", attributes={"inverse": True}, outputs={
        "y": tensor("float32", [1, 2, 1], [9, -20])})], GDN_GRADIENT)
    assert re.search(r"cases +ok: 2 cases", text) and re.search(r"gradient +ok: \d\d+ derivatives", text), text
    text = passes(folder, SWISH, SWISH_VECTOR, [SWISH_CASE], SWISH_GRADIENT, name="swish")
    assert re.search(r"random +ok: 480 calls of 2 functions", text), text
    passes(folder, WINDOW, WINDOW_KERNEL, [WINDOW_CASE], name="window")
    passes(folder, POINTWISE, POINTWISE_KERNEL, name="conv")
    both = ctc("plugin", "check", "swish", "window", "--calls", 5, cwd=folder)
    assert both.status == 0 and "0 of 2 plugins are wrong" in both.out, both.out + both.err


def check_outputs_left_out(folder):
    """A case need not say all outputs, and left-out ones are not compared; all others are."""
    descriptor = {**WINDOW, "outputs": [*WINDOW["outputs"], {"name": "z", "dtype": "T", "shape": ["B"]}]}
    kernel = replaced(WINDOW_KERNEL, "$T *y,", "$T *y, $T *z,").replace("return CTC_OK;", "for (ctc_dim b = 0; b < B; b++) z[b] = 7;\n  return CTC_OK;")
    passes(folder, descriptor, kernel, [WINDOW_CASE])
    shutil.rmtree(folder / "p")
    plugin(folder, descriptor, kernel, [{**WINDOW_CASE, "outputs": {"z": tensor("float32", [1], [6])}}])
    fails(folder, "cases", "element 0 of output 'z' is 7, expected is 6")


def check_tight_sizes(folder):
    """Sizes that only a case tells."""
    descriptor = copy.deepcopy(GDN)
    descriptor["checks"] = [{"condition": "C == 37 && rest == 11", "message": "it must be so"}]
    plugin(folder, descriptor, GDN_KERNEL)
    fails(folder, "random", "p/layer.json: error: random: no sizes were found that gdn_f32 may be called with", "hint: a case")
    case = {"inputs": {"x": tensor("float32", [1, 37, 11], [0] * 407), "beta": tensor("float32", [37], [1] * 37),
                       "gamma": tensor("float32", [37, 37], [0] * 37**2)}, "outputs": {"y": tensor("float32", [1, 37, 11], [0] * 407)}}
    passes(folder, descriptor, GDN_KERNEL, [case])


# --- cases.json ---


def check_wrong_cases(folder):
    """Everything that is wrong in cases.json has its place."""
    wrong = {
        '"name": 3': (gdn_case(name=3), "p/cases.json:", "/cases/0/name: error: expected a string"),
        "no input": (gdn_case(inputs={}), "/cases/0/inputs: error: the input 'x' is missing"),
        "input": (gdn_case(inputs={**gdn_case()["inputs"], "gama": tensor("float32", [], [1])}), "GDN has no input 'gama'", "did you mean 'gamma'?"),
        "count": (gdn_case(outputs={"y": tensor("float32", [1, 2, 1], [1])}), "/cases/0/outputs/y/data: error: it has 1 elements, its shape 2"),
        "element": (gdn_case(outputs={"y": tensor("float32", [1, 2, 1], [1, "inf"])}), "an element must be a number, \"NaN\""),
        "range": (gdn_case(outputs={"y": tensor("uint8", [1, 2, 1], [1, 256])}), "256 is no element of type uint8"),
        "attribute": (gdn_case(attributes={"invers": 1}), "GDN has no attribute 'invers'", "did you mean 'inverse'?"),
        "attribute kind": (gdn_case(attributes={"inverse": "yes"}), "attribute 'inverse' must be an integer"),
    }
    for case, *messages in wrong.values():
        plugin(folder, GDN, GDN_KERNEL, [case])
        fails(folder, "cases.json", *messages)
    plugin(folder, GDN, GDN_KERNEL, '{"cases": [}')
    fails(folder, "cases.json", "p/cases.json:1:12")
    case = copy.deepcopy(WINDOW_CASE)
    del case["attributes"]["stride"]
    plugin(folder, WINDOW, WINDOW_KERNEL, [case])
    fails(folder, "cases.json", "the attribute 'stride' is missing")


def check_case_against_descriptor(folder):
    plugin(folder, GDN, GDN_KERNEL, [gdn_case(attributes={"inverse": 2})])
    fails(folder, "cases", "p/cases.json:", "/cases/0: node '' (ctc.layers.GDN): error: attribute 'inverse' must be 0 or 1, but is 2")
    inputs = {**gdn_case()["inputs"], "beta": tensor("float32", [3], [1, 2, 3])}
    plugin(folder, GDN, GDN_KERNEL, [gdn_case(inputs=inputs)])
    fails(folder, "cases", "error: dim 0 of input 1 ('beta')")


def check_case_fails(folder):
    plugin(folder, GDN, GDN_KERNEL, [gdn_case(), gdn_case(name="other", outputs={"y": tensor("float32", [1, 2, 1], [1, -0.9])})])
    fails(folder, "cases", "/cases/1: error: case 1 'other': element 1 of output 'y' is -0.8", "expected is -0.9", "note: 1 of 2 elements")
    plugin(folder, GDN, GDN_KERNEL, [gdn_case(rtol=0.2, outputs={"y": tensor("float32", [1, 2, 1], [1, -0.9])})])
    ctc_ok("plugin", "check", "p", *SEED, cwd=folder)
    shutil.rmtree(folder / "p")
    plugin(folder, GDN, GDN_KERNEL, [gdn_case(outputs={"y": tensor("float32", [2, 1], [1, -0.8])})])
    fails(folder, "cases", "case 0: output 'y' is float32[1, 2, 1], expected is float32[2, 1]")
    case = {**WINDOW_CASE, "inputs": {**WINDOW_CASE["inputs"], "shift": tensor("int64", [1], [3])}}
    plugin(folder, WINDOW, WINDOW_KERNEL, [case])
    fails(folder, "cases", "case 0: the kernel returned status 3")


# --- kernels that are wrong ---


def check_descriptor(folder):
    plugin(folder, {**GDN, "units": "M"}, GDN_KERNEL)
    fails(folder, None, "p/layer.json:", "error: 'M': ")


def check_warning(folder):
    line = 1 + GDN_KERNEL[: GDN_KERNEL.index("square[i] =")].count("\n")
    plugin(folder, GDN, replaced(GDN_KERNEL, "square[i] = from[i] * from[i];", "square[i] = from[i] * from[i], rest;"))
    fails(folder, "warnings", f"p/kernel.c:{line}:", "-Werror=unused-value")
    plugin(folder, GDN, replaced(GDN_KERNEL, "$T norm = beta[c];", "int many = rest;\n        $T norm = beta[c] + ($T)many;"))
    fails(folder, "warnings", "-Werror=conversion")


def check_cxx(folder):
    """What is C but no C++."""
    plugin(folder, GDN, replaced(GDN_KERNEL, "const $T *from = x + n * C * rest;", "const void *bytes = x + n * C * rest;\n    const $T *from = bytes;"))
    fails(folder, "warnings", "p/kernel.c:", "invalid conversion")


def check_out_of_bounds(folder):
    line = 1 + GDN_KERNEL[: GDN_KERNEL.index("square[i] =")].count("\n")
    plugin(folder, GDN, replaced(GDN_KERNEL, "i < C * rest; i++) square", "i <= C * rest; i++) square"))
    text = fails(folder, "random", "p/kernel.c: error: random call ", "the function crashed", "note: heap-buffer-overflow", f"note: in gdn_f32 p/kernel.c:{line}", "located ",
                 "note: gdn_f32 with x float32[")
    assert "--seed 7" in text, text


def check_undefined_behaviour(folder):
    plugin(folder, WINDOW, replaced(WINDOW_KERNEL, "if (shift[b] < 0 ||", "const $I far = ($I)(shift[b] * 1000000000);\n    if (shift[b] < 0 || far == L ||"))
    fails(folder, "random", "signed integer overflow: ")


def check_not_written(folder):
    plugin(folder, GDN, replaced(GDN_KERNEL, "y[(n * C + c) * rest + i] =", "if (c || C < 3) y[(n * C + c) * rest + i] ="))
    fails(folder, "random", "element 0 of 'y' is not written", "note: gdn_")


def check_depends_on_memory(folder):
    plugin(folder, GDN, replaced(GDN_KERNEL, "for (ctc_dim i = 0; i < C * rest; i++) square", "for (ctc_dim i = 1; i < C * rest; i++) square"))
    fails(folder, "random", "of 'y' depends on what the memory held before")


def check_input_written(folder):
    plugin(folder, GDN, replaced(GDN_KERNEL, "const $T *from = x + n * C * rest;", "$T *from = ($T *)(uintptr_t)(x + n * C * rest);\n    if (C * rest > 0) from[0] += 1;"))
    fails(folder, "random", "element 0 of 'x' was written to, but it is an input")


def check_units(folder):
    """A unit that needs the one before it; two that share scratch memory."""
    plugin(folder, GDN, replaced(GDN_KERNEL, "$T norm = beta[c];", "$T norm = beta[c] + (n > 0 ? y[i] : 0);"))
    fails(folder, "random", "of 'y' is another one when the units are done one by one")
    plugin(folder, GDN, replaced(GDN_KERNEL, "$T *square = squares + n * C * rest;", "$T *square = squares;"))
    fails(folder, "random", "of 'squares' is written by the parts 0 and 1 of the units")


def check_endless(folder):
    plugin(folder, GDN, replaced(GDN_KERNEL, "for (ctc_dim i = 0; i < C * rest; i++) square[i] = from[i] * from[i];",
                                 "for (ctc_dim i = 0; i != C * rest; i += 2) square[i % (C * rest)] = from[i % (C * rest)];"))
    fails(folder, "random", "the function crashed, or did not end", options=["--calls", "20"])


def check_vector_form(folder):
    plugin(folder, SWISH, replaced(SWISH_VECTOR, "ctc_sigmoid_v(ctc_mul_v(beta, x))", "ctc_sigmoid_v(ctc_add_v(beta, x))"))
    fails(folder, "random", "of the vector form scaledswish_v, and ", " of scaledswish_f32")


# --- gradients that are wrong ---


def check_gradients(folder):
    for old, new in [("grad_beta[c] += by_norm;", "grad_beta[c] += 2 * by_norm;"), ("gamma[c * C + k] * 2 * from", "gamma[k * C + c] * 2 * from"),
                     ("inverse ? grad * root : grad / root", "grad / root")]:
        plugin(folder, GDN, GDN_KERNEL, [gdn_case()], replaced(GDN_GRADIENT, old, new))
        fails(folder, "gradient", "p/gradient.c: error: ", ": the derivative by element ", "differences give", "note: gdn_gradient_")
    plugin(folder, SWISH, SWISH_KERNEL, None, replaced(SWISH_GRADIENT, "(1 - s)", "(2 - s)"))
    fails(folder, "gradient", "p/gradient.c: error: ", "of 'x' is")
    plugin(folder, GDN, GDN_KERNEL, None, replaced(GDN_GRADIENT, "for (ctc_dim c = 0; c < C; c++) grad_beta[c] = 0;", ""))
    fails(folder, "gradient", "element 0 of 'grad_beta' is not written")
    plugin(folder, GDN, GDN_KERNEL, None, replaced(GDN_GRADIENT, "i < C * C; i++", "i <= C * C; i++"))
    fails(folder, "gradient", "p/gradient.c: error:", "heap-buffer-overflow")


def check_gradient_prototypes(folder):
    """gradient.c is read like kernel.c."""
    for gradient, message in [
        (replaced(GDN_GRADIENT, "gdn_gradient_$t", "gdn_grad_$t"), "p/gradient.c: error: there is no kernel 'gdn_gradient_f32'"),
        (replaced(GDN_GRADIENT, "grad_beta", "grad_bet"), "parameter 'grad_bet' of 'gdn_gradient_f32' is nothing that layer.json names"),
        (replaced(GDN_GRADIENT, "const $T *grad_y", "$T *grad_y"), "parameter 'grad_y' of 'gdn_gradient_f32' must be 'const float *grad_y'"),
        ("/* gradient.c */\n\nstatic void gdn_gradient_f32(const float *x, ctc_dim C) { (void)x; (void)C; }\n\n"
         "static void gdn_gradient_f64(const double *x, ctc_dim C) { (void)x; (void)C; }\n", "'gdn_gradient_f32' has no parameter such as 'grad_x'"),
    ]:
        plugin(folder, GDN, GDN_KERNEL, None, gradient)
        fails(folder, None, message)
    plugin(folder, SWISH, SWISH_KERNEL, None, replaced(SWISH_GRADIENT, "grad_x", "gradient_x"))
    fails(folder, None, "p/gradient.c: error: it has no derivative, such as 'scaledswish_grad_x_…'")


def check_gradient_nowhere(folder):
    """Where nothing is finite there is nothing to compare, and that is said."""
    plugin(folder, SWISH, replaced(SWISH_KERNEL, "alpha * x", "ctc_sqrt_$t(-1 - x * x) * alpha * x"), None, SWISH_GRADIENT)
    fails(folder, "gradient", "p/gradient.c: error: no derivative could be compared")


def check_compiler(folder):
    """A C compiler that is not there; one that is clang."""
    plugin(folder, SWISH, SWISH_KERNEL, [SWISH_CASE])
    ctc_ok("plugin", "check", "p", "--cc", "clang", *SEED, cwd=folder)
    fails(folder, "warnings", "cannot run the C compiler 'nowhere-cc'", options=["--cc", "nowhere-cc"])
