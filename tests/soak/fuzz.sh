#!/usr/bin/env bash
# Every fuzz target for CAY_SOAK_FUZZ_SECONDS (600) under ASan and UBSan, starting from the seeds and from what earlier
# runs found.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/setup.sh
. tools/build.sh
. tools/fuzz.sh
build_fuzz
fuzz_all $(("${CAY_SOAK_FUZZ_SECONDS:-600}" * $(fuzz_targets | wc -l)))
