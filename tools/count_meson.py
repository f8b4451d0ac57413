#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts the results in Meson's testlog.json: prints `N passed, N failed[, N skipped]`."""
import json
import sys

GROUPS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(sys.argv[1]) as report:
        for line in report:
            counts[GROUPS.get(json.loads(line)["result"], "failed")] += 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
