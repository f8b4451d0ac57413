#!/usr/bin/env bash
# Guests that make garbage, under a memory limit: 4 GB in total. CAY: the command to test.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec python3 tests/gc/run.py 4
