#!/usr/bin/env python3
"""docs/benchmarks-gpu.md from what `run.py` of the folder for a GPU has written (docs/gpu-machine.md).

    gpu_report.py [RESULTS.json…] [--to FILE]    later files replace what earlier ones say of the same program; none: nothing was measured
"""

import argparse
import json
import pathlib
import sys

from results import CALL_COST, geometric_mean

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = {"eager": "PyTorch eager", "eager_graph": "eager, CUDA graph", "compile": "torch.compile", "onnxruntime": "onnxruntime CUDA"}
TITLES = {"latency": "Latency", "in_a_row": "Throughput"}
# The wanted ratio (issue 6) is over these two.
BEST_OF = ("compile", "eager_graph")
SLOWEST = 12
HEAD = """# Programs for a GPU: measurements

Written by `bench/gpu_report.py`; [gpu-machine.md](gpu-machine.md) says how it is measured.
"""
NOTHING = "**Not measured yet**: no machine with a GPU was at hand. The folder that measures it is `make gpu-folder`.\n"


def text_of(seconds):
    return f"{seconds * 1e6:.1f}" if seconds < 1e-3 else f"{seconds * 1e3:.3f} ms"


def cell(result, kind):
    """'12.3 (±4 %)': the median of the turns and how far their quartiles are apart."""
    if result is None:
        return ""
    if "error" in result:
        return result["error"].split(":")[0]
    spread = result[kind]["high"] - result[kind]["low"]
    return f"{text_of(result[kind]['median'])} ({100 * spread / result[kind]['median']:.0f} %)"


def median(result, kind):
    return None if result is None or "error" in result else result[kind]["median"]


def ratio(found, kind, peers=BEST_OF):
    """Time of the best of these peers over ctc's, or None."""
    times, own = [t for t in (median(found.get(peer), kind) for peer in peers) if t], median(found.get("ctc"), kind)
    return min(times) / own if times and own else None


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)] + ["| " + " | ".join(row) + " |" for row in rows]


def group(results, precision, batch):
    """{model: result} of the models of this precision and batch."""
    split = {tuple(key.rsplit(" ", 2)): found for key, found in results.items()}
    return {name: found for (name, p, b), found in split.items() if (p, b) == (precision, str(batch))}


def bench_table(found, kind):
    peers = [peer for peer in PEERS if any(peer in result for result in found.values())]
    rows = []
    for name, result in found.items():
        times = ratio(result, kind)
        text = "" if times is None else f"{times:.2f}" if times >= 1 else f"**{times:.2f}**"
        rows.append([name, cell(result.get("ctc"), kind), *[cell(result.get(peer), kind) for peer in peers], text])
    mean = geometric_mean([ratio(result, kind) for name, result in found.items() if name != CALL_COST])
    lines = table(["model", "ctc", *[PEERS[peer] for peer in peers], "ratio"], rows)
    return lines + ["", f"Geometric mean of the ratios: {mean:.2f}" if mean else "No ratio: PyTorch was not there."]


def test_lines(tests):
    bad = {key: found.get("failures") or [found["error"]] for key, found in tests.items() if found.get("failures") or "error" in found}
    lines = [f"{len(tests) - len(bad)} of {len(tests)} programs agree with onnxruntime, by all ways to call them, with the same bits in each run."]
    return lines + [f"* {key}: {'; '.join(why)}" for key, why in bad.items()]


def steps_table(found):
    rows = []
    for key, result in found.items():
        timed = [step for step in result.get("steps", []) if step.get("seconds")]
        total, bound = sum(step["seconds"] for step in timed), sum(step.get("bound", 0) for step in timed)
        if not result.get("aligned") or not total:
            rows.append([key, str(len(timed)), text_of(total), "", ""])
            continue
        worst = max(timed, key=lambda step: step["seconds"] - step["bound"])
        rows.append([key, str(len(timed)), text_of(total), f"{100 * bound / total:.0f} %", f"{worst['kernel']} {text_of(worst['seconds'])}"])
    return table(["program", "steps", "time", "share of the roofline", "most to win"], rows)


def slow_steps(found):
    """The steps that lose the most time against the roofline, of all programs."""
    steps = [(step, key) for key, result in found.items() if result.get("aligned") for step in result["steps"] if step["seconds"]]
    steps.sort(key=lambda pair: pair[0]["bound"] - pair[0]["seconds"])
    rows = [[key, step["kernel"], step["nodes"].strip(), text_of(step["seconds"]), f"{100 * step['bound'] / step['seconds']:.0f} %"]
            for step, key in steps[:SLOWEST]]
    return table(["program", "kernel", "nodes", "time", "share"], rows)


def machine_lines(machine):
    peaks = machine["peaks"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    flops = ", ".join(f"{name} {rate / 1e12:.0f}" for name, rate in peaks["flops"].items())
    return [f"{machine['device']}, driver {machine['driver']}, {versions}; {machine['date']}. A copy moves {peaks['bytes'] / 1e9:.0f} GB/s (measured);",
            f"arithmetic, from the clock and the number of multiprocessors: {flops} TFLOP/s.", ""]


def report(results):
    lines = [HEAD, *machine_lines(results["machine"]), "## Correctness", "", *test_lines(results["test"]), ""]
    kinds = sorted({tuple(key.rsplit(" ", 2)[1:]) for key in results["bench"]}, key=lambda pair: (int(pair[1]), pair[0]))
    for precision, batch in kinds:
        found = group(results["bench"], precision, batch)
        for kind, title in TITLES.items():
            lines += [f"## {title}, {precision}, batch {batch}", "", *bench_table(found, kind), ""]
    if kinds:
        lines += ["µs where there is no unit: the median of the turns, in brackets how far their quartiles are apart. *Latency*: a run that is waited for. *Throughput*: a run",
                  "among many that are waited for together. *ratio*: the faster of torch.compile and eager with a CUDA graph over ctc; **bold**: ctc is slower.", ""]
    if results["steps"]:
        lines += ["## Steps", "", *steps_table(results["steps"]), "", *slow_steps(results["steps"]), ""]
    return "\n".join(lines)


def merged(paths):
    """What the files say together; the machine must be the same."""
    whole = {"test": {}, "bench": {}, "steps": {}}
    for path in paths:
        found = json.loads(path.read_text())
        if found["stand_in"]:
            sys.exit(f"{path}: measured on the stand-in for CUDA, on a CPU: its times say nothing of a GPU")
        if whole.setdefault("machine", found["machine"])["device"] != found["machine"]["device"]:
            sys.exit(f"{path}: measured on another device")
        for job in ("test", "bench", "steps"):
            whole[job] |= found.get(job, {})
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=pathlib.Path)
    parser.add_argument("--to", type=pathlib.Path, default=ROOT / "docs" / "benchmarks-gpu.md")
    args = parser.parse_args()
    args.to.write_text(report(merged(args.results)) if args.results else f"{HEAD}\n{NOTHING}")
    print(args.to)


if __name__ == "__main__":
    main()
