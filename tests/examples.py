#!/usr/bin/env python3
"""The programs of examples/ do what they say, on inputs whose right answer is known: files with a known type, a voice that begins and ends at
known times, a photograph with one face; that a model says the same as C and as CUDA. Of those that train a network, that C and PyTorch agree, after a short training."""
import gzip
import math
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from common import CTC, ROOT, Count, python_with_pytorch

EXAMPLES = ROOT / "examples"


class Unavailable(Exception):
    """Something could not be fetched."""


def make(example, *targets, out=None, **variables):
    """`make` in an example's folder; programs and pictures go to its folder below ctc's. Returns that folder."""
    out = out or CTC.parent / "examples" / example
    variables = {"CTC": CTC, "PYTHON": sys.executable, "OUT": out, **variables}
    command = ["make", "-s", "-C", EXAMPLES / example, *(f"{name}={value}" for name, value in variables.items())]
    command += [target if target in ("all", "check") else f"{out}/{target}" for target in targets]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    if "cannot be fetched" in done.stderr:
        raise Unavailable(done.stderr.strip().splitlines()[0])
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    assert "warning:" not in done.stderr, done.stderr[-1500:]
    return out


def make_trained(example, *targets, **training):
    """Likewise, of an example that trains a network: for a shorter time than people would, so in another folder."""
    python = python_with_pytorch()
    if not python:
        raise Unavailable("PyTorch is not there")
    return make(example, *targets, out=CTC.parent / "examples" / f"{example}-short", TORCH_PYTHON=python, **training)


def output_of(*command, cwd=None, status=0, stdin=None):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", cwd=cwd, input=stdin)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-800:]}"
    return done.stdout


# --- file-types ---

def check_file_types(folder):
    out = make("file-types", "all")
    known = {"README.md": "markdown", "compiler/ir/interpret.c": "c", "tests/zoo.py": "python", "tests/zoo.json": "json", "Makefile": "makefile",
             "schema/onnx.proto": "proto", out / "magika.o": "elf"}
    lines = output_of(out / "file-types", *known, cwd=ROOT).splitlines()
    assert len(lines) == len(known), lines
    for line, (path, name) in zip(lines, known.items()):
        assert line.startswith(str(path)) and re.search(rf" {name} +\d+\.\d %$", line), line


def check_file_types_of_odd_files(folder):
    out = make("file-types", "all")
    for name, data in (("empty", b""), ("short", b"ab\n"), ("white", b" \n" * 5000), ("gzip", gzip.compress(bytes(range(256)) * 40))):
        (folder / name).write_bytes(data)
    text = output_of(out / "file-types", "empty", "short", "white", "gzip", cwd=folder)
    assert re.search(r"^empty +Empty file", text, re.M) and re.search(r"^short +Too short", text, re.M), text
    assert re.search(r"^white +Too short", text, re.M) and re.search(r"^gzip .* gzip ", text, re.M), text
    output_of(out / "file-types", "missing", cwd=folder, status=1)


# --- voice-activity ---

def stretches(text):
    return [(float(begin), float(end)) for begin, end in re.findall(r"from +([\d.]+) to +([\d.]+) s", text)]


def voices_in(out, path):
    return stretches(output_of(out / "voice-activity", path))


def check_voices(folder):
    """Wherever speech.c puts a voice, one is found, to a tenth of a second, whatever the format; and none elsewhere."""
    out = make("voice-activity", "all", "speech")
    for rate, channels in ((16000, 1), (8000, 1), (44100, 2), (48000, 3)):
        path = folder / "speech.wav"
        told = stretches(output_of(out / "speech", path, rate, channels))
        found = voices_in(out, path)
        assert len(found) == len(told) == 2, f"{rate} Hz: {found}, expected {told}"
        for (begin, end), (b, e) in zip(found, told):
            assert abs(begin - b) < 0.1 and abs(end - e) < 0.15, f"{rate} Hz: {found}, expected {told}"


def check_no_voice(folder):
    out = make("voice-activity", "all", "speech")
    output_of(out / "speech", "--silence", folder / "silence.wav")
    assert voices_in(out, folder / "silence.wav") == []


def check_broken_sounds(folder):
    out = make("voice-activity", "all", "speech")
    output_of(out / "speech", folder / "speech.wav")
    data = (folder / "speech.wav").read_bytes()
    (folder / "cut.wav").write_bytes(data[:44 + 2 * 16000 * 3])  # three seconds are left: one voice
    assert len(voices_in(out, folder / "cut.wav")) == 1
    for name, broken in (("text", b"hello" * 20), ("head", data[:30]), ("none", b""), ("packed", data[:20] + b"\x55\x00" + data[22:])):
        (folder / name).write_bytes(broken)
        output_of(out / "voice-activity", folder / name, status=1)


# --- faces ---

def read_ppm(path):
    """(width, height, rows of bytes)"""
    magic, size, depth, pixels = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    assert magic == b"P6" and depth == b"255"
    return width, height, [pixels[3 * width * y:3 * width * (y + 1)] for y in range(height)]


def write_ppm(path, rows):
    path.write_bytes(b"P6\n%d %d\n255\n" % (len(rows[0]) // 3, len(rows)) + b"".join(rows))


def faces_in(out, *paths):
    """[(x, y of the box, width, height, x, y of the nose)]"""
    text = output_of(out / "faces", *paths)
    found = re.findall(r"sure: (\d+) x (\d+) pixels at \((-?\d+), (-?\d+)\), nose at \((-?\d+), (-?\d+)\)", text)
    assert re.search(rf"pixels, {len(found)} face", text), text
    return sorted((int(x), int(y), int(w), int(h), int(a), int(b)) for w, h, x, y, a, b in found)


def check_one_face(folder):
    """The astronaut's face: her nose is at (220, 125) or so."""
    out = make("faces", "all", "astronaut.ppm")
    faces = faces_in(out, out / "astronaut.ppm", folder / "boxes.ppm")
    assert len(faces) == 1, faces
    x, y, width, height, nose_x, nose_y = faces[0]
    assert abs(nose_x - 220) < 8 and abs(nose_y - 125) < 8 and 70 < width < 120 and 90 < height < 140, faces
    wide, high, rows = read_ppm(folder / "boxes.ppm")
    assert (wide, high) == (512, 512)
    assert rows[y][3 * (x + 5):3 * (x + 5) + 3] == bytes([0, 220, 60]), "no box was drawn"
    before = read_ppm(out / "astronaut.ppm")[2]
    assert rows[:y - 2] == before[:y - 2] and rows[y + height + 2:] == before[y + height + 2:], "drawn outside of the box"


def check_faces_move_with_the_picture(folder):
    """The same photograph twice, side by side and in another size: two faces, 512 pixels apart, then twice as large."""
    out = make("faces", "all", "astronaut.ppm")
    _, _, rows = read_ppm(out / "astronaut.ppm")
    write_ppm(folder / "two.ppm", [row + row for row in rows])
    left, right = faces_in(out, folder / "two.ppm")
    assert abs(right[0] - left[0] - 512) < 8 and abs(right[5] - left[5]) < 8, (left, right)
    double = [b"".join(row[i:i + 3] * 2 for i in range(0, len(row), 3)) for row in rows]
    write_ppm(folder / "large.ppm", [row for row in double for _ in range(2)])
    (large,) = faces_in(out, folder / "large.ppm")
    assert abs(large[4] - 440) < 16 and abs(large[5] - 250) < 16, large


def check_no_face(folder):
    out = make("faces", "all", "astronaut.ppm")
    _, _, rows = read_ppm(out / "astronaut.ppm")
    write_ppm(folder / "below.ppm", rows[230:])
    assert faces_in(out, folder / "below.ppm") == []
    for name, data in (("text", b"hello"), ("cut", b"P6\n20 20\n255\nabc"), ("huge", b"P6\n999999999 9 255\n"), ("deep", b"P6 1 1 65535\n" + struct.pack(">3H", 1, 2, 3))):
        (folder / name).write_bytes(data)
        output_of(out / "faces", folder / name, status=1)


# --- c-and-cuda ---

def compare_on(out, path, status=0, **variables):
    """What c-and-cuda says of a file, with variables of the environment."""
    done = subprocess.run([out / "c-and-cuda", path], capture_output=True, text=True, errors="replace", env={**os.environ, **variables})
    assert done.returncode == status, f"exit {done.returncode}: {done.stdout[-300:]} {done.stderr[-800:]}"
    return done.stdout


def check_cuda_without_a_driver(folder):
    """Only the C program runs then, and that is nothing wrong."""
    out = make("c-and-cuda", "all")
    text = compare_on(out, ROOT / "README.md", LD_LIBRARY_PATH="")
    if "the GPU is ready" not in text:
        assert re.search("no run on a GPU: (no CUDA driver|there is no such CUDA device)", text) and "CUDA type" not in text, text
    assert re.search(r"^  C    type +\d+, +9\d\.\d %", text, re.M), text


def check_cuda_agrees_with_c(folder):
    """The kernels, executed by the stand-in; and a machine that has a driver, but no device."""
    stand_in = CTC.parent / "cuda"
    if not (stand_in / "libcuda.so.1").exists():
        raise Unavailable("build/cuda is not there: make cuda-stand-in")
    out = make("c-and-cuda", "all")
    variables = {"LD_LIBRARY_PATH": str(stand_in), "XDG_CACHE_HOME": str(folder)}
    for data in (ROOT / "README.md", ROOT / "examples" / "c-and-cuda" / "main.c"):
        text = compare_on(out, data, **variables)
        found = re.findall(r"^  (C|CUDA) +type +(\d+), +([\d.]+) %", text, re.M)
        assert [name for name, *_ in found] == ["C", "CUDA"] and found[0][1:] == found[1][1:], text
        assert float(re.search(r"difference of a score: (\S+)", text)[1]) < 1e-5, text
    assert "there is no such CUDA device" in compare_on(out, ROOT / "README.md", CTC_CUDA_DEVICES="0", **variables)
    compare_on(out, folder / "missing", status=1, **variables)


# --- image-compression ---

def short_codec(*targets):
    return make_trained("image-compression", *targets, STEPS=30)


def check_codec_agrees_with_pytorch(folder):
    """compare.py: latents to 1e-4 and the same when rounded, the picture that comes back."""
    short_codec("check")


def squared_error(a, b):
    return sum((x - y) ** 2 for row, other in zip(a, b) for x, y in zip(row, other)) / (len(a) * len(a[0]))


def check_pictures_come_back(folder):
    """Of any size; what is printed is right."""
    out = short_codec("all", "astronaut.ppm")
    _, _, rows = read_ppm(out / "astronaut.ppm")
    for width, height in ((512, 512), (47, 33), (16, 16), (1, 1), (1, 50)):
        write_ppm(folder / "a.ppm", [row[:3 * width] for row in rows[:height]])
        told = output_of(out / "image-compression", "pack", "a.ppm", "packed", cwd=folder)
        bits = float(re.search(r"([\d.]+) bits per pixel", told)[1])
        assert abs(bits - 8 * (folder / "packed").stat().st_size / (width * height)) < 1e-3, told
        told = output_of(out / "image-compression", "unpack", "packed", "b.ppm", "a.ppm", cwd=folder)
        before, after = read_ppm(folder / "a.ppm"), read_ppm(folder / "b.ppm")
        assert after[:2] == (width, height), after[:2]
        psnr = 10 * math.log10(255**2 / squared_error(before[2], after[2]))
        assert abs(float(re.search(r"PSNR ([\d.]+) dB", told)[1]) - psnr) < 0.01, (told, psnr)


def check_damaged_files(folder):
    """Are told from whole ones: the coder ends where it began."""
    out = short_codec("all", "astronaut.ppm")
    write_ppm(folder / "a.ppm", [row[:300] for row in read_ppm(out / "astronaut.ppm")[2][:70]])
    output_of(out / "image-compression", "pack", "a.ppm", "packed", cwd=folder)
    data = (folder / "packed").read_bytes()
    broken = {"none": b"", "text": b"hello" * 9, "head": data[:11], "cut": data[:-1], "longer": data + b"x", "empty": data[:12],
              "training": data[:4] + b"abcd" + data[8:], "width": data[:8] + bytes(2) + data[10:], "wider": data[:9] + b"\x4e" + data[10:]}
    broken |= {f"byte {at}": data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1:] for at in range(12, len(data), len(data) // 40)}
    for name, wrong in broken.items():
        (folder / name).write_bytes(wrong)
        output_of(out / "image-compression", "unpack", name, "b.ppm", cwd=folder, status=1)


# --- molecules ---

def short_molecules(*targets):
    return make_trained("molecules", *targets, EPOCHS=5)


def check_molecules_agree_with_pytorch(folder):
    """compare.py: the boiling points of all molecules of the data, and their formulas."""
    short_molecules("check")


def answers(out, *smiles):
    """[(formula, boiling point)]"""
    return [tuple(line.split()[1:3]) for line in output_of(out / "molecules", *smiles).splitlines()]


def check_spellings(folder):
    """One molecule in several ways."""
    out = short_molecules("all")
    for formula, *smiles in (("C2H6O", "CCO", "OCC", "C(O)C", "[CH3][CH2][OH]", "C-C-O"), ("C6H6", "c1ccccc1", "C1=CC=CC=C1", "C%10=CC=CC=C%10"),
                             ("C4H5N", "c1cc[nH]c1", "C1=CNC=C1"), ("CH3NO2", "C[N+](=O)[O-]", "O=[N+]([O-])C"), ("CH4", "C", "[CH4]"),
                             ("C8H10N4O2", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C"), ("C4H8", "C/C=C/C", "CC=CC"),
                             ("C10H8", "c1ccc2ccccc2c1", "C1=CC=C2C=CC=CC2=C1"), ("C4H4S", "c1ccsc1", "C1=CSC=C1"), ("HN3", "[N-]=[N+]=N")):
        found = answers(out, *smiles)
        assert {name for name, _ in found} == {formula}, found
        points = [float(point) for _, point in found]
        assert max(points) - min(points) < 0.02, found
    assert output_of(out / "molecules", stdin="CCO\nCC\n").split("\n")[1].startswith("CC ")


def check_wrong_smiles(folder):
    out = short_molecules("all")
    wrong = ("C(", "C)", "(C)", "C1CC", "1CC", "C11", "C12CC12", "C=", "=C", "C=1CC-1", "C%1", "C[", "[C", "[Xx]", "[2H]C", "[H][H]", "Si", "hello", "C.C",
             "F(C)C", "C(C)(C)(C)(C)C", "", "C" * 129, "C" + "(C" * 65 + ")" * 65, "[C+9]", "C C", "\u00e9")
    for smiles in wrong:
        output_of(out / "molecules", smiles, status=1)
    output_of(out / "molecules", stdin="C" * 5000, status=1)
    assert answers(out, "C" * 128)[0][0] == "C128H258"


def run(options=None):
    """(passed, failed, skipped); an example whose model cannot be fetched is skipped, by name."""
    count = Count()
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder))
                count.passed += 1
            except Unavailable as reason:
                count.skipped += 1
                print(f"skip {name[6:]}: {reason}")
            except Exception as error:
                count.failed += 1
                print(f"FAIL {name[6:]}: {type(error).__name__}: {str(error)[:1500]}")
    return count.passed, count.failed, count.skipped


if __name__ == "__main__":
    passed, failed, skipped = run()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
