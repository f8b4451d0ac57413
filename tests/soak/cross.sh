#!/usr/bin/env bash
# The other CPUs with everything: all unit tests, and every script of the official suite; see tests/cross/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
CAY_CROSS_ALL=1 exec bash tests/cross/run.sh "$@"
