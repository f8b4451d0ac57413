#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The second wall: a command with a hole in it, and what strace sees.
cd "$(dirname "$0")/../.."
exec python3 tests/wall/run.py "$CAY" "$CAY_BUILD" "${CC:-cc}"
