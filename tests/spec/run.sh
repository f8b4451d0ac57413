#!/usr/bin/env bash
# The official core suite: every script that core.list names without a proposal, on every tier, must pass completely.
# A line of core.list is `NAME` or `NAME proposal...`; the latter wait for those proposals. CAY_CORE_LIST names a list
# with fewer scripts.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! suite=$(tests/spec/suite.sh); then
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
scripts=() absent=() waiting=0
while read -r name proposals; do
  case $name in '' | '#'*) continue ;; esac
  script=$suite/$name/$(basename "$name").json
  if [ -n "$proposals" ]; then
    waiting=$((waiting + 1))
  elif [ -f "$script" ]; then
    scripts+=("$script")
  else
    absent+=("$name")
  fi
done <"${CAY_CORE_LIST:-tests/spec/core.list}"
echo "${#scripts[@]} scripts run, $waiting wait for a proposal; absent from this copy of the suite: ${absent[*]:-none}"

passed=0 failed=0 skipped=${#absent[@]}
log=$CAY_BUILD/spec.log
for tier in ${CAY_TIERS:-interp}; do
  status=0
  "$CAY" wast --tier "$tier" "${scripts[@]}" >"$log" 2>&1 || status=$?
  sed "s,^$suite/[^:]*/,$tier: ," "$log" | sed '$d'
  if ! counts=$(tail -n 1 "$log" | grep -aoE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped'); then
    tail -n 1 "$log"
    echo "$tier: ended with status $status before it was done"
    failed=$((failed + 1))
    continue
  fi
  read -r p f s <<<"${counts//[^0-9 ]/}"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || failed=$((failed + 1))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
