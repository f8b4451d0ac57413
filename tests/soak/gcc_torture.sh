#!/usr/bin/env bash
# gcc's torture tests (Debian's package gcc-12-source): every fourth of the programs to execute; all with TORTURE_STEP=1.
# Compiled by clang for wasm32-wasi and run with CAY (build/cay): each has to end with code 0. A file that clang does not
# compile is not counted. WASMTIME (build/peers/wasmtime) is a wasmtime to ask about a file that fails and is not known.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. tools/setup.sh
CAY=$(realpath "${CAY:-build/cay}")
PEER=$(realpath -m "${WASMTIME:-build/peers/wasmtime}")
STEP=${TORTURE_STEP:-4}
CACHE=$PWD/build/soak/torture
CLANG=clang-$(clang_installed) || die 3 "no clang is installed; ./x setup installs one"

# These do not end with code 0 in wasmtime either, and by no fault of an engine: they rely on gcc's options (-fwrapv,
# -finstrument-functions), on what gcc makes of undefined behaviour and of bit-fields, on glibc's checked printf, or on
# more stack than 64 KiB. The first line is in the sample of every fourth.
KNOWN="920612-1 pr67037 printf-chk-1 vfprintf-chk-1
  20031003-1 20040409-1w 20040409-2w 20040409-3w 920711-1 921202-1 930529-1 alias-4 bitfld-3 bitfld-5 eeprof-1 fprintf-chk-1
  memcpy-1 multi-ix pr22493-1 pr23047 pr28982b pr32244-1 pr34971 pr79286 shiftdi-2 vprintf-chk-1"

skip() {
  echo "skipped gcc_torture: $*"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

fetch() {
  [ ! -f "$CACHE/ready" ] || return 0
  rm -rf "$CACHE"
  mkdir -p "$CACHE/package"
  (cd "$CACHE" && apt-get -qq download gcc-12-source) || { apt_refresh && (cd "$CACHE" && apt-get -qq download gcc-12-source); } || return 1
  dpkg-deb -x "$CACHE"/gcc-12-source_*.deb "$CACHE/package" &&
    python3 - "$CACHE" <<'PYTHON' && rm -rf "$CACHE/package" "$CACHE"/*.deb && touch "$CACHE/ready"
import glob, os, sys, tarfile
cache = sys.argv[1]
archive, = glob.glob(cache + "/package/usr/src/gcc-12/gcc-*.tar.*")
os.makedirs(cache + "/execute")
with tarfile.open(archive) as source:
    for member in source:
        folder, name = os.path.split(member.name)
        if folder.endswith("gcc.c-torture/execute") and name.endswith(".c") and member.isfile():
            with open(f"{cache}/execute/{name}", "wb") as out:
                out.write(source.extractfile(member).read())
PYTHON
}

fetch || skip "Debian's package gcc-12-source cannot be fetched"

# One file: prints "ok", "known", "FAILED why" or "not compiled".
one() { # FILE
  local name module status=0
  name=$(basename "$1" .c)
  module=$CACHE/bin/$name.wasm
  if [ ! -f "$module" ] || [ "$1" -nt "$module" ]; then
    "$CLANG" --target=wasm32-wasi -Wno-deprecated --no-wasm-opt -O1 -std=gnu89 -w -fno-strict-aliasing -o "$module" "$1" -lm \
      >/dev/null 2>&1 || { echo "not-compiled $name"; return; }
  fi
  timeout 120 "$CAY" run "$module" >"$CACHE/bin/$name.log" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    echo "ok $name"
  elif grep -qw -e "$name" <<<"$KNOWN"; then
    echo "known $name (status $status)"
  elif [ -x "$PEER" ] && ! timeout 120 "$PEER" run "$module" >/dev/null 2>&1 </dev/null; then
    echo "known $name (status $status; wasmtime does not end it with 0 either)"
  else
    echo "FAILED $name: status $status: $(head -c 200 "$CACHE/bin/$name.log" | tr '\n' ' ')"
  fi
}
export -f one
export CACHE CLANG CAY KNOWN PEER
mkdir -p "$CACHE/bin"

find "$CACHE/execute" -name '*.c' | LC_ALL=C sort | awk "NR % $STEP == 2 || $STEP == 1" |
  xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'one {}' >"$CACHE/results"
sort "$CACHE/results" | grep -vE '^(ok|not-compiled) '
passed=$(grep -c '^ok ' "$CACHE/results") failed=$(grep -c '^FAILED ' "$CACHE/results") known=$(grep -c '^known ' "$CACHE/results")
echo "$(wc -l <"$CACHE/results") files, $(grep -c '^not-compiled ' "$CACHE/results") not compiled, $known known not to pass anywhere"
echo "$passed passed, $failed failed, $known skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
