#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The example programs of WebAssembly/wasm-c-api, unchanged, compiled against our wasm.h and linked with libcay: each has
to end well, and under a sanitizer without a report. Usage: reference.py CHECKOUT BUILD_FOLDER CC SANITIZERS, the last one
a list for -fsanitize, or empty. Nothing of the checkout is kept; what is built lies in BUILD_FOLDER/reference."""
import os
import shutil
import subprocess
import sys

EXAMPLES = ("callback finalize global hello hostref memory multi reflect serialize start table threads trap").split()
# How a program's output has to end; the others exit by themselves when something is wrong, and print this at last.
ENDINGS = {"threads": "Waiting for thread: 9\n"}
ENDING = "Done.\n"
# The checkout's hostref.wasm was assembled when `ref.null` did not name its type yet: global, externref, mutable, null.
OLD_NULL, NULL = b"\x6f\x01\xd0\x0b", b"\x6f\x01\xd0\x6f\x0b"
GLOBAL_SECTION = 6


def sections(module):
    """(id, contents) of each section; all of these modules' sizes take one byte, or five."""
    at = 8
    while at < len(module):
        kind, size, shift, at = module[at], 0, 0, at + 1
        while True:
            byte, at = module[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield kind, module[at:at + size]
        at += size


def leb(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def modern(module):
    """The module with its nulls as the standard has them."""
    out = module[:8]
    for kind, contents in sections(module):
        if kind == GLOBAL_SECTION:
            contents = contents.replace(OLD_NULL, NULL)
        out += bytes([kind]) + leb(len(contents)) + contents
    return out


def prepare(checkout, folder, name):
    with open(os.path.join(checkout, "example", name + ".wasm"), "rb") as file:
        module = file.read()
    with open(os.path.join(folder, name + ".wasm"), "wb") as file:
        file.write(modern(module))


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def failure_of(checkout, build, cc, sanitizers, folder, name):
    """None when the example is right, else what is wrong with it."""
    library = os.path.join(build, "src", "api")
    flags = ["-fsanitize=" + sanitizers, "-fno-sanitize-recover=all"] if sanitizers else []
    compiled = run([*cc, "-O1", "-g", *flags, "-I", "include", os.path.join(checkout, "example", name + ".c"),
                    "-o", os.path.join(folder, name), "-L", library, "-lcay", "-Wl,-rpath," + library, "-lpthread"])
    if compiled.returncode != 0:
        return compiled.stdout
    prepare(checkout, folder, name)
    # LeakSanitizer is part of AddressSanitizer, and the examples give everything back.
    ended = run([os.path.join(folder, name)], cwd=folder, timeout=300)
    if ended.returncode != 0 or not ended.stdout.endswith(ENDINGS.get(name, ENDING)):
        return f"status {ended.returncode}\n{ended.stdout[-4000:]}"
    return None


def main():
    checkout, build, cc, sanitizers = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3], sys.argv[4]
    folder = os.path.join(build, "reference")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    failed = 0
    for name in EXAMPLES:
        failure = failure_of(checkout, build, cc.split(), sanitizers, folder, name)
        print(f"{'FAILED' if failure else 'ok    '} {name}", *([failure] if failure else []))
        failed += failure is not None
    print(f"{len(EXAMPLES) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
