#!/usr/bin/env bash
# The Python package as its users get it: pip builds the wheel from the source tree, without an index, and installs it; then
# its tests and its example run against that alone. CAY_BUILD: where the library is, which need not be built twice.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -z "${CAY_SANITIZED:-}" ] || { echo "skipped: the sanitizers want to be the first library of a process"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
folder=$CAY_BUILD/python
rm -rf "$folder"
python3 -m venv "$folder" >/dev/null || { echo "skipped: there is no venv"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
CAY_LIBRARY=$CAY_BUILD/src/api/libcay.so "$folder/bin/pip" install --quiet --no-index --disable-pip-version-check ./bindings/python
export PYTHONDONTWRITEBYTECODE=1
unset CAY_LIBRARY PYTHONPATH
log=$("$folder/bin/python" tests/python/test_cay.py 2>&1) || { echo "$log"; echo "0 passed, 1 failed"; exit 1; }
answer=$("$folder/bin/python" examples/python/plugin.py)
[ "$answer" = "$(cat tests/python/plugin.txt)" ] || { echo "$answer"; echo "0 passed, 1 failed"; exit 1; }
[[ $log =~ Ran\ ([0-9]+)\ tests ]]
echo "$((BASH_REMATCH[1] + 1)) passed, 0 failed"
