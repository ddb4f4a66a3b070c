"""The tutorial of docs/plugins.md, taken literally: its files are written and its commands run, in order, in a folder that holds nothing else.

A block of code behind a line that ends in a file's name, `net.json`, is that file; blocks of sh are run, with ctc and Python on PATH. What comes
out is compared with numpy.
"""
import os
import re
import subprocess
import sys

import numpy as np

from common import CTC, ROOT, checks_of, run_named

DOCUMENT = ROOT / "docs" / "plugins.md"
CHAPTER = "## A layer in ten minutes"


def chapter():
    text = DOCUMENT.read_text()
    start = text.index(CHAPTER + "\n") + len(CHAPTER)
    return text[start : text.index("\n## ", start)]


def steps():
    """("file", name, text) and ("command", line, ""), in order."""
    found = []
    for before, language, body in re.findall(r"^([^\n]*)\n+```(\w+)\n(.*?)^```$", chapter(), re.M | re.S):
        name = re.search(r"`([\w./]+)`[^`]*:$", before)
        if language == "sh":
            found += [("command", line, "") for line in body.splitlines()]
        else:
            assert name, f"which file is this?\n{body}"
            found.append(("file", name[1], body))
    return found


def run(line, folder, environment):
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    assert "warning" not in done.stderr and "error" not in done.stderr, f"$ {line}\n{done.stderr}"
    return done.stdout


def follow(folder):
    """Does all steps; what each command printed."""
    path = os.pathsep.join([str(CTC.parent), os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    environment.pop("CTC_PLUGIN_PATH", None)
    printed = {}
    for kind, name, text in steps():
        if kind == "command":
            printed[name] = run(name, folder, environment)
            continue
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return printed


def expected(x, weights):
    """Conv1d with padding 1, then limit * tanh(2 x / limit), in float64."""
    weight, bias, limit = (weights[key].astype(np.float64) for key in ("0.weight", "0.bias", "1.limit"))
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1)))
    windows = np.stack([padded[:, :, k : k + x.shape[2]] for k in range(3)], -1)
    sums = np.einsum("ncik,ock->noi", windows, weight) + bias[:, None]
    return limit[:, None] * np.tanh(2 * sums / limit[:, None])


def check_tutorial(folder):
    printed = follow(folder)
    weights, x = np.load(folder / "net.npz"), np.load(folder / "x.npy")
    for output in ("out_output.npy", "out_y.npy"):
        np.testing.assert_allclose(np.load(folder / output), expected(x, weights), rtol=1e-5, atol=1e-5)
    mine = expected((np.arange(48) / 16 - 1).reshape(1, 3, 16), weights)[0, :, 0]
    np.testing.assert_allclose(np.array(printed["./main"].split(), float), mine, atol=2e-5)
    checked = printed["ctc plugin check softclip"]
    assert re.search(r"cases +ok: 1 case", checked) and re.search(r"gradient +ok: ", checked), checked
    assert "ctc.layers.SoftClip 1" in printed["ctc plugin list"], printed["ctc plugin list"]


def check_fused(folder):
    """What the tutorial says of the activation: it is part of the convolution."""
    follow(folder)
    text = (folder / "model.c").read_text()
    assert "softclip_v(" in text and re.search(r"static .*epilogue_\d+\(", text), "the activation has a loop of its own"



if __name__ == "__main__":
    run_named(checks_of(sys.modules[__name__]))
