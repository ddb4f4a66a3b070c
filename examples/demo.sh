#!/bin/sh
# demo.sh: `make demo`. From a fresh clone to a trained network that runs as plain C, step by step, on files of this folder.
set -eu
cd "$(dirname "$0")/.."
out=build/examples/file-types
make=${MAKE:-make}

step() { printf '\n== %s\n\n' "$*"; }
# Shows a command, then runs it.
show() { echo "\$ $*" && "$@"; }
size() { wc -c < "$1" | awk '{printf "%.1f MB", $1 / 1e6}'; }

step "1 of 5: install what the build needs and is missing (tools/deps.sh)"
echo "(apt packages, and Python packages into .venv; a minute or two the first time)"
$make --no-print-directory deps
echo "everything is there"

step "2 of 5: build the compiler, build/ctc"
$make --no-print-directory -j"$(nproc)" all
echo "build/ctc: $(size build/ctc)"

step "3 of 5: fetch a trained model: Magika, which tells what kind of file it is given"
$make --no-print-directory -s -C examples/file-types fetch
echo "zoo-cache/magika_model_2.onnx: $(size zoo-cache/magika_model_2.onnx)"

step "4 of 5: make C of it, and a program of the C and the hundred lines of examples/file-types/main.c"
$make --no-print-directory -s -C examples/file-types "$PWD/$out/types.h"
show build/ctc compile zoo-cache/magika_model_2.onnx -o $out/magika.c --prefix magika --shape bytes=1x2048
show gcc -std=c99 -Wall -O2 -I$out examples/file-types/main.c $out/magika.c -o $out/file-types -lm

step "5 of 5: run it on some files"
show $out/file-types README.md Makefile LICENSE compiler/main.c tests/zoo.py tests/zoo.json tools/deps.sh \
  schema/onnx.proto $out/file-types zoo-cache/magika_model_2.onnx

cat <<END

Each line: a file, what the network takes it for by its contents alone, the short name of that type, and how sure it is.
The network is in the program, which needs no library but libm: $out/file-types, $(size $out/file-types).
What ctc wrote can be read: $out/magika.c, $(size $out/magika.c), most of it weights.

More: examples/ (voices in a WAV file, faces in a picture, small files of pictures …); build/ctc --help; README.md.
END
