#!/usr/bin/env bash
# Guests that make garbage, under a memory limit: 4 GB in total, in every tier. CAY: the command to test.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/parts.sh
run_in_tiers gc python3 tests/gc/run.py 4
