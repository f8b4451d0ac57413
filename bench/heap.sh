#!/usr/bin/env bash
# The garbage-collected heap by itself: ns for an allocation, ms for a pause. `./x bench heap [GIGABYTES]`: how much each
# allocation benchmark allocates (4).
set -euo pipefail
cd "$(dirname "$0")/.."
ninja -C build bench/heap >/dev/null
exec build/bench/heap "$@"
