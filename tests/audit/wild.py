# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules of wild accesses for neighbours.c: every kind of access with every kind of constant offset, one exported function
each, which takes the address (or index) and a number: what to store, or how many bytes.

Two memories of two pages lie in each module, and a table of four entries; `sum` folds both memories into one number and
`fill` fills them, so that a module is also its own witness."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from binary_format import HEADER, leb, section, sleb, text, vec  # noqa: E402

I32, I64, FUNCREF = 0x7F, 0x7E, 0x70
PAGES, PAGE_BYTES = 2, 65536
OFFSETS_32 = (0, 1, 8, 65535, 65536, 131064, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
OFFSETS_64 = OFFSETS_32 + (1 << 32, (1 << 47) - 1, 1 << 63, (1 << 64) - 1)
STORES = {'i32.store8': (1, b'\x3a', I32), 'i32.store16': (2, b'\x3b', I32), 'i32.store': (4, b'\x36', I32),
          'i64.store': (8, b'\x37', I64), 'i64.store32': (4, b'\x3e', I64), 'v128.store': (16, b'\xfd\x0b', 'v128'),
          'v128.store64_lane': (8, b'\xfd\x5b', 'lane'), 'i32.atomic.store8': (1, b'\xfe\x19', I32)}
LOADS = {'i32.load8_u': (1, b'\x2d'), 'i32.load16_s': (2, b'\x2e'), 'i32.load': (4, b'\x28'), 'i64.load': (8, b'\x29'),
         'f64.load': (8, b'\x2b'), 'v128.load': (16, b'\xfd\0'), 'v128.load8x8_s': (8, b'\xfd\1'),
         'i32.atomic.load8_u': (1, b'\xfe\x12')}


class Module:
    def __init__(self, wide):
        self.wide, self.address = wide, I64 if wide else I32
        self.functions, self.accesses = [], []

    def add(self, name, code, width, offset, kind):
        self.functions.append((name, code))
        self.accesses.append('%s %d %d %s' % (name, width, offset, kind))

    def access(self, opcode, offset):
        return opcode + b'\0' + leb(offset)

    def constant(self, value):
        return (b'\x42' if self.wide else b'\x41') + sleb(value)

    def stores(self, offset):
        value = {I32: b'\x20\1\xa7', I64: b'\x20\1', 'v128': b'\x20\1\xfd\x12', 'lane': b'\x20\1\xfd\x12'}
        for name, (width, opcode, kind) in STORES.items():
            code = b'\x20\0' + value[kind] + self.access(opcode, offset) + (b'\1' if kind == 'lane' else b'')
            self.add('%s+%d' % (name, offset), code, width, offset, 'memory')

    def loads(self, offset):
        for name, (width, opcode) in LOADS.items():
            self.add('%s+%d' % (name, offset), b'\x20\0' + self.access(opcode, offset) + b'\x1a', width, offset, 'memory')

    def ranges(self):
        """The number is the length in bytes."""
        length = b'\x20\1' + (b'' if self.wide else b'\xa7')
        zero = self.constant(0)
        self.add('memory.fill', b'\x20\0\x41\1' + length + b'\xfc\x0b\0', 0, 0, 'range')
        self.add('memory.copy.to', b'\x20\0' + zero + length + b'\xfc\x0a\0\0', 0, 0, 'range')
        self.add('memory.copy.from', zero + b'\x20\0' + length + b'\xfc\x0a\0\0', 0, 0, 'range')
        self.add('memory.copy.other', b'\x20\0' + zero + length + b'\xfc\x0a\0\1', 0, 0, 'range')
        self.add('memory.init', b'\x20\0\x41\0\x20\1\xa7\xfc\x08\0\0', 0, 0, 'segment')

    def tables(self):
        index = b'\x20\0' + (b'\xa7' if self.wide else b'')
        self.add('table.get', index + b'\x25\0\x1a', 0, 0, 'table')
        # Before the entries that it calls are overwritten.
        self.add('call_indirect', index + b'\x11\2\0', 0, 0, 'call')
        self.add('table.set', index + b'\xd0\x70\x26\0', 0, 0, 'table')
        self.add('table.fill', index + b'\xd0\x70\x41\1\xfc\x11\0', 0, 0, 'table')

    def bytes(self):
        for offset in OFFSETS_64 if self.wide else OFFSETS_32:
            self.stores(offset)
            self.loads(offset)
        self.ranges()
        self.tables()
        address = bytes([self.address])
        types = vec([b'\x60' + vec([address, b'\x7e']) + vec([]), b'\x60' + vec([]) + vec([b'\x7e']), b'\x60' + vec([]) + vec([]),
                     b'\x60' + vec([b'\x7e']) + vec([])])
        own = [('sum', 1, self.sum()), ('fill', 3, self.fill()), ('nothing', 2, vec([]) + b'')]
        bodies = [vec([]) + code + b'\x0b' for _, code in self.functions] + [code + b'\x0b' for _, _, code in own]
        count = len(self.functions)
        exports = [text(name) + b'\0' + leb(i) for i, (name, _) in enumerate(self.functions)]
        exports += [text(name) + b'\0' + leb(count + i) for i, (name, _, _) in enumerate(own)]
        memory = (b'\5' if self.wide else b'\1') + leb(PAGES) + leb(PAGES)
        # The first two entries of the table; the second one is of another type than call_indirect wants.
        element = b'\0\x41\0\x0b' + vec([leb(count + 2), leb(count)])
        return (HEADER + section(1, types) + section(3, vec([leb(0)] * count + [leb(kind) for _, kind, _ in own])) +
                section(4, vec([b'\x70\1\4\4'])) + section(5, vec([memory, memory])) + section(7, vec(exports)) +
                section(9, vec([element])) + section(12, leb(1)) +
                section(10, vec([leb(len(body)) + body for body in bodies])) + section(11, vec([b'\1' + vec([b'x'] * 16)])))

    def over_memories(self, code_of):
        """A loop over all words of both memories: local `at` counts down, for each of them the code runs."""
        at = b'\1'
        loop = b'\x03\x40\x20' + at + self.constant(8) + (b'\x7d' if self.wide else b'\x6b') + b'\x22' + at
        return (self.constant(PAGES * PAGE_BYTES) + b'\x21' + at + loop + b'\x1a' + code_of(0) + code_of(1) + b'\x20' + at +
                self.constant(0) + (b'\x52' if self.wide else b'\x47') + b'\x0d\0\x0b')

    def index(self, memory):
        """A memory argument: alignment 1, which memory, offset 0."""
        return b'\x40' + leb(memory) + b'\0' if memory else b'\0\0'

    def sum(self):
        """h = h * 31 + word"""
        step = lambda memory: b'\x20\0\x42\x1f\x7e\x20\1\x29' + self.index(memory) + b'\x7c\x21\0'  # noqa: E731
        return vec([b'\1\x7e', b'\1' + bytes([self.address])]) + self.over_memories(step) + b'\x20\0'

    def fill(self):
        step = lambda memory: b'\x20\1\x20\0\x37' + self.index(memory)  # noqa: E731
        return vec([b'\1' + bytes([self.address])]) + self.over_memories(step)


def write(folder):
    """Writes wild-32.wasm and wild-64.wasm, each with a list of its accesses beside it: name, width, offset, kind."""
    for bits in (32, 64):
        made = Module(bits == 64)
        (folder / ('wild-%d.wasm' % bits)).write_bytes(made.bytes())
        (folder / ('wild-%d.txt' % bits)).write_text('\n'.join(made.accesses) + '\n')


if __name__ == '__main__':
    write(Path(sys.argv[1]))
