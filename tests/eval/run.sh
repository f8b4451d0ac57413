#!/usr/bin/env bash
# The evaluation: its report from recorded data; the same in headless Chromium, as far as Debian has it; and a run of three
# experiments with next to no work. CAY: the command to test. The screenshot lies in the build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CAY=${CAY:-$PWD/build/cay}
. tools/parts.sh
. tools/setup.sh
out=$PWD/build/eval-test

counted() { # COMMAND...
  if "$@"; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed" && return 1; fi
}

in_browser() {
  local program
  command -v chromium >/dev/null || (apt_install "to look at the report of the evaluation" chromium) || true
  if ! program=$(command -v chromium); then
    echo "chromium is not there and cannot be installed: how the page looks is not checked"
    echo "0 passed, 0 failed, 1 skipped"
    return
  fi
  python3 bench/eval/main.py --from tests/eval/recorded.json --out "$out" >/dev/null || [ $? = 1 ]
  counted python3 tests/eval/browser.py "$program" "$out/report.html" "$out/report.png"
}

# A bar that is missed (status 1) says nothing here: the figures of so little work mean nothing.
quick_run() {
  local status=0
  rm -rf "$out/quick"
  python3 bench/eval/main.py --quick --only records --only http --only latency --out "$out/quick" || status=$?
  [ "$status" -le 1 ] && python3 - "$out/quick/data.json" <<'PY'
import json, sys
found = json.load(open(sys.argv[1], encoding="utf-8"))["experiments"]
for experiment, streams in (("records", ("native, clang (C)", "cay (C)")), ("http", ("native, clang (C)", "cay (C)")),
                            ("latency", ("native, clang", "cay"))):
    for stream in streams:
        assert len(found[experiment][stream]["round"]) == 2, (experiment, stream)
PY
}

run_part eval-report counted python3 tests/eval/report.py
run_part eval-browser in_browser
run_part eval-quick counted quick_run
print_totals
