"""The plugins in plugins/ as CUDA programs, executed on the CPU: their cases, with known and with open sizes.

    cuda_plugins.py NAME…        only these checks

A plugin with kernel.cu runs by that; functions of numbers and kernels with units by their C text; the others on the host.
"""
import functools
import sys

from common import ctc, run_named, save
from device_kernels import run_on_device
from shipped_plugins import FOLDERS, Shipped

# Those that neither have kernel.cu nor units, and whose functions are not of numbers.
ON_HOST = {"graph_conv"}


def check_place(plugin, name, folder):
    """ctc names what runs on the host."""
    done = ctc("compile", save(plugin.onnx(), folder), "-o", folder / "net.cu", "--plugin", plugin.folder)
    warned = "on the CPU between copies" in done.err
    assert warned == (name in ON_HOST), done.err


def check_plugin(name, folder):
    plugin = Shipped(name)
    check_place(plugin, name, folder)
    for open_dims in (False, True):
        inputs = {f"a{i}": array for i, array in enumerate(plugin.data())}
        for outputs in run_on_device(plugin.onnx(open_dims), inputs, folder, "--plugin", plugin.folder):
            plugin.compare(outputs)


def all_checks():
    return {name: functools.partial(check_plugin, name) for name in FOLDERS}


if __name__ == "__main__":
    sys.exit(run_named(all_checks()))
