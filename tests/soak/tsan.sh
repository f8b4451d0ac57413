#!/usr/bin/env bash
# The runtime's own data under the thread sanitizer: the unit tests that use threads, the suite's scripts of the proposal
# threads, and the guests with threads, in every tier. Bounds are checked explicitly in this build, because the sanitizer
# handles faults itself; the interpreter's handlers, compiled code and the accesses to guest memory are not instrumented, for
# guests may race.
# Left out: tests that limit the address space, which the sanitizer needs, or exhaust the stack, whose shadow it limits.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. tools/parts.sh
export CC=${CC:-clang}
folder=build/soak/tsan
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:exitcode=66}
passed=0 failed=0 skipped=0

[ -f $folder/build.ninja ] ||
  meson setup $folder --buildtype=debugoptimized -Db_ndebug=false -Db_sanitize=thread -Db_lundef=false >/dev/null || exit
ninja -C $folder >$folder/x-build.log || { tail -n 20 $folder/x-build.log; exit 1; }

check() { # NAME COMMAND...: the command ends well, and the sanitizer has nothing to say
  local name=$1 log=$folder/$1.log status=0
  shift
  timeout 600 "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ] && ! grep -q 'WARNING: ThreadSanitizer' "$log"; then
    echo "ok      $name"
    passed=$((passed + 1))
  else
    echo "FAILED  $name: status $status"
    grep -A 12 'WARNING: ThreadSanitizer' "$log" | head -n 40
    tail -n 5 "$log"
    failed=$((failed + 1))
  fi
}

for test in engine/test_engine_shared engine/test_engine_call engine/test_engine_instance tiers/test_tiers \
  tiers/test_tiers_threads wasi/wasi_p1_threads wasi/wasi_p1_files wasi/wasi_p1_hostile wasi/wasi_p1_process \
  api/test_run api/test_threads; do
  check "$(basename $test)" $folder/tests/unit/$test
done

CAY_TEST_EXCEPT=exhaustion_is_a_trap check capi $folder/tests/capi/standard
reference=$(CAY_BUILD=$folder CAY_SANITIZED=thread bash tests/capi/run.sh)
echo "$reference"
[[ $reference =~ ([0-9]+)' passed, '([0-9]+)' failed' ]]
passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))

if suite=$(CAY_BUILD=$PWD/build tests/spec/suite.sh); then
  for tier in $(tiers_of $folder/cay); do
    for script in atomic exports imports memory; do
      LD_LIBRARY_PATH=$folder check "spec-$script-$tier" $folder/cay wast --tier "$tier" \
        --wasm 2.0,threads,reference-types=n "$suite/proposals/threads/$script/$script.json"
    done
  done
else
  skipped=$((skipped + 4))
fi

tests/guests/build.sh build/guests threads rustthreads
for guest in threads threads.rust; do
  if [ -f build/guests/bin/$guest.wasm ]; then
    for tier in $(tiers_of $folder/cay); do
      for round in 1 2 3; do
        check "guest-$guest-$tier-$round" $folder/cay run --tier "$tier" build/guests/bin/$guest.wasm
      done
    done
  else
    echo "skipped guest-$guest: not built"
    skipped=$((skipped + 1))
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
