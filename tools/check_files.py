#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tree itself: no generated or built file is committed, every C file names its licence, every .c of src/ and cli/
of 100 lines or more opens with an essay (arch_* files share their header's), text files end in a newline, and nothing
uses tabs or trailing blanks."""
import re

import csource

GENERATED = re.compile(r"\.gen\.[ch]$|\.(o|a|so|pyc|orig|rej|swp)$|^build|(^|/)compile_commands\.json$")
MODULE = re.compile(r"\.(wasm|wat|wast|cwasm)$")
LICENCE = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
ESSAY_FROM_LINES, ESSAY_CHARACTERS = 100, 60


def check_c(path, text):
    lines = text.split("\n")
    if LICENCE not in lines[0]:
        yield path, 1, f"the first line is not /* {LICENCE} */"
    if path.endswith(".c") and path.startswith(("src/", "cli/")) and "/arch_" not in path and len(lines) >= ESSAY_FROM_LINES:
        opening = re.match(r"\s*(/\*.*?\*/)\s*(/\*.*?\*/)?", text, re.S)
        comment = (opening.group(2) or opening.group(1)) if opening else ""
        if len(comment) < ESSAY_CHARACTERS:
            yield path, 2, "does not open with an essay: what it is for, the approach, its invariants, who owns what"


def check_text(path, text):
    if text and not text.endswith("\n"):
        yield path, text.count("\n") + 1, "does not end in a newline"
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() and not path.endswith(".md"):
            yield path, number, "ends in blanks"
        elif "\t" in line and path.endswith((".c", ".h", ".py", ".sh", ".build", ".def")):
            yield path, number, "contains a tab"


def check_file(path):
    if GENERATED.search(path):
        yield path, 1, "generated or built; it does not belong in the repository"
    elif MODULE.search(path) and not path.startswith(("fuzz/corpus/", "tests/")):
        yield path, 1, "a module is built from source by the build or a test"
    elif path.endswith((".c", ".h", ".py", ".sh", ".build", ".def", ".md", ".list")):
        text = csource.read(path)
        yield from check_text(path, text)
        if path.endswith((".c", ".h")):
            yield from check_c(path, text)


def main():
    csource.report([finding for path in csource.project_files() for finding in check_file(path)])


if __name__ == "__main__":
    main()
