#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules that are made to cost much: deep, long, huge, contradictory. Each has to end within a second of the processor's
time and with memory in proportion to its size, in success or in the one clear error that it deserves.

usage: hostile.py CAY [NAME...]

A case is a module, the command that gets it, its exit code, and a part of the message. CAY_SANITIZED: the sanitizer
build takes many times as long and as much memory, so there only the outcome counts. CAY_TIERS: the tiers in which
modules that run do so; only the default one without it."""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cases  # noqa: E402

SECONDS = 1.0
# The process itself, and its tables: a small multiple of the input.
BYTES, BYTES_PER_BYTE = 48 << 20, 64
SANITIZED = bool(os.environ.get('CAY_SANITIZED'))
KILLED_AT = (16 if SANITIZED else 2) << 30  # bytes in use
TIMEOUT = 600 if SANITIZED else 60
TIERS = os.environ.get('CAY_TIERS', '').split() or ['']


def resident(pid):
    try:
        return int(Path('/proc/%d/statm' % pid).read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    except (OSError, IndexError):
        return 0


def write(case, path):
    """In a process of its own: what this one has in use would count as the command's, which starts as its copy."""
    pid = os.fork()
    if pid == 0:
        path.write_bytes(case.make())
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit('%s cannot be made' % case.name)
    return path.stat().st_size


def measure(command, tier):
    """Exit code, what was said, seconds of processor time, largest memory in bytes."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                   env=dict(os.environ, CAY_TIER=tier))
        deadline = time.monotonic() + TIMEOUT
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline or resident(process.pid) > KILLED_AT:
                process.kill()
            time.sleep(0.002)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read(100000).decode('utf-8', 'replace')
    return process.returncode, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def problems_of(case, size, result):
    code, text, seconds, memory = result
    if code != case.code:
        yield 'exit code %d, expected %d' % (code, case.code)
    if not re.search(case.says, text):
        yield 'it says %r, expected %r' % (text[:300], case.says)
    if SANITIZED:
        return
    if seconds > SECONDS * case.slowness:
        yield '%.2f s of processor time' % seconds
    if memory > BYTES + BYTES_PER_BYTE * size + case.bytes:
        yield '%d MB of memory for %.1f MB of input' % (memory >> 20, size / 2**20)


def main():
    cay, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix='cay-hostile-') as folder:
        path = Path(folder) / 'case.wasm'
        for case in cases.all_cases():
            if wanted and case.name not in wanted:
                continue
            size = write(case, path)
            for tier in TIERS if case.words[0] == 'run' else ['']:
                result = measure([cay] + case.words + [str(path)] + case.arguments, tier)
                problems = list(problems_of(case, size, result))
                print('%-48s %-8s %8.1f kB %5.2f s %5d MB%s' % (
                    case.name, tier, size / 1024, result[2], result[3] >> 20,
                    ''.join('\n  FAILED: ' + problem for problem in problems)), flush=True)
                passed += not problems
                failed += bool(problems)
    print('%d passed, %d failed' % (passed, failed))
    sys.exit(failed != 0)


main()
