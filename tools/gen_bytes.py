#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a file's bytes as numbers for C.

usage: gen_bytes.py INPUT OUTPUT_H"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gen_ops import write_if_changed  # noqa: E402

content = Path(sys.argv[1]).read_bytes()
lines = [', '.join('0x%02x' % byte for byte in content[at:at + 24]) for at in range(0, len(content), 24)]
write_if_changed(sys.argv[2], ',\n'.join(lines) + '\n')
