# Sourced by ./x: the checks that need no test run. Each is a function check_NAME; `./x check` runs all of CHECKS, with
# names only those. Each counts as one.
# shellcheck shell=bash
. tools/parts.sh
. tools/abi.sh

CHECKS="format tidy layers ops api banned sizes files links shell needed exported abi install"
# What the command may be linked with; everything else is loaded when it is needed (docs/dependencies.md).
LIBRARIES_ALLOWED='libc\.so\.6|libm\.so\.6'
FORMAT_VERSION=22

check_layers() { python3 tools/check_layers.py; }
check_banned() { python3 tools/check_banned.py; }

# Files and functions, and what an embedder ships: the library, and the code of the one that only interprets.
LIBRARY_BYTES_MAX=$((4 << 20))
SMALL_CODE_BYTES_MAX=$((300 << 10))
check_sizes() {
  python3 tools/check_size.py && check_library_size build/src/api/libcay.so && check_small_code
}
check_library_size() {
  local bytes
  [ -f "$1" ] || return 0
  size "$1"
  bytes=$(stat -Lc %s "$1")
  [ "$bytes" -le "$LIBRARY_BYTES_MAX" ] || { echo "$1 takes $bytes bytes, more than $LIBRARY_BYTES_MAX"; return 1; }
}

# On x86-64, where the bar is, and as clang makes it. Constants are printed beside it and not counted.
check_small_code() {
  local library=build-small/src/api/libcay.so code
  { [ "$(uname -m)" = x86_64 ] && [[ $CC == *clang* ]]; } || { echo "the small library is measured on x86-64, with clang"; return 0; }
  build_small
  size "$library"
  code=$(size -A "$library" | awk '$1 == ".text" || $1 ~ /^cay_interp/ { sum += $2 } END { print sum + 0 }')
  echo "$library has $code bytes of code, at most $SMALL_CODE_BYTES_MAX"
  [ "$code" -gt 0 ] && [ "$code" -le "$SMALL_CODE_BYTES_MAX" ]
}

check_files() { python3 tools/check_files.py; }
check_ops() { python3 tools/check_ops.py; }
check_api() { python3 tools/check_api.py; }
check_links() { python3 tools/check_links.py; }

# Laid out by hand: headers (tables and one-line structures), and the interpreter's handlers (families of macros). They
# read better than what the formatter makes of them. In positions.c line and column are what is tested.
check_format() {
  local tool=clang-format-$FORMAT_VERSION
  command -v "$tool" >/dev/null || { echo "$tool is not there; other versions format differently"; return 77; }
  find src cli include tests fuzz bench examples -name '*.c' ! -path src/tiers/interp/handlers.c ! -path tests/unit/api/positions.c -print0 |
    xargs -0 "$tool" --dry-run --Werror
}

# One process a source file, as many as there are processors.
tidy_with() { # CLANG_TIDY_OPTION...
  local tool=clang-tidy-$CLANG_VERSION
  command -v "$tool" >/dev/null || { echo "$tool is not there"; return 77; }
  python3 -c 'import json, sys
for entry in json.load(open("build/compile_commands.json")):
    if entry["file"].startswith(("../src/", "../cli/")): print(entry["file"][3:])' | sort -u |
    xargs -r -P "${JOBS:-$(nproc)}" -n 4 "$tool" -p build --quiet "$@" 2>/dev/null
}
check_tidy() { tidy_with; }
check_tidy-full() {
  tidy_with --checks=clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
}

check_shell() {
  local script
  for script in x .ci/run tools/*.sh tests/*/*.sh tests/soak/*.sh bench/*.sh; do
    [ ! -f "$script" ] || bash -n "$script" || return 1
  done
  # shellcheck disable=SC2046
  shellcheck -S warning x .ci/run $(find tools -name '*.sh')
}

check_needed() {
  local needed
  needed=$(readelf -d build/cay | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  [ -n "$needed" ] || { echo "build/cay: no NEEDED entry could be read"; return 1; }
  ! grep -vxE "$LIBRARIES_ALLOWED" <<<"$needed"
}

# Nothing but the public API may be visible to whoever links or loads us; an internal shared object shows its table. This
# looks at what the build itself makes, in its root and under src/: build/cross and its like belong to the tests.
check_exported() {
  local file table
  while read -r file; do
    table='^$'
    case $file in */libcay-*) table='_table$' ;; esac
    readelf -W --dyn-syms "$file" | sed 's/@.*//' | awk -v file="$file" -v table="$table" \
      'NF == 8 && $1 ~ /^[0-9]+:$/ && $6 != "HIDDEN" && $7 != "UND" && $8 !~ /^(cay|wasm)_/ && $8 !~ table {
        print file " exports " $8; bad = 1 } END { exit bad }' || return 1
  done < <({ find build -maxdepth 1 -type f '(' -name cay -o -name 'libcay*.so*' ')' &&
    find build/src -type f -name 'libcay*.so*' ! -name '*.symbols'; })
  [ -f build/cay ] && check_declared
}

# And what the headers declare is there.
check_declared() {
  local header missing
  for header in include/cay.h include/wasm.h; do
    missing=$("$CC" -E -P -x c "$header" | tr '\n' ' ' | grep -oE 'visibility\("default"\)[^;]*;' |
      sed -E 's/^[^ ]* *//; s/^([^(]*[^a-z0-9_(])?((cay|wasm)_[a-z0-9_]+) *\(.*/\2/' | sort -u |
      comm -23 - <(readelf -W --dyn-syms build/src/api/libcay.so | awk '$7 != "UND" { print $8 }' | sort -u))
    [ -z "$missing" ] || { echo "libcay lacks what $header declares: $missing"; return 1; }
  done
}

# An embedder's program is built against what was installed in $1, by pkg-config, statically, and by CMake.
check_embedding() {
  local root=$1 pc library answer
  pc=$(find "$root" -name cay.pc)
  library=$(dirname "$(find "$root" -name libcay.a)")
  # shellcheck disable=SC2046 # words
  "$CC" -o "$root/add" examples/embed/add.c $(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$root pkg-config --cflags --libs cay) &&
    "$CC" -o "$root/add-static" examples/embed/add.c -I "$root/usr/local/include" "$library/libcay.a" -lm -lpthread -ldl || return 1
  if command -v cmake >/dev/null; then
    mkdir -p "$root/project"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(embedder C)' 'find_package(cay 0.1 REQUIRED)' \
      "add_executable(add-cmake $PWD/examples/embed/add.c)" 'target_link_libraries(add-cmake cay::cay)' \
      "add_executable(add-cmake-static $PWD/examples/embed/add.c)" 'target_link_libraries(add-cmake-static cay::static)' >"$root/project/CMakeLists.txt"
    { cmake -S "$root/project" -B "$root" -DCMAKE_PREFIX_PATH="$root/usr/local" && cmake --build "$root"; } >"$root/cmake.log" 2>&1 ||
      { tail -n 20 "$root/cmake.log"; return 1; }
  else
    echo "cmake is not there: its package files are not tried"
  fi
  for answer in "$root"/add*; do
    [ "$(LD_LIBRARY_PATH=$library "$answer")" = "40 + 2 = 42" ] || { echo "$answer does not work"; return 1; }
  done
}

# What `meson install` lays down is complete: the command and an embedder run from there, the pkg-config file is sound.
check_install() {
  local root=$PWD/build/check-install
  rm -rf "$root"
  meson install -C build --no-rebuild --quiet --destdir "$root" || return 1
  find "$root" -type f | sed "s,^$root,,"
  "$root/usr/local/bin/cay" version >/dev/null || return 1
  local name
  for name in 'man1/cay.1*' 'cay.pc' 'cay.h' 'wasm.h' 'cayConfig.cmake'; do
    [ -n "$(find "$root" -path "*/$name")" ] || { echo "the installed tree has no $name"; return 1; }
  done
  find "$root" -name cay.pc -exec env PKG_CONFIG_PATH= pkg-config --validate {} \; && check_embedding "$root"
}

# A check that answers 77 was not possible here: that counts as skipped.
counted_check() { # NAME
  local status=0
  "check_$1" || status=$?
  case $status in
  0) echo "1 passed, 0 failed" ;;
  77) echo "0 passed, 0 failed, 1 skipped" ;;
  *) echo "0 passed, 1 failed" && return 1 ;;
  esac
}

check_main() {
  local names=("$@") name
  setup_packages all
  build_release
  # shellcheck disable=SC2206 # a list of words
  [ ${#names[@]} -gt 0 ] || names=($CHECKS)
  for name in "${names[@]}"; do
    declare -F "check_$name" >/dev/null || die 2 "there is no check '$name'; there are: $CHECKS tidy-full"
    run_part "$name" counted_check "$name"
  done
  print_totals
}
