#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What extract_stencils.py does not know must end the build: each relocation of a stencil is spoilt in turn.

usage: test_extract.py TOOLS ARCH OBJECT
"""
import struct
import sys
import tempfile

sys.path.insert(0, sys.argv[1])
from extract_stencils import MACHINES, SECTION_RELA, Object, Pool, extract  # noqa: E402

UNKNOWN_TYPE = 0x3F  # of no relocation on any of the processors
SAMPLES = 40


def refusal(content, arch):
    """What the extractor says of an object, None when it takes it."""
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(content)
        file.flush()
        try:
            extract([file.name], MACHINES[arch](Pool()))
        except SystemExit as refused:
            return str(refused)
    return None


def main():
    _, _, arch, path = sys.argv
    original = Object(path)
    table = next(header for header in original.sections if header[1] == SECTION_RELA)
    assert refusal(original.bytes, arch) is None, "the object itself is refused"
    step = max(24, table[5] // SAMPLES // 24 * 24)
    for at in range(table[4], table[4] + table[5], step):
        spoilt = bytearray(original.bytes)
        struct.pack_into("<I", spoilt, at + 8, UNKNOWN_TYPE)
        said = refusal(spoilt, arch)
        assert said and "stencil_" in said and f"relocation {UNKNOWN_TYPE}" in said, f"an unknown relocation: {said}"
        spoilt = bytearray(original.bytes)
        struct.pack_into("<I", spoilt, at + 12, 0)  # the symbol without a name
        said = refusal(spoilt, arch)
        assert said and "stencil_" in said, f"an unknown symbol: {said}"
    print("refused as it should")


if __name__ == "__main__":
    main()
