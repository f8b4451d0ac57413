#!/usr/bin/env bash
# Other CPUs: cross-builds everything with assertions and runs the unit tests, the smoke tests of a few guests, deterministic
# runs, whose digests must be those of this machine, programs compiled ahead for them, and the official core suite, in every
# tier of the build: under
# qemu-user a tenth of it, for i686 the whole. With names, those CPUs only; a CPU whose C library or emulator is not there
# and cannot be installed is a visible skip.
#
# Each CPU is a file tests/cross/CPU.ini for Meson. The unit tests whose suite is `native` start the command by name and
# are left out, and so is the test that makes 17,000 memories with guard pages: qemu-user 7.2 needs a fifth of a second
# to reserve addresses for one.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup.sh
. tools/debian.sh
. tools/parts.sh

CPUS="aarch64 riscv64 arm i686"
cross=build/cross
native=${CAY:-$PWD/build/cay}

emulator() { # CPU: what runs its programs
  case $1 in
  aarch64) echo qemu-aarch64 -R 0x1000000000 -L /usr/aarch64-linux-gnu ;;
  riscv64) echo qemu-riscv64 -R 0x1000000000 -L /usr/riscv64-linux-gnu ;;
  arm) echo qemu-arm -L /usr/arm-linux-gnueabihf ;;
  esac
}

# CPU: Debian's packages, as "package probe" lines.
packages_of() {
  local gcc
  gcc=$(gcc -dumpversion 2>/dev/null || echo 12)
  cross_packages() { # DEBIAN_NAME TRIPLE
    echo "libc6-dev-$1-cross /usr/$2/include/stdlib.h"
    echo "libgcc-${gcc%%.*}-dev-$1-cross /usr/lib/gcc-cross/$2"
  }
  case $1 in
  aarch64) cross_packages arm64 aarch64-linux-gnu ;;
  riscv64) cross_packages riscv64 riscv64-linux-gnu ;;
  arm) cross_packages armhf arm-linux-gnueabihf ;;
  i686)
    echo "libc6-dev-i386 /usr/include/x86_64-linux-gnu/gnu/stubs-32.h"
    echo "lib32gcc-${gcc%%.*}-dev /usr/lib/gcc/x86_64-linux-gnu/${gcc%%.*}/32/libgcc.a"
    ;;
  esac
  [ "$1" = i686 ] || echo "qemu-user $(emulator "$1" | cut -d ' ' -f 1)"
}

cpu_ready() { # CPU
  local package what missing=""
  while read -r package what; do probe "$what" || missing="$missing $package"; done < <(packages_of "$1")
  # shellcheck disable=SC2086 # a list of words
  [ -z "$missing" ] || (apt_install "to test on $1" $missing) || return 1
  [ "$1" != i686 ] || [ "$(uname -m)" = x86_64 ]
}

# CPU: the JSON reader of `cay wast`, from Debian's source package, as a static library that pkg-config finds.
build_jansson() {
  local folder=$PWD/$cross/$1/jansson source file objects=() compiler
  [ ! -f "$folder/jansson.pc" ] || return 0
  source=$(debian_source_in "$PWD/$cross/src" jansson 2>"$cross/$1/jansson.log") || return 1
  mkdir -p "$folder"
  sed -E 's/@json_inline@/inline/; s/@json_have_\w+@/1/' "$source/src/jansson_config.h.in" >"$folder/jansson_config.h"
  : >"$folder/jansson_private_config.h" # it is given by options
  mapfile -t compiler < <(python3 -c 'import configparser, sys
file = configparser.ConfigParser(inline_comment_prefixes="#")
file.read(sys.argv[1])
print(*eval(file["binaries"]["c"], {"version": "-" + sys.argv[2]}), sep="\n")' "tests/cross/$1.ini" "$CLANG_VERSION")
  for file in "$source"/src/*.c; do
    objects+=("$folder/$(basename "$file" .c).o")
    "${compiler[@]}" -w -O2 -fPIC -DHAVE_STDINT_H -DHAVE_UNISTD_H -DHAVE_ATOMIC_BUILTINS -DHAVE_SCHED_YIELD \
      -DHAVE_SCHED_H -I"$folder" -I"$source/src" -c -o "${objects[-1]}" "$file" || return 1
  done
  "llvm-ar-$CLANG_VERSION" crs "$folder/libjansson.a" "${objects[@]}" || return 1
  printf 'Name: jansson\nDescription: JSON\nVersion: 2.14\nCflags: -I%s -I%s\nLibs: -L%s -ljansson\n' \
    "$folder" "$source/src" "$folder" >"$folder/jansson.pc"
}

build_cpu() { # CPU
  local folder=$cross/$1 options=() wanted
  mkdir -p "$folder/bin"
  printf "[constants]\nversion = '-%s'\n" "$CLANG_VERSION" >"$cross/clang.ini"
  build_jansson "$1" && options+=("-Dpkg_config_path=$PWD/$folder/jansson")
  wanted="$CLANG_VERSION ${options[*]} $(cat "tests/cross/$1.ini")"
  if [ "$(cat "$folder/x-configured" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$folder/meson-private" "$folder/build.ninja"
    meson setup "$folder" --cross-file "tests/cross/$1.ini" --cross-file "$cross/clang.ini" --buildtype=release \
      -Db_ndebug=false "${options[@]}" || return 1
    printf '%s\n' "$wanted" >"$folder/x-configured"
  fi
  ninja -C "$folder" ${JOBS:+-j"$JOBS"} || return 1
  ! has_helper "$1" || ln -sf "$(dirname "$native")/cay-llvm" "$folder/cay-llvm"
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$(emulator "$1")" "$PWD/$folder/cay" >"$folder/bin/cay"
  chmod +x "$folder/bin/cay"
}

# CPU: whether it runs optimized code, and this machine's helper makes it.
has_helper() {
  case $1 in
  aarch64 | riscv64) [ -x "$(dirname "$native")/cay-llvm" ] ;;
  *) false ;;
  esac
}

built() { # CPU
  build_cpu "$1" >"$cross/$1.log" 2>&1 && return
  tail -n 30 "$cross/$1.log"
  return 1
}

# qemu-user keeps an entry for every page that a program reserves: memories that reserve a terabyte take it gigabytes and
# minutes. A limit of address space makes cay modest; CPUs with guard pages get 64 GiB of addresses (-R).
# What makes many instances all the same is left to the soak run:
# embed-oom and capi-oom make one for every allocation, tiers memories hundreds of large ones. And it takes descriptors from
# a socket that the program made no room for (two_descriptors), and in what it says of a process's mappings neighbours are not one
# (ten_thousand_are_alive). A child that was forked while there were threads cannot make one: the emulator's own check fails
# (a_forked_process_watches_its_own_calls).
# Optimized code comes from this machine's helper, and an emulator takes minutes for tests that have thousands of modules compiled: the
# unit tests of optimized_tests run in that tier, all others and the core suite with it in the soak run.
at_once() { # CPU
  [ -n "${CAY_CROSS_ALL:-}" ] || CAY_TIERS=$(tiers_of "$cross/$1/bin/cay")
  export CAY_TIERS=${CAY_TIERS:-}
}
optimized_tests() { # CPU
  modest "$1"
  CAY_TIERS=optimized meson test -C "$cross/$1" --no-rebuild --print-errorlogs --timeout-multiplier 10 \
    ${JOBS:+--num-processes "$JOBS"} "tiers instances" "tiers dispatch" "tiers vectors" "tiers references" "tiers exceptions"
  python3 tools/count_meson.py "$cross/$1/meson-logs/testlog.json"
}
modest() { [ "$1" = i686 ] || ulimit -v 100000000; }
unit_tests() { # CPU
  local folder=$cross/$1 names
  mapfile -t names < <(meson introspect --tests "$folder" | python3 -c 'import json, sys
for test in json.load(sys.stdin):
    is_slow = sys.argv[1] != "i686" and not sys.argv[2] and test["name"] in ("embed-oom", "capi-oom", "tiers memories")
    if not is_slow and not any(suite.endswith("native") for suite in test["suite"]):
        print(test["name"])' "$1" "${CAY_CROSS_ALL:-}")
  modest "$1"
  at_once "$1"
  local except="many two_descriptors ten_thousand_are_alive a_forked_process_watches_its_own_calls"
  CAY_TEST_EXCEPT=$except meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 10 \
    ${JOBS:+--num-processes "$JOBS"} "${names[@]}"
  python3 tools/count_meson.py "$folder/meson-logs/testlog.json"
}

core_suite() { # CPU
  if [ ! -f "$cross/$1/libcay-json.so" ]; then
    echo "the core suite is left out: jansson's source cannot be fetched (see $cross/$1/jansson.log)"
    echo "0 passed, 0 failed, 1 skipped"
    return
  fi
  local list=$PWD/$cross/core.list
  # Under an emulator a tenth of the scripts, spread over the list; all of them with CAY_CROSS_ALL, as the soak run has it.
  awk -v every="$([ "$1" = i686 ] || [ -n "${CAY_CROSS_ALL:-}" ] && echo 1 || echo 10)" \
    '/^(\[|#|$)/ { print; next } n++ % every == 0' tests/spec/core.list >"$list"
  modest "$1"
  at_once "$1"
  CAY=$PWD/$cross/$1/bin/cay CAY_BUILD=$PWD/$cross/$1 CAY_CORE_LIST=$list bash tests/spec/run.sh
}

smoke_tests() { # CPU
  export CAY=$PWD/$cross/$1/bin/cay
  run_in_tiers "cross-$1-guests" python3 tests/guests/smoke.py own kernels
}

# What this machine's cay compiles ahead for the CPU. The unit tests run optimized code there, too: the helper beside them is this
# machine's, to which the emulator's processes talk as to one of their own (build_cpu).
ahead() { # CPU
  python3 tests/cross/ahead.py "$native" "$cross/$1/bin/cay" "$1-linux" build/guests/bin
}

# Deterministic runs: the same digests as of the build for this machine.
same_digests() { # CPU
  modest "$1"
  python3 tests/deterministic/run.py "$native" "$cross/$1/bin/cay"
}

skip_cpu() { # CPU
  echo "skipped $1: needs $(packages_of "$1" | cut -d ' ' -f 1 | paste -sd ' ')"
  echo "0 passed, 0 failed, 1 skipped"
}

CLANG_VERSION=${CLANG_VERSION:-$(clang_installed)}
mkdir -p "$cross"
tests/guests/build.sh build/guests own kernels
# shellcheck disable=SC2048 # lists of words
for cpu in ${*:-$CPUS}; do
  [ -f "tests/cross/$cpu.ini" ] || die 2 "no CPU is called '$cpu'; there are: $CPUS"
  if ! cpu_ready "$cpu"; then
    run_part "cross-$cpu" skip_cpu "$cpu"
  elif ! built "$cpu"; then
    run_part "cross-$cpu" false
  else
    run_part "cross-$cpu-unit" unit_tests "$cpu"
    run_part "cross-$cpu-guests" smoke_tests "$cpu"
    run_part "cross-$cpu-digests" same_digests "$cpu"
    run_part "cross-$cpu-spec" core_suite "$cpu"
    ! has_helper "$cpu" || {
      run_part "cross-$cpu-ahead" ahead "$cpu"
      run_part "cross-$cpu-optimized" optimized_tests "$cpu"
    }
    [ "$cpu" != aarch64 ] ||
      run_part "cross-$cpu-handlers" python3 tests/cross/check_handlers.py "llvm-objdump-$CLANG_VERSION" "$cross/$cpu/cay"
  fi
done
print_totals
