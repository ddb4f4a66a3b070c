"""Sequences and optional values of ONNX in emitted programs: what callers give and get, what a status tells, and
that nothing is left of a sequence whose elements are known.

random_sequences.py compares random programs with onnxruntime.
"""

import re
import sys

import numpy as np
from onnx import TensorProto, helper

from common import (
    BAD_INDEX,
    BAD_SHAPE,
    STRICT,
    checks_of,
    library,
    model,
    onnxruntime_outputs,
    refused,
    run_named,
    value,
)

FLOAT = TensorProto.FLOAT


def array(*shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sequence(name, shape=None):
    return helper.make_tensor_sequence_value_info(name, FLOAT, shape)


def optional(name, shape=None):
    tensor = helper.make_tensor_type_proto(FLOAT, shape)
    return helper.make_value_info(name, helper.make_optional_type_proto(tensor))


def same_values(actual, expected):
    """Lists of arrays, arrays, or None."""
    if isinstance(expected, list):
        assert len(actual) == len(expected), f"{len(actual)} elements, expected {len(expected)}"
        for pair in zip(actual, expected):
            same_values(*pair)
    elif expected is None:
        assert actual is None, actual
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        assert actual.shape == expected.shape, f"{actual.shape}, expected {expected.shape}"


def domain_model(node, given, result):
    """A model of one node of ai.onnx.ml."""
    graph = helper.make_graph([node], "test", [given], [result])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def expected_of_map(made, given):
    import onnxruntime

    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"m": given})


def collecting_loop(limit, part, more=()):
    """A loop that puts `part`, which `more` computes, behind the elements of a sequence."""
    body = helper.make_graph(
        [*more, helper.make_node("SequenceInsert", ["before", part], ["after"])],
        "body",
        [value("i", [], np.int64), value("go", [], bool), sequence("before")],
        [value("go", [], bool), sequence("after")],
    )
    return [
        helper.make_node("SequenceEmpty", [], ["empty"]),
        helper.make_node("Loop", [limit, "", "empty"], ["parts"], name="loop", body=body),
    ]


# --- what callers give and get ---


def check_elements_of_all_sizes(folder):
    made = model(
        [("SequenceInsert", ["s", "x", "at"], ["t"]), ("SequenceLength", ["t"], ["n"])],
        [sequence("s", [None, 3]), value("x", ["N", 3]), value("at", [], np.int64)],
        [sequence("t"), value("n", [], np.int64)],
    )
    net = library(made, folder)
    for lengths in ([], [2], [4, 0, 1]):
        parts = [array(n, 3, seed=n) for n in lengths]
        for at in range(-len(parts), len(parts) + 1):
            inputs = {"s": parts, "x": array(5, 3), "at": np.array(at)}
            same_values(net.run(inputs), onnxruntime_outputs(made, inputs))
        refused(net, [parts, array(5, 3), np.array(len(parts) + 1)], BAD_INDEX)
        refused(net, [parts, array(5, 3), np.array(-len(parts) - 1)], BAD_INDEX)
    refused(net, [[array(2, 4)], array(5, 3), np.array(0)], BAD_SHAPE)  # not the declared size
    refused(net, [[array(6)], array(5, 3), np.array(0)], BAD_SHAPE)  # nor the rank


def check_rows_that_contradict_the_data(folder):
    made = model(
        [("SequenceAt", ["s", "at"], ["y"])],
        [sequence("s", [None, None]), value("at", [], np.int64)],
        [value("y", None)],
    )
    net = library(made, folder)
    data, at = np.arange(12, dtype=np.float32), np.array(0)
    good = [2, 3, 4, 0, 0, 0, 0, 0]
    wrong = [
        [2, 3, 5, 0, 0, 0, 0, 0],
        [2, -3, -4, 0, 0, 0, 0, 0],
        [2, 3, 2**40, 0, 0, 0, 0, 0],
        [2, 2**62, 4, 0, 0, 0, 0, 0],
        [8, 3, 4, 0, 0, 0, 0, 0],
        [-1, 3, 4, 0, 0, 0, 0, 0],
        [1, 12, 0, 0, 0, 0, 0, 0],
    ]

    def run(row):
        net.values_in = net.inputs  # the ports as they are
        return net.run([data, np.array([row]), at])

    same_values(run(good), [data.reshape(3, 4)])
    for row in wrong:
        net_of = type("Ports", (), {"run": staticmethod(run)})
        refused(net_of, row, BAD_SHAPE)


def check_optional_inputs(folder):
    kept = helper.make_graph([helper.make_node("OptionalGetElement", ["o"], ["a"])], "kept", [], [value("a", None)])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "other", [], [value("b", None)])
    made = model(
        [
            ("OptionalHasElement", ["o"], ["has"]),
            helper.make_node("If", ["has"], ["y"], name="if", then_branch=kept, else_branch=other),
            ("Optional", ["y"], ["p"]),
        ],
        [optional("o", ["N"]), value("x", [3])],
        [value("y", [None]), value("has", [], bool), optional("p")],
        opset=18,
    )
    net = library(made, folder)
    x = array(3)
    for o in (None, array(5), array(0)):
        y = -x if o is None else o
        same_values(net.run([o, x]), [y, np.array(o is not None), y])


def check_absent_element(folder):
    made = model([("OptionalGetElement", ["o"], ["y"])], [optional("o", ["N"])], [value("y", [None])], opset=18)
    net = library(made, folder)
    same_values(net.run([array(4)]), [array(4)])
    refused(net, [None], BAD_INDEX)


def check_maps(folder):
    def net_of(op_type, dtype, **attributes):
        tensor = helper.make_tensor_type_proto(FLOAT, [])
        given = helper.make_value_info("m", helper.make_map_type_proto(TensorProto.INT64, tensor))
        node = helper.make_node(op_type, ["m"], ["y"], domain="ai.onnx.ml", **attributes)
        return domain_model(node, given, value("y", None, dtype))

    rows = [
        net_of("DictVectorizer", np.float32, int64_vocabulary=[5, 1, 9]),
        net_of("CastMap", np.float32, map_form="DENSE"),
        net_of("CastMap", np.int64, map_form="SPARSE", max_map=8, cast_to="TO_INT64"),
        net_of("CastMap", np.float32, map_form="SPARSE", max_map=3),
    ]
    for number, made in enumerate(rows):
        net = library(made, folder, name=f"net{number}")
        for m in ({9: 2.5, 1: -1.75, 7: 3.0}, {5: 4.0}):
            same_values(net.run([m]), expected_of_map(made, m))


# --- what is left of them ---


def check_known_elements_dissolve(folder):
    nodes = [
        ("SplitToSequence", ["x"], ["s"], {"axis": 1, "keepdims": 0}),
        ("SequenceAt", ["s", "two"], ["a"]),
        ("SequenceInsert", ["s", "z"], ["t"]),
        ("SequenceErase", ["t", "zero"], ["u"]),
        ("ConcatFromSequence", ["u"], ["c"], {"axis": 0, "new_axis": 1}),
        ("SequenceLength", ["u"], ["n"]),
    ]
    made = model(
        nodes,
        [value("x", ["N", 4]), value("z", ["N"])],
        [value("a", ["N"]), value("c", [4, "N"]), value("n", [], np.int64)],
        {"two": np.array(2), "zero": np.array(0)},
    )
    net = library(made, folder)
    inputs = {"x": array(5, 4), "z": array(5)}
    same_values(net.run(inputs), onnxruntime_outputs(made, inputs))
    assert "ctc_sequence" not in (folder / "net.c").read_text(), "something is left of the sequences"
    assert net.workspace_bytes([5]) == 0, net.workspace_bytes([5])


def check_growing_in_place(folder):
    """The time of a loop that collects n parts grows with n, and each part is copied once."""
    made = model(
        collecting_loop("n", "y", [helper.make_node("Neg", ["x"], ["y"])])
        + [("ConcatFromSequence", ["parts"], ["all"], {"axis": 0})],
        [value("x", [2, 3]), value("n", [], np.int64)],
        [value("all", [None, 3])],
    )
    net = library(made, folder)
    x = array(2, 3)
    for n in (1, 2, 7, 100):
        same_values(net.run([x, np.array(n)], capacity=128), [np.concatenate([-x] * n)])
    loop = re.search(r"for \(loop_iteration = 0.*?\n  }\n", (folder / "net.c").read_text(), re.S)[0]
    assert "parts" not in loop and len(re.findall(r"/\* .*SequenceInsert", loop)) == 1, loop


def check_two_versions_of_a_growing_sequence(folder):
    """What was there before an insertion stays as it is, though the sequence grows in its place."""
    body = helper.make_graph(
        [
            helper.make_node("SequenceInsert", ["before", "x"], ["once"]),
            helper.make_node("SequenceInsert", ["once", "x"], ["after"]),
            helper.make_node("SequenceLength", ["before"], ["n"]),
            helper.make_node("SequenceLength", ["once"], ["m"]),
            helper.make_node("SequenceAt", ["once", "last"], ["tip"]),
            helper.make_node("Add", ["tip", "x"], ["sum"]),
            helper.make_node("SequenceInsert", ["other", "sum"], ["others"]),
        ],
        "body",
        [value("i", [], np.int64), value("go", [], bool), sequence("before"), sequence("other")],
        [value("go", [], bool), sequence("after"), sequence("others"), value("n", [], np.int64), value("m", [], np.int64)],
    )
    made = model(
        [
            ("SequenceConstruct", ["x", "x"], ["start"]),
            helper.make_node("Loop", ["k", "", "start", "start"], ["a", "b", "n", "m"], name="loop", body=body),
        ],
        [value("x", [3]), value("k", [], np.int64)],
        [sequence("a"), sequence("b"), value("n", [None], np.int64), value("m", [None], np.int64)],
        {"last": np.array(-1)},
    )
    net = library(made, folder)
    for k in (0, 1, 5):
        inputs = {"x": array(3), "k": np.array(k)}
        same_values(net.run(inputs), onnxruntime_outputs(made, inputs))


def check_filter(folder):
    """A loop that keeps some of the rows: all of them are the bound, which the program knows."""
    yes = [helper.make_node("SequenceInsert", ["before", "row"], ["longer"])]
    no = [helper.make_node("Identity", ["before"], ["same"])]
    branches = {
        "then_branch": helper.make_graph(yes, "yes", [], [sequence("longer")]),
        "else_branch": helper.make_graph(no, "no", [], [sequence("same")]),
    }
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["x", "i"], ["row"]),
            helper.make_node("ReduceMax", ["row"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "limit"], ["keep"]),
            helper.make_node("If", ["keep"], ["after"], name="if", **branches),
        ],
        "body",
        [value("i", [], np.int64), value("go", [], bool), sequence("before")],
        [value("go", [], bool), sequence("after")],
    )
    made = model(
        [
            ("SequenceEmpty", [], ["empty"]),
            helper.make_node("Loop", ["n", "", "empty"], ["kept"], name="loop", body=body),
        ],
        [value("x", [20, 3]), value("limit", [])],
        [sequence("kept")],
        {"n": np.array(20)},
    )
    net = library(made, folder)
    for limit in (-9, 0.5, 9):
        inputs = {"x": array(20, 3), "limit": np.float32(limit)}
        same_values(net.run(inputs), onnxruntime_outputs(made, inputs))
    assert not any(dim.is_capacity for dim in net.dims), "the caller has to give a capacity"


def check_while_loop(folder):
    """A loop whose end only the run shows: how long the sequence may become is the caller's."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["v", "two"], ["w"]),
            helper.make_node("ReduceMax", ["w"], ["most"], keepdims=0),
            helper.make_node("Less", ["most", "limit"], ["on"]),
            helper.make_node("SequenceInsert", ["before", "w"], ["after"]),
        ],
        "body",
        [value("i", [], np.int64), value("go", [], bool), value("v", [3]), sequence("before")],
        [value("on", [], bool), value("w", [3]), sequence("after")],
    )
    made = model(
        [
            ("SequenceEmpty", [], ["empty"]),
            helper.make_node("Loop", ["", "true", "x", "empty"], ["last", "parts"], name="loop", body=body),
            ("ConcatFromSequence", ["parts"], ["all"], {"axis": 1, "new_axis": 1}),
        ],
        [value("x", [3]), value("limit", [])],
        [value("all", [3, None]), sequence("parts")],
        {"two": np.float32(2), "true": np.array(True)},
    )
    net = library(made, folder)
    for limit in (0, 10, 1e6):
        inputs = {"x": np.array([1, 2, 3], np.float32), "limit": np.float32(limit)}
        same_values(net.run(inputs), onnxruntime_outputs(made, inputs))


def check_strict_flags(folder):
    made = model(
        [("SequenceErase", ["s", "at"], ["t"]), ("ConcatFromSequence", ["t"], ["y"], {"axis": 1})],
        [sequence("s", [2, None]), value("at", [], np.int32)],
        [value("y", [2, None])],
    )
    net = library(made, folder, flags=STRICT)
    inputs = {"s": [array(2, n) for n in (1, 4, 2)], "at": np.array(1, np.int32)}
    same_values(net.run(inputs), onnxruntime_outputs(made, inputs))


if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
