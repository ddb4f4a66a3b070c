#!/bin/sh
# deps.sh: installs what the build and the tests need, where it is missing: packages of the distribution (Debian, Ubuntu) and a
# Python environment in .venv for the tests. Says what it does; does nothing if everything is there.
#
#   tools/deps.sh
set -eu
cd "$(dirname "$0")/.."

# protobuf-c reads ONNX files, jansson JSON, libzip .npz; cmocka runs the unit tests; --blas is tested with OpenBLAS; clang checks the emitted code a second time.
packages="gcc g++ make clang protobuf-c-compiler libprotobuf-c-dev libjansson-dev libzip-dev zlib1g-dev libcmocka-dev libopenblas-dev python3-venv xz-utils"
# Tests that want these are skipped where the distribution has none, set by set: PyTorch (no GPU parts, some 150 MB with what it needs); programs for aarch64.
optional_pytorch="python3-torch"
optional_aarch64="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

is_installed() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# Those of the arguments that are missing are installed, all or none.
install_packages() {
  missing=
  for package; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  echo "deps: $as_root apt-get install$missing"
  # A package list that is missing or old makes the first try fail.
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing ||
    { $as_root apt-get update &&
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; }
}

make_environment() {
  if cmp -s tests/requirements.txt .venv/requirements.txt; then return 0; fi
  echo "deps: Python packages of tests/requirements.txt into .venv"
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt .venv/requirements.txt
}

# Debian's package of JSON Schema's test suite is older than the draft; this Python package's sources contain the suite.
schema_tests="jsonschema==4.26.0"

get_schema_tests() {
  suite=.venv/json-schema-test-suite
  [ ! -d "$suite/tests" ] || return 0
  echo "deps: JSON Schema's test suite, from the sources of $schema_tests, into $suite"
  folder=$(mktemp -d)
  if .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema -d "$folder" "$schema_tests" &&
    tar -xzf "$folder"/jsonschema-*.tar.gz -C "$folder"; then
    mkdir -p "$suite"
    cp -r "$folder"/jsonschema-*/json/tests "$suite/"
  else
    echo "deps: could not get it; tests/json_schema.py will be skipped"
  fi
  rm -r "$folder"
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2086
  install_packages $packages
  for optional in "$optional_pytorch" "$optional_aarch64"; do
    # shellcheck disable=SC2086
    install_packages $optional || echo "deps: without $optional some tests are skipped"
  done
else
  echo "deps: this system has no apt-get; install by hand what corresponds to: $packages"
fi
make_environment
get_schema_tests
