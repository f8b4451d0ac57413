#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs with the classic bugs of C (guests/overflow.c), and modules of wild accesses (wild.py): they corrupt only
themselves. First by the command in every tier, with a folder granted that must stay as it is, and what lies beside it;
then in one process with witnesses (neighbours.c), in every tier, with guard pages and with explicit bounds.

usage: tests/audit/bugs.py     CAY: the command to test; CAY_BUILD: its build folder."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import wild
from row import build, snapshot

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAY = os.path.abspath(os.environ.get('CAY') or ROOT / 'build/cay')
NEIGHBOURS = pathlib.Path(os.environ.get('CAY_BUILD') or ROOT / 'build') / 'tests/audit/audit-neighbours'
TIMEOUT_S = 600
# What each does: its exit code, 0 when the damage is its own, or the trap that ends it.
BOUNDS, INDEX = 'out of bounds memory access', 'undefined element'
BUGS = {
    'stack-overflow': 0, 'heap-overflow': 0, 'global-overflow': 0, 'use-after-free': 0, 'double-free': 0, 'null-pointer': 0,
    'format-string': 0, 'integer-overflow': 0, 'fill-up': BOUNDS, 'fill-all': BOUNDS, 'fill-from-zero': BOUNDS,
    'below-zero': BOUNDS, 'far-index': BOUNDS, 'endless-recursion': BOUNDS, 'huge-frame': BOUNDS, 'wild-function': INDEX,
    'overwritten-function': INDEX, 'wrong-type': 'indirect call type mismatch', 'null-function': 'uninitialized element',
    'wild-free': BOUNDS,
}
TRAPPED = 134


def clang():
    for name in ('clang-22', 'clang-21', 'clang-20', 'clang-19'):
        if shutil.which(name):
            return name
    return None


def compile_guest(folder):
    guest = folder / 'overflow.wasm'
    subprocess.run([clang(), '--target=wasm32-wasi', '-Wno-deprecated', '-Wall', '-Wextra', '-Werror', '-O1', '-g', '-fno-builtin',
                    '--no-wasm-opt', '-o', guest, HERE / 'guests/overflow.c'], check=True)
    return guest


def tiers():
    version = subprocess.run([CAY, 'version'], check=True, capture_output=True, text=True).stdout
    return re.search(r'^tiers: *(.*)$', version, re.M).group(1).replace(' (default)', '').split()


def problems_of(guest, bug, expected, tier, host):
    before = snapshot(host)
    done = subprocess.run([CAY, 'run', '--tier', tier, '--dir', '%s::/d' % (host / 'inside'), str(guest), bug],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)
    errors = done.stderr.decode(errors='replace')
    code = expected if isinstance(expected, int) else TRAPPED
    if done.returncode != code:
        yield 'exit code %d, expected %d: %s' % (done.returncode, code, errors[:400])
    if not isinstance(expected, int) and 'trap: %s' % expected not in errors:
        yield 'says %r, expected the trap %r' % (errors[:400], expected)
    if snapshot(host) != before:
        yield 'a file was changed'


def by_command(guest, host):
    passed = failed = 0
    for bug, expected in BUGS.items():
        for tier in tiers():
            problems = list(problems_of(guest, bug, expected, tier, host))
            passed += not problems
            failed += bool(problems)
            print('%s %s, %s%s' % ('FAILED' if problems else 'ok    ', bug, tier, ''.join('\n    ' + text for text in problems)))
    return passed, failed


def beside_witnesses(guest, folder, host):
    """(settings in which all was well, failures)"""
    wild.write(folder)
    before = snapshot(host)
    bugs = ['%s=%s' % (bug, expected if isinstance(expected, int) else 'trap') for bug, expected in BUGS.items()]
    done = subprocess.run([str(NEIGHBOURS), str(folder), str(guest), *bugs], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
    text = done.stdout.decode(errors='replace')
    print(text[-4000:], end='')
    settings = re.findall(r'^(\w+), (?:guard pages|explicit bounds): \d+ checks$', text, re.M)
    in_process = [tier for tier in tiers() if tier not in ('optimized', 'auto')]  # which have a helper of the command's
    is_well = done.returncode == 0 and re.search(r'^\d+ checks, 0 failed$', text, re.M) and len(settings) == 2 * len(in_process)
    if not is_well:
        print('FAILED: the neighbours ended with %d' % done.returncode)
    if snapshot(host) != before:
        print('FAILED: a file was changed')
        is_well = False
    return (len(settings), 0) if is_well else (0, 1)


def main():
    if not clang():
        print('skipped: no clang for wasm32-wasi\n0 passed, 0 failed, 1 skipped')
        return 0
    with tempfile.TemporaryDirectory(prefix='cay-audit-') as name:
        folder = pathlib.Path(name).resolve()
        host = folder / 'host'
        host.mkdir()
        build(host)
        guest = compile_guest(folder)
        counts = [by_command(guest, host), beside_witnesses(guest, folder, host)]
    passed, failed = (sum(count[i] for count in counts) for i in (0, 1))
    print('%d passed, %d failed' % (passed, failed))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
