#!/usr/bin/env bash
# A guest copies a directory of 1,000 files with their times, folders and links; the copy equals the original.
# CAY: the command to test (build/cay).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export CAY=${CAY:-build/cay} CAY_GUESTS=${CAY_GUESTS:-build/guests}
tests/guests/build.sh "$CAY_GUESTS" own || exit 1
exec python3 tests/guests/smoke.py copy
