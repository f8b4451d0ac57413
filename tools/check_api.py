#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The library is used as it is offered: each function of cay.h and wasm.h is called by an example or test that sees nothing but
the public headers, and each assertion of src/api that speaks to embedders is provoked by tests/embed/misuse.c."""
import os
import re
import subprocess
import sys

import csource

STANDARD = "include/wasm.h"
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


def preprocessed(path):
    """What the compiler sees of a file, by the file that it comes from: names that macros make are there."""
    command = [*os.environ.get("CC", "cc").split(), "-E", "-D_GNU_SOURCE", "-Iinclude", "-Itests", path]
    out, of, texts = subprocess.run(command, check=True, capture_output=True, text=True).stdout, path, {}
    for line in out.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            of = os.path.relpath(marker.group(1))
        else:
            texts.setdefault(of, []).append(line)
    return {of: csource.without_comments_and_strings("\n".join(lines)) for of, lines in texts.items()}


def unused_of_the_standard():
    name = re.compile(r"\b(wasm_\w+)\s*\(")
    declared = set(name.findall(preprocessed(STANDARD)[STANDARD]))
    called = set()
    for path in csource.project_files(".c"):
        if path.startswith(USERS) and "<wasm.h>" in csource.read(path) + csource.read("tests/capi/world.h"):
            for of, text in preprocessed(path).items():
                if of.startswith(USERS):
                    called.update(name.findall(text))
    for missing in sorted(declared - called):
        yield STANDARD, 1, f"{missing} is called by no example and no test of {', '.join(USERS)}"
    print(f"{len(declared)} functions of {STANDARD}")


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
    csource.report([*unused(csource.read(HEADER)), *unused_of_the_standard(), *unprovoked()])


if __name__ == "__main__":
    main()
