#!/usr/bin/env bash
# Modules that are made to cost much (see hostile.py); those that run do so in every tier.
set -euo pipefail
. "$(dirname "$0")/../../tools/parts.sh"
tiers=$(tiers_of "$CAY")
CAY_TIERS=$tiers exec python3 "$(dirname "$0")/hostile.py" "$CAY"
