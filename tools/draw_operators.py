#!/usr/bin/env python3
"""Draws the tables of operators: the standard's from the Python package `onnx`, Microsoft's from `onnxruntime`.

    python3 tools/draw_operators.py onnx > schema/onnx_operators.json
    python3 tools/draw_operators.py microsoft > schema/microsoft_operators.json

Only needed when a new version of a package is out; building ctc needs no Python. The form of the tables (one line per
version of an operator, so that a renewal reads well as a diff):

    name, since     the operator and the first opset version that this line describes
    inputs, outputs [NAME, TYPE] or [NAME, TYPE, KIND]; KIND is "optional", "variadic" or "mixed" (a variadic one whose
                    types may differ), the latter two followed by the least count; TYPE is a key of `types` or a type
    attributes      [NAME, KIND], [NAME, KIND, "required"] or [NAME, KIND, "default", VALUE]
    types           what each type variable may be; `float` is short for tensor(float)
    deprecated      true if the operator was taken out of the standard in this version
"""
import json
import sys

import onnx.defs
import onnx.helper


def short_type(text):
    """tensor(float) -> float; map(int64, string) -> map(int64,string)."""
    text = text.replace(" ", "")
    inner = text[len("tensor("):-1]
    return inner if text == f"tensor({inner})" else text


def parameter(formal, least):
    """The two packages name the members differently; `least` is the count of a variadic one if the package has none."""
    row = [formal.name, short_type(getattr(formal, "type_str", None) or formal.typeStr)]
    option = str(formal.option)
    if option.endswith("Optional"):
        row.append("optional")
    elif option.endswith("Variadic"):
        same = getattr(formal, "is_homogeneous", None)
        same = formal.isHomogeneous if same is None else same
        row += ["variadic" if same else "mixed", getattr(formal, "min_arity", least)]
    return row


def parameters(formals, least):
    return [parameter(formal, max(0, least - index)) for index, formal in enumerate(formals)]


def default_value(attribute):
    """The default, or None."""
    if hasattr(attribute, "default_value"):
        proto = attribute.default_value
    else:
        proto = onnx.AttributeProto.FromString(attribute._default_value)
    if not proto.type:
        return None
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [item.decode() if isinstance(item, bytes) else item for item in value]
    return value


def attribute_row(attribute):
    row = [attribute.name, str(attribute.type).split(".")[-1].lower()]
    default = default_value(attribute)
    if attribute.required:
        row.append("required")
    elif default is not None:
        row += ["default", default]
    return row


def operator(schema):
    row = {
        "name": schema.name,
        "since": schema.since_version,
        "inputs": parameters(schema.inputs, schema.min_input),
        "outputs": parameters(schema.outputs, schema.min_output),
    }
    if schema.attributes:
        row["attributes"] = [attribute_row(schema.attributes[name]) for name in sorted(schema.attributes)]
    if schema.type_constraints:
        row["types"] = {
            constraint.type_param_str: " ".join(sorted(short_type(text) for text in constraint.allowed_type_strs))
            for constraint in schema.type_constraints
        }
    if schema.deprecated:
        row["deprecated"] = True
    return row


def onnx_schemas():
    newest = {"": onnx.defs.onnx_opset_version()}
    return onnx.defs.get_all_schemas_with_history(), newest


def microsoft_schemas():
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    return [schema for schema in runtime.get_all_operator_schema() if schema.domain == "com.microsoft"], {}


SOURCES = {"onnx": onnx_schemas, "microsoft": microsoft_schemas}


def main():
    schemas, newest = SOURCES[sys.argv[1]]()
    domains = {}
    for schema in schemas:
        domains.setdefault(schema.domain, []).append(operator(schema))
    lines = []
    for domain in sorted(domains):
        rows = sorted(domains[domain], key=lambda row: (row["name"], row["since"]))
        last = newest.get(domain, max(row["since"] for row in rows))
        body = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows)
        lines.append(f'{{"domain":"{domain}","newest":{last},"operators":[\n{body}\n]}}')
    comment = f"Drawn by tools/draw_operators.py {sys.argv[1]}; do not edit."
    print(f'{{"comment":"{comment}","ir_version":{onnx.IR_VERSION},"domains":[')
    print(",\n".join(lines))
    print("]}")


if __name__ == "__main__":
    main()
