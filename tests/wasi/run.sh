#!/usr/bin/env bash
# WASI 0.1: compiles the guests in tests/wasi/guests and runs them; names choose among the cases.
# CAY: the command to test (build/cay).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
exec python3 tests/wasi/run.py "$@"
