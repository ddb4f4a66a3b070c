#!/usr/bin/env python3
"""Holds one engine with one model in a process of its own, and measures it when told so.

    worker.py ENGINE FILE DATA.npz THREADS CORES LOOP.so

Reads one JSON object a line from stdin, answers with one a line:

    {"do": "check"}                              runs once: {"ok": true, "worst": …} or {"error": …}
    {"do": "measure", "seconds": S, "cpu": …}    {"ns": [nanoseconds a run, one a sample]}
"""

import ctypes
import json
import os
import sys
import time

import numpy as np

from engines import ENGINES

ATOL, RTOL = 1e-4, 1e-3
# A sample takes at least this long: the clock then costs nothing that shows.
SAMPLE_SECONDS = 200e-6
WARM_SECONDS = 0.03
LEAST_SAMPLES, MOST_SAMPLES = 3, 2000


def compare(actual, expected):
    """The largest excess over the tolerance, as a share of it, of all outputs; raises on another shape."""
    worst = 0.0
    for name, wanted in expected.items():
        got = actual[name]
        if got.shape != wanted.shape:
            raise ValueError(f"output {name} has shape {got.shape}, not {wanted.shape}")
        a, b = got.astype(np.float64), wanted.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            share = np.where(same, 0, np.abs(a - b) / (ATOL + RTOL * np.abs(b)))
        worst = max(worst, float(np.nan_to_num(share, nan=np.inf).max(initial=0)))
    return worst


def read_data(path):
    """({name: input}, {name: expected output}) of the file that models.py made."""
    with np.load(path) as arrays:
        return ({k[3:]: arrays[k] for k in arrays.files if k.startswith("in:")},
                {k[4:]: arrays[k] for k in arrays.files if k.startswith("out:")})


class Worker:
    def __init__(self, engine, path, data, threads, loop):
        inputs, self.expected = read_data(data)
        self.engine = ENGINES[engine](path, inputs, self.expected, threads)
        self.loop = ctypes.CDLL(loop).bench_time
        self.loop.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int, ctypes.POINTER(ctypes.c_double)]
        self.calls = None

    def time(self, calls, samples, cpu):
        ns = (ctypes.c_double * samples)()
        status = self.loop(self.engine.kind, ctypes.addressof(self.engine.call), calls, samples, int(cpu), ns)
        if status:
            raise RuntimeError(f"a run failed with status {status}")
        return list(ns)

    def outputs(self):
        self.time(1, 1, False)
        return self.engine.outputs()

    def check(self):
        worst = compare(self.outputs(), self.expected)
        return {"ok": worst <= 1, "worst": worst}

    def warm_up(self):
        """Runs for a while; the seconds of a run, and how many make a sample."""
        start, fastest = time.perf_counter(), float("inf")
        while time.perf_counter() - start < WARM_SECONDS:
            fastest = min(fastest, *self.time(1, 1, False))
        return fastest / 1e9, max(1, round(SAMPLE_SECONDS * 1e9 / max(fastest, 1)))

    def measure(self, seconds, cpu):
        one, calls = self.warm_up()
        least = LEAST_SAMPLES if one < seconds else 1
        ns, start = [], time.perf_counter()
        while len(ns) < least or (time.perf_counter() - start < seconds and len(ns) < MOST_SAMPLES):
            ns += self.time(calls, 1, cpu)
        return {"ns": ns}

    def answer(self, request):
        return self.check() if request["do"] == "check" else self.measure(request["seconds"], request["cpu"])


def main():
    engine, path, data, threads, cores, loop = sys.argv[1:]
    os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    # What the libraries print must not mix with the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(answer):
        print(json.dumps(answer), file=out, flush=True)

    try:
        worker = Worker(engine, path, data, int(threads), loop)
        reply({"ready": True, "version": getattr(worker.engine, "version", None)})
        for line in sys.stdin:
            reply(worker.answer(json.loads(line)))
    except Exception as error:  # whatever an engine does not like about a model
        reply({"error": f"{type(error).__name__}: {error}"[:300]})
    out.flush()
    os._exit(0)  # no tidying up: some libraries crash while they are unloaded


if __name__ == "__main__":
    main()
