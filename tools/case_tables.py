#!/usr/bin/env python3
"""Prints the tables of runtime/text_case.c: the simple case mappings of Unicode as ranges.

    case_tables.py            rows {first, last, step, what is added}, for lower and for upper case
"""
import sys
import unicodedata


def lower(char):
    """The simple mapping: without the marks that the full one may add."""
    return char.lower()[0]


def upper(char):
    """The simple mapping, which is that to title case where the full one is longer."""
    full = char.upper()
    return full if len(full) == 1 else char.title() if len(char.title()) == 1 else char


def mappings(change):
    """(code point, distance) of all characters that become another one."""
    for code in range(sys.maxunicode + 1):
        changed = change(chr(code))
        if changed != chr(code):
            yield code, ord(changed) - code


def ranges(pairs):
    """Rows [first, last, step, distance]: neighbours, and every second code point."""
    rows = []
    for code, distance in pairs:
        row = rows[-1] if rows else None
        gap = code - row[1] if row else 0
        if row and row[3] == distance and gap <= 2 and (row[0] == row[1] or row[2] == gap):
            row[1], row[2] = code, gap
        else:
            rows.append([code, code, 1, distance])
    return rows


def main():
    print(f"Unicode {unicodedata.unidata_version}")
    for name, change in (("lower", lower), ("upper", upper)):
        print(f"static const int32_t ctc_{name}_ranges[][4] = {{")
        line = "   "
        for row in ranges(mappings(change)):
            cell = f" {{{', '.join(map(str, row))}}},"
            if len(line + cell) > 100:
                print(line)
                line = "   "
            line += cell
        print(line.rstrip(",") + "};\n")


if __name__ == "__main__":
    main()
