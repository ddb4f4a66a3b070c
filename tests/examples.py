#!/usr/bin/env python3
"""The programs of examples/ do what they say, on inputs whose right answer is known: files with a known type, a voice that begins and ends at
known times, a photograph with one face."""
import gzip
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from common import CTC, ROOT, Count

EXAMPLES = ROOT / "examples"


class Unavailable(Exception):
    """Something could not be fetched."""


def make(example, *targets):
    """`make` in an example's folder; programs and pictures go to its folder below ctc's."""
    out = CTC.parent / "examples" / example
    command = ["make", "-s", "-C", EXAMPLES / example, f"CTC={CTC}", f"PYTHON={sys.executable}", f"OUT={out}"]
    command += [f"{out}/{target}" if "." in target or target == "speech" else target for target in targets]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    if "cannot be fetched" in done.stderr:
        raise Unavailable(done.stderr.strip().splitlines()[0])
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    assert "warning:" not in done.stderr, done.stderr[-1500:]
    return out


def output_of(*command, cwd=None, status=0):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", cwd=cwd)
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
