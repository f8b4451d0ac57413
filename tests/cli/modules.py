# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small modules made by hand, right and wrong ones, for the command's tests."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from binary_format import HEADER, leb, section, text, vec  # noqa: E402

I32, I64, F32, F64, V128 = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B


def func_type(params, results):
    return b'\x60' + vec([bytes([t]) for t in params]) + vec([bytes([t]) for t in results])


def body(code, locals_=()):
    code = vec([leb(count) + bytes([kind]) for count, kind in locals_]) + code + b'\x0b'
    return leb(len(code)) + code


def module(types=(), imports=(), funcs=(), table=None, memory=None, exports=(), bodies=()):
    """imports: (module, name, type index); table: minimum; memory: (minimum, maximum or None);
    exports: (name, kind, index)."""
    out = HEADER
    if types:
        out += section(1, vec([func_type(*t) for t in types]))
    if imports:
        out += section(2, vec([text(m) + text(n) + b'\0' + leb(t) for m, n, t in imports]))
    if funcs:
        out += section(3, vec([leb(t) for t in funcs]))
    if table:
        out += section(4, vec([b'\x70\0' + leb(table)]))
    if memory:
        low, high = memory
        out += section(5, vec([(b'\0' + leb(low)) if high is None else (b'\1' + leb(low) + leb(high))]))
    if exports:
        out += section(7, vec([text(n) + bytes([k]) + leb(i) for n, k, i in exports]))
    if bodies:
        out += section(10, vec(list(bodies)))
    return out


START = ((), ())
NOTHING = module([START], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'')])
FD_WRITE = ((I32, I32, I32, I32), (I32,))


def calls_import(name, signature, memory=(1, None), where='wasi_snapshot_preview1'):
    """A command whose start calls one imported function with zeros."""
    push = {I32: b'\x41\0', I64: b'\x42\0'}
    code = b''.join(push[t] for t in signature[0]) + b'\x10\0' + b'\x1a' * len(signature[1])
    exports = [('_start', 0, 1)] + ([('memory', 2, 0)] if memory else [])
    return module([signature, START], [(where, name, 0)], [1], None, memory, exports, [body(code)])


def script(sums):
    """A script of the conformance suite's form: 40 + n has to be the sum given."""
    def value(number):
        return {'type': 'i32', 'value': str(number)}
    commands = [{'type': 'module', 'line': 1, 'filename': 'add.wasm'}]
    for line, (n, total) in enumerate(sums, 2):
        action = {'type': 'invoke', 'field': 'add', 'args': [value(40), value(n)]}
        commands.append({'type': 'assert_return', 'line': line, 'action': action, 'expected': [value(total)]})
    commands.append({'type': 'assert_malformed', 'line': 9, 'filename': 'text.wat', 'module_type': 'text', 'text': ''})
    return json.dumps({'source_filename': 'script.wast', 'commands': commands}).encode()


def hinted(hint):
    """A program whose only branch has this hint."""
    section_before_code = section(0, text('metadata.code.branch_hint') + vec([leb(0) + vec([leb(3) + b'\1' + leb(hint)])]))
    program = module([START], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'\x41\0\x0d\0')])
    code = program.index(b'\x0a\x08')
    return program[:code] + section_before_code + program[code:]


def command(memories=(), tables=(), imports=(), memory=None, code=b'', data=b''):
    """A command with memories and tables of any type; `memory`: the index of the one that is exported; `data`: a data
    section's contents."""
    out = HEADER + section(1, vec([func_type(*START)] + [func_type(*t) for _, t in imports]))
    if imports:
        out += section(2, vec([text('wasi_snapshot_preview1') + text(n) + b'\0' + leb(i)
                               for i, (n, _) in enumerate(imports, 1)]))
    out += section(3, vec([leb(0)]))
    if tables:
        out += section(4, vec(list(tables)))
    out += section(5, vec(list(memories)))
    exports = [text('_start') + b'\0' + leb(len(imports))] + ([] if memory is None else [text('memory') + b'\2' + leb(memory)])
    out += section(7, vec(exports))
    out += section(10, vec([body(code)]))
    return out + (section(11, data) if data else b'')


def says_hello_from(memory, memories):
    """fd_write of six bytes that lie in one of the memories, which is called "memory"."""
    at = b'\x42\0\x0b' if memories[memory][0] & 4 else b'\x41\0\x0b'
    iovec_and_text = bytes([16, 0, 0, 0, 6, 0, 0, 0]) + bytes(8) + b'hello\n'
    return command(memories, imports=[('fd_write', FD_WRITE)], memory=memory,
                   code=b'\x41\1\x41\0\x41\1\x41\x08\x10\0\x1a',
                   data=vec([b'\2' + leb(memory) + at + vec([bytes([b]) for b in iovec_and_text])]))


EIGHT_GIB = b'\4' + leb(1 << 17)


def typed_imports():
    """Imports functions of types that name another: one may return null, one never does."""
    types = [b'\x5f\0', b'\x60\0' + vec([b'\x63\0']), b'\x60\0' + vec([b'\x64\0']), func_type((), (I32,))]
    imports = [text('env') + text(name) + b'\0' + leb(kind) for name, kind in (('nullable', 1), ('never', 2))]
    return HEADER + section(1, vec(types)) + section(2, vec(imports)) + section(3, vec([leb(3)] * 2)) + \
        section(7, vec([text('ask') + b'\0\2', text('need') + b'\0\3'])) + \
        section(10, vec([body(b'\x10\0\xd1'), body(b'\x10\1\x1a\x41\1')]))


def references():
    """Functions that return references of each kind."""
    types = [b'\x5f\0', b'\x5e\x78\0', func_type([], [0x6E]), func_type([0x6F], [0x6E]), func_type([], [0x70])]
    code = [b'\xfb\0\0', b'\x41\3\xfb\7\1', b'\x41\x7b\xfb\x1c', b'\xd0\x71', b'\x20\0\xfb\x1a', b'\xd2\0']
    names = ['struct', 'array', 'i31', 'null', 'any', 'func']
    exports = [text(name) + b'\0' + bytes([i]) for i, name in enumerate(names)]
    return (HEADER + section(1, vec(types)) + section(3, vec([leb(t) for t in (2, 2, 2, 2, 3, 4)])) +
            section(7, vec(exports)) + section(10, vec([body(c) for c in code])))


def objects():
    """Makes a list without end."""
    node = b'\x63\0'
    code = vec([b'\1' + node]) + b'\x03\x40\x20\0\xfb\0\0\x21\0\x0c\0\x0b\x0b'
    return (HEADER + section(1, vec([b'\x5f' + vec([node + b'\1']), func_type(*START)])) + section(3, vec([leb(1)])) +
            section(7, vec([text('_start') + b'\0\0'])) + section(10, vec([leb(len(code)) + code])))


def threaded(start, thread):
    """A command that imports thread-spawn as function 0."""
    shared_memory = text('env') + text('memory') + b'\2\3' + leb(1) + leb(1)
    return (HEADER + section(1, vec([func_type(*START), func_type((I32,), (I32,)), func_type((I32, I32), ())])) +
            section(2, vec([text('wasi') + text('thread-spawn') + b'\0' + leb(1), shared_memory])) +
            section(3, vec([leb(0), leb(2)])) +
            section(7, vec([text('_start') + b'\0' + leb(1), text('wasi_thread_start') + b'\0' + leb(2)])) +
            section(10, vec([body(start), body(thread)])))


def files():
    """name -> bytes"""
    add = module([((I32, I32), (I32,)), ((F64,), (F64, F64))], funcs=[0, 1],
                 exports=[('add', 0, 0), ('twice', 0, 1)],
                 bodies=[body(b'\x20\0\x20\1\x6a'), body(b'\x20\0\x20\0')])
    answer = module([((), (I32,))], funcs=[0], exports=[('answer', 0, 0)], bodies=[body(b'\x41\x2a')])
    uses_answer = module([((), (I32,)), START], [('lib', 'answer', 0)], [0, 1],
                         exports=[('ask', 0, 1), ('_start', 0, 2)],
                         bodies=[body(b'\x10\0'), body(b'\x10\0\x1a')])
    forever = module([START], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'\x03\x40\x0c\0\x0b')])
    throws = (HEADER + section(1, vec([func_type(*START), func_type((I32,), ())])) + section(3, vec([leb(0), leb(0)])) +
              section(13, vec([b'\0' + leb(1)])) + section(7, vec([text('_start') + b'\0' + leb(1)])) +
              section(10, vec([body(b'\x41\x2a\x08\0'), body(b'\x10\0')])))
    deep = module([START], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'\x10\0')])
    return {
        'nothing.wasm': NOTHING,
        'add.wasm': add,
        'answer.wasm': answer,
        'uses-answer.wasm': uses_answer,
        'forever.wasm': forever,
        'throws.wasm': throws,
        'threads.wasm': threaded(b'\x41\0\x10\0\x1a\x03\x40\x0c\0\x0b', b'\0'),
        # Bombs. Until there are no more: threads that wait for ever, pages, elements; then unreachable.
        'thread-flood.wasm': threaded(b'\x03\x40\x41\0\x10\0\x41\0\x4e\x0d\0\x0b\0',
                                      b'\x41\0\x41\0\x42\x7f\xfe\1\2\0\x1a'),
        'grows.wasm': command([b'\0\1'], code=b'\x03\x40\x41\1\x40\0\x41\0\x4e\x0d\0\x0b\0'),
        'grows-table.wasm': command(tables=[b'\x70\0\1'],
                                    code=b'\x03\x40\xd0\x70\x41\1\xfc\x0f\0\x41\0\x4e\x0d\0\x0b\0'),
        'many-memories.wasm': command([b'\0\x10'] * 100),
        'objects.wasm': objects(),
        'deep.wasm': deep,
        # Memory is zero: dividing 1 by what is loaded from there traps at the division, beyond memory at the load.
        'loads-divisor.wasm': module([((I32,), (I32,))], funcs=[0], memory=(1, None), exports=[('divide', 0, 0)],
                                     bodies=[body(b'\x41\1\x20\0\x28\2\0\x6d')]),
        # Stores to where memory is, and multiplies what is loaded from its argument by a number that is needed afterwards.
        'loads-factor.wasm': module([((I32, I32), (I32,))], funcs=[0], memory=(1, None), exports=[('multiply', 0, 0)],
                                    bodies=[body(b'\x41\0\x20\0\x36\2\0\x20\0\x28\2\0\x20\1\x6c\x04\x7f\x20\1\x05\x41\7\x0b')]),
        'unreachable.wasm': module([START], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'\0')]),
        'divide.wasm': module([START], funcs=[0], exports=[('_start', 0, 0)],
                              bodies=[body(b'\x41\1\x41\0\x6d\x1a')]),
        'big-memory.wasm': module([START], funcs=[0], memory=(4096, None), exports=[('_start', 0, 0)],
                                  bodies=[body(b'')]),
        'table.wasm': module([START], funcs=[0], table=100, exports=[('_start', 0, 0)], bodies=[body(b'')]),
        'script.json': script([(2, 42), (3, 44)]),
        'script-right.json': script([(2, 42)]),
        'simd.wasm': module([START], funcs=[0], exports=[('_start', 0, 0)],
                            bodies=[body(b'\xfd\x0c' + bytes(16) + b'\x1a')]),
        # f32x4.relaxed_min of NaN and 1: the second operand, or what min gives.
        'relaxed.wasm': module([((), (F32,))], funcs=[0], exports=[('min', 0, 0)],
                               bodies=[body(b'\xfd\x0c' + b'\0\0\xc0\x7f' * 4 + b'\xfd\x0c' + b'\0\0\x80\x3f' * 4 +
                                            b'\xfd\x8d\2\xfd\x1f\0')]),
        'multi-memory.wasm': HEADER + section(5, vec([b'\0\1', b'\0\1'])),
        'limits.wasm': command([b'\5\1\2', b'\x08\1\0', EIGHT_GIB], [b'\x70\4\3']),
        'sparse.wasm': command([EIGHT_GIB], code=b'\x42' + leb(5 << 30) + b'\x41\7\x36\2\0'),
        'exabytes.wasm': command([b'\4' + leb(1 << 48)]),
        'hello-64.wasm': says_hello_from(0, [b'\4\1']),
        'hello-second.wasm': says_hello_from(1, [b'\0\1', b'\0\1']),
        'wide-wasi.wasm': command([b'\4\1'], imports=[('fd_write', ((I32, I64, I64, I64), (I32,)))], memory=0),
        # Of a listener, whatever its number is.
        'accepts.wasm': command([b'\0\1'], imports=[('sock_accept', ((I32, I32, I32), (I32,)))], memory=0,
                                code=b''.join(b'\x41%c\x41\0\x41\0\x10\0\x1a' % handle for handle in range(3, 60))),
        'references.wasm': references(),
        'typed-imports.wasm': typed_imports(),
        'hints.wasm': hinted(1),
        'wrong-hints.wasm': hinted(7),
        # Wrong ones.
        'empty.wasm': b'',
        'truncated.wasm': add[:-7],
        'wrong-magic.wasm': b'\0wsm\1\0\0\0',
        'wrong-version.wasm': b'\0asm\2\0\0\0',
        'component.wasm': b'\0asm\x0d\0\1\0',
        'huge-count.wasm': HEADER + section(1, b'\xff\xff\xff\xff\x0f'),
        'huge-section.wasm': HEADER + b'\1\xff\xff\xff\xff\x0f',
        'type-error.wasm': module([((), (I32,))], funcs=[0], exports=[('_start', 0, 0)], bodies=[body(b'\x42\0')]),
        'unknown-import.wasm': calls_import('frobnicate', ((I32,), ()), where='env'),
        'unknown-wasi.wasm': calls_import('fd_frobnicate', ((I32,), (I32,))),
        'no-memory.wasm': calls_import('fd_write', FD_WRITE, memory=None),
        'wrong-signature.wasm': calls_import('fd_write', ((I64,), (I32,))),
        'start-with-parameter.wasm': module([((I32,), ())], funcs=[0], exports=[('_start', 0, 0)],
                                            bodies=[body(b'')]),
        'text.wat': b'(module (func (export "_start")))\n',
        'native.wasm': b'\x7fELF\2\1\1' + bytes(9),
        'script.wasm': b'#!/bin/sh\n',
        'packed.wasm': b'\x1f\x8b\x08\0' + bytes(10),
    }
