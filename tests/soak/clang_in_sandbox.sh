#!/usr/bin/env bash
# LLVM's clang and lld, one module of 75 MB: compile and link programs inside the sandbox, then run the results.
# CAY: the command to test (build/cay).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
CAY=$(realpath "${CAY:-build/cay}")
GUESTS=$(realpath -m "${CAY_GUESTS:-build/guests}")
tests/guests/build.sh "$GUESTS" clang || exit 1
if [ -f "$GUESTS/skipped/clang" ]; then
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
sysroot=$GUESTS/work/clang/sysroot
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src" "$work/out"
cp tests/guests/c/*.c "$work/src/"
passed=0 failed=0

# The driver would start processes; so the compiler proper and the linker are called as the driver would call them.
clang() { # ARGV0 ARGUMENTS...
  "$CAY" run --arg0 "$1" --dir "$sysroot::/usr::ro" --dir "$work/src::/src::ro" --dir "$work/out::/out" "$GUESTS/bin/clang.wasm" "${@:2}"
}

check() { # WHAT EXPECTED GOT
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
    echo "ok      $1"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n    expected: %s\n    got: %s\n' "$1" "$2" "$3"
  fi
}

version=$(clang clang --version 2>&1 | head -n 1)
check "clang --version names clang" clang "$(grep -o clang <<<"$version" | head -n 1)"
for program in hello sha256; do
  started=$SECONDS
  clang clang -cc1 -triple wasm32-unknown-wasip1 -emit-obj -O2 -isysroot /usr -resource-dir /usr -internal-isystem /usr/include \
    -internal-isystem /usr/include/wasm32-wasip1 -o "/out/$program.o" "/src/$program.c"
  clang wasm-ld -m wasm32 -L/usr/lib/wasm32-wasip1 /usr/lib/wasm32-wasip1/crt1-command.o "/out/$program.o" -lc \
    /usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a -o "/out/$program.wasm"
  echo "        $program.c compiled and linked in $((SECONDS - started)) s"
done
check "the compiled hello runs" "hello from C, argc=2 argument 1: there" \
  "$("$CAY" run "$work/out/hello.wasm" there 2>&1 </dev/null | tr '\n' ' ' | sed 's/ $//')"
check "the compiled sha256 hashes its own source" "$(sha256sum <"$work/src/sha256.c")" \
  "$("$CAY" run "$work/out/sha256.wasm" <"$work/src/sha256.c" 2>&1)"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
