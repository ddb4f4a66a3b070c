"""Which written-out normalisations become one kernel, and that this is not less exact.

Each form is compiled twice, with the pass fuse-normalization and without it; errors are measured against numpy in
float64.
"""

import functools

import numpy as np

from common import library, model, value
from random_norms import QUOTIENTS, SQUARES, Writer, norm, norm_gain, norm_twice, shifted

SHAPE, EPSILON = (3, 40, 70), 1e-5
SCALE, BIAS = np.random.default_rng(3).uniform(-2, 2, (2, SHAPE[-1])).astype(np.float32)


def scaled(w, y):
    y = w.node("Mul", y, w.constant(SCALE))
    return w.node("Add", w.constant(BIAS), y)


def with_gain(w, x, axes):
    return norm_gain(w, x, axes, w.constant(SCALE), w.constant(BIAS))


def gain_inside(w, x, axes):
    """x * (scale / sqrt(…)) without a mean"""
    _, variance = shifted(w, x, axes, False, "mul", EPSILON)
    gain = w.node("Mul", w.constant(SCALE), w.node("Reciprocal", w.node("Sqrt", variance)))
    return w.node("Add", w.node("Mul", gain, x), w.constant(BIAS))


# Name: what writes it, from a Writer, "x" and the axes; scale and bias included.
LAYER_NORMS = {f"{square}_{quotient}": (square, quotient) for square in SQUARES for quotient in QUOTIENTS}
FORMS = {
    f"{kind}_{name}": (
        "layer" if centred else "rms",
        lambda w, x, axes, parts=parts, centred=centred: scaled(w, norm(w, x, axes, centred, *parts)),
    )
    for kind, centred in (("layer", True), ("rms", False))
    for name, parts in LAYER_NORMS.items()
}
FORMS["twice"] = ("layer", lambda w, x, axes: scaled(w, norm_twice(w, x, axes)))
FORMS["gain"] = ("layer", with_gain)
FORMS["gain_only"] = ("layer", lambda w, x, axes: scaled(w, norm_gain(w, x, axes)))
FORMS["rms_gain"] = ("rms", gain_inside)


def exact(x, centred, row_axes):
    x = x.astype(np.float64)
    d = x - x.mean(row_axes, keepdims=True) if centred else x
    return d / np.sqrt((d * d).mean(row_axes, keepdims=True) + EPSILON) * SCALE + BIAS


def error(folder, name, made, x, expected, options):
    net = library(made, folder, name, options, flags=("-O2", "-w"))
    return np.sqrt(np.mean((net.run([x])[0] - expected) ** 2))


def check_form(folder, kind, write, shape, axes):
    w = Writer()
    y = write(w, "x", axes)
    made = model(w.nodes, [value("x", shape)], [value(y, None)], w.constants, opset=18)
    x = (2 * np.random.default_rng(5).standard_normal(shape) + 1).astype(np.float32)
    expected = exact(x, kind == "layer", tuple(axes))
    fused = error(folder, "fused", made, x, expected, [])
    plain = error(folder, "plain", made, x, expected, ["--disable-pass=fuse-normalization"])
    text = (folder / "fused.c").read_text()
    assert f"ctc_{kind}_norm_f32" in text and "ctc_reduce" not in text, "not one kernel"
    assert "_norm_f32" not in (folder / "plain.c").read_text(), "one kernel without the pass"
    assert fused <= 1.02 * plain, f"error {fused} instead of {plain}"


def not_taken(write):
    def check(folder):
        w = Writer()
        results = write(w)
        made = model(w.nodes, [value("x", SHAPE)], [value(y, None) for y in results], w.constants, opset=18)
        library(made, folder)
        assert "_norm_f32" not in (folder / "net.c").read_text()

    return check


def variance_is_a_result(w):
    d, variance = shifted(w, "x", [-1], True, "mul", EPSILON)
    return [w.node("Div", d, w.node("Sqrt", variance)), variance]


def epsilon_is_a_row(w):
    d, variance = shifted(w, "x", [-1], True, "mul", np.full((SHAPE[1], 1), EPSILON))
    return [w.node("Div", d, w.node("Sqrt", variance))]


def mean_of_other_axes(w):
    d = w.node("Sub", "x", w.mean("x", [1]))
    variance = w.node("Add", w.mean(w.node("Mul", d, d), [1]), w.constant(np.float32(EPSILON)))
    return [w.node("Div", d, w.node("Sqrt", variance))]


def not_divided_by_root(w):
    d, variance = shifted(w, "x", [-1], True, "mul", EPSILON)
    return [w.node("Div", w.node("Sqrt", variance), d)]


MISSES = [variance_is_a_result, epsilon_is_a_row, mean_of_other_axes, not_divided_by_root]


def all_checks():
    checks = {
        f"check_{name}": functools.partial(check_form, kind=kind, write=write, shape=SHAPE, axes=[-1])
        for name, (kind, write) in FORMS.items()
    }
    checks["check_two_axes"] = functools.partial(
        check_form, kind="layer", write=FORMS["layer_mul_div"][1], shape=(3, 1, 70), axes=[-2, -1]
    )
    checks |= {f"check_{miss.__name__}": not_taken(miss) for miss in MISSES}
    return checks
