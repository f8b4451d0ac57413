#!/usr/bin/env bash
# The audit: what programs attempt without a right to it (audit.py), and with bugs of their own (bugs.py), and what
# becomes of that. CAY: the command to test; CAY_BUILD: its build folder. Arguments go to audit.py (--table FILE ...).
set -euo pipefail
cd "$(dirname "$0")/../.."
export CAY=${CAY:-$PWD/build/cay} CAY_BUILD=${CAY_BUILD:-$PWD/build}
. tools/parts.sh
run_part audit-attempts python3 tests/audit/audit.py "$@"
[ $# -gt 0 ] || run_part audit-bugs python3 tests/audit/bugs.py
print_totals
