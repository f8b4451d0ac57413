#!/usr/bin/env bash
# The official core suite: every script that core.list names without a proposal behind it, on every tier of the build (or
# those that CAY_TIERS names), must pass completely. core.list says how it is read; CAY_CORE_LIST names a list with fewer
# scripts.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/parts.sh

if ! suite=$(tests/spec/suite.sh); then
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
words=() absent=() scripts=0 waiting=0 never=0 features=3.0
while read -r name proposals; do
  case $name in
  '' | '#'*) continue ;;
  '['*']')
    features=${name:1:-1}
    [ "$features" = never ] || words+=(--wasm "$features")
    continue
    ;;
  esac
  script=$suite/$name/$(basename "$name").json
  if [ "$features" = never ]; then
    never=$((never + 1))
  elif [ -n "$proposals" ]; then
    waiting=$((waiting + 1))
  elif [ -f "$script" ]; then
    words+=("$script")
    scripts=$((scripts + 1))
  else
    absent+=("$name")
  fi
done <"${CAY_CORE_LIST:-tests/spec/core.list}"
echo "$scripts scripts run, $waiting wait for a proposal, $never are of proposals that are not cay's"
echo "absent from this copy of the suite: ${absent[*]:-none}"

passed=0 failed=0 skipped=${#absent[@]}
log=$CAY_BUILD/spec.log
for tier in $(all_tiers_of "$CAY"); do
  status=0
  "$CAY" wast --tier "$tier" "${words[@]}" >"$log" 2>&1 || status=$?
  sed "s,^$suite/[^:]*/,$tier: ," "$log" | sed '$d'
  if ! counts=$(tail -n 1 "$log" | grep -aoE '^[0-9]+ passed, [0-9]+ failed'); then
    tail -n 1 "$log"
    echo "$tier: ended with status $status before it was done"
    failed=$((failed + 1))
    continue
  fi
  text=$(tail -n 1 "$log" | grep -aoE '[0-9]+ on text' || true)
  [ -z "$text" ] || echo "$tier: ${text% on text} assertions on malformed text, which need a parser of it, are not run"
  read -r p f <<<"${counts//[^0-9 ]/}"
  passed=$((passed + p)) failed=$((failed + f))
  [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || failed=$((failed + 1))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
