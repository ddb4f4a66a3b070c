#!/usr/bin/env python3
"""What is known of each operator beyond the operator table, for docs/operators.md: schema/operator_evidence.json, checked and written.

    operator_evidence.py [--filter REGEX] [--every N]     measure again; a line that claims more than is found is an error
    operator_evidence.py --write                          measure all, and write the file

A line of the file is an operator as `ctc ops` names it:

    cases      how many ONNX cases (node_suite.py) hold it and pass: those that node_failures.txt does not name
    others     the other tests that compare it, with the number of cases where that is fixed
    known      dims of inputs that must be known when ctc compiles, as NAME[POSITION]; all others may be open
    constant   inputs that must be constants
    refused    by type variable: types of the operator table that ctc refuses

The last three are measured: small models of one node, with the dims or the types changed, are given to `ctc compile`. An operator without
such a model (one whose body is a graph) has `"measured": false`. Whether results are right is what the tests say that are counted here.
"""

import argparse
import collections
import concurrent.futures
import functools
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx import helper

import dtypes
import layers
import microsoft
import node_suite
import svm
from common import CTC, ROOT
from drawn import draw, operators, table

FILE = ROOT / "schema" / "operator_evidence.json"
COMMENT = "Written by tests/operator_evidence.py; do not edit."
TEMPLATES = 6  # of one operator from one source
DRAWS = 40
# Types that ctc names otherwise than the standard (compiler/ir/dtype.def).
CTC_NAMES = {"float": "float32", "double": "float64"}
# Attributes that say a type variable of the outputs.
TYPE_ATTRIBUTES = ("to", "dtype", "output_datatype", "output_dtype")
# Of attributes that are tensors of numbers.
VALUE_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64, onnx.TensorProto.INT32)
IR_VERSION = 14

# A model of one node: its inputs by name in the model (ValueInfoProto), those that are constants, and the operator's names of them.
Template = collections.namedtuple("Template", "node ports constants formal opset")


# --- the operator table ---


@functools.cache
def newest_rows():
    """{full name: (domain, row of the newest version as in the file, its last opset)}"""
    found = {}
    for path in sorted((ROOT / "schema").glob("*_operators.json")):
        for domain in json.loads(path.read_text())["domains"]:
            for row in sorted(domain["operators"], key=lambda row: row["since"]):
                if not row.get("deprecated"):
                    found[table.full_name(domain["domain"], row["name"])] = domain["domain"], row, domain["newest"]
    return found


def formal_inputs(row, count):
    """(name, type) of each input; a variadic one stands for the rest."""
    ports = row["inputs"]
    return [tuple(ports[min(i, len(ports) - 1)][:2]) for i in range(count)]


# --- models of one node ---


def template(name, node, infos, constants):
    _, row, newest = newest_rows()[name]
    formal = dict(zip(node.input, formal_inputs(row, len(node.input))))
    return Template(node, infos, constants, formal, newest)


def from_arrays(name, arrays, attributes, outputs, constant=()):
    domain, row, _ = newest_rows()[name]
    names = ["" if array is None else f"x{i}" for i, array in enumerate(arrays)]
    node = helper.make_node(row["name"], names, [f"y{i}" if asked else "" for i, asked in enumerate(outputs)], domain=domain, **attributes)
    given = [(i, key, np.asarray(array)) for i, (key, array) in enumerate(zip(names, arrays)) if key]
    infos = {key: helper.make_tensor_value_info(key, element_type(array), array.shape) for _, key, array in given}
    return template(name, node, infos, {key: array for i, key, array in given if i in constant})


def element_type(array):
    return onnx.TensorProto.STRING if array.dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(array.dtype)


def suite_templates(cases):
    """From the ONNX cases that are one node of the newest version."""
    for case in cases:
        graph = case.model.graph
        name = table.full_name(graph.node[0].domain, graph.node[0].op_type) if len(graph.node) == 1 else None
        opset = next((o.version for o in case.model.opset_import if name and o.domain == graph.node[0].domain), 0)
        if name in newest_rows() and not graph.initializer and opset >= newest_rows()[name][1]["since"]:
            yield name, template(name, graph.node[0], {port.name: port for port in graph.input}, {})


def drawn_templates():
    """From the generators of tests/drawn."""
    for name in operators.GENERATORS:
        for seed in range(DRAWS if name in newest_rows() else 0):
            rng = np.random.default_rng([7, seed])
            try:
                node = draw.draw_node(rng, operators.ROWS[name][-1:])
            except draw.Undrawable:
                continue
            constant = [i for i, given in enumerate(node.inputs) if given and given.must_be_constant]
            yield name, from_arrays(name, [given and given.array for given in node.inputs], node.attributes, node.outputs, constant)


def case_templates():
    """From the tests of onnxruntime's operators."""
    for cases, named in ((microsoft.CASES, lambda key: key), (layers.CASES, lambda key: layers.descriptor(key)["name"])):
        for key, maker in cases.items():
            name = f"com.microsoft.{named(key)}"
            for case in maker() if name in newest_rows() else ():
                yield name, from_arrays(name, case.inputs, case.attributes, [kind is not None for kind in case.outputs], case.constants)


def made_templates():
    """Of operators that no case has alone."""
    rng, x = np.random.default_rng(1), np.ones((4, svm.FEATURES), np.float32)
    ml = "ai.onnx.ml."
    yield ml + "SVMClassifier", from_arrays(ml + "SVMClassifier", [x], svm.machine(rng, 3, "RBF", 0, "votes"), [True, True])
    regressor = {"kernel_type": "RBF", "n_supports": 2, "coefficients": [1.0, 2.0], "rho": [0.5], "support_vectors": [1.0] * 6, "kernel_params": [0.3, 0.0, 0.0]}
    yield ml + "SVMRegressor", from_arrays(ml + "SVMRegressor", [x], regressor, [True])
    mapper = {"cats_int64s": [1, 2], "cats_strings": ["a", "b"], "default_int64": 0, "default_string": ""}
    yield ml + "CategoryMapper", from_arrays(ml + "CategoryMapper", [np.array(["a", "b"], object)], mapper, [True])
    for kind in ("double", "int16", "int32"):
        lists = {f"{stem}_tensor": onnx.numpy_helper.from_array(dtypes.as_type(np.arange(3.0), kind)) for stem in ("keys", "values")}
        lists["default_tensor"] = onnx.numpy_helper.from_array(dtypes.as_type(np.ones(1), kind))
        yield ml + "LabelEncoder", from_arrays(ml + "LabelEncoder", [dtypes.as_type(np.arange(4.0), kind)], lists, [True])
    texts = np.array(["a", "b"], object)
    yield ml + "OneHotEncoder", from_arrays(ml + "OneHotEncoder", [texts], {"cats_strings": ["a", "b"]}, [True])
    words = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0], "ngram_indexes": [0, 1], "pool_strings": ["a", "b"]}
    yield "TfIdfVectorizer", from_arrays("TfIdfVectorizer", [texts], words, [True])
    yield ml + "ZipMap", from_arrays(ml + "ZipMap", [x], {"classlabels_int64s": [1, 2, 3]}, [True])
    part = np.ones((3, 2), np.float32)
    sequence = {"s": helper.make_tensor_sequence_value_info("s", 1, [3, 2])}
    number = {"i": helper.make_tensor_value_info("i", 7, [])}
    yield "SequenceConstruct", from_arrays("SequenceConstruct", [part, part], {}, [True])
    for op, inputs in (("SequenceAt", {**sequence, **number}), ("SequenceErase", {**sequence, **number}), ("SequenceLength", sequence), ("ConcatFromSequence", sequence)):
        attributes = {"axis": 0} if op == "ConcatFromSequence" else {}
        yield op, template(op, helper.make_node(op, list(inputs), ["y"], **attributes), inputs, {})


def all_templates(cases):
    """{full name: some of each source}"""
    found = collections.defaultdict(list)
    for source in (suite_templates(cases), drawn_templates(), case_templates(), made_templates()):
        per_source = collections.Counter()
        for name, one in source:
            per_source[name] += 1
            if per_source[name] <= TEMPLATES and not any(a.type == onnx.AttributeProto.GRAPH for a in one.node.attribute):
                found[name].append(one)
    return found


# --- changing them ---


def tensor_types(info):
    """The tensor types in a value's type: itself, the elements of a sequence, what is optional."""
    kind = info.type
    while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        kind = getattr(kind, kind.WhichOneof("value")).elem_type
    return [kind.tensor_type] if kind.WhichOneof("value") == "tensor_type" else []


def dims_of(info):
    """The positions of a value's dims, but for those of size 1, which may stand for broadcasting."""
    return [at for kind in tensor_types(info) for at, dim in enumerate(kind.shape.dim) if dim.dim_value > 1]


def with_open_dims(ports, dims):
    """The ports where these dims (port, position) are not known; equal sizes share a name."""
    changed = {key: onnx.ValueInfoProto.FromString(port.SerializeToString()) for key, port in ports.items()}
    for key, at in dims:
        for kind in tensor_types(changed[key]):
            kind.shape.dim[at].dim_param = f"n{kind.shape.dim[at].dim_value}"
    return changed


def with_type(info, code):
    changed = onnx.ValueInfoProto.FromString(info.SerializeToString())
    for kind in tensor_types(changed):
        kind.elem_type = code
    return changed


def model_of(one, ports, constants, attributes=None):
    node = onnx.NodeProto.FromString(one.node.SerializeToString())
    if attributes is not None:
        node.ClearField("attribute")
        node.attribute.extend(attributes)
    tensors = [onnx.numpy_helper.from_array(array, key) for key, array in constants.items()]
    fed = [port for key, port in ports.items() if key not in constants]
    results = [onnx.ValueInfoProto(name=key) for key in node.output if key]
    opsets = [helper.make_opsetid("", newest_rows()["Identity"][2] if node.domain else one.opset)]
    opsets += [helper.make_opsetid(node.domain, one.opset)] if node.domain else []
    return helper.make_model(helper.make_graph([node], "node", fed, results, tensors), opset_imports=opsets, ir_version=IR_VERSION)


class Measure:
    """Asks ctc."""

    def __init__(self, ctc, folder):
        self.ctc, self.folder, self.numbers = ctc, pathlib.Path(folder), itertools.count()

    def compiles(self, made):
        path = self.folder / f"{next(self.numbers)}.onnx"
        path.write_bytes(made.SerializeToString())
        done = subprocess.run([self.ctc, "compile", path, "-o", path.with_suffix(".c"), "--quiet"], capture_output=True, timeout=120)
        for left in self.folder.glob(path.stem + ".*"):
            left.unlink()
        assert done.returncode in (0, 1), f"ctc compile: exit {done.returncode}: {done.stderr[-300:]}"
        return done.returncode == 0

    def grounded(self, one):
        """The template with as few constants as ctc takes; None if it takes it in no way."""
        for constants in ({}, one.constants) if one.constants else ({},):
            if self.compiles(model_of(one, one.ports, constants)):
                return one._replace(constants=constants)
        return None

    def known_dims(self, one):
        """Dims that ctc must know, as "K[3]" of the operator's input K: a smallest set, found from the first dim on."""
        dims = [(key, at) for key, port in one.ports.items() if key not in one.constants for at in dims_of(port)]
        if self.compiles(model_of(one, with_open_dims(one.ports, dims), one.constants)):
            return []
        opened = []
        for dim in dims:
            if self.compiles(model_of(one, with_open_dims(one.ports, [*opened, dim]), one.constants)):
                opened.append(dim)
        return [f"{one.formal[key][0]}[{at}]" for key, at in dims if (key, at) not in opened]

    def takes_type(self, one, variables, kind):
        """Whether the node may have this type where its inputs, or attributes, have one of these type variables; None: nothing of it has."""
        used = [key for key, (_, variable) in one.formal.items() if variable in variables and key in one.ports]
        ports = {key: with_type(port, dtypes.code_of(kind)) if key in used else port for key, port in one.ports.items()}
        constants = {key: dtypes.as_type(array, kind) if key in used else array for key, array in one.constants.items()}
        attributes = list(one.node.attribute)
        if not variables <= {variable for _, variable in one.formal.values()}:
            attributes = attributes_of_type(one, kind)
        if not used and attributes == list(one.node.attribute):
            return None
        return self.compiles(model_of(one, ports, constants, attributes))


def attributes_of_type(one, kind):
    """The node's attributes where those that say or have the type of a result do so of this one."""
    made = []
    for attribute in one.node.attribute:
        if attribute.name in TYPE_ATTRIBUTES:
            attribute = helper.make_attribute(attribute.name, dtypes.code_of(kind))
        elif attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type in VALUE_TYPES:
            array = dtypes.as_type(onnx.numpy_helper.to_array(attribute.t).astype(np.float64), kind)
            attribute = helper.make_attribute(attribute.name, onnx.numpy_helper.from_array(array))
        made.append(attribute)
    return made


# --- an operator ---


def refused_types(measure, name, templates):
    """{variable: types that no template takes, neither there alone nor wherever it may stand}. Not measured where types may differ from input to
    input."""
    row = newest_rows()[name][1]
    kinds = {variable: re.findall(r"(\w+)\)*(?: |$)", text) for variable, text in row.get("types", {}).items()}
    mixed = {port[1] for port in row["inputs"] if port[2:3] == ["mixed"]}

    def taken(variable, kind):
        everywhere = {other for other in kinds if kind in kinds[other]}
        told = False
        for variables, one in itertools.product(({variable}, everywhere), templates):
            answer = measure.takes_type(one, variables, kind)
            if answer:
                return True
            told |= answer is not None
        return not told

    tensors = {variable: [kind for kind in kinds[variable] if kind in row["types"][variable].split()] for variable in kinds if variable not in mixed}
    missing = {variable: [kind for kind in tensors[variable] if not taken(variable, kind)] for variable in tensors}
    return {variable: [CTC_NAMES.get(kind, kind) for kind in refused] for variable, refused in missing.items() if refused}


def measured(measure, name, templates):
    grounded = [one for one in map(measure.grounded, templates) if one]
    if not grounded:
        return {"measured": False}
    known = {key for one in grounded for key in measure.known_dims(one)}
    fed = {one.formal[key][0] for one in grounded for key in one.ports if key not in one.constants}
    constant = {one.formal[key][0] for one in grounded for key in one.constants} - fed
    facts = {"known": sorted(known), "constant": sorted(constant), "refused": refused_types(measure, name, grounded)}
    return {key: value for key, value in facts.items() if value}


def measured_or_crash(measure, name, templates):
    try:
        return measured(measure, name, templates)
    except AssertionError as error:
        return {"crash": str(error)}


def passing_cases(cases):
    """{full name: how many cases hold it and are not known to fail}"""
    failures = set(node_suite.read_failures(node_suite.FAILURES))
    return collections.Counter(name for case in cases if case.name not in failures for name in node_suite.operators_of(case.model))


def other_tests(name):
    """The tests beside the ONNX cases."""
    short = name.rpartition(".")[2]
    tests = ["differential"] if name in operators.GENERATORS else []
    if name.startswith("com.microsoft."):
        made = microsoft.CASES.get(short) or layers.CASES.get(short.lower())
        tests += [f"{'microsoft' if short in microsoft.CASES else 'layers'} {len(list(made()))}"] if made else []
    for script, names in operators.OTHER_TESTS.items():
        module = script.removesuffix(".py")
        if name in names.split() and module not in ("node_suite", "microsoft"):
            tests.append(module)
    return tests


def read_file():
    return json.loads(FILE.read_text())["operators"] if FILE.exists() else {}


def write_file(facts):
    lines = [f"  {json.dumps(name)}: {json.dumps(facts[name])}" for name in sorted(facts)]
    FILE.write_text('{"comment": %s, "operators": {\n%s\n}}\n' % (json.dumps(COMMENT), ",\n".join(lines)))


def measure_all(args, names):
    """Of these operators; what is measured only of each args.every-th."""
    warnings.filterwarnings("ignore")
    cases = node_suite.all_cases()
    counted, templates = passing_cases(cases), all_templates(cases)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        measure = Measure(args.ctc, folder)
        part = set(names[:: args.every])
        found = pool.map(lambda name: measured_or_crash(measure, name, templates.get(name, [])) if name in part else None, names)
        return {name: (counts_of(name, counted), facts) for name, facts in zip(names, found)}


def counts_of(name, counted):
    tests = other_tests(name)
    return {"cases": counted[name]} | ({"others": tests} if tests else {})


def compare(found, before):
    """What the file should say where it says something else."""
    wrong = {}
    for name, (counts, facts) in found.items():
        line = before.get(name, {})
        told = {key: value for key, value in line.items() if key not in ("cases", "others")}
        now = counts | (told if facts is None else facts)
        if now != line:
            wrong[name] = now
    return wrong


def claims_too_much(line, now):
    """Whether there are fewer tests than the line says, or more is refused."""
    if line is None or "crash" in now or line["cases"] > now["cases"] or line.get("measured", True) > now.get("measured", True):
        return True
    tests = [{test.split()[0] for test in facts.get("others", ())} for facts in (line, now)]
    limits = [{(key, name) for key in ("known", "constant") for name in facts.get(key, ())} for facts in (line, now)]
    refused = [{(variable, kind) for variable, kinds in facts.get("refused", {}).items() for kind in kinds} for facts in (line, now)]
    return not (tests[0] <= tests[1] and limits[0] >= limits[1] and refused[0] >= refused[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--every", type=int, default=1, help="what is measured only of each N-th operator")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    args = parser.parse_args()
    listed = subprocess.run([args.ctc, "ops"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split()[0] for line in listed]
    found, before = measure_all(args, [name for name in names if re.search(args.filter, name)]), read_file()
    wrong = compare(found, before)
    if args.write:
        write_file({name: line for name, line in (before | wrong).items() if name in names})
        return 0
    failed = {name: line for name, line in wrong.items() if claims_too_much(before.get(name), line)}
    for name, line in failed.items():
        print(f"FAIL {name}: {FILE.name} says {before.get(name)}, found was {line}: write it again with `make evidence`")
    if len(wrong) > len(failed):
        print(f"{len(wrong) - len(failed)} lines of {FILE.name} could say more: `make evidence docs`")
    print(f"{len(found) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
