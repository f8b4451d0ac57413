# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""WebAssembly in Python, with cay.

    import cay

    module = cay.Module(open("plugin.wasm", "rb").read())
    with cay.Store(memory=1 << 20) as store:
        instance = cay.Instance(store, module, {"host": {"log": print}})
        with store.deadline(0.05):
            print(instance.exports.add(40, 2))
        instance.exports.memory[0:5] = b"hello"

A guest can do what the functions that it is given do, and nothing else. Numbers are int and float; an externref is any
Python object, None the null one. What a function of the host raises comes out of the call of the guest as it was raised;
what the guest does wrong raises Trap, with the calls that were running.

Modules and engines may be used by all threads, a store and what is in it by one at a time; calls release the interpreter's
lock. A store ends with its `with` block or `close`; what is left of it then only raises."""
import contextlib
import ctypes
import heapq
import itertools
import os
import threading
import time
from typing import NamedTuple

from . import _native as native
from ._native import lib

__all__ = ["Engine", "Error", "Frame", "Func", "FuncType", "Global", "Instance", "Interrupted", "Memory", "Module", "Ref",
           "Store", "Table", "Tag", "Trap", "set_helper_folder", "version"]


def version():
    return lib.cay_version().decode()


_helper_folder = None  # the library has no copy


def set_helper_folder(folder):
    """Where cay-llvm is, the helper of the tiers "auto" and "optimized"; before the first engine. A wheel that was built with
    it has it beside this file."""
    global _helper_folder
    _helper_folder = os.fsencode(folder)
    lib.cay_set_helper_folder(_helper_folder)


if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cay-llvm")):
    set_helper_folder(os.path.dirname(os.path.abspath(__file__)))


# ---- Failures ------------------------------------------------------------------------------------------------------

class Error(Exception):
    """Something could not be done. `status` is a word ("malformed", "link", "memory" ...), `offset` the position in the
    module's bytes that it is about, or None."""

    def __init__(self, text, status="argument", offset=None):
        super().__init__(text)
        self.status = status
        self.offset = offset


class Frame(NamedTuple):
    func_index: int
    func_offset: int
    module_offset: int


class Trap(Exception):
    """The guest was ended. `frames` are its calls, innermost first."""

    def __init__(self, message, frames=()):
        super().__init__(message)
        self.frames = list(frames)

    def __str__(self):
        return "\n".join([self.args[0], *_lines(self.frames)])


class Interrupted(Trap):
    """Ended by Store.interrupt or a deadline."""


def _lines(frames):
    return [f"  in function {frame.func_index} at offset 0x{frame.module_offset:x}" for frame in frames]


def _error(native_error):
    offset = native_error.offset if native_error.offset < (1 << 64) - 1 else None
    return Error(native_error.text.decode(errors="replace"), lib.cay_status_name(native_error.status).decode(), offset)


def _check(status, native_error):
    if status != 0:
        raise _error(native_error)


def _take_trap(pointer):
    """The exception for a trap, which ends."""
    message, trace = native.Bytes(), native.Pointers()
    lib.wasm_trap_message(pointer, ctypes.byref(message))
    lib.wasm_trap_trace(pointer, ctypes.byref(trace))
    frames = [Frame(lib.wasm_frame_func_index(trace.data[i]), lib.wasm_frame_func_offset(trace.data[i]),
                    lib.wasm_frame_module_offset(trace.data[i])) for i in range(trace.size)]
    text = message.text().rstrip(b"\0").decode(errors="replace")
    lib.wasm_frame_vec_delete(ctypes.byref(trace))
    lib.wasm_byte_vec_delete(ctypes.byref(message))
    lib.wasm_trap_delete(pointer)
    return (Interrupted if text == "interrupted" else Trap)(text, frames)


# ---- Types ---------------------------------------------------------------------------------------------------------

class FuncType(NamedTuple):
    """Names of value types: "i32", "i64", "f32", "f64", "externref", "funcref"; a guest's may also be "v128" or "ref"."""
    params: tuple
    results: tuple


_KINDS = {name: kind for kind, name in native.KIND_NAMES.items()}


def _valtype(name):
    pointer = lib.wasm_valtype_new(_KINDS[name]) if name in _KINDS else None
    if not pointer:
        raise Error(f"there is no value type {name!r} that a host can use")
    return pointer


def _valtypes(names):
    pointers = [_valtype(name) for name in names]
    vector = native.Pointers()
    lib.wasm_valtype_vec_new(ctypes.byref(vector), len(pointers), (ctypes.c_void_p * len(pointers))(*pointers))
    return vector


def _names(vector):
    return tuple(native.KIND_NAMES[lib.wasm_valtype_kind(vector.data[i])] for i in range(vector.size))


def _read_functype(pointer):
    return FuncType(_names(lib.wasm_functype_params(pointer).contents),
                    _names(lib.wasm_functype_results(pointer).contents))


# ---- Engines and modules ----------------------------------------------------------------------------------------------

class Engine:
    """How code is executed: `tier` "baseline", "auto", "optimized" or "interp"; `cache`, a folder where the middle two keep
    machine code for later processes, True for that of the command `cay`; `proposals` as `cay run -W` takes them, the most bytes
    of `stack`, and whether instructions are counted, for Store(fuel=...)."""

    def __init__(self, tier=None, proposals=None, stack=None, fuel=False, cache=None):
        self._pointer = None
        config, error, pointer = lib.wasm_config_new(), native.Error(), ctypes.c_void_p()
        inner = lib.cay_wasm_config(config)
        try:
            if tier is not None:
                _check(lib.cay_engine_config_set_tier(inner, tier.encode(), ctypes.byref(error)), error)
            if proposals is not None:
                _check(lib.cay_engine_config_set_proposals(inner, proposals.encode(), ctypes.byref(error)), error)
            if cache:
                folder = None if cache is True else os.fsencode(cache)
                _check(lib.cay_engine_config_set_cache(inner, folder, 0, ctypes.byref(error)), error)
        except Error:
            lib.wasm_config_delete(config)
            raise
        if stack is not None:
            lib.cay_engine_config_set_stack_bytes(inner, stack)
        lib.cay_engine_config_set_fuel(inner, fuel)
        _check(lib.cay_wasm_engine_new(config, ctypes.byref(pointer), ctypes.byref(error)), error)
        self._pointer = pointer.value

    def __del__(self):
        if self._pointer:
            lib.wasm_engine_delete(self._pointer)


_default_lock = threading.Lock()
_default = None


def _default_engine():
    global _default
    with _default_lock:
        _default = _default or Engine()
        return _default


class Module:
    """A validated module. `imports` are (module, name, type), `exports` (name, type); a type is a FuncType, or "global",
    "table", "memory", "tag"."""

    def __init__(self, binary, engine=None):
        self._shared = None
        self.engine = engine or _default_engine()
        binary = bytes(binary)
        with Store(self.engine) as store:
            given = native.Bytes(len(binary), ctypes.cast(ctypes.c_char_p(binary), ctypes.c_void_p))
            pointer = lib.wasm_module_new(store._pointer, ctypes.byref(given))
            if not pointer:
                raise store._failure()
            self._shared = lib.wasm_module_share(pointer)
            self.imports, self.exports = _read_imports(pointer), _read_exports(pointer)
            lib.wasm_module_delete(pointer)

    def __del__(self):
        if self._shared:
            lib.wasm_shared_module_delete(self._shared)


_EXTERN_NAMES = {native.GLOBAL: "global", native.TABLE: "table", native.MEMORY: "memory", native.TAG: "tag"}


def _read_externtype(pointer):
    functype = lib.wasm_externtype_as_functype_const(pointer)
    return _read_functype(functype) if functype else _EXTERN_NAMES[lib.wasm_externtype_kind(pointer)]


def _read_imports(module):
    vector = native.Pointers()
    lib.wasm_module_imports(module, ctypes.byref(vector))
    found = [(lib.wasm_importtype_module(one).contents.text().decode(),
              lib.wasm_importtype_name(one).contents.text().decode(),
              _read_externtype(lib.wasm_importtype_type(one))) for one in vector.data[:vector.size]]
    lib.wasm_importtype_vec_delete(ctypes.byref(vector))
    return found


def _read_exports(module):
    vector = native.Pointers()
    lib.wasm_module_exports(module, ctypes.byref(vector))
    found = [(lib.wasm_exporttype_name(one).contents.text().decode(), _read_externtype(lib.wasm_exporttype_type(one)))
             for one in vector.data[:vector.size]]
    lib.wasm_exporttype_vec_delete(ctypes.byref(vector))
    return found


# ---- Time ------------------------------------------------------------------------------------------------------------

class _Watch:
    def __init__(self, pointer, clock, end):
        self.pointer, self.clock, self.end = pointer, clock, end


class _Watchdog:
    """One thread for all deadlines of the process. It sleeps until the next one may be over, at most that long from when it
    began to look; starting one that is not sooner than that does not wake it."""

    def __init__(self):
        self._changed, self._watches, self._serial = threading.Condition(), [], itertools.count()
        self._thread, self._wakes = None, 0.0
        os.register_at_fork(after_in_child=self.__init__)

    def start(self, pointer, seconds, clock):
        watch = _Watch(pointer, clock, time.clock_gettime(clock) + seconds)
        when = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._watches, (when, next(self._serial), watch))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cay-watchdog", daemon=True)
                self._thread.start()
            elif when < self._wakes:
                self._changed.notify()
        return watch

    def stop(self, watch):
        """Afterwards it interrupts nobody."""
        with self._changed:
            watch.pointer = None

    def _run(self):
        with self._changed:
            while True:
                now = time.monotonic()
                while self._watches and self._watches[0][0] <= now:
                    self._look(heapq.heappop(self._watches)[2], now)
                self._wakes = self._watches[0][0] if self._watches else float("inf")
                self._changed.wait(self._wakes - now if self._watches else None)

    def _look(self, watch, now):
        """Interrupts, or looks again when the rest may have passed."""
        if watch.pointer is None:
            return
        rest = watch.end - time.clock_gettime(watch.clock)
        if rest > 0:
            heapq.heappush(self._watches, (now + rest, next(self._serial), watch))
        else:
            lib.cay_wasm_store_interrupt(watch.pointer)


_watchdog = _Watchdog()


# ---- Stores ------------------------------------------------------------------------------------------------------------

class Store:
    """Where instances live. `memory` and `fuel` limit what all of them may use together, in bytes and instructions."""

    def __init__(self, engine=None, memory=None, fuel=None):
        self._pointer, self._budget = None, ctypes.c_void_p()
        self._kept = []      # callbacks that the guest may call
        self._raised = None  # what a function of the host raised, while it travels through the guest
        self.engine = engine or _default_engine()
        error, pointer = native.Error(), ctypes.c_void_p()
        _check(lib.cay_budget_new(None, ctypes.byref(self._budget), ctypes.byref(error)), error)
        for limit, most in ((native.LIMIT_MEMORY, memory), (native.LIMIT_FUEL, fuel)):
            if most is not None:
                _check(lib.cay_budget_set_limit(self._budget, limit, most, ctypes.byref(error)), error)
        _check(lib.cay_wasm_store_new(self.engine._pointer, self._budget, ctypes.byref(pointer), ctypes.byref(error)), error)
        self._pointer = pointer.value

    @property
    def memory_used(self):
        return lib.cay_budget_used(self._budget, native.LIMIT_MEMORY)

    @property
    def fuel_used(self):
        return lib.cay_budget_used(self._budget, native.LIMIT_FUEL)

    def close(self):
        pointer, self._pointer = self._pointer, None
        if pointer:
            lib.wasm_store_delete(pointer)
        self._kept.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()
        if self._budget:
            lib.cay_budget_release(self._budget)

    def interrupt(self):
        """Makes the call that runs, or the next one, raise Interrupted. From any thread."""
        lib.cay_wasm_store_interrupt(self._open())

    def deadline(self, seconds):
        """Calls in the `with` block raise Interrupted when it has taken so long."""
        return self._watched(seconds, time.CLOCK_MONOTONIC)

    def budget(self, seconds):
        """Calls in the `with` block raise Interrupted when this thread has computed so long in it. Unlike a deadline it does
        not count what other programs take of the processor."""
        return self._watched(seconds, time.pthread_getcpuclockid(threading.get_ident()))

    @contextlib.contextmanager
    def _watched(self, seconds, clock):
        pointer = self._open()
        watch = _watchdog.start(pointer, seconds, clock)
        try:
            yield
        finally:
            _watchdog.stop(watch)
            if self._pointer:
                lib.cay_wasm_store_clear_interrupt(pointer)

    def _open(self):
        if not self._pointer:
            raise Error("the store is closed")
        return self._pointer

    def _failure(self):
        error = lib.cay_wasm_store_error(self._pointer).contents
        return MemoryError(error.text.decode()) if lib.cay_status_name(error.status) == b"out-of-memory" else _error(error)

    def _made(self, pointer):
        if not pointer:
            raise self._failure()
        return pointer

    def _raise(self, trap):
        """What a call that ended with a trap raises: what the host's function raised, if that is where it came from."""
        raised, self._raised = self._raised, None
        exception = _take_trap(trap)
        if raised is None or raised[1] != trap:
            raise exception
        note = ["raised in a function that a WebAssembly guest called:", *_lines(exception.frames)]
        raised[0].add_note("\n".join(note))
        raise raised[0]


# ---- Values -----------------------------------------------------------------------------------------------------------

_objects = {}  # Python objects that guests have, by the host info of their foreign objects
_numbers = itertools.count(1)
_forget = native.Finalizer(lambda number: _objects.pop(number, None))


class Ref:
    """An object of the guest's own. It can be given back to it, and compared."""

    def __init__(self, store, pointer):
        self._store, self._pointer = store, pointer

    def __eq__(self, other):
        return isinstance(other, Ref) and lib.wasm_ref_same(self._pointer, other._pointer)

    def __hash__(self):
        return hash(self._pointer)

    def __del__(self):
        lib.wasm_ref_delete(self._pointer)


def _new_reference(store, value):
    """A new reference to a Python object, a function or an object of the guest's."""
    if value is None:
        return None
    if isinstance(value, (Func, Ref)):
        return lib.wasm_ref_copy(value._pointer)
    foreign, number = store._made(lib.wasm_foreign_new(store._open())), next(_numbers)
    _objects[number] = value
    lib.wasm_foreign_set_host_info_with_finalizer(foreign, number, _forget)
    return foreign


def _read_reference(store, pointer):
    """The object of a reference, which it takes over."""
    if not pointer:
        return None
    if lib.wasm_ref_as_func(pointer):
        return Func._wrap(store, pointer)
    if not lib.wasm_ref_as_foreign(pointer):
        return Ref(store, pointer)
    value = _objects[lib.wasm_ref_get_host_info(pointer)]
    lib.wasm_ref_delete(pointer)
    return value


def _write(store, kind, value, out):
    """Numbers wrap as the guest's instructions do; a wrong Python type is a TypeError."""
    out.kind = native.EXTERNREF if kind == native.REF else kind
    if kind == native.I32:
        out.of.i32 = ctypes.c_int32(value).value
    elif kind == native.I64:
        out.of.i64 = ctypes.c_int64(value).value
    elif kind == native.F32:
        out.of.f32 = value
    elif kind == native.F64:
        out.of.f64 = value
    elif kind == native.V128:
        raise Error("v128 cannot be passed")
    elif kind == native.FUNCREF and value is not None and not isinstance(value, Func):
        raise TypeError("a funcref is a cay.Func or None")
    else:
        out.of.ref = _new_reference(store, value)


def _read(store, value):
    """The Python value; a reference in it is taken over."""
    if value.kind == native.I32:
        return value.of.i32
    if value.kind == native.I64:
        return value.of.i64
    if value.kind == native.F32:
        return value.of.f32
    if value.kind == native.F64:
        return value.of.f64
    return None if value.kind == native.V128 else _read_reference(store, value.of.ref)


def _end(values):
    for value in values:
        if value.kind >= native.EXTERNREF:
            lib.wasm_ref_delete(value.of.ref)


def _zeros(kinds):
    values = (native.Value * len(kinds))()
    for value, kind in zip(values, kinds):
        value.kind = kind
    return values


def _vector(values):
    return native.Values(len(values), values)


# ---- What instances import and export ------------------------------------------------------------------------------------

class _Extern:
    """Something in a store that has a reference of its own."""

    def __init__(self, store, pointer):
        self._store, self._pointer = store, pointer

    @classmethod
    def _wrap(cls, store, pointer):
        made = cls.__new__(cls)
        _Extern.__init__(made, store, pointer)
        return made

    def __del__(self):
        if getattr(self, "_pointer", None):
            lib.wasm_extern_delete(self._pointer)


class Tag(_Extern):
    """The tag of an exception: it can be given to instances that import it."""


class Func(_Extern):
    """A function: the guest's, or of a callable, Func(store, ["i32"], ["i32"], lambda number: number + 1). A callable
    returns None, one value, or a sequence when there are several results."""

    def __init__(self, store, params, results, function):
        functype = lib.wasm_functype_new(ctypes.byref(_valtypes(params)), ctypes.byref(_valtypes(results)))
        callback = native.Callback(_guarded(store, tuple(results), function))
        pointer = lib.wasm_func_new_with_env(store._open(), functype, callback, None, None)
        lib.wasm_functype_delete(functype)
        super().__init__(store, store._made(pointer))
        store._kept.append(callback)

    @property
    def type(self):
        pointer = lib.wasm_func_type(self._pointer)
        if not pointer:
            raise Error("the store is closed")
        read = _read_functype(pointer)
        lib.wasm_functype_delete(pointer)
        return read

    def __call__(self, *arguments):
        store, functype = self._store, self._type()
        if len(arguments) != len(functype[0]):
            raise TypeError(f"the function takes {len(functype[0])} arguments, {len(arguments)} were given")
        args, results = _zeros(functype[0]), (native.Value * len(functype[1]))()
        store._open()
        try:
            for out, kind, value in zip(args, functype[0], arguments):
                _write(store, kind, value, out)
            trap = lib.wasm_func_call(self._pointer, ctypes.byref(_vector(args)), ctypes.byref(_vector(results)))
        finally:
            _end(args)
        if trap:
            store._raise(trap)
        values = [_read(store, value) for value in results]
        return tuple(values) if len(values) > 1 else values[0] if values else None

    def _type(self):
        if not hasattr(self, "_kinds"):
            self._kinds = tuple([_KINDS[name] for name in names] for names in self.type)
        return self._kinds


def _guarded(store, result_names, function):
    """The callback that calls `function`, and turns what it raises into a trap."""
    kinds = [_KINDS[name] for name in result_names]

    def answer(returned):
        if not kinds:
            return ()
        values = (returned,) if len(kinds) == 1 else tuple(returned)
        if len(values) != len(kinds):
            raise TypeError(f"{len(kinds)} results are expected, {len(values)} were returned")
        return values

    def callback(_env, args, results):
        try:
            given = args.contents
            # The arguments are the caller's; what is read takes its reference over.
            for i in range(given.size):
                if given.data[i].kind >= native.EXTERNREF:
                    lib.wasm_ref_copy(given.data[i].of.ref)
            returned = function(*[_read(store, given.data[i]) for i in range(given.size)])
            for i, value in enumerate(answer(returned)):
                _write(store, kinds[i], value, results.contents.data[i])
            return None
        except BaseException as exception:  # whatever it is, it goes around the guest
            message = f"{type(exception).__name__}: {exception}".encode(errors="replace").replace(b"\0", b"?")
            text = native.Bytes(len(message), ctypes.cast(ctypes.c_char_p(message), ctypes.c_void_p))
            trap = lib.wasm_trap_new(store._pointer, ctypes.byref(text))
            store._raised = (exception, trap)
            return trap

    return callback


class Global(_Extern):
    """A global: Global(store, "i32", 7, mutable=True), or the guest's."""

    def __init__(self, store, kind, value, mutable=False):
        globaltype, initial = lib.wasm_globaltype_new(_valtype(kind), mutable), native.Value()
        try:
            _write(store, _KINDS[kind], value, initial)
            super().__init__(store, store._made(lib.wasm_global_new(store._open(), globaltype, ctypes.byref(initial))))
        finally:
            lib.wasm_globaltype_delete(globaltype)
            _end([initial])

    @property
    def value(self):
        self._store._open()
        value = native.Value()
        lib.wasm_global_get(self._pointer, ctypes.byref(value))
        return _read(self._store, value)

    @value.setter
    def value(self, value):
        self._store._open()
        globaltype, given = lib.wasm_global_type(self._pointer), native.Value()
        kind = lib.wasm_valtype_kind(lib.wasm_globaltype_content(globaltype))
        is_mutable = lib.wasm_globaltype_mutability(globaltype)
        lib.wasm_globaltype_delete(globaltype)
        if not is_mutable:
            raise Error("the global is a constant")
        _write(self._store, kind, value, given)
        lib.wasm_global_set(self._pointer, ctypes.byref(given))
        _end([given])


class Table(_Extern):
    """A table of references: Table(store, "externref", 10, most=20), or the guest's. A sequence of fixed length that grows
    by `grow`."""

    def __init__(self, store, kind, size, most=native.LIMITS_MAX_DEFAULT):
        tabletype = lib.wasm_tabletype_new(_valtype(kind), ctypes.byref(native.Limits(size, most)))
        pointer = lib.wasm_table_new(store._open(), tabletype, None)
        lib.wasm_tabletype_delete(tabletype)
        super().__init__(store, store._made(pointer))

    def __len__(self):
        return lib.wasm_table_size(self._pointer)

    def __getitem__(self, index):
        return _read_reference(self._store, lib.wasm_table_get(self._pointer, self._index(index)))

    def __setitem__(self, index, value):
        index, reference = self._index(index), _new_reference(self._store, value)
        is_set = lib.wasm_table_set(self._pointer, index, reference)
        lib.wasm_ref_delete(reference)
        if not is_set:
            raise self._store._failure()

    def grow(self, count, value=None):
        reference = _new_reference(self._store, value)
        has_grown = lib.wasm_table_grow(self._pointer, count, reference)
        lib.wasm_ref_delete(reference)
        if not has_grown:
            raise self._store._failure()

    def _index(self, index):
        self._store._open()
        if not -len(self) <= index < len(self):
            raise IndexError("beyond the end of the table")
        return index % len(self)


class Memory(_Extern):
    """A linear memory: Memory(store, 1, most=4), in pages of 64 KiB, or the guest's. It reads and writes like a bytearray of
    fixed length: memory[0:5], memory[7] = 1. `view` is faster for much work in one place."""

    def __init__(self, store, pages, most=native.LIMITS_MAX_DEFAULT):
        memorytype = lib.wasm_memorytype_new(ctypes.byref(native.Limits(pages, most)))
        pointer = lib.wasm_memory_new(store._open(), memorytype)
        lib.wasm_memorytype_delete(memorytype)
        super().__init__(store, store._made(pointer))

    def __len__(self):
        return lib.wasm_memory_data_size(self._pointer)

    @property
    def pages(self):
        return lib.wasm_memory_size(self._pointer)

    def grow(self, pages):
        """Views that were made before become invalid: they must not be used any more."""
        self._store._open()
        if not lib.wasm_memory_grow(self._pointer, pages):
            raise self._store._failure()

    def view(self):
        """A memoryview of all bytes, without a copy. To be used until the guest runs, the memory grows or the store ends:
        after that it may show memory that is no longer there."""
        self._store._open()
        size = len(self)
        if size == 0:
            return memoryview(bytearray())
        return memoryview((ctypes.c_ubyte * size).from_address(lib.wasm_memory_data(self._pointer))).cast("B")

    def __buffer__(self, _flags):  # Python 3.12 and later: memoryview(memory)
        return self.view()

    def __getitem__(self, index):
        part = self.view()[index]
        return bytes(part) if isinstance(index, slice) else part

    def __setitem__(self, index, data):
        self.view()[index] = data

    def read(self, at, count):
        """`count` bytes; IndexError when they are not all inside."""
        return bytes(self.view()[self._range(at, count)])

    def write(self, at, data):
        self.view()[self._range(at, len(data))] = data

    def _range(self, at, count):
        if at < 0 or count < 0 or at + count > len(self):
            raise IndexError(f"{count} bytes at {at} are not in a memory of {len(self)}")
        return slice(at, at + count)


_CLASSES = {native.FUNC: Func, native.GLOBAL: Global, native.TABLE: Table, native.MEMORY: Memory, native.TAG: Tag}


# ---- Instances ---------------------------------------------------------------------------------------------------------

class Exports(dict):
    """By name: exports["add"], and exports.add where that is an identifier."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no export {name!r}") from None


class Instance:
    """A module with what it imports: {module: {name: callable, Func, Global, Table, Memory or Tag}}."""

    def __init__(self, store, module, imports=None):
        self.exports = Exports()
        given = [_import(store, imports or {}, *wanted) for wanted in module.imports]
        pointers = (ctypes.c_void_p * len(given))(*[one._pointer for one in given])
        vector, trap = native.Pointers(len(given), pointers), ctypes.c_void_p()
        local = store._made(lib.wasm_module_obtain(store._open(), module._shared))
        pointer = lib.wasm_instance_new(store._pointer, local, ctypes.byref(vector), ctypes.byref(trap))
        lib.wasm_module_delete(local)
        if not pointer:
            self._refused(store, trap.value)
        exports = native.Pointers()
        lib.wasm_instance_exports(pointer, ctypes.byref(exports))
        for (name, _type), export in zip(module.exports, exports.data[:exports.size]):
            kind = _CLASSES[lib.wasm_extern_kind(export)]
            self.exports[name] = kind._wrap(store, lib.wasm_extern_copy(export))
        lib.wasm_extern_vec_delete(ctypes.byref(exports))
        lib.wasm_instance_delete(pointer)
        if len(self.exports) < len(module.exports):
            raise MemoryError("no memory for the instance's exports")

    @staticmethod
    def _refused(store, trap):
        """A start function's trap is a Trap; everything else says why there is no instance."""
        error = lib.cay_wasm_store_error(store._pointer).contents
        try:
            store._raise(trap)
        except Trap as raised:
            if not raised.frames and raised.args[0] == error.text.decode(errors="replace"):
                raise store._failure() from None
            raise


def _import(store, imports, module, name, wanted):
    value = imports.get(module, {}).get(name)
    if isinstance(value, _Extern):
        return value
    if callable(value) and isinstance(wanted, FuncType):
        return Func(store, wanted.params, wanted.results, value)
    kind = "function" if isinstance(wanted, FuncType) else wanted
    given = "nothing" if value is None else type(value).__name__
    raise Error(f'import "{module}" "{name}" is a {kind}, and {given} was given', "link")
