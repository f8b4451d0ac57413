#!/usr/bin/env bash
# 100,000 generated modules on cay and on the reference, beyond those of `./x test`; see tests/diff/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec bash tests/diff/run.sh "${CAY_DIFF_COUNT:-100000}" "${CAY_DIFF_SEED:-1000000}"
