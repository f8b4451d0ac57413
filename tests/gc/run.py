#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the guests of modules.py with `--max-memory 64M`: results are right, memory stays below the limit, and when it
cannot, the error says so. run.py GIGABYTES: how much the main loop allocates; the others are in proportion to it."""
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import modules

LIMIT_MB = 64
# The slowest takes 11 s a GB in the interpreter (docs/soak/gc.log); with sanitizers there is a fortieth of the GB.
SECONDS, SECONDS_A_GB = 300, 60
# The command itself, its stack, the translated code.
OWN_MB = 32
EXHAUSTED = 'no memory left for objects'


def run(command, seconds_limit):
    """(exit code, output, errors, seconds, most memory in MB); it is killed when it takes longer than the limit."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        killer = threading.Timer(seconds_limit, process.kill)
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode('utf-8', 'replace'))
    return process.returncode, texts[0], texts[1], seconds, usage.ru_maxrss / 1024


def cases(total_bytes, is_sanitized):
    """(export, arguments, result; None: the heap has to be exhausted)"""
    factor = total_bytes / 4e9
    rounds = int(total_bytes / 320)
    small = 10 if is_sanitized else 1
    cycles = int(10_000_000 * factor)
    sizes = int(1_000_000 * factor)
    tree_rounds = max(int(1000 * factor), 1)
    return [
        ('churn', [rounds], rounds),
        ('cycles', [cycles], 3),
        ('list', [2_000_000 // small], 2_000_000 // small),
        ('changing_sizes', [sizes], sizes),
        ('wide', [1_000_000 // small], sum(range(1_000_000 // small))),
        ('trees', [14, tree_rounds], (tree_rounds + 1) * (2**15 - 1)),
        ('keep_all', [], None),
        ('keep_one_in_each_block', [(LIMIT_MB * 1024 // 64 - 4) * 2014], None),
    ]


def check(export, expected, result, is_sanitized):
    code, out, err, _, memory_mb = result
    problems = []
    if expected is None:
        if code != 110 or EXHAUSTED not in err:
            problems.append('exit code %d, expected 110 and "%s"' % (code, EXHAUSTED))
    elif code != 0 or out.strip() != str(expected):
        problems.append('exit code %d, result %s, expected %s' % (code, out.strip() or 'none', expected))
    if not is_sanitized and memory_mb > LIMIT_MB + OWN_MB:
        problems.append('took %.0f MB with a limit of %d MB' % (memory_mb, LIMIT_MB))
    return ['FAILED %s: %s\n%s' % (export, problem, err) for problem in problems]


def main():
    cay = os.environ.get('CAY', 'build/cay')
    is_sanitized = bool(os.environ.get('CAY_SANITIZED'))
    gigabytes = float(sys.argv[1]) / (40 if is_sanitized else 1)
    failed = 0
    with tempfile.TemporaryDirectory(prefix='cay-gc-') as folder:
        guest = Path(folder) / 'gc.wasm'
        guest.write_bytes(modules.module())
        listed = cases(gigabytes * 1e9, is_sanitized)
        for export, arguments, expected in listed:
            command = [cay, 'run', '--max-memory', '%dM' % LIMIT_MB, '--max-backtrace', '3', '--invoke', export, str(guest)]
            result = run(command + [str(argument) for argument in arguments], SECONDS + SECONDS_A_GB * gigabytes)
            problems = check(export, expected, result, is_sanitized)
            print('\n'.join(problems) or 'ok      %-24s %8.1f s %6.0f MB' % (export, result[3], result[4]), flush=True)
            failed += bool(problems)
    print('%d passed, %d failed' % (len(listed) - failed, failed))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
