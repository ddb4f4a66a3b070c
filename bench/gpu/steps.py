"""The time of each step on the device, beside the least that its bytes and operations can take there."""

import ctypes

from contenders import Ctc

# Launches in a row whose time is divided, so that the latency of an event is not in it; the least of several such times counts.
REPEATS, TURNS = 20, 5
HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
# float32 operations a cycle of a multiprocessor (2 for each lane), and of its tensor cores with float16; tf32 is half of that.
LANES = {(7, 5): 128, (8, 0): 128, (8, 6): 256, (8, 9): 256, (9, 0): 256}
TENSOR = {(7, 5): 1024, (8, 0): 2048, (8, 6): 1024, (8, 9): 1024, (9, 0): 4096}
TENSOR_SHARE = {"tf32": 0.5, "f16": 1, "bf16": 1}
# Kernels of runtime/cuda that multiply on tensor cores where the precision is not f32.
MATRIX_KERNELS = {"product_f32", "conv_f32"}
NEST = "loop nest"
COPY_BYTES = 1 << 30


def peaks(driver, stand_in):
    """{"bytes": a second, of a copy, "flops": {precision: a second}} of the device."""
    facts, size = driver.attributes(), COPY_BYTES >> 14 if stand_in else COPY_BYTES
    kind = facts["major"], facts["minor"]
    cycles = facts.get("multiprocessors", 0) * facts.get("clock_khz", 0) * 1e3
    flops = {"f32": LANES.get(kind, 0) * cycles}
    flops |= {precision: TENSOR.get(kind, 0) * share * cycles for precision, share in TENSOR_SHARE.items()}
    stream, one, two = driver.stream(), driver.allocate(size), driver.allocate(size)
    times = [timed(driver, stream, lambda: driver.copy(two, one, size, stream)) for _ in range(TURNS + 1)][1:]
    driver.free(one)
    driver.free(two)
    return {"bytes": 2 * size / max(min(times), 1e-9), "flops": flops}


def timed(driver, stream, work):
    start, end = driver.event(), driver.event()
    driver.record(start, stream)
    work()
    driver.record(end, stream)
    return driver.seconds_between(start, end)


class Launches:
    """The hook of a program that was compiled with -DCTC_PROFILE: records REPEATS launches as a graph, and times it."""

    def __init__(self, driver, short):
        self._driver, self.seconds, self.error = driver, [], None
        self._repeats, self._turns = (1, 1) if short else (REPEATS, TURNS)
        self.hook = HOOK(self._guarded)

    def _guarded(self, kernel, stream, begins):
        try:
            return self._called(kernel.decode(), ctypes.c_void_p(stream), begins)
        except Exception as error:  # a callback cannot raise
            self.error = error
            return 0

    def _called(self, kernel, stream, begins):
        driver = self._driver
        if begins:
            driver.begin_capture(stream)
            return self._repeats
        graph = driver.end_capture(stream)
        driver.launch(graph, stream)
        times = [timed(driver, stream, lambda: driver.launch(graph, stream)) for _ in range(self._turns)]
        driver.forget(graph)
        self.seconds.append((kernel, min(times) / self._repeats))
        return 0


def takes(step, launch):
    """Whether a launch may be one of the step's: a kernel's is called like it, with a number; a loop nest's like the operator."""
    return step["kernel"] == NEST or launch.rsplit("_", 1)[0] in step.get("inner", [step["kernel"]])


def align(steps, launches):
    """The launches of each step, in order; None if the two lists do not fit each other.

    A step has none if it is done on the host or has no work, else one, or all that have its name where the next step is another.
    """
    found, at = [], 0
    for number, step in enumerate(steps):
        alone = step["kernel"] == NEST or (number + 1 < len(steps) and steps[number + 1]["kernel"] == step["kernel"])
        mine = []
        while at < len(launches) and takes(step, launches[at][0]) and not (alone and mine):
            mine.append(launches[at][1])
            at += 1
        found.append(mine)
    return found if at == len(launches) else None


def row(step, mine, peak, precision):
    """A step with its time and the least that it could take; a loop's operations and bytes are those of one round."""
    rounds = len(mine) / len(step["inner"]) if "inner" in step else 1
    flops, size = (step["flops"] or 0) * rounds, (step["bytes"] or 0) * rounds
    rate = peak["flops"].get(precision if step["kernel"] in MATRIX_KERNELS else "f32") or float("inf")
    return {**step, "seconds": sum(mine) if mine else None, "bound": max(flops / rate, size / peak["bytes"])}


def measure(driver, carried, build, peak, short):
    """{"steps": [{"kernel", "nodes", "flops", "bytes", "seconds", "bound"}], "launches", "aligned"} of a build."""
    model = Ctc(driver, carried, build)
    launches = Launches(driver, short)
    model.run()
    model.wait()
    hook = ctypes.c_void_p.in_dll(model.library(), "ctc_profile_hook")
    hook.value = ctypes.cast(launches.hook, ctypes.c_void_p).value
    try:
        model.run()
        model.wait()
    finally:
        hook.value = None
    model.close()
    if launches.error:
        raise launches.error
    shares = align(build["steps"], launches.seconds)
    if shares is None:
        return {"aligned": False, "steps": [{"kernel": kernel, "seconds": seconds} for kernel, seconds in launches.seconds]}
    rows = [row(step, mine, peak, build["precision"]) for step, mine in zip(build["steps"], shares)]
    return {"aligned": True, "launches": len(launches.seconds), "steps": rows}
