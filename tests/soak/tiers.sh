#!/usr/bin/env bash
# The tiers against each other for CAY_SOAK_TIERS_SECONDS (1800), in two ways at once: generated modules with guard pages
# and with explicit bounds, which the reference runs, too (tests/diff), and mutations of the official suite's and of
# generated modules under the sanitizers (fuzz/fuzz_run.c). Counts are generated modules, and one for the mutations.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup.sh
. tools/build.sh
. tools/parts.sh
. tools/fuzz.sh
export CAY=${CAY:-$PWD/build/cay} CAY_BUILD=${CAY_BUILD:-$PWD/build}
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:detect_stack_use_after_return=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
seconds=${CAY_SOAK_TIERS_SECONDS:-1800}
first_seed=10000000 at_once=1000
folder=build/soak/tiers

read -ra tiers <<<"$(tiers_of "$CAY" | tr '\n' ' ')"
if [ ${#tiers[@]} -lt 2 ]; then
  echo "this build has one tier: ${tiers[*]}"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
echo "tiers: ${tiers[*]}; $seconds s"

# Modules of the suite and of the generator, for libFuzzer to start from.
write_seeds() {
  local suite generator=$PWD/build/diff/generator/release/libdiff_generator.so
  suite=$(tests/spec/suite.sh) || suite=""
  python3 - "$folder/seeds" "$suite" "$generator" <<'PYTHON'
import ctypes, hashlib, pathlib, sys
out, suite, generator = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
SMALL = 16384
def keep(content):
    if len(content) <= SMALL:
        (out / (hashlib.sha256(content).hexdigest()[:16] + ".wasm")).write_bytes(content)
for path in suite.rglob("*.wasm") if sys.argv[2] else []:
    keep(path.read_bytes())
if generator.exists():
    library = ctypes.CDLL(str(generator))
    library.diff_module_new.restype = ctypes.POINTER(ctypes.c_uint8)
    library.diff_module_new.argtypes = ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32, ctypes.POINTER(ctypes.c_size_t)
    for seed in range(2000):
        length = ctypes.c_size_t()
        module = library.diff_module_new(seed, 2**64 - 1, 0, ctypes.byref(length))
        if module:
            keep(ctypes.string_at(module, length.value))
print(len(list(out.iterdir())), "modules to start from")
PYTHON
}

# One seed after the other until the time is over; sums of the counts.
generated() {
  local seed=$first_seed passed=0 failed=0 skipped=0 p f s end=$((SECONDS + seconds))
  while [ $SECONDS -lt $end ]; do
    bash tests/diff/run.sh $at_once "$seed" >"$folder/diff.log" 2>&1 || { grep -aE '^seed|^status' "$folder/diff.log" || true; }
    read -r p f s <<<"$(counts_of "$folder/diff.log")" || true
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1})) skipped=$((skipped + ${s:-0}))
    [ "${s:-0}" != 1 ] || break # no generator or no reference
    seed=$((seed + at_once))
  done
  grep -aE '^skipped' "$folder/diff.log" || true
  echo "generated modules: seeds $first_seed to $((seed - 1))"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}

mutated() {
  local status=0
  mkdir -p "$folder/corpus" build-fuzz/findings
  python3 fuzz/seeds.py build-fuzz/seeds
  # The time of one input is the wall clock's, and the other half of the test takes a processor.
  build-fuzz/fuzz/fuzz_run -max_total_time="$seconds" -timeout=120 -rss_limit_mb=3000 -max_len=16384 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix=build-fuzz/findings/tiers- "$folder/corpus" build-fuzz/seeds "$folder/seeds" \
    >"$folder/fuzz.log" 2>&1 || status=$?
  if [ $status -eq 0 ]; then
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$folder/fuzz.log"
  else
    tail -n 60 "$folder/fuzz.log"
  fi
  echo "$((status == 0)) passed, $((status != 0)) failed"
  return $status
}

mkdir -p "$folder"
build_fuzz
bash tests/diff/run.sh 0 >"$folder/diff.log" 2>&1 || true # builds the generator
write_seeds
mutated >"$folder/mutated.out" 2>&1 &
mutations=$!
run_part generated generated
wait $mutations || true
run_part mutated bash -c "cat $folder/mutated.out; ! grep -q ' 1 failed' $folder/mutated.out"
print_totals
