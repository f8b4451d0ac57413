#!/usr/bin/env bash
# Deterministic runs: kernels and programs with files, random bytes, clocks and NaNs, twice in every tier; each run must have
# the same digest and use the same fuel as the first. CAY: the command to test. SQLite is among them once its guest is built
# (tests/guests/build.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
exec python3 tests/deterministic/run.py "${CAY:-build/cay}"
