#!/usr/bin/env python3
"""Checks of the sources that no compiler makes: `make lint` runs it. Prints what is wrong, as FILE:LINE: message.

    lint.py [--ctc build/ctc]      all checks; docs/operators.md and what is known of operators only with a ctc
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Who may include whom: a folder of compiler/ those of its own level and of the levels below.
LEVELS = [{"base"}, {"ir", "io"}, {"frontends", "ops", "passes"}, {"backends", "kernels"}, {"plugins"}, {"cli"}]
LEVEL = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
# Beside the folders: facts that every level above base may know, and what the build generates.
SHARED_HEADERS = {"options.h", "version.h"}
GENERATED_HEADERS = {"onnx.pb-c.h": "frontends", "ops.def": "ops"}
MAIN_LEVEL = len(LEVELS)

# Templates of files that stand beside emitted programs: they use what they need.
PROGRAMS = {"main.c", "machine.c", "plugin_check.c"}

# Emitted programs may use these and nothing else.
RUNTIME_HEADERS = {"<float.h>", "<math.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}
# And these only where the C compiler is asked for threads.
THREAD_HEADERS = {"<omp.h>", "<pthread.h>", "<sched.h>", "<time.h>"}

# Places that exist on one machine only.
MACHINE_PATHS = re.compile(r"/(?:work|home|root|Users)/[a-z]|[Cc]:\\\\")

EVIDENCE = "schema/operator_evidence.json"
LONG_FUNCTION = 60
# A template's may be a remark of its own, which is not in the emitted program.
TEMPLATE_REMARK = "//$ # "
COMMENT_STARTS = {".c": ("/*",), ".h": ("/*",), ".def": ("/*",), ".py": ('"""', "#"), ".sh": ("#",), ".proto": ("//", "/*")}


def tracked_files():
    """Paths, relative to the root, of all files that git knows or would take in."""
    text = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout
    return [path for path in map(pathlib.PurePath, sorted(set(text.splitlines()))) if (ROOT / path).is_file()]


def text_of(path):
    """The lines of a file; none of a binary one."""
    data = (ROOT / path).read_bytes()
    return [] if b"\0" in data[:8000] else data.decode("utf-8", "replace").splitlines()


def includes_of(path):
    """(line number, what stands behind #include, with its quotes or brackets)"""
    for number, line in enumerate(text_of(path), 1):
        found = re.match(r'\s*#\s*include\s+(<[^>]+>|"[^"]+")', line)
        if found:
            yield number, found[1]


# --- layers ---

def level_of(path):
    """Level of a file of compiler/; None for the shared headers."""
    if len(path.parts) > 2:
        return LEVEL[path.parts[1]]
    return None if path.name in SHARED_HEADERS else MAIN_LEVEL


def include_problem(path, name):
    """What is wrong with `#include "name"` in a file of compiler/, or None."""
    own = level_of(path)
    if name in GENERATED_HEADERS:
        wanted = GENERATED_HEADERS[name]
        return None if wanted in path.parts else f"{name} belongs to {wanted}"
    if name in SHARED_HEADERS:
        return None if own != 0 else f"base must not know {name}"
    folder = name.split("/")[0]
    if "/" not in name:  # beside the file itself
        return None if (ROOT / path.parent / name).exists() else f"{name}: write the path below compiler/"
    if folder not in LEVEL:
        return f"{folder}/ is no folder of compiler/ that the rules know"
    if own is None or LEVEL[folder] > own:
        return f"{path.parts[1]} must not include {folder}"
    return None


def check_layers(files):
    for path in files:
        top, suffix = path.parts[0], path.suffix
        if suffix not in (".c", ".h", ".def"):
            continue
        for number, include in includes_of(path):
            if top == "compiler" and include.startswith('"'):
                problem = include_problem(path, include.strip('"'))
            elif top in ("runtime", "templates") and "$" not in include and path.name not in PROGRAMS \
                    and include not in (RUNTIME_HEADERS | THREAD_HEADERS if top == "templates" else RUNTIME_HEADERS):
                problem = f"emitted code must not include {include}"
            elif top in ("runtime", "templates") and (ROOT / "compiler" / include.strip('"<>')).exists():
                problem = f"{top}/ must not include files of compiler/"
            else:
                problem = None
            if problem:
                yield f"{path}:{number}: {problem}"


# --- text ---

def check_machine_paths(files):
    for path in files:
        if path.as_posix() == "tools/lint.py":
            continue
        for number, line in enumerate(text_of(path), 1):
            for pattern, what in ((MACHINE_PATHS, "a path of one machine"),):
                if pattern.search(line):
                    yield f"{path}:{number}: {what}: {line.strip()[:80]}"


def check_first_comment(files):
    for path in files:
        lines = [line for line in text_of(path) if line.strip() and not line.startswith("#!")]
        starts = COMMENT_STARTS.get(path.suffix)
        if starts and path.parts[0] == "templates":
            starts += (TEMPLATE_REMARK,)
        if starts and lines and not lines[0].startswith(starts) and path.parts[0] != "build" and "golden" not in path.parts:
            yield f"{path}:1: a file's first comment tells what it is for"


def check_links(files):
    """Links between the documents lead somewhere."""
    for path in files:
        if path.suffix != ".md":
            continue
        for number, line in enumerate(text_of(path), 1):
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", line):
                if "://" not in target and not (ROOT / path.parent / target).exists():
                    yield f"{path}:{number}: {target} does not exist"


# --- documents and tables ---

def check_operators(ctc):
    wanted = subprocess.run([ctc, "ops", "--markdown"], capture_output=True, text=True)
    document = ROOT / "docs" / "operators.md"
    if wanted.returncode:
        yield "docs/operators.md: `ctc ops --markdown` failed: " + wanted.stderr.strip()
    elif not document.exists() or document.read_text() != wanted.stdout:
        yield "docs/operators.md: not what `ctc ops --markdown` prints; write it again with `make docs`"


def check_evidence(ctc):
    """Each operator has its line in schema/operator_evidence.json, of which docs/operators.md is made."""
    listed = {line.split()[0] for line in subprocess.run([ctc, "ops"], capture_output=True, text=True, check=True).stdout.splitlines()}
    known = set(json.loads((ROOT / EVIDENCE).read_text())["operators"])
    for name in sorted(listed ^ known):
        yield f"{EVIDENCE}: {'has no' if name in listed else 'has a'} line for {name}: run `make evidence docs`"


def macros_of(path):
    """(line number, name)"""
    for number, line in enumerate(text_of(path), 1):
        found = re.match(r"\s*#\s*define\s+(\w+)", line)
        if found:
            yield number, found[1]


def check_macros(files):
    """A program for a GPU takes text from runtime/ and from runtime/cuda/: no macro has the same name in both."""
    runtime = [path for path in files if path.parts[0] == "runtime" and path.suffix in {".c", ".cu"}]
    plain = {name: path for path in runtime if path.suffix == ".c" and len(path.parts) == 2 for _, name in macros_of(path)}
    for path in runtime:
        for number, name in macros_of(path) if path.suffix == ".cu" else ():
            if name in plain:
                yield f"{path}:{number}: {plain[name]} defines {name}, too"


def quotations(path):
    """(line number, quoted file, lines) of code blocks that follow a line "In `FILE`:"."""
    source, block = None, None
    for number, line in enumerate(text_of(path), 1):
        if block is not None:
            if line == "```":
                yield number - len(block), source, block
                source = block = None
            else:
                block.append(line)
        elif line.startswith("In `"):
            source = line.split("`")[1]
        elif line.startswith("```") and source:
            block = []


def check_quotations(files):
    """Code that a document quotes still stands in the file; lines of "…" stand for a gap."""
    for path in files:
        if path.suffix != ".md":
            continue
        for number, source, block in quotations(path):
            text = "\n" + "\n".join(text_of(pathlib.PurePath(source))) + "\n" if (ROOT / source).exists() else ""
            for part in "\n".join(block).split("\n…\n"):
                if f"\n{part}\n" not in text:
                    yield f"{path}:{number}: not in {source} (any more): {part.splitlines()[0]} …"


# --- advice ---

def long_functions(files):
    """Functions that are longer than they should be; kernels and skeletons may be."""
    for path in files:
        if path.suffix not in (".c", ".h") or path.parts[0] in ("runtime", "templates") or "golden" in path.parts:
            continue
        name = start = None
        for number, line in enumerate(text_of(path), 1):
            head = re.match(r"[a-zA-Z_][^;={]*\b(\w+)\s*\(", line)
            if head and not line.rstrip().endswith(";"):
                name, start = head[1], number
            elif line.startswith("}") and name:
                if number - start + 1 > LONG_FUNCTION:
                    yield f"{path}:{start}: note: {name} is {number - start + 1} lines long"
                name = None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path)
    args = parser.parse_args()
    files = tracked_files()
    checks = (check_layers, check_machine_paths, check_first_comment, check_links, check_macros, check_quotations)
    problems = [problem for check in checks for problem in check(files)]
    if args.ctc:
        problems += [*check_operators(args.ctc.resolve()), *check_evidence(args.ctc.resolve())]
    for line in problems + list(long_functions(files)):
        print(line)
    print(f"lint: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
