"""python/ctc_run.py and python/ctc_cuda.py for the tests: the same models, which do not let wrong writes go unnoticed.

    model = ctc_model.load("net.so", "net")          # the descriptor is the symbol net_model
    y, = model.run([x])                              # one array an output
    model = ctc_model.load_cuda("net.so", "net")     # of a model.cu, on whatever libcuda.so.1 is found

Outputs and workspace are filled with a pattern before each run and lie in memory with a guard on both sides, so that a
result that was not written, and a write outside, do not go unnoticed. Nor does a write to an input.
"""

import ctypes
import pathlib
import sys
from ctypes import CFUNCTYPE, c_int32, c_void_p

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import ctc_cuda
import ctc_run
from ctc_run import BITS_ONLY, SMALL_INTEGERS, STRING, Compound, CPool, ModelError, aligned  # noqa: F401 (for the tests)

PATTERN = 0xCB

PART = CFUNCTYPE(None, c_void_p, c_int32)
RUN = CFUNCTYPE(None, c_void_p, c_int32, PART, c_void_p)


def last_part_first(count, runs=None):
    """Something else than threads for `run`: does up to `count` parts one after another. Numbers of parts go to `runs`."""

    @RUN
    def run(_, parts, part, context):
        if runs is not None:
            runs.append(parts)
        for i in reversed(range(parts)):
            part(context, i)

    made = CPool(count=count, run=ctypes.cast(run, c_void_p))
    made.kept = run
    return made


def guard_intact(memory):
    """Whether all that lies around a piece of memory is as it was."""
    room = memory.base
    start = memory.ctypes.data - room.ctypes.data
    return (room[:start] == PATTERN).all() and (room[start + memory.size :] == PATTERN).all()


class Guarded:
    """What both kinds of models get."""

    def _memory(self, size):
        return aligned(size, PATTERN)

    def _call(self, arrays, outputs, dims, workspace, pool):
        before = [array.tobytes() for array in arrays]
        status = super()._call(arrays, outputs, dims, workspace, pool)
        if not guard_intact(workspace):
            raise ModelError("wrote outside of the workspace")
        for port, memory in zip(self.outputs, outputs):
            if not guard_intact(memory):
                raise ModelError(f"wrote outside of output {port.name}")
        if before != [array.tobytes() for array in arrays]:
            raise ModelError("changed an input")
        return status


class Model(Guarded, ctc_run.Model):
    pass


class CudaModel(Guarded, ctc_cuda.Model):
    """Keeps no compiled kernels of its own: those of the stand-in depend on its settings, too."""

    def __init__(self, library, prefix, weights=None):
        super().__init__(library, prefix, weights, cache="")


def load(path, name, weights=None):
    """The model `name` of a library; `weights` are the bytes of its weights file, if it was compiled with one."""
    return ctc_run.load(path, name, weights, Model)


def load_cuda(path, name, weights=None):
    return ctc_run.load(path, name, weights, CudaModel)
