"""The operator table of schema/, as the drawing of nodes reads it: the versions of an operator and their types."""

import collections
import json
import pathlib

import ml_dtypes
import numpy as np

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "schema"
# onnxruntime has no kernels for older opsets, and onnx.reference not their broadcasting: nothing to compare with.
OLDEST_OPSET = 7

DTYPES = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "bool": np.bool_,
    **{name: getattr(np, name) for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()},
}
DTYPES = {name: np.dtype(kind) for name, kind in DTYPES.items()}
TEXT = np.dtype(object)  # strings
FLOATS = [DTYPES[name] for name in ("float", "double", "float16", "bfloat16")]
INTEGERS = [dtype for dtype in DTYPES.values() if dtype.kind in "iu"]

# `same_from`: the opset since which versions differ in types only.
Row = collections.namedtuple("Row", "domain name opsets inputs outputs attributes types same_from")


def is_float(dtype):
    return dtype in FLOATS


def row_of(domain, entry, last):
    return Row(
        domain,
        entry["name"],
        range(entry["since"], last + 1),
        [port[0] for port in entry["inputs"]],
        [port[0] for port in entry["outputs"]],
        {name: more for name, *more in entry.get("attributes", [])},
        entry.get("types", {}) | {port[0]: port[1] for port in entry["inputs"] + entry["outputs"]},
        entry["since"],
    )


def rows_of_domain(domain):
    entries = sorted(domain["operators"], key=lambda entry: (entry["name"], entry["since"]))
    oldest, before = 1 if domain["domain"] else OLDEST_OPSET, None
    for entry, following in zip(entries, entries[1:] + [None]):
        newer = following and following["name"] == entry["name"]
        row = row_of(domain["domain"], entry, following["since"] - 1 if newer else domain["newest"])
        if before and before.name == row.name and (before.inputs, before.outputs, before.attributes) == (row.inputs, row.outputs, row.attributes):
            row = row._replace(same_from=before.same_from)
        before = row
        opsets = range(max(row.opsets.start, oldest), row.opsets.stop)
        if opsets and not entry.get("deprecated"):
            yield row._replace(opsets=opsets)


def full_name(domain, name):
    """As `ctc ops` writes it."""
    return f"{domain}.{name}" if domain else name


def read():
    """{full name: the rows of its versions}"""
    rows = collections.defaultdict(list)
    for path in sorted(SCHEMA.glob("*_operators.json")):
        for domain in json.loads(path.read_text())["domains"]:
            for row in rows_of_domain(domain):
                rows[full_name(row.domain, row.name)].append(row)
    return rows
