#!/usr/bin/env python3
"""Runs the tests in groups; the last line is `N passed, N failed, N skipped`, the exit status says whether none failed.

    run.py --all            everything but the large models
    run.py --quick          about a minute
    run.py --zoo            all real models (downloads some 600 MB), writes docs/zoo.md
    run.py --cuda           all of the programs for a GPU, on the stand-in for one (hours)
    run.py --group NAME     one group, see GROUPS; repeatable
"""
import argparse
import importlib
import pathlib
import re
import subprocess
import sys
import time

from common import CTC, ROOT, Count, checks_of, run_checks

HERE = pathlib.Path(__file__).resolve().parent


def python(script, *arguments):
    """A script of this folder as a group of its own; its closing line is what counts."""
    command = [sys.executable, HERE / script, "--ctc", CTC, *arguments]
    done = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, errors="replace")
    text = ""
    for line in done.stdout:
        text += line
        if not re.match(r"\d+ passed, ", line):
            print(line, end="", flush=True)
    status = done.wait()
    count = Count.parse(text)
    if status and not count.failed:
        count.failed = 1
    return count


def module(name):
    """A module with check_… functions (or all_checks) in this process."""
    loaded = importlib.import_module(name)
    return run_checks(loaded.all_checks() if hasattr(loaded, "all_checks") else checks_of(loaded))


def unit():
    """The CMocka programs that the Makefile built beside ctc."""
    count = Count()
    programs = sorted(path for path in (CTC.parent / "tests").glob("test_*") if path.suffix == "")
    for program in programs:
        done = subprocess.run([program], capture_output=True, text=True, errors="replace", cwd=ROOT)
        text = done.stdout + done.stderr
        passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
        failed = len(re.findall(r"^ ?\[  FAILED  \] \w+$", text, re.M)) // 2
        if done.returncode and not failed:
            failed = 1
        if failed:
            print(f"FAIL {program.name} (exit {done.returncode})\n{text[-1500:]}")
        count.add(Count(passed, failed))
    if not programs:
        print(f"FAIL no unit tests in {CTC.parent / 'tests'}: run `make unit`")
        count.failed += 1
    return count


GROUPS = {
    "unit": unit,
    "errors": lambda: module("errors"),
    "cli": lambda: module("cli"),
    "emitted": lambda: module("emitted"),
    "nests": lambda: module("nests"),
    "random-values": lambda: module("random_values"),
    "dtypes": lambda: python("dtypes.py", "--every", "4"),
    "dtypes-all": lambda: python("dtypes.py"),
    "threads": lambda: module("threads"),
    "targets": lambda: module("targets"),
    "quantized": lambda: module("quantized"),
    "sequences": lambda: module("sequences"),
    "json-models": lambda: module("json_models"),
    "plugins": lambda: module("plugins"),
    "layers": lambda: module("layers"),
    "microsoft": lambda: module("microsoft"),
    "plugin-tool": lambda: module("plugin_tool"),
    "shipped-plugins": lambda: module("shipped_plugins"),
    "tutorial": lambda: module("tutorial"),
    "golden": lambda: module("golden"),
    "cuda-stand-in": lambda: module("cuda_stand_in"),
    "device-kernels": lambda: module("device_kernels"),
    "cuda-plugins": lambda: module("cuda_plugins"),
    "cuda-programs": lambda: module("cuda_programs"),
    "cuda-libs": lambda: module("cuda_libs"),
    "cuda-nodes": lambda: python("node_suite.py", "--cuda", "--every", "12"),
    "cuda-nodes-all": lambda: python("node_suite.py", "--cuda"),
    "cuda-nodes-sanitized": lambda: python("node_suite.py", "--cuda", "--sanitize", "--order", "shuffle:1", "--every", "7"),
    "cuda-models": lambda: python("cuda_models.py"),
    "cuda-models-all": lambda: python("cuda_models.py", "--all"),
    "cuda-models-dynamic": lambda: python("cuda_models.py", "--dynamic"),
    "cuda-models-orders": lambda: python("cuda_models.py", "--orders"),
    "cuda-compile": lambda: python("cuda_compile.py"),
    "cuda-compile-all": lambda: python("cuda_compile.py", "--all"),
    "gpu-folder": lambda: module("gpu_folder"),
    "python-runtime": lambda: module("python_runtime"),
    "pytorch": lambda: python("pytorch.py"),
    "examples": lambda: Count(*importlib.import_module("examples").run()),
    "json-schema": lambda: python("json_schema.py"),
    "fuzz-replay": lambda: python("fuzz_replay.py"),
    "random": lambda: python("random_graphs.py", "--count", "120"),
    "random-convs": lambda: python("random_convs.py"),
    "random-attention": lambda: python("random_attention.py"),
    "norms": lambda: module("norms"),
    "strings": lambda: module("strings"),
    "gradients": lambda: module("gradients"),
    "svm": lambda: module("svm"),
    "ml-operators": lambda: module("ml_operators"),
    "sklearn": lambda: module("sklearn_models"),
    "boosted": lambda: module("boosted_models"),
    "random-norms": lambda: python("random_norms.py"),
    "random-split": lambda: python("random_graphs.py", "--split", "--seed", "2", "--count", "120"),
    "differential": lambda: python("differential.py", "--count", "150"),
    "operator-evidence": lambda: python("operator_evidence.py", "--every", "12"),
    "operator-evidence-all": lambda: python("operator_evidence.py"),
    "regressions": lambda: module("regressions"),
    "random-quick": lambda: python("random_graphs.py", "--count", "40"),
    "random-sequences": lambda: python("random_sequences.py"),
    "node": lambda: python("node_suite.py", "--strict"),
    "node-quick": lambda: python("node_suite.py", "--strict", "--every", "5"),
    "node-clang": lambda: python("node_suite.py", "--strict", "--cc", "clang", "--every", "8"),
    "node-sanitized": lambda: python("node_suite.py", "--sanitize", "--split", "--every", "4"),
    "node-sanitized-all": lambda: python("node_suite.py", "--sanitize", "--split"),
    "zoo": lambda: python("zoo.py"),
    "zoo-dynamic": lambda: python("zoo.py", "--dynamic"),
    "zoo-all": lambda: python("zoo.py", "--all", "--both", "--write"),
    "zoo-all-dynamic": lambda: python("zoo.py", "--all", "--dynamic"),
}
PLANS = {
    "all": [
        "unit",
        "errors",
        "cli",
        "emitted",
        "nests",
        "random-values",
        "dtypes",
        "threads",
        "targets",
        "quantized",
        "sequences",
        "json-models",
        "plugins",
        "layers",
        "microsoft",
        "plugin-tool",
        "shipped-plugins",
        "tutorial",
        "golden",
        "strings",
        "gradients",
        "svm",
        "ml-operators",
        "cuda-stand-in",
        "device-kernels",
        "cuda-plugins",
        "cuda-programs",
        "cuda-libs",
        "cuda-nodes",
        "cuda-models",
        "cuda-compile",
        "gpu-folder",
        "python-runtime",
        "pytorch",
        "examples",
        "json-schema",
        "fuzz-replay",
        "random",
        "random-convs",
        "random-attention",
        "norms",
        "random-norms",
        "random-sequences",
        "random-split",
        "differential",
        "operator-evidence",
        "regressions",
        "node",
        "node-clang",
        "node-sanitized",
        "zoo",
        "zoo-dynamic",
    ],
    "quick": ["unit", "errors", "cli", "emitted", "golden", "json-schema", "random-quick", "node-quick"],
    "zoo": ["zoo-all", "zoo-all-dynamic"],
    "conformance": ["node", "node-sanitized-all", "dtypes-all", "operator-evidence-all"],
    "cuda": [
        "cuda-stand-in",
        "device-kernels",
        "cuda-plugins",
        "cuda-programs",
        "cuda-libs",
        "cuda-nodes-all",
        "cuda-nodes-sanitized",
        "cuda-models-all",
        "cuda-models-dynamic",
        "cuda-models-orders",
        "cuda-compile-all",
    ],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for plan in PLANS:
        parser.add_argument("--" + plan, dest="plan", action="store_const", const=plan)
    parser.add_argument("--group", action="append", choices=GROUPS)
    args = parser.parse_args()
    total, summary = Count(), []
    for name in args.group or PLANS[args.plan or "all"]:
        print(f"== {name}", flush=True)
        start = time.time()
        count = GROUPS[name]()
        total.add(count)
        summary.append(f"{name:16} {count} ({time.time() - start:.0f} s)")
        print(summary[-1].strip(), flush=True)
    print("\n" + "\n".join(summary))
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
