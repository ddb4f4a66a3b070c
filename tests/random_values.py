"""The operators that draw random numbers: distribution, range, seeds. What no two implementations draw alike cannot be
compared number by number; five standard errors are allowed, and the numbers are the same on every machine."""

import sys

import numpy as np

from common import checks_of, library, model, run_named, value

COUNT = 40000
FLOATS = (np.float32, np.float64, np.float16)


def drawn(folder, op, result=np.float32, inputs=(), name="net", **attributes):
    """What one node gives, of type `result`; inputs are arrays."""
    names = [f"x{i}" for i in range(len(inputs))]
    ports = [value(n, a.shape, a.dtype) for n, a in zip(names, inputs)]
    net = library(model([(op, names, ["y"], attributes)], ports, [value("y", None, result)], opset=22), folder, name=name)
    (y,) = net.run(list(inputs))
    assert net.run(list(inputs))[0].tobytes() == y.tobytes(), "a second run gives other numbers"
    return y


def near(got, wanted, deviation, count=COUNT, what="mean"):
    """Whether the mean of `count` numbers with that deviation can be `got`."""
    assert abs(got - wanted) <= 5 * deviation / np.sqrt(count), f"{what} {got}, expected {wanted}"


def independent(x, what):
    """Neighbours, and those 2 and 64 places away, have nothing to do with each other."""
    x = (x - x.mean()) / x.std()
    for lag in (1, 2, 64):
        near(float(np.mean(x[:-lag] * x[lag:])), 0, 1, what=f"{what}: correlation over {lag}")


def check_normal(folder):
    for i, dtype in enumerate(FLOATS):
        y = drawn(folder, "RandomNormalLike", dtype, [np.zeros(COUNT, dtype)], f"n{i}", mean=3.0, scale=2.0, seed=7.0)
        z = (y.astype(np.float64) - 3) / 2
        near(z.mean(), 0, 1)
        near((z**2).mean(), 1, np.sqrt(2), what="variance")
        near((z**3).mean(), 0, np.sqrt(15), what="third moment")
        near((z**4).mean(), 3, np.sqrt(96), what="fourth moment")
        near((np.abs(z) < 1).mean(), 0.682689, 0.4655, what="share within one deviation")
        independent(z, "normal")


def check_normal_and_uniform_of_a_given_shape(folder):
    from onnx import TensorProto

    net = library(
        model(
            [("RandomNormal", [], ["a"], {"shape": [COUNT]}), ("RandomUniform", [], ["b"], {"shape": [COUNT], "dtype": TensorProto.DOUBLE})],
            [], [value("a", [COUNT]), value("b", [COUNT], np.float64)],
        ),
        folder,
    )
    a, b = net.run([])
    near(a.mean(), 0, 1)
    near(b.mean(), 0.5, np.sqrt(1 / 12))


def check_uniform(folder):
    for i, dtype in enumerate(FLOATS):
        y = drawn(folder, "RandomUniformLike", dtype, [np.zeros(COUNT, dtype)], f"u{i}", low=-1.0, high=3.0).astype(np.float64)
        assert y.min() >= -1 and y.max() <= 3
        near(y.mean(), 1, 4 * np.sqrt(1 / 12))
        near(((y - 1) ** 2).mean(), 4 / 3, 16 * np.sqrt(1 / 180), what="variance")
        for tenth in range(10):
            low = -1 + 0.4 * tenth
            near(((y >= low) & (y < low + 0.4)).mean(), 0.1, 0.3, what=f"share from {low:.1f}")
        independent(y, "uniform")


def check_bernoulli(folder):
    for i, dtype in enumerate(FLOATS):
        p = np.repeat(np.array([0, 0.1, 0.5, 0.9, 1], dtype), COUNT)
        y = drawn(folder, "Bernoulli", dtype, [p], f"b{i}", seed=5.0)
        assert set(np.unique(y)) <= {0, 1}
        for k in range(5):
            part, own = y[k * COUNT :][:COUNT].astype(np.float64), float(p[k * COUNT])
            near(part.mean(), own, np.sqrt(own * (1 - own)))
        independent(y[2 * COUNT :][:COUNT].astype(np.float64), "Bernoulli")
    p = np.full(COUNT, 0.3, np.float32)
    assert drawn(folder, "Bernoulli", np.int64, [p], "bi", dtype=7).dtype == np.int64


def check_multinomial(folder):
    weights = np.array([1, 2, 0, 5], np.float64)
    with np.errstate(divide="ignore"):
        x = np.log(np.tile(weights, (2, 1))).astype(np.float32)
    y = drawn(folder, "Multinomial", np.int32, [x], sample_size=COUNT, seed=1.0)
    assert y.shape == (2, COUNT) and not np.array_equal(y[0], y[1])
    for row in y:
        for k, share in enumerate(weights / weights.sum()):
            near((row == k).mean(), share, np.sqrt(share * (1 - share)), what=f"share of class {k}")
        independent(row.astype(np.float64), "Multinomial")


def check_seeds(folder):
    like = np.zeros(100, np.float32)
    a, b = (drawn(folder, "RandomNormalLike", np.float32, [like], f"s{i}", seed=4.0) for i in range(2))
    other = drawn(folder, "RandomNormalLike", np.float32, [like], "o", seed=5.0)
    assert np.array_equal(a, b), "the same seed gives other numbers"
    assert not np.any(a == other), "another seed gives the same numbers"
    nodes = [("RandomNormalLike", ["x"], ["a"]), ("RandomNormalLike", ["x"], ["b"])]
    a, b = library(model(nodes, [value("x", [100])], [value("a", [100]), value("b", [100])]), folder, "t").run([like])
    assert not np.any(a == b), "two nodes without seeds draw the same numbers"


# --- Dropout ---


def dropout_net(folder, constants, dtype=np.float32, inputs=("x",), name="net", opset=22, **attributes):
    """Dropout whose ratio and training_mode are inputs or constants; y and mask."""
    shapes = {"x": ([COUNT], dtype), "ratio": ([], np.float32), "training": ([], bool)}
    node = ("Dropout", ["x", "ratio" if "ratio" in (*constants, *inputs) else "", "training"], ["y", "mask"], attributes)
    ports = [value(n, *shapes[n]) for n in inputs]
    outputs = [value("y", [COUNT], dtype), value("mask", [COUNT], bool)]
    return library(model([node], ports, outputs, constants, opset), folder, name=name)


def expect_dropped(x, y, mask, ratio):
    """Mask and result belong together; as much as asked for was dropped."""
    precision = {2: 1e-3, 4: 1e-6, 8: 1e-12}[x.dtype.itemsize]
    assert mask.dtype == bool and y.dtype == x.dtype
    np.testing.assert_allclose(y, np.where(mask, x.astype(np.float64) / (1 - ratio), 0), rtol=precision)
    near(1 - mask.mean(), ratio, np.sqrt(ratio * (1 - ratio)), what="share that was dropped")
    near(y.astype(np.float64).mean(), x.astype(np.float64).mean(), 3 * float(np.abs(x).max()))
    independent(mask.astype(np.float64), "mask")


def sample(dtype=np.float32):
    return np.random.default_rng(1).uniform(1, 2, COUNT).astype(dtype)


def check_dropout_of_each_type_and_version(folder):
    for i, (dtype, opset) in enumerate([(np.float32, 12), (np.float64, 13), (np.float16, 22), (np.float32, 22)]):
        x = sample(dtype)
        net = dropout_net(folder, {"ratio": np.float32(0.25), "training": np.array(True)}, dtype, name=f"d{i}", opset=opset, seed=3)
        expect_dropped(x, *net.run([x]), 0.25)


def check_dropout_asked_at_run_time(folder):
    x = sample()
    net = dropout_net(folder, {}, inputs=("x", "ratio", "training"))
    for ratio in (0.1, 0.75):
        expect_dropped(x, *net.run([x, np.float32(ratio), np.array(True)]), np.float64(np.float32(ratio)))
    for ratio, training in ((0.75, False), (0, True)):
        y, mask = net.run([x, np.float32(ratio), np.array(training)])
        assert np.array_equal(x, y) and mask.all()
    y, mask = net.run([x, np.float32(1), np.array(True)])
    assert not y.any() and not mask.any()


def check_dropout_by_default_drops_half(folder):
    x = sample()
    expect_dropped(x, *dropout_net(folder, {}, inputs=("x", "training")).run([x, np.array(True)]), 0.5)


def check_dropout_in_inference(folder):
    x = sample()
    for i, constants in enumerate([{"training": np.array(False)}, {"training": np.array(True), "ratio": np.float32(0)}]):
        y, mask = dropout_net(folder, constants, name=f"i{i}").run([x])
        assert np.array_equal(x, y) and mask.all()


def check_dropout_seeds(folder):
    constants = {"ratio": np.float32(0.5), "training": np.array(True)}
    masks = [dropout_net(folder, constants, name=f"s{i}", seed=seed).run([sample()])[1] for i, seed in enumerate((3, 3, 4))]
    assert np.array_equal(masks[0], masks[1]), "the same seed gives another mask"
    near((masks[0] == masks[2]).mean(), 0.5, 0.5, what="share in which two seeds agree")


def check_dropout_of_two_nodes(folder):
    """One behind the other, and alone on y: each draws for itself, and what is between stays."""
    constants = {"ratio": np.float32(0.5), "training": np.array(True)}
    nodes = [("Dropout", ["x", "ratio", "training"], ["a"]), ("Dropout", ["a", "ratio", "training"], ["y"])]
    (y,) = library(model(nodes, [value("x", [COUNT])], [value("y", [COUNT])], constants), folder).run([sample()])
    near((y != 0).mean(), 0.25, np.sqrt(0.25 * 0.75), what="share that both keep")
    kept = y[y != 0] / sample()[y != 0]
    np.testing.assert_allclose(kept, 4, rtol=1e-6)


if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
