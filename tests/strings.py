"""Operators on strings against onnxruntime (and, where it has none of a kind, Python): many nodes in a model, compiled as strict C99."""

import platform
import re
import subprocess

import numpy as np

import ctc_model
from common import STRICT, ctc_ok, library, save, onnxruntime_outputs, run_named, checks_of
from common import refused

STRING, INT64, FLOAT, BOOL = 8, 7, 1, 9
CAPACITY_TOO_SMALL = 5
TEXTS = ["", "a", "Abc", " two  words ", "a,b,,c", "ÄÖß éÈ Ωμ", "ſtraße İı ǅ ꭓ", "日本語 テキスト", "🙂 𐐀𐐨", "x" * 40, "\t tab\nline ", "1.5", "ȺȾ"]


def made(nodes, inputs, opset=20, ml=3):
    """A model of (operator, inputs, outputs with types, attributes, domain); inputs {name: (type, shape)}."""
    from onnx import helper

    parts, outputs = [], []
    for op, ins, outs, attributes, *domain in nodes:
        parts.append(helper.make_node(op, ins, [name for name, _ in outs], domain=domain[0] if domain else "", **attributes))
        outputs += [helper.make_tensor_value_info(name, kind, None) for name, kind in outs if kind]
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    graph = helper.make_graph(parts, "g", infos, outputs)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def texts(*values, shape=None):
    array = np.array(values, dtype=object)
    return array if shape is None else array.reshape(shape)


def compiled(model, folder, options=()):
    return library(model, folder, options=options, flags=("-O1", *STRICT))


def expect_equal(got, expected, names=None):
    for i, (a, e) in enumerate(zip(got, expected, strict=True)):
        name = names[i] if names else i
        assert a.shape == e.shape, f"{name}: shape {a.shape}, expected {e.shape}"
        if e.dtype.kind in "OU":
            wrong = [pair for pair in zip(a.ravel().tolist(), e.ravel().tolist()) if pair[0] != pair[1]]
            assert not wrong, f"{name}: (result, expected) = {wrong[:5]}"
        else:
            assert a.dtype == e.dtype, f"{name}: type {a.dtype}, expected {e.dtype}"
            np.testing.assert_allclose(a.astype(np.float64), e.astype(np.float64), rtol=1e-5, atol=1e-6, err_msg=str(name))


def compare(model, folder, inputs, options=()):
    """ctc's results are onnxruntime's."""
    names = [output.name for output in model.graph.output]
    expect_equal(compiled(model, folder, options).run(inputs), onnxruntime_outputs(model, inputs), names)


# --- moving strings ---


def check_movement(folder):
    from onnx import helper

    def ints(name, *values):
        return helper.make_node("Constant", [], [name], value_ints=values)

    nodes = [
        ("Transpose", ["x"], [("transpose", STRING)], {}),
        ("Concat", ["x", "x"], [("concat", STRING)], {"axis": 1}),
        ("Reshape", ["x", "flat"], [("reshape", STRING)], {}),
        ("Slice", ["x", "one", "three", "one"], [("slice", STRING)], {}),
        ("Gather", ["x", "pick"], [("gather", STRING)], {"axis": 1}),
        ("GatherElements", ["x", "element"], [("elements", STRING)], {"axis": 0}),
        ("GatherND", ["x", "element"], [("gathernd", STRING)], {}),
        ("Expand", ["x", "larger"], [("expand", STRING)], {}),
        ("Tile", ["x", "larger2"], [("tile", STRING)], {}),
        ("Where", ["mask", "x", "fill"], [("where", STRING)], {}),
        ("Split", ["x"], [("first", STRING), ("second", STRING)], {"axis": 1, "num_outputs": 2}),
        ("Unsqueeze", ["x", "one"], [("unsqueeze", STRING)], {}),
        ("Flatten", ["x"], [("flatten", STRING)], {}),
        ("Identity", ["x"], [("identity", STRING)], {}),
        ("Compress", ["x", "keep"], [("compress", STRING)], {"axis": 1}),
        ("ScatterElements", ["x", "element", "updates"], [("scatter", STRING)], {"axis": 0}),
        ("Size", ["x"], [("size", INT64)], {}),
        ("Shape", ["x"], [("shape", INT64)], {}),
        ("Equal", ["x", "fill"], [("equal", BOOL)], {}),
    ]
    model = made(
        nodes,
        {"x": (STRING, ["n", 4]), "fill": (STRING, [1, 4]), "mask": (BOOL, ["n", 1]), "keep": (BOOL, [4]), "updates": (STRING, [1, 2])},
    )
    constants = {"flat": [-1], "one": [1], "three": [3], "pick": [3, 0, -1], "larger": [2, 1, 1], "larger2": [2, 1]}
    nodes = [ints(name, *values) for name, values in constants.items()]
    nodes += [helper.make_node("Constant", [], ["element"], value=helper.make_tensor("e", INT64, [1, 2], [1, 0]))]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    inputs = {
        "x": texts(*TEXTS[:12], shape=(3, 4)),
        "fill": texts("a", "b", "Abc", "", shape=(1, 4)),
        "mask": np.array([[True], [False], [True]]),
        "keep": np.array([True, False, False, True]),
        "updates": texts("new", "er", shape=(1, 2)),
    }
    compare(model, folder, inputs)


def check_constants(folder):
    """Strings of constants, with everything that C has to escape, folded or not."""
    from onnx import helper

    odd = ['quote " and \\', "what??/ trigraph", "\x01\x7f123", "tab\t", "日本", "", "0", "é9"]
    nodes = [("Where", ["mask", "odd", "x"], [("y", STRING)], {}), ("Gather", ["odd", "at"], [("z", STRING)], {})]
    model = made(nodes, {"x": (STRING, [8]), "mask": (BOOL, [8]), "at": (INT64, [2])})
    for name in ("odd", "twice"):
        model.graph.node.insert(0, helper.make_node("Constant", [], [name], value_strings=odd))
    model.graph.node.append(helper.make_node("StringConcat", ["odd", "twice"], ["folded"]))
    model.graph.output.append(helper.make_tensor_value_info("folded", STRING, [8]))
    inputs = {"x": texts(*TEXTS[:8]), "mask": np.arange(8) % 2 == 0, "at": np.array([5, -2])}
    compare(model, folder, inputs)
    (folder / "file").mkdir()
    compare(model, folder / "file", inputs, ["--weights=string"])


def check_pointer_size(folder):
    """A program with strings is refused by a compiler whose pointers have 32 bits, others are not."""
    if platform.machine() != "x86_64":
        print("skipped: gcc has -m32 for x86-64 only")
        return
    (folder / "libc").mkdir()
    for header in ("math.h", "string.h"):  # the C library for 32 bits may not be there
        (folder / "libc" / header).write_text("")
    for kind, name in ((STRING, "texts"), (FLOAT, "numbers")):
        model = made([("Transpose", ["x"], [("y", kind)], {})], {"x": (kind, [2, 3])})
        ctc_ok("compile", save(model, folder, f"{name}.onnx"), "-o", folder / f"{name}.c", "--quiet")
        for bits in ("-m32", "-m64"):
            command = ["gcc", bits, "-E", "-ffreestanding", "-Ilibc", f"{name}.c"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            refused = "tensors of strings need pointers of 64 bits" in done.stderr
            assert refused == (done.returncode != 0) == (name == "texts" and bits == "-m32"), f"{command}: {done.stderr[:500]}"


# --- making strings ---


def check_concat(folder):
    nodes = [
        ("StringConcat", ["x", "y"], [("z", STRING)], {}),
        ("StringConcat", ["z", "x"], [("twice", STRING)], {}),
        ("StringConcat", ["s", "y"], [("scalar", STRING)], {}),
    ]
    model = made(nodes, {"x": (STRING, ["n", 1]), "y": (STRING, [3]), "s": (STRING, [])})
    compare(model, folder, {"x": texts(*TEXTS[:6], shape=(6, 1)), "y": texts("", "é", "tail"), "s": texts("one", shape=())})


def check_overflow(folder):
    """Strings longer than --max-string end the run, where they do not fit."""
    model = made([("StringConcat", ["x", "x"], [("z", STRING)], {})], {"x": (STRING, [2])})
    net = compiled(model, folder, ["--max-string", "16"])
    expect_equal(net.run([texts("x" * 15, "y" * 15)]), [texts("x" * 30, "y" * 30)])
    refused(net, [texts("x" * 15, "y" * 17)], CAPACITY_TOO_SMALL)
    refused(net, [texts("x" * 1000, "y")], CAPACITY_TOO_SMALL)


def check_split(folder):
    nodes = []
    for i, attributes in enumerate([{}, {"delimiter": ","}, {"delimiter": "a"}, {"delimiter": ", "}, {"maxsplit": 1}, {"delimiter": ",", "maxsplit": 2}, {"maxsplit": 0}]):
        nodes.append(("StringSplit", ["x"], [(f"y{i}", STRING), (f"n{i}", INT64)], attributes))
    model = made(nodes, {"x": (STRING, ["n", 2])})
    compare(model, folder, {"x": texts("a b c", "a,b", ",a,,b,c", ",", "x, y, z", "banana  split", "aa", "no", shape=(4, 2))})


def simple_case(text, change):
    """Unicode's mapping from one code point to one, where Python's makes no more of it."""
    changed = [getattr(char, change)() for char in text]
    return "".join(new if len(new) == 1 else char for new, char in zip(changed, text))


def normalized(values, case, sensitive, stops):
    """What StringNormalizer makes of a list."""
    key = (lambda text: text) if sensitive else (lambda text: simple_case(text, "lower"))
    kept = [text for text in values if key(text) not in [key(stop) for stop in stops]]
    return [text if case == "NONE" else simple_case(text, case.lower()) for text in kept] or [""]


def check_normalizer(folder):
    """Against Python: onnxruntime needs a locale that a system may lack."""
    values = ["", "a", "Abc", "ABC", "é", "ÄÖß éÈ Ωμ", "Жжия", "日本語", "🙂 𐐀𐐨", "ȺȾ", "ⱥⱦ", "ŉ", "ǆ", "ſ", "ԱԲ"]
    cases = [(case, sensitive, stops) for case in ("NONE", "LOWER", "UPPER") for sensitive in (0, 1) for stops in ([], ["abc", "É"], values)]
    nodes = []
    for i, (case, sensitive, stops) in enumerate(cases):
        attributes = {"case_change_action": case, "is_case_sensitive": sensitive} | ({"stopwords": stops} if stops else {})
        nodes.append(("StringNormalizer", ["x"], [(f"y{i}", STRING)], attributes))
    for shape in ((len(values),), (1, len(values))):
        (folder / str(len(shape))).mkdir()
        model = made(nodes, {"x": (STRING, [*shape[:-1], "n"])})
        got = compiled(model, folder / str(len(shape))).run([texts(*values, shape=shape)])
        for case, result in zip(cases, got, strict=True):
            wanted = normalized(values, *case)
            assert result.shape == (*shape[:-1], len(wanted)), (case, result.shape)
            assert result.ravel().tolist() == wanted, (case, result.tolist(), wanted)


PATTERNS = [
    "", "a*", "(a|b)*c", "[a-c]+", "[^a]", r"\d{2,3}", r"\w+@\w+\.(com|org)", r"(?i)straße", r"(?i)k+", ".*", r"(?s).*", r"^ab$",
    r"\bfoo\b.*", r".*\Bo", r"(?m)a$\n^b", r"[[:alpha:]][[:^digit:]]*", r"\x41\x{1F642}?", r"a{0}b", r"(ab){2}", r"(?:a|(?P<n>b))?c", r"\Qa.b\E",
    "[é-ü]+", "日+本?", r"[\d\-x]+", r"a.c", r"(a?){20}a{20}", "x|b", "[]a]+", r"a{,2}", "x|", r"\A\z", r"[^\n]*", r"\s+", r"\S+", "((a*)*)*b", r"\C\C",
    r"\Qab\E*", r"\Qa|(b\E+", r"(\Qa|(b\E+c)?", "a|b|c|ab+",
]
SUBJECTS = [
    "", "a", "aaa", "abac", "abc", "b", "\n", "12", "123", "1234", "me@site.com", "me@site.net", "STRASSE", "straße", "STRAße", "K", "kK", "\u212a", "line\nline",
    "ab", "foo bar", "food", "foo", "a\nb", "z9", "zz", "A", "A🙂", "abab", "c", "bc", "a.b", "axb", "éü", "日本", "日日", "x-1", "aéc", "a\nc", "a" * 20, "a" * 40, "]a", "a{,2}", " \t", "x", "é",
    "abb", "a|(bb", "a|(ba|(b", "a|(bc",
]


def check_regex(folder):
    """Against Python, which agrees with RE2 on these but for POSIX classes, \\z and \\Q, and for \\C (a byte); where it takes
    exponential time, in another form."""
    same = {r"\Qa.b\E": r"a\.b", r"[[:alpha:]][[:^digit:]]*": r"[A-Za-z][^0-9]*", r"\A\z": r"\A\Z", r"\x41\x{1F642}?": "A\U0001F642?", r"a{,2}": r"a\{,2\}", r"(a?){20}a{20}": "a{20,40}", r"((a*)*)*b": "a*b",
            r"\Qab\E*": "ab*", r"\Qa|(b\E+": r"a\|\(b+", r"(\Qa|(b\E+c)?": r"(a\|\(b+c)?"}
    nodes = [("RegexFullMatch", ["x"], [(f"y{i}", BOOL)], {"pattern": pattern}) for i, pattern in enumerate(PATTERNS)]
    net = compiled(made(nodes, {"x": (STRING, ["n"])}), folder)
    for pattern, got in zip(PATTERNS, net.run([texts(*SUBJECTS)]), strict=True):
        for subject, matches in zip(SUBJECTS, got):
            if pattern == r"\C\C":
                wanted = len(subject.encode()) == 2
            else:
                flags = 0 if "(?" in pattern and "i)" in pattern else re.ASCII
                wanted = re.fullmatch(same.get(pattern, pattern).replace("(?P<n>", "("), subject, flags) is not None
            assert matches == wanted, f"{pattern!r} on {subject!r}: {matches}"


def check_regex_sizes(folder):
    """Patterns that are long, or repeat nothing very often: their automata are small."""
    patterns = ["|".join("a" * 50000), "(?:" * 5 + "){1000}" * 5 + "a", "(?i)" + "a" * 500]
    nodes = [("RegexFullMatch", ["x"], [(f"y{i}", BOOL)], {"pattern": pattern}) for i, pattern in enumerate(patterns)]
    got = compiled(made(nodes, {"x": (STRING, ["n"])}), folder).run([texts("a", "aa", "Aa" * 250)])
    expect_equal(got, [np.array(wanted, bool) for wanted in ([1, 0, 0], [1, 0, 0], [0, 0, 1])])


def check_regex_onnxruntime(folder):
    nodes = [("RegexFullMatch", ["x"], [(f"y{i}", BOOL)], {"pattern": pattern}) for i, pattern in enumerate(PATTERNS)]
    compare(made(nodes, {"x": (STRING, ["n"])}), folder, {"x": texts(*SUBJECTS)})


# --- numbers ---


def check_cast_to_string(folder):
    rng = np.random.default_rng(5)
    real = np.array([0.0, -0.0, 1, 0.1, 1e-5, 123456789, 1e16, 1e17, 5e-324, 1.7976931348623157e308, np.inf, -np.inf, np.nan, 2.5, 1 / 3, 9.9999999e7, 99999999.5])
    real = np.concatenate([real, rng.standard_normal(50) * 10.0 ** rng.integers(-30, 30, 50)])
    with np.errstate(over="ignore"):
        inputs = {"f64": real, "f32": real.astype(np.float32), "i64": np.array([0, -1, 2**63 - 1, -(2**63)]), "u8": np.arange(250, 256, dtype=np.uint8)}
    kinds = {"f64": 11, "f32": 1, "i64": 7, "u8": 2}
    nodes = [("Cast", [name], [("s" + name, STRING)], {"to": STRING}) for name in inputs]
    compare(made(nodes, {name: (kinds[name], [len(array)]) for name, array in inputs.items()}), folder, inputs)


def check_cast_from_string(folder):
    rng = np.random.default_rng(6)
    words = ["0", "-0.0", "1", "+2.5", "1e-5", "1E8", "314.15926", "INF", "-inf", "NaN", "1e400", "1e-400", "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324"]
    words += ["16777217", "9007199254740993", "1.00000005960464477539", "0.000000000000000000000000000000000000011754942", "340282356779733661637539395458142568447"]
    words += [repr(float(value)) for value in rng.standard_normal(50) * 10.0 ** rng.integers(-300, 300, 50)]
    words += ["1" + "0" * 30 + "." + "3" * 900, "0." + "0" * 300 + "7" * 500]
    wholes = ["0", "-5", "9223372036854775807", "-9223372036854775808", " 42 "]
    nodes = [("Cast", ["r"], [("f32", 1)], {"to": 1}), ("Cast", ["r"], [("f64", 11)], {"to": 11}), ("Cast", ["w"], [("i64", 7)], {"to": 7})]
    net = compiled(made(nodes, {"r": (STRING, ["n"]), "w": (STRING, ["m"])}), folder)
    between = {words[19]: np.finfo(np.float32).max}  # just below the middle between that and infinity: numpy rounds twice
    f32, f64, i64 = net.run([texts(*words), texts(*wholes)])
    for word, single, double in zip(words, f32, f64):
        wanted = np.float64(word)
        assert double == wanted or (np.isnan(double) and np.isnan(wanted)), f"{word}: {double}, expected {wanted}"
        with np.errstate(over="ignore"):
            nearest = between.get(word, np.float32(word))
        assert single == nearest or (np.isnan(single) and np.isnan(nearest)), f"{word}: {single}, expected {nearest}"
    assert i64.tolist() == [int(word) for word in wholes]


# --- TfIdfVectorizer ---


def check_tfidf(folder):
    nodes = []
    words = {"pool_strings": ["a", "b", "c", "a", "b", "b", "c", "c", "d", "a", "b", "c", "b", "b", "d"]}
    numbers = {"pool_int64s": [2, 3, 5, 2, 3, 3, 5, 5, 7, 2, 3, 5, 3, 3, 7]}
    common = {"ngram_counts": [0, 3, 9], "ngram_indexes": [0, 1, 2, 5, 4, 3, 6, 7]}
    for mode in ("TF", "IDF", "TFIDF"):
        for shortest, longest, skips in ((1, 1, 0), (1, 2, 0), (2, 2, 1), (1, 3, 2), (2, 3, 5), (3, 3, 0), (1, 1, 4)):
            for name, pool in (("x", words), ("n", numbers)):
                attributes = {"mode": mode, "min_gram_length": shortest, "max_gram_length": longest, "max_skip_count": skips}
                attributes |= {} if mode == "TF" else {"weights": [0.5, 1.5, 2.0, 0.25, 3.0, 4.0, 5.0, 6.0]}
                output = f"{name}_{mode}_{shortest}{longest}{skips}"
                nodes.append(("TfIdfVectorizer", [name], [(output, FLOAT)], common | pool | attributes))
    model = made(nodes, {"x": (STRING, ["r", 9]), "n": (INT64, ["r", 9])})
    letters = texts(*"abbcddabcbadbbcabc", shape=(2, 9))
    table = {"a": 2, "b": 3, "c": 5, "d": 7}
    compare(model, folder, {"x": letters, "n": np.vectorize(table.get)(letters).astype(np.int64)})


# --- labels ---


def check_labels(folder):
    def encoder(name, source, kind, **attributes):
        return ("LabelEncoder", [source], [(name, kind)], attributes, "ai.onnx.ml")

    words, numbers, reals = ["a", "b", "é"], [3, -1, 8], [0.5, float("nan"), 2.0]
    nodes = [
        encoder("si", "s", INT64, keys_strings=words, values_int64s=numbers, default_int64=-7),
        encoder("sf", "s", FLOAT, keys_strings=words, values_floats=reals, default_float=1.25),
        encoder("ss", "s", STRING, keys_strings=words, values_strings=["x", "", "z"], default_string="none"),
        encoder("is", "i", STRING, keys_int64s=numbers, values_strings=words),
        encoder("fs", "f", STRING, keys_floats=reals, values_strings=words, default_string=""),
        ("CategoryMapper", ["s"], [("cs", INT64)], {"cats_strings": words, "cats_int64s": numbers, "default_int64": 99}, "ai.onnx.ml"),
        ("CategoryMapper", ["i"], [("ci", STRING)], {"cats_strings": words, "cats_int64s": numbers, "default_string": "?"}, "ai.onnx.ml"),
        ("OneHotEncoder", ["s"], [("hot", FLOAT)], {"cats_strings": words}, "ai.onnx.ml"),
    ]
    model = made(nodes, {"s": (STRING, ["n"]), "i": (INT64, ["n"]), "f": (FLOAT, ["n"])}, ml=4)
    inputs = {"s": texts("é", "b", "zz", "a"), "i": np.array([8, 8, 0, -1]), "f": np.array([2, np.nan, 0.5, 9], np.float32)}
    compare(model, folder, inputs)


if __name__ == "__main__":
    run_named(checks_of(__import__(__name__)))
