#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code that this machine's cay compiles ahead for another processor, run there (tests/cross/run.sh).

usage: ahead.py CAY OTHER_CAY TARGET GUESTS_BIN

Each guest is compiled by CAY and run by OTHER_CAY, with its code and in the baseline; both have to say the same, also where they
trap, and the code has to have been used, and to be there for every instruction. Prints counts."""
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = [('hello', []), ('hello', ['trap']), ('tailcalls', []), ('sha256', []), ('kernel-fib', ['20']), ('kernel-sha256', ['20']),
        ('kernel-nbody', ['500']), ('kernel-vm', ['500']), ('kernel-json', ['2']), ('kernel-dot.simd', ['10']),
        ('kernel-matmul.simd', ['20']), ('kernel-mandelbrot', ['20']), ('kernel-fannkuch', ['6']), ('kernel-spectral.simd', ['20']),
        ('exceptions.exnref', []), ('kotlin.exnref', [])]


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors='replace')


def problem_of(cay, other, target, wasm, arguments, folder):
    code = str(Path(folder, wasm.stem + '.cay'))
    status, _, said = run([cay, 'compile', '--target', target, str(wasm), '-o', code])
    if status:
        return 'it is not compiled: ' + said
    optimized = run([*other, 'run', '-v', '--isolate', 'none', '--trust-precompiled', code, *arguments])
    baseline = run([*other, 'run', '--isolate', 'none', '--tier', 'baseline', code, *arguments])
    if '(kept in the file)' not in optimized[2] or 'optimized 0 of' in optimized[2]:
        return 'its code is not used: ' + optimized[2]
    if 'the optimizer does not know' in optimized[2]:
        return 'some functions stay in the baseline: ' + optimized[2]
    errors = ''.join(line for line in optimized[2].splitlines(True) if '(kept in the file)' not in line)
    if (*optimized[:2], errors) != baseline:
        return 'it says something else: %r, and in the baseline %r' % (optimized, baseline)
    return None


def main():
    cay, other, target, guests = sys.argv[1], sys.argv[2].split(), sys.argv[3], Path(sys.argv[4])
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in RUNS:
            wasm = guests / (name + '.wasm')
            problem = problem_of(cay, other, target, wasm, arguments, folder) if wasm.exists() else None
            if problem:
                print('%s: %s' % (name, problem))
            counts['failed' if problem else 'passed' if wasm.exists() else 'skipped'] += 1
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % counts)
    sys.exit(counts['failed'] > 0)


if __name__ == '__main__':
    main()
