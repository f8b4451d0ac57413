#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs guests with --deterministic and --digest: twice in each tier of each command that is given, on whatever processors
these run. Every run must print, end, use fuel and have a digest as the first did; another seed, another file name and
another argument must show.

usage: run.py CAY..."""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/guests"))
KERNELS = {"sha256": 2, "matmul": 30, "fib": 18, "mandelbrot": 60, "fannkuch": 6, "nbody": 500, "json": 1, "vm": 60}
KERNEL_FLAGS = ["--target=wasm32", "-ffreestanding", "-nostdlib", "-Wl,--no-entry", "-Wl,--export=run", "-O2"]
WASI_FLAGS = ["--target=wasm32-wasi", "-Wno-deprecated", "-O1"]
DIGEST = re.compile(r"digest ([0-9a-f]{64})\n")


class Tests:
    def __init__(self, commands):
        self.commands = [str(Path(command).resolve()) for command in commands]
        self.passed = self.failed = self.skipped = 0

    def check(self, good, what):
        self.passed += good
        self.failed += not good
        if not good:
            print(f"FAILED {what}")

    def skip(self, what):
        self.skipped += 1
        print(f"skipped {what}")


def compiler(flags):
    """A clang that links with these flags, or None."""
    for name in [f"clang-{n}" for n in range(24, 13, -1)] + ["clang"]:
        probe = [name, *flags, "-x", "c", "-", "-o", "/dev/null"]
        source = "int run(int n) { return n; } int main(void) { return 0; }"
        if shutil.which(name) and subprocess.run(probe, input=source, text=True, capture_output=True).returncode == 0:
            return name
    return None


def tiers_of(command):
    return json.loads(subprocess.run([command, "version", "--format", "json"], check=True, capture_output=True).stdout)["tiers"]


def fresh_files(folder):
    """What the guests find; made anew for each run, so that its inodes and times are others."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "Z").mkdir(parents=True)
    for name in ("b", "a.txt", "a"):
        (folder / name).write_text(name * 100)
    values = ", ".join(f'{{"name": "value {n}", "number": {n}.5e-1, "list": [true, null, {n}]}}' for n in range(300))
    (folder / "in.json").write_text(f"[{values}]")
    (folder / "in.sql").write_text("create table t(a, b); with recursive c(n) as (select 1 union all select n + 1 from c where "
                                   "n < 500) insert into t select n, random() from c;\n"
                                   "select sum(a), total(b), datetime('now') from t; select hex(randomblob(9));\n")


def words(tier, options, arguments):
    return ["run", "--tier", tier, "--deterministic", "--digest", *options, "--dir", "files", *arguments]


def run(command, tier, folder, arguments, options=("--seed", "1")):
    """(output, exit code, digest, fuel) of one run."""
    fresh_files(folder / "files")
    receipt = folder / "receipt"
    fuel = ["--fuel", str(10**15), "--receipt", str(receipt)]
    result = subprocess.run([command, *words(tier, [*options, *fuel], arguments)], cwd=folder, input=b"one\ntwo\n", capture_output=True,
                            timeout=600)
    found = DIGEST.search(result.stderr.decode())
    used = {limit["name"]: limit["used"] for limit in json.loads(receipt.read_text())["limits"]}
    return result.stdout, result.returncode, found and found[1], used["fuel"]


def check_guest(tests, folder, name, arguments, is_well):
    first = None
    for command in tests.commands:
        for tier in tiers_of(command):
            for time in 1, 2:
                found = run(command, tier, folder, arguments)
                first = first or found
                good = found == first and found[2] and found[3] and (found[1] == 0) == is_well
                tests.check(bool(good), f"{name}: {command} {tier}, run {time}: {found[1:]}, not {first[1:]}")
    return first


def in_pieces(command, tier, folder, arguments):
    """The digest when standard input comes in pieces."""
    fresh_files(folder / "files")
    script = '(printf one; sleep 0.1; printf "\\n"; sleep 0.1; echo two) | "$0" "$@"'
    call = ["sh", "-c", script, command, *words(tier, ("--seed", "1"), arguments)]
    return DIGEST.search(subprocess.run(call, cwd=folder, capture_output=True, timeout=600).stderr.decode())[1]


def check_differences(tests, folder, arguments, first):
    """What has to show in a digest does, and what must not does not."""
    command, tier = tests.commands[0], tiers_of(tests.commands[0])[0]
    tests.check(in_pieces(command, tier, folder, arguments) == first[2], "input in pieces has another digest")
    tests.check(run(command, tier, folder, arguments, ("--seed", "2"))[2] != first[2], "another seed has the same digest")
    tests.check(run(command, tier, folder, arguments + ["more"])[2] != first[2], "another argument has the same digest")


def build(folder, source, flags, *more):
    cc = compiler(flags)
    out = folder / f"{Path(source).stem}.wasm"
    if cc:
        subprocess.run([cc, *flags, *more, str(ROOT / source), "-o", str(out)], check=True)
    return out.name if cc else None


def guests(tests, folder):
    """(name, arguments, whether it ends well)"""
    for name, size in KERNELS.items():
        module = build(folder, f"bench/kernels/{name}.c", KERNEL_FLAGS)
        if module:
            yield name, ["--invoke", "run", module, str(size)], True
        else:
            tests.skip(f"{name}: no compiler for wasm32")
    deep = build(folder, "tests/deterministic/guests/deep.c", KERNEL_FLAGS)
    if deep:
        yield "deep", ["--invoke", "run", deep, "0"], False
    programs = {"tests/cli/guests/same.c": ["files"], "tests/guests/c/jsonio.c": ["files/in.json", "files/out.json"]}
    for source, arguments in programs.items():
        module = build(folder, source, WASI_FLAGS)
        if module:
            yield Path(source).stem, [module, *arguments], True
        else:
            tests.skip(f"{source}: no compiler for wasm32-wasi")
    sqlite = ROOT / "build/guests/bin/sqlite3.wasm"
    if sqlite.exists():
        shutil.copy(sqlite, folder)
        yield "sqlite", ["sqlite3.wasm", "files/db", ".read files/in.sql"], True
    else:
        tests.skip("sqlite: its guest is not built")


def main():
    tests = Tests(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="cay-deterministic-") as name:
        folder = Path(name)
        for guest, arguments, is_well in guests(tests, folder):
            first = check_guest(tests, folder, guest, arguments, is_well)
            if guest == "same":
                check_differences(tests, folder, arguments, first)
    print(f"{tests.passed} passed, {tests.failed} failed, {tests.skipped} skipped")
    sys.exit(tests.failed != 0)


if __name__ == "__main__":
    main()
