# Sourced by tools/check.sh: whether the library's binary interface is still what it was (libabigail).
#
# tests/embed/libcay.abi describes it: exported functions and the public types that they reach. What is compared is made of
# src/api alone, which has every exported function, with debug information; it is linked with nothing, and never run.
# shellcheck shell=bash

ABI=tests/embed/libcay.abi

abi_library() { # OUTPUT
  local files
  mapfile -t files < <(find src/api -maxdepth 1 -name '*.c' ! -name 'wall.c' ! -name 'broker*.c' ! -name 'json_*.c' | sort)
  "$CC" -gdwarf-4 -O0 -fPIC -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fvisibility=hidden -ftls-model=initial-exec \
    '-DCAY_VERSION="0"' -w -Iinclude -Isrc -Ibuild/src -shared -Wl,-soname,libcay.so.0 \
    -Wl,--unresolved-symbols=ignore-all -o "$1" "${files[@]}"
}

abi_describe() { # LIBRARY OUTPUT
  abidw --headers-dir include --drop-private-types --no-corpus-path --no-comp-dir-path --no-show-locs \
    --no-elf-needed --type-id-style hash --out-file "$2" "$1"
}

# Additions are no difference; whatever else is one has to be meant, and is written down by CAY_ABI_UPDATE=1.
check_abi() {
  command -v abidw >/dev/null || { echo "abidw is not there (Debian: abigail-tools): the binary interface is not compared"; return 77; }
  [ "$(uname -m)" = x86_64 ] || { echo "the description is of the interface on x86-64"; return 77; }
  local folder=build/abi
  mkdir -p "$folder"
  abi_library "$folder/libcay.so" && abi_describe "$folder/libcay.so" "$folder/libcay.abi" || return 1
  [ -z "${CAY_ABI_UPDATE-}" ] || cp "$folder/libcay.abi" "$ABI"
  abidiff --no-added-syms "$ABI" "$folder/libcay.abi" ||
    { echo "the binary interface has changed; if that is meant: CAY_ABI_UPDATE=1 ./x check abi"; return 1; }
}
