#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Python package, on the modules of the tests of wasm.h (tests/capi/modules.h). CAY_LIBRARY names the library, unless the
installed package has its own."""
import gc
import os
import re
import tempfile
import threading
import time
import unittest
import weakref

import cay

HERE = os.path.dirname(os.path.abspath(__file__))
# The helper of a build; a wheel has its own.
HELPER = os.environ.get("CAY_HELPER_FOLDER") or os.path.dirname(cay.__file__)
if os.environ.get("CAY_HELPER_FOLDER"):
    cay.set_helper_folder(HELPER)
HELPER = os.path.exists(os.path.join(HELPER, "cay-llvm"))


def load(name):
    """The bytes of a macro of modules.h."""
    with open(os.path.join(HERE, "..", "capi", "modules.h"), encoding="utf-8") as file:
        text = re.search(rf"#define {name}_WASM(.*?)\n\n", file.read(), re.S)[1]
    return bytes(int(number, 16) for number in re.findall(r"0x[0-9a-f]{2}", text))


class Tests(unittest.TestCase):
    def setUp(self):
        self.store = cay.Store()

    def tearDown(self):
        self.store.close()

    def instance(self, name, imports=None, store=None):
        return cay.Instance(store or self.store, cay.Module(load(name)), imports)

    def test_calls(self):
        exports = self.instance("STATE").exports
        self.assertEqual(exports.add(40, 2), 42)
        self.assertEqual(exports.add(2**31 - 1, 1), -2**31)
        self.assertEqual(exports.add.type, cay.FuncType(("i32", "i32"), ("i32",)))
        self.assertEqual(exports["bump"](), 8)
        with self.assertRaises(TypeError):
            exports.add(1)
        with self.assertRaises(TypeError):
            exports.add(1, "2")
        with self.assertRaises(AttributeError):
            exports.missing

    def test_all_values_both_ways(self):
        thing, seen = object(), []

        def mix(*values):
            seen.append(values)
            return values[::-1]

        exports = self.instance("MIX", {"host": {"mix": mix}}).exports
        func, *rest = exports.mix(-1, 2**40, 0.5, 1e300, thing, exports.mix)
        self.assertEqual(rest, [thing, 1e300, 0.5, 2**40, -1])
        self.assertIsInstance(func, cay.Func)
        self.assertEqual(func.type, exports.mix.type)
        self.assertIs(seen[0][4], thing)
        self.assertEqual(exports.mix(0, 0, 0, 0, None, None)[:2], (None, None))
        with self.assertRaisesRegex(TypeError, "a funcref"):
            exports.mix(0, 0, 0, 0, None, thing)

    def test_wrong_results(self):
        for results, expected in (((1, 2), "6 results are expected, 2"), (7, "not iterable")):
            exports = self.instance("MIX", {"host": {"mix": lambda *_, r=results: r}}).exports
            with self.assertRaisesRegex(TypeError, expected):
                exports.mix(0, 0, 0, 0, None, None)

    def test_exceptions_of_the_host(self):
        class Mine(Exception):
            pass

        def fail(number):
            if number:
                raise Mine(f"no {number}")
            return 5

        exports = self.instance("TRAPS", {"": {"fail": fail}}).exports
        with self.assertRaises(Mine) as caught:
            exports.fail(3)
        self.assertIn("in function 1 at offset 0x", caught.exception.__notes__[0])
        self.assertEqual(exports.fail(0), 5)
        with self.assertRaises(cay.Trap) as caught:  # and no later trap is taken for it
            exports.boom()
        self.assertEqual(caught.exception.args[0], "unreachable instruction executed")
        self.assertEqual([frame.func_index for frame in caught.exception.frames], [3, 4])
        self.assertEqual(caught.exception.frames[0].module_offset, 0x7C)
        self.assertIn("in function 3 at offset 0x7c", str(caught.exception))

    def test_traps_pass_through_the_host(self):
        exports = {}
        exports.update(self.instance("TRAPS", {"": {"fail": lambda _number: exports["boom"]()}}).exports)
        with self.assertRaises(cay.Trap) as caught:
            exports["fail"](1)
        self.assertEqual(caught.exception.args[0], "unreachable instruction executed")

    def test_modules(self):
        module = cay.Module(load("START"))
        self.assertEqual(module.imports, [("host", "begin", cay.FuncType((), ())), ("host", "memory", "memory")])
        self.assertEqual(cay.Module(load("STATE")).exports[:2], [("count", "global"), ("limit", "global")])
        with self.assertRaises(cay.Error) as caught:
            cay.Module(b"\0asm\1\0\0\0\x63")
        self.assertEqual((caught.exception.status, caught.exception.offset), ("malformed", 8))

    def test_imports(self):
        calls = []
        memory, large = cay.Memory(self.store, 1, 2), cay.Memory(self.store, 1)
        self.instance("START", {"host": {"begin": lambda: calls.append(1), "memory": memory}})
        self.assertEqual(calls, [1])
        for imports, text in (({}, '"begin" is a function, and nothing was given'),
                              ({"host": {"begin": 7}}, "int was given"),
                              ({"host": {"begin": print, "memory": large}}, "at most 2, but a memory")):
            with self.assertRaisesRegex(cay.Error, text) as caught:
                self.instance("START", imports)
            self.assertEqual(caught.exception.status, "link")

        def stop():
            raise KeyError("in the start function")

        with self.assertRaises(KeyError):
            self.instance("START", {"host": {"begin": stop, "memory": memory}})

    def test_memory(self):
        exports = self.instance("STATE").exports
        memory = exports.memory
        self.assertEqual((memory.pages, len(memory), memory[8:12]), (1, 65536, b"seed"))
        memory[0:3] = b"abc"
        memory[3] = 100
        self.assertEqual((exports.load(1), memory.read(0, 4), memory[-1]), (98, b"abcd", 0))
        memory.write(65535, b"x")
        for wrong in (lambda: memory.read(65535, 2), lambda: memory.write(-1, b"x"), lambda: memory[65536]):
            with self.assertRaises(IndexError):
                wrong()
        with self.assertRaises(ValueError):
            memory[0:3] = b"four"
        memory.grow(1)
        self.assertEqual((exports.grow(1), memory.pages), (2, 3))
        with self.assertRaises(cay.Error):
            memory.grow(1)
        view = memory.view()
        view[200000 - 65536] = 7
        self.assertEqual(exports.load(200000 - 65536), 7)
        with self.assertRaisesRegex(cay.Trap, "out of bounds memory access"):
            exports.load(3 * 65536)

    def test_globals_and_tables(self):
        exports = self.instance("STATE").exports
        exports.count.value = 2**40
        self.assertEqual((exports.bump(), exports.limit.value), (2**40 + 1, 1.5))
        with self.assertRaisesRegex(cay.Error, "constant"):
            exports.limit.value = 1
        own = cay.Global(self.store, "externref", "text", mutable=True)
        self.assertEqual(own.value, "text")
        table = exports.table
        self.assertEqual((len(table), table[0], table[1].type), (2, None, exports.add.type))
        table[0] = exports.add
        self.assertEqual(exports.apply(0, 40, 2), 42)
        table.grow(3)
        self.assertEqual((len(table), table[-1]), (5, None))
        with self.assertRaises(IndexError):
            table[5]
        with self.assertRaises(cay.Error):
            table[0] = "no function"
        with self.assertRaises(cay.Error):
            table.grow(1)

    def test_objects_live_as_long_as_the_guest_has_them(self):
        class Thing:
            pass

        thing = Thing()
        watcher = weakref.ref(thing)
        exports = self.instance("STATE").exports
        exports.held.value = thing
        del thing
        gc.collect()
        self.assertIs(exports.held.value, watcher())
        self.store.close()
        gc.collect()
        self.assertIsNone(watcher())

    def test_objects_of_the_guest(self):
        exports = self.instance("BEYOND").exports
        cell = exports.make(9)
        exports.churn(200000)
        self.assertEqual((exports.read(cell), exports.typed(cell)), (9, 9))
        self.assertEqual(exports.small(), exports.small())
        self.assertNotEqual(cell, exports.make(9))
        with self.assertRaisesRegex(cay.Trap, "another reference"):
            exports.typed(exports.small())
        self.assertIsInstance(exports.tag, cay.Tag)
        with self.assertRaises(cay.Error):
            exports.vectors(0)

    def test_limits(self):
        with cay.Store(memory=2 * 65536 + 1000) as store:
            exports = self.instance("STATE", store=store).exports
            self.assertEqual((exports.grow(1), exports.grow(1)), (1, -1))
            self.assertGreaterEqual(store.memory_used, 2 * 65536)
        engine = cay.Engine(fuel=True)
        with cay.Store(engine, fuel=10000) as store:
            exports = cay.Instance(store, cay.Module(load("TRAPS"), engine), {"": {"fail": lambda number: number}}).exports
            exports.fail(1)
            self.assertGreater(store.fuel_used, 0)
            with self.assertRaisesRegex(cay.Trap, "fuel"):
                exports.spin()

    def test_deadlines(self):
        exports = self.instance("TRAPS", {"": {"fail": lambda number: number}}).exports
        begin = time.monotonic()
        with self.assertRaises(cay.Interrupted):
            with self.store.deadline(0.02):
                exports.spin()
        self.assertLess(time.monotonic() - begin, 5)
        with self.store.deadline(0.001):
            time.sleep(0.05)  # over before the guest is called, and not remembered after the block
        self.assertEqual(exports.fail(1), 1)
        with self.store.deadline(60):
            self.assertEqual(exports.fail(2), 2)

    def test_budgets_count_computing(self):
        exports = self.instance("STATE").exports
        with self.store.budget(0.05):
            time.sleep(0.1)
            self.assertEqual(exports.add(40, 2), 42)
        threads = threading.active_count()
        for _ in range(1000):
            with self.store.budget(1), self.store.deadline(60):
                self.assertEqual(exports.add(40, 2), 42)
        self.assertLessEqual(threading.active_count(), threads)

    def test_threads(self):
        module, wrong = cay.Module(load("STATE")), []

        def work(number):
            with cay.Store() as store:
                exports = cay.Instance(store, module).exports
                wrong.extend(i for i in range(100) if exports.add(i, number) != i + number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_closed_stores(self):
        exports = self.instance("STATE").exports
        self.store.close()
        self.store.close()
        for wrong in (lambda: exports.add(1, 2), lambda: exports.memory.view(), lambda: exports.count.value,
                      lambda: exports.table[0], lambda: self.store.interrupt()):
            with self.assertRaisesRegex(cay.Error, "closed"):
                wrong()

    def test_engines(self):
        self.assertRegex(cay.version(), r"^\d+\.\d+\.\d+$")
        for setting, text in (({"tier": "none"}, "there is no tier"), ({"proposals": "none"}, "there is no proposal")):
            with self.assertRaisesRegex(cay.Error, text):
                cay.Engine(**setting)
        with self.assertRaisesRegex(cay.Error, "simd"):
            cay.Module(load("BEYOND"), cay.Engine(proposals="3.0,-simd"))

    def test_code_is_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = os.path.join(folder, "code")
            for _ in range(2):
                try:
                    module = cay.Module(load("STATE"), cay.Engine(tier="optimized", cache=cache))
                except cay.Error as error:
                    self.skipTest(str(error))  # the build has no such tier
                with cay.Store(module.engine) as store:
                    self.assertEqual(cay.Instance(store, module).exports.add(40, 2), 42)
            kept = [name for name in os.listdir(cache) if name.endswith(".code")]
            self.assertEqual(len(kept), 1 if HELPER else 0)
            os.chmod(cache, 0o755)
            with self.assertRaisesRegex(cay.Error, "not trusted"):
                cay.Engine(tier="auto", cache=cache)


if __name__ == "__main__":
    unittest.main()
