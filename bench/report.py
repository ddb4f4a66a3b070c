"""docs/benchmarks.md and docs/benchmarks.svg from the results of bench/run.py."""

import json
import os
import pathlib
import platform
import subprocess

import plot
from models import ROOT, SET_TITLES
from programs import PLAIN
from results import CALL_COST, PEERS, geometric_mean, ratio


METHOD = """
## What is measured

* Every engine gets the same file, with the sizes of its inputs written in, the same inputs, and the same number of threads; it runs in a
  process of its own that is pinned to as many cores. Precision is float32 everywhere.
* **ctc**: `ctc compile --weights=file`, then `{cflags}` by gcc and by clang{openmp}. The program is called through its descriptor.
* **onnxruntime**: defaults (all graph optimisations), `intra_op_num_threads` as stated, `inter_op_num_threads` 1, sequential; inputs and
  outputs bound once, then `RunWithBinding`.
* **OpenVINO**: CPU plugin, latency hint, one stream, `INFERENCE_PRECISION_HINT` f32, `INFERENCE_NUM_THREADS` as stated; the request's own
  tensors filled once, then `ov_infer_request_infer`.
* Both peers come from PyPI and are called through their C interfaces, by the same loop in C as ctc's programs (`bench/loop.c`): no figure
  holds the cost of a call from Python. The row `noop`, one Relu of 16 numbers, shows what a call costs; it counts in no mean.
* First each engine's outputs are compared with onnxruntime's (called from Python, another build of it than the one that is timed): at most
  1e-4 + 1e-3 |b| apart, else the row says so instead of a time.
* Then the engines take turns, {rounds} rounds, each time in another order. A turn is a warm-up of at least 30 ms and at least {seconds} s of
  runs, in samples of at least 0.2 ms. The median of a turn counts; the table has the median of the turns, and in brackets how far the
  quartiles of the turns are apart, in percent.
* *plain loops*: what ctc makes with `--optimize=size`, the loops that anybody would write, compiled with the same flags; one turn.
* *ratio*: the faster peer's time divided by that of ctc with gcc. Above 1 ctc is faster. **Bold**: below 1.

`make bench` measures all of it and writes this page (some {minutes} minutes here); `bench/run.py resnet18 mlp` measures some models;
`bench/run.py --quick` does so with CPU time on a machine that is busy; `ctc bench model.onnx` shows where the time of a model goes.
"""


# --- facts ---


def output_of(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else None
    except OSError:
        return None


def cpu_name():
    path = pathlib.Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in path.read_text().splitlines() if line.startswith("model name")] if path.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def package_version(name):
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def peaks(folder, threads):
    """templates/machine.c's figures for these numbers of threads, or {}."""
    program = folder / "machine"
    made = subprocess.run(["cc", "-O2", "-march=native", "-std=gnu11", "-DCTC_MACHINE_MAIN", ROOT / "templates" / "machine.c", "-o", program, "-lpthread"], capture_output=True)
    if made.returncode:
        return {}
    return {str(t): json.loads(output_of([program, str(t)]) or "{}") for t in threads}


def machine_facts(args):
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "compilers": {v.cc: output_of([v.cc, "--version"]) for v in args.variants},
        "ctc": output_of([args.ctc, "--version"]),
        "peers": {title: package_version(title.lower()) for title in PEERS.values()},
        "cflags": args.cflags,
        "peaks": peaks(args.folder, args.threads),
    }


# --- tables ---


def table(head, rows):
    """Markdown; the first column is text, the others numbers."""
    return ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)] + ["| " + " | ".join(row) + " |" for row in rows]


def milliseconds(ns):
    ms = ns / 1e6
    return f"{ms:.1f}" if ms >= 100 else f"{ms:.2f}" if ms >= 10 else f"{ms:.3f}" if ms >= 0.1 else f"{ms:.5f}"


def cell(result):
    if result is None:
        return ""
    if "error" in result:
        return "fails" if "wrong output" not in result["error"] else "wrong"
    spread = 100 * (result["high"] - result["low"]) / result["ns"]
    return f"{milliseconds(result['ns'])} ({spread:.0f})"


def ratio_text(value):
    return "" if value is None else f"**{value:.2f}**" if value < 1 else f"{value:.2f}"


def own_engines(rows):
    """ctc's engines in these rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row["engines"] if name.startswith("ctc-")))


def result_table(rows):
    own = own_engines(rows)
    head = ["model"] + [name.replace("-", " ") for name in own] + [t for p, t in PEERS.items()] + ["ratio"]
    extra = any(PLAIN in row["engines"] for row in rows)
    lines = []
    for row in rows:
        engines = row["engines"]
        lines.append([row["model"]] + [cell(engines.get(name)) for name in own + list(PEERS)] + [ratio_text(ratio(engines, own[0]))]
                     + ([cell(engines.get(PLAIN))] if extra else []))
    return table(head + (["plain loops"] if extra else []), lines)


def mean_of(rows, engine):
    """Of the ratios; None if the engine was measured for a few of the rows only, such as one compiler of two."""
    wanted = [row["engines"] for row in rows if row["model"] != CALL_COST]
    return geometric_mean([ratio(engines, engine) for engines in wanted]) if all(engine in engines for engines in wanted) else None


def summary_table(groups):
    lines = []
    for (title, threads), rows in groups.items():
        own = own_engines(rows)
        ratios = [ratio(row["engines"], own[0]) for row in rows if row["model"] != CALL_COST]
        known = [r for r in ratios if r]
        if known:
            lines.append([title, str(threads), str(len(known))] + [f"{mean_of(rows, name):.2f}" if mean_of(rows, name) else "" for name in own]
                         + [f"{min(known):.2f}", str(sum(r < 1 for r in known))])
    own = own_engines([row for rows in groups.values() for row in rows])
    head = ["models", "threads", "how many"] + [f"mean ratio, {name.removeprefix('ctc-')}" for name in own] + ["least", "below 1"]
    return table(head, lines)


def failures(rows):
    return [
        f"* {row['model']}, {row['threads']} thread{'s' * (row['threads'] > 1)}, {PEERS.get(name, name)}: {result['error']}"
        for row in rows
        for name, result in row["engines"].items()
        if "error" in result
    ]


def size_table(rows):
    """What the compilers make of the emitted programs, from the rows with one thread."""
    own, lines = own_engines(rows), []
    for row in rows:
        builds = [(row["engines"].get(name) or {}).get("build") or {} for name in own]
        if not builds or not builds[0].get("text_bytes"):
            continue
        first = builds[0]
        lines.append([row["model"], f"{first['source_bytes'] / 1e3:.0f}", f"{first['weights_bytes'] / 1e6:.2f}", f"{first['emit_seconds']:.1f}"]
                     + [f"{b['text_bytes'] / 1e3:.0f}" if b.get("text_bytes") else "" for b in builds]
                     + [f"{b['cc_seconds']:.1f}" if b.get("cc_seconds") else "" for b in builds])
    head = ["model", "C, KB", "weights, MB", "ctc, s"] + [f"code {n.removeprefix('ctc-')}, KB" for n in own] + [f"{n.removeprefix('ctc-')}, s" for n in own]
    return table(head, lines)


def machine_table(facts):
    lines = [["processor", facts["cpu"]], ["cores used", str(facts["cores"])], ["system", facts["system"]], ["ctc", facts["ctc"] or "?"]]
    lines += [[name, version or "not installed"] for name, version in {**facts["compilers"], **facts["peers"]}.items()]
    for threads, found in facts["peaks"].items():
        if found:
            reads = ", ".join(f"{key[5:]} {found[key]:.0f}" for key in found if key.startswith("read_"))
            lines.append([f"measured peak, {threads} thread{'s' * (threads != '1')}", f"{found['fma']:.0f} GFLOP/s ({found['lanes']} lanes); "
                          f"reading GB/s: {reads}"])
    return ["| | |", "|---|---|"] + ["| " + " | ".join(line) + " |" for line in lines]


def accuracy_section(folder):
    """From what accuracy.py has found."""
    path = folder / "accuracy.json"
    if not path.exists():
        return []
    lines = []
    for model, errors in sorted(json.loads(path.read_text()).items()):
        peer = errors.pop("onnxruntime")
        own = list(errors.values())
        lines.append([model, f"{peer:.1e}"] + [f"{e:.1e}" for e in own] + [f"{own[0] / peer:.2f}" if peer else ""])
        names = list(errors)
    return ["", "## Errors", "", "Against a float64 run by onnx's reference implementation: |x - x64| / |x64|, of the worst output "
            "(`bench/accuracy.py`).", ""] + table(["model", "onnxruntime"] + [n.replace("-", " ") for n in names] + ["ratio"], lines)


# --- the page ---


def groups_of(store):
    """{(title of the set, threads): rows}, rows in order of time."""
    groups = {}
    for name, title in SET_TITLES.items():
        for threads in sorted({row["threads"] for row in store["rows"].values()}):
            rows = [row for row in store["rows"].values() if row["set"] == name and row["threads"] == threads]
            rows.sort(key=lambda row: min((r["ns"] for r in row["engines"].values() if "ns" in r), default=0))
            if rows and own_engines(rows):
                groups[title, threads] = rows
    return groups


def page(store, folder):
    groups, facts = groups_of(store), store["facts"]
    everything = [row for rows in groups.values() for row in rows]
    lines = ["# Benchmarks", "", "How fast the programs are that ctc makes, beside onnxruntime and OpenVINO on the same machine, in the same run. "
             "Every figure comes out of `make bench`.", "", "![time of the faster peer divided by ctc's](benchmarks.svg)", ""]
    lines += summary_table(groups) + ["", f"Measured on {facts['date']}:", ""] + machine_table(facts)
    for (title, threads), rows in groups.items():
        lines += ["", f"## {title}, {threads} thread{'s' * (threads > 1)}", "", "Milliseconds (quartile distance of the turns, %).", ""]
        lines += result_table(rows)
    failed = failures(everything)
    if failed:
        lines += ["", "## What failed", ""] + failed
    single = [row for row in everything if row["threads"] == 1]
    lines += ["", "## The programs", "", "Size and time of compilation, built for one thread.", ""] + size_table(single)
    lines += accuracy_section(folder)
    kernels = store.get("kernels")
    if kernels:
        lines += ["", "## Kernels", ""] + kernels
    if store.get("products"):
        lines += ["", "## Matrix products beside OpenBLAS", ""] + store["products"]
    threaded = ", for several threads with `-DCTC_POOL`: the pool that comes with the program" if any(row["threads"] > 1 for row in everything) else ""
    return "\n".join(lines) + "\n" + METHOD.format(cflags=facts["cflags"], openmp=threaded, rounds=facts["rounds"], seconds=facts["seconds"],
                                                   minutes=facts.get("minutes", "?"))


def write(args, store):
    docs = ROOT / "docs"
    (docs / "benchmarks.md").write_text(page(store, args.folder))
    bars = {
        f"{title}, {threads} thread{'s' * (threads > 1)}": [
            (row["model"], ratio(row["engines"], own_engines(rows)[0])) for row in rows if row["model"] != CALL_COST
        ]
        for (title, threads), rows in groups_of(store).items()
    }
    (docs / "benchmarks.svg").write_text(plot.bars(bars, "Time of the faster of onnxruntime and OpenVINO, divided by ctc's"))
    print("wrote docs/benchmarks.md and docs/benchmarks.svg")
