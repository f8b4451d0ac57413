# Sourced by test, check, soak and .ci/run: runs named parts and adds up their counts.
#
# A part is a shell function or command whose last matching output line is `N passed, N failed[, N skipped]`. A part
# that ends in an error without reporting a failure counts as one failure, and so does a part that counts nothing:
# a test that did not run must not look like one that passed.
# shellcheck shell=bash

# No part fills the cache of who runs it, nor is another one for what an earlier one has left there.
export CAY_CACHE=off

COUNT_PATTERN='^([a-z]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?[[:space:]]*$'
total_passed=0 total_failed=0 total_skipped=0
failed_parts=""

# Prints "PASSED FAILED SKIPPED" from the last count line of a log; nothing when there is none.
counts_of() {
  { grep -aE "$COUNT_PATTERN" "$1" || true; } | tail -n 1 | sed -E 's/^[a-z]+: //' |
    awk '{ print $1 + 0, $3 + 0, $5 + 0 }'
}

add_counts() { # PART STATUS LOG
  local passed=0 failed=0 skipped=0 counts
  counts=$(counts_of "$3")
  if [ -n "$counts" ]; then
    read -r passed failed skipped <<<"$counts"
    if [ "$2" -ne 0 ] && [ "$failed" -eq 0 ]; then
      echo "$1: ended with status $2 although it counted no failure"
      failed=1
    fi
  else
    echo "$1: status $2 and no line that counts anything"
    failed=1
  fi
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  [ "$failed" -eq 0 ] || failed_parts="$failed_parts $1"
}

run_part() { # NAME COMMAND...
  local name=$1 log status=0 started=$SECONDS
  shift
  log=build/logs/${name//[^a-zA-Z0-9_.-]/-}.log
  mkdir -p build/logs
  printf '\n== %s\n' "$name"
  # The subshell keeps a part's `die` and its settings from ending the whole run.
  (set +e; "$@") 2>&1 </dev/null | tee "$log" || status=${PIPESTATUS[0]}
  printf '   (%s, %d s)\n' "$name" $((SECONDS - started))
  add_counts "$name" "$status" "$log"
}

# The tiers of a build of the command, the default first; or those that CAY_TIERS names.
all_tiers_of() { # COMMAND
  if [ -n "${CAY_TIERS:-}" ]; then
    echo "$CAY_TIERS"
  else
    "$1" version | sed -n 's/^tiers: *//; T; s/ (default)//; p'
  fi
}

# Those that start at once. The other one compiles a program for seconds before it starts: the official suite and the unit
# tests run in it, whatever starts programs by the hundred does not.
tiers_of() { # COMMAND
  if [ -n "${CAY_TIERS:-}" ]; then all_tiers_of "$1"; else all_tiers_of "$1" | sed 's/\boptimized\b *//'; fi
}

# A test in every tier of $CAY, which finds the tier in $CAY_TIER as the command does; each is a part.
run_in_tiers() { # NAME COMMAND...
  local name=$1 tier total_passed=0 total_failed=0 total_skipped=0 failed_parts=""
  shift
  for tier in $(tiers_of "$CAY"); do CAY_TIER=$tier run_part "$name-$tier" "$@"; done
  print_totals
}

# The last line of the run; the exit status says whether all is well.
print_totals() {
  [ -z "$failed_parts" ] || printf '\nfailed in:%s\n' "$failed_parts"
  local skipped=""
  [ "$total_skipped" -eq 0 ] || skipped=", $total_skipped skipped"
  printf '\n%d passed, %d failed%s\n' "$total_passed" "$total_failed" "$skipped"
  [ "$total_failed" -eq 0 ]
}
