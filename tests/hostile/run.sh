#!/usr/bin/env bash
# Modules that are made to cost much (see hostile.py).
set -euo pipefail
exec python3 "$(dirname "$0")/hostile.py" "$CAY"
