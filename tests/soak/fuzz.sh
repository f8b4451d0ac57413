#!/usr/bin/env bash
# Long fuzzing: each target for CAY_SOAK_FUZZ_SECONDS (600) under ASan and UBSan.
set -euo pipefail
cd "$(dirname "$0")/../.." || exit
. tools/setup.sh
. tools/build.sh
. tools/fuzz.sh
setup_packages all
build_fuzz
fuzz_all $(($(fuzz_targets | wc -l) * ${CAY_SOAK_FUZZ_SECONDS:-600}))
