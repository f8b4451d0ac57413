#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The library is used as it is offered: each function of cay.h is called by an example or test that sees nothing but the public
headers, and each assertion of src/api that speaks to embedders is provoked by tests/embed/misuse.c."""
import re
import sys

import csource

HEADER, MISUSE = "include/cay.h", "tests/embed/misuse.c"
USERS = ("examples/embed/", "tests/embed/", "tests/capi/")
DECLARED = re.compile(r"\bCAY_API\b[^;]*?\b(cay_\w+)\s*\(")
SENTENCE = re.compile(r'\bassert\((?:[^;]|\n)*?&&\s*"([^"]+)"\s*\)')


def line_of(text, needle):
    return text.count("\n", 0, text.index(needle)) + 1


def unused(header):
    users = "".join(csource.without_comments_and_strings(csource.read(path))
                    for path in csource.project_files(".c", ".h") if path.startswith(USERS))
    declared = sorted(set(DECLARED.findall(csource.without_comments_and_strings(header))))
    if not declared:
        sys.exit(f"no function of {HEADER} was found")
    for name in declared:
        if not re.search(rf"\b{name}\s*\(", users):
            yield HEADER, line_of(header, name + "("), f"{name} is called by no example and no test of {', '.join(USERS)}"
    print(f"{len(declared)} functions of {HEADER}")


def unprovoked():
    tests = csource.read(MISUSE)
    sentences = [(path, text, sentence) for path in csource.project_files(".c") if path.startswith("src/api/")
                 for text in [csource.read(path)] for sentence in SENTENCE.findall(text)]
    if not sentences:
        sys.exit("no assertion with a sentence was found")
    for path, text, sentence in sentences:
        if sentence not in tests:
            yield path, line_of(text, sentence), f"nothing in {MISUSE} provokes this assertion"
    print(f"{len(sentences)} assertions that speak to embedders")


def main():
    csource.report(list(unused(csource.read(HEADER))) + list(unprovoked()))


if __name__ == "__main__":
    main()
