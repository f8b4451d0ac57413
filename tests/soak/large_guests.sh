#!/usr/bin/env bash
# The guests with larger work than in the smoke tests, and those that take longer to fetch or build.
# CAY: the command to test (build/cay).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export CAY=${CAY:-build/cay} CAY_GUESTS=${CAY_GUESTS:-build/guests}
tests/guests/build.sh "$CAY_GUESTS" own zstd sqlite quickjs lua threads rustthreads zigcc || echo "some guests could not be built; their tests fail below"
exec python3 tests/guests/smoke.py large manythreads zigcc
