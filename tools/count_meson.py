#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds up the results in Meson's testlog.json: prints `N passed, N failed, N skipped`. A test program counts as one,
or as what it counts itself when it prints such a line."""
import json
import re
import sys

OWN_COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)

GROUPS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(sys.argv[1]) as report:
        for line in report:
            test = json.loads(line)
            group = GROUPS.get(test["result"], "failed")
            own = OWN_COUNT.findall(test.get("stdout", ""))
            if own and (group == "passed") == (int(own[-1][1]) == 0):
                for name, number in zip(("passed", "failed", "skipped"), own[-1]):
                    counts[name] += int(number or 0)
            else:
                counts[group] += 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
