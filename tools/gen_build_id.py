#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the number of a build that kept code is for: a hash over all that shapes such code.

usage: gen_build_id.py SOURCE_FOLDER OUTPUT_H WORD...

The words are cay's version and the compiler's. Code from one build runs in another only when the structures that it reads,
the meanings of instructions and the translation are the same, so every source of the rooms that have these counts."""
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gen_ops import write_if_changed  # noqa: E402

ROOMS = 'base', 'module', 'engine', 'tiers'


def main():
    source, output, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    total = hashlib.sha256(repr(words).encode())
    files = [path for room in ROOMS for path in (source / 'src' / room).rglob('*')
             if path.suffix in ('.c', '.h', '.def')]
    for path in sorted(files) + sorted((source / 'tools').glob('*.py')):
        content = path.read_bytes()
        total.update(('%s %d\n' % (path.relative_to(source).as_posix(), len(content))).encode())
        total.update(content)
    numbers = ', '.join('0x%02x' % byte for byte in total.digest())
    write_if_changed(output, '#define TIERS_BUILD_ID %s\n' % numbers)


if __name__ == '__main__':
    main()
