# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls of WASI 0.1 as data, and the modules that make them.

A step is one call with literal arguments and the error number it has to give. A module made of steps calls one after the
other from `_start`; its exit code is the error number of the last one, or UNEXPECTED + i when step i in front of it gave
another number than it should. So a row of a table needs no guest of its own, no compiler, and not even a standard
stream that works.

Parameters come from the runtime's own table (src/wasi/p1/p1.h), so a function that is added there is seen here."""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from binary_format import HEADER, leb, section, sleb, text, vec  # noqa: E402

ROOT = HERE.parents[1]
I32, I64 = 0x7F, 0x7E
UNEXPECTED = 200
PAGES, PAGE_BYTES = 2, 65536
MEMORY_BYTES = PAGES * PAGE_BYTES
SNAPSHOT, UNSTABLE = 'wasi_snapshot_preview1', 'wasi_unstable'


def read_functions():
    """{name: (parameter letters, results, [(name, kind)])}"""
    source = re.sub(r'\s*\\\n\s*', ' ', (ROOT / 'src/wasi/p1/p1.h').read_text(encoding='utf-8'))
    found = re.findall(r'X\((\w+), "(\w*)", "(\w*)",\s*"([^"]*)"\)', source)
    return {name: (params, results, [tuple(argument.split(':')) for argument in arguments.split()])
            for name, params, results, arguments in found}


def read_errors():
    """{name: number}, SUCCESS included."""
    source = (ROOT / 'src/host/host.h').read_text(encoding='utf-8')
    table = source[source.index('#define HOST_ERRORS'):source.index('enum host_error {')]
    return dict([('SUCCESS', 0)] + [(name, int(number)) for name, number in re.findall(r'X\((\w+), \w+, (\d+)', table)])


FUNCTIONS = read_functions()
ERRNO = read_errors()
ERRNO_NAMES = {number: name for name, number in ERRNO.items()}


# ---- Arguments ----------------------------------------------------------------------------------------------------------

class Named(int):
    """A number that has a name in the specification."""
    def __new__(cls, name, value):
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __or__(self, other):
        return Named('%s|%s' % (self.name, other.name), int(self) | int(other))


class Out:
    """A pointer to a place for a result, which later steps may read (Load) or print (Seen)."""
    def __init__(self, label='out', size=8):
        self.label, self.size = label, size

    def __str__(self):
        return '&' + self.label


class Load:
    """What an earlier step left at an Out."""
    def __init__(self, label):
        self.label = label

    def __str__(self):
        return self.label


class Bytes:
    """A pointer to bytes: for path arguments their length, too; for buffers one element that holds them."""
    def __init__(self, content):
        self.content = content.encode() if isinstance(content, str) else bytes(content)

    def __str__(self):
        shown = self.content.decode('latin-1')
        if len(shown) > 40:
            shown = '%s... (%d bytes)' % (shown[:16], len(shown))
        return '"%s"' % shown.replace('\\', '\\\\').replace('\0', '\\0')


class Seen(Bytes):
    """Buffers: one element, the place of an Out."""
    def __init__(self, label, size):
        super().__init__(b'')
        self.label, self.size = label, size

    def __str__(self):
        return 'buffer of %d' % self.size


class Vectors:
    """Buffers: a list of (pointer, length), numbers or what an Out names; the count may lie."""
    def __init__(self, *items, count=None):
        self.items, self.count = items, len(items) if count is None else count

    def __str__(self):
        shown = ', '.join('{%s, %s}' % (number(pointer), number(length)) for pointer, length in self.items[:3])
        return '[%s%s] x %s' % (shown, ', ...' if len(self.items) > 3 else '', number(self.count))


class Raw:
    """A pointer and length (or count) as they are."""
    def __init__(self, pointer, length):
        self.pointer, self.length = pointer, length

    def __str__(self):
        return '%s, %s' % (number(self.pointer), number(self.length))


def number(value):
    if isinstance(value, Named):
        return value.name
    if isinstance(value, int):
        if value >= 1 << 62:
            return '2^64-%d' % ((1 << 64) - value) if (1 << 64) - value < 4096 else '0x%x' % value
        if 0 <= (1 << 32) - value < 4096:
            return '2^32-%d' % ((1 << 32) - value) if value != 1 << 32 else '2^32'
        if 0 <= MEMORY_BYTES - value < 4096 or 0 < value - MEMORY_BYTES < 64:
            return 'end%+d' % (value - MEMORY_BYTES) if value != MEMORY_BYTES else 'end'
        return str(value) if value < 100000 else '0x%x' % value
    return str(value)


class Step:
    def __init__(self, name, *arguments, gives='SUCCESS'):
        self.name, self.arguments, self.gives = name, arguments, gives
        kinds = FUNCTIONS[name][2]
        if len(kinds) != len(arguments):
            raise ValueError('%s takes %s' % (name, kinds))

    def __str__(self):
        return '%s(%s)' % (self.name, ', '.join(number(a) if isinstance(a, int) else str(a) if not isinstance(a, str)
                                               else str(Bytes(a)) for a in self.arguments))


# ---- Modules -------------------------------------------------------------------------------------------------------------

class Memory:
    """Places in the module's memory, and what lies there at the start."""
    def __init__(self):
        self.at, self.segments, self.labels = 1024, [], {}

    def take(self, size):
        place = self.at
        self.at += (size + 15) // 8 * 8
        if self.at > MEMORY_BYTES - 4096:
            raise ValueError('a row needs more memory than its module has')
        return place

    def label(self, label, size):
        if label not in self.labels:
            self.labels[label] = self.take(size)
        return self.labels[label]

    def put(self, content):
        place = self.take(len(content))
        if content:
            self.segments.append((place, content))
        return place


def const(kind, value):
    bits = 32 if kind == I32 else 64
    value &= (1 << bits) - 1
    signed = value - (1 << bits) if value >> (bits - 1) else value
    return (b'\x41' if kind == I32 else b'\x42') + sleb(signed)


def pointer_of(memory, value):
    return memory.label(value.label, value.size) if isinstance(value, (Out, Seen)) else value


def vectors_of(memory, items):
    return memory.put(b''.join((int(pointer_of(memory, pointer)) & 0xFFFFFFFF).to_bytes(4, 'little') +
                               (length & 0xFFFFFFFF).to_bytes(4, 'little') for pointer, length in items))


def push(memory, argument, kind, letter):
    """The code that pushes one argument of the call, which may be two parameters."""
    wide = I64 if letter == 'I' else I32
    if isinstance(argument, str):
        argument = Bytes(argument)
    if isinstance(argument, int):
        return const(wide, int(argument))
    if isinstance(argument, Out):
        return const(I32, memory.label(argument.label, argument.size))
    if isinstance(argument, Load):
        load = b'\x28\0\0' if wide == I32 else b'\x35\0\0'
        return const(I32, memory.label(argument.label, 8)) + load
    if isinstance(argument, Raw):
        return const(I32, argument.pointer) + const(I32, argument.length)
    if isinstance(argument, Vectors):
        return const(I32, vectors_of(memory, argument.items)) + const(I32, argument.count)
    if isinstance(argument, Seen):
        return const(I32, vectors_of(memory, [(argument, argument.size)])) + const(I32, 1)
    place = memory.put(argument.content)
    if kind == 'v':
        return const(I32, vectors_of(memory, [(place, len(argument.content))])) + const(I32, 1)
    return const(I32, place) + (const(I32, len(argument.content)) if kind == 'p' else b'')


def letters_of(name):
    """[(kind, letter of its first parameter)], an argument of two parameters counted once."""
    letters, out = FUNCTIONS[name][0], []
    at = 0
    for _, kind in FUNCTIONS[name][2]:
        out.append((kind, letters[at]))
        at += 2 if kind in 'pv' else 1
    return out


def signature(name):
    kinds = {'i': I32, 'I': I64}
    params, results, _ = FUNCTIONS[name]
    return b'\x60' + vec([bytes([kinds[letter]]) for letter in params]) + vec([bytes([kinds[letter]]) for letter in results])


def call_of(memory, step, index):
    code = b''.join(push(memory, argument, kind, letter)
                    for argument, (kind, letter) in zip(step.arguments, letters_of(step.name)))
    return code + b'\x10' + leb(index)


def module(steps, surface=SNAPSHOT):
    """The module that makes the calls."""
    names = sorted({step.name for step in steps} | {'proc_exit'})
    index = {name: i for i, name in enumerate(names)}
    memory, code = Memory(), b''
    for i, step in enumerate(steps):
        code += call_of(memory, step, index[step.name])
        if step.name == 'proc_exit':
            continue
        if i + 1 < len(steps):
            code += const(I32, ERRNO[step.gives]) + b'\x47\x04\x40' + const(I32, UNEXPECTED + i)
            code += b'\x10' + leb(index['proc_exit']) + b'\x0b'
        else:
            code += b'\x10' + leb(index['proc_exit'])
    body = b'\0' + code + b'\x0b'
    types = [signature(name) for name in names] + [b'\x60\0\0']
    # sock_accept never was in wasi_unstable.
    imports = [text(SNAPSHOT if name == 'sock_accept' else surface) + text(name) + b'\0' + leb(i)
               for i, name in enumerate(names)]
    segments = [b'\0' + const(I32, place) + b'\x0b' + leb(len(content)) + content for place, content in memory.segments]
    return (HEADER + section(1, vec(types)) + section(2, vec(imports)) + section(3, vec([leb(len(names))])) +
            section(5, vec([b'\1' + leb(PAGES) + leb(PAGES)])) +
            section(7, vec([text('_start') + b'\0' + leb(len(names)), text('memory') + b'\2\0'])) +
            section(10, vec([leb(len(body)) + body])) + section(11, vec(segments)))
