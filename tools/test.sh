# Sourced by ./x: the test suite. A part is `unit`, `unit-asan`, `fuzz`, or a folder tests/NAME with a run.sh, which
# is run twice: as NAME with the release build and as NAME-asan with the sanitizer build. The suite also runs once on
# what gcc makes of the sources (spec-gcc), because that is another interpreter: a switch instead of tail calls.
#
# run.sh gets CAY (the command to test, absolute), CAY_BUILD (its build folder, absolute), CAY_SANITIZED (1 or empty)
# and CC; its current folder is the root of the project; its last line is `N passed, N failed[, N skipped]`.
# shellcheck shell=bash
. tools/parts.sh
. tools/fuzz.sh

# What is too slow, or adds nothing, under the sanitizers.
NOT_SANITIZED="guests cross wall eval"

test_unit() { # BUILD_FOLDER
  local report=$1/meson-logs/testlog.json
  CAY_TEST_CC=$CC meson test -C "$1" --print-errorlogs ${JOBS:+--num-processes "$JOBS"}
  [ -f "$report" ] || { echo "no test is registered"; return 1; }
  python3 tools/count_meson.py "$report"
}

test_folder() { # NAME BUILD_FOLDER
  [ "$2" != build-gcc ] || build_gcc
  CAY=$PWD/$2/cay CAY_BUILD=$PWD/$2 CAY_SANITIZED=$([ "$2" != build-asan ] || echo 1) bash "tests/$1/run.sh"
}

test_names() {
  local script name
  echo unit unit-asan
  for script in tests/*/run.sh; do
    [ -f "$script" ] || continue
    name=$(basename "$(dirname "$script")")
    echo "$name"
    case " $NOT_SANITIZED " in *" $name "*) ;; *) echo "$name-asan" ;; esac
    [ "$name" != spec ] || echo spec-gcc
  done
  echo fuzz
}

test_part() {
  case $1 in
  unit) run_part unit test_unit build ;;
  unit-asan) run_part unit-asan test_unit build-asan ;;
  fuzz) run_part fuzz fuzz_all "${CAY_FUZZ_SECONDS:-300}" ;;
  *)
    local name=${1%-asan} folder=build
    name=${name%-gcc}
    case $1 in
    *-asan) folder=build-asan ;;
    *-gcc) folder=build-gcc ;;
    esac
    [ -f "tests/$name/run.sh" ] || die 2 "no test is called '$1'; there are: $(test_names | tr '\n' ' ')"
    run_part "$1" test_folder "$name" "$folder"
    ;;
  esac
}

test_main() {
  local parts=("$@") part
  setup_packages all
  # A leak at exit and an undefined operation are failures, and every report names its line.
  export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:detect_stack_use_after_return=0}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
  ASAN_SYMBOLIZER_PATH=$(command -v "llvm-symbolizer-$CLANG_VERSION" || true)
  export ASAN_SYMBOLIZER_PATH
  build_release
  build_sanitized
  [ ${#parts[@]} -gt 0 ] || mapfile -t parts < <(test_names | tr ' ' '\n')
  for part in "${parts[@]}"; do test_part "$part"; done
  print_totals
}
