#!/usr/bin/env python3
"""The corpora of fuzzing (tests/fuzz/corpus), each input once, with the address and undefined-behaviour sanitizers.

    fuzz_replay.py [--ctc build/ctc] [NAME…]      builds build/replay if need be; all targets or those named
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from common import CTC, ROOT, Count

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
# Sanitized programs need room of their own; what asks for too much at once is a finding.
LIMITS = {**os.environ, "ASAN_OPTIONS": "max_allocation_size_mb=512:detect_leaks=1"}


def build(targets, folder):
    """The programs; None, with the reason printed, where the C compiler has no sanitizers."""
    command = ["make", "--no-print-directory", f"-j{os.cpu_count()}", "fuzz-replay", f"BUILD={folder}", f"FUZZ={' '.join(targets)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        return True
    if re.search(r"cannot find .*(asan|ubsan)|unsupported option '?-fsanitize", done.stderr):
        print("skipped: the C compiler has no sanitizers")
        return None
    print(f"FAIL {' '.join(command)}: {done.stderr[-1500:]}")
    return False


def replay(target, program):
    """Whether all inputs went well."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-xJf", CORPUS / f"{target}.tar.xz", "-C", folder], check=True)
        done = subprocess.run([program, folder], capture_output=True, text=True, errors="replace", env=LIMITS, timeout=300)
    if done.returncode == 0 and re.match(r"[1-9]\d* inputs$", done.stdout.strip()):
        return True
    print(f"FAIL {target}: exit {done.returncode}: {done.stdout[-200:]}\n{done.stderr[-3000:]}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctc", type=pathlib.Path, default=CTC)
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    targets = args.targets or sorted(path.name.split(".")[0] for path in CORPUS.glob("*.tar.xz"))
    folder = args.ctc.resolve().parent
    count, built = Count(), build(targets, folder)
    if built is None:
        count.skipped += len(targets)
    elif not built:
        count.failed += 1
    for target in targets if built else []:
        passed = replay(target, folder / "replay" / f"fuzz_{target}")
        count.add(Count(passed, not passed))
    print(count)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
