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
NUMBERS = ("D", "A", "B", "C", "IMM", "IMM2", "SITE")
VALUES = NUMBERS + ("TARGET",)
MAX_BYTES = 0xFFFF
COPIED_AT_ONCE, COPIED_SINGLE = 32, 16  # as in emit.h


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
        self.relocated = {header[7] for header in headers if header[1] == SECTION_RELA}
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

    def constant_around(self, symbol, offset):
        """The constant at a symbol plus `offset`, and the place within it."""
        name, _, section, value, _ = self.symbols[symbol]
        section_name = self.section_names[section] if 0 < section < len(self.sections) else ""
        header = self.sections[section] if section_name else None
        at = value + offset
        if section_name.startswith((".rodata.cst", ".srodata.cst")) and section not in self.relocated:  # constants of one size
            start, end = at - at % header[9], at - at % header[9] + header[9]
        elif section_name in (".rodata", ".srodata") and section not in self.relocated:  # each with a symbol
            starts = sorted({other[3] for other in self.symbols if other[2] == section} | {header[5]})
            start = max(place for place in starts if place <= at)
            end = min(place for place in starts if place > at)
        else:
            raise Refused(f"refers to {name or 'a local symbol'}")
        return self.bytes[header[4] + start:header[4] + end], at - start

    def constant(self, symbol, offset):
        constant, part = self.constant_around(symbol, offset)
        if part:
            raise Refused("refers to a part of a constant")
        return constant


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


def is_number(symbol):
    return value_of(symbol) and symbol[8:] in NUMBERS


def is_jump(symbol):
    """To where a branch or trap goes, not to NEXT."""
    return value_of(symbol) and symbol[8:] not in NUMBERS


class Machine:
    """What is particular to a processor. `finish` returns (code, holes); a hole is (at, kind, value), or for a constant
    in the pool (at, kind, (constant, bytes of the instruction behind the hole))."""

    def __init__(self, pool):
        self.pool = pool

    def finish(self, function, object_):
        self.function, self.code, self.relocations = function, function.code, function.relocations
        self.object, self.holes = object_, []
        self.constants = {}  # those that lie behind the code, and where
        self.turn_branch()
        self.cut_end()
        for at, kind, symbol, addend in self.relocations:
            if not self.relocate(at, kind, symbol, self.name_of(symbol), addend):
                raise Refused(f"relocation {kind} against {self.name_of(symbol) or 'a local symbol'} {addend:+}")
        for constant, at in self.constants.items():
            assert at == len(self.code)
            self.code += constant
        for at in self.ends:
            self.jump_within(at, len(self.code) - at)
        return self.code, self.holes

    def name_of(self, symbol):
        return self.object.symbols[symbol][0]

    def word(self, at):
        return struct.unpack_from("<I", self.code, at)[0]

    def set_word(self, at, word):
        struct.pack_into("<I", self.code, at, word)

    def jumps(self, index, at, to_next):
        """Whether relocation `index` is of a jump at `at`; to_next: to NEXT."""
        if len(self.relocations) < -index:
            return False
        place, kind, symbol, addend = self.relocations[index]
        name = self.name_of(symbol)
        return place == at and kind in self.JUMPS and addend == self.JUMP_ADDEND and bool(is_jump(name)) != to_next \
            and (not to_next or name == "STENCIL_NEXT")

    def inline_constant(self, symbol, offset):
        """Where a constant will lie behind the code."""
        constant, part = self.object.constant_around(symbol, offset)
        if constant not in self.constants:
            self.constants[constant] = len(self.code) + sum(len(other) for other in self.constants)
        return self.constants[constant] + part


class X86(Machine):
    KINDS = {1: "ABS64", 10: "ABS32", 11: "ABS32S", 12: "ABS16", 14: "ABS8"}
    PC32, PLT32 = 2, 4
    JUMPS, JUMP_ADDEND = (PC32, PLT32), -4

    def turn_branch(self):
        """`jcc NEXT; jmp ELSEWHERE` at the end becomes `jcc ELSEWHERE` with the opposite condition."""
        code, relocations = self.code, self.relocations
        if len(code) < 11 or code[-5] != 0xE9 or code[-11] != 0x0F or code[-10] & 0xF0 != 0x80:
            return
        if self.jumps(-2, len(code) - 9, True) and self.jumps(-1, len(code) - 4, False) and not self.is_reached(len(code) - 5):
            code[-10] ^= 1
            relocations[-2][2] = relocations[-1][2]
            relocations.pop()
            del code[-5:]

    def is_reached(self, target):
        """Whether something that looks like a short jump goes there."""
        return any((code & 0xF0 == 0x70 or code == 0xEB) and at + 2 + (distance ^ 0x80) - 0x80 == target
                   for at, (code, distance) in enumerate(zip(self.code, self.code[1:])))

    def cut_end(self):
        self.ends = []
        if len(self.code) >= 5 and self.code[-5] == 0xE9 and self.jumps(-1, len(self.code) - 4, True):
            self.relocations.pop()
            del self.code[-5:]

    def relocate(self, at, kind, symbol, name, addend):
        if kind in self.KINDS and is_number(name) and addend == 0:
            self.holes.append((at, self.KINDS[kind], value_of(name)))
        elif kind in (self.PC32, self.PLT32) and name == "STENCIL_NEXT" and addend == -4:
            self.ends.append(at)
        elif kind in (self.PC32, self.PLT32) and is_jump(name) and addend == -4:
            self.holes.append((at, "REL32", value_of(name)))
        elif kind == self.PC32 and not name.startswith("STENCIL_"):
            behind = -4 - addend if addend in (-5, -6, -8) else 0  # a constant of the instruction follows the hole
            constant = self.object.constant(symbol, addend + 4 + behind)
            self.pool.add(constant)
            self.holes.append((at, "REL32", (constant, behind)))
        else:
            return False
        return True

    def jump_within(self, at, distance):
        struct.pack_into("<i", self.code, at, distance - 4)


class AArch64(Machine):
    MOVW = {263: 0, 264: 0, 265: 1, 266: 1, 267: 2, 268: 2, 269: 3}
    LITERAL, ADR, JUMP = 273, 274, 282
    JUMPS, JUMP_ADDEND = (JUMP,), 0

    def turn_branch(self):
        """`b.cond 1f; b NEXT; 1: b ELSEWHERE` at the end becomes `b.opposite 1f; b ELSEWHERE; 1:`."""
        code, relocations = self.code, self.relocations
        if len(code) < 12 or not self.jumps(-2, len(code) - 8, True) or not self.jumps(-1, len(code) - 4, False):
            return
        branch = self.word(len(code) - 12)
        if branch & 0xFF000010 == 0x54000000 and branch >> 5 & 0x7FFFF == 2:  # b.cond
            opposite = branch ^ 1
        elif branch & 0x7E000000 == 0x34000000 and branch >> 5 & 0x7FFFF == 2 \
                or branch & 0x7E000000 == 0x36000000 and branch >> 5 & 0x3FFF == 2:  # cbz, cbnz; tbz, tbnz
            opposite = branch ^ 1 << 24
        else:
            return
        if self.is_reached(len(code) - 4):
            return
        self.set_word(len(code) - 12, opposite)
        relocations[-2][2] = relocations[-1][2]
        relocations.pop()
        del code[-4:]

    def is_reached(self, target):
        """Whether a branch other than the one around `b NEXT` goes there."""
        def distance(bits, low):
            return ((self.word(at) >> low & (1 << bits) - 1) ^ 1 << bits - 1) - (1 << bits - 1)
        for at in range(0, len(self.code) - 12, 4):
            word = self.word(at)
            if word & 0xFF000010 == 0x54000000 or word & 0x7E000000 == 0x34000000:  # b.cond; cbz, cbnz
                reached = at + 4 * distance(19, 5)
            elif word & 0x7E000000 == 0x36000000:  # tbz, tbnz
                reached = at + 4 * distance(14, 5)
            elif word & 0x7C000000 == 0x14000000:  # b
                reached = at + 4 * distance(26, 0)
            else:
                continue
            if reached == target:
                return True
        return False

    def cut_end(self):
        self.ends = []
        has_constants = any(kind in (self.LITERAL, self.ADR) and not value_of(self.name_of(symbol))
                            for _, kind, symbol, _ in self.relocations)
        if self.jumps(-1, len(self.code) - 4, True) and not has_constants:
            self.relocations.pop()
            del self.code[-4:]

    def relocate(self, at, kind, symbol, name, addend):
        if kind == self.JUMP and name == "STENCIL_NEXT" and addend == 0:
            self.ends.append(at)
        elif kind == self.JUMP and is_jump(name) and addend == 0:
            self.holes.append((at, "A64_JUMP", value_of(name)))
        elif kind in self.MOVW and is_number(name) and addend == 0:
            self.holes.append((at, f"A64_MOVW{self.MOVW[kind]}", value_of(name)))
        elif kind == self.ADR and name == "STENCIL_TARGET" and addend == 0:
            self.holes.append((at, "A64_ADR", value_of(name)))
        elif kind == self.ADR and is_number(name) and addend == 0:
            self.set_word(at, 0xD2800000 | self.word(at) & 31)  # movz
            self.holes.append((at, "A64_MOVW0", value_of(name)))
        elif kind == self.ADR and not name.startswith("STENCIL_"):
            distance = self.inline_constant(symbol, addend) - at
            self.set_word(at, self.word(at) & 0x9F00001F | (distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5)
        elif kind == self.LITERAL and not name.startswith("STENCIL_"):
            distance = self.inline_constant(symbol, addend) - at
            if distance & 3:
                return False
            self.set_word(at, self.word(at) & 0xFF00001F | (distance >> 2 & 0x7FFFF) << 5)
        else:
            return False
        return True

    def jump_within(self, at, distance):
        self.set_word(at, 0x14000000 | distance >> 2 & 0x3FFFFFF)


class RiscV64(Machine):
    CALL, CALL_PLT, PCREL_HI20, PCREL_LO12_I, HI20, LO12_I, LO12_S = 18, 19, 23, 24, 26, 27, 28
    JUMPS, JUMP_ADDEND = (CALL, CALL_PLT), 0
    NOP = 0x13

    def turn_branch(self):
        """`bcond 1f; tail NEXT; 1: tail ELSEWHERE` at the end becomes `bopposite 1f; tail ELSEWHERE; 1:`."""
        code, relocations = self.code, self.relocations
        if len(code) < 18 or not self.jumps(-2, len(code) - 16, True) or not self.jumps(-1, len(code) - 8, False):
            return
        if self.is_reached(len(code) - 8):
            return
        short, = struct.unpack_from("<H", code, len(code) - 18)
        branch = self.word(len(code) - 20) if len(code) >= 20 else 0
        if short & 0xC003 == 0xC001 and self.short_distance(short) == 10:  # c.beqz, c.bnez
            struct.pack_into("<H", code, len(code) - 18, short ^ 1 << 13)
        elif branch & 0x7F == 0x63 and self.branch_distance(branch) == 12:
            self.set_word(len(code) - 20, branch ^ 1 << 12)
        else:
            return
        relocations[-2][2] = relocations[-1][2]
        relocations.pop()
        del code[-8:]

    def is_reached(self, target):
        """Whether a branch other than the one around `tail NEXT` goes there."""
        at = 0
        while at < len(self.code) - 16:
            short, = struct.unpack_from("<H", self.code, at)
            word = self.word(at)
            if short & 3 == 3:
                reached = self.branch_distance(word) if word & 0x7F == 0x63 else self.jump_distance(word) if word & 0xFFF == 0x6F else 0
            else:
                reached = self.short_distance(short) if short & 0xC003 == 0xC001 \
                    else self.short_jump_distance(short) if short & 0xE003 == 0xA001 else 0
            if reached and at + reached == target and at < len(self.code) - (20 if short & 3 == 3 else 18):
                return True
            at += 4 if short & 3 == 3 else 2
        return False

    @staticmethod
    def jump_distance(word):
        return (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1

    @staticmethod
    def short_jump_distance(word):
        return (word >> 8 & 1) << 10 | (word >> 9 & 3) << 8 | (word >> 6 & 1) << 7 | (word >> 7 & 1) << 6 \
            | (word >> 2 & 1) << 5 | (word >> 11 & 1) << 4 | (word >> 3 & 7) << 1

    @staticmethod
    def short_distance(word):
        return (word >> 12 & 1) << 8 | (word >> 10 & 3) << 3 | (word >> 5 & 3) << 6 | (word >> 3 & 3) << 1 | (word >> 2 & 1) << 5

    @staticmethod
    def branch_distance(word):
        return (word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1

    def cut_end(self):
        self.ends, self.upper_parts, self.pending = [], {}, None
        has_constants = any(kind == self.HI20 and not value_of(self.plain(self.name_of(symbol)))
                            for _, kind, symbol, _ in self.relocations)
        if self.jumps(-1, len(self.code) - 8, True) and not has_constants:
            self.relocations.pop()
            del self.code[-8:]

    @staticmethod
    def plain(name):
        return name.removesuffix("_UPPER")

    def relocate(self, at, kind, symbol, name, addend):
        parts = {self.HI20: "HI20", self.LO12_I: "LO12_I", self.LO12_S: "LO12_S"}
        if kind in (self.CALL, self.CALL_PLT) and name == "STENCIL_NEXT" and addend == 0:
            self.ends.append(at)
        elif kind in (self.CALL, self.CALL_PLT) and is_jump(name) and addend == 0:
            self.holes.append((at, "RV_PAIR", value_of(name)))
        elif kind == self.PCREL_HI20 and name == "STENCIL_TARGET" and addend == 0:
            self.holes.append((at, "RV_PAIR", value_of(name)))
            self.pending = at + 4
        elif kind == self.PCREL_LO12_I and at == self.pending and addend == 0:
            self.pending = None  # the second half of the pair
        elif kind in parts and is_number(self.plain(name)) and addend == 0:
            upper = "UPPER_" if name.endswith("_UPPER") else ""
            self.holes.append((at, f"RV_{upper}{parts[kind]}", value_of(self.plain(name))))
        elif kind in parts and not name.startswith("STENCIL_"):
            return self.relocate_constant(at, kind, symbol, addend)
        else:
            return False
        return True

    def relocate_constant(self, at, kind, symbol, addend):
        if kind == self.HI20:  # lui becomes auipc
            distance = self.inline_constant(symbol, addend) - at
            self.upper_parts[symbol] = at, (distance + 0x800) >> 12
            self.set_word(at, 0x17 | self.word(at) & 0xF80 | ((distance + 0x800) & 0xFFFFF000))
            return True
        if symbol not in self.upper_parts or kind != self.LO12_I:
            return False
        base, upper = self.upper_parts[symbol]
        low = self.inline_constant(symbol, addend) - base - (upper << 12)
        self.set_word(at, self.word(at) & 0xFFFFF | (low & 0xFFF) << 20)
        return -0x800 <= low < 0x800

    def jump_within(self, at, distance):
        bits = (distance >> 20 & 1) << 31 | (distance >> 1 & 0x3FF) << 21 | (distance >> 11 & 1) << 20 | (distance >> 12 & 0xFF) << 12
        self.set_word(at, 0x6F | bits)  # j
        self.set_word(at + 4, self.NOP)


MACHINES = {"x86_64": X86, "aarch64": AArch64, "riscv64": RiscV64}


def extract(paths, machine):
    """{name: (code, holes)}"""
    found = {}
    for path in paths:
        object_ = Object(path)
        for function in object_.functions():
            try:
                found[function.name] = machine.finish(function, object_)
                if len(found[function.name][0]) > MAX_BYTES:
                    raise Refused("too long")
            except Refused as refused:
                raise SystemExit(f"{path}: {function.name}: {refused}")
    return found


def plain(length, holes):
    """For stencils that are copied at once, with at most two holes, of 32 bits, of which the last may be a jump: its
    shape (is_plain, is_jump, is_single), where the holes are, what they take. A hole that is missing is written behind
    the code."""
    numbers = ("STENCIL_D", "STENCIL_A", "STENCIL_B", "STENCIL_C", "STENCIL_IMM", "STENCIL_IMM2")
    jumps = [hole for hole in holes if hole[1:] == ("REL32", "STENCIL_TARGET")]
    holes = [hole for hole in holes if hole not in jumps]
    if length > COPIED_AT_ONCE or len(jumps) > 1 or len(holes) + len(jumps) > 2 or \
            any(kind not in ("ABS32", "ABS32S") or value not in numbers for _, kind, value in holes):
        return "0,0,0", (0, 0), (0, 0)
    shape = "0,1,0" if jumps else "1,0,1" if len(holes) == 1 and length <= COPIED_SINGLE else "1,0,0"
    holes = holes + [(length, "", 0)] * (2 - len(holes) - len(jumps)) + jumps
    return shape, tuple(at for at, _, _ in holes), tuple(value for _, _, value in holes)


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
        self.stencils.append((self.code_at[code], self.holes_at[key], len(holes), len(code), *plain(len(code), holes)))


def header_lines(catalogue, arch, pool_bytes):
    yield "/* Generated by tools/extract_stencils.py. */"
    yield f"enum {{ STENCIL_INTS = {INTS[arch]}, STENCIL_FLOATS = {FLOATS}, STENCIL_COUNT = {len(catalogue.stencils)}, " \
          f"STENCIL_POOL_BYTES = {pool_bytes} }};"
    condition = "arch_is_v2()" if arch == "x86_64" else "0"
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
    yield from numbers([f"{{{code},{holes},{count},{shape},{length},{{{at[0]},{at[1]}}},{{{value[0]},{value[1]}}}}}"
                        for code, holes, count, length, shape, at, value in tables.stencils], 8)
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
    found = extract(arguments.objects, MACHINES[arguments.arch](pool))
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
