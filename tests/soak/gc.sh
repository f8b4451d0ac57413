#!/usr/bin/env bash
# As tests/gc/run.sh, with 100 GB in total.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/parts.sh
run_in_tiers soak-gc python3 tests/gc/run.py 100
