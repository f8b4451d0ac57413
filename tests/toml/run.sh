#!/usr/bin/env bash
# Manifests' JSON Schema against what cay accepts, and the TOML parser over the corpus of toml-test (a Go module, fetched
# through Go's proxy; never committed). Without go or network only a line says so for the corpus: the parser's own cases
# are in tests/unit/policy/test_toml.c. CAY: the command to test; CAY_BUILD: its build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
schema=$(python3 tests/toml/schema.py "$CAY") || {
  printf '%s\n' "$schema" "0 passed, 1 failed"
  exit 1
}
printf '%s\n' "$schema"
module=github.com/toml-lang/toml-test/v2@v2.2.0 sum=h1:q3ELZu7oPnpl9TClC6OOcAccXwj+jwAyFP8WvzBdK1M=

skip() {
  echo "skipped the corpus of toml-test: $1"
  [[ $schema =~ ([0-9]+)\ passed ]]
  echo "${BASH_REMATCH[1]} passed, 0 failed, 1 skipped"
  exit 0
}

command -v go >/dev/null || skip "there is no go to fetch it with"
answer=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module" 2>/dev/null) || skip "Go's module proxy cannot be reached"
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$answer" "$1"; }
[ "$(field Sum)" = "$sum" ] || {
  echo "toml-test is not what it was: $(field Sum)"
  exit 1
}
exec python3 tests/toml/corpus.py "$CAY_BUILD/tests/toml/toml_decode" "$(field Dir)/tests"
