#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes small valid modules, one for each proposal and ways to mix them, and small ones of the shapes that tests/hostile
makes large, as seeds for the fuzz targets that read modules.

usage: seeds.py FOLDER
"""
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "hostile")]
import cases  # noqa: E402
from binary_format import HEADER, leb, section, text  # noqa: E402

I32, I64, F32, F64, V128, I8, I16 = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0x78, 0x77
NONE, FUNC, EXTERN, ANY, EQ, I31, STRUCT, ARRAY, EXN = 0x71, 0x70, 0x6F, 0x6E, 0x6D, 0x6C, 0x6B, 0x6A, 0x69
VOID, END = 0x40, 0x0B
SECTIONS = ("types", 1), ("imports", 2), ("funcs", 3), ("tables", 4), ("memories", 5), ("tags", 13), ("globals", 6), \
    ("exports", 7), ("start", 8), ("elems", 9), ("data_count", 12), ("codes", 10), ("datas", 11)


def func_type(params=(), results=()):
    return bytes([0x60, len(params), *params, len(results), *results])


class Module:
    def __init__(self, *types):
        self.parts = {part: [] for part, _ in SECTIONS}
        self.parts["types"] = list(types)
        self.imported = 0

    def add(self, part, *items):
        self.parts[part].append(b"".join(bytes([item]) if isinstance(item, int) else item for item in items))
        return self

    def importing(self, kind, *items):
        self.imported += kind == 0
        return self.add("imports", text("m"), text(str(len(self.parts["imports"]))), kind, *items)

    def func(self, type_index, *code, locals_=()):
        """An exported function; `locals_`: pairs of a count and the bytes of a type."""
        index = len(self.parts["funcs"])
        self.add("funcs", type_index)
        self.add("exports", text(f"f{index}"), 0, leb(self.imported + index))
        body = leb(len(locals_)) + b"".join(leb(n) + bytes(t) for n, t in locals_) + bytes(code) + bytes([END])
        return self.add("codes", leb(len(body)), body)

    def binary(self):
        out = HEADER
        if self.parts["datas"]:
            self.parts["data_count"] = [leb(len(self.parts["datas"]))]
        for part, code in SECTIONS:
            items = self.parts[part]
            if items:
                is_bare = part in ("start", "data_count")
                body = b"".join(items) if is_bare else leb(len(items)) + b"".join(items)
                out += section(code, body)
        return out


def objects():
    cell, cells, to_int, bytes_, wide = 0, 1, 2, 3, 4
    group = bytes([0x4E, 2, 0x50, 0, 0x5F, 2, I32, 1, 0x63, cells, 1, 0x5E, 0x63, cell, 1])
    module = Module(group, func_type([I32], [I32]), bytes([0x5E, I8, 1]),
                    bytes([0x50, 1, cell, 0x5F, 5, I32, 1, 0x63, cells, 1, I16, 1, V128, 1, F64, 0]))
    module.add("globals", 0x63, cell, 1, 0xFB, 1, wide, END)
    module.add("tables", 0x40, 0, 0x63, cell, 1, 2, 9, 0xFB, 1, cell, END)
    module.add("elems", 5, 0x63, cell, 2, 0xFB, 1, wide, END, 0xD0, cell, END)
    module.add("datas", 1, 4, b"\1\2\3\4")
    new = [0xFB, 1, wide]
    module.func(to_int, 0x41, 1, 0x41, 2, 0xFB, 7, cells, 0xFB, 0, cell, 0x22, 1, 0xFB, 2, cell, 0, 0x20, 1, 0xFB, 2,
                cell, 1, 0x20, 0, *new, 0xFB, 14, cells, locals_=[(1, [0x63, cell])])
    module.func(to_int, 0x41, 0, 0x41, 2, 0xFB, 10, cells, 0, 0x21, 1, 0x02, VOID, 0x20, 1, 0x20, 0, 0xFB, 11, cells, 0xD5, 0,
                0xFB, 22, wide, 0xFB, 3, wide, 2, 0x0F, END, 0x41, 9, locals_=[(1, [0x63, cells])])
    module.func(to_int, 0x41, 0, 0x41, 4, 0xFB, 9, bytes_, 0, 0x22, 1, 0x41, 1, 0x20, 1, 0x41, 0, 0x41, 3, 0xFB, 17,
                bytes_, bytes_, 0x20, 1, 0x20, 0, 0xFB, 13, bytes_, locals_=[(1, [0x63, bytes_])])
    module.func(to_int, 0x02, 0x63, I31, 0x20, 0, 0x04, ANY, 0x20, 0, 0xFB, 28, 0x05, *new, END, 0xFB, 24, 3, 0, ANY, I31,
                0x1A, 0x23, 0, 0xFB, 2, cell, 0, 0x0F, END, 0xFB, 29)
    module.func(to_int, 0x03, VOID, *new, 0x24, 0, 0x20, 0, 0x41, 1, 0x6B, 0x22, 0, 0x0D, 0, END, 0x41, 0, *new, 0x26, 0,
                *new, 0xFB, 27, 0xFB, 26, 0xFB, 20, STRUCT, 0x23, 0, 0x41, 0, 0x25, 0, 0xD3, 0x6A)
    module.func(to_int, 0x41, 7, 0x20, 0, 0x41, 63, 0x71, 0xFB, 6, bytes_, 0x22, 1, 0x41, 1, 0x41, 9, 0x41, 2, 0xFB, 16,
                bytes_, 0x20, 1, 0x41, 0, 0x41, 0, 0x41, 2, 0xFB, 18, bytes_, 0, 0x20, 1, 0xFB, 15,
                locals_=[(1, [0x63, bytes_])])
    return module


def functions():
    to_int = 0
    module = Module(func_type([I32], [I32]), bytes([0x50, 0, 0x60, 1, I32, 1, I32]),
                    bytes([0x4F, 1, 1, 0x60, 1, I32, 1, I32]))
    module.add("tables", FUNC, 0, 3)
    module.add("elems", 0, 0x41, 0, END, 3, 0, 1, 2)
    module.func(to_int, 0x20, 0, 0x41, 1, 0x6A)
    module.func(to_int, 0x20, 0, 0x45, 0x04, I32, 0x41, 5, 0x05, 0x20, 0, 0x41, 1, 0x6B, 0xD2, 1, 0x15, to_int, END)
    module.func(2, 0x20, 0, 0x41, 0, 0x13, to_int, 0)
    module.func(to_int, 0x20, 0, 0xD2, 2, 0x14, 1, 0x20, 0, 0x41, 2, 0x11, 2, 0, 0x6A)
    module.func(to_int, 0x20, 0, 0x25, 0, 0xFB, 21, 2, 0x20, 0, 0xD2, 0, 0xD4, 0x14, to_int, 0x6A)
    module.func(to_int, 0x20, 0, 0x12, 1)
    return module


def exceptions():
    module = Module(func_type([I32], [I32]), func_type([I32]), func_type([I64, EXN]), func_type([], [I32, EXN]))
    module.add("tags", 0, 1).add("tags", 0, 2)
    module.importing(0, 0)
    module.func(0, 0x20, 0, 0x08, 0)
    module.func(0, 0x02, VOID, 0x02, I32, 0x1F, VOID, 2, 0, 0, 0, 2, 1, 0x20, 0, 0x10, 1, 0x1A, END, 0x41, 0, 0x0F, END,
                0x0F, END, 0x41, 9)
    module.func(0, 0x02, 3, 0x1F, VOID, 1, 1, 0, 0, 0x20, 0, 0x10, 1, 0x1A, END, 0x00, END, 0x21, 1, 0x1A, 0x02, I32, 0x1F,
                VOID, 1, 0, 0, 0, 0x20, 1, 0x0A, END, 0x00, END, locals_=[(1, [EXN])])
    module.func(0, 0x03, VOID, 0x02, I32, 0x1F, VOID, 1, 0, 0, 0, 0x20, 0, 0x08, 0, END, 0x00, END, 0x41, 1, 0x6B, 0x22, 0,
                0x0D, 0, END, 0x20, 0)
    return module


def legacy_exceptions():
    module = Module(func_type([I32], [I32]), func_type([I32]))
    module.add("tags", 0, 1)
    module.func(0, 0x06, I32, 0x20, 0, 0x08, 0, 0x07, 0, 0x41, 1, 0x6A, 0x19, 0x41, 2, END)
    module.func(0, 0x06, I32, 0x06, I32, 0x06, I32, 0x20, 0, 0x10, 0, 0x20, 0, 0x08, 0, 0x18, 0, 0x07, 0, 0x09, 0, END,
                0x07, 0, END)
    module.func(0, 0x06, I32, 0x20, 0, 0x08, 0, 0x19, 0x06, I32, 0x20, 0, 0x08, 0, 0x18, 0, END)
    return module


def vectors():
    module = Module(func_type([I32], [I32]), func_type([V128, V128], [V128]))
    module.add("memories", 0, 1)
    lanes = [0xFD, 27, 1]
    module.func(0, 0x20, 0, 0xFD, 17, 0x20, 0, 0xFD, 0, 4, 0, 0xFD, 0xAE, 0x01, 0xFD, 0xA1, 0x01, *lanes)
    module.func(1, 0x20, 0, 0x20, 1, 0xFD, 13, *range(16), 0x20, 1, 0xFD, 78, 0x20, 0, 0xFD, 0xB5, 0x01)
    module.func(1, 0x20, 0, 0x20, 1, 0x20, 0, 0xFD, 0x87, 0x02, 0x20, 1, 0xFD, 0x80, 0x02)
    module.func(0, 0x20, 0, 0xFD, 92, 2, 0, 0x20, 0, 0xFD, 28, 2, *lanes)
    return module


def threads():
    module = Module(func_type([I32], [I32]), func_type([I64], [I64]))
    module.add("memories", 3, 1, 2)
    module.func(0, 0x20, 0, 0xFE, 0x10, 2, 0, 0x20, 0, 0x41, 1, 0xFE, 0x1E, 2, 0, 0x6A, 0xFE, 3, 0)
    module.func(0, 0x20, 0, 0x41, 0, 0x42, 1, 0xFE, 1, 2, 0, 0x20, 0, 0x41, 1, 0xFE, 0, 2, 0, 0x6A)
    module.func(1, 0x41, 8, 0x20, 0, 0x42, 3, 0xFE, 0x49, 3, 0)
    return module


def memories():
    module = Module(func_type([I64], [I64]), func_type([I32], [I32]))
    module.add("memories", 4, 1).add("memories", 1, 0, 2).add("memories", 5, 1, 3)
    module.add("tables", FUNC, 4, 2)
    module.add("elems", 0, 0x42, 0, END, 1, 0)
    module.add("datas", 0, 0x42, 0, END, 2, b"ab").add("datas", 1, 3, b"abc")
    module.func(0, 0x20, 0, 0x29, 3, 0, 0x42, 8, 0x20, 0, 0x37, 0x43, 2, 0, 0x3F, 0, 0x7C)
    module.func(1, 0x20, 0, 0x28, 0x42, 1, 8, 0x20, 0, 0x40, 1, 0x6A)
    module.func(0, 0x20, 0, 0x41, 0, 0x41, 2, 0xFC, 8, 1, 0, 0x20, 0, 0x41, 1, 0x42, 3, 0xFC, 11, 2, 0x42, 7)
    module.func(0, 0x20, 0, 0x41, 0, 0x41, 1, 0xFC, 10, 0, 1, 0x20, 0, 0x25, 0, 0xD1, 0xAD)
    return module


def arithmetic():
    module = Module(func_type([I64, I64], [I64, I64]), func_type([F64], [I32]), func_type([I32], [I32]))
    module.add("memories", 9, 4, 64, 0)
    module.add("globals", I64, 0, 0x42, 5, 0x42, 3, 0x7E, END)
    module.add("datas", 0, 0x41, 1, 0x41, 2, 0x6A, END, 1, b"z")
    module.func(0, 0x20, 0, 0x20, 1, 0x20, 1, 0x20, 0, 0xFC, 19, 0xFC, 21)
    module.func(1, 0x20, 0, 0xFC, 2, 0x20, 0, 0x9F, 0xAA, 0x6A)
    module.func(2, 0x02, VOID, 0x02, VOID, 0x20, 0, 0x0E, 1, 0, 1, END, 0x20, 0, 0xC0, 0x0F, END, 0x20, 0, 0x41, 3, 0x6F)
    return module


def imports():
    module = Module(func_type([I32], [I32]), func_type([I32, EXTERN]))
    module.importing(0, 0).importing(3, I32, 0).importing(2, 0, 1).importing(1, FUNC, 0, 1).importing(4, 0, 1)
    module.importing(3, EXTERN, 1)
    module.func(0, 0x02, VOID, 0x1F, VOID, 1, 2, 0, 0x20, 0, 0x23, 1, 0x08, 0, END, END, 0x20, 0, 0x10, 0, 0x23, 0, 0x6A)
    module.add("start", 2)
    module.add("types", func_type())
    module.func(2, 0x41, 1, 0x10, 0, 0x1A)
    return module


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (objects, functions, exceptions, legacy_exceptions, vectors, threads, memories, arithmetic, imports):
        (folder / f"{make.__name__}.wasm").write_bytes(make().binary())
    for shape, module in cases.small().items():
        (folder / f"hostile-{shape}.wasm").write_bytes(module)


if __name__ == "__main__":
    main()
