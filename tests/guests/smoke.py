#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Smoke tests of real programs: each guest's output and exit code against the native program's, or against what such a
program has to print.

usage: tests/guests/smoke.py [GUEST...]        after tests/guests/build.sh; without names, every guest of its fast list
CAY: the command to test (build/cay); CAY_GUESTS: where the guests were built (build/guests); CAY_FLAGS: options of
`run` for every guest.
"""
import filecmp
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAY = os.path.abspath(os.environ.get("CAY") or ROOT / "build/cay")
GUESTS = pathlib.Path(os.environ.get("CAY_GUESTS") or ROOT / "build/guests").resolve()
FLAGS = os.environ.get("CAY_FLAGS", "").split()
TIMEOUT_S = 600
# Only when named; and the guest without which they are skipped.
SOAK = {"copy": "own", "large": "own", "manythreads": "threads", "zigcc": "zigcc"}

TESTS = {}


class Failed(Exception):
    pass


def smoke(guest):
    """Registers a function as a test of the guest; its first line of documentation says what is tested."""
    def register(test):
        TESTS.setdefault(guest, []).append(test)
        return test
    return register


class Run:
    def __init__(self, command, stdin, folder=None):
        self.command = [str(word) for word in command]
        done = subprocess.run(self.command, input=stdin.encode(), capture_output=True, timeout=TIMEOUT_S, cwd=folder)
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr

    def __str__(self):
        return (f"{' '.join(self.command)}\n    status {self.status}, output {self.output[-600:]!r}, "
                f"errors {self.errors[-600:]!r}")


def guest(name, *arguments, options=(), stdin=""):
    return Run([CAY, "run", *FLAGS, *options, GUESTS / "bin" / f"{name}.wasm", *arguments], stdin)


def native(name, *arguments, folder=None, stdin=""):
    return Run([GUESTS / "native" / name, *arguments], stdin, folder)


def expect(run, output, status=0):
    if run.status != status or run.output != (output if isinstance(output, bytes) else output.encode()):
        raise Failed(f"expected status {status} and {output!r}\n    {run}")


def expect_same(run, reference, forget=rb"$^"):
    """`forget` matches what may differ, as times do."""
    if run.status != reference.status or re.sub(forget, b"", run.output) != re.sub(forget, b"", reference.output):
        raise Failed(f"differs from the native program\n    {run}\n    {reference}")


def expect_same_file(one, other):
    if not filecmp.cmp(one, other, shallow=False):
        raise Failed(f"{one} and {other} differ")


def some_json(work, rows=2500):
    """A file of half a megabyte, or more."""
    chosen = random.Random(1)
    table = [{"id": n, "name": f"row {n} \u00e9\\\"", "values": [chosen.random() * 1000 for _ in range(6)], "on": n % 3 == 0,
              "none": None, "deep": [[[n]]]} for n in range(rows)]
    path = work / "in.json"
    path.write_text(json.dumps(table, indent=1))
    return path


def folder_option(work):
    return ["--dir", f"{work}::/d"]


# ---- Ours ----------------------------------------------------------------------------------------------------------

@smoke("own")
def hello_arguments(work):
    """hello sees its arguments, the granted variable and standard input"""
    run = guest("hello", "a b", "", "ü", options=["--env", "GREETING=hi"], stdin="one\ntwo")
    expect(run, "hello from C, argc=4\nargument 1: a b\nargument 2: \nargument 3: ü\nGREETING=hi\nread one\nread two")


@smoke("own")
def hello_nothing(work):
    """hello sees no variable that was not granted"""
    os.environ["GREETING"] = "not granted"
    expect(guest("hello"), "hello from C, argc=1\n")


@smoke("own")
def hello_exit_code(work):
    """the exit code is the guest's"""
    expect(guest("hello", "!"), "", status=7)


@smoke("own")
def hello_trap(work):
    """a trap ends with code 134 and says where"""
    run = guest("hello", "trap")
    expect(run, "", status=134)
    if b"unreachable" not in run.errors:
        raise Failed(f"the message does not name the trap\n    {run}")


@smoke("own")
def sha256_file(work):
    """the SHA-256 of a file of 3 MB"""
    path = work / "random"
    path.write_bytes(random.Random(2).randbytes(3_000_001))
    expect(guest("sha256", "/d/random", options=folder_option(work)),
           f"{hashlib.sha256(path.read_bytes()).hexdigest()}  /d/random\n")


@smoke("own")
def json_in_and_out(work):
    """a JSON file is parsed and written again as natively"""
    some_json(work)
    reference = native("jsonio", "in.json", "native.json", folder=work)
    expect_same(guest("jsonio", "/d/in.json", "/d/guest.json", options=folder_option(work)), reference)
    expect_same_file(work / "guest.json", work / "native.json")


@smoke("own")
def copy_of_a_tree(work):
    """a directory with files, directories and links is copied"""
    copy_tree(work, 60)


@smoke("copy")
def copy_of_a_large_tree(work):
    """a directory of 1,000 files is copied"""
    copy_tree(work, 1000)


def copy_tree(work, files):
    make_tree(work / "from", files)
    (work / "to").mkdir()
    run = guest("copytree", "/from", "/to/copy",
                options=["--dir", f"{work}/from::/from::ro", "--dir", f"{work}/to::/to"])
    expect(run, f"{files} files, 8 directories, 3 links\n")
    expect_same_tree(work / "from", work / "to" / "copy")


def make_tree(top, files):
    """`files` files, 7 directories, 3 links."""
    chosen = random.Random(3)
    folders = [top / name for name in ("", "a", "a/b", "a/b/c", "empty", "\u00fcml\u00e4ut", "x" * 200, "a/b/c/d e")]
    for folder in folders:
        folder.mkdir()
    usable = [folder for folder in folders if folder.name != "empty"]
    for n in range(files):
        path = usable[n % len(usable)] / f"file {n}"
        path.write_bytes(chosen.randbytes(chosen.choice((0, 1, 100, 5000, 70000))))
        os.utime(path, ns=(1_600_000_000_123_456_789 + n, 1_500_000_000_987_654_321 + n))
    (top / "link").symlink_to("a/b")
    (top / "a" / "up").symlink_to("../file 0")
    (top / "dangling").symlink_to("nowhere")


def tree(top):
    """What a tree holds: every path with its contents, target or times."""
    seen = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            seen[name] = os.readlink(path)
        elif path.is_dir():
            seen[name] = "directory"
        else:
            seen[name] = (path.read_bytes(), path.stat().st_mtime_ns)
    return seen


def expect_same_tree(one, other):
    first, second = tree(one), tree(other)
    for name in sorted(set(first) | set(second)):
        if first.get(name) != second.get(name):
            raise Failed(f"{name} differs")


# ---- The kernels of the benchmark ------------------------------------------------------------------------------------

KERNELS = {"fannkuch": 8, "fib": 24, "json": 3, "mandelbrot": 60, "matmul": 60, "nbody": 3000, "sha256": 20, "vm": 400}


def kernel_test(name, size):
    def test(work):
        expect_same(guest(f"kernel-{name}", size), native(f"kernel-{name}", size))
    test.__doc__ = f"{name} {size} as natively"
    return test


for kernel, kernel_size in KERNELS.items():
    smoke("kernels")(kernel_test(kernel, kernel_size))


# ---- Others' ---------------------------------------------------------------------------------------------------------

@smoke("lua")
def lua_version(work):
    """Lua runs a line"""
    expect(guest("lua.noerr", "-e", "print(_VERSION, 10 // 3, 2^53)"), "Lua 5.4\t3\t9.007199254741e+15\n")


@smoke("lua")
def lua_script(work):
    """a script with strings, tables, closures and the file library, as natively"""
    script = """
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print(fib(20), ("x"):rep(3, ","), string.format("%5.2f|%q|%x", math.pi, "a\\nb", 255))
local t = {} for w in ("the quick brown fox"):gmatch("%a+") do t[#t + 1] = w:upper() end
table.sort(t) print(table.concat(t, " "))
local function counter() local n = 0 return function() n = n + 1 return n * n end end
local squares = counter() print(squares(), squares(), squares())
print(select("#", table.unpack({1, nil, 3}, 1, 3)), 7 // 2, -7 // 2, 7 % -3, 1 << 62, "10" + 5)
local f = assert(io.open(arg[1], "w")) f:write("line 1\\nline 2\\n") f:close()
for line in io.lines(arg[1]) do print(line) end
print(os.remove(arg[1]), (io.open(arg[1])))
os.exit(5)
"""
    (work / "script.lua").write_text(script)
    guest_run = guest("lua.noerr", "/d/script.lua", "/d/t", options=folder_option(work))
    reference = native("lua", "script.lua", "t", folder=work)
    expect_same(guest_run, reference)


SQL = """
create table account(id integer primary key, owner text, balance integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
  insert into account select i, 'owner ' || (i % 37), i * 125 from n;
create index by_owner on account(owner);
select owner, count(*), sum(balance) from account group by owner order by 3 desc limit 5;
select printf('%.6f', avg(sqrt(balance))), json_extract('{"a":[1,2,{"b":7}]}', '$.a[2].b');
begin; delete from account where id % 3 = 0; rollback;
update account set balance = -balance where owner = 'owner 7';
select count(*), sum(balance) from account where balance < 0;
select substr(group_concat(id), 1, 40) from (select id from account order by owner, id desc);
vacuum;
pragma integrity_check;
"""


@smoke("sqlite")
def sqlite_shell(work):
    """SQLite's shell makes a database; the native shell reads it, and says the same"""
    run = guest("sqlite3", "-batch", "/d/guest.db", options=folder_option(work), stdin=SQL)
    expect_same(run, native("sqlite3", "-batch", "native.db", folder=work, stdin=SQL))
    dump = native("sqlite3", "-batch", "native.db", folder=work, stdin=".dump\n")
    expect_same(native("sqlite3", "-batch", "guest.db", folder=work, stdin=".dump\n"), dump)
    expect_same(guest("sqlite3", "-batch", "/d/native.db", options=folder_option(work), stdin=".dump\n"), dump)


@smoke("sqlite")
def sqlite_speedtest(work):
    """speedtest1 in memory, with its own verification, as natively"""
    arguments = ["--memdb", "--size", "1", "--verify"]
    expect_same(guest("speedtest1", *arguments), native("speedtest1", *arguments), forget=rb" *\d+\.\d+s")


@smoke("sqlite")
def sqlite_speedtest_file(work):
    """speedtest1 on a file"""
    arguments = ["--size", "1", "--verify"]
    run = guest("speedtest1", *arguments, "/d/t.db", options=folder_option(work))
    expect_same(run, native("speedtest1", *arguments, "native.db", folder=work), forget=rb" *\d+\.\d+s")


@smoke("zstd")
def zstd_round_trip(work):
    """zstd packs as natively, and unpacks to the original, at three levels"""
    some_json(work)
    for level in (1, 3, 12):
        expect_same(guest("zstdround", "/d/in.json", level, options=folder_option(work)),
                    native("zstdround", "in.json", level, folder=work))


@smoke("zstd")
def zstd_with_vectors(work):
    """zstd compiled with vectors does the same"""
    some_json(work)
    expect_same(guest("zstdround.simd", "/d/in.json", 3, options=folder_option(work)),
                native("zstdround", "in.json", 3, folder=work))


@smoke("bzip2")
def bzip2_round_trip(work):
    """bzip2 packs as natively, and unpacks to the original"""
    path = some_json(work)
    expect(guest("bzip2", "-k", "-f", "/d/in.json", options=folder_option(work)), "")
    packed = (work / "in.json.bz2").read_bytes()
    if packed != native("bzip2", "-c", path).output:
        raise Failed("the packed file differs from the native one")
    expect(guest("bzip2", "-d", "-c", "/d/in.json.bz2", options=folder_option(work)), path.read_bytes())
    (work / "in.json.bz2").write_bytes(packed[:-20] + b"\0" * 20)
    if guest("bzip2", "-t", "/d/in.json.bz2", options=folder_option(work)).status == 0:
        raise Failed("a broken file is not noticed")


@smoke("minigzip")
def minigzip_round_trip(work):
    """minigzip packs what Python unpacks, and unpacks it itself"""
    import gzip
    path = some_json(work)
    original = path.read_bytes()
    expect(guest("minigzip", "/d/in.json", options=folder_option(work)), "")
    if gzip.decompress((work / "in.json.gz").read_bytes()) != original or path.exists():
        raise Failed("the packed file does not hold the original, or the original is still there")
    expect(guest("minigzip", "-d", "/d/in.json.gz", options=folder_option(work)), "")
    if path.read_bytes() != original:
        raise Failed("the unpacked file differs")


@smoke("quickjs")
def quickjs_line(work):
    """QuickJS runs a line"""
    expect(guest("qjs", "-e", "console.log([1,2,3].map(x=>x*x).join())"), "1,4,9\n")


@smoke("quickjs")
def quickjs_script(work):
    """a script with classes, generators, big integers, regular expressions, JSON and promises"""
    script = """
class Animal { #name; constructor(name) { this.#name = name; } toString() { return `<${this.#name}>`; } }
function* count() { for (let i = 0; ; i++) yield i; }
const [a, b, c] = count();
console.log(String(new Animal("cat")), a, b, c, 2n ** 100n, "x1y22".replace(/\\d+/g, d => `[${d}]`));
console.log(JSON.stringify({ deep: [1.5, null, { "\u00fc": "\\u{1F600}" }], when: new Date(0).toISOString() }));
const depth = n => n === 0 ? 0 : 1 + depth(n - 1);
console.log(depth(300), [3, 1, 2].toSorted().join(), Math.hypot(3, 4), (0.1 + 0.2).toFixed(20));
try { null.x } catch (e) { console.log(e instanceof TypeError, e.message); }
Promise.all([1, Promise.resolve(2)]).then(all => console.log("later", all.join("+")));
let sum = 0; for (const n of new Float64Array(1000).fill(0.5)) sum += n; console.log(sum);
"""
    (work / "script.js").write_text(script)
    expect_same(guest("qjs", "/d/script.js", options=folder_option(work)), native("qjs", "script.js", folder=work))


@smoke("go")
def go_hello(work):
    """Go: goroutines, sleeping, a granted file and one that is not"""
    (work / "note").write_text("granted\n")
    run = guest("hello.go", "/d/note", options=[*folder_option(work), "--env", "GREETING=hi"])
    expect(run, "hello from Go, 1 arguments, GREETING=hi\nsum of squares: 328350\n"
                "brown dog fox jumps lazy over quick the the\n\"granted\\n\" <nil>\nnot granted: true\n")


@smoke("rust")
def rust_hello(work):
    """Rust: collections, formatting, a granted file and one that is not"""
    (work / "note").write_text("granted\n")
    run = guest("hello.rust", "/d/note", options=[*folder_option(work), "--env", "GREETING=hi"])
    expect(run, "hello from Rust, 1 arguments, GREETING=hi\n{\"one\": 1, \"three\": 3, \"two\": 2} 7.485\n"
                "Ok(\"granted\\n\")\nnot granted: true\n")


@smoke("zig")
def zig_hello(work):
    """Zig says hello"""
    expect(guest("hello.zig"), "hello from Zig, sum of squares 332833500\n")


@smoke("assemblyscript")
def assemblyscript_hello(work):
    """AssemblyScript: strings, collector, floats, exit code"""
    expect(guest("hello.as", "a", "b"),
           "hello from AssemblyScript, 2 arguments\nlength 6890 harmonic 7.485470860550343\n", status=3)


@smoke("zigcc")
def zig_c_compiler(work):
    """what Zig's C compiler makes of hello"""
    expect(guest("hello.zigcc", "a"), "hello from C, argc=2\nargument 1: a\n")


# ---- What needs proposals -------------------------------------------------------------------------------------------

FORMS = {"exnref": (), "legacy": ("-W", "legacy-exceptions=y")}  # of exceptions, and the options they need


def both_forms(name, *arguments, options=(), stdin=""):
    """The runs of NAME.exnref and NAME.legacy."""
    return [guest(f"{name}.{form}", *arguments, options=[*more, *options], stdin=stdin) for form, more in FORMS.items()]


def expected(path):
    return (ROOT / "tests" / "guests" / path).read_bytes()


@smoke("cxx")
def cxx_exceptions(work):
    """C++ throws, unwinds and catches, with exceptions of both forms"""
    for run in both_forms("exceptions"):
        expect(run, expected("cxx/exceptions.expected"))


@smoke("cxx")
def cxx_uncaught(work):
    """an exception that nothing catches is a trap that says so and shows where it was thrown"""
    for run in both_forms("exceptions", "uncaught"):
        if run.status != 134 or run.output or b"uncaught exception" not in run.errors or b": main at" not in run.errors:
            raise Failed(f"not what an uncaught exception gives\n    {run}")


@smoke("lua")
def lua_errors(work):
    """Lua's errors, by longjmp made of exceptions of both forms: pcall, error values, handlers, coroutines, to-be-closed"""
    script = """
print(pcall(error, "boom")) print(select(2, pcall(error, {code = 7})).code) print(select(2, pcall(error, nil)))
print(xpcall(function() local x = nil; return x.field end, function(m) return "handled: " .. m end))
local function deep(n) if n == 0 then error("deep", 0) end return deep(n - 1) + 1 end
print(pcall(deep, 150))
print(pcall(string.rep, "x", -1), pcall(string.rep), (pcall(setmetatable, 1, 2)))
print(load("return 1 +"), pcall(load("local x <const> = 5; return x")))
local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1); error("in coroutine " .. b) end)
print(co(1), pcall(co, "b"))
local t = setmetatable({}, {__index = function(_, k) error("no " .. k, 2) end, __close = function(_, e) print("closed", e) end})
print(pcall(function() return t.field end))
print(pcall(function() local c <close> = t; error("while open", 0) end))
local n = 0 for i = 1, 20000 do if not pcall(error) then n = n + 1 end end print(n)
print(pcall(function() local function f() return f() + 1 end return f() end) and "?" or "overflowed")
print(select(2, pcall(pcall, pcall, error, "nested")))
error("to the end")
"""
    (work / "script.lua").write_text(script)
    reference = native("lua", "script.lua", folder=work)
    for run in both_forms("lua", "script.lua", options=["--dir", f"{work}::."]):
        expect_same(run, reference)
        if run.errors.split(b"\n")[0].split(b": ", 1)[1] != reference.errors.split(b"\n")[0].split(b": ", 1)[1]:
            raise Failed(f"another message than the native one\n    {run}\n    {reference}")


@smoke("threads")
def threads_work(work):
    """eight POSIX threads with locks, condition variables, barriers, keys and variables of their own, as natively"""
    for _ in range(3):
        expect_same(guest("threads"), native("threads"))


@smoke("threads")
def threads_exit(work):
    """exit in one thread, or a return from main, ends all others, whether they wait or run"""
    expect(guest("threads", "exit"), "", status=9)
    expect(guest("threads", "spin"), "", status=4)


@smoke("threads")
def threads_trap(work):
    """a trap in one thread ends all others"""
    run = guest("threads", "trap")
    expect(run, "", status=134)
    if b"unreachable" not in run.errors:
        raise Failed(f"the message does not name the trap\n    {run}")


@smoke("rustthreads")
def rust_threads(work):
    """eight threads of Rust with channels, locks, scopes and waits, as natively"""
    for _ in range(3):
        expect_same(guest("threads.rust"), native("threads.rust"))


def simd_kernel_test(name, size):
    def test(work):
        expect_same(guest(f"kernel-{name}.simd", size), native(f"kernel-{name}", size))
    test.__doc__ = f"{name} {size}, compiled with vectors, as natively"
    return test


for kernel, kernel_size in KERNELS.items():
    smoke("simd")(simd_kernel_test(kernel, kernel_size))


@smoke("simd")
def simd_named(work):
    """vector instructions by name, and the relaxed ones, as one by one natively"""
    for name in ("simd_dot.simd", "simd_dot.relaxed"):
        expect_same(guest(name, 300), native("simd_dot", 300))


@smoke("rustsimd")
def rust_simd(work):
    """Rust with vectors prints what it does without"""
    scalar = guest("scalar.rust")
    run = guest("simd.rust")
    expect_same(run, scalar)
    if scalar.status or (run.errors, scalar.errors) != (b"vectors: true\n", b"vectors: false\n"):
        raise Failed(f"it should have vectors only in one of them\n    {run}\n    {scalar}")


@smoke("memory64")
def memory64_sparse(work):
    """a memory of 16 GiB, written at 4, 5, 8, 9, 10 and 15 GiB, takes next to nothing"""
    gib = 1 << 30
    addresses = [place + word * 8 for place in (5 * gib, 8 * gib, 15 * gib, 4 * gib - 2048) for word in range(512)]

    def mixed(value):
        value = (value ^ value >> 31) * 0x9e3779b97f4a7c15 % (1 << 64)
        return value ^ value >> 29
    total = sum(map(mixed, addresses)) % (1 << 64)
    run = guest("memory64", options=["--max-memory", "0", "--invoke", "run"])
    expect(run, f"{total - (1 << 64) * (total >> 63)}\n")
    measure = "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    peak_kb = int(Run([sys.executable, "-c", measure, *run.command], "").output.split()[-1])
    if peak_kb > 50_000:
        raise Failed(f"it took {peak_kb} KB\n    {run}")


@smoke("memory64")
def memory64_end(work):
    """the last byte of 16 GiB can be read; the one after it is a trap"""
    expect(guest("memory64", 0, options=["--max-memory", "0", "--invoke", "at_end"]), "0\n")
    expect(guest("memory64", 1, options=["--max-memory", "0", "--invoke", "at_end"]), "", status=134)


@smoke("merged")
def merged_memories(work):
    """a program and its store, merged into one module with two memories, each with an allocator of its own"""
    expect(guest("merged", stdin="the quick brown fox jumps over the lazy dog and the cat\nover and over\n"),
           "15 words, 10 of them different\nand 2\nbrown 1\ncat 1\ndog 1\nfox 1\njumps 1\nlazy 1\nover 3\nquick 1\nthe 3\n"
           "the store grew to 40 MB, the program did not\n")


@smoke("tailcalls")
def tail_calls(work):
    """a million calls that are jumps: mutual, by table, by continuation, as natively"""
    expect_same(guest("tailcalls", 1_000_000), native("tailcalls", 1_000_000))


@smoke("kotlin")
def kotlin_work(work):
    """Kotlin makes trees, rings, text, collections and exceptions, collected, with exceptions of both forms"""
    for run in both_forms("kotlin"):
        expect(run, expected("kotlin/work.expected"))


@smoke("java")
def java_work(work):
    """Java, compiled by TeaVM to objects of the module's own, as on a Java virtual machine"""
    host = GUESTS / "bin" / "java.host.wasm"
    names = ("env", "teavmMemory", "teavmConsole", "teavmMath", "teavmJso", "wasm:js-string")
    options = ["--unknown-imports", "default", "--invoke", "run"]
    for name in names:
        options += ["--preload", f"{name}={host}"]
    expect_same(guest("java", options=options), native("java"))


VERILOG = """
module alu(input [7:0] a, b, input [1:0] op, output reg [7:0] y);
  always @* case (op) 0: y = a + b; 1: y = a - b; 2: y = a & b; default: y = a * b; endcase
endmodule
module top(input clk, reset, input [7:0] a, b, input [1:0] op, output reg [7:0] sum, output parity);
  wire [7:0] y;
  alu unit(.a(a), .b(b), .op(op), .y(y));
  always @(posedge clk) if (reset) sum <= 0; else sum <= sum + y;
  assign parity = ^sum;
endmodule
"""


@smoke("yosys")
def yosys_synthesis(work):
    """Yosys makes gates of Verilog, and proves by its SAT solver that they do the same"""
    (work / "top.v").write_text(VERILOG)
    (work / "tmp").mkdir()
    script = ("read_verilog /d/top.v; hierarchy -top alu; proc; opt; rename alu gold; design -stash gold; read_verilog /d/top.v; "
              "synth -flatten -top alu; abc -g AND,XOR,MUX; clean; rename alu gate; design -stash gate; design -copy-from gold gold; "
              "design -copy-from gate gate; miter -equiv -flatten -make_outputs gold gate miter; sat -verify -prove trigger 0 miter; "
              "design -reset; read_verilog /d/top.v; synth -top top; write_json /d/top.json")
    share = GUESTS / "work" / "yosys" / "share"
    run = guest("yosys", "-q", "-l", "/d/log", "-p", script, options=[*folder_option(work), "--dir", f"{work}/tmp::/tmp", "--dir", f"{share}::/share::ro"])
    if run.status or "SAT proof finished - no model found: SUCCESS!" not in (work / "log").read_text():
        raise Failed(f"no proof\n    {run}")
    modules = json.loads((work / "top.json").read_text())["modules"]
    kinds = [cell["type"] for cell in modules["top"]["cells"].values()]
    if kinds.count("$_SDFF_PP0_") != 8 or not {"$_XOR_", "alu"} <= set(kinds):
        raise Failed(f"not the cells of that circuit: {sorted(set(kinds))}")


# ---- Larger work -----------------------------------------------------------------------------------------------------

@smoke("large")
def large_sha256(work):
    """the SHA-256 of a file of 100 MB"""
    path = work / "random"
    path.write_bytes(random.Random(4).randbytes(104_857_600))
    expect(guest("sha256", "/d/random", options=folder_option(work)),
           f"{hashlib.sha256(path.read_bytes()).hexdigest()}  /d/random\n")


@smoke("large")
def large_json(work):
    """a JSON file of 10 MB is parsed and written again as natively"""
    some_json(work, rows=50000)
    reference = native("jsonio", "in.json", "native.json", folder=work)
    expect_same(guest("jsonio", "/d/in.json", "/d/guest.json", options=folder_option(work)), reference)
    expect_same_file(work / "guest.json", work / "native.json")


@smoke("large")
def large_speedtest(work):
    """speedtest1 of size 20 in memory and on a file"""
    arguments = ["--size", "20", "--verify"]
    expect_same(guest("speedtest1", "--memdb", *arguments), native("speedtest1", "--memdb", *arguments), forget=rb" *\d+\.\d+s")
    # Natively, VACUUM puts its temporary file into /tmp; the guest has none unless it is told where.
    options = folder_option(work) + ["--env", "SQLITE_TMPDIR=/d"]
    expect_same(guest("speedtest1", *arguments, "/d/t.db", options=options),
                native("speedtest1", *arguments, "native.db", folder=work), forget=rb" *\d+\.\d+s")


@smoke("large")
def large_zstd(work):
    """zstd at level 19"""
    some_json(work, rows=10000)
    expect_same(guest("zstdround", "/d/in.json", 19, options=folder_option(work)),
                native("zstdround", "in.json", 19, folder=work))


@smoke("large")
def large_lua(work):
    """the benchmark's Lua program as natively, with and without exceptions"""
    script = (ROOT / "bench" / "guests" / "bench.lua").read_text()
    reference = native("lua", "-", stdin=script)
    for run in (guest("lua.noerr", "-", stdin=script), *both_forms("lua", "-", stdin=script)):
        expect_same(run, reference)


@smoke("manythreads")
def many_threads(work):
    """threads start, work and end 100 times in every way"""
    c_reference, rust_reference = native("threads"), native("threads.rust")
    for _ in range(100):
        expect_same(guest("threads"), c_reference)
        expect_same(guest("threads.rust"), rust_reference)
        expect(guest("threads", "exit"), "", status=9)
        expect(guest("threads", "spin"), "", status=4)
        expect(guest("threads", "trap"), "", status=134)


@smoke("large")
def large_quickjs(work):
    """QuickJS sorts, hashes and formats for a while, as natively"""
    (work / "script.js").write_text("""
let seed = 1; const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const rows = Array.from({ length: 60000 }, (_, id) => ({ id, key: Math.floor(random() * 1e6).toString(36), value: random() }));
rows.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id);
const groups = new Map();
for (const { key, value } of rows) groups.set(key.length, (groups.get(key.length) ?? 0) + value);
console.log(JSON.stringify([...groups]), rows[0].key, rows.at(-1).key);
let product = 1n; for (let n = 1n; n <= 1500n; n++) product *= n;
console.log(product % (2n ** 89n - 1n), product.toString().length);
const text = rows.map(row => row.key).join(" ");
console.log(text.match(/\\b[a-f0-9]+\\b/g).length, text.replaceAll(/(\\w)(\\w)/g, "$2$1").length);
""")
    expect_same(guest("qjs", "/d/script.js", options=folder_option(work)), native("qjs", "script.js", folder=work))


# ---- The run -----------------------------------------------------------------------------------------------------------

def run_test(name, test):
    """"ok", "FAILED" or "skipped", and why."""
    skipped = GUESTS / "skipped" / SOAK.get(name, name)
    if skipped.exists():
        return "skipped", skipped.read_text().strip()
    with tempfile.TemporaryDirectory() as folder:
        try:
            test(pathlib.Path(folder))
        except (Failed, OSError, subprocess.TimeoutExpired) as why:
            return "FAILED", str(why)
    return "ok", ""


def main():
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    unknown = set(sys.argv[1:]) - set(TESTS)
    if unknown:
        sys.exit(f"no test for {', '.join(sorted(unknown))}; there are: {' '.join(TESTS)}")
    for name in sys.argv[1:] or [name for name in TESTS if name not in SOAK]:
        for test in TESTS[name]:
            verdict, why = run_test(name, test)
            counts[verdict] += 1
            print(f"{verdict:7} {name}: {test.__doc__}" + (f": {why}" if why else ""), flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["FAILED"] else 0)


if __name__ == "__main__":
    main()
