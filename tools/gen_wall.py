#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the rows of src/policy/wall.def as an array for the compiler: a processor that lacks a system call has no number
for it, so each row is guarded. usage: gen_wall.py wall.def OUTPUT"""
import re
import sys

ROW = re.compile(r'^WALL_CALL\((\w+), ([A-Z0-9_]+)(?:, (\w+))?\)$')


def main():
    out, seen = ['/* Made by tools/gen_wall.py from wall.def. */'], set()
    for number, line in enumerate(open(sys.argv[1], encoding='utf-8'), 1):
        if not line.startswith('WALL_CALL'):
            continue
        row = ROW.match(line.rstrip('\n'))
        if not row or row.group(1) in seen:
            sys.exit('%s:%d: not a row, or the second one of a call: %s' % (sys.argv[1], number, line.strip()))
        name, check, unless = row.groups()
        seen.add(name)
        out.append('#if defined(__NR_%s)%s' % (name, ' && !defined(__NR_%s)' % unless if unless else ''))
        out.append('  {__NR_%s, WALL_%s},' % (name, check))
        out.append('#endif')
    with open(sys.argv[2], 'w', encoding='utf-8') as file:
        file.write('\n'.join(out) + '\n')


main()
