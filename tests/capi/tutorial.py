#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/embedding.md against examples/embed: each program on the page is one of the examples, to the letter, all of them are
there, and each prints what the page says. Usage: tutorial.py PROJECT NAME=EXECUTABLE..."""
import os
import re
import subprocess
import sys


def main():
    project, executables = sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:])
    with open(os.path.join(project, "docs/embedding.md"), encoding="utf-8") as file:
        page = file.read()
    shown = re.findall(r"```c\n(.*?)```\n\n```text\n(.*?)```\n", page, re.S)
    failed = 0
    for name, executable in executables.items():
        with open(os.path.join(project, "examples/embed", name + ".c"), encoding="utf-8") as file:
            program = file.read().split("\n", 1)[1]  # without the licence's line
        outputs = [output for text, output in shown if text == program]
        printed = subprocess.run([executable], capture_output=True, text=True, timeout=60, check=False)
        if len(outputs) != 1:
            print(f"{name}: the page shows another program, or none")
            failed += 1
        elif printed.returncode != 0 or printed.stdout != outputs[0]:
            print(f"{name}: status {printed.returncode}, printed\n{printed.stdout}{printed.stderr}instead of\n{outputs[0]}")
            failed += 1
    there = {name[:-2] for name in os.listdir(os.path.join(project, "examples/embed"))}
    if there != set(executables) or len(shown) != len(executables):
        print("not every program of examples/embed is on the page and tested")
        failed += 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
