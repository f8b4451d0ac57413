#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A host program with plug-ins that it does not trust: one filters text, one pixels. Each may use 64 KiB of memory and a millisecond
of computing a call; one that wants more is refused, one that takes longer is ended, and the host goes on.

The plug-in, in the text format:

(memory (export "memory") 1)
(func (export "upper") (param $at i32) (param $count i32) (local $c i32)
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $count)))
    (local.set $c (i32.load8_u (local.get $at)))
    (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
      (then (i32.store8 (local.get $at) (i32.sub (local.get $c) (i32.const 32)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next))))
(func (export "invert") (param $at i32) (param $count i32)
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $count)))
    (i32.store8 (local.get $at) (i32.xor (i32.load8_u (local.get $at)) (i32.const 255)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next))))
(func (export "greedy") (result i32) (memory.grow (i32.const 1)))
(func (export "stuck") (loop br 0))
"""
import cay

PLUGIN = bytes.fromhex("""
    0061736d01000000010d0360027f7f006000017f600000030504000001020503010001072c05066d656d6f72790200057570706572000006
    696e76657274000106677265656479000205737475636b00030a79043c01017f024003402001450d0120002d00002102200241e1006b411a
    4904402000200241206b3a00000b200041016a2100200141016b21010c000b0b0b2b00024003402001450d01200020002d000041ff01733a
    0000200041016a2100200141016b21010c000b0b0b0600410140000b070003400c000b0b
""")
MEMORY_BYTES, CALL_SECONDS = 64 * 1024, 0.001


class Plugin:
    def __init__(self, module):
        self.store = cay.Store(memory=MEMORY_BYTES)
        self.exports = cay.Instance(self.store, module).exports

    def call(self, name, *arguments):
        with self.store.budget(CALL_SECONDS):
            return self.exports[name](*arguments)

    def filter(self, name, data):
        """`data` as the plug-in's function makes it, in place, at address 0."""
        memory = self.exports.memory
        memory.write(0, data)
        self.call(name, 0, len(data))
        return memory.read(0, len(data))


def main():
    plugin = Plugin(cay.Module(PLUGIN))
    print(plugin.filter("upper", b"a text that is transformed").decode())
    print("pixels:", plugin.filter("invert", bytes([0, 100, 255])).hex(" "))
    print("one page more:", plugin.call("greedy"))
    try:
        plugin.call("stuck")
    except cay.Interrupted as stopped:
        print("stuck:", stopped.args[0])
    print(plugin.filter("upper", b"and on it goes").decode())


if __name__ == "__main__":
    main()
