#!/usr/bin/env bash
# WASI 0.1: compiles the guests in tests/wasi/guests and runs them in every tier; names choose among the cases. CAY: the
# command to test (build/cay). The sanitizers look at WASI's C, which no tier changes: there the default tier is enough.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export CAY=${CAY:-build/cay}
. tools/parts.sh
[ -z "${CAY_SANITIZED:-}" ] || exec python3 tests/wasi/run.py "$@"
run_in_tiers wasi python3 tests/wasi/run.py "$@"
