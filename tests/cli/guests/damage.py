# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Changes a byte of a file: damage.py FILE POSITION, or one that says which build made it, with the head's checksum set
right: damage.py FILE build."""
import sys
from pathlib import Path

HEAD_BYTES, BUILD_AT = 152, 32
MASK = (1 << 64) - 1


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def sip_round(v):
    v[0] = (v[0] + v[1]) & MASK
    v[2] = (v[2] + v[3]) & MASK
    v[1] = rotate(v[1], 13) ^ v[0]
    v[3] = rotate(v[3], 16) ^ v[2]
    v[0] = rotate(v[0], 32)
    v[2] = (v[2] + v[1]) & MASK
    v[0] = (v[0] + v[3]) & MASK
    v[1] = rotate(v[1], 17) ^ v[2]
    v[3] = rotate(v[3], 21) ^ v[0]
    v[2] = rotate(v[2], 32)


def checksum(content):
    """SipHash-1-3 without a key."""
    v = [0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573]
    whole = len(content) // 8 * 8
    words = [int.from_bytes(content[i:i + 8], 'little') for i in range(0, whole, 8)]
    words.append(int.from_bytes(content[whole:], 'little') | (len(content) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        sip_round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


path = Path(sys.argv[1])
content = bytearray(path.read_bytes())
content[BUILD_AT if sys.argv[2] == 'build' else int(sys.argv[2])] ^= 0x40
if sys.argv[2] == 'build':
    content[HEAD_BYTES - 8:HEAD_BYTES] = checksum(content[:HEAD_BYTES - 8]).to_bytes(8, 'little')
path.chmod(0o600)
path.write_bytes(content)
