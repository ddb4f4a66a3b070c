#!/usr/bin/env python3
"""Measures ctc's programs beside onnxruntime and OpenVINO.

    run.py [--set bench|tiny|zoo] [MODEL…]   these sets (bench by default), or only these models of them, or files
    run.py --quick MODEL…                    CPU time, one thread, the fastest run: for a machine that does other things
    run.py --report                          all of it, and docs/benchmarks.md from the results (what `make bench` does)

Each engine holds the model in a process of its own, pinned to as many cores as it has threads. First its outputs are
compared with onnxruntime's; then the engines take turns, for several rounds, each turn with a warm-up. Of a turn the median
counts, of the turns the median and the quartiles. Everything measured goes to build/bench/results.json, model by model.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import programs
import report
from models import ROOT, SETS, collect, prepare
from programs import PLAIN
from results import CALL_COST, PEERS, geometric_mean, ratio, value

HERE = pathlib.Path(__file__).resolve().parent
# Idle time before a turn with several threads, so that the spinning threads of the engine before it are asleep.
REST_SECONDS = 0.05


# --- one engine in its process ---


class Engine:
    """A worker process; `failed` says why it is out of the race."""

    def __init__(self, name, kind, path, data, threads, cores, loop):
        self.name, self.failed, self.rounds = name, None, []
        command = [sys.executable, HERE / "worker.py", kind, path, data, threads, ",".join(map(str, cores)), loop]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENVINO_TELEMETRY": "0"}
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
                                        stderr=subprocess.DEVNULL)
        self.listen()

    def listen(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"died ({self.process.wait()})"}
        if "error" in answer:
            self.failed = answer["error"]
        return answer

    def ask(self, **request):
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        return self.listen()

    def check(self):
        if not self.failed:
            answer = self.ask(do="check")
            if not self.failed and not answer["ok"]:
                self.failed = f"wrong output: {answer['worst']:.3g} times the tolerance"

    def measure(self, seconds, cpu):
        answer = self.ask(do="measure", seconds=seconds, cpu=cpu)
        if not self.failed:
            self.rounds.append({"median": statistics.median(answer["ns"]), "least": min(answer["ns"]), "samples": len(answer["ns"])})

    def result(self):
        if self.failed:
            return {"error": self.failed}
        medians = sorted(r["median"] for r in self.rounds)
        low, middle, high = statistics.quantiles(medians, n=4, method="inclusive") if len(medians) > 1 else medians * 3
        return {"ns": middle, "low": low, "high": high, "least": min(r["least"] for r in self.rounds),
                "samples": sum(r["samples"] for r in self.rounds)}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


# --- one model ---


def variants_for(args, set_name, threads):
    """Plain loops are slow enough to be measured for one set, by one thread, in one turn."""
    return [v for v in args.variants if v.name != PLAIN or (set_name != "zoo" and threads == 1)]


def start_engines(args, set_name, entry, threads, path, data):
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    loop = programs.loop_library(args.folder)
    engines = []
    for variant in variants_for(args, set_name, threads):
        made = programs.make(args, variant, path, entry.name, threads)
        if made.failed:
            engines.append(made)
        else:
            engines.append(Engine(variant.name, "ctc", made.library, data, threads, cores, loop))
            engines[-1].build = made.facts
    if not args.no_peers:
        engines += [Engine(peer, peer, path, data, threads, cores, loop) for peer in PEERS]
    return engines


def measure(args, set_name, entry, threads):
    """{engine: result} of one model, engines taking turns."""
    path, data = prepare(entry, args.folder / "models")
    engines = start_engines(args, set_name, entry, threads, path, data)
    try:
        for engine in engines:
            engine.check()
        for round in range(args.rounds):
            # Another order each time: nobody always follows the same one.
            for engine in engines[round % len(engines) :] + engines[: round % len(engines)]:
                if not engine.failed and (round == 0 or engine.name != PLAIN):
                    time.sleep(REST_SECONDS if threads > 1 else 0)
                    engine.measure(args.seconds, args.quick)
        return {engine.name: engine.result() | {"build": getattr(engine, "build", None)} for engine in engines}
    finally:
        for engine in engines:
            engine.end()


# --- all of them ---


def time_text(ns):
    return f"{ns / 1e6:.4g}" if ns is not None else "-"


def print_row(args, name, threads, results):
    cells = []
    for engine in [v.name for v in args.variants] + ([] if args.no_peers else list(PEERS)):
        cells.append(f"{engine} {time_text(value(results.get(engine), args.quick)):>8}")
    ratios = [ratio(results, v.name, args.quick) for v in args.variants]
    marks = " ".join("   -  " if r is None else f"{r:5.2f}{'!' if r < 1 else ' '}" for r in ratios)
    print(f"{name:28.28} {threads}t  " + "  ".join(cells) + f"  {marks}", flush=True)
    for engine, result in results.items():
        if "error" in result:
            print(f"    {engine}: {result['error']}", flush=True)


def print_means(args, rows):
    for threads in args.threads:
        for variant in args.variants:
            values = [ratio(r["engines"], variant.name, args.quick) for r in rows if r["threads"] == threads and r["model"] != CALL_COST]
            mean = geometric_mean(values)
            if mean:
                below = sum(1 for v in values if v and v < 1)
                print(f"{variant.name}, {threads} thread{'s' * (threads > 1)}: geometric mean {mean:.3f} over {sum(v is not None for v in values)}"
                      f" models, {below} below 1", flush=True)


def measure_all(args, store):
    rows = []
    for name, entry in collect(args.models, args.sets, args.folder):
        for threads in args.threads:
            key = f"{name}/{entry.name}/{threads}"
            if args.resume and key in store["rows"]:
                row = store["rows"][key]
            else:
                try:
                    engines = measure(args, name, entry, threads)
                except Exception as error:  # a model that onnxruntime cannot run is no reason to stop
                    print(f"skipped: {entry.name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
                    continue
                row = {"set": name, "model": entry.name, "threads": threads, "engines": engines}
                if not args.quick:
                    store["rows"][key] = row
                    save(args, store)
            rows.append(row)
            print_row(args, entry.name, threads, row["engines"])
    print_means(args, rows)


def save(args, store):
    new = args.results.with_suffix(".new")
    new.write_text(json.dumps(store, indent=1))
    new.replace(args.results)


def facts(args):
    return {"date": time.strftime("%Y-%m-%d"), "rounds": args.rounds, "seconds": args.seconds, **report.machine_facts(args)}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS, help="a set of models; repeatable")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", action="store_true", help="measure all sets, write docs/benchmarks.md and .svg")
    parser.add_argument("--write", action="store_true", help="only write the documents from the results that are there")
    parser.add_argument("--resume", action="store_true", help="keep the rows that are already in the results")
    parser.add_argument("--threads", type=lambda text: [int(t) for t in text.split(",")], help="such as 1,2")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a turn")
    parser.add_argument("--cc", default=None, help="compilers, such as gcc,clang")
    parser.add_argument("--cflags", default="-O2 -march=native")
    parser.add_argument("--ctc", type=pathlib.Path, default=ROOT / "build" / "ctc")
    parser.add_argument("--options", default="", help="more options for ctc, in one word")
    parser.add_argument("--plain", action="store_true", help="measure plain loops as well: ctc without its fast kernels; --report does")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench")
    args = parser.parse_args()
    if args.report:
        args.sets = args.sets or list(SETS)
    args.sets = args.sets or (list(SETS) if args.models and not all(m.endswith(".onnx") for m in args.models) else ["bench"])
    args.threads = args.threads or ([1] if args.quick else [1, 2])
    args.threads = [t for t in args.threads if t <= len(os.sched_getaffinity(0))]
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.seconds = args.seconds or (0.15 if args.quick else 0.25)
    args.cc = args.cc or ("gcc" if args.quick else "gcc,clang")
    for cc in args.cc.split(","):
        if not shutil.which(cc):
            print(f"skipped: {cc} is not installed", flush=True)
    compilers = [cc for cc in args.cc.split(",") if shutil.which(cc)]
    args.variants = programs.variants(compilers, args.cflags, args.options, args.plain or args.report)
    args.results = args.folder / "results.json"
    return args


def main():
    args = parse()
    args.folder.mkdir(parents=True, exist_ok=True)
    store = json.loads(args.results.read_text()) if args.results.exists() else {"rows": {}}
    if not args.write:
        if not args.quick:
            store["facts"] = facts(args)
        start = time.time()
        measure_all(args, store)
        store.setdefault("facts", {})["minutes"] = round((time.time() - start) / 60)
        if not args.quick:
            save(args, store)
    if args.report or args.write:
        report.write(args, store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
