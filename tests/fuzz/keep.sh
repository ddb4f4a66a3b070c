#!/bin/sh
# keep.sh: the inputs that fuzzing found, as few as cover the same, packed as tests/fuzz/corpus/NAME.tar.xz.
#
#   keep.sh NAME build/fuzz
set -eu
name=$1 build=$2 kept=$2/kept/$1
rm -rf "$kept"
mkdir -p "$kept" tests/fuzz/corpus
"$build/fuzz_$name" -merge=1 "$kept" "$build/corpus/$name" 2> "$build/$name-merge.log"
# Those that showed mistakes stay, whatever they cover.
for found in "$build/corpus/$name"/found-*; do
  if test -f "$found"; then cp "$found" "$kept"; fi
done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$kept" -cf - . | xz -9e > "tests/fuzz/corpus/$name.tar.xz"
echo "$name: $(find "$kept" -type f | wc -l) inputs, $(wc -c < "tests/fuzz/corpus/$name.tar.xz") bytes"
