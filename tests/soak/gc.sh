#!/usr/bin/env bash
# As tests/gc/run.sh, with 100 GB in total.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec python3 tests/gc/run.py 100
