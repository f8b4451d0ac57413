#!/usr/bin/env bash
# The audit: what programs attempt without a right to it (audit.py) and with bugs of their own (bugs.py), what becomes of
# that, what the kernel sees of it (traced.py), and whether what a denial proposes is enough (proposals.py). CAY: the
# command to test; CAY_BUILD: its build folder. Arguments go to audit.py (--table FILE ...).
set -euo pipefail
cd "$(dirname "$0")/../.."
export CAY=${CAY:-$PWD/build/cay} CAY_BUILD=${CAY_BUILD:-$PWD/build}
. tools/parts.sh
run_part audit-attempts python3 tests/audit/audit.py "$@"
if [ $# -eq 0 ]; then
  run_part audit-bugs python3 tests/audit/bugs.py
  run_part audit-traced python3 tests/audit/traced.py
  run_part audit-proposals python3 tests/audit/proposals.py
fi
print_totals
