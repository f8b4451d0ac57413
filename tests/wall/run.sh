#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The second wall: a command with a hole in it, and what strace sees; and a process of its own for the guest.
cd "$(dirname "$0")/../.."
failed=0
for part in run process; do
  python3 "tests/wall/$part.py" "$CAY" "$CAY_BUILD" "${CC:-cc}" || failed=1
done
exit "$failed"
