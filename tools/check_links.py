#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Links in the documentation: a relative one must lead to a file, one with #anchor to a heading of it."""
import os
import re

import csource

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors_of(path):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", csource.read(path)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check_link(path, target):
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    goal = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    if not os.path.exists(os.path.join(csource.ROOT, goal)):
        return f"{target} leads nowhere"
    if anchor and goal.endswith(".md") and anchor not in anchors_of(goal):
        return f"{target}: {goal} has no such heading"
    return None


def main():
    findings = []
    for path in csource.project_files(".md"):
        text = FENCE.sub(lambda m: "\n" * m.group().count("\n"), csource.read(path))
        for match in LINK.finditer(text):
            problem = check_link(path, match.group(1))
            if problem:
                findings.append((path, text.count("\n", 0, match.start()) + 1, problem))
    csource.report(findings)


if __name__ == "__main__":
    main()
