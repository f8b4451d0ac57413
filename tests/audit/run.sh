#!/usr/bin/env bash
# The audit (audit.py): what programs attempt without a right to it, and what becomes of that. CAY: the command to test.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/parts.sh
run_part audit-attempts python3 tests/audit/audit.py "$@"
print_totals
