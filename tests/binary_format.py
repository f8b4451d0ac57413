# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Pieces of WebAssembly's binary format, for tests that make modules by hand."""

HEADER = b'\0asm\1\0\0\0'


def leb(value):
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def sleb(value):
    """Signed."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        done = value == -(low >> 6)
        out.append(low | (0 if done else 0x80))
        if done:
            return bytes(out)


def text(name):
    return leb(len(name)) + name.encode()


def vec(items):
    return leb(len(items)) + b''.join(items)


def section(code, body):
    return bytes([code]) + leb(len(body)) + body
