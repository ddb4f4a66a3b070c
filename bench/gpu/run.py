#!/usr/bin/env python3
"""Tests and measures ctc's CUDA programs on this machine; needs a driver and numpy, and PyTorch for comparison.

    run.py test              outputs against the expected ones, for all the ways to call a model
    run.py bench             ctc beside PyTorch (eager, with CUDA graphs, torch.compile) and onnxruntime, in turns
    run.py steps             the time of each step, and its share of what the device can do
    run.py all               these three
    options: --models A,B    only these        --precisions f32,f16    --batches 1,16
             --limit S       begin no further model after so many seconds
             --results FILE  where the results go, beside what is there already (results.json)

Where there is no GPU it says so, and succeeds.
"""

import argparse
import json
import pathlib
import platform
import statistics
import sys
import time
import traceback

import driver as cuda

HERE = pathlib.Path(__file__).resolve().parent
STAND_IN = "cuda on the cpu"
# A turn of a contender: a warm-up, runs that are waited for one by one, and runs in a row.
ROUNDS, WARM_UP, TURN_SECONDS, FEWEST, MOST_IN_A_ROW = 7, 5, 0.1, 5, 200


# --- measuring ---


def turn(contender, short):
    """(seconds of a run that is waited for, seconds of one among many)."""
    for _ in range(1 if short else WARM_UP):
        contender.run()
    contender.wait()
    single, end = [], time.perf_counter() + (0 if short else TURN_SECONDS)
    while len(single) < (1 if short else FEWEST) or time.perf_counter() < end:
        start = time.perf_counter()
        contender.run()
        contender.wait()
        single.append(time.perf_counter() - start)
    latency = statistics.median(single)
    count = 1 if short else max(FEWEST, min(MOST_IN_A_ROW, int(TURN_SECONDS / latency)))
    start = time.perf_counter()
    for _ in range(count):
        contender.run()
    contender.wait()
    return latency, (time.perf_counter() - start) / count


def quartiles(numbers):
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return {"low": low, "median": middle, "high": high}


def ready(kind, driver, carried, build):
    """A contender whose outputs are right, or what is wrong."""
    from carried import TOLERANCES, distance

    try:
        contender = kind(driver, carried, build)
        contender.run()
        far = distance(contender.outputs(), carried.expected(build["batch"]))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
    return contender if far <= TOLERANCES[build["precision"]] else f"wrong output: {far:.1e}"


def bench(driver, carried, build, kinds, short):
    """{contender: {"latency", "in_a_row"} or {"error"}} of a build."""
    results, alive, turns = {}, {}, {}
    for name, kind in kinds.items():
        made = ready(kind, driver, carried, build)
        if isinstance(made, str):
            results[name] = {"error": made}
        else:
            alive[name], turns[name] = made, []
    names = list(alive)
    for number in range(1 if short else ROUNDS):
        for name in names[number % max(1, len(names)) :] + names[: number % max(1, len(names))]:
            turns[name].append(turn(alive[name], short))
    for name in names:
        latency, in_a_row = zip(*turns[name])
        results[name] = {"latency": quartiles(list(latency)), "in_a_row": quartiles(list(in_a_row))}
        alive[name].close()
    return results


# --- the machine ---


def versions():
    found = {"python": platform.python_version()}
    for name in ("torch", "onnxruntime", "triton", "numpy"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            continue
    return found


def machine(driver, stand_in):
    import steps

    return {"device": driver.name(), "driver": driver.version(), "stand_in": stand_in, "versions": versions(),
            "attributes": driver.attributes(), "peaks": steps.peaks(driver, stand_in), "date": time.strftime("%Y-%m-%d")}


# --- what was asked for ---


def do_test(driver, carried, build, _):
    import checks

    found = checks.check(driver, carried, build)
    return found, "; ".join(found["failures"]) or f"{found['distance']:.1e}", bool(found["failures"])


def do_bench(driver, carried, build, context):
    import contenders

    found = bench(driver, carried, build, contenders.available(), context["stand_in"])
    texts = [f"{name} {r['error'] if 'error' in r else '%.1f us' % (r['latency']['median'] * 1e6)}" for name, r in found.items()]
    return found, ", ".join(texts), "error" in found["ctc"]


def do_steps(driver, carried, build, context):
    import steps

    found = steps.measure(driver, carried, build, context["machine"]["peaks"], context["stand_in"])
    total = sum(step["seconds"] or 0 for step in found["steps"])
    bound = sum(step.get("bound", 0) for step in found["steps"])
    return found, f"{len(found['steps'])} steps, {total * 1e6:.1f} us, bound {bound * 1e6:.1f} us", False


JOBS = {"test": do_test, "bench": do_bench, "steps": do_steps}


def chosen(entries, args):
    names = [entry["name"] for entry in entries]
    unknown = set(args.models or []) - set(names)
    if unknown:
        sys.exit(f"not in this folder: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return [entry for entry in entries if not args.models or entry["name"] in args.models]


def run_model(driver, entry, jobs, context, args):
    """How many jobs failed."""
    from carried import Carried

    failed = 0
    with Carried(entry) as carried:
        for build in carried.builds():
            if build["precision"] not in args.precisions or build["batch"] not in args.batches:
                continue
            key = f"{entry['name']} {build['precision']} {build['batch']}"
            for job in jobs:
                try:
                    found, text, bad = JOBS[job](driver, carried, build, context)
                except Exception as error:
                    traceback.print_exc()
                    found, text, bad = {"error": str(error)}, str(error), True
                failed += bad
                context[job][key] = found
                print(f"{'FAIL' if bad else 'ok  '} {job:5} {key}: {text}", flush=True)
    return failed


def write(path, context):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(context, indent=1) + "\n")


def words(text):
    return text.split(",")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*JOBS, "all", "device"], help="`device`: only whether there is one")
    parser.add_argument("--models", type=words)
    parser.add_argument("--precisions", type=words, default=["f32", "tf32", "f16", "bf16"])
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16])
    parser.add_argument("--limit", type=float, default=float("inf"))
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results.json")
    return parser.parse_args()


def main():
    args, begun = parse(), time.time()
    try:
        driver = cuda.Driver()
    except cuda.NoDevice as why:
        print(f"skipped: {why}")
        return 3 if args.what == "device" else 0
    if args.what == "device":
        return 0
    import carried

    stand_in = STAND_IN in driver.name().lower()
    if stand_in:
        print("this is the stand-in for CUDA: kernels run on the CPU, and no time says anything of a GPU", flush=True)
    listed = carried.listed()
    context = json.loads(args.results.read_text()) if args.results.exists() else {}
    context |= {"machine": machine(driver, stand_in), "stand_in": stand_in, "made_of": listed["made_of"]}
    jobs, failed, late = list(JOBS) if args.what == "all" else [args.what], 0, []
    for job in JOBS:
        context.setdefault(job, {})
    for entry in chosen(listed["models"], args):
        if time.time() - begun > args.limit:
            late.append(entry["name"])
            continue
        failed += run_model(driver, entry, jobs, context, args)
        write(args.results, context)
    if late:
        print(f"not begun after {args.limit:.0f} s: {','.join(late)}")
    print(f"{failed} failed; results: {args.results}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
