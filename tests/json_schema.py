#!/usr/bin/env python3
"""The JSON Schema validator against the official test suite (draft 2020-12), which tools/deps.sh puts into .venv.

    json_schema.py [--ctc build/ctc] [--suite FOLDER] [--verbose]

Every schema of the suite's files must be taken and every value found valid or not as the suite says, but for what the validator does not
implement: LEFT_OUT says what and why. `--verbose` lists what is left out.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from common import CTC, ROOT, Count

SUITE = ROOT / ".venv" / "json-schema-test-suite" / "tests" / "draft2020-12"

# Whole files.
LEFT_OUT = {
    "dynamicRef": "$dynamicRef is not supported",
    "unevaluatedItems": "not supported",
    "unevaluatedProperties": "not supported",
    "refRemote": "references lead into other documents",
    "vocabulary": "the meta-schema is another document",
}
REFUSED = {"$dynamicRef", "$dynamicAnchor", "unevaluatedItems", "unevaluatedProperties"}
# Of the suite's optional files those that apply. The others test formats, other drafts, "dependencies" of earlier drafts, documents
# elsewhere, and patterns that are ECMAScript's alone.
OPTIONAL = ["anchor", "bignum", "float-overflow", "no-schema", "refOfUnknownKeyword"]


def reason_to_leave_out(schema, whole=None):
    """Why the validator need not take a schema, or None."""
    whole = schema if whole is None else whole
    if isinstance(schema, list):
        parts = schema
    elif isinstance(schema, dict):
        for keyword in REFUSED & set(schema):
            return f"{keyword} is not supported"
        if schema is not whole and "$id" in schema:
            return "a schema within the schema has its own $id"
        reference = schema.get("$ref")
        if isinstance(reference, str) and not re.match(re.escape(whole.get("$id", "")) + r"(#|$)|#", reference):
            return "a reference leads into another document"
        parts = schema.values()
    else:
        return None
    reasons = (reason_to_leave_out(part, whole) for part in parts)
    return next((reason for reason in reasons if reason), None)


def check_file(path, program, verbose):
    """One file of the suite: a list of schemas, each with values and whether they are valid."""
    count = Count()
    groups = json.loads(path.read_text())
    kept = []
    for group in groups:
        reason = LEFT_OUT.get(path.stem) or reason_to_leave_out(group["schema"])
        if not reason:
            kept.append(group)
            continue
        count.skipped += len(group["tests"])
        if verbose and path.stem not in LEFT_OUT:
            print(f"left out: {path.stem}: {group['description']}: {reason}")
    if verbose and path.stem in LEFT_OUT:
        print(f"left out: {path.stem}, all {count.skipped} tests: {LEFT_OUT[path.stem]}")
    if kept:
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / path.name
            text.write_text(json.dumps(kept))
            done = subprocess.run([program, text], capture_output=True, text=True, errors="replace", timeout=120)
        print(done.stdout, end="")
        failed = len(re.findall("^FAIL", done.stdout, re.M))
        if done.returncode not in (0, 1) or (done.returncode and not failed):
            print(f"FAIL {path.name}: exit {done.returncode}: {done.stderr[-600:]}")
            failed += 1
        count.failed = failed
        count.passed = sum(len(group["tests"]) for group in kept) - failed
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("--suite", type=pathlib.Path, default=SUITE)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    program = args.ctc.resolve().parent / "tests" / "test_json_schema"
    total = Count()
    if not args.suite.exists():
        print(f"skipped: {args.suite} is not there; tools/deps.sh gets it")
        total.skipped += 1
    for path in sorted(args.suite.glob("*.json")) + [args.suite / "optional" / f"{name}.json" for name in OPTIONAL]:
        if path.exists():
            total.add(check_file(path, program, args.verbose))
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
