# Sourced by ./x and tools/test.sh: the fuzz targets. A target is the executable build-fuzz/fuzz/NAME, its seeds lie in
# fuzz/corpus/NAME (optional) and in what fuzz/seeds.py writes, what it found earlier in build-fuzz/corpus/NAME. A finding
# is kept in build-fuzz/findings/ and belongs, once mended, among the seeds.
# shellcheck shell=bash

fuzz_targets() {
  find build-fuzz/fuzz -maxdepth 1 -type f -perm -u+x 2>/dev/null | sed 's,.*/,,' | sort
}

fuzz_one() { # TARGET SECONDS
  local target=$1 seeds=(build-fuzz/seeds)
  mkdir -p "build-fuzz/corpus/$target" build-fuzz/findings
  python3 fuzz/seeds.py build-fuzz/seeds
  [ ! -d "fuzz/corpus/$target" ] || seeds+=("fuzz/corpus/$target")
  "build-fuzz/fuzz/$target" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build-fuzz/findings/$target-" "build-fuzz/corpus/$target" "${seeds[@]}"
}

fuzz_all() { # SECONDS, shared by all targets
  local passed=0 failed=0 share target targets
  build_fuzz
  mapfile -t targets < <(fuzz_targets)
  if [ ${#targets[@]} -eq 0 ]; then
    echo "there is no fuzz target"
    return 1
  fi
  share=$(($1 / ${#targets[@]}))
  for target in "${targets[@]}"; do
    echo "fuzzing $target for $share s"
    if fuzz_one "$target" "$((share > 0 ? share : 1))" >build-fuzz/last.log 2>&1; then
      grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' build-fuzz/last.log
      passed=$((passed + 1))
    else
      tail -n 60 build-fuzz/last.log
      failed=$((failed + 1))
    fi
  done
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

fuzz_main() {
  setup_packages all
  build_fuzz
  if [ $# -eq 0 ]; then fuzz_targets; else fuzz_one "$1" "${2:-60}"; fi
}
