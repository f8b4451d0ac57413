#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks on AArch64 what guard pages rely on: no guarded handler that accesses memory uses the stack, so that a fault
in it needs nothing but another program counter. usage: check_handlers.py OBJDUMP COMMAND"""
import re
import subprocess
import sys

objdump, command = sys.argv[1:]
text = subprocess.run([objdump, "-d", "--no-show-raw-insn", "-j", "cay_interp", command], capture_output=True, text=True,
                      check=True).stdout
checked, wrong, name = set(), set(), None
for line in text.splitlines():
    if start := re.match(r"[0-9a-f]+ <h_(\w+)>:", line):
        name = start[1] if re.search(r"_(load|store)", start[1]) else None
        checked |= {name} - {None}
    elif name and re.search(r"\bsp\b", line):
        wrong.add(name)
for name in sorted(wrong):
    print(f"the handler {name} uses the stack")
print(f"{len(checked) - len(wrong)} passed, {len(wrong) or (0 if checked else 1)} failed")
sys.exit(1 if wrong or not checked else 0)
