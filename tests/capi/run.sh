#!/usr/bin/env bash
# The example programs of the standard C API's own repository, WebAssembly/wasm-c-api, from a checkout beside the project
# or where CAY_WASM_C_API says. Without one a line says so: the same scenarios, in programs of our own, are in the suite
# `fast` (standard*.c here). CAY_BUILD: the build folder; CAY_SANITIZED: empty, 1, or what -fsanitize takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=${CAY_WASM_C_API:-$PWD/../wasm-c-api}
[ -d "$checkout/example" ] || {
  echo "skipped: there is no checkout of github.com/WebAssembly/wasm-c-api in $checkout (CAY_WASM_C_API=FOLDER names one)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}
sanitizers=${CAY_SANITIZED:-}
[ "$sanitizers" != 1 ] || sanitizers=address,undefined
exec python3 tests/capi/reference.py "$checkout" "${CAY_BUILD:-build}" "${CC:-cc}" "$sanitizers"
