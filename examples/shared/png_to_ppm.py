#!/usr/bin/env python3
"""Turns a PNG of 8 bits a channel, grey, RGB or RGBA, not interlaced, into a PPM (P6) that the example reads.

    png_to_ppm.py picture.png picture.ppm
"""
import pathlib
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 6: 4}  # by PNG's colour type


def chunks(data):
    """(type, bytes) of each chunk."""
    at = len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + 8 + length]
        at += length + 12


def paeth(left, up, corner):
    """The one of the three neighbours that is nearest to left + up - corner."""
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def unfilter(kind, row, above, step):
    """Undoes the filter of one row in place; `step` is the number of bytes of a pixel."""
    for i in range(len(row)):
        left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
        row[i] = (row[i] + guess) & 255


def decode(data):
    """(width, height, RGB bytes)"""
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    parts = list(chunks(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    if depth != 8 or colour not in CHANNELS or interlaced:
        raise ValueError("only 8 bits a channel, grey, RGB or RGBA, not interlaced")
    step = CHANNELS[colour]
    packed = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    above, pixels = bytearray(width * step), bytearray()
    for y in range(height):
        start = y * (width * step + 1)
        row = bytearray(packed[start + 1:start + 1 + width * step])
        unfilter(packed[start], row, above, step)
        above = row
        for x in range(0, len(row), step):
            pixels += row[x:x + 3] if step >= 3 else row[x:x + 1] * 3
    return width, height, pixels


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    width, height, pixels = decode(pathlib.Path(sys.argv[1]).read_bytes())
    pathlib.Path(sys.argv[2]).write_bytes(b"P6\n%d %d\n255\n" % (width, height) + pixels)


if __name__ == "__main__":
    main()
