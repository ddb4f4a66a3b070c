#!/usr/bin/env python3
"""Writes types.h, the table of the file types that the model knows, from the model's configuration and the descriptions of the types.

    write_types.py config.min.json content_types_kb.min.json > types.h
"""
import json
import pathlib
import sys


def quoted(text):
    return json.dumps(text, ensure_ascii=True)


def main():
    config, known = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:3])
    print("/* types.h: what the outputs of the model mean. Made by write_types.py; do not edit. */")
    for macro, key in [("BEGIN_BYTES", "beg_size"), ("END_BYTES", "end_size"), ("BLOCK_BYTES", "block_size"),
                       ("LEAST_BYTES", "min_file_size_for_dl"), ("PADDING", "padding_token")]:
        print(f"#define {macro} {config[key]}")
    print("\ntypedef struct {\n  const char *name, *description;\n  float threshold; /* a lower score does not count */")
    print("  int is_text;\n} FileType;\n\nstatic const FileType file_types[] = {")
    for name in config["target_labels_space"]:
        # Types that stand for "nothing in particular" go by another name.
        about = known[config["overwrite_map"].get(name, name)]
        description = about["description"] or name
        threshold = config["thresholds"].get(name, config["medium_confidence_threshold"])
        print(f"    {{{quoted(name)}, {quoted(description)}, {threshold}f, {int(about['is_text'])}}},")
    print("};")


if __name__ == "__main__":
    main()
