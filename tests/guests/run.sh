#!/usr/bin/env bash
# Builds the guests that build within a minute each and runs their smoke tests in every tier; with names, those guests
# only. CAY: the command to test (build/cay); CAY_GUESTS: where the guests are built (build/guests).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export CAY=${CAY:-build/cay} CAY_GUESTS=${CAY_GUESTS:-build/guests}
. tools/parts.sh
tests/guests/build.sh "$CAY_GUESTS" "$@" || echo "some guests could not be built; their tests fail below"
run_in_tiers guests python3 tests/guests/smoke.py "$@"
