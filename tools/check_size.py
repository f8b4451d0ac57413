#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes: a file over 2,000 lines or a function over 150 needs a reason in tools/size_allow.txt. From 1,000 and 60 lines
on they are named (with --verbose), because they deserve a second look. Also prints the median function."""
import re
import statistics
import sys

import csource

FILE_LOOK, FILE_LIMIT = 1000, 2000
FUNCTION_LOOK, FUNCTION_LIMIT = 60, 150
# clang-format puts a function's opening line and its closing brace in column 0.
OPENING = re.compile(r"^[A-Za-z_].*\)[^;]*\{$|^\{$")
NAME = re.compile(r"(\w+)\s*\(")


def allowed_sizes():
    """`path[:function] reason` a line."""
    lines = [line.split(None, 1) for line in csource.read("tools/size_allow.txt").split("\n")]
    entries = {words[0]: words[1] for words in lines if len(words) == 2 and not words[0].startswith("#")}
    return entries


def functions_of(text):
    """(name, first line, line count) of each function in clang-formatted C."""
    lines = csource.without_comments_and_strings(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and OPENING.match(line):
            head = number
            while head > 1 and lines[head - 1] and not NAME.search(lines[head - 1]):
                head -= 1
            found = NAME.search(lines[head - 1])
            start = (found.group(1) if found else "?", number)
        elif start and line.startswith("}"):
            yield start[0], start[1], number - start[1] + 1
            start = None


def main():
    allowed, used, findings, looks, sizes = allowed_sizes(), set(), [], [], []

    def judge(path, key, line, what, size, look, limit):
        if size > limit and key in allowed:
            used.add(key)
        elif size > limit:
            findings.append((path, line, f"{what} has {size} lines (limit {limit}; tools/size_allow.txt takes reasons)"))
        elif size > look:
            looks.append(f"{path}:{line}: {what} has {size} lines")

    for path in csource.project_files(".c", ".h", ".def", ".py", ".sh"):
        text = csource.read(path)
        judge(path, path, 1, "the file", text.count("\n"), FILE_LOOK, FILE_LIMIT)
        if path.endswith(".c") and path.startswith(("src/", "cli/")):
            for name, line, size in functions_of(text):
                sizes.append(size)
                judge(path, f"{path}:{name}", line, name, size, FUNCTION_LOOK, FUNCTION_LIMIT)
    for key in sorted(set(allowed) - used):
        findings.append(("tools/size_allow.txt", 1, f"{key} is not too long (any more)"))
    if sizes:
        print(f"{len(sizes)} functions, median {statistics.median(sizes):g} lines; worth a second look: {len(looks)}")
    if "--verbose" in sys.argv:
        print("\n".join(looks))
    csource.report(findings)


if __name__ == "__main__":
    main()
