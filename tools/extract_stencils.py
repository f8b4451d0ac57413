#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the tables of the baseline compiler's stencils from the objects that gen_stencils.py's C was compiled to.

Each function becomes its bytes and its holes. The jump to what follows, STENCIL_NEXT, is cut off at the end and becomes
a distance inside; a branch is turned so that its taken side is the target. A relocation that is not one of those listed
here ends the build with the stencil's name: code that depends on its place would be wrong silently.

usage: extract_stencils.py OPS_DEF ARCH HEADER TABLES OBJECT...
"""
import argparse
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gen_ops import read_ops, write_if_changed  # noqa: E402
from gen_stencils import FLOATS, INTS, Catalogue  # noqa: E402

SECTION_SYMBOLS, SECTION_RELA = 2, 4
VALUES = ("D", "A", "B", "C", "IMM", "IMM2", "SITE", "TARGET")
MAX_BYTES = 0xFFFF


class Refused(Exception):
    pass


class Function:
    """One stencil: `code`, and relocations as [offset, type, symbol, addend], ascending."""

    def __init__(self, name, code, relocations):
        self.name, self.code, self.relocations = name, bytearray(code), relocations


class Object:
    """The functions in the sections .text of a relocatable ELF file, and constants that they read."""

    def __init__(self, path):
        self.bytes = Path(path).read_bytes()
        if self.bytes[:6] != b"\x7fELF\x02\x01":
            raise Refused(f"{path}: not a 64-bit little-endian ELF object")
        offset, = struct.unpack_from("<Q", self.bytes, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.bytes, 0x3A)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, offset + n * size) for n in range(count)]
        self.sections = headers
        self.section_names = [self.text_at(headers[names][4] + header[0]) for header in headers]
        table = next(header for header in headers if header[1] == SECTION_SYMBOLS)
        self.symbols = self.read_symbols(table, headers[table[6]])

    def text_at(self, offset):
        return self.bytes[offset:self.bytes.index(b"\0", offset)].decode()

    def read_symbols(self, table, strings):
        """[(name, type, section, value, size)]"""
        symbols = []
        for name, info, _, section, value, size in struct.iter_unpack("<IBBHQQ", self.bytes[table[4]:table[4] + table[5]]):
            symbols.append((self.text_at(strings[4] + name), info & 15, section, value, size))
        return symbols

    def functions(self):
        by_section = {}
        for header in self.sections:
            if header[1] == SECTION_RELA:
                entries = struct.iter_unpack("<QQq", self.bytes[header[4]:header[4] + header[5]])
                by_section[header[7]] = sorted((at, info & 0xFFFFFFFF, info >> 32, addend) for at, info, addend in entries)
        found = sorted((section, value, size, name) for name, kind, section, value, size in self.symbols if kind == 2 and size)
        positions = {}
        for section, value, size, name in found:
            relocations = by_section.get(section, [])
            first = positions.get(section, 0)
            while first < len(relocations) and relocations[first][0] < value:
                first += 1
            last = first
            while last < len(relocations) and relocations[last][0] < value + size:
                last += 1
            positions[section] = last
            start = self.sections[section][4] + value
            yield Function(name, self.bytes[start:start + size],
                           [[at - value, kind, symbol, addend] for at, kind, symbol, addend in relocations[first:last]])

    def constant(self, symbol, addend):
        """The bytes of the constant at a symbol, which lies in a section of constants of one size."""
        name, _, section, value, _ = self.symbols[symbol]
        header = self.sections[section] if 0 < section < len(self.sections) else None
        if not header or not self.section_names[section].startswith(".rodata.cst") or (value + addend) % header[9]:
            raise Refused(f"refers to {name or 'a local symbol'}")
        return self.bytes[header[4] + value + addend:header[4] + value + addend + header[9]]


class Pool:
    """Constants in memory, the large ones first, so that each is aligned to its size."""

    def __init__(self):
        self.items = {}

    def add(self, constant):
        self.items.setdefault(constant, None)

    def place(self):
        offset = 0
        for constant in sorted(self.items, key=lambda item: (-len(item), item)):
            self.items[constant] = offset
            offset += len(constant)
        return b"".join(sorted(self.items, key=lambda item: (-len(item), item)))


def value_of(symbol):
    if symbol.startswith("STENCIL_TRAP_"):
        return f"STENCIL_TRAP + ENGINE_TRAP_{symbol[13:]}"
    if symbol.startswith("STENCIL_") and symbol[8:] in VALUES:
        return symbol
    return None


class X86:
    NUMBERS = {1: "ABS64", 10: "ABS32", 11: "ABS32S", 12: "ABS16", 14: "ABS8"}
    PC32, PLT32 = 2, 4

    @staticmethod
    def turn_branch(function, symbol_of):
        """`jcc NEXT; jmp ELSEWHERE` at the end becomes `jcc ELSEWHERE` with the opposite condition."""
        code, relocations = function.code, function.relocations
        if len(relocations) < 2 or len(code) < 11 or code[-5] != 0xE9 or code[-11] != 0x0F or code[-10] & 0xF0 != 0x80:
            return
        first, second = relocations[-2:]
        if first[0] == len(code) - 9 and second[0] == len(code) - 4 and symbol_of(first[2]) == "STENCIL_NEXT":
            code[-10] ^= 1
            first[2] = second[2]
            relocations.pop()
            del code[-5:]

    @staticmethod
    def cut_end(function, symbol_of):
        code, relocations = function.code, function.relocations
        if relocations and len(code) >= 5 and code[-5] == 0xE9 and relocations[-1][0] == len(code) - 4 \
                and symbol_of(relocations[-1][2]) == "STENCIL_NEXT":
            relocations.pop()
            del code[-5:]

    def finish(self, function, object_, pool):
        """Returns (code, holes); a hole is (at, kind, value or constant and bytes behind the hole)."""
        def symbol_of(index):
            return object_.symbols[index][0]
        self.turn_branch(function, symbol_of)
        self.cut_end(function, symbol_of)
        code, holes = function.code, []
        for at, kind, symbol, addend in function.relocations:
            name = symbol_of(symbol)
            if kind in self.NUMBERS and value_of(name) and addend == 0:
                holes.append((at, self.NUMBERS[kind], value_of(name)))
            elif kind in (self.PC32, self.PLT32) and name == "STENCIL_NEXT" and addend == -4:
                struct.pack_into("<i", code, at, len(code) - (at + 4))
            elif kind in (self.PC32, self.PLT32) and value_of(name) and addend == -4:
                holes.append((at, "REL32", value_of(name)))
            elif kind == self.PC32:
                behind = -4 - addend if addend in (-5, -6, -8) else 0  # a constant of the instruction follows the hole
                constant = object_.constant(symbol, addend + 4 + behind)
                pool.add(constant)
                holes.append((at, "REL32", (constant, behind)))
            else:
                raise Refused(f"relocation {kind} against {name or 'a local symbol'} {addend:+}")
        return code, holes


MACHINES = {"x86_64": X86}


def extract(paths, machine, pool):
    """{name: (code, holes)}"""
    found = {}
    for path in paths:
        object_ = Object(path)
        for function in object_.functions():
            try:
                found[function.name] = machine.finish(function, object_, pool)
                if len(found[function.name][0]) > MAX_BYTES:
                    raise Refused("too long")
            except Refused as refused:
                raise SystemExit(f"{path}: {function.name}: {refused}")
    return found


class Tables:
    """The arrays: stencils that are the same share their bytes, and lists of holes are shared by all that have them."""

    def __init__(self):
        self.code, self.code_at = bytearray(), {}
        self.holes, self.holes_at = [], {}
        self.stencils = []

    def add(self, code, holes):
        code = bytes(code)
        if code not in self.code_at:
            self.code_at[code] = len(self.code)
            self.code += code
        key = tuple(holes)
        if key not in self.holes_at:
            self.holes_at[key] = len(self.holes)
            self.holes += holes
        self.stencils.append((self.code_at[code], self.holes_at[key], len(holes), len(code)))


def header_lines(catalogue, arch, pool_bytes):
    yield "/* Generated by tools/extract_stencils.py. */"
    yield f"enum {{ STENCIL_INTS = {INTS[arch]}, STENCIL_FLOATS = {FLOATS}, STENCIL_COUNT = {len(catalogue.stencils)}, " \
          f"STENCIL_POOL_BYTES = {pool_bytes} }};"
    condition = '__builtin_cpu_supports("x86-64-v2")' if arch == "x86_64" else "0"
    yield f"#define STENCIL_IS_FAST() {condition}"
    yield "enum {"
    for name, first in catalogue.constants:
        yield f"  STENCIL_{name} = {first},"
    yield "};"


def numbers(values, per_line):
    for start in range(0, len(values), per_line):
        yield "  " + ",".join(map(str, values[start:start + per_line])) + ","


def row_lines(catalogue):
    yield "const struct stencil_row stencil_rows[MODULE_OP_COUNT] = {"
    for name, fields in catalogue.rows.items():
        text = [f".kind = STENCIL_{fields['kind']}"]
        for key, value in fields.items():
            if key == "branch_not" and isinstance(value, str):
                value = catalogue.rows[value]["branch"]
            if key != "kind":
                text.append(f".{key} = {value}")
        yield f"  [MODULE_OP_{name}] = {{{', '.join(text)}}},"
    yield "};"


def table_lines(catalogue, tables, pool):
    yield "/* Generated by tools/extract_stencils.py. */"
    yield '#include "tiers/baseline/stencil.h"'
    yield '#include "engine/engine.h"'
    yield "const struct stencil stencils[STENCIL_COUNT] = {"
    yield from numbers([f"{{{code},{holes},{count},0,{length}}}" for code, holes, count, length in tables.stencils], 8)
    yield "};"
    yield "const struct stencil_hole stencil_holes[] = {"
    yield from numbers([f"{{{at},STENCIL_PATCH_{kind},{value}}}" for at, kind, value in tables.holes], 4)
    yield "};"
    yield "const uint8_t stencil_code[] = {"
    yield from numbers(list(tables.code) + [0] * 64, 32)
    yield "};"
    yield "const _Alignas(64) uint8_t stencil_pool[] = {"
    yield from numbers(list(pool) or [0], 32)
    yield "};"
    yield from row_lines(catalogue)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops_def")
    parser.add_argument("arch", choices=sorted(MACHINES))
    parser.add_argument("header")
    parser.add_argument("tables")
    parser.add_argument("objects", nargs="+")
    arguments = parser.parse_args()
    catalogue = Catalogue(read_ops(arguments.ops_def), arguments.arch)
    pool = Pool()
    found = extract(arguments.objects, MACHINES[arguments.arch](), pool)
    constants = pool.place()
    tables = Tables()
    for n in range(len(catalogue.stencils)):
        if f"stencil_{n}" not in found:
            raise SystemExit(f"stencil_{n} is not in the objects")
        code, holes = found[f"stencil_{n}"]
        for index, (at, kind, value) in enumerate(holes):
            if isinstance(value, tuple):
                struct.pack_into("<i", code, at, pool.items[value[0]] - value[1])
                holes[index] = at, kind, "STENCIL_POOL"
        tables.add(code, holes)
    write_if_changed(arguments.header, "\n".join(header_lines(catalogue, arguments.arch, len(constants))) + "\n")
    write_if_changed(arguments.tables, "\n".join(table_lines(catalogue, tables, constants)) + "\n")


if __name__ == "__main__":
    main()
